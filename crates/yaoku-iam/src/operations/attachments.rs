//! Which policies are attached to whom.

use std::marker::PhantomData;

use super::policies::PolicyAbout;
use crate::change::Draft;
use crate::directory::Directory;
use crate::policy::SystemPolicy;
use crate::record::{Attachments, PolicyName};
use crate::resource::Target;
use crate::{
    Call, Entity, Error, GROUP, Iam, Name, Operation, OperationSpec, POLICY, ROLE, ResourceKind, RoleId, StateRule,
    Timestamp, USER, UserId, quota,
};

/// Attaches a policy.
pub struct AttachPolicy<To> {
    /// To whom.
    pub to: Name,
    /// Which.
    pub policy: PolicyName,
    kind: PhantomData<fn() -> To>,
}

/// Detaches a policy.
pub struct DetachPolicy<To> {
    /// From whom.
    pub from: Name,
    /// Which.
    pub policy: PolicyName,
    kind: PhantomData<fn() -> To>,
}

/// Lists the policies that are attached to somebody, not those of its groups.
pub struct ListPoliciesFor<To> {
    /// To whom.
    pub to: Name,
    kind: PhantomData<fn() -> To>,
}

impl<To> AttachPolicy<To> {
    /// Of a policy, to one of that name.
    pub const fn new(to: Name, policy: PolicyName) -> Self {
        Self { to, policy, kind: PhantomData }
    }
}

impl<To> DetachPolicy<To> {
    /// Of a policy, from one of that name.
    pub const fn new(from: Name, policy: PolicyName) -> Self {
        Self { from, policy, kind: PhantomData }
    }
}

impl<To> ListPoliciesFor<To> {
    /// Of one of that name.
    pub const fn new(to: Name) -> Self {
        Self { to, kind: PhantomData }
    }
}

/// Lists whom a policy is attached to.
pub struct ListEntitiesForPolicy {
    /// Which.
    pub policy: PolicyName,
}

/// A policy that is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedPolicy {
    /// Which.
    pub about: PolicyAbout,
    /// Since when.
    pub since: Timestamp,
}

/// Whom a policy is attached to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyEntities {
    /// Users.
    pub users: Vec<UserOf>,
    /// Groups.
    pub groups: Vec<GroupOf>,
    /// Roles.
    pub roles: Vec<RoleOf>,
}

/// A user that a policy is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserOf {
    /// Its id.
    pub id: UserId,
    /// What it is called.
    pub name: Name,
    /// What it is called for people.
    pub display_name: String,
    /// Since when.
    pub since: Timestamp,
}

/// A group that a policy is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOf {
    /// What it is called.
    pub name: Name,
    /// What is known of it.
    pub comments: String,
    /// Since when.
    pub since: Timestamp,
}

/// A role that a policy is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleOf {
    /// Its id.
    pub id: RoleId,
    /// What it is called.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// Since when.
    pub since: Timestamp,
}

/// A kind of identity that policies are attached to.
pub trait Holder: Sized + Send + 'static {
    /// What an operation is known by.
    #[doc(hidden)]
    const ATTACH: OperationSpec;
    #[doc(hidden)]
    const DETACH: OperationSpec;
    #[doc(hidden)]
    const LIST: OperationSpec;
    #[doc(hidden)]
    const RESOURCE: &'static ResourceKind;
    /// What is said when there is none of that name, and when the policy is or isn't attached.
    #[doc(hidden)]
    const ENTITIES: (Entity, Entity);
}

/// Tells how the policies of a kind of identity are read and written.
pub(crate) trait Attach: Holder {
    fn read<'d>(directory: &'d Directory, name: &Name) -> Option<&'d Attachments>;
    fn write(directory: &Directory, draft: &mut Draft<'_>, name: &Name, policies: Attachments) -> Result<(), Error>;
}

macro_rules! holders {
    ($($(#[$doc:meta])* $kind:ident: $resource:ident, $members:ident, $put:ident, $attach:literal, $detach:literal, $list:literal, $none:ident, $bound:ident;)*) => {$(
        $(#[$doc])*
        pub enum $kind {}

        impl Holder for $kind {
            const ATTACH: OperationSpec =
                OperationSpec::write("ram", $attach, &[POLICY, $resource], StateRule::ANY).revoking();
            const DETACH: OperationSpec =
                OperationSpec::write("ram", $detach, &[POLICY, $resource], StateRule::ANY).revoking();
            const LIST: OperationSpec = OperationSpec::read("ram", $list, &[$resource], StateRule::ANY);
            const RESOURCE: &'static ResourceKind = $resource;
            const ENTITIES: (Entity, Entity) = (Entity::$none, Entity::$bound);
        }

        impl Attach for $kind {
            fn read<'d>(directory: &'d Directory, name: &Name) -> Option<&'d Attachments> {
                directory.$members.find(name).map(|(_, record)| &record.policies)
            }

            fn write(
                directory: &Directory,
                draft: &mut Draft<'_>,
                name: &Name,
                policies: Attachments,
            ) -> Result<(), Error> {
                let (id, record) = directory.$members.find(name).ok_or(Error::NotFound(Entity::$none))?;
                let mut record = record.clone();
                record.policies = policies;
                draft.$put(id, &record)
            }
        }
    )*};
}

holders! {
    /// Users.
    ToUser: USER, users, put_user, "AttachPolicyToUser", "DetachPolicyFromUser", "ListPoliciesForUser", User, UserPolicy;
    /// Groups.
    ToGroup: GROUP, groups, put_group, "AttachPolicyToGroup", "DetachPolicyFromGroup", "ListPoliciesForGroup", Group, GroupPolicy;
    /// Roles.
    ToRole: ROLE, roles, put_role, "AttachPolicyToRole", "DetachPolicyFromRole", "ListPoliciesForRole", Role, RolePolicy;
}

fn is_there(directory: &Directory, policy: &PolicyName) -> bool {
    match policy {
        PolicyName::System(name) => SystemPolicy::find(name.as_str()).is_some(),
        PolicyName::Custom(name) => directory.policies.contains_key(name),
    }
}

impl<To: Attach> Operation for AttachPolicy<To> {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = To::ATTACH;

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let targets = [Target::policy(&self.policy), Target::own(To::RESOURCE, &self.to)];
        let tenant = iam.allow(call, &Self::SPEC, &targets)?;
        let (none, bound) = To::ENTITIES;
        iam.change(&tenant, |directory, draft| {
            let mut policies = To::read(directory, &self.to).ok_or(Error::NotFound(none))?.clone();
            if !is_there(directory, &self.policy) {
                return Err(Error::NotFound(Entity::Policy));
            }
            if policies.contains_key(&self.policy) {
                return Err(Error::Exists(bound));
            }
            if policies.len() >= quota::ATTACHMENTS {
                return Err(Error::LimitExceeded { what: bound, most: quota::ATTACHMENTS });
            }
            policies.insert(self.policy.clone(), draft.now);
            To::write(directory, draft, &self.to, policies)
        })
        .await
    }
}

impl<To: Attach> Operation for DetachPolicy<To> {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = To::DETACH;

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let targets = [Target::policy(&self.policy), Target::own(To::RESOURCE, &self.from)];
        let tenant = iam.allow(call, &Self::SPEC, &targets)?;
        let (none, bound) = To::ENTITIES;
        iam.change(&tenant, |directory, draft| {
            let mut policies = To::read(directory, &self.from).ok_or(Error::NotFound(none))?.clone();
            policies.remove(&self.policy).ok_or(Error::NotFound(bound))?;
            To::write(directory, draft, &self.from, policies)
        })
        .await
    }
}

impl<To: Attach> Operation for ListPoliciesFor<To> {
    type Domain = Iam;
    type Output = Vec<AttachedPolicy>;
    const SPEC: OperationSpec = To::LIST;

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Vec<AttachedPolicy>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(To::RESOURCE, &self.to)])?;
        let directory = tenant.directory.read();
        let policies = To::read(&directory, &self.to).ok_or(Error::NotFound(To::ENTITIES.0))?;
        let counts = directory.attachment_counts();
        let attached = policies.iter().filter_map(|(name, since)| {
            let count = counts.get(name).copied().unwrap_or(0);
            Some(AttachedPolicy { about: PolicyAbout::of(name, &directory, count)?, since: *since })
        });
        Ok(attached.collect())
    }
}

impl Operation for ListEntitiesForPolicy {
    type Domain = Iam;
    type Output = PolicyEntities;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListEntitiesForPolicy", &[POLICY], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<PolicyEntities, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::policy(&self.policy)])?;
        let directory = tenant.directory.read();
        if !is_there(&directory, &self.policy) {
            return Err(Error::NotFound(Entity::Policy));
        }
        let users = directory.users.iter().filter_map(|(id, user)| {
            let since = *user.policies.get(&self.policy)?;
            Some(UserOf { id, name: user.name.clone(), display_name: user.display_name.clone(), since })
        });
        let groups = directory.groups.iter().filter_map(|(_, group)| {
            let since = *group.policies.get(&self.policy)?;
            Some(GroupOf { name: group.name.clone(), comments: group.comments.clone(), since })
        });
        let roles = directory.roles.iter().filter_map(|(id, role)| {
            let since = *role.policies.get(&self.policy)?;
            Some(RoleOf { id, name: role.name.clone(), description: role.description.clone(), since })
        });
        Ok(PolicyEntities { users: users.collect(), groups: groups.collect(), roles: roles.collect() })
    }
}
