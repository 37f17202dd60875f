//! What a ciphertext is bound to: `context` and `associated_data`, both in base64.
//!
//! A context that is the JSON of a flat object of strings is an EncryptionContext, the same as by the KMS API, and conditions of
//! policies can ask about it. Other bytes are bound as they are.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use yaoku_kms::EncryptionContext;

use crate::body::base64;
use crate::failure::Failure;

/// Bytes of a context, and of associated data.
const MAX: usize = 8192;
/// Entries of a context.
const MAX_ENTRIES: usize = 64;

/// Reads both.
pub(super) fn read(context: Option<&str>, associated: Option<&str>) -> Result<EncryptionContext, Failure> {
    let bytes = |text: Option<&str>, name: &str| match text {
        None | Some("") => Ok(Vec::new()),
        Some(text) if text.len() > MAX * 4 / 3 + 4 => {
            Err(Failure::invalid(format!("{name} can have at most {MAX} bytes")))
        }
        Some(text) => base64(text, name),
    };
    let (context, associated) = (bytes(context, "context")?, bytes(associated, "associated_data")?);
    let bound = match serde_json::from_slice::<Flat>(&context) {
        Ok(Flat(entries)) if entries.len() <= MAX_ENTRIES && !entries.is_empty() => {
            EncryptionContext::new(entries).ok()
        }
        _ => None,
    };
    // What is a map twice over, or too large for one, is bytes like any other.
    Ok(bound.unwrap_or_else(|| EncryptionContext::of_bytes(context)).with_associated_data(associated))
}

/// The entries of a flat object of strings, in their order, with those that occur twice.
struct Flat(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Flat;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Flat(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn of(context: &str, associated: &str) -> EncryptionContext {
        read(Some(&STANDARD.encode(context)), Some(&STANDARD.encode(associated))).unwrap()
    }

    #[test]
    fn flat_maps_are_encryption_contexts_and_other_bytes_are_bound_as_they_are() {
        let map = of(r#"{"b":"2", "a":"1"}"#, "");
        let same = EncryptionContext::new([("a".into(), "1".into()), ("b".into(), "2".into())]).unwrap();
        assert_eq!(map, same);
        assert_ne!(of(r#"{"a":"1"}"#, "x"), of(r#"{"a":"1"}"#, ""));
        for bytes in ["tenant-7", r#"{"a":1}"#, r#"{"a":"1","a":"1"}"#, r#"["a"]"#, "{}", r#"{"a":{"b":"c"}}"#] {
            assert_eq!(of(bytes, ""), EncryptionContext::of_bytes(bytes.as_bytes()), "{bytes}");
        }
        assert_eq!(read(None, None).unwrap(), EncryptionContext::default());
        assert_eq!(read(Some(""), Some("")).unwrap(), EncryptionContext::default());
        assert!(read(Some("no base64!"), None).is_err());
        assert!(read(None, Some(&STANDARD.encode([0; MAX + 10]))).is_err());
    }
}
