//! Identities against a plain model, changed through two processes' worth of authorities over one store.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use proptest::prelude::*;
use yaoku_crypto::SystemRandom;
use yaoku_iam::operations::attachments::{AttachPolicy, DetachPolicy, ToGroup, ToUser};
use yaoku_iam::operations::groups::{CreateGroup, DeleteGroup};
use yaoku_iam::operations::members::{AddUserToGroup, RemoveUserFromGroup};
use yaoku_iam::operations::policies::{CreatePolicy, DeletePolicy};
use yaoku_iam::operations::users::{CreateUser, DeleteUser, UpdateUser, UserDetails};
use yaoku_iam::{
    AccountId, Bootstrap, Call, Conflict, Decision, Entity, Environment, Error, Field, Iam, Name, Operation,
    Permission, PolicyName, Principal, Question, Resource, SystemClock, Trace,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options};

const ACCOUNT: &str = "1234567890123456";
const HERE: Environment<'_> = Environment {
    time: 1_795_485_600_000,
    source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    secure_transport: true,
    user_agent: None,
    encryption_context: None,
};

/// A change; users, groups and policies by their numbers.
#[derive(Debug, Clone)]
enum Change {
    CreateUser(u8),
    RenameUser(u8, u8),
    DeleteUser(u8),
    CreateGroup(u8),
    DeleteGroup(u8),
    Join(u8, u8),
    Leave(u8, u8),
    CreatePolicy(u8),
    DeletePolicy(u8),
    AttachToUser(u8, u8),
    DetachFromUser(u8, u8),
    AttachToGroup(u8, u8),
    DetachFromGroup(u8, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let n = || 0..3_u8;
    prop_oneof![
        n().prop_map(Change::CreateUser),
        (n(), n()).prop_map(|(one, other)| Change::RenameUser(one, other)),
        n().prop_map(Change::DeleteUser),
        n().prop_map(Change::CreateGroup),
        n().prop_map(Change::DeleteGroup),
        (n(), n()).prop_map(|(user, group)| Change::Join(user, group)),
        (n(), n()).prop_map(|(user, group)| Change::Leave(user, group)),
        n().prop_map(Change::CreatePolicy),
        n().prop_map(Change::DeletePolicy),
        (n(), n()).prop_map(|(policy, user)| Change::AttachToUser(policy, user)),
        (n(), n()).prop_map(|(policy, user)| Change::DetachFromUser(policy, user)),
        (n(), n()).prop_map(|(policy, group)| Change::AttachToGroup(policy, group)),
        (n(), n()).prop_map(|(policy, group)| Change::DetachFromGroup(policy, group)),
    ]
}

/// What a change came to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Missing(Entity),
    Exists(Entity),
    InUse(Conflict),
}

/// Names and what hangs on them, as plainly as can be.
#[derive(Default)]
struct Model {
    /// Groups and policies of each.
    users: BTreeMap<u8, (BTreeSet<u8>, BTreeSet<u8>)>,
    groups: BTreeMap<u8, BTreeSet<u8>>,
    policies: BTreeSet<u8>,
}

impl Model {
    fn apply(&mut self, change: &Change) -> Result<(), Outcome> {
        let missing = |entity| move || Outcome::Missing(entity);
        match *change {
            Change::CreateUser(user) if self.users.contains_key(&user) => return Err(Outcome::Exists(Entity::User)),
            Change::CreateUser(user) => drop(self.users.insert(user, Default::default())),
            Change::RenameUser(user, new) => {
                let held = self.users.get(&user).ok_or_else(missing(Entity::User))?.clone();
                if user != new && self.users.contains_key(&new) {
                    return Err(Outcome::Exists(Entity::User));
                }
                self.users.remove(&user);
                self.users.insert(new, held);
            }
            Change::DeleteUser(user) => {
                let (groups, policies) = self.users.get(&user).ok_or_else(missing(Entity::User))?;
                if !groups.is_empty() {
                    return Err(Outcome::InUse(Conflict::UserGroup));
                }
                if !policies.is_empty() {
                    return Err(Outcome::InUse(Conflict::UserPolicy));
                }
                self.users.remove(&user);
            }
            Change::CreateGroup(group) if self.groups.contains_key(&group) => {
                return Err(Outcome::Exists(Entity::Group));
            }
            Change::CreateGroup(group) => drop(self.groups.insert(group, BTreeSet::new())),
            Change::DeleteGroup(group) => {
                let policies = self.groups.get(&group).ok_or_else(missing(Entity::Group))?;
                if self.users.values().any(|(groups, _)| groups.contains(&group)) {
                    return Err(Outcome::InUse(Conflict::GroupUser));
                }
                if !policies.is_empty() {
                    return Err(Outcome::InUse(Conflict::GroupPolicy));
                }
                self.groups.remove(&group);
            }
            Change::Join(user, group) => {
                let (groups, _) = self.users.get_mut(&user).ok_or_else(missing(Entity::User))?;
                self.groups.get(&group).ok_or_else(missing(Entity::Group))?;
                if !groups.insert(group) {
                    return Err(Outcome::Exists(Entity::Membership));
                }
            }
            Change::Leave(user, group) => {
                let (groups, _) = self.users.get_mut(&user).ok_or_else(missing(Entity::User))?;
                self.groups.get(&group).ok_or_else(missing(Entity::Group))?;
                if !groups.remove(&group) {
                    return Err(Outcome::Missing(Entity::Membership));
                }
            }
            Change::CreatePolicy(policy) if !self.policies.insert(policy) => {
                return Err(Outcome::Exists(Entity::Policy));
            }
            Change::CreatePolicy(_) => {}
            Change::DeletePolicy(policy) => {
                self.policies.get(&policy).ok_or_else(missing(Entity::Policy))?;
                if self.users.values().any(|(_, policies)| policies.contains(&policy)) {
                    return Err(Outcome::InUse(Conflict::PolicyUser));
                }
                if self.groups.values().any(|policies| policies.contains(&policy)) {
                    return Err(Outcome::InUse(Conflict::PolicyGroup));
                }
                self.policies.remove(&policy);
            }
            Change::AttachToUser(policy, user) => {
                let (_, held) = self.users.get_mut(&user).ok_or_else(missing(Entity::User))?;
                self.policies.get(&policy).ok_or_else(missing(Entity::Policy))?;
                if !held.insert(policy) {
                    return Err(Outcome::Exists(Entity::UserPolicy));
                }
            }
            Change::DetachFromUser(policy, user) => {
                let (_, held) = self.users.get_mut(&user).ok_or_else(missing(Entity::User))?;
                if !held.remove(&policy) {
                    return Err(Outcome::Missing(Entity::UserPolicy));
                }
            }
            Change::AttachToGroup(policy, group) => {
                let held = self.groups.get_mut(&group).ok_or_else(missing(Entity::Group))?;
                self.policies.get(&policy).ok_or_else(missing(Entity::Policy))?;
                if !held.insert(policy) {
                    return Err(Outcome::Exists(Entity::GroupPolicy));
                }
            }
            Change::DetachFromGroup(policy, group) => {
                let held = self.groups.get_mut(&group).ok_or_else(missing(Entity::Group))?;
                if !held.remove(&policy) {
                    return Err(Outcome::Missing(Entity::GroupPolicy));
                }
            }
        }
        Ok(())
    }

    /// Policy 0 allows, 1 denies, 2 is about something else.
    fn may(&self, user: u8) -> bool {
        let Some((groups, own)) = self.users.get(&user) else { return false };
        let holds = |policy| own.contains(&policy) || groups.iter().any(|group| self.groups[group].contains(&policy));
        holds(0) && !holds(1)
    }
}

fn document(policy: u8) -> String {
    let (effect, action) = [("Allow", "kms:*"), ("Deny", "kms:Encrypt"), ("Allow", "ecs:*")][usize::from(policy)];
    format!(r#"{{"Version":"1","Statement":{{"Effect":"{effect}","Action":"{action}","Resource":"*"}}}}"#)
}

fn user(number: u8) -> Name {
    Name::parse(Field::UserName, &format!("user{number}")).unwrap()
}

fn group(number: u8) -> Name {
    Name::parse(Field::GroupName, &format!("group{number}")).unwrap()
}

fn policy(number: u8) -> Name {
    Name::parse(Field::PolicyName, &format!("policy{number}")).unwrap()
}

fn account() -> AccountId {
    AccountId::parse(ACCOUNT).unwrap()
}

async fn node(store: &Arc<Embedded>, dir: &tempfile::TempDir) -> Arc<Iam> {
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
    let bootstrap = Bootstrap { account: Some(account()), root: None, ..Bootstrap::default() };
    Iam::open(vault, Arc::new(SystemClock), bootstrap).await.unwrap().iam
}

async fn done<O: Operation<Domain = Iam>>(iam: &Iam, operation: O) -> Result<(), Outcome> {
    let root = Principal::root(account());
    match operation.perform(iam, &Call::of(&root, &HERE, &Trace::default())).await {
        Ok(_) => Ok(()),
        Err(Error::NotFound(entity)) => Err(Outcome::Missing(entity)),
        Err(Error::Exists(entity)) => Err(Outcome::Exists(entity)),
        Err(Error::InUse(conflict)) => Err(Outcome::InUse(conflict)),
        Err(error) => panic!("{error}"),
    }
}

async fn apply(iam: &Iam, change: &Change) -> Result<(), Outcome> {
    let custom = |number| PolicyName::Custom(policy(number));
    match *change {
        Change::CreateUser(u) => done(iam, CreateUser { name: user(u), details: UserDetails::default() }).await,
        Change::RenameUser(u, new) => {
            let rename = UpdateUser {
                name: user(u),
                new_name: Some(user(new)),
                display_name: None,
                comments: None,
                email: None,
                mobile_phone: None,
            };
            done(iam, rename).await
        }
        Change::DeleteUser(u) => done(iam, DeleteUser { name: user(u) }).await,
        Change::CreateGroup(g) => done(iam, CreateGroup { name: group(g), comments: String::new() }).await,
        Change::DeleteGroup(g) => done(iam, DeleteGroup { name: group(g) }).await,
        Change::Join(u, g) => done(iam, AddUserToGroup { user: user(u), group: group(g) }).await,
        Change::Leave(u, g) => done(iam, RemoveUserFromGroup { user: user(u), group: group(g) }).await,
        Change::CreatePolicy(p) => {
            let (description, document) = (String::new(), document(p));
            done(iam, CreatePolicy { name: policy(p), description, document, tags: Vec::new() }).await
        }
        Change::DeletePolicy(p) => done(iam, DeletePolicy { name: policy(p), with_versions: false }).await,
        Change::AttachToUser(p, u) => done(iam, AttachPolicy::<ToUser>::new(user(u), custom(p))).await,
        Change::DetachFromUser(p, u) => done(iam, DetachPolicy::<ToUser>::new(user(u), custom(p))).await,
        Change::AttachToGroup(p, g) => done(iam, AttachPolicy::<ToGroup>::new(group(g), custom(p))).await,
        Change::DetachFromGroup(p, g) => done(iam, DetachPolicy::<ToGroup>::new(group(g), custom(p))).await,
    }
}

fn may(iam: &Iam, number: u8) -> bool {
    let Some(principal) = iam.named(&format!("user/user{number}"), account()) else { return false };
    let resource = Resource {
        service: "kms",
        region: "cn-hangzhou",
        account: account(),
        owner: None,
        name: &"key/k",
        tags: None,
        policy: None,
    };
    let question = Question { permission: Permission("Encrypt"), resource: &resource, environment: &HERE };
    iam.authorise(&principal, &question) == Decision::Allowed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn identities_are_what_a_plain_model_says(changes in proptest::collection::vec((change(), any::<bool>()), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
            let nodes = [node(&store, &dir).await, node(&store, &dir).await];
            let mut model = Model::default();
            for (change, second) in &changes {
                let iam = &nodes[usize::from(*second)];
                let (expected, found) = (model.apply(change), apply(iam, change).await);
                assert_eq!(expected, found, "{change:?}");
                // Where a change was answered it is in force; where it failed, what it failed on is.
                for number in 0..3 {
                    assert_eq!(may(iam, number), model.may(number), "user{number} after {change:?}");
                }
            }
            // Whoever comes later reads the same.
            let late = node(&store, &dir).await;
            (0..3).for_each(|number| assert_eq!(may(&late, number), model.may(number)));
        });
    }
}

/// Someone who can write the store but has no seal can delete a row: what a policy denied must not vanish with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_whose_row_is_gone_denies_everything_to_whom_it_is_attached_and_a_start_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
    let iam = node(&store, &dir).await;
    for change in [
        Change::CreateUser(0),
        Change::CreateUser(1),
        Change::CreatePolicy(0),
        Change::CreatePolicy(1),
        Change::AttachToUser(0, 0),
        Change::AttachToUser(1, 0),
        Change::AttachToUser(0, 1),
    ] {
        apply(&iam, &change).await.unwrap();
    }
    let may_before = [may(&iam, 0), may(&iam, 1)];
    let name = yaoku_seal::RecordName {
        kind: yaoku_seal::Kind(14),
        domain: account().domain(),
        id: policy(1).as_str().as_bytes().to_vec(),
        version: Vec::new(),
    };
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap();
    let gone = yaoku_seal::Changes { deletes: vec![name], ..Default::default() };
    vault.commit(gone).await.unwrap();
    // What is answered from now on comes after that.
    apply(&iam, &Change::CreateUser(2)).await.unwrap();
    assert!(may_before[1] && may(&iam, 1), "whom it was not attached to");
    assert!(!may(&iam, 0));
    let bootstrap = Bootstrap { account: Some(account()), root: None, ..Bootstrap::default() };
    let refused = Iam::open(Arc::new(vault), Arc::new(SystemClock), bootstrap).await.err().unwrap();
    assert!(refused.to_string().contains("policy1 is missing"), "{refused}");
}
