//! Versions of an account's own policies.

use super::policies::{PolicyVersion, VersionId, check_document};
use crate::policy::SystemPolicy;
use crate::record::{PolicyName, PolicyRecord, PolicyVersionRecord};
use crate::resource::Target;
use crate::{
    Call, Conflict, Entity, Error, Iam, Name, Operation, OperationSpec, POLICY, ResourceKind, StateRule, quota,
};

/// Adds a version to a policy.
pub struct CreatePolicyVersion {
    /// Which policy.
    pub name: Name,
    /// What the version says.
    pub document: String,
    /// Whether it is to count at once.
    pub set_as_default: bool,
    /// Whether the oldest version that doesn't count makes room, if there is none.
    pub drop_oldest: bool,
}

/// Shows a version of a policy.
pub struct GetPolicyVersion {
    /// Which policy.
    pub name: PolicyName,
    /// Which version.
    pub version: VersionId,
}

/// Lists the versions of a policy.
pub struct ListPolicyVersions {
    /// Which policy.
    pub name: PolicyName,
}

/// Makes a version of a policy the one that counts.
pub struct SetDefaultPolicyVersion {
    /// Which policy.
    pub name: Name,
    /// Which version.
    pub version: VersionId,
}

/// Deletes a version of a policy that doesn't count.
pub struct DeletePolicyVersion {
    /// Which policy.
    pub name: Name,
    /// Which version.
    pub version: VersionId,
}

const ON: &[&ResourceKind] = &[POLICY];

fn no_policy() -> Error {
    Error::NotFound(Entity::Policy)
}

impl Operation for CreatePolicyVersion {
    type Domain = Iam;
    type Output = PolicyVersion;
    const SPEC: OperationSpec = OperationSpec::write("ram", "CreatePolicyVersion", ON, StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<PolicyVersion, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(POLICY, &self.name)])?;
        check_document(&self.document)?;
        iam.change(&tenant, |directory, draft| {
            let mut record = directory.policies.get(&self.name).ok_or_else(no_policy)?.clone();
            if record.versions.len() >= quota::POLICY_VERSIONS {
                let idle = record.versions.keys().find(|number| **number != record.default).copied();
                match idle.filter(|_| self.drop_oldest) {
                    Some(oldest) => record.versions.remove(&oldest),
                    None => {
                        let (what, most) = (Entity::PolicyVersion, quota::POLICY_VERSIONS);
                        return Err(Error::LimitExceeded { what, most });
                    }
                };
            }
            let version = PolicyVersionRecord { created: draft.now, document: self.document.clone() };
            record.newest += 1;
            record.updated = draft.now;
            if self.set_as_default {
                record.default = record.newest;
            }
            let made = PolicyVersion::of(record.newest, &version, &record);
            record.versions.insert(record.newest, version);
            draft.put_policy(&self.name, &record)?;
            Ok(made)
        })
        .await
    }
}

impl Operation for GetPolicyVersion {
    type Domain = Iam;
    type Output = PolicyVersion;
    const SPEC: OperationSpec = OperationSpec::read("ram", "GetPolicyVersion", ON, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<PolicyVersion, Error> {
        let version = self.version;
        let versions = list(iam, call, &Self::SPEC, &self.name)?;
        versions.into_iter().find(|found| found.id == version).ok_or(Error::NotFound(Entity::PolicyVersion))
    }
}

impl Operation for ListPolicyVersions {
    type Domain = Iam;
    type Output = Vec<PolicyVersion>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListPolicyVersions", ON, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Vec<PolicyVersion>, Error> {
        list(iam, call, &Self::SPEC, &self.name)
    }
}

fn list(iam: &Iam, call: &Call<'_>, spec: &OperationSpec, name: &PolicyName) -> Result<Vec<PolicyVersion>, Error> {
    let tenant = iam.allow(call, spec, &[Target::policy(name)])?;
    match name {
        PolicyName::System(name) => {
            let policy = SystemPolicy::find(name.as_str()).ok_or_else(no_policy)?;
            Ok(vec![PolicyVersion::of_system(policy)])
        }
        PolicyName::Custom(name) => {
            let directory = tenant.directory.read();
            let policy = directory.policies.get(name).ok_or_else(no_policy)?;
            Ok(policy.versions.iter().map(|(number, version)| PolicyVersion::of(*number, version, policy)).collect())
        }
    }
}

impl Operation for SetDefaultPolicyVersion {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "SetDefaultPolicyVersion", ON, StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(POLICY, &self.name)])?;
        iam.change(&tenant, |directory, draft| {
            let mut record = having(directory.policies.get(&self.name), self.version)?;
            record.default = self.version.0;
            record.updated = draft.now;
            draft.put_policy(&self.name, &record)
        })
        .await
    }
}

impl Operation for DeletePolicyVersion {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "DeletePolicyVersion", ON, StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(POLICY, &self.name)])?;
        iam.change(&tenant, |directory, draft| {
            let mut record = having(directory.policies.get(&self.name), self.version)?;
            if record.default == self.version.0 {
                return Err(Error::InUse(Conflict::DefaultVersion));
            }
            record.versions.remove(&self.version.0);
            record.updated = draft.now;
            draft.put_policy(&self.name, &record)
        })
        .await
    }
}

/// A copy of a policy that has that version.
fn having(policy: Option<&PolicyRecord>, version: VersionId) -> Result<PolicyRecord, Error> {
    let policy = policy.ok_or_else(no_policy)?;
    match policy.versions.contains_key(&version.0) {
        true => Ok(policy.clone()),
        false => Err(Error::NotFound(Entity::PolicyVersion)),
    }
}
