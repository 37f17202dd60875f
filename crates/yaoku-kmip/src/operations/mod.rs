//! The operations, by families.

mod attributes;
mod creation;
mod crypto;
mod discovery;
mod editing;
mod lifecycle;
mod locate;
mod retrieval;
mod signing;

use yaoku_kms::KeyId;
use yaoku_kms::operations::keys::DescribeKey;
use yaoku_objects::ObjectId;

use crate::failure::{Code, Failure};
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
        Act::Create => creation::create(exchange, payload).await,
        Act::CreateKeyPair => creation::create_key_pair(exchange, payload).await,
        Act::Register => creation::register(exchange, payload).await,
        Act::ReKey => creation::rekey(exchange, payload).await,
        Act::Get => retrieval::get(exchange, payload).await,
        Act::Check => retrieval::check(exchange, payload).await,
        Act::AddAttribute => editing::add(exchange, payload).await,
        Act::ModifyAttribute => editing::modify(exchange, payload).await,
        Act::DeleteAttribute => editing::delete(exchange, payload).await,
        Act::SetAttribute => editing::set(exchange, payload).await,
        Act::Activate => lifecycle::activate(exchange, payload).await,
        Act::Revoke => lifecycle::revoke(exchange, payload).await,
        Act::Destroy => lifecycle::destroy(exchange, payload).await,
        Act::Encrypt => crypto::encrypt(exchange, payload).await,
        Act::Decrypt => crypto::decrypt(exchange, payload).await,
        Act::Mac => crypto::mac(exchange, payload).await,
        Act::MacVerify => crypto::verify_mac(exchange, payload).await,
        Act::Sign => signing::sign(exchange, payload).await,
        Act::SignatureVerify => signing::verify(exchange, payload).await,
    }
}

/// What an operation is about.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A CMK, which is used and never leaves.
    Key(KeyId),
    /// A managed object, which is fetched and not used here.
    Object(ObjectId),
}

impl Exchange<'_> {
    /// What a payload names, or an operation before it in the batch gave.
    fn target(&self, payload: &Fields<'_, '_>) -> Result<Target, Failure> {
        let named = match payload.optional(Tag::UNIQUE_IDENTIFIER) {
            Some(item) => item.text()?,
            None => self.placeholder.as_deref().ok_or_else(|| Failure::invalid("no Unique Identifier is given"))?,
        };
        let object = || ObjectId::parse(named).map(Target::Object);
        KeyId::parse(named).map(Target::Key).or_else(object).ok_or_else(Failure::not_found)
    }

    /// The CMK that a payload names: what is done with keys is done with these only.
    fn key(&self, payload: &Fields<'_, '_>) -> Result<KeyId, Failure> {
        match self.target(payload)? {
            Target::Key(key) => Ok(key),
            Target::Object(_) => Err(Failure::unsupported(
                "a managed object is not used by this server: fetch it, or use a customer master key",
            )),
        }
    }

    /// The managed object that a payload names. A CMK is refused, with a reason; to whoever may not know of it, as if it were not there.
    async fn object(&self, payload: &Fields<'_, '_>, of_keys: (Code, &'static str)) -> Result<ObjectId, Failure> {
        match self.target(payload)? {
            Target::Object(id) => Ok(id),
            Target::Key(key) => {
                self.perform(DescribeKey { key: key.into() }).await?;
                Err(Failure::new(of_keys.0, of_keys.1))
            }
        }
    }
}

/// A reply about a key or an object.
fn about(id: impl std::fmt::Display, write: impl FnOnce(&mut Writer)) -> Reply {
    let (mut payload, id) = (Writer::new(), id.to_string());
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
