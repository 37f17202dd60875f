//! What the audit trail may show of answers: the elements named here, and no other.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Elements of the answers to changes. What a new action answers with is not shown until it stands here.
const SHOWN: &[&str] = &[
    "AccessKey",
    "AccessKeyId",
    "Account",
    "AccountId",
    "Arn",
    "AssumedRoleId",
    "AssumedRoleUser",
    "AutomaticRotation",
    "CreateDate",
    "CreationDate",
    "Creator",
    "Credentials",
    "DeleteDate",
    "DeletionProtection",
    "DeletionProtectionDescription",
    "Description",
    "Expiration",
    "KeyId",
    "KeyMetadata",
    "KeySpec",
    "KeyState",
    "KeyUsage",
    "KeyVersion",
    "KeyVersionId",
    "Label",
    "LastRotationDate",
    "MaterialExpireTime",
    "NextRotationDate",
    "Origin",
    "PrimaryKeyVersion",
    "ProtectionLevel",
    "RotationInterval",
    "Status",
];
/// Elements that are shown of one answer, and of each list in it.
const MOST: usize = 64;

/// What may be shown of an answer in JSON; none if that is nothing. Text that may not be shown is passed over where it stands.
pub(super) fn shown(answer: &[u8]) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(answer);
    let shown = Filter.deserialize(&mut reader).ok()?;
    shown.as_object().is_some_and(|elements| !elements.is_empty()).then_some(shown)
}

#[derive(Clone, Copy)]
struct Filter;

impl<'de> DeserializeSeed<'de> for Filter {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Filter {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(crate::audit::cut(value, crate::audit::MAX_VALUE).into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut shown = Vec::new();
        while shown.len() < MOST {
            let Some(element) = list.next_element_seed(self)? else { return Ok(shown.into()) };
            shown.push(element);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(shown.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut shown = Map::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if SHOWN.contains(&&*name) && shown.len() < MOST {
                shown.insert(name.into_owned(), map.next_value_seed(self)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(shown.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_named_is_shown_at_any_depth() {
        let answer = json!({
            "KeyMetadata": {"KeyId": "key-1", "Plaintext": "secret", "Tags": [{"Value": "x"}]},
            "Description": "d".repeat(1000),
            "AccessKeySecret": {"KeyId": "hidden as well"},
            "Plaintext": "secret",
        });
        let shown = shown(answer.to_string().as_bytes());
        assert_eq!(shown, Some(json!({"KeyMetadata": {"KeyId": "key-1"}, "Description": "d".repeat(512)})));
        assert_eq!(super::shown(b"{\"RequestId\":\"1\"}"), None);
    }
}
