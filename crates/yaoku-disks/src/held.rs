//! A disk as it is held in memory, and what its owner may know of it.

use std::sync::Arc;

use yaoku_crypto::exchange::Point;
use yaoku_iam::{AccountId, BoundNetworks, DiskIdentity, Tagged, Tags, Timestamp};
use yaoku_kms::KeyId;
use yaoku_seal::Revision;

use crate::record::{DiskRecord, StoredKey};
use crate::{DiskName, Error, Thumbprint};

/// A disk as the last applied commit left it.
pub(crate) struct HeldDisk {
    pub(crate) account: AccountId,
    pub(crate) name: DiskName,
    pub(crate) record: DiskRecord,
    pub(crate) revision: Revision,
    pub(crate) networks: BoundNetworks,
    pub(crate) signing: HeldKey,
    /// As in the record: the last is advertised.
    pub(crate) exchange: Vec<HeldKey>,
    /// In whose name its clients call.
    pub(crate) identity: Arc<DiskIdentity>,
}

/// The public half of a key.
pub(crate) struct HeldKey {
    pub(crate) point: Point,
    pub(crate) thumbprint: Thumbprint,
}

impl HeldKey {
    fn of(key: &StoredKey) -> Result<Self, Error> {
        let point = key.point()?;
        Ok(Self { point, thumbprint: Thumbprint::of(&point) })
    }
}

impl HeldDisk {
    /// A disk of a stored record.
    pub(crate) fn new(
        account: AccountId,
        name: DiskName,
        record: DiskRecord,
        revision: Revision,
    ) -> Result<Self, Error> {
        let networks = BoundNetworks::parse(record.networks.iter().map(|text| &**text));
        let networks = networks.map_err(|_| Error::Record("a disk's networks"))?;
        let signing = HeldKey::of(&record.signing)?;
        let exchange = record.exchange.iter().map(HeldKey::of).collect::<Result<Vec<_>, _>>()?;
        if exchange.is_empty() {
            return Err(Error::Record("a disk's keys"));
        }
        let identity = Arc::new(DiskIdentity::new(account, *record.id.as_bytes(), name.as_str()));
        Ok(Self { account, name, record, revision, networks, signing, exchange, identity })
    }

    /// The exchange key of a thumbprint, with what the store has of it.
    pub(crate) fn exchange_key(&self, thumbprint: Thumbprint) -> Option<(&HeldKey, &StoredKey)> {
        let mut keys = self.exchange.iter().zip(&self.record.exchange);
        keys.find(|(held, _)| held.thumbprint == thumbprint)
    }

    /// The exchange key that is advertised.
    pub(crate) fn advertised(&self) -> Result<&HeldKey, Error> {
        self.exchange.last().ok_or(Error::KeyNotFound)
    }

    pub(crate) fn about(&self) -> DiskAbout {
        let record = &self.record;
        let about =
            |(held, stored): (&HeldKey, &StoredKey)| KeyAbout { thumbprint: held.thumbprint, created: stored.created };
        DiskAbout {
            account: self.account,
            name: self.name.clone(),
            created: record.created,
            updated: record.updated,
            key: record.key,
            enabled: record.enabled,
            networks: self.networks.clone(),
            tags: record.tags.clone(),
            signing: self.signing.thumbprint,
            exchange: self.exchange.iter().zip(&record.exchange).map(about).collect(),
        }
    }
}

impl Tagged for HeldDisk {
    fn tag(&self, name: &str) -> Option<&str> {
        self.record.tags.get(name)
    }
}

/// What is known of a disk without its private keys and its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskAbout {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: DiskName,
    /// When it was bound.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// The CMK that it is bound to.
    pub key: KeyId,
    /// Whether it can be unlocked.
    pub enabled: bool,
    /// From where it can be unlocked.
    pub networks: BoundNetworks,
    /// Its tags.
    pub tags: Tags,
    /// The key that signs what is advertised.
    pub signing: Thumbprint,
    /// Keys to exchange with, oldest first; the last is advertised.
    pub exchange: Vec<KeyAbout>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAbout {
    /// Names it.
    pub thumbprint: Thumbprint,
    /// When it was made.
    pub created: Timestamp,
}
