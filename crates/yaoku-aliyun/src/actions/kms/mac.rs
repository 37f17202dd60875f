//! GenerateMac, VerifyMac.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_crypto::Secret;
use yaoku_crypto::mac::Hash;
use yaoku_kms::KeyRef;
use yaoku_kms::operations::mac::{GenerateMac, MAX_MESSAGE, MacRequest, VerifyMac};

use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::names::Named;
use crate::wire::WireError;

/// More than any code.
const MAX_CODE: usize = 1024;

pub(super) const ACTIONS: &[Action] = &[
    action!("GenerateMac", GenerateMac, generate(GenerateParameters)),
    action!("VerifyMac", VerifyMac, verify(VerifyParameters)),
];

parameters! {
    struct GenerateParameters {
        hash: Hash = "Algorithm" required shown => named;
        message: Secret = "Message" required hidden => base64_secret(MAX_MESSAGE);
        key: KeyRef = "KeyId" required shown => key_ref;
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct VerifyParameters {
        hash: Hash = "Algorithm" required shown => named;
        message: Secret = "Message" required hidden => base64_secret(MAX_MESSAGE);
        key: KeyRef = "KeyId" required shown => key_ref;
        code: Vec<u8> = "Mac" required hidden => base64(MAX_CODE);
        _ = "DryRun" optional shown => dry_run;
    }
}

async fn generate(exchange: &Exchange<'_>, given: GenerateParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        algorithm: &'static str,
        mac: String,
    }
    let GenerateParameters { hash, message, key } = given;
    let mac = exchange.perform(GenerateMac(MacRequest { key, hash, message })).await?;
    exchange.reply(&Content { key_id: mac.key.to_string(), algorithm: hash.name(), mac: STANDARD.encode(mac.code) })
}

async fn verify(exchange: &Exchange<'_>, given: VerifyParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        algorithm: &'static str,
        value: bool,
    }
    let VerifyParameters { hash, message, key, code } = given;
    let request = MacRequest { key, hash, message };
    let verified = exchange.perform(VerifyMac { request, code }).await?;
    exchange.reply(&Content { key_id: verified.key.to_string(), algorithm: hash.name(), value: verified.valid })
}
