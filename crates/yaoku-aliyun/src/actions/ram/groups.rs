//! CreateGroup, GetGroup, UpdateGroup, ListGroups, DeleteGroup.

use serde::Serialize;
use yaoku_iam::operations::groups::{CreateGroup, DeleteGroup, GetGroup, Group, ListGroups, UpdateGroup};
use yaoku_iam::{Field, Name};

use super::arguments::{MAX_ITEMS, ORDINARY_ITEMS, slice, time};
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::place_text;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateGroup", CreateGroup, create(CreateParameters)),
    action!("GetGroup", GetGroup, get(OneGroup)),
    action!("UpdateGroup", UpdateGroup, update(UpdateParameters)),
    action!("ListGroups", ListGroups, list(ListParameters)),
    action!("DeleteGroup", DeleteGroup, delete(OneGroup)),
];

parameters! {
    /// Of actions that need to know no more.
    pub(super) struct OneGroup {
        group: Name = "GroupName" required shown => name_of(Field::GroupName);
    }
}

parameters! {
    struct CreateParameters {
        name: Name = "GroupName" required shown => name_of(Field::GroupName);
        comments: String = "Comments" default(String::new()) shown => string;
    }
}

parameters! {
    struct UpdateParameters {
        name: Name = "GroupName" required shown => name_of(Field::GroupName);
        new_name: Option<Name> = "NewGroupName" optional shown => name_of(Field::NewGroupName);
        comments: Option<String> = "NewComments" optional shown => string;
    }
}

parameters! {
    struct ListParameters {
        after: Option<Vec<u8>> = "Marker" optional shown => place;
        most: u32 = "MaxItems" default(ORDINARY_ITEMS) shown => up_to(MAX_ITEMS);
    }
}

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

async fn create(exchange: &Exchange<'_>, given: CreateParameters) -> Result<Reply, WireError> {
    let CreateParameters { name, comments } = given;
    let group = exchange.perform(CreateGroup { name, comments }).await?;
    exchange.reply(&Content { group: GroupReply { update_date: None, ..GroupReply::new(group) } })
}

async fn get(exchange: &Exchange<'_>, given: OneGroup) -> Result<Reply, WireError> {
    let group = exchange.perform(GetGroup { name: given.group }).await?;
    exchange.reply(&Content { group: GroupReply::new(group) })
}

async fn update(exchange: &Exchange<'_>, given: UpdateParameters) -> Result<Reply, WireError> {
    let UpdateParameters { name, new_name, comments } = given;
    let group = exchange.perform(UpdateGroup { name, new_name, comments }).await?;
    exchange.reply(&Content { group: GroupReply::new(group) })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
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
    let part = exchange.perform(ListGroups { slice: slice(given.after, given.most) }).await?;
    exchange.reply(&Content {
        groups: Groups { group: part.items.into_iter().map(GroupReply::new).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.as_deref().map(place_text),
    })
}

async fn delete(exchange: &Exchange<'_>, given: OneGroup) -> Result<Reply, WireError> {
    exchange.perform(DeleteGroup { name: given.group }).await?;
    exchange.done()
}
