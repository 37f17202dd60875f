//! Envelope encryption for the domains above: what they hold is sealed with a data key of its own, and that one under a CMK.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | layout: 1 |
//! | 2 | length of the encrypted data key, big-endian |
//! | that many | the data key, encrypted under the CMK: see [`crate::blob`] |
//! | the rest | what is sealed, by XAES-256-GCM with key commitment: see [`yaoku_crypto::aead`] |
//!
//! Whoever seals needs `GenerateDataKey` on the CMK, and whoever opens needs `Decrypt`, as if they asked for it; or nobody does,
//! where the CMK is the service's own. Its state counts in either case.

use yaoku_crypto::Secret;
use yaoku_crypto::aead::{Algorithm, CommittingAead};
use yaoku_iam::{AccountId, Call, Environment, Operation};
use yaoku_seal::{RecordName, Revision};

use crate::blob::{Content, Header};
use crate::keyring::Key;
use crate::operations::crypto::{Decrypt, decrypt_with, encrypt};
use crate::operations::data_keys::GenerateDataKey;
use crate::record::key_name;
use crate::resource::{KEY, check_state, key_states};
use crate::{EncryptionContext, Error, KeyId, KeyRef, Kms};

const LAYOUT: u8 = 1;
/// Bytes of a data key.
const DATA_KEY: usize = 32;

/// Whose permission on the CMK counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBehalf {
    /// The caller's.
    Caller,
    /// The service's own, which needs none.
    Service,
}

/// A CMK that a caller may seal under, as the store has it.
pub struct SealingKey(std::sync::Arc<Key>);

impl SealingKey {
    /// The CMK.
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// What a commit expects that rests on the CMK being as it was.
    pub fn unchanged(&self) -> (RecordName, Option<Revision>) {
        (key_name(self.0.account, self.0.id), Some(self.0.revision))
    }
}

impl Kms {
    /// The id of a CMK of the caller's account.
    ///
    /// # Errors
    /// When it is another account's, or there is no such alias.
    pub fn own_key(&self, call: &Call<'_>, key: &KeyRef) -> Result<KeyId, Error> {
        match key {
            KeyRef::Id(id) => Ok(*id),
            KeyRef::Alias(name) => Ok(self.alias(call.principal.account(), name).ok_or(Error::AliasNotFound)?.0),
            KeyRef::OfAccount(..) | KeyRef::OfAnyAccount(_) => Err(Error::KeyNotFound),
        }
    }

    /// Checks that the caller may seal under a CMK of its own account.
    ///
    /// # Errors
    /// When there is no such key, the caller may not use it, it is not symmetric, or its state forbids its use.
    pub async fn admit_to_seal(
        &self,
        call: &Call<'_>,
        key: KeyId,
        whose: OnBehalf,
        context: &EncryptionContext,
    ) -> Result<SealingKey, Error> {
        let spec = &GenerateDataKey::SPEC;
        let account = call.principal.account();
        if whose == OnBehalf::Caller {
            self.admit_bound(call, spec, spec.permission(), &key.into(), context).await?;
        }
        call.touch(KEY, key.into());
        let key = self.stored_key(account, key).await?;
        if whose == OnBehalf::Caller {
            // Tags and policy may be newer than those that were asked about.
            let environment = Environment { encryption_context: Some(context.entries()), ..*call.environment };
            let call = &Call { environment: &environment, ..*call };
            self.allow_key(call, spec.permission(), spec.states, &key)?;
        }
        check_state(spec.states, key.record.state_at(self.clock.now()))?;
        key.record.spec.aead().ok_or(Error::Unsuitable("the key is not symmetric"))?;
        Ok(SealingKey(key.into()))
    }

    /// Seals something under a CMK that was admitted. It opens with the same context and `label` only.
    ///
    /// # Errors
    /// When the CMK can't be used, or the random number generator fails.
    pub async fn seal_under(
        &self,
        call: &Call<'_>,
        key: &SealingKey,
        context: &EncryptionContext,
        label: &[u8],
        plaintext: &Secret,
    ) -> Result<Vec<u8>, Error> {
        let data_key = Secret::random(DATA_KEY, self.vault.random())?;
        let encrypted = encrypt(self, call, &key.0, context, &data_key, Content::Bytes).await?.blob;
        let length = u16::try_from(encrypted.len()).map_err(|error| Error::Internal(error.into()))?;
        let mut sealed = vec![LAYOUT];
        sealed.extend_from_slice(&length.to_be_bytes());
        sealed.extend_from_slice(&encrypted);
        CommittingAead::new(Algorithm::Aes256, &data_key)?.seal(
            self.vault.random(),
            label,
            plaintext.expose(),
            &mut sealed,
        )?;
        Ok(sealed)
    }

    /// Opens what was sealed under a CMK of an account.
    ///
    /// # Errors
    /// When the caller may not use the CMK, its state forbids that, or it does not open.
    pub async fn open_under(
        &self,
        call: &Call<'_>,
        (account, id): (AccountId, KeyId),
        whose: OnBehalf,
        context: &EncryptionContext,
        label: &[u8],
        sealed: &[u8],
    ) -> Result<Secret, Error> {
        let (encrypted, sealed) = split(sealed).ok_or(Error::Record("a sealed value"))?;
        let (header, data_key) = Header::parse(encrypted)?;
        if header.key != id {
            return Err(Error::Record("a sealed value"));
        }
        let spec = &Decrypt::SPEC;
        let key = match whose {
            OnBehalf::Caller => {
                let own = account == call.principal.account();
                let reference = if own { KeyRef::Id(id) } else { KeyRef::OfAccount(account, id) };
                self.admit_bound(call, spec, spec.permission(), &reference, context).await?
            }
            OnBehalf::Service => {
                let key = self.key(account, id).await?;
                call.touch(KEY, id.into());
                check_state(spec.states, key.record.state_at(self.clock.now()))?;
                key
            }
        };
        let data_key = decrypt_with(self, call, &key, header, data_key, context).await?.plaintext;
        Ok(CommittingAead::new(Algorithm::Aes256, &data_key)?.open(label, sealed)?)
    }

    /// Checks that the state of a CMK admits its use.
    ///
    /// # Errors
    /// When it does not, or there is no such key any more.
    pub async fn check_usable(&self, account: AccountId, key: KeyId) -> Result<(), Error> {
        let key = self.key(account, key).await?;
        check_state(key_states::USE, key.record.state_at(self.clock.now()))
    }
}

/// The encrypted data key, and what is sealed with it.
fn split(sealed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = sealed.split_first_chunk::<3>()?;
    let [layout, length @ ..] = *head;
    (layout == LAYOUT).then_some(())?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(length)))
}
