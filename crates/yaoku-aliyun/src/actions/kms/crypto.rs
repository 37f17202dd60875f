//! Encrypt, Decrypt, ReEncrypt.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_crypto::Secret;
use yaoku_kms::blob::Content;
use yaoku_kms::operations::asymmetric::KeyPair;
use yaoku_kms::operations::crypto::{
    Decrypt, Decrypted, Encrypt, Encrypted, MAX_PLAINTEXT, ReEncrypt, ReEncryptSource,
};
use yaoku_kms::{EncryptionContext, KeyId, KeyRef, KeyVersionId};
use zeroize::Zeroizing;

use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::Parameter;
use crate::wire::{Format, WireError, response};

/// More than any blob that was ever made here.
pub(super) const MAX_BLOB: usize = 16_384;

pub(super) const ACTIONS: &[Action] = &[
    action!("Encrypt", Encrypt, encrypt(EncryptParameters)),
    action!("Decrypt", Decrypt, decrypt(DecryptParameters)),
    action!("ReEncrypt", ReEncrypt, re_encrypt(ReEncryptParameters)),
];

parameters! {
    struct EncryptParameters {
        key: KeyRef = "KeyId" required shown => key_ref;
        plaintext: (Secret, Content) = "Plaintext" required hidden => plaintext(MAX_PLAINTEXT);
        context: EncryptionContext = "EncryptionContext" default(EncryptionContext::default()) hidden => context;
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct DecryptParameters {
        _ = "Recipient" optional hidden => refused;
        blob: Vec<u8> = "CiphertextBlob" required hidden => base64(MAX_BLOB);
        context: EncryptionContext = "EncryptionContext" default(EncryptionContext::default()) hidden => context;
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct ReEncryptParameters<'a> {
        ciphertext: Vec<u8> = "CiphertextBlob" required hidden => base64(MAX_BLOB);
        source_key: Parameter<'a> = "SourceKeyId" later shown => itself;
        source_version: Parameter<'a> = "SourceKeyVersionId" later shown => itself;
        source_algorithm: Parameter<'a> = "SourceEncryptionAlgorithm" later shown => itself;
        source_context: Parameter<'a> = "SourceEncryptionContext" later hidden => itself;
        destination: KeyRef = "DestinationKeyId" required shown => key_ref;
        destination_context: EncryptionContext =
            "DestinationEncryptionContext" default(EncryptionContext::default()) hidden => context;
        _ = "DryRun" optional shown => dry_run;
    }
}

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

/// A plaintext and what its ciphertext was made with, as several actions give it: bytes in base64, text as it was given.
pub(super) fn reply_plaintext(exchange: &Exchange<'_>, decrypted: &Decrypted) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body<'a> {
        key_id: String,
        key_version_id: String,
        plaintext: &'a str,
    }
    let reply = |plaintext: &str| {
        exchange.reply(&Body {
            key_id: decrypted.key.to_string(),
            key_version_id: decrypted.version.to_string(),
            plaintext,
        })
    };
    match decrypted.content {
        Content::Bytes => reply(&Zeroizing::new(STANDARD.encode(decrypted.plaintext.expose()))),
        Content::Text => match std::str::from_utf8(decrypted.plaintext.expose()) {
            Ok(text) if exchange.format == Format::Xml && !response::is_xml_text(text) => {
                Err(WireError::invalid_parameter(
                    "Format",
                    "the plaintext has characters that XML can't express; ask for JSON",
                ))
            }
            Ok(text) => reply(text),
            Err(_) => Err(WireError::internal()),
        },
    }
}

async fn encrypt(exchange: &Exchange<'_>, given: EncryptParameters) -> Result<Reply, WireError> {
    let EncryptParameters { key, plaintext: (plaintext, content), context } = given;
    exchange.reply(&Ciphertext::from(exchange.perform(Encrypt { key, plaintext, content, context }).await?))
}

async fn decrypt(exchange: &Exchange<'_>, given: DecryptParameters) -> Result<Reply, WireError> {
    let DecryptParameters { blob, context } = given;
    reply_plaintext(exchange, &exchange.perform(Decrypt { blob, context }).await?)
}

async fn re_encrypt(exchange: &Exchange<'_>, given: ReEncryptParameters<'_>) -> Result<Reply, WireError> {
    let ReEncryptParameters { ciphertext, source_key, source_version, source_algorithm, .. } = given;
    // Any of the three says that the ciphertext was made with a public key, and then all are needed.
    let source = if [source_key, source_version, source_algorithm].iter().any(|given| given.filled().is_some()) {
        let (key, version) = (source_key.demand(Parameter::key_ref)?, source_version.demand(Parameter::version_id)?);
        let algorithm = source_algorithm.demand(Parameter::named)?;
        ReEncryptSource::Asymmetric { ciphertext, key_pair: KeyPair { key, version }, algorithm }
    } else {
        let context = given.source_context.context()?.unwrap_or_default();
        ReEncryptSource::Symmetric { blob: ciphertext, context }
    };
    let ReEncryptParameters { destination, destination_context, .. } = given;
    let operation = ReEncrypt { source, destination, destination_context };
    exchange.reply(&Ciphertext::from(exchange.perform(operation).await?))
}
