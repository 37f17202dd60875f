//! From items to bytes.

use yaoku_crypto::wiping_buffer::WipingBuffer;
use zeroize::Zeroizing;

use super::{ALIGNMENT, HEADER_BYTES, Item, Kind, Tag, Value};

/// Writes items one behind the other, and wipes them when it is dropped.
///
/// ```
/// use yaoku_kmip::ttlv::{Tag, Value, Writer, decode};
///
/// let mut writer = Writer::new();
/// writer.structure(Tag::PROTOCOL_VERSION, |version| {
///     version.integer(Tag::PROTOCOL_VERSION_MAJOR, 1);
///     version.integer(Tag::PROTOCOL_VERSION_MINOR, 4);
/// });
/// let bytes = writer.finish();
/// assert_eq!(bytes.len(), 40);
/// assert!(decode(&bytes).is_ok_and(|item| item.tag == Tag::PROTOCOL_VERSION));
/// ```
#[derive(Default)]
pub struct Writer {
    bytes: WipingBuffer,
}

impl Writer {
    /// A writer of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.bytes.into_bytes()
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.as_slice().len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.as_slice().is_empty()
    }

    /// Writes a structure of what `inside` writes.
    pub fn structure<T>(&mut self, tag: Tag, inside: impl FnOnce(&mut Self) -> T) -> T {
        let at = self.bytes.as_slice().len();
        self.header(tag, Kind::Structure, 0);
        let done = inside(self);
        let length = encoded_length(self.bytes.as_slice().len() - at - HEADER_BYTES);
        if let Some(place) = self.bytes.as_mut_slice().get_mut(at + 4..at + HEADER_BYTES) {
            place.copy_from_slice(&length);
        }
        done
    }

    /// Writes an integer.
    pub fn integer(&mut self, tag: Tag, value: i32) {
        self.word(tag, Kind::Integer, value.to_be_bytes());
    }

    /// Writes a long integer.
    pub fn long_integer(&mut self, tag: Tag, value: i64) {
        self.value(tag, Kind::LongInteger, &value.to_be_bytes());
    }

    /// Writes a big integer: two's complement, of at least eight bytes, a multiple of eight.
    pub fn big_integer(&mut self, tag: Tag, value: &[u8]) {
        debug_assert!(!value.is_empty() && value.len().is_multiple_of(ALIGNMENT));
        self.value(tag, Kind::BigInteger, value);
    }

    /// Writes an enumeration.
    pub fn enumeration(&mut self, tag: Tag, value: u32) {
        self.word(tag, Kind::Enumeration, value.to_be_bytes());
    }

    /// Writes a boolean.
    pub fn boolean(&mut self, tag: Tag, value: bool) {
        self.value(tag, Kind::Boolean, &u64::from(value).to_be_bytes());
    }

    /// Writes a text.
    pub fn text(&mut self, tag: Tag, value: &str) {
        self.value(tag, Kind::Text, value.as_bytes());
    }

    /// Writes bytes.
    pub fn bytes(&mut self, tag: Tag, value: &[u8]) {
        self.value(tag, Kind::Bytes, value);
    }

    /// Writes a time, in seconds since 1970.
    pub fn date_time(&mut self, tag: Tag, value: i64) {
        self.value(tag, Kind::DateTime, &value.to_be_bytes());
    }

    /// Writes a time, in microseconds since 1970.
    pub fn date_time_extended(&mut self, tag: Tag, value: i64) {
        self.value(tag, Kind::DateTimeExtended, &value.to_be_bytes());
    }

    /// Writes a number of seconds.
    pub fn interval(&mut self, tag: Tag, value: u32) {
        self.word(tag, Kind::Interval, value.to_be_bytes());
    }

    /// Writes an item.
    pub fn item(&mut self, item: &Item<'_>) {
        let Item { tag, value } = item;
        match value {
            Value::Structure(items) => self.structure(*tag, |inside| items.iter().for_each(|item| inside.item(item))),
            Value::Integer(value) => self.integer(*tag, *value),
            Value::LongInteger(value) => self.long_integer(*tag, *value),
            Value::BigInteger(value) => self.big_integer(*tag, value),
            Value::Enumeration(value) => self.enumeration(*tag, *value),
            Value::Boolean(value) => self.boolean(*tag, *value),
            Value::Text(value) => self.text(*tag, value),
            Value::Bytes(value) => self.bytes(*tag, value),
            Value::DateTime(value) => self.date_time(*tag, *value),
            Value::Interval(value) => self.interval(*tag, *value),
            Value::DateTimeExtended(value) => self.date_time_extended(*tag, *value),
        }
    }

    /// Writes an item that was written before, under another tag.
    pub fn encoded(&mut self, tag: Tag, item: &[u8]) {
        let [_, tag @ ..] = tag.number().to_be_bytes();
        if let Some(rest) = item.get(tag.len()..) {
            self.bytes.push(&tag);
            self.bytes.push(rest);
        }
    }

    /// Writes what another writer wrote.
    pub fn append(&mut self, other: &Self) {
        self.bytes.push(other.bytes.as_slice());
    }

    fn word(&mut self, tag: Tag, kind: Kind, value: [u8; 4]) {
        self.value(tag, kind, &value);
    }

    fn value(&mut self, tag: Tag, kind: Kind, value: &[u8]) {
        self.header(tag, kind, value.len());
        self.bytes.push(value);
        let padding = value.len().wrapping_neg() % ALIGNMENT;
        self.bytes.push(&[0; ALIGNMENT][..padding]);
    }

    fn header(&mut self, tag: Tag, kind: Kind, length: usize) {
        let [_, tag @ ..] = tag.number().to_be_bytes();
        self.bytes.push(&tag);
        self.bytes.push(&[kind as u8]);
        self.bytes.push(&encoded_length(length));
    }
}

/// Messages are bounded far below what a length can say.
fn encoded_length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
