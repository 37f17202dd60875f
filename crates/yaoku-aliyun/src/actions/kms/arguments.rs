//! Parameters of KMS, read as what they mean.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use yaoku_crypto::Secret;
use yaoku_iam::AccountId;
use yaoku_kms::operations::Page;
use yaoku_kms::{AliasName, EncryptionContext, KeyId, KeyRef, KeyVersionId, RotationInterval, Tag};

use crate::actions::Arguments;
use crate::wire::{Code, WireError};

/// The most characters that an encryption context can have.
const MAX_CONTEXT: usize = 8192;
/// Standard alphabet; padding may be left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl<'a> Arguments<'a> {
    /// `PageNumber` from 1 and `PageSize` from 1 to `largest`, 10 by default.
    pub(super) fn page(&self, largest: u32) -> Result<Page, WireError> {
        let number = self.integer("PageNumber")?.unwrap_or(1);
        if number < 1 {
            return Err(WireError::invalid_parameter("PageNumber", "it must be at least 1"));
        }
        let size = self.integer("PageSize")?.unwrap_or(10);
        if !(1..=largest).contains(&size) {
            return Err(WireError::invalid_parameter("PageSize", format!("it must be 1 to {largest}")));
        }
        Ok(Page { number, size })
    }

    /// A key to use: by id, alias, or the ARN of either.
    pub(super) fn key_ref(&self, name: &'static str) -> Result<KeyRef, WireError> {
        let text = self.required_text(name)?;
        if text.is_empty() {
            return Err(WireError::invalid_parameter(name, "it must be a key id, an alias or an ARN"));
        }
        let (account, local) = self.located(text).ok_or_else(key_not_found)?;
        if local.starts_with(AliasName::PREFIX) && account == self.account {
            return AliasName::parse(local).map(KeyRef::Alias).ok_or_else(alias_not_found);
        }
        let id = KeyId::parse(local.strip_prefix("key/").unwrap_or(local)).ok_or_else(key_not_found)?;
        Ok(if account == self.account { KeyRef::Id(id) } else { KeyRef::OfAccount(account, id) })
    }

    /// A key to manage: by id or ARN.
    pub(super) fn key_id(&self, name: &'static str) -> Result<KeyId, WireError> {
        match self.key_ref(name) {
            Ok(KeyRef::Id(id)) => Ok(id),
            // Others may be let in to use a key, but only its own account manages it.
            Ok(KeyRef::OfAccount(..) | KeyRef::OfAnyAccount(_)) => Err(key_not_found()),
            Err(error) if error.code != Code::ForbiddenAliasNotFound => Err(error),
            Ok(KeyRef::Alias(_)) | Err(_) => Err(no_alias(name)),
        }
    }

    /// A key id in a list of resources.
    pub(super) fn resource_key_id(&self, text: &str) -> Result<KeyId, WireError> {
        if text.is_empty() {
            return Err(WireError::invalid_parameter("ResourceId", "each must be a key id or key ARN"));
        }
        let own = self.located(text).filter(|(account, _)| *account == self.account);
        let (_, local) = own.ok_or_else(key_not_found)?;
        if local.starts_with(AliasName::PREFIX) {
            return Err(no_alias("ResourceId"));
        }
        KeyId::parse(local.strip_prefix("key/").unwrap_or(local)).ok_or_else(key_not_found)
    }

    /// Account and what stands behind it in `acs:kms:REGION:ACCOUNT:…`, if the region is this one; the caller's account and
    /// all of it if there is no such prefix.
    fn located<'t>(&self, text: &'t str) -> Option<(AccountId, &'t str)> {
        let Some(rest) = text.strip_prefix("acs:kms:") else { return Some((self.account, text)) };
        let mut parts = rest.splitn(3, ':');
        let (region, account, local) = (parts.next()?, parts.next()?, parts.next()?);
        let account = AccountId::parse(account).ok()?;
        (region == self.region).then_some((account, local))
    }

    pub(super) fn version_id(&self, name: &'static str) -> Result<KeyVersionId, WireError> {
        let text = self.required_text(name)?;
        if text.is_empty() {
            return Err(WireError::invalid_parameter(name, "it must be the id of a key version"));
        }
        KeyVersionId::parse(text).ok_or_else(|| {
            WireError::new(Code::ForbiddenKeyVersionNotFound, "The specified key version does not exist.")
        })
    }

    pub(super) fn alias(&self, name: &'static str) -> Result<AliasName, WireError> {
        let why = "it must be alias/ and 1 to 255 letters, digits, underscores, hyphens and slashes, \
                   and must not begin with alias/acs/";
        AliasName::parse(self.required_text(name)?).ok_or_else(|| WireError::invalid_parameter(name, why))
    }

    /// Bytes in base64, of which there may be at most `limit`.
    pub(super) fn base64(&self, name: &'static str, limit: usize) -> Result<Vec<u8>, WireError> {
        let text = self.required_text(name)?;
        if text.len() / 4 * 3 > limit + 3 {
            return Err(WireError::invalid_parameter(name, format!("it must be at most {limit} bytes")));
        }
        // A decoder that grows its output would leave copies of it behind.
        let mut out = vec![0; text.len() / 4 * 3 + 3];
        let Ok(length) = BASE64.decode_slice(text, &mut out) else {
            return Err(WireError::invalid_parameter(name, "it must be base64"));
        };
        out.truncate(length);
        Ok(out)
    }

    /// Bytes in base64 that are secret.
    pub(super) fn base64_secret(&self, name: &'static str, limit: usize) -> Result<Secret, WireError> {
        self.base64(name, limit).map(Secret::new)
    }

    /// An encryption context; absent, empty and `{}` are the same. The Node SDK sends a map entry by entry, as
    /// `EncryptionContext.key=value`: to pass that over would bind a ciphertext to nothing, without a word.
    pub(super) fn context(&self, name: &'static str) -> Result<EncryptionContext, WireError> {
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let entries: Vec<_> = self.params.map(name).map(own).collect();
        match self.given(name) {
            None => bounded_context(name, entries),
            Some(text) if entries.is_empty() => read_context(name, text),
            Some(_) => Err(WireError::invalid_parameter(name, "it is specified both as JSON and entry by entry")),
        }
    }

    /// `[{"TagKey":…,"TagValue":…}]`
    pub(super) fn tags(&self, name: &'static str) -> Result<Vec<Tag>, WireError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct WireTag {
            tag_key: String,
            tag_value: String,
        }
        let form = r#"a JSON array of objects with TagKey and TagValue"#;
        let tags: Vec<WireTag> = self.json(name, form)?.unwrap_or_default();
        tags.iter().map(|tag| make_tag(name, &tag.tag_key, &tag.tag_value)).collect()
    }

    /// `365d`, `8760h`, `525600m` or `31536000s`.
    pub(super) fn rotation_interval(&self) -> Result<Option<RotationInterval>, WireError> {
        const NAME: &str = "RotationInterval";
        let Some(text) = self.given(NAME) else { return Ok(None) };
        let interval = read_interval(text).and_then(|seconds| RotationInterval::from_seconds(seconds).ok());
        let why = "it must be an integer with the unit d, h, m or s, from 7 to 730 days";
        interval.map(Some).ok_or_else(|| WireError::invalid_parameter(NAME, why))
    }

    pub(super) fn key_arn(&self, account: AccountId, key: KeyId) -> String {
        format!("acs:kms:{}:{account}:key/{key}", self.region)
    }

    pub(super) fn alias_arn(&self, alias: &AliasName) -> String {
        format!("acs:kms:{}:{}:{alias}", self.region, self.account)
    }
}

pub(super) fn make_tag(name: &'static str, key: &str, value: &str) -> Result<Tag, WireError> {
    Tag::new(key, value).map_err(|error| match error {
        yaoku_kms::Error::Invalid { why, .. } => WireError::invalid_parameter(name, why),
        _ => WireError::invalid_parameter(name, "it is not supported"),
    })
}

fn key_not_found() -> WireError {
    WireError::new(Code::ForbiddenKeyNotFound, "The specified key does not exist.")
}

fn alias_not_found() -> WireError {
    WireError::new(Code::ForbiddenAliasNotFound, "The specified alias does not exist.")
}

fn read_interval(text: &str) -> Option<u64> {
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

fn no_alias(name: &'static str) -> WireError {
    let message = format!("The parameter {name} must be a key id or key ARN; this action does not take an alias.");
    WireError::new(Code::UnsupportedAlias, message)
}

fn context_too_long(name: &'static str) -> WireError {
    WireError::invalid_parameter(name, format!("it must be at most {MAX_CONTEXT} characters"))
}

fn bounded_context(name: &'static str, entries: Vec<(String, String)>) -> Result<EncryptionContext, WireError> {
    let length: usize = entries.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    if length > MAX_CONTEXT {
        return Err(context_too_long(name));
    }
    let why = "it must not contain duplicate keys";
    EncryptionContext::new(entries).map_err(|_| WireError::invalid_parameter(name, why))
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
