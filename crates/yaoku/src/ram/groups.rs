//! `yaoku ram group`.

use clap::{Args, Subcommand};

use super::Name;
use crate::server_command::{At, Leaf, Request};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a group
    Create(Leaf<Create>),
    /// Show a group
    Get(Leaf<Name>),
    /// List all groups, or the groups of a user
    List(Leaf<Of>),
    /// Change a group's name or comments
    Update(Leaf<Update>),
    /// Delete a group; remove its users and detach its policies first
    Delete(Leaf<Name>),
    /// List the users of a group
    Users(Leaf<Name>),
    /// Add a user to a group
    Add(Leaf<Membership>),
    /// Remove a user from a group
    Remove(Leaf<Membership>),
}

/// A new group.
#[derive(Args)]
pub(crate) struct Create {
    /// Its name
    name: String,
    /// A comment
    #[arg(long)]
    comments: Option<String>,
}

/// What changes.
#[derive(Args)]
pub(crate) struct Update {
    /// Its name
    name: String,
    /// Its new name
    #[arg(long)]
    new_name: Option<String>,
    /// A comment
    #[arg(long)]
    comments: Option<String>,
}

/// Whose groups.
#[derive(Args)]
pub(crate) struct Of {
    /// A user's name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// A user in a group.
#[derive(Args)]
pub(crate) struct Membership {
    /// The group's name
    group: String,
    /// The user's name
    user: String,
}

impl Command {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Create(leaf) => &leaf.at,
            Self::Get(leaf) | Self::Delete(leaf) | Self::Users(leaf) => &leaf.at,
            Self::List(leaf) => &leaf.at,
            Self::Update(leaf) => &leaf.at,
            Self::Add(leaf) | Self::Remove(leaf) => &leaf.at,
        }
    }

    pub(super) fn request(self) -> Request {
        let membership =
            |action, Membership { group, user }| Request::new(action).with("GroupName", group).with("UserName", user);
        match self {
            Self::Create(Leaf { what, .. }) => {
                Request::new("CreateGroup").with("GroupName", what.name).maybe("Comments", what.comments)
            }
            Self::Get(leaf) => Request::new("GetGroup").with("GroupName", leaf.what.name),
            Self::List(Leaf { what: Of { user: Some(user) }, .. }) => {
                Request::new("ListGroupsForUser").with("UserName", user)
            }
            Self::List(_) => Request::new("ListGroups"),
            Self::Update(Leaf { what, .. }) => Request::new("UpdateGroup")
                .with("GroupName", what.name)
                .maybe("NewGroupName", what.new_name)
                .maybe("NewComments", what.comments),
            Self::Delete(leaf) => Request::new("DeleteGroup").with("GroupName", leaf.what.name),
            Self::Users(leaf) => Request::new("ListUsersForGroup").with("GroupName", leaf.what.name),
            Self::Add(leaf) => membership("AddUserToGroup", leaf.what),
            Self::Remove(leaf) => membership("RemoveUserFromGroup", leaf.what),
        }
    }
}
