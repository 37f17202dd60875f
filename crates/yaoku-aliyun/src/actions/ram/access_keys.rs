//! CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed.

use serde::Serialize;
use yaoku_iam::operations::access_keys::{
    CreateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed, ListAccessKeys, UpdateAccessKey,
};
use yaoku_iam::{AccessKeyId, Field, Name};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::{Parameter, Read};
use crate::actions::elements::Shown;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateAccessKey", CreateAccessKey, create(WhoseKeys)),
    action!("ListAccessKeys", ListAccessKeys, list(WhoseKeys)),
    action!("UpdateAccessKey", UpdateAccessKey, update(UpdateParameters)),
    action!("DeleteAccessKey", DeleteAccessKey, delete(OneAccessKey)),
    action!("GetAccessKeyLastUsed", GetAccessKeyLastUsed, last_used(OneAccessKey)),
];

parameters! {
    struct WhoseKeys {
        whose: Option<Name> = "UserName" optional shown => name_of(Field::UserName);
    }
}

parameters! {
    struct OneAccessKey {
        whose: Option<Name> = "UserName" optional shown => name_of(Field::UserName);
        id: AccessKeyId = "UserAccessKeyId" required shown => access_key_id;
    }
}

parameters! {
    struct UpdateParameters {
        active: bool = "Status" required shown => active;
        whose: Option<Name> = "UserName" optional shown => name_of(Field::UserName);
        id: AccessKeyId = "UserAccessKeyId" required shown => access_key_id;
    }
}

impl Parameter<'_> {
    fn active(self) -> Read<bool> {
        match self.value() {
            None => Ok(None),
            Some(ACTIVE) => Ok(Some(true)),
            Some(INACTIVE) => Ok(Some(false)),
            Some(_) => Err(self.invalid("it must be Active or Inactive")),
        }
    }
}

const ACTIVE: &str = "Active";
const INACTIVE: &str = "Inactive";

async fn create(exchange: &Exchange<'_>, given: WhoseKeys) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        access_key: Created<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Created<'a> {
        access_key_id: Shown<&'a str>,
        access_key_secret: &'a str,
        status: Shown<&'static str>,
        create_date: Shown<String>,
    }
    let created = exchange.perform(CreateAccessKey { whose: given.whose }).await?;
    exchange.reply(&Content {
        access_key: Created {
            access_key_id: Shown(created.key.id.as_str()),
            // Letters and digits.
            access_key_secret: std::str::from_utf8(created.key.secret.expose()).unwrap_or_default(),
            status: Shown(ACTIVE),
            create_date: Shown(time(Some(created.created))),
        },
    })
}

async fn list(exchange: &Exchange<'_>, given: WhoseKeys) -> Result<Reply, WireError> {
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
    let keys = exchange.perform(ListAccessKeys { whose: given.whose }).await?;
    let key = |key: yaoku_iam::operations::access_keys::AccessKeyAbout| Key {
        access_key_id: key.id.to_string(),
        status: if key.active { ACTIVE } else { INACTIVE },
        create_date: time(key.created),
    };
    exchange.reply(&Content { access_keys: Keys { access_key: keys.into_iter().map(key).collect() } })
}

async fn update(exchange: &Exchange<'_>, given: UpdateParameters) -> Result<Reply, WireError> {
    let UpdateParameters { active, whose, id } = given;
    exchange.perform(UpdateAccessKey { whose, id, active }).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>, given: OneAccessKey) -> Result<Reply, WireError> {
    exchange.perform(DeleteAccessKey { whose: given.whose, id: given.id }).await?;
    exchange.done()
}

async fn last_used(exchange: &Exchange<'_>, given: OneAccessKey) -> Result<Reply, WireError> {
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
    let used = exchange.perform(GetAccessKeyLastUsed { whose: given.whose, id: given.id }).await?;
    exchange.reply(&Content { access_key_last_used: LastUsed { last_used_date: time(used) } })
}
