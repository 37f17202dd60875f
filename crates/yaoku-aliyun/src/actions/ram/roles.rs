//! CreateRole, GetRole, UpdateRole, ListRoles, DeleteRole.

use serde::Serialize;
use yaoku_iam::operations::roles::{CreateRole, DeleteRole, GetRole, ListRoles, Role, UpdateRole};
use yaoku_iam::operations::tags::{Tag, TagFilter};
use yaoku_iam::{Field, Name};

use super::arguments::{MAX_ITEMS, ORDINARY_ITEMS, slice, time};
use super::tags::TagsReply;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::place_text;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateRole", CreateRole, create(CreateParameters)),
    action!("GetRole", GetRole, get(OneRole)),
    action!("UpdateRole", UpdateRole, update(UpdateParameters)),
    action!("ListRoles", ListRoles, list(ListParameters)),
    action!("DeleteRole", DeleteRole, delete(OneRole)),
];

parameters! {
    /// Of actions that need to know no more.
    pub(super) struct OneRole {
        role: Name = "RoleName" required shown => name_of(Field::RoleName);
    }
}

// There is no console here to log into.

parameters! {
    struct CreateParameters {
        _ = "AllowConsoleLogin" optional shown => refused_if_true;
        name: Name = "RoleName" required shown => name_of(Field::RoleName);
        description: String = "Description" default(String::new()) shown => string;
        trust: String = "AssumeRolePolicyDocument" required shown => string;
        max_session: Option<u32> = "MaxSessionDuration" optional shown => integer;
        tags: Vec<Tag> = "Tag" default(Vec::new()) shown => identity_tags;
    }
}

parameters! {
    struct UpdateParameters {
        _ = "NewAllowConsoleLogin" optional shown => refused_if_true;
        name: Name = "RoleName" required shown => name_of(Field::RoleName);
        description: Option<String> = "NewDescription" optional shown => string;
        trust: Option<String> = "NewAssumeRolePolicyDocument" optional shown => filled_string;
        max_session: Option<u32> = "NewMaxSessionDuration" optional shown => integer;
    }
}

parameters! {
    struct ListParameters {
        filters: Vec<TagFilter> = "Tag" default(Vec::new()) shown => identity_tag_filters;
        after: Option<Vec<u8>> = "Marker" optional shown => place;
        most: u32 = "MaxItems" default(ORDINARY_ITEMS) shown => up_to(MAX_ITEMS);
    }
}

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

async fn create(exchange: &Exchange<'_>, given: CreateParameters) -> Result<Reply, WireError> {
    let CreateParameters { name, description, trust, max_session, tags } = given;
    let role = CreateRole { name, description, trust, max_session, tags };
    let role = RoleReply::new(exchange.perform(role).await?);
    exchange.reply(&Content { role: RoleReply { update_date: None, ..role } })
}

async fn get(exchange: &Exchange<'_>, given: OneRole) -> Result<Reply, WireError> {
    let role = exchange.perform(GetRole { name: given.role }).await?;
    exchange.reply(&Content { role: RoleReply::new(role) })
}

async fn update(exchange: &Exchange<'_>, given: UpdateParameters) -> Result<Reply, WireError> {
    let UpdateParameters { name, description, trust, max_session } = given;
    let role = exchange.perform(UpdateRole { name, description, trust, max_session }).await?;
    exchange.reply(&Content { role: RoleReply::new(role) })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
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
    let ListParameters { filters, after, most } = given;
    let part = exchange.perform(ListRoles { filters, slice: slice(after, most) }).await?;
    let role = |role: Role| RoleReply {
        tags: Some(TagsReply::new(&role.tags)),
        assume_role_policy_document: None,
        ..RoleReply::new(role)
    };
    exchange.reply(&Content {
        roles: Roles { role: part.items.into_iter().map(role).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.as_deref().map(place_text),
    })
}

async fn delete(exchange: &Exchange<'_>, given: OneRole) -> Result<Reply, WireError> {
    exchange.perform(DeleteRole { name: given.role }).await?;
    exchange.done()
}
