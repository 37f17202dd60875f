//! What the store holds of disks, and how it is laid out.
//!
//! A record is a layout number and a postcard body. A newer layout gets a new number; every older one stays readable.

use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;
use yaoku_crypto::exchange::{COORDINATE, Point};
use yaoku_iam::{AccountId, Tags, Timestamp};
use yaoku_kms::KeyId;
use yaoku_seal::{Kind, RecordName};

use crate::id::{DiskId, DiskUrl};
use crate::{DiskName, Error};

/// A disk with its keys.
pub(crate) const DISK: Kind = Kind(64);

const LAYOUT: u8 = 1;

/// A disk as the store holds it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct DiskRecord {
    pub(crate) id: DiskId,
    pub(crate) url: DiskUrl,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// The CMK that the private parts of its keys are sealed under.
    pub(crate) key: KeyId,
    pub(crate) enabled: bool,
    /// From where it may be unlocked; none means from everywhere.
    pub(crate) networks: Vec<String>,
    pub(crate) tags: Tags,
    /// Signs what is advertised. Clients pin it, so it stays.
    pub(crate) signing: StoredKey,
    /// Oldest first; the last is advertised, and those before it answer until they are withdrawn.
    pub(crate) exchange: Vec<StoredKey>,
}

/// A key of a disk.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    pub(crate) created: Timestamp,
    /// Both coordinates of the public key.
    public: Vec<u8>,
    /// The private key, sealed under the disk's CMK.
    pub(crate) sealed: Vec<u8>,
}

impl StoredKey {
    pub(crate) fn new(created: Timestamp, public: &Point, sealed: Vec<u8>) -> Self {
        Self { created, public: [public.x(), public.y()].concat(), sealed }
    }

    /// The public key.
    pub(crate) fn point(&self) -> Result<Point, Error> {
        let (x, y) = self.public.split_at_checked(COORDINATE).ok_or(Error::Record("a disk's key"))?;
        Point::new(x, y).map_err(|_| Error::Record("a disk's key"))
    }
}

impl DiskRecord {
    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(postcard::to_allocvec(self).map_err(|error| Error::Internal(error.into()))?);
        Ok(Secret::new(bytes))
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        match bytes.expose().split_first() {
            Some((&LAYOUT, body)) => postcard::from_bytes(body).map_err(|_| Error::Record("a disk")),
            _ => Err(Error::Record("a disk")),
        }
    }
}

pub(crate) fn disk_name(account: AccountId, name: &DiskName) -> RecordName {
    RecordName { kind: DISK, domain: account.domain(), id: name.as_str().as_bytes().to_vec(), version: Vec::new() }
}

/// Account and name of the disk that a record is of.
pub(crate) fn named(name: &RecordName) -> Result<(AccountId, DiskName), Error> {
    let account = AccountId::of_domain(name.domain);
    let parsed = std::str::from_utf8(&name.id).ok().and_then(DiskName::parse);
    account.zip(parsed).ok_or(Error::Record("a disk"))
}

#[cfg(test)]
pub(crate) fn record() -> DiskRecord {
    use yaoku_crypto::SystemRandom;
    use yaoku_crypto::exchange::ExchangeKey;
    let key = |number| {
        let public = ExchangeKey::generate(&SystemRandom).unwrap().public().unwrap();
        StoredKey::new(Timestamp(1), &public, vec![number])
    };
    DiskRecord {
        id: DiskId::from_bytes([1; 16]),
        url: DiskUrl::new([2; 16]),
        created: Timestamp(1),
        updated: Timestamp(2),
        key: KeyId::from_bytes([3; 16]),
        enabled: true,
        networks: vec!["10.0.0.0/8".into()],
        tags: Tags::default(),
        signing: key(0),
        exchange: vec![key(1), key(2)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written_and_not_of_later_layouts() {
        let record = record();
        let encoded = record.encode().unwrap();
        let read = DiskRecord::decode(&encoded).unwrap();
        assert_eq!(read.exchange[1].point().unwrap(), record.exchange[1].point().unwrap());
        assert_eq!((read.url, read.networks, read.enabled), (record.url, record.networks, true));
        let later = Secret::new([&[LAYOUT + 1], &encoded.expose()[1..]].concat());
        assert!(DiskRecord::decode(&later).is_err());
    }

    #[test]
    fn a_key_that_is_no_point_is_refused() {
        let mut key = record().signing;
        key.public[100] ^= 1;
        assert!(key.point().is_err());
        key.public.truncate(COORDINATE - 1);
        assert!(key.point().is_err());
    }
}
