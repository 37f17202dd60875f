//! AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser, ListUsersForGroup.

use serde::Serialize;
use yaoku_iam::Field;
use yaoku_iam::operations::members::{
    AddUserToGroup, JoinedGroup, ListGroupsForUser, ListUsersForGroup, Member, RemoveUserFromGroup,
};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("AddUserToGroup", AddUserToGroup, add, [required("UserName"), required("GroupName")]),
    action!("RemoveUserFromGroup", RemoveUserFromGroup, remove, [required("UserName"), required("GroupName")]),
    action!("ListGroupsForUser", ListGroupsForUser, groups, [required("UserName")]),
    action!(
        "ListUsersForGroup",
        ListUsersForGroup,
        users,
        [required("GroupName"), optional("Marker"), optional("MaxItems")]
    ),
];

async fn add(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (user, group) = (exchange.arguments.name(Field::UserName)?, exchange.arguments.name(Field::GroupName)?);
    exchange.manage(AddUserToGroup { user, group }).await?;
    exchange.done()
}

async fn remove(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (user, group) = (exchange.arguments.name(Field::UserName)?, exchange.arguments.name(Field::GroupName)?);
    exchange.manage(RemoveUserFromGroup { user, group }).await?;
    exchange.done()
}

async fn groups(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        groups: Groups,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Groups {
        group: Vec<Group>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Group {
        group_id: String,
        group_name: String,
        comments: String,
        join_date: String,
    }
    let groups = exchange.manage(ListGroupsForUser { user: exchange.arguments.name(Field::UserName)? }).await?;
    let group = |JoinedGroup { id, name, comments, joined }| Group {
        group_id: id.to_string(),
        group_name: name.to_string(),
        comments,
        join_date: time(Some(joined)),
    };
    exchange.reply(&Content { groups: Groups { group: groups.into_iter().map(group).collect() } })
}

async fn users(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        users: Users,
        is_truncated: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Users {
        user: Vec<User>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct User {
        user_name: String,
        display_name: String,
        join_date: String,
    }
    let (group, slice) = (exchange.arguments.name(Field::GroupName)?, exchange.arguments.slice(Field::UserName)?);
    let part = exchange.manage(ListUsersForGroup { group, slice }).await?;
    let user = |Member { name, display_name, joined }| User {
        user_name: name.to_string(),
        display_name,
        join_date: time(Some(joined)),
    };
    exchange.reply(&Content {
        users: Users { user: part.items.into_iter().map(user).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.map(|name| name.to_string()),
    })
}
