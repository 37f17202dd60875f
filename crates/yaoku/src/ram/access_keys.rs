//! `yaoku ram access-key`.

use clap::{Args, Subcommand};

use crate::server_command::{At, Leaf, Request};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create an AccessKey; the AccessKey Secret is shown only once
    Create(Leaf<Whose>),
    /// List AccessKeys
    List(Leaf<Whose>),
    /// Disable an AccessKey until it is enabled again
    Disable(Leaf<Key>),
    /// Enable a disabled AccessKey
    Enable(Leaf<Key>),
    /// Delete an AccessKey
    Delete(Leaf<Key>),
    /// Show when an AccessKey was last used
    LastUsed(Leaf<Key>),
}

/// Whose AccessKeys are meant.
#[derive(Args)]
pub(crate) struct Whose {
    /// The user's name [default: the account's root]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// An AccessKey.
#[derive(Args)]
pub(crate) struct Key {
    /// Its ID
    id: String,
    #[command(flatten)]
    whose: Whose,
}

impl Key {
    fn of(self, action: &'static str) -> Request {
        Request::new(action).with("UserAccessKeyId", self.id).maybe("UserName", self.whose.user)
    }
}

impl Command {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Create(leaf) | Self::List(leaf) => &leaf.at,
            Self::Disable(leaf) | Self::Enable(leaf) | Self::Delete(leaf) | Self::LastUsed(leaf) => &leaf.at,
        }
    }

    pub(super) fn request(self) -> Request {
        match self {
            Self::Create(leaf) => Request::new("CreateAccessKey").maybe("UserName", leaf.what.user),
            Self::List(leaf) => Request::new("ListAccessKeys").maybe("UserName", leaf.what.user),
            Self::Disable(leaf) => leaf.what.of("UpdateAccessKey").with("Status", "Inactive"),
            Self::Enable(leaf) => leaf.what.of("UpdateAccessKey").with("Status", "Active"),
            Self::Delete(leaf) => leaf.what.of("DeleteAccessKey"),
            Self::LastUsed(leaf) => leaf.what.of("GetAccessKeyLastUsed"),
        }
    }
}
