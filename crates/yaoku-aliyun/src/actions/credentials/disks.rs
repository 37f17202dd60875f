//! CreateDisk, GetDisk, ListDisks, UpdateDisk, DisableDisk, EnableDisk, DeleteDisk, RotateDisk, WithdrawDiskKeys.

use serde::Serialize;
use yaoku_disks::operations::disks::{CreateDisk, DeleteDisk, DisableDisk, EnableDisk, GetDisk, ListDisks, UpdateDisk};
use yaoku_disks::operations::keys::{RotateDisk, WithdrawDiskKeys};
use yaoku_disks::{DiskAbout, DiskName, DiskUrl, KeyAbout, Thumbprint};
use yaoku_iam::BoundNetworks;
use yaoku_kms::{KeyRef, Tag};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::place_text;
use crate::actions::elements::Shown;
use crate::wire::WireError;

/// Disks in a part of a listing, unless it is said.
const ORDINARY_ITEMS: u32 = 100;
/// The most.
const MAX_ITEMS: u32 = 1000;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateDisk", CreateDisk, create(CreateParameters)),
    action!("GetDisk", GetDisk, get(OneDisk)),
    action!("ListDisks", ListDisks, list(ListParameters)),
    action!("UpdateDisk", UpdateDisk, update(UpdateParameters)),
    action!("DisableDisk", DisableDisk, disable(OneDisk)),
    action!("EnableDisk", EnableDisk, enable(OneDisk)),
    action!("DeleteDisk", DeleteDisk, delete(OneDisk)),
    action!("RotateDisk", RotateDisk, rotate(OneDisk)),
    action!("WithdrawDiskKeys", WithdrawDiskKeys, withdraw(WithdrawParameters)),
];

parameters! {
    struct CreateParameters {
        name: DiskName = "DiskName" required shown => disk_name;
        key: KeyRef = "KeyId" required shown => key_ref;
        networks: BoundNetworks = "BoundCidrs" default(BoundNetworks::default()) shown => networks;
        tags: Vec<Tag> = "Tags" default(Vec::new()) shown => tags;
    }
}

parameters! {
    struct OneDisk {
        name: DiskName = "DiskName" required shown => disk_name;
    }
}

parameters! {
    struct ListParameters {
        after: Option<Vec<u8>> = "Marker" optional shown => place;
        most: u32 = "MaxItems" default(ORDINARY_ITEMS) shown => up_to(MAX_ITEMS);
    }
}

parameters! {
    struct UpdateParameters {
        name: DiskName = "DiskName" required shown => disk_name;
        networks: Option<BoundNetworks> = "BoundCidrs" optional shown => new_networks;
        tags: Option<Vec<Tag>> = "Tags" optional shown => tags;
    }
}

parameters! {
    struct WithdrawParameters {
        name: DiskName = "DiskName" required shown => disk_name;
        key: Option<Thumbprint> = "Thumbprint" optional shown => thumbprint;
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Disk {
    disk_name: Shown<String>,
    arn: Shown<String>,
    /// Whoever knows it can unlock the disk: listings and the audit trail do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url_path: Option<String>,
    key_id: Shown<String>,
    state: Shown<&'static str>,
    bound_cidrs: Shown<String>,
    create_date: Shown<String>,
    update_date: Shown<String>,
    tags: Tags,
    signing_thumbprint: Shown<String>,
    keys: Keys,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tags {
    tag: Vec<WireTag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireTag {
    tag_key: String,
    tag_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    key: Vec<WireKey>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireKey {
    thumbprint: String,
    create_date: String,
    /// Whether new clients get it.
    advertised: bool,
}

impl Disk {
    fn new(about: DiskAbout, url: Option<DiskUrl>) -> Self {
        let tag = |(key, value): (&str, &str)| WireTag { tag_key: key.to_owned(), tag_value: value.to_owned() };
        let advertised = about.exchange.last().map(|key| key.thumbprint);
        let key = |key: &KeyAbout| WireKey {
            thumbprint: key.thumbprint.to_string(),
            create_date: time(Some(key.created)),
            advertised: Some(key.thumbprint) == advertised,
        };
        Self {
            arn: format!("acs:yaoku::{}:disk/{}", about.account, about.name).into(),
            disk_name: about.name.to_string().into(),
            url_path: url.map(|url| url.path()),
            key_id: about.key.to_string().into(),
            state: if about.enabled { "Enabled" } else { "Disabled" }.into(),
            bound_cidrs: about.networks.texts().collect::<Vec<_>>().join(",").into(),
            create_date: time(Some(about.created)).into(),
            update_date: time(Some(about.updated)).into(),
            tags: Tags { tag: about.tags.iter().map(tag).collect() },
            signing_thumbprint: about.signing.to_string().into(),
            keys: Keys { key: about.exchange.iter().map(key).collect() },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    disk: Disk,
}

async fn create(exchange: &Exchange<'_>, given: CreateParameters) -> Result<Reply, WireError> {
    let CreateParameters { name, key, networks, tags } = given;
    let (about, url) = exchange.perform(CreateDisk { name, key, networks, tags }).await?;
    exchange.reply(&Content { disk: Disk::new(about, Some(url)) })
}

async fn get(exchange: &Exchange<'_>, given: OneDisk) -> Result<Reply, WireError> {
    let (about, url) = exchange.perform(GetDisk { name: given.name }).await?;
    exchange.reply(&Content { disk: Disk::new(about, Some(url)) })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        is_truncated: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
        disks: Disks,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Disks {
        disk: Vec<Disk>,
    }
    let page = exchange.perform(ListDisks { after: given.after, most: given.most as usize }).await?;
    let marker = page.next.as_deref().map(place_text);
    let disk = page.disks.into_iter().map(|about| Disk::new(about, None)).collect();
    exchange.reply(&Listed { is_truncated: marker.is_some(), marker, disks: Disks { disk } })
}

async fn update(exchange: &Exchange<'_>, given: UpdateParameters) -> Result<Reply, WireError> {
    let UpdateParameters { name, networks, tags } = given;
    exchange.perform(UpdateDisk { name, networks, tags }).await?;
    exchange.done()
}

async fn disable(exchange: &Exchange<'_>, given: OneDisk) -> Result<Reply, WireError> {
    exchange.perform(DisableDisk { name: given.name }).await?;
    exchange.done()
}

async fn enable(exchange: &Exchange<'_>, given: OneDisk) -> Result<Reply, WireError> {
    exchange.perform(EnableDisk { name: given.name }).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>, given: OneDisk) -> Result<Reply, WireError> {
    exchange.perform(DeleteDisk { name: given.name }).await?;
    exchange.done()
}

async fn rotate(exchange: &Exchange<'_>, given: OneDisk) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Rotated {
        thumbprint: Shown<String>,
    }
    let thumbprint = exchange.perform(RotateDisk { name: given.name }).await?;
    exchange.reply(&Rotated { thumbprint: thumbprint.to_string().into() })
}

async fn withdraw(exchange: &Exchange<'_>, given: WithdrawParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Withdrawn {
        withdrawn: Shown<u64>,
    }
    let WithdrawParameters { name, key } = given;
    let withdrawn = exchange.perform(WithdrawDiskKeys { name, key }).await?;
    exchange.reply(&Withdrawn { withdrawn: Shown(withdrawn as u64) })
}
