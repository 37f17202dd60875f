//! The one error type of this crate.

use yaoku_iam::{NotCommitted, NotDone};

/// What an operation answers when it can't be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such disk.
    #[error("the disk does not exist")]
    DiskNotFound,
    /// There is a disk of that name.
    #[error("the disk already exists")]
    DiskExists,
    /// The disk is disabled.
    #[error("the disk is disabled")]
    Disabled,
    /// The call comes from where the disk may not be unlocked.
    #[error("the disk may not be unlocked from this address")]
    Elsewhere,
    /// The disk has no key of that thumbprint, or none any more.
    #[error("the disk has no such key")]
    KeyNotFound,
    /// The caller may not do this; why is for the operator's log only.
    #[error("the caller has no permission for this operation on this resource")]
    Denied(yaoku_iam::Denial),
    /// An argument is outside what the operation takes.
    #[error("{field:?}: {why}")]
    Invalid {
        /// Which argument.
        field: Field,
        /// A sentence on what it should be.
        why: &'static str,
    },
    /// A quota is used up.
    #[error("{0}")]
    LimitExceeded(String),
    /// The caller went away before it was begun.
    #[error("the caller went away before this was begun")]
    Abandoned,
    /// The CMK, or what else stands below, can't do its part.
    #[error(transparent)]
    Keys(#[from] yaoku_kms::Error),
    /// The store can't acknowledge this at present; trying again may help.
    #[error("the store of disks is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored record can't be read by this version.
    #[error("the record of {0} can't be read")]
    Record(&'static str),
    /// Something that should not happen, and is ours to mend.
    #[error("internal failure")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn contended() -> Self {
        Self::Unavailable("the disk is being changed by too many callers at once".into())
    }
}

impl From<NotCommitted> for Error {
    fn from(error: NotCommitted) -> Self {
        match error {
            NotCommitted::Stopping => Self::Unavailable(Box::new(error)),
            NotCommitted::NotDecided | NotCommitted::NotRecorded => Self::Internal(Box::new(error)),
        }
    }
}

impl From<NotDone> for Error {
    fn from(why: NotDone) -> Self {
        Self::Keys(why.into())
    }
}

impl From<yaoku_iam::TooManyTags> for Error {
    fn from(error: yaoku_iam::TooManyTags) -> Self {
        Self::Keys(error.into())
    }
}

impl From<yaoku_seal::Error> for Error {
    fn from(error: yaoku_seal::Error) -> Self {
        match error {
            yaoku_seal::Error::Store(_) => Self::Unavailable(Box::new(error)),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<yaoku_crypto::Error> for Error {
    fn from(error: yaoku_crypto::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

/// The argument that an [`Error::Invalid`] is about, in the domain's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The key to withdraw.
    Thumbprint,
    /// Where a listing goes on.
    Marker,
}
