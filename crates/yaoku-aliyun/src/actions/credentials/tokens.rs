//! CreateToken, ListTokens, RevokeToken.

use serde::Serialize;
use yaoku_iam::operations::tokens::{CreateToken, ListTokens, RevokeToken};
use yaoku_iam::{BoundNetworks, Name, TokenAbout, TokenId};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::elements::Shown;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateToken", CreateToken, create(CreateParameters)),
    action!("ListTokens", ListTokens, list(OfUser)),
    action!("RevokeToken", RevokeToken, revoke(OneToken)),
];

parameters! {
    struct CreateParameters {
        user: Name = "UserName" required shown => user_name;
        ttl: Option<u32> = "TtlSeconds" optional shown => at_least_one;
        networks: BoundNetworks = "BoundCidrs" default(BoundNetworks::default()) shown => networks;
    }
}

parameters! {
    struct OfUser {
        user: Name = "UserName" required shown => user_name;
        _ = "MaxItems" optional shown => passed_over;
    }
}

parameters! {
    struct OneToken {
        user: Name = "UserName" required shown => user_name;
        id: TokenId = "TokenId" required shown => token_id;
    }
}

async fn create(exchange: &Exchange<'_>, given: CreateParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        token_id: Shown<&'a str>,
        token: &'a str,
        create_date: Shown<String>,
        expire_date: Shown<String>,
        /// Those that had expired, with commas between.
        #[serde(skip_serializing_if = "Option::is_none")]
        deleted_token_ids: Option<Shown<String>>,
    }
    let CreateParameters { user, ttl, networks } = given;
    let created = exchange.perform(CreateToken { user, ttl: ttl.map(Into::into), networks }).await?;
    let deleted: Vec<_> = created.deleted.iter().map(TokenId::as_str).collect();
    exchange.reply(&Content {
        token_id: Shown(created.token.id.as_str()),
        // Letters, digits and dots.
        token: std::str::from_utf8(created.token.token.expose()).unwrap_or_default(),
        create_date: Shown(time(Some(created.created))),
        expire_date: Shown(time(created.expires)),
        deleted_token_ids: (!deleted.is_empty()).then(|| Shown(deleted.join(","))),
    })
}

async fn list(exchange: &Exchange<'_>, given: OfUser) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        tokens: Tokens,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tokens {
        token: Vec<Token>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Token {
        token_id: String,
        create_date: String,
        expire_date: String,
        bound_cidrs: String,
        last_used_date: String,
    }
    let tokens = exchange.perform(ListTokens { user: given.user }).await?;
    let token = |about: TokenAbout| Token {
        token_id: about.id.to_string(),
        create_date: time(Some(about.created)),
        expire_date: time(about.expires),
        bound_cidrs: about.networks.texts().collect::<Vec<_>>().join(","),
        last_used_date: time(about.last_used),
    };
    exchange.reply(&Content { tokens: Tokens { token: tokens.into_iter().map(token).collect() } })
}

async fn revoke(exchange: &Exchange<'_>, given: OneToken) -> Result<Reply, WireError> {
    exchange.perform(RevokeToken { user: given.user, id: given.id }).await?;
    exchange.done()
}
