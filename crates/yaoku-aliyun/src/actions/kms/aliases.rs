//! CreateAlias, UpdateAlias, DeleteAlias, ListAliases, ListAliasesByKeyId.

use serde::Serialize;
use yaoku_kms::operations::aliases::{CreateAlias, DeleteAlias, ListAliases, ListAliasesByKeyId, UpdateAlias};
use yaoku_kms::operations::{Listing, Page};
use yaoku_kms::{AliasName, KeyId};

use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateAlias", CreateAlias, create, [required("AliasName"), required("KeyId")]),
    action!("UpdateAlias", UpdateAlias, update, [required("AliasName"), required("KeyId")]),
    action!("DeleteAlias", DeleteAlias, delete, [required("AliasName")]),
    action!("ListAliases", ListAliases, list, [optional("PageNumber"), optional("PageSize")]),
    action!(
        "ListAliasesByKeyId",
        ListAliasesByKeyId,
        list_by_key,
        [required("KeyId"), optional("PageNumber"), optional("PageSize"),]
    ),
];

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    exchange.perform(CreateAlias { alias: arguments.alias("AliasName")?, key: arguments.key_id("KeyId")? }).await?;
    exchange.done()
}

async fn update(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    exchange.perform(UpdateAlias { alias: arguments.alias("AliasName")?, key: arguments.key_id("KeyId")? }).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    exchange.perform(DeleteAlias { alias: exchange.arguments.alias("AliasName")? }).await?;
    exchange.done()
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let page = exchange.arguments.page(100)?;
    let listing = exchange.perform(ListAliases { page }).await?;
    reply(exchange, listing, page)
}

async fn list_by_key(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let page = exchange.arguments.page(100)?;
    let listing = exchange.perform(ListAliasesByKeyId { key: exchange.arguments.key_id("KeyId")?, page }).await?;
    reply(exchange, listing, page)
}

fn reply(exchange: &Exchange<'_>, listing: Listing<(AliasName, KeyId)>, page: Page) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        aliases: Aliases,
        page_number: u32,
        page_size: u32,
        total_count: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Aliases {
        alias: Vec<Alias>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Alias {
        alias_name: String,
        alias_arn: String,
        key_id: String,
    }
    let alias = |(name, key): (AliasName, KeyId)| Alias {
        alias_arn: exchange.arguments.alias_arn(&name),
        alias_name: name.to_string(),
        key_id: key.to_string(),
    };
    exchange.reply(&Content {
        aliases: Aliases { alias: listing.items.into_iter().map(alias).collect() },
        page_number: page.number,
        page_size: page.size,
        total_count: listing.total,
    })
}
