//! CreateAlias, UpdateAlias, DeleteAlias, ListAliases, ListAliasesByKeyId.

use serde::Serialize;
use yaoku_kms::operations::aliases::{CreateAlias, DeleteAlias, ListAliases, ListAliasesByKeyId, UpdateAlias};
use yaoku_kms::operations::{Listing, Page};
use yaoku_kms::{AliasName, KeyId};

use super::{Action, Exchange, Reply, action, parameters};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateAlias", CreateAlias, create(AliasAndKey)),
    action!("UpdateAlias", UpdateAlias, update(AliasAndKey)),
    action!("DeleteAlias", DeleteAlias, delete(OneAlias)),
    action!("ListAliases", ListAliases, list(ListParameters)),
    action!("ListAliasesByKeyId", ListAliasesByKeyId, list_by_key(ListByKeyParameters)),
];

parameters! {
    struct AliasAndKey {
        alias: AliasName = "AliasName" required shown => alias;
        key: KeyId = "KeyId" required shown => key_id;
    }
}

parameters! {
    struct OneAlias {
        alias: AliasName = "AliasName" required shown => alias;
    }
}

parameters! {
    struct ListParameters {
        number: u32 = "PageNumber" default(1) shown => at_least_one;
        size: u32 = "PageSize" default(10) shown => up_to(100);
    }
}

parameters! {
    struct ListByKeyParameters {
        number: u32 = "PageNumber" default(1) shown => at_least_one;
        size: u32 = "PageSize" default(10) shown => up_to(100);
        key: KeyId = "KeyId" required shown => key_id;
    }
}

async fn create(exchange: &Exchange<'_>, given: AliasAndKey) -> Result<Reply, WireError> {
    exchange.perform(CreateAlias { alias: given.alias, key: given.key }).await?;
    exchange.done()
}

async fn update(exchange: &Exchange<'_>, given: AliasAndKey) -> Result<Reply, WireError> {
    exchange.perform(UpdateAlias { alias: given.alias, key: given.key }).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>, given: OneAlias) -> Result<Reply, WireError> {
    exchange.perform(DeleteAlias { alias: given.alias }).await?;
    exchange.done()
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
    let page = Page { number: given.number, size: given.size };
    let listing = exchange.perform(ListAliases { page }).await?;
    reply(exchange, listing, page)
}

async fn list_by_key(exchange: &Exchange<'_>, given: ListByKeyParameters) -> Result<Reply, WireError> {
    let page = Page { number: given.number, size: given.size };
    let listing = exchange.perform(ListAliasesByKeyId { key: given.key, page }).await?;
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
