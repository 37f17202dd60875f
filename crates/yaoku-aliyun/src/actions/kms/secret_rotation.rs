//! RotateSecret, UpdateSecretRotationPolicy, and what is shown of secrets that rotate.

use serde::Serialize;
use serde_json::json;
use yaoku_secrets::operations::rotation::{RotateSecret, UpdateSecretRotationPolicy};
use yaoku_secrets::{RamCredentialsAbout, SecretAbout, SecretName, VersionId};

use super::secret_arguments::RAM_USER_ACCESS_KEY;
use super::secrets::Done;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::Arguments;
use crate::actions::arguments::Parameter;
use crate::actions::elements::Shown;
use crate::wire::WireError;
use crate::wire::time::format_time;

pub(super) const ACTIONS: &[Action] = &[
    action!("RotateSecret", RotateSecret, rotate(RotateParameters)),
    action!("UpdateSecretRotationPolicy", UpdateSecretRotationPolicy, update_policy(PolicyParameters)),
];

parameters! {
    struct RotateParameters {
        name: SecretName = "SecretName" required shown => secret_name;
        version: VersionId = "VersionId" required shown => secret_version;
    }
}

parameters! {
    struct PolicyParameters<'a> {
        name: SecretName = "SecretName" required shown => secret_name;
        rotates: bool = "EnableAutomaticRotation" required shown => boolean;
        interval: Parameter<'a> = "RotationInterval" later shown => itself;
    }
}

/// What is shown of a secret that rotates.
pub(super) struct Rotation {
    pub(super) automatic_rotation: &'static str,
    pub(super) rotation_interval: Option<String>,
    pub(super) last_rotation_date: Option<String>,
    pub(super) next_rotation_date: Option<String>,
    /// As JSON.
    pub(super) extended_config: String,
}

impl Rotation {
    /// None of a secret that does not.
    pub(super) fn of(secret: &SecretAbout) -> Option<Self> {
        let RamCredentialsAbout { user, custom_data, rotation, last_rotation, next_rotation } =
            secret.ram_credentials.as_ref()?;
        let automatic_rotation = match (user, rotation) {
            (None, _) => "Invalid",
            (Some(_), Some(_)) => "Enabled",
            (Some(_), None) => "Disabled",
        };
        let user = user.as_ref().map_or("", |name| name.as_str());
        let config = json!({"SecretSubType": RAM_USER_ACCESS_KEY, "UserName": user, "CustomData": custom_data});
        Some(Self {
            automatic_rotation,
            rotation_interval: rotation.map(|interval| format!("{}s", interval.seconds())),
            last_rotation_date: last_rotation.map(|time| format_time(time.0)),
            next_rotation_date: next_rotation.filter(|_| !user.is_empty()).map(|time| format_time(time.0)),
            extended_config: config.to_string(),
        })
    }
}

async fn rotate(exchange: &Exchange<'_>, given: RotateParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        arn: Shown<String>,
        secret_name: Shown<String>,
        version_id: Shown<String>,
    }
    let RotateParameters { name, version } = given;
    let (secret, version) = exchange.perform(RotateSecret { name, version }).await?;
    exchange.reply(&Content {
        arn: exchange.arguments.secret_arn(secret.account, &secret.name).into(),
        secret_name: secret.name.to_string().into(),
        version_id: version.as_str().to_owned().into(),
    })
}

async fn update_policy(exchange: &Exchange<'_>, given: PolicyParameters<'_>) -> Result<Reply, WireError> {
    let PolicyParameters { name, rotates, interval } = given;
    let rotation = rotates.then(|| interval.demand(Parameter::secret_interval)).transpose()?;
    let done = Done::from(&name);
    exchange.perform(UpdateSecretRotationPolicy { name, rotation }).await?;
    exchange.reply(&done)
}

/// Reads the parameters of every action, for fuzzing.
pub(super) fn read_all(arguments: &Arguments<'_>) {
    let _ = RotateParameters::read(arguments).map(drop);
    if let Ok(given) = PolicyParameters::read(arguments) {
        let _ = given.interval.secret_interval();
    }
}
