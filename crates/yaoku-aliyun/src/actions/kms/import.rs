//! GetParametersForImport, ImportKeyMaterial, DeleteKeyMaterial.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_kms::Timestamp;
use yaoku_kms::operations::import::{DeleteKeyMaterial, GetParametersForImport, ImportKeyMaterial};

use super::{Action, Exchange, Reply, action, required};
use crate::wire::WireError;
use crate::wire::time::format_time;

/// More than any token that was ever made here.
const MAX_TOKEN: usize = 8192;
/// More than any wrapped material: an RSA private key of 4096 bits takes some 2900 bytes.
const MAX_WRAPPED: usize = 4096;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "GetParametersForImport",
        GetParametersForImport,
        parameters,
        [required("KeyId"), required("WrappingAlgorithm"), required("WrappingKeySpec")]
    ),
    action!(
        "ImportKeyMaterial",
        ImportKeyMaterial,
        import,
        [
            required("KeyId"),
            required("EncryptedKeyMaterial"),
            required("ImportToken"),
            super::optional("KeyMaterialExpireUnix"),
        ]
    ),
    action!("DeleteKeyMaterial", DeleteKeyMaterial, delete, [required("KeyId")]),
];

async fn parameters(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        import_token: String,
        public_key: String,
        token_expire_time: String,
    }
    let arguments = &exchange.arguments;
    let operation = GetParametersForImport {
        key: arguments.key_id("KeyId")?,
        wrapping_key: arguments.required_name("WrappingKeySpec")?,
        algorithm: arguments.required_name("WrappingAlgorithm")?,
    };
    let parameters = exchange.perform(operation).await?;
    exchange.reply(&Content {
        key_id: parameters.key.to_string(),
        import_token: STANDARD.encode(parameters.token),
        public_key: STANDARD.encode(parameters.public_key),
        token_expire_time: format_time(parameters.expires.0),
    })
}

async fn import(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let expires = arguments.long_integer("KeyMaterialExpireUnix")?.filter(|seconds| *seconds != 0);
    let operation = ImportKeyMaterial {
        key: arguments.key_id("KeyId")?,
        token: arguments.base64("ImportToken", MAX_TOKEN)?,
        wrapped: arguments.base64("EncryptedKeyMaterial", MAX_WRAPPED)?,
        expires: expires.map(|seconds| Timestamp(seconds.saturating_mul(1000))),
    };
    exchange.perform(operation).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    exchange.perform(DeleteKeyMaterial { key: exchange.arguments.key_id("KeyId")? }).await?;
    exchange.done()
}
