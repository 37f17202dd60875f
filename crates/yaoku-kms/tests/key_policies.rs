//! Keys of one account in the hands of another, as far as their policies let it.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::{AccountId, Bootstrap, Environment, Iam, Principal};
use yaoku_kms::blob::Content;
use yaoku_kms::operations::Page;
use yaoku_kms::operations::aliases::ListAliasesByKeyId;
use yaoku_kms::operations::crypto::{Decrypt, Encrypt};
use yaoku_kms::operations::keys::{CreateKey, DescribeKey, DisableKey};
use yaoku_kms::operations::policies::{GetKeyPolicy, KeyPolicy, SetKeyPolicy};
use yaoku_kms::operations::versions::CreateKeyVersion;
use yaoku_kms::{
    Call, EncryptionContext, Error, Field, KeyId, KeyRef, KeySpec, Kms, KmsConfig, ManualClock, Operation, Origin,
    ProtectionLevel, Timestamp, Trace,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options};

const OWNER: &str = "1000000000000001";
const OTHER: &str = "1000000000000002";

struct World {
    kms: Arc<Kms>,
    source: IpAddr,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
        let account = Some(AccountId::parse(OWNER).unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
        let opened = Iam::open(vault.clone(), clock.clone(), Bootstrap { account, root: None, ..Bootstrap::default() })
            .await
            .unwrap();
        let kms = Kms::open(vault, opened.iam, clock, KmsConfig::default(), None, None).await.unwrap();
        Self { kms, source: IpAddr::V4(Ipv4Addr::LOCALHOST), _dir: dir }
    }

    /// Calls as the root of an account.
    async fn call<O: Operation<Domain = Kms>>(&self, account: &str, operation: O) -> Result<O::Output, Error> {
        let principal = Principal::root(AccountId::parse(account).unwrap());
        let environment = Environment {
            time: 1_795_485_600_000,
            source: self.source,
            secure_transport: true,
            user_agent: None,
            encryption_context: None,
        };
        let trace = Trace::default();
        operation.perform(&self.kms, &Call::of(&principal, &environment, &trace)).await
    }

    async fn key(&self, policy: Option<&str>) -> KeyId {
        let create = CreateKey {
            spec: KeySpec::Aes256,
            usage: None,
            origin: Origin::Generated,
            protection: ProtectionLevel::Software,
            description: String::new(),
            rotation: None,
            tags: Vec::new(),
            policy: policy.map(|policy| KeyPolicy::parse(policy).unwrap()),
        };
        self.call(OWNER, create).await.unwrap().id
    }

    async fn set(&self, key: KeyId, policy: &str) {
        self.call(OWNER, SetKeyPolicy { key, policy: KeyPolicy::parse(policy).unwrap() }).await.unwrap();
    }

    /// Encrypts as an account; the ciphertext.
    async fn encrypt(&self, account: &str, key: KeyRef) -> Result<Vec<u8>, Error> {
        let (plaintext, context) = (Secret::new(b"text".to_vec()), EncryptionContext::default());
        let encrypt = Encrypt { key, plaintext, content: Content::Bytes, context };
        Ok(self.call(account, encrypt).await?.blob)
    }

    async fn decrypt(&self, account: &str, blob: &[u8]) -> Result<Vec<u8>, Error> {
        let decrypt = Decrypt { blob: blob.to_vec(), context: EncryptionContext::default() };
        Ok(self.call(account, decrypt).await?.plaintext.expose().to_vec())
    }
}

fn owned(key: KeyId) -> KeyRef {
    KeyRef::OfAccount(AccountId::parse(OWNER).unwrap(), key)
}

/// A policy that allows an account some actions under a condition.
fn allow(account: &str, actions: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Principal":{{"RAM":["acs:ram::{account}:*"]}},
            "Action":{actions},"Resource":"*","Condition":{{{condition}}}}}]}}"#
    )
}

/// What the caller is told of a failure that it may not know the reason of.
fn told(result: Result<impl Sized, Error>) -> Error {
    match result.map(|_| ()).unwrap_err() {
        Error::Hidden { as_if, denial } => {
            assert!(denial.why.contains("may not kms:"), "{denial:?}");
            *as_if
        }
        other => other,
    }
}

#[tokio::test]
async fn another_account_uses_a_key_as_far_as_its_policy_goes() {
    let world = World::new().await;
    let key = world.key(None).await;
    let blob = world.encrypt(OWNER, key.into()).await.unwrap();

    // Without a policy that lets it in, nothing shows that the key exists.
    assert!(matches!(told(world.encrypt(OTHER, owned(key)).await), Error::KeyNotFound));
    assert!(matches!(told(world.decrypt(OTHER, &blob).await), Error::Ciphertext));
    assert!(matches!(told(world.call(OTHER, DescribeKey { key: owned(key) }).await), Error::KeyNotFound));

    world.set(key, &allow(OTHER, r#"["kms:Decrypt","kms:DescribeKey"]"#, "")).await;
    assert_eq!(world.decrypt(OTHER, &blob).await.unwrap(), b"text");
    assert_eq!(world.call(OTHER, DescribeKey { key: owned(key) }).await.unwrap().account.as_str(), OWNER);
    assert!(matches!(told(world.encrypt(OTHER, owned(key)).await), Error::KeyNotFound));
    // By its bare id it is looked for among the caller's own.
    assert!(matches!(told(world.call(OTHER, DescribeKey { key: key.into() }).await), Error::KeyNotFound));

    world.set(key, &allow(OTHER, r#""kms:*""#, r#""IpAddress":{"acs:SourceIp":"10.0.0.0/8"}"#)).await;
    assert!(matches!(told(world.encrypt(OTHER, owned(key)).await), Error::KeyNotFound));
    let inside = World { source: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), ..world };
    let theirs = inside.encrypt(OTHER, owned(key)).await.unwrap();
    assert_eq!(inside.decrypt(OWNER, &theirs).await.unwrap(), b"text");
}

#[tokio::test]
async fn another_account_never_manages_a_key() {
    let world = World::new().await;
    let key = world.key(Some(&allow(OTHER, r#""*""#, ""))).await;
    world.encrypt(OTHER, owned(key)).await.unwrap();
    assert!(matches!(world.call(OTHER, CreateKeyVersion { key: owned(key) }).await, Err(Error::KeyNotFound)));
    assert!(matches!(world.call(OTHER, DisableKey { key }).await, Err(Error::KeyNotFound)));
    assert!(matches!(world.call(OTHER, GetKeyPolicy { key }).await, Err(Error::KeyNotFound)));
    let page = Page { number: 1, size: 10 };
    assert!(matches!(world.call(OTHER, ListAliasesByKeyId { key, page }).await, Err(Error::KeyNotFound)));
}

#[tokio::test]
async fn no_policy_locks_out_the_root_of_the_owning_account() {
    let world = World::new().await;
    let deny = r#"{"Version":"1","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;
    let key = world.key(Some(deny)).await;
    let blob = world.encrypt(OWNER, key.into()).await.unwrap();
    assert_eq!(world.decrypt(OWNER, &blob).await.unwrap(), b"text");
    assert_eq!(world.call(OWNER, GetKeyPolicy { key }).await.unwrap().as_str(), deny);
}

#[tokio::test]
async fn a_policy_that_does_not_cover_its_key_is_refused() {
    let world = World::new().await;
    let key = world.key(None).await;
    let deny = |resource: &str| {
        let statement = format!(r#"{{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":{resource}}}"#);
        KeyPolicy::parse(&format!(r#"{{"Version":"1","Statement":[{statement}]}}"#)).unwrap()
    };
    let elsewhere = [
        r#""acs:kms:mars-1:*:key/*""#,
        r#""acs:kms:*:*:alias/*""#,
        r#"["acs:kms:*:1999999999999999:*"]"#,
        r#""acs:ram:*:*:*""#,
    ];
    for resource in elsewhere {
        let set = world.call(OWNER, SetKeyPolicy { key, policy: deny(resource) }).await;
        assert!(
            matches!(&set, Err(Error::Invalid { field: Field::Policy, why }) if why.contains("statement 1")),
            "{resource}"
        );
    }
    for resource in [
        r#""*""#.to_owned(),
        r#""acs:kms:*:*:key/*""#.to_owned(),
        format!(r#"["acs:x:*:*:y","acs:kms:*:*:key/{key}"]"#),
    ] {
        world.call(OWNER, SetKeyPolicy { key, policy: deny(&resource) }).await.unwrap();
    }
}
