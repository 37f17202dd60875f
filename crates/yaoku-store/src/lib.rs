//! A transactional, ordered key-value store with revisions and a watch.
//!
//! [`Store`] is the contract; [`Embedded`] keeps it in one file on one machine. Keys and values are bytes: what they mean,
//! and that values are sealed, is the business of the crates above.
//!
//! Every commit has a [`Revision`], and every row the revision of the commit that last wrote it. A [`Transaction`] is
//! optimistic: it names the revisions that it was decided on, and is refused as a whole if any has changed.

mod digest;
mod embedded;

use std::sync::Arc;

use async_trait::async_trait;

pub use digest::{Digest, Digester, Found, Share, StoreId, Trust};
pub use embedded::{Closed, Embedded, Options};

/// Number of a commit: 0 is the empty store, and every commit is one more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// A key, its value, and the commit that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// At most [`Transaction::MAX_KEY`] bytes.
    pub key: Vec<u8>,
    /// At most [`Transaction::MAX_VALUE`] bytes.
    pub value: Vec<u8>,
    /// The commit that last wrote this row.
    pub revision: Revision,
}

/// What is to be written, and on what condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Rows that must be at these revisions; none means that there must be no such row.
    pub expected: Vec<(Vec<u8>, Option<Revision>)>,
    /// Rows to write.
    pub puts: Vec<(Vec<u8>, Vec<u8>)>,
    /// Rows to delete; those that are not there are passed over.
    pub deletes: Vec<Vec<u8>>,
}

impl Transaction {
    /// The most bytes of a key, in every store.
    pub const MAX_KEY: usize = 4096;
    /// The most bytes of a value in any store; one may take less ([`Limits`]).
    pub const MAX_VALUE: usize = 1 << 20;

    /// # Errors
    /// [`Error::TooLarge`] if the transaction is beyond what a store with these limits takes.
    pub fn check(&self, limits: &Limits) -> Result<(), Error> {
        let keys = self.expected.iter().map(|(key, _)| key).chain(self.puts.iter().map(|(key, _)| key));
        let longest = keys.chain(&self.deletes).map(Vec::len).max().unwrap_or(0);
        let largest = self.puts.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        if longest > Self::MAX_KEY
            || largest > limits.value_bytes
            || self.operations() > limits.operations
            || self.bytes() > limits.bytes
        {
            return Err(Error::TooLarge);
        }
        Ok(())
    }

    /// Expectations, puts and deletes, together.
    pub fn operations(&self) -> usize {
        self.expected.len() + self.puts.len() + self.deletes.len()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        let expected: usize = self.expected.iter().map(|(key, _)| key.len()).sum();
        let puts: usize = self.puts.iter().map(|(key, value)| key.len() + value.len()).sum();
        expected + puts + self.deletes.iter().map(Vec::len).sum::<usize>()
    }
}

/// What a store takes. Whoever may have more to write than fits into one transaction splits it such that every state in between is
/// valid, or refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Expectations, puts and deletes of a transaction, together; at least [`Limits::LEAST_OPERATIONS`].
    pub operations: usize,
    /// Bytes of a row's value; at most [`Transaction::MAX_VALUE`].
    pub value_bytes: usize,
    /// Bytes of all keys and values of a transaction; room for the largest row and some smaller ones at the least.
    pub bytes: usize,
}

impl Limits {
    /// What every store takes. Transactions that can't be split stay within it.
    pub const LEAST_OPERATIONS: usize = 128;
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Committed(Revision),
    /// A row was not as expected; nothing was written.
    Conflict {
        /// The first such row.
        key: Vec<u8>,
    },
}

/// A commit, as a watcher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub revision: Revision,
    /// Rows written.
    pub puts: Vec<(Vec<u8>, Vec<u8>)>,
    /// Rows deleted.
    pub deletes: Vec<Vec<u8>>,
}

/// What a store can't do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk is full or fails, and a later call may succeed. What a commit wrote is not kept, unless only its sync failed:
    /// then it may turn up, whole and announced to watchers, when the file can be read again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The file is damaged, cut short, or older than what was acknowledged. The store refuses everything.
    #[error("the store is damaged: {0}; restore it from a backup")]
    Corrupt(String),
    /// The file can be read well, but is not what was written last: it was changed from outside, or rolled back.
    #[error(
        "the store was changed from outside or rolled back: {0}; restore it from a backup, or, if these files are here on \
         purpose, accept them with `yaoku accept`"
    )]
    Altered(String),
    /// Another process holds the store.
    #[error("another process is using this store; stop it first")]
    Locked,
    /// The watch asked for changes that are no longer kept; read a snapshot, and watch from its revision.
    #[error("changes since that revision are no longer kept")]
    Compacted,
    /// A newer version of yaoku wrote the store.
    #[error("a newer version of yaoku wrote this store (format {found}; this version knows {known}); use that version")]
    Newer {
        /// Format of the file.
        found: u32,
        /// Newest format known here.
        known: u32,
    },
    /// The transaction is beyond the store's [`Limits`].
    #[error("the change is more than the store takes in one commit; make it in smaller parts")]
    TooLarge,
}

/// An ordered key-value store with optimistic transactions.
#[async_trait]
pub trait Store: Send + Sync {
    /// The row of that key.
    async fn get(&self, key: &[u8]) -> Result<Option<Row>, Error>;

    /// All rows at one revision.
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, Error>;

    /// Writes a transaction if its expectations hold. It is durable when this returns [`Outcome::Committed`].
    async fn commit(&self, transaction: Transaction) -> Result<Outcome, Error>;

    /// Follows every change after `from`, in order, each once.
    async fn watch(&self, from: Revision) -> Result<Box<dyn Watch>, Error>;

    /// Takes every byte of rows that were deleted or overwritten before this call out of the store's files.
    async fn scrub(&self) -> Result<(), Error>;

    /// Whether commits can be made durable at present; tries it if the last one could not.
    async fn health(&self) -> Result<(), Error>;

    /// What a transaction may be.
    fn limits(&self) -> Limits;

    /// Tells this store from every other, also from one that is made of its backup.
    fn id(&self) -> StoreId;

    /// Keeps a digest of all rows from now on, which commits wait for where there is one: compares the one that there is with the
    /// rows, or begins one, as `trust` says.
    ///
    /// # Errors
    /// [`Error::Altered`] if the rows are not those of the digest, or there is none.
    async fn keep_digest(&self, digester: Arc<dyn Digester>, trust: Trust) -> Result<Found, Error>;

    /// The digest, and the last commit in it, which is durable; none while none is kept.
    fn digest(&self) -> Option<(Revision, Digest)>;

    /// Reads every row, and compares them with the digest as it is now. Commits go on meanwhile.
    ///
    /// # Errors
    /// [`Error::Altered`] if they are not those of the digest. The store refuses everything from then on.
    async fn verify(&self) -> Result<(), Error>;
}

/// All rows as they were at one revision.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// The revision.
    fn revision(&self) -> Revision;

    /// At most `limit` rows whose keys begin with `prefix` and come after `after`, in order of their keys.
    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error>;
}

/// A feed of changes.
#[async_trait]
pub trait Watch: Send {
    /// The next change; waits for it.
    ///
    /// # Errors
    /// [`Error::Compacted`] if the watcher is too far behind.
    async fn next(&mut self) -> Result<Change, Error>;

    /// Whether another change is known to be there, so that [`Self::next`] would not wait.
    fn is_behind(&self) -> bool {
        false
    }
}
