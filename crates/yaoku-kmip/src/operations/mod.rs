//! The operations, by families.

mod attributes;
mod crypto;
mod discovery;
mod lifecycle;
mod locate;
mod signing;

use yaoku_kms::KeyId;

use crate::failure::Failure;
use crate::profile::Act;
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Tag, Writer};

pub(crate) async fn run(exchange: &Exchange<'_>, act: Act) -> Result<Reply, Failure> {
    let payload = &Fields::of(exchange.payload)?;
    match act {
        Act::DiscoverVersions => discovery::versions(exchange, payload).await,
        Act::Query => discovery::query(exchange, payload).await,
        Act::RngRetrieve => discovery::random(exchange, payload).await,
        Act::Locate => locate::locate(exchange, payload).await,
        Act::GetAttributes => attributes::get(exchange, payload).await,
        Act::GetAttributeList => attributes::list(exchange, payload).await,
        Act::Get | Act::Activate | Act::Revoke | Act::Destroy => lifecycle::refuse(exchange, payload, act).await,
        Act::Encrypt => crypto::encrypt(exchange, payload).await,
        Act::Decrypt => crypto::decrypt(exchange, payload).await,
        Act::Mac => crypto::mac(exchange, payload).await,
        Act::MacVerify => crypto::verify_mac(exchange, payload).await,
        Act::Sign => signing::sign(exchange, payload).await,
        Act::SignatureVerify => signing::verify(exchange, payload).await,
    }
}

impl Exchange<'_> {
    /// The CMK that a payload names, or that an operation before it in the batch gave.
    fn key(&self, payload: &Fields<'_, '_>) -> Result<KeyId, Failure> {
        let named = match payload.optional(Tag::UNIQUE_IDENTIFIER) {
            Some(item) => item.text()?,
            None => self.placeholder.as_deref().ok_or_else(|| Failure::invalid("no Unique Identifier is given"))?,
        };
        KeyId::parse(named).ok_or_else(Failure::not_found)
    }
}

/// A reply about a key.
fn about(key: KeyId, write: impl FnOnce(&mut Writer)) -> Reply {
    let (mut payload, id) = (Writer::new(), key.to_string());
    payload.text(Tag::UNIQUE_IDENTIFIER, &id);
    write(&mut payload);
    Reply { payload, placeholder: Some(id) }
}

/// A reply about no object.
fn plain(write: impl FnOnce(&mut Writer)) -> Reply {
    let mut payload = Writer::new();
    write(&mut payload);
    Reply { payload, placeholder: None }
}

/// Refuses what comes in parts.
fn refuse_parts(payload: &Fields<'_, '_>) -> Result<(), Failure> {
    let parts = [Tag::CORRELATION_VALUE, Tag::INIT_INDICATOR, Tag::FINAL_INDICATOR];
    match parts.into_iter().find_map(|tag| payload.optional(tag)) {
        None => Ok(()),
        Some(_) => Err(Failure::unsupported("data in several parts is not supported by this server: send it whole")),
    }
}
