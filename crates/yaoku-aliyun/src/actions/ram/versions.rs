//! CreatePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion, DeletePolicyVersion.

use serde::Serialize;
use yaoku_iam::Field;
use yaoku_iam::operations::policies::PolicyVersion;
use yaoku_iam::operations::versions::{
    CreatePolicyVersion, DeletePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion,
};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "CreatePolicyVersion",
        CreatePolicyVersion,
        create,
        [required("PolicyName"), required("PolicyDocument"), optional("SetAsDefault"), optional("RotateStrategy")]
    ),
    action!(
        "GetPolicyVersion",
        GetPolicyVersion,
        get,
        [required("PolicyName"), required("PolicyType"), required("VersionId")]
    ),
    action!("ListPolicyVersions", ListPolicyVersions, list, [required("PolicyName"), required("PolicyType")]),
    action!(
        "SetDefaultPolicyVersion",
        SetDefaultPolicyVersion,
        set_default,
        [required("PolicyName"), required("VersionId")]
    ),
    action!("DeletePolicyVersion", DeletePolicyVersion, delete, [required("PolicyName"), required("VersionId")]),
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    version_id: String,
    is_default_version: bool,
    policy_document: String,
    create_date: String,
}

impl Version {
    pub(super) fn new(version: PolicyVersion) -> Self {
        Self {
            version_id: version.id.to_string(),
            is_default_version: version.is_default,
            policy_document: version.document,
            create_date: time(version.created),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    policy_version: Version,
}

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let drop_oldest = match arguments.given("RotateStrategy") {
        None | Some("None") => false,
        Some("DeleteOldestNonDefaultVersionWhenLimitExceeded") => true,
        Some(_) => {
            let why = "it must be None or DeleteOldestNonDefaultVersionWhenLimitExceeded";
            return Err(WireError::invalid_parameter("RotateStrategy", why));
        }
    };
    let version = CreatePolicyVersion {
        name: arguments.name(Field::PolicyName)?,
        document: arguments.required_text("PolicyDocument")?.to_owned(),
        set_as_default: arguments.boolean("SetAsDefault")?.unwrap_or(false),
        drop_oldest,
    };
    let version = exchange.manage(version).await?;
    exchange.reply(&Content { policy_version: Version::new(version) })
}

async fn get(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let (name, version) = (arguments.policy()?, arguments.policy_version()?);
    let version = exchange.manage(GetPolicyVersion { name, version }).await?;
    exchange.reply(&Content { policy_version: Version::new(version) })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        policy_versions: Versions,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Versions {
        policy_version: Vec<Version>,
    }
    let versions = exchange.manage(ListPolicyVersions { name: exchange.arguments.policy()? }).await?;
    let policy_version = versions.into_iter().map(Version::new).collect();
    exchange.reply(&Content { policy_versions: Versions { policy_version } })
}

async fn set_default(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let (name, version) = (arguments.name(Field::PolicyName)?, arguments.policy_version()?);
    exchange.manage(SetDefaultPolicyVersion { name, version }).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let (name, version) = (arguments.name(Field::PolicyName)?, arguments.policy_version()?);
    exchange.manage(DeletePolicyVersion { name, version }).await?;
    exchange.done()
}
