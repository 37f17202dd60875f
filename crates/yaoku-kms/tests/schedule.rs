//! What happens by itself: rotation and deletion by a clock that is moved, once however many processes try, and the end of
//! deleted key material in the store's files.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "support/performer.rs"]
mod performer;

use std::io::{Seek, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use performer::Unrecorded;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use yaoku_crypto::unwrapping::UnwrappingAlgorithm;
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec, WrappingPublicKey};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::{AccountId, Bootstrap, Environment, Iam, Principal};
use yaoku_kms::blob::Content;
use yaoku_kms::operations::Page;
use yaoku_kms::operations::aliases::CreateAlias;
use yaoku_kms::operations::crypto::{Decrypt, Encrypt, Encrypted};
use yaoku_kms::operations::import::{GetParametersForImport, ImportKeyMaterial};
use yaoku_kms::operations::keys::{
    CancelKeyDeletion, CreateKey, DescribeKey, DisableKey, EnableKey, ScheduleKeyDeletion,
};
use yaoku_kms::operations::versions::{ListKeyVersions, UpdateRotationPolicy};
use yaoku_kms::{
    AliasName, Call, Clock, Dependents, EncryptionContext, Error, KeyId, KeyMetadata, KeySpec, KeyState, Kms,
    KmsConfig, ManualClock, Operation, Origin, Performer, ProtectionLevel, RotationInterval, RotationStatus, Timestamp,
    Trace,
};
use yaoku_seal::seal::FileSeal;
use yaoku_seal::{NotInForce, Revision, Vault, backup};
use yaoku_store::{Embedded, Options, Store};

const DAY: u64 = 86_400;
/// The circumstances of all calls here.
const HERE: Environment<'_> = Environment {
    time: 1_795_485_600_000,
    source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    secure_transport: true,
    user_agent: None,
    encryption_context: None,
};

struct World {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    principal: Principal,
    config: KmsConfig,
    /// Several domains over one store, as several processes would be.
    nodes: Vec<Arc<Kms>>,
    performers: Vec<Arc<Unrecorded>>,
}

impl World {
    /// The clock here is moved by days at once, which is what these tests are about.
    async fn new(nodes: usize) -> Self {
        Self::patient(nodes, 0).await
    }

    /// Where the clock must have been steady for some seconds.
    async fn patient(nodes: usize, deletion_patience: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
        let mut world = Self {
            principal: Principal::root(AccountId::parse("1234567890123456").unwrap()),
            dir,
            store,
            clock,
            config: KmsConfig { deletion_patience, ..KmsConfig::default() },
            nodes: Vec::new(),
            performers: Vec::new(),
        };
        for _ in 0..nodes {
            world.add_node().await;
        }
        world
    }

    async fn add_node(&mut self) {
        let seal = Arc::new(FileSeal { path: self.dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(self.store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
        let account = Some(self.principal.account());
        let opened =
            Iam::open(vault.clone(), self.clock.clone(), Bootstrap { account, root: None, ..Bootstrap::default() })
                .await
                .unwrap();
        let iam = opened.iam;
        let kms = Kms::open(vault, iam.clone(), self.clock.clone(), self.config.clone(), None, None).await.unwrap();
        self.performers.push(Arc::new(Unrecorded { kms: kms.clone(), iam }));
        self.nodes.push(kms);
    }

    async fn call<O: Operation<Domain = Kms>>(&self, operation: O) -> Result<O::Output, Error> {
        operation.perform(&self.nodes[0], &Call::of(&self.principal, &HERE, &Trace::default())).await
    }

    async fn key(&self, rotation_days: Option<u64>) -> KeyId {
        let rotation = rotation_days.map(|days| RotationInterval::from_seconds(days * DAY).unwrap());
        self.call(CreateKey { rotation, ..aes_256() }).await.unwrap().id
    }

    async fn describe(&self, key: KeyId) -> KeyMetadata {
        self.call(DescribeKey { key: key.into() }).await.unwrap()
    }

    async fn versions(&self, key: KeyId) -> u64 {
        self.call(ListKeyVersions { key: key.into(), page: Page { number: 1, size: 100 } }).await.unwrap().total
    }

    async fn encrypt(&self, key: KeyId) -> Encrypted {
        let plaintext = Secret::new(b"text".to_vec());
        self.call(Encrypt {
            key: key.into(),
            plaintext,
            content: Content::Bytes,
            context: EncryptionContext::default(),
        })
        .await
        .unwrap()
    }

    /// All nodes look at once, as often as it takes for one of them to be late.
    async fn everyone_looks(&self) {
        for _ in 0..4 {
            let looks: Vec<_> = self
                .performers
                .iter()
                .cloned()
                .map(|by| tokio::spawn(async move { by.kms.do_what_is_due(by.as_ref()).await }))
                .collect();
            for look in looks {
                look.await.unwrap().unwrap();
            }
        }
    }
}

fn aes_256() -> CreateKey {
    CreateKey {
        spec: KeySpec::Aes256,
        usage: None,
        origin: Origin::Generated,
        protection: ProtectionLevel::Software,
        description: String::new(),
        rotation: None,
        tags: Vec::new(),
        policy: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_rotates_when_due_and_once_however_many_try() {
    let world = World::new(4).await;
    let key = world.key(Some(7)).await;
    let old = world.encrypt(key).await;
    for rotation in 1..=10 {
        world.clock.advance_seconds(7 * DAY - 1);
        world.everyone_looks().await;
        assert_eq!(world.versions(key).await, rotation, "not a second early");
        world.clock.advance_seconds(1);
        world.everyone_looks().await;
        assert_eq!(world.versions(key).await, rotation + 1, "once");
    }
    let shown = world.describe(key).await;
    assert_eq!(shown.last_rotation, Some(world.clock.now()));
    assert_ne!(shown.primary, Some(old.version));
    assert_eq!(world.encrypt(key).await.version, shown.primary.unwrap());
    let decrypted = world.call(Decrypt { blob: old.blob, context: EncryptionContext::default() }).await.unwrap();
    assert!(decrypted.version == old.version && decrypted.plaintext.ct_eq(b"text"));
}

/// Keeps what it performed, while it can.
struct Recorder {
    by: Arc<Unrecorded>,
    can_record: AtomicBool,
    done: Arc<Mutex<Vec<&'static str>>>,
}

impl Performer<Kms> for Recorder {
    async fn perform<T: Send, O: Operation<Domain = Kms, Output = Option<T>> + 'static>(
        &self,
        account: AccountId,
        operation: O,
    ) -> Result<Option<T>, Error> {
        if !self.can_record.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("nothing can be recorded".into()));
        }
        let done = self.by.perform(account, operation).await?;
        if done.is_some() {
            self.done.lock().unwrap().push(O::SPEC.name);
        }
        Ok(done)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_recorded_waits_and_each_thing_is_recorded_once() {
    let world = World::new(2).await;
    let done = Arc::new(Mutex::new(Vec::new()));
    let recorders = world.performers.iter().map(|by| {
        let (can_record, done) = (AtomicBool::new(false), done.clone());
        Arc::new(Recorder { by: by.clone(), can_record, done })
    });
    let recorders: Vec<_> = recorders.collect();
    let rotating = world.key(Some(7)).await;
    let deleted = world.key(None).await;
    world.call(ScheduleKeyDeletion { key: deleted, pending_days: 7 }).await.unwrap();
    world.clock.advance_seconds(7 * DAY);
    for recorder in &recorders {
        let waits = recorder.by.kms.do_what_is_due(recorder.as_ref()).await;
        assert!(matches!(waits, Err(Error::Unavailable(_))));
    }
    assert_eq!((world.versions(rotating).await, world.describe(deleted).await.state), (1, KeyState::PendingDeletion));
    recorders.iter().for_each(|recorder| recorder.can_record.store(true, Ordering::SeqCst));
    for _ in 0..4 {
        let looks = recorders
            .iter()
            .cloned()
            .map(|recorder| tokio::spawn(async move { recorder.by.kms.do_what_is_due(recorder.as_ref()).await }));
        for look in looks.collect::<Vec<_>>() {
            look.await.unwrap().unwrap();
        }
    }
    let mut done = done.lock().unwrap().clone();
    done.sort_unstable();
    assert_eq!(done, ["DeleteKey", "RotateKey"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fell_due_while_nobody_ran_is_caught_up_with_once() {
    let mut world = World::new(1).await;
    let key = world.key(Some(7)).await;
    world.nodes.clear();
    world.performers.clear();
    world.clock.advance_seconds(100 * DAY);
    world.add_node().await;
    assert!(world.nodes[0].scheduler_lag() >= 93 * DAY * 1000);
    world.everyone_looks().await;
    assert_eq!((world.versions(key).await, world.nodes[0].scheduler_lag()), (2, 0));
    assert_eq!(world.describe(key).await.next_rotation, Some(world.clock.now().plus_seconds(7 * DAY)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_is_suspended_while_a_key_is_not_enabled() {
    let world = World::new(2).await;
    let key = world.key(Some(7)).await;
    world.call(DisableKey { key }).await.unwrap();
    assert_eq!(world.describe(key).await.rotation_status, RotationStatus::Suspended);
    world.clock.advance_seconds(8 * DAY);
    world.everyone_looks().await;
    assert_eq!(world.versions(key).await, 1);
    world.call(EnableKey { key }).await.unwrap();
    world.everyone_looks().await;
    assert_eq!(world.versions(key).await, 2, "overdue: at once");
    world.call(ScheduleKeyDeletion { key, pending_days: 30 }).await.unwrap();
    world.clock.advance_seconds(8 * DAY);
    world.everyone_looks().await;
    assert_eq!(world.versions(key).await, 2);
    world.call(CancelKeyDeletion { key }).await.unwrap();
    world.everyone_looks().await;
    assert_eq!(world.versions(key).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_whose_next_date_is_past_rotates_at_once() {
    let world = World::new(2).await;
    let key = world.key(None).await;
    world.clock.advance_seconds(30 * DAY);
    let interval = Some(RotationInterval::from_seconds(7 * DAY).unwrap());
    world.call(UpdateRotationPolicy { key, interval }).await.unwrap();
    world.everyone_looks().await;
    assert_eq!(world.versions(key).await, 2);
    world.call(UpdateRotationPolicy { key, interval: None }).await.unwrap();
    world.clock.advance_seconds(30 * DAY);
    world.everyone_looks().await;
    assert_eq!(world.versions(key).await, 2, "switched off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_keys_material_leaves_the_stores_files() {
    let world = World::new(2).await;
    let (doomed, kept) = (world.key(Some(7)).await, world.key(None).await);
    world.clock.advance_seconds(7 * DAY);
    world.everyone_looks().await;
    let kept_blob = world.encrypt(kept).await;
    // The sealed rows of the doomed key's two versions, as bytes: the key id stands in their row keys.
    let snapshot = world.store.snapshot().await.unwrap();
    let rows = snapshot.scan(&[], None, 10_000).await.unwrap();
    let of_doomed = |key: &[u8]| key.windows(16).any(|window| window == doomed.as_bytes());
    let sealed: Vec<_> = rows.into_iter().filter(|row| row.key[0] == 17 && of_doomed(&row.key)).collect();
    assert_eq!(sealed.len(), 2);
    drop(snapshot);
    assert!(sealed.iter().all(|row| is_in_files(world.dir.path(), &row.value)), "they are there before");

    world.call(ScheduleKeyDeletion { key: doomed, pending_days: 7 }).await.unwrap();
    world.clock.advance_seconds(7 * DAY);
    world.everyone_looks().await;
    assert!(matches!(world.call(DescribeKey { key: doomed.into() }).await, Err(Error::KeyNotFound)));
    world.clock.advance_seconds(KmsConfig::default().scrub_delay);
    world.everyone_looks().await;
    for row in &sealed {
        assert!(!is_in_files(world.dir.path(), &row.value), "sealed material is still in a file");
    }
    let decrypt = Decrypt { blob: kept_blob.blob, context: EncryptionContext::default() };
    assert!(world.call(decrypt).await.unwrap().plaintext.ct_eq(b"text"));
}

/// Deletions that come more often than the store is scrubbed do not put the scrub off.
#[tokio::test(flavor = "multi_thread")]
async fn a_trickle_of_deletions_does_not_put_scrubbing_off() {
    let world = World::new(1).await;
    let mut keys = Vec::new();
    for _ in 0..10 {
        let key = world.key(None).await;
        world.call(ScheduleKeyDeletion { key, pending_days: 7 }).await.unwrap();
        keys.push(key);
        world.clock.advance_seconds(KmsConfig::default().scrub_delay / 4);
    }
    let rows = world.store.snapshot().await.unwrap().scan(&[17], None, 100).await.unwrap();
    let material = rows.into_iter().find(|row| row.key.windows(16).any(|id| id == keys[0].as_bytes())).unwrap().value;
    world.clock.advance_seconds(7 * DAY - 10 * KmsConfig::default().scrub_delay / 4);
    for step in 0..10 {
        world.everyone_looks().await;
        let gone = !is_in_files(world.dir.path(), &material);
        assert!(gone || step < 6, "after {step} quarters of the delay it is still there");
        world.clock.advance_seconds(KmsConfig::default().scrub_delay / 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_thousands_of_aliases_is_deleted() {
    let world = World::new(1).await;
    let (key, other) = (world.key(None).await, world.key(None).await);
    let name = |n: usize| AliasName::parse(&format!("alias/{n}")).unwrap();
    let aliases = (0..9000).map(|n| world.call(CreateAlias { alias: name(n), key }));
    let made: Vec<_> = stream::iter(aliases).buffer_unordered(500).collect().await;
    assert!(made.iter().all(Result::is_ok));
    world.call(CreateAlias { alias: name(9000), key: other }).await.unwrap();
    world.call(ScheduleKeyDeletion { key, pending_days: 7 }).await.unwrap();
    world.clock.advance_seconds(7 * DAY);
    world.everyone_looks().await;
    assert!(matches!(world.call(DescribeKey { key: key.into() }).await, Err(Error::KeyNotFound)));
    let left = world.store.snapshot().await.unwrap().scan(&[18], None, 10_000).await.unwrap();
    assert_eq!(left.len(), 1, "aliases of a key that is no more");
}

/// A key that was deleted after the backup is there again, and stays for a week.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_puts_overdue_deletions_off() {
    let mut world = World::new(1).await;
    let (overdue, later) = (world.key(None).await, world.key(None).await);
    world.call(ScheduleKeyDeletion { key: overdue, pending_days: 7 }).await.unwrap();
    world.call(ScheduleKeyDeletion { key: later, pending_days: 30 }).await.unwrap();
    world.nodes.clear();
    world.performers.clear();
    let seal = FileSeal { path: world.dir.path().join("root.key") };
    let mut file = tempfile::tempfile().unwrap();
    {
        let vault = Vault::open(world.store.clone(), Arc::new(seal), Arc::new(SystemRandom)).await.unwrap();
        let mut bytes = Vec::new();
        backup::write(&vault, &mut bytes).await.unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
    }
    let elsewhere = world.dir.path().join("restored");
    world.store = Arc::new(Embedded::open(&elsewhere, Options::default()).unwrap());
    let seal = FileSeal { path: world.dir.path().join("root.key") };
    backup::restore(file, &seal, world.store.as_ref()).await.unwrap();

    let before = world.clock.now();
    world.clock.advance_seconds(8 * DAY);
    world.add_node().await;
    world.nodes[0].settle_restore().await.unwrap();
    world.everyone_looks().await;
    assert_eq!(world.describe(overdue).await.deletion, Some(world.clock.now().plus_seconds(7 * DAY)));
    assert_eq!(world.describe(later).await.deletion, Some(before.plus_seconds(30 * DAY)));
    world.call(CancelKeyDeletion { key: overdue }).await.unwrap();
    // Once only: the next start is none after a restore.
    world.call(ScheduleKeyDeletion { key: overdue, pending_days: 7 }).await.unwrap();
    world.nodes.clear();
    world.performers.clear();
    world.clock.advance_seconds(8 * DAY);
    world.add_node().await;
    world.everyone_looks().await;
    assert!(matches!(world.call(DescribeKey { key: overdue.into() }).await, Err(Error::KeyNotFound)));
}

/// Expiry takes the material, and the key stays what it is otherwise: also one that is to be deleted, and whose time for that
/// has not come.
#[tokio::test(flavor = "multi_thread")]
async fn imported_material_expires_in_every_state() {
    let world = World::new(2).await;
    let material = Secret::new(vec![7; 32]);
    for state in [KeyState::Enabled, KeyState::Disabled, KeyState::PendingDeletion] {
        let create = CreateKey { origin: Origin::External, ..aes_256() };
        let key = world.call(create).await.unwrap().id;
        let wrapping = GetParametersForImport {
            key,
            wrapping_key: WrappingKeySpec::EcSm2,
            algorithm: UnwrappingAlgorithm::Sm2Pke,
        };
        let parameters = world.call(wrapping).await.unwrap();
        let import = |expires| {
            let public_key = WrappingPublicKey::from_spki_der(WrappingKeySpec::EcSm2, &parameters.public_key).unwrap();
            let wrapped = public_key.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, material.expose()).unwrap();
            world.call(ImportKeyMaterial { key, token: parameters.token.clone(), wrapped, expires })
        };
        import(Some(world.clock.now().plus_seconds(DAY / 2))).await.unwrap();
        let blob = world.encrypt(key).await;
        match state {
            KeyState::Disabled => world.call(DisableKey { key }).await.unwrap(),
            KeyState::PendingDeletion => world.call(ScheduleKeyDeletion { key, pending_days: 7 }).await.unwrap(),
            _ => {}
        }
        world.clock.advance_seconds(DAY / 2);
        let decrypt = || world.call(Decrypt { blob: blob.blob.clone(), context: EncryptionContext::default() });
        assert!(matches!(decrypt().await, Err(Error::State(_))), "before the scheduler looks");
        world.everyone_looks().await;
        let shown = world.describe(key).await;
        if state == KeyState::PendingDeletion {
            assert_eq!(shown.state, state);
            world.call(CancelKeyDeletion { key }).await.unwrap();
        }
        assert_eq!(world.describe(key).await.state, KeyState::PendingImport);
        assert_eq!(shown.material_expires, None);
        import(None).await.unwrap();
        assert!(decrypt().await.unwrap().plaintext.ct_eq(b"text"));
        world.clock.advance_seconds(DAY);
        assert!(matches!(import(None).await, Err(Error::ImportTokenExpired)));
    }
}

/// A clock that is ahead for a while takes neither imported material nor a key away: both are back when it is set right.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_destroys_nothing() {
    let world = World::patient(1, 3600).await;
    let imported = world.call(CreateKey { origin: Origin::External, ..aes_256() }).await.unwrap().id;
    let wrapping = GetParametersForImport {
        key: imported,
        wrapping_key: WrappingKeySpec::EcSm2,
        algorithm: UnwrappingAlgorithm::Sm2Pke,
    };
    let parameters = world.call(wrapping).await.unwrap();
    let public_key = WrappingPublicKey::from_spki_der(WrappingKeySpec::EcSm2, &parameters.public_key).unwrap();
    let wrapped = public_key.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, &[7; 32]).unwrap();
    let expires = Some(world.clock.now().plus_seconds(5 * DAY));
    world.call(ImportKeyMaterial { key: imported, token: parameters.token, wrapped, expires }).await.unwrap();
    let deleted = world.key(None).await;
    let blobs = [world.encrypt(imported).await, world.encrypt(deleted).await];
    world.call(ScheduleKeyDeletion { key: deleted, pending_days: 7 }).await.unwrap();
    world.everyone_looks().await;

    let right = world.clock.now();
    world.clock.set(right.plus_seconds(8 * DAY));
    world.everyone_looks().await;
    for blob in &blobs {
        let decrypt = Decrypt { blob: blob.blob.clone(), context: EncryptionContext::default() };
        assert!(world.call(decrypt).await.is_err(), "what is due can't be used");
    }
    world.clock.set(right);
    world.everyone_looks().await;
    world.call(CancelKeyDeletion { key: deleted }).await.unwrap();
    for blob in blobs {
        let decrypt = Decrypt { blob: blob.blob, context: EncryptionContext::default() };
        assert!(world.call(decrypt).await.unwrap().plaintext.ct_eq(b"text"));
    }
}

/// A domain above that has something under every key, or nothing.
#[derive(Default)]
struct Above(AtomicBool);

impl Dependents for Above {
    fn under(&self, _: AccountId, _: KeyId) -> Option<String> {
        self.0.load(Ordering::SeqCst).then(|| "something is encrypted under the key".into())
    }

    fn in_force(&self, _: Revision) -> BoxFuture<'_, Result<(), NotInForce>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Whatever came under a key although its deletion is scheduled: it is not lost with the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_would_take_something_with_it_is_put_off() {
    let world = World::new(1).await;
    let above = Arc::new(Above::default());
    let weak: Weak<Above> = Arc::downgrade(&above);
    world.nodes[0].add_dependents(weak);
    let key = world.key(None).await;
    above.0.store(true, Ordering::SeqCst);
    let schedule = || world.call(ScheduleKeyDeletion { key, pending_days: 7 });
    assert!(matches!(schedule().await, Err(Error::InUse(_))));
    assert_eq!(world.describe(key).await.state, KeyState::Enabled);
    above.0.store(false, Ordering::SeqCst);
    schedule().await.unwrap();
    above.0.store(true, Ordering::SeqCst);
    world.clock.advance_seconds(8 * DAY);
    world.everyone_looks().await;
    let shown = world.describe(key).await;
    assert_eq!(shown.deletion, Some(world.clock.now().plus_seconds(7 * DAY)), "put off by a week");
    world.call(CancelKeyDeletion { key }).await.unwrap();
    schedule().await.unwrap_err();
    above.0.store(false, Ordering::SeqCst);
    schedule().await.unwrap();
    world.clock.advance_seconds(7 * DAY);
    world.everyone_looks().await;
    assert!(matches!(world.call(DescribeKey { key: key.into() }).await, Err(Error::KeyNotFound)));
}

fn is_in_files(dir: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_in_files(&path, bytes);
        }
        std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}
