//! Tokens: credentials of users for protocols that know no signatures, such as Vault's.
//!
//! A token is `ykt.`, its id, a dot and a secret. The store keeps a keyed hash of the secret, under a key drawn for each token; the
//! secret itself is shown once, when the token is made.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use yaoku_crypto::mac::{Hash, ct_eq, hmac};
use yaoku_crypto::{Random, Secret};

use crate::access_key::letters;
use crate::record::Stored;
use crate::{AccountId, Error, Field, Principal, Timestamp, UserId};

/// What every token begins with.
const PREFIX: &str = "ykt.";
/// Letters and digits of an id, and of a secret (about 95 and 238 bits).
const ID: usize = 16;
const SECRET: usize = 40;
/// Networks that a token can be bound to.
const MAX_NETWORKS: usize = 16;

/// Names a token. Not secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(Box<str>);

impl TokenId {
    /// Reads the id of a token.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless it is 16 letters and digits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match is_letters(text, ID) {
            true => Ok(Self(text.into())),
            false => Err(Error::Invalid { field: Field::TokenId, why: "it must be 16 letters and digits" }),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_letters(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Networks from which a token may be used; none means from everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoundNetworks(Box<[IpNet]>);

impl BoundNetworks {
    /// Reads addresses and CIDR blocks.
    ///
    /// # Errors
    /// [`Error::Invalid`] if one is neither, or there are more than 16.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let read = |text: &str| {
            let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
            // Callers' addresses are compared in their own form, not in that of IPv4 mapped into IPv6.
            let IpNet::V6(v6) = network else { return Some(network) };
            match (v6.prefix_len().checked_sub(96), v6.network().to_ipv4_mapped()) {
                (Some(length), Some(address)) => IpNet::new(address.into(), length).ok(),
                _ => Some(network),
            }
        };
        let networks: Option<Box<[IpNet]>> = texts.into_iter().map(read).collect();
        match networks {
            Some(networks) if networks.len() <= MAX_NETWORKS => Ok(Self(networks)),
            Some(_) => Err(Error::Invalid { field: Field::BoundCidrs, why: "it must have at most 16 networks" }),
            None => Err(Error::Invalid {
                field: Field::BoundCidrs,
                why: "it must consist of IP addresses and CIDR blocks such as 10.0.0.0/8",
            }),
        }
    }

    /// Whether a call may come from there.
    pub fn admit(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&source))
    }

    /// The networks as text.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }
}

/// A token as it is held in memory. It proves its holder by [`crate::Iam::bearer`] alone.
pub(crate) struct Token {
    /// Names it.
    pub(crate) id: TokenId,
    pub(crate) principal: Principal,
    pub(crate) user: UserId,
    key: [u8; 32],
    hash: [u8; 32],
    pub(crate) created: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) networks: BoundNetworks,
}

impl Token {
    /// # Errors
    /// When the record has something that no version wrote.
    pub(crate) fn new(id: TokenId, principal: Principal, record: &TokenRecord) -> Result<Self, Error> {
        let TokenRecord { user, key, hash, created, expires, .. } = *record;
        let networks = BoundNetworks::parse(record.networks.iter().map(|text| &**text));
        let networks = networks.map_err(|_| Error::Record(TokenRecord::WHAT))?;
        Ok(Self { id, principal, user, key, hash, created, expires, networks })
    }

    /// Whether a secret is the token's.
    pub(crate) fn has_secret(&self, secret: &str) -> bool {
        ct_eq(&keyed_hash(&self.key, secret.as_bytes()), &self.hash)
    }

    /// Whether it may still be used.
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether this record says nothing of it that can't change while it is held.
    pub(crate) fn is_of(&self, record: &TokenRecord) -> bool {
        (self.user, self.created, self.expires) == (record.user, record.created, record.expires)
            && (self.key, self.hash) == (record.key, record.hash)
            && self.networks.texts().eq(record.networks.iter().cloned())
    }
}

/// What the store holds of a token, under its id, in the system's domain: the account is known only after the token was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    pub(crate) account: String,
    pub(crate) user: UserId,
    key: [u8; 32],
    hash: [u8; 32],
    pub(crate) created: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    networks: Vec<String>,
}

impl Stored for TokenRecord {
    const WHAT: &'static str = "a token";
}

/// A token just made: the one moment when it may be shown.
pub struct NewToken {
    /// Names it.
    pub id: TokenId,
    /// The whole token, in ASCII.
    pub token: Secret,
}

impl TokenRecord {
    /// Draws a token.
    pub(crate) fn draw(
        random: &dyn Random,
        account: AccountId,
        user: UserId,
        created: Timestamp,
        expires: Option<Timestamp>,
        networks: &BoundNetworks,
    ) -> Result<(NewToken, Self), Error> {
        let id = letters(random, ID)?;
        let id = TokenId(String::from_utf8_lossy(id.expose()).into());
        let secret = letters(random, SECRET)?;
        let mut key = [0; 32];
        random.fill(&mut key).map_err(yaoku_seal::Error::from)?;
        let record = Self {
            account: account.as_str().to_owned(),
            user,
            key,
            hash: keyed_hash(&key, secret.expose()),
            created,
            expires,
            networks: networks.texts().collect(),
        };
        // Room for everything at once, so that no reallocation leaves a copy of the secret behind.
        let mut token = Vec::with_capacity(PREFIX.len() + ID + 1 + SECRET);
        for part in [PREFIX.as_bytes(), id.as_str().as_bytes(), b".", secret.expose()] {
            token.extend_from_slice(part);
        }
        Ok((NewToken { id, token: Secret::new(token) }, record))
    }
}

/// Id and secret of a token; none of what is not one.
pub(crate) fn parts(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('.')?;
    (is_letters(id, ID) && is_letters(secret, SECRET)).then_some((id, secret))
}

fn keyed_hash(key: &[u8; 32], secret: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(hmac(Hash::Sha256, key, secret).as_bytes());
    hash
}

/// What is known of a token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAbout {
    /// Names it.
    pub id: TokenId,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// From where it may be used.
    pub networks: BoundNetworks,
    /// When it last proved its holder, as far as is known.
    pub last_used: Option<Timestamp>,
}

impl TokenAbout {
    pub(crate) fn of(token: &Arc<Token>) -> Self {
        Self {
            id: token.id.clone(),
            created: token.created,
            expires: token.expires,
            networks: token.networks.clone(),
            last_used: token.principal.status.last_used(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yaoku_crypto::SystemRandom;

    fn drawn() -> (NewToken, TokenRecord) {
        let account = AccountId::parse("1234567890123456").unwrap();
        let user = UserId::generate(&SystemRandom).unwrap();
        let networks = BoundNetworks::parse(["10.0.0.0/8", "::1"]).unwrap();
        TokenRecord::draw(&SystemRandom, account, user, Timestamp(1), Some(Timestamp(2)), &networks).unwrap()
    }

    #[test]
    fn a_record_gives_back_what_it_was_made_of_and_holds_no_secret() {
        let (new, record) = drawn();
        let text = std::str::from_utf8(new.token.expose()).unwrap();
        let (id, secret) = parts(text).unwrap();
        assert_eq!(id, new.id.as_str());
        let encoded = record.encode().unwrap();
        assert!(!encoded.expose().windows(secret.len()).any(|part| part == secret.as_bytes()));
        assert_eq!(TokenRecord::decode(&encoded).unwrap(), record);
        assert!(TokenRecord::decode(&Secret::new(vec![2, 0])).is_err());
    }

    #[test]
    fn what_is_no_token_has_no_parts() {
        let (new, _) = drawn();
        let text = std::str::from_utf8(new.token.expose()).unwrap();
        for other in ["", "ykt.", "ykt..", &text[1..], &text[..text.len() - 1], &format!("{text}x"), "hvs.x"] {
            assert!(parts(other).is_none(), "{other}");
        }
    }

    #[test]
    fn networks_bind_and_none_bind_nothing() {
        let bound = BoundNetworks::parse(["10.0.0.0/8", "192.0.2.7", "::ffff:198.51.100.0/120"]).unwrap();
        for (source, admitted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("198.51.100.200", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(bound.admit(source.parse().unwrap()), admitted, "{source}");
        }
        assert!(BoundNetworks::default().admit("192.0.2.8".parse().unwrap()));
        assert!(BoundNetworks::parse(["here"]).is_err());
        assert!(BoundNetworks::parse(std::iter::repeat_n("10.0.0.0/8", 17)).is_err());
    }
}
