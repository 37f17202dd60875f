//! CreateUser, GetUser, UpdateUser, ListUsers, DeleteUser.

use serde::Serialize;
use yaoku_iam::operations::users::{CreateUser, DeleteUser, GetUser, ListUsers, UpdateUser, User, UserDetails};
use yaoku_iam::{Field, Name};

use super::arguments::{MAX_ITEMS, ORDINARY_ITEMS, slice, time};
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::place_text;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateUser", CreateUser, create(CreateParameters)),
    action!("GetUser", GetUser, get(GetParameters)),
    action!("UpdateUser", UpdateUser, update(UpdateParameters)),
    action!("ListUsers", ListUsers, list(ListParameters)),
    action!("DeleteUser", DeleteUser, delete(OneUser)),
];

parameters! {
    /// Of actions that need to know no more.
    pub(super) struct OneUser {
        user: Name = "UserName" required shown => name_of(Field::UserName);
    }
}

// Addresses and numbers are people's, and nobody's business.

parameters! {
    struct CreateParameters {
        display_name: String = "DisplayName" default(String::new()) shown => string;
        comments: String = "Comments" default(String::new()) shown => string;
        email: String = "Email" default(String::new()) hidden => string;
        mobile_phone: String = "MobilePhone" default(String::new()) hidden => string;
        name: Name = "UserName" required shown => name_of(Field::UserName);
    }
}

parameters! {
    struct GetParameters {
        name: Option<Name> = "UserName" optional shown => name_of(Field::UserName);
    }
}

parameters! {
    struct UpdateParameters {
        name: Name = "UserName" required shown => name_of(Field::UserName);
        new_name: Option<Name> = "NewUserName" optional shown => name_of(Field::NewUserName);
        display_name: Option<String> = "NewDisplayName" optional shown => string;
        comments: Option<String> = "NewComments" optional shown => string;
        email: Option<String> = "NewEmail" optional hidden => string;
        mobile_phone: Option<String> = "NewMobilePhone" optional hidden => string;
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

async fn create(exchange: &Exchange<'_>, given: CreateParameters) -> Result<Reply, WireError> {
    let CreateParameters { display_name, comments, email, mobile_phone, name } = given;
    let details = UserDetails { display_name, comments, email, mobile_phone };
    let user = exchange.perform(CreateUser { name, details }).await?;
    exchange.reply(&Content { user: UserReply { update_date: None, ..UserReply::new(user) } })
}

async fn get(exchange: &Exchange<'_>, given: GetParameters) -> Result<Reply, WireError> {
    let user = exchange.perform(GetUser { name: given.name }).await?;
    exchange.reply(&Content { user: UserReply::new(user) })
}

async fn update(exchange: &Exchange<'_>, given: UpdateParameters) -> Result<Reply, WireError> {
    let UpdateParameters { name, new_name, display_name, comments, email, mobile_phone } = given;
    let change = UpdateUser { name, new_name, display_name, comments, email, mobile_phone };
    let user = exchange.perform(change).await?;
    exchange.reply(&Content { user: UserReply::new(user) })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
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
    let part = exchange.perform(ListUsers { slice: slice(given.after, given.most) }).await?;
    exchange.reply(&Content {
        users: Users { user: part.items.into_iter().map(UserReply::new).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.as_deref().map(place_text),
    })
}

async fn delete(exchange: &Exchange<'_>, given: OneUser) -> Result<Reply, WireError> {
    exchange.perform(DeleteUser { name: given.user }).await?;
    exchange.done()
}
