//! GetParametersForImport, ImportKeyMaterial, DeleteKeyMaterial.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_crypto::unwrapping::UnwrappingAlgorithm;
use yaoku_crypto::wrapping::WrappingKeySpec;
use yaoku_kms::operations::import::{DeleteKeyMaterial, GetParametersForImport, ImportKeyMaterial};
use yaoku_kms::{KeyId, Timestamp};

use super::keys::OneKey;
use super::{Action, Exchange, Reply, action, parameters};
use crate::wire::WireError;
use crate::wire::time::format_time;

/// More than any token that was ever made here.
const MAX_TOKEN: usize = 8192;
/// More than any wrapped material: an RSA private key of 4096 bits takes some 2900 bytes.
const MAX_WRAPPED: usize = 4096;

pub(super) const ACTIONS: &[Action] = &[
    action!("GetParametersForImport", GetParametersForImport, parameters_for_import(ForImportParameters)),
    action!("ImportKeyMaterial", ImportKeyMaterial, import(ImportParameters)),
    action!("DeleteKeyMaterial", DeleteKeyMaterial, delete(OneKey)),
];

parameters! {
    struct ForImportParameters {
        key: KeyId = "KeyId" required shown => key_id;
        algorithm: UnwrappingAlgorithm = "WrappingAlgorithm" required shown => named;
        wrapping_key: WrappingKeySpec = "WrappingKeySpec" required shown => named;
    }
}

parameters! {
    struct ImportParameters {
        expires: Option<u64> = "KeyMaterialExpireUnix" optional shown => unix_seconds;
        key: KeyId = "KeyId" required shown => key_id;
        wrapped: Vec<u8> = "EncryptedKeyMaterial" required hidden => base64(MAX_WRAPPED);
        token: Vec<u8> = "ImportToken" required hidden => base64(MAX_TOKEN);
    }
}

async fn parameters_for_import(exchange: &Exchange<'_>, given: ForImportParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        import_token: String,
        public_key: String,
        token_expire_time: String,
    }
    let ForImportParameters { key, algorithm, wrapping_key } = given;
    let parameters = exchange.perform(GetParametersForImport { key, wrapping_key, algorithm }).await?;
    exchange.reply(&Content {
        key_id: parameters.key.to_string(),
        import_token: STANDARD.encode(parameters.token),
        public_key: STANDARD.encode(parameters.public_key),
        token_expire_time: format_time(parameters.expires.0),
    })
}

async fn import(exchange: &Exchange<'_>, given: ImportParameters) -> Result<Reply, WireError> {
    let ImportParameters { expires, key, wrapped, token } = given;
    let expires = expires.filter(|seconds| *seconds != 0).map(|seconds| Timestamp(seconds.saturating_mul(1000)));
    exchange.perform(ImportKeyMaterial { key, token, wrapped, expires }).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>, given: OneKey) -> Result<Reply, WireError> {
    exchange.perform(DeleteKeyMaterial { key: given.key }).await?;
    exchange.done()
}
