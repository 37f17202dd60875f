//! A transactional, ordered key-value store with revisions and a watch.
//!
//! [`Store`] is the contract; [`Embedded`] keeps it in one file on one machine. Keys and values are bytes: what they mean,
//! and that values are sealed, is the business of the crates above.
//!
//! Every commit has a [`Revision`], and every row the revision of the commit that last wrote it. A [`Transaction`] is
//! optimistic: it names the revisions that it was decided on, and is refused as a whole if any has changed.

mod embedded;

use std::sync::Arc;

use async_trait::async_trait;

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
    /// The most bytes of a key.
    pub const MAX_KEY: usize = 4096;
    /// The most bytes of a value.
    pub const MAX_VALUE: usize = 1 << 20;
    /// The most expectations, puts and deletes of one transaction, together.
    pub const MAX_OPERATIONS: usize = 10_000;

    /// # Errors
    /// [`Error::TooLarge`] if the transaction is beyond what a store takes.
    pub fn check(&self) -> Result<(), Error> {
        let operations = self.expected.len() + self.puts.len() + self.deletes.len();
        let keys = self.expected.iter().map(|(key, _)| key).chain(self.puts.iter().map(|(key, _)| key));
        let longest = keys.chain(&self.deletes).map(Vec::len).max().unwrap_or(0);
        let largest = self.puts.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        if operations > Self::MAX_OPERATIONS || longest > Self::MAX_KEY || largest > Self::MAX_VALUE {
            return Err(Error::TooLarge);
        }
        Ok(())
    }
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
    /// The transaction is beyond the bounds of [`Transaction`].
    #[error("the transaction is too large")]
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
