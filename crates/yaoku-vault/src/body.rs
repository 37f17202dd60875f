//! Bodies: JSON objects, whose secret values are wiped.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use yaoku_crypto::Secret;
use zeroize::Zeroizing;

use crate::failure::{Code, Failure};

/// Reads a body; without one, as an empty object.
///
/// # Errors
/// When it is of another type, or not of the form. Nothing of it is repeated.
pub(crate) fn read<'a, T: Deserialize<'a>>(headers: &HeaderMap, body: &'a [u8]) -> Result<T, Failure> {
    check_type(headers)?;
    let body: &[u8] = match body.trim_ascii() {
        // Some clients send what their caller gave them: nothing.
        b"" | b"null" => b"{}",
        [b'{', ..] => body,
        // An array would do for an object of as many fields.
        _ => return Err(Failure::invalid("the body must be a JSON object")),
    };
    serde_json::from_slice(body).map_err(|error| {
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
        let text = self.expose();
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
        // What was decoded until it failed is wiped as well.
        let decoded = STANDARD.decode_vec(text, &mut bytes);
        let secret = Secret::new(bytes);
        decoded.map(|()| secret).map_err(|_| Failure::invalid(format!("{name} must be base64")))
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

/// Bytes in base64 that are no secret.
pub(crate) fn base64(text: &str, name: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(text).map_err(|_| Failure::invalid(format!("{name} must be base64")))
}

/// A number that some clients write as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<'a> {
            Number(u64),
            Text(#[serde(borrow)] std::borrow::Cow<'a, str>),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(number) => Ok(Self(number)),
            Either::Text(text) => text.parse().map(Self).map_err(|_| D::Error::custom("it must be a number")),
        }
    }
}

/// A time as the API writes it: seconds, or a number with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Duration(pub(crate) u64);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<'a> {
            Number(u64),
            Text(#[serde(borrow)] std::borrow::Cow<'a, str>),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(seconds) => Ok(Self(seconds)),
            Either::Text(text) => seconds(&text).map(Self).ok_or_else(|| D::Error::custom("it must be a time")),
        }
    }
}

/// The seconds of `90`, `90s`, `1h30m` or `30d`.
fn seconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (mut rest, mut sum) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at(digits);
        let unit_length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(unit_length);
        let factor = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
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
        for headers in [typed("text/xml"), typed("multipart/form-data; boundary=x")] {
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
            br#"["c2VjcmV0"]"#,
        ] {
            let failure = read::<Body>(&HeaderMap::new(), body).err().unwrap();
            assert!(!failure.message.contains("c2V") && !failure.message.contains("777"), "{}", failure.message);
        }
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert!(read::<Body>(&HeaderMap::new(), &deep).is_err());
    }

    #[test]
    fn times_and_numbers_have_two_forms() {
        for (text, expected) in
            [("90", 90), ("\"90\"", 90), ("\"90s\"", 90), ("\"1h30m\"", 5400), ("\"30d\"", 2_592_000)]
        {
            assert_eq!(serde_json::from_str::<Duration>(text).unwrap(), Duration(expected), "{text}");
        }
        for text in ["\"\"", "\"h\"", "\"1w\"", "\"-1h\"", "\"99999999999999999999h\"", "-1", "null", "{}"] {
            assert!(serde_json::from_str::<Duration>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Number>("\"7\"").unwrap(), Number(7));
        assert!(serde_json::from_str::<Number>("\"x\"").is_err());
    }
}
