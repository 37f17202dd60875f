//! `yaoku ram role`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Name, document, tags};
use crate::Error;
use crate::operator::{At, Leaf, Request};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a role
    Create(Leaf<Create>),
    /// Show a role
    Get(Leaf<Name>),
    /// List all roles
    List(At),
    /// Change what is known of a role, and who may assume it
    Update(Leaf<Update>),
    /// Put tags on a role; `list` shows them
    Tag(Leaf<tags::Put>),
    /// Take tags from a role
    Untag(Leaf<tags::Take>),
    /// Delete a role that has no policies any more; its sessions end
    Delete(Leaf<Name>),
}

/// A new role.
#[derive(Args)]
pub(crate) struct Create {
    /// Its name
    name: String,
    /// File with the policy that says who may assume it
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Seconds of its longest session, 3600 to 43200 [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    max_session: Option<u32>,
    /// A tag; may be given again
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tags::parse)]
    tags: Vec<tags::Tag>,
}

/// What changes.
#[derive(Args)]
pub(crate) struct Update {
    /// Its name
    name: String,
    /// File with the policy that says who may assume it
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Seconds of its longest session, 3600 to 43200
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
