//! Every action of every API is called once, and what it answers is held against what the official SDKs know.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{ACCOUNT, ACTIONTRAIL, Answer, Client, KMS, RAM, STS, Server};
use yaoku_aliyun::actions::Api;

fn server() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Server::start(&dir.path().join("data")), dir)
}

/// Names and types of fields of the SDKs of RAM, STS and ActionTrail, by version and action.
fn sdks() -> Value {
    serde_json::from_str(include_str!("../../yaoku-aliyun/tests/data/identity_actions.json")).unwrap()
}

#[test]
fn every_field_of_results_about_keys_is_one_that_the_sdks_know() {
    let (server, _dir) = server();
    let sdk: Value = serde_json::from_str(include_str!("../../yaoku-aliyun/tests/data/sdk_actions.json")).unwrap();
    let client = server.client();
    let key = client.create_key(&[("EnableAutomaticRotation", "true"), ("RotationInterval", "30d")]);
    let blob = client.encrypt(&key, "aGk=");
    let public_key = include_str!("data/rsa_2048_public.b64").trim();
    let k = ("KeyId", key.as_str());
    let alias = ("AliasName", "alias/fields");
    let wrapping =
        [("PublicKeyBlob", public_key), ("WrappingKeySpec", "RSA_2048"), ("WrappingAlgorithm", "RSAES_OAEP_SHA_1")];
    let export: Vec<_> = [("CiphertextBlob", blob.as_str())].into_iter().chain(wrapping).collect();
    let generate: Vec<_> = [k].into_iter().chain(wrapping).collect();
    let version = client.call("CreateKeyVersion", &[k]).ok().text("KeyVersion/KeyVersionId").to_owned();
    let resource = [("ResourceType", "key"), ("ResourceId.1", key.as_str()), ("RegionId", support::REGION)];
    let tag: Vec<_> = resource.into_iter().chain([("Tag.1.Key", "a"), ("Tag.1.Value", "b")]).collect();
    let untag: Vec<_> = resource.into_iter().chain([("All", "true")]).collect();
    let signer = client.create_key(&[("KeySpec", "EC_P256")]);
    let signer_version = client.version(&signer);
    let signs = [
        ("KeyId", signer.as_str()),
        ("KeyVersionId", &signer_version),
        ("Algorithm", "ECDSA_SHA_256"),
        ("Digest", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ];
    let verifies: Vec<_> = signs.into_iter().chain([("Value", "AAAA")]).collect();
    let pair = client.create_key(&[("KeySpec", "EC_SM2"), ("KeyUsage", "ENCRYPT/DECRYPT")]);
    let pair_version = client.version(&pair);
    let of_pair = [("KeyId", pair.as_str()), ("KeyVersionId", &pair_version), ("Algorithm", "SM2PKE")];
    let encrypts: Vec<_> = of_pair.into_iter().chain([("Plaintext", "aGk=")]).collect();
    let pair_blob = client.call("AsymmetricEncrypt", &encrypts).ok().text("CiphertextBlob").to_owned();
    let decrypts: Vec<_> = of_pair.into_iter().chain([("CiphertextBlob", pair_blob.as_str())]).collect();
    let mac = client.create_key(&[("KeySpec", "HMAC_SM3")]);
    let authenticates = [("KeyId", mac.as_str()), ("Algorithm", "HMAC_SM3"), ("Message", "aGk=")];
    let checks: Vec<_> = authenticates.into_iter().chain([("Mac", "AAAA")]).collect();
    let external = client.create_key(&[("Origin", "EXTERNAL")]);
    let wrapped_by = [("WrappingKeySpec", "EC_SM2"), ("WrappingAlgorithm", "SM2PKE")];
    let prepares: Vec<_> = [("KeyId", external.as_str())].into_iter().chain(wrapped_by).collect();
    let imported = client.import(&external, &client.import_parameters(&external), &[7; 32], 0).ok();
    same_shape("ImportKeyMaterial", &sdk["actions"]["ImportKeyMaterial"]["result"], &imported.body, &[]);
    let policy = r#"{"Version":"1","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;
    let secret = ("SecretName", "fields");
    let put = [secret, ("VersionId", "v2"), ("SecretData", "new")];
    let made = [secret, ("VersionId", "v1"), ("SecretData", "first"), ("Tags", r#"[{"TagKey":"x","TagValue":"y"}]"#)];
    let rotates = ("SecretName", "acs/ram/user/rotates");
    rotating_secrets(&client, &sdk["actions"]);
    let calls: &[(&str, &[(&str, &str)])] = &[
        ("CreateSecret", &made),
        ("RotateSecret", &[rotates, ("VersionId", "v3")]),
        ("UpdateSecretRotationPolicy", &[rotates, ("EnableAutomaticRotation", "true"), ("RotationInterval", "6h")]),
        ("PutSecretValue", &put),
        ("GetSecretValue", &[secret]),
        ("BatchGetSecretValue", &[("SecretsList", r#"[{"SecretName":"fields"},{"SecretName":"none"}]"#)]),
        ("SetSecretPolicy", &[secret, ("Policy", policy)]),
        ("GetSecretPolicy", &[secret]),
        ("ListSecretVersionIds", &[secret]),
        ("UpdateSecretVersionStage", &[secret, ("VersionStage", "blue"), ("MoveToVersion", "v1")]),
        ("UpdateSecret", &[secret, ("Description", "d")]),
        ("DeleteSecret", &[secret]),
        ("DescribeSecret", &[secret, ("FetchTags", "true")]),
        ("ListSecrets", &[("FetchTags", "true"), ("Filters", r#"[{"Key":"SecretName","Values":["fields"]}]"#)]),
        ("RestoreSecret", &[secret]),
        ("GetRandomPassword", &[]),
        ("AsymmetricSign", &signs),
        ("AsymmetricVerify", &verifies),
        ("AsymmetricEncrypt", &encrypts),
        ("AsymmetricDecrypt", &decrypts),
        ("GetPublicKey", &of_pair[..2]),
        ("GenerateMac", &authenticates),
        ("VerifyMac", &checks),
        ("GetParametersForImport", &prepares),
        ("DeleteKeyMaterial", &[("KeyId", &external)]),
        ("CreateKey", &[("Description", "d")]),
        ("DescribeKey", &[k]),
        ("ListKeys", &[]),
        ("DisableKey", &[k]),
        ("EnableKey", &[k]),
        ("UpdateKeyDescription", &[k, ("Description", "new")]),
        ("SetDeletionProtection", &[k, ("EnableDeletionProtection", "true"), ("DeletionProtectionDescription", "why")]),
        ("DescribeKey", &[k]),
        ("SetDeletionProtection", &[k, ("EnableDeletionProtection", "false")]),
        ("SetKeyPolicy", &[k, ("Policy", policy)]),
        ("GetKeyPolicy", &[k]),
        ("CreateKeyVersion", &[k]),
        ("DescribeKeyVersion", &[k, ("KeyVersionId", &version)]),
        ("ListKeyVersions", &[k]),
        ("UpdateRotationPolicy", &[k, ("EnableAutomaticRotation", "false")]),
        ("Encrypt", &[k, ("Plaintext", "aGk=")]),
        ("Decrypt", &[("CiphertextBlob", &blob)]),
        ("ReEncrypt", &[("CiphertextBlob", &blob), ("DestinationKeyId", &key)]),
        ("GenerateDataKey", &[k]),
        ("GenerateDataKeyWithoutPlaintext", &[k]),
        ("ExportDataKey", &export),
        ("GenerateAndExportDataKey", &generate),
        ("CreateAlias", &[k, alias]),
        ("UpdateAlias", &[k, alias]),
        ("ListAliases", &[]),
        ("ListAliasesByKeyId", &[k]),
        ("DeleteAlias", &[alias]),
        ("TagResource", &[k, ("Tags", r#"[{"TagKey":"x","TagValue":"y"}]"#)]),
        ("ListResourceTags", &[k]),
        ("UntagResource", &[k, ("TagKeys", r#"["x"]"#)]),
        ("TagResources", &tag),
        ("ListTagResources", &resource),
        ("UntagResources", &untag),
        ("ScheduleKeyDeletion", &[k, ("PendingWindowInDays", "7")]),
        ("CancelKeyDeletion", &[k]),
        ("DescribeRegions", &[]),
        ("DescribeAccountKmsStatus", &[]),
    ];
    // What only parts of the cloud that are not here would fill.
    let absent = [
        "CiphertextForRecipient",
        "DKMSInstanceId",
        "NextToken",
        "RotationInterval",
        "DeletionProtectionDescription",
        "OwingService",
        // Of secrets that rotate.
        "ExtendedConfig",
        "CreateSecret.AutomaticRotation",
        "CreateSecret.NextRotationDate",
        "SecretValues.AutomaticRotation",
        "SecretValues.LastRotationDate",
        "SecretValues.NextRotationDate",
        "GetSecretValue.AutomaticRotation",
        "GetSecretValue.LastRotationDate",
        "GetSecretValue.NextRotationDate",
        "DescribeSecret.LastRotationDate",
        "DescribeSecret.NextRotationDate",
    ];
    let results: Vec<_> = calls.iter().map(|(action, params)| (*action, client.call(action, params).ok())).collect();
    hold(KMS, &sdk["actions"], &results, &absent, &["ImportKeyMaterial", "OpenKmsService"]);
}

#[test]
fn every_field_of_results_about_identities_is_one_that_the_sdks_know() {
    let (server, _dir) = server();
    let client = server.client().at(RAM);
    let trust = format!(
        r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{ACCOUNT}:root"}}}}}}"#
    );
    let document = r#"{"Version":"1","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
    let (user, group, role) = (("UserName", "u"), ("GroupName", "g"), ("RoleName", "r"));
    let (name, kind) = (("PolicyName", "p"), ("PolicyType", "Custom"));
    let version = ("VersionId", "v1");
    let details = [("DisplayName", "d"), ("Comments", "c"), ("Email", "u@example.com"), ("MobilePhone", "86-1")];
    let create_user: Vec<_> = [user].into_iter().chain(details).collect();
    let mut results = Vec::new();
    let mut call = |action, params: &[(&str, &str)]| -> Value {
        let answer = client.call(action, params).ok();
        let body = answer.body.clone();
        results.push((action, answer));
        body
    };
    call("CreateUser", &create_user);
    call("GetUser", &[user]);
    call("UpdateUser", &[user, ("NewComments", "new")]);
    call("ListUsers", &[]);
    let key = call("CreateAccessKey", &[user])["AccessKey"]["AccessKeyId"].as_str().unwrap().to_owned();
    let key = ("UserAccessKeyId", key.as_str());
    call("ListAccessKeys", &[user]);
    call("GetAccessKeyLastUsed", &[user, key]);
    call("UpdateAccessKey", &[user, key, ("Status", "Inactive")]);
    call("CreateGroup", &[group, ("Comments", "c")]);
    call("GetGroup", &[group]);
    call("UpdateGroup", &[group, ("NewComments", "new")]);
    call("ListGroups", &[]);
    call("AddUserToGroup", &[user, group]);
    call("ListGroupsForUser", &[user]);
    call("ListUsersForGroup", &[group]);
    call("CreateRole", &[role, ("AssumeRolePolicyDocument", &trust), ("Description", "d")]);
    call("GetRole", &[role]);
    call("UpdateRole", &[role, ("NewDescription", "new")]);
    let tag = ("Tag", r#"[{"Key":"team","Value":"shop"},{"Key":"stage","Value":"test"}]"#);
    let of_role = [("ResourceType", "role"), ("ResourceNames", r#"["r"]"#)];
    call("TagResources", &[of_role[0], of_role[1], tag]);
    call("ListTagResources", &[of_role[0], of_role[1], ("PageSize", "1")]);
    call("ListRoles", &[]);
    call("UntagResources", &[of_role[0], of_role[1], ("All", "true")]);
    call("CreatePolicy", &[name, tag, ("PolicyDocument", document), ("Description", "d")]);
    call("UpdatePolicyDescription", &[name, ("NewDescription", "new")]);
    call("CreatePolicyVersion", &[name, ("PolicyDocument", document), ("SetAsDefault", "true")]);
    call("ListPolicyVersions", &[name, kind]);
    call("GetPolicyVersion", &[name, kind, version]);
    call("AttachPolicyToUser", &[name, kind, user]);
    call("AttachPolicyToGroup", &[name, kind, group]);
    call("AttachPolicyToRole", &[name, kind, role]);
    call("ListPoliciesForUser", &[user]);
    call("ListPoliciesForGroup", &[group]);
    call("ListPoliciesForRole", &[role]);
    let entities = call("ListEntitiesForPolicy", &[name, kind]);
    for held in ["Users/User/0", "Groups/Group/0", "Roles/Role/0"] {
        assert!(entities.pointer(&format!("/{held}")).is_some(), "no {held} in {entities}");
    }
    call("GetPolicy", &[name, kind]);
    call("ListPolicies", &[]);
    call("DetachPolicyFromUser", &[name, kind, user]);
    call("DetachPolicyFromGroup", &[name, kind, group]);
    call("DetachPolicyFromRole", &[name, kind, role]);
    call("SetDefaultPolicyVersion", &[name, version]);
    call("DeletePolicyVersion", &[name, ("VersionId", "v2")]);
    call("DeletePolicy", &[name]);
    call("RemoveUserFromGroup", &[user, group]);
    call("DeleteGroup", &[group]);
    call("DeleteRole", &[role]);
    call("DeleteAccessKey", &[user, key]);
    call("DeleteUser", &[user]);
    // Passwords and roles of services are not there; the document stands in the version; an ended listing goes on
    // nowhere.
    let of_others =
        ["LastLoginDate", "IsServiceLinkedRole", "LatestDeletionTask", "RolePrincipalName", "Policy.PolicyDocument"];
    let absent: Vec<_> = of_others.into_iter().chain(["Marker"]).collect();
    let always_fail = ["GetLoginProfile", "DeleteLoginProfile", "GetUserMFAInfo", "UnbindMFADevice"];
    hold(RAM, &sdks()[RAM], &results, &absent, &always_fail);
    client.call("CreateUser", &[user]).ok();
    client.call("CreateUser", &[("UserName", "w")]).ok();
    let first = client.call("ListUsers", &[("MaxItems", "1")]).ok();
    same_shape("ListUsers", &sdks()[RAM]["ListUsers"]["result"], &first.body, &["LastLoginDate"]);
}

#[test]
fn every_field_of_results_about_sessions_is_one_that_the_sdks_know() {
    let (server, _dir) = server();
    let ram = server.client().at(RAM);
    let trust = format!(
        r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{ACCOUNT}:root"}}}}}}"#
    );
    ram.call("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &trust)]).ok();
    ram.call("CreateUser", &[("UserName", "u")]).ok();
    let policy = [("UserName", "u"), ("PolicyType", "System"), ("PolicyName", "AliyunSTSAssumeRoleAccess")];
    ram.call("AttachPolicyToUser", &policy).ok();
    let key = ram.call("CreateAccessKey", &[("UserName", "u")]).ok();
    let user = Client {
        access_key_id: key.text("AccessKey/AccessKeyId").to_owned(),
        secret: key.text("AccessKey/AccessKeySecret").to_owned(),
        ..ram.at(STS)
    };
    let role = format!("acs:ram::{ACCOUNT}:role/r");
    let session = user.call("AssumeRole", &[("RoleArn", &role), ("RoleSessionName", "s1")]).ok();
    let session = Client {
        access_key_id: session.text("Credentials/AccessKeyId").to_owned(),
        secret: session.text("Credentials/AccessKeySecret").to_owned(),
        security_token: Some(session.text("Credentials/SecurityToken").to_owned()),
        ..user.clone()
    };
    let assumed = user.call("AssumeRole", &[("RoleArn", &role), ("RoleSessionName", "s2")]).ok();
    let caller = "GetCallerIdentity";
    let callers = [session.call(caller, &[]).ok(), user.call(caller, &[]).ok(), ram.at(STS).call(caller, &[]).ok()];
    let [of_session, of_user, of_root] = callers;
    hold(STS, &sdks()[STS], &[("AssumeRole", assumed), (caller, of_session)], &["SourceIdentity", "UserId"], &[]);
    for (answer, absent) in [(of_user, ["RoleId"]), (of_root, ["RoleId"])] {
        same_shape(caller, &sdks()[STS][caller]["result"], &answer.body, &absent);
    }
}

#[test]
fn every_field_of_results_about_events_is_one_that_the_sdks_know() {
    let (server, _dir) = server();
    let client = server.client();
    (0..2).for_each(|_| drop(client.call("ListKeys", &[]).ok()));
    let events = client.at(ACTIONTRAIL).call("LookupEvents", &[("MaxResults", "1")]).ok();
    assert_eq!(events.text("Events/0/eventName"), "ListKeys");
    hold(ACTIONTRAIL, &sdks()[ACTIONTRAIL], &[("LookupEvents", events)], &[], &[]);
}

/// Holds results to what the SDKs of that API know, and asks that no action is missed but those that are `excused`.
fn hold(version: &str, sdk: &Value, results: &[(&str, Answer)], absent: &[&str], excused: &[&str]) {
    for (action, answer) in results {
        same_shape(action, &sdk[*action]["result"], &answer.body, absent);
    }
    let called: BTreeSet<_> = results.iter().map(|(action, _)| *action).collect();
    let actions = Api::of_version(version).unwrap().actions();
    let missed: Vec<_> = actions.map(|action| action.name).filter(|name| !called.contains(name)).collect();
    assert_eq!(missed, excused, "actions that were not called, or not here");
}

/// As [`hold`], of answers about a secret that rotates.
fn rotating_secrets(client: &Client, sdk: &Value) {
    let secret = ("SecretName", "acs/ram/user/rotates");
    let policy = [("EnableAutomaticRotation", "true"), ("RotationInterval", "7d")];
    let made = client.new_secret_of_user("rotates", &policy);
    let made: Vec<_> = made.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let calls: &[(&str, &[(&str, &str)])] = &[
        ("CreateSecret", &made),
        ("RotateSecret", &[secret, ("VersionId", "v2")]),
        ("GetSecretValue", &[secret, ("FetchExtendedConfig", "true")]),
        (
            "BatchGetSecretValue",
            &[("SecretsList", r#"[{"SecretName":"acs/ram/user/rotates","FetchExtendedConfig":true}]"#)],
        ),
        ("DescribeSecret", &[secret, ("FetchTags", "true")]),
    ];
    let absent = ["CiphertextForRecipient", "DKMSInstanceId", "OwingService", "PlannedDeleteTime"];
    for (action, params) in calls {
        same_shape(action, &sdk[*action]["result"], &client.call(action, params).ok().body, &absent);
    }
}

/// Whether `value` has the fields and types that `shape` names, save those whose paths end with one of `absent`.
fn same_shape(path: &str, shape: &Value, value: &Value, absent: &[&str]) {
    match (shape, value) {
        (Value::Object(fields), Value::Object(held)) => {
            for (name, value) in held {
                let shape = fields.get(name).unwrap_or_else(|| panic!("no SDK knows {path}.{name}"));
                same_shape(&format!("{path}.{name}"), shape, value, absent);
            }
            for name in fields.keys() {
                let excused = absent.iter().any(|end| format!(".{path}.{name}").ends_with(&format!(".{end}")));
                assert!(excused || held.contains_key(name), "{path}.{name} is missing in {value}");
            }
        }
        (Value::Array(element), Value::Array(held)) => {
            held.iter().for_each(|value| same_shape(path, &element[0], value, absent))
        }
        (Value::String(kind), value) => {
            let right = match kind.as_str() {
                "[string]" => value.as_array().is_some_and(|held| held.iter().all(Value::is_string)),
                "string" => value.is_string(),
                "integer" => value.is_u64(),
                "boolean" => value.is_boolean(),
                "object" => value.is_object(),
                other => panic!("{path}: unknown type {other}"),
            };
            assert!(right, "{path} must be a {kind}, not {value}");
        }
        _ => panic!("{path}: {value} does not have the form {shape}"),
    }
}
