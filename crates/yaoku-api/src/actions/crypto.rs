//! Encrypt, Decrypt, ReEncrypt.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_kms::operations::crypto::{Decrypt, Encrypt, Encrypted, MAX_PLAINTEXT, ReEncrypt};
use zeroize::Zeroizing;

use super::arguments::unsupported;
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

impl From<Encrypted> for Ciphertext {
    fn from(encrypted: Encrypted) -> Self {
        Self {
            key_id: encrypted.key.to_string(),
            key_version_id: encrypted.version.to_string(),
            ciphertext_blob: STANDARD.encode(encrypted.blob),
        }
    }
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
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        key_id: String,
        key_version_id: String,
        plaintext: &'a str,
    }
    let arguments = &exchange.arguments;
    arguments.refuse(&["Recipient"])?;
    let operation = Decrypt {
        blob: arguments.base64("CiphertextBlob", MAX_BLOB)?,
        context: arguments.context("EncryptionContext")?,
    };
    let decrypted = exchange.perform(operation).await?;
    let plaintext = Zeroizing::new(STANDARD.encode(decrypted.plaintext.expose()));
    exchange.reply(&Content {
        key_id: decrypted.key.to_string(),
        key_version_id: decrypted.version.to_string(),
        plaintext: &plaintext,
    })
}

async fn re_encrypt(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let asymmetric = ["SourceKeyId", "SourceKeyVersionId", "SourceEncryptionAlgorithm"];
    if let Some(name) = asymmetric.iter().find(|name| arguments.given(name).is_some()) {
        return Err(unsupported(format!(
            "The parameter {name} is for ciphertexts of asymmetric keys, which this server does not have."
        )));
    }
    let operation = ReEncrypt {
        blob: arguments.base64("CiphertextBlob", MAX_BLOB)?,
        source_context: arguments.context("SourceEncryptionContext")?,
        destination: arguments.key_ref("DestinationKeyId")?,
        destination_context: arguments.context("DestinationEncryptionContext")?,
    };
    exchange.reply(&Ciphertext::from(exchange.perform(operation).await?))
}
