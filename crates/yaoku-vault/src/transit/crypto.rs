//! Encryption and decryption, and data keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, Serializer};
use yaoku_crypto::Secret;
use yaoku_kms::blob::Content;
use yaoku_kms::operations::crypto::{Encrypt, Encrypted};
use yaoku_kms::operations::data_keys::{DataKey, DataKeyRequest, GenerateDataKey, GenerateDataKeyWithoutPlaintext};
use yaoku_kms::operations::numbered::{DecryptNumbered, Expected, Rewrap};
use yaoku_kms::{EncryptionContext, KeyRef};
use zeroize::Zeroizing;

use super::batch::{self, Item, Outcomes};
use super::ciphertext::{Ciphertext, Numbered};
use super::context;
use crate::body::{Number, SecretText};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::router::Act;
use crate::service::Exchange;

/// What stands in the body once, or in each item of a batch.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Input {
    plaintext: Option<SecretText>,
    ciphertext: Option<String>,
    context: Option<String>,
    associated_data: Option<String>,
    nonce: Option<String>,
    key_version: Option<Number>,
}

/// What stands in the body beside that.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    #[serde(flatten)]
    one: Input,
    batch_input: Option<Vec<Item<Input>>>,
    partial_failure_response_code: Option<Number>,
    convergent_encryption: bool,
}

impl Input {
    /// Refuses what this server can't honour, by name.
    fn check(&self) -> Result<(), Failure> {
        if self.nonce.as_ref().is_some_and(|nonce| !nonce.is_empty()) {
            return Err(Failure::unsupported("nonces are drawn by this server: nonce is not supported"));
        }
        if self.key_version.is_some_and(|Number(version)| version != 0) {
            return Err(Failure::unsupported(
                "only the newest version of a key encrypts: key_version is not supported",
            ));
        }
        Ok(())
    }

    fn context(&self) -> Result<EncryptionContext, Failure> {
        context::read(self.context.as_deref(), self.associated_data.as_deref())
    }

    /// What is to be opened, and what it must be.
    fn ciphertext(&self, key: &KeyRef) -> Result<(Vec<u8>, Expected), Failure> {
        let text = self.ciphertext.as_deref().ok_or_else(|| Failure::invalid("missing ciphertext"))?;
        let Ciphertext { number, blob } = Ciphertext::parse(text)?;
        Ok((blob, Expected { key: key.clone(), number }))
    }
}

/// A ciphertext as it is answered.
#[derive(Serialize)]
struct Enciphered {
    ciphertext: String,
    key_version: u32,
}

impl From<Encrypted> for Enciphered {
    fn from(encrypted: Encrypted) -> Self {
        let Encrypted { number, blob, .. } = encrypted;
        Self { ciphertext: Numbered(number, &blob).to_string(), key_version: number }
    }
}

/// A plaintext as it is answered, in base64.
struct Plain(Secret);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.expose())))
    }
}

#[derive(Serialize)]
struct Deciphered {
    plaintext: Plain,
}

/// Does one thing, or each of a batch.
macro_rules! each {
    ($exchange:ident, $body:ident, $one:ident) => {{
        let key = $exchange.key()?;
        if $body.convergent_encryption {
            return Err(Failure::unsupported("convergent_encryption is not supported by this server"));
        }
        let Some(items) = $body.batch_input else {
            return $exchange.data(&$one($exchange, &key, $body.one).await?);
        };
        let _charged = batch::admit($exchange, items.len())?;
        let mut outcomes = Outcomes::new();
        for Item { item, reference } in items {
            outcomes.push($exchange, $one($exchange, &key, item).await, reference).await?;
        }
        let partial = $body.partial_failure_response_code.and_then(|Number(status)| u16::try_from(status).ok());
        outcomes.reply($exchange, partial)
    }};
}

pub(super) async fn encrypt(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let body: Body = exchange.body()?;
    each!(exchange, body, encrypt_one)
}

async fn encrypt_one(exchange: &Exchange<'_>, key: &KeyRef, input: Input) -> Result<Enciphered, Failure> {
    input.check()?;
    let plaintext = input.plaintext.as_ref().ok_or_else(|| Failure::invalid("missing plaintext"))?;
    let plaintext = plaintext.base64("plaintext")?;
    let operation = Encrypt { key: key.clone(), plaintext, content: Content::Bytes, context: input.context()? };
    exchange.perform(operation).await.map(Enciphered::from)
}

pub(super) async fn decrypt(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let body: Body = exchange.body()?;
    each!(exchange, body, decrypt_one)
}

async fn decrypt_one(exchange: &Exchange<'_>, key: &KeyRef, input: Input) -> Result<Deciphered, Failure> {
    let (blob, expected) = input.ciphertext(key)?;
    let opened = exchange.perform(DecryptNumbered { blob, context: input.context()?, expected }).await?;
    Ok(Deciphered { plaintext: Plain(opened.plaintext) })
}

pub(super) async fn rewrap(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let body: Body = exchange.body()?;
    each!(exchange, body, rewrap_one)
}

async fn rewrap_one(exchange: &Exchange<'_>, key: &KeyRef, input: Input) -> Result<Enciphered, Failure> {
    input.check()?;
    let (blob, expected) = input.ciphertext(key)?;
    exchange.perform(Rewrap { blob, context: input.context()?, expected }).await.map(Enciphered::from)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DataKeyBody {
    #[serde(flatten)]
    input: Input,
    bits: Option<Number>,
}

pub(super) async fn data_key(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    #[derive(Serialize)]
    struct Made {
        #[serde(skip_serializing_if = "Option::is_none")]
        plaintext: Option<Plain>,
        #[serde(flatten)]
        enciphered: Enciphered,
    }
    let DataKeyBody { input, bits } = exchange.body()?;
    input.check()?;
    let length = match bits {
        None | Some(Number(256)) => 32,
        Some(Number(128)) => 16,
        Some(Number(512)) => 64,
        Some(Number(_)) => return Err(Failure::invalid("bits must be 128, 256 or 512")),
    };
    let request = DataKeyRequest { key: exchange.key()?, length, context: input.context()? };
    let (plaintext, encrypted) = match exchange.route.act {
        Act::DataKeyPlaintext => {
            let DataKey { plaintext, encrypted } = exchange.perform(GenerateDataKey(request)).await?;
            (Some(Plain(plaintext)), encrypted)
        }
        _ => (None, exchange.perform(GenerateDataKeyWithoutPlaintext(request)).await?),
    };
    exchange.data(&Made { plaintext, enciphered: encrypted.into() })
}

pub(super) fn fuzz(bytes: &[u8]) {
    if let Ok(Body { one, batch_input, .. }) = serde_json::from_slice(bytes) {
        let items = batch_input.into_iter().flatten().map(|item| item.item);
        for input in std::iter::once(one).chain(items) {
            let _ = (input.check(), input.context());
            let _ = input.plaintext.map(|plaintext| plaintext.base64("plaintext"));
            let _ = input.ciphertext.as_deref().map(Ciphertext::parse);
        }
    }
    let _ = serde_json::from_slice::<DataKeyBody>(bytes);
}
