//! How parameters of KMS are read.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use yaoku_crypto::Secret;
use yaoku_gate::base64;
use yaoku_iam::AccountId;
use yaoku_kms::blob::Content;
use yaoku_kms::{AliasName, EncryptionContext, KeyId, KeyRef, KeyVersionId, RotationInterval, Tag};

use crate::actions::Arguments;
use crate::actions::arguments::{Parameter, Read};
use crate::wire::params::MAX_PARAMETERS;
use crate::wire::{Code, WireError};

/// The most characters that an encryption context can have.
const MAX_CONTEXT: usize = 8192;

impl<'a> Parameter<'a> {
    /// A key to use: by id, alias, or the ARN of either.
    pub(in crate::actions) fn key_ref(self) -> Read<KeyRef> {
        let Some(text) = self.value() else { return Ok(None) };
        if text.is_empty() {
            return Err(self.invalid("it must be a key id, an alias or an ARN"));
        }
        let own = self.arguments().account;
        let (account, local) = self.arguments().located(text).ok_or_else(key_not_found)?;
        if local.starts_with(AliasName::PREFIX) && account == own {
            return AliasName::parse_any(local).map(|alias| Some(KeyRef::Alias(alias))).ok_or_else(alias_not_found);
        }
        let id = KeyId::parse(local.strip_prefix("key/").unwrap_or(local)).ok_or_else(key_not_found)?;
        Ok(Some(if account == own { KeyRef::Id(id) } else { KeyRef::OfAccount(account, id) }))
    }

    /// As [`Self::key_ref`], where none may be chosen.
    pub(super) fn chosen_key(self) -> Read<KeyRef> {
        if self.filled().is_some() { self.key_ref() } else { Ok(None) }
    }

    /// A key to manage: by id or ARN.
    pub(super) fn key_id(self) -> Read<KeyId> {
        match self.key_ref() {
            Ok(None) => Ok(None),
            Ok(Some(KeyRef::Id(id))) => Ok(Some(id)),
            // Others may be let in to use a key, but only its own account manages it.
            Ok(Some(KeyRef::OfAccount(..) | KeyRef::OfAnyAccount(_))) => Err(key_not_found()),
            Err(error) if error.code != Code::ForbiddenAliasNotFound => Err(error),
            Ok(Some(KeyRef::Alias(_))) | Err(_) => Err(self.no_alias()),
        }
    }

    /// A flattened list of at most `most` keys to manage.
    pub(super) fn key_ids(self, most: usize) -> Read<Vec<KeyId>> {
        let ids = self.list(most)?.unwrap_or_default();
        ids.into_iter().map(|text| self.listed_key_id(text)).collect::<Result<_, _>>().map(Some)
    }

    /// A key id in a list of resources.
    fn listed_key_id(self, text: &str) -> Result<KeyId, WireError> {
        if text.is_empty() {
            return Err(self.invalid("each must be a key id or key ARN"));
        }
        let own = self.arguments().located(text).filter(|(account, _)| *account == self.arguments().account);
        let (_, local) = own.ok_or_else(key_not_found)?;
        if local.starts_with(AliasName::PREFIX) {
            return Err(self.no_alias());
        }
        KeyId::parse(local.strip_prefix("key/").unwrap_or(local)).ok_or_else(key_not_found)
    }

    fn no_alias(self) -> WireError {
        let name = self.name();
        let message = format!("The parameter {name} must be a key id or key ARN; this action does not take an alias.");
        WireError::new(Code::UnsupportedAlias, message)
    }

    pub(super) fn version_id(self) -> Read<KeyVersionId> {
        let Some(text) = self.value() else { return Ok(None) };
        if text.is_empty() {
            return Err(self.invalid("it must be the id of a key version"));
        }
        KeyVersionId::parse(text).map(Some).ok_or_else(|| {
            WireError::new(Code::ForbiddenKeyVersionNotFound, "The specified key version does not exist.")
        })
    }

    pub(super) fn alias(self) -> Read<AliasName> {
        let why = "it must be alias/ and 1 to 255 letters, digits, underscores, hyphens and slashes, \
                   and must not begin with alias/acs/";
        let Some(text) = self.value() else { return Ok(None) };
        AliasName::parse(text).map(Some).ok_or_else(|| self.invalid(why))
    }

    /// Bytes in base64, of which there may be at most `limit`; empty text is no bytes.
    pub(super) fn base64(self, limit: usize) -> Read<Vec<u8>> {
        let Some(text) = self.value() else { return Ok(None) };
        match base64::decode(text, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(base64::Error::TooLong) => Err(self.invalid(format!("it must be at most {limit} bytes"))),
            Err(base64::Error::NotCanonical) => Err(self.invalid("it must be base64")),
        }
    }

    /// Bytes in base64 that are secret.
    pub(super) fn base64_secret(self, limit: usize) -> Read<Secret> {
        Ok(self.base64(limit)?.map(Secret::new))
    }

    /// What Encrypt takes: bytes in base64 or, where it is not the base64 of any bytes, text as it is. Of either there may be at
    /// most `limit` bytes.
    pub(super) fn plaintext(self, limit: usize) -> Read<(Secret, Content)> {
        let Some(text) = self.value() else { return Ok(None) };
        match base64::decode(text, limit) {
            Ok(bytes) => Ok(Some((Secret::new(bytes), Content::Bytes))),
            Err(_) if text.len() <= limit => Ok(Some((Secret::new(text.into()), Content::Text))),
            Err(_) => Err(self.invalid(format!("it must be at most {limit} bytes, in base64 or as text"))),
        }
    }

    /// An encryption context; absent, empty and `{}` are the same. SDKs of some languages send a map entry by entry, as
    /// `EncryptionContext.key=value`, or as a list, `EncryptionContext.1.Key=key&EncryptionContext.1.Value=value`: to pass that
    /// over would bind a ciphertext to nothing, without a word.
    pub(super) fn context(self) -> Read<EncryptionContext> {
        let Some(text) = self.filled() else { return self.flattened_context().map(Some) };
        match self.entries().next() {
            None => read_context(self.name(), text).map(Some),
            Some(_) => Err(self.invalid("it is given as JSON and entry by entry")),
        }
    }

    fn flattened_context(self) -> Result<EncryptionContext, WireError> {
        let listed = self.entries().filter(|(suffix, _)| is_part_of_listed_entry(suffix)).count();
        if listed == 0 {
            return bounded_context(self, self.entries());
        }
        if listed < self.entries().count() {
            return Err(self.invalid("it is given entry by entry in two ways"));
        }
        let objects = self.objects(["Key", "Value"], MAX_PARAMETERS)?.unwrap_or_default();
        let part = |at: usize, name: &str, part: Option<&'a str>| {
            part.ok_or_else(|| WireError::missing_parameter(&format!("{}.{}.{name}", self.name(), at + 1)))
        };
        let entry = |(at, [key, value]): (usize, [_; 2])| Ok((part(at, "Key", key)?, part(at, "Value", value)?));
        let entries = objects.into_iter().enumerate().map(entry).collect::<Result<Vec<_>, WireError>>()?;
        bounded_context(self, entries.into_iter())
    }

    /// `[{"TagKey":…,"TagValue":…}]`; a tag without a value has an empty one.
    pub(in crate::actions) fn tags(self) -> Read<Vec<Tag>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct WireTag {
            tag_key: String,
            tag_value: Option<String>,
        }
        let Some(tags) = self.json::<Vec<WireTag>>("a JSON array of objects with TagKey and TagValue")? else {
            // Empty text is an empty list.
            return Ok(self.value().map(|_| Vec::new()));
        };
        tags.iter()
            .map(|tag| self.tag(&tag.tag_key, tag.tag_value.as_deref().unwrap_or_default()))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) fn tag(self, key: &str, value: &str) -> Result<Tag, WireError> {
        Tag::new(key, value).map_err(|error| match error {
            yaoku_kms::Error::Invalid { why, .. } => self.invalid(why),
            _ => self.invalid("it can't be used"),
        })
    }

    /// `365d`, `8760h`, `525600m` or `31536000s`.
    pub(super) fn rotation_interval(self) -> Read<RotationInterval> {
        let Some(text) = self.filled() else { return Ok(None) };
        let interval = read_interval(text).and_then(|seconds| RotationInterval::from_seconds(seconds).ok());
        let why = "it must be a whole number with the unit d, h, m or s, from 7 to 730 days";
        interval.map(Some).ok_or_else(|| self.invalid(why))
    }
}

impl Arguments<'_> {
    /// Account and what stands behind it in `acs:kms:REGION:ACCOUNT:…`, if the region is this one; the caller's account and
    /// all of it if there is no such prefix.
    pub(super) fn located<'t>(&self, text: &'t str) -> Option<(AccountId, &'t str)> {
        let Some(rest) = text.strip_prefix("acs:kms:") else { return Some((self.account, text)) };
        let mut parts = rest.splitn(3, ':');
        let (region, account, local) = (parts.next()?, parts.next()?, parts.next()?);
        let account = AccountId::parse(account).ok()?;
        (region == self.region).then_some((account, local))
    }

    pub(super) fn key_arn(&self, account: AccountId, key: KeyId) -> String {
        format!("acs:kms:{}:{account}:key/{key}", self.region)
    }

    pub(super) fn alias_arn(&self, alias: &AliasName) -> String {
        format!("acs:kms:{}:{}:{alias}", self.region, self.account)
    }
}

fn key_not_found() -> WireError {
    WireError::new(Code::ForbiddenKeyNotFound, "The specified key does not exist.")
}

fn alias_not_found() -> WireError {
    WireError::new(Code::ForbiddenAliasNotFound, "The specified alias does not exist.")
}

/// Seconds of `365d`, `8760h`, `525600m` or `31536000s`.
pub(super) fn read_interval(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    let number = digits.len() <= 12 && digits.bytes().all(|b| b.is_ascii_digit());
    number.then(|| digits.parse::<u64>().ok()).flatten()?.checked_mul(factor)
}

fn context_too_long(name: &'static str) -> WireError {
    WireError::invalid_parameter(name, format!("it must be at most {MAX_CONTEXT} characters"))
}

/// Whether what follows a map's name is a part of an entry in a list: `1.Key`, or `1.Value`.
fn is_part_of_listed_entry(suffix: &str) -> bool {
    let digits = suffix.strip_suffix(".Key").or_else(|| suffix.strip_suffix(".Value"));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn bounded_context<'a>(
    parameter: Parameter<'_>,
    entries: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<EncryptionContext, WireError> {
    let entries: Vec<_> = entries.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let length: usize = entries.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    if length > MAX_CONTEXT {
        return Err(context_too_long(parameter.name()));
    }
    EncryptionContext::new(entries).map_err(|_| parameter.invalid("no key may occur twice in it"))
}

fn read_context(name: &'static str, text: &str) -> Result<EncryptionContext, WireError> {
    if text.len() > MAX_CONTEXT && text.chars().nth(MAX_CONTEXT).is_some() {
        return Err(context_too_long(name));
    }
    let why = "it must be a JSON object that maps strings to strings, without duplicate keys";
    let Entries(entries) = serde_json::from_str(text).map_err(|_| WireError::invalid_parameter(name, why))?;
    EncryptionContext::new(entries).map_err(|_| WireError::invalid_parameter(name, why))
}

/// The entries of a JSON object as they stand, repeated keys and all.
struct Entries(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that maps strings to strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Parsers of single parameters, for fuzzing.
pub mod fuzzing {
    use yaoku_kms::EncryptionContext;

    /// Reads an encryption context as an action does.
    pub fn encryption_context(text: &str) -> Option<EncryptionContext> {
        super::read_context("EncryptionContext", text).ok()
    }

    /// Reads the parameters of all actions on secrets from a query string, as far as they go.
    pub fn secret_parameters(query: &[u8]) {
        let Ok(params) = crate::wire::Params::parse(query, &[]) else { return };
        let Ok(account) = yaoku_iam::AccountId::parse("1234567890123456") else { return };
        let arguments = crate::actions::Arguments::new(&params, "cn-hangzhou", account);
        super::super::secrets::read_all(&arguments);
        super::super::secret_values::read_all(&arguments);
        super::super::secret_rotation::read_all(&arguments);
    }

    /// Reads a rotation interval, in seconds.
    pub fn rotation_interval(text: &str) -> Option<u64> {
        super::read_interval(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equivalent_spellings_of_a_context_are_one_context() {
        let one = read_context("c", r#"{"a":"值","b":"2"}"#).unwrap();
        for same in [r#"{ "b" : "2", "a" : "\u503c" }"#, "{\"b\":\"\\u0032\",\n\"\\u0061\":\"值\"}"] {
            assert_eq!(read_context("c", same).unwrap(), one, "{same}");
        }
        for other in [r#"{"a":"值"}"#, r#"{"a":"值","b":"3"}"#, r#"{"A":"值","b":"2"}"#] {
            assert_ne!(read_context("c", other).unwrap(), one, "{other}");
        }
    }

    #[test]
    fn what_is_not_a_map_of_strings_is_refused() {
        for text in ["[]", "null", "1", "{", r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":"1","a":"2"}"#, r#"{"a":{}}"#] {
            let error = read_context("EncryptionContext", text).err().unwrap();
            assert_eq!(error.code, Code::InvalidParameter, "{text}");
            assert!(error.message.contains("EncryptionContext"));
        }
        let long = format!(r#"{{"a":"{}"}}"#, "值".repeat(MAX_CONTEXT));
        assert!(read_context("c", &long).is_err());
    }

    #[test]
    fn intervals_have_a_number_and_a_unit() {
        for (text, seconds) in [("7d", 604_800), ("168h", 604_800), ("10080m", 604_800), ("604800s", 604_800)] {
            assert_eq!(read_interval(text), Some(seconds));
        }
        for text in ["", "d", "7", "7w", "-7d", "+7d", "7 d", "7日", "99999999999999999999d"] {
            assert_eq!(read_interval(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,64}") {
            let _ = (fuzzing::encryption_context(&text), fuzzing::rotation_interval(&text));
        }
    }
}
