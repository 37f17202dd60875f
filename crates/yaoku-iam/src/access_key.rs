//! AccessKeys: the credential that proves a principal.

use std::fmt;

use serde::{Deserialize, Serialize};
use yaoku_crypto::{Random, Secret};

use crate::{AccountId, Error, Principal};

/// The public half of an AccessKey.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// An AccessKey as the door needs it: to verify a signature, and to know whose it is.
pub struct AccessKey {
    /// The public half.
    pub id: AccessKeyId,
    /// The key of the request signatures.
    pub secret: Secret,
    /// Whose credential it is.
    pub principal: Principal,
    /// A disabled AccessKey proves nothing.
    pub active: bool,
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
        let id = letters(random, 20)?;
        let id = AccessKeyId::parse(&format!("YKAK{}", String::from_utf8_lossy(id.expose())))?;
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
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored<'a> {
    account: &'a str,
    secret: &'a [u8],
    active: bool,
}

/// First byte of an AccessKey record; a newer layout gets another number.
const LAYOUT: u8 = 1;

impl AccessKey {
    pub(crate) fn encode(&self) -> Result<Secret, Error> {
        let account = self.principal.account();
        let stored = Stored { account: account.as_str(), secret: self.secret.expose(), active: self.active };
        // Room for everything at once, so that no reallocation leaves a copy of the secret behind.
        let mut bytes = vec![0; 64 + self.secret.len()];
        bytes[0] = LAYOUT;
        let used = postcard::to_slice(&stored, &mut bytes[1..]).map_err(|_| Error::Record("an AccessKey"))?.len();
        bytes.truncate(1 + used);
        Ok(Secret::new(bytes))
    }

    pub(crate) fn decode(id: AccessKeyId, bytes: &Secret) -> Result<Self, Error> {
        let unreadable = Error::Record("an AccessKey");
        let Some((&LAYOUT, body)) = bytes.expose().split_first() else { return Err(unreadable) };
        let stored: Stored<'_> = postcard::from_bytes(body).map_err(|_| unreadable)?;
        Ok(Self {
            id,
            secret: Secret::new(stored.secret.to_vec()),
            principal: Principal::Root { account: AccountId::parse(stored.account)? },
            active: stored.active,
        })
    }
}

/// `count` letters and digits, each drawn without bias.
fn letters(random: &dyn Random, count: usize) -> Result<Secret, Error> {
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

    #[test]
    fn a_record_gives_back_what_it_was_made_of() {
        let new = NewAccessKey::generate(&SystemRandom).unwrap();
        assert_eq!((new.id.as_str().len(), new.secret.len()), (24, 40));
        let account = AccountId::parse("1234567890123456").unwrap();
        let key =
            AccessKey { id: new.id.clone(), secret: new.secret, principal: Principal::Root { account }, active: true };
        let read = AccessKey::decode(new.id, &key.encode().unwrap()).unwrap();
        assert!(read.secret.ct_eq(key.secret.expose()));
        assert_eq!((read.principal, read.active), (key.principal, true));
    }

    #[test]
    fn damaged_and_newer_records_are_refused() {
        let id = AccessKeyId::parse("a").unwrap();
        for bytes in [vec![], vec![1], vec![2, 0, 0, 0], vec![1, 255, 255, 255, 255]] {
            assert!(AccessKey::decode(id.clone(), &Secret::new(bytes)).is_err());
        }
    }

    #[test]
    fn ids_that_could_break_a_log_line_are_refused() {
        for text in ["", "a b", "a\n", "é", &"x".repeat(129)] {
            assert!(AccessKeyId::parse(text).is_err(), "{text:?}");
        }
    }
}
