//! Ids and names of identities.

use std::fmt;

use serde::{Deserialize, Serialize};
use yaoku_crypto::Random;

use crate::{Error, Field};

/// Declares an id: a random number that outlives renaming.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(u64);

        impl $name {
            /// Draws an id.
            ///
            /// # Errors
            /// When the system has no randomness.
            pub(crate) fn generate(random: &dyn Random) -> Result<Self, Error> {
                let mut raw = [0; 8];
                random.fill(&mut raw).map_err(yaoku_seal::Error::from)?;
                Ok(Self(u64::from_le_bytes(raw) % DIGITS))
            }

            pub(crate) const fn to_bytes(self) -> [u8; 8] {
                self.0.to_be_bytes()
            }

            pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(|bytes| Self(u64::from_be_bytes(bytes)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:017}"), self.0)
            }
        }
    )*};
}

/// Ids have 17 digits behind what tells their kind.
const DIGITS: u64 = 100_000_000_000_000_000;

ids! {
    /// Names a user for as long as it exists, whatever it is called.
    UserId, "2";
    /// Names a role: one made later under the same name has another.
    RoleId, "3";
    /// Names a group for as long as it exists, whatever it is called.
    GroupId, "g-";
}

/// A name of a user, group, role or policy, of the form that its kind has.
///
/// The forms are RAM's: users and groups have 1 to 64 letters, digits, `.`, `-` and `_`; roles 1 to 64 letters, digits, `.` and
/// `-`; policies 1 to 128 letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name(Box<str>);

impl Name {
    /// Reads the name that stands for `field`.
    ///
    /// # Errors
    /// [`Error::NameChars`], [`Error::NameLength`].
    pub fn parse(field: Field, text: &str) -> Result<Self, Error> {
        let (longest, others): (usize, &[u8]) = match field {
            Field::UserName | Field::NewUserName | Field::GroupName | Field::NewGroupName => (64, b".-_"),
            Field::RoleName => (64, b".-"),
            Field::PolicyName => (128, b"-"),
            _ => (64, b"-"),
        };
        if !(1..=longest).contains(&text.chars().count()) {
            return Err(Error::NameLength(field));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte)) {
            return Err(Error::NameChars(field));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that was checked before it was stored.
    pub(crate) fn from_stored(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_form_of_their_kind() {
        for (field, good, bad) in [
            (Field::UserName, "a.b-c_D9", "a b"),
            (Field::GroupName, "ops.1_b", "a/b"),
            (Field::RoleName, "ops.1-b", "a_b"),
            (Field::PolicyName, "ops-1", "ops_1"),
        ] {
            assert_eq!(Name::parse(field, good).unwrap().as_str(), good);
            assert!(matches!(Name::parse(field, bad), Err(Error::NameChars(_))), "{bad}");
            assert!(matches!(Name::parse(field, ""), Err(Error::NameLength(_))));
            assert!(Name::parse(field, &"x".repeat(64)).is_ok());
            assert!(matches!(Name::parse(field, &"x".repeat(129)), Err(Error::NameLength(_))));
        }
    }

    #[test]
    fn ids_show_their_kind() {
        let id = UserId::generate(&yaoku_crypto::SystemRandom).unwrap();
        assert_eq!(UserId::from_bytes(&id.to_bytes()), Some(id));
        assert_eq!((id.to_string().len(), &id.to_string()[..1]), (18, "2"));
    }
}
