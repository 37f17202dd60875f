//! Which keys of an account have which tags.
//!
//! Keys with the same tags share one set of them, so that what a million keys of a few projects say is held a few times.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use roaring::RoaringBitmap;

use super::gathering::GatheredKey;
use crate::{KeyId, Tag};

/// Names a set of tags of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TagSetId(u32);

impl TagSetId {
    /// No tags.
    pub(super) const EMPTY: Self = Self(u32::MAX);
}

/// The tags of one account's keys.
#[derive(Default)]
pub(super) struct TagIndex {
    /// By number; those that no key has any more are empty, and their numbers wait in `vacant`.
    sets: Vec<TagSet>,
    vacant: Vec<TagSetId>,
    by_content: HashTable<TagSetId>,
    hasher: DefaultHashBuilder,
    by_key: HashMap<Arc<str>, Postings>,
    /// Keys that have tags.
    tagged: BTreeSet<KeyId>,
}

struct TagSet {
    tags: Arc<[Tag]>,
    keys: u32,
}

/// Slots of the keys that have a tag of one key: in all, and by value.
#[derive(Default)]
struct Postings {
    any: RoaringBitmap,
    by_value: HashMap<Arc<str>, RoaringBitmap>,
}

impl TagIndex {
    /// The set of these tags, which are in order of their keys. A new set lives once a key enters with it.
    pub(super) fn share<'t>(&mut self, tags: impl Iterator<Item = (&'t str, &'t str)> + Clone) -> TagSetId {
        if tags.clone().next().is_none() {
            return TagSetId::EMPTY;
        }
        let hash = hash(&self.hasher, tags.clone());
        let same = |id: &TagSetId| are(tags_of(&self.sets, *id), tags.clone());
        if let Some(id) = self.by_content.find(hash, same) {
            return *id;
        }
        let tags = tags.map(|(key, value)| self.shared_tag(key, value)).collect();
        let set = TagSet { tags, keys: 0 };
        let id = match self.vacant.pop() {
            Some(id) => id,
            None => TagSetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX)),
        };
        match self.sets.get_mut(id.0 as usize) {
            Some(vacant) => *vacant = set,
            None => self.sets.push(set),
        }
        let Self { by_content, sets, hasher, .. } = self;
        by_content.insert_unique(hash, id, |id| self::hash(hasher, pairs(tags_of(sets, *id))));
        id
    }

    /// The tags of a set, by key.
    pub(super) fn tags(&self, set: TagSetId) -> &[Tag] {
        tags_of(&self.sets, set)
    }

    /// Enters a key with a set of tags.
    pub(super) fn enter(&mut self, key: KeyId, slot: u32, set: TagSetId) {
        let Some(held) = self.sets.get_mut(set.0 as usize) else { return };
        held.keys += 1;
        self.tagged.insert(key);
        for tag in held.tags.iter() {
            let postings = self.by_key.entry(tag.key.clone()).or_default();
            postings.any.insert(slot);
            postings.by_value.entry(tag.value.clone()).or_default().insert(slot);
        }
    }

    /// Enters many keys at once, each with its place as its slot, into an index that has none.
    pub(super) fn fill(&mut self, keys: &[GatheredKey]) {
        let tagged = || keys.iter().zip(0u32..).filter(|(key, _)| key.tags != TagSetId::EMPTY);
        let mut ids = Vec::with_capacity(keys.len());
        ids.extend(tagged().map(|(key, _)| key.id));
        ids.sort_unstable();
        self.tagged = ids.into_iter().collect();
        let mut slots_of_sets = vec![RoaringBitmap::new(); self.sets.len()];
        for (key, slot) in tagged() {
            if let Some(slots) = slots_of_sets.get_mut(key.tags.0 as usize) {
                slots.insert(slot);
            }
        }
        for (held, slots) in self.sets.iter_mut().zip(slots_of_sets) {
            held.keys = u32::try_from(slots.len()).unwrap_or(u32::MAX);
            for tag in held.tags.iter() {
                let postings = self.by_key.entry(tag.key.clone()).or_default();
                postings.any |= &slots;
                *postings.by_value.entry(tag.value.clone()).or_default() |= &slots;
            }
        }
    }

    /// Takes a key with a set of tags out.
    pub(super) fn leave(&mut self, key: KeyId, slot: u32, set: TagSetId) {
        let Some(held) = self.sets.get_mut(set.0 as usize) else { return };
        self.tagged.remove(&key);
        for tag in held.tags.iter() {
            let Some(postings) = self.by_key.get_mut(&tag.key) else { continue };
            postings.any.remove(slot);
            if let Some(with_value) = postings.by_value.get_mut(&tag.value) {
                with_value.remove(slot);
                if with_value.is_empty() {
                    postings.by_value.remove(&tag.value);
                }
            }
            if postings.any.is_empty() {
                self.by_key.remove(&tag.key);
            }
        }
        held.keys -= 1;
        if held.keys == 0 {
            let hash = hash(&self.hasher, pairs(&held.tags));
            held.tags = Arc::default();
            if let Ok(entry) = self.by_content.find_entry(hash, |id| *id == set) {
                entry.remove();
            }
            self.vacant.push(set);
        }
    }

    /// Keys that have tags, after `after`, in order of their ids.
    pub(super) fn tagged(&self, after: Option<KeyId>) -> impl Iterator<Item = KeyId> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.tagged.range((after, Bound::Unbounded)).copied()
    }

    /// Slots of keys with a tag of that key and, if one is given, that value.
    pub(super) fn slots(&self, key: &str, value: Option<&str>) -> Option<&RoaringBitmap> {
        let postings = self.by_key.get(key)?;
        match value {
            None => Some(&postings.any),
            Some(value) => postings.by_value.get(value),
        }
    }

    /// Every key of a tag.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.by_key.keys().map(|key| &**key)
    }

    /// Gives every slot its new number.
    pub(super) fn renumber(&mut self, moved: impl Fn(&mut RoaringBitmap)) {
        for postings in self.by_key.values_mut() {
            moved(&mut postings.any);
            postings.by_value.values_mut().for_each(&moved);
        }
    }

    /// A tag that shares its text with the same of other keys.
    fn shared_tag(&self, key: &str, value: &str) -> Tag {
        let known = self.by_key.get_key_value(key);
        let with_value = known.and_then(|(_, postings)| postings.by_value.get_key_value(value));
        Tag {
            key: known.map_or_else(|| key.into(), |(key, _)| key.clone()),
            value: with_value.map_or_else(|| value.into(), |(value, _)| value.clone()),
        }
    }
}

fn tags_of(sets: &[TagSet], set: TagSetId) -> &[Tag] {
    sets.get(set.0 as usize).map_or(&[], |set| &set.tags)
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> + Clone {
    tags.iter().map(|tag| (&*tag.key, &*tag.value))
}

fn are<'t>(tags: &[Tag], mut texts: impl Iterator<Item = (&'t str, &'t str)>) -> bool {
    let same = |tag: &Tag| texts.next().is_some_and(|(key, value)| *key == *tag.key && *value == *tag.value);
    tags.iter().all(same) && texts.next().is_none()
}

fn hash<'t>(hasher: &DefaultHashBuilder, tags: impl Iterator<Item = (&'t str, &'t str)>) -> u64 {
    let mut state = hasher.build_hasher();
    tags.for_each(|tag| tag.hash(&mut state));
    state.finish()
}
