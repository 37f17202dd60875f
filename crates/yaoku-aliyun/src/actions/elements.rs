//! What the audit trail may show of the answers to changes: the elements whose type says so, and no other.
//!
//! An element of a reply that may be shown is a [`Shown`]; on the wire it is what it holds. Structs are gone through, so that
//! an element may be shown at any depth; lists and maps are not.

use serde::Serialize;
use serde::ser::{self, Serializer};
use serde_json::{Error, Map, Value};

/// A text, number or truth value of a reply that the audit trail may show.
#[derive(Serialize)]
#[serde(rename = "Shown")]
pub(super) struct Shown<T>(pub(super) T);

/// Bytes of a text that a record shows.
const MAX_VALUE: usize = 512;
/// The name by which [`Shown`] is recognised.
const SHOWN: &str = "Shown";

impl<T> From<T> for Shown<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// What may be shown of a reply; none if that is nothing. What may not be shown is passed over where it stands.
///
/// # Errors
/// Only for a type that JSON can't express.
pub(super) fn of<T: Serialize>(content: &T) -> Result<Option<Value>, Error> {
    content.serialize(Element)
}

/// Serializes one element to what may be shown of it.
struct Element;

/// What may be shown of a struct; nothing of other compounds.
#[derive(Default)]
struct Compound(Map<String, Value>);

macro_rules! hidden {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<Option<Value>, Error> {
            Ok(None)
        })*
    };
}

macro_rules! compound {
    ($($method:ident($($type:ty),*) -> $compound:ident;)*) => {
        $(type $compound = Compound;)*
        $(fn $method(self, $(_: $type),*) -> Result<Compound, Error> {
            Ok(Compound::default())
        })*
    };
}

impl Serializer for Element {
    type Ok = Option<Value>;
    type Error = Error;

    hidden! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    compound! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Option<Value>, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Option<Value>, Error> {
        if name != SHOWN {
            return value.serialize(self);
        }
        Ok(match value.serialize(serde_json::value::Serializer)? {
            Value::String(text) => Some(yaoku_gate::cut(&text, MAX_VALUE).into()),
            shown @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Some(shown),
            // Only single values are shown.
            Value::Array(_) | Value::Object(_) => None,
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Option<Value>, Error> {
        Ok(None)
    }
}

impl ser::SerializeStruct for Compound {
    type Ok = Option<Value>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if let Some(shown) = value.serialize(Element)? {
            self.0.insert(name.to_owned(), shown);
        }
        Ok(())
    }

    fn end(self) -> Result<Option<Value>, Error> {
        Ok((!self.0.is_empty()).then_some(Value::Object(self.0)))
    }
}

macro_rules! nothing {
    ($($compound:ident::$method:ident($($name:ty)?);)*) => {
        $(impl ser::$compound for Compound {
            type Ok = Option<Value>;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? _: &T) -> Result<(), Error> {
                Ok(())
            }

            fn end(self) -> Result<Option<Value>, Error> {
                Ok(None)
            }
        })*
    };
}

nothing! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStructVariant::serialize_field(&'static str);
}

impl ser::SerializeMap for Compound {
    type Ok = Option<Value>;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Error> {
        Ok(())
    }

    fn end(self) -> Result<Option<Value>, Error> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use serde_json::json;

    #[derive(Serialize)]
    struct Reply<'a> {
        id: Shown<&'a str>,
        plaintext: &'a str,
        inner: Inner<'a>,
        hidden: Hidden<'a>,
        list: Vec<Shown<&'a str>>,
        map: BTreeMap<&'a str, Shown<&'a str>>,
        some: Option<Shown<u32>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        none: Option<Shown<u32>>,
    }

    #[derive(Serialize)]
    struct Inner<'a> {
        description: Shown<String>,
        secret: &'a str,
    }

    #[derive(Serialize)]
    struct Hidden<'a> {
        secret: &'a str,
    }

    fn reply() -> Reply<'static> {
        Reply {
            id: Shown("key-1"),
            plaintext: "secret",
            inner: Inner { description: Shown("d".repeat(1000)), secret: "secret" },
            hidden: Hidden { secret: "secret" },
            list: vec![Shown("x")],
            map: BTreeMap::from([("y", Shown("x"))]),
            some: Some(Shown(1)),
            none: None,
        }
    }

    #[test]
    fn only_what_is_marked_is_shown_at_any_depth() {
        let shown = of(&reply()).unwrap();
        assert_eq!(shown, Some(json!({"id": "key-1", "inner": {"description": "d".repeat(512)}, "some": 1})));
        assert_eq!(of(&Hidden { secret: "secret" }).unwrap(), None);
        assert_eq!(of(&vec![Inner { description: Shown(String::new()), secret: "" }]).unwrap(), None);
    }

    #[test]
    fn on_the_wire_a_mark_is_not_seen() {
        let inner = Inner { description: Shown("d".into()), secret: "s" };
        assert_eq!(serde_json::to_value(&inner).unwrap(), json!({"description": "d", "secret": "s"}));
    }
}
