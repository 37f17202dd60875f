//! One account's keys and aliases.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::thread;

use hashbrown::{DefaultHashBuilder, HashTable};
use roaring::RoaringBitmap;
use yaoku_seal::Revision;

use super::alias_index::AliasIndex;
use super::gathering::GatheredKey;
use super::tag_index::{TagIndex, TagSetId};
use super::{Cut, Facets, KeyFilter, KeyFilters};
use crate::{AliasName, KeyId, KeySpec, KeyState, KeyUsage, ProtectionLevel, Tag, Timestamp};

/// From so many keys on their tags are entered on a thread of their own: an installation may have thousands of accounts with fewer.
const WORTH_A_THREAD: usize = 16;

/// One account's keys and aliases.
#[derive(Default)]
pub(crate) struct AccountCatalogue {
    /// By slot; entries of deleted keys stay until the next compaction.
    slots: Vec<Slot>,
    /// Slots by the ids in them: no id is held twice.
    by_id: HashTable<u32>,
    hasher: DefaultHashBuilder,
    all: RoaringBitmap,
    by_state: BTreeMap<KeyState, RoaringBitmap>,
    by_spec: BTreeMap<KeySpec, RoaringBitmap>,
    by_usage: BTreeMap<KeyUsage, RoaringBitmap>,
    by_protection: BTreeMap<ProtectionLevel, RoaringBitmap>,
    due: HashMap<u32, Timestamp>,
    pub(super) tags: TagIndex,
    pub(super) aliases: AliasIndex,
}

#[derive(Clone, Copy)]
struct Slot {
    id: KeyId,
    revision: Revision,
    tags: TagSetId,
}

/// A key as an image holds it.
pub(super) struct HeldKey {
    pub(super) id: KeyId,
    pub(super) revision: Revision,
    pub(super) facets: Facets,
    pub(super) due: Option<Timestamp>,
    pub(super) tags: TagSetId,
}

impl AccountCatalogue {
    pub(crate) fn key_count(&self) -> u64 {
        self.all.len()
    }

    pub(crate) fn alias_count(&self) -> usize {
        self.aliases.len()
    }

    /// How many keys are in a state.
    pub(super) fn count_in(&self, state: KeyState) -> u64 {
        self.by_state.get(&state).map_or(0, RoaringBitmap::len)
    }

    /// The commit that last wrote the key; none if there is no such key.
    pub(crate) fn revision(&self, id: KeyId) -> Option<Revision> {
        self.slot_of(id).and_then(|slot| self.slot(slot)).map(|slot| slot.revision)
    }

    /// Whether there is such a key, and it is Enabled.
    pub(crate) fn is_enabled(&self, id: KeyId) -> bool {
        let enabled = self.by_state.get(&KeyState::Enabled);
        self.slot_of(id).is_some_and(|slot| enabled.is_some_and(|enabled| enabled.contains(slot)))
    }

    pub(crate) fn alias(&self, name: &AliasName) -> Option<(KeyId, Revision)> {
        self.aliases.get(name)
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
        Cut { items: page.map(|(name, key, _)| (name.clone(), key)).collect(), total: self.aliases.len() as u64 }
    }

    /// A page of one key's aliases, in order of their names.
    pub(crate) fn aliases_of(&self, key: KeyId, skip: usize, limit: usize) -> Cut<AliasName> {
        self.aliases.of_key(key, skip, limit)
    }

    /// One key's tags, by key.
    pub(crate) fn tags_of(&self, key: KeyId) -> &[Tag] {
        let slot = self.slot_of(key).and_then(|slot| self.slot(slot));
        slot.map_or(&[], |slot| self.tags.tags(slot.tags))
    }

    /// Keys that have tags, after `after`, in order of their ids; as far as the caller asks.
    pub(crate) fn tagged_keys(&self, after: Option<KeyId>) -> impl Iterator<Item = KeyId> {
        self.tags.tagged(after)
    }

    /// Every key, in order of creation.
    pub(super) fn held_keys(&self) -> impl Iterator<Item = HeldKey> {
        self.all.iter().filter_map(|slot| {
            let Slot { id, revision, tags } = self.slot(slot)?;
            let facets = Facets {
                state: found_in(&self.by_state, slot)?,
                spec: found_in(&self.by_spec, slot)?,
                usage: found_in(&self.by_usage, slot)?,
                protection: found_in(&self.by_protection, slot)?,
            };
            Some(HeldKey { id, revision, facets, due: self.due.get(&slot).copied(), tags })
        })
    }

    /// Enters keys, in order of creation, into a catalogue that has none.
    pub(super) fn fill(&mut self, keys: &[GatheredKey]) {
        let Self { slots, by_id, hasher, tags, due, .. } = self;
        thread::scope(|scope| {
            if keys.len() < WORTH_A_THREAD {
                tags.fill(keys);
            } else {
                scope.spawn(|| tags.fill(keys));
            }
            slots.extend(keys.iter().map(|key| Slot { id: key.id, revision: key.revision, tags: key.tags }));
            // With room for all, none is ever hashed again.
            by_id.reserve(keys.len(), |_| 0);
            for (key, slot) in keys.iter().zip(0u32..) {
                by_id.insert_unique(hasher.hash_one(key.id), slot, |_| 0);
            }
            due.extend(keys.iter().zip(0u32..).filter_map(|(key, slot)| Some((slot, key.due?))));
        });
        self.all.insert_range(0..u32::try_from(keys.len()).unwrap_or(u32::MAX));
        fill_index(&mut self.by_state, keys, |facets| facets.state);
        fill_index(&mut self.by_spec, keys, |facets| facets.spec);
        fill_index(&mut self.by_usage, keys, |facets| facets.usage);
        fill_index(&mut self.by_protection, keys, |facets| facets.protection);
    }

    /// Enters a key, or what has changed of it. Answers when the key was due before, if it was.
    pub(super) fn put_key<'t>(
        &mut self,
        id: KeyId,
        revision: Revision,
        facets: Facets,
        due: Option<Timestamp>,
        tags: impl Iterator<Item = (&'t str, &'t str)> + Clone,
    ) -> Option<Timestamp> {
        let (slot, before) = match self.slot_of(id) {
            Some(slot) => (slot, self.unindex(slot)),
            None => (self.new_slot(id), None),
        };
        self.by_state.entry(facets.state).or_default().insert(slot);
        self.by_spec.entry(facets.spec).or_default().insert(slot);
        self.by_usage.entry(facets.usage).or_default().insert(slot);
        self.by_protection.entry(facets.protection).or_default().insert(slot);
        if let Some(due) = due {
            self.due.insert(slot, due);
        }
        let tags = self.tags.share(tags);
        self.tags.enter(id, slot, tags);
        if let Some(held) = self.slots.get_mut(slot as usize) {
            *held = Slot { id, revision, tags };
        }
        before
    }

    /// Answers when the key was due, if it was.
    pub(super) fn remove_key(&mut self, id: KeyId) -> Option<Timestamp> {
        let slot = self.slot_of(id)?;
        let due = self.unindex(slot);
        if let Ok(entry) = self.by_id.find_entry(self.hasher.hash_one(id), |held| *held == slot) {
            entry.remove();
        }
        self.all.remove(slot);
        due
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
            KeyFilter::Id(ids) => ids.iter().filter_map(|id| self.slot_of(*id)).collect(),
            KeyFilter::Alias(names) => {
                let keys = names.iter().filter_map(|name| self.aliases.get(name));
                keys.filter_map(|(key, _)| self.slot_of(key)).collect()
            }
            KeyFilter::Tag { keys, values } => self.matching_tag(keys.as_deref(), values.as_deref()),
            KeyFilter::Nothing => RoaringBitmap::new(),
        }
    }

    fn matching_tag(&self, keys: Option<&[String]>, values: Option<&[String]>) -> RoaringBitmap {
        let keys: Vec<&str> = match keys {
            Some(keys) => keys.iter().map(String::as_str).collect(),
            None => self.tags.keys().collect(),
        };
        match values {
            None => union(keys.into_iter().filter_map(|key| self.tags.slots(key, None))),
            Some(values) => {
                let of_key = |key| values.iter().filter_map(move |value| self.tags.slots(key, Some(value)));
                union(keys.into_iter().flat_map(of_key))
            }
        }
    }

    /// The slot of a key; none if there is no such key.
    fn slot_of(&self, id: KeyId) -> Option<u32> {
        let holds = |slot: &u32| self.slot(*slot).is_some_and(|held| held.id == id);
        self.by_id.find(self.hasher.hash_one(id), holds).copied()
    }

    fn slot(&self, slot: u32) -> Option<Slot> {
        self.slots.get(slot as usize).copied()
    }

    fn new_slot(&mut self, id: KeyId) -> u32 {
        self.compact_if_sparse();
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { id, revision: Revision::default(), tags: TagSetId::EMPTY });
        let Self { by_id, slots, hasher, .. } = self;
        by_id.insert_unique(hasher.hash_one(id), slot, |slot| hash_of(hasher, slots, *slot));
        self.all.insert(slot);
        slot
    }

    /// Takes a slot out of everything but `slots`, `by_id` and `all`; answers when it was due.
    fn unindex(&mut self, slot: u32) -> Option<Timestamp> {
        drop_from(&mut self.by_state, slot);
        drop_from(&mut self.by_spec, slot);
        drop_from(&mut self.by_usage, slot);
        drop_from(&mut self.by_protection, slot);
        if let Some(held) = self.slot(slot) {
            self.tags.leave(held.id, slot, held.tags);
        }
        self.due.remove(&slot)
    }

    /// Gives out new slots, in the old order, once more than half of them belong to deleted keys: memory follows the
    /// number of keys that there are, not of all that there ever were.
    fn compact_if_sparse(&mut self) {
        // Tests come to it with few keys.
        const SMALL: u64 = if cfg!(test) { 16 } else { 1024 };
        if (self.slots.len() as u64) < 2 * self.all.len() + SMALL {
            return;
        }
        let all = std::mem::take(&mut self.all);
        let fresh = |slot: u32| u32::try_from(all.rank(slot)).unwrap_or(u32::MAX).saturating_sub(1);
        let moved = |bitmap: &mut RoaringBitmap| *bitmap = bitmap.iter().map(fresh).collect();
        self.slots = all.iter().filter_map(|slot| self.slots.get(slot as usize)).copied().collect();
        self.by_state.values_mut().for_each(moved);
        self.by_spec.values_mut().for_each(moved);
        self.by_usage.values_mut().for_each(moved);
        self.by_protection.values_mut().for_each(moved);
        self.tags.renumber(moved);
        self.due = self.due.drain().map(|(slot, due)| (fresh(slot), due)).collect();
        let Self { by_id, slots, hasher, .. } = self;
        by_id.clear();
        for slot in 0..u32::try_from(slots.len()).unwrap_or(u32::MAX) {
            by_id.insert_unique(hash_of(hasher, slots, slot), slot, |slot| hash_of(hasher, slots, *slot));
        }
        by_id.shrink_to_fit(|slot| hash_of(hasher, slots, *slot));
        self.all = (0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)).collect();
    }
}

fn hash_of(hasher: &DefaultHashBuilder, slots: &[Slot], slot: u32) -> u64 {
    slots.get(slot as usize).map_or(0, |held| hasher.hash_one(held.id))
}

fn union<'a>(bitmaps: impl Iterator<Item = &'a RoaringBitmap>) -> RoaringBitmap {
    bitmaps.fold(RoaringBitmap::new(), |all, one| all | one)
}

fn drop_from<K>(index: &mut BTreeMap<K, RoaringBitmap>, slot: u32) {
    index.values_mut().for_each(|bitmap| {
        bitmap.remove(slot);
    });
}

/// Enters the slots of keys that follow each other and are alike together.
fn fill_index<K: Ord + Copy>(index: &mut BTreeMap<K, RoaringBitmap>, keys: &[GatheredKey], of: impl Fn(&Facets) -> K) {
    let mut from = 0;
    for alike in keys.chunk_by(|one, other| of(&one.facets) == of(&other.facets)) {
        let to = from + u32::try_from(alike.len()).unwrap_or(u32::MAX);
        if let Some(key) = alike.first() {
            index.entry(of(&key.facets)).or_default().insert_range(from..to);
        }
        from = to;
    }
}

fn found_in<K: Copy>(index: &BTreeMap<K, RoaringBitmap>, slot: u32) -> Option<K> {
    index.iter().find(|(_, slots)| slots.contains(slot)).map(|(value, _)| *value)
}
