//! Every operation asks for a permission: a user without any is refused each of them, whatever it sends.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use support::{ACCOUNT, Client, RAM, Server, log_of};
use yaoku_kms::operations::{OPEN, REGISTRY};

const POLICY: &str = r#"{"Version":"1","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;

/// Good parameters of an operation on a key.
fn parameters<'a>(operation: &str, key: &'a str, blob: &'a str, public_key: &'a str) -> Vec<(&'a str, &'a str)> {
    let id = ("KeyId", key);
    let version = ("KeyVersionId", "00000000-0000-4000-8000-000000000000");
    let export =
        [("PublicKeyBlob", public_key), ("WrappingKeySpec", "RSA_2048"), ("WrappingAlgorithm", "RSAES_OAEP_SHA_256")];
    let resource = [("ResourceType", "key"), ("ResourceId.1", key)];
    match operation {
        "Encrypt" => vec![id, ("Plaintext", "aGk=")],
        "Decrypt" => vec![("CiphertextBlob", blob)],
        "ReEncrypt" => vec![("CiphertextBlob", blob), ("DestinationKeyId", key)],
        "ExportDataKey" => [vec![("CiphertextBlob", blob)], export.to_vec()].concat(),
        "GenerateAndExportDataKey" => [vec![id], export.to_vec()].concat(),
        "AsymmetricSign" => {
            vec![
                id,
                version,
                ("Algorithm", "ECDSA_SHA_256"),
                ("Digest", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ]
        }
        "AsymmetricVerify" => vec![
            id,
            version,
            ("Algorithm", "ECDSA_SHA_256"),
            ("Digest", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("Value", "aGk="),
        ],
        "AsymmetricEncrypt" => vec![id, version, ("Algorithm", "RSAES_OAEP_SHA_256"), ("Plaintext", "aGk=")],
        "AsymmetricDecrypt" => vec![id, version, ("Algorithm", "RSAES_OAEP_SHA_256"), ("CiphertextBlob", "aGk=")],
        "GetPublicKey" | "DescribeKeyVersion" => vec![id, version],
        "GenerateMac" => vec![id, ("Algorithm", "HMAC_SHA_256"), ("Message", "aGk=")],
        "VerifyMac" => vec![id, ("Algorithm", "HMAC_SHA_256"), ("Message", "aGk="), ("Mac", "aGk=")],
        "GetParametersForImport" => vec![id, export[1], export[2]],
        "ImportKeyMaterial" => {
            vec![id, ("EncryptedKeyMaterial", "aGk="), ("ImportToken", "aGk="), ("KeyMaterialExpireUnix", "0")]
        }
        "ScheduleKeyDeletion" => vec![id, ("PendingWindowInDays", "7")],
        "SetDeletionProtection" => vec![id, ("EnableDeletionProtection", "true")],
        "UpdateKeyDescription" => vec![id, ("Description", "d")],
        "UpdateRotationPolicy" => vec![id, ("EnableAutomaticRotation", "false")],
        "CreateAlias" => vec![id, ("AliasName", "alias/new")],
        "UpdateAlias" => vec![id, ("AliasName", "alias/held")],
        "DeleteAlias" => vec![("AliasName", "alias/held")],
        "TagResource" => vec![id, ("Tags", r#"[{"TagKey":"a","TagValue":"b"}]"#)],
        "UntagResource" => vec![id, ("TagKeys", r#"["a"]"#)],
        "TagResources" => [&resource[..], &[("Tag.1.Key", "a"), ("Tag.1.Value", "b")]].concat(),
        "UntagResources" => [&resource[..], &[("TagKey.1", "a")]].concat(),
        "ListTagResources" => resource.to_vec(),
        "SetKeyPolicy" => vec![id, ("Policy", POLICY)],
        "CreateKey" | "ListKeys" | "ListAliases" | "DescribeAccountKmsStatus" | "OpenKmsService" => Vec::new(),
        _ => vec![id],
    }
}

#[test]
fn a_user_without_permissions_is_refused_every_operation_that_is_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let root = server.client();
    let key = root.create_key(&[]);
    let blob = root.encrypt(&key, "aGk=");
    root.call("CreateAlias", &[("AliasName", "alias/held"), ("KeyId", &key)]).ok();
    root.at(RAM).call("CreateUser", &[("UserName", "nobody")]).ok();
    let made = root.at(RAM).call("CreateAccessKey", &[("UserName", "nobody")]).ok();
    let user = Client {
        access_key_id: made.text("AccessKey/AccessKeyId").to_owned(),
        secret: made.text("AccessKey/AccessKeySecret").to_owned(),
        ..root.clone()
    };
    let open: BTreeSet<_> = OPEN.iter().map(|(name, _)| *name).collect();
    let public_key = include_str!("data/rsa_2048_public.b64").trim();
    for operation in REGISTRY.iter().map(|operation| operation.name) {
        let answer = user.call(operation, &parameters(operation, &key, &blob, public_key));
        let expected = if open.contains(operation) { "ok" } else { "Forbidden.NoPermission" };
        assert_eq!(answer.code(), expected, "{operation}: {answer:?}");
    }
    assert_eq!(root.state(&key), "Enabled");

    // The caller is told no more; the operator is.
    let refused = user.call("Encrypt", &[("KeyId", &key), ("Plaintext", "aGk=")]);
    assert!(!refused.text("Message").contains("policy"), "{refused:?}");
    let log = std::fs::read_to_string(log_of(&data)).unwrap();
    let line = log.lines().find(|line| line.contains(refused.text("RequestId")) && line.contains("may not"));
    let why = format!(
        "acs:ram::{ACCOUNT}:user/nobody may not kms:Encrypt on acs:kms:cn-hangzhou:{ACCOUNT}:key/{key}: no policy allows it"
    );
    assert!(line.is_some_and(|line| line.contains(&why)), "{line:?}");
}
