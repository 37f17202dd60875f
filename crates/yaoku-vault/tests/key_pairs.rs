//! RSA keys whose usage is encryption, over their versions: of key pairs, one can come every week.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use support::{as_root, policy, post, user};
use yaoku_crypto::SystemRandom;
use yaoku_iam::operations::attachments::{AttachPolicy, ToUser};
use yaoku_iam::operations::tokens::CreateToken;
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{BoundNetworks, ManualClock, Timestamp};
use yaoku_kms::operations::keys::CreateKey;
use yaoku_kms::{KeySpec, KeyUsage, Origin, ProtectionLevel};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options};
use yaoku_vault::Service;

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_version_encrypts_and_each_decrypts_its_own() {
    const WEEK: u64 = 7 * 86_400;
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
    let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
    let gate = support::gate(&vault, clock.clone()).await;
    as_root(&gate, CreateUser { name: user(), details: UserDetails::default() }).await;
    as_root(&gate, AttachPolicy::<ToUser>::new(user(), policy())).await;
    let create = CreateToken { user: user(), ttl: None, networks: BoundNetworks::default() };
    let token = as_root(&gate, create).await.token.token;
    let token = std::str::from_utf8(token.expose()).unwrap();
    let create = CreateKey {
        spec: KeySpec::Rsa2048,
        usage: Some(KeyUsage::EncryptDecrypt),
        origin: Origin::Generated,
        protection: ProtectionLevel::Software,
        description: String::new(),
        rotation: None,
        tags: Vec::new(),
        policy: None,
    };
    let key = as_root(&gate, create).await.id;
    let service = Service::new(gate);
    let mut made = Vec::new();
    for number in 1..=3 {
        let (_, answer) = post(&service, token, &format!("transit/encrypt/{key}"), json!({"plaintext": "aGk="})).await;
        assert_eq!(answer["data"]["key_version"], number, "{answer}");
        made.push(answer["data"]["ciphertext"].as_str().unwrap().to_owned());
        clock.advance_seconds(WEEK + 1);
        let (status, answer) = post(&service, token, &format!("transit/keys/{key}/rotate"), json!({})).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }
    for (at, ciphertext) in made.iter().enumerate() {
        let (_, blob) = ciphertext.rsplit_once(':').unwrap();
        for number in 1..=4 {
            let body = json!({"ciphertext": format!("vault:v{number}:{blob}")});
            let (status, answer) = post(&service, token, &format!("transit/decrypt/{key}"), body).await;
            match number == at + 1 {
                true => assert_eq!(answer["data"]["plaintext"], "aGk=", "{answer}"),
                false => assert_eq!(status, StatusCode::BAD_REQUEST, "{number} of {at}: {answer}"),
            }
        }
    }
}
