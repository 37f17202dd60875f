//! `yaoku ram`: the identities of an account, and who may do what.

mod access_keys;
mod certificates;
mod explain;
mod groups;
mod policies;
mod roles;
mod tags;
mod tokens;
mod users;

use clap::{Args, Subcommand};

use crate::Error;
use crate::config::{StoreOptions, StoreSettings};
use crate::control::AdminApiName;
use crate::server_command::running;

/// One of a kind: a user, a group, a role, a policy.
#[derive(Args)]
pub(crate) struct Name {
    /// Its name
    name: String,
}

/// Commands on identities and policies.
#[derive(Subcommand)]
pub(crate) enum RamCommand {
    /// Manage users
    #[command(subcommand, arg_required_else_help = true)]
    User(users::Command),
    /// Manage AccessKeys of users and of the account's root
    ///
    /// Without --user, these are the root's AccessKeys. To replace a lost one, `create` another, then `disable`
    /// or `delete` the lost one.
    #[command(subcommand, arg_required_else_help = true)]
    AccessKey(access_keys::Command),
    /// Manage tokens of users, for protocols without signatures such as the Vault API
    #[command(subcommand, arg_required_else_help = true)]
    Token(tokens::Command),
    /// Manage client certificates, which prove users by their public keys
    ///
    /// A renewed certificate for the same key needs no new binding. The server must trust its issuer (--client-ca).
    #[command(subcommand, arg_required_else_help = true)]
    Certificate(certificates::Command),
    /// Manage groups of users
    #[command(subcommand, arg_required_else_help = true)]
    Group(groups::Command),
    /// Manage policies and their attachments
    #[command(subcommand, arg_required_else_help = true)]
    Policy(policies::Command),
    /// Manage roles
    #[command(subcommand, arg_required_else_help = true)]
    Role(roles::Command),
    /// Show whether a call would be allowed, and by which statement of which policy
    ///
    /// The call is not performed. The server uses the key's tags and policy, and the current time. Supply all
    /// other condition keys with --context; the call lacks those that you do not supply.
    Explain(explain::Explain),
}

impl RamCommand {
    /// The store's options, which say where the server is.
    pub(crate) fn store(&self) -> StoreOptions {
        match self {
            Self::User(command) => command.at(),
            Self::AccessKey(command) => command.at(),
            Self::Token(command) => command.at(),
            Self::Certificate(command) => command.at(),
            Self::Group(command) => command.at(),
            Self::Policy(command) => command.at(),
            Self::Role(command) => command.at(),
            Self::Explain(explain) => return explain.store.clone(),
        }
        .store
        .clone()
    }

    /// Does it; what the server answers.
    ///
    /// # Errors
    /// When no server runs there, or it refuses.
    pub(crate) async fn run(self, settings: StoreSettings) -> Result<String, Error> {
        let (account, request) = match self {
            Self::User(command) => (command.at().account.clone(), command.request()),
            Self::AccessKey(command) => (command.at().account.clone(), command.request()),
            Self::Token(command) => return command.run(&settings).await,
            Self::Certificate(command) => {
                let (account, request) = (command.at().account.clone(), command.request()?);
                return request.ask(AdminApiName::Credentials, account, &settings).await;
            }
            Self::Group(command) => (command.at().account.clone(), command.request()),
            Self::Policy(command) => (command.at().account.clone(), command.request()?),
            Self::Role(command) => (command.at().account.clone(), command.request()?),
            Self::Explain(explain) => return running(&settings).await?.explain(explain.supposed()).await,
        };
        request.ask(AdminApiName::Ram, account, &settings).await
    }
}

/// The text of a policy document, from a file.
fn document(path: &std::path::Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::file(path))
}
