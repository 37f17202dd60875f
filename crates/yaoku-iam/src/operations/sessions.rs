//! Sessions of roles.

use super::roles::{MIN_SESSION, ORDINARY_SESSION};
use crate::policy::{Policy, PolicyKind};
use crate::record::RoleRecord;
use crate::resource::Target;
use crate::session::NewSession;
use crate::{
    AccountId, Call, Decision, Denial, Entity, Error, Field, Grant, Iam, Name, Named, NewAccessKey, Operation,
    OperationSpec, Question, ROLE, Resource, RoleId, StateRule, Tagged, Timestamp, Which,
};

/// Gives the caller a session of a role, if the role trusts it and its own policies let it.
pub struct AssumeRole {
    /// The account of the role.
    pub account: AccountId,
    /// The role.
    pub role: Name,
    /// What the session is called: 2 to 64 letters, digits, `.`, `@`, `-` and `_`.
    pub session_name: String,
    /// How long the session is to be, in seconds; an hour unless it is said.
    pub duration: Option<u32>,
    /// What the session is narrowed to: a policy.
    pub policy: Option<String>,
    /// What the role's trust policy may ask for as `sts:ExternalId`, so that a service that assumes roles for many customers can't be
    /// led to one's role by another: 2 to 1,224 letters, digits, `_`, `+`, `=`, `,`, `.`, `@`, `:`, `/` and `-`.
    pub external_id: Option<String>,
}

/// A session that began.
pub struct AssumedRole {
    /// The role.
    pub role: RoleId,
    /// The name of the session.
    pub arn: String,
    /// The session's AccessKey.
    pub key: NewAccessKey,
    /// What goes with the AccessKey.
    pub token: String,
    /// When the session ends.
    pub expires: Timestamp,
}

/// The account and the role that an ARN of the form `acs:ram::<account>:role/<name>` names.
pub fn role_of_arn(arn: &str) -> Option<(AccountId, Name)> {
    let (account, role) = arn.strip_prefix("acs:ram::")?.split_once(":role/")?;
    Some((AccountId::parse(account).ok()?, Name::parse(Field::RoleName, role).ok()?))
}

fn check_session_name(name: &str) -> Result<(), Error> {
    let why = "it must consist of 2 to 64 letters, digits, dots, at signs, hyphens and underscores";
    check(is_plain(name, 64, b".@-_"), Field::RoleSessionName, why)
}

fn check_external_id(id: &str) -> Result<(), Error> {
    let why = "it must consist of 2 to 1224 letters, digits and the characters _+=,.@:/-";
    check(is_plain(id, 1224, b"_+=,.@:/-"), Field::ExternalId, why)
}

/// Whether a text is 2 to `most` letters, digits and characters of `others`.
fn is_plain(text: &str, most: usize, others: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
    (2..=most).contains(&text.len()) && text.bytes().all(plain)
}

fn check(is_right: bool, field: Field, why: &'static str) -> Result<(), Error> {
    if is_right { Ok(()) } else { Err(Error::Invalid { field, why }) }
}

fn check_policy(document: &str) -> Result<(), Error> {
    if document.len() > PolicyKind::Session.max_bytes() {
        return Err(Error::NameLength(Field::Policy));
    }
    let read = Policy::parse(document, PolicyKind::Session);
    read.map(drop).map_err(|problem| Error::Document { field: Field::Policy, problem })
}

/// Finds the role, if the caller's own policies let it be assumed and the role trusts the caller.
fn decide(
    iam: &Iam,
    call: &Call<'_>,
    account: AccountId,
    role: &Name,
    external_id: Option<&str>,
) -> Result<(RoleId, RoleRecord), Error> {
    let own = call.principal.account() == account;
    let found = iam.tenant(account).filter(|tenant| tenant.is_enabled()).and_then(|tenant| {
        let directory = tenant.directory.read();
        let (id, record) = directory.roles.find(role)?;
        Some((id, record.clone()))
    });
    let trust = found.as_ref().map(|(_, record)| Policy::parse_stored(&record.trust, PolicyKind::Trust));
    let trust = trust.transpose().map_err(|_| Error::Record("a role's trust policy"))?;
    let target = Target::own(ROLE, role);
    let permission = AssumeRole::SPEC.permission();
    // What the caller's own policies say comes first: of another account's roles, nothing else may be learnt.
    let tags = found.as_ref().map(|(_, record)| &record.tags as &dyn Tagged);
    let resource = Resource { service: "ram", region: "", account, owner: None, name: &target, tags, policy: None };
    let question = Question { permission, resource: &resource, environment: call.environment };
    if let Decision::Denied(denial) = iam.may_assume(call.principal, &question) {
        return Err(Error::Denied(denial));
    }
    let trusted = trust.as_ref().is_some_and(|trust| {
        call.principal.as_policy_subject(|subject| question.is_trusted(subject, trust, external_id))
    });
    if found.is_none() && own {
        return Err(Error::NotFound(Entity::Role));
    }
    let Some(found) = found.filter(|_| trusted) else {
        let why = format!("{:?} is not trusted by acs:ram::{account}:{target}, if there is one", call.principal);
        return Err(Error::Denied(Denial { why: why.into(), may_know: own }));
    };
    let on = Named { kind: ROLE, name: Which::Name(role.as_str().into()) };
    let (states, external_id) = (StateRule::ANY, external_id.map(Into::into));
    let (owner, encryption_context) = (None, None);
    call.granted(Grant { permission, states, on, account, owner, external_id, encryption_context });
    Ok(found)
}

impl AssumeRole {
    /// Decides again on what was granted to a call of this operation.
    pub(crate) fn decide_again(iam: &Iam, call: &Call<'_>, grant: &Grant) -> Result<(), Error> {
        let Which::Name(name) = &grant.on.name else { return Err(Error::NotFound(Entity::Role)) };
        let role = Name::parse(Field::RoleName, name)?;
        decide(iam, call, grant.account, &role, grant.external_id.as_deref()).map(drop)
    }
}

impl Operation for AssumeRole {
    type Domain = Iam;
    type Output = AssumedRole;
    const SPEC: OperationSpec = OperationSpec::write("sts", "AssumeRole", &[ROLE], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<AssumedRole, Error> {
        if call.principal.is_root() {
            return Err(Error::NotForRoot("The root of an account can't assume roles; use a user of the account"));
        }
        check_session_name(&self.session_name)?;
        self.policy.as_deref().map(check_policy).transpose()?;
        let external_id = self.external_id.as_deref();
        external_id.map(check_external_id).transpose()?;
        let (id, record) = decide(iam, call, self.account, &self.role, external_id)?;
        let account = self.account;
        let duration = self.duration.unwrap_or(ORDINARY_SESSION);
        let why = "it must be from 900 seconds to the role's MaxSessionDuration";
        check((MIN_SESSION..=record.max_session).contains(&duration), Field::DurationSeconds, why)?;
        let began = iam.clock.now();
        let expires = began.plus_seconds(duration.into());
        let name = self.session_name.as_str();
        let session = NewSession { account, role: id, name, began, expires, policy: self.policy.as_deref() };
        let (key, token) = iam.begin_session(&session).await?;
        let arn = format!("acs:ram::{account}:assumed-role/{}/{name}", record.name);
        Ok(AssumedRole { role: id, arn, key, token, expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_roles_are_taken_apart() {
        let (account, role) = role_of_arn("acs:ram::1234567890123456:role/ops").unwrap();
        assert_eq!((account.as_str(), role.as_str()), ("1234567890123456", "ops"));
        for arn in ["", "acs:ram::1:role/ops", "acs:ram::1234567890123456:user/ops", "acs:ram::1234567890123456:role/"]
        {
            assert!(role_of_arn(arn).is_none(), "{arn}");
        }
    }
}
