//! The plugin over a key service that the tests command, which may also lie.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use tonic::Code;
use yaoku_client::{Action, Answer, Error};
use yaoku_kubernetes::{ClusterName, DecryptRequest, EncryptRequest, EncryptResponse, KeyService, Plugin, Settings};

/// A key service whose ciphertexts are `key.version.context.plaintext`.
#[derive(Clone)]
struct Service(Arc<State>);

struct State {
    key: Mutex<String>,
    version: Mutex<String>,
    refusal: Mutex<Option<&'static str>>,
    lie: Mutex<Option<(&'static str, String)>>,
    busy: AtomicUsize,
    most_busy: AtomicUsize,
    slow: Duration,
}

impl Service {
    fn new(slow: Duration) -> Self {
        Self(Arc::new(State {
            key: Mutex::new("k-1".into()),
            version: Mutex::new("v-1".into()),
            refusal: Mutex::default(),
            lie: Mutex::default(),
            busy: AtomicUsize::new(0),
            most_busy: AtomicUsize::new(0),
            slow,
        }))
    }

    fn plugin(&self, cluster: &str) -> Plugin<Self> {
        let cluster = ClusterName::parse(cluster).unwrap();
        let patience = Duration::from_millis(200);
        Plugin::new(self.clone(), Settings { key: "alias/k".into(), cluster, patience })
    }

    fn answer(&self, action: &str, params: &[(&str, &str)]) -> Result<String, Error> {
        let param = |name: &str| params.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        let refused = |code: &str| {
            let (code, message, request_id) = (code.to_owned(), "no".into(), "r".into());
            Err(Error::Refused { status: 400, code, message, request_id })
        };
        if let Some(code) = *self.0.refusal.lock() {
            return refused(code);
        }
        if let Some((lied_at, lie)) = &*self.0.lie.lock()
            && *lied_at == action
        {
            return Ok(lie.clone());
        }
        let (key, version) = (self.0.key.lock().clone(), self.0.version.lock().clone());
        match action {
            "DescribeKey" => {
                let key = param("KeyId");
                Ok(format!(r#"{{"KeyMetadata":{{"KeyId":"{key}","Arn":"acs:kms:r:1:key/{key}"}}}}"#))
            }
            "Encrypt" => {
                assert_eq!(param("KeyId"), "alias/k");
                let (context, plaintext) = (STANDARD.encode(param("EncryptionContext")), param("Plaintext"));
                let blob = STANDARD.encode(format!("{key}.{version}.{context}.{plaintext}"));
                Ok(format!(r#"{{"KeyId":"{key}","KeyVersionId":"{version}","CiphertextBlob":"{blob}"}}"#))
            }
            "Decrypt" => {
                let blob = String::from_utf8(STANDARD.decode(param("CiphertextBlob")).unwrap()).unwrap();
                let parts: Vec<_> = blob.split('.').collect();
                let [key, version, context, plaintext] = parts[..] else { return refused("InvalidParameter") };
                if context != STANDARD.encode(param("EncryptionContext")) {
                    return refused("InvalidParameter");
                }
                Ok(format!(r#"{{"KeyId":"{key}","KeyVersionId":"{version}","Plaintext":"{plaintext}"}}"#))
            }
            _ => panic!("{action}"),
        }
    }
}

#[async_trait]
impl KeyService for Service {
    async fn call(&self, action: &Action, params: &[(&str, &str)]) -> Result<Answer, Error> {
        let busy = self.0.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_busy.fetch_max(busy, Ordering::SeqCst);
        tokio::time::sleep(self.0.slow).await;
        let answer = self.answer(action.name, params);
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        answer.map(|json| Answer::from(json.into_bytes()))
    }
}

async fn encrypt(plugin: &Plugin<Service>) -> EncryptResponse {
    plugin.encrypt(EncryptRequest { plaintext: vec![7; 32], uid: "u".into() }).await.unwrap()
}

async fn decrypt(plugin: &Plugin<Service>, from: EncryptResponse) -> Result<Vec<u8>, Code> {
    let EncryptResponse { ciphertext, key_id, annotations } = from;
    let request = DecryptRequest { ciphertext, uid: "u".into(), key_id, annotations };
    plugin.decrypt(request).await.map(|response| response.plaintext).map_err(|status| status.code())
}

#[tokio::test]
async fn key_ids_name_the_key_version() {
    let service = Service::new(Duration::ZERO);
    let plugin = service.plugin("one");
    let first = encrypt(&plugin).await;
    assert_eq!(first.key_id, "acs:kms:r:1:key/k-1/v-1");
    assert_eq!(plugin.status().await.unwrap().key_id, first.key_id);
    // A rotation, and an alias that comes to name another key.
    for (key, version) in [("k-1", "v-2"), ("k-2", "v-9")] {
        (*service.0.key.lock(), *service.0.version.lock()) = (key.into(), version.into());
        let key_id = format!("acs:kms:r:1:key/{key}/{version}");
        assert_eq!(plugin.status().await.unwrap().key_id, key_id);
        assert_eq!(encrypt(&plugin).await.key_id, key_id);
        assert_eq!(decrypt(&plugin, first.clone()).await, Ok(vec![7; 32]));
    }
    // A plugin that has just been started knows nothing, and needs nothing.
    assert_eq!(decrypt(&service.plugin("one"), first).await, Ok(vec![7; 32]));
}

#[tokio::test]
async fn a_changed_request_is_refused() {
    let service = Service::new(Duration::ZERO);
    let plugin = service.plugin("one");
    let made = encrypt(&plugin).await;
    for key_id in ["acs:kms:r:1:key/k-1/v-2", "acs:kms:s:1:key/k-1/v-1", "k-1/v-1", "x"] {
        let changed = EncryptResponse { key_id: key_id.into(), ..made.clone() };
        assert_eq!(decrypt(&plugin, changed).await, Err(Code::InvalidArgument), "{key_id}");
    }
    let bare = EncryptResponse { annotations: Default::default(), ..made.clone() };
    assert_eq!(decrypt(&plugin, bare).await, Err(Code::InvalidArgument));
    // Another cluster's plugin refuses it for its annotation; with that changed, the key service does.
    let other = service.plugin("two");
    assert_eq!(decrypt(&other, made.clone()).await, Err(Code::InvalidArgument));
    let renamed = EncryptResponse { annotations: encrypt(&other).await.annotations, ..made };
    assert_eq!(decrypt(&other, renamed).await, Err(Code::InvalidArgument));
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_an_error_of_every_method() {
    let service = Service::new(Duration::ZERO);
    let plugin = service.plugin("one");
    let made = encrypt(&plugin).await;
    for (refusal, code) in [
        ("Rejected.Disabled", Code::FailedPrecondition),
        ("Rejected.PendingDeletion", Code::FailedPrecondition),
        ("Forbidden.KeyNotFound", Code::NotFound),
        ("Forbidden.NoPermission", Code::PermissionDenied),
        ("SignatureDoesNotMatch", Code::Unauthenticated),
        ("Throttling.User", Code::ResourceExhausted),
        ("Something.New", Code::Unknown),
    ] {
        *service.0.refusal.lock() = Some(refusal);
        assert_eq!(plugin.status().await.unwrap_err().code(), code, "{refusal}");
        let request = EncryptRequest { plaintext: vec![7; 32], uid: String::new() };
        assert_eq!(plugin.encrypt(request).await.unwrap_err().code(), code);
        assert_eq!(decrypt(&plugin, made.clone()).await, Err(code));
    }
    *service.0.refusal.lock() = None;
    assert!(plugin.status().await.is_ok());
}

#[tokio::test]
async fn answers_that_do_not_fit_are_not_passed_on() {
    let service = Service::new(Duration::ZERO);
    let plugin = service.plugin("one");
    let made = encrypt(&plugin).await;
    let large = STANDARD.encode([7; 1025]);
    let large = format!(r#"{{"KeyId":"k-1","KeyVersionId":"v-1","CiphertextBlob":"{large}"}}"#);
    let other_version = r#"{"KeyId":"k-1","KeyVersionId":"v-2","Plaintext":"AQID"}"#.to_owned();
    let other_text = r#"{"KeyId":"k-1","KeyVersionId":"v-1","Plaintext":"AQID"}"#.to_owned();
    let lies = [("Encrypt", large), ("Encrypt", "{}".into()), ("Decrypt", "[]".into()), ("Decrypt", other_text)];
    for (action, lie) in lies {
        *service.0.lie.lock() = Some((action, lie));
        assert_eq!(plugin.status().await.unwrap_err().code(), Code::Internal);
    }
    *service.0.lie.lock() = Some(("Decrypt", other_version));
    assert_eq!(decrypt(&plugin, made).await, Err(Code::InvalidArgument));
}

#[tokio::test]
async fn requests_wait_for_their_turn_and_not_for_ever() {
    let service = Service::new(Duration::from_millis(300));
    let plugin = Arc::new(service.plugin("one"));
    let ask = || {
        let plugin = plugin.clone();
        tokio::spawn(async move { plugin.status().await.map(drop).map_err(|status| status.code()) })
    };
    let all: Vec<_> = (0..40).map(|_| ask()).collect();
    let mut refused = 0;
    for asked in all {
        match asked.await.unwrap() {
            Ok(()) => {}
            Err(code) => {
                assert_eq!(code, Code::ResourceExhausted);
                refused += 1;
            }
        }
    }
    assert_eq!(service.0.most_busy.load(Ordering::SeqCst), 16);
    assert_eq!(refused, 24);
}
