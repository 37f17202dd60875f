//! Bring your own key: importing material, and taking it away again.
//!
//! The import token carries, sealed, the private key that unwraps the material, with the key it is for, the algorithm and its
//! end. So it is bound to all of these, serves until its end as often as its owner likes, on every node, and nothing is stored.
//! Of a key in the HSM, the private key is there as well, and the token carries its object id.

mod incoming;

use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;
use yaoku_crypto::mac::ct_eq;
use yaoku_crypto::unwrapping::UnwrappingAlgorithm;
use yaoku_crypto::wrapping::WrappingKeySpec;
use yaoku_iam::{Call, Operation, OperationSpec};
use yaoku_seal::Changes;

use crate::admission::proceed;
use crate::change::{ATTEMPTS, contended, key_update};
use crate::keyring::Key;
use crate::kms::versions;
use crate::record::{KeyRecord, ScrubRecord, VersionRecord, scrub_name, version_name};
use crate::resource::{KEY, SERVICE, key_states};
use crate::{Error, Field, KeyId, KeyState, KeyVersionId, Kms, Origin, ProtectionLevel, Timestamp};
use incoming::{Incoming, WrappingPair, content};

/// Seconds that an import token serves.
const TOKEN_LIFE: u64 = 86_400;

/// What an import token holds, but for the private key behind it.
#[derive(Serialize, Deserialize)]
struct TokenHead {
    wrapping_key: WrappingKeySpec,
    algorithm: UnwrappingAlgorithm,
    expires: Timestamp,
}

/// Makes a key pair to wrap key material with.
pub struct GetParametersForImport {
    /// The key to import into.
    pub key: KeyId,
    /// The kind of wrapping key.
    pub wrapping_key: WrappingKeySpec,
    /// How the material will be wrapped.
    pub algorithm: UnwrappingAlgorithm,
}

/// What is needed to import key material.
pub struct ImportParameters {
    /// The key to import into.
    pub key: KeyId,
    /// To be given back with the wrapped material.
    pub token: Vec<u8>,
    /// SubjectPublicKeyInfo in DER to wrap the material with.
    pub public_key: Vec<u8>,
    /// When the token ends.
    pub expires: Timestamp,
}

impl Operation for GetParametersForImport {
    type Domain = Kms;
    type Output = ImportParameters;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetParametersForImport", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<ImportParameters, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        check_origin(&key.record)?;
        if !self.algorithm.unwraps_with(self.wrapping_key) {
            return Err(Error::invalid(Field::WrappingAlgorithm, "it does not match the wrapping key"));
        }
        if !self.algorithm.carries(content(key.record.spec)) {
            return Err(Error::invalid(Field::WrappingAlgorithm, "it does not support key material of this key spec"));
        }
        proceed(call)?;
        let WrappingPair { private_key, public_key } =
            WrappingPair::make(kms, call, &key, self.wrapping_key, self.algorithm).await?;
        let expires = kms.clock.now().plus_seconds(TOKEN_LIFE);
        let head = TokenHead { wrapping_key: self.wrapping_key, algorithm: self.algorithm, expires };
        let head = postcard::to_extend(&head, Vec::new()).map_err(|error| Error::Internal(error.into()))?;
        let content =
            Secret::new([&[u8::try_from(head.len()).unwrap_or(u8::MAX)], &head[..], private_key.expose()].concat());
        let token = kms.vault.seal_token(key.account.domain(), &label(key.id), &content).await?;
        Ok(ImportParameters { key: key.id, token, public_key, expires })
    }
}

/// Imports key material: binds the key to it for good the first time, and gives it back what was taken away later.
pub struct ImportKeyMaterial {
    /// The key.
    pub key: KeyId,
    /// As [`GetParametersForImport`] gave it.
    pub token: Vec<u8>,
    /// The material, wrapped with the public key that came with the token.
    pub wrapped: Vec<u8>,
    /// When the material is to be taken away.
    pub expires: Option<Timestamp>,
}

impl Operation for ImportKeyMaterial {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "ImportKeyMaterial", &[KEY], key_states::STAY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        check_origin(&key.record)?;
        if self.expires.is_some_and(|expires| expires <= kms.clock.now()) {
            return Err(Error::invalid(Field::MaterialExpiry, "it must be in the future"));
        }
        let (head, private_key) = self.open_token(kms, &key).await?;
        let incoming = Incoming::unwrap(kms, call, &key, head, private_key, self.wrapped).await?;
        for _ in 0..ATTEMPTS {
            let mut key = kms.admit_change(call, &Self::SPEC, key.id).await?;
            let imported = incoming.remember(kms, call, &key.record, self.expires).await?;
            let before = key.record.imported.as_ref();
            let known = before.is_none_or(|before| ct_eq(&before.fingerprint, &imported.fingerprint));
            if !(incoming.acceptable && known) {
                incoming.discard(kms).await;
                return Err(Error::KeyMaterial);
            }
            proceed(call)?;
            let now = kms.clock.now();
            let (version, created) = match only_version(kms, &key).await? {
                Some(version) => version,
                None => (KeyVersionId::generate(kms.vault.random())?, now),
            };
            // Also where the material has expired and the scheduler has not come to it yet.
            if key.record.state_at(now) == KeyState::PendingImport {
                key.record.state = KeyState::Enabled;
            }
            key.record.primary = key.record.spec.has_primary().then_some(version);
            key.record.versions = 1;
            key.record.imported = Some(imported);
            let mut changes = key_update(&key)?;
            mark_what_was(kms, &key, version, &mut changes).await?;
            incoming.made.enter(&mut changes, version_name(key.account, key.id, version), created);
            if kms.commit(call, changes).await? {
                return Ok(());
            }
        }
        Err(contended())
    }
}

impl ImportKeyMaterial {
    async fn open_token(&self, kms: &Kms, key: &Key) -> Result<(TokenHead, Secret), Error> {
        let opened = kms.vault.open_token(key.account.domain(), &label(key.id), &self.token).await?;
        let content = opened.ok_or(Error::ImportToken)?;
        let (&length, rest) = content.expose().split_first().ok_or(Error::ImportToken)?;
        let (head, private_key) = rest.split_at_checked(usize::from(length)).ok_or(Error::ImportToken)?;
        let head: TokenHead = postcard::from_bytes(head).map_err(|_| Error::ImportToken)?;
        if head.expires <= kms.clock.now() {
            return Err(Error::ImportTokenExpired);
        }
        Ok((head, Secret::new(private_key.to_vec())))
    }
}

/// Takes imported material away; the key is then PendingImport, unless it is to be deleted.
pub struct DeleteKeyMaterial {
    /// The key.
    pub key: KeyId,
}

impl Operation for DeleteKeyMaterial {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "DeleteKeyMaterial", &[KEY], key_states::ANY).revoking();

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        let _one = kms.changing.enter(self.key, call.standing(Self::SPEC.revokes)).await;
        for _ in 0..ATTEMPTS {
            let key = kms.admit_change(call, &Self::SPEC, self.key).await?;
            check_origin(&key.record)?;
            proceed(call)?;
            if !key.record.has_material() {
                return kms.in_force(key.revision).await;
            }
            if take_away(kms, call, key).await? {
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// Takes imported material out of the store, and marks that for scrubbing; false if another change came first.
pub(crate) async fn take_away(kms: &Kms, call: &Call<'_>, mut key: Key) -> Result<bool, Error> {
    let Some((version, created)) = only_version(kms, &key).await? else { return Ok(true) };
    if let Some(imported) = &mut key.record.imported {
        imported.present = false;
        imported.expires = None;
    }
    if key.record.state != KeyState::PendingDeletion {
        key.record.state = KeyState::PendingImport;
    }
    let mut changes: Changes = key_update(&key)?;
    mark_what_was(kms, &key, version, &mut changes).await?;
    changes.puts.push((version_name(key.account, key.id, version), VersionRecord { created, material: None }.encode()));
    let due = kms.state.read().scrub_due(kms.clock.now(), kms.config.scrub_delay);
    changes.puts.push((scrub_name(), ScrubRecord { due }.encode()?));
    kms.commit(call, changes).await
}

/// The version of a key with imported material, which there is since the first import, and when it was made.
async fn only_version(kms: &Kms, key: &Key) -> Result<Option<(KeyVersionId, Timestamp)>, Error> {
    Ok(versions(&kms.vault, key).await?.into_iter().next())
}

/// Dooms the object of the HSM that a version is about, if it is about any.
async fn mark_what_was(kms: &Kms, key: &Key, version: KeyVersionId, changes: &mut Changes) -> Result<(), Error> {
    if key.record.protection == ProtectionLevel::Software {
        return Ok(());
    }
    match kms.version(key, version).await {
        Ok(VersionRecord { material: Some(material), .. }) => kms.mark_for_destruction(key.account, &material, changes),
        Ok(VersionRecord { material: None, .. }) | Err(Error::KeyVersionNotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

fn check_origin(record: &KeyRecord) -> Result<(), Error> {
    if record.origin == Origin::External { Ok(()) } else { Err(Error::Origin(record.origin)) }
}

fn label(key: KeyId) -> Vec<u8> {
    [&b"import "[..], key.as_bytes()].concat()
}
