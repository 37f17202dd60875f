//! Transit over customer master keys.
//!
//! A key's name is the key's id, or an alias without its prefix. [`names`] maps types of keys, [`ciphertext`] what stands around a
//! blob, [`context`] what it is bound to; [`keys`] manages keys, [`crypto`] encrypts, [`signing`] signs, [`digests`] needs no key or
//! a MAC key; [`batch`] does several at once, and [`rights`] tells what takes which permission.

mod batch;
mod ciphertext;
mod context;
mod crypto;
mod digests;
mod keys;
mod names;
mod rights;
mod signing;

pub(crate) use rights::may;
use yaoku_kms::{AliasName, KeyId, KeyRef};

use crate::failure::{Code, Failure};
use crate::reply::Reply;
use crate::router::Act;
use crate::service::Exchange;

pub(crate) async fn run(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    match exchange.route.act {
        Act::CreateKey => keys::create(exchange).await,
        Act::ReadKey => keys::read(exchange).await.map_err(Failure::of_path),
        Act::ListKeys => keys::list(exchange).await,
        Act::DeleteKey => keys::delete(exchange).await,
        Act::RotateKey => keys::rotate(exchange).await,
        Act::ConfigureKey => keys::configure(exchange).await,
        Act::Encrypt => crypto::encrypt(exchange).await,
        Act::Decrypt => crypto::decrypt(exchange).await,
        Act::Rewrap => crypto::rewrap(exchange).await,
        Act::DataKeyPlaintext | Act::DataKeyWrapped => crypto::data_key(exchange).await,
        Act::Sign => signing::sign(exchange).await,
        Act::Verify => signing::verify(exchange).await,
        Act::Hmac => digests::hmac(exchange).await,
        Act::Hash => digests::hash(exchange).await,
        Act::Random => digests::random(exchange).await,
        _ => Err(Failure::internal()),
    }
}

/// The key that a name means.
fn key_ref(name: &str) -> Result<KeyRef, Failure> {
    if let Some(id) = KeyId::parse(name) {
        return Ok(KeyRef::Id(id));
    }
    alias(name).map(KeyRef::Alias)
}

/// The alias of that name; what can be none is that of no key.
fn alias(name: &str) -> Result<AliasName, Failure> {
    AliasName::parse(&format!("{}{name}", AliasName::PREFIX))
        .ok_or_else(|| Failure::new(Code::KeyNotFound, "encryption key not found"))
}

impl Exchange<'_> {
    /// The key that the path names.
    fn key(&self) -> Result<KeyRef, Failure> {
        key_ref(&self.route.name)
    }

    /// What the path has behind the name.
    fn detail(&self) -> Option<&str> {
        self.route.rest.first().copied()
    }
}

/// Reads bytes as every body of transit, and what stands in them.
pub fn fuzz(bytes: &[u8]) {
    crypto::fuzz(bytes);
    signing::fuzz(bytes);
    digests::fuzz(bytes);
    keys::fuzz(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = ciphertext::Ciphertext::parse(text);
        let _ = (key_ref(text), ciphertext::parse_signature(text));
        let _ = context::read(Some(text), Some(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_ids_or_aliases() {
        let id = "0c38e4d6-2c9d-4d7a-9a1b-2f1f0f9f7a10";
        assert_eq!(key_ref(id), Ok(KeyRef::Id(KeyId::parse(id).unwrap())));
        assert_eq!(key_ref("orders"), Ok(KeyRef::Alias(AliasName::parse("alias/orders").unwrap())));
        for name in ["", "a b", "é", "acs/secrets"] {
            assert_eq!(key_ref(name).unwrap_err().code, Code::KeyNotFound, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&bytes);
        }
    }
}
