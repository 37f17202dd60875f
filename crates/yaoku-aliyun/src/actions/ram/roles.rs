//! CreateRole, GetRole, UpdateRole, ListRoles, DeleteRole.

use serde::Serialize;
use yaoku_iam::Field;
use yaoku_iam::operations::roles::{CreateRole, DeleteRole, GetRole, ListRoles, Role, UpdateRole};

use super::arguments::time;
use super::tags::TagsReply;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::actions::arguments::unsupported;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "CreateRole",
        CreateRole,
        create,
        [
            required("RoleName"),
            required("AssumeRolePolicyDocument"),
            optional("Description"),
            optional("MaxSessionDuration"),
            optional("AllowConsoleLogin"),
            optional("Tag"),
        ]
    ),
    action!("GetRole", GetRole, get, [required("RoleName")]),
    action!(
        "UpdateRole",
        UpdateRole,
        update,
        [
            required("RoleName"),
            optional("NewAssumeRolePolicyDocument"),
            optional("NewDescription"),
            optional("NewMaxSessionDuration"),
            optional("NewAllowConsoleLogin"),
        ]
    ),
    action!("ListRoles", ListRoles, list, [optional("Marker"), optional("MaxItems"), optional("Tag")]),
    action!("DeleteRole", DeleteRole, delete, [required("RoleName")]),
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    role: RoleReply,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RoleReply {
    role_id: String,
    role_name: String,
    arn: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    assume_role_policy_document: Option<String>,
    max_session_duration: u32,
    allow_console_login: bool,
    create_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_date: Option<String>,
    /// Only listings show them.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<TagsReply>,
}

impl RoleReply {
    fn new(role: Role) -> Self {
        Self {
            role_id: role.id.to_string(),
            role_name: role.name.to_string(),
            arn: role.arn,
            description: role.description,
            assume_role_policy_document: Some(role.trust),
            max_session_duration: role.max_session,
            // There is no console here.
            allow_console_login: false,
            create_date: time(Some(role.created)),
            update_date: Some(time(Some(role.updated))),
            tags: None,
        }
    }
}

/// There is no console here to log into.
fn without_console(exchange: &Exchange<'_>, name: &'static str) -> Result<(), WireError> {
    match exchange.arguments.boolean(name)? {
        Some(true) => Err(unsupported(format!("The parameter {name} is not supported by this server."))),
        Some(false) | None => Ok(()),
    }
}

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    without_console(exchange, "AllowConsoleLogin")?;
    let arguments = &exchange.arguments;
    let role = CreateRole {
        name: arguments.name(Field::RoleName)?,
        description: arguments.owned("Description"),
        trust: arguments.required_text("AssumeRolePolicyDocument")?.to_owned(),
        max_session: arguments.integer("MaxSessionDuration")?,
        tags: arguments.identity_tags()?,
    };
    let role = RoleReply::new(exchange.manage(role).await?);
    exchange.reply(&Content { role: RoleReply { update_date: None, ..role } })
}

async fn get(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let role = exchange.manage(GetRole { name: exchange.arguments.name(Field::RoleName)? }).await?;
    exchange.reply(&Content { role: RoleReply::new(role) })
}

async fn update(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    without_console(exchange, "NewAllowConsoleLogin")?;
    let arguments = &exchange.arguments;
    let change = UpdateRole {
        name: arguments.name(Field::RoleName)?,
        description: arguments.change("NewDescription"),
        trust: arguments.given("NewAssumeRolePolicyDocument").map(str::to_owned),
        max_session: arguments.integer("NewMaxSessionDuration")?,
    };
    let role = exchange.manage(change).await?;
    exchange.reply(&Content { role: RoleReply::new(role) })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        roles: Roles,
        is_truncated: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Roles {
        role: Vec<RoleReply>,
    }
    let (filters, slice) = (exchange.arguments.tag_filters()?, exchange.arguments.slice(Field::RoleName)?);
    let part = exchange.manage(ListRoles { filters, slice }).await?;
    let role = |role: Role| RoleReply {
        tags: Some(TagsReply::new(&role.tags)),
        assume_role_policy_document: None,
        ..RoleReply::new(role)
    };
    exchange.reply(&Content {
        roles: Roles { role: part.items.into_iter().map(role).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.map(|name| name.to_string()),
    })
}

async fn delete(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    exchange.manage(DeleteRole { name: exchange.arguments.name(Field::RoleName)? }).await?;
    exchange.done()
}
