//! CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed.

use serde::Serialize;
use yaoku_iam::Field;
use yaoku_iam::operations::access_keys::{
    CreateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed, ListAccessKeys, UpdateAccessKey,
};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateAccessKey", CreateAccessKey, create, [optional("UserName")]),
    action!("ListAccessKeys", ListAccessKeys, list, [optional("UserName")]),
    action!(
        "UpdateAccessKey",
        UpdateAccessKey,
        update,
        [optional("UserName"), required("UserAccessKeyId"), required("Status")]
    ),
    action!("DeleteAccessKey", DeleteAccessKey, delete, [optional("UserName"), required("UserAccessKeyId")]),
    action!(
        "GetAccessKeyLastUsed",
        GetAccessKeyLastUsed,
        last_used,
        [optional("UserName"), required("UserAccessKeyId")]
    ),
];

const ACTIVE: &str = "Active";
const INACTIVE: &str = "Inactive";

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        access_key: Created<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Created<'a> {
        access_key_id: &'a str,
        access_key_secret: &'a str,
        status: &'static str,
        create_date: String,
    }
    let created =
        exchange.manage(CreateAccessKey { whose: exchange.arguments.optional_name(Field::UserName)? }).await?;
    exchange.reply(&Content {
        access_key: Created {
            access_key_id: created.key.id.as_str(),
            // Letters and digits.
            access_key_secret: std::str::from_utf8(created.key.secret.expose()).unwrap_or_default(),
            status: ACTIVE,
            create_date: time(Some(created.created)),
        },
    })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        access_keys: Keys,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Keys {
        access_key: Vec<Key>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Key {
        access_key_id: String,
        status: &'static str,
        create_date: String,
    }
    let keys = exchange.manage(ListAccessKeys { whose: exchange.arguments.optional_name(Field::UserName)? }).await?;
    let key = |key: yaoku_iam::operations::access_keys::AccessKeyAbout| Key {
        access_key_id: key.id.to_string(),
        status: if key.active { ACTIVE } else { INACTIVE },
        create_date: time(key.created),
    };
    exchange.reply(&Content { access_keys: Keys { access_key: keys.into_iter().map(key).collect() } })
}

async fn update(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let active = match arguments.required_text("Status")? {
        ACTIVE => true,
        INACTIVE => false,
        _ => return Err(WireError::invalid_parameter("Status", "it must be Active or Inactive")),
    };
    let whose = arguments.optional_name(Field::UserName)?;
    exchange.manage(UpdateAccessKey { whose, id: arguments.access_key_id()?, active }).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let whose = arguments.optional_name(Field::UserName)?;
    exchange.manage(DeleteAccessKey { whose, id: arguments.access_key_id()? }).await?;
    exchange.done()
}

async fn last_used(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        access_key_last_used: LastUsed,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct LastUsed {
        last_used_date: String,
    }
    let arguments = &exchange.arguments;
    let whose = arguments.optional_name(Field::UserName)?;
    let used = exchange.manage(GetAccessKeyLastUsed { whose, id: arguments.access_key_id()? }).await?;
    exchange.reply(&Content { access_key_last_used: LastUsed { last_used_date: time(used) } })
}
