//! Bodies: JSON objects, whose secret values are wiped.

use std::fmt;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use yaoku_crypto::Secret;
use zeroize::Zeroizing;

use crate::failure::{Code, Failure};

/// Reads a body; without one, as an empty object.
///
/// # Errors
/// When it is of another type, or not of the form. Nothing of it is repeated.
pub(crate) fn read<'a, T: Deserialize<'a>>(headers: &HeaderMap, body: &'a [u8]) -> Result<T, Failure> {
    check_type(headers)?;
    // Also where it is passed over.
    let text = std::str::from_utf8(body).map_err(|_| Failure::invalid("the body must be in UTF-8"))?;
    let text = match text.trim_ascii() {
        // Some clients send what their caller gave them: nothing.
        "" | "null" => "{}",
        object if object.starts_with('{') => text,
        // An array would do for an object of as many fields.
        _ => return Err(Failure::invalid("the body must be a JSON object")),
    };
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => {
                Failure::invalid(format!("the body has something of the wrong form at line {line}, column {column}"))
            }
            _ => Failure::invalid(format!("the body is invalid JSON at line {line}, column {column}")),
        }
    })
}

/// Some clients name no type, and others that of forms whatever they send: both send JSON.
fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| !matches!(coding.as_bytes(), b"" | b"identity")) {
        return Err(Failure::new(Code::UnsupportedMediaType, "the body must have no Content-Encoding"));
    }
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim();
    const TAKEN: [&str; 4] =
        ["application/json", "application/x-www-form-urlencoded", "application/merge-patch+json", "text/json"];
    match given.is_empty() || TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(given)) {
        true => Ok(()),
        false => Err(Failure::new(Code::UnsupportedMediaType, "the body must be JSON (application/json)")),
    }
}

/// A text that is wiped when dropped.
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes that it is the base64 of.
    pub(crate) fn base64(&self, name: &str) -> Result<Secret, Failure> {
        base64(self.expose(), name).map(Secret::new)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = SecretText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText(Zeroizing::new(text.to_owned())))
            }

            // Not through `Unexpected`, which would show the value.
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<SecretText, E> {
                Err(E::custom("it must be a string"))
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretText, E> {
                Err(E::custom("it must be a string"))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The bytes that a text is the base64 of, however long: bodies are bounded.
pub(crate) fn base64(text: &str, name: &str) -> Result<Vec<u8>, Failure> {
    let read = yaoku_gate::base64::decode(text, text.len());
    read.map_err(|_| Failure::invalid(format!("{name} must be base64")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn typed(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
    }

    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        plaintext: Option<SecretText>,
    }

    #[test]
    fn json_is_taken_whatever_forms_it_is_called_and_other_types_are_not() {
        let body = br#"{"plaintext":"aGk=","other":[1,{"x":null}]}"#;
        for headers in [
            HeaderMap::new(),
            typed("application/json; charset=utf-8"),
            typed("application/x-www-form-urlencoded"),
            typed("APPLICATION/JSON"),
        ] {
            let read: Body = read(&headers, body).ok().unwrap();
            assert!(read.plaintext.unwrap().base64("plaintext").ok().unwrap().ct_eq(b"hi"));
        }
        let packed = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        for headers in [typed("text/xml"), typed("multipart/form-data; boundary=x"), packed] {
            assert_eq!(read::<Body>(&headers, body).err().unwrap().code, Code::UnsupportedMediaType);
        }
        for nothing in [&b""[..], b" \n", b"null"] {
            assert!(read::<Body>(&HeaderMap::new(), nothing).ok().unwrap().plaintext.is_none());
        }
    }

    #[test]
    fn what_fails_repeats_nothing_of_the_body() {
        for body in [
            &br#"{"plaintext":"c2VjcmV0"#[..],
            br#"{"plaintext":777777}"#,
            br#"{"plaintext":["c2VjcmV0"]}"#,
            br#"{"plaintext":"a","plaintext":"c2VjcmV0"}"#,
            b"\xff\xfe",
            b"{\"plaintext\":\"c2VjcmV0\",\"x\":\"\xff\"}",
            br#"["c2VjcmV0"]"#,
        ] {
            let failure = read::<Body>(&HeaderMap::new(), body).err().unwrap();
            assert!(!failure.message.contains("c2V") && !failure.message.contains("777"), "{}", failure.message);
        }
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert!(read::<Body>(&HeaderMap::new(), &deep).is_err());
    }
}
