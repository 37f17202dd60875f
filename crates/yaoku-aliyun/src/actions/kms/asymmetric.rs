//! AsymmetricSign, AsymmetricVerify, AsymmetricEncrypt, AsymmetricDecrypt, GetPublicKey.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pem_rfc7468::LineEnding;
use serde::Serialize;
use yaoku_kms::operations::asymmetric::{
    AsymmetricDecrypt, AsymmetricEncrypt, AsymmetricSign, AsymmetricVerify, GetPublicKey, KeyPair,
};

use super::crypto::{Ciphertext, MAX_BLOB, reply_plaintext};
use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

/// ML-DSA signs the message itself; all others, digests of 32 bytes.
const MAX_DIGEST: usize = 6144;
/// More than any signature that a client may hold to be one.
const MAX_SIGNATURE: usize = 16_384;
/// More than any public-key algorithm takes.
const MAX_PLAINTEXT: usize = 8192;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "AsymmetricSign",
        AsymmetricSign,
        sign,
        [required("KeyId"), required("KeyVersionId"), required("Algorithm"), required("Digest"), optional("DryRun")]
    ),
    action!(
        "AsymmetricVerify",
        AsymmetricVerify,
        verify,
        [
            required("KeyId"),
            required("KeyVersionId"),
            required("Algorithm"),
            required("Digest"),
            required("Value"),
            optional("DryRun"),
        ]
    ),
    action!(
        "AsymmetricEncrypt",
        AsymmetricEncrypt,
        encrypt,
        [required("KeyId"), required("KeyVersionId"), required("Algorithm"), required("Plaintext"), optional("DryRun")]
    ),
    action!(
        "AsymmetricDecrypt",
        AsymmetricDecrypt,
        decrypt,
        [
            required("KeyId"),
            required("KeyVersionId"),
            required("Algorithm"),
            required("CiphertextBlob"),
            optional("DryRun"),
            optional("Recipient"),
        ]
    ),
    action!(
        "GetPublicKey",
        GetPublicKey,
        public_key,
        [required("KeyId"), required("KeyVersionId"), optional("DryRun")]
    ),
];

fn key_pair(exchange: &Exchange<'_>) -> Result<KeyPair, WireError> {
    let arguments = &exchange.arguments;
    Ok(KeyPair { key: arguments.key_ref("KeyId")?, version: arguments.version_id("KeyVersionId")? })
}

async fn sign(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        key_version_id: String,
        value: String,
    }
    let arguments = &exchange.arguments;
    let operation = AsymmetricSign {
        key_pair: key_pair(exchange)?,
        algorithm: arguments.required_name("Algorithm")?,
        digest: arguments.base64("Digest", MAX_DIGEST)?,
    };
    let signed = exchange.perform(operation).await?;
    exchange.reply(&Content {
        key_id: signed.key.to_string(),
        key_version_id: signed.version.to_string(),
        value: STANDARD.encode(signed.bytes),
    })
}

async fn verify(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        key_version_id: String,
        value: bool,
    }
    let arguments = &exchange.arguments;
    let operation = AsymmetricVerify {
        key_pair: key_pair(exchange)?,
        algorithm: arguments.required_name("Algorithm")?,
        digest: arguments.base64("Digest", MAX_DIGEST)?,
        signature: arguments.base64("Value", MAX_SIGNATURE)?,
    };
    let verified = exchange.perform(operation).await?;
    exchange.reply(&Content {
        key_id: verified.key.to_string(),
        key_version_id: verified.version.to_string(),
        value: verified.valid,
    })
}

async fn encrypt(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let operation = AsymmetricEncrypt {
        key_pair: key_pair(exchange)?,
        algorithm: arguments.required_name("Algorithm")?,
        plaintext: arguments.base64_secret("Plaintext", MAX_PLAINTEXT)?,
    };
    let made = exchange.perform(operation).await?;
    exchange.reply(&Ciphertext::new(made.key, made.version, &made.bytes))
}

async fn decrypt(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    arguments.refuse(&["Recipient"])?;
    let operation = AsymmetricDecrypt {
        key_pair: key_pair(exchange)?,
        algorithm: arguments.required_name("Algorithm")?,
        ciphertext: arguments.base64("CiphertextBlob", MAX_BLOB)?,
    };
    reply_plaintext(exchange, &exchange.perform(operation).await?)
}

async fn public_key(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        key_version_id: String,
        public_key: String,
    }
    let made = exchange.perform(GetPublicKey { key_pair: key_pair(exchange)? }).await?;
    let pem = pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, &made.bytes);
    exchange.reply(&Content {
        key_id: made.key.to_string(),
        key_version_id: made.version.to_string(),
        public_key: pem.map_err(|error| {
            tracing::error!(request_id = %exchange.request_id, %error, "can't encode a public key as PEM");
            WireError::internal()
        })?,
    })
}
