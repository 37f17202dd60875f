//! `yaoku account`: the accounts of an installation.

use clap::{Args, Subcommand};

use crate::Error;
use crate::config::{StoreOptions, StoreSettings};
use crate::control::AdminApiName;
use crate::server_command::Request;

/// Commands on accounts.
#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account and an AccessKey of its root; the AccessKey Secret is shown only once
    ///
    /// The account has its own users, roles and keys; those of other accounts appear not to exist.
    Create {
        /// A label for the account, in one line
        label: String,
        /// Its ID, 16 digits [default: random]
        #[arg(long, value_name = "DIGITS")]
        id: Option<String>,
        #[command(flatten)]
        store: StoreOptions,
    },
    /// List all accounts
    List {
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Disable an account: none of its identities can call, and its keys can't be used
    ///
    /// Takes effect before it is answered. Nothing is deleted, and scheduled rotations and deletions of its
    /// keys still happen.
    Disable(Named),
    /// Enable a disabled account
    Enable(Named),
}

/// An account.
#[derive(Args)]
pub(crate) struct Named {
    /// Its ID, 16 digits
    id: String,
    #[command(flatten)]
    store: StoreOptions,
}

impl AccountCommand {
    /// The store's options, which say where the server is.
    pub(crate) fn store(&self) -> StoreOptions {
        match self {
            Self::Create { store, .. } | Self::List { store } => store.clone(),
            Self::Disable(named) | Self::Enable(named) => named.store.clone(),
        }
    }

    /// Does it; what the server answers.
    ///
    /// # Errors
    /// When no server runs there, or it refuses.
    pub(crate) async fn run(self, settings: StoreSettings) -> Result<String, Error> {
        let request = match self {
            Self::Create { label, id, .. } => Request::new("CreateAccount").with("Label", label).maybe("AccountId", id),
            Self::List { .. } => Request::new("ListAccounts"),
            Self::Disable(named) => Request::new("DisableAccount").with("AccountId", named.id),
            Self::Enable(named) => Request::new("EnableAccount").with("AccountId", named.id),
        };
        request.ask(AdminApiName::Accounts, None, &settings).await
    }
}
