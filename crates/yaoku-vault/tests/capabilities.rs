//! What a token is said to be good for is what it is good for: for each permission, of a caller who has only that one, and of one who lacks
//! only that one, whatever is said of a path is compared with what becomes of calls.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use support::{as_root, post, send};
use yaoku_crypto::SystemRandom;
use yaoku_gate::Gate;
use yaoku_iam::operations::attachments::{AttachPolicy, ToUser};
use yaoku_iam::operations::policies::CreatePolicy;
use yaoku_iam::operations::tokens::CreateToken;
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_iam::{BoundNetworks, Field, Name, PolicyName, SystemClock};
use yaoku_kms::operations::aliases::CreateAlias;
use yaoku_kms::operations::keys::CreateKey;
use yaoku_kms::{AliasName, KeyId, KeySpec, KeyUsage, Origin, ProtectionLevel};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_secrets::operations::secrets::{CreateSecret, NewContent};
use yaoku_secrets::{SecretName, Value as SecretValue, ValueKind, VersionId};
use yaoku_store::{Embedded, Options};
use yaoku_vault::Service;

const PERMISSIONS: &[&str] = &[
    "CreateKey",
    "CreateAlias",
    "ListKeys",
    "ListAliases",
    "DescribeKey",
    "ListKeyVersions",
    "GetPublicKey",
    "ScheduleKeyDeletion",
    "SetDeletionProtection",
    "UpdateRotationPolicy",
    "CreateKeyVersion",
    "Encrypt",
    "Decrypt",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "AsymmetricSign",
    "AsymmetricVerify",
    "AsymmetricEncrypt",
    "AsymmetricDecrypt",
    "GenerateMac",
    "VerifyMac",
    "GetSecretValue",
    "PutSecretValue",
    "CreateSecret",
    "DeleteSecret",
    "RestoreSecret",
    "DescribeSecret",
    "ListSecrets",
    "UpdateSecret",
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn world(dir: &std::path::Path) -> Arc<Gate> {
    let store = Arc::new(Embedded::open(&dir.join("store"), Options::default()).unwrap());
    let seal = Arc::new(FileSeal { path: dir.join("root.key") });
    let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
    support::gate(&vault, Arc::new(SystemClock)).await
}

/// A token of a new user with a policy of these statements.
async fn token(gate: &Gate, name: &str, statements: &str) -> String {
    let user = Name::parse(Field::UserName, name).unwrap();
    let policy = Name::parse(Field::PolicyName, name).unwrap();
    as_root(gate, CreateUser { name: user.clone(), details: UserDetails::default() }).await;
    let document = format!(r#"{{"Version":"1","Statement":[{statements}]}}"#);
    let create = CreatePolicy { name: policy.clone(), description: String::new(), document, tags: Vec::new() };
    as_root(gate, create).await;
    as_root(gate, AttachPolicy::<ToUser>::new(user.clone(), PolicyName::Custom(policy))).await;
    let made = as_root(gate, CreateToken { user, ttl: None, networks: BoundNetworks::default() }).await;
    text(made.token.token.expose())
}

async fn key(gate: &Gate, alias: &str, spec: KeySpec, usage: KeyUsage) -> KeyId {
    let create = CreateKey {
        spec,
        usage: Some(usage),
        origin: Origin::Generated,
        protection: ProtectionLevel::Software,
        description: String::new(),
        rotation: None,
        tags: Vec::new(),
        policy: None,
    };
    let key = as_root(gate, create).await.id;
    as_root(gate, CreateAlias { alias: AliasName::parse(&format!("alias/{alias}")).unwrap(), key }).await;
    key
}

async fn secret(gate: &Gate, name: &str, key: Option<KeyId>) {
    let value = SecretValue { kind: ValueKind::Text, bytes: yaoku_crypto::Secret::new(b"{}".to_vec()) };
    let create = CreateSecret {
        content: NewContent::Generic { name: SecretName::parse(name).unwrap(), value },
        version: VersionId::parse("1").unwrap(),
        description: String::new(),
        key: key.map(Into::into),
        tags: Vec::new(),
        policy: None,
    };
    as_root(gate, create).await;
}

async fn capabilities(service: &Service, token: &str, paths: &BTreeSet<&str>) -> Value {
    // As many as one call may name.
    let mut all = serde_json::Map::new();
    for some in paths.iter().collect::<Vec<_>>().chunks(60) {
        let (status, answer) = post(service, token, "sys/capabilities-self", json!({"paths": some})).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        all.extend(answer["data"].as_object().unwrap().clone());
    }
    all.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_path_is_what_becomes_of_calls() {
    let dir = tempfile::tempdir().unwrap();
    let gate = world(dir.path()).await;
    let service = Service::new(gate.clone());
    let admin = token(&gate, "admin", r#"{"Effect":"Allow","Action":"kms:*","Resource":"*"}"#).await;
    let cmk = key(&gate, "aes", KeySpec::Aes256, KeyUsage::EncryptDecrypt).await;
    key(&gate, "pair", KeySpec::EcP256, KeyUsage::SignVerify).await;
    key(&gate, "rsa", KeySpec::Rsa2048, KeyUsage::EncryptDecrypt).await;
    key(&gate, "mac", KeySpec::HmacSha256, KeyUsage::GenerateVerifyMac).await;
    let made = async |path: &str, body: Value, field: &str| {
        let (status, answer) = post(&service, &admin, path, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer["data"][field].clone()
    };
    let sealed = made("transit/encrypt/aes", json!({"plaintext": "aGk="}), "ciphertext").await;
    let for_pair = made("transit/encrypt/rsa", json!({"plaintext": "aGk="}), "ciphertext").await;
    let signature = made("transit/sign/pair", json!({"input": "aGk="}), "signature").await;
    let code = made("transit/hmac/mac", json!({"input": "aGk="}), "hmac").await;

    let mut number = 0;
    let mut said = BTreeSet::new();
    let cases = PERMISSIONS.iter().flat_map(|one| {
        let only = format!(r#"{{"Effect":"Allow","Action":"kms:{one}","Resource":"*"}}"#);
        let rest = format!(
            r#"{{"Effect":"Allow","Action":"kms:*","Resource":"*"}},{{"Effect":"Deny","Action":"kms:{one}","Resource":"*"}}"#
        );
        [only, rest]
    });
    // Several together, on some things only, and under conditions.
    let made_of = |actions: &str, resource: &str| {
        format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"acs:kms:*:*:{resource}"}}"#)
    };
    let more = [
        made_of(r#""kms:CreateKey""#, "key") + "," + &made_of(r#""kms:CreateAlias""#, "alias/made-*"),
        made_of(r#""kms:GetSecretValue","kms:Decrypt""#, "*"),
        made_of(r#""kms:PutSecretValue","kms:GenerateDataKey""#, "*"),
        made_of(r#""kms:PutSecretValue","kms:CreateSecret""#, "*"),
        made_of(r#""kms:GetSecretValue""#, "secret/own*"),
        made_of(r#""kms:*""#, &format!("key/{cmk}")),
        r#"{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext/a":"b"}}}"#.into(),
    ];
    for statements in cases.chain(more) {
        number += 1;
        let user = token(&gate, &format!("user-{number}"), &statements).await;
        let (own, service_key) = (format!("own-{number}"), format!("plain-{number}"));
        secret(&gate, &own, Some(cmk)).await;
        secret(&gate, &service_key, None).await;
        let path =
            |rest: &str| rest.replace("OWN", &own).replace("PLAIN", &service_key).replace("N", &number.to_string());
        let value = json!({"data": {"a": "b"}});
        let versions = json!({"versions": [1]});
        // Last what takes something away.
        let calls: Vec<(&str, &str, String, Value)> = [
            ("POST", "update", "transit/encrypt/aes", json!({"plaintext": "aGk="})),
            ("POST", "update", "transit/decrypt/aes", json!({"ciphertext": sealed})),
            ("POST", "update", "transit/rewrap/aes", json!({"ciphertext": sealed})),
            ("POST", "update", "transit/datakey/plaintext/aes", json!({})),
            ("POST", "update", "transit/datakey/wrapped/aes", json!({})),
            ("POST", "update", "transit/encrypt/rsa", json!({"plaintext": "aGk="})),
            ("POST", "update", "transit/decrypt/rsa", json!({"ciphertext": for_pair})),
            ("POST", "update", "transit/sign/pair", json!({"input": "aGk="})),
            ("POST", "update", "transit/verify/pair/sha2-256", json!({"input": "aGk=", "signature": signature})),
            ("POST", "update", "transit/hmac/mac", json!({"input": "aGk="})),
            ("POST", "update", "transit/verify/mac", json!({"input": "aGk=", "hmac": code})),
            ("POST", "update", "transit/random", json!({})),
            ("GET", "read", "transit/keys/aes", json!({})),
            ("GET", "read", "transit/keys/pair", json!({})),
            ("LIST", "list", "transit/keys", json!({})),
            ("POST", "create", "transit/keys/made-N", json!({})),
            ("POST", "update", "transit/keys/aes", json!({})),
            (
                "POST",
                "update",
                "transit/keys/aes/config",
                json!({"auto_rotate_period": "30d", "deletion_allowed": false}),
            ),
            ("POST", "update", "transit/keys/aes/rotate", json!({})),
            ("DELETE", "delete", "transit/keys/aes", json!({})),
            ("GET", "read", "secret/data/OWN", json!({})),
            ("GET", "read", "secret/data/PLAIN", json!({})),
            ("GET", "read", "secret/data/none", json!({})),
            ("POST", "update", "secret/data/OWN", value.clone()),
            ("POST", "update", "secret/data/PLAIN", value.clone()),
            ("POST", "create", "mount/data/N", value.clone()),
            ("GET", "read", "secret/metadata/OWN", json!({})),
            ("POST", "update", "secret/metadata/OWN", json!({"max_versions": 5})),
            ("LIST", "list", "secret/metadata", json!({})),
            ("LIST", "list", "mount/metadata/", json!({})),
            ("GET", "read", "secret/config", json!({})),
            ("GET", "read", "sys/mounts", json!({})),
            ("GET", "read", "auth/token/lookup-self", json!({})),
            ("POST", "update", "secret/delete/OWN", versions.clone()),
            ("POST", "update", "secret/undelete/OWN", versions.clone()),
            ("DELETE", "delete", "secret/data/OWN", json!({})),
            ("POST", "update", "secret/destroy/OWN", versions.clone()),
            ("DELETE", "delete", "secret/metadata/OWN", json!({})),
        ]
        .into_iter()
        .map(|(method, word, rest, body)| (method, word, path(rest), body))
        .collect();
        let paths = calls.iter().map(|(_, _, path, _)| &**path).collect();
        let told = capabilities(&service, &user, &paths).await;
        for (method, word, path, body) in &calls {
            let (status, answer) = send(&service, &user, method, path, body).await;
            let words: Vec<_> = told[path].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let is_allowed = status != StatusCode::FORBIDDEN;
            assert_eq!(
                words.contains(word),
                is_allowed,
                "{method} {path} of {statements}: {words:?}, {status} {answer}"
            );
            assert_eq!(words.contains(&"deny"), words.len() == 1 && words[0] == "deny");
            said.insert((is_allowed, *word, path.split('/').take(2).collect::<Vec<_>>().join("/")));
        }
    }
    let asked_nothing = ["transit/random", "secret/config", "sys/mounts", "auth/token"];
    for (_, word, path) in said.iter().filter(|(_, _, path)| !asked_nothing.contains(&&**path)) {
        for is_allowed in [true, false] {
            assert!(said.contains(&(is_allowed, word, path.clone())), "never {is_allowed}: {word} {path}");
        }
    }
}

#[tokio::test]
async fn paths_that_lead_nowhere_are_denied_and_tokens_of_others_tell_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gate = world(dir.path()).await;
    let service = Service::new(gate.clone());
    let all = r#"{"Effect":"Allow","Action":"kms:*","Resource":"*"}"#;
    let (user, other) = (token(&gate, "user", all).await, token(&gate, "other", all).await);
    key(&gate, "pair", KeySpec::EcP256, KeyUsage::SignVerify).await;
    let denied = [
        "",
        "/",
        "nothing",
        "secret/data",
        "secret/data/*",
        "secret/data/a%2Fb",
        "secret/data/a/../b",
        "secret/data//a",
        "transit/keys/a/b/c",
        "transit/encrypt/none",
        "transit/export/encryption-key/pair",
        "transit/encrypt/pair",
        "transit/rewrap/pair",
        "transit/hmac/pair",
        "transit/keys/\u{e9}",
        "sys/policies/acl/x",
        "auth/token/create",
        "sys/capabilities-accessor",
    ];
    let told = capabilities(&service, &user, &denied.into_iter().collect()).await;
    for path in denied {
        assert_eq!(told[path], json!(["deny"]), "{path}");
    }
    // One path, by either name of the field, is also said by itself, and at the top.
    for body in
        [json!({"path": "secret/data/x"}), json!({"paths": ["/secret/data/x"]}), json!({"paths": "secret/data/x"})]
    {
        let (_, answer) = post(&service, &user, "sys/capabilities-self", body).await;
        let words = json!(["create", "delete", "read", "update"]);
        assert_eq!((&answer["data"]["capabilities"], &answer["capabilities"]), (&words, &words), "{answer}");
    }
    let ask = async |path: &str, body: Value| post(&service, &user, path, body).await.0;
    let body = |token: &str| json!({"token": token, "paths": ["secret/data/x"]});
    assert_eq!(ask("sys/capabilities", body(&user)).await, StatusCode::OK);
    assert_eq!(ask("sys/capabilities", body(&other)).await, StatusCode::FORBIDDEN);
    assert_eq!(ask("sys/capabilities", body("ykt.x.y")).await, StatusCode::FORBIDDEN);
    assert_eq!(ask("sys/capabilities", json!({"paths": ["secret/data/x"]})).await, StatusCode::BAD_REQUEST);
    for body in [json!({}), json!({"paths": []}), json!({"paths": vec!["a"; 65]}), json!({"paths": {"a": 1}})] {
        assert_eq!(ask("sys/capabilities-self", body.clone()).await, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(
        send(&service, &user, "GET", "sys/capabilities-self", &json!({})).await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(post(&service, "", "sys/capabilities-self", json!({"path": "a"})).await.0, StatusCode::FORBIDDEN);
}
