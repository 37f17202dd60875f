//! Names of secrets, versions and stages: parsed once at the edge, then trusted.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yaoku_crypto::Random;
use yaoku_iam::{AccountId, Which};

/// Whether a byte can stand in the name of a secret or stage.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'+' | b'=' | b'.' | b'@' | b'-')
}

/// Name of a secret, unique in its account: 1 to 192 letters, digits and `_ / + = . @ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Arc<str>);

impl SecretName {
    /// The most characters of a name.
    pub const MAX: usize = 192;
    /// What names begin with that the service gives.
    const RESERVED: &'static str = "acs/";

    /// Reads a name; none if it is not of the form.
    pub fn parse(text: &str) -> Option<Self> {
        ((1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_plain)).then(|| Self(text.into()))
    }

    /// Whether the service alone gives such names.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(Self::RESERVED)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells a secret from all others, also from one that had its name before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretId([u8; 16]);

impl SecretId {
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, yaoku_crypto::Error> {
        let mut id = [0; 16];
        random.fill(&mut id)?;
        Ok(Self(id))
    }

    /// Reads what [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
        Some(Self(number.to_be_bytes()))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<SecretId> for Which {
    fn from(id: SecretId) -> Self {
        Self::Id(id.0)
    }
}

/// Id of a version, unique in its secret and chosen by whoever puts it: 1 to 64 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionId(Box<str>);

impl VersionId {
    /// The most characters of an id.
    pub const MAX: usize = 64;

    /// Reads an id; none if it is not of the form.
    pub fn parse(text: &str) -> Option<Self> {
        let length = text.chars().take(Self::MAX + 1).count();
        ((1..=Self::MAX).contains(&length) && !text.contains(char::is_control)).then(|| Self(text.into()))
    }

    /// The id of a version that was given none.
    pub(crate) fn of_number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// A longer id.
    pub(crate) fn and_more(&self) -> Self {
        Self(format!("{}+", self.0).into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A label on one version of a secret: 1 to 64 letters, digits and `_ / + = . @ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stage(Box<str>);

impl Stage {
    /// On the version whose value counts.
    pub const CURRENT: &'static str = "ACSCurrent";
    /// On the version whose value counted before.
    pub const PREVIOUS: &'static str = "ACSPrevious";
    /// The most characters of a stage.
    pub const MAX: usize = 64;

    /// Reads a stage; none if it is not of the form.
    pub fn parse(text: &str) -> Option<Self> {
        ((1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_plain)).then(|| Self(text.into()))
    }

    /// [`Self::CURRENT`].
    pub fn current() -> Self {
        Self(Self::CURRENT.into())
    }

    /// [`Self::PREVIOUS`].
    pub fn previous() -> Self {
        Self(Self::PREVIOUS.into())
    }

    /// Whether the service itself gives it meaning.
    pub fn is_own(&self) -> bool {
        [Self::CURRENT, Self::PREVIOUS].contains(&&*self.0)
    }

    /// The stage.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a caller names a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// The account that owns it; none for the caller's own.
    pub account: Option<AccountId>,
    /// Its name.
    pub name: SecretName,
}

impl From<SecretName> for SecretRef {
    fn from(name: SecretName) -> Self {
        Self { account: None, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_keep_to_their_form() {
        let long = "x".repeat(192);
        assert!(["a", "db/shop@v1", "A_b+c=d.e-f", &long].iter().all(|good| SecretName::parse(good).is_some()));
        for bad in ["", "a b", "值", "a:b", "a*", "a?", &*format!("{long}x")] {
            assert!(SecretName::parse(bad).is_none(), "{bad}");
        }
        assert!(
            SecretName::parse("acs/x").unwrap().is_reserved() && !SecretName::parse("x/acs/").unwrap().is_reserved()
        );
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = SecretId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(SecretId::parse(&id.to_string()), Some(id));
        assert_eq!(SecretId::parse("+0"), None);
    }

    #[test]
    fn versions_and_stages_keep_to_their_form() {
        let long = "版".repeat(64);
        assert!(["1", "v 1", &*long].iter().all(|good| VersionId::parse(good).is_some()));
        assert!(["", "a\n", &*format!("{long}x")].iter().all(|bad| VersionId::parse(bad).is_none()));
        assert!(Stage::parse("ACSCurrent").unwrap().is_own() && !Stage::parse("blue").unwrap().is_own());
        assert!(["", "a b", &*"x".repeat(65)].iter().all(|bad| Stage::parse(bad).is_none()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}") {
            let _ = (SecretName::parse(&text), VersionId::parse(&text), Stage::parse(&text));
        }
    }
}
