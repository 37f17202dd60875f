//! Policies of keys: who may use a key, said at the key.

use yaoku_iam::policy::{Policy, PolicyError, PolicyKind};
use yaoku_iam::{AccountId, Call, Operation, OperationSpec, Target};

use crate::admission::proceed;
use crate::change::Changed;
use crate::record::KeyRecord;
use crate::resource::{KEY, SERVICE, key_states};
use crate::{Error, Field, KeyId, Kms};

/// The document of a key's policy, known to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy(Box<str>);

impl KeyPolicy {
    /// Reads a document of at most 32,768 bytes.
    ///
    /// # Errors
    /// With where it is wrong, and what is.
    pub fn parse(document: &str) -> Result<Self, PolicyError> {
        Policy::parse(document, PolicyKind::Key)?;
        Ok(Self(document.into()))
    }

    /// That of a key that was given none: it leaves the key to the policies of its account's users.
    pub fn default_of(account: AccountId) -> Self {
        let statement = format!(
            r#"{{"Action":["kms:*"],"Effect":"Allow","Principal":{{"RAM":["acs:ram::{account}:*"]}},"Resource":["*"],"Sid":"kms default key policy"}}"#
        );
        Self(format!(r#"{{"Statement":[{statement}],"Version":"1"}}"#).into())
    }

    /// Checks that each statement covers the key that the policy is attached to.
    pub(super) fn check_attached(&self, kms: &Kms, account: AccountId, key: KeyId) -> Result<(), Error> {
        let (region, target) = (&kms.config.region, Target::one(KEY, &key));
        let resource = format!("acs:{SERVICE}:{region}:{account}:{target}");
        let checked = Policy::check_attached(self.as_str(), PolicyKind::Key, &resource);
        checked.map_err(|error| Error::invalid(Field::Policy, error.to_string()))
    }

    /// The document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<KeyPolicy> for Box<str> {
    fn from(policy: KeyPolicy) -> Self {
        policy.0
    }
}

/// Replaces a key's policy.
pub struct SetKeyPolicy {
    /// The key.
    pub key: KeyId,
    /// Its new policy.
    pub policy: KeyPolicy,
}

impl Operation for SetKeyPolicy {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "SetKeyPolicy", &[KEY], key_states::DESCRIBE).revoking();

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let account = call.principal.account();
        let change = |record: &mut KeyRecord, _| {
            self.policy.check_attached(kms, account, self.key)?;
            record.policy = Some(self.policy.clone().into());
            Ok(Changed::Something)
        };
        kms.change_key(call, &Self::SPEC, self.key, change).await
    }
}

/// Shows a key's policy.
pub struct GetKeyPolicy {
    /// The key.
    pub key: KeyId,
}

impl Operation for GetKeyPolicy {
    type Domain = Kms;
    type Output = KeyPolicy;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetKeyPolicy", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<KeyPolicy, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        proceed(call)?;
        let set = key.record.policy.as_deref().map(|document| KeyPolicy(document.into()));
        Ok(set.unwrap_or_else(|| KeyPolicy::default_of(key.account)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_policy() {
        let account = AccountId::parse("1234567890123456").unwrap();
        let default = KeyPolicy::default_of(account);
        assert_eq!(KeyPolicy::parse(default.as_str()).unwrap(), default);
    }
}
