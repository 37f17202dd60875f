//! CreateUser, GetUser, UpdateUser, ListUsers, DeleteUser.

use serde::Serialize;
use yaoku_iam::Field;
use yaoku_iam::operations::users::{CreateUser, DeleteUser, GetUser, ListUsers, UpdateUser, User, UserDetails};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "CreateUser",
        CreateUser,
        create,
        [
            required("UserName"),
            optional("DisplayName"),
            optional("Comments"),
            optional("Email"),
            optional("MobilePhone"),
        ]
    ),
    action!("GetUser", GetUser, get, [optional("UserName")]),
    action!(
        "UpdateUser",
        UpdateUser,
        update,
        [
            required("UserName"),
            optional("NewUserName"),
            optional("NewDisplayName"),
            optional("NewComments"),
            optional("NewEmail"),
            optional("NewMobilePhone"),
        ]
    ),
    action!("ListUsers", ListUsers, list, [optional("Marker"), optional("MaxItems")]),
    action!("DeleteUser", DeleteUser, delete, [required("UserName")]),
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    user: UserReply,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserReply {
    user_id: String,
    user_name: String,
    display_name: String,
    comments: String,
    email: String,
    mobile_phone: String,
    create_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_date: Option<String>,
}

impl UserReply {
    fn new(user: User) -> Self {
        let UserDetails { display_name, comments, email, mobile_phone } = user.details;
        Self {
            user_id: user.id.to_string(),
            user_name: user.name.to_string(),
            display_name,
            comments,
            email,
            mobile_phone,
            create_date: time(Some(user.created)),
            update_date: Some(time(Some(user.updated))),
        }
    }
}

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let details = UserDetails {
        display_name: arguments.owned("DisplayName"),
        comments: arguments.owned("Comments"),
        email: arguments.owned("Email"),
        mobile_phone: arguments.owned("MobilePhone"),
    };
    let user = exchange.manage(CreateUser { name: arguments.name(Field::UserName)?, details }).await?;
    exchange.reply(&Content { user: UserReply { update_date: None, ..UserReply::new(user) } })
}

async fn get(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let user = exchange.manage(GetUser { name: exchange.arguments.optional_name(Field::UserName)? }).await?;
    exchange.reply(&Content { user: UserReply::new(user) })
}

async fn update(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let change = UpdateUser {
        name: arguments.name(Field::UserName)?,
        new_name: arguments.optional_name(Field::NewUserName)?,
        display_name: arguments.change("NewDisplayName"),
        comments: arguments.change("NewComments"),
        email: arguments.change("NewEmail"),
        mobile_phone: arguments.change("NewMobilePhone"),
    };
    let user = exchange.manage(change).await?;
    exchange.reply(&Content { user: UserReply::new(user) })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
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
        user: Vec<UserReply>,
    }
    let part = exchange.manage(ListUsers { slice: exchange.arguments.slice(Field::UserName)? }).await?;
    exchange.reply(&Content {
        users: Users { user: part.items.into_iter().map(UserReply::new).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.map(|name| name.to_string()),
    })
}

async fn delete(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    exchange.manage(DeleteUser { name: exchange.arguments.name(Field::UserName)? }).await?;
    exchange.done()
}
