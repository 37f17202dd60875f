//! `yaoku ram`: the identities of an account, and who may do what.

mod access_keys;
mod explain;
mod groups;
mod policies;
mod roles;
mod tags;
mod users;

use clap::{Args, Subcommand};

use crate::Error;
use crate::config::{StoreOptions, StoreSettings};
use crate::control::OfficeName;
use crate::operator::running;

/// One of a kind: a user, a group, a role, a policy.
#[derive(Args)]
pub(crate) struct Name {
    /// Its name
    name: String,
}

/// Commands on identities and policies.
#[derive(Subcommand)]
pub(crate) enum RamCommand {
    /// Users
    #[command(subcommand, arg_required_else_help = true)]
    User(users::Command),
    /// AccessKeys, of users and of the account's root
    ///
    /// Without --user, the root's own: to replace one that was lost, `create`, then `disable` or `delete` the lost one.
    #[command(subcommand, arg_required_else_help = true)]
    AccessKey(access_keys::Command),
    /// Groups of users
    #[command(subcommand, arg_required_else_help = true)]
    Group(groups::Command),
    /// Policies, and what they are attached to
    #[command(subcommand, arg_required_else_help = true)]
    Policy(policies::Command),
    /// Roles
    #[command(subcommand, arg_required_else_help = true)]
    Role(roles::Command),
    /// Say whether a call would be allowed, and by which statement of which policy
    ///
    /// Nothing is done. The key's own tags and policy count, and the present time. What else conditions ask about is given
    /// with --context; what is not given, the call does not have.
    Explain(explain::Explain),
}

impl RamCommand {
    /// The store's options, which say where the server is.
    pub(crate) fn store(&self) -> StoreOptions {
        match self {
            Self::User(command) => command.at(),
            Self::AccessKey(command) => command.at(),
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
            Self::Group(command) => (command.at().account.clone(), command.request()),
            Self::Policy(command) => (command.at().account.clone(), command.request()?),
            Self::Role(command) => (command.at().account.clone(), command.request()?),
            Self::Explain(explain) => return running(&settings).await?.explain(explain.supposed()).await,
        };
        request.ask(OfficeName::Ram, account, &settings).await
    }
}

/// The text of a policy document, from a file.
fn document(path: &std::path::Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::file(path))
}
