//! SetKeyPolicy, GetKeyPolicy.

use serde::Serialize;
use yaoku_kms::KeyId;
use yaoku_kms::operations::policies::{GetKeyPolicy, KeyPolicy, SetKeyPolicy};

use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::{Parameter, Read};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("SetKeyPolicy", SetKeyPolicy, set(SetParameters)),
    action!("GetKeyPolicy", GetKeyPolicy, get(GetParameters)),
];

parameters! {
    struct SetParameters {
        _ = "PolicyName" optional shown => default_policy;
        policy: KeyPolicy = "Policy" required shown => key_policy;
        key: KeyId = "KeyId" required shown => key_id;
    }
}

parameters! {
    struct GetParameters {
        _ = "PolicyName" optional shown => default_policy;
        key: KeyId = "KeyId" required shown => key_id;
    }
}

impl Parameter<'_> {
    /// A key has one policy, of this name.
    fn default_policy(self) -> Read<()> {
        match self.filled() {
            None | Some("default") => Ok(None),
            Some(_) => Err(self.invalid("a key has one policy, whose name is default")),
        }
    }

    pub(super) fn key_policy(self) -> Read<KeyPolicy> {
        let read = self.filled().map(KeyPolicy::parse).transpose();
        read.map_err(|error| self.invalid(error))
    }
}

async fn set(exchange: &Exchange<'_>, given: SetParameters) -> Result<Reply, WireError> {
    exchange.perform(SetKeyPolicy { key: given.key, policy: given.policy }).await?;
    exchange.done()
}

async fn get(exchange: &Exchange<'_>, given: GetParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        policy: &'a str,
    }
    let policy = exchange.perform(GetKeyPolicy { key: given.key }).await?;
    exchange.reply(&Content { policy: policy.as_str() })
}
