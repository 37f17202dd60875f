//! `yaoku kmip`: the key that managed objects are encrypted under, and the objects.

use clap::{Args, Subcommand};

use crate::Error;
use crate::config::{StoreOptions, StoreSettings};
use crate::control::AdminApiName;
use crate::server_command::{At, Leaf, Request};

/// Commands on managed objects.
#[derive(Subcommand)]
pub(crate) enum KmipCommand {
    /// Choose the key that managed objects of the account are encrypted under from now on
    ///
    /// Objects that exist stay encrypted under the key that they were created under. Disabling a key makes the objects under it
    /// unfetchable at once.
    SetKey(Leaf<Key>),
    /// Show the key that the account has chosen
    GetKey(Leaf<Nothing>),
    /// List, show and destroy managed objects
    #[command(subcommand, arg_required_else_help = true)]
    Objects(ObjectsCommand),
}

/// Commands on the objects themselves.
#[derive(Subcommand)]
pub(crate) enum ObjectsCommand {
    /// List all managed objects, without their values
    List(Leaf<Nothing>),
    /// Show a managed object, without its value
    Show(Leaf<Object>),
    /// Destroy the value of a managed object for good; an active one must be revoked by KMIP first
    Destroy(Leaf<Object>),
}

/// Of commands that need to know no more.
#[derive(Args)]
pub(crate) struct Nothing {}

/// A key.
#[derive(Args)]
pub(crate) struct Key {
    /// A symmetric key of the account: a key ID or an alias
    key: String,
}

/// An object.
#[derive(Args)]
pub(crate) struct Object {
    /// Its unique identifier
    id: String,
}

impl KmipCommand {
    const fn at(&self) -> &At {
        match self {
            Self::SetKey(leaf) => &leaf.at,
            Self::GetKey(leaf) | Self::Objects(ObjectsCommand::List(leaf)) => &leaf.at,
            Self::Objects(ObjectsCommand::Show(leaf) | ObjectsCommand::Destroy(leaf)) => &leaf.at,
        }
    }

    /// The store's options, which say where the server is.
    pub(crate) fn store(&self) -> StoreOptions {
        self.at().store.clone()
    }

    /// Does it; the answer, in JSON.
    ///
    /// # Errors
    /// When no server runs there, or it refuses.
    pub(crate) async fn run(self, settings: StoreSettings) -> Result<String, Error> {
        let account = self.at().account.clone();
        let of = |action, object: Object| Request::new(action).with("ObjectId", object.id);
        let request = match self {
            Self::SetKey(leaf) => Request::new("SetObjectKey").with("KeyId", leaf.what.key),
            Self::GetKey(_) => Request::new("GetObjectKey"),
            Self::Objects(ObjectsCommand::List(_)) => Request::new("ListManagedObjects"),
            Self::Objects(ObjectsCommand::Show(leaf)) => of("DescribeManagedObject", leaf.what),
            Self::Objects(ObjectsCommand::Destroy(leaf)) => of("DestroyManagedObject", leaf.what),
        };
        request.ask(AdminApiName::Credentials, account, &settings).await
    }
}
