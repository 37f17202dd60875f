//! AsymmetricSign, AsymmetricVerify, AsymmetricEncrypt, AsymmetricDecrypt, GetPublicKey.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pem_rfc7468::LineEnding;
use serde::Serialize;
use yaoku_crypto::Secret;
use yaoku_crypto::asymmetric::SigningAlgorithm;
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_kms::operations::asymmetric::{
    AsymmetricDecrypt, AsymmetricEncrypt, AsymmetricSign, AsymmetricVerify, GetPublicKey, KeyPair,
};
use yaoku_kms::{KeyRef, KeyVersionId};

use super::crypto::{Ciphertext, MAX_BLOB, reply_plaintext};
use super::{Action, Exchange, Reply, action, parameters};
use crate::wire::WireError;

/// ML-DSA signs the message itself; all others, digests of 32 bytes.
const MAX_DIGEST: usize = 6144;
/// More than any signature that a client may hold to be one.
const MAX_SIGNATURE: usize = 16_384;
/// More than any public-key algorithm takes.
const MAX_PLAINTEXT: usize = 8192;

pub(super) const ACTIONS: &[Action] = &[
    action!("AsymmetricSign", AsymmetricSign, sign(SignParameters)),
    action!("AsymmetricVerify", AsymmetricVerify, verify(VerifyParameters)),
    action!("AsymmetricEncrypt", AsymmetricEncrypt, encrypt(EncryptParameters)),
    action!("AsymmetricDecrypt", AsymmetricDecrypt, decrypt(DecryptParameters)),
    action!("GetPublicKey", GetPublicKey, public_key(PublicKeyParameters)),
];

parameters! {
    struct SignParameters {
        key: KeyRef = "KeyId" required shown => key_ref;
        version: KeyVersionId = "KeyVersionId" required shown => version_id;
        algorithm: SigningAlgorithm = "Algorithm" required shown => named;
        digest: Vec<u8> = "Digest" required hidden => base64(MAX_DIGEST);
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct VerifyParameters {
        key: KeyRef = "KeyId" required shown => key_ref;
        version: KeyVersionId = "KeyVersionId" required shown => version_id;
        algorithm: SigningAlgorithm = "Algorithm" required shown => named;
        digest: Vec<u8> = "Digest" required hidden => base64(MAX_DIGEST);
        signature: Vec<u8> = "Value" required hidden => base64(MAX_SIGNATURE);
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct EncryptParameters {
        key: KeyRef = "KeyId" required shown => key_ref;
        version: KeyVersionId = "KeyVersionId" required shown => version_id;
        algorithm: WrappingAlgorithm = "Algorithm" required shown => named;
        plaintext: Secret = "Plaintext" required hidden => base64_secret(MAX_PLAINTEXT);
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct DecryptParameters {
        _ = "Recipient" optional hidden => refused;
        key: KeyRef = "KeyId" required shown => key_ref;
        version: KeyVersionId = "KeyVersionId" required shown => version_id;
        algorithm: WrappingAlgorithm = "Algorithm" required shown => named;
        ciphertext: Vec<u8> = "CiphertextBlob" required hidden => base64(MAX_BLOB);
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct PublicKeyParameters {
        key: KeyRef = "KeyId" required shown => key_ref;
        version: KeyVersionId = "KeyVersionId" required shown => version_id;
        _ = "DryRun" optional shown => dry_run;
    }
}

async fn sign(exchange: &Exchange<'_>, given: SignParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        key_version_id: String,
        value: String,
    }
    let operation = AsymmetricSign {
        key_pair: KeyPair { key: given.key, version: given.version },
        algorithm: given.algorithm,
        digest: given.digest,
    };
    let signed = exchange.perform(operation).await?;
    exchange.reply(&Content {
        key_id: signed.key.to_string(),
        key_version_id: signed.version.to_string(),
        value: STANDARD.encode(signed.bytes),
    })
}

async fn verify(exchange: &Exchange<'_>, given: VerifyParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        key_version_id: String,
        value: bool,
    }
    let operation = AsymmetricVerify {
        key_pair: KeyPair { key: given.key, version: given.version },
        algorithm: given.algorithm,
        digest: given.digest,
        signature: given.signature,
    };
    let verified = exchange.perform(operation).await?;
    exchange.reply(&Content {
        key_id: verified.key.to_string(),
        key_version_id: verified.version.to_string(),
        value: verified.valid,
    })
}

async fn encrypt(exchange: &Exchange<'_>, given: EncryptParameters) -> Result<Reply, WireError> {
    let operation = AsymmetricEncrypt {
        key_pair: KeyPair { key: given.key, version: given.version },
        algorithm: given.algorithm,
        plaintext: given.plaintext,
    };
    let made = exchange.perform(operation).await?;
    exchange.reply(&Ciphertext::new(made.key, made.version, &made.bytes))
}

async fn decrypt(exchange: &Exchange<'_>, given: DecryptParameters) -> Result<Reply, WireError> {
    let operation = AsymmetricDecrypt {
        key_pair: KeyPair { key: given.key, version: given.version },
        algorithm: given.algorithm,
        ciphertext: given.ciphertext,
    };
    reply_plaintext(exchange, &exchange.perform(operation).await?)
}

async fn public_key(exchange: &Exchange<'_>, given: PublicKeyParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        key_version_id: String,
        public_key: String,
    }
    let made = exchange.perform(GetPublicKey { key_pair: KeyPair { key: given.key, version: given.version } }).await?;
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
