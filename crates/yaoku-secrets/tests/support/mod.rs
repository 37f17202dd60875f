//! Processes over one store, by a clock that is moved.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test uses a part")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::future::join_all;
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::{AccountId, Bootstrap, Domain, Environment, Iam, Performer, Principal};
use yaoku_kms::operations::Page;
use yaoku_kms::operations::keys::CreateKey;
use yaoku_kms::{
    Call, KeyId, KeyRef, KeySpec, Kms, KmsConfig, ManualClock, Operation, Origin, ProtectionLevel, Timestamp, Trace,
};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_secrets::operations::secrets::{CreateSecret, DescribeSecret, NewContent};
use yaoku_secrets::operations::values::{GetSecretValue, PutSecretValue};
use yaoku_secrets::operations::versions::ListSecretVersionIds;
use yaoku_secrets::{Error, SecretName, Secrets, SecretsConfig, Stage, Value, ValueKind, VersionAbout, VersionId};
use yaoku_store::{Embedded, Options, Store};

pub const DAY: u64 = 86_400;
pub const HERE: Environment<'_> = Environment {
    time: 1_795_485_600_000,
    source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    secure_transport: true,
    user_agent: None,
    encryption_context: None,
};

/// A process.
pub struct Node {
    pub vault: Arc<Vault>,
    pub iam: Arc<Iam>,
    pub kms: Arc<Kms>,
    pub secrets: Arc<Secrets>,
}

impl Performer<Secrets> for Node {
    async fn perform<T: Send, O: Operation<Domain = Secrets, Output = Option<T>> + 'static>(
        &self,
        account: AccountId,
        operation: O,
    ) -> Result<Option<T>, Error> {
        let (environment, trace) = (HERE, Trace::default());
        let service = self.iam.service(account).unwrap();
        let call = Call::of(service.principal(), &environment, &trace);
        let done = operation.perform(&self.secrets, &call).await?;
        self.secrets.decide_again(&call).await.map(|()| done)
    }
}

pub struct World {
    pub dir: tempfile::TempDir,
    pub store: Arc<dyn Store>,
    pub clock: Arc<ManualClock>,
    pub principal: Principal,
    pub config: SecretsConfig,
    pub nodes: Vec<Node>,
}

impl World {
    pub async fn new(nodes: usize) -> Self {
        Self::over(nodes, |store| Arc::new(store)).await
    }

    /// Over a store in which something else may happen.
    pub async fn over(nodes: usize, store: impl FnOnce(Embedded) -> Arc<dyn Store>) -> Self {
        let config = SecretsConfig { deletion_patience: 0, max_secrets: 50, ..SecretsConfig::default() };
        Self::with(nodes, store, config).await
    }

    /// Of processes that are set up so.
    pub async fn with(nodes: usize, store: impl FnOnce(Embedded) -> Arc<dyn Store>, config: SecretsConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = store(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
        let principal = Principal::root(AccountId::parse("1234567890123456").unwrap());
        let mut world = Self { dir, store, clock, principal, config, nodes: Vec::new() };
        for _ in 0..nodes {
            world.add_node().await;
        }
        world
    }

    pub async fn add_node(&mut self) {
        let seal = Arc::new(FileSeal { path: self.dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(self.store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
        let (account, clock) = (Some(self.principal.account()), self.clock.clone());
        let iam = Iam::open(vault.clone(), clock.clone(), Bootstrap { account, root: None, ..Bootstrap::default() })
            .await
            .unwrap()
            .iam;
        let config = KmsConfig::default();
        let kms = Kms::open(vault.clone(), iam.clone(), clock.clone(), config, None, None).await.unwrap();
        let config = self.config.clone();
        let secrets = Secrets::open(vault.clone(), iam.clone(), kms.clone(), clock, config).await.unwrap();
        self.nodes.push(Node { vault, iam, kms, secrets });
    }

    pub async fn call<O: Operation<Domain = Secrets>>(&self, operation: O) -> Result<O::Output, Error> {
        self.call_at(0, operation).await
    }

    /// Waits until every process knows a secret.
    pub async fn known_to_all(&self, secret: &str) {
        for node in 0..self.nodes.len() {
            while self.call_at(node, DescribeSecret { secret: name(secret).into() }).await.is_err() {
                tokio::task::yield_now().await;
            }
        }
    }

    pub async fn call_at<O: Operation<Domain = Secrets>>(&self, node: usize, operation: O) -> Result<O::Output, Error> {
        operation.perform(&self.nodes[node].secrets, &Call::of(&self.principal, &HERE, &Trace::default())).await
    }

    pub async fn keys<O: Operation<Domain = Kms>>(&self, operation: O) -> O::Output {
        let trace = Trace::default();
        let call = Call::of(&self.principal, &HERE, &trace);
        let done = operation.perform(&self.nodes[0].kms, &call).await;
        done.unwrap_or_else(|error| panic!("{error:?}"))
    }

    pub async fn cmk(&self) -> KeyId {
        let create = CreateKey {
            spec: KeySpec::Aes256,
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

    pub async fn create(&self, text: &str, key: Option<KeyId>) -> Result<(), Error> {
        self.call(create(text, key)).await.map(drop)
    }

    /// The text that a stage's version holds.
    pub async fn text(&self, secret: &str, stage: &str) -> Result<String, Error> {
        let get = GetSecretValue { secret: name(secret).into(), version: None, stage: Some(staged(stage)) };
        let value = self.call(get).await?.value;
        Ok(String::from_utf8(value.bytes.expose().to_vec()).unwrap())
    }

    pub async fn versions(&self, secret: &str) -> Vec<VersionAbout> {
        let page = Page { number: 1, size: 100 };
        let list = ListSecretVersionIds { secret: name(secret).into(), include_deprecated: true, page };
        self.call(list).await.unwrap().1.items
    }

    pub async fn identities<O: Operation<Domain = Iam>>(&self, operation: O) -> O::Output {
        let trace = Trace::default();
        let call = Call::of(&self.principal, &HERE, &trace);
        operation.perform(&self.nodes[0].iam, &call).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Rows of the store that belong to secrets.
    pub async fn rows(&self) -> usize {
        let snapshot = self.store.snapshot().await.unwrap();
        let rows = snapshot.scan(&[], None, 10_000).await.unwrap();
        rows.iter().filter(|row| [48, 49].contains(&row.key[0])).count()
    }

    pub async fn everyone_looks(&self) {
        for _ in 0..3 {
            join_all(self.nodes.iter().map(|node| async { node.secrets.do_what_is_due(node).await.unwrap() })).await;
        }
    }
}

pub fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

pub fn staged(text: &str) -> Stage {
    Stage::parse(text).unwrap()
}

pub fn value(text: &str) -> Value {
    Value { kind: ValueKind::Text, bytes: Secret::new(text.as_bytes().to_vec()) }
}

pub fn create(text: &str, key: Option<KeyId>) -> CreateSecret {
    CreateSecret {
        content: NewContent::Generic { name: name(text), value: value("first") },
        version: VersionId::parse("v1").unwrap(),
        description: String::new(),
        key: key.map(KeyRef::Id),
        tags: Vec::new(),
        policy: None,
    }
}

pub fn put(secret: &str, version: Option<&str>, text: &str) -> PutSecretValue {
    PutSecretValue {
        secret: name(secret).into(),
        version: version.map(|version| VersionId::parse(version).unwrap()),
        value: value(text),
        stages: None,
        expected: None,
    }
}
