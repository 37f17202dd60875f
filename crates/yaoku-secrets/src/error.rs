//! The one error type of this crate.

use yaoku_iam::NotCommitted;

/// What an operation answers when it can't be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such secret.
    #[error("the secret does not exist")]
    SecretNotFound,
    /// The secret has no such version, or one whose value was destroyed.
    #[error("the secret version does not exist")]
    VersionNotFound,
    /// The value of the version is marked as deleted.
    #[error("the value of the secret version was deleted")]
    VersionDeleted,
    /// There is a secret of that name.
    #[error("the secret already exists")]
    SecretExists,
    /// The secret has a version of that id, with another value.
    #[error("the secret already has a version of this id with another value")]
    VersionExists,
    /// The secret's current version is not the one that was expected, or none was named where one must be.
    #[error("the secret has another current version than was expected")]
    NotAsExpected,
    /// The secret is to be deleted.
    #[error("the secret is pending deletion")]
    InDeleteWindow,
    /// The caller may not do this; why is for the operator's log only.
    #[error("the caller has no permission for this operation on this resource")]
    Denied(yaoku_iam::Denial),
    /// The caller may not do this, nor know that there is such a thing; why is for the operator's log only.
    #[error("the secret does not exist")]
    Hidden(yaoku_iam::Denial),
    /// An argument is outside what the operation takes.
    #[error("{field:?}: {why}")]
    Invalid {
        /// Which argument.
        field: Field,
        /// A sentence on what it should be, without the value.
        why: String,
    },
    /// The operation can't be done with such a secret.
    #[error("{0}")]
    Unsuitable(&'static str),
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
    #[error("the store of secrets is unavailable")]
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

    /// Whether permission is what is missing, on the secret or on its CMK.
    pub(crate) const fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Keys(yaoku_kms::Error::Denied(_)))
    }

    pub(crate) fn contended() -> Self {
        Self::Unavailable("the secret is being changed by too many callers at once".into())
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

impl From<yaoku_iam::TooManyTags> for Error {
    fn from(error: yaoku_iam::TooManyTags) -> Self {
        Self::Keys(error.into())
    }
}

impl From<yaoku_iam::Error> for Error {
    fn from(error: yaoku_iam::Error) -> Self {
        match error {
            yaoku_iam::Error::Denied(denial) => Self::Denied(denial),
            yaoku_iam::Error::NotFound(_) => Self::Unsuitable("its RAM user does not exist any more"),
            yaoku_iam::Error::LimitExceeded { most, .. } => {
                Self::LimitExceeded(format!("the RAM user has reached its limit of {most} AccessKeys"))
            }
            error if error.may_pass() => Self::Unavailable(Box::new(error)),
            error => Self::Internal(Box::new(error)),
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

/// The argument that an [`Error::Invalid`] is about, in the domain's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The name of a secret.
    Name,
    /// The value.
    Value,
    /// The description.
    Description,
    /// One stage.
    Stage,
    /// The stages of a new version.
    Stages,
    /// The version that a stage is taken from.
    RemoveFrom,
    /// The version that a stage is moved to.
    MoveTo,
    /// Days until deletion.
    RecoveryWindow,
    /// Length of a password.
    PasswordLength,
    /// What a password is made of.
    PasswordCharacters,
    /// Versions that are kept.
    MaxVersions,
    /// The time after which a version is deleted.
    DeleteAfter,
    /// The owner's words on a secret.
    CustomMetadata,
    /// Secrets whose values are asked for together.
    Secrets,
    /// The policy of a secret.
    Policy,
    /// Resources to tag or to list tags of.
    Resources,
    /// Where a listing goes on.
    NextToken,
    /// What secrets have that do not stand for themselves alone.
    Config,
}
