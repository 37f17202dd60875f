//! What the domain does by itself, for whoever keeps account of it.

use yaoku_iam::AccountId;

use crate::{KeyId, KeyVersionId};

/// Something that was done because it was due, and not because anybody called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happening {
    /// The account of the key.
    pub account: AccountId,
    /// The key that it was done to.
    pub key: KeyId,
    /// What was done.
    pub what: Done,
}

/// What can be done without a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The key has a new version, which is its primary one.
    Rotated(KeyVersionId),
    /// Imported material was taken away, since its time was over.
    MaterialExpired,
    /// The key is gone, as it was scheduled.
    Deleted,
}

/// The right, and the duty, to tell of one happening. Dropped where nothing happened.
pub type Testimony = Box<dyn FnOnce(Happening) + Send>;

/// Keeps account of what is done without a call.
pub trait Witness: Send + Sync {
    /// Asked before anything is done. Without an answer it is put off.
    fn attend(&self) -> Option<Testimony>;
}
