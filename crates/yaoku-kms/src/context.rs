//! The encryption context: a map of strings that a ciphertext is bound to.

use std::collections::BTreeMap;

use crate::{Error, Field};

/// Strings by strings, bound to a ciphertext as additional authenticated data. Equality is of the maps: neither order
/// nor spelling in the caller's text matters. Not secret, and not kept in the ciphertext.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptionContext(BTreeMap<String, String>);

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
        Ok(Self(map))
    }

    /// Appends the canonical encoding: the number of entries, then, by key in byte order, each key and value with its
    /// length in bytes before it; all numbers are 32-bit big-endian. Different maps have different encodings.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
        out.extend_from_slice(&number(self.0.len()));
        for text in self.0.iter().flat_map(|(key, value)| [key, value]) {
            out.extend_from_slice(&number(text.len()));
            out.extend_from_slice(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    fn encoding(entries: &BTreeMap<String, String>) -> Vec<u8> {
        let mut out = Vec::new();
        EncryptionContext::new(entries.clone()).unwrap().encode_into(&mut out);
        out
    }

    #[test]
    fn the_encoding_is_as_documented() {
        let map = BTreeMap::from([("b".into(), "".into()), ("a".into(), "值".into())]);
        let expected = b"\0\0\0\x02\0\0\0\x01a\0\0\0\x03\xe5\x80\xbc\0\0\0\x01b\0\0\0\0";
        assert_eq!(encoding(&map), expected);
        assert_eq!(encoding(&BTreeMap::new()), [0; 4]);
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused() {
        let twice = [("k".to_owned(), "1".to_owned()), ("k".to_owned(), "1".to_owned())];
        assert!(EncryptionContext::new(twice).is_err());
    }

    proptest! {
        #[test]
        fn maps_have_one_encoding_each(
            a in btree_map(".{0,3}", ".{0,3}", 0..4),
            b in btree_map(".{0,3}", ".{0,3}", 0..4),
        ) {
            prop_assert_eq!(a == b, encoding(&a) == encoding(&b));
        }
    }
}
