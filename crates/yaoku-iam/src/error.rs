//! The one error type of this crate.

/// What can go wrong in identity and access.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing identities failed.
    #[error(transparent)]
    Vault(#[from] yaoku_seal::Error),
    /// An identity record can't be read by this version.
    #[error("the record of {0} can't be read by this version of yaoku")]
    Record(&'static str),
    /// Not 16 decimal digits.
    #[error("an account id has 16 decimal digits, unlike {0:?}")]
    AccountId(String),
    /// Not 1 to 128 characters of letters, digits, `.`, `-` and `_`.
    #[error("an AccessKey id has 1 to 128 letters, digits, dots, hyphens and underscores")]
    AccessKeyId,
    /// A root AccessKey secret that is too short to be one.
    #[error("a root AccessKey secret has 16 to 256 printable ASCII characters")]
    AccessKeySecret,
    /// The configured account is not the one that this installation was made with.
    #[error(
        "this data directory belongs to account {stored}, not to {configured}: correct --account-id, or use another --data-dir"
    )]
    OtherAccount {
        /// Account found in the store.
        stored: AccountId,
        /// Account asked for.
        configured: AccountId,
    },
    /// Somebody else wrote the same identity at the same moment, several times over.
    #[error("the identities are being changed by another process; try again")]
    Contended,
}

use crate::AccountId;
