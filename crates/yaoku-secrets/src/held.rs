//! A secret as it is held in memory, and what its owner may know of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use yaoku_iam::policy::{Attached, Policy, PolicyKind};
use yaoku_iam::{AccountId, Iam, Tagged, Tags, Timestamp};
use yaoku_kms::KeyId;
use yaoku_seal::Revision;

use crate::record::{SecretRecord, VersionEntry};
use crate::{Error, RamCredentialsAbout, SecretKind, SecretName, Stage, ValueKind, VersionId};

/// A secret as the last applied commit left it.
pub(crate) struct HeldSecret {
    pub(crate) account: AccountId,
    pub(crate) name: SecretName,
    pub(crate) record: SecretRecord,
    pub(crate) revision: Revision,
    /// Its policy, ready to be asked; none for the default, which says nothing that would not be so without it.
    pub(crate) policy: Option<Attached>,
}

impl HeldSecret {
    /// A secret of a stored record.
    pub(crate) fn new(
        account: AccountId,
        name: SecretName,
        record: SecretRecord,
        revision: Revision,
    ) -> Result<Self, Error> {
        let read = |document| match Policy::parse_stored(document, PolicyKind::Key) {
            Ok(policy) => {
                Ok(Attached { origin: format!("the policy of secret {name}").into(), policy: Arc::new(policy) })
            }
            Err(_) => Err(Error::Record("a secret's policy")),
        };
        let policy = record.policy.as_deref().map(read).transpose()?;
        Ok(Self { account, name, record, revision, policy })
    }

    pub(crate) fn is_pending_deletion(&self) -> bool {
        self.record.deletion.is_some()
    }

    pub(crate) fn about(&self, iam: &Iam) -> SecretAbout {
        let record = &self.record;
        let ram_credentials = record.ram_credentials().ok().map(|credentials| RamCredentialsAbout {
            user: iam.user_name(self.account, credentials.user),
            custom_data: credentials.custom_data.clone(),
            rotation: credentials.rotation,
            last_rotation: credentials.last_rotation,
            next_rotation: credentials.next_rotation(record.created),
        });
        SecretAbout {
            account: self.account,
            name: self.name.clone(),
            kind: record.kind(),
            ram_credentials,
            description: record.description.clone(),
            created: record.created,
            updated: record.updated,
            planned_deletion: record.deletion,
            key: record.key,
            tags: record.tags.clone(),
            last_version: record.last,
            max_versions: record.max_versions,
            custom_metadata: record.custom_metadata.clone(),
        }
    }
}

impl Tagged for HeldSecret {
    fn tag(&self, name: &str) -> Option<&str> {
        self.record.tags.get(name)
    }
}

/// What is known of a secret without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretAbout {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: SecretName,
    /// What it is for.
    pub kind: SecretKind,
    /// What is known of the AccessKeys in it, if it holds such.
    pub ram_credentials: Option<RamCredentialsAbout>,
    /// The owner's words on it.
    pub description: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// When it is to be deleted, if it is.
    pub planned_deletion: Option<Timestamp>,
    /// The CMK that its values are sealed under.
    pub key: KeyId,
    /// Its tags.
    pub tags: Tags,
    /// The number of the youngest version that there ever was.
    pub last_version: u64,
    /// Versions that are kept, if not as many as of every secret.
    pub max_versions: Option<u32>,
    /// A few words of the owner's.
    pub custom_metadata: BTreeMap<String, String>,
}

/// What is known of a version without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionAbout {
    /// Its id.
    pub id: VersionId,
    /// Counted from 1, in order of creation.
    pub number: u64,
    /// When it was made.
    pub created: Timestamp,
    /// What its value is.
    pub kind: ValueKind,
    /// The stages that stand on it.
    pub stages: Vec<Stage>,
    /// From when on its value can't be read.
    pub deleted: Option<Timestamp>,
    /// Whether its value is gone for good.
    pub destroyed: bool,
}

impl From<&VersionEntry> for VersionAbout {
    fn from(version: &VersionEntry) -> Self {
        Self {
            id: version.id.clone(),
            number: version.number,
            created: version.created,
            kind: version.kind,
            stages: version.stages.clone(),
            deleted: version.deleted,
            destroyed: version.destroyed,
        }
    }
}
