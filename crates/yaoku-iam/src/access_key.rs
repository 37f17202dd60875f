//! AccessKeys: the credential that proves a principal.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use yaoku_crypto::mac::SigningSecret;
use yaoku_crypto::{Random, Secret};
use yaoku_seal::{RecordName, Revision};

use crate::principal::Identity;
use crate::{AccountId, Error, Principal, Timestamp, UserId};

/// The public half of an AccessKey.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccessKeyId(Box<str>);

impl AccessKeyId {
    /// Reads an AccessKey id.
    ///
    /// # Errors
    /// [`Error::AccessKeyId`] unless it is 1 to 128 characters of letters, digits, `.`, `-` and `_`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if fits { Ok(Self(text.into())) } else { Err(Error::AccessKeyId) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An AccessKey as it is held in memory. It proves its holder by [`AccessKey::prove`] alone.
pub struct AccessKey {
    /// The public half.
    pub id: AccessKeyId,
    /// The key of the request signatures.
    pub(crate) secret: SigningSecret,
    /// Whose credential it is.
    pub(crate) principal: Principal,
    pub(crate) created: Option<Timestamp>,
}

/// Whose an AccessKey is, within its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// The account's root.
    Root,
    /// A user.
    User(UserId),
}

/// What changes of a credential while it is held: shared by all that hold it, so that a change is in force for them at once.
#[derive(Debug, Default)]
pub(crate) struct Status {
    inactive: AtomicBool,
    /// Milliseconds since 1970; 0 if never, as far as is known.
    last_used: AtomicU64,
    /// The row of the credential in the store: a session's has none.
    pub(crate) stored: Option<RecordName>,
    /// The commit of that row; 0 for what has none.
    revision: AtomicU64,
}

impl Status {
    /// Of a credential that has that row in the store.
    pub(crate) fn of(row: RecordName, revision: Revision) -> Self {
        let status = Self { stored: Some(row), ..Self::default() };
        status.set_revision(revision);
        status
    }

    pub(crate) fn is_active(&self) -> bool {
        !self.inactive.load(Ordering::Acquire)
    }

    pub(crate) fn set_active(&self, active: bool) {
        self.inactive.store(!active, Ordering::Release);
    }

    /// The commit that wrote the credential's row, if it has one.
    pub(crate) fn revision(&self) -> Option<Revision> {
        Some(self.revision.load(Ordering::Acquire)).filter(|revision| *revision > 0).map(Revision)
    }

    pub(crate) fn set_revision(&self, revision: Revision) {
        self.revision.store(revision.0, Ordering::Release);
    }

    pub(crate) fn last_used(&self) -> Option<Timestamp> {
        Some(self.last_used.load(Ordering::Relaxed)).filter(|used| *used > 0).map(Timestamp)
    }

    pub(crate) fn used(&self, at: Timestamp) {
        self.last_used.fetch_max(at.0, Ordering::Relaxed);
    }
}

impl AccessKey {
    /// Whose it is; nobody's, if it is a session's.
    pub(crate) fn owner(&self) -> Option<Owner> {
        match &self.principal.identity {
            Identity::Root => Some(Owner::Root),
            Identity::User { id, .. } => Some(Owner::User(*id)),
            Identity::Session(_) | Identity::Disk(_) | Identity::Service => None,
        }
    }
}

/// An AccessKey just made: the one moment when its secret may be shown.
pub struct NewAccessKey {
    /// The public half.
    pub id: AccessKeyId,
    /// The secret half, in ASCII.
    pub secret: Secret,
}

impl NewAccessKey {
    /// Draws an AccessKey: an id of 24 and a secret of 40 letters and digits (about 238 bits).
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, Error> {
        Self::generate_with("YKAK", random)
    }

    /// As [`Self::generate`], with another beginning of the id.
    pub(crate) fn generate_with(prefix: &str, random: &dyn Random) -> Result<Self, Error> {
        let id = letters(random, 20)?;
        let id = AccessKeyId::parse(&format!("{prefix}{}", String::from_utf8_lossy(id.expose())))?;
        Ok(Self { id, secret: letters(random, 40)? })
    }

    /// Takes an AccessKey that an operator chose.
    ///
    /// # Errors
    /// When id or secret are not of their form.
    pub fn chosen(id: &str, secret: Secret) -> Result<Self, Error> {
        let printable = secret.expose().iter().all(u8::is_ascii_graphic);
        if !(16..=256).contains(&secret.len()) || !printable {
            return Err(Error::AccessKeySecret);
        }
        Ok(Self { id: AccessKeyId::parse(id)?, secret })
    }
}

/// What the store holds of an AccessKey, sealed.
pub(crate) struct AccessKeyRecord {
    pub(crate) account: AccountId,
    pub(crate) owner: Owner,
    pub(crate) secret: Secret,
    pub(crate) active: bool,
    /// Not known of those of the first layout.
    pub(crate) created: Option<Timestamp>,
}

/// The first layout, which knew the roots of accounts only.
#[derive(Serialize, Deserialize)]
struct First<'a> {
    account: &'a str,
    secret: &'a [u8],
    active: bool,
}

#[derive(Serialize, Deserialize)]
struct Second<'a> {
    #[serde(borrow)]
    first: First<'a>,
    owner: Owner,
    created: Option<Timestamp>,
}

impl AccessKeyRecord {
    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        let first = First { account: self.account.as_str(), secret: self.secret.expose(), active: self.active };
        let stored = Second { first, owner: self.owner, created: self.created };
        // Room for everything at once, so that no reallocation leaves a copy of the secret behind.
        let mut bytes = vec![0; 96 + self.secret.len()];
        bytes[0] = 2;
        let used = postcard::to_slice(&stored, &mut bytes[1..]).map_err(|_| Error::Record("an AccessKey"))?.len();
        bytes.truncate(1 + used);
        Ok(Secret::new(bytes))
    }

    pub(crate) fn decode(bytes: &Secret) -> Result<Self, Error> {
        let unreadable = |_| Error::Record("an AccessKey");
        let Second { first, owner, created } = match bytes.expose().split_first() {
            Some((1, body)) => {
                let first = postcard::from_bytes(body).map_err(unreadable)?;
                Second { first, owner: Owner::Root, created: None }
            }
            Some((2, body)) => postcard::from_bytes(body).map_err(unreadable)?,
            _ => return Err(Error::Record("an AccessKey")),
        };
        let (account, secret) = (AccountId::parse(first.account)?, Secret::new(first.secret.to_vec()));
        Ok(Self { account, owner, secret, active: first.active, created })
    }
}

/// `count` letters and digits, each drawn without bias.
pub(crate) fn letters(random: &dyn Random, count: usize) -> Result<Secret, Error> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let drawn = Secret::random(64, random).map_err(yaoku_seal::Error::from)?;
        // 248 = 4 × 62: bytes above it would favour the first letters.
        let fair = drawn.expose().iter().filter(|&&b| b < 248).map(|b| ALPHABET[usize::from(b % 62)]);
        out.extend(fair.take(count - out.len()));
    }
    Ok(Secret::new(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use yaoku_crypto::SystemRandom;

    fn account() -> AccountId {
        AccountId::parse("1234567890123456").unwrap()
    }

    #[test]
    fn a_record_gives_back_what_it_was_made_of() {
        let new = NewAccessKey::generate(&SystemRandom).unwrap();
        assert_eq!((new.id.as_str().len(), new.secret.len()), (24, 40));
        let owner = Owner::User(UserId::generate(&SystemRandom).unwrap());
        let (secret, created) = (new.secret.duplicate(), Some(Timestamp(7)));
        let record = AccessKeyRecord { account: account(), owner, secret, active: true, created };
        let read = AccessKeyRecord::decode(&record.encode().unwrap()).unwrap();
        assert!(read.secret.ct_eq(new.secret.expose()));
        assert_eq!((read.account, read.owner, read.active, read.created), (account(), owner, true, created));
    }

    #[test]
    fn records_of_the_first_layout_are_those_of_roots() {
        let first = First { account: "1234567890123456", secret: b"the-secret", active: true };
        let bytes = [&[1][..], &postcard::to_allocvec(&first).unwrap()].concat();
        let read = AccessKeyRecord::decode(&Secret::new(bytes)).unwrap();
        assert!(read.secret.ct_eq(b"the-secret") && read.active);
        assert_eq!((read.account, read.owner, read.created), (account(), Owner::Root, None));
    }

    #[test]
    fn damaged_and_newer_records_are_refused() {
        for bytes in [vec![], vec![1], vec![2, 0, 0, 0], vec![3, 0, 0, 0], vec![1, 255, 255, 255, 255]] {
            assert!(AccessKeyRecord::decode(&Secret::new(bytes)).is_err());
        }
    }

    #[test]
    fn ids_that_could_break_a_log_line_are_refused() {
        for text in ["", "a b", "a\n", "é", &"x".repeat(129)] {
            assert!(AccessKeyId::parse(text).is_err(), "{text:?}");
        }
    }
}
