//! What operations ask for: a user without permissions is refused each of them, whatever it sends; those that are about
//! two things ask for both.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use support::{ACCOUNT, Client, RAM, Server, log_of, wait_until};
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

const OPEN_POLICY: &str = r#"{"Version":"1","Statement":{"Effect":"Allow","Principal":{"RAM":["acs:ram::1000000000000002:root"]},"Action":"kms:DescribeSecret","Resource":"*"}}"#;

/// Good parameters of an operation on a secret.
fn secret_parameters<'a>(operation: &str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    let named = ("SecretName", secret);
    let put = [("VersionId", "v9"), ("SecretData", "new")];
    let resource = [("ResourceType", "secret"), ("ResourceId.1", secret)];
    match operation {
        "CreateSecret" => [&[("SecretName", "new")][..], &put].concat(),
        "PutSecretValue" => [&[named][..], &put].concat(),
        "BatchGetSecretValue" => vec![("SecretsList.1.SecretName", secret)],
        "SetSecretPolicy" => vec![named, ("Policy", OPEN_POLICY)],
        "UpdateSecret" => vec![named, ("Description", "d")],
        "RotateSecret" => vec![named, ("VersionId", "v9")],
        "UpdateSecretRotationPolicy" => {
            vec![named, ("EnableAutomaticRotation", "true"), ("RotationInterval", "6h")]
        }
        "UpdateSecretVersionStage" => vec![named, ("VersionStage", "blue"), ("MoveToVersion", "v1")],
        "TagResource" => vec![named, ("Tags", r#"[{"TagKey":"a","TagValue":"b"}]"#)],
        "UntagResource" => vec![named, ("TagKeys", r#"["a"]"#)],
        "TagResources" => [&resource[..], &[("Tag.1.Key", "a"), ("Tag.1.Value", "b")]].concat(),
        "UntagResources" => [&resource[..], &[("TagKey.1", "a")]].concat(),
        "ListTagResources" => resource.to_vec(),
        "ListSecrets" | "GetRandomPassword" => Vec::new(),
        _ => vec![named],
    }
}

/// Makes a secret with the value `first`.
fn create_secret(client: &Client, name: &str, key: Option<&str>) {
    let mut params = vec![("SecretName", name), ("VersionId", "v1"), ("SecretData", "first")];
    params.extend(key.map(|key| ("EncryptionKeyId", key)));
    client.call("CreateSecret", &params).ok();
}

#[test]
fn secrets_are_used_by_those_who_may_use_them_and_their_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let root = server.client();
    let key = root.create_key(&[]);
    create_secret(&root, "db/shop", Some(&key));
    create_secret(&root, "db/own", None);
    let on_key = format!("key/{key}");
    let refused = "Forbidden.NoPermission";
    let of = |name, action| allow(&format!("kms:{action}"), &format!("secret/{name}"));
    let value = |user: &Client, name: &str| user.call("GetSecretValue", &[("SecretName", name)]).code().to_owned();
    let put = |user: &Client, name: &str| {
        let params = [("SecretName", name), ("VersionId", "v2"), ("SecretData", "second")];
        user.call("PutSecretValue", &params).code().to_owned()
    };

    // A value under a key of the owner's choice needs a permission on that as well.
    let reader = user(&root, "reader", &of("db/*", "GetSecretValue"));
    assert_eq!((value(&reader, "db/shop"), value(&reader, "db/own")), (refused.into(), "ok".into()));
    let both = [of("db/shop", "*SecretValue"), allow("kms:Decrypt", &on_key)].join(",");
    let both = user(&root, "both", &both);
    assert_eq!((value(&both, "db/shop"), value(&both, "db/own")), ("ok".into(), refused.into()));
    assert_eq!(put(&both, "db/shop"), refused);
    let writer = [of("db/*", "PutSecretValue"), allow("kms:GenerateDataKey", &on_key)].join(",");
    let writer = user(&root, "writer", &writer);
    assert_eq!((put(&writer, "db/shop"), put(&writer, "db/own")), ("ok".into(), "ok".into()));
    assert_eq!(value(&writer, "db/shop"), refused);

    // Who makes one needs the permission on all of them.
    let new = [("SecretName", "db/new"), ("VersionId", "v1"), ("SecretData", "x"), ("EncryptionKeyId", &key)];
    let maker = user(&root, "maker", &of("db/new", "CreateSecret"));
    maker.call("CreateSecret", &new).fails(403, refused);
    let maker = user(&root, "maker2", &allow("kms:CreateSecret", "secret"));
    maker.call("CreateSecret", &new).fails(403, refused);
    maker.call("CreateSecret", &new[..3]).ok();

    // Who may not is not told whether it is there.
    assert_eq!(
        (value(&reader, "web"), value(&reader, "db/none")),
        (refused.into(), "Forbidden.ResourceNotFound".into())
    );

    // Tags count.
    let tagged = r#"{"Effect":"Allow","Action":"kms:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"kms:tag/team":"shop"}}}"#;
    let tagged = user(&root, "tagged", tagged);
    assert_eq!(value(&tagged, "db/own"), refused);
    root.call("TagResource", &[("SecretName", "db/own"), ("Tags", r#"[{"TagKey":"team","TagValue":"shop"}]"#)]).ok();
    assert_eq!(value(&tagged, "db/own"), "ok");
    // What data keys are bound to counts on the key.
    let bound = r#"{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringLike":{"kms:EncryptionContext/SecretName":"db/*"}}}"#;
    let bound = user(&root, "bound", &[of("*", "GetSecretValue"), bound.to_owned()].join(","));
    create_secret(&root, "web", Some(&key));
    assert_eq!((value(&bound, "db/shop"), value(&bound, "web")), ("ok".into(), refused.into()));
}

/// Who may rotate a secret gets AccessKeys of its user into it: it needs to be allowed to make and delete those.
#[test]
fn a_right_on_secrets_gives_no_access_keys() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let root = server.client();
    let rotated = root.create_secret_of_user("rotated");
    let victim = root.new_secret_of_user("victim", &[]);
    let victim: Vec<_> = victim.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let kms = r#"{"Effect":"Allow","Action":"kms:*","Resource":"*"}"#.to_owned();
    let on = |action: &str, user: &str| {
        format!(r#"{{"Effect":"Allow","Action":"ram:{action}","Resource":"acs:ram::{ACCOUNT}:user/{user}"}}"#)
    };
    let refused = "Forbidden.NoPermission";
    for (number, (statements, expected)) in [
        (vec![kms.clone()], refused),
        (vec![kms.clone(), on("CreateAccessKey", "*")], refused),
        (vec![kms.clone(), on("DeleteAccessKey", "*")], refused),
        (vec![kms.clone(), on("*AccessKey", "other")], refused),
        (vec![on("*", "*")], refused),
        (vec![kms.clone(), on("CreateAccessKey", "*"), on("DeleteAccessKey", "*")], "ok"),
    ]
    .into_iter()
    .enumerate()
    {
        let user = user(&root, &format!("u{number}"), &statements.join(","));
        let version = format!("v{}", number + 2);
        let rotate = user.call("RotateSecret", &[("SecretName", &rotated), ("VersionId", &version)]);
        assert_eq!(rotate.code(), expected, "{statements:?}: {rotate:?}");
        let policy =
            user.call("UpdateSecretRotationPolicy", &secret_parameters("UpdateSecretRotationPolicy", &rotated));
        assert_eq!(policy.code(), expected, "{statements:?}: {policy:?}");
        let create = user.call("CreateSecret", &victim);
        assert_eq!(create.code(), expected, "{statements:?}: {create:?}");
    }
    // Whoever may change the secret may let it stay as it is.
    let user = user(&root, "still", &kms);
    let off = [("SecretName", &*rotated), ("EnableAutomaticRotation", "false")];
    user.call("UpdateSecretRotationPolicy", &off).ok();
}

/// A user of the account with one policy of these statements; with none, it has no policy.
fn user(root: &Client, name: &str, statements: &str) -> Client {
    let ram = root.at(RAM);
    ram.call("CreateUser", &[("UserName", name)]).ok();
    if !statements.is_empty() {
        let document = format!(r#"{{"Version":"1","Statement":[{statements}]}}"#);
        ram.call("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document)]).ok();
        let attached = [("UserName", name), ("PolicyType", "Custom"), ("PolicyName", name)];
        ram.call("AttachPolicyToUser", &attached).ok();
    }
    let made = ram.call("CreateAccessKey", &[("UserName", name)]).ok();
    Client {
        access_key_id: made.text("AccessKey/AccessKeyId").to_owned(),
        secret: made.text("AccessKey/AccessKeySecret").to_owned(),
        ..root.clone()
    }
}

/// A statement that allows something on a key or alias.
fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"acs:kms:*:{ACCOUNT}:{resource}"}}"#)
}

#[test]
fn a_deny_is_not_passed_over_however_its_pattern_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let root = server.client();
    let key = root.create_key(&[]);
    let blob = root.encrypt(&key, "aGk=");
    let everything = allow("kms:*", "*");
    let deny = |action: &str| format!(r#"{{"Effect":"Deny","Action":"{action}","Resource":"*"}}"#);
    let patterns =
        ["kms:Decrypt**", "kms:Decryp?**", "kms:D*t**", "kms:**Decrypt", "k**:decrypt", "*:**", "KMS:?ecryp?"];
    for (number, pattern) in patterns.into_iter().enumerate() {
        let user = user(&root, &format!("u{number}"), &format!("{everything},{}", deny(pattern)));
        user.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(403, "Forbidden.NoPermission");
    }
    let other = user(&root, "other", &format!("{everything},{}", deny("kms:Decrypt?**")));
    assert_eq!(other.call("Decrypt", &[("CiphertextBlob", &blob)]).code(), "ok");

    // What could never match is refused while it is written, instead of denying nothing.
    for (operator, context) in [
        ("StringEquals", r#"{"kms:EncryptionAlgorithm":"x"}"#),
        ("StringEquals", r#"{"acs:SourceIp":"10.0.0.0/8"}"#),
        ("IpAddress", r#"{"acs:CurrentTime":"10.0.0.0/8"}"#),
    ] {
        let document = format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"{operator}":{context}}}}}]}}"#
        );
        let made = [("PolicyName", "strange"), ("PolicyDocument", &*document)];
        root.at(RAM).call("CreatePolicy", &made).fails(400, "MalformedPolicyDocument");
    }
}

#[test]
fn re_encrypting_asks_for_one_permission_on_each_side() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let root = server.client();
    let [from, to] = [root.create_key(&[]), root.create_key(&[])];
    let blob = root.encrypt(&from, "aGk=");
    let [on_from, on_to] = [format!("key/{from}"), format!("key/{to}")];
    let both = [allow("kms:ReEncryptFrom", &on_from), allow("kms:ReEncryptTo", &on_to)];
    let wrong_way_round = [allow("kms:ReEncryptTo", &on_from), allow("kms:ReEncryptFrom", &on_to)];
    let other_names = [allow("kms:ReEncrypt", "key/*"), allow("kms:Decrypt", "key/*"), allow("kms:Encrypt", "key/*")];
    for (name, statements, expected) in [
        ("both", both.join(","), "ok"),
        ("together", allow("kms:ReEncrypt*", "key/*"), "ok"),
        ("from", both[0].clone(), "Forbidden.NoPermission"),
        ("to", both[1].clone(), "Forbidden.NoPermission"),
        ("source", allow("kms:ReEncrypt*", &on_from), "Forbidden.NoPermission"),
        ("destination", allow("kms:ReEncrypt*", &on_to), "Forbidden.NoPermission"),
        ("reverse", wrong_way_round.join(","), "Forbidden.NoPermission"),
        ("others", other_names.join(","), "Forbidden.NoPermission"),
    ] {
        let user = user(&root, name, &statements);
        let answer = user.call("ReEncrypt", &[("CiphertextBlob", &blob), ("DestinationKeyId", &to)]);
        assert_eq!(answer.code(), expected, "{name}: {answer:?}");
    }
}

#[test]
fn using_an_alias_asks_for_the_key_and_managing_it_for_both() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let root = server.client();
    let [key, other] = [root.create_key(&[]), root.create_key(&[])];
    root.call("CreateAlias", &[("AliasName", "alias/held"), ("KeyId", &key)]).ok();
    let [on_key, on_other] = [format!("key/{key}"), format!("key/{other}")];
    let alias_only = user(&root, "aliases", &allow("kms:*", "alias/*"));
    let key_only = user(&root, "keys", &allow("kms:*", &on_key));
    let both = user(&root, "both", &[allow("kms:*", "alias/*"), allow("kms:*", &on_key)].join(","));
    let elsewhere = user(&root, "elsewhere", &[allow("kms:*", "alias/*"), allow("kms:*", &on_other)].join(","));

    let encrypt = [("KeyId", "alias/held"), ("Plaintext", "aGk=")];
    let refused = "Forbidden.NoPermission";
    for (user, expected) in [(&alias_only, refused), (&key_only, "ok"), (&both, "ok"), (&elsewhere, refused)] {
        assert_eq!(user.call("Encrypt", &encrypt).code(), expected, "{}", user.access_key_id);
    }
    let made = [("AliasName", "alias/made"), ("KeyId", &*key)];
    for user in [&alias_only, &key_only, &elsewhere] {
        user.call("CreateAlias", &made).fails(403, refused);
        user.call("UpdateAlias", &[("AliasName", "alias/held"), ("KeyId", &key)]).fails(403, refused);
        user.call("DeleteAlias", &[("AliasName", "alias/held")]).fails(403, refused);
    }
    both.call("UpdateAlias", &[("AliasName", "alias/held"), ("KeyId", &other)]).fails(403, refused);
    both.call("CreateAlias", &made).ok();
    both.call("UpdateAlias", &made).ok();
    both.call("DeleteAlias", &[("AliasName", "alias/made")]).ok();
    // From one key to another: the alias, the key that gets it and the one that loses it.
    root.call("CreateAlias", &[("AliasName", "alias/moved"), ("KeyId", &other)]).ok();
    let to_key = [("AliasName", "alias/moved"), ("KeyId", &*key)];
    both.call("UpdateAlias", &to_key).fails(403, refused);
    let all_three = [allow("kms:*", "alias/*"), allow("kms:*", &on_key), allow("kms:*", &on_other)].join(",");
    user(&root, "three", &all_three).call("UpdateAlias", &to_key).ok();
    // The alias has moved: what counts is the key that it names now.
    root.call("UpdateAlias", &[("AliasName", "alias/held"), ("KeyId", &other)]).ok();
    key_only.call("Encrypt", &encrypt).fails(403, refused);
    elsewhere.call("Encrypt", &encrypt).ok();
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
    let user = user(&root, "nobody", "");
    let open: BTreeSet<_> = OPEN.iter().map(|(name, _)| *name).collect();
    let public_key = include_str!("data/rsa_2048_public.b64").trim();
    // What the service does by itself is no action.
    let due = ["RotateKey", "ExpireKeyMaterial", "DeleteKey"];
    for operation in REGISTRY.iter().map(|operation| operation.name).filter(|name| !due.contains(name)) {
        let answer = user.call(operation, &parameters(operation, &key, &blob, public_key));
        let expected = if open.contains(operation) { "ok" } else { "Forbidden.NoPermission" };
        assert_eq!(answer.code(), expected, "{operation}: {answer:?}");
    }
    assert_eq!(root.state(&key), "Enabled");
    create_secret(&root, "held", Some(&key));
    let rotated = root.create_secret_of_user("rotated");
    for operation in yaoku_secrets::operations::REGISTRY.iter().map(|operation| operation.name) {
        if ["DeleteDueSecret", "RotateDueSecret"].contains(&operation) {
            continue;
        }
        let rotates = ["RotateSecret", "UpdateSecretRotationPolicy"].contains(&operation);
        let secret = if rotates { &*rotated } else { "held" };
        let answer = user.call(operation, &secret_parameters(operation, secret));
        assert_eq!(answer.code(), "Forbidden.NoPermission", "{operation}: {answer:?}");
        root.call(operation, &secret_parameters(operation, secret)).ok();
    }

    // The caller is told no more; the operator is.
    let refused = user.call("Encrypt", &[("KeyId", &key), ("Plaintext", "aGk=")]);
    assert!(!refused.text("Message").contains("policy"), "{refused:?}");
    let why = format!(
        "acs:ram::{ACCOUNT}:user/nobody may not kms:Encrypt on acs:kms:cn-hangzhou:{ACCOUNT}:key/{key}: no policy allows it"
    );
    // The log is written by a thread of its own.
    wait_until("the line of the refused call", || {
        let log = std::fs::read_to_string(log_of(&data)).unwrap();
        log.lines().any(|line| line.contains(refused.text("RequestId")) && line.contains(&why))
    });
}
