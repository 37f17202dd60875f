//! The one error type of this crate.

use yaoku_iam::NotCommitted;

use crate::ObjectState;

/// What an operation answers when it can't be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such object.
    #[error("the managed object does not exist")]
    ObjectNotFound,
    /// There is an object of that name.
    #[error("a managed object has this name already")]
    NameExists,
    /// The account has not chosen the CMK that its managed objects are sealed under.
    #[error("the account has not chosen a key for its managed objects: choose one with `yaoku kmip set-key KEY`")]
    NoKey,
    /// The object's state does not admit this.
    #[error("the managed object is {0:?}")]
    State(ObjectState),
    /// The caller may not do this; why is for the operator's log only.
    #[error("the caller has no permission for this operation on this resource")]
    Denied(yaoku_iam::Denial),
    /// The caller may not do this, nor know that there is such a thing; why is for the operator's log only.
    #[error("the managed object does not exist")]
    Hidden(yaoku_iam::Denial),
    /// An argument is outside what the operation takes.
    #[error("{0}")]
    Invalid(String),
    /// Where a listing is to go on is not what an earlier part of it said.
    #[error("the place in the listing is not one that was given out")]
    Place,
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
    #[error("the store of managed objects is unavailable")]
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
        Self::Unavailable("the managed object is being changed by too many callers at once".into())
    }
}

impl From<yaoku_iam::NotPerformed> for Error {
    fn from(error: yaoku_iam::NotPerformed) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<yaoku_iam::NotDone> for Error {
    fn from(error: yaoku_iam::NotDone) -> Self {
        Self::Keys(error.into())
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
