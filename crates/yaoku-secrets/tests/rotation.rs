//! Secrets that hold AccessKeys of a RAM user: how they rotate, by themselves and when asked, and what is left when a commit fails.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use support::{World, name, put, staged};
use yaoku_crypto::Secret;
use yaoku_iam::operations::access_keys::{CreateAccessKey, DeleteAccessKey, ListAccessKeys};
use yaoku_iam::operations::users::{CreateUser, DeleteUser, UpdateUser, UserDetails};
use yaoku_iam::{AccessKeyId, Clock, Field, Name, NewAccessKey};
use yaoku_kms::operations::keys::{DisableKey, EnableKey};
use yaoku_kms::{KeyId, KeyRef};
use yaoku_secrets::operations::deletion::{DeleteSecret, RestoreSecret, When};
use yaoku_secrets::operations::rotation::{RotateSecret, UpdateSecretRotationPolicy};
use yaoku_secrets::operations::secrets::{CreateSecret, DescribeSecret, NewContent, UpdateSecret};
use yaoku_secrets::operations::values::{GetSecretValue, VersionRef};
use yaoku_secrets::operations::versions::UpdateSecretVersionStage;
use yaoku_secrets::{
    Error, NewRamCredentials, RamCredentialsAbout, RotationInterval, SecretKind, SecretsConfig, VersionId,
};
use yaoku_store::{
    Digest, Digester, Embedded, Found, Limits, Outcome, Revision, Row, Snapshot, Store, StoreId, Transaction, Trust,
    Watch,
};

const HOURS: u64 = 3600;
const SECRET: &str = "acs/ram/user/app";

fn user(name: &str) -> Name {
    Name::parse(Field::UserName, name).unwrap()
}

fn hours(hours: u64) -> Option<RotationInterval> {
    RotationInterval::from_seconds(hours * HOURS)
}

fn given(key: &NewAccessKey) -> (AccessKeyId, Secret) {
    (key.id.clone(), key.secret.duplicate())
}

fn holding(keys: &[&NewAccessKey], rotation: Option<RotationInterval>) -> CreateSecret {
    let access_keys = keys.iter().map(|key| given(key)).collect();
    let new = NewRamCredentials { user: user("app"), access_keys, custom_data: BTreeMap::new(), rotation };
    CreateSecret {
        content: NewContent::RamCredentials(new),
        version: VersionId::parse("v1").unwrap(),
        description: String::new(),
        key: None,
        tags: Vec::new(),
        policy: None,
    }
}

fn rotate(version: &str) -> RotateSecret {
    RotateSecret { name: name(SECRET), version: VersionId::parse(version).unwrap() }
}

impl World {
    async fn user(&self) {
        self.identities(CreateUser { name: user("app"), details: UserDetails::default() }).await;
    }

    async fn access_key(&self) -> NewAccessKey {
        self.identities(CreateAccessKey { whose: Some(user("app")) }).await.key
    }

    /// The ids of the user's AccessKeys.
    async fn keys_of_user(&self) -> Vec<String> {
        let keys = self.identities(ListAccessKeys { whose: Some(user("app")) }).await;
        let mut ids: Vec<_> = keys.into_iter().map(|key| key.id.to_string()).collect();
        ids.sort();
        ids
    }

    /// The AccessKey that a stage's version holds, if that proves the user by its secret.
    async fn proving(&self, stage: &str) -> Option<String> {
        let read: serde_json::Value = serde_json::from_str(&self.text(SECRET, stage).await.ok()?).unwrap();
        let (id, secret) = (read["AccessKeyId"].as_str().unwrap(), read["AccessKeySecret"].as_str().unwrap());
        assert_eq!(read.as_object().unwrap().len(), 2);
        let key = self.nodes[0].iam.access_key(id)?;
        key.prove_by_secret(secret.as_bytes()).is_ok().then(|| id.to_owned())
    }

    async fn about(&self) -> RamCredentialsAbout {
        let about = self.call(DescribeSecret { secret: name(SECRET).into() }).await.unwrap();
        assert_eq!(about.kind, SecretKind::RamCredentials);
        about.ram_credentials.unwrap()
    }

    /// That both versions prove the user, that it has no other AccessKeys, and which the current one is.
    async fn whole(&self) -> String {
        let current = self.proving("ACSCurrent").await.unwrap();
        let mut both: Vec<_> =
            [Some(current.clone()), self.proving("ACSPrevious").await].into_iter().flatten().collect();
        both.sort();
        assert_eq!(self.keys_of_user().await, both);
        assert_eq!(self.versions(SECRET).await.len(), both.len());
        // A record and a value of each version.
        assert_eq!(self.rows().await, 1 + both.len());
        current
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_makes_an_access_key_and_deletes_the_one_before_the_last() {
    let world = World::new(1).await;
    world.user().await;
    let first = world.access_key().await;
    let (about, version) = world.call(holding(&[&first], None)).await.unwrap();
    assert_eq!((about.name.as_str(), version.id.as_str()), (SECRET, "v1"));
    assert_eq!(world.whole().await, first.id.as_str());
    assert_eq!(world.about().await.last_rotation, None);

    world.call(rotate("v2")).await.unwrap();
    let second = world.whole().await;
    assert_eq!(world.proving("ACSPrevious").await.as_deref(), Some(first.id.as_str()));
    // The same id again is the same rotation.
    world.call(rotate("v2")).await.unwrap();
    world.call(rotate("v1")).await.unwrap();
    assert_eq!(world.whole().await, second);

    world.call(rotate("v3")).await.unwrap();
    let third = world.whole().await;
    assert_eq!(world.proving("ACSPrevious").await, Some(second));
    assert!(world.nodes[0].iam.access_key(first.id.as_str()).is_none());
    assert!(first.id.as_str() != third);

    // The user may have another name by now, and lack an AccessKey that somebody deleted.
    let renamed = user("renamed");
    let rename = UpdateUser {
        name: user("app"),
        new_name: Some(renamed.clone()),
        display_name: None,
        comments: None,
        email: None,
        mobile_phone: None,
    };
    world.identities(rename).await;
    assert_eq!(world.about().await.user, Some(renamed.clone()));
    world.identities(DeleteAccessKey { whose: Some(renamed.clone()), id: AccessKeyId::parse(&third).unwrap() }).await;
    world.call(rotate("v4")).await.unwrap();
    let keys = world.identities(ListAccessKeys { whose: Some(renamed) }).await;
    assert_eq!(keys.len(), 1);
    assert_eq!(world.proving("ACSCurrent").await.as_deref(), Some(keys[0].id.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_can_be_rotated_so_often_within_an_hour() {
    let world = World::new(1).await;
    world.user().await;
    let first = world.access_key().await;
    world.call(holding(&[&first], hours(6))).await.unwrap();
    for number in 0..50 {
        world.call(rotate(&format!("r{number}"))).await.unwrap();
        world.clock.advance_seconds(1);
    }
    let current = world.whole().await;
    assert!(matches!(world.call(rotate("more")).await.map(drop), Err(Error::LimitExceeded(_))));
    // What is done already is no rotation.
    world.call(rotate("r49")).await.unwrap();
    assert_eq!(world.whole().await, current);
    // An hour after the first there is room for one, and an hour after the last for all.
    world.clock.advance_seconds(HOURS - 50);
    world.call(rotate("more")).await.unwrap();
    assert!(matches!(world.call(rotate("most")).await.map(drop), Err(Error::LimitExceeded(_))));
    world.clock.advance_seconds(HOURS);
    world.call(rotate("most")).await.unwrap();
    assert_ne!(world.whole().await, current);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_takes_over_all_access_keys_of_a_user_or_none() {
    let world = World::new(1).await;
    let nobody = NewAccessKey::chosen("YKAKnobody", Secret::new(vec![b'x'; 40])).unwrap();
    let invalid = |result: Result<_, Error>, of: yaoku_secrets::Field| {
        assert!(matches!(result.map(drop), Err(Error::Invalid { field, .. }) if field == of));
    };
    invalid(world.call(holding(&[&nobody], None)).await, yaoku_secrets::Field::Config);
    world.user().await;
    let [first, second] = [world.access_key().await, world.access_key().await];
    let wrong = NewAccessKey::chosen(first.id.as_str(), Secret::new(vec![b'x'; 40])).unwrap();
    for keys in [&[][..], &[&nobody], &[&first], &[&first, &wrong], &[&wrong, &second]] {
        invalid(world.call(holding(keys, None)).await, yaoku_secrets::Field::Value);
    }
    world.call(holding(&[&second, &first], None)).await.unwrap();
    assert!(matches!(world.call(holding(&[&second, &first], None)).await.map(drop), Err(Error::SecretExists)));
    assert_eq!(world.proving("ACSCurrent").await.as_deref(), Some(second.id.as_str()));
    assert_eq!(world.keys_of_user().await.len(), 2);
    // The one that is not the current one goes first.
    world.call(rotate("v2")).await.unwrap();
    world.whole().await;
    assert!(world.nodes[0].iam.access_key(first.id.as_str()).is_none());
    assert_eq!(world.proving("ACSPrevious").await.as_deref(), Some(second.id.as_str()));
}

/// A rotation deletes an AccessKey: one that only seems to be due must not.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_rotates_nothing() {
    let world = World::with(1, |store| Arc::new(store), SecretsConfig::default()).await;
    world.user().await;
    let first = world.access_key().await;
    world.call(holding(&[&first], hours(7 * 24))).await.unwrap();
    world.call(rotate("v2")).await.unwrap();
    let (before, current) = (world.clock.now(), world.whole().await);
    world.clock.advance_seconds(8 * 24 * HOURS);
    assert!(world.nodes[0].secrets.scheduler_lag() > 0);
    world.everyone_looks().await;
    world.clock.set(before);
    world.everyone_looks().await;
    assert_eq!(world.whole().await, current);
    assert_eq!(world.proving("ACSPrevious").await.as_deref(), Some(first.id.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_versions_come_by_rotation_alone() {
    let world = World::new(1).await;
    world.user().await;
    let key = world.access_key().await;
    world.call(holding(&[&key], None)).await.unwrap();
    world.call(rotate("v2")).await.unwrap();
    let unsuitable = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Unsuitable(_))), "{result:?}");
    unsuitable(world.call(put(SECRET, Some("v3"), "mine")).await.map(drop));
    let to = VersionId::parse("v1");
    let move_stage =
        UpdateSecretVersionStage { secret: name(SECRET).into(), stage: staged("ACSCurrent"), to, from: None };
    unsuitable(world.call(move_stage).await);
    // A version is asked for by its stage: the id is passed over.
    let get = |version: &str| GetSecretValue {
        secret: name(SECRET).into(),
        version: VersionId::parse(version).map(VersionRef::Id),
        stage: None,
    };
    for version in ["v1", "v2", "v9"] {
        assert_eq!(world.call(get(version)).await.unwrap().version.id.as_str(), "v2");
    }
    // And what its owner puts in does not rotate.
    world.create("db", None).await.unwrap();
    let version = VersionId::parse("v2").unwrap();
    unsuitable(world.call(RotateSecret { name: name("db"), version }).await.map(drop));
    unsuitable(world.call(UpdateSecretRotationPolicy { name: name("db"), rotation: hours(6) }).await);
    unsuitable(world.call(UpdateSecretRotationPolicy { name: name("db"), rotation: None }).await);
    let data = |data: BTreeMap<String, String>| UpdateSecret {
        name: name(SECRET),
        description: None,
        custom_data: Some(data),
    };
    unsuitable(world.call(UpdateSecret { name: name("db"), ..data(BTreeMap::new()) }).await);
    let custom = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    world.call(data(custom.clone())).await.unwrap();
    assert_eq!(world.about().await.custom_data, custom);
    let many = (0..11).map(|n| (n.to_string(), String::new())).collect();
    assert!(matches!(world.call(data(many)).await, Err(Error::Invalid { .. })));
    world.call(DeleteSecret { name: name("db"), when: When::Now }).await.unwrap();
    world.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_rotates_by_itself_once_however_many_processes_look() {
    let world = World::new(3).await;
    world.user().await;
    let first = world.access_key().await;
    world.call(holding(&[&first], hours(6))).await.unwrap();
    world.known_to_all(SECRET).await;
    let about = world.about().await;
    assert_eq!((about.rotation, about.last_rotation), (hours(6), None));
    world.clock.advance_seconds(6 * HOURS - 1);
    world.everyone_looks().await;
    assert_eq!(world.whole().await, first.id.as_str());
    world.clock.advance_seconds(1);
    let mut current = first.id.to_string();
    for _ in 0..3 {
        assert!(world.nodes[0].secrets.scheduler_lag() == 0);
        world.everyone_looks().await;
        while world.proving("ACSCurrent").await.is_none_or(|id| id == current) {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.proving("ACSPrevious").await, Some(current));
        current = world.whole().await;
        let about = world.about().await;
        let last = about.last_rotation.unwrap();
        assert_eq!(about.next_rotation, Some(last.plus_seconds(6 * HOURS)));
        world.clock.advance_seconds(6 * HOURS);
    }

    // Not any more, nor while it is to be deleted.
    let policy = |rotation| UpdateSecretRotationPolicy { name: name(SECRET), rotation };
    world.call(policy(None)).await.unwrap();
    world.call(policy(None)).await.unwrap();
    world.clock.advance_seconds(12 * HOURS);
    world.everyone_looks().await;
    assert_eq!((world.whole().await, world.about().await.next_rotation), (current.clone(), None));
    world.call(policy(hours(24))).await.unwrap();
    world.call(DeleteSecret { name: name(SECRET), when: When::AfterDays(7) }).await.unwrap();
    world.clock.advance_seconds(48 * HOURS);
    world.everyone_looks().await;
    assert!(matches!(world.call(rotate("v9")).await, Err(Error::InDeleteWindow)));
    world.call(RestoreSecret { name: name(SECRET) }).await.unwrap();
    assert_eq!(world.whole().await, current);
    world.everyone_looks().await;
    assert!(world.whole().await != current);
    // The AccessKeys outlive the secret.
    let keys = world.keys_of_user().await;
    world.call(DeleteSecret { name: name(SECRET), when: When::Now }).await.unwrap();
    assert_eq!((world.rows().await, world.keys_of_user().await), (0, keys));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_rotated_is_tried_again_and_holds_up_nothing() {
    let world = World::new(1).await;
    world.user().await;
    let (first, cmk) = (world.access_key().await, world.cmk().await);
    let create = |key: KeyId, rotation| CreateSecret { key: Some(KeyRef::Id(key)), ..holding(&[&first], rotation) };
    world.call(create(cmk, hours(6))).await.unwrap();
    world.keys(DisableKey { key: cmk }).await;
    world.clock.advance_seconds(6 * HOURS);
    world.everyone_looks().await;
    assert_eq!(world.keys_of_user().await, [first.id.as_str()]);
    assert!(matches!(world.call(rotate("v2")).await, Err(Error::Keys(_))));
    world.keys(EnableKey { key: cmk }).await;
    world.everyone_looks().await;
    assert_eq!(world.whole().await, first.id.as_str(), "not before five minutes have passed");
    world.clock.advance_seconds(300);
    world.everyone_looks().await;
    let second = world.whole().await;
    assert!(second != first.id.as_str());

    // Without its user, nothing rotates any more.
    for id in world.keys_of_user().await {
        world.identities(DeleteAccessKey { whose: Some(user("app")), id: AccessKeyId::parse(&id).unwrap() }).await;
    }
    world.identities(DeleteUser { name: user("app") }).await;
    assert!(matches!(world.call(rotate("v2")).await, Err(Error::Unsuitable(_))));
    let enable = UpdateSecretRotationPolicy { name: name(SECRET), rotation: hours(6) };
    assert!(matches!(world.call(enable).await, Err(Error::Unsuitable(_))));
    world.clock.advance_seconds(6 * HOURS);
    world.everyone_looks().await;
    assert_eq!(world.about().await.user, None);
    assert_eq!(world.versions(SECRET).await.len(), 2);
}

/// What happens to the commits of a store that were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The commit is not made.
    NotMade,
    /// It is made, and nobody is told.
    Unanswered,
}

/// A store of whose commits one fails.
struct Faulty {
    inner: Embedded,
    fault: Fault,
    /// Commits until it fails.
    left: AtomicUsize,
}

impl Faulty {
    /// Lets the commit after that many others fail; whether the one before that was to fail has done so.
    fn set(&self, left: usize) -> bool {
        self.left.swap(left, Ordering::SeqCst) == usize::MAX
    }
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, key: &[u8]) -> Result<Option<Row>, yaoku_store::Error> {
        self.inner.get(key).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, yaoku_store::Error> {
        self.inner.snapshot().await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, yaoku_store::Error> {
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            usize::MAX => None,
            left => Some(left.wrapping_sub(1)),
        });
        let fault = || yaoku_store::Error::Unavailable("of a test".into());
        match (before, self.fault) {
            (Ok(0), Fault::NotMade) => Err(fault()),
            (Ok(0), Fault::Unanswered) => self.inner.commit(transaction).await.and_then(|_| Err(fault())),
            (Ok(_) | Err(_), _) => self.inner.commit(transaction).await,
        }
    }

    async fn watch(&self, from: Revision) -> Result<Box<dyn Watch>, yaoku_store::Error> {
        self.inner.watch(from).await
    }

    async fn scrub(&self) -> Result<(), yaoku_store::Error> {
        self.inner.scrub().await
    }

    async fn health(&self) -> Result<(), yaoku_store::Error> {
        self.inner.health().await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn id(&self) -> StoreId {
        self.inner.id()
    }

    async fn keep_digest(&self, digester: Arc<dyn Digester>, trust: Trust) -> Result<Found, yaoku_store::Error> {
        self.inner.keep_digest(digester, trust).await
    }

    fn digest(&self) -> Option<(Revision, Digest)> {
        self.inner.digest()
    }

    async fn verify(&self) -> Result<(), yaoku_store::Error> {
        self.inner.verify().await
    }
}

/// Whichever commit fails, and however: the AccessKeys of the user are those of the secret, before and after; a process that starts then
/// finds them so, and the next rotation goes on from there.
#[tokio::test(flavor = "multi_thread")]
async fn no_fault_loses_an_access_key_or_leaves_one_behind() {
    for fault in [Fault::NotMade, Fault::Unanswered] {
        let mut store = None;
        let mut world = World::over(1, |inner| {
            let faulty = Arc::new(Faulty { inner, fault, left: AtomicUsize::new(usize::MAX) });
            store = Some(faulty.clone());
            faulty
        })
        .await;
        let store = store.unwrap();
        world.user().await;
        let first = world.access_key().await;
        world.call(holding(&[&first], hours(6))).await.unwrap();
        let (mut failed, mut number) = (0, 0);
        // First when asked, then by itself.
        for by_itself in [false, true] {
            for nth in 0.. {
                number += 1;
                let before = world.whole().await;
                let version = format!("r{number}");
                world.clock.advance_seconds(6 * HOURS);
                store.set(nth);
                let result = match by_itself {
                    false => world.call(rotate(&version)).await.map(drop),
                    true => world.nodes[0].secrets.do_what_is_due(&world.nodes[0]).await,
                };
                if !store.set(usize::MAX) {
                    result.unwrap();
                    assert_ne!(world.whole().await, before);
                    break;
                }
                failed += 1;
                assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
                // As a process finds it that starts now.
                world.nodes.clear();
                world.add_node().await;
                let after = world.whole().await;
                assert_eq!(after == before, fault == Fault::NotMade);
                match by_itself {
                    false => drop(world.call(rotate(&version)).await.unwrap()),
                    true => world.nodes[0].secrets.do_what_is_due(&world.nodes[0]).await.unwrap(),
                }
                let last = world.whole().await;
                assert_ne!(last, before);
                // What was done without an answer is not done again.
                assert_eq!(last == after, fault == Fault::Unanswered);
            }
        }
        assert!(failed >= 2, "{failed}");
    }
}
