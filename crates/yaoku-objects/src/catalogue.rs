//! What is held in memory of all managed objects: their records, without values.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use yaoku_iam::AccountId;
use yaoku_kms::KeyId;

use crate::held::HeldObject;
use crate::{ObjectId, ObjectName};

/// All accounts' managed objects.
#[derive(Default)]
pub struct Catalogue {
    accounts: HashMap<AccountId, Account>,
    /// Objects with a value, by the CMK that this is sealed under.
    by_key: HashMap<KeyId, BTreeSet<ObjectId>>,
}

/// Those of one account.
#[derive(Default)]
struct Account {
    objects: BTreeMap<ObjectId, Arc<HeldObject>>,
    names: HashMap<ObjectName, ObjectId>,
    chosen: Option<KeyId>,
    /// Bytes of all attributes.
    attribute_bytes: u64,
}

impl Catalogue {
    pub(crate) fn object(&self, account: AccountId, id: ObjectId) -> Option<&Arc<HeldObject>> {
        self.accounts.get(&account)?.objects.get(&id)
    }

    /// The object of a name.
    pub(crate) fn of_name(&self, account: AccountId, name: &ObjectName) -> Option<ObjectId> {
        self.accounts.get(&account)?.names.get(name).copied()
    }

    pub(crate) fn count(&self, account: AccountId) -> u64 {
        self.accounts.get(&account).map_or(0, |account| account.objects.len() as u64)
    }

    /// Bytes of the attributes of an account's objects.
    pub(crate) fn attribute_bytes(&self, account: AccountId) -> u64 {
        self.accounts.get(&account).map_or(0, |account| account.attribute_bytes)
    }

    /// Objects of an account in order of their ids, behind `after`.
    pub(crate) fn after(&self, account: AccountId, after: Option<ObjectId>) -> impl Iterator<Item = &Arc<HeldObject>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let account = self.accounts.get(&account).into_iter();
        account.flat_map(move |account| account.objects.range((from, Bound::Unbounded)).map(|(_, object)| object))
    }

    /// Objects with a value under a CMK.
    pub(crate) fn under(&self, key: KeyId) -> usize {
        self.by_key.get(&key).map_or(0, BTreeSet::len)
    }

    /// The CMK that an account has chosen.
    pub(crate) fn chosen(&self, account: AccountId) -> Option<KeyId> {
        self.accounts.get(&account)?.chosen
    }

    /// Whether an account has chosen a CMK for its objects.
    pub(crate) fn is_chosen(&self, account: AccountId, key: KeyId) -> bool {
        self.chosen(account) == Some(key)
    }

    pub(crate) fn choose(&mut self, account: AccountId, key: Option<KeyId>) {
        self.accounts.entry(account).or_default().chosen = key;
    }

    /// Enters an object, or what has changed of it.
    pub(crate) fn put(&mut self, object: HeldObject) {
        self.remove(object.account, object.id);
        if object.record.life.destruction.is_none() {
            self.by_key.entry(object.record.key).or_default().insert(object.id);
        }
        let account = self.accounts.entry(object.account).or_default();
        for name in object.record.names.iter().filter(|_| object.holds_names()) {
            account.names.insert(name.clone(), object.id);
        }
        account.attribute_bytes += object.record.attribute_bytes();
        account.objects.insert(object.id, Arc::new(object));
    }

    pub(crate) fn remove(&mut self, account: AccountId, id: ObjectId) {
        let Some(account) = self.accounts.get_mut(&account) else { return };
        let Some(before) = account.objects.remove(&id) else { return };
        account.attribute_bytes = account.attribute_bytes.saturating_sub(before.record.attribute_bytes());
        for name in &before.record.names {
            // Another object may have taken the name in the same commit.
            if account.names.get(name) == Some(&id) {
                account.names.remove(name);
            }
        }
        if let Some(under) = self.by_key.get_mut(&before.record.key) {
            under.remove(&id);
            if under.is_empty() {
                self.by_key.remove(&before.record.key);
            }
        }
    }
}
