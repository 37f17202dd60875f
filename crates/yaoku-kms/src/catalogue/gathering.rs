//! A catalogue in the making, from all of a store at once: what is entered together costs a fraction of what it costs one by one.

use std::collections::HashMap;

use yaoku_iam::AccountId;
use yaoku_seal::Revision;

use super::account::AccountCatalogue;
use super::tag_index::TagSetId;
use super::{Catalogue, Facets};
use crate::record::KeyRecord;
use crate::{AliasName, KeyId, Tags, Timestamp};

/// Keys and aliases of all accounts that are to become a catalogue.
#[derive(Default)]
pub(crate) struct Gathering {
    accounts: HashMap<AccountId, Gathered>,
}

#[derive(Default)]
struct Gathered {
    keys: Vec<GatheredKey>,
    /// Holds the tags and aliases already.
    catalogue: AccountCatalogue,
}

/// A key of which the tags are entered.
#[derive(Clone, Copy)]
pub(crate) struct GatheredKey {
    pub(super) created: Timestamp,
    pub(super) id: KeyId,
    pub(super) revision: Revision,
    pub(super) facets: Facets,
    pub(super) due: Option<Timestamp>,
    pub(super) tags: TagSetId,
}

/// A key's record, reduced to what a catalogue holds.
pub(crate) struct ReadKey {
    account: AccountId,
    id: KeyId,
    revision: Revision,
    created: Timestamp,
    facets: Facets,
    due: Option<Timestamp>,
    tags: Tags,
}

impl ReadKey {
    pub(crate) fn new(account: AccountId, id: KeyId, revision: Revision, record: KeyRecord) -> Self {
        let (created, facets, due) = (record.created, Facets::of(&record), record.due());
        Self { account, id, revision, created, facets, due, tags: record.tags }
    }
}

impl Gathering {
    /// Adds keys in any order.
    pub(crate) fn add_key(&mut self, key: ReadKey) {
        let ReadKey { account, id, revision, created, facets, due, tags } = key;
        let gathered = self.accounts.entry(account).or_default();
        let tags = gathered.catalogue.tags.share(tags.iter());
        gathered.keys.push(GatheredKey { created, id, revision, facets, due, tags });
    }

    /// Adds an alias.
    pub(crate) fn add_alias(&mut self, account: AccountId, name: AliasName, key: KeyId, revision: Revision) {
        self.accounts.entry(account).or_default().catalogue.aliases.put(name, key, revision);
    }

    /// Adds keys whose tags are among `tag_sets`, each with the number of its set, in order of creation and after all before. There
    /// will be `total` in the end.
    pub(super) fn add_piece<'t>(
        &mut self,
        account: AccountId,
        total: usize,
        tag_sets: impl Iterator<Item = impl Iterator<Item = (&'t str, &'t str)> + Clone>,
        keys: impl Iterator<Item = (KeyId, Revision, Facets, Option<Timestamp>, Option<usize>)>,
    ) {
        let gathered = self.accounts.entry(account).or_default();
        if gathered.keys.is_empty() {
            // Growing would copy all of them again and again.
            gathered.keys.reserve_exact(total);
        }
        let sets: Vec<_> = tag_sets.map(|tags| gathered.catalogue.tags.share(tags)).collect();
        gathered.keys.extend(keys.map(|(id, revision, facets, due, set)| GatheredKey {
            created: Timestamp(0),
            id,
            revision,
            facets,
            due,
            tags: set.and_then(|set| sets.get(set)).copied().unwrap_or(TagSetId::EMPTY),
        }));
    }

    /// The catalogue of all that was added.
    pub(crate) fn finish(self) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (account, Gathered { mut keys, catalogue: mut of_account }) in self.accounts {
            // Keys of an image come in order, all at the same time: this changes nothing then.
            if !keys.is_sorted_by_key(|key| key.created) {
                keys.sort_unstable_by_key(|key| (key.created, key.id));
            }
            catalogue.due.extend(keys.iter().filter_map(|key| Some((key.due?, account, key.id))));
            of_account.fill(&keys);
            catalogue.accounts.insert(account, of_account);
        }
        catalogue
    }
}
