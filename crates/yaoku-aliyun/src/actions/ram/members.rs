//! AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser, ListUsersForGroup.

use serde::Serialize;
use yaoku_iam::operations::members::{
    AddUserToGroup, JoinedGroup, ListGroupsForUser, ListUsersForGroup, Member, RemoveUserFromGroup,
};
use yaoku_iam::{Field, Name};

use super::arguments::{MAX_ITEMS, ORDINARY_ITEMS, slice, time};
use super::users::OneUser;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::place_text;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("AddUserToGroup", AddUserToGroup, add(UserAndGroup)),
    action!("RemoveUserFromGroup", RemoveUserFromGroup, remove(UserAndGroup)),
    action!("ListGroupsForUser", ListGroupsForUser, groups(OneUser)),
    action!("ListUsersForGroup", ListUsersForGroup, users(UsersParameters)),
];

parameters! {
    struct UserAndGroup {
        user: Name = "UserName" required shown => name_of(Field::UserName);
        group: Name = "GroupName" required shown => name_of(Field::GroupName);
    }
}

parameters! {
    struct UsersParameters {
        group: Name = "GroupName" required shown => name_of(Field::GroupName);
        after: Option<Vec<u8>> = "Marker" optional shown => place;
        most: u32 = "MaxItems" default(ORDINARY_ITEMS) shown => up_to(MAX_ITEMS);
    }
}

async fn add(exchange: &Exchange<'_>, given: UserAndGroup) -> Result<Reply, WireError> {
    let UserAndGroup { user, group } = given;
    exchange.perform(AddUserToGroup { user, group }).await?;
    exchange.done()
}

async fn remove(exchange: &Exchange<'_>, given: UserAndGroup) -> Result<Reply, WireError> {
    let UserAndGroup { user, group } = given;
    exchange.perform(RemoveUserFromGroup { user, group }).await?;
    exchange.done()
}

async fn groups(exchange: &Exchange<'_>, given: OneUser) -> Result<Reply, WireError> {
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
    let groups = exchange.perform(ListGroupsForUser { user: given.user }).await?;
    let group = |JoinedGroup { id, name, comments, joined }| Group {
        group_id: id.to_string(),
        group_name: name.to_string(),
        comments,
        join_date: time(Some(joined)),
    };
    exchange.reply(&Content { groups: Groups { group: groups.into_iter().map(group).collect() } })
}

async fn users(exchange: &Exchange<'_>, given: UsersParameters) -> Result<Reply, WireError> {
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
    let (group, slice) = (given.group, slice(given.after, given.most));
    let part = exchange.perform(ListUsersForGroup { group, slice }).await?;
    let user = |Member { name, display_name, joined }| User {
        user_name: name.to_string(),
        display_name,
        join_date: time(Some(joined)),
    };
    exchange.reply(&Content {
        users: Users { user: part.items.into_iter().map(user).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.as_deref().map(place_text),
    })
}
