//! GetCallerIdentity.

use serde::Serialize;
use yaoku_iam::PrincipalKind;
use yaoku_iam::operations::caller::GetCallerIdentity;

use super::{Action, Exchange, Reply};
use crate::actions::identity_action as action;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[action!("GetCallerIdentity", GetCallerIdentity, get_caller_identity())];

async fn get_caller_identity(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        account_id: &'a str,
        arn: &'a str,
        identity_type: &'static str,
        principal_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        role_id: Option<String>,
    }
    let caller = exchange.perform(GetCallerIdentity).await?;
    let (identity_type, user_id, role_id) = match caller.kind {
        PrincipalKind::Root => ("Account", Some(caller.account.to_string()), None),
        PrincipalKind::User(id) => ("RAMUser", Some(id.to_string()), None),
        PrincipalKind::Session(role) => ("AssumedRoleUser", None, Some(role.to_string())),
        // It calls nobody.
        PrincipalKind::Disk(_) | PrincipalKind::Service => ("Service", None, None),
    };
    let (account_id, arn, principal_id) = (caller.account.as_str(), &*caller.arn, &*caller.id);
    exchange.reply(&Content { account_id, arn, identity_type, principal_id, user_id, role_id })
}
