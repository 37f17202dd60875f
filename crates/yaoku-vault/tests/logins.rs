//! What a login and a renewal grant is whole seconds, however long the call takes.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use support::{as_root, post, user};
use yaoku_crypto::SystemRandom;
use yaoku_iam::operations::access_keys::CreateAccessKey;
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{Clock, Timestamp};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options};
use yaoku_vault::Service;

/// A clock that goes on by some time whenever it is asked.
struct Running(AtomicU64);

impl Clock for Running {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(7, Ordering::SeqCst))
    }
}

#[tokio::test]
async fn what_was_granted_is_answered_and_not_what_is_left_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
    let clock = Arc::new(Running(AtomicU64::new(1_795_485_600_000)));
    let gate = support::gate(&vault, clock.clone()).await;
    as_root(&gate, CreateUser { name: user(), details: UserDetails::default() }).await;
    let access_key = as_root(&gate, CreateAccessKey { whose: Some(user()) }).await.key;
    let secret = String::from_utf8(access_key.secret.expose().to_vec()).unwrap();
    let service = Service::new(gate);

    let login = json!({"role_id": access_key.id.as_str(), "secret_id": secret});
    let (_, login) = post(&service, "", "auth/approle/login", login).await;
    assert_eq!(login["auth"]["lease_duration"], 3600, "{login}");
    let token = login["auth"]["client_token"].as_str().unwrap();
    let ttl = async || {
        let (_, about) = post(&service, token, "auth/token/lookup", json!({"token": token})).await;
        about["data"]["ttl"].as_u64().unwrap()
    };
    let renew = async |body: Value| {
        let (_, renewed) = post(&service, token, "auth/token/renew-self", body).await;
        (renewed["auth"]["lease_duration"].as_u64().unwrap(), renewed["auth"]["renewable"].as_bool().unwrap())
    };
    // What is left is another question.
    assert_eq!(ttl().await, 3599);
    assert_eq!(renew(json!({"increment": "30m"})).await, (1800, true));
    assert_eq!(ttl().await, 1799);
    assert_eq!(renew(json!({"increment": 1})).await, (1, true));
    assert_eq!(renew(json!({})).await, (3600, true));
    // A day after the login, renewals grant no more than what is left of it.
    for _ in 0..23 {
        clock.0.fetch_add(3_590_000, Ordering::SeqCst);
        assert_eq!(renew(json!({})).await, (3600, true));
    }
    clock.0.fetch_add(3_590_000, Ordering::SeqCst);
    let (granted, renewable) = renew(json!({})).await;
    assert!((1..3600).contains(&granted) && !renewable, "{granted}");
}
