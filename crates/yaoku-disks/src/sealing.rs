//! How private keys of disks stand in the store: each sealed under the disk's CMK, and bound to its account, disk and public key.

use yaoku_crypto::Secret;
use yaoku_crypto::exchange::{Es512Key, ExchangeKey, Point};
use yaoku_iam::{AccountId, Call};
use yaoku_kms::{EncryptionContext, KeyId, OnBehalf, SealingKey};

use crate::held::{HeldDisk, HeldKey};
use crate::id::DiskId;
use crate::record::StoredKey;
use crate::{DiskName, Disks, Error, Thumbprint};

/// What private keys are sealed as.
const LABEL: &[u8] = b"yaoku disk key v1\0";

/// Whose key it is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) account: AccountId,
    pub(crate) name: &'a DiskName,
    pub(crate) id: DiskId,
}

impl<'a> Place<'a> {
    pub(crate) const fn of(disk: &'a HeldDisk) -> Self {
        Self { account: disk.account, name: &disk.name, id: disk.record.id }
    }

    /// What data keys of the disk are bound to, which conditions of policies can ask about.
    fn context(self) -> Result<EncryptionContext, Error> {
        Ok(EncryptionContext::new([("DiskName".to_owned(), self.name.as_str().to_owned())])?)
    }

    fn label(self, key: Thumbprint) -> Vec<u8> {
        [LABEL, self.account.as_str().as_bytes(), self.id.as_bytes(), key.as_bytes()].concat()
    }
}

impl Disks {
    /// Checks that the caller may seal a disk's keys under a CMK.
    pub(crate) async fn admit_key(&self, call: &Call<'_>, place: Place<'_>, key: KeyId) -> Result<SealingKey, Error> {
        Ok(self.kms.admit_to_seal(call, key, OnBehalf::Caller, &place.context()?).await?)
    }

    /// Makes a key to exchange with.
    pub(crate) async fn new_exchange_key(
        &self,
        call: &Call<'_>,
        key: &SealingKey,
        place: Place<'_>,
    ) -> Result<StoredKey, Error> {
        let made = ExchangeKey::generate(self.vault.random())?;
        self.seal(call, key, place, &made.public()?, &made.material()).await
    }

    /// Makes a key that signs.
    pub(crate) async fn new_signing_key(
        &self,
        call: &Call<'_>,
        key: &SealingKey,
        place: Place<'_>,
    ) -> Result<StoredKey, Error> {
        let made = Es512Key::generate(self.vault.random())?;
        self.seal(call, key, place, made.public(), &made.material()?).await
    }

    async fn seal(
        &self,
        call: &Call<'_>,
        key: &SealingKey,
        place: Place<'_>,
        public: &Point,
        private: &Secret,
    ) -> Result<StoredKey, Error> {
        let label = place.label(Thumbprint::of(public));
        let sealed = self.kms.seal_under(call, key, &place.context()?, &label, private).await?;
        Ok(StoredKey::new(self.clock.now(), public, sealed))
    }

    /// The private half of a disk's key. That it is bound to its CMK is the disk's permission; the CMK's state counts.
    pub(crate) async fn open_key(
        &self,
        call: &Call<'_>,
        disk: &HeldDisk,
        (key, stored): (&HeldKey, &StoredKey),
    ) -> Result<Secret, Error> {
        let place = Place::of(disk);
        let (cmk, context) = ((disk.account, disk.record.key), place.context()?);
        let label = place.label(key.thumbprint);
        Ok(self.kms.open_under(call, cmk, OnBehalf::Service, &context, &label, &stored.sealed).await?)
    }
}
