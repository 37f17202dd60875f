//! What is held in memory of every key: enough to find, count and list keys without touching the store.
//!
//! A key has a slot, a number that grows in order of creation. Every attribute that listings ask for is a compressed
//! bitmap of slots (Roaring), so a filter is a few intersections, a count is a popcount, and page N of a million keys
//! is a rank look-up. The catalogue holds no descriptions and no material.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use roaring::RoaringBitmap;
use yaoku_iam::AccountId;
use yaoku_seal::Revision;

use crate::record::KeyRecord;
use crate::{AliasName, KeyId, KeySpec, KeyState, KeyUsage, ProtectionLevel, Tag, Timestamp};

/// A condition of a listing: met by keys that have any one of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFilter {
    /// By state.
    State(Vec<KeyState>),
    /// By spec.
    Spec(Vec<KeySpec>),
    /// By usage.
    Usage(Vec<KeyUsage>),
    /// By protection level.
    Protection(Vec<ProtectionLevel>),
    /// By id.
    Id(Vec<KeyId>),
    /// By an alias of it.
    Alias(Vec<AliasName>),
    /// By a tag whose key and value are both among these; none means any.
    Tag {
        /// Tag keys.
        keys: Option<Vec<String>>,
        /// Tag values.
        values: Option<Vec<String>>,
    },
    /// Met by no key: what was asked for does not exist here.
    Nothing,
}

/// Conditions of a listing; all must be met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilters(pub Vec<KeyFilter>);

/// A page and the number of all that it was cut from.
pub(crate) struct Cut<T> {
    pub(crate) items: Vec<T>,
    pub(crate) total: u64,
}

/// All accounts' keys and aliases.
#[derive(Default)]
pub(crate) struct Catalogue {
    accounts: HashMap<AccountId, AccountCatalogue>,
    /// Keys that the scheduler must look at, soonest first.
    due: BTreeSet<(Timestamp, AccountId, KeyId)>,
}

impl Catalogue {
    /// Builds a catalogue from all records of a store; `keys` in any order.
    pub(crate) fn load(
        mut keys: Vec<LoadedKey>,
        aliases: impl IntoIterator<Item = (AccountId, AliasName, KeyId, Revision)>,
    ) -> Self {
        keys.sort_unstable_by_key(|key| (key.entry.created, key.id));
        let mut catalogue = Self::default();
        for key in keys {
            catalogue.put_loaded(key);
        }
        for (account, name, key, revision) in aliases {
            catalogue.put_alias(account, name, key, revision);
        }
        catalogue
    }

    pub(crate) fn account(&self, account: AccountId) -> Option<&AccountCatalogue> {
        self.accounts.get(&account)
    }

    /// The account that owns a key; looked for in `first` first.
    pub(crate) fn owner(&self, first: AccountId, id: KeyId) -> Option<AccountId> {
        let owns = |account: &AccountId| self.accounts.get(account).is_some_and(|of| of.by_id.contains_key(&id));
        Some(first).filter(owns).or_else(|| self.accounts.keys().copied().find(owns))
    }

    /// Enters a key, or what has changed of it.
    pub(crate) fn put_key(&mut self, account: AccountId, id: KeyId, record: &KeyRecord, revision: Revision) {
        self.put_loaded(LoadedKey { account, id, revision, entry: KeyEntry::of(record) });
    }

    pub(crate) fn remove_key(&mut self, account: AccountId, id: KeyId) {
        let Some(catalogue) = self.accounts.get_mut(&account) else { return };
        if let Some(due) = catalogue.remove_key(id) {
            self.due.remove(&(due, account, id));
        }
    }

    pub(crate) fn put_alias(&mut self, account: AccountId, name: AliasName, key: KeyId, revision: Revision) {
        self.accounts.entry(account).or_default().put_alias(name, key, revision);
    }

    pub(crate) fn remove_alias(&mut self, account: AccountId, name: &AliasName) {
        if let Some(catalogue) = self.accounts.get_mut(&account) {
            catalogue.remove_alias(name);
        }
    }

    /// The soonest moment at which the scheduler has something to do.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, ..)| *due)
    }

    /// At most `limit` keys that are due at `now`, longest due first.
    pub(crate) fn due(&self, now: Timestamp, limit: usize) -> Vec<(AccountId, KeyId)> {
        let due = self.due.iter().take_while(|(due, ..)| *due <= now);
        due.take(limit).map(|(_, account, id)| (*account, *id)).collect()
    }

    /// How many keys are in each state, in all accounts.
    pub(crate) fn count_by_state(&self) -> [(KeyState, u64); 4] {
        KeyState::ALL.map(|state| {
            let count = |c: &AccountCatalogue| c.by_state.get(&state).map_or(0, RoaringBitmap::len);
            (state, self.accounts.values().map(count).sum())
        })
    }

    fn put_loaded(&mut self, key: LoadedKey) {
        let LoadedKey { account, id, revision, entry } = key;
        let due = entry.due;
        let catalogue = self.accounts.entry(account).or_default();
        if let Some(before) = catalogue.put_key(id, revision, entry) {
            self.due.remove(&(before, account, id));
        }
        if let Some(due) = due {
            self.due.insert((due, account, id));
        }
    }
}

/// A key read from the store, reduced to what the catalogue holds.
pub(crate) struct LoadedKey {
    pub(crate) account: AccountId,
    pub(crate) id: KeyId,
    pub(crate) revision: Revision,
    pub(crate) entry: KeyEntry,
}

/// What the catalogue holds of a key beside its id.
pub(crate) struct KeyEntry {
    created: Timestamp,
    state: KeyState,
    spec: KeySpec,
    usage: KeyUsage,
    protection: ProtectionLevel,
    due: Option<Timestamp>,
    tags: Vec<Tag>,
}

impl KeyEntry {
    pub(crate) fn of(record: &KeyRecord) -> Self {
        let tag = |(key, value): (&str, &str)| Tag { key: key.into(), value: value.into() };
        Self {
            created: record.created,
            state: record.state,
            spec: record.spec,
            usage: record.usage,
            protection: record.protection,
            due: record.due(),
            tags: record.tags.iter().map(tag).collect(),
        }
    }
}

/// One account's keys and aliases.
#[derive(Default)]
pub(crate) struct AccountCatalogue {
    /// By slot; entries of deleted keys stay until the next compaction.
    slots: Vec<Slot>,
    by_id: HashMap<KeyId, u32>,
    all: RoaringBitmap,
    by_state: BTreeMap<KeyState, RoaringBitmap>,
    by_spec: BTreeMap<KeySpec, RoaringBitmap>,
    by_usage: BTreeMap<KeyUsage, RoaringBitmap>,
    by_protection: BTreeMap<ProtectionLevel, RoaringBitmap>,
    due: HashMap<u32, Timestamp>,
    /// Of keys that have tags.
    tags_of: BTreeMap<KeyId, Box<[Tag]>>,
    by_tag: HashMap<Arc<str>, TagPostings>,
    aliases: BTreeMap<AliasName, (KeyId, Revision)>,
    aliases_of: HashMap<KeyId, BTreeSet<AliasName>>,
}

#[derive(Clone, Copy)]
struct Slot {
    id: KeyId,
    revision: Revision,
}

/// Keys that have a tag of one key: in all, and by value.
#[derive(Default)]
struct TagPostings {
    any: RoaringBitmap,
    by_value: HashMap<Arc<str>, RoaringBitmap>,
}

impl AccountCatalogue {
    pub(crate) fn key_count(&self) -> u64 {
        self.all.len()
    }

    pub(crate) fn alias_count(&self) -> usize {
        self.aliases.len()
    }

    /// The commit that last wrote the key; none if there is no such key.
    pub(crate) fn revision(&self, id: KeyId) -> Option<Revision> {
        self.by_id.get(&id).and_then(|&slot| self.slot(slot)).map(|slot| slot.revision)
    }

    /// Whether there is such a key, and it is Enabled.
    pub(crate) fn is_enabled(&self, id: KeyId) -> bool {
        let enabled = self.by_state.get(&KeyState::Enabled);
        self.by_id.get(&id).is_some_and(|slot| enabled.is_some_and(|enabled| enabled.contains(*slot)))
    }

    pub(crate) fn alias(&self, name: &AliasName) -> Option<(KeyId, Revision)> {
        self.aliases.get(name).copied()
    }

    /// A page of keys that meet `filters`, in order of creation.
    pub(crate) fn keys(&self, filters: &KeyFilters, skip: u64, limit: usize) -> Cut<KeyId> {
        let Some((first, rest)) = filters.0.split_first() else { return self.cut(&self.all, skip, limit) };
        let mut slots = self.matching(first);
        for filter in rest {
            slots &= self.matching(filter);
        }
        self.cut(&slots, skip, limit)
    }

    /// A page of aliases, in order of their names.
    pub(crate) fn alias_page(&self, skip: usize, limit: usize) -> Cut<(AliasName, KeyId)> {
        let page = self.aliases.iter().skip(skip).take(limit);
        let items = page.map(|(name, (key, _))| (name.clone(), *key)).collect();
        Cut { items, total: self.aliases.len() as u64 }
    }

    /// A page of one key's aliases, in order of their names.
    pub(crate) fn aliases_of(&self, key: KeyId, skip: usize, limit: usize) -> Cut<AliasName> {
        let Some(names) = self.aliases_of.get(&key) else { return Cut { items: Vec::new(), total: 0 } };
        Cut { items: names.iter().skip(skip).take(limit).cloned().collect(), total: names.len() as u64 }
    }

    /// One key's tags, by key.
    pub(crate) fn tags_of(&self, key: KeyId) -> &[Tag] {
        self.tags_of.get(&key).map_or(&[], |tags| tags)
    }

    /// Keys that have tags, after `after`, in order of their ids; as far as the caller asks.
    pub(crate) fn tagged_keys(&self, after: Option<KeyId>) -> impl Iterator<Item = KeyId> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.tags_of.range((after, Bound::Unbounded)).map(|(id, _)| *id)
    }

    /// Keys with each of these tags (a value of none is any value), after `after`, in order of their ids.
    pub(crate) fn keys_with_tags<'a>(
        &'a self,
        tags: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        after: Option<KeyId>,
    ) -> Box<dyn Iterator<Item = KeyId> + 'a> {
        /// Fewer than these are sorted; more of them are met often enough on the way through all tagged keys.
        const FEW: u64 = 4096;
        let mut slots = self.all.clone();
        for (key, value) in tags {
            let Some(postings) = self.by_tag.get(key) else { return Box::new(std::iter::empty()) };
            match value.map(|value| postings.by_value.get(value)) {
                None => slots &= &postings.any,
                Some(Some(with_value)) => slots &= with_value,
                Some(None) => return Box::new(std::iter::empty()),
            }
        }
        if slots.len() > FEW {
            let met = move |id: &KeyId| self.by_id.get(id).is_some_and(|slot| slots.contains(*slot));
            return Box::new(self.tagged_keys(after).filter(met));
        }
        let ids = slots.iter().filter_map(|slot| self.slot(slot)).map(|slot| slot.id);
        let mut ids: Vec<_> = ids.filter(|id| after.is_none_or(|after| *id > after)).collect();
        ids.sort_unstable();
        Box::new(ids.into_iter())
    }

    fn cut(&self, slots: &RoaringBitmap, skip: u64, limit: usize) -> Cut<KeyId> {
        let first = u32::try_from(skip).ok().and_then(|n| slots.select(n));
        let page = first.into_iter().flat_map(|first| slots.range(first..)).take(limit);
        let items = page.filter_map(|slot| self.slot(slot)).map(|slot| slot.id).collect();
        Cut { items, total: slots.len() }
    }

    fn matching(&self, filter: &KeyFilter) -> RoaringBitmap {
        match filter {
            KeyFilter::State(states) => union(states.iter().filter_map(|s| self.by_state.get(s))),
            KeyFilter::Spec(specs) => union(specs.iter().filter_map(|s| self.by_spec.get(s))),
            KeyFilter::Usage(usages) => union(usages.iter().filter_map(|u| self.by_usage.get(u))),
            KeyFilter::Protection(levels) => union(levels.iter().filter_map(|l| self.by_protection.get(l))),
            KeyFilter::Id(ids) => ids.iter().filter_map(|id| self.by_id.get(id)).copied().collect(),
            KeyFilter::Alias(names) => {
                let keys = names.iter().filter_map(|name| self.aliases.get(name));
                keys.filter_map(|(key, _)| self.by_id.get(key)).copied().collect()
            }
            KeyFilter::Tag { keys, values } => self.matching_tag(keys.as_deref(), values.as_deref()),
            KeyFilter::Nothing => RoaringBitmap::new(),
        }
    }

    fn matching_tag(&self, keys: Option<&[String]>, values: Option<&[String]>) -> RoaringBitmap {
        let postings: Vec<&TagPostings> = match keys {
            Some(keys) => keys.iter().filter_map(|key| self.by_tag.get(key.as_str())).collect(),
            None => self.by_tag.values().collect(),
        };
        match values {
            None => union(postings.into_iter().map(|postings| &postings.any)),
            Some(values) => union(
                postings
                    .into_iter()
                    .flat_map(|postings| values.iter().filter_map(|value| postings.by_value.get(value.as_str()))),
            ),
        }
    }

    /// Answers when the key was due before, if it was.
    fn put_key(&mut self, id: KeyId, revision: Revision, entry: KeyEntry) -> Option<Timestamp> {
        let (slot, before) = match self.by_id.get(&id) {
            Some(&slot) => {
                let before = self.unindex(slot);
                if let Some(held) = self.slots.get_mut(slot as usize) {
                    held.revision = revision;
                }
                (slot, before)
            }
            None => {
                self.compact_if_sparse();
                let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
                self.slots.push(Slot { id, revision });
                self.by_id.insert(id, slot);
                self.all.insert(slot);
                (slot, None)
            }
        };
        self.by_state.entry(entry.state).or_default().insert(slot);
        self.by_spec.entry(entry.spec).or_default().insert(slot);
        self.by_usage.entry(entry.usage).or_default().insert(slot);
        self.by_protection.entry(entry.protection).or_default().insert(slot);
        if let Some(due) = entry.due {
            self.due.insert(slot, due);
        }
        self.index_tags(id, slot, entry.tags);
        before
    }

    fn remove_key(&mut self, id: KeyId) -> Option<Timestamp> {
        let slot = self.by_id.remove(&id)?;
        let due = self.unindex(slot);
        self.all.remove(slot);
        due
    }

    /// Takes a slot out of everything but `slots`, `by_id` and `all`; answers when it was due.
    fn unindex(&mut self, slot: u32) -> Option<Timestamp> {
        drop_from(&mut self.by_state, slot);
        drop_from(&mut self.by_spec, slot);
        drop_from(&mut self.by_usage, slot);
        drop_from(&mut self.by_protection, slot);
        let tags = self.slot(slot).and_then(|held| self.tags_of.remove(&held.id));
        for tag in tags.unwrap_or_default() {
            let Some(postings) = self.by_tag.get_mut(&tag.key) else { continue };
            postings.any.remove(slot);
            if let Some(with_value) = postings.by_value.get_mut(&tag.value) {
                with_value.remove(slot);
                if with_value.is_empty() {
                    postings.by_value.remove(&tag.value);
                }
            }
            if postings.any.is_empty() {
                self.by_tag.remove(&tag.key);
            }
        }
        self.due.remove(&slot)
    }

    /// Enters a slot's tags, sharing the text of those that other keys have too.
    fn index_tags(&mut self, id: KeyId, slot: u32, tags: Vec<Tag>) {
        if tags.is_empty() {
            return;
        }
        let mut shared = Vec::with_capacity(tags.len());
        for tag in tags {
            let key = self.by_tag.get_key_value(&tag.key).map_or(tag.key, |(key, _)| key.clone());
            let postings = self.by_tag.entry(key.clone()).or_default();
            postings.any.insert(slot);
            let value = postings.by_value.get_key_value(&tag.value).map_or(tag.value, |(value, _)| value.clone());
            postings.by_value.entry(value.clone()).or_default().insert(slot);
            shared.push(Tag { key, value });
        }
        self.tags_of.insert(id, shared.into());
    }

    fn put_alias(&mut self, name: AliasName, key: KeyId, revision: Revision) {
        self.remove_alias(&name);
        self.aliases_of.entry(key).or_default().insert(name.clone());
        self.aliases.insert(name, (key, revision));
    }

    fn remove_alias(&mut self, name: &AliasName) {
        let Some((key, _)) = self.aliases.remove(name) else { return };
        if let Some(names) = self.aliases_of.get_mut(&key) {
            names.remove(name);
            if names.is_empty() {
                self.aliases_of.remove(&key);
            }
        }
    }

    fn slot(&self, slot: u32) -> Option<Slot> {
        self.slots.get(slot as usize).copied()
    }

    /// Gives out new slots, in the old order, once more than half of them belong to deleted keys: memory follows the
    /// number of keys that there are, not of all that there ever were.
    fn compact_if_sparse(&mut self) {
        const SMALL: u64 = 1024;
        if (self.slots.len() as u64) < 2 * self.all.len() + SMALL {
            return;
        }
        let all = std::mem::take(&mut self.all);
        let fresh = |slot: u32| u32::try_from(all.rank(slot)).unwrap_or(u32::MAX).saturating_sub(1);
        let moved = |bitmap: &mut RoaringBitmap| *bitmap = bitmap.iter().map(fresh).collect();
        self.slots = all.iter().filter_map(|slot| self.slots.get(slot as usize)).copied().collect();
        self.by_id.values_mut().for_each(|slot| *slot = fresh(*slot));
        self.by_state.values_mut().for_each(moved);
        self.by_spec.values_mut().for_each(moved);
        self.by_usage.values_mut().for_each(moved);
        self.by_protection.values_mut().for_each(moved);
        self.due = self.due.drain().map(|(slot, due)| (fresh(slot), due)).collect();
        for postings in self.by_tag.values_mut() {
            moved(&mut postings.any);
            postings.by_value.values_mut().for_each(moved);
        }
        self.all = (0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)).collect();
    }
}

fn union<'a>(bitmaps: impl Iterator<Item = &'a RoaringBitmap>) -> RoaringBitmap {
    bitmaps.fold(RoaringBitmap::new(), |all, one| all | one)
}

fn drop_from<K>(index: &mut BTreeMap<K, RoaringBitmap>, slot: u32) {
    index.values_mut().for_each(|bitmap| {
        bitmap.remove(slot);
    });
}

#[cfg(test)]
mod tests;
