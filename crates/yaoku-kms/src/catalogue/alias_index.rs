//! The aliases of an account: by name, and by the key that they stand for.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use yaoku_seal::Revision;

use super::Cut;
use crate::{AliasName, KeyId};

/// One account's aliases.
#[derive(Default)]
pub(super) struct AliasIndex {
    by_name: BTreeMap<AliasName, (KeyId, Revision)>,
    by_key: HashMap<KeyId, Names>,
}

/// The names of one key. Most have one.
enum Names {
    One(AliasName),
    Several(BTreeSet<AliasName>),
}

impl AliasIndex {
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The key and the commit of an alias.
    pub(super) fn get(&self, name: &AliasName) -> Option<(KeyId, Revision)> {
        self.by_name.get(name).copied()
    }

    /// All, in order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&AliasName, KeyId, Revision)> {
        self.by_name.iter().map(|(name, (key, revision))| (name, *key, *revision))
    }

    /// A page of one key's aliases, in order of their names.
    pub(super) fn of_key(&self, key: KeyId, skip: usize, limit: usize) -> Cut<AliasName> {
        let page = |names: &mut dyn Iterator<Item = &AliasName>| names.skip(skip).take(limit).cloned().collect();
        let (items, total) = match self.by_key.get(&key) {
            None => (Vec::new(), 0),
            Some(Names::One(name)) => (page(&mut std::iter::once(name)), 1),
            Some(Names::Several(names)) => (page(&mut names.iter()), names.len()),
        };
        Cut { items, total: total as u64 }
    }

    pub(super) fn put(&mut self, name: AliasName, key: KeyId, revision: Revision) {
        match self.by_name.insert(name.clone(), (key, revision)) {
            Some((before, _)) if before == key => return,
            Some((before, _)) => self.leave(before, &name),
            None => {}
        }
        match self.by_key.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Names::One(name));
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Names::Several(names) => {
                    names.insert(name);
                }
                Names::One(other) => {
                    let both = [other.clone(), name];
                    entry.insert(Names::Several(BTreeSet::from(both)));
                }
            },
        }
    }

    pub(super) fn remove(&mut self, name: &AliasName) {
        if let Some((key, _)) = self.by_name.remove(name) {
            self.leave(key, name);
        }
    }

    /// Takes a name from its key.
    fn leave(&mut self, key: KeyId, name: &AliasName) {
        match self.by_key.get_mut(&key) {
            Some(Names::Several(names)) if names.len() > 1 => {
                names.remove(name);
            }
            _ => {
                self.by_key.remove(&key);
            }
        }
    }
}
