//! Keys and their material that are warm: what a cryptographic operation needs without touching the store.
//!
//! Both caches are bounded. The catalogue's lock guards their coherence: the follower of the store drops entries while
//! it holds that lock for writing, and a loader enters what it read only while holding it for reading, and only if the
//! catalogue knows of nothing newer. So no entry outlives the change that ended it.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use yaoku_iam::policy::{Attached, Policy, PolicyKind};
use yaoku_iam::{AccountId, Tagged};
use yaoku_seal::Revision;

use crate::material::Material;
use crate::record::KeyRecord;
use crate::{Error, KeyId, KeyVersionId};

/// A CMK as the last applied commit left it.
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) account: AccountId,
    pub(crate) record: KeyRecord,
    pub(crate) revision: Revision,
    /// Its policy, ready to be asked; none for the default, which says nothing that would not be so without it.
    pub(crate) policy: Option<Attached>,
}

impl Key {
    /// A key of a stored record.
    pub(crate) fn new(account: AccountId, id: KeyId, record: KeyRecord, revision: Revision) -> Result<Self, Error> {
        let read = |document| match Policy::parse_stored(document, PolicyKind::Key) {
            Ok(policy) => Ok(Attached { origin: format!("the policy of key {id}").into(), policy: Arc::new(policy) }),
            Err(_) => Err(Error::Record("a key's policy")),
        };
        let policy = record.policy.as_deref().map(read).transpose()?;
        Ok(Self { id, account, record, revision, policy })
    }
}

impl Tagged for Key {
    fn tag(&self, name: &str) -> Option<&str> {
        self.record.tags.get(name)
    }
}

/// The caches.
pub(crate) struct Keyring {
    keys: Cache<KeyId, Arc<Key>, KeyWeight>,
    materials: Cache<(KeyId, KeyVersionId), Arc<Material>>,
    /// Numbers of versions, by age within their key, which never change.
    numbers: Cache<KeyVersionId, u32>,
}

impl Keyring {
    /// Room for about `keys` keys of ordinary size and as many versions' material.
    pub(crate) fn new(keys: usize) -> Self {
        Self {
            keys: Cache::with_weighter(keys, keys as u64 * ORDINARY_KEY, KeyWeight),
            materials: Cache::new(keys),
            numbers: Cache::new(keys),
        }
    }

    pub(crate) fn key(&self, id: KeyId) -> Option<Arc<Key>> {
        self.keys.get(&id)
    }

    pub(crate) fn put_key(&self, key: Arc<Key>) {
        self.keys.insert(key.id, key);
    }

    pub(crate) fn drop_key(&self, id: KeyId) {
        self.keys.remove(&id);
    }

    pub(crate) fn material(&self, key: KeyId, version: KeyVersionId) -> Option<Arc<Material>> {
        self.materials.get(&(key, version))
    }

    pub(crate) fn put_material(&self, key: KeyId, version: KeyVersionId, material: Arc<Material>) {
        self.materials.insert((key, version), material);
    }

    pub(crate) fn number(&self, version: KeyVersionId) -> Option<u32> {
        self.numbers.get(&version)
    }

    pub(crate) fn put_number(&self, version: KeyVersionId, number: u32) {
        self.numbers.insert(version, number);
    }

    pub(crate) fn clear(&self) {
        self.keys.clear();
        self.materials.clear();
    }

    pub(crate) fn drop_materials_of(&self, id: KeyId) {
        self.materials.retain(|(key, _), _| *key != id);
    }

    pub(crate) fn drop_material(&self, key: KeyId, version: KeyVersionId) {
        self.materials.remove(&(key, version));
    }
}

/// Bytes of a key without tags and with a short description.
const ORDINARY_KEY: u64 = 512;

/// Bytes that a key occupies, so that long descriptions, many tags and policies can't swell the cache.
#[derive(Clone)]
struct KeyWeight;

impl Weighter<KeyId, Arc<Key>> for KeyWeight {
    fn weight(&self, _: &KeyId, key: &Arc<Key>) -> u64 {
        let tags: usize = key.record.tags.iter().map(|(key, value)| key.len() + value.len() + 48).sum();
        // As text, and read: some multiple of it.
        let policy = key.record.policy.as_ref().map_or(0, |policy| 8 * policy.len());
        ORDINARY_KEY.max((384 + key.record.description.len() + tags + policy) as u64)
    }
}
