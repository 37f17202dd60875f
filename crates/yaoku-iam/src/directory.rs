//! All identities of one account, as the last applied commit left them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yaoku_crypto::Secret;
use yaoku_seal::{RecordName, Revision};

use crate::certificate::BoundCertificate;
use crate::policy::{Attached, Policy, PolicyKind, SystemPolicy};
use crate::principal::{Known, Subject};
use crate::record::{
    AccountRecord, Attachments, GROUP, GroupRecord, HEAD, POLICY, PolicyName, PolicyRecord, ROLE, RoleRecord, Stored,
    USER, UserRecord,
};
use crate::token::Token;
use crate::{AccessKey, AccessKeyId, AccountId, CertificateId, Error, GroupId, Name, RoleId, TokenId, UserId};

/// All identities of one account. Everything here but the credentials is what records say; a change is decided on it, and
/// committed only if it is still so.
pub(crate) struct Directory {
    account: AccountId,
    /// None until the account's first start with this version.
    pub(crate) about: Option<AccountRecord>,
    /// The commit of the last change.
    pub(crate) head: Option<Revision>,
    pub(crate) users: Named<UserId, UserRecord>,
    pub(crate) groups: Named<GroupId, GroupRecord>,
    pub(crate) roles: Named<RoleId, RoleRecord>,
    pub(crate) policies: BTreeMap<Name, PolicyRecord>,
    pub(crate) access_keys: BTreeMap<AccessKeyId, Arc<AccessKey>>,
    pub(crate) tokens: BTreeMap<TokenId, Arc<Token>>,
    pub(crate) certificates: BTreeMap<CertificateId, Arc<BoundCertificate>>,
    compiled: BTreeMap<Name, Arc<Policy>>,
    user_subjects: BTreeMap<UserId, Arc<Subject>>,
    role_subjects: BTreeMap<RoleId, Arc<Subject>>,
}

/// Records by id, and their ids by name.
pub(crate) struct Named<I, R> {
    by_id: BTreeMap<I, R>,
    by_name: BTreeMap<Name, I>,
}

/// A record that has a name.
pub(crate) trait HasName {
    fn name(&self) -> &Name;
}

impl HasName for UserRecord {
    fn name(&self) -> &Name {
        &self.name
    }
}

impl HasName for GroupRecord {
    fn name(&self) -> &Name {
        &self.name
    }
}

impl HasName for RoleRecord {
    fn name(&self) -> &Name {
        &self.name
    }
}

impl<I: Ord + Copy, R: HasName> Named<I, R> {
    const fn new() -> Self {
        Self { by_id: BTreeMap::new(), by_name: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: I) -> Option<&R> {
        self.by_id.get(&id)
    }

    pub(crate) fn find(&self, name: &Name) -> Option<(I, &R)> {
        let id = *self.by_name.get(name)?;
        Some((id, self.by_id.get(&id)?))
    }

    /// In no order of use to people.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &R)> {
        self.by_id.iter().map(|(id, record)| (*id, record))
    }

    /// In the order of their names, behind `after`.
    pub(crate) fn by_name_after(&self, after: Option<&str>) -> impl Iterator<Item = (I, &R)> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let named = self.by_name.range::<str, _>((from, Bound::Unbounded));
        named.filter_map(|(_, id)| Some((*id, self.by_id.get(id)?)))
    }

    fn put(&mut self, id: I, record: R) {
        self.remove(id);
        self.by_name.insert(record.name().clone(), id);
        self.by_id.insert(id, record);
    }

    fn remove(&mut self, id: I) {
        if let Some(before) = self.by_id.remove(&id)
            // The name may be another's by now.
            && self.by_name.get(before.name()).is_some_and(|named| *named == id)
        {
            self.by_name.remove(before.name());
        }
    }
}

/// Whose policies may have changed.
#[derive(Default)]
struct Touched {
    users: BTreeSet<UserId>,
    groups: BTreeSet<GroupId>,
    roles: BTreeSet<RoleId>,
    policies: BTreeSet<Name>,
}

impl Directory {
    pub(crate) const fn new(account: AccountId) -> Self {
        Self {
            account,
            about: None,
            head: None,
            users: Named::new(),
            groups: Named::new(),
            roles: Named::new(),
            policies: BTreeMap::new(),
            access_keys: BTreeMap::new(),
            tokens: BTreeMap::new(),
            certificates: BTreeMap::new(),
            compiled: BTreeMap::new(),
            user_subjects: BTreeMap::new(),
            role_subjects: BTreeMap::new(),
        }
    }

    /// Applies the records of one commit, and brings them into force for whoever is known already.
    ///
    /// # Errors
    /// When a record can't be read; some are applied by then.
    pub(crate) fn apply(
        &mut self,
        revision: Revision,
        puts: &[(RecordName, Secret)],
        deletes: &[RecordName],
    ) -> Result<(), Error> {
        let mut touched = Touched::default();
        // A name that one gives up may be taken by another in the same commit.
        for name in deletes {
            match name.kind {
                USER => {
                    let id = user_id(name)?;
                    self.users.remove(id);
                    if let Some(subject) = self.user_subjects.remove(&id) {
                        subject.end();
                    }
                }
                GROUP => {
                    let id = group_id(name)?;
                    self.groups.remove(id);
                    touched.groups.insert(id);
                }
                ROLE => {
                    let id = role_id(name)?;
                    self.roles.remove(id);
                    if let Some(subject) = self.role_subjects.remove(&id) {
                        subject.end();
                    }
                }
                POLICY => {
                    let id = policy_id(name)?;
                    self.policies.remove(&id);
                    self.compiled.remove(&id);
                    touched.policies.insert(id);
                }
                _ => {}
            }
        }
        for (name, bytes) in puts {
            match name.kind {
                HEAD => self.head = Some(revision),
                USER => {
                    let id = user_id(name)?;
                    self.users.put(id, UserRecord::decode(bytes)?);
                    touched.users.insert(id);
                }
                GROUP => {
                    let id = group_id(name)?;
                    self.groups.put(id, GroupRecord::decode(bytes)?);
                    touched.groups.insert(id);
                }
                ROLE => {
                    let id = role_id(name)?;
                    self.roles.put(id, RoleRecord::decode(bytes)?);
                    touched.roles.insert(id);
                }
                POLICY => {
                    let id = policy_id(name)?;
                    let record = PolicyRecord::decode(bytes)?;
                    let policy = self.compile(&id, &record);
                    self.compiled.insert(id.clone(), Arc::new(policy));
                    self.policies.insert(id.clone(), record);
                    touched.policies.insert(id);
                }
                _ => {}
            }
        }
        self.bring_into_force(&touched);
        Ok(())
    }

    /// The subject of a user, which stays the same for as long as the user exists.
    pub(crate) fn user_subject(&self, id: UserId) -> Option<Arc<Subject>> {
        self.user_subjects.get(&id).cloned()
    }

    /// As [`Self::user_subject`], of a role.
    pub(crate) fn role_subject(&self, id: RoleId) -> Option<Arc<Subject>> {
        self.role_subjects.get(&id).cloned()
    }

    /// How often each policy is attached.
    pub(crate) fn attachment_counts(&self) -> BTreeMap<&PolicyName, usize> {
        let mut counts = BTreeMap::new();
        let of_users = self.users.iter().map(|(_, user)| &user.policies);
        let of_groups = self.groups.iter().map(|(_, group)| &group.policies);
        let of_roles = self.roles.iter().map(|(_, role)| &role.policies);
        for name in of_users.chain(of_groups).chain(of_roles).flat_map(Attachments::keys) {
            *counts.entry(name).or_insert(0) += 1;
        }
        counts
    }

    /// What an identity needs and is not there, if anything: somebody took it away, since nothing that is attached can be deleted.
    /// While it is missing everything is denied to those that need it; a start refuses it.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_there = |name: &PolicyName| match name {
            // Not in the store.
            PolicyName::System(_) => true,
            PolicyName::Custom(name) => self.compiled.contains_key(name),
        };
        let attached = |policies: &Attachments, of: String| {
            let missing = policies.keys().find(|name| !is_there(name));
            missing.map_or(Ok(()), |name| Err(Error::Missing { what: format!("the policy {}", name.name()), of }))
        };
        for (_, group) in self.groups.iter() {
            attached(&group.policies, format!("the group {}", group.name))?;
        }
        for (_, role) in self.roles.iter() {
            attached(&role.policies, format!("the role {}", role.name))?;
        }
        for (_, user) in self.users.iter() {
            let of = format!("the user {}", user.name);
            if user.groups.keys().any(|id| self.groups.get(*id).is_none()) {
                return Err(Error::Missing { what: "a group".into(), of });
            }
            attached(&user.policies, of)?;
        }
        Ok(())
    }

    /// A policy, ready to be asked. One that can't be read must not be passed over: it may be one that denies. So it denies
    /// everything to those that it is attached to, until it has a version that can be read.
    fn compile(&self, name: &Name, record: &PolicyRecord) -> Policy {
        let Some(version) = record.versions.get(&record.default) else {
            tracing::error!(account = %self.account, policy = %name, "the policy lacks its default version: it denies everything");
            return Policy::denying_everything();
        };
        Policy::parse_stored(&version.document, PolicyKind::Identity).unwrap_or_else(|error| {
            tracing::error!(account = %self.account, policy = %name, %error, "the policy can't be read: it denies everything");
            Policy::denying_everything()
        })
    }

    fn bring_into_force(&mut self, touched: &Touched) {
        let has_touched = |policies: &Attachments| {
            let mut names = policies.keys();
            !touched.policies.is_empty()
                && names.any(|name| matches!(name, PolicyName::Custom(name) if touched.policies.contains(name)))
        };
        let groups: BTreeSet<GroupId> = match touched.groups.is_empty() && touched.policies.is_empty() {
            true => BTreeSet::new(),
            false => {
                let by_policy = self.groups.iter().filter(|(_, group)| has_touched(&group.policies)).map(|(id, _)| id);
                by_policy.chain(touched.groups.iter().copied()).collect()
            }
        };
        let concerned = |id: UserId, user: &UserRecord| {
            touched.users.contains(&id)
                || has_touched(&user.policies)
                || user.groups.keys().any(|id| groups.contains(id))
        };
        let users = self.users.iter().filter(|(id, user)| concerned(*id, user));
        let users: Vec<_> = users.map(|(id, user)| (id, self.known_user(user))).collect();
        let roles = self.roles.iter().filter(|(id, role)| touched.roles.contains(id) || has_touched(&role.policies));
        let roles: Vec<_> = roles.map(|(id, role)| (id, self.known_role(role))).collect();
        for (id, known) in users {
            set(&mut self.user_subjects, id, known);
        }
        for (id, known) in roles {
            set(&mut self.role_subjects, id, known);
        }
    }

    fn known_user(&self, user: &UserRecord) -> Known {
        let mut policies = Vec::new();
        self.attach(&user.policies, &format!("user {}", user.name), &mut policies);
        for id in user.groups.keys() {
            match self.groups.get(*id) {
                Some(group) => self.attach(&group.policies, &format!("group {}", group.name), &mut policies),
                // A group that has members can't be deleted. What its policies denied nobody knows.
                None => policies.push(missing(&format!("the group {id} of user {}", user.name))),
            }
        }
        let arn = format!("acs:ram::{}:user/{}", self.account, user.name).into();
        Known { name: user.name.as_str().into(), arn, policies: policies.into(), ended: false }
    }

    fn known_role(&self, role: &RoleRecord) -> Known {
        let mut policies = Vec::new();
        self.attach(&role.policies, &format!("role {}", role.name), &mut policies);
        let arn = format!("acs:ram::{}:role/{}", self.account, role.name).into();
        Known { name: role.name.as_str().into(), arn, policies: policies.into(), ended: false }
    }

    fn attach(&self, attachments: &Attachments, whose: &str, to: &mut Vec<Arc<Attached>>) {
        for name in attachments.keys() {
            let policy = match name {
                PolicyName::System(name) => SystemPolicy::find(name.as_str()).map(|system| system.policy.clone()),
                PolicyName::Custom(name) => self.compiled.get(name).cloned(),
            };
            let origin = format!("{} of {whose}", name.name());
            to.push(match policy {
                Some(policy) => Arc::new(Attached { origin: origin.into(), policy }),
                // A policy that is attached can't be deleted. What this one denied nobody knows.
                None => missing(&origin),
            });
        }
    }
}

/// In the place of policies that should be there and are not: denies everything.
fn missing(origin: &str) -> Arc<Attached> {
    tracing::error!("{origin} is attached and not there: everything is denied");
    let origin = format!("{origin}, which is attached and not there").into();
    Arc::new(Attached { origin, policy: Arc::new(Policy::denying_everything()) })
}

fn set<I: Ord>(subjects: &mut BTreeMap<I, Arc<Subject>>, id: I, known: Known) {
    match subjects.get(&id) {
        Some(subject) => subject.replace(known),
        None => {
            subjects.insert(id, Arc::new(Subject::new(known)));
        }
    }
}

fn user_id(name: &RecordName) -> Result<UserId, Error> {
    UserId::from_bytes(&name.id).ok_or(Error::Record("a user"))
}

fn group_id(name: &RecordName) -> Result<GroupId, Error> {
    GroupId::from_bytes(&name.id).ok_or(Error::Record("a group"))
}

fn role_id(name: &RecordName) -> Result<RoleId, Error> {
    RoleId::from_bytes(&name.id).ok_or(Error::Record("a role"))
}

fn policy_id(name: &RecordName) -> Result<Name, Error> {
    std::str::from_utf8(&name.id).map(Name::from_stored).map_err(|_| Error::Record("a policy"))
}
