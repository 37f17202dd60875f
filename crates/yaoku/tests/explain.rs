//! `yaoku ram explain`: what would be decided of a call, and by which statement.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{ACCOUNT, RAM, Server};

const POLICY: &str = r#"{"Version":"1","Statement":[
    {"Sid":"Inside","Effect":"Allow","Principal":{"RAM":"acs:ram::1234567890123456:user/alice"},"Action":"kms:*","Resource":"*",
     "Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"},"StringEquals":{"kms:tag/team":"shop"}}},
    {"Sid":"NeverSign","Effect":"Deny","Principal":"*","Action":"kms:AsymmetricSign","Resource":"*"}]}"#;

/// What the command says, or why it fails.
fn explain(data: &Path, who: &str, action: &str, resource: &str, context: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    command.args(["ram", "explain", "--as", who, "--action", action, "--resource", resource, "--data-dir"]).arg(data);
    context.iter().for_each(|given| {
        command.args(["--context", given]);
    });
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_decision_is_explained_by_its_statement() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let tags = r#"[{"TagKey":"team","TagValue":"shop"}]"#;
    let key = server.client().create_key(&[("Policy", POLICY), ("Tags", tags)]);
    let arn = format!("acs:kms:cn-hangzhou:{ACCOUNT}:key/{key}");
    let from = |address: &str| format!("acs:SourceIp={address}");
    let explain = |who, action, context: &[&str]| explain(&data, who, action, &arn, context).unwrap();

    assert_eq!(explain("root", "kms:Encrypt", &[]), "allowed: the caller is the root of the account");
    let ram = server.client().at(RAM);
    ram.call("CreateUser", &[("UserName", "alice")]).ok();
    let alice = format!("acs:ram::{ACCOUNT}:user/alice");
    let by_key = format!("allowed: statement 1 (\"Inside\") of the policy of key {key}");
    assert_eq!(explain("user/alice", "kms:Encrypt", &[&from("10.1.2.3")]), by_key);
    assert_eq!(explain(&alice, "kms:Encrypt", &[&from("10.1.2.3")]), by_key);
    let silent = "denied: no policy allows it";
    assert_eq!(explain(&alice, "kms:Encrypt", &[&from("192.0.2.1")]), silent);
    assert_eq!(explain(&alice, "kms:Encrypt", &[]), silent, "the call lacks those that you do not supply");
    assert_eq!(explain(&alice, "kms:Encrypt", &[&from("10.1.2.3"), "kms:tag/team=bank"]), silent);
    let attached = [("UserName", "alice"), ("PolicyType", "System"), ("PolicyName", "AliyunKMSFullAccess")];
    ram.call("AttachPolicyToUser", &attached).ok();
    let by_user = explain(&alice, "kms:Encrypt", &[]);
    assert!(by_user.starts_with("allowed: statement 1 of") && by_user.contains("AliyunKMSFullAccess"), "{by_user}");
    assert_eq!(
        explain(&alice, "kms:AsymmetricSign", &[&from("10.1.2.3")]),
        format!("denied: statement 2 (\"NeverSign\") of the policy of key {key}")
    );
    let trust = format!(
        r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{ACCOUNT}:root"}}}}}}"#
    );
    ram.call("CreateRole", &[("RoleName", "ops"), ("AssumeRolePolicyDocument", &trust)]).ok();
    assert_eq!(explain("role/ops", "kms:Encrypt", &[]), silent);
}

#[test]
fn a_secret_has_its_policy_and_its_tags() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let client = server.client();
    let tags = r#"[{"TagKey":"team","TagValue":"shop"}]"#;
    let secret =
        [("SecretName", "db/shop"), ("VersionId", "v1"), ("SecretData", "x"), ("Tags", tags), ("Policy", POLICY)];
    client.call("CreateSecret", &secret).ok();
    client.at(RAM).call("CreateUser", &[("UserName", "alice")]).ok();
    let explain = |name: &str, action, context: &[&str]| {
        explain(&data, "user/alice", action, &format!("acs:kms:cn-hangzhou:{ACCOUNT}:secret/{name}"), context)
    };
    let inside = "acs:SourceIp=10.1.2.3";
    let by_secret = "allowed: statement 1 (\"Inside\") of the policy of secret db/shop";
    let silent = "denied: no policy allows it";
    assert_eq!(explain("db/shop", "kms:GetSecretValue", &[inside]).unwrap(), by_secret);
    assert_eq!(explain("db/shop", "kms:GetSecretValue", &[]).unwrap(), silent);
    assert_eq!(explain("db/shop", "kms:GetSecretValue", &[inside, "kms:tag/team=bank"]).unwrap(), silent);
    client.call("UntagResource", &[("SecretName", "db/shop"), ("TagKeys", r#"["team"]"#)]).ok();
    assert_eq!(explain("db/shop", "kms:GetSecretValue", &[inside]).unwrap(), silent);
    assert!(explain("none", "kms:GetSecretValue", &[]).unwrap_err().contains("the secret does not exist"));
}

#[test]
fn what_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let none = format!("acs:kms:cn-hangzhou:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000");
    assert!(explain(&data, "root", "kms:Encrypt", &none, &[]).unwrap_err().contains("the key does not exist"));
    for nobody in ["nobody", "user/nobody", "role/nobody", "acs:ram::1000000000000002:user/alice"] {
        assert!(
            explain(&data, nobody, "kms:Encrypt", "*", &[]).unwrap_err().contains("the principal does not exist"),
            "{nobody}"
        );
    }
    assert!(explain(&data, "root", "kms:Encrypt", "*", &["acs:SourceIp"]).unwrap_err().contains("KEY=VALUE"));
    assert_eq!(server.terminate(), Some(0));
    assert!(explain(&data, "root", "kms:Encrypt", "*", &[]).unwrap_err().contains("no server is listening"));
}
