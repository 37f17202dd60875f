//! From bytes to items.

use super::{ALIGNMENT, HEADER_BYTES, Item, Kind, MAX_DEPTH, MAX_ITEMS, Tag, Value};

/// What is wrong with bytes that should be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They are no request.
    #[error("this is not a KMIP request")]
    NoMessage,
    /// They end before the item does.
    #[error("an item is longer than what it stands in")]
    Truncated,
    /// They go on behind it.
    #[error("there are bytes behind the message")]
    Trailing,
    /// The message is larger than the server accepts.
    #[error("the message is larger than this server accepts")]
    TooLarge,
    /// [`MAX_DEPTH`].
    #[error("structures are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// [`MAX_ITEMS`].
    #[error("the message has more than {MAX_ITEMS} items")]
    TooManyItems,
    /// A tag that can be none.
    #[error("a tag must be between 420000 and 42FFFF, or between 540000 and 54FFFF")]
    Tag,
    /// A type that the specification does not have.
    #[error("there is no type {0}")]
    Type(u8),
    /// A length that the type can't have.
    #[error("an item's length is not one of its type")]
    Length,
    /// A value is filled up with something else than zeros.
    #[error("the padding of an item is not zero")]
    Padding,
    /// Neither true nor false.
    #[error("a boolean is neither 0 nor 1")]
    Boolean,
    /// Text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
}

/// The bytes that follow the header of a request.
///
/// # Errors
/// When it is not the header of a request, or they are more than `most`.
pub fn body_length(header: &[u8; HEADER_BYTES], most: usize) -> Result<usize, Malformed> {
    let [a, b, c, kind, length @ ..] = *header;
    if Tag::new(u32::from_be_bytes([0, a, b, c])) != Some(Tag::REQUEST_MESSAGE) || kind != Kind::Structure as u8 {
        return Err(Malformed::NoMessage);
    }
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Malformed::TooLarge)?;
    match length {
        length if !length.is_multiple_of(ALIGNMENT) => Err(Malformed::Length),
        length if length > most => Err(Malformed::TooLarge),
        length => Ok(length),
    }
}

/// Reads one item, which all of the bytes make up.
///
/// # Errors
/// When they are anything else.
pub fn decode(bytes: &[u8]) -> Result<Item<'_>, Malformed> {
    let mut reader = Reader { rest: bytes, items: 0 };
    let item = reader.item(0)?;
    if reader.rest.is_empty() { Ok(item) } else { Err(Malformed::Trailing) }
}

struct Reader<'a> {
    rest: &'a [u8],
    items: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads an item that stands in so many structures.
    fn item(&mut self, depth: usize) -> Result<Item<'a>, Malformed> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(Malformed::TooManyItems);
        }
        let [a, b, c, kind, length @ ..] = self.array::<HEADER_BYTES>()?;
        let tag = Tag::new(u32::from_be_bytes([0, a, b, c])).ok_or(Malformed::Tag)?;
        let kind = Kind::of(kind).ok_or(Malformed::Type(kind))?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Malformed::Truncated)?;
        let fixed = |bytes| if length == bytes { Ok(()) } else { Err(Malformed::Length) };
        let value = match kind {
            Kind::Structure => Value::Structure(self.items_of(length, depth)?),
            Kind::Integer => Value::Integer(fixed(4).and_then(|()| self.word())?.cast_signed()),
            Kind::Enumeration => Value::Enumeration(fixed(4).and_then(|()| self.word())?),
            Kind::Interval => Value::Interval(fixed(4).and_then(|()| self.word())?),
            Kind::LongInteger => Value::LongInteger(fixed(8).and_then(|()| self.long())?),
            Kind::DateTime => Value::DateTime(fixed(8).and_then(|()| self.long())?),
            Kind::DateTimeExtended => Value::DateTimeExtended(fixed(8).and_then(|()| self.long())?),
            Kind::Boolean => match fixed(8).and_then(|()| self.long())? {
                0 => Value::Boolean(false),
                1 => Value::Boolean(true),
                _ => return Err(Malformed::Boolean),
            },
            Kind::BigInteger if length == 0 || !length.is_multiple_of(ALIGNMENT) => return Err(Malformed::Length),
            Kind::BigInteger => Value::BigInteger(self.take(length)?),
            Kind::Text => Value::Text(std::str::from_utf8(self.padded(length)?).map_err(|_| Malformed::Text)?),
            Kind::Bytes => Value::Bytes(self.padded(length)?),
        };
        Ok(Item { tag, value })
    }

    fn items_of(&mut self, length: usize, depth: usize) -> Result<Vec<Item<'a>>, Malformed> {
        if depth + 1 > MAX_DEPTH {
            return Err(Malformed::TooDeep);
        }
        let mut inside = Reader { rest: self.take(length)?, items: self.items };
        let mut items = Vec::new();
        while !inside.rest.is_empty() {
            items.push(inside.item(depth + 1)?);
        }
        self.items = inside.items;
        Ok(items)
    }

    /// Four bytes, and four that fill them up.
    fn word(&mut self) -> Result<u32, Malformed> {
        let [a, b, c, d, padding @ ..] = self.array::<8>()?;
        if padding == [0; 4] { Ok(u32::from_be_bytes([a, b, c, d])) } else { Err(Malformed::Padding) }
    }

    fn long(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    fn padded(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let value = self.take(length)?;
        let padding = self.take(length.wrapping_neg() % ALIGNMENT)?;
        if padding.iter().all(|byte| *byte == 0) { Ok(value) } else { Err(Malformed::Padding) }
    }
}
