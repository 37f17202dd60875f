//! SetKeyPolicy and GetKeyPolicy over the wire.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use serde_json::{Value, json};
use support::{ACCOUNT, Server};

fn policy() -> String {
    let statement = json!({
        "Sid": "use", "Effect": "Allow", "Principal": {"RAM": ["acs:ram::1000000000000002:user/u"]},
        "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": ["*"],
        "Condition": {"IpAddress": {"acs:SourceIp": ["10.0.0.0/8"]}},
    });
    json!({"Version": "1", "Statement": [statement]}).to_string()
}

#[test]
fn a_key_has_the_policy_that_it_was_given_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let client = server.client();
    let key = client.create_key(&[]);
    let default: Value =
        serde_json::from_str(client.call("GetKeyPolicy", &[("KeyId", &key)]).ok().text("Policy")).unwrap();
    assert_eq!(default["Version"], "1");
    assert_eq!(default["Statement"][0]["Principal"]["RAM"][0], format!("acs:ram::{ACCOUNT}:*"));

    client.call("SetKeyPolicy", &[("KeyId", &key), ("Policy", &policy()), ("PolicyName", "default")]).ok();
    let made_with = client.create_key(&[("Policy", &policy())]);
    server.kill();
    let server = Server::start(&data);
    for key in [key, made_with] {
        let arn = format!("acs:kms:cn-hangzhou:{ACCOUNT}:key/{key}");
        for name in [&*key, &*arn] {
            let answer = server.client().call("GetKeyPolicy", &[("KeyId", name), ("PolicyName", "default")]).ok();
            assert_eq!(answer.text("Policy"), policy());
        }
        assert!(!server.client().encrypt(&key, "dGV4dA==").is_empty());
    }
}

#[test]
fn what_is_no_key_policy_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let key = client.create_key(&[]);
    let without_principal = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#;
    for (policy, says) in [
        ("", "Policy"),
        ("{", "JSON"),
        (without_principal, "statement 1"),
        (r#"{"Version":"2","Statement":[]}"#, "Version"),
    ] {
        for (action, name) in [("SetKeyPolicy", "KeyId"), ("CreateKey", "Description")] {
            if action == "CreateKey" && policy.is_empty() {
                continue;
            }
            let answer = client.call(action, &[(name, &key), ("Policy", policy)]);
            assert!(answer.status == 400 && answer.text("Message").contains(says), "{policy} {answer:?}");
        }
    }
    for action in ["SetKeyPolicy", "GetKeyPolicy"] {
        let params = [("KeyId", &*key), ("Policy", &policy()), ("PolicyName", "other")];
        client.call(action, &params).fails(400, "InvalidParameter");
        let foreign = "acs:kms:cn-hangzhou:1000000000000002:key/00000000-0000-4000-8000-000000000000";
        for missing in [foreign, "00000000-0000-4000-8000-000000000000"] {
            client.call(action, &[("KeyId", missing), ("Policy", &policy())]).fails(404, "Forbidden.KeyNotFound");
        }
        client.call(action, &[("KeyId", "alias/a"), ("Policy", &policy())]).fails(400, "Unsupported.Alias");
    }
}
