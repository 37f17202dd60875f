//! AssumeRole.

use serde::Serialize;
use yaoku_iam::operations::sessions::{AssumeRole, role_of_arn};
use yaoku_iam::{AccountId, Name};

use super::{Action, Exchange, Reply};
use crate::actions::arguments::{Parameter, Read};
use crate::actions::elements::Shown;
use crate::actions::{identity_action as action, parameters};
use crate::wire::time::format_time;
use crate::wire::{Code, WireError};

pub(super) const ACTIONS: &[Action] = &[action!("AssumeRole", AssumeRole, assume_role(AssumeRoleParameters))];

parameters! {
    struct AssumeRoleParameters {
        // Nothing keeps it for the session's calls here; to pass over what should protect would be worse than to refuse.
        _ = "SourceIdentity" optional shown => refused;
        role: (AccountId, Name) = "RoleArn" required shown => role_arn;
        session_name: String = "RoleSessionName" required shown => string;
        duration: Option<u32> = "DurationSeconds" optional shown => integer;
        policy: Option<String> = "Policy" optional shown => filled_string;
        external_id: Option<String> = "ExternalId" optional hidden => filled_string;
    }
}

impl Parameter<'_> {
    fn role_arn(self) -> Read<(AccountId, Name)> {
        let Some(text) = self.value() else { return Ok(None) };
        let why =
            "The specified parameter \"RoleArn\" is not valid: it must be acs:ram::<account id>:role/<role name>.";
        role_of_arn(text).map(Some).ok_or_else(|| WireError::new(Code::InvalidParameterRoleArn, why))
    }
}

async fn assume_role(exchange: &Exchange<'_>, given: AssumeRoleParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        assumed_role_user: AssumedRoleUser<'a>,
        credentials: Credentials<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct AssumedRoleUser<'a> {
        arn: Shown<&'a str>,
        assumed_role_id: Shown<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Credentials<'a> {
        access_key_id: Shown<&'a str>,
        access_key_secret: &'a str,
        security_token: &'a str,
        expiration: Shown<String>,
    }
    let AssumeRoleParameters { role: (account, role), session_name, duration, policy, external_id } = given;
    let wanted = AssumeRole { account, role, session_name: session_name.clone(), duration, policy, external_id };
    let assumed = exchange.perform(wanted).await?;
    exchange.reply(&Content {
        assumed_role_user: AssumedRoleUser {
            arn: Shown(&assumed.arn),
            assumed_role_id: Shown(format!("{}:{session_name}", assumed.role)),
        },
        credentials: Credentials {
            access_key_id: Shown(assumed.key.id.as_str()),
            // Letters and digits.
            access_key_secret: std::str::from_utf8(assumed.key.secret.expose()).unwrap_or_default(),
            security_token: &assumed.token,
            expiration: Shown(format_time(assumed.expires.0)),
        },
    })
}
