//! Encrypt, Decrypt, ReEncrypt.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_kms::operations::asymmetric::KeyPair;
use yaoku_kms::operations::crypto::{
    Decrypt, Decrypted, Encrypt, Encrypted, MAX_PLAINTEXT, ReEncrypt, ReEncryptSource,
};
use yaoku_kms::{KeyId, KeyVersionId};
use zeroize::Zeroizing;

use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

/// More than any blob that was ever made here.
pub(super) const MAX_BLOB: usize = 16_384;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "Encrypt",
        Encrypt,
        encrypt,
        [required("KeyId"), required("Plaintext"), optional("EncryptionContext"), optional("DryRun"),]
    ),
    action!(
        "Decrypt",
        Decrypt,
        decrypt,
        [required("CiphertextBlob"), optional("EncryptionContext"), optional("DryRun"), optional("Recipient"),]
    ),
    action!(
        "ReEncrypt",
        ReEncrypt,
        re_encrypt,
        [
            required("CiphertextBlob"),
            required("DestinationKeyId"),
            optional("DestinationEncryptionContext"),
            optional("SourceEncryptionContext"),
            optional("SourceKeyId"),
            optional("SourceKeyVersionId"),
            optional("SourceEncryptionAlgorithm"),
            optional("DryRun"),
        ]
    ),
];

/// A ciphertext and what it was made with, as several actions give it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Ciphertext {
    key_id: String,
    key_version_id: String,
    ciphertext_blob: String,
}

impl Ciphertext {
    pub(super) fn new(key: KeyId, version: KeyVersionId, ciphertext: &[u8]) -> Self {
        let ciphertext_blob = STANDARD.encode(ciphertext);
        Self { key_id: key.to_string(), key_version_id: version.to_string(), ciphertext_blob }
    }
}

impl From<Encrypted> for Ciphertext {
    fn from(encrypted: Encrypted) -> Self {
        Self::new(encrypted.key, encrypted.version, &encrypted.blob)
    }
}

/// A plaintext and what its ciphertext was made with, as several actions give it.
pub(super) fn reply_plaintext(exchange: &Exchange<'_>, decrypted: &Decrypted) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        key_id: String,
        key_version_id: String,
        plaintext: &'a str,
    }
    let plaintext = Zeroizing::new(STANDARD.encode(decrypted.plaintext.expose()));
    exchange.reply(&Content {
        key_id: decrypted.key.to_string(),
        key_version_id: decrypted.version.to_string(),
        plaintext: &plaintext,
    })
}

async fn encrypt(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let operation = Encrypt {
        key: arguments.key_ref("KeyId")?,
        plaintext: arguments.base64_secret("Plaintext", MAX_PLAINTEXT)?,
        context: arguments.context("EncryptionContext")?,
    };
    exchange.reply(&Ciphertext::from(exchange.perform(operation).await?))
}

async fn decrypt(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    arguments.refuse(&["Recipient"])?;
    let operation = Decrypt {
        blob: arguments.base64("CiphertextBlob", MAX_BLOB)?,
        context: arguments.context("EncryptionContext")?,
    };
    reply_plaintext(exchange, &exchange.perform(operation).await?)
}

async fn re_encrypt(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let ciphertext = arguments.base64("CiphertextBlob", MAX_BLOB)?;
    // Any of the three says that the ciphertext was made with a public key, and then all are needed.
    let asymmetric = ["SourceKeyId", "SourceKeyVersionId", "SourceEncryptionAlgorithm"];
    let source = if asymmetric.iter().any(|name| arguments.given(name).is_some()) {
        ReEncryptSource::Asymmetric {
            ciphertext,
            key_pair: KeyPair {
                key: arguments.key_ref("SourceKeyId")?,
                version: arguments.version_id("SourceKeyVersionId")?,
            },
            algorithm: arguments.required_name("SourceEncryptionAlgorithm")?,
        }
    } else {
        ReEncryptSource::Symmetric { blob: ciphertext, context: arguments.context("SourceEncryptionContext")? }
    };
    let operation = ReEncrypt {
        source,
        destination: arguments.key_ref("DestinationKeyId")?,
        destination_context: arguments.context("DestinationEncryptionContext")?,
    };
    exchange.reply(&Ciphertext::from(exchange.perform(operation).await?))
}
