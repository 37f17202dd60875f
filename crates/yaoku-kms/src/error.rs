//! The one error type of this crate.

use yaoku_iam::NotCommitted;

use crate::{KeyState, Origin};

/// What an operation answers when it can't be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such key in the caller's account.
    #[error("the key does not exist")]
    KeyNotFound,
    /// The key has no such version.
    #[error("the key version does not exist")]
    KeyVersionNotFound,
    /// No such user, role or root.
    #[error("the principal does not exist")]
    PrincipalNotFound,
    /// No such alias in the caller's account.
    #[error("the alias does not exist")]
    AliasNotFound,
    /// The alias names a key already.
    #[error("the alias already exists")]
    AliasExists,
    /// The caller may not do this; why is for the operator's log only.
    #[error("the caller has no permission for this operation on this resource")]
    Denied(yaoku_iam::Denial),
    /// The caller may not do this, nor know that there is such a thing; why is for the operator's log only.
    #[error("{as_if}")]
    Hidden {
        /// Why.
        denial: yaoku_iam::Denial,
        /// What the caller is told.
        as_if: Box<Error>,
    },
    /// The key's state does not admit using it.
    #[error("the key is {0:?}")]
    State(KeyState),
    /// The key's state, or what protects it, does not admit changing its state so.
    #[error("{0}")]
    StateChange(&'static str),
    /// Something is encrypted under the key that would be lost with it.
    #[error("{0}")]
    InUse(String),
    /// An argument is outside what the operation takes.
    #[error("{field:?}: {why}")]
    Invalid {
        /// Which argument.
        field: Field,
        /// A sentence on what it should be, without the value where that may be secret.
        why: String,
    },
    /// The operation can't be done with keys of that spec or usage.
    #[error("{0}")]
    Unsuitable(&'static str),
    /// The import token is none of this key's.
    #[error("the import token does not belong to this key")]
    ImportToken,
    /// The import token's time is over.
    #[error("the import token has expired")]
    ImportTokenExpired,
    /// The material to import does not unwrap, has another length, or is not what was imported before. Never says which.
    #[error("the key material is not acceptable")]
    KeyMaterial,
    /// Keys of that kind can't be held at that protection level.
    #[error("{0}")]
    Protection(String),
    /// The operation can't be done on keys of that origin.
    #[error("the operation is not supported on a key of origin {0:?}")]
    Origin(Origin),
    /// The service is open to the account already.
    #[error("the service is already open for this account")]
    AlreadyOpen,
    /// A quota is used up.
    #[error("{0}")]
    LimitExceeded(String),
    /// Too much of what the caller, or its account, asked for waits for its turn.
    #[error("too many requests of this caller wait for their turn")]
    Throttled,
    /// Too much waits for its turn in all.
    #[error("the server has too much to do at present")]
    Busy,
    /// The caller went away before it was begun.
    #[error("the caller went away before this was begun")]
    Abandoned,
    /// The ciphertext does not open. Never says why: damaged, foreign, or another encryption context.
    #[error("the ciphertext can't be decrypted")]
    Ciphertext,
    /// A dry run found nothing that would have failed.
    #[error("the operation would have succeeded")]
    DryRun,
    /// The store can't acknowledge this at present; trying again may help.
    #[error("the key store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored record can't be read by this version.
    #[error("the record of {0} can't be read")]
    Record(&'static str),
    /// Something that should not happen, and is ours to mend.
    #[error("internal failure")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An argument that the operation does not take.
    pub fn invalid(field: Field, why: impl Into<String>) -> Self {
        Self::Invalid { field, why: why.into() }
    }
}

impl From<yaoku_iam::NotPerformed> for Error {
    fn from(error: yaoku_iam::NotPerformed) -> Self {
        Self::Unavailable(Box::new(error))
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
        use yaoku_seal::Error as Seal;
        match error {
            Seal::Store(_) => Self::Unavailable(Box::new(error)),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<yaoku_crypto::Error> for Error {
    fn from(error: yaoku_crypto::Error) -> Self {
        use yaoku_crypto::Error as Crypto;
        match error {
            // What an operator does about it helps the same caller.
            Crypto::TokenBusy => Self::Busy,
            Crypto::TokenAway(_) | Crypto::TokenSetup(_) => Self::Unavailable(Box::new(error)),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

/// The argument that an [`Error::Invalid`] is about, in the domain's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The key's description.
    Description,
    /// Spec and usage of a new key.
    KeyUsage,
    /// Period of automatic rotation.
    RotationInterval,
    /// Whether a key rotates by itself.
    AutomaticRotation,
    /// Days until deletion.
    PendingWindow,
    /// Bytes to encrypt.
    Plaintext,
    /// The encryption context.
    EncryptionContext,
    /// Tags or tag keys.
    Tags,
    /// The policy of a key.
    Policy,
    /// Resources to tag or to list tags of.
    Resources,
    /// Where a listing goes on.
    NextToken,
    /// Length of a data key.
    NumberOfBytes,
    /// The public key to export a data key to.
    WrappingKey,
    /// The algorithm to export a data key with.
    WrappingAlgorithm,
    /// Conditions of a listing.
    Filters,
    /// How to sign, verify, encrypt or authenticate.
    Algorithm,
    /// Bytes to decrypt.
    Ciphertext,
    /// The hash value to sign.
    Digest,
    /// The message to authenticate.
    Message,
    /// When imported material is to be taken away.
    MaterialExpiry,
}
