//! Bodies: JSON objects, whose secret values are wiped.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
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

/// A single value, of whatever type a client writes it: what has parts is refused before it takes any memory.
enum Scalar<'a> {
    Nothing,
    Flag(bool),
    Number(u64),
    Negative,
    Text(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a single value")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Nothing)
            }

            fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Flag(flag))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(u64::try_from(number).map_or(Scalar::Negative, Scalar::Number))
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(text.into()))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(text.to_owned().into()))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// A number that some clients write as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Scalar::deserialize(deserializer)? {
            Scalar::Number(number) => Some(number),
            Scalar::Text(text) => text.parse().ok(),
            Scalar::Nothing | Scalar::Flag(_) | Scalar::Negative => None,
        };
        number.map(Self).ok_or_else(|| D::Error::custom("it must be a number"))
    }
}

/// Yes or no, which the command line writes as a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_set = match Scalar::deserialize(deserializer)? {
            Scalar::Nothing | Scalar::Number(0) => Some(false),
            Scalar::Number(1) => Some(true),
            Scalar::Flag(is_set) => Some(is_set),
            Scalar::Text(text) => match &*text {
                "true" | "TRUE" | "True" | "t" | "T" | "1" => Some(true),
                "false" | "FALSE" | "False" | "f" | "F" | "0" | "" => Some(false),
                _ => None,
            },
            Scalar::Number(_) | Scalar::Negative => None,
        };
        is_set.map(Self).ok_or_else(|| D::Error::custom("it must be true or false"))
    }
}

/// Several of something, which the command line writes as one text with commas between them, or as the only one. Of a list, no more
/// than `MOST` are kept, and all are counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Several<T, const MOST: usize> {
    pub(crate) kept: Vec<T>,
    pub(crate) count: usize,
}

impl<T, const MOST: usize> Default for Several<T, MOST> {
    fn default() -> Self {
        Self { kept: Vec::new(), count: 0 }
    }
}

impl<T, const MOST: usize> Several<T, MOST> {
    fn add(&mut self, item: T) {
        self.count += 1;
        if self.count <= MOST {
            self.kept.push(item);
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// When there is none, or more than are kept.
    pub(crate) fn all(self, name: &str) -> Result<Vec<T>, Failure> {
        match self.count {
            0 => Err(Failure::invalid(format!("{name} has no items"))),
            count if count > MOST => Err(Failure::invalid(format!("{name} can have at most {MOST} items"))),
            _ => Ok(self.kept),
        }
    }
}

/// Reads a list, of which only so many items are kept in memory.
fn read_list<'de, A: serde::de::SeqAccess<'de>, T: Deserialize<'de>, const MOST: usize>(
    mut list: A,
) -> Result<Several<T, MOST>, A::Error> {
    let mut several = Several::default();
    while several.count < MOST {
        let Some(item) = list.next_element()? else { return Ok(several) };
        several.add(item);
    }
    while list.next_element::<serde::de::IgnoredAny>()?.is_some() {
        several.count += 1;
    }
    Ok(several)
}

/// A list of objects.
pub(crate) struct Items<T, const MOST: usize>(pub(crate) Several<T, MOST>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Items<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MOST: usize>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
            type Value = Several<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                read_list(list)
            }
        }

        deserializer.deserialize_seq(List(std::marker::PhantomData)).map(Self)
    }
}

macro_rules! several {
    ($($item:ty)*) => {$(
        impl<'de, const MOST: usize> Deserialize<'de> for Several<$item, MOST> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct List<const MOST: usize>;

                impl<'de, const MOST: usize> Visitor<'de> for List<MOST> {
                    type Value = Several<$item, MOST>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a list, or a text with commas")
                    }

                    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                        Ok(Several::default())
                    }

                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                        self.visit_str(&number.to_string())
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        let mut several = Several::default();
                        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
                            several.add(item.parse().map_err(|_| E::custom("an item has the wrong form"))?);
                        }
                        Ok(several)
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                        read_list(list)
                    }
                }

                deserializer.deserialize_any(List)
            }
        }
    )*};
}

several! { String Number }

impl std::str::FromStr for Number {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A time as the API writes it: seconds, or a number with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Duration(pub(crate) u64);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = match Scalar::deserialize(deserializer)? {
            Scalar::Number(seconds) => Some(seconds),
            Scalar::Text(text) => seconds(&text),
            Scalar::Nothing | Scalar::Flag(_) | Scalar::Negative => None,
        };
        time.map(Self).ok_or_else(|| D::Error::custom("it must be a time"))
    }
}

/// A word that some clients write as a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text.into_owned())),
            Scalar::Number(number) => Ok(Self(number.to_string())),
            Scalar::Negative => Ok(Self("-1".to_owned())),
            Scalar::Nothing | Scalar::Flag(_) => Err(D::Error::custom("it must be a word or a number")),
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

    #[test]
    fn flags_and_lists_are_also_texts_as_the_command_line_writes_them() {
        for (text, expected) in [("true", true), ("\"true\"", true), ("1", true), ("null", false), ("\"false\"", false)]
        {
            assert_eq!(serde_json::from_str::<Flag>(text).unwrap(), Flag(expected), "{text}");
        }
        for text in ["2", "\"yes\"", "[]", "{}", "-1", "1.5"] {
            assert!(serde_json::from_str::<Flag>(text).is_err(), "{text}");
        }
        let numbers = |text| serde_json::from_str::<Several<Number, 3>>(text).unwrap();
        for text in ["[1,2]", "[\"1\",2]", "\"1,2\"", "\" 1, 2,\""] {
            assert_eq!(numbers(text).all("versions").unwrap(), [Number(1), Number(2)], "{text}");
        }
        assert_eq!(numbers("7").kept, [Number(7)]);
        assert!(numbers("null").all("versions").unwrap_err().message.contains("no items"));
        assert!(serde_json::from_str::<Several<Number, 3>>("\"1,x\"").is_err());
        assert_eq!(serde_json::from_str::<Several<String, 3>>("\"a/b,c\"").unwrap().kept, ["a/b", "c"]);
    }

    #[test]
    fn of_a_long_list_no_more_is_kept_than_can_be_used() {
        let many = format!("[{}0]", "0,".repeat(9999));
        for text in [many.clone(), format!("\"{}0\"", "0,".repeat(9999))] {
            let read = serde_json::from_str::<Several<Number, 3>>(&text).unwrap();
            assert_eq!((read.kept.len(), read.count), (3, 10_000));
            assert!(read.all("versions").unwrap_err().message.contains("at most 3"));
        }
        let Items(read) = serde_json::from_str::<Items<Number, 3>>(&many).unwrap();
        assert_eq!((read.kept.len(), read.kept.capacity() < 100, read.count), (3, true, 10_000));
        // Also what is passed over must be JSON.
        assert!(serde_json::from_str::<Items<Number, 3>>("[1,2,3,4,{]").is_err());
    }
}
