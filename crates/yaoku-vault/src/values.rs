//! Values in bodies that clients write in several ways: numbers and flags as texts, lists as texts with commas.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};

use crate::failure::Failure;

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
fn read_list<'de, A: SeqAccess<'de>, T: Deserialize<'de>, const MOST: usize>(
    mut list: A,
) -> Result<Several<T, MOST>, A::Error> {
    let mut several = Several::default();
    while several.count < MOST {
        let Some(item) = list.next_element()? else { return Ok(several) };
        several.add(item);
    }
    while list.next_element::<IgnoredAny>()?.is_some() {
        several.count += 1;
    }
    Ok(several)
}

/// A list of objects.
pub(crate) struct Items<T, const MOST: usize>(pub(crate) Several<T, MOST>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Items<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
            type Value = Several<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                read_list(list)
            }
        }

        deserializer.deserialize_seq(List(PhantomData)).map(Self)
    }
}

impl<'de, T: Deserialize<'de> + FromStr, const MOST: usize> Deserialize<'de> for Several<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + FromStr, const MOST: usize> Visitor<'de> for List<T, MOST> {
            type Value = Several<T, MOST>;

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

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                read_list(list)
            }
        }

        deserializer.deserialize_any(List(PhantomData))
    }
}

impl FromStr for Number {
    type Err = ParseIntError;

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
