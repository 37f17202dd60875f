//! Secrets that hold AccessKeys of a RAM user: which they are, when they rotate, and how one is written as a value.
//!
//! At each rotation the user gets a new AccessKey, which is the current version; the one before is the previous version and goes on
//! proving its holder; the one before that is deleted. So two live at a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;
use yaoku_iam::{AccessKeyId, Name, Timestamp, UserId};

use crate::{Error, Field, SecretName, Value, ValueKind};

/// Versions that such a secret keeps: the current one and the previous one.
pub(crate) const VERSIONS: u32 = 2;
/// The most AccessKeys of a user that such a secret can take over.
pub const MAX_ACCESS_KEYS: usize = 2;
/// The most entries that owners can add to the configuration.
pub(crate) const MAX_CUSTOM_DATA: usize = 10;
/// The most bytes of those together.
pub(crate) const MAX_CUSTOM_DATA_BYTES: usize = 1024;
/// What names of such secrets begin with, before the user's name.
const PREFIX: &str = "acs/ram/user/";

/// Time between two rotations of a secret: 6 hours to 365 days, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RotationInterval(u64);

impl RotationInterval {
    /// An interval of `seconds`; none outside 6 hours to 365 days.
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        (6 * 3600..=365 * 86_400).contains(&seconds).then_some(Self(seconds))
    }

    /// The interval in seconds.
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

/// AccessKeys of a user that a new secret takes over.
pub struct NewRamCredentials {
    /// The user.
    pub user: Name,
    /// All AccessKeys that it has, one or two: the first becomes the current version, the other is deleted at the first rotation.
    pub access_keys: Vec<(AccessKeyId, Secret)>,
    /// The owner's words.
    pub custom_data: BTreeMap<String, String>,
    /// How often it rotates by itself; none for never.
    pub rotation: Option<RotationInterval>,
}

impl NewRamCredentials {
    /// The name that the secret gets.
    pub(crate) fn name(&self) -> Result<SecretName, Error> {
        SecretName::parse(&format!("{PREFIX}{}", self.user)).ok_or(Error::Record("a user"))
    }

    /// The first value.
    pub(crate) fn value(&self) -> Result<Value, Error> {
        let count = self.access_keys.len();
        match self.access_keys.first() {
            Some((id, secret)) if count <= MAX_ACCESS_KEYS => Ok(value(id, secret)?),
            _ => Err(Error::invalid(Field::Value, format!("it must have 1 to {MAX_ACCESS_KEYS} AccessKeys"))),
        }
    }
}

/// What the store holds of a secret with AccessKeys, beside what it holds of every secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RamCredentials {
    /// The user, however it is called.
    pub(crate) user: UserId,
    /// The AccessKey of each version, by the version's number.
    pub(crate) keys: BTreeMap<u64, AccessKeyId>,
    /// AccessKeys that are deleted at the next rotation, beside those of versions that are not kept any more.
    pub(crate) others: Vec<AccessKeyId>,
    pub(crate) custom_data: BTreeMap<String, String>,
    /// How often it rotates by itself.
    pub(crate) rotation: Option<RotationInterval>,
    pub(crate) last_rotation: Option<Timestamp>,
}

impl RamCredentials {
    /// That of a new secret, of AccessKeys that are known to be the user's.
    pub(crate) fn new(new: &NewRamCredentials, user: UserId, first: u64) -> Self {
        let mut ids = new.access_keys.iter().map(|(id, _)| id.clone());
        Self {
            user,
            keys: ids.next().map(|id| (first, id)).into_iter().collect(),
            others: ids.collect(),
            custom_data: new.custom_data.clone(),
            rotation: new.rotation,
            last_rotation: None,
        }
    }

    /// When it rotates by itself, if it does.
    pub(crate) fn next_rotation(&self, created: Timestamp) -> Option<Timestamp> {
        let last = self.last_rotation.unwrap_or(created);
        self.rotation.map(|interval| last.plus_seconds(interval.seconds()))
    }
}

/// What is known of a secret with AccessKeys, without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RamCredentialsAbout {
    /// The user's name; none if it was deleted: such a secret does not rotate any more.
    pub user: Option<Name>,
    /// The owner's words.
    pub custom_data: BTreeMap<String, String>,
    /// How often it rotates by itself.
    pub rotation: Option<RotationInterval>,
    /// When it was last rotated.
    pub last_rotation: Option<Timestamp>,
    /// When it rotates by itself next.
    pub next_rotation: Option<Timestamp>,
}

/// An AccessKey as the value of a version: the JSON object that the cloud's own clients read.
pub(crate) fn value(id: &AccessKeyId, secret: &Secret) -> Result<Value, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Written<'a> {
        access_key_id: &'a str,
        access_key_secret: &'a str,
    }
    let text = std::str::from_utf8(secret.expose()).map_err(|error| Error::Internal(error.into()))?;
    let written = Written { access_key_id: id.as_str(), access_key_secret: text };
    // Room for everything at once, escapes included, so that no reallocation leaves a copy of the secret behind.
    let mut bytes = Vec::with_capacity(64 + 6 * (id.as_str().len() + text.len()));
    serde_json::to_writer(&mut bytes, &written).map_err(|error| Error::Internal(error.into()))?;
    Ok(Value { kind: ValueKind::Text, bytes: Secret::new(bytes) })
}

/// # Errors
/// When there is too much of it.
pub(crate) fn check_custom_data(data: &BTreeMap<String, String>) -> Result<(), Error> {
    let bytes: usize = data.iter().map(|(name, value)| name.len() + value.len()).sum();
    match data.len() <= MAX_CUSTOM_DATA && bytes <= MAX_CUSTOM_DATA_BYTES {
        true => Ok(()),
        false => Err(Error::invalid(
            Field::Config,
            format!("CustomData can have at most {MAX_CUSTOM_DATA} entries of together {MAX_CUSTOM_DATA_BYTES} bytes"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_keep_to_their_bounds() {
        for (seconds, good) in [(21_599, false), (21_600, true), (31_536_000, true), (31_536_001, false)] {
            assert_eq!(RotationInterval::from_seconds(seconds).is_some(), good, "{seconds}");
        }
    }

    #[test]
    fn a_value_is_json_whatever_the_secret_has() {
        let id = AccessKeyId::parse("YKAKx").unwrap();
        let written = value(&id, &Secret::new(br#"a"b\c"#.to_vec())).unwrap();
        assert_eq!(written.bytes.expose(), br#"{"AccessKeyId":"YKAKx","AccessKeySecret":"a\"b\\c"}"#);
    }
}
