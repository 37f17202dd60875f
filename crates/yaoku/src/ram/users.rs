//! `yaoku ram user`.

use clap::{Args, Subcommand};

use super::Name;
use crate::server_command::{At, Leaf, Request};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a user, who has no permissions until a policy is attached
    Create(Leaf<Create>),
    /// Show a user
    Get(Leaf<Name>),
    /// List all users
    List(At),
    /// Change a user's name or other details
    Update(Leaf<Update>),
    /// Delete a user; delete its AccessKeys, remove it from its groups and detach its policies first
    Delete(Leaf<Name>),
}

/// A new user.
#[derive(Args)]
pub(crate) struct Create {
    /// Its name
    name: String,
    /// Its display name
    #[arg(long)]
    display_name: Option<String>,
    /// A comment
    #[arg(long)]
    comments: Option<String>,
    /// Its email address
    #[arg(long)]
    email: Option<String>,
    /// Its mobile phone number, such as 86-13000000000
    #[arg(long)]
    mobile_phone: Option<String>,
}

/// What changes.
#[derive(Args)]
pub(crate) struct Update {
    /// Its name
    name: String,
    /// Its new name
    #[arg(long)]
    new_name: Option<String>,
    /// Its new display name
    #[arg(long)]
    display_name: Option<String>,
    /// A comment
    #[arg(long)]
    comments: Option<String>,
    /// Its email address
    #[arg(long)]
    email: Option<String>,
    /// Its mobile phone number, such as 86-13000000000
    #[arg(long)]
    mobile_phone: Option<String>,
}

impl Command {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Create(leaf) => &leaf.at,
            Self::Get(leaf) | Self::Delete(leaf) => &leaf.at,
            Self::List(at) => at,
            Self::Update(leaf) => &leaf.at,
        }
    }

    pub(super) fn request(self) -> Request {
        match self {
            Self::Create(Leaf { what, .. }) => Request::new("CreateUser")
                .with("UserName", what.name)
                .maybe("DisplayName", what.display_name)
                .maybe("Comments", what.comments)
                .maybe("Email", what.email)
                .maybe("MobilePhone", what.mobile_phone),
            Self::Get(leaf) => Request::new("GetUser").with("UserName", leaf.what.name),
            Self::List(_) => Request::new("ListUsers"),
            Self::Update(Leaf { what, .. }) => Request::new("UpdateUser")
                .with("UserName", what.name)
                .maybe("NewUserName", what.new_name)
                .maybe("NewDisplayName", what.display_name)
                .maybe("NewComments", what.comments)
                .maybe("NewEmail", what.email)
                .maybe("NewMobilePhone", what.mobile_phone),
            Self::Delete(leaf) => Request::new("DeleteUser").with("UserName", leaf.what.name),
        }
    }
}
