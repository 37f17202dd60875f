//! CreateGroup, GetGroup, UpdateGroup, ListGroups, DeleteGroup.

use serde::Serialize;
use yaoku_iam::Field;
use yaoku_iam::operations::groups::{CreateGroup, DeleteGroup, GetGroup, Group, ListGroups, UpdateGroup};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateGroup", CreateGroup, create, [required("GroupName"), optional("Comments")]),
    action!("GetGroup", GetGroup, get, [required("GroupName")]),
    action!(
        "UpdateGroup",
        UpdateGroup,
        update,
        [required("GroupName"), optional("NewGroupName"), optional("NewComments")]
    ),
    action!("ListGroups", ListGroups, list, [optional("Marker"), optional("MaxItems")]),
    action!("DeleteGroup", DeleteGroup, delete, [required("GroupName")]),
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    group: GroupReply,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupReply {
    group_id: String,
    group_name: String,
    comments: String,
    create_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_date: Option<String>,
}

impl GroupReply {
    fn new(group: Group) -> Self {
        Self {
            group_id: group.id.to_string(),
            group_name: group.name.to_string(),
            comments: group.comments,
            create_date: time(Some(group.created)),
            update_date: Some(time(Some(group.updated))),
        }
    }
}

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let (name, comments) = (arguments.name(Field::GroupName)?, arguments.owned("Comments"));
    let group = exchange.manage(CreateGroup { name, comments }).await?;
    exchange.reply(&Content { group: GroupReply { update_date: None, ..GroupReply::new(group) } })
}

async fn get(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let group = exchange.manage(GetGroup { name: exchange.arguments.name(Field::GroupName)? }).await?;
    exchange.reply(&Content { group: GroupReply::new(group) })
}

async fn update(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let change = UpdateGroup {
        name: arguments.name(Field::GroupName)?,
        new_name: arguments.optional_name(Field::NewGroupName)?,
        comments: arguments.change("NewComments"),
    };
    let group = exchange.manage(change).await?;
    exchange.reply(&Content { group: GroupReply::new(group) })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        groups: Groups,
        is_truncated: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Groups {
        group: Vec<GroupReply>,
    }
    let part = exchange.manage(ListGroups { slice: exchange.arguments.slice(Field::GroupName)? }).await?;
    exchange.reply(&Content {
        groups: Groups { group: part.items.into_iter().map(GroupReply::new).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.map(|name| name.to_string()),
    })
}

async fn delete(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    exchange.manage(DeleteGroup { name: exchange.arguments.name(Field::GroupName)? }).await?;
    exchange.done()
}
