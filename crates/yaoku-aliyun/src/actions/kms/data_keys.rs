//! GenerateDataKey, GenerateDataKeyWithoutPlaintext, ExportDataKey, GenerateAndExportDataKey.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec};
use yaoku_kms::operations::data_keys::{
    DataKeyRequest, Export, ExportDataKey, GenerateAndExportDataKey, GenerateDataKey, GenerateDataKeyWithoutPlaintext,
    MAX_DATA_KEY,
};
use zeroize::Zeroizing;

use super::crypto::{Ciphertext, MAX_BLOB};
use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

/// More than the DER of any public key that a data key can be exported to.
const MAX_PUBLIC_KEY: usize = 4096;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "GenerateDataKey",
        GenerateDataKey,
        generate,
        [
            required("KeyId"),
            optional("KeySpec"),
            optional("NumberOfBytes"),
            optional("EncryptionContext"),
            optional("DryRun"),
            optional("Recipient"),
        ]
    ),
    action!(
        "GenerateDataKeyWithoutPlaintext",
        GenerateDataKeyWithoutPlaintext,
        generate_without_plaintext,
        [
            required("KeyId"),
            optional("KeySpec"),
            optional("NumberOfBytes"),
            optional("EncryptionContext"),
            optional("DryRun"),
        ]
    ),
    action!(
        "ExportDataKey",
        ExportDataKey,
        export,
        [
            required("CiphertextBlob"),
            required("PublicKeyBlob"),
            required("WrappingAlgorithm"),
            required("WrappingKeySpec"),
            optional("EncryptionContext"),
            optional("DryRun"),
        ]
    ),
    action!(
        "GenerateAndExportDataKey",
        GenerateAndExportDataKey,
        generate_and_export,
        [
            required("KeyId"),
            required("PublicKeyBlob"),
            required("WrappingAlgorithm"),
            required("WrappingKeySpec"),
            optional("KeySpec"),
            optional("NumberOfBytes"),
            optional("EncryptionContext"),
            optional("DryRun"),
        ]
    ),
];

async fn generate(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        #[serde(flatten)]
        encrypted: Ciphertext,
        plaintext: &'a str,
    }
    exchange.arguments.refuse(&["Recipient"])?;
    let data_key = exchange.perform(GenerateDataKey(request(exchange)?)).await?;
    let plaintext = Zeroizing::new(STANDARD.encode(data_key.plaintext.expose()));
    exchange.reply(&Content { encrypted: data_key.encrypted.into(), plaintext: &plaintext })
}

async fn generate_without_plaintext(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let encrypted = exchange.perform(GenerateDataKeyWithoutPlaintext(request(exchange)?)).await?;
    exchange.reply(&Ciphertext::from(encrypted))
}

async fn export(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        key_version_id: String,
        exported_data_key: String,
    }
    let arguments = &exchange.arguments;
    let operation = ExportDataKey {
        blob: arguments.base64("CiphertextBlob", MAX_BLOB)?,
        context: arguments.context("EncryptionContext")?,
        export: export_of(exchange)?,
    };
    let exported = exchange.perform(operation).await?;
    exchange.reply(&Content {
        key_id: exported.key.to_string(),
        key_version_id: exported.version.to_string(),
        exported_data_key: STANDARD.encode(exported.wrapped),
    })
}

async fn generate_and_export(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        #[serde(flatten)]
        encrypted: Ciphertext,
        exported_data_key: String,
    }
    let operation = GenerateAndExportDataKey { request: request(exchange)?, export: export_of(exchange)? };
    let made = exchange.perform(operation).await?;
    let exported_data_key = STANDARD.encode(made.wrapped);
    exchange.reply(&Content { encrypted: made.encrypted.into(), exported_data_key })
}

/// `NumberOfBytes` counts before `KeySpec`, which is AES_256 by default.
fn request(exchange: &Exchange<'_>) -> Result<DataKeyRequest, WireError> {
    let arguments = &exchange.arguments;
    let by_spec = match arguments.given("KeySpec") {
        None | Some("AES_256") => 32,
        Some("AES_128") => 16,
        Some(_) => return Err(WireError::invalid_parameter("KeySpec", "it must be AES_256 or AES_128")),
    };
    let length = match arguments.integer("NumberOfBytes")? {
        None => by_spec,
        Some(number) => number as usize,
    };
    if !(1..=MAX_DATA_KEY).contains(&length) {
        return Err(WireError::invalid_parameter("NumberOfBytes", format!("it must be 1 to {MAX_DATA_KEY}")));
    }
    Ok(DataKeyRequest { key: arguments.key_ref("KeyId")?, length, context: arguments.context("EncryptionContext")? })
}

fn export_of(exchange: &Exchange<'_>) -> Result<Export, WireError> {
    let arguments = &exchange.arguments;
    let spec: WrappingKeySpec = arguments.required_name("WrappingKeySpec")?;
    let algorithm: WrappingAlgorithm = arguments.required_name("WrappingAlgorithm")?;
    if (spec == WrappingKeySpec::EcSm2) != (algorithm == WrappingAlgorithm::Sm2Pke) {
        return Err(WireError::invalid_parameter("WrappingAlgorithm", "it does not match WrappingKeySpec"));
    }
    Ok(Export { spec, algorithm, public_key: arguments.base64("PublicKeyBlob", MAX_PUBLIC_KEY)? })
}
