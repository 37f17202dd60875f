//! What a token holds and the store knows of it: by a clock that is moved, and with commits that fail. Tried with SoftHSM2.
//!
//! The library reads its configuration from the environment, once a process; so the tests run in a process of their own,
//! which the one test that is not ignored starts.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "support/performer.rs"]
mod performer;
#[path = "../../yaoku-crypto/tests/support/softhsm.rs"]
mod softhsm;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use performer::Unrecorded;
use softhsm::{PIN, SoftHsm, module};
use yaoku_crypto::pkcs11::{Token, TokenConfig};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::{AccountId, Bootstrap, Environment, Iam, Principal};
use yaoku_kms::blob::Content;
use yaoku_kms::operations::crypto::{Decrypt, Encrypt};
use yaoku_kms::operations::keys::{CreateKey, DescribeKey, ScheduleKeyDeletion};
use yaoku_kms::operations::versions::CreateKeyVersion;
use yaoku_kms::{
    Call, EncryptionContext, Error, KeyId, KeySpec, KeyState, Kms, KmsConfig, ManualClock, Operation, Origin,
    ProtectionLevel, Timestamp, Trace,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{
    Digest, Digester, Embedded, Found, Limits, Options, Outcome, Revision, Row, Snapshot, Store, StoreId, Transaction,
    Trust, Watch,
};

const DAY: u64 = 86_400;
const HERE: Environment<'_> = Environment {
    time: 1_795_485_600_000,
    source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    secure_transport: true,
    user_agent: None,
    encryption_context: None,
};

#[test]
fn objects_live_as_long_as_their_keys() {
    let Some(hsm) = SoftHsm::new() else { return };
    let out = hsm.run_ignored_tests();
    assert!(out.contains("test result: ok. 5 passed"), "{out}");
}

/// One for all tests: the library is one for the process.
static TOKEN: LazyLock<Arc<Token>> = LazyLock::new(|| {
    let pin = Secret::new(PIN.as_bytes().to_vec());
    let config = TokenConfig { module: module().unwrap(), label: Some("keys".into()), pin, sessions: 4 };
    Arc::new(Token::open(config).unwrap())
});

/// How many objects the one token of all tests holds.
fn objects() -> usize {
    softhsm::objects_of(Path::new(&std::env::var_os("SOFTHSM2_CONF").unwrap()))
}

/// A store whose disk fails when told to, from the second commit on.
struct Failing {
    inner: Embedded,
    armed: AtomicBool,
    spare_one: AtomicBool,
}

#[async_trait]
impl Store for Failing {
    async fn get(&self, key: &[u8]) -> Result<Option<Row>, yaoku_store::Error> {
        self.inner.get(key).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, yaoku_store::Error> {
        self.inner.snapshot().await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, yaoku_store::Error> {
        if self.armed.load(Ordering::SeqCst) && !self.spare_one.swap(false, Ordering::SeqCst) {
            return Err(yaoku_store::Error::Unavailable("no space left".into()));
        }
        self.inner.commit(transaction).await
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

/// The clock here is moved by days at once, which is what these tests are about.
fn config() -> KmsConfig {
    KmsConfig { deletion_patience: 0, ..KmsConfig::default() }
}

struct World {
    store: Arc<Failing>,
    clock: Arc<ManualClock>,
    principal: Principal,
    kms: Arc<Kms>,
    performer: Unrecorded,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::over(Options::default()).await
    }

    async fn over(options: Options) -> Self {
        Self::with(options, config()).await
    }

    async fn with(options: Options, config: KmsConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inner = Embedded::open(&dir.path().join("store"), options).unwrap();
        let store = Arc::new(Failing { inner, armed: AtomicBool::new(false), spare_one: AtomicBool::new(false) });
        let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
        let principal = Principal::root(AccountId::parse("1234567890123456").unwrap());
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
        let bootstrap = Bootstrap { account: Some(principal.account()), root: None, ..Bootstrap::default() };
        let opened = Iam::open(vault.clone(), clock.clone(), bootstrap).await.unwrap();
        let token = Some(TOKEN.clone());
        let iam = opened.iam;
        let kms = Kms::open(vault, iam.clone(), clock.clone(), config, token, None).await.unwrap();
        let performer = Unrecorded { kms: kms.clone(), iam };
        Self { store, clock, principal, kms, performer, _dir: dir }
    }

    async fn call<O: Operation<Domain = Kms>>(&self, operation: O) -> Result<O::Output, Error> {
        let trace = Trace::default();
        operation.perform(&self.kms, &Call::of(&self.principal, &HERE, &trace)).await
    }

    async fn key(&self, spec: KeySpec) -> Result<KeyId, Error> {
        let create = CreateKey {
            spec,
            usage: None,
            origin: Origin::Generated,
            protection: ProtectionLevel::Hsm,
            description: String::new(),
            rotation: None,
            tags: Vec::new(),
            policy: None,
        };
        self.call(create).await.map(|key| key.id)
    }

    /// What is claimed at one look is destroyed at the next.
    async fn looks(&self) {
        for _ in 0..2 {
            self.kms.do_what_is_due(&self.performer).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by objects_live_as_long_as_their_keys"]
async fn deletion_destroys_the_objects_of_every_version() {
    let world = World::new().await;
    let before = objects();
    let kept = world.key(KeySpec::Aes256).await.unwrap();
    let doomed = world.key(KeySpec::Aes256).await.unwrap();
    let pair = world.key(KeySpec::EcP256).await.unwrap();
    for _ in 0..3 {
        world.clock.advance_seconds(DAY * 7);
        world.call(CreateKeyVersion { key: doomed.into() }).await.unwrap();
    }
    let mut blobs = Vec::new();
    for content in [Content::Bytes, Content::Text] {
        let (plaintext, context) = (Secret::new(b"text".to_vec()), EncryptionContext::default());
        let encrypt = Encrypt { key: kept.into(), plaintext, content, context };
        blobs.push((content, world.call(encrypt).await.unwrap().blob));
    }
    let full = objects();
    assert_eq!(full - before, 1 + 4 + 2);
    for key in [doomed, pair] {
        world.call(ScheduleKeyDeletion { key, pending_days: 7 }).await.unwrap();
    }
    world.clock.advance_seconds(7 * DAY - 1);
    world.looks().await;
    assert_eq!(objects(), full, "nothing is destroyed before its time");
    world.clock.advance_seconds(1);
    world.looks().await;
    assert_eq!(objects() - before, 1);
    for (content, blob) in blobs {
        let mut unmarked = blob.clone();
        unmarked[0] ^= 0x80;
        let opened = world.call(Decrypt { blob, context: EncryptionContext::default() }).await.unwrap();
        assert!(opened.plaintext.ct_eq(b"text") && opened.content == content);
        let refused = world.call(Decrypt { blob: unmarked, context: EncryptionContext::default() }).await;
        assert!(matches!(refused, Err(Error::Ciphertext)), "{content:?}");
    }
}

/// A store that takes little at a time has the objects marked in several commits; where one fails, the rest is marked later.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by objects_live_as_long_as_their_keys"]
async fn a_key_with_more_objects_than_a_transaction_takes_marks_is_deleted_whole() {
    const VERSIONS: usize = 130;
    let limits = Limits { operations: Limits::LEAST_OPERATIONS, ..Options::DEFAULT.limits };
    let world = World::over(Options { limits, ..Options::default() }).await;
    let before = objects();
    let key = world.key(KeySpec::Aes256).await.unwrap();
    for _ in 1..VERSIONS {
        world.call(CreateKeyVersion { key: key.into() }).await.unwrap();
    }
    let plaintext = Secret::new(b"text".to_vec());
    let context = EncryptionContext::default();
    world.call(Encrypt { key: key.into(), plaintext, content: Content::Bytes, context }).await.unwrap();
    assert_eq!(objects() - before, VERSIONS);
    world.call(ScheduleKeyDeletion { key, pending_days: 7 }).await.unwrap();
    world.clock.advance_seconds(7 * DAY);

    let revision = async || world.store.snapshot().await.unwrap().revision().0;
    let scheduled = revision().await;
    world.store.spare_one.store(true, Ordering::SeqCst);
    world.store.armed.store(true, Ordering::SeqCst);
    world.kms.do_what_is_due(&world.performer).await.unwrap_err();
    assert_eq!(revision().await, scheduled + 1, "marks come in several commits");
    world.store.armed.store(false, Ordering::SeqCst);
    let about = world.call(DescribeKey { key: key.into() }).await.unwrap();
    assert_eq!(about.state, KeyState::PendingDeletion);

    world.looks().await;
    world.looks().await;
    assert!(matches!(world.call(DescribeKey { key: key.into() }).await, Err(Error::KeyNotFound)));
    assert_eq!(objects(), before);
}

/// An object of a CreateKey that could not commit goes after an hour; the keys that could stay.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by objects_live_as_long_as_their_keys"]
async fn objects_that_came_into_no_key_are_destroyed() {
    let world = World::new().await;
    let before = objects();
    world.key(KeySpec::Aes256).await.unwrap();
    world.store.spare_one.store(true, Ordering::SeqCst);
    world.store.armed.store(true, Ordering::SeqCst);
    assert!(matches!(world.key(KeySpec::Aes256).await, Err(Error::Unavailable(_))));
    world.store.armed.store(false, Ordering::SeqCst);
    assert_eq!(objects() - before, 2, "the object was made before its key could be stored");
    world.clock.advance_seconds(3599);
    world.looks().await;
    assert_eq!(objects() - before, 2);
    world.clock.advance_seconds(1);
    world.looks().await;
    assert_eq!(objects() - before, 1);
    world.clock.advance_seconds(30 * DAY);
    world.looks().await;
    assert_eq!(objects() - before, 1, "the object of a key stays");
}

/// What was wrapped for an object of an import is of no use without it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by objects_live_as_long_as_their_keys"]
async fn a_clock_that_jumps_destroys_no_object_in_the_making() {
    let world = World::with(Options::default(), KmsConfig::default()).await;
    let before = objects();
    world.store.spare_one.store(true, Ordering::SeqCst);
    world.store.armed.store(true, Ordering::SeqCst);
    assert!(matches!(world.key(KeySpec::Aes256).await, Err(Error::Unavailable(_))));
    world.store.armed.store(false, Ordering::SeqCst);
    assert_eq!(objects() - before, 1);
    world.clock.advance_seconds(8 * DAY);
    world.looks().await;
    assert_eq!(objects() - before, 1);
}

/// While CreateKey is at work for longer than an object in the making is kept, either of the two goes through, never both.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by objects_live_as_long_as_their_keys"]
async fn no_key_comes_to_be_without_its_object() {
    let world = Arc::new(World::new().await);
    let before = objects();
    let hurry = |pace| {
        tokio::spawn({
            let world = world.clone();
            async move {
                loop {
                    world.clock.advance_seconds(600);
                    world.kms.do_what_is_due(&world.performer).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(pace)).await;
                }
            }
        })
    };
    let (mut made, mut late) = (0, 0);
    // From one pace at which all are late to one at which none is.
    for pace in [0, 1, 2, 5, 10, 20, 50, 100, 200, 500] {
        let hurry = hurry(pace);
        for _ in 0..4 {
            match world.key(KeySpec::Rsa2048).await {
                Ok(_) => made += 1,
                Err(_) => late += 1,
            }
        }
        hurry.abort();
        let _ = hurry.await;
    }
    world.clock.advance_seconds(3600);
    world.looks().await;
    assert!(late > 0, "none was late");
    assert_eq!(objects() - before, 2 * made);
}
