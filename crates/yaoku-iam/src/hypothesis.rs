//! What would be decided, and why: for operators who write policies, and for those who ask why they may not.

use std::sync::Arc;

use crate::policy::{Attached, ConditionKey, Context, Effort, Policies, Request, Value};
use crate::principal::{Identity, Session};
use crate::{AccountId, Field, Iam, Name, Principal, Tagged};

/// A question that is asked on somebody's behalf, without doing anything.
pub struct Hypothesis<'a> {
    /// Such as `kms:Encrypt`.
    pub action: &'a str,
    /// Its ARN, or `*`.
    pub resource: &'a str,
    /// The account that owns it.
    pub owner: AccountId,
    /// Its tags, if it can have any.
    pub tags: Option<&'a dyn Tagged>,
    /// The policy that is attached to it.
    pub policy: Option<&'a Attached>,
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// What the call is to have under these keys, instead of what is known. Of address, TLS and program nothing is.
    pub given: &'a [(ConditionKey, String)],
}

impl Iam {
    /// The principal of that name: `root`, `user/<name>` (or the user's name alone) or `role/<name>` of the account, or the ARN of one of any account. A role
    /// stands for its sessions that have no policy of their own.
    pub fn named(&self, name: &str, account: AccountId) -> Option<Principal> {
        let (account, name) = match name.strip_prefix("acs:ram::") {
            Some(rest) => {
                let (account, name) = rest.split_once(':')?;
                (AccountId::parse(account).ok()?, name)
            }
            None => (account, name),
        };
        if name == "root" {
            let tenant = self.tenant(account)?;
            return Some(Principal { tenant, status: Arc::default(), identity: Identity::Root, login: None });
        }
        let tenant = self.tenant(account)?;
        let directory = tenant.directory.read();
        let identity = match name.split_once('/').unwrap_or(("user", name)) {
            ("user", name) => {
                let (id, _) = directory.users.find(&Name::parse(Field::UserName, name).ok()?)?;
                Identity::User { id, subject: directory.user_subject(id)? }
            }
            ("role", name) => {
                let (role_id, _) = directory.roles.find(&Name::parse(Field::RoleName, name).ok()?)?;
                let role = directory.role_subject(role_id)?;
                Identity::Session(Arc::new(Session { role_id, role, name: "explain".into(), policy: None, began: 0 }))
            }
            _ => return None,
        };
        drop(directory);
        Some(Principal { tenant, status: Arc::default(), identity, login: None })
    }

    /// What would be decided, and why, in a sentence for operators.
    pub fn explain(&self, principal: &Principal, asked: &Hypothesis<'_>) -> String {
        principal.as_policy_subject(|subject| {
            let policies = Policies {
                root: subject.root,
                identity: subject.identity,
                session: subject.session,
                resource: asked.policy,
                foreign: subject.caller.account != asked.owner,
            };
            let context = Supposed { asked, principal: subject.caller.arn };
            let (action, resource) = (asked.action, asked.resource);
            let request =
                Request { action, resource, caller: subject.caller, context: &context, effort: Effort::default() };
            policies.decide(&request).to_string()
        })
    }
}

/// What conditions find of a call that is only supposed.
struct Supposed<'a> {
    asked: &'a Hypothesis<'a>,
    principal: &'a str,
}

impl Context for Supposed<'_> {
    fn visit(&self, key: &ConditionKey, see: &mut dyn FnMut(Value<'_>)) {
        let given = self.asked.given.iter().filter(|(given, _)| given == key);
        if given.clone().next().is_some() {
            return given.for_each(|(_, value)| see(Value::Text(value)));
        }
        match key {
            ConditionKey::CurrentTime => see(Value::Time(self.asked.time)),
            ConditionKey::MfaPresent => see(Value::Flag(false)),
            ConditionKey::PrincipalArn => see(Value::Text(self.principal)),
            ConditionKey::ResourceTag(name) => {
                let value = self.asked.tags.and_then(|tags| tags.tag(name));
                value.into_iter().for_each(|value| see(Value::Text(value)));
            }
            ConditionKey::SourceIp
            | ConditionKey::SecureTransport
            | ConditionKey::UserAgent
            | ConditionKey::ExternalId
            | ConditionKey::EncryptionContext(_)
            | ConditionKey::Other(_) => {}
        }
    }
}
