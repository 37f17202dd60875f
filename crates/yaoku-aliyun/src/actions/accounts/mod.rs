//! Accounts, for the operator alone: these actions are yaoku's own, in none of the APIs that the endpoint serves, and are reached
//! over the control socket only.

use serde::Serialize;
use yaoku_iam::operations::accounts::{
    AccountAbout, CreateAccount, CreatedAccount, DisableAccount, EnableAccount, ListAccounts,
};
use yaoku_iam::{AccountId, Error};

use super::arguments::{Parameter, Read};
use super::elements::Shown;
use super::{Action, Api, Exchange, Reply, XmlRoot, identity_action as action, parameters};
use crate::actions::ram::failure;
use crate::wire::time::format_time;
use crate::wire::{Code, Format, RequestId, WireError};

/// The API.
pub(crate) const API: Api = Api {
    version: "accounts",
    service: "Yaoku",
    families: &[ACTIONS],
    unsupported: &[],
    format: Format::Json,
    xml_root: XmlRoot::OfAction,
    resources: &[("AccountId", "Account"), ("Label", "Account")],
    unrecorded: None,
    refuses_unknown: false,
};

const ACTIONS: &[Action] = &[
    action!("CreateAccount", CreateAccount, create(CreateParameters)),
    action!("ListAccounts", ListAccounts, list()),
    action!("EnableAccount", EnableAccount, enable(OneAccount)),
    action!("DisableAccount", DisableAccount, disable(OneAccount)),
];

parameters! {
    struct CreateParameters<'a> {
        id: Option<AccountId> = "AccountId" optional shown => account_id_to_give;
        label: &'a str = "Label" required shown => text;
    }
}

parameters! {
    struct OneAccount {
        account: AccountId = "AccountId" required shown => account_id;
    }
}

impl Parameter<'_> {
    fn account_id(self) -> Read<AccountId> {
        self.value().map(AccountId::parse).transpose().map_err(|error| self.invalid(error))
    }

    /// Empty as absent: then one is made up.
    fn account_id_to_give(self) -> Read<AccountId> {
        self.filled().map(AccountId::parse).transpose().map_err(|error| self.invalid(error))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    account_id: Shown<String>,
    label: Shown<String>,
    status: Shown<&'static str>,
    create_date: Shown<String>,
}

impl Account {
    fn new(about: AccountAbout) -> Self {
        Self {
            account_id: Shown(about.id.to_string()),
            label: Shown(about.label),
            status: Shown(if about.enabled { "Enabled" } else { "Disabled" }),
            create_date: Shown(format_time(about.created.0)),
        }
    }
}

async fn create(exchange: &Exchange<'_>, given: CreateParameters<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        account: Account,
        access_key: Created<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Created<'a> {
        access_key_id: Shown<&'a str>,
        access_key_secret: &'a str,
    }
    let create = CreateAccount { id: given.id, label: given.label.to_owned() };
    let CreatedAccount { account, key } = exchange.perform(create).await?;
    // Letters and digits.
    let access_key_secret = std::str::from_utf8(key.secret.expose()).unwrap_or_default();
    let access_key = Created { access_key_id: Shown(key.id.as_str()), access_key_secret };
    exchange.reply(&Content { account: Account::new(account), access_key })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        accounts: Accounts,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Accounts {
        account: Vec<Account>,
    }
    let account = exchange.perform(ListAccounts).await?.into_iter().map(Account::new).collect();
    exchange.reply(&Content { accounts: Accounts { account } })
}

async fn enable(exchange: &Exchange<'_>, given: OneAccount) -> Result<Reply, WireError> {
    switched(exchange, exchange.perform(EnableAccount { id: given.account }).await?)
}

async fn disable(exchange: &Exchange<'_>, given: OneAccount) -> Result<Reply, WireError> {
    switched(exchange, exchange.perform(DisableAccount { id: given.account }).await?)
}

fn switched(exchange: &Exchange<'_>, account: AccountAbout) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        account: Account,
    }
    exchange.reply(&Content { account: Account::new(account) })
}

/// The wire error of a domain error: those who read it run the server.
pub(in crate::actions) fn of(error: Error, request_id: RequestId) -> WireError {
    match error {
        Error::NoAccount(_) => WireError::new(Code::EntityNotExistAccount, format!("{error}.")),
        Error::AccountExists(_) => WireError::new(Code::EntityAlreadyExistsAccount, format!("{error}.")),
        Error::AccountLabel => WireError::invalid_parameter("Label", error),
        Error::TooManyAccounts { .. } => WireError::new(Code::LimitExceededAccount, format!("{error}.")),
        other => failure::of(other, request_id),
    }
}
