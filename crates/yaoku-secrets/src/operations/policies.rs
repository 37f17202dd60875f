//! Policies of secrets: who may use a secret, said at the secret.

use yaoku_iam::policy::{Policy, PolicyError, PolicyKind};
use yaoku_iam::{AccountId, Call, Operation, OperationSpec, Target};
use yaoku_kms::proceed;

use crate::change::Changed;
use crate::record::SecretRecord;
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::{Error, Field, SecretName, Secrets};

/// The document of a secret's policy, known to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPolicy(Box<str>);

impl SecretPolicy {
    /// Reads a document of at most 32,768 bytes, of the form that policies of keys have.
    ///
    /// # Errors
    /// With where it is wrong, and what is.
    pub fn parse(document: &str) -> Result<Self, PolicyError> {
        Policy::parse(document, PolicyKind::Key)?;
        Ok(Self(document.into()))
    }

    /// That of a secret that was given none: it leaves the secret to the policies of its account's users.
    pub fn default_of(account: AccountId) -> Self {
        let statement = format!(
            r#"{{"Action":["kms:*"],"Effect":"Allow","Principal":{{"RAM":["acs:ram::{account}:*"]}},"Resource":["*"],"Sid":"kms default secret policy"}}"#
        );
        Self(format!(r#"{{"Statement":[{statement}],"Version":"1"}}"#).into())
    }

    /// Checks that each statement covers the secret that the policy is attached to.
    pub(super) fn check_attached(&self, secrets: &Secrets, account: AccountId, name: &SecretName) -> Result<(), Error> {
        let (region, target) = (&secrets.config.region, Target::one(SECRET, name));
        let resource = format!("acs:{SERVICE}:{region}:{account}:{target}");
        let checked = Policy::check_attached(self.as_str(), PolicyKind::Key, &resource);
        checked.map_err(|error| Error::invalid(Field::Policy, error.to_string()))
    }

    /// The document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<SecretPolicy> for Box<str> {
    fn from(policy: SecretPolicy) -> Self {
        policy.0
    }
}

/// Replaces a secret's policy.
pub struct SetSecretPolicy {
    /// The secret.
    pub name: SecretName,
    /// Its new policy.
    pub policy: SecretPolicy,
}

impl Operation for SetSecretPolicy {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "SetSecretPolicy", &[SECRET], secret_states::USE).revoking();

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        let account = call.principal.account();
        let change = |record: &mut SecretRecord, _| {
            self.policy.check_attached(secrets, account, &self.name)?;
            record.policy = Some(self.policy.clone().into());
            Ok((Changed::Something, ()))
        };
        secrets.change(call, &Self::SPEC, &self.name.clone().into(), change).await
    }
}

/// Shows a secret's policy.
pub struct GetSecretPolicy {
    /// The secret.
    pub name: SecretName,
}

impl Operation for GetSecretPolicy {
    type Domain = Secrets;
    type Output = SecretPolicy;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetSecretPolicy", &[SECRET], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<SecretPolicy, Error> {
        let secret = secrets.admit(call, &Self::SPEC, &self.name.into())?;
        proceed(call)?;
        let set = secret.record.policy.as_deref().map(|document| SecretPolicy(document.into()));
        Ok(set.unwrap_or_else(|| SecretPolicy::default_of(secret.account)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_policy() {
        let default = SecretPolicy::default_of(AccountId::parse("1234567890123456").unwrap());
        assert_eq!(SecretPolicy::parse(default.as_str()).unwrap(), default);
    }
}
