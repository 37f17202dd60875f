//! A decrypt by the Vault API, held where it reads key material from the store, while what it needs is taken away: nothing that is
//! forbidden by then is answered.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::StatusCode;
use serde_json::json;
use support::{as_root, policy, post, user};
use yaoku_crypto::SystemRandom;
use yaoku_gate::Gate;
use yaoku_iam::operations::access_keys::{CreateAccessKey, UpdateAccessKey};
use yaoku_iam::operations::attachments::{AttachPolicy, DetachPolicy, ToUser};
use yaoku_iam::operations::tokens::{CreateToken, RevokeToken};
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{BoundNetworks, SystemClock};
use yaoku_kms::operations::keys::{CreateKey, DisableKey, EnableKey};
use yaoku_kms::{KeySpec, KeyUsage, Origin, ProtectionLevel};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{
    Digest, Digester, Embedded, Found, Limits, Options, Outcome, Revision, Row, Snapshot, Store, StoreId, Transaction,
    Trust, Watch,
};
use yaoku_vault::Service;

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

/// The kinds of the rows that hold what is known of a key, and key material.
const KEY: u8 = 16;
const KEY_VERSION: u8 = 17;

/// A gate, with nothing of keys in its memory.
async fn gate(vault: &Arc<Vault>) -> Arc<Gate> {
    support::gate(vault, Arc::new(SystemClock)).await
}

fn create_key(spec: KeySpec) -> CreateKey {
    CreateKey {
        spec,
        usage: Some(KeyUsage::EncryptDecrypt),
        origin: Origin::Generated,
        protection: ProtectionLevel::Software,
        description: String::new(),
        rotation: None,
        tags: Vec::new(),
        policy: None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Nothing,
    DisableKey,
    RevokeToken,
    DetachPolicy,
    DisableAccessKey,
    RevokeLogin,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decrypt_that_waits_is_withheld_when_what_it_needs_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let inner = Embedded::open(&dir.path().join("store"), Options::default()).unwrap();
    let store = Arc::new(Held { inner, before: Mutex::default() });
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
    let first = gate(&vault).await;
    as_root(&first, CreateUser { name: user(), details: UserDetails::default() }).await;
    as_root(&first, AttachPolicy::<ToUser>::new(user(), policy())).await;
    let access_key = as_root(&first, CreateAccessKey { whose: Some(user()) }).await.key;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();

    let ways =
        [Way::Nothing, Way::DisableKey, Way::RevokeToken, Way::DetachPolicy, Way::DisableAccessKey, Way::RevokeLogin];
    // Under a symmetric key, and with a key pair.
    let specs = [KeySpec::Aes256, KeySpec::Rsa2048];
    let pairs = specs.into_iter().flat_map(|spec| ways.into_iter().map(move |way| (spec, way)));
    for (spec, way, is_batch) in pairs.flat_map(|(spec, way)| [(spec, way, false), (spec, way, true)]) {
        let warm = Service::new(first.clone());
        let create = CreateToken { user: user(), ttl: None, networks: BoundNetworks::default() };
        let made = as_root(&first, create).await.token;
        let (id, made) = (made.id, text(made.token.expose()));
        let login = json!({"role_id": access_key.id.as_str(), "secret_id": text(access_key.secret.expose())});
        let (_, login) = post(&warm, "", "auth/approle/login", login).await;
        let login = login["auth"]["client_token"].as_str().unwrap().to_owned();
        let by_login = matches!(way, Way::DisableAccessKey | Way::RevokeLogin);
        let token = if by_login { &login } else { &made };

        let key = as_root(&first, create_key(spec)).await.id;
        let (_, sealed) = post(&warm, token, &format!("transit/encrypt/{key}"), json!({"plaintext": "aGk="})).await;
        let ciphertext = sealed["data"]["ciphertext"].clone();

        // Another process, which has to read the key's material.
        let cold = gate(&vault).await;
        let meanwhile: Task = Box::pin({
            let (gate, id, login, access_key) = (cold.clone(), id.clone(), login.clone(), access_key.id.clone());
            async move {
                match way {
                    Way::Nothing => {}
                    Way::DisableKey => as_root(&gate, DisableKey { key }).await,
                    Way::RevokeToken => as_root(&gate, RevokeToken { user: user(), id }).await,
                    Way::DetachPolicy => as_root(&gate, DetachPolicy::<ToUser>::new(user(), policy())).await,
                    Way::DisableAccessKey => {
                        as_root(&gate, UpdateAccessKey { whose: Some(user()), id: access_key, active: false }).await;
                    }
                    Way::RevokeLogin => {
                        let (status, _) = post(&Service::new(gate), &login, "auth/token/revoke-self", json!({})).await;
                        assert_eq!(status, StatusCode::NO_CONTENT);
                    }
                }
            }
        });
        *store.before.lock().unwrap() = Some((KEY_VERSION, meanwhile));
        let body = match is_batch {
            false => json!({"ciphertext": ciphertext}),
            // What is taken away while the first waits forbids what was done by then as well.
            true => json!({"batch_input": vec![json!({"ciphertext": ciphertext}); 3]}),
        };
        let (status, answer) = post(&Service::new(cold.clone()), token, &format!("transit/decrypt/{key}"), body).await;
        assert!(store.before.lock().unwrap().is_none(), "{spec:?} {way:?} {is_batch}: it did not wait");
        match way {
            Way::Nothing if is_batch => {
                assert_eq!(answer["data"]["batch_results"], json!(vec![json!({"plaintext": "aGk="}); 3]));
            }
            Way::Nothing => assert_eq!((status, &answer["data"]["plaintext"]), (StatusCode::OK, &json!("aGk="))),
            _ => {
                assert_eq!(status, StatusCode::FORBIDDEN, "{spec:?} {way:?} {is_batch}: {answer}");
                assert!(!answer.to_string().contains("aGk="), "{way:?}");
            }
        }
        match way {
            Way::DisableKey => as_root(&cold, EnableKey { key }).await,
            Way::DetachPolicy => as_root(&cold, AttachPolicy::<ToUser>::new(user(), policy())).await,
            Way::DisableAccessKey => {
                let (whose, id) = (Some(user()), access_key.id.clone());
                as_root(&cold, UpdateAccessKey { whose, id, active: true }).await;
            }
            Way::Nothing | Way::RevokeToken | Way::RevokeLogin => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_to_be_allowed_that_is_forbidden_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let inner = Embedded::open(&dir.path().join("store"), Options::default()).unwrap();
    let store = Arc::new(Held { inner, before: Mutex::default() });
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store.clone(), seal, Arc::new(SystemRandom)).await.unwrap());
    let first = gate(&vault).await;
    as_root(&first, CreateUser { name: user(), details: UserDetails::default() }).await;
    as_root(&first, AttachPolicy::<ToUser>::new(user(), policy())).await;
    let create = CreateToken { user: user(), ttl: None, networks: BoundNetworks::default() };
    let made = as_root(&first, create).await.token;
    let token = String::from_utf8(made.token.expose().to_vec()).unwrap();
    let (_, key) = post(&Service::new(first.clone()), &token, "transit/keys/key", json!({})).await;
    assert!(key["data"]["key_id"].is_string(), "{key}");
    for way in [Way::Nothing, Way::DetachPolicy, Way::RevokeToken] {
        // Another process, which has to read what is known of the key.
        let cold = gate(&vault).await;
        let meanwhile: Task = Box::pin({
            let (gate, id) = (cold.clone(), made.id.clone());
            async move {
                match way {
                    Way::DetachPolicy => as_root(&gate, DetachPolicy::<ToUser>::new(user(), policy())).await,
                    Way::RevokeToken => as_root(&gate, RevokeToken { user: user(), id }).await,
                    _ => {}
                }
            }
        });
        *store.before.lock().unwrap() = Some((KEY, meanwhile));
        let body = json!({"paths": ["transit/encrypt/key"]});
        let (status, answer) = post(&Service::new(cold.clone()), &token, "sys/capabilities-self", body).await;
        assert!(store.before.lock().unwrap().is_none(), "{way:?}: it did not wait");
        match way {
            Way::Nothing => assert_eq!(answer["data"]["capabilities"], json!(["update"]), "{status} {answer}"),
            _ => assert!(!answer.to_string().contains("update"), "{way:?}: {status} {answer}"),
        }
        if way == Way::DetachPolicy {
            as_root(&cold, AttachPolicy::<ToUser>::new(user(), policy())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_batch_that_comes_after_a_revocation_was_answered_gets_anything() {
    const TASKS: usize = 4;
    const ROUNDS: usize = 12;
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
    let gate = gate(&vault).await;
    as_root(&gate, CreateUser { name: user(), details: UserDetails::default() }).await;
    as_root(&gate, AttachPolicy::<ToUser>::new(user(), policy())).await;
    let create = CreateToken { user: user(), ttl: None, networks: BoundNetworks::default() };
    let token = as_root(&gate, create).await.token.token;
    let token: Arc<str> = std::str::from_utf8(token.expose()).unwrap().into();
    let key = as_root(&gate, create_key(KeySpec::Aes256)).await.id;
    let service = Arc::new(Service::new(gate.clone()));
    let (_, sealed) = post(&service, &token, &format!("transit/encrypt/{key}"), json!({"plaintext": "aGk="})).await;
    let body = Arc::new(json!({"batch_input": vec![json!({"ciphertext": sealed["data"]["ciphertext"]}); 32]}));

    for round in 0..ROUNDS {
        let is_revoked = Arc::new(AtomicBool::new(false));
        let opened = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (service, token, body) = (service.clone(), token.clone(), body.clone());
                let (is_revoked, opened) = (is_revoked.clone(), opened.clone());
                tokio::spawn(async move {
                    loop {
                        let is_late = is_revoked.load(Ordering::SeqCst);
                        let (status, answer) =
                            post(&service, &token, &format!("transit/decrypt/{key}"), (*body).clone()).await;
                        if is_late {
                            assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
                            assert!(!answer.to_string().contains("aGk="), "{answer}");
                            return;
                        }
                        if status == StatusCode::OK {
                            opened.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        while opened.load(Ordering::SeqCst) < TASKS {
            tokio::task::yield_now().await;
        }
        let by_policy = round % 2 == 0;
        match by_policy {
            true => as_root(&gate, DetachPolicy::<ToUser>::new(user(), policy())).await,
            false => as_root(&gate, DisableKey { key }).await,
        }
        is_revoked.store(true, Ordering::SeqCst);
        for task in tasks {
            task.await.unwrap();
        }
        match by_policy {
            true => as_root(&gate, AttachPolicy::<ToUser>::new(user(), policy())).await,
            false => as_root(&gate, EnableKey { key }).await,
        }
    }
}
