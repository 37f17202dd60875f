//! CreatePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion, DeletePolicyVersion.

use serde::Serialize;
use yaoku_iam::operations::policies::{PolicyType, PolicyVersion, VersionId};
use yaoku_iam::operations::versions::{
    CreatePolicyVersion, DeletePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion,
};
use yaoku_iam::{Field, Name, PolicyName};

use super::arguments::time;
use super::policies::OnePolicy;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::{Parameter, Read};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreatePolicyVersion", CreatePolicyVersion, create(CreateParameters)),
    action!("GetPolicyVersion", GetPolicyVersion, get(GetParameters)),
    action!("ListPolicyVersions", ListPolicyVersions, list(OnePolicy)),
    action!("SetDefaultPolicyVersion", SetDefaultPolicyVersion, set_default(OneVersion)),
    action!("DeletePolicyVersion", DeletePolicyVersion, delete(OneVersion)),
];

parameters! {
    struct CreateParameters {
        drop_oldest: bool = "RotateStrategy" default(false) shown => drop_oldest;
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
        document: String = "PolicyDocument" required shown => string;
        set_as_default: bool = "SetAsDefault" default(false) shown => boolean;
    }
}

parameters! {
    struct GetParameters {
        kind: PolicyType = "PolicyType" required shown => policy_type;
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
        version: VersionId = "VersionId" required shown => policy_version;
    }
}

parameters! {
    struct OneVersion {
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
        version: VersionId = "VersionId" required shown => policy_version;
    }
}

impl Parameter<'_> {
    fn drop_oldest(self) -> Read<bool> {
        match self.filled() {
            None | Some("None") => Ok(None),
            Some("DeleteOldestNonDefaultVersionWhenLimitExceeded") => Ok(Some(true)),
            Some(_) => Err(self.invalid("it must be None or DeleteOldestNonDefaultVersionWhenLimitExceeded")),
        }
    }
}

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

async fn create(exchange: &Exchange<'_>, given: CreateParameters) -> Result<Reply, WireError> {
    let CreateParameters { drop_oldest, name, document, set_as_default } = given;
    let version = CreatePolicyVersion { name, document, set_as_default, drop_oldest };
    let version = exchange.perform(version).await?;
    exchange.reply(&Content { policy_version: Version::new(version) })
}

async fn get(exchange: &Exchange<'_>, given: GetParameters) -> Result<Reply, WireError> {
    let (name, version) = (PolicyName::new(given.kind, given.name), given.version);
    let version = exchange.perform(GetPolicyVersion { name, version }).await?;
    exchange.reply(&Content { policy_version: Version::new(version) })
}

async fn list(exchange: &Exchange<'_>, given: OnePolicy) -> Result<Reply, WireError> {
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
    let versions = exchange.perform(ListPolicyVersions { name: PolicyName::new(given.kind, given.name) }).await?;
    let policy_version = versions.into_iter().map(Version::new).collect();
    exchange.reply(&Content { policy_versions: Versions { policy_version } })
}

async fn set_default(exchange: &Exchange<'_>, given: OneVersion) -> Result<Reply, WireError> {
    let OneVersion { name, version } = given;
    exchange.perform(SetDefaultPolicyVersion { name, version }).await?;
    exchange.done()
}

async fn delete(exchange: &Exchange<'_>, given: OneVersion) -> Result<Reply, WireError> {
    let OneVersion { name, version } = given;
    exchange.perform(DeletePolicyVersion { name, version }).await?;
    exchange.done()
}
