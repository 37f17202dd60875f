//! What is held in memory of every key: enough to find, count and list keys without touching the store.
//!
//! A key has a slot, a number that grows in order of creation. Every attribute that listings ask for is a compressed
//! bitmap of slots (Roaring), so a filter is a few intersections, a count is a popcount, and page N of a million keys
//! is a rank look-up. The catalogue holds no descriptions and no material.
//!
//! [`account`] is one account's part, with its [`tag_index`] and [`alias_index`]; [`gathering`] makes a catalogue of a store's
//! records at once, [`image`] writes a catalogue down and reads it again.

mod account;
mod alias_index;
mod gathering;
mod pieces;
mod tag_index;

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use yaoku_iam::AccountId;
use yaoku_seal::Revision;

pub(crate) use account::AccountCatalogue;
pub(crate) use gathering::{Gathering, ReadKey};
pub(crate) use pieces::Piece;

use crate::record::KeyRecord;
use crate::{AliasName, KeyId, KeySpec, KeyState, KeyUsage, ProtectionLevel, Timestamp};

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

/// What listings tell keys apart by, beside names and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facets {
    state: KeyState,
    spec: KeySpec,
    usage: KeyUsage,
    protection: ProtectionLevel,
}

impl Facets {
    fn of(record: &KeyRecord) -> Self {
        let KeyRecord { state, spec, usage, protection, .. } = *record;
        Self { state, spec, usage, protection }
    }
}

/// All accounts' keys and aliases.
#[derive(Default)]
pub(crate) struct Catalogue {
    accounts: HashMap<AccountId, AccountCatalogue>,
    /// Keys that the scheduler must look at, soonest first.
    due: BTreeSet<(Timestamp, AccountId, KeyId)>,
}

impl Catalogue {
    pub(crate) fn account(&self, account: AccountId) -> Option<&AccountCatalogue> {
        self.accounts.get(&account)
    }

    /// The account that owns a key; looked for in `first` first.
    pub(crate) fn owner(&self, first: AccountId, id: KeyId) -> Option<AccountId> {
        let owns = |account: &AccountId| self.accounts.get(account).is_some_and(|of| of.revision(id).is_some());
        Some(first).filter(owns).or_else(|| self.accounts.keys().copied().find(owns))
    }

    /// Enters a key, or what has changed of it.
    pub(crate) fn put_key(&mut self, account: AccountId, id: KeyId, record: &KeyRecord, revision: Revision) {
        let due = record.due();
        let catalogue = self.accounts.entry(account).or_default();
        if let Some(before) = catalogue.put_key(id, revision, Facets::of(record), due, record.tags.iter()) {
            self.due.remove(&(before, account, id));
        }
        if let Some(due) = due {
            self.due.insert((due, account, id));
        }
    }

    pub(crate) fn remove_key(&mut self, account: AccountId, id: KeyId) {
        let Some(catalogue) = self.accounts.get_mut(&account) else { return };
        if let Some(due) = catalogue.remove_key(id) {
            self.due.remove(&(due, account, id));
        }
    }

    pub(crate) fn put_alias(&mut self, account: AccountId, name: AliasName, key: KeyId, revision: Revision) {
        self.accounts.entry(account).or_default().aliases.put(name, key, revision);
    }

    pub(crate) fn remove_alias(&mut self, account: AccountId, name: &AliasName) {
        if let Some(catalogue) = self.accounts.get_mut(&account) {
            catalogue.aliases.remove(name);
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
        KeyState::ALL.map(|state| (state, self.accounts.values().map(|account| account.count_in(state)).sum()))
    }
}

#[cfg(test)]
mod tests;
