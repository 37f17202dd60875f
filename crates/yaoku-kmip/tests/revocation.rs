//! Two decrypts, or two fetches, in one KMIP message, of which the second is held where it reads from the store, while what the first needed is
//! taken away: nothing that is forbidden by then is answered, though the first was done before.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use support::{as_root, policy, user};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_http::{IncomingMessage, MessageHandler};
use yaoku_iam::SystemClock;
use yaoku_iam::operations::access_keys::{CreateAccessKey, UpdateAccessKey};
use yaoku_iam::operations::attachments::{AttachPolicy, DetachPolicy, ToUser};
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{Field, Name, PolicyName};
use yaoku_kmip::Service;
use yaoku_kmip::ttlv::{Item, Tag, Value, Writer, decode};
use yaoku_kms::blob::Content;
use yaoku_kms::operations::crypto::Encrypt;
use yaoku_kms::operations::keys::{CreateKey, DisableKey, EnableKey};
use yaoku_kms::{EncryptionContext, KeySpec, Origin, ProtectionLevel};
use yaoku_objects::ObjectKind;
use yaoku_objects::operations::chosen_key::SetObjectKey;
use yaoku_objects::operations::lifecycle::DestroyManagedObject;
use yaoku_objects::operations::objects::{CreateManagedObject, NewObject};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{
    Digest, Digester, Embedded, Found, Limits, Options, Outcome, Revision, Row, Snapshot, Store, StoreId, Transaction,
    Trust, Watch,
};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store that lets something happen before it next reads a row of a kind.
struct Held {
    inner: Embedded,
    before: Mutex<Option<(u8, Task)>>,
}

#[async_trait]
impl Store for Held {
    async fn get(&self, key: &[u8]) -> Result<Option<Row>, yaoku_store::Error> {
        let task = {
            let mut before = self.before.lock().unwrap();
            let is_due = before.as_ref().is_some_and(|(kind, _)| key.first() == Some(kind));
            if is_due { before.take() } else { None }
        };
        let row = self.inner.get(key).await;
        if let Some((_, task)) = task {
            task.await;
        }
        row
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, yaoku_store::Error> {
        self.inner.snapshot().await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, yaoku_store::Error> {
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

/// The kind of the rows that hold key material.
const KEY_VERSION: u8 = 17;
/// The kind of the rows that hold the values of managed objects.
const VALUE: u8 = 73;
const GET: u32 = 0x0a;
const DECRYPT: u32 = 0x20;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Nothing,
    DisableFirstKey,
    DetachPolicy,
    DisableAccessKey,
}

/// A request of one operation for several keys or objects, each with data if there is any.
fn request(credential: (&str, &str), operation: u32, items: &[(String, Vec<u8>)]) -> IncomingMessage {
    let mut message = Writer::new();
    message.structure(Tag::REQUEST_MESSAGE, |message| {
        message.structure(Tag::REQUEST_HEADER, |header| {
            header.structure(Tag::PROTOCOL_VERSION, |version| {
                version.integer(Tag::PROTOCOL_VERSION_MAJOR, 1);
                version.integer(Tag::PROTOCOL_VERSION_MINOR, 4);
            });
            header.structure(Tag::AUTHENTICATION, |inside| {
                inside.structure(Tag::CREDENTIAL, |inside| {
                    inside.enumeration(Tag::CREDENTIAL_TYPE, 1);
                    inside.structure(Tag::CREDENTIAL_VALUE, |inside| {
                        inside.text(Tag::USERNAME, credential.0);
                        inside.text(Tag::PASSWORD, credential.1);
                    });
                });
            });
            // The rest is done even if an item fails.
            header.enumeration(Tag::BATCH_ERROR_CONTINUATION_OPTION, 1);
            header.integer(Tag::BATCH_COUNT, i32::try_from(items.len()).unwrap());
        });
        for (id, data) in items {
            message.structure(Tag::BATCH_ITEM, |item| {
                item.enumeration(Tag::OPERATION, operation);
                item.structure(Tag::REQUEST_PAYLOAD, |payload| {
                    payload.text(Tag::UNIQUE_IDENTIFIER, id);
                    if !data.is_empty() {
                        payload.bytes(Tag::DATA, data);
                    }
                });
            });
        }
    });
    IncomingMessage {
        bytes: message.finish(),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        tls: true,
        client_certificate: None,
        abandoned: Arc::default(),
    }
}

/// The plaintexts and values in a response.
fn plaintexts(item: &Item<'_>) -> Vec<Vec<u8>> {
    match &item.value {
        Value::Structure(items) => items.iter().flat_map(plaintexts).collect(),
        Value::Bytes(bytes) if [Tag::DATA, Tag::OPAQUE_DATA_VALUE].contains(&item.tag) => vec![bytes.to_vec()],
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_first_is_withheld_when_it_is_forbidden_before_the_last_is() {
    let dir = tempfile::tempdir().unwrap();
    let inner = Embedded::open(&dir.path().join("store"), Options::default()).unwrap();
    let store = Arc::new(Held { inner, before: Mutex::default() });
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
    let first = support::gate(&vault, Arc::new(SystemClock)).await;
    as_root(&first, CreateUser { name: user(), details: UserDetails::default() }).await;
    as_root(&first, AttachPolicy::<ToUser>::new(user(), policy())).await;
    let access_key = as_root(&first, CreateAccessKey { whose: Some(user()) }).await.key;
    let secret = String::from_utf8(access_key.secret.expose().to_vec()).unwrap();
    let (mut keys, mut items) = (Vec::new(), Vec::new());
    for plaintext in [b"first", b"other"] {
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
        let key = as_root(&first, create).await.id;
        let (plaintext, context) = (Secret::new(plaintext.to_vec()), EncryptionContext::default());
        let encrypt = Encrypt { key: key.into(), plaintext, content: Content::Bytes, context };
        keys.push(key);
        items.push((key.to_string(), as_root(&first, encrypt).await.blob));
    }
    for way in [Way::Nothing, Way::DisableFirstKey, Way::DetachPolicy, Way::DisableAccessKey] {
        // Another process, which has to read the keys' material: the first's now, the second's while it answers.
        let cold = support::gate(&vault, Arc::new(SystemClock)).await;
        let credential = (access_key.id.as_str(), secret.as_str());
        let service = Service::new(cold.clone());
        let warmed = service.call(&request(credential, DECRYPT, &items[..1])).await;
        assert_eq!(plaintexts(&decode(&warmed).ok().unwrap()), [b"first"]);
        let meanwhile: Task = Box::pin({
            let (gate, id, key) = (cold.clone(), access_key.id.clone(), keys[0]);
            async move {
                match way {
                    Way::Nothing => {}
                    Way::DisableFirstKey => as_root(&gate, DisableKey { key }).await,
                    Way::DetachPolicy => as_root(&gate, DetachPolicy::<ToUser>::new(user(), policy())).await,
                    Way::DisableAccessKey => {
                        as_root(&gate, UpdateAccessKey { whose: Some(user()), id, active: false }).await;
                    }
                }
            }
        });
        *store.before.lock().unwrap() = Some((KEY_VERSION, meanwhile));
        let answer = service.call(&request(credential, DECRYPT, &items)).await;
        assert!(store.before.lock().unwrap().is_none(), "{way:?}: it did not wait");
        let given = plaintexts(&decode(&answer).ok().unwrap());
        let expected: &[&[u8]] = match way {
            Way::Nothing => &[b"first", b"other"],
            Way::DisableFirstKey => &[b"other"],
            Way::DetachPolicy | Way::DisableAccessKey => &[],
        };
        assert_eq!(given, expected, "{way:?}");
        match way {
            Way::Nothing => {}
            Way::DisableFirstKey => as_root(&cold, EnableKey { key: keys[0] }).await,
            Way::DetachPolicy => as_root(&cold, AttachPolicy::<ToUser>::new(user(), policy())).await,
            Way::DisableAccessKey => {
                let (whose, id) = (Some(user()), access_key.id.clone());
                as_root(&cold, UpdateAccessKey { whose, id, active: true }).await;
            }
        }
    }
}

/// How something is taken away from a fetch.
#[derive(Debug, Clone, Copy, PartialEq)]
enum FetchWay {
    Nothing,
    DisableChosenKey,
    DestroyFirstObject,
    DetachPolicy,
    DisableAccessKey,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_first_is_withheld_when_it_is_forbidden_before_the_last_is() {
    use FetchWay::{DestroyFirstObject, DetachPolicy as Detach, DisableAccessKey, DisableChosenKey, Nothing};
    for way in [Nothing, DisableChosenKey, DestroyFirstObject, Detach, DisableAccessKey] {
        let dir = tempfile::tempdir().unwrap();
        let inner = Embedded::open(&dir.path().join("store"), Options::default()).unwrap();
        let store = Arc::new(Held { inner, before: Mutex::default() });
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
        let gate = support::gate(&vault, Arc::new(SystemClock)).await;
        let policy = || PolicyName::System(Name::parse(Field::PolicyName, "AdministratorAccess").unwrap());
        as_root(&gate, CreateUser { name: user(), details: UserDetails::default() }).await;
        as_root(&gate, AttachPolicy::<ToUser>::new(user(), policy())).await;
        let access_key = as_root(&gate, CreateAccessKey { whose: Some(user()) }).await.key;
        let secret = String::from_utf8(access_key.secret.expose().to_vec()).unwrap();
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
        let key = as_root(&gate, create).await.id;
        as_root(&gate, SetObjectKey { key: key.into() }).await;
        let mut objects = Vec::new();
        for value in [b"first", b"other"] {
            let object = NewObject {
                kind: ObjectKind::OpaqueData,
                value: Secret::new(value.to_vec()),
                names: Vec::new(),
                attributes: Vec::new(),
                activation: None,
                deactivation: None,
            };
            objects.push(as_root(&gate, CreateManagedObject { object, replaces: None }).await.id);
        }
        let service = Service::new(gate.clone());
        let credential = (access_key.id.as_str(), secret.as_str());
        let items: Vec<_> = objects.iter().map(|id| (id.to_string(), Vec::new())).collect();
        let meanwhile: Task = Box::pin({
            let (gate, id, first) = (gate.clone(), access_key.id.clone(), objects[0]);
            async move {
                match way {
                    Nothing => {}
                    DisableChosenKey => as_root(&gate, DisableKey { key }).await,
                    DestroyFirstObject => drop(as_root(&gate, DestroyManagedObject { id: first }).await),
                    Detach => as_root(&gate, DetachPolicy::<ToUser>::new(user(), policy())).await,
                    DisableAccessKey => {
                        as_root(&gate, UpdateAccessKey { whose: Some(user()), id, active: false }).await;
                    }
                }
            }
        });
        // The first is fetched by then: it is the second row of this kind that lets it happen.
        let held = store.clone();
        let second: Task = Box::pin(async move { *held.before.lock().unwrap() = Some((VALUE, meanwhile)) });
        *store.before.lock().unwrap() = Some((VALUE, second));
        let answer = service.call(&request(credential, GET, &items)).await;
        assert!(store.before.lock().unwrap().is_none(), "{way:?}: it did not wait");
        let given = plaintexts(&decode(&answer).ok().unwrap());
        let expected: &[&[u8]] = match way {
            Nothing => &[b"first", b"other"],
            DestroyFirstObject => &[b"other"],
            DisableChosenKey | Detach | DisableAccessKey => &[],
        };
        assert_eq!(given, expected, "{way:?}");
    }
}
