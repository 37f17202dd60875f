//! Names of keys, key versions and aliases: parsed once at the edge, then trusted.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use yaoku_crypto::Random;
use yaoku_iam::{AccountId, Which};

use crate::Error;

/// Declares an id that is a random UUID (RFC 9562, version 4), written in lower-case hexadecimal.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Draws a new id.
            ///
            /// # Errors
            /// When the random number generator fails.
            pub fn generate(random: &dyn Random) -> Result<Self, yaoku_crypto::Error> {
                let mut raw = [0; 16];
                random.fill(&mut raw)?;
                Ok(Self(uuid::Builder::from_random_bytes(raw).into_uuid().into_bytes()))
            }

            /// Reads the 36-character form; none for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                if text.len() != 36 {
                    return None;
                }
                Uuid::try_parse(text).ok().map(|id| Self(id.into_bytes()))
            }

            /// The id as 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The id that these 16 bytes are.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
            }
        }
    };
}

uuid_id! {
    /// Names a CMK, in all accounts.
    KeyId
}
uuid_id! {
    /// Names one version of a CMK, in all keys.
    KeyVersionId
}

/// Name of an alias: `alias/` and 1 to 255 letters, digits, `_`, `-` and `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasName(Arc<str>);

impl AliasName {
    /// What every alias begins with.
    pub const PREFIX: &'static str = "alias/";
    /// Aliases that belong to the service itself.
    const RESERVED: &'static str = "alias/acs/";

    /// Reads an alias name that users can give; none if it is not of the form or begins with the reserved `alias/acs/`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_any(text).filter(|name| !name.0.starts_with(Self::RESERVED))
    }

    /// As [`Self::parse`], also of those that the service itself gives.
    pub fn parse_any(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(Self::PREFIX)?;
        let fits = (1..=255).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/'));
        fits.then(|| Self(text.into()))
    }

    /// The whole name, prefix included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_stored(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).ok();
        text.and_then(Self::parse_any).ok_or(Error::Record("an alias"))
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a caller names a key that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// By its id, among those of the caller's account.
    Id(KeyId),
    /// By one of its aliases.
    Alias(AliasName),
    /// By the account that owns it, which may be another than the caller's, and its id.
    OfAccount(AccountId, KeyId),
    /// By its id, whosever it is: as a ciphertext names it.
    OfAnyAccount(KeyId),
}

impl From<KeyId> for Which {
    fn from(id: KeyId) -> Self {
        Self::Id(id.0)
    }
}

impl From<KeyId> for KeyRef {
    fn from(id: KeyId) -> Self {
        Self::Id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_version_4_uuids_in_lower_case() {
        let id = KeyId::generate(&yaoku_crypto::SystemRandom).unwrap();
        let text = id.to_string();
        assert_eq!(text.as_bytes()[14], b'4');
        assert_eq!(KeyId::parse(&text), Some(id));
        assert_eq!(KeyId::parse(&text.replace('-', "")), None);
    }

    #[test]
    fn alias_names_keep_to_their_form() {
        for good in ["alias/a", "alias/A/b_c-9", &format!("alias/{}", "x".repeat(255))] {
            assert!(AliasName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "alias/", "a", "alias/acs/x", "alias/a b", "alias/é", &format!("alias/{}", "x".repeat(256))] {
            assert!(AliasName::parse(bad).is_none(), "{bad}");
        }
        assert!(AliasName::parse_any("alias/acs/x").is_some() && AliasName::parse_any("alias/a b").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,64}") {
            let _ = (KeyId::parse(&text), AliasName::parse(&text));
        }
    }
}
