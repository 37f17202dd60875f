//! Whether a caller may do something with something: all that the answer depends on, and how policies come to it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use crate::policy::{
    Attached, Caller, ConditionKey, Context, Effort, Policies, Policy, Reason, Request, Said, Value, Verdict,
};
use crate::text::with_text;
use crate::{AccountId, Permission};

/// The service whose actions get sessions, whosever the role is.
const STS: &str = "sts";

/// The circumstances of a call, as far as conditions of policies can ask about them.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// When it is decided, in milliseconds since 1970.
    pub time: u64,
    /// Where the call comes from.
    pub source: IpAddr,
    /// Whether it came over TLS.
    pub secure_transport: bool,
    /// The program that sent it, as it calls itself.
    pub user_agent: Option<&'a str>,
    /// What the ciphertext that it is about is bound to.
    pub encryption_context: Option<&'a Arc<BTreeMap<String, String>>>,
}

/// Something that has tags.
pub trait Tagged: Sync {
    /// The value of the tag of that name.
    fn tag(&self, name: &str) -> Option<&str>;
}

/// What a permission is asked on.
#[derive(Clone, Copy)]
pub struct Resource<'a> {
    /// The service that it belongs to, as ARNs and actions name it: `kms`.
    pub service: &'static str,
    /// Its region; `*` for what has none.
    pub region: &'a str,
    /// The account that owns it, or asks about it where no account does.
    pub account: AccountId,
    /// What its ARN has in the account's place, where no account owns it: `system`.
    pub owner: Option<&'static str>,
    /// What follows in its ARN, such as `key/<id>`. Asked for its text only where a policy must be asked.
    pub name: &'a (dyn Display + Sync),
    /// Its tags, if it can have any.
    pub tags: Option<&'a dyn Tagged>,
    /// The policy that is attached to it.
    pub policy: Option<&'a Attached>,
}

impl Resource<'_> {
    /// Whose it is, as its ARN says.
    fn owner(&self) -> &str {
        self.owner.unwrap_or(self.account.as_str())
    }
}

/// A permission that is asked for.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What is to be done.
    pub permission: Permission,
    /// With what.
    pub resource: &'a Resource<'a>,
    /// Under which circumstances.
    pub environment: &'a Environment<'a>,
}

/// Answer of [`crate::Iam::authorise`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The principal may.
    Allowed,
    /// The principal may not.
    Denied(Denial),
}

/// Why a principal may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// A sentence for the operator's log, never for the caller: it tells of policies.
    pub why: Box<str>,
    /// Whether the caller may know that the resource exists: it is its own account's, or has a policy that lets it in.
    pub may_know: bool,
}

/// A principal as policies see it.
#[derive(Clone, Copy)]
pub(crate) struct PolicySubject<'a> {
    /// Its account and ARN.
    pub(crate) caller: Caller<'a>,
    /// Whether it is the root of its account.
    pub(crate) root: bool,
    /// The policies that are attached to it.
    pub(crate) identity: &'a [Arc<Attached>],
    /// The policy of its session, if it was given one.
    pub(crate) session: Option<&'a Attached>,
}

impl Question<'_> {
    /// Asks all policies that concern the question.
    pub(crate) fn answer(&self, subject: &PolicySubject<'_>) -> Decision {
        self.decide(subject, |verdict| match verdict {
            Verdict::Allowed(_) => Decision::Allowed,
            Verdict::Denied(reason) => {
                let own = subject.caller.account == self.resource.account;
                let may_know = own || matches!(reason, Reason::CallersAccountIsSilent);
                let Permission(permission) = self.permission;
                let Resource { service, region, name, .. } = self.resource;
                let owner = self.resource.owner();
                let asked = format!("{service}:{permission} on acs:{service}:{region}:{owner}:{name}");
                let why = format!("{} may not {asked}: {reason}", subject.caller.arn);
                Decision::Denied(Denial { why: why.into(), may_know })
            }
        })
    }

    /// Asks the caller's own policies alone, for an action of STS, whosever the resource is.
    pub(crate) fn answer_of_own(&self, subject: &PolicySubject<'_>) -> Decision {
        let PolicySubject { root, identity, session, .. } = *subject;
        let policies = Policies { root, identity, session, resource: None, foreign: false };
        self.put(subject, STS, None, |request| match policies.decide(request) {
            Verdict::Allowed(_) => Decision::Allowed,
            Verdict::Denied(reason) => {
                let Request { action, resource, .. } = request;
                let why = format!("{} may not {action} on {resource}: {reason}", subject.caller.arn);
                Decision::Denied(Denial { why: why.into(), may_know: false })
            }
        })
    }

    /// Whether a trust policy lets the caller in, who gave that external id.
    pub(crate) fn is_trusted(&self, subject: &PolicySubject<'_>, trust: &Policy, external_id: Option<&str>) -> bool {
        self.put(subject, STS, external_id, |request| matches!(trust.say(request), Said::Allow(_)))
    }

    /// Shows what was decided, and why.
    pub(crate) fn decide<T>(&self, subject: &PolicySubject<'_>, show: impl FnOnce(Verdict<'_>) -> T) -> T {
        let policies = Policies {
            root: subject.root,
            identity: subject.identity,
            session: subject.session,
            resource: self.resource.policy,
            foreign: subject.caller.account != self.resource.account,
        };
        self.put(subject, self.resource.service, None, |request| show(policies.decide(request)))
    }

    /// Puts the question in the words of policies, as one for an action of `service`.
    fn put<T>(
        &self,
        subject: &PolicySubject<'_>,
        service: &str,
        external_id: Option<&str>,
        ask: impl FnOnce(&Request<'_>) -> T,
    ) -> T {
        let Self { permission: Permission(permission), resource, environment } = *self;
        let Resource { service: home, region, name, tags, .. } = *resource;
        let owner = resource.owner();
        let context = Circumstances { environment, tags, principal: subject.caller.arn, external_id };
        with_text(format_args!("{service}:{permission}"), |action| {
            with_text(format_args!("acs:{home}:{region}:{owner}:{name}"), |resource| {
                ask(&Request { action, resource, caller: subject.caller, context: &context, effort: Effort::default() })
            })
        })
    }
}

/// What conditions find of a call.
struct Circumstances<'a> {
    environment: &'a Environment<'a>,
    tags: Option<&'a dyn Tagged>,
    principal: &'a str,
    external_id: Option<&'a str>,
}

impl Context for Circumstances<'_> {
    fn visit(&self, key: &ConditionKey, see: &mut dyn FnMut(Value<'_>)) {
        let Environment { time, source, secure_transport, user_agent, encryption_context } = *self.environment;
        match key {
            ConditionKey::CurrentTime => see(Value::Time(time)),
            ConditionKey::SourceIp => see(Value::Address(source)),
            ConditionKey::SecureTransport => see(Value::Flag(secure_transport)),
            // No credential of this server has a second factor.
            ConditionKey::MfaPresent => see(Value::Flag(false)),
            ConditionKey::UserAgent => user_agent.into_iter().for_each(|agent| see(Value::Text(agent))),
            ConditionKey::PrincipalArn => see(Value::Text(self.principal)),
            ConditionKey::ExternalId => self.external_id.into_iter().for_each(|id| see(Value::Text(id))),
            ConditionKey::ResourceTag(name) => {
                let value = self.tags.and_then(|tags| tags.tag(name));
                value.into_iter().for_each(|value| see(Value::Text(value)));
            }
            ConditionKey::EncryptionContext(name) => {
                let value = encryption_context.and_then(|entries| entries.get(&**name));
                value.into_iter().for_each(|value| see(Value::Text(value)));
            }
            ConditionKey::Other(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PolicyKind;

    const OWN: &str = "1000000000000001";
    const OTHER: &str = "1000000000000002";

    struct Team(&'static str);

    impl Tagged for Team {
        fn tag(&self, name: &str) -> Option<&str> {
            (name == "team").then_some(self.0)
        }
    }

    fn attached(document: &str, kind: PolicyKind) -> Arc<Attached> {
        Arc::new(Attached { origin: "the policy".into(), policy: Arc::new(Policy::parse(document, kind).unwrap()) })
    }

    /// The answer to a user of the first account who asks for Encrypt on a key of `owner`.
    fn answer(owner: &str, identity: &str, key_policy: Option<&str>, environment: &Environment<'_>) -> Decision {
        let account = AccountId::parse(OWN).unwrap();
        let identity = [attached(identity, PolicyKind::Identity)];
        let key_policy = key_policy.map(|document| attached(document, PolicyKind::Key));
        let resource = Resource {
            service: "kms",
            region: "cn-hangzhou",
            account: AccountId::parse(owner).unwrap(),
            owner: None,
            name: &"key/k",
            tags: Some(&Team("shop")),
            policy: key_policy.as_deref(),
        };
        let arn = format!("acs:ram::{OWN}:user/u");
        let caller = Caller { account, arn: &arn };
        let subject = PolicySubject { caller, root: false, identity: &identity, session: None };
        Question { permission: Permission("Encrypt"), resource: &resource, environment }.answer(&subject)
    }

    const HERE: Environment<'_> = Environment {
        time: 1_795_485_600_000,
        source: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7)),
        secure_transport: true,
        user_agent: Some("sdk"),
        encryption_context: None,
    };

    fn allow(condition: &str) -> String {
        let resource = format!("acs:kms:cn-hangzhou:{OWN}:key/k");
        format!(
            r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"kms:Encrypt","Resource":"{resource}","Condition":{{{condition}}}}}}}"#
        )
    }

    #[test]
    fn conditions_see_the_circumstances_of_the_call_and_the_tags_of_the_key() {
        for (condition, allowed) in [
            ("", true),
            (r#""StringEquals":{"kms:tag/team":"shop"}"#, true),
            (r#""StringEquals":{"kms:tag/team":"bank"}"#, false),
            (r#""StringEquals":{"kms:tag/other":"shop"}"#, false),
            (r#""IpAddress":{"acs:SourceIp":"10.0.0.0/24"}"#, true),
            (r#""IpAddress":{"acs:SourceIp":"10.0.1.0/24"}"#, false),
            (r#""Bool":{"acs:SecureTransport":"true"}"#, true),
            (r#""Bool":{"acs:MFAPresent":"true"}"#, false),
            (r#""StringLike":{"acs:UserAgent":"s*"}"#, true),
            (r#""DateLessThan":{"acs:CurrentTime":"2026-12-01T00:00:00Z"}"#, true),
            (r#""DateGreaterThan":{"acs:CurrentTime":"2026-12-01T00:00:00Z"}"#, false),
            (r#""StringEquals":{"acs:PrincipalARN":"acs:ram::1000000000000001:user/u"}"#, true),
            (r#""StringEquals":{"ecs:tag/team":"shop"}"#, false),
        ] {
            let decision = answer(OWN, &allow(condition), None, &HERE);
            assert_eq!(decision == Decision::Allowed, allowed, "{condition}: {decision:?}");
        }
    }

    #[test]
    fn another_accounts_key_is_known_only_to_those_whom_its_policy_lets_in() {
        let all = r#"{"Version":"1","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let none = r#"{"Version":"1","Statement":{"Effect":"Allow","Action":"ecs:*","Resource":"*"}}"#;
        let lets_in = format!(
            r#"{{"Version":"1","Statement":{{"Effect":"Allow","Principal":{{"RAM":"acs:ram::{OWN}:*"}},"Action":"kms:*","Resource":"*"}}}}"#
        );
        assert_eq!(answer(OTHER, all, Some(&lets_in), &HERE), Decision::Allowed);
        for (identity, key_policy, may_know) in [(all, None, false), (none, None, false), (none, Some(&*lets_in), true)]
        {
            let Decision::Denied(denial) = answer(OTHER, identity, key_policy, &HERE) else { panic!("{identity}") };
            assert_eq!(denial.may_know, may_know, "{}", denial.why);
        }
    }

    #[test]
    fn a_denial_says_who_may_not_do_what_and_by_which_statement() {
        let deny = r#"{"Version":"1","Statement":[{"Sid":"Never","Effect":"Deny","Action":"kms:*","Resource":"*"}]}"#;
        let Decision::Denied(denial) = answer(OWN, deny, None, &HERE) else { panic!() };
        assert_eq!(
            &*denial.why,
            "acs:ram::1000000000000001:user/u may not kms:Encrypt on acs:kms:cn-hangzhou:1000000000000001:key/k: \
             statement 1 (\"Never\") of the policy"
        );
        assert!(denial.may_know);
    }

    /// Every call asks this: what it costs, each Encrypt costs.
    #[test]
    fn an_answer_that_allows_allocates_nothing() {
        let conditions = r#""StringEquals":{"kms:tag/team":"shop"},"IpAddress":{"acs:SourceIp":"10.0.0.0/24"},
            "DateLessThan":{"acs:CurrentTime":"2026-12-01T00:00:00Z"},"StringLike":{"acs:UserAgent":"s*"}"#;
        let lets_in = format!(
            r#"{{"Version":"1","Statement":{{"Effect":"Allow","Principal":{{"RAM":"acs:ram::{OWN}:user/u"}},"Action":"kms:*","Resource":"*"}}}}"#
        );
        let account = AccountId::parse(OWN).unwrap();
        let identity = [attached(&allow(conditions), PolicyKind::Identity)];
        let key_policy = attached(&lets_in, PolicyKind::Key);
        let resource = Resource {
            service: "kms",
            region: "cn-hangzhou",
            account,
            owner: None,
            name: &"key/k",
            tags: Some(&Team("shop")),
            policy: Some(&key_policy),
        };
        let arn = format!("acs:ram::{OWN}:user/u");
        let caller = Caller { account, arn: &arn };
        let subject = PolicySubject { caller, root: false, identity: &identity, session: None };
        let question = Question { permission: Permission("Encrypt"), resource: &resource, environment: &HERE };
        let mut decision = None;
        let allocated = allocation_counter::measure(|| decision = Some(question.answer(&subject)));
        assert_eq!((decision, allocated.count_total), (Some(Decision::Allowed), 0));
        assert!(allocation_counter::measure(|| drop(arn.clone())).count_total > 0, "nothing is counted");
    }
}
