//! The fields of a structure, by their tags.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Item, Tag, Value};

/// The fields of a structure. Each is taken once; what is left when all are taken was not asked for, and is refused rather than
/// ignored.
pub struct Fields<'i, 'a> {
    of: Tag,
    items: &'i [Item<'a>],
    /// Of each, whether it was taken.
    taken: Vec<AtomicBool>,
}

/// What is wrong with the fields of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// One that must be there is not.
    #[error("{of} has no {field}")]
    Missing {
        /// The structure.
        of: Tag,
        /// The field.
        field: Tag,
    },
    /// One holds something of another type, or a number that its type does not have.
    #[error("{field} is not of the type or range that it has here")]
    Type {
        /// The field.
        field: Tag,
    },
    /// One is there that this server does not know there, or once too often.
    #[error("{field} is not supported in {of}, or there is more than one")]
    Unexpected {
        /// The structure.
        of: Tag,
        /// The field.
        field: Tag,
    },
}

impl<'i, 'a> Fields<'i, 'a> {
    /// Those of an item.
    ///
    /// # Errors
    /// When it is no structure.
    pub fn of(item: &'i Item<'a>) -> Result<Self, FieldError> {
        match &item.value {
            Value::Structure(items) => {
                let taken = items.iter().map(|_| AtomicBool::new(false)).collect();
                Ok(Self { of: item.tag, items, taken })
            }
            _ => Err(FieldError::Type { field: item.tag }),
        }
    }

    /// The next field of that tag which was not taken.
    pub fn optional(&self, tag: Tag) -> Option<&'i Item<'a>> {
        self.each().find_map(|(item, taken)| (item.tag == tag && take(taken)).then_some(item))
    }

    /// The field of that tag.
    ///
    /// # Errors
    /// When there is none.
    pub fn required(&self, tag: Tag) -> Result<&'i Item<'a>, FieldError> {
        self.optional(tag).ok_or(FieldError::Missing { of: self.of, field: tag })
    }

    /// All fields of that tag, in their order.
    pub fn all(&self, tag: Tag) -> Vec<&'i Item<'a>> {
        self.each().filter(|(item, taken)| item.tag == tag && take(taken)).map(|(item, _)| item).collect()
    }

    /// All fields that were not taken, in their order.
    pub fn rest(&self) -> Vec<&'i Item<'a>> {
        self.each().filter(|(_, taken)| take(taken)).map(|(item, _)| item).collect()
    }

    /// Makes sure that every field was taken.
    ///
    /// # Errors
    /// When one was not.
    pub fn end(&self) -> Result<(), FieldError> {
        match self.each().find(|(_, taken)| !taken.load(Ordering::Relaxed)) {
            None => Ok(()),
            Some((item, _)) => Err(FieldError::Unexpected { of: self.of, field: item.tag }),
        }
    }

    fn each(&self) -> impl Iterator<Item = (&'i Item<'a>, &AtomicBool)> {
        self.items.iter().zip(&self.taken)
    }
}

/// Takes a field, unless it was.
fn take(taken: &AtomicBool) -> bool {
    !taken.swap(true, Ordering::Relaxed)
}

macro_rules! readers {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        impl<'a> Item<'a> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// When it is something else.
                pub const fn $name(&self) -> Result<$type, FieldError> {
                    match &self.value {
                        Value::$variant(value) => Ok(*value),
                        _ => Err(FieldError::Type { field: self.tag }),
                    }
                }
            )*
        }
    };
}

readers! {
    /// Its integer.
    integer: Integer -> i32;
    /// Its long integer.
    long_integer: LongInteger -> i64;
    /// Its big integer.
    big_integer: BigInteger -> &'a [u8];
    /// Its enumeration's number.
    enumeration: Enumeration -> u32;
    /// Its boolean.
    boolean: Boolean -> bool;
    /// Its text.
    text: Text -> &'a str;
    /// Its bytes.
    bytes: Bytes -> &'a [u8];
    /// Its time, in seconds since 1970.
    date_time: DateTime -> i64;
    /// Its seconds.
    interval: Interval -> u32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_once_and_all_of_them() {
        let field = |tag, number| Item { tag, value: Value::Integer(number) };
        let (major, minor) = (Tag::PROTOCOL_VERSION_MAJOR, Tag::PROTOCOL_VERSION_MINOR);
        let of = Tag::PROTOCOL_VERSION;
        let item = Item { tag: of, value: Value::Structure(vec![field(minor, 1), field(major, 2), field(minor, 3)]) };
        let fields = Fields::of(&item).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(fields.required(major).and_then(Item::integer), Ok(2));
        assert_eq!(fields.required(minor).and_then(Item::integer), Ok(1));
        assert_eq!(fields.end(), Err(FieldError::Unexpected { of, field: minor }));
        assert_eq!(fields.all(minor).len(), 1);
        assert_eq!(fields.end(), Ok(()));
        assert_eq!(fields.required(minor).err(), Some(FieldError::Missing { of, field: minor }));
        assert_eq!(field(minor, 1).text(), Err(FieldError::Type { field: minor }));
        assert_eq!(Fields::of(&field(minor, 1)).err(), Some(FieldError::Type { field: minor }));
    }
}
