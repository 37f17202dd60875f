//! What the store holds of keys, versions and aliases, and how it is laid out.
//!
//! A record is a layout number and a postcard body. A newer layout gets a new number; every older one stays readable.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use yaoku_crypto::Secret;
use yaoku_crypto::pkcs11::ObjectId;
use yaoku_iam::AccountId;
use yaoku_seal::{Domain, Kind, RecordName, Revision};

use crate::{
    AliasName, Error, KeyId, KeySpec, KeyState, KeyUsage, KeyVersionId, Origin, ProtectionLevel, RotationInterval,
    RotationStatus, Tags, Timestamp, rotation,
};

/// A CMK without its material.
pub(crate) const KEY: Kind = Kind(16);
/// One version's material.
pub(crate) const KEY_VERSION: Kind = Kind(17);
/// An alias.
pub(crate) const ALIAS: Kind = Kind(18);
/// When the store is to be scrubbed of deleted material.
pub(crate) const SCRUB: Kind = Kind(19);
/// An object of the HSM that is to be destroyed.
pub(crate) const DOOMED: Kind = Kind(20);
/// How many messages a key version has encrypted in the HSM.
pub(crate) const MESSAGES: Kind = Kind(21);
/// What opens an image of the catalogue.
pub(crate) const IMAGE: Kind = Kind(22);

const LAYOUT: u8 = 1;
/// Layout of a [`KeyRecord`]: 1 had no `imported`, 2 no `policy`.
const KEY_LAYOUT: u8 = 3;

/// A CMK as the store holds it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) spec: KeySpec,
    pub(crate) usage: KeyUsage,
    pub(crate) origin: Origin,
    pub(crate) protection: ProtectionLevel,
    pub(crate) state: KeyState,
    pub(crate) created: Timestamp,
    pub(crate) description: String,
    /// None where there is no material.
    pub(crate) primary: Option<KeyVersionId>,
    pub(crate) versions: u32,
    pub(crate) last_version: Timestamp,
    pub(crate) last_rotation: Timestamp,
    pub(crate) rotation: Option<RotationInterval>,
    pub(crate) deletion: Option<Timestamp>,
    /// Why the key may not be deleted, if it may not.
    pub(crate) protected: Option<String>,
    pub(crate) tags: Tags,
    /// Since the first import.
    pub(crate) imported: Option<Imported>,
    /// The document of its policy; none for the default.
    pub(crate) policy: Option<Box<str>>,
}

/// What is remembered of imported material: enough to take no other for it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Imported {
    /// Random key of the fingerprint.
    pub(crate) fingerprint_key: [u8; 32],
    /// HMAC-SHA256 of the material, of a key pair of its public key: whoever has the private key has that one only, and a
    /// private key has many encodings.
    pub(crate) fingerprint: [u8; 32],
    /// Whether the material is here.
    pub(crate) present: bool,
    /// When it is to be taken away.
    pub(crate) expires: Option<Timestamp>,
}

impl KeyRecord {
    /// When the scheduler must look at this key next.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let by_state = match (self.state, self.rotation) {
            (KeyState::PendingDeletion, _) => self.deletion,
            (KeyState::Enabled, Some(interval)) => Some(rotation::next(self.last_rotation, interval)),
            (KeyState::Enabled, None) | (KeyState::Disabled | KeyState::PendingImport, _) => None,
        };
        [by_state, self.material_expires()].into_iter().flatten().min()
    }

    /// Whether there is material.
    pub(crate) fn has_material(&self) -> bool {
        match self.origin {
            Origin::Generated => true,
            Origin::External => self.imported.as_ref().is_some_and(|imported| imported.present),
        }
    }

    /// When the material that is there is to be taken away.
    pub(crate) fn material_expires(&self) -> Option<Timestamp> {
        self.imported.as_ref().filter(|imported| imported.present)?.expires
    }

    /// The state at that time: expired material can't be used even before the scheduler has taken it away.
    pub(crate) fn state_at(&self, now: Timestamp) -> KeyState {
        let expired = self.material_expires().is_some_and(|expires| expires <= now);
        if expired && self.state != KeyState::PendingDeletion { KeyState::PendingImport } else { self.state }
    }

    pub(crate) fn metadata(&self, id: KeyId, account: AccountId, now: Timestamp) -> KeyMetadata {
        KeyMetadata {
            id,
            account,
            spec: self.spec,
            usage: self.usage,
            origin: self.origin,
            protection: self.protection,
            state: self.state_at(now),
            created: self.created,
            description: self.description.clone(),
            primary: self.primary,
            rotation_status: RotationStatus::of(self.rotation, self.state),
            rotation: self.rotation,
            last_rotation: self.primary.map(|_| self.last_rotation),
            next_rotation: self.rotation.map(|interval| rotation::next(self.last_rotation, interval)),
            deletion: self.deletion,
            deletion_protection: self.protected.clone(),
            material_expires: self.material_expires(),
        }
    }

    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        encode(KEY_LAYOUT, self, "a key")
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        let unreadable = |_| Error::Record("a key");
        match bytes.expose().split_first() {
            // What comes after the end of the older layout reads as absent.
            Some((1, body)) => postcard::from_bytes(&[body, &[0, 0]].concat()).map_err(unreadable),
            Some((2, body)) => postcard::from_bytes(&[body, &[0]].concat()).map_err(unreadable),
            Some((&KEY_LAYOUT, body)) => postcard::from_bytes(body).map_err(unreadable),
            _ => Err(Error::Record("a key")),
        }
    }
}

/// What a key's owner may know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMetadata {
    /// Its id.
    pub id: KeyId,
    /// The account that owns it.
    pub account: AccountId,
    /// Its algorithm and size.
    pub spec: KeySpec,
    /// What it is for.
    pub usage: KeyUsage,
    /// Where its material comes from.
    pub origin: Origin,
    /// Where its material is held.
    pub protection: ProtectionLevel,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it was made.
    pub created: Timestamp,
    /// Its owner's words on it.
    pub description: String,
    /// The version that encrypts; none while there is no material.
    pub primary: Option<KeyVersionId>,
    /// Whether it rotates by itself at present.
    pub rotation_status: RotationStatus,
    /// Its period of rotation.
    pub rotation: Option<RotationInterval>,
    /// When its primary version was made.
    pub last_rotation: Option<Timestamp>,
    /// When it rotates next; past while suspended for long.
    pub next_rotation: Option<Timestamp>,
    /// When it will be deleted, while that is pending.
    pub deletion: Option<Timestamp>,
    /// Its owner's reason why it may not be deleted, while it may not.
    pub deletion_protection: Option<String>,
    /// When its imported material will be taken away.
    pub material_expires: Option<Timestamp>,
}

/// What a key's owner may know of one of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyVersion {
    /// The key.
    pub key: KeyId,
    /// The version.
    pub id: KeyVersionId,
    /// When it was made.
    pub created: Timestamp,
}

/// A key version as the store holds it: when it was made (8 bytes, big-endian milliseconds), then its material; nothing where
/// imported material was taken away.
pub(crate) struct VersionRecord {
    pub(crate) created: Timestamp,
    pub(crate) material: Option<Secret>,
}

impl VersionRecord {
    pub(crate) fn encode(&self) -> Secret {
        let material = self.material.as_ref().map_or(&[][..], Secret::expose);
        let mut bytes = Vec::with_capacity(9 + material.len());
        bytes.push(LAYOUT);
        bytes.extend_from_slice(&self.created.0.to_be_bytes());
        bytes.extend_from_slice(material);
        Secret::new(bytes)
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        match bytes.expose().split_first_chunk::<9>() {
            Some(([LAYOUT, time @ ..], material)) => {
                let material = (!material.is_empty()).then(|| Secret::new(material.to_vec()));
                Ok(Self { created: Timestamp(u64::from_be_bytes(*time)), material })
            }
            _ => Err(Error::Record("a key version")),
        }
    }
}

/// An alias as the store holds it.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    pub(crate) key: KeyId,
}

impl AliasRecord {
    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        encode(LAYOUT, self, "an alias")
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        decode(bytes, "an alias")
    }
}

/// When the store is to be scrubbed.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ScrubRecord {
    pub(crate) due: Timestamp,
}

impl ScrubRecord {
    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        encode(LAYOUT, self, "a scrub mark")
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        decode(bytes, "a scrub mark")
    }
}

/// When an object of the HSM is to be destroyed.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct DoomedRecord {
    pub(crate) due: Timestamp,
    /// Whether a commit may still take it into a key.
    pub(crate) in_making: bool,
}

impl DoomedRecord {
    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        encode(LAYOUT, self, "an HSM object marked for destruction")
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        decode(bytes, "an HSM object marked for destruction")
    }
}

/// Messages of a key version in the HSM.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct MessagesRecord {
    /// Those that were encrypted, and those that processes have reserved.
    pub(crate) counted: u64,
}

impl MessagesRecord {
    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        encode(LAYOUT, self, "a count of messages")
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        decode(bytes, "a count of messages")
    }
}

/// What opens an image of the catalogue: the last revision that it shows and the number of its pieces (8 bytes each,
/// big-endian), then its key.
pub(crate) struct ImageRecord {
    pub(crate) revision: Revision,
    pub(crate) pieces: u64,
    pub(crate) key: Secret,
}

impl ImageRecord {
    pub(crate) fn encode(&self) -> Secret {
        let numbers = [self.revision.0, self.pieces].map(u64::to_be_bytes);
        Secret::new([&[LAYOUT][..], numbers.as_flattened(), self.key.expose()].concat())
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        let unreadable = || Error::Record("an image's");
        let (head, key) = bytes.expose().split_first_chunk::<17>().ok_or_else(unreadable)?;
        let [LAYOUT, numbers @ ..] = head else { return Err(unreadable()) };
        let (revision, pieces) = numbers.split_first_chunk::<8>().ok_or_else(unreadable)?;
        let pieces = pieces.try_into().map_err(|_| unreadable())?;
        Ok(Self {
            revision: Revision(u64::from_be_bytes(*revision)),
            pieces: u64::from_be_bytes(pieces),
            key: Secret::new(key.to_vec()),
        })
    }
}

pub(crate) fn key_name(account: AccountId, key: KeyId) -> RecordName {
    RecordName { kind: KEY, domain: account.domain(), id: key.as_bytes().to_vec(), version: Vec::new() }
}

pub(crate) fn version_name(account: AccountId, key: KeyId, version: KeyVersionId) -> RecordName {
    RecordName {
        kind: KEY_VERSION,
        domain: account.domain(),
        id: key.as_bytes().to_vec(),
        version: version.as_bytes().to_vec(),
    }
}

pub(crate) fn messages_name(account: AccountId, key: KeyId, version: KeyVersionId) -> RecordName {
    RecordName { kind: MESSAGES, ..version_name(account, key, version) }
}

pub(crate) fn doomed_name(account: AccountId, object: ObjectId) -> RecordName {
    RecordName { kind: DOOMED, domain: account.domain(), id: object.as_bytes().to_vec(), version: Vec::new() }
}

pub(crate) fn alias_name(account: AccountId, alias: &AliasName) -> RecordName {
    RecordName { kind: ALIAS, domain: account.domain(), id: alias.as_str().as_bytes().to_vec(), version: Vec::new() }
}

pub(crate) fn scrub_name() -> RecordName {
    RecordName { kind: SCRUB, domain: Domain::SYSTEM, id: Vec::new(), version: Vec::new() }
}

pub(crate) fn image_name() -> RecordName {
    RecordName { kind: IMAGE, domain: Domain::SYSTEM, id: Vec::new(), version: Vec::new() }
}

fn encode(layout: u8, record: &impl Serialize, what: &'static str) -> Result<Secret, Error> {
    let bytes = postcard::to_extend(record, vec![layout]).map_err(|_| Error::Record(what))?;
    Ok(Secret::new(bytes))
}

fn decode<T: DeserializeOwned>(bytes: &Secret, what: &'static str) -> Result<T, Error> {
    match bytes.expose().split_first() {
        Some((&LAYOUT, body)) => postcard::from_bytes(body).map_err(|_| Error::Record(what)),
        _ => Err(Error::Record(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(imported: Option<Imported>) -> KeyRecord {
        KeyRecord {
            spec: KeySpec::Aes256,
            usage: KeyUsage::EncryptDecrypt,
            origin: Origin::External,
            protection: ProtectionLevel::Software,
            state: KeyState::Enabled,
            created: Timestamp(1),
            description: "描述".into(),
            primary: None,
            versions: 1,
            last_version: Timestamp(2),
            last_rotation: Timestamp(3),
            rotation: None,
            deletion: None,
            protected: None,
            tags: Tags::default(),
            imported,
            policy: None,
        }
    }

    /// The first layout ended before `imported`, the second before `policy`.
    #[test]
    fn records_of_older_layouts_are_read() {
        let encoded = record(None).encode().unwrap();
        let (layout, body) = encoded.expose().split_first().unwrap();
        assert!(*layout == KEY_LAYOUT && body.ends_with(&[0, 0]));
        for (layout, absent) in [(1, 2), (2, 1)] {
            let older = Secret::new([&[layout], &body[..body.len() - absent]].concat());
            let read = KeyRecord::decode(&older).unwrap();
            assert!(read.imported.is_none() && read.description == "描述" && read.last_rotation == Timestamp(3));
            assert!(read.policy.is_none());
        }
        assert!(KeyRecord::decode(&Secret::new([&[KEY_LAYOUT + 1], body].concat())).is_err(), "of a later version");
    }

    #[test]
    fn expired_material_can_not_be_used_before_it_is_taken_away() {
        let imported = |present, expires| Imported {
            fingerprint_key: [0; 32],
            fingerprint: [0; 32],
            present,
            expires: Some(Timestamp(expires)),
        };
        let held = record(Some(imported(true, 10)));
        assert_eq!(
            (held.state_at(Timestamp(9)), held.state_at(Timestamp(10))),
            (KeyState::Enabled, KeyState::PendingImport)
        );
        assert_eq!(held.due(), Some(Timestamp(10)));
        assert_eq!(record(Some(imported(false, 10))).due(), None);
        let deleted = KeyRecord { state: KeyState::PendingDeletion, deletion: Some(Timestamp(20)), ..held };
        assert_eq!((deleted.state_at(Timestamp(10)), deleted.due()), (KeyState::PendingDeletion, Some(Timestamp(10))));
    }
}
