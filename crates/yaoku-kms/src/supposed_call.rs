//! What would be decided of a call, and why: for operators.

use yaoku_iam::policy::{Attached, ConditionKey};
use yaoku_iam::{AccountId, Hypothesis, Principal, Tagged};

use crate::{Error, KeyId, Kms};

/// A call that is only supposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supposed {
    /// Who is to call: `root`, `user/<name>` or `role/<name>`, or the ARN of one.
    pub who: String,
    /// What it is to do, such as `kms:Decrypt`.
    pub action: String,
    /// With what: an ARN, or `*`.
    pub resource: String,
    /// What the call is to have under condition keys.
    pub context: Vec<(String, String)>,
}

/// What a supposed call is about.
#[derive(Clone, Copy)]
pub struct SupposedResource<'a> {
    /// The account that owns it.
    pub owner: AccountId,
    /// Its tags.
    pub tags: Option<&'a dyn Tagged>,
    /// The policy that is attached to it.
    pub policy: Option<&'a Attached>,
}

impl Kms {
    /// Decides a call of a principal of `account` or another, with the policy and tags of the key that its resource names,
    /// and says why.
    ///
    /// # Errors
    /// [`Error::PrincipalNotFound`], and [`Error::KeyNotFound`] for a key that is not there.
    pub async fn explain(&self, account: AccountId, supposed: &Supposed) -> Result<String, Error> {
        let (owner, key) = match named(&supposed.resource) {
            Some((owner, Some(id))) => (owner, Some(self.key(owner, id).await?)),
            Some((owner, None)) => (owner, None),
            None => (self.supposed_caller(account, supposed)?.account(), None),
        };
        let resource = SupposedResource {
            owner,
            tags: key.as_deref().map(|key| key as &dyn Tagged),
            policy: key.as_ref().and_then(|key| key.policy.as_ref()),
        };
        self.explain_on(account, supposed, resource)
    }

    /// As [`Self::explain`], on a resource that is known.
    ///
    /// # Errors
    /// [`Error::PrincipalNotFound`].
    pub fn explain_on(
        &self,
        account: AccountId,
        supposed: &Supposed,
        SupposedResource { owner, tags, policy }: SupposedResource<'_>,
    ) -> Result<String, Error> {
        let principal = self.supposed_caller(account, supposed)?;
        let given: Vec<_> =
            supposed.context.iter().map(|(key, value)| (ConditionKey::parse(key), value.clone())).collect();
        let asked = Hypothesis {
            action: &supposed.action,
            resource: &supposed.resource,
            owner,
            tags,
            policy,
            time: self.clock.now().0,
            given: &given,
        };
        Ok(self.iam.explain(&principal, &asked))
    }

    fn supposed_caller(&self, account: AccountId, supposed: &Supposed) -> Result<Principal, Error> {
        self.iam.named(&supposed.who, account).ok_or(Error::PrincipalNotFound)
    }
}

/// The account that an ARN names, and the key, if it is one's.
fn named(arn: &str) -> Option<(AccountId, Option<KeyId>)> {
    let mut parts = arn.strip_prefix("acs:")?.splitn(4, ':');
    let (service, _region, account, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let key = rest.strip_prefix("key/").filter(|_| service == "kms").and_then(KeyId::parse);
    AccountId::parse(account).ok().map(|account| (account, key))
}
