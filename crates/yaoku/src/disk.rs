//! `yaoku disk`: disks that are bound to keys.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::Error;
use crate::config::{StoreOptions, StoreSettings};
use crate::control::AdminApiName;
use crate::server_command::{At, Leaf, Request};

/// Commands on disks.
#[derive(Subcommand)]
pub(crate) enum DiskCommand {
    /// Bind a disk to a key, and print the path of its Tang URL alone
    ///
    /// Whoever knows the URL can unlock the disk from where that is allowed: treat it as a secret.
    Create(Leaf<New>),
    /// List all disks
    List(Leaf<Nothing>),
    /// Show a disk, with its Tang URL and keys
    Show(Leaf<Disk>),
    /// Change the networks from which a disk can be unlocked, or its tags
    Update(Leaf<Change>),
    /// Disable a disk: it can't be unlocked until it is enabled; takes effect before it is answered
    Disable(Leaf<Disk>),
    /// Enable a disabled disk
    Enable(Leaf<Disk>),
    /// Create a new key of a disk and advertise it; older keys answer until they are withdrawn
    Rotate(Leaf<Disk>),
    /// Delete older keys of a disk for good; volumes that were bound before the rotation can't be unlocked any more
    Withdraw(Leaf<Old>),
    /// Delete a disk and its keys for good; its volumes can't be unlocked any more
    Delete(Leaf<Disk>),
}

/// Of commands that need to know no more.
#[derive(Args)]
pub(crate) struct Nothing {}

/// A disk.
#[derive(Args)]
pub(crate) struct Disk {
    /// Its name
    name: String,
}

/// A disk to be bound.
#[derive(Args)]
pub(crate) struct New {
    /// A name for it: 1 to 128 letters, digits and _ / . @ -
    #[arg(long)]
    name: String,
    /// The key that it is bound to: a key ID or an alias
    #[arg(long, value_name = "KEY")]
    key: String,
    /// Network from which it can be unlocked, such as 10.0.0.0/8; repeatable [default: anywhere]
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    network: Vec<String>,
    /// Tag, as KEY=VALUE; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    tag: Vec<(String, String)>,
}

/// What is to change of a disk.
#[derive(Args)]
pub(crate) struct Change {
    #[command(flatten)]
    disk: Disk,
    /// Network from which it can be unlocked, in the place of those before; repeatable; an empty one for anywhere
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    network: Option<Vec<String>>,
    /// Tag, as KEY=VALUE, in the place of those before; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    tag: Option<Vec<(String, String)>>,
    /// Remove all tags
    #[arg(long, conflicts_with = "tag")]
    no_tags: bool,
}

/// An older key.
#[derive(Args)]
pub(crate) struct Old {
    #[command(flatten)]
    disk: Disk,
    /// The Thumbprint of the key [default: all but the one that is advertised]
    #[arg(long, value_name = "THUMBPRINT")]
    key: Option<String>,
}

/// Reads a tag.
fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    Ok((key.to_owned(), value.to_owned()))
}

/// Tags as the API has them.
fn tags(tags: &[(String, String)]) -> String {
    let all: Vec<_> = tags.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect();
    Value::from(all).to_string()
}

impl DiskCommand {
    fn at(&self) -> &At {
        match self {
            Self::Create(leaf) => &leaf.at,
            Self::List(leaf) => &leaf.at,
            Self::Update(leaf) => &leaf.at,
            Self::Withdraw(leaf) => &leaf.at,
            Self::Show(leaf) | Self::Disable(leaf) | Self::Enable(leaf) | Self::Rotate(leaf) | Self::Delete(leaf) => {
                &leaf.at
            }
        }
    }

    /// The store's options, which say where the server is.
    pub(crate) fn store(&self) -> StoreOptions {
        self.at().store.clone()
    }

    /// Does it; of a new disk, what is printed is the path of its URL alone, so that scripts can take it as it is.
    ///
    /// # Errors
    /// When no server runs there, or it refuses.
    pub(crate) async fn run(self, settings: StoreSettings) -> Result<String, Error> {
        let account = self.at().account.clone();
        let is_creation = matches!(self, Self::Create(_));
        let of = |action, disk: Disk| Request::new(action).with("DiskName", disk.name);
        let request = match self {
            Self::Create(Leaf { what: New { name, key, network, tag }, .. }) => {
                let request = of("CreateDisk", Disk { name }).with("KeyId", key);
                let networks = (!network.is_empty()).then(|| network.join(","));
                request.maybe("BoundCidrs", networks).maybe("Tags", (!tag.is_empty()).then(|| tags(&tag)))
            }
            Self::List(_) => Request::new("ListDisks"),
            Self::Show(leaf) => of("GetDisk", leaf.what),
            Self::Update(Leaf { what: Change { disk, network, tag, no_tags }, .. }) => {
                let tag = if no_tags { Some(Vec::new()) } else { tag };
                let networks = network.map(|networks| networks.join(","));
                of("UpdateDisk", disk).maybe("BoundCidrs", networks).maybe("Tags", tag.map(|tag| tags(&tag)))
            }
            Self::Disable(leaf) => of("DisableDisk", leaf.what),
            Self::Enable(leaf) => of("EnableDisk", leaf.what),
            Self::Rotate(leaf) => of("RotateDisk", leaf.what),
            Self::Withdraw(Leaf { what: Old { disk, key }, .. }) => {
                of("WithdrawDiskKeys", disk).maybe("Thumbprint", key)
            }
            Self::Delete(leaf) => of("DeleteDisk", leaf.what),
        };
        let answer = request.ask(AdminApiName::Credentials, account, &settings).await?;
        if !is_creation {
            return Ok(answer);
        }
        let answer: Value = serde_json::from_str(&answer).map_err(|error| Error::Control(error.to_string()))?;
        let path = answer.pointer("/Disk/UrlPath").and_then(Value::as_str);
        path.map(str::to_owned).ok_or_else(|| Error::Control("the server answered without a URL".into()))
    }
}
