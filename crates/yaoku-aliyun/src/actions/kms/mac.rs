//! GenerateMac, VerifyMac.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_crypto::mac::Hash;
use yaoku_kms::operations::mac::{GenerateMac, MAX_MESSAGE, MacRequest, VerifyMac};

use super::{Action, Exchange, Reply, action, optional, required};
use crate::actions::names::Named;
use crate::wire::WireError;

/// More than any code.
const MAX_CODE: usize = 1024;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "GenerateMac",
        GenerateMac,
        generate,
        [required("KeyId"), required("Algorithm"), required("Message"), optional("DryRun")]
    ),
    action!(
        "VerifyMac",
        VerifyMac,
        verify,
        [required("KeyId"), required("Algorithm"), required("Message"), required("Mac"), optional("DryRun")]
    ),
];

fn request(exchange: &Exchange<'_>) -> Result<(MacRequest, Hash), WireError> {
    let arguments = &exchange.arguments;
    let hash: Hash = arguments.required_name("Algorithm")?;
    let message = arguments.base64_secret("Message", MAX_MESSAGE)?;
    Ok((MacRequest { key: arguments.key_ref("KeyId")?, hash, message }, hash))
}

async fn generate(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        algorithm: &'static str,
        mac: String,
    }
    let (request, hash) = request(exchange)?;
    let mac = exchange.perform(GenerateMac(request)).await?;
    exchange.reply(&Content { key_id: mac.key.to_string(), algorithm: hash.name(), mac: STANDARD.encode(mac.code) })
}

async fn verify(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_id: String,
        algorithm: &'static str,
        value: bool,
    }
    let (request, hash) = request(exchange)?;
    let code = exchange.arguments.base64("Mac", MAX_CODE)?;
    let verified = exchange.perform(VerifyMac { request, code }).await?;
    exchange.reply(&Content { key_id: verified.key.to_string(), algorithm: hash.name(), value: verified.valid })
}
