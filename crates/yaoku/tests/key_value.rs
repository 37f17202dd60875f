//! Secrets by the key-value engine of the Vault API, and the same secrets by the KMS API.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;
#[path = "support/vault.rs"]
mod vault_client;

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{Server, records};
use vault_client::{FULL_ACCESS, Vault, detach, make_token, make_user, start};

/// A server, and a client of a user who may do everything with keys and secrets.
fn world(data: &Path) -> (Server, Vault) {
    let server = start(data);
    make_user(&server.client(), "u", FULL_ACCESS);
    let vault = Vault::new(&server, &make_token(&server.client(), "u", &[]).1);
    (server, vault)
}

fn version(vault: &Vault, path: &str) -> Value {
    vault.get(path).ok()["metadata"]["version"].clone()
}

#[test]
fn what_is_written_is_read_back_by_version_and_by_the_kms_api() {
    let dir = tempfile::tempdir().unwrap();
    let (server, vault) = world(&dir.path().join("data"));
    let root = server.client();

    let first = r#"{"data": {"password": "p\u00e9", "n": 1.50, "deep": {"list": [1, null, true]}}}"#;
    let made = vault.send("POST", "secret/data/db/shop", &[], first).ok();
    assert_eq!((&made["version"], &made["destroyed"], &made["deletion_time"]), (&json!(1), &json!(false), &json!("")));
    let made = vault.send("PUT", "secret/data/db/shop", &[], r#"{"data": {"password": "two"}}"#).ok();
    assert_eq!(made["version"], 2);

    let read = vault.get("secret/data/db/shop").ok();
    assert_eq!((&read["data"], &read["metadata"]["version"]), (&json!({"password": "two"}), &json!(2)));
    let read = vault.get("secret/data/db/shop?version=1").ok();
    assert_eq!(read["data"], json!({"password": "pé", "n": 1.5, "deep": {"list": [1, null, true]}}));
    assert_eq!(version(&vault, "secret/data/db/shop?version=0"), 2);
    vault.get("secret/data/db/shop?version=3").fails(404);
    vault.get("secret/data/db/shop?version=x").fails(400);
    vault.get("secret/data/db").fails(404);

    // The same secret by the KMS API: the text as it was sent.
    let value = root.call("GetSecretValue", &[("SecretName", "db/shop"), ("VersionId", "1")]).ok();
    assert_eq!(value.text("SecretData"), r#"{"password": "p\u00e9", "n": 1.50, "deep": {"list": [1, null, true]}}"#);
    let put = [("SecretName", "db/shop"), ("VersionId", "blue"), ("SecretData", "plain text")];
    root.call("PutSecretValue", &put).ok();
    let read = vault.get("secret/data/db/shop").ok();
    assert_eq!((&read["data"], &read["metadata"]["version"]), (&json!({"value": "plain text"}), &json!(3)));
    let bytes = STANDARD.encode([0, 255, 7]);
    let create = [("SecretName", "raw"), ("VersionId", "1"), ("SecretData", &*bytes), ("SecretDataType", "binary")];
    root.call("CreateSecret", &create).ok();
    assert_eq!(vault.get("secret/data/raw").ok()["data"], json!({"value": bytes}));

    // Any other mount stands before the name, and is told to be of version 2.
    vault.post("mysql/data/1", json!({"data": {"data": "00ff"}})).ok();
    assert_eq!(root.call("DescribeSecret", &[("SecretName", "mysql/1")]).ok().text("SecretName"), "mysql/1");
    let tuned = vault.get("sys/mounts/mysql/tune");
    assert_eq!(tuned.body["options"]["version"], "2");
    assert_eq!(vault.get("sys/internal/ui/mounts/secret/db/shop").ok()["path"], "secret/");
    assert_eq!(vault.get("sys/mounts").body["secret/"]["type"], "kv");

    for method in ["LIST", "GET"] {
        let list = |path: &str| {
            let path = if method == "GET" { format!("{path}?list=true") } else { path.to_owned() };
            vault.send(method, &path, &[], "")
        };
        assert_eq!(list("secret/metadata").ok()["keys"], json!(["db/", "mysql/", "raw"]));
        assert_eq!(list("secret/metadata/db/").ok()["keys"], json!(["shop"]));
        assert_eq!(list("mysql/metadata").ok()["keys"], json!(["1"]));
        list("other/metadata").fails(404);
    }
}

#[test]
fn check_and_set_expects_the_current_version() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, vault) = world(&dir.path().join("data"));
    let put = |cas: u64| vault.post("secret/data/s", json!({"data": {"n": cas}, "options": {"cas": cas}}));
    put(1).fails(400);
    put(0).ok();
    put(0).fails(400);
    assert_eq!(put(1).ok()["version"], 2);
    put(1).fails(400);
    vault.post("secret/metadata/s", json!({"cas_required": true})).ok();
    vault.post("secret/data/s", json!({"data": {}})).fails(400);
    put(2).ok();
    // Of several at once, one gets through.
    let won: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| usize::from(put(3).status == 200))).collect();
        tries.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((won, version(&vault, "secret/data/s")), (1, json!(4)));
}

#[test]
fn versions_are_deleted_restored_and_destroyed() {
    let dir = tempfile::tempdir().unwrap();
    let (server, vault) = world(&dir.path().join("data"));
    for n in 1..=3 {
        vault.post("secret/data/s", json!({"data": {"n": n}})).ok();
    }
    vault.delete("secret/data/s").ok();
    let gone = vault.get("secret/data/s");
    assert_eq!((gone.status, &gone.body["data"]["data"]), (404, &Value::Null));
    assert!(!gone.body["data"]["metadata"]["deletion_time"].as_str().unwrap().is_empty());
    server.client().call("GetSecretValue", &[("SecretName", "s")]).fails(404, "Forbidden.ResourceNotFound");
    assert_eq!(version(&vault, "secret/data/s?version=2"), 2);
    vault.post("secret/undelete/s", json!({"versions": [3, 99]})).ok();
    assert_eq!(version(&vault, "secret/data/s"), 3);

    vault.post("secret/delete/s", json!({"versions": ["1", 2]})).ok();
    vault.get("secret/data/s?version=1").fails(404);
    vault.send("PUT", "secret/destroy/s", &[], r#"{"versions": [1]}"#).ok();
    vault.post("secret/undelete/s", json!({"versions": [1, 2]})).ok();
    let destroyed = vault.get("secret/data/s?version=1");
    assert_eq!((destroyed.status, &destroyed.body["data"]["metadata"]["destroyed"]), (404, &json!(true)));
    assert_eq!(version(&vault, "secret/data/s?version=2"), 2);
    vault.post("secret/destroy/s", json!({"versions": []})).fails(400);
    vault.post("secret/destroy/s", json!({"versions": vec![1; 101]})).fails(400);

    let keep = json!({"max_versions": 2, "delete_version_after": "1h", "custom_metadata": {"owner": "shop"}});
    vault.post("secret/metadata/s", keep).ok();
    vault.post("secret/data/s", json!({"data": {"n": 4}})).ok();
    let metadata = vault.get("secret/metadata/s").ok();
    assert_eq!((&metadata["current_version"], &metadata["max_versions"]), (&json!(4), &json!(2)));
    assert_eq!(
        (&metadata["delete_version_after"], &metadata["custom_metadata"]["owner"]),
        (&json!("3600s"), &json!("shop"))
    );
    assert_eq!(metadata["versions"].as_object().unwrap().len(), 2);
    assert!(
        metadata["versions"]["4"]["deletion_time"].as_str().unwrap()
            > metadata["versions"]["4"]["created_time"].as_str().unwrap()
    );
    assert_eq!(version(&vault, "secret/data/s"), 4, "it is not deleted before its time");
    for bad in [
        json!({"max_versions": 11}),
        json!({"delete_version_after": "9999999999h"}),
        json!({"custom_metadata": {"": "x"}}),
        json!({"custom_metadata": {"x": "y".repeat(513)}}),
    ] {
        vault.post("secret/metadata/s", bad).fails(400);
    }
    // 4,096 bytes in all, and one more.
    let custom = |last: usize| {
        let value = |n| "y".repeat(if n == 7 { last } else { 511 });
        json!({"custom_metadata": (0..8).map(|n| (n.to_string(), json!(value(n)))).collect::<serde_json::Map<_, _>>()})
    };
    vault.post("secret/metadata/s", custom(511)).ok();
    let refused = vault.post("secret/metadata/s", custom(512));
    assert!(refused.status == 400 && refused.body.to_string().contains("4096 bytes in all"), "{}", refused.body);
    vault.post("secret/metadata/none", json!({"max_versions": 2})).fails(400);

    vault.delete("secret/metadata/s").ok();
    vault.get("secret/data/s").fails(404);
    vault.get("secret/metadata/s").fails(404);
    vault.delete("secret/metadata/s").ok();
    vault.delete("secret/data/s").ok();
    vault.post("secret/data/s", json!({"data": {"n": 9}, "options": {"cas": 0}})).ok();
}

#[test]
fn a_disabled_key_or_a_policy_that_is_gone_forbids_every_version_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (server, vault) = world(&dir.path().join("data"));
    let root = server.client();
    vault.post("secret/data/s", json!({"data": {"planted": "never-shown-41"}})).ok();
    vault.post("secret/data/s", json!({"data": {"planted": "never-shown-42"}})).ok();
    let key = root.call("DescribeSecret", &[("SecretName", "s")]).ok().text("EncryptionKeyId").to_owned();
    let key = if key.is_empty() { "alias/acs/secrets".to_owned() } else { key };
    root.call("DisableKey", &[("KeyId", &key)]).ok();
    for path in ["secret/data/s", "secret/data/s?version=1"] {
        assert!(!vault.get(path).fails(403).contains("never-shown"));
    }
    vault.post("secret/data/s", json!({"data": {}})).fails(403);
    root.call("EnableKey", &[("KeyId", &key)]).ok();
    assert_eq!(vault.get("secret/data/s").ok()["data"]["planted"], "never-shown-42");

    make_user(&root, "reader", r#"{"Effect":"Allow","Action":["kms:GetSecretValue","kms:Decrypt"],"Resource":"*"}"#);
    let reader = vault.with(&make_token(&root, "reader", &[]).1);
    assert_eq!(version(&reader, "secret/data/s"), 2);
    reader.post("secret/data/s", json!({"data": {}})).fails(403);
    reader.post("secret/data/new", json!({"data": {}})).fails(403);
    reader.delete("secret/data/s").fails(403);
    reader.delete("secret/metadata/s").fails(403);
    reader.post("secret/destroy/s", json!({"versions": [1]})).fails(403);
    reader.post("secret/undelete/s", json!({"versions": [1]})).fails(403);
    reader.post("secret/metadata/s", json!({"max_versions": 1})).fails(403);
    reader.get("secret/metadata/s").fails(403);
    reader.send("LIST", "secret/metadata", &[], "").fails(403);
    detach(&root, "reader");
    reader.get("secret/data/s").fails(403);

    assert_eq!(server.terminate(), Some(0));
    let log = records(&dir.path().join("data"));
    let text = format!("{log:?}");
    assert!(text.contains("kv/data/read") && text.contains("kv/data/write"));
    assert!(!text.contains("never-shown"), "values do not go into the audit log");
}

#[test]
fn bad_bodies_and_paths_are_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, vault) = world(&dir.path().join("data"));
    for body in [r#"{}"#, r#"{"data": null}"#, r#"{"data": [1]}"#, r#"{"data": "text"}"#, r#"{"data": 7}"#, "[]", "{"] {
        assert!(!vault.send("POST", "secret/data/s", &[], body).fails(400).is_empty(), "{body}");
    }
    let large = json!({"data": {"x": "y".repeat(30_720)}});
    assert!(vault.post("secret/data/s", large).fails(400).starts_with("data: "));
    vault.post("secret/data/a%20b", json!({"data": {}})).fails(400);
    vault.post("acs/data/x", json!({"data": {}})).fails(400);
    vault.get("secret/data").fails(404);
    vault.get("secret/s").fails(404);
    vault.get("secret").fails(404);
    vault.get("secret/subkeys/s").fails(400);
    vault.get("secret/undelete/s").fails(405);
    assert_eq!(vault.get("secret/config").ok()["cas_required"], false);
    let nobody = vault.with("");
    for path in ["secret/data/s", "secret/config", "secret/metadata/s"] {
        nobody.get(path).fails(403);
    }
}
