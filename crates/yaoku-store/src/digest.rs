//! The digest that a store keeps of its rows, so that a change of its files from outside shows.
//!
//! It is a multiset hash: each row has a *share*, 32 bytes of a pseudorandom function of its key, revision and value, and the digest
//! is the sum of all shares modulo 2^256. A commit adds the shares of what it writes and takes away those of what was there, so that
//! it costs the rows that it touches and no more. The sum is written in the same commit, sealed.
//!
//! This is MSet-Add-Hash (Clarke, Devadas, van Dijk, Gassend, Suh, *Incremental Multiset Hash Functions and Their Application to
//! Memory Integrity Checking*, ASIACRYPT 2003), of which the sum is encrypted as a whole instead of being blinded by a nonce. It
//! holds since rows are a set, each row key at most once: two different sets differ in a row that one of them has alone; its share is a
//! value that the attacker has never seen, alone or in a sum, and that is as good as random; so the sums are equal with a
//! probability of 2^-256. That the sum is kept secret matters: who knew the shares of 2^30 rows could look for a subset of them
//! that has the same sum.
//!
//! The keys are above this crate, in a [`Digester`].

use crate::{Revision, Row};

/// Tells a store from every other.
pub type StoreId = [u8; 16];

/// What one row adds to the digest.
#[derive(Clone, Copy)]
pub struct Share {
    /// Indistinguishable from random bytes without the key.
    pub bytes: [u8; 32],
    /// The generation that the row's seal names, or 0.
    pub generation: u64,
}

/// The sum of all rows' shares.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest {
    /// Modulo 2^256, big-endian.
    pub sum: [u8; 32],
    /// The greatest generation that a row ever had.
    pub generation: u64,
}

impl Digest {
    /// A row is written.
    pub fn add(&mut self, share: &Share) {
        let mut carry = 0;
        for (byte, added) in self.sum.iter_mut().zip(&share.bytes).rev() {
            let sum = u16::from(*byte) + u16::from(*added) + carry;
            (*byte, carry) = (sum.to_be_bytes()[1], sum >> 8);
        }
        self.generation = self.generation.max(share.generation);
    }

    /// A row is deleted, or another takes its place.
    pub fn take_away(&mut self, share: &Share) {
        let mut borrow = 0;
        for (byte, taken) in self.sum.iter_mut().zip(&share.bytes).rev() {
            let difference = 0x100 + u16::from(*byte) - u16::from(*taken) - borrow;
            (*byte, borrow) = (difference.to_be_bytes()[1], 1 - (difference >> 8));
        }
    }
}

/// Has the keys that a digest takes.
pub trait Digester: Send + Sync {
    /// A row's share.
    fn share(&self, key: &[u8], revision: Revision, value: &[u8]) -> Share;

    /// Seals the digest of a store at a revision.
    ///
    /// # Errors
    /// When the system has no randomness; a sentence.
    fn seal(&self, store: &StoreId, revision: Revision, digest: &Digest) -> Result<Vec<u8>, String>;

    /// What [`Self::seal`] sealed for that store and revision; none for anything else.
    fn open(&self, store: &StoreId, revision: Revision, sealed: &[u8]) -> Option<Digest>;

    /// An authentication code over a statement on the store's files.
    fn authenticate(&self, statement: &[u8]) -> [u8; 32];

    /// Whether that is the code of that statement.
    fn is_authentic(&self, statement: &[u8], code: &[u8; 32]) -> bool;

    /// [`Self::share`] of a row.
    fn share_of(&self, row: &Row) -> Share {
        self.share(&row.key, row.revision, &row.value)
    }
}

/// What is done about a store's rows when a digest of them begins to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// There must be a digest, and it must be that of the rows.
    Digest,
    /// Where there is no digest, the rows are taken as they are, and one is begun.
    FirstUse,
    /// The rows are taken as they are, whatever the digest says: an operator says that they are right.
    Rows,
}

/// How the rows were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// As the digest says: each was read.
    Right,
    /// The files are what was closed last, to the byte, as an authentication code says; rows were not read.
    Untouched,
    /// There was no digest, or none that counted; it was begun.
    Begun,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(bytes: [u8; 32]) -> Share {
        Share { bytes, generation: 0 }
    }

    #[test]
    fn sums_carry_and_wrap_around() {
        let one = share(std::array::from_fn(|at| u8::from(at == 31)));
        let mut digest = Digest { sum: [0xff; 32], generation: 3 };
        digest.add(&one);
        assert!(digest == Digest { sum: [0; 32], generation: 3 });
        digest.take_away(&one);
        assert!(digest.sum == [0xff; 32]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn the_order_does_not_matter_and_taking_away_undoes(
            shares in proptest::collection::vec(any::<[u8; 32]>(), 1..8), turn in any::<prop::sample::Index>()
        ) {
            let sum = |shares: &[[u8; 32]]| {
                let mut digest = Digest::default();
                shares.iter().for_each(|bytes| digest.add(&share(*bytes)));
                digest
            };
            let mut turned = shares.clone();
            turned.rotate_left(turn.index(shares.len()));
            prop_assert!(sum(&turned) == sum(&shares));
            let mut less = sum(&turned);
            less.take_away(&share(turned[0]));
            prop_assert!(less == sum(&turned[1..]));
        }
    }
}
