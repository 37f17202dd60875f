//! SetKeyPolicy, GetKeyPolicy.

use serde::Serialize;
use yaoku_kms::operations::policies::{GetKeyPolicy, KeyPolicy, SetKeyPolicy};

use super::{Action, Exchange, Reply, action, optional, required};
use crate::actions::Arguments;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("SetKeyPolicy", SetKeyPolicy, set, [required("KeyId"), required("Policy"), optional("PolicyName")]),
    action!("GetKeyPolicy", GetKeyPolicy, get, [required("KeyId"), optional("PolicyName")]),
];

async fn set(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    named_default(arguments)?;
    let policy = policy(arguments)?.ok_or_else(|| WireError::missing_parameter("Policy"))?;
    exchange.perform(SetKeyPolicy { key: arguments.key_id("KeyId")?, policy }).await?;
    exchange.done()
}

async fn get(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        policy: &'a str,
    }
    let arguments = &exchange.arguments;
    named_default(arguments)?;
    let policy = exchange.perform(GetKeyPolicy { key: arguments.key_id("KeyId")? }).await?;
    exchange.reply(&Content { policy: policy.as_str() })
}

/// A key has one policy, of this name.
fn named_default(arguments: &Arguments<'_>) -> Result<(), WireError> {
    match arguments.given("PolicyName") {
        None | Some("default") => Ok(()),
        Some(_) => Err(WireError::invalid_parameter("PolicyName", "it must be default, the only policy of a key")),
    }
}

/// The policy of a key, if the request gives one.
pub(super) fn policy(arguments: &Arguments<'_>) -> Result<Option<KeyPolicy>, WireError> {
    let read = arguments.given("Policy").map(KeyPolicy::parse).transpose();
    read.map_err(|error| WireError::invalid_parameter("Policy", error.to_string()))
}
