//! Policies: those that every account has, and an account's own.

use std::collections::BTreeMap;

use super::tags::{self, Tag, TagFilter};
use super::{Part, Slice, bounded, listing};
use crate::directory::Directory;
use crate::policy::{Policy, PolicyKind, SystemPolicy};
use crate::record::{Attachments, PolicyName, PolicyRecord, PolicyVersionRecord};
use crate::resource::Target;
use crate::{
    Call, Conflict, Entity, Error, Field, Iam, Name, Operation, OperationSpec, POLICY, StateRule, Tags, Timestamp,
    quota,
};

/// Makes a policy, with its first version.
pub struct CreatePolicy {
    /// What it is called; no policy that every account has may be called so.
    pub name: Name,
    /// At most 1024 characters.
    pub description: String,
    /// What it says.
    pub document: String,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// Says anew what a policy is for.
pub struct UpdatePolicyDescription {
    /// Which.
    pub name: Name,
    /// At most 1024 characters; empty, it takes the description away.
    pub description: String,
}

/// Shows a policy and its default version.
pub struct GetPolicy {
    /// Which.
    pub name: PolicyName,
}

/// Lists policies.
pub struct ListPolicies {
    /// Only those that every account has, or only the account's own.
    pub only: Option<PolicyType>,
    /// Only those that have all of these tags.
    pub filters: Vec<TagFilter>,
    /// Which.
    pub slice: Slice,
}

/// Deletes a policy that is attached to nobody and has no other version than its default.
pub struct DeletePolicy {
    /// Which.
    pub name: Name,
    /// Whether other versions go with it.
    pub with_versions: bool,
}

/// Whose a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyType {
    /// Every account has it.
    System,
    /// An account's own.
    Custom,
}

impl PolicyName {
    /// Whose the policy is.
    pub const fn kind(&self) -> PolicyType {
        match self {
            Self::System(_) => PolicyType::System,
            Self::Custom(_) => PolicyType::Custom,
        }
    }

    /// The policy of that type and name.
    pub const fn new(kind: PolicyType, name: Name) -> Self {
        match kind {
            PolicyType::System => Self::System(name),
            PolicyType::Custom => Self::Custom(name),
        }
    }
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyAbout {
    /// What it is called.
    pub name: PolicyName,
    /// What it is for.
    pub description: String,
    /// The version that counts.
    pub default_version: VersionId,
    /// How many users, groups and roles of the account it is attached to.
    pub attachments: usize,
    /// When it was made; none of those that every account has.
    pub created: Option<Timestamp>,
    /// When it was changed last.
    pub updated: Option<Timestamp>,
    /// Its tags; one that every account has has none.
    pub tags: Tags,
}

/// Number of a version of a policy, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(pub(crate) u32);

impl VersionId {
    /// Reads `v` and a number without leading zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('v')?;
        let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten().map(Self)
    }
}

impl std::fmt::Display for VersionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// A version of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number.
    pub id: VersionId,
    /// Whether it is the one that counts.
    pub is_default: bool,
    /// What it says.
    pub document: String,
    /// When it was made; none of those that every account has.
    pub created: Option<Timestamp>,
}

impl PolicyVersion {
    pub(super) fn of(number: u32, record: &PolicyVersionRecord, policy: &PolicyRecord) -> Self {
        Self {
            id: VersionId(number),
            is_default: policy.default == number,
            document: record.document.clone(),
            created: Some(record.created),
        }
    }

    pub(super) fn of_system(policy: &SystemPolicy) -> Self {
        Self { id: VersionId(1), is_default: true, document: policy.document.into(), created: None }
    }
}

impl PolicyAbout {
    pub(crate) fn of(name: &PolicyName, directory: &Directory, attachments: usize) -> Option<Self> {
        let name = name.clone();
        match &name {
            PolicyName::System(short) => {
                let system = SystemPolicy::find(short.as_str())?;
                let (description, default_version) = (system.description.into(), VersionId(1));
                let (created, updated, tags) = (None, None, Tags::default());
                Some(Self { name, description, default_version, attachments, created, updated, tags })
            }
            PolicyName::Custom(short) => Some(Self::of_custom(short, directory.policies.get(short)?, attachments)),
        }
    }

    fn of_custom(name: &Name, record: &PolicyRecord, attachments: usize) -> Self {
        Self {
            name: PolicyName::Custom(name.clone()),
            description: record.description.clone(),
            default_version: VersionId(record.default),
            attachments,
            created: Some(record.created),
            updated: Some(record.updated),
            tags: record.tags.clone(),
        }
    }
}

/// Checks a document of a policy that is to be attached to identities.
pub(super) fn check_document(document: &str) -> Result<(), Error> {
    let read = Policy::parse(document, PolicyKind::Identity);
    read.map(drop).map_err(|problem| Error::Document { field: Field::PolicyDocument, problem })
}

impl Operation for CreatePolicy {
    type Domain = Iam;
    type Output = PolicyAbout;
    const SPEC: OperationSpec = OperationSpec::write("ram", "CreatePolicy", &[POLICY], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<PolicyAbout, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(POLICY, &self.name)])?;
        bounded(Field::Description, &self.description, 1024)?;
        check_document(&self.document)?;
        let tags = tags::of(&self.tags)?;
        iam.change(&tenant, |directory, draft| {
            if directory.policies.contains_key(&self.name) || SystemPolicy::find(self.name.as_str()).is_some() {
                return Err(Error::Exists(Entity::Policy));
            }
            if directory.policies.len() >= quota::POLICIES {
                return Err(Error::LimitExceeded { what: Entity::Policy, most: quota::POLICIES });
            }
            let version = PolicyVersionRecord { created: draft.now, document: self.document.clone() };
            let record = PolicyRecord {
                description: self.description.clone(),
                created: draft.now,
                updated: draft.now,
                default: 1,
                newest: 1,
                versions: BTreeMap::from([(1, version)]),
                tags: tags.clone(),
            };
            draft.put_policy(&self.name, &record)?;
            Ok(PolicyAbout::of_custom(&self.name, &record, 0))
        })
        .await
    }
}

impl Operation for UpdatePolicyDescription {
    type Domain = Iam;
    type Output = PolicyAbout;
    const SPEC: OperationSpec = OperationSpec::write("ram", "UpdatePolicyDescription", &[POLICY], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<PolicyAbout, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(POLICY, &self.name)])?;
        bounded(Field::NewDescription, &self.description, 1024)?;
        iam.change(&tenant, |directory, draft| {
            let mut record = directory.policies.get(&self.name).ok_or(Error::NotFound(Entity::Policy))?.clone();
            record.description.clone_from(&self.description);
            record.updated = draft.now;
            draft.put_policy(&self.name, &record)?;
            let attachments = directory.attachment_counts().get(&PolicyName::Custom(self.name.clone())).copied();
            Ok(PolicyAbout::of_custom(&self.name, &record, attachments.unwrap_or(0)))
        })
        .await
    }
}

impl Operation for GetPolicy {
    type Domain = Iam;
    type Output = (PolicyAbout, PolicyVersion);
    const SPEC: OperationSpec = OperationSpec::read("ram", "GetPolicy", &[POLICY], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(PolicyAbout, PolicyVersion), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::policy(&self.name)])?;
        let directory = tenant.directory.read();
        let attachments = directory.attachment_counts().get(&self.name).copied().unwrap_or(0);
        let not_found = || Error::NotFound(Entity::Policy);
        let about = PolicyAbout::of(&self.name, &directory, attachments).ok_or_else(not_found)?;
        let version = match &self.name {
            PolicyName::System(name) => SystemPolicy::find(name.as_str()).map(PolicyVersion::of_system),
            PolicyName::Custom(name) => directory.policies.get(name).and_then(|policy| {
                Some(PolicyVersion::of(policy.default, policy.versions.get(&policy.default)?, policy))
            }),
        };
        Ok((about, version.ok_or_else(not_found)?))
    }
}

impl Operation for ListPolicies {
    type Domain = Iam;
    type Output = Part<PolicyAbout>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListPolicies", &[POLICY], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Part<PolicyAbout>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::all(POLICY)])?;
        listing::part(iam, call, &Self::SPEC, self.slice, |from| {
            let directory = tenant.directory.read();
            let counts = directory.attachment_counts();
            let system = SystemPolicy::all().iter().map(|policy| PolicyName::System(Name::from_stored(policy.name)));
            let custom = directory.policies.keys().cloned().map(PolicyName::Custom);
            let wanted = |name: &PolicyName| self.only.is_none_or(|only| name.kind() == only);
            let behind = |name: &PolicyName| from.after().is_none_or(|after| name.name().as_str() > after);
            let mut names: Vec<_> = system.chain(custom).filter(|name| wanted(name) && behind(name)).collect();
            // No policy of an account's own is called as one of those that every account has.
            names.sort_unstable_by(|one, other| one.name().cmp(other.name()));
            let about = |name: PolicyName| {
                let count = counts.get(&name).copied().unwrap_or(0);
                Some((name.name().clone(), PolicyAbout::of(&name, &directory, count)?))
            };
            let wanted = |(_, about): &(Name, PolicyAbout)| tags::all_fit(&self.filters, &about.tags);
            Ok(from.items(names.into_iter().filter_map(about).filter(wanted)))
        })
        .await
    }
}

impl Operation for DeletePolicy {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "DeletePolicy", &[POLICY], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(POLICY, &self.name)])?;
        let name = PolicyName::Custom(self.name.clone());
        iam.change(&tenant, |directory, draft| {
            let record = directory.policies.get(&self.name).ok_or(Error::NotFound(Entity::Policy))?;
            let attached = |policies: &Attachments| policies.contains_key(&name);
            if directory.users.iter().any(|(_, user)| attached(&user.policies)) {
                return Err(Error::InUse(Conflict::PolicyUser));
            }
            if directory.groups.iter().any(|(_, group)| attached(&group.policies)) {
                return Err(Error::InUse(Conflict::PolicyGroup));
            }
            if directory.roles.iter().any(|(_, role)| attached(&role.policies)) {
                return Err(Error::InUse(Conflict::PolicyRole));
            }
            if record.versions.len() > 1 && !self.with_versions {
                return Err(Error::InUse(Conflict::PolicyVersion));
            }
            draft.delete_policy(&self.name);
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_have_one_form() {
        assert_eq!(VersionId::parse("v12").unwrap().to_string(), "v12");
        for text in ["", "v", "12", "v0", "v01", "v-1", "v+1", "v99999999999", "V1"] {
            assert!(VersionId::parse(text).is_none(), "{text}");
        }
    }
}
