//! Names, ids and URLs of disks: parsed once at the edge, then trusted.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use yaoku_crypto::Random;
use yaoku_crypto::mac::{Hash, hash};
use yaoku_iam::Which;

/// Name of a disk, unique in its account: 1 to 128 letters, digits and `_ / . @ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskName(Arc<str>);

impl DiskName {
    /// The most characters of a name.
    pub const MAX: usize = 128;

    /// Reads a name; none if it is not of the form.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'@' | b'-');
        ((1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_plain)).then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DiskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells a disk from all others, also from one that had its name before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct DiskId([u8; 16]);

impl DiskId {
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, yaoku_crypto::Error> {
        let mut id = [0; 16];
        random.fill(&mut id)?;
        Ok(Self(id))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<DiskId> for Which {
    fn from(id: DiskId) -> Self {
        Self::Id(id.0)
    }
}

/// The part of a URL that names a disk: 128 bits that can't be guessed. Whoever knows it can unlock the disk from where that is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUrl([u8; 16]);

impl DiskUrl {
    /// That of these bits.
    pub const fn new(bits: [u8; 16]) -> Self {
        Self(bits)
    }

    pub(crate) fn generate(random: &dyn Random) -> Result<Self, yaoku_crypto::Error> {
        let mut bits = [0; 16];
        random.fill(&mut bits)?;
        Ok(Self(bits))
    }

    /// The path that clients are told, before `/adv` and `/rec`.
    pub fn path(&self) -> String {
        format!("/tang/{self}")
    }

    /// Reads what [`fmt::Display`] writes; none of what it can't have written.
    pub fn parse(text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() == 22)?;
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// By what it is looked up: how long that takes tells nothing of the URLs that there are.
    pub(crate) fn index(&self) -> UrlIndex {
        let mut index = [0; 32];
        index.copy_from_slice(hash(Hash::Sha256, &self.0).as_bytes());
        UrlIndex(index)
    }
}

/// A hash of a URL.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UrlIndex([u8; 32]);

impl fmt::Display for DiskUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Logs must not have it.
impl fmt::Debug for DiskUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskUrl(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_keep_to_their_form() {
        let long = "x".repeat(128);
        assert!(["a", "rack1/node-7.sda", "vm@host", &long].iter().all(|good| DiskName::parse(good).is_some()));
        for bad in ["", "a b", "盘", "a:b", "a*", "a?", &*format!("{long}x")] {
            assert!(DiskName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn urls_are_read_as_they_are_written_and_shown_in_no_log() {
        let url = DiskUrl::new([0xa5; 16]);
        assert_eq!(DiskUrl::parse(&url.to_string()), Some(url));
        assert!(!format!("{url:?}").contains(&url.to_string()));
        // What decodes to the same bits is written in one way.
        let text = url.to_string();
        let other = format!("{}R", &text[..21]);
        assert!(text.ends_with('Q') && DiskUrl::parse(&other).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,140}") {
            let _ = (DiskName::parse(&text), DiskUrl::parse(&text));
        }
    }
}
