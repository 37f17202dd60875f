//! The one error type of this crate.

/// What can go wrong with sealed records, the seal, and backups.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store's own errors.
    #[error(transparent)]
    Store(#[from] yaoku_store::Error),
    /// A cryptographic operation failed for a reason other than damage.
    #[error(transparent)]
    Crypto(#[from] yaoku_crypto::Error),
    /// A record does not open under its own name: it is damaged, was moved, or was sealed under another key.
    #[error("record {0} can't be opened: it is damaged, or was moved here")]
    Record(String),
    /// A record's id or version is longer than a name can be.
    #[error("a record name is too long")]
    Name,
    /// The seal can't be used; the sentence says why and what to do.
    #[error("{0}")]
    Seal(String),
    /// A backup file can't be used; the sentence says why.
    #[error("{0}")]
    Backup(String),
    /// The account has no domain key.
    #[error("there is no domain key for {0}")]
    NoDomain(String),
    /// Others change the same records again and again.
    #[error("another process is changing the domain keys; try again")]
    Contended,
}
