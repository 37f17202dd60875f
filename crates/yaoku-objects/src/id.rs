//! Names of managed objects: parsed once at the edge, then trusted.

use std::fmt;

use serde::{Deserialize, Serialize};
use yaoku_crypto::Random;
use yaoku_iam::Which;

/// Tells an object from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId([u8; 16]);

impl ObjectId {
    /// What ids begin with, so that they are none of keys.
    const PREFIX: &'static str = "obj-";

    pub(crate) fn generate(random: &dyn Random) -> Result<Self, yaoku_crypto::Error> {
        let mut id = [0; 16];
        random.fill(&mut id)?;
        Ok(Self(id))
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let fits = digits.len() == 32 && digits.bytes().all(plain);
        let number = fits.then(|| u128::from_str_radix(digits, 16).ok()).flatten()?;
        Some(Self(number.to_be_bytes()))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id of these bytes, as [`Which::Id`] has them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<ObjectId> for Which {
    fn from(id: ObjectId) -> Self {
        Self::Id(id.0)
    }
}

/// A name of an object, unique in its account: 1 to 255 bytes of text without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName(Box<str>);

impl ObjectName {
    /// The most bytes of a name.
    pub const MAX: usize = 255;

    /// Reads a name; none if it is not of the form.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        fits.then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written_and_in_no_other_way() {
        let id = ObjectId([0xab; 16]);
        assert_eq!(ObjectId::parse(&id.to_string()), Some(id));
        for other in ["", "obj-", "obj-ab", &id.to_string().to_uppercase(), &id.to_string()[4..], &format!("{id}0")] {
            assert_eq!(ObjectId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_text_of_a_bounded_length() {
        for (text, fits) in [("卷-1", true), ("a b", true), ("", false), ("a\nb", false)] {
            assert_eq!(ObjectName::parse(text).is_some(), fits, "{text:?}");
        }
        assert!(ObjectName::parse(&"x".repeat(255)).is_some() && ObjectName::parse(&"x".repeat(256)).is_none());
    }
}
