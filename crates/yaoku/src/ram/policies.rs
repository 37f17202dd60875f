//! `yaoku ram policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Name, document, tags};
use crate::Error;
use crate::server_command::{At, Leaf, Request};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a custom policy
    Create(Leaf<Create>),
    /// Show a policy and its document
    Get(Leaf<Policy>),
    /// List all policies, or those attached to a user, group or role
    List(Leaf<Of>),
    /// Give a policy a new document, which takes effect at once; if there are five versions, the oldest is deleted
    Update(Leaf<Update>),
    /// Change a policy's description
    Describe(Leaf<Description>),
    /// Add tags to a policy; `list` shows them
    Tag(Leaf<tags::Put>),
    /// Remove tags from a policy
    Untag(Leaf<tags::Take>),
    /// List the versions of a policy
    Versions(Leaf<Policy>),
    /// Set the default version of a policy
    SetDefault(Leaf<Version>),
    /// Delete a policy with all its versions; detach it from all users, groups and roles first
    Delete(Leaf<Name>),
    /// Attach a policy to a user, group or role
    Attach(Leaf<Attachment>),
    /// Detach a policy from a user, group or role
    Detach(Leaf<Attachment>),
    /// List the users, groups and roles that a policy is attached to
    Entities(Leaf<Policy>),
}

/// A policy.
#[derive(Args)]
pub(crate) struct Policy {
    /// Its name
    name: String,
    /// The policy is a system policy, such as AliyunKMSFullAccess
    #[arg(long)]
    system: bool,
}

/// A new policy.
#[derive(Args)]
pub(crate) struct Create {
    /// Its name
    name: String,
    /// File with its document
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// Its description
    #[arg(long)]
    description: Option<String>,
    /// A tag; repeatable
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tags::parse)]
    tags: Vec<tags::Tag>,
}

/// What a policy is for.
#[derive(Args)]
pub(crate) struct Description {
    /// Its name
    name: String,
    /// The new description; an empty one removes it
    description: String,
}

/// A new document.
#[derive(Args)]
pub(crate) struct Update {
    /// Its name
    name: String,
    /// File with its new document
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
}

/// A version of a policy.
#[derive(Args)]
pub(crate) struct Version {
    /// The policy's name
    name: String,
    /// The version, such as v2
    version: String,
}

/// Whose policies.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct Of {
    /// A user's name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group's name
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// A role's name
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
}

/// A policy and whom it is attached to.
#[derive(Args)]
pub(crate) struct Attachment {
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    to: To,
}

/// Whom a policy is attached to.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct To {
    /// A user's name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group's name
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// A role's name
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
}

impl Policy {
    fn of(self, action: &'static str) -> Request {
        let kind = if self.system { "System" } else { "Custom" };
        Request::new(action).with("PolicyName", self.name).with("PolicyType", kind)
    }
}

impl Attachment {
    /// Of three actions, the one for a user, a group or a role.
    fn of(self, [user, group, role]: [&'static str; 3]) -> Request {
        let Self { policy, to } = self;
        match to {
            To { user: Some(name), .. } => policy.of(user).with("UserName", name),
            To { group: Some(name), .. } => policy.of(group).with("GroupName", name),
            // One of the three is given, as the command line asks.
            To { role: name, .. } => policy.of(role).maybe("RoleName", name),
        }
    }
}

impl Command {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Create(leaf) => &leaf.at,
            Self::Get(leaf) | Self::Versions(leaf) | Self::Entities(leaf) => &leaf.at,
            Self::List(leaf) => &leaf.at,
            Self::Update(leaf) => &leaf.at,
            Self::Describe(leaf) => &leaf.at,
            Self::Tag(leaf) => &leaf.at,
            Self::Untag(leaf) => &leaf.at,
            Self::SetDefault(leaf) => &leaf.at,
            Self::Delete(leaf) => &leaf.at,
            Self::Attach(leaf) | Self::Detach(leaf) => &leaf.at,
        }
    }

    pub(super) fn request(self) -> Result<Request, Error> {
        Ok(match self {
            Self::Create(Leaf { what, .. }) => {
                let request = Request::new("CreatePolicy")
                    .with("PolicyName", what.name)
                    .with("PolicyDocument", document(&what.document)?)
                    .maybe("Description", what.description);
                tags::with(request, what.tags)
            }
            Self::Get(leaf) => leaf.what.of("GetPolicy"),
            Self::List(Leaf { what: Of { user: Some(name), .. }, .. }) => {
                Request::new("ListPoliciesForUser").with("UserName", name)
            }
            Self::List(Leaf { what: Of { group: Some(name), .. }, .. }) => {
                Request::new("ListPoliciesForGroup").with("GroupName", name)
            }
            Self::List(Leaf { what: Of { role: Some(name), .. }, .. }) => {
                Request::new("ListPoliciesForRole").with("RoleName", name)
            }
            Self::List(_) => Request::new("ListPolicies"),
            Self::Update(Leaf { what, .. }) => Request::new("CreatePolicyVersion")
                .with("PolicyName", what.name)
                .with("PolicyDocument", document(&what.document)?)
                .with("SetAsDefault", "true")
                .with("RotateStrategy", "DeleteOldestNonDefaultVersionWhenLimitExceeded"),
            Self::Describe(Leaf { what, .. }) => Request::new("UpdatePolicyDescription")
                .with("PolicyName", what.name)
                .with("NewDescription", what.description),
            Self::Tag(leaf) => leaf.what.of("policy"),
            Self::Untag(leaf) => leaf.what.of("policy"),
            Self::Versions(leaf) => leaf.what.of("ListPolicyVersions"),
            Self::SetDefault(Leaf { what, .. }) => {
                Request::new("SetDefaultPolicyVersion").with("PolicyName", what.name).with("VersionId", what.version)
            }
            Self::Delete(leaf) => {
                Request::new("DeletePolicy").with("PolicyName", leaf.what.name).with("CascadingDelete", "true")
            }
            Self::Attach(leaf) => leaf.what.of(["AttachPolicyToUser", "AttachPolicyToGroup", "AttachPolicyToRole"]),
            Self::Detach(leaf) => {
                leaf.what.of(["DetachPolicyFromUser", "DetachPolicyFromGroup", "DetachPolicyFromRole"])
            }
            Self::Entities(leaf) => leaf.what.of("ListEntitiesForPolicy"),
        })
    }
}
