//! A catalogue written down, in pieces of bounded size: an account's keys in order of creation with the tags that they have,
//! and its aliases.
//!
//! Read again it is the same catalogue, in a fraction of the time that it takes to open every key's record.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use yaoku_iam::AccountId;
use yaoku_seal::{Domain, Revision};

use super::account::{AccountCatalogue, HeldKey};
use super::{Catalogue, Facets, Gathering};
use crate::{AliasName, Error, KeyId, Timestamp};

/// Keys and aliases of one piece, at the most.
const PIECE: usize = 4096;

/// A part of one account's catalogue.
#[derive(Serialize, Deserialize)]
pub(crate) struct Piece<'a> {
    account: [u8; 16],
    /// Keys of the account in all pieces.
    total: u32,
    /// Each once. Tags as key and value.
    tag_sets: Vec<Vec<(Cow<'a, str>, Cow<'a, str>)>>,
    keys: Vec<ImageKey>,
    aliases: Vec<(Cow<'a, str>, KeyId, u64)>,
}

#[derive(Serialize, Deserialize)]
struct ImageKey {
    id: KeyId,
    revision: u64,
    facets: Facets,
    due: Option<Timestamp>,
    /// Position among the piece's sets.
    tags: Option<u32>,
}

impl Catalogue {
    /// The pieces that make up the catalogue, in the order in which they are to be read.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.accounts.iter().flat_map(|(account, catalogue)| {
            let (account, total) = (account.domain().0, u32::try_from(catalogue.key_count()).unwrap_or(u32::MAX));
            let mut keys = catalogue.held_keys().peekable();
            let mut aliases = catalogue.aliases.iter().peekable();
            std::iter::from_fn(move || {
                let mut piece = Piece { account, total, tag_sets: Vec::new(), keys: Vec::new(), aliases: Vec::new() };
                piece.put_keys(catalogue, keys.by_ref().take(PIECE));
                let aliases = aliases.by_ref().take(PIECE - piece.keys.len());
                piece.aliases = aliases.map(|(name, key, commit)| (name.as_str().into(), key, commit.0)).collect();
                (!piece.keys.is_empty() || !piece.aliases.is_empty()).then_some(piece)
            })
        })
    }
}

impl Piece<'static> {
    /// # Errors
    /// [`Error::Record`] if these bytes are no piece.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        postcard::from_bytes(bytes).map_err(|_| Error::Record("a catalogue image"))
    }
}

impl<'a> Piece<'a> {
    fn put_keys(&mut self, catalogue: &'a AccountCatalogue, keys: impl Iterator<Item = HeldKey>) {
        let mut positions = HashMap::new();
        for HeldKey { id, revision, facets, due, tags } in keys {
            let tags = match catalogue.tags.tags(tags) {
                [] => None,
                texts => Some(*positions.entry(tags).or_insert_with(|| {
                    let texts = texts.iter().map(|tag| ((&*tag.key).into(), (&*tag.value).into()));
                    self.tag_sets.push(texts.collect());
                    // A piece has fewer sets than keys.
                    (self.tag_sets.len() - 1) as u32
                })),
            };
            self.keys.push(ImageKey { id, revision: revision.0, facets, due, tags });
        }
    }

    /// The piece as bytes.
    ///
    /// # Errors
    /// [`Error::Record`], which does not happen.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        postcard::to_allocvec(self).map_err(|_| Error::Record("a catalogue image"))
    }

    /// Adds what the piece has to what was gathered of the pieces before.
    ///
    /// # Errors
    /// [`Error::Record`] if it has what no catalogue holds.
    pub(crate) fn gather(&self, gathering: &mut Gathering) -> Result<(), Error> {
        let unknown = || Error::Record("a catalogue image");
        let account = AccountId::of_domain(Domain(self.account)).ok_or_else(unknown)?;
        let sets = self.tag_sets.iter().map(|tags| tags.iter().map(|(key, value)| (&**key, &**value)));
        let keys = self.keys.iter().map(|key| {
            let tags = key.tags.map(|position| position as usize);
            (key.id, Revision(key.revision), key.facets, key.due, tags)
        });
        gathering.add_piece(account, self.total as usize, sets, keys);
        for (name, key, revision) in &self.aliases {
            let name = AliasName::from_stored(name.as_bytes())?;
            gathering.add_alias(account, name, *key, Revision(*revision));
        }
        Ok(())
    }
}
