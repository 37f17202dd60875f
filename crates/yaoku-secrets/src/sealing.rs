//! How values stand in the store: each sealed under the secret's CMK, and bound to its secret and version.

use yaoku_crypto::Secret;
use yaoku_iam::{AccountId, Call};
use yaoku_kms::{EncryptionContext, KeyId, OnBehalf, SealingKey};

use crate::held::HeldSecret;
use crate::record::value_name;
use crate::{Error, SecretId, SecretName, Secrets};

/// What values are sealed as.
const LABEL: &[u8] = b"yaoku secret value v1\0";

/// Which value it is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) account: AccountId,
    pub(crate) name: &'a SecretName,
    pub(crate) id: SecretId,
    pub(crate) number: u64,
}

impl<'a> Place<'a> {
    pub(crate) const fn of(secret: &'a HeldSecret, number: u64) -> Self {
        Self { account: secret.account, name: &secret.name, id: secret.record.id, number }
    }

    /// What data keys of the secret are bound to, which conditions of policies can ask about.
    fn context(self) -> Result<EncryptionContext, Error> {
        context(self.name)
    }

    fn label(self) -> Vec<u8> {
        [LABEL, self.account.as_str().as_bytes(), self.id.as_bytes(), &self.number.to_be_bytes()].concat()
    }
}

pub(crate) fn context(name: &SecretName) -> Result<EncryptionContext, Error> {
    Ok(EncryptionContext::new([("SecretName".to_owned(), name.as_str().to_owned())])?)
}

impl Secrets {
    /// Checks that the caller may seal a secret's values under a CMK.
    pub(crate) async fn admit_key(
        &self,
        call: &Call<'_>,
        name: &SecretName,
        key: KeyId,
        is_service_key: bool,
    ) -> Result<SealingKey, Error> {
        Ok(self.kms.admit_to_seal(call, key, whose(is_service_key), &context(name)?).await?)
    }

    /// Seals a value.
    pub(crate) async fn seal(
        &self,
        call: &Call<'_>,
        key: &SealingKey,
        place: Place<'_>,
        value: &Secret,
    ) -> Result<Vec<u8>, Error> {
        Ok(self.kms.seal_under(call, key, &place.context()?, &place.label(), value).await?)
    }

    /// The value of a version, from the store; none if it is not there. The caller needs `Decrypt` on the CMK, unless that is the
    /// service's own, or `on_behalf` says that the service itself looks at the value.
    pub(crate) async fn open_value(
        &self,
        call: &Call<'_>,
        secret: &HeldSecret,
        number: u64,
        on_behalf: Option<OnBehalf>,
    ) -> Result<Option<Secret>, Error> {
        let place = Place::of(secret, number);
        let Some(sealed) = self.vault.get(&value_name(secret.account, place.id, number)).await? else {
            return Ok(None);
        };
        let whose = on_behalf.unwrap_or(whose(secret.record.is_service_key));
        let (key, context) = ((secret.account, secret.record.key), place.context()?);
        let opened = self.kms.open_under(call, key, whose, &context, &place.label(), sealed.bytes.expose()).await;
        Ok(Some(opened?))
    }
}

const fn whose(is_service_key: bool) -> OnBehalf {
    if is_service_key { OnBehalf::Service } else { OnBehalf::Caller }
}
