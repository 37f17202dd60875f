//! What is held in memory of all disks: their records.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use yaoku_iam::AccountId;
use yaoku_kms::KeyId;

use crate::held::HeldDisk;
use crate::id::{DiskId, UrlIndex};
use crate::{DiskName, DiskUrl};

/// All accounts' disks.
#[derive(Default)]
pub struct Catalogue {
    accounts: HashMap<AccountId, BTreeMap<DiskName, Arc<HeldDisk>>>,
    by_id: HashMap<DiskId, Arc<HeldDisk>>,
    by_url: HashMap<UrlIndex, DiskId>,
    /// How many disks are bound to each CMK.
    by_key: HashMap<KeyId, usize>,
}

impl Catalogue {
    /// How many disks are bound to a CMK.
    pub(crate) fn under(&self, key: KeyId) -> usize {
        self.by_key.get(&key).copied().unwrap_or_default()
    }

    pub(crate) fn disk(&self, account: AccountId, name: &DiskName) -> Option<&Arc<HeldDisk>> {
        self.accounts.get(&account)?.get(name)
    }

    pub(crate) fn of_id(&self, id: DiskId) -> Option<&Arc<HeldDisk>> {
        self.by_id.get(&id)
    }

    pub(crate) fn of_url(&self, url: &DiskUrl) -> Option<&Arc<HeldDisk>> {
        self.by_id.get(self.by_url.get(&url.index())?)
    }

    pub(crate) fn count(&self, account: AccountId) -> u64 {
        self.accounts.get(&account).map_or(0, |disks| disks.len() as u64)
    }

    /// Disks of an account in order of their names, behind `after`.
    pub(crate) fn after<'c>(
        &'c self,
        account: AccountId,
        after: Option<&DiskName>,
    ) -> impl Iterator<Item = &'c Arc<HeldDisk>> + use<'c> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let disks = self.accounts.get(&account).into_iter();
        disks.flat_map(move |disks| disks.range((from.clone(), Bound::Unbounded)).map(|(_, disk)| disk))
    }

    /// Enters a disk, or what has changed of it.
    pub(crate) fn put(&mut self, mut disk: HeldDisk) {
        if let Some(before) = self.remove(disk.account, &disk.name) {
            match before.record.id == disk.record.id {
                // Whoever calls in its name goes on.
                true => disk.identity = before.identity.clone(),
                false => before.identity.end(),
            }
        }
        let disk = Arc::new(disk);
        *self.by_key.entry(disk.record.key).or_default() += 1;
        self.by_url.insert(disk.record.url.index(), disk.record.id);
        self.by_id.insert(disk.record.id, disk.clone());
        self.accounts.entry(disk.account).or_default().insert(disk.name.clone(), disk);
    }

    /// Takes a disk out; it may come in again, changed.
    fn remove(&mut self, account: AccountId, name: &DiskName) -> Option<Arc<HeldDisk>> {
        let disk = self.accounts.get_mut(&account)?.remove(name)?;
        self.by_id.remove(&disk.record.id);
        self.by_url.remove(&disk.record.url.index());
        if let Some(under) = self.by_key.get_mut(&disk.record.key) {
            *under -= 1;
            if *under == 0 {
                self.by_key.remove(&disk.record.key);
            }
        }
        Some(disk)
    }

    /// Takes a disk out that is not bound any more.
    pub(crate) fn delete(&mut self, account: AccountId, name: &DiskName) {
        if let Some(disk) = self.remove(account, name) {
            disk.identity.end();
        }
    }

    /// Ends whoever calls in the name of any disk: they come again, and find what is now.
    pub(crate) fn end(&self) {
        self.by_id.values().for_each(|disk| disk.identity.end());
    }
}
