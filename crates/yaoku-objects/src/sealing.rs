//! How values stand in the store: each sealed under the CMK that the account had chosen, and bound to its object.
//!
//! The service seals and opens on its own behalf: whoever chose the CMK for this purpose had to be allowed to use it. Its state counts for
//! everybody.

use yaoku_crypto::Secret;
use yaoku_iam::{AccountId, Call};
use yaoku_kms::{EncryptionContext, KeyId, OnBehalf, SealingKey};

use crate::held::HeldObject;
use crate::record::value_name;
use crate::{Error, ObjectId, Objects};

/// What values are sealed as.
const LABEL: &[u8] = b"yaoku managed object v1\0";

fn context(id: ObjectId) -> Result<EncryptionContext, Error> {
    Ok(EncryptionContext::new([("ManagedObject".to_owned(), id.to_string())])?)
}

fn label(account: AccountId, id: ObjectId) -> Vec<u8> {
    [LABEL, account.as_str().as_bytes(), id.as_bytes()].concat()
}

impl Objects {
    /// The CMK that the caller's account has chosen, if it can be used.
    pub(crate) async fn sealing_key(&self, call: &Call<'_>, id: ObjectId) -> Result<SealingKey, Error> {
        let chosen = self.catalogue.read().chosen(call.principal.account()).ok_or(Error::NoKey)?;
        self.sealing_key_of(call, chosen, OnBehalf::Service, id).await
    }

    pub(crate) async fn sealing_key_of(
        &self,
        call: &Call<'_>,
        key: KeyId,
        whose: OnBehalf,
        id: ObjectId,
    ) -> Result<SealingKey, Error> {
        Ok(self.kms.admit_to_seal(call, key, whose, &context(id)?).await?)
    }

    pub(crate) async fn seal(
        &self,
        call: &Call<'_>,
        key: &SealingKey,
        id: ObjectId,
        value: &Secret,
    ) -> Result<Secret, Error> {
        let label = label(call.principal.account(), id);
        Ok(Secret::new(self.kms.seal_under(call, key, &context(id)?, &label, value).await?))
    }

    /// The value of an object, from the store.
    pub(crate) async fn open_value(&self, call: &Call<'_>, object: &HeldObject) -> Result<Secret, Error> {
        let (account, id) = (object.account, object.id);
        let sealed = self.vault.get(&value_name(account, id)).await?.ok_or(Error::ObjectNotFound)?;
        let (key, label) = ((account, object.record.key), label(account, id));
        Ok(self.kms.open_under(call, key, OnBehalf::Service, &context(id)?, &label, sealed.bytes.expose()).await?)
    }
}
