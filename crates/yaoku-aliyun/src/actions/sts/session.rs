//! AssumeRole.

use serde::Serialize;
use yaoku_iam::operations::sessions::{AssumeRole, role_of_arn};

use super::{Action, Exchange, Reply, perform};
use crate::actions::{identity_action as action, optional, required};
use crate::wire::time::format_time;
use crate::wire::{Code, WireError};

pub(super) const ACTIONS: &[Action] = &[action!(
    "AssumeRole",
    AssumeRole,
    assume_role,
    [
        required("RoleArn"),
        required("RoleSessionName"),
        optional("DurationSeconds"),
        optional("Policy"),
        optional("ExternalId"),
        optional("SourceIdentity"),
    ]
)];

async fn assume_role(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        assumed_role_user: AssumedRoleUser<'a>,
        credentials: Credentials<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct AssumedRoleUser<'a> {
        arn: &'a str,
        assumed_role_id: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Credentials<'a> {
        access_key_id: &'a str,
        access_key_secret: &'a str,
        security_token: &'a str,
        expiration: String,
    }
    let arguments = &exchange.arguments;
    // Nothing keeps it for the session's calls here; to pass over what should protect would be worse than to refuse.
    arguments.refuse(&["SourceIdentity"])?;
    let why = "The specified parameter \"RoleArn\" is not valid: it must be acs:ram::<account id>:role/<role name>.";
    let role = role_of_arn(arguments.required_text("RoleArn")?);
    let (account, role) = role.ok_or_else(|| WireError::new(Code::InvalidParameterRoleArn, why))?;
    let session_name = arguments.required_text("RoleSessionName")?.to_owned();
    let duration = arguments.integer("DurationSeconds")?;
    let policy = arguments.given("Policy").map(str::to_owned);
    let external_id = arguments.given("ExternalId").map(str::to_owned);
    let wanted = AssumeRole { account, role, session_name: session_name.clone(), duration, policy, external_id };
    let assumed = perform(exchange, wanted).await?;
    exchange.reply(&Content {
        assumed_role_user: AssumedRoleUser {
            arn: &assumed.arn,
            assumed_role_id: format!("{}:{session_name}", assumed.role),
        },
        credentials: Credentials {
            access_key_id: assumed.key.id.as_str(),
            // Letters and digits.
            access_key_secret: std::str::from_utf8(assumed.key.secret.expose()).unwrap_or_default(),
            security_token: &assumed.token,
            expiration: format_time(assumed.expires.0),
        },
    })
}
