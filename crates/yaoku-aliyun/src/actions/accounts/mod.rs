//! Accounts, for the operator alone: these actions are yaoku's own, in none of the APIs that the endpoint serves, and are reached
//! over the control socket only.

use serde::Serialize;
use yaoku_iam::{Access, AccountAbout, AccountId, Error, OperationSpec};

use super::{Action, Api, Exchange, Reply, Spec, XmlRoot, optional, required};
use crate::actions::ram::failure;
use crate::wire::time::format_time;
use crate::wire::{Code, WireError};

/// The API.
pub(crate) const API: Api = Api {
    version: "accounts",
    service: "Yaoku",
    families: &[ACTIONS],
    unsupported: &[],
    xml_root: XmlRoot::OfAction,
    resources: &[("AccountId", "Account"), ("Label", "Account")],
    unrecorded: None,
};

const ACTIONS: &[Action] = &[
    Action {
        name: "CreateAccount",
        spec: Spec::Operator(&spec("CreateAccount", Access::Write)),
        params: &[required("Label"), optional("AccountId")],
        run: |exchange| Box::pin(create(exchange)),
    },
    Action {
        name: "ListAccounts",
        spec: Spec::Operator(&spec("ListAccounts", Access::Read)),
        params: &[],
        run: |exchange| Box::pin(list(exchange)),
    },
    Action {
        name: "EnableAccount",
        spec: Spec::Operator(&spec("EnableAccount", Access::Write)),
        params: &[required("AccountId")],
        run: |exchange| Box::pin(enable(exchange, true)),
    },
    Action {
        name: "DisableAccount",
        spec: Spec::Operator(&spec("DisableAccount", Access::Write)),
        params: &[required("AccountId")],
        run: |exchange| Box::pin(enable(exchange, false)),
    },
];

/// No policy can be about these.
const fn spec(name: &'static str, access: Access) -> OperationSpec {
    OperationSpec { name, access, service: "yaoku", on: &[] }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    account_id: String,
    label: String,
    status: &'static str,
    create_date: String,
}

impl Account {
    fn new(about: AccountAbout) -> Self {
        Self {
            account_id: about.id.to_string(),
            label: about.label,
            status: if about.enabled { "Enabled" } else { "Disabled" },
            create_date: format_time(about.created.0),
        }
    }
}

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        account: Account,
        access_key: Created<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Created<'a> {
        access_key_id: &'a str,
        access_key_secret: &'a str,
    }
    let id = exchange.arguments.given("AccountId").map(|_| account_id(exchange)).transpose()?;
    let label = exchange.arguments.required_text("Label")?;
    let (account, key) = exchange.iam.create_account(id, label).await.map_err(|error| of(error, exchange))?;
    // Letters and digits.
    let access_key_secret = std::str::from_utf8(key.secret.expose()).unwrap_or_default();
    let access_key = Created { access_key_id: key.id.as_str(), access_key_secret };
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
    let account = exchange.iam.accounts().into_iter().map(Account::new).collect();
    exchange.reply(&Content { accounts: Accounts { account } })
}

async fn enable(exchange: &Exchange<'_>, enabled: bool) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        account: Account,
    }
    let changed = exchange.iam.enable_account(account_id(exchange)?, enabled).await;
    exchange.reply(&Content { account: Account::new(changed.map_err(|error| of(error, exchange))?) })
}

fn account_id(exchange: &Exchange<'_>) -> Result<AccountId, WireError> {
    let text = exchange.arguments.required_text("AccountId")?;
    AccountId::parse(text).map_err(|error| WireError::invalid_parameter("AccountId", error))
}

/// The wire error of a domain error: those who read it run the server.
fn of(error: Error, exchange: &Exchange<'_>) -> WireError {
    match error {
        Error::NoAccount(_) => WireError::new(Code::EntityNotExistAccount, format!("{error}.")),
        Error::AccountExists(_) => WireError::new(Code::EntityAlreadyExistsAccount, format!("{error}.")),
        Error::AccountLabel => WireError::invalid_parameter("Label", error),
        Error::TooManyAccounts { .. } => WireError::new(Code::LimitExceededAccount, format!("{error}.")),
        other => failure::of(other, exchange.request_id),
    }
}
