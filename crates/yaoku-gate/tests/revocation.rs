//! Every operation on keys, held where it can wait, while what it needs is taken away: nothing that is forbidden by then is
//! committed, and no result of it is released.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::borrow::Cow;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use yaoku_audit::note::Signer;
use yaoku_audit::{Options as LogOptions, Sync as LogSync, Trail};
use yaoku_crypto::asymmetric::SigningAlgorithm;
use yaoku_crypto::mac::Hash;
use yaoku_crypto::unwrapping::UnwrappingAlgorithm;
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec, WrappingPublicKey};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_gate::{
    Arrival, Failure, Gate, GateConfig, Metrics, Refusal, RequestId, Serves, Spelling, Telling, ToldAction,
};
use yaoku_iam::operations::access_keys::{CreateAccessKey, UpdateAccessKey};
use yaoku_iam::operations::attachments::{AttachPolicy, DetachPolicy, ToUser};
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{
    Access, AccessKeyId, AccountId, Answer, Bootstrap, Caller, Field, Iam, Name, Named, OperatingSystemUser, Operation,
    OperationSpec, PolicyName,
};
use yaoku_kms::blob::Content;
use yaoku_kms::operations::aliases::{CreateAlias, DeleteAlias, ListAliases, ListAliasesByKeyId, UpdateAlias};
use yaoku_kms::operations::asymmetric::{
    AsymmetricDecrypt, AsymmetricEncrypt, AsymmetricSign, AsymmetricVerify, GetPublicKey, KeyPair,
};
use yaoku_kms::operations::crypto::{Decrypt, Encrypt, ReEncrypt, ReEncryptSource};
use yaoku_kms::operations::data_keys::{
    DataKeyRequest, Export, ExportDataKey, GenerateAndExportDataKey, GenerateDataKey, GenerateDataKeyWithoutPlaintext,
};
use yaoku_kms::operations::import::{DeleteKeyMaterial, GetParametersForImport, ImportKeyMaterial};
use yaoku_kms::operations::keys::{
    CancelKeyDeletion, CreateKey, DescribeKey, DisableKey, EnableKey, ListKeys, ScheduleKeyDeletion,
    SetDeletionProtection, UpdateKeyDescription,
};
use yaoku_kms::operations::mac::{GenerateMac, MacRequest, VerifyMac};
use yaoku_kms::operations::policies::{GetKeyPolicy, KeyPolicy, SetKeyPolicy};
use yaoku_kms::operations::service::{DescribeAccountStatus, DescribeRegions, OpenService};
use yaoku_kms::operations::tags::{
    ListResourceTags, ListTagResources, TagResource, TagResources, UntagResource, UntagResources,
};
use yaoku_kms::operations::versions::{CreateKeyVersion, DescribeKeyVersion, ListKeyVersions, UpdateRotationPolicy};
use yaoku_kms::operations::{Page, REGISTRY};
use yaoku_kms::{
    AliasName, Clock, EncryptionContext, KeyFilters, KeyId, KeyMetadata, KeySpec, KeyUsage, KeyVersionId, Kms,
    KmsConfig, Origin, ProtectionLevel, SystemClock, Tag,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options, Outcome, Revision, Row, Snapshot, Store, Transaction, Watch};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store that lets something happen before its next commit.
struct Held {
    inner: Embedded,
    before: Mutex<Option<Task>>,
}

#[async_trait]
impl Store for Held {
    async fn get(&self, key: &[u8]) -> Result<Option<Row>, yaoku_store::Error> {
        self.inner.get(key).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, yaoku_store::Error> {
        self.inner.snapshot().await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, yaoku_store::Error> {
        let before = self.before.lock().unwrap().take();
        if let Some(before) = before {
            before.await;
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
}

const ACCOUNT: &str = "1234567890123456";

struct World {
    store: Arc<Held>,
    vault: Arc<Vault>,
    gate: Gate,
    access_key: AccessKeyId,
    dir: tempfile::TempDir,
}

/// An error as its name.
#[derive(Debug, PartialEq)]
struct Spelled(&'static str);

impl Spelling for Spelled {
    fn of(_: Refusal) -> Self {
        Self("refused by the gate")
    }

    fn code(&self) -> (&'static str, usize) {
        (self.0, 0)
    }

    fn message(&self) -> &str {
        self.0
    }

    fn is_ours(&self) -> bool {
        false
    }
}

fn spell(failure: Failure) -> Spelled {
    use yaoku_kms::Error;
    Spelled(match failure {
        Failure::Keys(Error::Denied(_) | Error::Hidden { .. }) => "denied",
        Failure::Keys(Error::State(_) | Error::StateChange(_)) => "state",
        Failure::Keys(Error::KeyNotFound | Error::AliasNotFound | Error::Ciphertext) => "not found",
        Failure::Keys(Error::AlreadyOpen) => "open already",
        Failure::Keys(error) => panic!("{error:?}"),
        Failure::Identities(error) => panic!("{error}"),
        Failure::AuditLog(error) => panic!("{error}"),
    })
}

struct Told(OperationSpec);

impl Telling for Told {
    fn service(&self) -> &str {
        "Test"
    }

    fn api_version(&self) -> &str {
        ""
    }

    fn name(&self) -> &str {
        self.0.name
    }

    fn action(&self) -> Option<ToldAction> {
        Some(ToldAction { access: self.0.access, counted: None })
    }

    fn claimed_access_key(&self) -> &str {
        ""
    }

    fn parameters(&self, _: &mut dyn FnMut(&str, &str)) {}

    fn resources(&self, _: &[Named]) -> Vec<(&'static str, Cow<'_, str>)> {
        Vec::new()
    }

    fn elements(&self) -> Option<serde_json::Value> {
        None
    }
}

fn account() -> AccountId {
    AccountId::parse(ACCOUNT).unwrap()
}

fn user() -> Name {
    Name::parse(Field::UserName, "user").unwrap()
}

fn policy() -> PolicyName {
    PolicyName::System(Name::parse(Field::PolicyName, "AliyunKMSFullAccess").unwrap())
}

async fn open_gate(dir: &tempfile::TempDir, vault: &Arc<Vault>) -> (Gate, Arc<Iam>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let bootstrap = Bootstrap { account: Some(account()), root: None };
    let iam = Iam::open(vault.clone(), clock.clone(), bootstrap).await.unwrap().iam;
    let kms = Kms::open(vault.clone(), iam.clone(), clock.clone(), KmsConfig::default(), None, None).await.unwrap();
    let signer: Arc<Signer> = Arc::new(yaoku_audit::load_signer(vault).await.unwrap());
    let options =
        LogOptions { sync: LogSync::Durable, segment_bytes: 1 << 20, retained_bytes: None, retained_age: None };
    let trail = Arc::new(Trail::open(&dir.path().join("audit"), signer, None, options).unwrap());
    let config = GateConfig { region: "cn-hangzhou".into(), unauthenticated_per_minute: 60 };
    let metrics = Arc::new(Metrics::new(&[], |_| {}));
    let gate = Gate::open(vault.clone(), iam.clone(), kms, clock, metrics, Some(trail), config).await.unwrap();
    (gate, iam)
}

impl World {
    async fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let inner = Embedded::open(&dir.path().join("store"), Options::default()).unwrap();
        let store = Arc::new(Held { inner, before: Mutex::default() });
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
        let (gate, _) = open_gate(&dir, &vault).await;
        let access_key = AccessKeyId::parse("none").unwrap();
        let mut world = Self { store, vault, gate, access_key, dir };
        let root = world.root();
        world.run(&root, CreateUser { name: user(), details: UserDetails::default() }).await.unwrap();
        world.run(&root, AttachPolicy::<ToUser>::new(user(), policy())).await.unwrap();
        let created = world.run(&root, CreateAccessKey { whose: Some(user()) }).await.unwrap();
        world.access_key = created.key.id;
        Arc::new(world)
    }

    fn root(&self) -> Caller {
        self.gate.operator(account(), OperatingSystemUser { uid: 0, login_uid: None }).unwrap()
    }

    fn user(&self) -> Caller {
        self.gate.access_key(self.access_key.as_str()).unwrap().prove(|_| true).unwrap()
    }

    /// An operation through the gate.
    async fn run<O: Operation>(&self, caller: &Caller, operation: O) -> Result<O::Output, Spelled>
    where
        Gate: Serves<O::Domain>,
    {
        self.held(caller, operation, None).await
    }

    /// An operation through the gate, with something that happens after it was performed and before its record is written.
    async fn held<O: Operation>(
        &self,
        caller: &Caller,
        operation: O,
        meanwhile: Option<Task>,
    ) -> Result<O::Output, Spelled>
    where
        Gate: Serves<O::Domain>,
    {
        let told = Told(O::SPEC);
        let arrived = self.gate.arrive(Arrival {
            protocol: "test",
            request_id: RequestId::random(),
            peer: None,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure_transport: true,
            host: "",
            user_agent: None,
            abandoned: None,
        });
        let Ok(admitted) = arrived.admit(true) else { panic!("the log is there") };
        let Ok(call) = admitted.authenticated(caller.clone()) else { panic!("there are few calls") };
        let environment = call.environment();
        let done = call.perform(&told, &environment).perform(operation, false).await;
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        let done = done.map_err(|error| spell(<Gate as Serves<O::Domain>>::failure(error)));
        call.finish(&told, done, spell).await.open()
    }

    async fn key(&self, spec: KeySpec, usage: Option<KeyUsage>, origin: Origin) -> KeyMetadata {
        let create = CreateKey {
            spec,
            usage,
            origin,
            protection: ProtectionLevel::Software,
            description: String::new(),
            rotation: None,
            tags: vec![Tag::new("team", "shop").unwrap()],
            policy: None,
        };
        self.run(&self.root(), create).await.unwrap()
    }
}

/// How something is taken from the caller.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    DisableKey,
    ScheduleKeyDeletion,
    DisableAccessKey,
    DetachPolicy,
}

const WAYS: [Way; 4] = [Way::DisableKey, Way::ScheduleKeyDeletion, Way::DisableAccessKey, Way::DetachPolicy];

impl Way {
    fn taken(self, world: &Arc<World>, key: KeyId) -> Task {
        let world = world.clone();
        Box::pin(async move {
            let root = world.root();
            match self {
                Self::DisableKey => world.run(&root, DisableKey { key }).await.unwrap(),
                Self::ScheduleKeyDeletion => {
                    world.run(&root, ScheduleKeyDeletion { key, pending_days: 7 }).await.unwrap();
                }
                Self::DisableAccessKey => world.switch(false).await,
                Self::DetachPolicy => {
                    world.run(&root, DetachPolicy::<ToUser>::new(user(), policy())).await.unwrap();
                }
            }
        })
    }

    async fn given_back(self, world: &World) {
        match self {
            Self::DisableKey | Self::ScheduleKeyDeletion => {}
            Self::DisableAccessKey => world.switch(true).await,
            Self::DetachPolicy => {
                world.run(&world.root(), AttachPolicy::<ToUser>::new(user(), policy())).await.unwrap();
            }
        }
    }

    /// Whether it forbids an operation that uses the key.
    fn forbids(self, spec: &OperationSpec) -> bool {
        let is_about_a_key = spec.resources.contains(&yaoku_kms::KEY);
        match self {
            // The number of each state in rules: Disabled, PendingDeletion.
            Self::DisableKey => is_about_a_key && spec.states.answer(1) != Answer::Admitted,
            Self::ScheduleKeyDeletion => is_about_a_key && spec.states.answer(2) != Answer::Admitted,
            Self::DisableAccessKey => true,
            Self::DetachPolicy => !spec.resources.is_empty(),
        }
    }
}

impl World {
    async fn switch(&self, active: bool) {
        let update = UpdateAccessKey { whose: Some(user()), id: self.access_key.clone(), active };
        self.run(&self.root(), update).await.unwrap();
    }
}

/// The keys of one attempt.
struct Keys {
    /// Which is taken away: that which the operation needs, or one of them.
    needed: KeyId,
    other: KeyId,
    version: KeyVersionId,
    /// Of `needed`, or of `other` for what needs two keys.
    blob: Vec<u8>,
    alias: AliasName,
    token: Vec<u8>,
    wrapped: Vec<u8>,
    signature: Vec<u8>,
    encrypted: Vec<u8>,
    mac: Vec<u8>,
}

async fn keys(world: &World, operation: &str, number: usize) -> Keys {
    let root = world.root();
    let (spec, usage, origin) = match operation {
        "AsymmetricSign" | "AsymmetricVerify" | "GetPublicKey" => (KeySpec::EcP256, None, Origin::Generated),
        "AsymmetricEncrypt" | "AsymmetricDecrypt" => {
            (KeySpec::EcSm2, Some(KeyUsage::EncryptDecrypt), Origin::Generated)
        }
        "GenerateMac" | "VerifyMac" => (KeySpec::HmacSha256, None, Origin::Generated),
        "GetParametersForImport" | "ImportKeyMaterial" | "DeleteKeyMaterial" => {
            (KeySpec::Aes256, None, Origin::External)
        }
        _ => (KeySpec::Aes256, None, Origin::Generated),
    };
    let needed = world.key(spec, usage, origin).await.id;
    let other = world.key(KeySpec::Aes256, None, Origin::Generated).await.id;
    let alias = AliasName::parse(&format!("alias/{number}")).unwrap();
    if operation != "CreateAlias" {
        world.run(&root, CreateAlias { alias: alias.clone(), key: other }).await.unwrap();
    }
    let mut made = Keys {
        needed,
        other,
        version: KeyVersionId::from_bytes([0; 16]),
        blob: Vec::new(),
        alias,
        token: Vec::new(),
        wrapped: Vec::new(),
        signature: Vec::new(),
        encrypted: Vec::new(),
        mac: Vec::new(),
    };
    if origin == Origin::External {
        let (wrapping_key, algorithm) = (WrappingKeySpec::EcSm2, UnwrappingAlgorithm::Sm2Pke);
        let parameters =
            world.run(&root, GetParametersForImport { key: needed, wrapping_key, algorithm }).await.unwrap();
        let public_key = WrappingPublicKey::from_spki_der(wrapping_key, &parameters.public_key).unwrap();
        let wrap = || public_key.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, &[7; 32]).unwrap();
        let (token, wrapped) = (parameters.token, wrap());
        let import = ImportKeyMaterial { key: needed, token: token.clone(), wrapped, expires: None };
        world.run(&root, import).await.unwrap();
        (made.token, made.wrapped) = (token, wrap());
        return made;
    }
    let page = Page { number: 1, size: 10 };
    let versions = world.run(&root, ListKeyVersions { key: needed.into(), page }).await.unwrap();
    made.version = versions.items[0].id;
    let key_pair = || KeyPair { key: needed.into(), version: made.version };
    match operation {
        "AsymmetricVerify" => {
            let algorithm = SigningAlgorithm::EcdsaSha256;
            let sign = AsymmetricSign { key_pair: key_pair(), algorithm, digest: vec![1; 32] };
            made.signature = world.run(&root, sign).await.unwrap().bytes;
        }
        "AsymmetricDecrypt" => {
            let plaintext = Secret::new(b"text".to_vec());
            let encrypt = AsymmetricEncrypt { key_pair: key_pair(), algorithm: WrappingAlgorithm::Sm2Pke, plaintext };
            made.encrypted = world.run(&root, encrypt).await.unwrap().bytes;
        }
        "VerifyMac" => made.mac = world.run(&root, GenerateMac(mac_request(needed))).await.unwrap().code,
        "CancelKeyDeletion" => {
            world.run(&root, ScheduleKeyDeletion { key: needed, pending_days: 7 }).await.unwrap();
        }
        "EnableKey" => world.run(&root, DisableKey { key: needed }).await.unwrap(),
        _ if spec == KeySpec::Aes256 => {
            let key = if operation == "ReEncrypt" { other } else { needed };
            made.blob = world.run(&root, encrypt(key)).await.unwrap().blob;
        }
        _ => {}
    }
    made
}

fn encrypt(key: KeyId) -> Encrypt {
    let plaintext = Secret::new(b"text".to_vec());
    Encrypt { key: key.into(), plaintext, content: Content::Bytes, context: EncryptionContext::default() }
}

fn mac_request(key: KeyId) -> MacRequest {
    MacRequest { key: key.into(), hash: Hash::Sha256, message: Secret::new(b"text".to_vec()) }
}

fn data_key(key: KeyId) -> DataKeyRequest {
    DataKeyRequest { key: key.into(), length: 32, context: EncryptionContext::default() }
}

/// Performs the operation of that name as the user; whether its result was released.
async fn attempt(world: &World, name: &str, keys: Keys, meanwhile: Option<Task>) -> Result<(), Spelled> {
    let caller = world.user();
    let key = keys.needed;
    let key_pair = KeyPair { key: key.into(), version: keys.version };
    let page = Page { number: 1, size: 10 };
    let export = || {
        let made = include_bytes!("public-key.der").to_vec();
        Export { spec: WrappingKeySpec::EcSm2, algorithm: WrappingAlgorithm::Sm2Pke, public_key: made }
    };
    macro_rules! run {
        ($operation:expr) => {
            world.held(&caller, $operation, meanwhile).await.map(drop)
        };
    }
    let context = EncryptionContext::default;
    match name {
        "CreateKey" => run!(CreateKey {
            spec: KeySpec::Aes256,
            usage: None,
            origin: Origin::Generated,
            protection: ProtectionLevel::Software,
            description: String::new(),
            rotation: None,
            tags: Vec::new(),
            policy: None,
        }),
        "DescribeKey" => run!(DescribeKey { key: key.into() }),
        "ListKeys" => run!(ListKeys { filters: KeyFilters::default(), page }),
        "EnableKey" => run!(EnableKey { key }),
        "DisableKey" => run!(DisableKey { key }),
        "ScheduleKeyDeletion" => run!(ScheduleKeyDeletion { key, pending_days: 7 }),
        "CancelKeyDeletion" => run!(CancelKeyDeletion { key }),
        "SetDeletionProtection" => run!(SetDeletionProtection { key, protection: Some("it is needed".into()) }),
        "UpdateKeyDescription" => run!(UpdateKeyDescription { key, description: "new".into() }),
        "CreateKeyVersion" => run!(CreateKeyVersion { key: key.into() }),
        "DescribeKeyVersion" => run!(DescribeKeyVersion { key: key.into(), version: keys.version }),
        "ListKeyVersions" => run!(ListKeyVersions { key: key.into(), page }),
        "UpdateRotationPolicy" => run!(UpdateRotationPolicy { key, interval: None }),
        "Encrypt" => run!(encrypt(key)),
        "Decrypt" => run!(Decrypt { blob: keys.blob, context: context() }),
        "ReEncrypt" => run!(ReEncrypt {
            source: ReEncryptSource::Symmetric { blob: keys.blob, context: context() },
            destination: key.into(),
            destination_context: context(),
        }),
        "AsymmetricSign" => {
            run!(AsymmetricSign { key_pair, algorithm: SigningAlgorithm::EcdsaSha256, digest: vec![1; 32] })
        }
        "AsymmetricVerify" => run!(AsymmetricVerify {
            key_pair,
            algorithm: SigningAlgorithm::EcdsaSha256,
            digest: vec![1; 32],
            signature: keys.signature,
        }),
        "AsymmetricEncrypt" => {
            let plaintext = Secret::new(b"text".to_vec());
            run!(AsymmetricEncrypt { key_pair, algorithm: WrappingAlgorithm::Sm2Pke, plaintext })
        }
        "AsymmetricDecrypt" => {
            run!(AsymmetricDecrypt { key_pair, algorithm: WrappingAlgorithm::Sm2Pke, ciphertext: keys.encrypted })
        }
        "GetPublicKey" => run!(GetPublicKey { key_pair }),
        "GenerateMac" => run!(GenerateMac(mac_request(key))),
        "VerifyMac" => run!(VerifyMac { request: mac_request(key), code: keys.mac }),
        "GetParametersForImport" => run!(GetParametersForImport {
            key,
            wrapping_key: WrappingKeySpec::EcSm2,
            algorithm: UnwrappingAlgorithm::Sm2Pke
        }),
        "ImportKeyMaterial" => {
            run!(ImportKeyMaterial { key, token: keys.token, wrapped: keys.wrapped, expires: None })
        }
        "DeleteKeyMaterial" => run!(DeleteKeyMaterial { key }),
        "GenerateDataKey" => run!(GenerateDataKey(data_key(key))),
        "GenerateDataKeyWithoutPlaintext" => run!(GenerateDataKeyWithoutPlaintext(data_key(key))),
        "ExportDataKey" => run!(ExportDataKey { blob: keys.blob, context: context(), export: export() }),
        "GenerateAndExportDataKey" => run!(GenerateAndExportDataKey { request: data_key(key), export: export() }),
        "CreateAlias" => run!(CreateAlias { alias: keys.alias, key }),
        "UpdateAlias" => run!(UpdateAlias { alias: keys.alias, key }),
        "DeleteAlias" => run!(DeleteAlias { alias: keys.alias }),
        "ListAliases" => run!(ListAliases { page }),
        "ListAliasesByKeyId" => run!(ListAliasesByKeyId { key, page }),
        "TagResource" => run!(TagResource { key, tags: vec![Tag::new("a", "b").unwrap()] }),
        "UntagResource" => run!(UntagResource { key, tag_keys: vec!["team".into()] }),
        "ListResourceTags" => run!(ListResourceTags { key }),
        "TagResources" => {
            run!(TagResources { keys: vec![key, keys.other], tags: vec![Tag::new("a", "b").unwrap()] })
        }
        "UntagResources" => run!(UntagResources { keys: vec![key, keys.other], tag_keys: None }),
        "ListTagResources" => run!(ListTagResources { keys: vec![key], tags: Vec::new(), after: None }),
        "SetKeyPolicy" => run!(SetKeyPolicy { key, policy: KeyPolicy::default_of(account()) }),
        "GetKeyPolicy" => run!(GetKeyPolicy { key }),
        "DescribeRegions" => run!(DescribeRegions),
        "DescribeAccountKmsStatus" => run!(DescribeAccountStatus),
        "OpenKmsService" => run!(OpenService),
        other => panic!("say here how {other} is performed"),
    }
}

/// The service alone does these.
const BY_ITSELF: [&str; 3] = ["RotateKey", "ExpireKeyMaterial", "DeleteKey"];

fn operations() -> impl Iterator<Item = &'static OperationSpec> {
    REGISTRY.iter().filter(|spec| !BY_ITSELF.contains(&spec.name))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_between_the_computation_and_the_record_is_not_released() {
    let world = World::new().await;
    let mut number = 0;
    for spec in operations().filter(|spec| spec.access == Access::Read) {
        for way in WAYS.into_iter().filter(|way| way.forbids(spec)) {
            number += 1;
            let keys = keys(&world, spec.name, number).await;
            let taken = way.taken(&world, keys.needed);
            let released = attempt(&world, spec.name, keys, Some(taken)).await;
            // It fails always.
            let is_refused = spec.name == "OpenKmsService" || matches!(released, Err(Spelled("denied" | "state")));
            assert!(is_refused, "{} after {way:?}: {released:?}", spec.name);
            way.given_back(&world).await;
        }
    }
    assert!(number > 80, "{number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_between_a_decision_and_its_commit_does_not_take_effect() {
    let world = World::new().await;
    let mut number = 0;
    for spec in operations().filter(|spec| spec.access == Access::Write) {
        for way in WAYS.into_iter().filter(|way| way.forbids(spec)) {
            // What is pending deletion already, or disabled, can't be made so.
            let state = [Way::DisableKey, Way::ScheduleKeyDeletion].contains(&way);
            if state && ["CancelKeyDeletion", "EnableKey"].contains(&spec.name) {
                continue;
            }
            number += 1;
            let keys = keys(&world, spec.name, number).await;
            let key = keys.needed;
            let before = world.run(&world.root(), DescribeKey { key: key.into() }).await.unwrap();
            // Changes of rotation that change nothing commit nothing; what is taken is then asked about again at the end.
            let taken = way.taken(&world, key);
            *world.store.before.lock().unwrap() = Some(taken);
            let done = attempt(&world, spec.name, keys, None).await;
            let commits = world.store.before.lock().unwrap().take().is_none();
            if commits {
                assert!(matches!(done, Err(Spelled("denied" | "state"))), "{} after {way:?}: {done:?}", spec.name);
                if !state {
                    let after = world.run(&world.root(), DescribeKey { key: key.into() }).await.unwrap();
                    assert_eq!(before, after, "{} after {way:?}", spec.name);
                }
                way.given_back(&world).await;
            } else {
                assert!(["UpdateRotationPolicy"].contains(&spec.name), "{} commits nothing", spec.name);
            }
        }
    }
    assert!(number > 40, "{number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_record_was_not_written_is_recorded_at_the_next_start() {
    let world = World::new().await;
    let key = world.key(KeySpec::Aes256, None, Origin::Generated).await.id;
    world.gate.settle_intents().await.unwrap();
    {
        // As if the process ended between commit and record.
        let told = Told(DisableKey::SPEC);
        let arrived = world.gate.arrive(Arrival {
            protocol: "test",
            request_id: RequestId::random(),
            peer: None,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure_transport: true,
            host: "",
            user_agent: None,
            abandoned: None,
        });
        let Ok(admitted) = arrived.admit(true) else { panic!("the log is there") };
        let Ok(call) = admitted.authenticated(world.root()) else { panic!("there are few calls") };
        let environment = call.environment();
        let done = call.perform(&told, &environment).perform(DisableKey { key }, false).await;
        assert!(done.is_ok());
    }
    let World { vault, dir, gate, .. } = Arc::into_inner(world).unwrap();
    drop(gate);
    let recorded = || {
        let mut log = yaoku_audit::Backwards::open(&dir.path().join("audit"), u64::MAX).unwrap();
        let mut count = 0;
        while let Some(group) = log.group().unwrap() {
            let text = group.iter().map(|(_, record)| String::from_utf8_lossy(record).into_owned());
            count += text.filter(|text| text.contains("\"DisableKey\"")).count();
        }
        count
    };
    assert_eq!(recorded(), 0);
    let (gate, _) = open_gate(&dir, &vault).await;
    assert_eq!(recorded(), 1);
    drop(gate);
    let (_gate, _) = open_gate(&dir, &vault).await;
    assert_eq!(recorded(), 1, "once");
}
