//! Managed objects as several processes over one store hold them.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::future::join_all;
use yaoku_crypto::asymmetric::{KeyAlgorithm, PrivateKey};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::{AccountId, Bootstrap, Domain, Environment, Iam, Principal};
use yaoku_kms::operations::keys::{CreateKey, DisableKey, EnableKey, ScheduleKeyDeletion};
use yaoku_kms::{
    Call, KeyId, KeySpec, KeyState, Kms, KmsConfig, ManualClock, Operation, Origin, ProtectionLevel, Timestamp, Trace,
};
use yaoku_objects::operations::chosen_key::{GetObjectKey, SetObjectKey};
use yaoku_objects::operations::lifecycle::{ActivateManagedObject, DestroyManagedObject, RevokeManagedObject};
use yaoku_objects::operations::objects::{
    AttributeTest, CreateManagedKeyPair, CreateManagedObject, DescribeManagedObject, GetManagedObject,
    ListManagedObjects, MAX_VALUE, NewHalf, NewObject, ObjectFilter, ObjectTime, UpdateManagedObject,
};
use yaoku_objects::{
    Editable, Error, ObjectAbout, ObjectId, ObjectKind, ObjectName, ObjectState, Objects, ObjectsConfig,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options, Store};

const HERE: Environment<'_> = Environment {
    time: 1_795_485_600_000,
    source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    secure_transport: true,
    user_agent: None,
    encryption_context: None,
};

/// Bytes of attributes that an account can have here.
const ATTRIBUTES: u64 = 65_000;

/// A process.
struct Node {
    kms: Arc<Kms>,
    objects: Arc<Objects>,
}

struct World {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    principal: Principal,
    nodes: Vec<Node>,
}

impl World {
    async fn new(nodes: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
        let principal = Principal::root(AccountId::parse("1234567890123456").unwrap());
        let mut world = Self { dir, store, clock, principal, nodes: Vec::new() };
        for _ in 0..nodes {
            world.add_node().await;
        }
        world
    }

    /// A world whose account has chosen a key.
    async fn with_key(nodes: usize) -> (Self, KeyId) {
        let world = Self::new(nodes).await;
        let key = world.cmk(KeySpec::Aes256).await;
        world.call(SetObjectKey { key: key.into() }).await.unwrap();
        for node in 0..nodes {
            while world.call_at(node, GetObjectKey).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        }
        (world, key)
    }

    async fn add_node(&mut self) {
        let seal = Arc::new(FileSeal { path: self.dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(self.store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
        let (account, clock) = (Some(self.principal.account()), self.clock.clone());
        let iam = Iam::open(vault.clone(), clock.clone(), Bootstrap { account, root: None, ..Bootstrap::default() })
            .await
            .unwrap()
            .iam;
        let config = KmsConfig::default();
        let kms = Kms::open(vault.clone(), iam.clone(), clock.clone(), config, None, None).await.unwrap();
        let config = ObjectsConfig { max_objects: 20, max_attribute_bytes: ATTRIBUTES, ..ObjectsConfig::default() };
        let objects = Objects::open(vault, iam, kms.clone(), clock, config).await.unwrap();
        self.nodes.push(Node { kms, objects });
    }

    async fn call<O: Operation<Domain = Objects>>(&self, operation: O) -> Result<O::Output, Error> {
        self.call_at(0, operation).await
    }

    async fn call_at<O: Operation<Domain = Objects>>(&self, node: usize, operation: O) -> Result<O::Output, Error> {
        operation.perform(&self.nodes[node].objects, &Call::of(&self.principal, &HERE, &Trace::default())).await
    }

    async fn keys<O: Operation<Domain = Kms>>(&self, operation: O) -> O::Output {
        let trace = Trace::default();
        let done = operation.perform(&self.nodes[0].kms, &Call::of(&self.principal, &HERE, &trace)).await;
        done.unwrap_or_else(|error| panic!("{error:?}"))
    }

    async fn cmk(&self, spec: KeySpec) -> KeyId {
        let create = CreateKey {
            spec,
            usage: None,
            origin: Origin::Generated,
            protection: ProtectionLevel::Software,
            description: String::new(),
            rotation: None,
            tags: Vec::new(),
            policy: None,
        };
        self.keys(create).await.id
    }

    async fn value(&self, id: ObjectId) -> Result<Vec<u8>, Error> {
        Ok(self.call(GetManagedObject { id }).await?.1.expose().to_vec())
    }

    async fn state(&self, id: ObjectId) -> ObjectState {
        self.call(DescribeManagedObject { id }).await.unwrap().state
    }

    async fn located(&self, name: &str) -> Vec<ObjectId> {
        let filter = ObjectFilter { name: Some(named(name)), ..ObjectFilter::default() };
        self.listed(filter).await
    }

    async fn listed(&self, filter: ObjectFilter) -> Vec<ObjectId> {
        let found = self.call(ListManagedObjects { filter, after: None, skip: 0, most: 10 }).await.unwrap();
        assert_eq!((found.total, found.next), (found.objects.len(), None));
        found.objects.into_iter().map(|object| object.id).collect()
    }
}

fn named(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

fn new(value: &[u8], names: &[&str]) -> NewObject {
    NewObject {
        kind: ObjectKind::SymmetricKey,
        value: Secret::new(value.to_vec()),
        names: names.iter().map(|name| named(name)).collect(),
        attributes: vec![("group".into(), b"disks".to_vec())],
        activation: None,
        deactivation: None,
    }
}

fn create(value: &[u8], names: &[&str]) -> CreateManagedObject {
    CreateManagedObject { object: new(value, names), replaces: None }
}

fn revoke(id: ObjectId, is_compromised: bool) -> RevokeManagedObject {
    RevokeManagedObject { id, is_compromised, attributes: vec![("why".into(), b"because".to_vec())] }
}

async fn made(world: &World, value: &[u8], names: &[&str]) -> ObjectAbout {
    world.call(create(value, names)).await.unwrap()
}

#[tokio::test]
async fn none_are_made_until_a_key_is_chosen_for_them() {
    let world = World::new(1).await;
    assert!(matches!(world.call(create(b"v", &[])).await, Err(Error::NoKey)));
    assert_eq!(world.call(GetObjectKey).await.unwrap(), None);
    let pair = world.cmk(KeySpec::EcP256).await;
    assert!(world.call(SetObjectKey { key: pair.into() }).await.is_err(), "it must be symmetric");
    let key = world.cmk(KeySpec::Aes256).await;
    assert_eq!(world.call(SetObjectKey { key: key.into() }).await.unwrap(), key);
    assert_eq!(world.call(GetObjectKey).await.unwrap(), Some(key));
    let object = made(&world, b"value", &["one"]).await;
    assert_eq!((object.key, object.length, object.state), (key, 5, ObjectState::PreActive));
    assert_eq!(world.value(object.id).await.unwrap(), b"value");
    // Those that there are stay under the one that they were made under.
    let next = world.cmk(KeySpec::Aes256).await;
    world.call(SetObjectKey { key: next.into() }).await.unwrap();
    // Neither CMK can be deleted: the one that objects are encrypted under, and the one that they will be.
    for (key, why) in [(key, "1 managed object is encrypted"), (next, "chosen for managed objects")] {
        let trace = Trace::default();
        let delete = ScheduleKeyDeletion { key, pending_days: 7 };
        let refused = delete.perform(&world.nodes[0].kms, &Call::of(&world.principal, &HERE, &trace)).await;
        assert!(matches!(&refused, Err(yaoku_kms::Error::InUse(what)) if what.contains(why)), "{refused:?}");
    }
    world.keys(ScheduleKeyDeletion { key: pair, pending_days: 7 }).await;
    assert_eq!(made(&world, b"v", &[]).await.key, next);
    assert_eq!(world.value(object.id).await.unwrap(), b"value");
}

#[tokio::test]
async fn disabling_the_key_makes_all_unfetchable_at_once_also_what_was_opened() {
    let (world, key) = World::with_key(1).await;
    let object = made(&world, b"value", &["one"]).await;
    let trace = Trace::default();
    // The service itself, which is proven always.
    let call = Call::of(&world.principal, &HERE, &trace);
    GetManagedObject { id: object.id }.perform(&world.nodes[0].objects, &call).await.unwrap();
    world.keys(DisableKey { key }).await;
    // What was opened before and is not answered yet is withheld.
    let again = world.nodes[0].objects.decide_again(&call).await;
    assert!(matches!(again, Err(Error::Keys(yaoku_kms::Error::State(KeyState::Disabled)))), "{again:?}");
    assert!(matches!(world.value(object.id).await, Err(Error::Keys(yaoku_kms::Error::State(KeyState::Disabled)))));
    assert!(world.call(create(b"v", &[])).await.is_err());
    // What is known of it is shown, and its life goes on.
    assert_eq!(world.located("one").await, [object.id]);
    world.call(ActivateManagedObject { id: object.id }).await.unwrap();
    world.keys(EnableKey { key }).await;
    assert_eq!(world.value(object.id).await.unwrap(), b"value");
    world.nodes[0].objects.decide_again(&call).await.unwrap();
}

#[tokio::test]
async fn objects_live_and_a_destroyed_ones_value_is_gone_and_its_names_are_free() {
    let (mut world, _) = World::with_key(1).await;
    let id = made(&world, b"value", &["one", "two"]).await.id;
    world.call(ActivateManagedObject { id }).await.unwrap();
    assert_eq!(world.state(id).await, ObjectState::Active);
    assert!(matches!(world.call(DestroyManagedObject { id }).await, Err(Error::State(ObjectState::Active))));
    assert_eq!(world.located("one").await, [id], "nothing was changed");
    world.call(revoke(id, false)).await.unwrap();
    assert_eq!(world.value(id).await.unwrap(), b"value", "what it protected must still be read");
    let trace = Trace::default();
    let call = Call::of(&world.principal, &HERE, &trace);
    GetManagedObject { id }.perform(&world.nodes[0].objects, &call).await.unwrap();
    world.nodes[0].objects.decide_again(&call).await.unwrap();
    world.call(DestroyManagedObject { id }).await.unwrap();
    assert!(world.nodes[0].objects.decide_again(&call).await.is_err(), "what was opened before is withheld");
    assert!(matches!(world.value(id).await, Err(Error::State(ObjectState::Destroyed))));
    assert!(world.located("one").await.is_empty(), "it has its names no more");
    let next = made(&world, b"next", &["one"]).await.id;
    world.call(revoke(id, true)).await.unwrap();
    // Another process reads it from the store.
    world.nodes.clear();
    world.add_node().await;
    assert_eq!(world.state(id).await, ObjectState::DestroyedCompromised);
    assert_eq!(world.located("one").await, [next]);
    assert_eq!(world.value(next).await.unwrap(), b"next");
}

#[tokio::test]
async fn a_name_is_one_objects_whatever_process_gives_it() {
    let (world, _) = World::with_key(2).await;
    for round in 0..5 {
        let name = format!("name-{round}");
        let (one, other) =
            tokio::join!(world.call_at(0, create(b"a", &[&name])), world.call_at(1, create(b"b", &[&name])));
        let failed: Vec<_> = [one.err(), other.err()].into_iter().flatten().collect();
        assert!(matches!(failed.as_slice(), [Error::NameExists]), "{failed:?}");
    }
    assert!(matches!(world.call(create(b"a", &["twice", "twice"])).await, Err(Error::NameExists)));
}

#[tokio::test]
async fn a_replacement_takes_the_names_and_both_know_of_each_other() {
    let (world, _) = World::with_key(2).await;
    let old = made(&world, b"old", &["disk", "volume"]).await;
    let replace = CreateManagedObject { replaces: Some(old.id), ..create(b"new", &["more"]) };
    let new = world.call(replace).await.unwrap();
    assert_eq!(new.replaces, Some(old.id));
    for name in ["disk", "volume", "more"] {
        assert_eq!(world.located(name).await, [new.id], "{name}");
    }
    let old = world.call(DescribeManagedObject { id: old.id }).await.unwrap();
    assert_eq!((old.replaced_by, old.names.len()), (Some(new.id), 0));
    assert_eq!(world.value(old.id).await.unwrap(), b"old");
    // The name's row is the new object's: another one can't take it.
    assert!(matches!(world.call_at(1, create(b"x", &["disk"])).await, Err(Error::NameExists)));
    world.call(DestroyManagedObject { id: new.id }).await.unwrap();
    made(&world, b"x", &["disk"]).await;
}

#[tokio::test]
async fn names_and_attributes_are_replaced_if_they_are_what_was_read() {
    let (world, _) = World::with_key(1).await;
    let object = made(&world, b"v", &["one"]).await;
    let before = object.editable();
    let attributes = vec![("group".to_owned(), b"tapes".to_vec())];
    let after = Editable { names: vec![named("two")], attributes, ..before.clone() };
    let update = |before: &Editable, after: &Editable| UpdateManagedObject {
        id: object.id,
        before: before.clone(),
        after: after.clone(),
    };
    let updated = world.call(update(&before, &after)).await.unwrap().unwrap();
    assert_eq!(updated.editable(), after);
    assert!(world.call(update(&before, &after)).await.unwrap().is_none(), "somebody else was first");
    assert!(world.located("one").await.is_empty());
    assert_eq!(world.located("two").await, [object.id]);
    made(&world, b"v", &["one"]).await;
    let taken = Editable { names: vec![named("one")], ..after.clone() };
    assert!(matches!(world.call(update(&after, &taken)).await, Err(Error::NameExists)));
    let tapes = AttributeTest { name: "group".into(), wanted: b"tapes".to_vec(), admits: |is, wanted| is == wanted };
    let filter = ObjectFilter { attributes: vec![tapes], ..ObjectFilter::default() };
    assert_eq!(world.listed(filter).await, [object.id]);
    // Times are set until they have come.
    let begun = Editable { activation: Some(Timestamp(0)), ..after.clone() };
    world.call(update(&after, &begun)).await.unwrap().unwrap();
    assert_eq!(world.state(object.id).await, ObjectState::Active);
    let refused = world.call(update(&begun, &after)).await;
    assert!(matches!(refused, Err(Error::State(ObjectState::Active))), "{refused:?}");
    let times = vec![(ObjectTime::Activation, Timestamp(0), Timestamp(1))];
    assert_eq!(world.listed(ObjectFilter { times, ..ObjectFilter::default() }).await, [object.id]);
    // One without a value is changed no more.
    let id = object.id;
    world.call(revoke(id, true)).await.unwrap();
    world.call(DestroyManagedObject { id }).await.unwrap();
    let gone = world.call(DescribeManagedObject { id }).await.unwrap();
    assert_eq!(gone.names, [named("two")], "it is still known as what it was");
    let refused = world.call(update(&gone.editable(), &Editable { names: Vec::new(), ..gone.editable() })).await;
    assert!(matches!(refused, Err(Error::State(ObjectState::DestroyedCompromised))), "{refused:?}");
    let replace = CreateManagedObject { replaces: Some(id), ..create(b"new", &[]) };
    assert!(matches!(world.call(replace).await, Err(Error::State(_))));
}

#[tokio::test]
async fn halves_of_a_key_pair_are_made_together_and_know_of_each_other() {
    let (world, _) = World::with_key(1).await;
    let half =
        |name: &str| NewHalf { names: vec![named(name)], attributes: Vec::new(), activation: None, deactivation: None };
    let algorithm = KeyAlgorithm::EcP256;
    let pair =
        |private: &str, public: &str| CreateManagedKeyPair { algorithm, private: half(private), public: half(public) };
    let [private, public] = world.call(pair("a", "b")).await.unwrap();
    assert_eq!((private.other_half, public.other_half), (Some(public.id), Some(private.id)));
    let private_key = PrivateKey::new(algorithm, &Secret::new(world.value(private.id).await.unwrap()));
    assert_eq!(world.value(public.id).await.unwrap(), private_key.unwrap().public_key_der());
    assert!(matches!(world.call(pair("c", "c")).await, Err(Error::NameExists)));
    assert!(matches!(world.call(pair("c", "b")).await, Err(Error::NameExists)));
    assert!(world.located("c").await.is_empty(), "both or none");
}

#[tokio::test]
async fn objects_are_bounded() {
    let (world, _) = World::with_key(1).await;
    for value in [Vec::new(), vec![1; MAX_VALUE + 1]] {
        assert!(matches!(world.call(create(&value, &[])).await, Err(Error::Invalid(_))));
    }
    let large = NewObject { attributes: vec![("x".into(), vec![0; 16 << 10])], ..new(b"v", &[]) };
    let large = CreateManagedObject { object: large, replaces: None };
    assert!(matches!(world.call(large).await, Err(Error::LimitExceeded(_))));
    for _ in 0..15 {
        made(&world, &[1; MAX_VALUE], &[]).await;
    }
    let together = join_all((0..40).map(|_| world.call(create(b"v", &[])))).await;
    let more = together.iter().filter(|done| done.is_ok()).count();
    assert!(more <= 5, "{more}");
    for _ in more..5 {
        made(&world, b"v", &[]).await;
    }
    assert!(matches!(world.call(create(b"v", &[])).await, Err(Error::LimitExceeded(_))));
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let list = ListManagedObjects { filter: ObjectFilter::default(), after, skip: 0, most: 7 };
        let page = world.call(list).await.unwrap();
        assert_eq!(page.total, 20 - seen.len());
        seen.extend(page.objects.into_iter().map(|object| object.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 20);
    let list = ListManagedObjects { filter: ObjectFilter::default(), after: None, skip: 18, most: 7 };
    let page = world.call(list).await.unwrap();
    assert_eq!(page.objects.iter().map(|object| object.id).collect::<Vec<_>>(), seen[18..]);
    // Nobody can make up where a listing goes on.
    let after = Some(seen[3].to_string().into_bytes());
    let list = ListManagedObjects { filter: ObjectFilter::default(), after, skip: 0, most: 7 };
    assert!(matches!(world.call(list).await, Err(Error::Place)));
}

/// They are in memory.
#[tokio::test]
async fn attributes_of_an_account_have_a_bound_together() {
    let (world, _) = World::with_key(1).await;
    let sized = |bytes: usize| vec![("x".to_owned(), vec![0; bytes - 1])];
    let with = |bytes| {
        let object = NewObject { attributes: sized(bytes), ..new(b"v", &[]) };
        CreateManagedObject { object, replaces: None }
    };
    let is_full = |error: Error| matches!(error, Error::LimitExceeded(_));
    let together = join_all((0..9).map(|_| world.call(with(16_000)))).await;
    let mut made: Vec<_> = together.into_iter().flatten().collect();
    assert!(made.len() <= 4, "{}", made.len());
    while made.len() < 4 {
        made.push(world.call(with(16_000)).await.unwrap());
    }
    assert!(is_full(world.call(with(1001)).await.unwrap_err()));
    let last = world.call(with(1000)).await.unwrap();
    let update = |bytes| {
        let before = Editable { attributes: sized(1000), ..last.editable() };
        let after = Editable { attributes: sized(bytes), ..last.editable() };
        world.call(UpdateManagedObject { id: last.id, before, after })
    };
    assert!(is_full(update(1001).await.unwrap_err()));
    update(999).await.unwrap();
    assert!(is_full(world.call(with(2)).await.unwrap_err()));
    world.call(with(1)).await.unwrap();
    assert!(is_full(world.call(create(b"v", &[])).await.unwrap_err()));
    let without = NewObject { attributes: Vec::new(), ..new(b"v", &[]) };
    world.call(CreateManagedObject { object: without, replaces: None }).await.unwrap();
}
