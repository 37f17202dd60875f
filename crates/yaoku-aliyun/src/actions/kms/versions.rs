//! CreateKeyVersion, DescribeKeyVersion, ListKeyVersions, UpdateRotationPolicy.

use serde::Serialize;
use yaoku_kms::KeyVersion;
use yaoku_kms::operations::versions::{CreateKeyVersion, DescribeKeyVersion, ListKeyVersions, UpdateRotationPolicy};

use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;
use crate::wire::time::format_time;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreateKeyVersion", CreateKeyVersion, create, [required("KeyId")]),
    action!("DescribeKeyVersion", DescribeKeyVersion, describe, [required("KeyId"), required("KeyVersionId")]),
    action!(
        "ListKeyVersions",
        ListKeyVersions,
        list,
        [required("KeyId"), optional("PageNumber"), optional("PageSize"),]
    ),
    action!(
        "UpdateRotationPolicy",
        UpdateRotationPolicy,
        update_rotation,
        [required("KeyId"), required("EnableAutomaticRotation"), optional("RotationInterval"),]
    ),
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    key_id: String,
    key_version_id: String,
    creation_date: String,
}

impl From<KeyVersion> for Version {
    fn from(version: KeyVersion) -> Self {
        Self {
            key_id: version.key.to_string(),
            key_version_id: version.id.to_string(),
            creation_date: format_time(version.created.0),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionReply {
    key_version: Version,
}

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let version = exchange.perform(CreateKeyVersion { key: exchange.arguments.key_ref("KeyId")? }).await?;
    exchange.reply(&VersionReply { key_version: version.into() })
}

async fn describe(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let operation =
        DescribeKeyVersion { key: arguments.key_ref("KeyId")?, version: arguments.version_id("KeyVersionId")? };
    let version = exchange.perform(operation).await?;
    exchange.reply(&VersionReply { key_version: version.into() })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
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
    let page = exchange.arguments.page(101)?;
    let listing = exchange.perform(ListKeyVersions { key: exchange.arguments.key_ref("KeyId")?, page }).await?;
    exchange.reply(&Content {
        key_versions: Versions { key_version: listing.items.into_iter().map(Version::from).collect() },
        page_number: page.number,
        page_size: page.size,
        total_count: listing.total,
    })
}

async fn update_rotation(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    const ENABLE: &str = "EnableAutomaticRotation";
    let arguments = &exchange.arguments;
    let interval = match arguments.boolean(ENABLE)? {
        None => return Err(WireError::missing_parameter(ENABLE)),
        Some(true) => {
            Some(arguments.rotation_interval()?.ok_or_else(|| WireError::missing_parameter("RotationInterval"))?)
        }
        Some(false) => None,
    };
    exchange.perform(UpdateRotationPolicy { key: arguments.key_id("KeyId")?, interval }).await?;
    exchange.done()
}
