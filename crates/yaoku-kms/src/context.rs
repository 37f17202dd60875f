//! The encryption context: what a ciphertext is bound to beside its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Error, Field};

/// What a ciphertext is bound to as additional authenticated data: strings by strings and, for protocols that bind bytes, a
/// context in bytes and other associated data. Equality is of the maps and bytes: neither order nor spelling in the caller's text
/// matters. Not secret, and not kept in the ciphertext.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptionContext {
    entries: Arc<BTreeMap<String, String>>,
    /// Empty is none.
    bytes: Box<[u8]>,
    /// Empty is none.
    associated: Box<[u8]>,
}

/// In the place of the number of entries, where bytes are bound too: no map has as many.
const WITH_BYTES: u32 = u32::MAX;

impl EncryptionContext {
    /// A context of these entries.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a key occurs twice.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            if map.insert(key, value).is_some() {
                return Err(Error::invalid(Field::EncryptionContext, "it must not contain duplicate keys"));
            }
        }
        Ok(Self { entries: Arc::new(map), ..Self::default() })
    }

    /// A context that is no map; without bytes, that of no entries.
    pub fn of_bytes(bytes: impl Into<Box<[u8]>>) -> Self {
        Self { bytes: bytes.into(), ..Self::default() }
    }

    /// The same context, bound to these bytes as well; without any, itself.
    #[must_use]
    pub fn with_associated_data(self, associated: impl Into<Box<[u8]>>) -> Self {
        Self { associated: associated.into(), ..self }
    }

    /// The entries, which conditions of policies ask about.
    pub const fn entries(&self) -> &Arc<BTreeMap<String, String>> {
        &self.entries
    }

    /// Appends the canonical encoding: the number of entries, then, by key in byte order, each key and value with its
    /// length in bytes before it; all numbers are 32-bit big-endian. Where bytes are bound too, the number 2³² − 1, the encoding of
    /// the entries, and the context's bytes and the associated data, each with its length before it. Different contexts have
    /// different encodings.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
        let has_bytes = !(self.bytes.is_empty() && self.associated.is_empty());
        if has_bytes {
            out.extend_from_slice(&WITH_BYTES.to_be_bytes());
        }
        out.extend_from_slice(&number(self.entries.len()));
        for text in self.entries.iter().flat_map(|(key, value)| [key, value]) {
            out.extend_from_slice(&number(text.len()));
            out.extend_from_slice(text.as_bytes());
        }
        if has_bytes {
            for bytes in [&self.bytes, &self.associated] {
                out.extend_from_slice(&number(bytes.len()));
                out.extend_from_slice(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    fn encoding(context: &EncryptionContext) -> Vec<u8> {
        let mut out = Vec::new();
        context.encode_into(&mut out);
        out
    }

    fn context(entries: &BTreeMap<String, String>) -> EncryptionContext {
        EncryptionContext::new(entries.clone()).unwrap()
    }

    #[test]
    fn the_encoding_is_as_documented() {
        let map = BTreeMap::from([("b".into(), "".into()), ("a".into(), "值".into())]);
        let expected = b"\0\0\0\x02\0\0\0\x01a\0\0\0\x03\xe5\x80\xbc\0\0\0\x01b\0\0\0\0";
        assert_eq!(encoding(&context(&map)), expected);
        assert_eq!(encoding(&EncryptionContext::default()), [0; 4]);
        assert_eq!(encoding(&EncryptionContext::of_bytes([]).with_associated_data([])), [0; 4]);
        let bytes = EncryptionContext::of_bytes(*b"x").with_associated_data(*b"yz");
        assert_eq!(encoding(&bytes), b"\xff\xff\xff\xff\0\0\0\0\0\0\0\x01x\0\0\0\x02yz");
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused() {
        let twice = [("k".to_owned(), "1".to_owned()), ("k".to_owned(), "1".to_owned())];
        assert!(EncryptionContext::new(twice).is_err());
    }

    prop_compose! {
        fn contexts()(
            entries in btree_map(".{0,3}", ".{0,3}", 0..3),
            bytes in vec(any::<u8>(), 0..4),
            associated in vec(any::<u8>(), 0..4),
        ) -> EncryptionContext {
            let bytes = bytes.into();
            EncryptionContext { bytes, ..context(&entries) }.with_associated_data(associated)
        }
    }

    proptest! {
        #[test]
        fn contexts_have_one_encoding_each(a in contexts(), b in contexts()) {
            prop_assert_eq!(a == b, encoding(&a) == encoding(&b));
        }
    }
}
