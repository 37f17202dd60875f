//! Names of records: where a record stands in the store, and what it is sealed as.

use std::fmt;

use yaoku_crypto::Secret;
use yaoku_store::Revision;

use crate::Error;

/// Kind of a record. 0 to 7 are this crate's; each crate above names constants in a range of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

/// Whose key seals a record: a 16-digit account id, or [`Domain::SYSTEM`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(pub [u8; 16]);

impl Domain {
    /// What belongs to no account.
    pub const SYSTEM: Self = Self(*b"system----------");
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// The name of one record: no two records of a store have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// What it is.
    pub kind: Kind,
    /// Whose key seals it.
    pub domain: Domain,
    /// At most [`RecordName::MAX_ID`] bytes.
    pub id: Vec<u8>,
    /// At most [`RecordName::MAX_VERSION`] bytes; empty where the kind has no versions.
    pub version: Vec<u8>,
}

impl RecordName {
    /// The most bytes of an id.
    pub const MAX_ID: usize = 1024;
    /// The most bytes of a version.
    pub const MAX_VERSION: usize = 64;
    /// Bytes of a row key before the id.
    const HEAD: usize = 1 + 16 + 2;

    /// The key of the record's row: kind ‖ domain ‖ length of the id (16 bits, big-endian) ‖ id ‖ version.
    ///
    /// # Errors
    /// [`Error::Name`] if id or version are too long.
    pub(crate) fn row_key(&self) -> Result<Vec<u8>, Error> {
        if self.id.len() > Self::MAX_ID || self.version.len() > Self::MAX_VERSION {
            return Err(Error::Name);
        }
        let mut key = row_prefix(self.kind, Some(self.domain), Some(&self.id));
        key.extend_from_slice(&self.version);
        Ok(key)
    }

    /// The name of the record in a row; none if no record has such a row.
    pub(crate) fn of_row_key(key: &[u8]) -> Option<Self> {
        let (head, rest) = key.split_first_chunk::<{ Self::HEAD }>()?;
        let [kind, middle @ ..] = head;
        let (domain, length) = middle.split_first_chunk::<16>()?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let (id, version) = rest.split_at_checked(length)?;
        let fits = id.len() <= Self::MAX_ID && version.len() <= Self::MAX_VERSION;
        fits.then(|| Self { kind: Kind(*kind), domain: Domain(*domain), id: id.to_vec(), version: version.to_vec() })
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.kind.0, self.domain)?;
        self.id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("/")?;
        self.version.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the row keys of records of a kind, in a domain, with an id, begin with.
pub(crate) fn row_prefix(kind: Kind, domain: Option<Domain>, id: Option<&[u8]>) -> Vec<u8> {
    let mut key = Vec::with_capacity(RecordName::HEAD + id.map_or(0, <[u8]>::len) + RecordName::MAX_VERSION);
    key.push(kind.0);
    let Some(domain) = domain else { return key };
    key.extend_from_slice(&domain.0);
    let Some(id) = id else { return key };
    // Longer ids were refused before.
    key.extend_from_slice(&u16::try_from(id.len()).unwrap_or(u16::MAX).to_be_bytes());
    key.extend_from_slice(id);
    key
}

/// Additional authenticated data of a record: a label, its generation if it has one, and the row key, which has one record name
/// only.
pub(crate) fn aad(generation: Option<u64>, row_key: &[u8]) -> Vec<u8> {
    match generation {
        Some(generation) => [b"yaoku record v2\0", &generation.to_be_bytes()[..], row_key].concat(),
        None => [b"yaoku record v1\0", row_key].concat(),
    }
}

/// A record's content and the commit that wrote it.
pub struct Record {
    /// The content.
    pub bytes: Secret,
    /// The commit.
    pub revision: Revision,
}

/// What one commit does. The contents are in the clear; the vault seals them.
#[derive(Default)]
pub struct Changes {
    /// Records that must be at these revisions; none means that there must be no such record.
    pub expected: Vec<(RecordName, Option<Revision>)>,
    /// Records to write.
    pub puts: Vec<(RecordName, Secret)>,
    /// Records to delete.
    pub deletes: Vec<RecordName>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_key_has_one_name(
            kind in any::<u8>(), domain in any::<[u8; 16]>(), id in vec(any::<u8>(), 0..40), version in vec(any::<u8>(), 0..20)
        ) {
            let name = RecordName { kind: Kind(kind), domain: Domain(domain), id, version };
            prop_assert_eq!(RecordName::of_row_key(&name.row_key().unwrap()), Some(name));
        }

        #[test]
        fn a_name_has_one_row_key(key in vec(any::<u8>(), 0..80)) {
            if let Some(name) = RecordName::of_row_key(&key) {
                prop_assert_eq!(name.row_key().unwrap(), key);
            }
        }
    }

    #[test]
    fn names_beyond_their_bounds_are_refused() {
        let name = |id, version| RecordName {
            kind: Kind(9),
            domain: Domain::SYSTEM,
            id: vec![0; id],
            version: vec![0; version],
        };
        assert!(name(1024, 64).row_key().is_ok());
        assert!(name(1025, 0).row_key().is_err() && name(0, 65).row_key().is_err());
    }
}
