//! `yaoku account`: the accounts of an installation.

use clap::{Args, Subcommand};

use crate::Error;
use crate::config::{StoreOptions, StoreSettings};
use crate::control::OfficeName;
use crate::operator::Request;

/// Commands on accounts.
#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account, and an AccessKey of its root, whose secret is shown this once
    ///
    /// The account has users, roles and keys of its own; what is another's answers as if it did not exist.
    Create {
        /// What to call it, in one line
        label: String,
        /// Its 16 digits [default: drawn]
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
    /// Let nobody of an account call any more, and nobody use its keys
    ///
    /// In force when it is answered. Nothing is deleted; what is due on its keys (rotation, deletion) still happens.
    Disable(Named),
    /// Undo what `disable` did
    Enable(Named),
}

/// An account.
#[derive(Args)]
pub(crate) struct Named {
    /// Its 16 digits
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
        request.ask(OfficeName::Accounts, None, &settings).await
    }
}
