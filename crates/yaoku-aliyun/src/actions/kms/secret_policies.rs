//! SetSecretPolicy, GetSecretPolicy.

use serde::Serialize;
use yaoku_secrets::SecretName;
use yaoku_secrets::operations::policies::{GetSecretPolicy, SecretPolicy, SetSecretPolicy};

use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::{Parameter, Read};
use crate::wire::{Code, WireError};

pub(super) const ACTIONS: &[Action] = &[
    action!("SetSecretPolicy", SetSecretPolicy, set(SetParameters)),
    action!("GetSecretPolicy", GetSecretPolicy, get(GetParameters)),
];

parameters! {
    struct SetParameters {
        name: SecretName = "SecretName" required shown => secret_name;
        _ = "PolicyName" optional shown => default_secret_policy;
        policy: SecretPolicy = "Policy" required shown => secret_policy;
    }
}

parameters! {
    struct GetParameters {
        name: SecretName = "SecretName" required shown => secret_name;
        _ = "PolicyName" optional shown => default_secret_policy;
    }
}

impl Parameter<'_> {
    /// A secret has one policy, of this name.
    fn default_secret_policy(self) -> Read<()> {
        match self.filled() {
            None | Some("default") => Ok(None),
            Some(_) => Err(WireError::new(
                Code::ForbiddenResourceNotFound,
                "The specified policy does not exist: a secret has one policy, whose name is default.",
            )),
        }
    }

    pub(super) fn secret_policy(self) -> Read<SecretPolicy> {
        let read = self.filled().map(SecretPolicy::parse).transpose();
        read.map_err(|error| self.invalid(error))
    }
}

async fn set(exchange: &Exchange<'_>, given: SetParameters) -> Result<Reply, WireError> {
    exchange.perform(SetSecretPolicy { name: given.name, policy: given.policy }).await?;
    exchange.done()
}

async fn get(exchange: &Exchange<'_>, given: GetParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        policy: &'a str,
    }
    let policy = exchange.perform(GetSecretPolicy { name: given.name }).await?;
    exchange.reply(&Content { policy: policy.as_str() })
}
