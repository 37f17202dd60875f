//! GenerateDataKey, GenerateDataKeyWithoutPlaintext, ExportDataKey, GenerateAndExportDataKey.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec};
use yaoku_kms::operations::data_keys::{
    DataKeyRequest, Export, ExportDataKey, GenerateAndExportDataKey, GenerateDataKey, GenerateDataKeyWithoutPlaintext,
    MAX_DATA_KEY,
};
use yaoku_kms::{EncryptionContext, KeyRef};
use zeroize::Zeroizing;

use super::crypto::{Ciphertext, MAX_BLOB};
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::Parameter;
use crate::wire::WireError;

/// More than the DER of any public key that a data key can be exported to.
const MAX_PUBLIC_KEY: usize = 4096;

pub(super) const ACTIONS: &[Action] = &[
    action!("GenerateDataKey", GenerateDataKey, generate(GenerateParameters)),
    action!(
        "GenerateDataKeyWithoutPlaintext",
        GenerateDataKeyWithoutPlaintext,
        generate_without_plaintext(GenerateWithoutPlaintextParameters)
    ),
    action!("ExportDataKey", ExportDataKey, export(ExportParameters)),
    action!("GenerateAndExportDataKey", GenerateAndExportDataKey, generate_and_export(GenerateAndExportParameters)),
];

parameters! {
    struct GenerateParameters<'a> {
        _ = "Recipient" optional hidden => refused;
        spec: Parameter<'a> = "KeySpec" later shown => itself;
        length: Option<u32> = "NumberOfBytes" optional shown => up_to(MAX_DATA_KEY as u32);
        key: KeyRef = "KeyId" required shown => key_ref;
        context: EncryptionContext = "EncryptionContext" default(EncryptionContext::default()) hidden => context;
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct GenerateWithoutPlaintextParameters<'a> {
        spec: Parameter<'a> = "KeySpec" later shown => itself;
        length: Option<u32> = "NumberOfBytes" optional shown => up_to(MAX_DATA_KEY as u32);
        key: KeyRef = "KeyId" required shown => key_ref;
        context: EncryptionContext = "EncryptionContext" default(EncryptionContext::default()) hidden => context;
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct ExportParameters {
        blob: Vec<u8> = "CiphertextBlob" required hidden => base64(MAX_BLOB);
        context: EncryptionContext = "EncryptionContext" default(EncryptionContext::default()) hidden => context;
        public_key: Vec<u8> = "PublicKeyBlob" required hidden => base64(MAX_PUBLIC_KEY);
        algorithm: WrappingAlgorithm = "WrappingAlgorithm" required shown => named;
        wrapping_key: WrappingKeySpec = "WrappingKeySpec" required shown => named;
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct GenerateAndExportParameters<'a> {
        spec: Parameter<'a> = "KeySpec" later shown => itself;
        length: Option<u32> = "NumberOfBytes" optional shown => up_to(MAX_DATA_KEY as u32);
        key: KeyRef = "KeyId" required shown => key_ref;
        context: EncryptionContext = "EncryptionContext" default(EncryptionContext::default()) hidden => context;
        public_key: Vec<u8> = "PublicKeyBlob" required hidden => base64(MAX_PUBLIC_KEY);
        algorithm: WrappingAlgorithm = "WrappingAlgorithm" required shown => named;
        wrapping_key: WrappingKeySpec = "WrappingKeySpec" required shown => named;
        _ = "DryRun" optional shown => dry_run;
    }
}

async fn generate(exchange: &Exchange<'_>, given: GenerateParameters<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        #[serde(flatten)]
        encrypted: Ciphertext,
        plaintext: &'a str,
    }
    let GenerateParameters { spec, length: number, key, context } = given;
    let request = DataKeyRequest { key, length: length(number, spec)?, context };
    let data_key = exchange.perform(GenerateDataKey(request)).await?;
    let plaintext = Zeroizing::new(STANDARD.encode(data_key.plaintext.expose()));
    exchange.reply(&Content { encrypted: data_key.encrypted.into(), plaintext: &plaintext })
}

async fn generate_without_plaintext(
    exchange: &Exchange<'_>,
    given: GenerateWithoutPlaintextParameters<'_>,
) -> Result<Reply, WireError> {
    let GenerateWithoutPlaintextParameters { spec, length: number, key, context } = given;
    let request = DataKeyRequest { key, length: length(number, spec)?, context };
    let encrypted = exchange.perform(GenerateDataKeyWithoutPlaintext(request)).await?;
    exchange.reply(&Ciphertext::from(encrypted))
}

async fn export(exchange: &Exchange<'_>, given: ExportParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        key_version_id: String,
        exported_data_key: String,
    }
    let ExportParameters { blob, context, public_key, algorithm, wrapping_key } = given;
    let export = export_to(wrapping_key, algorithm, public_key)?;
    let exported = exchange.perform(ExportDataKey { blob, context, export }).await?;
    exchange.reply(&Content {
        key_id: exported.key.to_string(),
        key_version_id: exported.version.to_string(),
        exported_data_key: STANDARD.encode(exported.wrapped),
    })
}

async fn generate_and_export(
    exchange: &Exchange<'_>,
    given: GenerateAndExportParameters<'_>,
) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        #[serde(flatten)]
        encrypted: Ciphertext,
        exported_data_key: String,
    }
    let request = DataKeyRequest { key: given.key, length: length(given.length, given.spec)?, context: given.context };
    let export = export_to(given.wrapping_key, given.algorithm, given.public_key)?;
    let made = exchange.perform(GenerateAndExportDataKey { request, export }).await?;
    let exported_data_key = STANDARD.encode(made.wrapped);
    exchange.reply(&Content { encrypted: made.encrypted.into(), exported_data_key })
}

/// The bytes of a data key. If their number is given, what `KeySpec` says does not matter; it is AES_256 by default.
fn length(number: Option<u32>, spec: Parameter<'_>) -> Result<usize, WireError> {
    match (number, spec.filled()) {
        (Some(number), _) => Ok(number as usize),
        (None, None | Some("AES_256")) => Ok(32),
        (None, Some("AES_128")) => Ok(16),
        (None, Some(_)) => Err(spec.invalid("it must be AES_256 or AES_128")),
    }
}

fn export_to(spec: WrappingKeySpec, algorithm: WrappingAlgorithm, public_key: Vec<u8>) -> Result<Export, WireError> {
    if (spec == WrappingKeySpec::EcSm2) != (algorithm == WrappingAlgorithm::Sm2Pke) {
        return Err(WireError::invalid_parameter("WrappingAlgorithm", "it does not match WrappingKeySpec"));
    }
    Ok(Export { spec, algorithm, public_key })
}
