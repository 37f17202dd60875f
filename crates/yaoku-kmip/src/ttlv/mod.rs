//! TTLV: tag, type, length, value (KMIP 1.4, section 9.1; KMIP 2.1, section 10).
//!
//! Each item is a tag of three bytes, a type of one, a length of four, and a value filled up to a multiple of eight bytes. A
//! structure's value is a sequence of items. [`decode`] accepts the one encoding that the specification gives each value: what it
//! reads, the [`Writer`] writes back byte for byte. Items, depth and size are bounded, so that a small message can't take much memory.
//!
//! Messages carry keys and passwords. Items borrow from the message and have no `Debug`; whoever owns the message wipes it.
//! A [`Writer`] wipes what it wrote, also where it had to grow.

mod fields;
mod reader;
mod tag;
mod writer;

pub use fields::{FieldError, Fields};
pub use reader::{Malformed, body_length, decode};
pub use tag::Tag;
pub use writer::Writer;

/// One element of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Item<'a> {
    /// What it is.
    pub tag: Tag,
    /// What it holds.
    pub value: Value<'a>,
}

/// What an item holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Items, in their order.
    Structure(Vec<Item<'a>>),
    /// A signed number of 32 bits; masks as well.
    Integer(i32),
    /// A signed number of 64 bits.
    LongInteger(i64),
    /// A signed number in two's complement, the most significant byte first; a multiple of eight bytes, at least eight.
    BigInteger(&'a [u8]),
    /// One of the numbers that the specification lists.
    Enumeration(u32),
    /// True or false.
    Boolean(bool),
    /// UTF-8.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Seconds since 1970.
    DateTime(i64),
    /// Seconds.
    Interval(u32),
    /// Microseconds since 1970 (KMIP 2.0 and later).
    DateTimeExtended(i64),
}

/// The types, as the encoding numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Structure = 1,
    Integer = 2,
    LongInteger = 3,
    BigInteger = 4,
    Enumeration = 5,
    Boolean = 6,
    Text = 7,
    Bytes = 8,
    DateTime = 9,
    Interval = 10,
    DateTimeExtended = 11,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Structure,
        Self::Integer,
        Self::LongInteger,
        Self::BigInteger,
        Self::Enumeration,
        Self::Boolean,
        Self::Text,
        Self::Bytes,
        Self::DateTime,
        Self::Interval,
        Self::DateTimeExtended,
    ];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Structures within structures. The deepest of the specification's messages, a wrapped key with attributes in a batch item, has eleven.
pub const MAX_DEPTH: usize = 20;
/// Items of a message.
pub const MAX_ITEMS: usize = 8192;

/// The bytes before a value.
pub const HEADER_BYTES: usize = 8;
/// Values are filled up to a multiple of this.
const ALIGNMENT: usize = 8;

/// Reads bytes as a message; what can be read is written back as it was.
#[allow(clippy::missing_panics_doc, reason = "a panic is how a fuzz target tells")]
pub fn fuzz(bytes: &[u8]) {
    if let Some(header) = bytes.first_chunk() {
        let _ = body_length(header, 1 << 20);
    }
    if let Ok(item) = decode(bytes) {
        let mut writer = Writer::new();
        writer.item(&item);
        assert!(writer.finish().as_slice() == bytes, "what was read is not what is written");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: Tag = Tag::COMPROMISE_DATE;

    /// The examples of KMIP 1.4, section 9.1.2.
    fn vectors() -> Vec<(&'static str, Item<'static>)> {
        let of = |value| Item { tag: TAG, value };
        let inner = vec![
            Item { tag: Tag::APPLICATION_SPECIFIC_INFORMATION, value: Value::Enumeration(254) },
            Item { tag: Tag::ARCHIVE_DATE, value: Value::Integer(255) },
        ];
        vec![
            ("42 00 20 02 00 00 00 04 00 00 00 08 00 00 00 00", of(Value::Integer(8))),
            ("42 00 20 03 00 00 00 08 01 B6 9B 4B A5 74 92 00", of(Value::LongInteger(123_456_789_000_000_000))),
            (
                "42 00 20 04 00 00 00 10 00 00 00 00 03 FD 35 EB 6B C2 DF 46 18 08 00 00",
                // 1234567890000000000000000000
                of(Value::BigInteger(&[0, 0, 0, 0, 3, 0xfd, 0x35, 0xeb, 0x6b, 0xc2, 0xdf, 0x46, 0x18, 8, 0, 0])),
            ),
            ("42 00 20 05 00 00 00 04 00 00 00 FF 00 00 00 00", of(Value::Enumeration(255))),
            ("42 00 20 06 00 00 00 08 00 00 00 00 00 00 00 01", of(Value::Boolean(true))),
            ("42 00 20 07 00 00 00 0B 48 65 6C 6C 6F 20 57 6F 72 6C 64 00 00 00 00 00", of(Value::Text("Hello World"))),
            ("42 00 20 08 00 00 00 03 01 02 03 00 00 00 00 00", of(Value::Bytes(&[1, 2, 3]))),
            // Friday, March 14, 2008, 11:56:40 GMT
            ("42 00 20 09 00 00 00 08 00 00 00 00 47 DA 67 F8", of(Value::DateTime(1_205_495_800))),
            // Ten days.
            ("42 00 20 0A 00 00 00 04 00 0D 2F 00 00 00 00 00", of(Value::Interval(864_000))),
            (
                "42 00 20 01 00 00 00 20 42 00 04 05 00 00 00 04 00 00 00 FE 00 00 00 00 \
                 42 00 05 02 00 00 00 04 00 00 00 FF 00 00 00 00",
                of(Value::Structure(inner)),
            ),
        ]
    }

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    fn written(item: &Item<'_>) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.item(item);
        writer.finish().to_vec()
    }

    #[test]
    fn the_examples_of_the_specification_are_read_and_written() {
        for (text, item) in vectors() {
            let bytes = hex(text);
            assert!(decode(&bytes).is_ok_and(|read| read == item), "reads {text}");
            assert_eq!(written(&item), bytes, "writes {text}");
        }
    }

    #[test]
    fn a_second_encoding_of_a_value_is_refused() {
        let cases = [
            ("42 00 20 02 00 00 00 04 00 00 00 08 00 00 00 01", Malformed::Padding),
            ("42 00 20 07 00 00 00 01 48 00 00 00 00 00 00 01", Malformed::Padding),
            ("42 00 20 06 00 00 00 08 00 00 00 00 00 00 00 02", Malformed::Boolean),
            ("42 00 20 02 00 00 00 08 00 00 00 00 00 00 00 08", Malformed::Length),
            ("42 00 20 03 00 00 00 04 00 00 00 08 00 00 00 00", Malformed::Length),
            ("42 00 20 04 00 00 00 00", Malformed::Length),
            ("42 00 20 04 00 00 00 04 00 00 00 08 00 00 00 00", Malformed::Length),
            ("42 00 20 0B 00 00 00 04 00 00 00 08 00 00 00 00", Malformed::Length),
            ("42 00 20 00 00 00 00 00", Malformed::Type(0)),
            ("42 00 20 0C 00 00 00 00", Malformed::Type(12)),
            ("41 00 20 06 00 00 00 08 00 00 00 00 00 00 00 01", Malformed::Tag),
            ("42 00 20 07 00 00 00 02 C3 28 00 00 00 00 00 00", Malformed::Text),
            ("42 00 20 08 FF FF FF FF 00 00 00 00 00 00 00 00", Malformed::Truncated),
            ("42 00 20 08 00 00 00 09 00 00 00 00 00 00 00 00", Malformed::Truncated),
            ("42 00 20 06 00 00 00 08 00 00 00 00 00 00 00", Malformed::Truncated),
            ("42 00 20 06 00 00 00 08 00 00 00 00 00 00 00 01 00", Malformed::Trailing),
            ("42 00 20", Malformed::Truncated),
            ("", Malformed::Truncated),
            // An item that reaches beyond the structure that it is in, though not beyond the message.
            ("42 00 20 01 00 00 00 08 42 00 04 05 00 00 00 04 00 00 00 FE 00 00 00 00", Malformed::Truncated),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(&hex(text)).err(), Some(expected), "{text}");
        }
    }

    fn nested(depth: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for inside in (0..depth).rev() {
            bytes.extend([0x42, 0, 0x20, 1]);
            bytes.extend(u32::try_from(inside * HEADER_BYTES).unwrap().to_be_bytes());
        }
        bytes
    }

    #[test]
    fn depth_and_items_are_bounded() {
        assert!(decode(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(decode(&nested(MAX_DEPTH + 1)).err(), Some(Malformed::TooDeep));
        assert_eq!(decode(&nested(100_000)).err(), Some(Malformed::TooDeep));
        let many = |items: usize| {
            let mut bytes = vec![0x42, 0, 0x20, 1];
            bytes.extend(u32::try_from(items * HEADER_BYTES).unwrap().to_be_bytes());
            bytes.extend([0x42, 0, 0x20, 8, 0, 0, 0, 0].repeat(items));
            bytes
        };
        assert!(decode(&many(MAX_ITEMS - 1)).is_ok());
        assert_eq!(decode(&many(MAX_ITEMS)).err(), Some(Malformed::TooManyItems));
    }

    #[test]
    fn a_message_says_how_long_it_is_before_it_is_read() {
        let header = |length: u32| {
            let mut header = [0x42, 0, 0x78, 1, 0, 0, 0, 0];
            header[4..].copy_from_slice(&length.to_be_bytes());
            header
        };
        assert_eq!(body_length(&header(64), 64), Ok(64));
        assert_eq!(body_length(&header(72), 64), Err(Malformed::TooLarge));
        assert_eq!(body_length(&header(u32::MAX), 64), Err(Malformed::Length));
        assert_eq!(body_length(&header(63), 64), Err(Malformed::Length));
        assert_eq!(body_length(b"GET / HT", 64), Err(Malformed::NoMessage));
    }

    fn value() -> impl Strategy<Value = OwnedValue> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(OwnedValue::Integer),
            any::<i64>().prop_map(OwnedValue::LongInteger),
            prop::collection::vec(any::<[u8; 8]>(), 1..4).prop_map(|words| OwnedValue::BigInteger(words.concat())),
            any::<u32>().prop_map(OwnedValue::Enumeration),
            any::<bool>().prop_map(OwnedValue::Boolean),
            ".{0,20}".prop_map(OwnedValue::Text),
            prop::collection::vec(any::<u8>(), 0..30).prop_map(OwnedValue::Bytes),
            any::<i64>().prop_map(OwnedValue::DateTime),
            any::<u32>().prop_map(OwnedValue::Interval),
            any::<i64>().prop_map(OwnedValue::DateTimeExtended),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop::collection::vec((0x42_0000u32..=0x42_ffff, inner), 0..6).prop_map(OwnedValue::Structure)
        })
    }

    #[derive(Debug, Clone)]
    enum OwnedValue {
        Structure(Vec<(u32, OwnedValue)>),
        Integer(i32),
        LongInteger(i64),
        BigInteger(Vec<u8>),
        Enumeration(u32),
        Boolean(bool),
        Text(String),
        Bytes(Vec<u8>),
        DateTime(i64),
        Interval(u32),
        DateTimeExtended(i64),
    }

    impl OwnedValue {
        fn borrow(&self) -> Value<'_> {
            let item = |(tag, value): &'_ (u32, Self)| (Tag::new(*tag).unwrap(), value.clone());
            match self {
                Self::Structure(items) => {
                    let items = items.iter().map(|pair| Item { tag: item(pair).0, value: pair.1.borrow() });
                    Value::Structure(items.collect())
                }
                Self::Integer(value) => Value::Integer(*value),
                Self::LongInteger(value) => Value::LongInteger(*value),
                Self::BigInteger(value) => Value::BigInteger(value),
                Self::Enumeration(value) => Value::Enumeration(*value),
                Self::Boolean(value) => Value::Boolean(*value),
                Self::Text(value) => Value::Text(value),
                Self::Bytes(value) => Value::Bytes(value),
                Self::DateTime(value) => Value::DateTime(*value),
                Self::Interval(value) => Value::Interval(*value),
                Self::DateTimeExtended(value) => Value::DateTimeExtended(*value),
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&bytes);
        }

        #[test]
        fn bytes_that_begin_like_an_item_are_read_without_panic(
            tag in any::<u16>(), kind in 0u8..13, length in 0u8..40, rest in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let [high, low] = tag.to_be_bytes();
            fuzz(&[&[0x42, high, low, kind, 0, 0, 0, length], rest.as_slice()].concat());
        }

        #[test]
        fn what_is_written_is_read_as_it_was(value in value()) {
            let item = Item { tag: TAG, value: value.borrow() };
            let bytes = written(&item);
            prop_assert_eq!(bytes.len() % 8, 0);
            prop_assert!(decode(&bytes).is_ok_and(|read| read == item));
        }

        #[test]
        fn a_changed_byte_is_another_message_or_none(value in value(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let item = Item { tag: TAG, value: value.borrow() };
            let mut bytes = written(&item);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(decode(&bytes).is_err() || decode(&bytes).is_ok_and(|read| read != item));
        }
    }
}
