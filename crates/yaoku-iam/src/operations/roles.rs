//! Roles: identities that others assume for a while.

use std::collections::BTreeMap;

use super::tags::{self, Tag, TagFilter};
use super::{Part, Slice, bounded, listing};
use crate::policy::{Policy, PolicyKind};
use crate::record::RoleRecord;
use crate::resource::Target;
use crate::{
    AccountId, Call, Conflict, Entity, Error, Field, Iam, Name, Operation, OperationSpec, ROLE, RoleId, StateRule,
    Tags, Timestamp, quota,
};

/// The shortest session of a role, in seconds.
pub const MIN_SESSION: u32 = 900;
/// The longest that the longest session of a role can be, in seconds: 12 hours.
pub const MAX_SESSION: u32 = 43_200;
/// The longest session of a role unless it is said otherwise, in seconds.
pub const ORDINARY_SESSION: u32 = 3600;

/// Makes a role.
pub struct CreateRole {
    /// What it is called.
    pub name: Name,
    /// At most 1024 characters.
    pub description: String,
    /// Who may assume it: a policy.
    pub trust: String,
    /// The longest session, in seconds.
    pub max_session: Option<u32>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// Shows a role.
pub struct GetRole {
    /// Which.
    pub name: Name,
}

/// Changes what is known of a role; what is none stays.
pub struct UpdateRole {
    /// Which.
    pub name: Name,
    /// At most 1024 characters.
    pub description: Option<String>,
    /// Who may assume it: a policy.
    pub trust: Option<String>,
    /// The longest session, in seconds.
    pub max_session: Option<u32>,
}

/// Lists roles.
pub struct ListRoles {
    /// Only those that have all of these tags.
    pub filters: Vec<TagFilter>,
    /// Which.
    pub slice: Slice,
}

/// Deletes a role that has no policies; its sessions end.
pub struct DeleteRole {
    /// Which.
    pub name: Name,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// The name by which policies know it.
    pub arn: String,
    /// What it is called.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// Who may assume it: a policy.
    pub trust: String,
    /// The longest session, in seconds.
    pub max_session: u32,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
    /// Its tags.
    pub tags: Tags,
}

impl Role {
    fn of(account: AccountId, id: RoleId, record: &RoleRecord) -> Self {
        let RoleRecord { name, description, trust, max_session, created, updated, tags, .. } = record.clone();
        let arn = format!("acs:ram::{account}:role/{name}");
        Self { id, arn, name, description, trust, max_session, created, updated, tags }
    }
}

fn check_trust(field: Field, document: &str) -> Result<(), Error> {
    Policy::parse(document, PolicyKind::Trust).map(drop).map_err(|problem| Error::Document { field, problem })
}

fn check_session(field: Field, seconds: u32) -> Result<(), Error> {
    match (ORDINARY_SESSION..=MAX_SESSION).contains(&seconds) {
        true => Ok(()),
        false => Err(Error::Invalid { field, why: "it must be 3600 to 43200 seconds" }),
    }
}

impl Operation for CreateRole {
    type Domain = Iam;
    type Output = Role;
    const SPEC: OperationSpec = OperationSpec::write("ram", "CreateRole", &[ROLE], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Role, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(ROLE, &self.name)])?;
        bounded(Field::Description, &self.description, 1024)?;
        check_trust(Field::AssumeRolePolicyDocument, &self.trust)?;
        let max_session = self.max_session.unwrap_or(ORDINARY_SESSION);
        check_session(Field::MaxSessionDuration, max_session)?;
        let tags = tags::of(&self.tags)?;
        iam.change(&tenant, |directory, draft| {
            if directory.roles.find(&self.name).is_some() {
                return Err(Error::Exists(Entity::Role));
            }
            if directory.roles.len() >= quota::ROLES {
                return Err(Error::LimitExceeded { what: Entity::Role, most: quota::ROLES });
            }
            let record = RoleRecord {
                name: self.name.clone(),
                description: self.description.clone(),
                trust: self.trust.clone(),
                max_session,
                created: draft.now,
                updated: draft.now,
                policies: BTreeMap::new(),
                tags: tags.clone(),
            };
            let id = RoleId::generate(draft.random)?;
            draft.put_role(id, &record)?;
            Ok(Role::of(tenant.id, id, &record))
        })
        .await
    }
}

impl Operation for GetRole {
    type Domain = Iam;
    type Output = Role;
    const SPEC: OperationSpec = OperationSpec::read("ram", "GetRole", &[ROLE], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Role, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(ROLE, &self.name)])?;
        let directory = tenant.directory.read();
        let (id, record) = directory.roles.find(&self.name).ok_or(Error::NotFound(Entity::Role))?;
        Ok(Role::of(tenant.id, id, record))
    }
}

impl Operation for UpdateRole {
    type Domain = Iam;
    type Output = Role;
    const SPEC: OperationSpec = OperationSpec::write("ram", "UpdateRole", &[ROLE], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Role, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(ROLE, &self.name)])?;
        if let Some(description) = &self.description {
            bounded(Field::NewDescription, description, 1024)?;
        }
        if let Some(trust) = &self.trust {
            check_trust(Field::NewAssumeRolePolicyDocument, trust)?;
        }
        if let Some(seconds) = self.max_session {
            check_session(Field::NewMaxSessionDuration, seconds)?;
        }
        iam.change(&tenant, |directory, draft| {
            let (id, record) = directory.roles.find(&self.name).ok_or(Error::NotFound(Entity::Role))?;
            let mut record = record.clone();
            if let Some(description) = &self.description {
                record.description.clone_from(description);
            }
            if let Some(trust) = &self.trust {
                record.trust.clone_from(trust);
            }
            record.max_session = self.max_session.unwrap_or(record.max_session);
            record.updated = draft.now;
            draft.put_role(id, &record)?;
            Ok(Role::of(tenant.id, id, &record))
        })
        .await
    }
}

impl Operation for ListRoles {
    type Domain = Iam;
    type Output = Part<Role>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListRoles", &[ROLE], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Part<Role>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::all(ROLE)])?;
        listing::part(iam, call, &Self::SPEC, self.slice, |from| {
            let directory = tenant.directory.read();
            let roles = directory.roles.by_name_after(from.after());
            let roles = roles.filter(|(_, record)| tags::all_fit(&self.filters, &record.tags));
            Ok(from.items(roles.map(|(id, record)| (record.name.clone(), Role::of(tenant.id, id, record)))))
        })
        .await
    }
}

impl Operation for DeleteRole {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "DeleteRole", &[ROLE], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(ROLE, &self.name)])?;
        iam.change(&tenant, |directory, draft| {
            let (id, record) = directory.roles.find(&self.name).ok_or(Error::NotFound(Entity::Role))?;
            if !record.policies.is_empty() {
                return Err(Error::InUse(Conflict::RolePolicy));
            }
            draft.delete_role(id);
            Ok(())
        })
        .await
    }
}
