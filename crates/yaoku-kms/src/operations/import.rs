//! Bring your own key: importing material, and taking it away again.
//!
//! The import token carries, sealed, the private key that unwraps the material, with the key it is for, the algorithm and its
//! end. So it is bound to all of these, serves until its end as often as its owner likes, on every node, and nothing is stored.

use serde::{Deserialize, Serialize};
use yaoku_crypto::asymmetric::{self, PrivateKey};
use yaoku_crypto::mac::{Hash, ct_eq, hmac};
use yaoku_crypto::unwrapping::{Content, Unwrapped, UnwrappingAlgorithm, unwrap};
use yaoku_crypto::wrapping::WrappingKeySpec;
use yaoku_crypto::{Random, Secret};
use yaoku_iam::ResourceKind::Key as KeyResource;
use yaoku_seal::Changes;

use crate::keyring::Key;
use crate::kms::{ATTEMPTS, contended, key_update, versions};
use crate::record::{Imported, KeyRecord, ScrubRecord, VersionRecord, scrub_name, version_name};
use crate::spec::Primitive;
use crate::{
    Access, Call, Error, Field, KeyId, KeySpec, KeyState, KeyVersionId, Kms, Operation, OperationSpec, Origin,
    StateRule, Timestamp,
};

/// Seconds that an import token serves.
const TOKEN_LIFE: u64 = 86_400;

const fn spec(name: &'static str, states: StateRule, access: Access) -> OperationSpec {
    OperationSpec { name, permissions: &[], resources: &[KeyResource], states, access }
}

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
    type Output = ImportParameters;
    const SPEC: OperationSpec = spec("GetParametersForImport", StateRule::ANY, Access::Read);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<ImportParameters, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        check_origin(&key.record)?;
        if !self.algorithm.unwraps_with(self.wrapping_key) {
            return Err(Error::invalid(Field::WrappingAlgorithm, "it is not one for this kind of wrapping key"));
        }
        if !self.algorithm.carries(content(key.record.spec)) {
            return Err(Error::invalid(Field::WrappingAlgorithm, "it is not one for material of this key spec"));
        }
        call.proceed()?;
        let kind = self.wrapping_key.key_algorithm();
        let random = kms.vault.shared_random().clone();
        let made = kms.workers.long(move || {
            let private_key = asymmetric::generate(kind, random.as_ref())?;
            let public_key = PrivateKey::new(kind, &private_key)?.public_key_der().to_vec();
            Ok::<_, yaoku_crypto::Error>((private_key, public_key))
        });
        let (private_key, public_key) = made.await??;
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
    type Output = ();
    const SPEC: OperationSpec = spec("ImportKeyMaterial", StateRule::STAY, Access::Write);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        check_origin(&key.record)?;
        if self.expires.is_some_and(|expires| expires <= kms.clock.now()) {
            return Err(Error::invalid(Field::MaterialExpiry, "it must not be past"));
        }
        let (head, private_key) = self.open_token(kms, &key).await?;
        let (content, wrapped, random) = (content(key.record.spec), self.wrapped, kms.vault.shared_random().clone());
        let unwrapped = kms.workers.short(move || {
            let private_key = PrivateKey::new(head.wrapping_key.key_algorithm(), &private_key)?;
            unwrap(head.algorithm, &private_key, random.as_ref(), content, &wrapped)
        });
        // What follows is the same for material that does not unwrap, so that its caller learns nothing of why.
        let (Unwrapped { material, identity }, acceptable) = match unwrapped.await? {
            Ok(unwrapped) => (unwrapped, true),
            Err(_) => (no_material(kms.vault.random())?, false),
        };
        for _ in 0..ATTEMPTS {
            let mut key = kms.stored_key(key.account, key.id).await?;
            Self::SPEC.states.check(key.record.state)?;
            let (imported, known) = imported(&key.record, &identity, self.expires, kms.vault.random())?;
            if !(acceptable && known) {
                return Err(Error::KeyMaterial);
            }
            call.proceed()?;
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
            let record = VersionRecord { created, material: Some(material.duplicate()) };
            changes.puts.push((version_name(key.account, key.id, version), record.encode()));
            if kms.commit(changes).await? {
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
    type Output = ();
    const SPEC: OperationSpec = spec("DeleteKeyMaterial", StateRule::ANY, Access::Write);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let id = kms.admit(call, &Self::SPEC, &self.key.into()).await?.id;
        for _ in 0..ATTEMPTS {
            let key = kms.stored_key(call.principal.account(), id).await?;
            check_origin(&key.record)?;
            call.proceed()?;
            if !key.record.has_material() {
                return kms.in_force(key.revision).await;
            }
            if take_away(kms, key).await? {
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// Takes imported material out of the store, and marks that for scrubbing; false if another change came first.
pub(crate) async fn take_away(kms: &Kms, mut key: Key) -> Result<bool, Error> {
    let Some((version, created)) = only_version(kms, &key).await? else { return Ok(true) };
    if let Some(imported) = &mut key.record.imported {
        imported.present = false;
        imported.expires = None;
    }
    if key.record.state != KeyState::PendingDeletion {
        key.record.state = KeyState::PendingImport;
    }
    let mut changes: Changes = key_update(&key)?;
    changes.puts.push((version_name(key.account, key.id, version), VersionRecord { created, material: None }.encode()));
    let due = kms.state.read().scrub_due(kms.clock.now(), kms.config.scrub_delay);
    changes.puts.push((scrub_name(), ScrubRecord { due }.encode()?));
    kms.commit(changes).await
}

/// The version of a key with imported material, which there is since the first import, and when it was made.
async fn only_version(kms: &Kms, key: &Key) -> Result<Option<(KeyVersionId, Timestamp)>, Error> {
    Ok(versions(&kms.vault, key).await?.into_iter().next())
}

/// What is imported into keys of that spec. HMAC keys are as long as those that are made here.
fn content(spec: KeySpec) -> Content {
    match spec.primitive() {
        Primitive::Aead(algorithm) => Content::Bytes(algorithm.key_len()),
        Primitive::Mac(hash) => Content::Bytes(hash.output_len()),
        Primitive::KeyPair(algorithm) => algorithm.seed_len().map_or(Content::PrivateKey(algorithm), Content::Bytes),
    }
}

/// What takes the place of material that does not unwrap.
fn no_material(random: &dyn Random) -> Result<Unwrapped, Error> {
    Ok(Unwrapped { material: Secret::random(32, random)?, identity: Secret::random(32, random)? })
}

/// What to remember of material, and whether it is what was imported before, if anything was.
fn imported(
    record: &KeyRecord,
    identity: &Secret,
    expires: Option<Timestamp>,
    random: &dyn Random,
) -> Result<(Imported, bool), Error> {
    let mut fingerprint_key = [0; 32];
    match &record.imported {
        Some(before) => fingerprint_key = before.fingerprint_key,
        None => random.fill(&mut fingerprint_key)?,
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(hmac(Hash::Sha256, &fingerprint_key, identity.expose()).as_bytes());
    let known = record.imported.as_ref().is_none_or(|before| ct_eq(&before.fingerprint, &fingerprint));
    Ok((Imported { fingerprint_key, fingerprint, present: true, expires }, known))
}

fn check_origin(record: &KeyRecord) -> Result<(), Error> {
    if record.origin == Origin::External { Ok(()) } else { Err(Error::Origin(record.origin)) }
}

fn label(key: KeyId) -> Vec<u8> {
    [&b"import "[..], key.as_bytes()].concat()
}
