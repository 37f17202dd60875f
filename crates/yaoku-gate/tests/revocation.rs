//! Every operation, held where it can wait, while what it needs is taken away: nothing that is forbidden by then is committed, and no
//! result of it is released.
//!
//! What is taken is taken by another process that shares the store. In one process a change waits for the one before it, so that it is
//! never answered between that one's decision and its commit.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../../yaoku-crypto/tests/support/softhsm.rs"]
mod softhsm;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use softhsm::{PIN, SoftHsm, module};
use yaoku_audit::note::Signer;
use yaoku_audit::{Direction, Lookup, Options as LogOptions, Sync as LogSync, Trail};
use yaoku_crypto::asymmetric::{KeyAlgorithm, SigningAlgorithm};
use yaoku_crypto::exchange::{ExchangeKey, Point};
use yaoku_crypto::mac::Hash;
use yaoku_crypto::pkcs11::{Token, TokenConfig};
use yaoku_crypto::unwrapping::UnwrappingAlgorithm;
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec, WrappingPublicKey};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_disks::operations::disks::{CreateDisk, DeleteDisk, DisableDisk, EnableDisk, GetDisk, ListDisks, UpdateDisk};
use yaoku_disks::operations::exchange::{AdvertiseDisk, UnlockDisk};
use yaoku_disks::operations::keys::{RotateDisk, WithdrawDiskKeys};
use yaoku_disks::{DiskAbout, DiskName, Disks, DisksConfig};
use yaoku_gate::{
    Arrival, Authenticated, Domains, Failure, Gate, GateConfig, LookupError, LookupEvents, Metrics, Refusal, RequestId,
    Serves, Spelling, Telling, ToldAction,
};
use yaoku_iam::operations::Slice;
use yaoku_iam::operations::access_keys::{
    CreateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed, ListAccessKeys, UpdateAccessKey,
};
use yaoku_iam::operations::attachments::{
    AttachPolicy, DetachPolicy, ListEntitiesForPolicy, ListPoliciesFor, ToGroup, ToRole, ToUser,
};
use yaoku_iam::operations::caller::GetCallerIdentity;
use yaoku_iam::operations::certificates::{BindCertificate, ListCertificates, UnbindCertificate, message_to_sign};
use yaoku_iam::operations::groups::{CreateGroup, DeleteGroup, GetGroup, ListGroups, UpdateGroup};
use yaoku_iam::operations::logins::{DeleteLoginProfile, GetLoginProfile, GetUserMfaInfo, UnbindMfaDevice};
use yaoku_iam::operations::members::{AddUserToGroup, ListGroupsForUser, ListUsersForGroup, RemoveUserFromGroup};
use yaoku_iam::operations::policies::{CreatePolicy, DeletePolicy, GetPolicy, ListPolicies, UpdatePolicyDescription};
use yaoku_iam::operations::roles::{CreateRole, DeleteRole, GetRole, ListRoles, UpdateRole};
use yaoku_iam::operations::sessions::AssumeRole;
use yaoku_iam::operations::tags::{
    ListTagResources as ListIdentityTags, TagResources as TagIdentities, Taggable, UntagResources as UntagIdentities,
};
use yaoku_iam::operations::tokens::{CreateToken, ListTokens, RevokeToken};
use yaoku_iam::operations::users::{CreateUser, DeleteUser, GetUser, ListUsers, UpdateUser, UserDetails};
use yaoku_iam::operations::versions::{
    CreatePolicyVersion, DeletePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion,
};
use yaoku_iam::{
    Access, AccessKeyId, AccountId, Answer, Bootstrap, BoundNetworks, Caller, Field, GivenCertificate, Iam, Name,
    Named, OperatingSystemUser, Operation, OperationSpec, PolicyName,
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
use yaoku_objects::operations::chosen_key::{GetObjectKey, SetObjectKey};
use yaoku_objects::operations::lifecycle::{ActivateManagedObject, DestroyManagedObject, RevokeManagedObject};
use yaoku_objects::operations::objects::{
    CreateManagedKeyPair, CreateManagedObject, DescribeManagedObject, GetManagedObject, ListManagedObjects, NewHalf,
    NewObject, ObjectFilter, UpdateManagedObject,
};
use yaoku_objects::{Editable, ObjectAbout, ObjectKind, ObjectName, Objects, ObjectsConfig};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_secrets::operations::deletion::{DeleteSecret, RestoreSecret, When};
use yaoku_secrets::operations::numbered::{
    DeleteVersions, DescribeVersions, DestroyVersions, KeepVersions, Keeping, RestoreVersions,
};
use yaoku_secrets::operations::passwords::{Characters, GetRandomPassword};
use yaoku_secrets::operations::policies::{GetSecretPolicy, SecretPolicy, SetSecretPolicy};
use yaoku_secrets::operations::rotation::{RotateSecret, UpdateSecretRotationPolicy};
use yaoku_secrets::operations::secrets::{CreateSecret, DescribeSecret, ListSecrets, NewContent, UpdateSecret};
use yaoku_secrets::operations::tags::{ListTagsOfSecrets, TagSecret, TagSecrets, UntagSecret, UntagSecrets};
use yaoku_secrets::operations::values::{BatchGetSecretValue, GetSecretValue, PutSecretValue};
use yaoku_secrets::operations::versions::{ListSecretVersionIds, UpdateSecretVersionStage};
use yaoku_secrets::{
    NewRamCredentials, RotationInterval, SecretFilters, SecretName, SecretRef, Secrets, SecretsConfig, Stage, Value,
    ValueKind, VersionId,
};
use yaoku_store::{
    Digest, Digester, Embedded, Found, Limits, Options, Outcome, Revision, Row, Snapshot, Store, StoreId, Transaction,
    Trust, Watch,
};

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

const ACCOUNT: &str = "1234567890123456";

struct World {
    store: Arc<Held>,
    vault: Arc<Vault>,
    gate: Gate,
    iam: Arc<Iam>,
    kms: Arc<Kms>,
    trail: Arc<Trail>,
    /// Another process, by whose records nothing here waits.
    other: Gate,
    access_key: AccessKeyId,
    secret: Secret,
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
        Failure::Secrets(yaoku_secrets::Error::Keys(error)) => return spell(Failure::Keys(error)),
        Failure::Secrets(yaoku_secrets::Error::Denied(_)) => "denied",
        Failure::Secrets(yaoku_secrets::Error::InDeleteWindow) => "state",
        Failure::Secrets(yaoku_secrets::Error::SecretNotFound) => "not found",
        Failure::Secrets(error) => panic!("{error:?}"),
        Failure::Disks(yaoku_disks::Error::Keys(error)) => return spell(Failure::Keys(error)),
        Failure::Disks(yaoku_disks::Error::Denied(_)) => "denied",
        Failure::Disks(yaoku_disks::Error::Disabled | yaoku_disks::Error::Elsewhere) => "state",
        Failure::Disks(yaoku_disks::Error::DiskNotFound | yaoku_disks::Error::KeyNotFound) => "not found",
        Failure::Disks(error) => panic!("{error:?}"),
        Failure::Objects(yaoku_objects::Error::Keys(error)) => return spell(Failure::Keys(error)),
        Failure::Objects(yaoku_objects::Error::Denied(_) | yaoku_objects::Error::Hidden(_)) => "denied",
        Failure::Objects(yaoku_objects::Error::State(_)) => "state",
        Failure::Objects(yaoku_objects::Error::ObjectNotFound) => "not found",
        Failure::Objects(error) => panic!("{error:?}"),
        Failure::Identities(yaoku_iam::Error::Denied(_)) => "denied",
        Failure::Identities(yaoku_iam::Error::NotFound(_) | yaoku_iam::Error::NoLogin(_)) => "not found",
        Failure::Identities(error) => panic!("{error:?}"),
        Failure::AuditLog(LookupError::Denied(_)) => "denied",
        Failure::AuditLog(error) => panic!("{error:?}"),
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
    PolicyName::System(Name::parse(Field::PolicyName, "AdministratorAccess").unwrap())
}

/// A process over a store.
async fn open_gate(
    vault: &Arc<Vault>,
    trail: Option<Arc<Trail>>,
    token: Option<Arc<Token>>,
) -> (Gate, Arc<Iam>, Arc<Kms>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let bootstrap = Bootstrap { account: Some(account()), root: None, ..Bootstrap::default() };
    let iam = Iam::open(vault.clone(), clock.clone(), bootstrap).await.unwrap().iam;
    let config = KmsConfig { key_pair_version_interval: 0, ..KmsConfig::default() };
    let kms = Kms::open(vault.clone(), iam.clone(), clock.clone(), config, token, None).await.unwrap();
    let config = SecretsConfig::default();
    let secrets = Secrets::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), config).await.unwrap();
    let config = DisksConfig::default();
    let disks = Disks::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), config).await.unwrap();
    let config = ObjectsConfig::default();
    let objects = Objects::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), config).await.unwrap();
    let domains = Domains { iam: iam.clone(), kms: kms.clone(), secrets, disks, objects };
    let config = GateConfig { region: "cn-hangzhou".into(), unauthenticated_per_minute: 60 };
    let metrics = Arc::new(Metrics::new(&[], |_| {}));
    let gate = Gate::open(vault.clone(), domains, clock, metrics, trail, config);
    let gate = gate.await.unwrap();
    (gate, iam, kms)
}

async fn open_trail(dir: &tempfile::TempDir, vault: &Vault) -> Arc<Trail> {
    let signer: Arc<Signer> = Arc::new(yaoku_audit::load_signer(vault).await.unwrap());
    let options =
        LogOptions { sync: LogSync::Durable, segment_bytes: 1 << 20, retained_bytes: None, retained_age: None };
    Arc::new(Trail::open(&dir.path().join("audit"), signer, None, options).unwrap())
}

impl World {
    async fn new() -> Arc<Self> {
        Self::with(None).await
    }

    async fn with(token: Option<Arc<Token>>) -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let inner = Embedded::open(&dir.path().join("store"), Options::default()).unwrap();
        let store = Arc::new(Held { inner, before: Mutex::default() });
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
        let trail = open_trail(&dir, &vault).await;
        let (gate, iam, kms) = open_gate(&vault, Some(trail.clone()), token.clone()).await;
        let (other, ..) = open_gate(&vault, None, token).await;
        let (access_key, secret) = (AccessKeyId::parse("none").unwrap(), Secret::new(Vec::new()));
        let mut world = Self { store, vault, gate, iam, kms, trail, other, access_key, secret, dir };
        let root = world.root();
        world.run(&root, CreateUser { name: user(), details: UserDetails::default() }).await.unwrap();
        world.run(&root, AttachPolicy::<ToUser>::new(user(), policy())).await.unwrap();
        let created = world.run(&root, CreateAccessKey { whose: Some(user()) }).await.unwrap();
        (world.access_key, world.secret) = (created.key.id, created.key.secret);
        Arc::new(world)
    }

    fn root(&self) -> Caller {
        self.gate.operator(account(), operator()).unwrap()
    }

    fn user(&self) -> Caller {
        self.gate.access_key(self.access_key.as_str()).unwrap().prove_by_secret(self.secret.expose()).unwrap()
    }

    /// An operation through the gate.
    async fn run<O: Operation>(&self, caller: &Caller, operation: O) -> Result<O::Output, Spelled>
    where
        Gate: Serves<O::Domain>,
    {
        self.held(caller, operation, Meanwhile::Nothing).await
    }

    /// An operation through the other process's gate, as the root of the account.
    async fn run_there<O: Operation>(&self, operation: O) -> Result<O::Output, Spelled>
    where
        Gate: Serves<O::Domain>,
    {
        let root = self.other.operator(account(), operator()).unwrap();
        let told = Told(O::SPEC);
        let call = admitted(&self.other, root);
        let environment = call.environment();
        let done = call.perform(&told, &environment).perform(operation, false).await;
        let done = done.map_err(|error| spell(<Gate as Serves<O::Domain>>::failure(error)));
        call.finish(&told, done, spell).await.open()
    }

    /// An operation through the gate, with something that happens after it was performed.
    async fn held<O: Operation>(
        &self,
        caller: &Caller,
        operation: O,
        meanwhile: Meanwhile,
    ) -> Result<O::Output, Spelled>
    where
        Gate: Serves<O::Domain>,
    {
        let told = Told(O::SPEC);
        let call = admitted(&self.gate, caller.clone());
        let environment = call.environment();
        let done = call.perform(&told, &environment).perform(operation, false).await;
        let done = done.map_err(|error| spell(<Gate as Serves<O::Domain>>::failure(error)));
        match meanwhile {
            Meanwhile::Nothing => call.finish(&told, done, spell).await.open(),
            Meanwhile::BeforeTheRecord(taken) => {
                taken.await;
                call.finish(&told, done, spell).await.open()
            }
            Meanwhile::InTheSync(taken) => {
                let held = self.trail.hold();
                let taken = async move {
                    while self.trail.waiting() == 0 {
                        tokio::task::yield_now().await;
                    }
                    taken.await;
                    drop(held);
                };
                tokio::join!(call.finish(&told, done, spell), taken).0.open()
            }
        }
    }

    async fn key(
        &self,
        spec: KeySpec,
        usage: Option<KeyUsage>,
        origin: Origin,
        protection: ProtectionLevel,
    ) -> KeyMetadata {
        let create = CreateKey {
            spec,
            usage,
            origin,
            protection,
            description: String::new(),
            rotation: None,
            tags: vec![Tag::new("team", "shop").unwrap()],
            policy: None,
        };
        self.run(&self.root(), create).await.unwrap()
    }
}

/// What happens when an operation was performed.
enum Meanwhile {
    Nothing,
    BeforeTheRecord(Task),
    /// While its record is being made durable.
    InTheSync(Task),
}

/// The point at which an operation on the way to its answer is held.
type At = fn(Task) -> Meanwhile;

fn operator() -> OperatingSystemUser {
    OperatingSystemUser::at_other_end(UnixStream::pair().unwrap().0).unwrap()
}

fn admitted(gate: &Gate, caller: Caller) -> Box<Authenticated<'_>> {
    let arrived = gate.arrive(Arrival {
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
    let Ok(call) = admitted.authenticated(caller) else { panic!("there are few calls") };
    call
}

/// How something is taken from the caller.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    DisableKey,
    ScheduleKeyDeletion,
    DeleteKeyMaterial,
    DisableAccessKey,
    DetachPolicy,
}

const WAYS: [Way; 5] =
    [Way::DisableKey, Way::ScheduleKeyDeletion, Way::DeleteKeyMaterial, Way::DisableAccessKey, Way::DetachPolicy];

impl Way {
    /// Takes it, in another process, and waits until this one knows.
    fn taken(self, world: &Arc<World>, key: KeyId) -> Task {
        let world = world.clone();
        Box::pin(async move {
            let before = world.iam.epoch().now();
            match self {
                Self::DisableKey => world.run_there(DisableKey { key }).await.unwrap(),
                Self::ScheduleKeyDeletion => {
                    world.run_there(ScheduleKeyDeletion { key, pending_days: 7 }).await.unwrap();
                }
                Self::DeleteKeyMaterial => world.run_there(DeleteKeyMaterial { key }).await.unwrap(),
                Self::DisableAccessKey => world.run_there(world.switched(false)).await.unwrap(),
                Self::DetachPolicy => {
                    world.run_there(DetachPolicy::<ToUser>::new(user(), policy())).await.unwrap();
                }
            }
            while world.iam.epoch().now() == before {
                tokio::task::yield_now().await;
            }
        })
    }

    async fn given_back(self, world: &World) {
        match self {
            Self::DisableKey | Self::ScheduleKeyDeletion | Self::DeleteKeyMaterial => {}
            Self::DisableAccessKey => world.run(&world.root(), world.switched(true)).await.unwrap(),
            Self::DetachPolicy => {
                world.run(&world.root(), AttachPolicy::<ToUser>::new(user(), policy())).await.unwrap();
            }
        }
    }

    /// The number in rules of the state in which it leaves the key, if it is about the key.
    const fn state(self) -> Option<usize> {
        match self {
            Self::DisableKey => Some(1),
            Self::ScheduleKeyDeletion => Some(2),
            Self::DeleteKeyMaterial => Some(3),
            Self::DisableAccessKey | Self::DetachPolicy => None,
        }
    }

    /// Whether it forbids an operation that uses the key.
    fn forbids(self, spec: &OperationSpec) -> bool {
        let is_about_a_key = spec.resources.contains(&yaoku_kms::KEY);
        match self.state() {
            Some(state) => is_about_a_key && spec.states.answer(state) != Answer::Admitted,
            None => self == Self::DisableAccessKey || !spec.resources.is_empty(),
        }
    }

    /// Whether there is a key of which it can be taken that the operation can be tried on: imported material is in keys that
    /// get no new versions, and those that are not Enabled can't be made so again.
    fn can_be_taken_from(self, operation: &str) -> bool {
        match self {
            Self::DisableKey | Self::ScheduleKeyDeletion => !["CancelKeyDeletion", "EnableKey"].contains(&operation),
            Self::DeleteKeyMaterial => {
                !["CancelKeyDeletion", "EnableKey", "CreateKeyVersion", "UpdateRotationPolicy"].contains(&operation)
            }
            Self::DisableAccessKey | Self::DetachPolicy => true,
        }
    }
}

impl World {
    fn switched(&self, active: bool) -> UpdateAccessKey {
        UpdateAccessKey { whose: Some(user()), id: self.access_key.clone(), active }
    }
}

/// What the keys of an attempt are like.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Nothing that is done with them waits for a thread.
    Fast,
    /// RSA.
    Slow,
    InToken,
    /// With imported material.
    Imported,
}

/// The keys of one attempt.
struct Keys {
    kind: Kind,
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

impl Kind {
    fn protection(self) -> ProtectionLevel {
        if self == Self::InToken { ProtectionLevel::Hsm } else { ProtectionLevel::Software }
    }

    const fn signing(self) -> (KeySpec, SigningAlgorithm) {
        match self {
            Self::Fast => (KeySpec::EcP256, SigningAlgorithm::EcdsaSha256),
            Self::Slow | Self::InToken => (KeySpec::Rsa2048, SigningAlgorithm::RsaPkcs1Sha256),
            // Its material is a seed, which any wrapping key carries.
            Self::Imported => (KeySpec::MlDsa44, SigningAlgorithm::MlDsa),
        }
    }

    const fn encrypting(self) -> (KeySpec, WrappingAlgorithm) {
        match self {
            Self::Fast | Self::Imported => (KeySpec::EcSm2, WrappingAlgorithm::Sm2Pke),
            Self::Slow | Self::InToken => (KeySpec::Rsa2048, WrappingAlgorithm::RsaesOaepSha1),
        }
    }

    const fn wrapping(self) -> (WrappingKeySpec, UnwrappingAlgorithm, WrappingAlgorithm) {
        match self {
            Self::Fast | Self::Imported => {
                (WrappingKeySpec::EcSm2, UnwrappingAlgorithm::Sm2Pke, WrappingAlgorithm::Sm2Pke)
            }
            Self::Slow | Self::InToken => {
                (WrappingKeySpec::Rsa2048, UnwrappingAlgorithm::RsaesOaepSha1, WrappingAlgorithm::RsaesOaepSha1)
            }
        }
    }

    /// Spec, usage and origin of the key that an operation is tried on.
    fn of_key(self, operation: &str) -> (KeySpec, Option<KeyUsage>, Origin) {
        let (spec, usage) = match operation {
            "AsymmetricSign" | "AsymmetricVerify" | "GetPublicKey" => (self.signing().0, Some(KeyUsage::SignVerify)),
            "AsymmetricEncrypt" | "AsymmetricDecrypt" => (self.encrypting().0, Some(KeyUsage::EncryptDecrypt)),
            "GenerateMac" | "VerifyMac" => (KeySpec::HmacSha256, None),
            "CreateKeyVersion" if self == Self::Slow => (KeySpec::Rsa2048, Some(KeyUsage::SignVerify)),
            _ => (KeySpec::Aes256, None),
        };
        let is_of_import = ["GetParametersForImport", "ImportKeyMaterial", "DeleteKeyMaterial"].contains(&operation);
        let origin = if is_of_import || self == Self::Imported { Origin::External } else { Origin::Generated };
        (spec, usage, origin)
    }
}

async fn keys(world: &World, operation: &str, kind: Kind, number: usize) -> Keys {
    let root = world.root();
    let (spec, usage, origin) = kind.of_key(operation);
    let needed = world.key(spec, usage, origin, kind.protection()).await.id;
    let other = world.key(KeySpec::Aes256, None, Origin::Generated, kind.protection()).await.id;
    let alias = AliasName::parse(&format!("alias/{number}")).unwrap();
    if operation != "CreateAlias" {
        world.run(&root, CreateAlias { alias: alias.clone(), key: other }).await.unwrap();
    }
    let mut made = Keys {
        kind,
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
        let (wrapping_key, algorithm, wrapping) = kind.wrapping();
        let parameters =
            world.run(&root, GetParametersForImport { key: needed, wrapping_key, algorithm }).await.unwrap();
        let public_key = WrappingPublicKey::from_spki_der(wrapping_key, &parameters.public_key).unwrap();
        let wrap = || public_key.encrypt(wrapping, &SystemRandom, &[7; 32]).unwrap();
        let (token, wrapped) = (parameters.token, wrap());
        let import = ImportKeyMaterial { key: needed, token: token.clone(), wrapped, expires: None };
        world.run(&root, import).await.unwrap();
        (made.token, made.wrapped) = (token, wrap());
    }
    let page = Page { number: 1, size: 10 };
    let versions = world.run(&root, ListKeyVersions { key: needed.into(), page }).await.unwrap();
    made.version = versions.items[0].id;
    let key_pair = || KeyPair { key: needed.into(), version: made.version };
    match operation {
        "AsymmetricVerify" => {
            let sign = AsymmetricSign { key_pair: key_pair(), algorithm: kind.signing().1, digest: vec![1; 32] };
            made.signature = world.run(&root, sign).await.unwrap().bytes;
        }
        "AsymmetricDecrypt" => {
            let plaintext = Secret::new(b"text".to_vec());
            let encrypt = AsymmetricEncrypt { key_pair: key_pair(), algorithm: kind.encrypting().1, plaintext };
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
async fn attempt(world: &World, name: &str, keys: Keys, meanwhile: Meanwhile) -> Result<(), Spelled> {
    let caller = world.user();
    let (kind, wrapping) = (keys.kind, keys.kind.wrapping());
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
            spec: if kind == Kind::Slow { KeySpec::Rsa2048 } else { KeySpec::Aes256 },
            usage: (kind == Kind::Slow).then_some(KeyUsage::SignVerify),
            origin: Origin::Generated,
            protection: kind.protection(),
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
            run!(AsymmetricSign { key_pair, algorithm: kind.signing().1, digest: vec![1; 32] })
        }
        "AsymmetricVerify" => run!(AsymmetricVerify {
            key_pair,
            algorithm: kind.signing().1,
            digest: vec![1; 32],
            signature: keys.signature,
        }),
        "AsymmetricEncrypt" => {
            let plaintext = Secret::new(b"text".to_vec());
            run!(AsymmetricEncrypt { key_pair, algorithm: kind.encrypting().1, plaintext })
        }
        "AsymmetricDecrypt" => {
            run!(AsymmetricDecrypt { key_pair, algorithm: kind.encrypting().1, ciphertext: keys.encrypted })
        }
        "GetPublicKey" => run!(GetPublicKey { key_pair }),
        "GenerateMac" => run!(GenerateMac(mac_request(key))),
        "VerifyMac" => run!(VerifyMac { request: mac_request(key), code: keys.mac }),
        "GetParametersForImport" => {
            run!(GetParametersForImport { key, wrapping_key: wrapping.0, algorithm: wrapping.1 })
        }
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

/// What happened to an attempt under which something was taken that it needs.
fn is_refused(result: &Result<(), Spelled>) -> bool {
    matches!(result, Err(Spelled("denied" | "state")))
}

/// Keys for a way of taking them: material can only be taken away from where it was imported.
fn kind_for(way: Way) -> Kind {
    if way == Way::DeleteKeyMaterial { Kind::Imported } else { Kind::Fast }
}

/// Pairs of an operation and a way in which something is taken that it needs.
fn pairs(access: Access) -> impl Iterator<Item = (&'static OperationSpec, Way)> {
    let ways = move |spec: &'static OperationSpec| WAYS.into_iter().map(move |way| (spec, way));
    let pairs = operations().filter(move |spec| spec.access == access).flat_map(ways);
    // A private key for SM2 is not imported as it is; what its decryption waits for is tried with those that are made here.
    let is_sm2 = |name: &str| ["AsymmetricEncrypt", "AsymmetricDecrypt"].contains(&name);
    pairs.filter(move |(spec, way)| {
        let can_be = way.can_be_taken_from(spec.name) && !(*way == Way::DeleteKeyMaterial && is_sm2(spec.name));
        can_be && way.forbids(spec)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_between_the_computation_and_the_durable_record_is_not_released() {
    let world = World::new().await;
    let mut number = 0;
    for at in [Meanwhile::BeforeTheRecord as At, Meanwhile::InTheSync] {
        for (spec, way) in pairs(Access::Read) {
            number += 1;
            let keys = keys(&world, spec.name, kind_for(way), number).await;
            let taken = way.taken(&world, keys.needed);
            let released = attempt(&world, spec.name, keys, at(taken)).await;
            // It fails always.
            assert!(
                spec.name == "OpenKmsService" || is_refused(&released),
                "{} after {way:?}: {released:?}",
                spec.name
            );
            way.given_back(&world).await;
        }
    }
    assert!(number > 180, "{number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_between_a_decision_and_its_commit_does_not_take_effect() {
    let world = World::new().await;
    let mut number = 0;
    for (spec, way) in pairs(Access::Write) {
        number += 1;
        let keys = keys(&world, spec.name, kind_for(way), number).await;
        let key = keys.needed;
        let before = world.run(&world.root(), DescribeKey { key: key.into() }).await.unwrap();
        *world.store.before.lock().unwrap() = Some(way.taken(&world, key));
        let done = attempt(&world, spec.name, keys, Meanwhile::Nothing).await;
        if world.store.before.lock().unwrap().take().is_some() {
            // Changes of rotation that change nothing commit nothing; what is taken is then asked about again at the end.
            assert_eq!(spec.name, "UpdateRotationPolicy", "it commits nothing");
            continue;
        }
        assert!(is_refused(&done), "{} after {way:?}: {done:?}", spec.name);
        if way.state().is_none() {
            let after = world.run(&world.root(), DescribeKey { key: key.into() }).await.unwrap();
            assert_eq!(before, after, "{} after {way:?}", spec.name);
        }
        way.given_back(&world).await;
    }
    assert!(number > 50, "{number}");
}

/// Performs an operation while no work begins, takes something away once it waits, and lets work begin again. None if it waits for
/// none.
async fn attempt_in_a_line(
    world: &Arc<World>,
    spec: &OperationSpec,
    keys: Keys,
    way: Way,
) -> Option<Result<(), Spelled>> {
    let held = world.kms.hold_workers().await;
    let taken = way.taken(world, keys.needed);
    let (there, name) = (world.clone(), spec.name);
    let attempted = tokio::spawn(async move { attempt(&there, name, keys, Meanwhile::Nothing).await });
    while world.kms.waiting_work() == 0 {
        if attempted.is_finished() {
            drop(held);
            return None;
        }
        tokio::task::yield_now().await;
    }
    taken.await;
    drop(held);
    Some(attempted.await.unwrap())
}

/// Tries every operation that waits in a line with keys of a kind; the names of those that do.
async fn walk_the_lines(world: &Arc<World>, kind: Kind) -> BTreeSet<&'static str> {
    let mut waited = BTreeSet::new();
    let all = pairs(Access::Read).chain(pairs(Access::Write));
    for (number, (spec, way)) in all.filter(|(_, way)| *way != Way::DeleteKeyMaterial).enumerate() {
        let keys = keys(world, spec.name, kind, number).await;
        // Otherwise it was over before anything was taken.
        if let Some(done) = attempt_in_a_line(world, spec, keys, way).await {
            assert!(is_refused(&done), "{} after {way:?}: {done:?}", spec.name);
            waited.insert(spec.name);
            way.given_back(world).await;
        }
    }
    waited
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_thread_does_not_begin_once_it_is_forbidden() {
    let waited = walk_the_lines(&World::new().await, Kind::Slow).await;
    for expected in [
        "AsymmetricDecrypt",
        "AsymmetricSign",
        "CreateKey",
        "CreateKeyVersion",
        "GetParametersForImport",
        "ImportKeyMaterial",
    ] {
        assert!(waited.contains(expected), "{expected} waits for no thread: {waited:?}");
    }
}

#[test]
fn the_same_in_a_token() {
    let Some(hsm) = SoftHsm::new() else { return };
    let out = hsm.run_ignored_tests();
    assert!(out.contains("test result: ok. 1 passed"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a token: another test runs it"]
async fn what_waits_for_a_token_does_not_begin_once_it_is_forbidden() {
    let pin = Secret::new(PIN.as_bytes().to_vec());
    let config = TokenConfig { module: module().unwrap(), label: Some("keys".into()), pin, sessions: 4 };
    let world = World::with(Some(Arc::new(Token::open(config).unwrap()))).await;
    let waited = walk_the_lines(&world, Kind::InToken).await;
    for expected in [
        "AsymmetricDecrypt",
        "AsymmetricSign",
        "CreateKey",
        "CreateKeyVersion",
        "Decrypt",
        "Encrypt",
        "ExportDataKey",
        "GenerateAndExportDataKey",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "GetParametersForImport",
        "ImportKeyMaterial",
        "ReEncrypt",
        "VerifyMac",
    ] {
        assert!(waited.contains(expected), "{expected} waits for no token: {waited:?}");
    }
}

/// How something is taken from whoever works on a secret.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SecretWay {
    /// The CMK that the owner chose, or the service's own.
    DisableKey {
        chosen: bool,
    },
    /// By the policy of the secret.
    DenyByPolicy,
    /// After a while: until then it can't be read.
    DeleteSecret,
    /// At once, and another of its name comes.
    ReplaceSecret,
    /// Making and deleting AccessKeys, and nothing else.
    DenyAccessKeys,
    OfCaller(Way),
}

const SECRET_WAYS: [SecretWay; 8] = [
    SecretWay::DisableKey { chosen: true },
    SecretWay::DisableKey { chosen: false },
    SecretWay::DenyByPolicy,
    SecretWay::DeleteSecret,
    SecretWay::ReplaceSecret,
    SecretWay::DenyAccessKeys,
    SecretWay::OfCaller(Way::DisableAccessKey),
    SecretWay::OfCaller(Way::DetachPolicy),
];

impl SecretWay {
    /// Whether it forbids the operation.
    fn forbids(self, spec: &OperationSpec) -> bool {
        let uses_the_key = [
            "BatchGetSecretValue",
            "CreateSecret",
            "GetSecretValue",
            "PutSecretValue",
            "RotateSecret",
            "UpdateSecretRotationPolicy",
        ]
        .contains(&spec.name);
        // A secret that is to be made is not there yet; listings are about none.
        let is_about_one = !["CreateSecret", "ListSecrets", "GetRandomPassword"].contains(&spec.name);
        match self {
            Self::DisableKey { .. } => uses_the_key,
            // One that is pending deletion gets no policy.
            Self::DenyByPolicy => is_about_one && spec.name != "RestoreSecret",
            Self::DeleteSecret => is_about_one && spec.states.answer(1) != Answer::Admitted,
            Self::ReplaceSecret => is_about_one && spec.access == Access::Read,
            Self::DenyAccessKeys => ["RotateSecret", "UpdateSecretRotationPolicy"].contains(&spec.name),
            Self::OfCaller(_) => true,
        }
    }

    fn taken(self, world: &Arc<World>, secret: SecretName, key: KeyId) -> Task {
        let there = world.clone();
        let before = world.iam.epoch().now();
        let task: Task = match self {
            Self::DisableKey { .. } => Way::DisableKey.taken(world, key),
            Self::DenyByPolicy => Box::pin(async move {
                let user = format!(r#"{{"RAM":["acs:ram::{ACCOUNT}:user/user"]}}"#);
                let statement = format!(r#"{{"Effect":"Deny","Action":"kms:*","Resource":"*","Principal":{user}}}"#);
                let policy = SecretPolicy::parse(&format!(r#"{{"Version":"1","Statement":[{statement}]}}"#)).unwrap();
                there.run_there(SetSecretPolicy { name: secret, policy }).await.unwrap();
            }),
            Self::DenyAccessKeys => Box::pin(async move {
                there.run_there(AttachPolicy::<ToUser>::new(user(), no_access_keys())).await.unwrap();
            }),
            Self::OfCaller(way) => way.taken(world, key),
            Self::DeleteSecret => Box::pin(async move {
                there.run_there(DeleteSecret { name: secret, when: When::AfterDays(7) }).await.unwrap();
            }),
            Self::ReplaceSecret => Box::pin(async move {
                there.run_there(DeleteSecret { name: secret.clone(), when: When::Now }).await.unwrap();
                there.run_there(create_secret(secret, Some(key))).await.unwrap();
            }),
        };
        let world = world.clone();
        Box::pin(async move {
            task.await;
            while world.iam.epoch().now() == before {
                tokio::task::yield_now().await;
            }
        })
    }

    async fn given_back(self, world: &World, key: KeyId) {
        match self {
            Self::DisableKey { .. } => world.run(&world.root(), EnableKey { key }).await.unwrap(),
            Self::DenyByPolicy | Self::DeleteSecret | Self::ReplaceSecret => {}
            Self::DenyAccessKeys => {
                world.run(&world.root(), DetachPolicy::<ToUser>::new(user(), no_access_keys())).await.unwrap();
            }
            Self::OfCaller(way) => way.given_back(world).await,
        }
    }
}

fn create_secret(name: SecretName, key: Option<KeyId>) -> CreateSecret {
    CreateSecret {
        content: NewContent::Generic { name, value: secret_value() },
        version: VersionId::parse("v1").unwrap(),
        description: String::new(),
        key: key.map(Into::into),
        tags: vec![Tag::new("team", "shop").unwrap()],
        policy: None,
    }
}

/// A policy that denies making and deleting AccessKeys.
fn no_access_keys() -> PolicyName {
    PolicyName::Custom(Name::parse(Field::PolicyName, "no-access-keys").unwrap())
}

async fn create_no_access_keys(world: &World) {
    let statement = r#"{"Effect":"Deny","Action":"ram:*AccessKey","Resource":"*"}"#;
    let create = CreatePolicy {
        name: no_access_keys().name().clone(),
        description: String::new(),
        document: format!(r#"{{"Version":"1","Statement":[{statement}]}}"#),
        tags: Vec::new(),
    };
    world.run(&world.root(), create).await.unwrap();
}

/// Makes a user with an AccessKey, and gives what a secret that holds it is made of.
async fn of_user(world: &World, number: usize, key: Option<KeyId>) -> (SecretName, CreateSecret) {
    let root = world.root();
    let user = Name::parse(Field::UserName, &format!("held{number}")).unwrap();
    world.run(&root, CreateUser { name: user.clone(), details: UserDetails::default() }).await.unwrap();
    let made = world.run(&root, CreateAccessKey { whose: Some(user.clone()) }).await.unwrap().key;
    let name = SecretName::parse(&format!("acs/ram/user/{user}")).unwrap();
    let (access_keys, custom_data) = (vec![(made.id, made.secret)], BTreeMap::new());
    let new = NewRamCredentials { user, access_keys, custom_data, rotation: None };
    let create = create_secret(name.clone(), key);
    (name, CreateSecret { content: NewContent::RamCredentials(new), ..create })
}

fn secret_value() -> Value {
    Value { kind: ValueKind::Text, bytes: Secret::new(b"text".to_vec()) }
}

/// Performs the operation on secrets of that name as the user, on what is made for it first.
async fn attempt_secret(
    world: &Arc<World>,
    operation: &str,
    spec: &OperationSpec,
    way: SecretWay,
    number: usize,
    hold: impl FnOnce(Task) -> Meanwhile,
) -> Result<(), Spelled> {
    let root = world.root();
    let name = SecretName::parse(&format!("db/{number}")).unwrap();
    let other = SecretName::parse(&format!("web/{number}")).unwrap();
    let is_chosen = match way {
        SecretWay::DisableKey { chosen } => chosen,
        _ => true,
    };
    let key = match is_chosen {
        true => Some(world.key(KeySpec::Aes256, None, Origin::Generated, ProtectionLevel::Software).await.id),
        false => None,
    };
    let rotates = ["RotateSecret", "UpdateSecretRotationPolicy"].contains(&spec.name);
    let (name, create) = match rotates {
        true => of_user(world, number, key).await,
        false => (name.clone(), create_secret(name, key)),
    };
    let made = world.run(&root, create).await.unwrap().0;
    world.run(&root, create_secret(other.clone(), key)).await.unwrap();
    let put = |version: &str| PutSecretValue {
        secret: name.clone().into(),
        version: VersionId::parse(version),
        value: secret_value(),
        stages: None,
        expected: None,
    };
    if !rotates {
        world.run(&root, put("v2")).await.unwrap();
    }
    // Every other time, what is made is a secret that holds AccessKeys.
    let new = SecretName::parse(&format!("new/{number}")).unwrap();
    let new = match spec.name == "CreateSecret" && number.is_multiple_of(2) {
        true => of_user(world, number, key).await.1,
        false => create_secret(new, key),
    };
    if operation == "RestoreVersions" {
        world.run(&root, DeleteVersions { secret: name.clone().into(), numbers: vec![1, 2] }).await.unwrap();
    }
    if operation == "RestoreSecret" {
        world.run(&root, DeleteSecret { name: name.clone(), when: When::AfterDays(7) }).await.unwrap();
    }
    let caller = world.user();
    let meanwhile = hold(way.taken(world, name.clone(), made.key));
    macro_rules! run {
        ($operation:expr) => {
            world.held(&caller, $operation, meanwhile).await.map(drop)
        };
    }
    let secret: SecretRef = name.clone().into();
    let page = Page { number: 1, size: 10 };
    let tags = || vec![Tag::new("a", "b").unwrap()];
    let numbers = || vec![1, 2];
    let done = match operation {
        "CreateSecret" => {
            run!(new)
        }
        "DescribeSecret" => run!(DescribeSecret { secret }),
        "ListSecrets" => run!(ListSecrets { filters: SecretFilters::default(), page }),
        "UpdateSecret" => run!(UpdateSecret { name, description: Some("new".into()), custom_data: None }),
        "RotateSecret" => run!(RotateSecret { name, version: VersionId::parse("v3").unwrap() }),
        "UpdateSecretRotationPolicy" => {
            run!(UpdateSecretRotationPolicy { name, rotation: RotationInterval::from_seconds(86_400) })
        }
        "GetSecretValue" => run!(GetSecretValue { secret, version: None, stage: None }),
        "BatchGetSecretValue" => {
            run!(BatchGetSecretValue(vec![GetSecretValue { secret, version: None, stage: None }]))
        }
        "PutSecretValue" => run!(put("v3")),
        "SetSecretPolicy" => run!(SetSecretPolicy { name, policy: SecretPolicy::default_of(account()) }),
        "GetSecretPolicy" => run!(GetSecretPolicy { name }),
        "ListSecretVersionIds" => run!(ListSecretVersionIds { secret, include_deprecated: true, page }),
        "UpdateSecretVersionStage" => {
            let to = VersionId::parse("v1");
            run!(UpdateSecretVersionStage { secret, stage: Stage::current(), to, from: None })
        }
        "DeleteSecret" => run!(DeleteSecret { name, when: When::AfterDays(7) }),
        "RestoreSecret" => run!(RestoreSecret { name }),
        "GetRandomPassword" => {
            let characters = Characters { lowercase: true, uppercase: true, numbers: true, punctuation: true };
            run!(GetRandomPassword { length: 32, characters, excluded: String::new(), each_kind: true })
        }
        "TagResource" => run!(TagSecret { name, tags: tags() }),
        "UntagResource" => run!(UntagSecret { name, tag_keys: vec!["team".into()] }),
        "TagResources" => run!(TagSecrets { names: vec![name, other], tags: tags() }),
        "UntagResources" => run!(UntagSecrets { names: vec![name, other], tag_keys: None }),
        "ListTagResources" => run!(ListTagsOfSecrets { names: vec![name], tags: Vec::new(), after: None }),
        "DescribeVersions" => run!(DescribeVersions { secret }),
        "KeepVersions" => {
            run!(KeepVersions { secret, keeping: Keeping { max_versions: Some(3), ..Keeping::default() } })
        }
        "DeleteVersions" => run!(DeleteVersions { secret, numbers: numbers() }),
        "RestoreVersions" => run!(RestoreVersions { secret, numbers: numbers() }),
        "DestroyVersions" => run!(DestroyVersions { secret, numbers: numbers() }),
        other => panic!("say here how {other} is performed"),
    };
    let was_taken = world.store.before.lock().unwrap().take().is_none();
    assert!(was_taken, "{} commits nothing", spec.name);
    way.given_back(world, made.key).await;
    done
}

/// Operations on numbered versions, which stand in the registry under the names of others.
const OF_VERSIONS: [(&str, &OperationSpec); 5] = [
    ("DescribeVersions", &DescribeVersions::SPEC),
    ("KeepVersions", &KeepVersions::SPEC),
    ("DeleteVersions", &DeleteVersions::SPEC),
    ("RestoreVersions", &RestoreVersions::SPEC),
    ("DestroyVersions", &DestroyVersions::SPEC),
];

/// An operation on secrets by its name, and a way in which something is taken that it needs.
fn secret_pairs(access: Access) -> impl Iterator<Item = (&'static str, &'static OperationSpec, SecretWay)> {
    let by_itself = ["DeleteDueSecret", "RotateDueSecret"];
    let operations = yaoku_secrets::operations::REGISTRY.iter().filter(move |spec| !by_itself.contains(&spec.name));
    let operations = operations.map(|spec| (spec.name, spec)).chain(OF_VERSIONS);
    let operations = operations.filter(move |(_, spec)| spec.access == access);
    let pairs = operations.flat_map(|(name, spec)| SECRET_WAYS.into_iter().map(move |way| (name, spec, way)));
    // Only a secret that is there can have its versions restored, other than one that is to be restored itself.
    pairs.filter(|(name, spec, way)| {
        let is_of_version = *name == "RestoreVersions" && *way == SecretWay::DenyByPolicy;
        is_of_version || way.forbids(spec)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_to_whom_it_was_taken_from() {
    let world = World::new().await;
    create_no_access_keys(&world).await;
    let mut number = 0;
    for at in [Meanwhile::BeforeTheRecord as At, Meanwhile::InTheSync] {
        for (name, spec, way) in secret_pairs(Access::Read) {
            number += 1;
            let released = attempt_secret(&world, name, spec, way, number, at).await;
            let gone = way == SecretWay::ReplaceSecret && released == Err(Spelled("not found"));
            assert!(gone || is_refused(&released), "{name} after {way:?}: {released:?}");
        }
    }
    assert!(number > 40, "{number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_changes_for_whom_it_was_taken_from() {
    let world = World::new().await;
    create_no_access_keys(&world).await;
    let mut number = 0;
    for (name, spec, way) in secret_pairs(Access::Write) {
        number += 1;
        let held = |taken| {
            *world.store.before.lock().unwrap() = Some(taken);
            Meanwhile::Nothing
        };
        let done = attempt_secret(&world, name, spec, way, number, held).await;
        assert!(is_refused(&done), "{name} after {way:?}: {done:?}");
    }
    assert!(number > 30, "{number}");
}

/// How something is taken from whoever manages a disk, or from the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
enum DiskWay {
    /// The CMK that it is bound to.
    DisableKey,
    DisableDisk,
    DeleteDisk,
    /// Another disk of its name comes.
    ReplaceDisk,
    /// It may be unlocked from other networks alone.
    BindElsewhere,
    /// The key that was used is withdrawn.
    WithdrawKey,
    OfCaller(Way),
}

const DISK_WAYS: [DiskWay; 8] = [
    DiskWay::DisableKey,
    DiskWay::DisableDisk,
    DiskWay::DeleteDisk,
    DiskWay::ReplaceDisk,
    DiskWay::BindElsewhere,
    DiskWay::WithdrawKey,
    DiskWay::OfCaller(Way::DisableAccessKey),
    DiskWay::OfCaller(Way::DetachPolicy),
];

impl DiskWay {
    /// Whether it forbids the operation.
    fn forbids(self, spec: &OperationSpec) -> bool {
        let is_of_the_disk = spec.resources.is_empty();
        let is_about_one = !["CreateDisk", "ListDisks"].contains(&spec.name);
        match self {
            Self::DisableKey => is_of_the_disk || ["CreateDisk", "RotateDisk"].contains(&spec.name),
            Self::DisableDisk | Self::BindElsewhere => is_of_the_disk,
            Self::WithdrawKey => spec.name == "UnlockDisk",
            Self::DeleteDisk => is_about_one,
            // A change is of whatever has the name.
            Self::ReplaceDisk => is_about_one && spec.access == Access::Read,
            Self::OfCaller(_) => !is_of_the_disk,
        }
    }

    fn taken(self, world: &Arc<World>, name: DiskName, key: KeyId) -> Task {
        let there = world.clone();
        let before = world.iam.epoch().now();
        let task: Task = match self {
            Self::DisableKey => Way::DisableKey.taken(world, key),
            Self::OfCaller(way) => way.taken(world, key),
            Self::DisableDisk => Box::pin(async move { there.run_there(DisableDisk { name }).await.unwrap() }),
            Self::DeleteDisk => Box::pin(async move { there.run_there(DeleteDisk { name }).await.unwrap() }),
            Self::ReplaceDisk => Box::pin(async move {
                there.run_there(DeleteDisk { name: name.clone() }).await.unwrap();
                there.run_there(create_disk(name, key)).await.unwrap();
            }),
            Self::BindElsewhere => Box::pin(async move {
                let networks = Some(BoundNetworks::parse(["192.0.2.0/24"]).unwrap());
                there.run_there(UpdateDisk { name, networks, tags: None }).await.unwrap();
            }),
            Self::WithdrawKey => Box::pin(async move {
                there.run_there(RotateDisk { name: name.clone() }).await.unwrap();
                assert!(there.run_there(WithdrawDiskKeys { name, key: None }).await.unwrap() > 0);
            }),
        };
        let world = world.clone();
        Box::pin(async move {
            task.await;
            while world.iam.epoch().now() == before {
                tokio::task::yield_now().await;
            }
        })
    }
}

fn create_disk(name: DiskName, key: KeyId) -> CreateDisk {
    let tags = vec![Tag::new("team", "shop").unwrap()];
    CreateDisk { name, key: key.into(), networks: BoundNetworks::default(), tags }
}

fn compose(signing: &Point, exchange: &Point) -> Vec<u8> {
    [signing.x(), exchange.x()].concat()
}

/// Performs the operation on disks of that name as the user, or as the disk, on what is made for it first.
async fn attempt_disk(
    world: &Arc<World>,
    spec: &OperationSpec,
    way: DiskWay,
    number: usize,
    hold: impl FnOnce(Task) -> Meanwhile,
) -> Result<(), Spelled> {
    let root = world.root();
    let name = DiskName::parse(&format!("rack/{number}")).unwrap();
    let key = world.key(KeySpec::Aes256, None, Origin::Generated, ProtectionLevel::Software).await.id;
    let (made, url) = world.run(&root, create_disk(name.clone(), key)).await.unwrap();
    world.run(&root, RotateDisk { name: name.clone() }).await.unwrap();
    if spec.name == "EnableDisk" {
        world.run(&root, DisableDisk { name: name.clone() }).await.unwrap();
    }
    let caller = match spec.resources.is_empty() {
        true => world.gate.disk(&url, IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap(),
        false => world.user(),
    };
    let meanwhile = hold(way.taken(world, name.clone(), key));
    macro_rules! run {
        ($operation:expr) => {
            world.held(&caller, $operation, meanwhile).await.map(drop)
        };
    }
    let done = match spec.name {
        "CreateDisk" => run!(create_disk(DiskName::parse(&format!("new/{number}")).unwrap(), key)),
        "GetDisk" => run!(GetDisk { name }),
        "ListDisks" => run!(ListDisks { after: None, most: 10 }),
        "UpdateDisk" => run!(UpdateDisk { name, networks: None, tags: Some(Vec::new()) }),
        "DisableDisk" => run!(DisableDisk { name }),
        "EnableDisk" => run!(EnableDisk { name }),
        "DeleteDisk" => run!(DeleteDisk { name }),
        "RotateDisk" => run!(RotateDisk { name }),
        "WithdrawDiskKeys" => run!(WithdrawDiskKeys { name, key: None }),
        "AdvertiseDisk" => run!(AdvertiseDisk { named: None, compose }),
        "UnlockDisk" => {
            let point = ExchangeKey::generate(&SystemRandom).unwrap().public().unwrap();
            run!(UnlockDisk { key: made.exchange[0].thumbprint, point })
        }
        other => panic!("say here how {other} is performed"),
    };
    let was_taken = world.store.before.lock().unwrap().take().is_none();
    assert!(was_taken, "{} commits nothing", spec.name);
    if let DiskWay::OfCaller(way) = way {
        way.given_back(world).await;
    }
    done
}

/// Pairs of an operation on disks and a way in which something is taken that it needs.
fn disk_pairs(access: Access) -> impl Iterator<Item = (&'static OperationSpec, DiskWay)> {
    let operations = yaoku_disks::operations::REGISTRY.iter().filter(move |spec| spec.access == access);
    let ways = |spec: &'static OperationSpec| DISK_WAYS.into_iter().map(move |way| (spec, way));
    operations.flat_map(ways).filter(|(spec, way)| way.forbids(spec))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_disk_unlocks_or_is_shown_once_that_is_forbidden() {
    let world = World::new().await;
    let mut number = 0;
    for at in [Meanwhile::BeforeTheRecord as At, Meanwhile::InTheSync] {
        for (spec, way) in disk_pairs(Access::Read) {
            number += 1;
            let released = attempt_disk(&world, spec, way, number, at).await;
            let is_gone = matches!(way, DiskWay::DeleteDisk | DiskWay::ReplaceDisk | DiskWay::WithdrawKey);
            let gone = is_gone && released == Err(Spelled("not found"));
            assert!(gone || is_refused(&released), "{} after {way:?}: {released:?}", spec.name);
        }
    }
    assert!(number > 30, "{number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_disk_changes_for_whom_it_was_taken_from() {
    let world = World::new().await;
    let mut number = 0;
    for (spec, way) in disk_pairs(Access::Write) {
        number += 1;
        let held = |taken| {
            *world.store.before.lock().unwrap() = Some(taken);
            Meanwhile::Nothing
        };
        let done = attempt_disk(&world, spec, way, number, held).await;
        let gone = way == DiskWay::DeleteDisk && done == Err(Spelled("not found"));
        assert!(gone || is_refused(&done), "{} after {way:?}: {done:?}", spec.name);
    }
    assert!(number > 20, "{number}");
}

/// Only a disk unlocks, and only itself.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_unlocks_a_disk() {
    let world = World::new().await;
    let key = world.key(KeySpec::Aes256, None, Origin::Generated, ProtectionLevel::Software).await.id;
    let [one, other] = ["one", "other"].map(|name| create_disk(DiskName::parse(name).unwrap(), key));
    let (one, url) = world.run(&world.root(), one).await.unwrap();
    let (other, _) = world.run(&world.root(), other).await.unwrap();
    let point = ExchangeKey::generate(&SystemRandom).unwrap().public().unwrap();
    let unlock = |disk: &DiskAbout| UnlockDisk { key: disk.exchange[0].thumbprint, point };
    let caller = world.gate.disk(&url, IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
    assert!(world.run(&caller, unlock(&one)).await.is_ok());
    assert_eq!(world.run(&caller, unlock(&other)).await.map(drop), Err(Spelled("not found")));
    assert_eq!(world.run(&world.root(), unlock(&one)).await.map(drop), Err(Spelled("denied")));
    // It can do nothing else.
    assert_eq!(world.run(&caller, GetDisk { name: one.name }).await.map(drop), Err(Spelled("denied")));
    assert_eq!(world.run(&caller, encrypt(key)).await.map(drop), Err(Spelled("denied")));
}

/// How something is taken that an operation on a managed object needs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ObjectWay {
    /// The CMK that the account has chosen, and that the object is sealed under.
    DisableKey,
    DestroyObject,
    OfCaller(Way),
}

const OBJECT_WAYS: [ObjectWay; 4] = [
    ObjectWay::DisableKey,
    ObjectWay::DestroyObject,
    ObjectWay::OfCaller(Way::DisableAccessKey),
    ObjectWay::OfCaller(Way::DetachPolicy),
];

impl ObjectWay {
    /// Whether it forbids the operation.
    fn forbids(self, spec: &OperationSpec) -> bool {
        match self {
            Self::DisableKey => {
                ["SetObjectKey", "CreateManagedObject", "CreateManagedKeyPair", "GetManagedObject"].contains(&spec.name)
            }
            // What is known of an object stays, and it can still be said to be compromised.
            Self::DestroyObject => {
                ["GetManagedObject", "UpdateManagedObject", "ActivateManagedObject", "DestroyManagedObject"]
                    .contains(&spec.name)
            }
            Self::OfCaller(_) => true,
        }
    }

    fn taken(self, world: &Arc<World>, object: &ObjectAbout) -> Task {
        let (there, id) = (world.clone(), object.id);
        let before = world.iam.epoch().now();
        let task: Task = match self {
            Self::DisableKey => Way::DisableKey.taken(world, object.key),
            Self::OfCaller(way) => way.taken(world, object.key),
            Self::DestroyObject => {
                Box::pin(async move { drop(there.run_there(DestroyManagedObject { id }).await.unwrap()) })
            }
        };
        let world = world.clone();
        Box::pin(async move {
            task.await;
            while world.iam.epoch().now() == before {
                tokio::task::yield_now().await;
            }
        })
    }
}

fn new_object(name: &str) -> CreateManagedObject {
    let object = NewObject {
        kind: ObjectKind::SymmetricKey,
        value: Secret::new(b"value".to_vec()),
        names: vec![ObjectName::parse(name).unwrap()],
        attributes: Vec::new(),
        activation: None,
        deactivation: None,
    };
    CreateManagedObject { object, replaces: None }
}

fn new_half() -> NewHalf {
    NewHalf { names: Vec::new(), attributes: Vec::new(), activation: None, deactivation: None }
}

/// Performs the operation on an object of that name as the user, on what is made for it first.
async fn attempt_object(
    world: &Arc<World>,
    spec: &OperationSpec,
    way: ObjectWay,
    number: usize,
    hold: impl FnOnce(Task) -> Meanwhile,
) -> Result<(), Spelled> {
    let root = world.root();
    let key = world.key(KeySpec::Aes256, None, Origin::Generated, ProtectionLevel::Software).await.id;
    world.run(&root, SetObjectKey { key: key.into() }).await.unwrap();
    let object = world.run(&root, new_object(&format!("object-{number}"))).await.unwrap();
    let (id, before) = (object.id, object.editable());
    let (caller, meanwhile) = (world.user(), hold(way.taken(world, &object)));
    macro_rules! run {
        ($operation:expr) => {
            world.held(&caller, $operation, meanwhile).await.map(drop)
        };
    }
    let done = match spec.name {
        "SetObjectKey" => run!(SetObjectKey { key: key.into() }),
        "GetObjectKey" => run!(GetObjectKey),
        "CreateManagedObject" => run!(new_object(&format!("new-{number}"))),
        "CreateManagedKeyPair" => {
            run!(CreateManagedKeyPair { algorithm: KeyAlgorithm::EcP256, private: new_half(), public: new_half() })
        }
        "GetManagedObject" => run!(GetManagedObject { id }),
        "DescribeManagedObject" => run!(DescribeManagedObject { id }),
        "ListManagedObjects" => {
            run!(ListManagedObjects { filter: ObjectFilter::default(), after: None, skip: 0, most: 10 })
        }
        "UpdateManagedObject" => {
            let after = Editable { names: Vec::new(), ..before.clone() };
            run!(UpdateManagedObject { id, before, after })
        }
        "ActivateManagedObject" => run!(ActivateManagedObject { id }),
        "RevokeManagedObject" => run!(RevokeManagedObject { id, is_compromised: true, attributes: Vec::new() }),
        "DestroyManagedObject" => run!(DestroyManagedObject { id }),
        other => panic!("say here how {other} is performed"),
    };
    let was_taken = world.store.before.lock().unwrap().take().is_none();
    assert!(was_taken, "{} commits nothing", spec.name);
    if let ObjectWay::OfCaller(way) = way {
        way.given_back(world).await;
    }
    done
}

/// Pairs of an operation on managed objects and a way in which something is taken that it needs.
fn object_pairs(access: Access) -> impl Iterator<Item = (&'static OperationSpec, ObjectWay)> {
    let operations = yaoku_objects::operations::REGISTRY.iter().filter(move |spec| spec.access == access);
    let ways = |spec: &'static OperationSpec| OBJECT_WAYS.into_iter().map(move |way| (spec, way));
    operations.flat_map(ways).filter(|(spec, way)| way.forbids(spec))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_object_is_fetched_or_shown_once_that_is_forbidden() {
    let world = World::new().await;
    let mut number = 0;
    for at in [Meanwhile::BeforeTheRecord as At, Meanwhile::InTheSync] {
        for (spec, way) in object_pairs(Access::Read) {
            number += 1;
            let released = attempt_object(&world, spec, way, number, at).await;
            assert!(is_refused(&released), "{} after {way:?}: {released:?}", spec.name);
        }
    }
    assert!(number >= 20, "{number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_object_is_made_or_changed_for_whom_it_was_taken_from() {
    let world = World::new().await;
    let mut number = 0;
    for (spec, way) in object_pairs(Access::Write) {
        number += 1;
        let held = |taken| {
            *world.store.before.lock().unwrap() = Some(taken);
            Meanwhile::Nothing
        };
        let done = attempt_object(&world, spec, way, number, held).await;
        assert!(is_refused(&done), "{} after {way:?}: {done:?}", spec.name);
    }
    assert!(number > 15, "{number}");
}

/// Names that no other attempt has.
struct Names {
    number: usize,
    user: Name,
    group: Name,
    role: Name,
    policy: Name,
    new: Name,
}

fn names(number: usize) -> Names {
    let name = |of: &str| Name::parse(Field::UserName, &format!("{of}{number}")).unwrap();
    Names { number, user: name("u"), group: name("g"), role: name("r"), policy: name("p"), new: name("n") }
}

const DOCUMENT: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}]}"#;

fn trust() -> String {
    format!(
        r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{ACCOUNT}:root"}}}}}}"#
    )
}

fn slice() -> Slice {
    Slice { after: None, most: 10 }
}

/// Operations that only an operator can do, by the control socket, whose authority nothing takes.
const OF_OPERATORS: [&str; 4] = ["CreateAccount", "ListAccounts", "EnableAccount", "DisableAccount"];
/// Nobody has a password or a second factor: these find none.
const FIND_NOTHING: [&str; 4] = ["GetLoginProfile", "DeleteLoginProfile", "GetUserMFAInfo", "UnbindMFADevice"];

/// Performs the operation on identities of that name as the user, on what is made for it first.
async fn attempt_identity(
    world: &World,
    name: &str,
    n: &Names,
    hold: impl FnOnce() -> Meanwhile,
) -> Result<(), Spelled> {
    let root = world.root();
    macro_rules! made {
        ($operation:expr) => {
            world.run(&root, $operation).await.unwrap()
        };
    }
    let of_user = UserDetails::default;
    made!(CreateUser { name: n.user.clone(), details: of_user() });
    made!(CreateGroup { name: n.group.clone(), comments: String::new() });
    made!(CreateRole {
        name: n.role.clone(),
        description: String::new(),
        trust: trust(),
        max_session: None,
        tags: Vec::new(),
    });
    made!(CreatePolicy {
        name: n.policy.clone(),
        description: String::new(),
        document: DOCUMENT.into(),
        tags: Vec::new(),
    });
    let custom = || PolicyName::Custom(n.policy.clone());
    let key = match name {
        "UpdateAccessKey" | "DeleteAccessKey" | "GetAccessKeyLastUsed" | "ListAccessKeys" => {
            Some(made!(CreateAccessKey { whose: Some(n.user.clone()) }).key.id)
        }
        "RemoveUserFromGroup" => {
            made!(AddUserToGroup { user: n.user.clone(), group: n.group.clone() });
            None
        }
        "DetachPolicyFromUser" => {
            made!(AttachPolicy::<ToUser>::new(n.user.clone(), custom()));
            None
        }
        "DetachPolicyFromGroup" => {
            made!(AttachPolicy::<ToGroup>::new(n.group.clone(), custom()));
            None
        }
        "DetachPolicyFromRole" => {
            made!(AttachPolicy::<ToRole>::new(n.role.clone(), custom()));
            None
        }
        _ => None,
    };
    let id = || key.clone().unwrap();
    let create_token = || CreateToken { user: n.user.clone(), ttl: None, networks: BoundNetworks::default() };
    let token = match name {
        "RevokeToken" => Some(made!(create_token()).token.id),
        _ => None,
    };
    let bind = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        let certificate = GivenCertificate::of_pem(&pem).unwrap();
        let proof = rcgen::SigningKey::sign(&key, message_to_sign(account(), &n.user).as_bytes()).ok();
        BindCertificate { user: n.user.clone(), certificate, proof }
    };
    let bound = match name {
        "UnbindCertificate" => Some(made!(bind()).id),
        _ => None,
    };
    let second = match name {
        "SetDefaultPolicyVersion" | "DeletePolicyVersion" | "GetPolicyVersion" => {
            let document = DOCUMENT.to_owned();
            let (policy, set_as_default, drop_oldest) = (n.policy.clone(), false, false);
            Some(made!(CreatePolicyVersion { name: policy, document, set_as_default, drop_oldest }).id)
        }
        _ => None,
    };
    let tags = || vec![yaoku_iam::operations::tags::Tag::new("team", "shop").unwrap()];
    let caller = world.user();
    let meanwhile = hold();
    macro_rules! run {
        ($operation:expr) => {
            world.held(&caller, $operation, meanwhile).await.map(drop)
        };
    }
    let whose = || Some(n.user.clone());
    match name {
        "CreateUser" => run!(CreateUser { name: n.new.clone(), details: of_user() }),
        "GetUser" => run!(GetUser { name: whose() }),
        "UpdateUser" => run!(UpdateUser {
            name: n.user.clone(),
            new_name: Some(n.new.clone()),
            display_name: None,
            comments: None,
            email: None,
            mobile_phone: None,
        }),
        "ListUsers" => run!(ListUsers { slice: slice() }),
        "DeleteUser" => run!(DeleteUser { name: n.user.clone() }),
        "GetLoginProfile" => run!(GetLoginProfile { user: n.user.clone() }),
        "DeleteLoginProfile" => run!(DeleteLoginProfile { user: n.user.clone() }),
        "GetUserMFAInfo" => run!(GetUserMfaInfo { user: n.user.clone() }),
        "UnbindMFADevice" => run!(UnbindMfaDevice { user: n.user.clone() }),
        "CreateAccessKey" => run!(CreateAccessKey { whose: whose() }),
        "ListAccessKeys" => run!(ListAccessKeys { whose: whose() }),
        "UpdateAccessKey" => run!(UpdateAccessKey { whose: whose(), id: id(), active: false }),
        "DeleteAccessKey" => run!(DeleteAccessKey { whose: whose(), id: id() }),
        "GetAccessKeyLastUsed" => run!(GetAccessKeyLastUsed { whose: whose(), id: id() }),
        "CreateGroup" => run!(CreateGroup { name: n.new.clone(), comments: String::new() }),
        "GetGroup" => run!(GetGroup { name: n.group.clone() }),
        "UpdateGroup" => {
            run!(UpdateGroup { name: n.group.clone(), new_name: None, comments: Some("new".into()) })
        }
        "ListGroups" => run!(ListGroups { slice: slice() }),
        "DeleteGroup" => run!(DeleteGroup { name: n.group.clone() }),
        "AddUserToGroup" => run!(AddUserToGroup { user: n.user.clone(), group: n.group.clone() }),
        "RemoveUserFromGroup" => run!(RemoveUserFromGroup { user: n.user.clone(), group: n.group.clone() }),
        "ListGroupsForUser" => run!(ListGroupsForUser { user: n.user.clone() }),
        "ListUsersForGroup" => run!(ListUsersForGroup { group: n.group.clone(), slice: slice() }),
        "CreatePolicy" => run!(CreatePolicy {
            name: n.new.clone(),
            description: String::new(),
            document: DOCUMENT.into(),
            tags: Vec::new(),
        }),
        "GetPolicy" => run!(GetPolicy { name: custom() }),
        "ListPolicies" => run!(ListPolicies { only: None, filters: Vec::new(), slice: slice() }),
        "UpdatePolicyDescription" => {
            run!(UpdatePolicyDescription { name: n.policy.clone(), description: "new".into() })
        }
        "DeletePolicy" => run!(DeletePolicy { name: n.policy.clone(), with_versions: false }),
        "CreatePolicyVersion" => run!(CreatePolicyVersion {
            name: n.policy.clone(),
            document: DOCUMENT.into(),
            set_as_default: true,
            drop_oldest: false,
        }),
        "GetPolicyVersion" => run!(GetPolicyVersion { name: custom(), version: second.unwrap() }),
        "ListPolicyVersions" => run!(ListPolicyVersions { name: custom() }),
        "SetDefaultPolicyVersion" => {
            run!(SetDefaultPolicyVersion { name: n.policy.clone(), version: second.unwrap() })
        }
        "DeletePolicyVersion" => run!(DeletePolicyVersion { name: n.policy.clone(), version: second.unwrap() }),
        "AttachPolicyToUser" => run!(AttachPolicy::<ToUser>::new(n.user.clone(), custom())),
        "AttachPolicyToGroup" => run!(AttachPolicy::<ToGroup>::new(n.group.clone(), custom())),
        "AttachPolicyToRole" => run!(AttachPolicy::<ToRole>::new(n.role.clone(), custom())),
        "DetachPolicyFromUser" => run!(DetachPolicy::<ToUser>::new(n.user.clone(), custom())),
        "DetachPolicyFromGroup" => run!(DetachPolicy::<ToGroup>::new(n.group.clone(), custom())),
        "DetachPolicyFromRole" => run!(DetachPolicy::<ToRole>::new(n.role.clone(), custom())),
        "ListPoliciesForUser" => run!(ListPoliciesFor::<ToUser>::new(n.user.clone())),
        "ListPoliciesForGroup" => run!(ListPoliciesFor::<ToGroup>::new(n.group.clone())),
        "ListPoliciesForRole" => run!(ListPoliciesFor::<ToRole>::new(n.role.clone())),
        "ListEntitiesForPolicy" => run!(ListEntitiesForPolicy { policy: custom() }),
        "CreateRole" => run!(CreateRole {
            name: n.new.clone(),
            description: String::new(),
            trust: trust(),
            max_session: None,
            tags: Vec::new(),
        }),
        "GetRole" => run!(GetRole { name: n.role.clone() }),
        "UpdateRole" => {
            run!(UpdateRole { name: n.role.clone(), description: Some("new".into()), trust: None, max_session: None })
        }
        "ListRoles" => run!(ListRoles { filters: Vec::new(), slice: slice() }),
        "DeleteRole" => run!(DeleteRole { name: n.role.clone() }),
        "TagResources" => {
            run!(TagIdentities { kind: Taggable::Role, names: vec![n.role.clone()], tags: tags() })
        }
        "UntagResources" => {
            run!(UntagIdentities { kind: Taggable::Role, names: vec![n.role.clone()], keys: None })
        }
        "ListTagResources" => run!(ListIdentityTags {
            kind: Taggable::Role,
            names: Vec::new(),
            filters: Vec::new(),
            after: None,
            most: 10,
        }),
        "CreateToken" => run!(create_token()),
        "ListTokens" => run!(ListTokens { user: n.user.clone() }),
        "RevokeToken" => run!(RevokeToken { user: n.user.clone(), id: token.unwrap() }),
        "BindCertificate" => run!(bind()),
        "ListCertificates" => run!(ListCertificates { user: n.user.clone() }),
        "UnbindCertificate" => run!(UnbindCertificate { user: n.user.clone(), id: bound.unwrap() }),
        "AssumeRole" => run!(AssumeRole {
            account: account(),
            role: n.role.clone(),
            session_name: format!("s{}", n.number),
            duration: None,
            policy: None,
            external_id: None,
        }),
        "GetCallerIdentity" => run!(GetCallerIdentity),
        other => panic!("say here how {other} is performed"),
    }
}

/// Pairs of an operation on identities and a way in which its caller loses what it needs.
fn identity_pairs() -> impl Iterator<Item = (&'static OperationSpec, Way)> {
    let tried = yaoku_iam::operations::REGISTRY.iter().filter(|spec| !OF_OPERATORS.contains(&spec.name));
    let ways = [Way::DisableAccessKey, Way::DetachPolicy];
    tried.flat_map(move |spec| ways.into_iter().map(move |way| (spec, way))).filter(|(spec, way)| way.forbids(spec))
}

/// Whether an operation on identities was refused for what was taken, or fails always.
fn fails(spec: &OperationSpec, result: &Result<(), Spelled>) -> bool {
    is_refused(result) || (FIND_NOTHING.contains(&spec.name) && *result == Err(Spelled("not found")))
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_are_neither_shown_nor_changed_for_whom_it_was_taken_from() {
    let world = World::new().await;
    let no_key = KeyId::from_bytes([0; 16]);
    let mut number = 0;
    let mut committed = BTreeSet::new();
    for (spec, way) in identity_pairs() {
        for at in [Meanwhile::BeforeTheRecord as At, Meanwhile::InTheSync] {
            // A change is decided on when it is committed; see below.
            if spec.access == Access::Read || spec.name == "AssumeRole" {
                number += 1;
                let taken = way.taken(&world, no_key);
                let released = attempt_identity(&world, spec.name, &names(number), || at(taken)).await;
                assert!(fails(spec, &released), "{} after {way:?}: {released:?}", spec.name);
                way.given_back(&world).await;
            }
        }
        if spec.access == Access::Write {
            number += 1;
            let held = || {
                *world.store.before.lock().unwrap() = Some(way.taken(&world, no_key));
                Meanwhile::Nothing
            };
            let done = attempt_identity(&world, spec.name, &names(number), held).await;
            if world.store.before.lock().unwrap().take().is_none() {
                committed.insert(spec.name);
                assert!(fails(spec, &done), "{} after {way:?}: {done:?}", spec.name);
                way.given_back(&world).await;
            }
        }
    }
    let writes = identity_pairs().filter(|(spec, _)| spec.access == Access::Write).map(|(spec, _)| spec.name);
    let left: BTreeSet<_> = writes.filter(|name| !committed.contains(name)).collect();
    // UntagResources takes tags from a role that has none.
    let expected = ["AssumeRole", "DeleteLoginProfile", "UnbindMFADevice"];
    assert!(left.iter().all(|name| expected.contains(name) || *name == "UntagResources"), "{left:?} commit nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_not_shown_to_whom_it_was_taken_from() {
    let world = World::new().await;
    for way in [Way::DisableAccessKey, Way::DetachPolicy] {
        for at in [Meanwhile::BeforeTheRecord as At, Meanwhile::InTheSync] {
            let lookup = Lookup {
                account: String::new(),
                from: "2000".into(),
                to: "3000".into(),
                horizon: "2000".into(),
                condition: None,
                direction: Direction::Backward,
                most: 10,
                page: None,
            };
            let taken = way.taken(&world, KeyId::from_bytes([0; 16]));
            let released = world.held(&world.user(), LookupEvents { lookup, after: None }, at(taken)).await;
            assert!(is_refused(&released.map(drop)), "after {way:?}");
            way.given_back(&world).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_record_was_not_written_is_recorded_at_the_next_start() {
    let world = World::new().await;
    let key = world.key(KeySpec::Aes256, None, Origin::Generated, ProtectionLevel::Software).await.id;
    world.gate.settle_intents().await.unwrap();
    {
        // As if the process ended between commit and record.
        let told = Told(DisableKey::SPEC);
        let call = admitted(&world.gate, world.root());
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
    let (gate, ..) = open_gate(&vault, Some(open_trail(&dir, &vault).await), None).await;
    assert_eq!(recorded(), 1);
    drop(gate);
    let (_gate, ..) = open_gate(&vault, Some(open_trail(&dir, &vault).await), None).await;
    assert_eq!(recorded(), 1, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_committed_once_the_log_closes_and_that_is_no_internal_failure() {
    let world = World::new().await;
    let key = world.key(KeySpec::Aes256, None, Origin::Generated, ProtectionLevel::Software).await.id;
    world.gate.settle_intents().await.unwrap();
    let revision = async || world.store.snapshot().await.unwrap().revision();
    let before = revision().await;
    let call = admitted(&world.gate, world.root());
    // It waits for the record of the call, and takes no others.
    let closing = tokio::task::spawn_blocking({
        let trail = world.trail.clone();
        move || trail.close()
    });
    while !world.trail.is_closing() {
        tokio::task::yield_now().await;
    }
    let environment = call.environment();
    let told = Told(DisableKey::SPEC);
    let done = call.perform(&told, &environment).perform(DisableKey { key }, false).await;
    assert!(matches!(done, Err(yaoku_kms::Error::Unavailable(_))), "{done:?}");
    let told = Told(CreateUser::SPEC);
    let name = Name::parse(Field::UserName, "late").unwrap();
    let create = CreateUser { name, details: UserDetails::default() };
    let done = call.perform(&told, &environment).perform(create, false).await;
    assert!(done.is_err_and(|error| error.may_pass()));
    assert_eq!(revision().await, before);
    drop(call);
    closing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_at_its_bound_can_still_take_something_away_and_an_operator_is_not_bounded() {
    let world = World::new().await;
    let (gate, iam, _) = open_gate(&world.vault, None, None).await;
    let gate = gate.with_calls_at_once(3);
    let user = || iam.access_key(world.access_key.as_str()).unwrap().prove_by_secret(world.secret.expose()).unwrap();
    let arrived = || {
        gate.arrive(Arrival {
            protocol: "test",
            request_id: RequestId::random(),
            peer: None,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure_transport: true,
            host: "",
            user_agent: None,
            abandoned: None,
        })
    };
    let usual = |caller| arrived().admit(true).ok().unwrap().authenticated(caller);
    let revoking = |caller| arrived().admit_to_revoke(true).ok().unwrap().authenticated(caller);
    let held = usual(user());
    assert!(held.is_ok());
    assert!(matches!(usual(user()), Err(why) if why.1 == Refusal::TooManyAtOnce));
    let operator = || gate.operator(account(), operator()).unwrap();
    assert!(revoking(user()).is_ok() && usual(operator()).is_ok() && usual(operator()).is_ok());
    drop(held);
    assert!(usual(user()).is_ok());
}
