//! What a permission of this service is asked on, as it stands in an ARN behind the account.

use std::fmt;

use crate::{AliasName, KeyId};

/// Something of an account that policies speak of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// All keys: where they are made and listed.
    Keys,
    /// One key.
    Key(KeyId),
    /// All aliases.
    Aliases,
    /// One alias.
    Alias(&'a AliasName),
    /// The account's use of the service as such.
    Service,
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys => f.write_str("key"),
            Self::Key(id) => write!(f, "key/{id}"),
            Self::Aliases => f.write_str("alias"),
            // Its name begins with the same word.
            Self::Alias(name) => write!(f, "{name}"),
            Self::Service => f.write_str("*"),
        }
    }
}
