//! Keys and their material that are warm: what a cryptographic operation needs without touching the store.
//!
//! Both caches are bounded. The catalogue's lock guards their coherence: the follower of the store drops entries while
//! it holds that lock for writing, and a loader enters what it read only while holding it for reading, and only if the
//! catalogue knows of nothing newer. So no entry outlives the change that ended it.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use yaoku_iam::{AccountId, Tagged};
use yaoku_seal::Revision;

use crate::material::Material;
use crate::record::KeyRecord;
use crate::{KeyId, KeyVersionId};

/// A CMK as the last applied commit left it.
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) account: AccountId,
    pub(crate) record: KeyRecord,
    pub(crate) revision: Revision,
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
}

impl Keyring {
    /// Room for about `keys` keys of ordinary size and as many versions' material.
    pub(crate) fn new(keys: usize) -> Self {
        Self { keys: Cache::with_weighter(keys, keys as u64 * ORDINARY_KEY, KeyWeight), materials: Cache::new(keys) }
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

/// Bytes that a key occupies, so that long descriptions and many tags can't swell the cache.
#[derive(Clone)]
struct KeyWeight;

impl Weighter<KeyId, Arc<Key>> for KeyWeight {
    fn weight(&self, _: &KeyId, key: &Arc<Key>) -> u64 {
        let tags: usize = key.record.tags.iter().map(|(key, value)| key.len() + value.len() + 48).sum();
        ORDINARY_KEY.max((384 + key.record.description.len() + tags) as u64)
    }
}
