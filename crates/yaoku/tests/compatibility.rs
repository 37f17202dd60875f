//! Data that an earlier version wrote: today's binary opens it, decrypts, verifies its audit log, goes on, and restores its
//! backup.
//!
//! `fixtures/REVISION` holds what the binary of that revision made: a data directory, a backup of it, a checkpoint and the public
//! key of its audit log, and in `facts.json` what must come out. To make one of an earlier revision again, build its binary and run
//! `YAOKU_FIXTURE_BINARY=/path/to/yaoku YAOKU_FIXTURE_DIR=/an/empty/directory cargo test --test compatibility -- --ignored`.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{Client, RAM, STS, Server};

/// Bytes of a page of a packed file.
const PAGE: usize = 4096;
/// Name of a file that is kept packed.
const PACKED: &str = "store.redb";

fn fixture(revision: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(revision)
}

/// The pages of a file that are not all zeros, each after its number; first the file's length. A store's file is mostly zeros.
fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = (bytes.len() as u64).to_be_bytes().to_vec();
    for (number, page) in bytes.chunks(PAGE).enumerate() {
        if page.iter().any(|&byte| byte != 0) {
            packed.extend((number as u64).to_be_bytes());
            packed.extend(page);
        }
    }
    packed
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let (length, mut rest) = packed.split_first_chunk::<8>().unwrap();
    let mut bytes = vec![0; u64::from_be_bytes(*length) as usize];
    while let Some((number, after)) = rest.split_first_chunk::<8>() {
        let at = u64::from_be_bytes(*number) as usize * PAGE;
        let (page, after) = after.split_at(PAGE.min(bytes.len() - at));
        bytes[at..at + page.len()].copy_from_slice(page);
        rest = after;
    }
    bytes
}

/// Copies a directory; a store's file is packed on the way into a fixture, and unpacked on the way out.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in support::files_below(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let bytes = fs::read(&path).unwrap();
        match path.file_name().and_then(|name| name.to_str()).unwrap() {
            PACKED => fs::write(to.with_extension("redb.packed"), pack(&bytes)).unwrap(),
            "store.redb.packed" => fs::write(to.with_file_name(PACKED), unpack(&bytes)).unwrap(),
            _ => fs::write(&to, bytes).unwrap(),
        }
        // A seal that others can read is refused, and a checkout makes them readable.
        if to.exists() {
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn run(binary: &str, args: &[&str], data: &Path) -> Output {
    Command::new(binary).args(args).arg("--data-dir").arg(data).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn said(binary: &str, args: &[&str], data: &Path) -> String {
    let output = run(binary, args, data);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

const TODAY: &str = env!("CARGO_BIN_EXE_yaoku");

/// Makes a fixture with the binary of an earlier revision.
#[test]
#[ignore = "makes a fixture, with an earlier binary"]
fn make() {
    let binary = std::env::var("YAOKU_FIXTURE_BINARY").unwrap();
    let out = PathBuf::from(std::env::var("YAOKU_FIXTURE_DIR").unwrap());
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start_with(&data, |command| {
        let mut earlier = Command::new(&binary);
        earlier.args(command.get_args());
        for (name, value) in command.get_envs() {
            earlier.env(name, value.unwrap_or_default());
        }
        let log = fs::OpenOptions::new().append(true).create(true).open(support::log_of(&data)).unwrap();
        earlier.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        *command = earlier;
    });
    let facts = fill(&server.client());
    assert_eq!(server.terminate(), Some(0));
    said(&binary, &["backup", out.join("backup").to_str().unwrap()], &data);
    fs::write(out.join("checkpoint"), said(&binary, &["audit", "checkpoint"], &data)).unwrap();
    fs::write(out.join("public-key"), said(&binary, &["audit", "public-key"], &data)).unwrap();
    fs::write(out.join("facts.json"), serde_json::to_vec_pretty(&facts).unwrap()).unwrap();
    copy(&data, &out.join("data"));
}

/// Makes keys and identities of every kind; what must come out of them.
fn fill(client: &Client) -> Value {
    let tags = r#"[{"TagKey":"team","TagValue":"blue"},{"TagKey":"stage","TagValue":"test"}]"#;
    let aes = client.create_key(&[("Description", "first"), ("Tags", tags)]);
    client.call("CreateAlias", &[("KeyId", &aes), ("AliasName", "alias/first")]).ok();
    let mut ciphertexts = vec![ciphertext(client, &aes, "before the rotation")];
    client.call("CreateKeyVersion", &[("KeyId", &aes)]).ok();
    ciphertexts.push(ciphertext(client, &aes, "after the rotation"));
    let sm4 = client.create_key(&[("KeySpec", "Aliyun_SM4")]);
    ciphertexts.push(ciphertext(client, &sm4, "under SM4"));
    let external = client.create_key(&[("Origin", "EXTERNAL")]);
    client.import(&external, &client.import_parameters(&external), &[7; 32], 0).ok();
    ciphertexts.push(ciphertext(client, &external, "under imported material"));
    let sign = [("KeySpec", "EC_P256"), ("KeyUsage", "SIGN/VERIFY")];
    let pair = client.create_key(&sign);
    let version = client.version(&pair);
    let digest = STANDARD.encode([5; 32]);
    let params = [("KeyId", &*pair), ("KeyVersionId", &version), ("Algorithm", "ECDSA_SHA_256"), ("Digest", &digest)];
    let signature = client.call("AsymmetricSign", &params).ok().text("Value").to_owned();
    let disabled = client.create_key(&[]);
    client.call("DisableKey", &[("KeyId", &disabled)]).ok();

    let ram = client.at(RAM);
    let policy = |effect: &str, action: &str| {
        format!(r#"{{"Version":"1","Statement":[{{"Effect":"{effect}","Action":"{action}","Resource":"*"}}]}}"#)
    };
    for (name, document) in [("all", policy("Allow", "kms:*")), ("no-decrypt", policy("Deny", "kms:Decrypt"))] {
        ram.call("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document)]).ok();
    }
    ram.call("CreateUser", &[("UserName", "ann")]).ok();
    ram.call("CreateGroup", &[("GroupName", "readers")]).ok();
    ram.call("AddUserToGroup", &[("UserName", "ann"), ("GroupName", "readers")]).ok();
    let custom = ("PolicyType", "Custom");
    ram.call("AttachPolicyToUser", &[("UserName", "ann"), custom, ("PolicyName", "all")]).ok();
    ram.call("AttachPolicyToGroup", &[("GroupName", "readers"), custom, ("PolicyName", "no-decrypt")]).ok();
    let made = ram.call("CreateAccessKey", &[("UserName", "ann")]).ok();
    let trust = format!(
        r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{}:root"}}}}}}"#,
        support::ACCOUNT
    );
    ram.call("CreateRole", &[("RoleName", "ops"), ("AssumeRolePolicyDocument", &trust)]).ok();
    json!({
        "aes": aes, "imported": external, "disabled": disabled,
        "pair": { "key": pair, "version": version, "digest": digest, "signature": signature },
        "ciphertexts": ciphertexts,
        "ann": { "id": made.text("AccessKey/AccessKeyId"), "secret": made.text("AccessKey/AccessKeySecret") },
    })
}

fn ciphertext(client: &Client, key: &str, plaintext: &str) -> Value {
    let encoded = STANDARD.encode(plaintext);
    json!({ "blob": client.encrypt(key, &encoded), "plaintext": encoded })
}

/// Asks for all that was written down.
fn check(client: &Client, facts: &Value) {
    let text = |pointer: &str| facts.pointer(pointer).and_then(Value::as_str).unwrap();
    for known in facts["ciphertexts"].as_array().unwrap() {
        let blob = known["blob"].as_str().unwrap();
        let opened = client.call("Decrypt", &[("CiphertextBlob", blob)]).ok();
        assert_eq!(opened.text("Plaintext"), known["plaintext"].as_str().unwrap());
    }
    let described = client.call("DescribeKey", &[("KeyId", "alias/first")]).ok();
    assert_eq!(
        (described.text("KeyMetadata/KeyId"), described.text("KeyMetadata/Description")),
        (text("/aes"), "first")
    );
    assert!(client.call("ListKeyVersions", &[("KeyId", text("/aes"))]).ok().number("TotalCount") >= 2);
    let tags = client.call("ListResourceTags", &[("KeyId", text("/aes"))]).ok();
    assert_eq!(tags.body["Tags"]["Tag"].as_array().unwrap().len(), 2, "{tags:?}");
    assert_eq!(client.state(text("/disabled")), "Disabled");
    let pair = [("KeyId", text("/pair/key")), ("KeyVersionId", text("/pair/version")), ("Algorithm", "ECDSA_SHA_256")];
    let signed = [("Digest", text("/pair/digest")), ("Value", text("/pair/signature"))];
    let verified = client.call("AsymmetricVerify", &[&pair[..], &signed].concat()).ok();
    assert_eq!(verified.body["Value"], true, "{verified:?}");
    client.call("AsymmetricSign", &[&pair[..], &signed[..1]].concat()).ok();

    let ann = Client { access_key_id: text("/ann/id").into(), secret: text("/ann/secret").into(), ..client.clone() };
    let blob = ann.encrypt(text("/aes"), "aGk=");
    // The policy of the group denies it.
    ann.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(403, "Forbidden.NoPermission");
    let role = format!("acs:ram::{}:role/ops", support::ACCOUNT);
    let policy = [("UserName", "ann"), ("PolicyType", "System"), ("PolicyName", "AliyunSTSAssumeRoleAccess")];
    client.at(RAM).call("AttachPolicyToUser", &policy).ok();
    ann.at(STS).call("AssumeRole", &[("RoleArn", &role), ("RoleSessionName", "session")]).ok();
    client.at(RAM).call("DetachPolicyFromUser", &policy).ok();
}

/// Changes something of every kind that is rewritten later.
fn go_on(client: &Client, facts: &Value) {
    let aes = facts["aes"].as_str().unwrap();
    client.call("CreateKeyVersion", &[("KeyId", aes)]).ok();
    client.call("UpdateKeyDescription", &[("KeyId", aes), ("Description", "first")]).ok();
    let made = client.create_key(&[]);
    client.encrypt(&made, "aGk=");
}

fn facts(fixture: &Path) -> Value {
    serde_json::from_slice(&fs::read(fixture.join("facts.json")).unwrap()).unwrap()
}

/// Opens a data directory, changes it, stops and kills the server, replaces the root key.
fn opens_and_goes_on(data: &Path, facts: &Value) {
    let server = Server::start(data);
    check(&server.client(), facts);
    go_on(&server.client(), facts);
    check(&server.client(), facts);
    assert_eq!(server.terminate(), Some(0));
    let server = Server::start(data);
    check(&server.client(), facts);
    go_on(&server.client(), facts);
    server.kill();
    said(TODAY, &["seal", "rotate"], data);
    let server = Server::start(data);
    check(&server.client(), facts);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_data_directory_of_0190706_opens_and_goes_on() {
    let (dir, fixture) = (tempfile::tempdir().unwrap(), fixture("0190706"));
    let (data, facts) = (dir.path().join("data"), facts(&fixture));
    copy(&fixture.join("data"), &data);
    opens_and_goes_on(&data, &facts);
    let kept = |name: &str| fixture.join(name).to_str().unwrap().to_owned();
    let verify = ["audit", "verify", "--public-key", &kept("public-key"), "--checkpoint", &kept("checkpoint")];
    assert!(said(TODAY, &verify, &data).contains("is intact"));
}

#[test]
fn a_data_directory_of_0190706_that_was_not_closed_opens_and_goes_on() {
    let (dir, fixture) = (tempfile::tempdir().unwrap(), fixture("0190706"));
    let (data, facts) = (dir.path().join("data"), facts(&fixture));
    copy(&fixture.join("data"), &data);
    for left in ["store/store.sums", "catalogue.image"] {
        fs::remove_file(data.join(left)).unwrap();
    }
    opens_and_goes_on(&data, &facts);
}

#[test]
fn a_backup_of_0190706_is_restored_here_and_elsewhere() {
    let (dir, fixture) = (tempfile::tempdir().unwrap(), fixture("0190706"));
    let (data, elsewhere, facts) = (dir.path().join("data"), dir.path().join("elsewhere"), facts(&fixture));
    let backup = fixture.join("backup");
    let backup = backup.to_str().unwrap();
    copy(&fixture.join("data"), &data);
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(data.join("root.key"), elsewhere.join("root.key")).unwrap();
    said(TODAY, &["restore", backup], &elsewhere);
    opens_and_goes_on(&elsewhere, &facts);
    // In the place of the store that it was made of, beside its audit log.
    said(TODAY, &["restore", "--replace", backup], &data);
    opens_and_goes_on(&data, &facts);
    assert!(said(TODAY, &["audit", "verify"], &data).contains("is intact"));
}
