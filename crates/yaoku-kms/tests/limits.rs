//! Over a store that takes little in one transaction: what is more is split or refused, and nothing is done by halves.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "support/performer.rs"]
mod performer;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use performer::Unrecorded;

use yaoku_crypto::SystemRandom;
use yaoku_iam::{AccountId, Bootstrap, Environment, Iam, Principal};
use yaoku_kms::operations::Page;
use yaoku_kms::operations::aliases::{CreateAlias, ListAliases};
use yaoku_kms::operations::keys::{CreateKey, DescribeKey, ScheduleKeyDeletion};
use yaoku_kms::operations::tags::{ListResourceTags, TagResources};
use yaoku_kms::operations::versions::CreateKeyVersion;
use yaoku_kms::{
    AliasName, Call, Error, KeyId, KeySpec, KeyState, Kms, KmsConfig, ManualClock, Operation, Origin, ProtectionLevel,
    Tag, Timestamp, Trace,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Limits, Options, Store};

const DAY: u64 = 86_400;
const HERE: Environment<'_> = Environment {
    time: 1_795_485_600_000,
    source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    secure_transport: true,
    user_agent: None,
    encryption_context: None,
};

struct World {
    store: Arc<Embedded>,
    clock: Arc<ManualClock>,
    principal: Principal,
    by: Unrecorded,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { limits, ..Options::default() };
        let store = Arc::new(Embedded::open(&dir.path().join("store"), options).unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
        let principal = Principal::root(AccountId::parse("1234567890123456").unwrap());
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
        let bootstrap = Bootstrap { account: Some(principal.account()), root: None, ..Bootstrap::default() };
        let iam = Iam::open(vault.clone(), clock.clone(), bootstrap).await.unwrap().iam;
        let config = KmsConfig { deletion_patience: 0, ..KmsConfig::default() };
        let kms = Kms::open(vault, iam.clone(), clock.clone(), config, None, None).await.unwrap();
        Self { store, clock, principal, by: Unrecorded { kms, iam }, _dir: dir }
    }

    async fn call<O: Operation<Domain = Kms>>(&self, operation: O) -> Result<O::Output, Error> {
        operation.perform(&self.by.kms, &Call::of(&self.principal, &HERE, &Trace::default())).await
    }

    async fn key(&self, description: String) -> KeyId {
        let create = CreateKey {
            spec: KeySpec::Aes256,
            usage: None,
            origin: Origin::Generated,
            protection: ProtectionLevel::Software,
            description,
            rotation: None,
            tags: Vec::new(),
            policy: None,
        };
        self.call(create).await.unwrap().id
    }

    async fn rows(&self) -> usize {
        let snapshot = self.store.snapshot().await.unwrap();
        snapshot.scan(&[], None, 100_000).await.unwrap().len()
    }

    async fn tags(&self, key: KeyId) -> usize {
        self.call(ListResourceTags { key }).await.unwrap().len()
    }
}

fn tag() -> Vec<Tag> {
    vec![Tag { key: "k".into(), value: "v".into() }]
}

/// As small as a store may be.
const SMALL: Limits = Limits { operations: Limits::LEAST_OPERATIONS, value_bytes: 1 << 20, bytes: 2 << 20 };

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_more_rows_than_a_transaction_takes_is_deleted_whole() {
    let world = World::new(SMALL).await;
    let before = world.rows().await;
    let key = world.key(String::new()).await;
    for number in 0..70 {
        world.call(CreateKeyVersion { key: key.into() }).await.unwrap();
        let alias = AliasName::parse(&format!("alias/{number}")).unwrap();
        world.call(CreateAlias { alias, key }).await.unwrap();
    }
    assert!(world.rows().await >= before + 140);
    world.call(ScheduleKeyDeletion { key, pending_days: 7 }).await.unwrap();
    world.clock.advance_seconds(7 * DAY - 1);
    world.by.kms.do_what_is_due(&world.by).await.unwrap();
    assert_eq!(world.call(DescribeKey { key: key.into() }).await.unwrap().state, KeyState::PendingDeletion);
    world.clock.advance_seconds(1);
    world.by.kms.do_what_is_due(&world.by).await.unwrap();
    assert!(matches!(world.call(DescribeKey { key: key.into() }).await, Err(Error::KeyNotFound)));
    assert_eq!(world.call(ListAliases { page: Page { number: 1, size: 100 } }).await.unwrap().total, 0);
    // And the mark for the scrub.
    assert_eq!(world.rows().await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_as_many_keys_as_there_can_be_are_put_in_one_transaction() {
    let world = World::new(SMALL).await;
    let mut keys = Vec::new();
    for _ in 0..50 {
        keys.push(world.key(String::new()).await);
    }
    let before = world.store.snapshot().await.unwrap().revision();
    world.call(TagResources { keys: keys.clone(), tags: tag() }).await.unwrap();
    assert_eq!(world.store.snapshot().await.unwrap().revision().0, before.0 + 1);
    assert_eq!(world.tags(keys[49]).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_can_not_be_split_is_refused_with_a_sentence_and_not_done_in_part() {
    // Room for some keys with long descriptions, but not for many.
    let world = World::new(Limits { bytes: 48 << 10, value_bytes: 40 << 10, ..SMALL }).await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(world.key("é".repeat(4000)).await);
    }
    let refused = world.call(TagResources { keys: keys.clone(), tags: tag() }).await;
    let Err(Error::LimitExceeded(why)) = refused else { panic!("{refused:?}") };
    assert_eq!(why, "the change is more than the store takes in one commit; make it in smaller parts");
    for key in &keys {
        assert_eq!(world.tags(*key).await, 0);
    }
    world.call(TagResources { keys: keys[..4].to_vec(), tags: tag() }).await.unwrap();
    assert_eq!((world.tags(keys[3]).await, world.tags(keys[4]).await), (1, 0));
}
