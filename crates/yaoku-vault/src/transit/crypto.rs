//! Encryption and decryption, and data keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, Serializer};
use yaoku_crypto::Secret;
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_kms::operations::crypto::Encrypted;
use yaoku_kms::operations::data_keys::{DataKey, DataKeyRequest, GenerateDataKey, GenerateDataKeyWithoutPlaintext};
use yaoku_kms::operations::numbered::{DecryptNumbered, EncryptNumbered, Expected, Rewrap};
use yaoku_kms::{EncryptionContext, KeyRef};
use zeroize::Zeroizing;

use super::batch::{self, Items, Outcomes};
use super::ciphertext::{Ciphertext, Numbered};
use super::context;
use crate::body::SecretText;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::router::Act;
use crate::service::Exchange;
use crate::values::{Flag, Number};

/// How RSA keys encrypt.
const OF_PAIRS: WrappingAlgorithm = WrappingAlgorithm::RsaesOaepSha256;

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
    padding_scheme: Option<String>,
    /// What the caller calls an item of a batch.
    reference: Option<String>,
}

/// What stands in the body beside that.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Beside {
    batch_input: Option<Items<Input>>,
    partial_failure_response_code: Option<Number>,
    convergent_encryption: Flag,
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
        self.check_padding()
    }

    /// How RSA keys encrypt can be said, if it is how they do.
    fn check_padding(&self) -> Result<(), Failure> {
        match self.padding_scheme.as_deref() {
            None | Some("" | "oaep") => Ok(()),
            Some(_) => Err(Failure::unsupported("RSA keys encrypt with OAEP and SHA-256: use padding_scheme oaep")),
        }
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
    ($exchange:ident, $one:ident) => {{
        let beside: Beside = $exchange.body()?;
        let key = $exchange.key()?;
        if beside.convergent_encryption.0 {
            return Err(Failure::unsupported("convergent_encryption is not supported by this server"));
        }
        let Some(items) = beside.batch_input else {
            return $exchange.data(&$one($exchange, &key, $exchange.body()?).await?);
        };
        let (items, _charged) = batch::admit($exchange, items)?;
        let mut outcomes = Outcomes::new();
        for (number, mut item) in (1..).zip(items) {
            $exchange.begin_item(number);
            let reference = item.reference.take();
            outcomes.push($exchange, $one($exchange, &key, item).await, reference).await?;
        }
        let partial = beside.partial_failure_response_code.and_then(|Number(status)| u16::try_from(status).ok());
        outcomes.reply($exchange, partial)
    }};
}

pub(super) async fn encrypt(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    each!(exchange, encrypt_one)
}

async fn encrypt_one(exchange: &Exchange<'_>, key: &KeyRef, input: Input) -> Result<Enciphered, Failure> {
    input.check()?;
    let plaintext = input.plaintext.as_ref().ok_or_else(|| Failure::invalid("missing plaintext"))?;
    let plaintext = plaintext.base64("plaintext")?;
    let operation = EncryptNumbered { key: key.clone(), plaintext, context: input.context()?, of_pairs: OF_PAIRS };
    exchange.perform(operation).await.map(Enciphered::from)
}

pub(super) async fn decrypt(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    each!(exchange, decrypt_one)
}

async fn decrypt_one(exchange: &Exchange<'_>, key: &KeyRef, input: Input) -> Result<Deciphered, Failure> {
    input.check_padding()?;
    let (blob, expected) = input.ciphertext(key)?;
    let operation = DecryptNumbered { blob, context: input.context()?, expected, of_pairs: OF_PAIRS };
    let opened = exchange.perform(operation).await?;
    Ok(Deciphered { plaintext: Plain(opened.plaintext) })
}

pub(super) async fn rewrap(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    each!(exchange, rewrap_one)
}

async fn rewrap_one(exchange: &Exchange<'_>, key: &KeyRef, input: Input) -> Result<Enciphered, Failure> {
    input.check()?;
    let (blob, expected) = input.ciphertext(key)?;
    exchange.perform(Rewrap { blob, context: input.context()?, expected }).await.map(Enciphered::from)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DataKeyBody {
    context: Option<String>,
    associated_data: Option<String>,
    nonce: Option<String>,
    key_version: Option<Number>,
    padding_scheme: Option<String>,
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
    let DataKeyBody { context, associated_data, nonce, key_version, padding_scheme, bits } = exchange.body()?;
    let input = Input { context, associated_data, nonce, key_version, padding_scheme, ..Input::default() };
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
    let one = serde_json::from_slice::<Input>(bytes).ok();
    let beside = serde_json::from_slice::<Beside>(bytes).ok();
    let items = beside.and_then(|beside| beside.batch_input).map(|Items { 0: items }| items.kept);
    for input in one.into_iter().chain(items.into_iter().flatten()) {
        let _ = (input.check(), input.context());
        let _ = input.plaintext.map(|plaintext| plaintext.base64("plaintext"));
        let _ = input.ciphertext.as_deref().map(Ciphertext::parse);
    }
    let _ = serde_json::from_slice::<DataKeyBody>(bytes);
}
