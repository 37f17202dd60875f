//! The Vault API through the binary, and the same keys by both protocols.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;
#[path = "support/vault.rs"]
mod vault_client;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT, Client, RAM, Server, log_of, records};
use vault_client::{CREDENTIALS, FULL_ACCESS, Vault, detach, make_token, make_user, start};

fn yaoku(data: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_yaoku")).args(args).arg("--data-dir").arg(data).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn ciphertexts_of_one_protocol_open_under_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    let key = vault.post("transit/keys/orders", json!({})).ok()["key_id"].as_str().unwrap().to_owned();
    root.call("Encrypt", &[("KeyId", "alias/orders"), ("Plaintext", "aGk=")]).ok();

    // A context that is a flat map is the same by both, however it is written.
    let context = STANDARD.encode(r#"{ "b": "2", "aws:s3:arn": "arn:aws:s3::u:bucket/obj" }"#);
    let same = r#"{"aws:s3:arn":"arn:aws:s3::u:bucket/obj","b":"2"}"#;
    let body = json!({"plaintext": STANDARD.encode("hello"), "context": context});
    let made = vault.post("transit/encrypt/orders", body).ok();
    let ciphertext = made["ciphertext"].as_str().unwrap();
    assert_eq!(made["key_version"], 1);
    let blob = ciphertext.strip_prefix("vault:v1:").unwrap();
    let opened = root.call("Decrypt", &[("CiphertextBlob", blob), ("EncryptionContext", same)]).ok();
    assert_eq!(opened.text("Plaintext"), STANDARD.encode("hello"));
    assert_eq!(opened.text("KeyId"), key);
    root.call("Decrypt", &[("CiphertextBlob", blob)]).fails(400, "InvalidParameter");

    let made =
        root.call("Encrypt", &[("KeyId", &key), ("Plaintext", &STANDARD.encode("text")), ("EncryptionContext", same)]);
    let ciphertext = format!("vault:v1:{}", made.ok().text("CiphertextBlob"));
    // By its id as well as by its alias.
    for name in ["orders", &key] {
        let body = json!({"ciphertext": ciphertext, "context": context});
        let opened = vault.post(&format!("transit/decrypt/{name}"), body).ok();
        let plaintext = STANDARD.decode(opened["plaintext"].as_str().unwrap()).unwrap();
        assert!(plaintext == b"text" || STANDARD.decode(plaintext).unwrap() == b"text");
    }

    // What binds bytes, the KMS API can't say.
    for bound in [json!({"context": STANDARD.encode("tenant-7")}), json!({"associated_data": STANDARD.encode("row 7")})]
    {
        let with = |mut body: Value| {
            body.as_object_mut().unwrap().extend(bound.as_object().unwrap().clone());
            body
        };
        let made = vault.post("transit/encrypt/orders", with(json!({"plaintext": "aGk="}))).ok();
        let ciphertext = made["ciphertext"].as_str().unwrap();
        let opened = vault.post("transit/decrypt/orders", with(json!({"ciphertext": ciphertext}))).ok();
        assert_eq!(opened["plaintext"], "aGk=");
        vault.decrypt("orders", ciphertext).fails(400);
        let blob = ciphertext.strip_prefix("vault:v1:").unwrap();
        root.call("Decrypt", &[("CiphertextBlob", blob)]).fails(400, "InvalidParameter");
    }
}

#[test]
fn versions_are_counted_by_age_and_must_agree_with_the_blob() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    vault.post("transit/keys/orders", json!({"type": "aes256-gcm96"})).ok();
    vault.post("transit/keys/other", json!({})).ok();
    let first = vault.encrypt("orders", "one");
    vault.post("transit/keys/orders/rotate", json!({})).ok();
    let second = vault.encrypt("orders", "two");
    vault.post("transit/keys/orders/rotate", json!({})).ok();
    assert!(first.starts_with("vault:v1:") && second.starts_with("vault:v2:"));
    assert!(vault.encrypt("orders", "three").starts_with("vault:v3:"));
    for (ciphertext, text) in [(&first, "one"), (&second, "two")] {
        assert_eq!(vault.decrypt("orders", ciphertext).ok()["plaintext"], STANDARD.encode(text));
        for other in ["vault:v0:", "vault:v3:", "vault:v4294967296:", "vault:v:"] {
            vault.decrypt("orders", &format!("{other}{}", ciphertext.rsplit(':').next().unwrap())).fails(400);
        }
        vault.decrypt("other", ciphertext).fails(400);
        vault.decrypt("none", ciphertext).fails(400);
    }
    let rewrapped = vault.post("transit/rewrap/orders", json!({"ciphertext": first})).ok();
    assert_eq!(rewrapped["key_version"], 3);
    assert_eq!(
        vault.decrypt("orders", rewrapped["ciphertext"].as_str().unwrap()).ok()["plaintext"],
        STANDARD.encode("one")
    );
    let about = vault.get("transit/keys/orders").ok();
    assert_eq!((about["latest_version"].as_u64(), about["keys"].as_object().unwrap().len()), (Some(3), 3));
    // Making what is there changes nothing.
    assert_eq!(vault.post("transit/keys/orders", json!({})).ok()["latest_version"], 3);
    let listed = vault.send("LIST", "transit/keys", &[], "").ok();
    assert!(listed["keys"].as_array().unwrap().contains(&json!("orders")));
    let made = vault.post("transit/datakey/wrapped/orders", json!({"bits": 512})).ok();
    assert!(made.get("plaintext").is_none());
    let opened = vault.decrypt("orders", made["ciphertext"].as_str().unwrap()).ok();
    assert_eq!(STANDARD.decode(opened["plaintext"].as_str().unwrap()).unwrap().len(), 64);
    // Deletion is allowed first, and then only scheduled.
    vault.delete("transit/keys/orders").fails(400);
    vault.post("transit/keys/orders/config", json!({"deletion_allowed": true, "auto_rotate_period": "30d"})).ok();
    assert_eq!(vault.get("transit/keys/orders").ok()["auto_rotate_period"], 30 * 86_400);
    vault.delete("transit/keys/orders").ok();
    vault.decrypt("orders", &first).fails(403);
    assert_eq!(vault.get("transit/keys/orders").ok()["state"], "PendingDeletion");
}

#[test]
fn key_pairs_sign_and_mac_keys_authenticate() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    let about = vault.post("transit/keys/p256", json!({"type": "ecdsa-p256"})).ok();
    assert!(about["keys"]["1"]["public_key"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    vault.post("transit/keys/rsa", json!({"type": "rsa-2048"})).ok();
    vault.post("transit/keys/mac", json!({"type": "hmac"})).ok();
    let valid = |path: &str, body: Value| vault.post(path, body).ok()["valid"].as_bool().unwrap();
    for (key, more) in [
        ("p256", json!({})),
        ("p256", json!({"marshaling_algorithm": "jws"})),
        ("rsa", json!({})),
        ("rsa", json!({"signature_algorithm": "pkcs1v15"})),
    ] {
        let with = |body: Value| {
            let mut all = more.clone();
            all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            all
        };
        let made = vault.post(&format!("transit/sign/{key}/sha2-256"), with(json!({"input": "aGk="}))).ok();
        let signature = &made["signature"];
        let path = format!("transit/verify/{key}");
        assert!(valid(&path, with(json!({"input": "aGk=", "signature": signature}))), "{key} {more}");
        assert!(!valid(&path, with(json!({"input": "aG8=", "signature": signature}))), "{key} {more}");
    }
    vault.post("transit/sign/p256/sha2-512", json!({"input": "aGk="})).fails(400);
    vault.post("transit/sign/mac", json!({"input": "aGk="})).fails(400);
    let code = vault.post("transit/hmac/mac", json!({"input": "aGk="})).ok()["hmac"].clone();
    assert!(valid("transit/verify/mac", json!({"input": "aGk=", "hmac": code})));
    assert!(!valid("transit/verify/mac", json!({"input": "aG8=", "hmac": code})));
    let sum = vault.post("transit/hash/sha2-256", json!({"input": "aGk="})).ok()["sum"].clone();
    assert_eq!(sum, "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4");
    let drawn = vault.post("transit/random/16", json!({"format": "hex"})).ok();
    assert_eq!(drawn["random_bytes"].as_str().unwrap().len(), 32);
}

#[test]
fn rsa_keys_for_encryption_encrypt_for_both_protocols() {
    const HOW: (&str, &str) = ("Algorithm", "RSAES_OAEP_SHA_256");
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    make_user(&root, "symmetric", r#"{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*"}"#);
    let pair = r#"{"Effect":"Allow","Action":["kms:AsymmetricEncrypt","kms:AsymmetricDecrypt"],"Resource":"*"}"#;
    make_user(&root, "asymmetric", pair);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    let key = root.create_key(&[("KeySpec", "RSA_2048"), ("KeyUsage", "ENCRYPT/DECRYPT")]);
    root.call("CreateAlias", &[("AliasName", "alias/envelopes"), ("KeyId", &key)]).ok();
    let about = vault.get("transit/keys/envelopes").ok();
    assert_eq!((&about["type"], &about["supports_encryption"]), (&json!("rsa-2048"), &json!(true)));
    assert_eq!(about["supports_signing"], false);

    // Both ways.
    let first =
        root.call("ListKeyVersions", &[("KeyId", &key)]).ok().text("KeyVersions/KeyVersion/0/KeyVersionId").to_owned();
    let of_transit = vault.encrypt("envelopes", "hello");
    let (prefix, blob) = of_transit.split_at("vault:v1:".len());
    assert_eq!(prefix, "vault:v1:");
    let version = [("KeyId", &*key), ("KeyVersionId", &*first), HOW];
    let opened = root.call("AsymmetricDecrypt", &[&version[..], &[("CiphertextBlob", blob)]].concat()).ok();
    assert_eq!(opened.text("Plaintext"), STANDARD.encode("hello"));
    let plaintext = STANDARD.encode("moved");
    let made = root.call("AsymmetricEncrypt", &[&version[..], &[("Plaintext", &plaintext)]].concat()).ok();
    let of_kms = format!("vault:v1:{}", made.text("CiphertextBlob"));
    for (ciphertext, text) in [(&of_transit, "hello"), (&of_kms, "moved")] {
        assert_eq!(vault.decrypt("envelopes", ciphertext).ok()["plaintext"], STANDARD.encode(text));
        for other in ["vault:v2:", "vault:v0:"] {
            vault.decrypt("envelopes", &ciphertext.replace("vault:v1:", other)).fails(400);
        }
    }
    let batch = json!({"batch_input": [{"ciphertext": of_transit, "reference": "a"}, {"ciphertext": "vault:v1:aGk="}]});
    let answer = vault.post("transit/decrypt/envelopes", batch);
    assert_eq!(answer.status, 400);
    let results = &answer.body["data"]["batch_results"];
    assert_eq!(results[0], json!({"plaintext": STANDARD.encode("hello"), "reference": "a"}));
    assert!(results[1]["error"].is_string(), "{results}");

    // What it can't do is refused.
    let plaintext = STANDARD.encode("hello");
    for (path, body) in [
        ("encrypt", json!({"plaintext": plaintext, "context": STANDARD.encode(r#"{"a":"b"}"#)})),
        ("encrypt", json!({"plaintext": plaintext, "associated_data": plaintext})),
        ("encrypt", json!({"plaintext": plaintext, "padding_scheme": "pkcs1v15"})),
        ("encrypt", json!({"plaintext": STANDARD.encode([1; 191])})),
        ("decrypt", json!({"ciphertext": of_transit, "context": STANDARD.encode("x")})),
        ("decrypt", json!({"ciphertext": of_transit, "padding_scheme": "pkcs1v15"})),
        ("rewrap", json!({"ciphertext": of_transit})),
        ("datakey/plaintext", json!({})),
        ("sign", json!({"input": plaintext})),
    ] {
        assert!(!vault.post(&format!("transit/{path}/envelopes"), body).fails(400).is_empty());
    }
    let oaep = json!({"plaintext": STANDARD.encode([1; 190]), "padding_scheme": "oaep"});
    vault.post("transit/encrypt/envelopes", oaep).ok();
    vault.post("transit/keys/signs", json!({"type": "rsa-2048"})).ok();
    vault.post("transit/encrypt/signs", json!({"plaintext": plaintext})).fails(400);

    // The permissions are those of the KMS API.
    let symmetric = vault.with(&make_token(&root, "symmetric", &[]).1);
    symmetric.post("transit/encrypt/envelopes", json!({"plaintext": plaintext})).fails(403);
    symmetric.decrypt("envelopes", &of_transit).fails(403);
    let asymmetric = vault.with(&make_token(&root, "asymmetric", &[]).1);
    asymmetric.encrypt("envelopes", "hello");
    asymmetric.decrypt("envelopes", &of_transit).ok();
    root.call("DisableKey", &[("KeyId", &key)]).ok();
    asymmetric.decrypt("envelopes", &of_transit).fails(403);
    vault.post("transit/encrypt/envelopes", json!({"plaintext": plaintext})).fails(403);
}

#[test]
fn what_the_command_line_writes_is_read() {
    // It writes every value as a text, and lists with commas.
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    vault.post("transit/keys/k", json!({"type": "ecdsa-p256", "derived": "false", "exportable": "0"})).ok();
    assert!(vault.post("transit/keys/x", json!({"exportable": "true"})).fails(400).contains("exportable"));
    let config = json!({"deletion_allowed": "true", "min_decryption_version": "1"});
    assert_eq!(vault.post("transit/keys/k/config", config).ok()["deletion_allowed"], true);
    let digest = STANDARD.encode([7; 32]);
    let signed = vault.post("transit/sign/k", json!({"input": digest, "prehashed": "true"})).ok();
    let body = json!({"input": digest, "prehashed": true, "signature": signed["signature"]});
    assert_eq!(vault.post("transit/verify/k", body).ok()["valid"], true);
    for _ in 0..3 {
        vault.post("secret/data/s", json!({"data": {"a": "b"}})).ok();
    }
    vault.post("secret/delete/s", json!({"versions": "1, 3"})).ok();
    let deleted: Vec<_> =
        ["1", "2", "3"].map(|version| vault.get(&format!("secret/data/s?version={version}")).status).into();
    assert_eq!(deleted, [404, 200, 404]);
    vault.post("secret/undelete/s", json!({"versions": 3})).ok();
    vault.get("secret/data/s").ok();
    vault.post("secret/metadata/s", json!({"cas_required": "true", "max_versions": "4"})).ok();
    let refused = vault.post("secret/data/s", json!({"data": {}})).fails(400);
    assert_eq!(refused, "check-and-set parameter required for this call");
    let refused = vault.post("secret/data/s", json!({"data": {}, "options": {"cas": "1"}})).fails(400);
    assert_eq!(refused, "check-and-set parameter did not match the current version");
    vault.post("secret/data/s", json!({"data": {}, "options": {"cas": "3"}})).ok();
}

#[test]
fn records_say_what_was_done_with_keys_and_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data);
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    vault.post("secret/data/s", json!({"data": {"password": "planted-value"}, "options": {"cas": 0}})).ok();
    vault.post("secret/data/s", json!({"data": {"password": "planted-value"}})).ok();
    vault.get("secret/data/s?version=1").ok();
    vault.post("secret/destroy/s", json!({"versions": [1]})).ok();
    let metadata = json!({"max_versions": 5, "custom_metadata": {"owner": "planted-value"}});
    vault.post("secret/metadata/s", metadata).ok();
    vault.post("transit/keys/k", json!({"type": "aes128-gcm96"})).ok();
    vault.post("transit/keys/k/config", json!({"deletion_allowed": true, "auto_rotate_period": "168h"})).ok();
    vault.post("transit/keys/k/rotate", json!({})).ok();
    vault.post("transit/hash/ykt.planted-value", json!({"input": ""})).fails(400);
    let all = records(&data);
    let shown = |name: &str, part: &str, field: &str| {
        let found = all.iter().filter(|record| record["eventName"] == name).map(|record| &record[part][field]);
        found.filter(|value| !value.is_null()).map(|value| value.to_string().replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(shown("kv/data/write", "requestParameters", "cas"), ["0"]);
    assert_eq!(shown("kv/data/write", "responseElements", "version"), ["1", "2"]);
    assert_eq!(shown("kv/data/read", "requestParameters", "version"), ["1"]);
    assert_eq!(shown("kv/destroy", "requestParameters", "versions"), ["1"]);
    assert_eq!(shown("kv/metadata/write", "requestParameters", "max_versions"), ["5"]);
    assert_eq!(shown("kv/metadata/write", "requestParameters", "custom_metadata"), ["owner"]);
    assert_eq!(shown("transit/keys/create", "requestParameters", "type"), ["aes128-gcm96"]);
    assert_eq!(shown("transit/keys/config", "requestParameters", "deletion_allowed"), ["true"]);
    assert_eq!(shown("transit/keys/config", "requestParameters", "auto_rotate_period"), ["604800"]);
    assert_eq!(shown("transit/keys/rotate", "responseElements", "keyVersionId").len(), 1);
    assert!(!all.iter().any(|record| record.to_string().contains("planted-value")));
}

#[test]
fn a_configuration_is_changed_wholly_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    let actions = r#"["kms:DescribeKey","kms:ListKeyVersions","kms:UpdateRotationPolicy"]"#;
    make_user(&root, "u", &format!(r#"{{"Effect":"Allow","Action":{actions},"Resource":"*"}}"#));
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    let key = root.create_key(&[]);
    let both = json!({"deletion_allowed": false, "auto_rotate_period": "168h"});
    vault.post(&format!("transit/keys/{key}/config"), both).fails(403);
    let about = root.call("DescribeKey", &[("KeyId", &key)]).ok();
    assert_eq!(about.text("KeyMetadata/AutomaticRotation"), "Disabled");
    vault.post(&format!("transit/keys/{key}/config"), json!({"auto_rotate_period": "168h"})).ok();
    let about = root.call("DescribeKey", &[("KeyId", &key)]).ok();
    assert_eq!(about.text("KeyMetadata/AutomaticRotation"), "Enabled");
    // Base64 as command lines wrap it, and names that are no path.
    make_user(&root, "v", FULL_ACCESS);
    let vault = Vault::new(&server, &make_token(&root, "v", &[]).1);
    let made = vault.post(&format!("transit/encrypt/{key}"), json!({"plaintext": "aGVs\r\nbG8=\n"})).ok();
    let wrapped = made["ciphertext"].as_str().unwrap().replacen("vault:v1:", "vault:v1:\n", 1);
    let opened = vault.post(&format!("transit/decrypt/{key}"), json!({"ciphertext": wrapped})).ok();
    assert_eq!(opened["plaintext"], "aGVsbG8=");
    for name in ["alias/alias/twice", "alias/team/orders", "alias/plain"] {
        root.call("CreateAlias", &[("KeyId", &key), ("AliasName", name)]).ok();
    }
    let listed = vault.get("transit/keys?list=true").ok();
    let names: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, ["plain", &key]);
}

#[test]
fn a_token_ends_with_what_it_came_from_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data);
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    let key = root.at(RAM).call("CreateAccessKey", &[("UserName", "u")]).ok();
    let (id, secret) = (key.text("AccessKey/AccessKeyId").to_owned(), key.text("AccessKey/AccessKeySecret").to_owned());
    let vault = Vault::new(&server, "");
    let whoami = |token: &str| vault.with(token).get("auth/token/lookup-self");
    let log_in = || vault.log_in(&id, &secret).body["auth"]["client_token"].as_str().unwrap().to_owned();

    // Logins, each of its own.
    let (one, other) = (log_in(), log_in());
    assert_eq!(whoami(&one).ok()["meta"]["arn"], format!("acs:ram::{ACCOUNT}:user/u"));
    let renewed = vault.with(&one).post("auth/token/renew-self", json!({"increment": "30m"}));
    assert_eq!(renewed.body["auth"]["client_token"], one);
    vault.with(&one).post("auth/token/revoke-self", json!({})).ok();
    whoami(&one).fails(403);
    vault.with(&one).post("auth/token/renew-self", json!({})).fails(403);
    whoami(&other).ok();
    // One's own token can be named, and nobody else's.
    let (_, foreign) = make_token(&root, "u", &[]);
    vault.with(&other).post("auth/token/lookup", json!({"token": foreign})).ok();
    make_user(&root, "v", FULL_ACCESS);
    let (_, of_v) = make_token(&root, "v", &[]);
    vault.with(&other).post("auth/token/revoke", json!({"token": of_v})).fails(403);
    whoami(&of_v).ok();

    // It ends with its AccessKey.
    let update = |status: &str| {
        root.at(RAM).call("UpdateAccessKey", &[("UserName", "u"), ("UserAccessKeyId", &id), ("Status", status)]).ok();
    };
    update("Inactive");
    whoami(&other).fails(403);
    vault.log_in(&id, &secret).fails(400);
    update("Active");
    whoami(&other).ok();
    root.at(RAM).call("DeleteAccessKey", &[("UserName", "u"), ("UserAccessKeyId", &id)]).ok();
    whoami(&other).fails(403);

    // Tokens that administrators make: listed, revoked, bound to a network, and gone with their user.
    let (id, token) = make_token(&root, "u", &[("TtlSeconds", "3600")]);
    whoami(&token).ok();
    let listed = root.at(CREDENTIALS).call("ListTokens", &[("UserName", "u")]).ok().body.to_string();
    assert!(listed.contains(&id) && !listed.contains(&token), "{listed}");
    root.at(CREDENTIALS).call("RevokeToken", &[("UserName", "u"), ("TokenId", &id)]).ok();
    whoami(&token).fails(403);
    let (_, elsewhere) = make_token(&root, "u", &[("BoundCidrs", "192.0.2.0/24")]);
    whoami(&elsewhere).fails(403);
    let (_, here) = make_token(&root, "u", &[("BoundCidrs", "192.0.2.0/24, 127.0.0.0/8")]);
    whoami(&here).ok();
    whoami(&format!("{here}x")).fails(403);
    detach(&root, "u");
    vault.with(&here).post("transit/keys/k", json!({})).fails(403);
    root.at(RAM).call("DeleteUser", &[("UserName", "u")]).ok();
    whoami(&here).fails(403);

    // By the command line, and after a restart.
    let printed = yaoku(&data, &["ram", "token", "create", "--user", "v", "--ttl", "24h"]);
    whoami(&printed).ok();
    let last = vault.log_in(ACCESS_KEY_ID, ACCESS_KEY_SECRET).body["auth"]["client_token"].as_str().unwrap().to_owned();
    let revoked =
        vault.log_in(ACCESS_KEY_ID, ACCESS_KEY_SECRET).body["auth"]["client_token"].as_str().unwrap().to_owned();
    vault.with(&revoked).post("auth/token/revoke-self", json!({})).ok();
    assert_eq!(server.terminate(), Some(0));
    let server = start(&data);
    let vault = Vault::new(&server, "");
    vault.with(&printed).get("auth/token/lookup-self").ok();
    vault.with(&last).get("auth/token/lookup-self").ok();
    vault.with(&revoked).get("auth/token/lookup-self").fails(403);
    let used = server.client().at(CREDENTIALS).call("ListTokens", &[("UserName", "v")]).ok().body.to_string();
    assert!(!used.contains(r#""LastUsedDate":"""#), "{used}");
}

#[test]
fn policies_govern_tokens_and_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    let statement = format!(
        r#"{{"Effect":"Allow","Action":["yaoku:CreateToken","yaoku:ListTokens"],"Resource":"acs:yaoku:*:{ACCOUNT}:token/app"}}"#
    );
    make_user(&root, "admin", &statement);
    make_user(&root, "app", FULL_ACCESS);
    let key = root.at(RAM).call("CreateAccessKey", &[("UserName", "admin")]).ok();
    let admin = Client {
        access_key_id: key.text("AccessKey/AccessKeyId").to_owned(),
        secret: key.text("AccessKey/AccessKeySecret").to_owned(),
        ..root.at(CREDENTIALS)
    };
    let made = admin.call("CreateToken", &[("UserName", "app")]).ok();
    admin.call("CreateToken", &[("UserName", "admin")]).fails(403, "NoPermission");
    admin.call("RevokeToken", &[("UserName", "app"), ("TokenId", made.text("TokenId"))]).fails(403, "NoPermission");
    admin.call("ListCertificates", &[("UserName", "app")]).fails(403, "NoPermission");
    root.at(CREDENTIALS).call("CreateToken", &[("UserName", "nobody")]).fails(404, "EntityNotExist.User");
    let bad = root.at(CREDENTIALS).call("BindCertificate", &[("UserName", "app"), ("Certificate", "x")]);
    bad.fails(400, "InvalidParameter");
}

#[test]
fn conditions_on_the_encryption_context_decide_by_both_protocols() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start_with(&data, |command| {
        command.args(["--vault-listen", "127.0.0.1:0", "--audit-context", "aws:s3:arn"]);
    });
    let root = server.client();
    let condition = r#""Condition":{"StringLike":{"kms:EncryptionContext/aws:s3:arn":"arn:aws:s3:::good/*"}}"#;
    make_user(&root, "u", &format!(r#"{{"Effect":"Allow","Action":"kms:*","Resource":"*",{condition}}}"#));
    let key = root.create_key(&[]);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    let made = root.at(RAM).call("CreateAccessKey", &[("UserName", "u")]).ok();
    let user = Client {
        access_key_id: made.text("AccessKey/AccessKeyId").to_owned(),
        secret: made.text("AccessKey/AccessKeySecret").to_owned(),
        ..root.clone()
    };
    let by_kms = |context: &str| {
        let mut params = vec![("KeyId", &*key), ("Plaintext", "aGk=")];
        if !context.is_empty() {
            params.push(("EncryptionContext", context));
        }
        user.call("Encrypt", &params).status
    };
    let by_vault = |context: &str| {
        let body = json!({"plaintext": "aGk=", "context": STANDARD.encode(context)});
        vault.post(&format!("transit/encrypt/{key}"), body).status
    };
    let (good, bad) =
        (r#"{"aws:s3:arn":"arn:aws:s3:::good/o1","owner":"planted-value"}"#, r#"{"aws:s3:arn":"arn:aws:s3:::bad/o"}"#);
    for (context, allowed) in [(good, true), (bad, false), (r#"{"other":"arn:aws:s3:::good/o"}"#, false), ("", false)] {
        let expected = if allowed { (200, 200) } else { (403, 403) };
        assert_eq!((by_kms(context), by_vault(context)), expected, "{context}");
    }
    assert_eq!(by_vault("arn:aws:s3:::good/o"), 403, "bytes are no map");
    let batch = json!({"batch_input": [
        {"plaintext": "aGk=", "context": STANDARD.encode(good)},
        {"plaintext": "aGk=", "context": STANDARD.encode(bad)},
    ]});
    let answer = vault.post(&format!("transit/encrypt/{key}"), batch);
    assert_eq!(answer.status, 400);
    assert!(answer.body["data"]["batch_results"][0]["ciphertext"].is_string());
    assert!(answer.body["data"]["batch_results"][1]["error"].is_string());

    // What is refused in a batch costs little of the log, however much it is.
    let before = std::fs::metadata(log_of(&data)).unwrap().len();
    let item = json!({"plaintext": "aGk=", "context": STANDARD.encode(bad)});
    let refused = vault.post(&format!("transit/encrypt/{key}"), json!({"batch_input": vec![item; 256]}));
    assert_eq!(refused.status, 403);
    let after = std::fs::metadata(log_of(&data)).unwrap().len();
    assert!(after - before < 4096, "{} bytes of log", after - before);

    // Records show the value of the name that was chosen, and of others only what tells them apart.
    let records = records(&data);
    for name in ["Encrypt", "transit/encrypt"] {
        let record = records.iter().find(|record| {
            record["eventName"] == name && record["requestParameters"]["EncryptionContext.owner"].is_string()
        });
        let shown = &record.unwrap()["requestParameters"];
        assert_eq!(shown["EncryptionContext.aws:s3:arn"], "arn:aws:s3:::good/o1", "{shown}");
        assert!(shown["EncryptionContext.owner"].as_str().unwrap().starts_with("hmac-sha256:"), "{shown}");
    }
    let failed = records.iter().find_map(|record| record["responseElements"]["failedItems"].as_array()).unwrap();
    assert_eq!(failed, &[json!({"errorCode": "PermissionDenied", "count": 1, "first": "2"})]);
    let denied = records.iter().find(|record| {
        record["errorCode"] == "PermissionDenied"
            && record["requestParameters"]["EncryptionContext.aws:s3:arn"] == "arn:aws:s3:::bad/o"
    });
    assert!(denied.is_some(), "also of what was denied");
    assert!(!records.iter().any(|record| record.to_string().contains("planted-value")));
}

#[test]
fn failures_have_the_statuses_that_products_act_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data);
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    make_user(&root, "none", r#"{"Effect":"Allow","Action":"ecs:*","Resource":"*"}"#);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    let denied = vault.with(&make_token(&root, "none", &[]).1);
    let key = vault.post("transit/keys/k", json!({})).ok()["key_id"].as_str().unwrap().to_owned();
    let ciphertext = vault.encrypt("k", "hi");

    for (method, path) in [("POST", "transit/encrypt/k"), ("GET", "transit/keys/k"), ("LIST", "transit/keys")] {
        denied.send(method, path, &[], r#"{"plaintext":"aGk="}"#).fails(403);
    }
    denied.decrypt("k", &ciphertext).fails(403);
    vault.post("transit/encrypt/none", json!({"plaintext": "aGk="})).fails(400);
    vault.get("transit/keys/health-check-dummy-key").fails(404);
    for path in ["nothing", "transit", "transit/keys/k/nothing", "sys/nothing"] {
        vault.get(path).fails(404);
    }
    let allowed = Some("POST, PUT, OPTIONS".to_owned());
    assert_eq!(vault.get("transit/encrypt/k").allow, allowed);
    vault.get("transit/encrypt/k").fails(405);
    let asked = vault.with("").send("OPTIONS", "transit/encrypt/k", &[], "");
    assert_eq!((asked.status, asked.allow), (204, allowed));
    let asked = vault.with("").send("OPTIONS", "transit/keys", &[], "").allow;
    assert_eq!(asked.as_deref(), Some("LIST, OPTIONS"));
    // Not the path of this API.
    vault.get(&format!("auth/token/lookup/{}", vault.token)).fails(400);
    root.call("DisableKey", &[("KeyId", &key)]).ok();
    vault.decrypt("k", &ciphertext).fails(403);
    root.call("EnableKey", &[("KeyId", &key)]).ok();
    vault.decrypt("k", &ciphertext).ok();

    // What this server does not have is refused by name.
    for (method, path, body, named) in [
        ("POST", "transit/keys/x", json!({"type": "ed25519"}), "ed25519"),
        ("POST", "transit/keys/x", json!({"derived": true}), "derived"),
        ("POST", "transit/keys/x", json!({"convergent_encryption": true}), "convergent_encryption"),
        ("POST", "transit/keys/x", json!({"exportable": true}), "exportable"),
        ("POST", "transit/keys/k/config", json!({"min_decryption_version": 2}), "min_decryption_version"),
        ("POST", "transit/keys/k/config", json!({"min_encryption_version": 1}), "min_encryption_version"),
        ("POST", "transit/encrypt/k", json!({"plaintext": "aGk=", "key_version": 1}), "key_version"),
        ("GET", "transit/export/encryption-key/k", json!({}), "never leave"),
        ("GET", "transit/backup/k", json!({}), "yaoku backup"),
        ("POST", "auth/token/create", json!({}), "yaoku ram token create"),
        ("POST", "auth/token/lookup-accessor", json!({"accessor": "x"}), "auth/token/lookup-accessor"),
        ("LIST", "auth/token/accessors", json!({}), "auth/token/accessors"),
        ("POST", "sys/capabilities-accessor", json!({"accessor": "x", "paths": ["a"]}), "sys/capabilities-accessor"),
        ("POST", "auth/ldap/login/u", json!({}), "ldap"),
    ] {
        let told = vault.send(method, path, &[], &body.to_string()).fails(400);
        assert!(told.contains(named), "{path}: {told}");
    }
    let wrapped = vault.send("GET", "auth/token/lookup-self", &[("x-vault-wrap-ttl", "60s")], "");
    assert!(wrapped.fails(400).contains("X-Vault-Wrap-TTL"));
    vault.send("GET", "auth/token/lookup-self", &[("x-vault-namespace", ACCOUNT)], "").ok();
    vault.send("GET", "auth/token/lookup-self", &[("x-vault-namespace", "1111111111111111")], "").fails(403);

    // Bad input.
    let send = |body: &str| vault.send("POST", "transit/encrypt/k", &[], body).status;
    for body in ["{", "[]", "null", "{\"plaintext\":1}", "{\"plaintext\":\"?\"}", "{\"plaintext\":\"\"}", "\u{0}"] {
        assert_eq!(send(body), 400, "{body:?}");
    }
    assert_eq!(send(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))), 400);
    assert_eq!(send(&format!("{{\"plaintext\":\"{}\"}}", "A".repeat(2 << 20))), 413);
    assert_eq!(vault.send("POST", "transit/encrypt/k", &[("content-type", "text/xml")], "<a/>").status, 415);
    let item = json!({"plaintext": "aGk="});
    let batch = |count: usize| json!({"batch_input": vec![item.clone(); count]});
    assert_eq!(vault.post("transit/encrypt/k", batch(256)).status, 200);
    vault.post("transit/encrypt/k", batch(257)).fails(400);
    vault.post("transit/encrypt/k", batch(0)).fails(400);
    // Items beyond those that are done are counted, and take no memory.
    let many = format!(r#"{{"batch_input":[{}{{}}]}}"#, "{},".repeat(340_000));
    assert!(vault.send("POST", "transit/encrypt/k", &[], &many).fails(400).contains("at most 256"));

    // Records name the protocol's actions, and hold nothing of bodies or tokens.
    let text: Vec<_> = records(&data).iter().map(Value::to_string).collect();
    assert!(text.iter().any(|record| record.contains(r#""eventName":"transit/decrypt""#) && record.contains(&key)));
    assert!(!text.iter().any(|record| record.contains("aGk=") || record.contains(&vault.token)));
    assert!(!text.iter().any(|record| record.contains("OPTIONS")));

    // Probes need no token; guessing is bounded.
    let nobody = vault.with("");
    assert_eq!(nobody.get("sys/health").body["sealed"], false);
    assert_eq!(nobody.get("sys/seal-status").body["initialized"], true);
    nobody.get("transit/keys/k").fails(403);
    let statuses: Vec<_> = (0..70).map(|_| vault.with("ykt.wrong").get("auth/token/lookup-self").status).collect();
    assert!(statuses.contains(&403) && statuses.ends_with(&[429]), "{statuses:?}");
    vault.get("auth/token/lookup-self").ok();
}

/// The status and the body of what is answered to these bytes.
fn raw(vault: &Vault, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(&vault.address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split_whitespace().nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn requests_that_two_programs_could_read_differently_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    let vault = Vault::new(&server, &make_token(&root, "u", &[]).1);
    let id = vault.post("transit/keys/k", json!({})).ok()["key_id"].clone();
    vault.post("secret/data/a", json!({"data": {"x": 1}})).ok();

    // An encoded slash is a slash, and no path leads out of its mount or to a name of its own by going up and down.
    for path in ["transit%2Fkeys%2fk", "%74ransit/keys/%6B"] {
        assert_eq!(vault.get(path).ok()["key_id"], id, "{path}");
    }
    vault.get("secret%2Fdata%2fa").ok();
    for path in ["a/../a", "%2e%2e/a", "a%2f..%2fa", "./a", "a//b", "/a", "..", "x/../../../transit/keys/k"] {
        vault.get(&format!("secret/data/{path}")).fails(404);
        vault.post(&format!("secret/data/{path}"), json!({"data": {}})).fails(404);
    }
    assert_eq!(vault.send("LIST", "secret/metadata", &[], "").ok()["keys"], json!(["a"]));
    // Names that the KMS API allows, and no path leads to.
    let odd = [("SecretName", "b//c"), ("VersionId", "1"), ("SecretData", "x")];
    root.call("CreateSecret", &odd).ok();
    assert_eq!(vault.send("LIST", "secret/metadata", &[], "").ok()["keys"], json!(["a"]));

    // Headers that say two things, and what says nothing.
    let key = "transit/keys/k";
    let with = |headers: &[(&str, &str)]| vault.send("GET", key, headers, "").status;
    assert_eq!(with(&[("x-vault-token", "ykt.other.token")]), 403, "two tokens");
    assert_eq!(with(&[("x-vault-token", &vault.token), ("x-vault-namespace", ACCOUNT)]), 200, "the same twice");
    assert_eq!(with(&[("x-vault-namespace", ACCOUNT), ("x-vault-namespace", ACCOUNT)]), 200, "the same twice");
    let bearer = format!("Bearer {}", vault.token);
    let nobody = vault.with("");
    nobody.send("GET", key, &[("authorization", &bearer)], "").ok();
    nobody.send("GET", key, &[("authorization", &bearer), ("x-vault-token", "")], "").ok();
    nobody.send("GET", key, &[("authorization", &bearer), ("authorization", "Bearer x")], "").fails(403);
    assert_eq!(with(&[("x-vault-namespace", ACCOUNT), ("x-vault-namespace", "1111111111111111")]), 403);
    assert_eq!(with(&[("x-vault-namespace", "1111111111111111"), ("x-vault-namespace", ACCOUNT)]), 403);
    assert_eq!(with(&[("x-vault-namespace", "../1111111111111111")]), 403);
    for (ttl, status) in [("60", 400), ("1h", 400), ("", 200), ("0", 200)] {
        assert_eq!(with(&[("x-vault-wrap-ttl", ttl)]), status, "{ttl:?}");
    }
    let body = r#"{"plaintext":"aGk="}"#;
    let encrypt = |headers: &[(&str, &str)]| vault.send("POST", "transit/encrypt/k", headers, body).status;
    assert_eq!(encrypt(&[("content-encoding", "gzip")]), 415);
    assert_eq!(encrypt(&[("content-encoding", "identity")]), 200);

    // Other methods, and bodies that come otherwise.
    for method in ["PATCH", "TRACE", "PROPFIND"] {
        vault.send(method, "secret/data/a", &[], "{}").fails(405);
    }
    for (path, status) in [("secret/data/a", 200), ("secret/data/none", 404), ("transit/encrypt/k", 405)] {
        let answer = vault.send("HEAD", path, &[], "");
        assert_eq!((answer.status, answer.body), (status, Value::Null), "{path}");
    }
    let head = format!(
        "POST /v1/transit/encrypt/k HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-vault-token: {}\r\n",
        vault.token
    );
    let chunks = |text: &str| format!("{head}transfer-encoding: chunked\r\n\r\n{text}").into_bytes();
    let (status, answer) = raw(&vault, &chunks("b\r\n{\"plaintext\r\n9\r\n\":\"aGk=\"}\r\n0\r\n\r\n"));
    assert!(status == 200 && answer.contains("vault:v1:"), "{status} {answer}");
    assert_eq!(raw(&vault, &chunks("a\r\n{\"plaintextXX\r\n")).0, 400);
    let both = format!("{head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    assert!(raw(&vault, both.as_bytes()).0 >= 400);
    let sent = |body: &[u8]| {
        let head = format!("{head}content-length: {}\r\n\r\n", body.len());
        raw(&vault, &[head.as_bytes(), body].concat())
    };
    assert_eq!(sent(body.as_bytes()).0, 200);
    for bad in [&b"{\"plaintext\":\"aGk=\",\"x\":\"\xff\"}"[..], b"\xef\xbb\xbf{\"plaintext\":\"aGk=\"}"] {
        let (status, answer) = sent(bad);
        assert!(status == 400 && !answer.contains("aGk"), "{status} {answer}");
    }
    let twice = vault.send("POST", "transit/encrypt/k", &[], r#"{"plaintext":"aGk=","plaintext":"aG8="}"#);
    assert!(!twice.fails(400).contains("aGk"));

    // What others could not read is not kept, and shown as text if it came by the KMS API.
    let deep = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let write = |depth| vault.send("POST", "secret/data/deep", &[], &format!(r#"{{"data":{}}}"#, deep(depth))).status;
    assert_eq!((write(100), write(101), write(5000)), (200, 400, 400));
    root.call("PutSecretValue", &[("SecretName", "deep"), ("VersionId", "v"), ("SecretData", &deep(2000))]).ok();
    assert_eq!(vault.get("secret/data/deep").ok()["data"]["value"], deep(2000));
}

/// One request over TLS with a client's certificate, without a token.
fn over_tls(address: &str, config: &Arc<rustls::ClientConfig>, path: &str, body: &str) -> (u16, Value) {
    let mut client = rustls::ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    let mut stream = rustls::Stream::new(&mut client, &mut socket);
    let length = body.len();
    write!(
        stream,
        "POST /v1/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    // The server closes the connection, with or without saying so.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn certificates_prove_users_by_their_public_keys() {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let server_key = KeyPair::generate().unwrap();
    let server_cert = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&server_key, &ca).unwrap();
    let ca_file = file("ca.pem", ca.pem());
    let (cert, key) = (file("cert.pem", server_cert.pem()), file("key.pem", server_key.serialize_pem()));
    let server = Server::start_with(&data, |command| {
        command.args(["--vault-listen", "127.0.0.1:0", "--vault-tls-cert"]).arg(&cert).arg("--vault-tls-key").arg(&key);
        command.arg("--client-ca").arg(&ca_file);
    });
    let address = server.greeting.lines().find_map(|line| line.split("Vault API: https://").nth(1)).unwrap();
    let user_key = KeyPair::generate().unwrap();
    let renewed = |name: &str| CertificateParams::new(vec![name.into()]).unwrap().signed_by(&user_key, &ca).unwrap();
    let config = |certificate: Option<&rcgen::Certificate>| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match certificate {
            Some(certificate) => {
                let key = user_key.serialize_der().try_into().unwrap();
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        })
    };
    let root = server.client();
    make_user(&root, "u", FULL_ACCESS);
    let first = renewed("first");
    let log_in = |certificate| over_tls(address, &config(certificate), "auth/cert/login", "{}");
    assert_eq!(log_in(Some(&first)).0, 400, "not bound yet");
    let cert_file = file("user.pem", first.pem());
    let bound = yaoku(&data, &["ram", "certificate", "bind", "--user", "u", cert_file.to_str().unwrap()]);
    let bound: Value = serde_json::from_str(&bound).unwrap();
    assert_eq!(log_in(None).0, 400);
    let second = renewed("second");
    for certificate in [&first, &second] {
        let (status, body) = log_in(Some(certificate));
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["auth"]["metadata"]["arn"], format!("acs:ram::{ACCOUNT}:user/u"));
        let token = body["auth"]["client_token"].as_str().unwrap();
        let again = json!({"token": token}).to_string();
        assert_eq!(over_tls(address, &config(None), "auth/token/lookup", &again).0, 403, "it needs a token");
    }
    // Anybody can have the certificate, but only who has its private key can bind it, in whatever account.
    let other: Value = serde_json::from_str(&yaoku(&data, &["account", "create", "other"])).unwrap();
    let other_id = other["Account"]["AccountId"].as_str().unwrap();
    let other = Client {
        access_key_id: other["AccessKey"]["AccessKeyId"].as_str().unwrap().to_owned(),
        secret: other["AccessKey"]["AccessKeySecret"].as_str().unwrap().to_owned(),
        ..root.at(CREDENTIALS)
    };
    other.at(RAM).call("CreateUser", &[("UserName", "u")]).ok();
    let (pem, own_key) = (first.pem(), KeyPair::generate().unwrap());
    let bind = |proof: Option<&str>| {
        let certificate = [("UserName", "u"), ("Certificate", &*pem)];
        other.call("BindCertificate", &[&certificate[..], proof.map(|proof| ("Proof", proof)).as_slice()].concat())
    };
    let signed = |key: &KeyPair, text: &str| STANDARD.encode(rcgen::SigningKey::sign(key, text.as_bytes()).unwrap());
    let text = format!("yaoku:BindCertificate:{other_id}:u");
    let wrong = [
        signed(&own_key, &text),
        signed(&user_key, &format!("yaoku:BindCertificate:{ACCOUNT}:u")),
        signed(&user_key, &format!("yaoku:BindCertificate:{other_id}:v")),
        "AAAA".into(),
        "?".into(),
        String::new(),
    ];
    for proof in wrong.iter().map(|proof| Some(&**proof)).chain([None]) {
        let refused = bind(proof);
        refused.fails(400, "InvalidParameter");
        let told = refused.body["Message"].as_str().unwrap();
        assert!(told.contains("\"Proof\"") && told.contains("yaoku:BindCertificate:ACCOUNT:USER"), "{told}");
    }
    assert_eq!(log_in(Some(&first)).0, 200);
    // By the lines that the documentation has.
    let guide = include_str!("../../../docs/vault.md");
    let line = guide.lines().find(|line| line.starts_with("printf 'yaoku:BindCertificate:")).unwrap();
    let line = line.replace("1234567890123456", other_id).replace("array-1", "u");
    file("key.pem", user_key.serialize_pem());
    let made = Command::new("sh").args(["-c", &line]).current_dir(dir.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    bind(Some(&String::from_utf8(made.stdout).unwrap())).ok();
    let (status, _) = log_in(Some(&first));
    assert_eq!(status, 400, "its holder has bound it in two accounts, and must say which is meant");
    let listed = other.call("ListCertificates", &[("UserName", "u")]).ok();
    let unbind = [("UserName", "u"), ("CertificateId", listed.text("Certificates/Certificate/0/CertificateId"))];
    other.call("UnbindCertificate", &unbind).ok();
    assert_eq!(log_in(Some(&first)).0, 200);

    let id = bound["CertificateId"].as_str().unwrap();
    let listed = yaoku(&data, &["ram", "certificate", "list", "--user", "u"]);
    assert!(listed.contains(id) && listed.contains(bound["PublicKeySha256"].as_str().unwrap()), "{listed}");
    yaoku(&data, &["ram", "certificate", "unbind", "--user", "u", id]);
    assert_eq!(log_in(Some(&first)).0, 400);
}
