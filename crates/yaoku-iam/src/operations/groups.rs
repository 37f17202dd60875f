//! Groups of users.

use std::collections::BTreeMap;

use super::{Part, Slice, bounded, listing};
use crate::record::GroupRecord;
use crate::resource::Target;
use crate::{
    Call, Conflict, Entity, Error, Field, GROUP, GroupId, Iam, Name, Operation, OperationSpec, StateRule, Timestamp,
    quota,
};

/// Makes a group, without users and policies.
pub struct CreateGroup {
    /// What it is called.
    pub name: Name,
    /// At most 128 characters.
    pub comments: String,
}

/// Shows a group.
pub struct GetGroup {
    /// Which.
    pub name: Name,
}

/// Changes what is known of a group; what is none stays.
pub struct UpdateGroup {
    /// Which.
    pub name: Name,
    /// Its new name.
    pub new_name: Option<Name>,
    /// At most 128 characters.
    pub comments: Option<String>,
}

/// Lists groups.
pub struct ListGroups {
    /// Which.
    pub slice: Slice,
}

/// Deletes a group without users and policies.
pub struct DeleteGroup {
    /// Which.
    pub name: Name,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// What it is called.
    pub name: Name,
    /// What is known of it beside.
    pub comments: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

impl Group {
    fn of(id: GroupId, record: &GroupRecord) -> Self {
        let GroupRecord { name, comments, created, updated, .. } = record.clone();
        Self { id, name, comments, created, updated }
    }
}

impl Operation for CreateGroup {
    type Domain = Iam;
    type Output = Group;
    const SPEC: OperationSpec = OperationSpec::write("ram", "CreateGroup", &[GROUP], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Group, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(GROUP, &self.name)])?;
        bounded(Field::Comments, &self.comments, 128)?;
        iam.change(&tenant, |directory, draft| {
            if directory.groups.find(&self.name).is_some() {
                return Err(Error::Exists(Entity::Group));
            }
            if directory.groups.len() >= quota::GROUPS {
                return Err(Error::LimitExceeded { what: Entity::Group, most: quota::GROUPS });
            }
            let record = GroupRecord {
                name: self.name.clone(),
                comments: self.comments.clone(),
                created: draft.now,
                updated: draft.now,
                policies: BTreeMap::new(),
            };
            let id = GroupId::generate(draft.random)?;
            draft.put_group(id, &record)?;
            Ok(Group::of(id, &record))
        })
        .await
    }
}

impl Operation for GetGroup {
    type Domain = Iam;
    type Output = Group;
    const SPEC: OperationSpec = OperationSpec::read("ram", "GetGroup", &[GROUP], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Group, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(GROUP, &self.name)])?;
        let directory = tenant.directory.read();
        let (id, record) = directory.groups.find(&self.name).ok_or(Error::NotFound(Entity::Group))?;
        Ok(Group::of(id, record))
    }
}

impl Operation for UpdateGroup {
    type Domain = Iam;
    type Output = Group;
    const SPEC: OperationSpec = OperationSpec::write("ram", "UpdateGroup", &[GROUP], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Group, Error> {
        let targets = Target::renamed(GROUP, &self.name, self.new_name.as_ref());
        let tenant = iam.allow(call, &Self::SPEC, &targets)?;
        bounded(Field::NewComments, self.comments.as_deref().unwrap_or_default(), 128)?;
        iam.change(&tenant, |directory, draft| {
            let (id, record) = directory.groups.find(&self.name).ok_or(Error::NotFound(Entity::Group))?;
            let mut record = record.clone();
            if let Some(new) = self.new_name.as_ref().filter(|new| **new != self.name) {
                if directory.groups.find(new).is_some() {
                    return Err(Error::Exists(Entity::Group));
                }
                record.name = new.clone();
            }
            if let Some(comments) = &self.comments {
                record.comments.clone_from(comments);
            }
            record.updated = draft.now;
            draft.put_group(id, &record)?;
            Ok(Group::of(id, &record))
        })
        .await
    }
}

impl Operation for ListGroups {
    type Domain = Iam;
    type Output = Part<Group>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListGroups", &[GROUP], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Part<Group>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::all(GROUP)])?;
        listing::part(iam, call, &Self::SPEC, self.slice, |from| {
            let directory = tenant.directory.read();
            let groups = directory.groups.by_name_after(from.after());
            Ok(from.items(groups.map(|(id, record)| (record.name.clone(), Group::of(id, record)))))
        })
        .await
    }
}

impl Operation for DeleteGroup {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "DeleteGroup", &[GROUP], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(GROUP, &self.name)])?;
        iam.change(&tenant, |directory, draft| {
            let (id, record) = directory.groups.find(&self.name).ok_or(Error::NotFound(Entity::Group))?;
            if directory.users.iter().any(|(_, user)| user.groups.contains_key(&id)) {
                return Err(Error::InUse(Conflict::GroupUser));
            }
            if !record.policies.is_empty() {
                return Err(Error::InUse(Conflict::GroupPolicy));
            }
            draft.delete_group(id);
            Ok(())
        })
        .await
    }
}
