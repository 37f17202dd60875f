//! `yaoku ram role`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Name, document, tags};
use crate::Error;
use crate::server_command::{At, Leaf, Request};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a role
    Create(Leaf<Create>),
    /// Show a role
    Get(Leaf<Name>),
    /// List all roles
    List(At),
    /// Change a role's description, trust policy or maximum session duration
    Update(Leaf<Update>),
    /// Add tags to a role; `list` shows them
    Tag(Leaf<tags::Put>),
    /// Remove tags from a role
    Untag(Leaf<tags::Take>),
    /// Delete a role and end its sessions; detach its policies first
    Delete(Leaf<Name>),
}

/// A new role.
#[derive(Args)]
pub(crate) struct Create {
    /// Its name
    name: String,
    /// File with its trust policy, which states who may assume it
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// Its description
    #[arg(long)]
    description: Option<String>,
    /// Maximum session duration in seconds, 3600 to 43200 [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    max_session: Option<u32>,
    /// A tag; repeatable
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tags::parse)]
    tags: Vec<tags::Tag>,
}

/// What changes.
#[derive(Args)]
pub(crate) struct Update {
    /// Its name
    name: String,
    /// File with its trust policy, which states who may assume it
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Its description
    #[arg(long)]
    description: Option<String>,
    /// Maximum session duration in seconds, 3600 to 43200
    #[arg(long, value_name = "SECONDS")]
    max_session: Option<u32>,
}

impl Command {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Create(leaf) => &leaf.at,
            Self::Get(leaf) | Self::Delete(leaf) => &leaf.at,
            Self::List(at) => at,
            Self::Update(leaf) => &leaf.at,
            Self::Tag(leaf) => &leaf.at,
            Self::Untag(leaf) => &leaf.at,
        }
    }

    pub(super) fn request(self) -> Result<Request, Error> {
        Ok(match self {
            Self::Create(Leaf { what, .. }) => {
                let request = Request::new("CreateRole")
                    .with("RoleName", what.name)
                    .with("AssumeRolePolicyDocument", document(&what.trust)?)
                    .maybe("Description", what.description)
                    .maybe("MaxSessionDuration", what.max_session.map(|seconds| seconds.to_string()));
                tags::with(request, what.tags)
            }
            Self::Get(leaf) => Request::new("GetRole").with("RoleName", leaf.what.name),
            Self::List(_) => Request::new("ListRoles"),
            Self::Update(Leaf { what, .. }) => Request::new("UpdateRole")
                .with("RoleName", what.name)
                .maybe("NewAssumeRolePolicyDocument", what.trust.map(|path| document(&path)).transpose()?)
                .maybe("NewDescription", what.description)
                .maybe("NewMaxSessionDuration", what.max_session.map(|seconds| seconds.to_string())),
            Self::Tag(leaf) => leaf.what.of("role"),
            Self::Untag(leaf) => leaf.what.of("role"),
            Self::Delete(leaf) => Request::new("DeleteRole").with("RoleName", leaf.what.name),
        })
    }
}
