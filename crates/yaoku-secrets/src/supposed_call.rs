//! What would be decided of a call about a secret, and why: for operators.

use yaoku_iam::{AccountId, Tagged};
use yaoku_kms::{Supposed, SupposedResource};

use crate::resource::{SECRET, SERVICE};
use crate::{Error, SecretName, Secrets};

impl Secrets {
    /// Decides a call of a principal of `account` or another, with the policy and tags of the secret or the key that its resource
    /// names, and says why.
    ///
    /// # Errors
    /// As [`yaoku_kms::Kms::explain`], and [`Error::SecretNotFound`] for a secret that is not there.
    pub async fn explain(&self, account: AccountId, supposed: &Supposed) -> Result<String, Error> {
        let Some((owner, name)) = named(&supposed.resource) else {
            return Ok(self.kms.explain(account, supposed).await?);
        };
        let secret = self.held(owner, &name).ok_or(Error::SecretNotFound)?;
        let resource = SupposedResource { owner, tags: Some(&*secret as &dyn Tagged), policy: secret.policy.as_ref() };
        Ok(self.kms.explain_on(account, supposed, resource)?)
    }
}

/// The account and the secret that an ARN names, if it is one's.
fn named(arn: &str) -> Option<(AccountId, SecretName)> {
    let mut parts = arn.strip_prefix("acs:")?.splitn(4, ':');
    let (service, _region, account, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let name = rest.strip_prefix(SECRET.prefix).filter(|_| service == SERVICE).and_then(SecretName::parse)?;
    AccountId::parse(account).ok().map(|account| (account, name))
}
