//! What the store holds of secrets, and how it is laid out.
//!
//! A record is a layout number and a postcard body. A newer layout gets a new number; every older one stays readable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;
use yaoku_iam::{AccountId, Tags, Timestamp};
use yaoku_kms::KeyId;
use yaoku_seal::{Kind, RecordName};

use crate::ram_credentials::RamCredentials;
use crate::{Error, SecretId, SecretName, Stage, ValueKind, VersionId};

/// A secret without its values.
pub(crate) const SECRET: Kind = Kind(48);
/// The value of one version, sealed under the secret's CMK.
pub(crate) const VALUE: Kind = Kind(49);

/// Layout of a [`SecretRecord`]: 1 had no `policy`, and 2 no `rotations`.
const LAYOUT: u8 = 3;
/// Rotations of a secret that can be asked for within [`WHILE`].
pub(crate) const MOST_ROTATIONS: usize = 50;
/// An hour, in seconds.
const WHILE: u64 = 3600;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// Whatever its owner puts into it.
    Generic,
    /// AccessKeys of a RAM user.
    RamCredentials,
}

/// What a secret is for, with what is known of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    Generic,
    RamCredentials(RamCredentials),
}

/// What a secret that does not rotate answers to whoever wants it to.
const NOT_ROTATED: Error =
    Error::Unsuitable("it is of the type Generic, whose values are put by their owner and do not rotate");

/// What is done to a secret when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Deletion,
    Rotation,
}

/// A secret as the store holds it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SecretRecord {
    pub(crate) id: SecretId,
    pub(crate) purpose: Purpose,
    pub(crate) description: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// The CMK that values are sealed under.
    pub(crate) key: KeyId,
    /// Whether that is the service's own, on which callers need no permission.
    pub(crate) is_service_key: bool,
    /// When it is to be deleted, if it is.
    pub(crate) deletion: Option<Timestamp>,
    pub(crate) tags: Tags,
    /// Oldest first.
    pub(crate) versions: Vec<VersionEntry>,
    /// The number of the youngest version that there ever was.
    pub(crate) last: u64,
    /// Versions that are kept, if not as many as of every secret.
    pub(crate) max_versions: Option<u32>,
    /// Whether a new version must name the current one.
    pub(crate) expects_last: bool,
    /// Seconds after which a new version is deleted.
    pub(crate) delete_versions_after: Option<u64>,
    /// A few words of the owner's.
    pub(crate) custom_metadata: BTreeMap<String, String>,
    /// The document of its policy; none for the default.
    pub(crate) policy: Option<Box<str>>,
    /// When it was rotated because somebody asked for it, within an hour before the last time.
    pub(crate) rotations: Vec<Timestamp>,
}

/// One version of a secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionEntry {
    /// Counted from 1, in order of creation.
    pub(crate) number: u64,
    pub(crate) id: VersionId,
    pub(crate) created: Timestamp,
    pub(crate) kind: ValueKind,
    pub(crate) stages: Vec<Stage>,
    /// From when on its value can't be read.
    pub(crate) deleted: Option<Timestamp>,
    /// Whether its value is gone for good.
    pub(crate) destroyed: bool,
}

impl VersionEntry {
    /// Whether its value can be read.
    ///
    /// # Errors
    /// [`Error::VersionNotFound`] or [`Error::VersionDeleted`].
    pub(crate) fn check_readable(&self, now: Timestamp) -> Result<(), Error> {
        match self.deleted {
            _ if self.destroyed => Err(Error::VersionNotFound),
            Some(deleted) if deleted <= now => Err(Error::VersionDeleted),
            Some(_) | None => Ok(()),
        }
    }
}

impl SecretRecord {
    pub(crate) const fn kind(&self) -> SecretKind {
        match self.purpose {
            Purpose::Generic => SecretKind::Generic,
            Purpose::RamCredentials(_) => SecretKind::RamCredentials,
        }
    }

    /// # Errors
    /// [`Error::Unsuitable`] unless its owner alone says what is in it.
    pub(crate) const fn check_generic(&self) -> Result<(), Error> {
        match self.purpose {
            Purpose::Generic => Ok(()),
            Purpose::RamCredentials(_) => Err(Error::Unsuitable("its versions come and go by rotation alone")),
        }
    }

    /// What it holds of a user's AccessKeys.
    ///
    /// # Errors
    /// [`Error::Unsuitable`] if it holds none.
    pub(crate) const fn ram_credentials(&self) -> Result<&RamCredentials, Error> {
        match &self.purpose {
            Purpose::RamCredentials(credentials) => Ok(credentials),
            Purpose::Generic => Err(NOT_ROTATED),
        }
    }

    /// As [`Self::ram_credentials`].
    pub(crate) const fn ram_credentials_mut(&mut self) -> Result<&mut RamCredentials, Error> {
        match &mut self.purpose {
            Purpose::RamCredentials(credentials) => Ok(credentials),
            Purpose::Generic => Err(NOT_ROTATED),
        }
    }

    /// Notes that a rotation is asked for.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if there were too many within an hour.
    pub(crate) fn count_rotation(&mut self, now: Timestamp) -> Result<(), Error> {
        self.rotations.retain(|then| *then <= now && now.seconds_since(*then) < WHILE);
        if self.rotations.len() >= MOST_ROTATIONS {
            return Err(Error::LimitExceeded(format!("a secret can be rotated {MOST_ROTATIONS} times an hour")));
        }
        self.rotations.push(now);
        Ok(())
    }

    /// When something is to be done to it by itself, and what: its deletion, or else its rotation.
    pub(crate) fn due(&self) -> Option<(Timestamp, Due)> {
        match (self.deletion, &self.purpose) {
            (Some(deletion), _) => Some((deletion, Due::Deletion)),
            (None, Purpose::RamCredentials(credentials)) => {
                credentials.next_rotation(self.created).map(|next| (next, Due::Rotation))
            }
            (None, Purpose::Generic) => None,
        }
    }

    /// Bytes of its policy and its custom metadata.
    pub(crate) fn texts(&self) -> u64 {
        let metadata: usize = self.custom_metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        (metadata + self.policy.as_ref().map_or(0, |policy| policy.len())) as u64
    }

    pub(crate) fn version(&self, id: &VersionId) -> Option<&VersionEntry> {
        self.versions.iter().find(|version| version.id == *id)
    }

    pub(crate) fn numbered(&self, number: u64) -> Option<&VersionEntry> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The version that a stage stands on.
    pub(crate) fn staged(&self, stage: &str) -> Option<&VersionEntry> {
        self.versions.iter().find(|version| version.stages.iter().any(|held| held.as_str() == stage))
    }

    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(postcard::to_allocvec(self).map_err(|error| Error::Internal(error.into()))?);
        Ok(Secret::new(bytes))
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        let unreadable = |_| Error::Record("a secret");
        match bytes.expose().split_first() {
            // What comes after the end of an older layout reads as absent.
            Some((1, body)) => postcard::from_bytes(&[body, &[0, 0]].concat()).map_err(unreadable),
            Some((2, body)) => postcard::from_bytes(&[body, &[0]].concat()).map_err(unreadable),
            Some((&LAYOUT, body)) => postcard::from_bytes(body).map_err(unreadable),
            _ => Err(Error::Record("a secret")),
        }
    }
}

pub(crate) fn secret_name(account: AccountId, name: &SecretName) -> RecordName {
    RecordName { kind: SECRET, domain: account.domain(), id: name.as_str().as_bytes().to_vec(), version: Vec::new() }
}

/// Account and name of the secret that a record is of.
pub(crate) fn named(name: &RecordName) -> Result<(AccountId, SecretName), Error> {
    let account = AccountId::of_domain(name.domain);
    let parsed = std::str::from_utf8(&name.id).ok().and_then(SecretName::parse);
    account.zip(parsed).ok_or(Error::Record("a secret"))
}

pub(crate) fn value_name(account: AccountId, secret: SecretId, number: u64) -> RecordName {
    let (id, version) = (secret.as_bytes().to_vec(), number.to_be_bytes().to_vec());
    RecordName { kind: VALUE, domain: account.domain(), id, version }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written_and_not_of_later_layouts() {
        let record = SecretRecord {
            id: SecretId::from_bytes([1; 16]),
            purpose: Purpose::Generic,
            description: "描述".into(),
            created: Timestamp(1),
            updated: Timestamp(2),
            key: KeyId::from_bytes([2; 16]),
            is_service_key: true,
            deletion: Some(Timestamp(3)),
            tags: Tags::default(),
            versions: vec![VersionEntry {
                number: 7,
                id: VersionId::parse("v7").unwrap(),
                created: Timestamp(1),
                kind: ValueKind::Binary,
                stages: vec![Stage::current()],
                deleted: Some(Timestamp(5)),
                destroyed: false,
            }],
            last: 7,
            max_versions: Some(3),
            expects_last: false,
            delete_versions_after: None,
            custom_metadata: BTreeMap::from([("owner".into(), "shop".into())]),
            policy: None,
            rotations: Vec::new(),
        };
        let encoded = record.encode().unwrap();
        let read = SecretRecord::decode(&encoded).unwrap();
        assert_eq!((read.versions, read.custom_metadata), (record.versions, record.custom_metadata));
        let later = Secret::new([&[LAYOUT + 1], &encoded.expose()[1..]].concat());
        assert!(SecretRecord::decode(&later).is_err());
        // The first layout ended before `policy`, and the second before `rotations`.
        let body = &encoded.expose()[1..];
        for (layout, lacks) in [(1, 2), (2, 1)] {
            let older = Secret::new([&[layout], &body[..body.len() - lacks]].concat());
            let read = SecretRecord::decode(&older).unwrap();
            assert!(read.last == 7 && read.policy.is_none() && read.rotations.is_empty());
        }
    }

    #[test]
    fn a_version_is_readable_until_it_is_deleted() {
        let version = |deleted, destroyed| VersionEntry {
            number: 1,
            id: VersionId::of_number(1),
            created: Timestamp(1),
            kind: ValueKind::Text,
            stages: Vec::new(),
            deleted,
            destroyed,
        };
        assert!(version(None, false).check_readable(Timestamp(9)).is_ok());
        assert!(version(Some(Timestamp(10)), false).check_readable(Timestamp(9)).is_ok());
        assert!(matches!(version(Some(Timestamp(9)), false).check_readable(Timestamp(9)), Err(Error::VersionDeleted)));
        assert!(matches!(version(None, true).check_readable(Timestamp(9)), Err(Error::VersionNotFound)));
    }
}
