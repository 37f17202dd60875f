//! GetCallerIdentity.

use serde::Serialize;
use yaoku_iam::operations::caller::{GetCallerIdentity, IdentityKind};

use super::{Action, Exchange, Reply, perform};
use crate::actions::identity_action as action;
use crate::actions::names::Named;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[action!("GetCallerIdentity", GetCallerIdentity, get_caller_identity, [])];

impl Named for IdentityKind {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::Account, "Account")];
}

async fn get_caller_identity(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        account_id: &'a str,
        arn: &'a str,
        identity_type: &'static str,
        principal_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<&'a str>,
    }
    let identity = perform(exchange, GetCallerIdentity).await?;
    exchange.reply(&Content {
        account_id: identity.account.as_str(),
        arn: &identity.arn,
        identity_type: identity.kind.name(),
        principal_id: &identity.principal_id,
        user_id: identity.user_id.as_deref(),
    })
}
