//! Which users are in which groups.

use super::{Part, Slice, listing};
use crate::resource::Target;
use crate::{
    Call, Entity, Error, GROUP, GroupId, Iam, Name, Operation, OperationSpec, ResourceKind, StateRule, Timestamp, USER,
    quota,
};

/// Puts a user into a group, whose policies then are the user's too.
pub struct AddUserToGroup {
    /// Whom.
    pub user: Name,
    /// Where.
    pub group: Name,
}

/// Takes a user out of a group.
pub struct RemoveUserFromGroup {
    /// Whom.
    pub user: Name,
    /// Where.
    pub group: Name,
}

/// Lists the groups that a user is in.
pub struct ListGroupsForUser {
    /// Whom.
    pub user: Name,
}

/// Lists the users that are in a group.
pub struct ListUsersForGroup {
    /// Where.
    pub group: Name,
    /// Which.
    pub slice: Slice,
}

/// A group that a user is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedGroup {
    /// Its id.
    pub id: GroupId,
    /// What it is called.
    pub name: Name,
    /// What is known of it beside.
    pub comments: String,
    /// When the user joined.
    pub joined: Timestamp,
}

/// A user that is in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it is called.
    pub name: Name,
    /// What it is called for people.
    pub display_name: String,
    /// When it joined.
    pub joined: Timestamp,
}

const BOTH: &[&ResourceKind] = &[USER, GROUP];

impl Operation for AddUserToGroup {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "AddUserToGroup", BOTH, StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let targets = [Target::own(USER, &self.user), Target::own(GROUP, &self.group)];
        let tenant = iam.allow(call, &Self::SPEC, &targets)?;
        iam.change(&tenant, |directory, draft| {
            let (id, user) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
            let (group, _) = directory.groups.find(&self.group).ok_or(Error::NotFound(Entity::Group))?;
            if user.groups.contains_key(&group) {
                return Err(Error::Exists(Entity::Membership));
            }
            if user.groups.len() >= quota::GROUPS_OF_USER {
                return Err(Error::LimitExceeded { what: Entity::Membership, most: quota::GROUPS_OF_USER });
            }
            let mut user = user.clone();
            user.groups.insert(group, draft.now);
            draft.put_user(id, &user)
        })
        .await
    }
}

impl Operation for RemoveUserFromGroup {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "RemoveUserFromGroup", BOTH, StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let targets = [Target::own(USER, &self.user), Target::own(GROUP, &self.group)];
        let tenant = iam.allow(call, &Self::SPEC, &targets)?;
        iam.change(&tenant, |directory, draft| {
            let (id, user) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
            let (group, _) = directory.groups.find(&self.group).ok_or(Error::NotFound(Entity::Group))?;
            let mut user = user.clone();
            user.groups.remove(&group).ok_or(Error::NotFound(Entity::Membership))?;
            draft.put_user(id, &user)
        })
        .await
    }
}

impl Operation for ListGroupsForUser {
    type Domain = Iam;
    type Output = Vec<JoinedGroup>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListGroupsForUser", &[USER], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Vec<JoinedGroup>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(USER, &self.user)])?;
        let directory = tenant.directory.read();
        let (_, user) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
        let joined = user.groups.iter().filter_map(|(id, joined)| {
            let group = directory.groups.get(*id)?;
            let (name, comments) = (group.name.clone(), group.comments.clone());
            Some(JoinedGroup { id: *id, name, comments, joined: *joined })
        });
        Ok(joined.collect())
    }
}

impl Operation for ListUsersForGroup {
    type Domain = Iam;
    type Output = Part<Member>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListUsersForGroup", &[GROUP], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Part<Member>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(GROUP, &self.group)])?;
        listing::part(iam, call, &Self::SPEC, self.slice, |from| {
            let directory = tenant.directory.read();
            let (group, _) = directory.groups.find(&self.group).ok_or(Error::NotFound(Entity::Group))?;
            let members = directory.users.by_name_after(from.after()).filter_map(|(_, user)| {
                let joined = *user.groups.get(&group)?;
                let (name, display_name) = (user.name.clone(), user.display_name.clone());
                Some((name.clone(), Member { name, display_name, joined }))
            });
            Ok(from.items(members))
        })
        .await
    }
}
