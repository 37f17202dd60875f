//! CreateKeyVersion, DescribeKeyVersion, ListKeyVersions, UpdateRotationPolicy.

use serde::Serialize;
use yaoku_kms::operations::Page;
use yaoku_kms::operations::versions::{CreateKeyVersion, DescribeKeyVersion, ListKeyVersions, UpdateRotationPolicy};
use yaoku_kms::{KeyId, KeyRef, KeyVersion, KeyVersionId};

use super::keys::OneKeyToUse;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::Parameter;
use crate::actions::elements::Shown;
use crate::wire::WireError;
use crate::wire::time::format_time;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateKeyVersion", CreateKeyVersion, create(OneKeyToUse)),
    action!("DescribeKeyVersion", DescribeKeyVersion, describe(DescribeParameters)),
    action!("ListKeyVersions", ListKeyVersions, list(ListParameters)),
    action!("UpdateRotationPolicy", UpdateRotationPolicy, update_rotation(RotationParameters)),
];

parameters! {
    struct DescribeParameters {
        key: KeyRef = "KeyId" required shown => key_ref;
        version: KeyVersionId = "KeyVersionId" required shown => version_id;
    }
}

parameters! {
    struct ListParameters {
        number: u32 = "PageNumber" default(1) shown => at_least_one;
        size: u32 = "PageSize" default(10) shown => up_to(101);
        key: KeyRef = "KeyId" required shown => key_ref;
    }
}

parameters! {
    struct RotationParameters<'a> {
        enabled: bool = "EnableAutomaticRotation" required shown => boolean;
        interval: Parameter<'a> = "RotationInterval" later shown => itself;
        key: KeyId = "KeyId" required shown => key_id;
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    key_id: Shown<String>,
    key_version_id: Shown<String>,
    creation_date: Shown<String>,
}

impl From<KeyVersion> for Version {
    fn from(version: KeyVersion) -> Self {
        Self {
            key_id: Shown(version.key.to_string()),
            key_version_id: Shown(version.id.to_string()),
            creation_date: Shown(format_time(version.created.0)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionReply {
    key_version: Version,
}

async fn create(exchange: &Exchange<'_>, given: OneKeyToUse) -> Result<Reply, WireError> {
    let version = exchange.perform(CreateKeyVersion { key: given.key }).await?;
    exchange.reply(&VersionReply { key_version: version.into() })
}

async fn describe(exchange: &Exchange<'_>, given: DescribeParameters) -> Result<Reply, WireError> {
    let DescribeParameters { key, version } = given;
    let version = exchange.perform(DescribeKeyVersion { key, version }).await?;
    exchange.reply(&VersionReply { key_version: version.into() })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        key_versions: Versions,
        page_number: u32,
        page_size: u32,
        total_count: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Versions {
        key_version: Vec<Version>,
    }
    let page = Page { number: given.number, size: given.size };
    let listing = exchange.perform(ListKeyVersions { key: given.key, page }).await?;
    exchange.reply(&Content {
        key_versions: Versions { key_version: listing.items.into_iter().map(Version::from).collect() },
        page_number: page.number,
        page_size: page.size,
        total_count: listing.total,
    })
}

async fn update_rotation(exchange: &Exchange<'_>, given: RotationParameters<'_>) -> Result<Reply, WireError> {
    let interval = given.enabled.then(|| given.interval.demand(Parameter::rotation_interval)).transpose()?;
    exchange.perform(UpdateRotationPolicy { key: given.key, interval }).await?;
    exchange.done()
}
