//! Secrets over the wire.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{ACCOUNT, Client, RAM, REGION, Server, files_below, log_of, records};

const NOT_FOUND: &str = "Forbidden.ResourceNotFound";
const EXISTS: &str = "Rejected.ResourceExist";

fn server() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Server::start(&dir.path().join("data")), dir)
}

fn create(client: &Client, name: &str, params: &[(&str, &str)]) {
    let own = [("SecretName", name), ("VersionId", "v1"), ("SecretData", "first")];
    client.call("CreateSecret", &[&own[..], params].concat()).ok();
}

fn put(client: &Client, name: &str, version: &str, text: &str, params: &[(&str, &str)]) -> Value {
    let own = [("SecretName", name), ("VersionId", version), ("SecretData", text)];
    client.call("PutSecretValue", &[&own[..], params].concat()).ok().body
}

fn text(client: &Client, params: &[(&str, &str)]) -> String {
    client.call("GetSecretValue", params).ok().text("SecretData").to_owned()
}

/// Names of the secrets on a page.
fn listed(client: &Client, params: &[(&str, &str)]) -> Vec<String> {
    let page = client.call("ListSecrets", params).ok();
    let secrets = page.body["SecretList"]["Secret"].as_array().unwrap();
    secrets.iter().map(|secret| secret["SecretName"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_secret_has_versions_and_stages() {
    let (server, _dir) = server();
    let client = server.client();
    let db = ("SecretName", "db/shop");
    let made = [db, ("VersionId", "v1"), ("SecretData", "first"), ("Description", "of the shop")];
    let made = client.call("CreateSecret", &made).ok();
    let arn = format!("acs:kms:{REGION}:{ACCOUNT}:secret/db/shop");
    assert_eq!((made.text("Arn"), made.text("SecretType"), made.text("VersionId")), (&*arn, "Generic", "v1"));
    let value = client.call("GetSecretValue", &[("SecretName", &arn)]).ok();
    assert_eq!((value.text("SecretData"), value.text("SecretDataType")), ("first", "text"));
    assert_eq!(value.body["VersionStages"], json!({"VersionStage": ["ACSCurrent"]}));

    assert_eq!(put(&client, "db/shop", "v2", "second", &[])["VersionStages"]["VersionStage"], json!(["ACSCurrent"]));
    assert_eq!(text(&client, &[db]), "second");
    assert_eq!(text(&client, &[db, ("VersionStage", "ACSPrevious")]), "first");
    assert_eq!(text(&client, &[db, ("VersionId", "v1")]), "first");
    // Once more the same is done already; another value is refused.
    assert_eq!(put(&client, "db/shop", "v1", "first", &[])["VersionStages"]["VersionStage"], json!(["ACSPrevious"]));
    let other = [db, ("VersionId", "v1"), ("SecretData", "other")];
    client.call("PutSecretValue", &other).fails(409, EXISTS);
    put(&client, "db/shop", "v3", "third", &[("VersionStages", r#"["blue","green"]"#)]);
    assert_eq!(
        (text(&client, &[db]), text(&client, &[db, ("VersionStage", "green")])),
        ("second".into(), "third".into())
    );

    let stage = |stage: &str, params: &[(&str, &str)]| {
        client.call("UpdateSecretVersionStage", &[&[db, ("VersionStage", stage)], params].concat())
    };
    stage("ACSCurrent", &[("MoveToVersion", "v3")]).ok();
    assert_eq!(
        (text(&client, &[db]), text(&client, &[db, ("VersionStage", "ACSPrevious")])),
        ("third".into(), "second".into())
    );
    stage("blue", &[("RemoveFromVersion", "v3")]).ok();
    stage("ACSCurrent", &[("RemoveFromVersion", "v3")]).fails(400, "MissingParameter");
    stage("blue", &[]).fails(400, "MissingParameter");
    stage("green", &[("RemoveFromVersion", "v1")]).fails(400, "InvalidParameter");
    stage("green", &[("MoveToVersion", "v9")]).fails(404, NOT_FOUND);

    let versions = |params: &[(&str, &str)]| {
        let page = client.call("ListSecretVersionIds", &[&[db], params].concat()).ok();
        let ids = page.body["VersionIds"]["VersionId"].as_array().unwrap().clone();
        let ids: Vec<_> = ids.iter().map(|version| version["VersionId"].as_str().unwrap().to_owned()).collect();
        (ids, page.number("TotalCount"))
    };
    assert_eq!(versions(&[]), (vec!["v2".into(), "v3".into()], 2));
    assert_eq!(versions(&[("IncludeDeprecated", "True")]).1, 3);
    assert_eq!(
        versions(&[("IncludeDeprecated", "true"), ("PageSize", "2"), ("PageNumber", "2")]),
        (vec!["v3".into()], 3)
    );

    client.call("UpdateSecret", &[db, ("Description", "")]).ok();
    client.call("UpdateSecret", &[db]).fails(400, "MissingParameter");
    let described = client.call("DescribeSecret", &[db]).ok();
    assert_eq!((described.text("Description"), described.text("Arn")), ("", &*arn));
    assert!(described.body.get("Tags").is_none() && described.body.get("PlannedDeleteTime").is_none());
    assert!(!described.body.to_string().contains("third"));

    let again = [db, ("VersionId", "v1"), ("SecretData", "first")];
    client.call("CreateSecret", &again).fails(409, EXISTS);
    let planned = client.call("DeleteSecret", &[db, ("RecoveryWindowInDays", "7")]).ok();
    assert_eq!(client.call("DescribeSecret", &[db]).ok().text("PlannedDeleteTime"), planned.text("PlannedDeleteTime"));
    client.call("CreateSecret", &again).fails(409, "Rejected.ResourceInDeleteWindow");
    client.call("RestoreSecret", &[db]).ok();
    assert_eq!(text(&client, &[db]), "third");
    client.call("DeleteSecret", &[db, ("ForceDeleteWithoutRecovery", "true"), ("RecoveryWindowInDays", "1")]).ok();
    for action in ["GetSecretValue", "DescribeSecret", "ListSecretVersionIds", "DeleteSecret", "RestoreSecret"] {
        client.call(action, &[db]).fails(404, NOT_FOUND);
    }
    create(&client, "db/shop", &[]);
}

#[test]
fn what_a_secret_can_not_be_is_refused_by_name() {
    let (server, _dir) = server();
    let client = server.client();
    let good = [("SecretName", "s"), ("VersionId", "v1"), ("SecretData", "x")];
    let with = |param: (&'static str, &'static str)| {
        let mut params = good.to_vec();
        params.retain(|(name, _)| *name != param.0);
        params.push(param);
        client.call("CreateSecret", &params)
    };
    for kind in ["Rds", "Redis", "PolarDB", "ECS"] {
        let refused = with(("SecretType", kind));
        refused.fails(400, "UnsupportedOperation");
        assert!(refused.text("Message").contains(kind));
    }
    for (name, value) in [
        ("SecretType", "Other"),
        ("SecretName", "a b"),
        ("SecretName", "acs/x"),
        ("SecretDataType", "json"),
        ("EnableAutomaticRotation", "true"),
        ("ExtendedConfig", "{}"),
        ("ExtendedConfig.CustomData", "{}"),
        ("Tags", "[{}]"),
    ] {
        with((name, value)).fails(400, "InvalidParameter");
    }
    with(("SecretData", "")).fails(400, "MissingParameter");
    with(("VersionId", "")).fails(400, "MissingParameter");
    with(("EncryptionKeyId", "alias/none")).fails(404, "Forbidden.AliasNotFound");
    with(("DKMSInstanceId", "kst-1")).fails(400, "UnsupportedOperation");
    let pair = client.create_key(&[("KeySpec", "EC_P256")]);
    client
        .call("CreateSecret", &[&good[..], &[("EncryptionKeyId", &pair)]].concat())
        .fails(400, "UnsupportedOperation");
    let long = "x".repeat(30_721);
    let too_long = [good[0], good[1], ("SecretData", long.as_str())];
    client.call("CreateSecret", &too_long).fails(400, "InvalidParameter");
    assert!(listed(&client, &[]).is_empty());
    client.call("CreateSecret", &[good[0], good[1], ("SecretData", &long[1..])]).ok();
    assert_eq!(text(&client, &[good[0]]).len(), 30_720);

    let binary = [("SecretName", "b"), ("VersionId", "v1"), ("SecretDataType", "binary")];
    let with = |data| client.call("CreateSecret", &[&binary[..], &[("SecretData", data)]].concat());
    with("not base64").fails(400, "InvalidParameter");
    with("AAH/").ok();
    let value = client.call("GetSecretValue", &[binary[0]]).ok();
    assert_eq!((value.text("SecretData"), value.text("SecretDataType")), ("AAH/", "binary"));

    let foreign = format!("acs:kms:{REGION}:9999999999999999:secret/s");
    for name in ["none", "acs:kms:elsewhere:1:secret/s", &foreign, "a b"] {
        client.call("GetSecretValue", &[("SecretName", name)]).fails(404, NOT_FOUND);
    }
    client.call("GetSecretValue", &[good[0], ("DryRun", "true")]).fails(412, "DryRunOperationError");
    client.call("GetSecretValue", &[("SecretName", "none"), ("DryRun", "true")]).fails(400, "ValidationError");
    for window in ["6", "31"] {
        client.call("DeleteSecret", &[good[0], ("RecoveryWindowInDays", window)]).fails(400, "InvalidParameter");
    }
}

#[test]
fn a_secret_rotates_the_access_keys_of_a_user() {
    let (server, dir) = server();
    let client = server.client();
    let secret = ("SecretName", "acs/ram/user/app");
    let made = client.new_secret_of_user("app", &[("EnableAutomaticRotation", "true"), ("RotationInterval", "168h")]);
    let params = |changed: &[(&'static str, &'static str)]| {
        let mut params: Vec<_> = made.iter().map(|(name, value)| (*name, value.as_str())).collect();
        params.retain(|(name, _)| changed.iter().all(|(other, _)| name != other));
        params.extend(changed);
        params
    };
    for (name, value) in [
        ("SecretName", "app"),
        ("SecretName", "acs/ram/user/app"),
        ("SecretDataType", "binary"),
        ("SecretData", "first"),
        ("SecretData", r#"{"AccessKeys":[]}"#),
        ("SecretData", r#"{"AccessKeys":[{"AccessKeyId":"none","AccessKeySecret":"none"}]}"#),
        ("ExtendedConfig", "{}"),
        ("ExtendedConfig", r#"{"SecretSubType":"RamUserAccessKey"}"#),
        ("ExtendedConfig", r#"{"SecretSubType":"RamUserAccessKey","UserName":"nobody"}"#),
        ("ExtendedConfig", r#"{"SecretSubType":"Other","UserName":"app"}"#),
        ("ExtendedConfig", r#"{"SecretSubType":"RamUserAccessKey","UserName":"app","CustomData":{"a":1}}"#),
        ("RotationInterval", "5h"),
        ("RotationInterval", "366d"),
    ] {
        client.call("CreateSecret", &params(&[(name, value)])).fails(400, "InvalidParameter");
    }
    for name in ["SecretName", "SecretData", "ExtendedConfig", "RotationInterval"] {
        client.call("CreateSecret", &params(&[(name, "")])).fails(400, "MissingParameter");
    }
    // As SDKs of some languages send it.
    let flat = [
        ("ExtendedConfig", ""),
        ("ExtendedConfig.SecretSubType", "RamUserAccessKey"),
        ("ExtendedConfig.UserName", "app"),
        ("ExtendedConfig.CustomData.team", "shop"),
    ];
    let created = client.call("CreateSecret", &params(&flat)).ok();
    let shown = |answer: &support::Answer| {
        let text = |name: &str| answer.text(name).to_owned();
        (text("SecretType"), text("AutomaticRotation"), text("RotationInterval"))
    };
    let rotates = ("RAMCredentials".to_owned(), "Enabled".to_owned(), "604800s".to_owned());
    assert_eq!((created.text("SecretName"), shown(&created)), ("acs/ram/user/app", rotates.clone()));
    let config: Value = serde_json::from_str(created.text("ExtendedConfig")).unwrap();
    let expected = json!({"SecretSubType": "RamUserAccessKey", "UserName": "app", "CustomData": {"team": "shop"}});
    assert_eq!(config, expected);
    client.call("CreateSecret", &params(&[])).fails(409, EXISTS);
    assert_eq!(listed(&client, &[("Filters", r#"[{"Key":"SecretType","Values":["RAMCredentials"]}]"#)]), [secret.1]);

    // What it holds signs calls of the user.
    let holder = |stage: &str| {
        let value: Value = serde_json::from_str(&text(&client, &[secret, ("VersionStage", stage)])).unwrap();
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        Client { access_key_id: text("AccessKeyId"), secret: text("AccessKeySecret"), ..client.at(support::STS) }
    };
    let arn = format!("acs:ram::{ACCOUNT}:user/app");
    let first = holder("ACSCurrent");
    assert_eq!(first.call("GetCallerIdentity", &[]).ok().text("Arn"), arn);
    client.call("GetSecretValue", &[secret, ("VersionStage", "ACSPrevious")]).fails(404, NOT_FOUND);
    let rotated = client.call("RotateSecret", &[secret, ("VersionId", "v2")]).ok();
    assert_eq!((rotated.text("SecretName"), rotated.text("VersionId")), (secret.1, "v2"));
    let second = holder("ACSCurrent");
    assert_ne!(first.access_key_id, second.access_key_id);
    for held in [&first, &second, &holder("ACSPrevious")] {
        assert_eq!(held.call("GetCallerIdentity", &[]).ok().text("Arn"), arn);
    }
    client.call("RotateSecret", &[secret, ("VersionId", "v3")]).ok();
    first.call("GetCallerIdentity", &[]).fails(404, "InvalidAccessKeyId.NotFound");
    second.call("GetCallerIdentity", &[]).ok();
    let keys = client.at(RAM).call("ListAccessKeys", &[("UserName", "app")]).ok();
    assert_eq!(keys.body["AccessKeys"]["AccessKey"].as_array().unwrap().len(), 2);

    let value = client.call("GetSecretValue", &[secret, ("VersionId", "v1"), ("FetchExtendedConfig", "true")]).ok();
    assert_eq!((shown(&value), value.text("VersionId")), (rotates.clone(), "v3"));
    assert_eq!(serde_json::from_str::<Value>(value.text("ExtendedConfig")).unwrap(), expected);
    assert!(client.call("GetSecretValue", &[secret]).ok().body.get("ExtendedConfig").is_none());
    let described = client.call("DescribeSecret", &[secret]).ok();
    assert_eq!(shown(&described), rotates);
    assert!(described.text("NextRotationDate") > described.text("LastRotationDate"));

    let policy = |params: &[(&str, &str)]| client.call("UpdateSecretRotationPolicy", &[&[secret], params].concat());
    policy(&[("EnableAutomaticRotation", "true")]).fails(400, "MissingParameter");
    policy(&[]).fails(400, "MissingParameter");
    policy(&[("EnableAutomaticRotation", "true"), ("RotationInterval", "1h")]).fails(400, "InvalidParameter");
    policy(&[("EnableAutomaticRotation", "false")]).ok();
    let described = client.call("DescribeSecret", &[secret]).ok();
    assert_eq!(described.text("AutomaticRotation"), "Disabled");
    assert!(described.body.get("NextRotationDate").is_none() && described.body.get("RotationInterval").is_none());
    client.call("UpdateSecret", &[secret, ("ExtendedConfig.CustomData", r#"{"team":"bank"}"#)]).ok();
    let described = client.call("DescribeSecret", &[secret]).ok();
    assert!(described.text("ExtendedConfig").contains("bank"), "{described:?}");

    // Versions come and go by rotation alone, and what its owner puts in does not rotate.
    create(&client, "db", &[]);
    for (action, secret, params) in [
        ("PutSecretValue", secret.1, &[("VersionId", "v9"), ("SecretData", "x")][..]),
        ("UpdateSecretVersionStage", secret.1, &[("VersionStage", "ACSCurrent"), ("MoveToVersion", "v2")]),
        ("RotateSecret", "db", &[("VersionId", "v2")]),
        ("UpdateSecretRotationPolicy", "db", &[("EnableAutomaticRotation", "false")]),
    ] {
        let refused = client.call(action, &[&[("SecretName", secret)], params].concat());
        refused.fails(400, "UnsupportedOperation");
    }
    client
        .call("UpdateSecret", &[("SecretName", "db"), ("ExtendedConfig.CustomData", "{}")])
        .fails(400, "UnsupportedOperation");

    // The record names secret and user, and nothing of the AccessKeys.
    let of_rotation =
        records(&dir.path().join("data")).into_iter().find(|record| record["eventName"] == "RotateSecret").unwrap();
    let referenced = &of_rotation["referencedResources"];
    assert_eq!(referenced["ACS::KMS::Secret"], json!(["acs/ram/user/app"]), "{of_rotation}");
    assert_eq!(referenced["ACS::RAM::User"], json!(["app"]), "{of_rotation}");
    let all = records(&dir.path().join("data")).iter().map(Value::to_string).collect::<String>();
    assert!([&first, &second].iter().all(|held| !all.contains(&held.secret)));
}

#[test]
fn values_stand_under_their_key() {
    let (server, _dir) = server();
    let client = server.client();
    let key = client.create_key(&[]);
    client.call("CreateAlias", &[("AliasName", "alias/k"), ("KeyId", &key)]).ok();
    create(&client, "chosen", &[("EncryptionKeyId", "alias/k")]);
    create(&client, "own", &[]);
    let key_of = |name| client.call("DescribeSecret", &[("SecretName", name)]).ok().text("EncryptionKeyId").to_owned();
    assert_eq!(key_of("chosen"), key);
    // The service's own key stands in the lists like any other.
    let service = client.call("DescribeKey", &[("KeyId", "alias/acs/secrets")]).ok();
    assert_eq!(service.text("KeyMetadata/KeyId"), key_of("own"));
    let aliases = client.call("ListAliases", &[]).ok().body.to_string();
    assert!(aliases.contains("alias/acs/secrets"), "{aliases}");
    assert_eq!(client.call("ListKeys", &[]).ok().number("TotalCount"), 2);
    let alias = ("AliasName", "alias/acs/secrets");
    client.call("DeleteAlias", &[alias]).fails(400, "InvalidParameter");
    client.call("UpdateAlias", &[alias, ("KeyId", &key)]).fails(400, "InvalidParameter");
    for name in ["chosen", "own"] {
        let (secret, key) = (("SecretName", name), key_of(name));
        client.call("DisableKey", &[("KeyId", &key)]).ok();
        client.call("GetSecretValue", &[secret]).fails(409, "Rejected.Disabled");
        client
            .call("PutSecretValue", &[secret, ("VersionId", "v2"), ("SecretData", "x")])
            .fails(409, "Rejected.Disabled");
        client.call("DescribeSecret", &[secret]).ok();
        client.call("EnableKey", &[("KeyId", &key)]).ok();
        assert_eq!(text(&client, &[secret]), "first");
        let schedule = || client.call("ScheduleKeyDeletion", &[("KeyId", &key), ("PendingWindowInDays", "7")]);
        schedule().fails(409, "Rejected.StateModifiedFailed");
        assert!(schedule().text("Message").contains("1 secret is encrypted under the key"));
        client.call("DeleteSecret", &[secret, ("ForceDeleteWithoutRecovery", "true")]).ok();
        schedule().ok();
    }
}

#[test]
fn several_values_are_given_at_once_each_or_why_not() {
    let (server, dir) = server();
    let client = server.client();
    let key = client.create_key(&[]);
    create(&client, "a", &[]);
    put(&client, "a", "v2", "second", &[]);
    create(&client, "disabled", &[("EncryptionKeyId", &key)]);
    client.call("DisableKey", &[("KeyId", &key)]).ok();
    let list = r#"[{"SecretName":"a"},{"SecretName":"a","VersionStage":"ACSPrevious"},{"SecretName":"a","VersionId":"v9"},
        {"SecretName":"disabled"},{"SecretName":"none"},{"SecretName":"a","VersionStage":"not a stage"}]"#;
    let answer = client.call("BatchGetSecretValue", &[("SecretsList", list)]).ok().body;
    let values = answer["SecretValues"].as_array().unwrap();
    let texts: Vec<_> = values.iter().map(|value| value["SecretData"].as_str().unwrap()).collect();
    assert_eq!(texts, ["second", "first"]);
    let errors = answer["Errors"].as_array().unwrap();
    let shown = |error: &Value| format!("{} {} {}", error["SecretName"], error["HttpStatus"], error["Code"]);
    let mut errors: Vec<_> = errors.iter().map(shown).collect();
    errors.sort();
    let expected = [
        r#""a" 400 "InvalidParameter""#,
        r#""a" 404 "Forbidden.ResourceNotFound""#,
        r#""disabled" 409 "Rejected.Disabled""#,
        r#""none" 404 "Forbidden.ResourceNotFound""#,
    ];
    assert_eq!(errors, expected);
    // The record of a call that succeeds says what of it did not.
    let records = records(&dir.path().join("data"));
    let record = records.iter().find(|record| record["eventName"] == "BatchGetSecretValue").unwrap();
    let failed = record["responseElements"]["failedItems"].as_array().unwrap().iter();
    let failed: Vec<_> =
        failed.map(|part| format!("{} {} {}", part["errorCode"], part["count"], part["first"])).collect();
    let expected =
        [r#""Forbidden.ResourceNotFound" 2 "a""#, r#""InvalidParameter" 1 "a""#, r#""Rejected.Disabled" 1 "disabled""#];
    assert_eq!(failed, expected);
    // Entry by entry, as some SDKs send lists.
    let listed =
        [("SecretsList.1.SecretName", "a"), ("SecretsList.2.SecretName", "a"), ("SecretsList.2.VersionId", "v1")];
    let answer = client.call("BatchGetSecretValue", &listed).ok().body;
    assert_eq!((&answer["SecretValues"][1]["SecretData"], &answer["Errors"]), (&json!("first"), &json!([])));
    let many = format!("[{}]", vec![r#"{"SecretName":"a"}"#; 21].join(","));
    for (list, code) in [(&*many, "InvalidParameter"), ("[]", "MissingParameter"), ("[{}]", "MissingParameter")] {
        client.call("BatchGetSecretValue", &[("SecretsList", list)]).fails(400, code);
    }
    client.call("BatchGetSecretValue", &[]).fails(400, "MissingParameter");
}

#[test]
fn a_secret_has_a_policy_of_its_own() {
    let (server, _dir) = server();
    let client = server.client();
    create(&client, "s", &[]);
    let secret = ("SecretName", "s");
    let ram = client.at(support::RAM);
    ram.call("CreateUser", &[("UserName", "u")]).ok();
    let key = ram.call("CreateAccessKey", &[("UserName", "u")]).ok();
    let user = Client {
        access_key_id: key.text("AccessKey/AccessKeyId").to_owned(),
        secret: key.text("AccessKey/AccessKeySecret").to_owned(),
        ..client.clone()
    };
    let default: Value = serde_json::from_str(client.call("GetSecretPolicy", &[secret]).ok().text("Policy")).unwrap();
    assert_eq!(default["Statement"][0]["Sid"], "kms default secret policy");
    user.call("GetSecretValue", &[secret]).fails(403, "Forbidden.NoPermission");
    // Within its account, the policy of the secret is enough, and its Deny goes before every Allow.
    let policy = |effect: &str| {
        let statement = json!({
            "Effect": effect, "Principal": {"RAM": [format!("acs:ram::{ACCOUNT}:user/u")]},
            "Action": ["kms:GetSecretValue"], "Resource": ["*"],
        });
        json!({"Version": "1", "Statement": [statement]}).to_string()
    };
    client.call("SetSecretPolicy", &[secret, ("Policy", &policy("Allow")), ("PolicyName", "default")]).ok();
    assert_eq!(client.call("GetSecretPolicy", &[secret]).ok().text("Policy"), policy("Allow"));
    assert_eq!(text(&user, &[secret]), "first");
    let admin = [("UserName", "u"), ("PolicyType", "System"), ("PolicyName", "AliyunKMSSecretAdminAccess")];
    ram.call("AttachPolicyToUser", &admin).ok();
    client.call("SetSecretPolicy", &[secret, ("Policy", &policy("Deny"))]).ok();
    user.call("GetSecretValue", &[secret]).fails(403, "Forbidden.NoPermission");
    let batch = [("SecretsList.1.SecretName", "s")];
    user.call("BatchGetSecretValue", &batch).fails(403, "Forbidden.NoPermission");
    user.call("DescribeSecret", &[secret]).ok();
    create(&client, "made", &[("Policy", &policy("Deny"))]);
    user.call("GetSecretValue", &[("SecretName", "made")]).fails(403, "Forbidden.NoPermission");
    for name in ["SetSecretPolicy", "GetSecretPolicy"] {
        let other = [secret, ("Policy", &*policy("Allow")), ("PolicyName", "other")];
        client.call(name, &other).fails(404, NOT_FOUND);
    }
    client.call("SetSecretPolicy", &[secret, ("Policy", "{")]).fails(400, "InvalidParameter");
}

#[test]
fn secrets_are_listed_by_what_is_asked_for() {
    let (server, _dir) = server();
    let client = server.client();
    for (name, description, team) in [("a/1", "one", "shop"), ("a/2", "two", "shop"), ("b/1", "one more", "web")] {
        let tags = format!(r#"[{{"TagKey":"team","TagValue":"{team}"}}]"#);
        create(&client, name, &[("Description", description), ("Tags", &tags)]);
    }
    for (filters, expected) in [
        (r#"[]"#, vec!["a/1", "a/2", "b/1"]),
        (r#"[{"Key":"SecretName","Values":["a/"]}]"#, vec!["a/1", "a/2"]),
        (r#"[{"Key":"SecretName","Values":["a/2","b"]}]"#, vec!["a/2", "b/1"]),
        (r#"[{"Key":"Description","Values":["one"]}]"#, vec!["a/1", "b/1"]),
        (r#"[{"Key":"TagKey","Values":["team"]},{"Key":"TagValue","Values":["shop"]}]"#, vec!["a/1", "a/2"]),
        (r#"[{"Key":"TagValue","Values":["web"]},{"Key":"SecretName","Values":["a"]}]"#, vec![]),
        (r#"[{"Key":"SecretType","Values":["Generic"]}]"#, vec!["a/1", "a/2", "b/1"]),
        (r#"[{"Key":"SecretType","Values":["Rds"]}]"#, vec![]),
        (r#"[{"Key":"DKMSInstanceId","Values":["kst"]}]"#, vec![]),
    ] {
        assert_eq!(listed(&client, &[("Filters", filters)]), expected, "{filters}");
    }
    for filters in [r#"[{"Key":"Other","Values":[]}]"#, r#"{}"#, r#"[{"Key":"SecretType","Values":["x"]}]"#] {
        client.call("ListSecrets", &[("Filters", filters)]).fails(400, "InvalidParameter");
    }
    assert_eq!(listed(&client, &[("PageSize", "2"), ("PageNumber", "2")]), ["b/1"]);
    let page = client.call("ListSecrets", &[("PageSize", "1"), ("FetchTags", "true")]).ok();
    assert_eq!(page.number("TotalCount"), 3);
    assert_eq!(page.body["SecretList"]["Secret"][0]["Tags"]["Tag"], json!([{"TagKey": "team", "TagValue": "shop"}]));
}

#[test]
fn secrets_have_tags_like_keys() {
    let (server, _dir) = server();
    let client = server.client();
    create(&client, "a", &[]);
    create(&client, "b", &[]);
    let tags = |name: &str| {
        let described = client.call("DescribeSecret", &[("SecretName", name), ("FetchTags", "True")]).ok();
        described.body["Tags"]["Tag"].clone()
    };
    client.call("TagResource", &[("SecretName", "a"), ("Tags", r#"[{"TagKey":"x","TagValue":"1"}]"#)]).ok();
    let both = [("ResourceType", "secret"), ("ResourceId.1", "a"), ("ResourceId.2", "b"), ("RegionId", REGION)];
    client.call("TagResources", &[&both[..], &[("Tag.1.Key", "y"), ("Tag.1.Value", "2")]].concat()).ok();
    assert_eq!(tags("a"), json!([{"TagKey": "x", "TagValue": "1"}, {"TagKey": "y", "TagValue": "2"}]));
    let list = |params: &[(&str, &str)]| {
        let all = [("ResourceType", "secret"), ("RegionId", REGION)];
        let listed = client.call("ListTagResources", &[&all[..], params].concat()).ok();
        let listed = listed.body["TagResources"]["TagResource"].as_array().unwrap().clone();
        listed.iter().map(|tag| format!("{} {}", tag["ResourceId"], tag["TagKey"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), ["a x", "a y", "b y"]);
    assert_eq!(list(&[("ResourceId.1", "b")]), ["b y"]);
    assert_eq!(list(&[("Tag.1.Key", "x")]), ["a x", "a y"]);
    client.call("UntagResource", &[("SecretName", "a"), ("TagKeys", r#"["x"]"#)]).ok();
    client.call("UntagResources", &[&both[..], &[("All", "true")]].concat()).ok();
    assert_eq!((tags("a"), tags("b")), (json!([]), json!([])));
    // One that is not there: none is tagged.
    let one_missing = [("ResourceType", "secret"), ("ResourceId.1", "a"), ("ResourceId.2", "none"), ("Tag.1.Key", "z")];
    client.call("TagResources", &one_missing).fails(404, NOT_FOUND);
    assert_eq!(tags("a"), json!([]));
    let both = [("SecretName", "a"), ("KeyId", "x"), ("Tags", r#"[{"TagKey":"x"}]"#)];
    client.call("TagResource", &both).fails(400, "InvalidParameter");
}

#[test]
fn passwords_are_drawn_as_they_are_asked_for() {
    let (server, _dir) = server();
    let client = server.client();
    let draw = |params: &[(&str, &str)]| client.call("GetRandomPassword", params);
    let password = |params: &[(&str, &str)]| draw(params).ok().text("RandomPassword").to_owned();
    assert_eq!(password(&[]).len(), 32);
    assert_ne!(password(&[]), password(&[]));
    let only = [("ExcludeLowercase", "true"), ("ExcludePunctuation", "true"), ("ExcludeCharacters", "01IO")];
    let drawn = password(&[&only[..], &[("PasswordLength", "128")]].concat());
    assert!(drawn.len() == 128 && !drawn.contains(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit())));
    assert!(!drawn.contains(['0', '1', 'I', 'O']));
    for params in [[("PasswordLength", "7")], [("PasswordLength", "129")], [("ExcludeLowercase", "yes")]] {
        draw(&params).fails(400, "InvalidParameter");
    }
    let nothing = [("ExcludeNumbers", "true"), ("ExcludeUppercase", "true"), ("ExcludeLowercase", "true")];
    draw(&[&nothing[..], &[("ExcludePunctuation", "true")]].concat()).fails(400, "InvalidParameter");
}

#[test]
fn an_account_has_no_more_secrets_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&dir.path().join("data"), |command| {
        command.args(["--max-secrets", "1"]);
    });
    let client = server.client();
    create(&client, "a", &[]);
    let second = [("SecretName", "b"), ("VersionId", "v1"), ("SecretData", "x")];
    client.call("CreateSecret", &second).fails(400, "Rejected.LimitExceeded");
    client.call("DeleteSecret", &[("SecretName", "a"), ("ForceDeleteWithoutRecovery", "true")]).ok();
    client.call("CreateSecret", &second).ok();
}

#[test]
fn values_are_in_no_file_and_no_record_and_come_back_after_a_start_and_a_restore() {
    const PLANTED: &str = "planted-secret-value-9Zk";
    let dir = tempfile::tempdir().unwrap();
    let (data, elsewhere, backup) = (dir.path().join("data"), dir.path().join("elsewhere"), dir.path().join("backup"));
    let server = Server::start(&data);
    let client = server.client();
    let secret = ("SecretName", "db");
    client.call("CreateSecret", &[secret, ("VersionId", "v1"), ("SecretData", PLANTED)]).ok();
    put(&client, "db", "v2", &format!("{PLANTED}-2"), &[]);
    client.call("PutSecretValue", &[secret, ("VersionId", "v2"), ("SecretData", PLANTED)]).fails(409, EXISTS);
    assert_eq!(text(&client, &[secret]), format!("{PLANTED}-2"));
    let done =
        Command::new(env!("CARGO_BIN_EXE_yaoku")).arg("backup").arg(&backup).arg("--data-dir").arg(&data).output();
    assert!(done.unwrap().status.success());
    assert_eq!(server.terminate(), Some(0));

    let all = files_below(&data).into_iter().chain([log_of(&data), backup.clone()]);
    for file in all {
        let content = std::fs::read(&file).unwrap();
        assert!(memchr::memmem::find(&content, PLANTED.as_bytes()).is_none(), "{}", file.display());
    }
    let records = records(&data);
    assert!(records.iter().all(|record| !record.to_string().contains(PLANTED)));
    let of = |name: &str| records.iter().find(|record| record["eventName"] == name).unwrap();
    assert_eq!(of("CreateSecret")["requestParameters"]["SecretName"], "db");
    assert!(of("CreateSecret")["requestParameters"].get("SecretData").is_none());
    let named = &of("GetSecretValue")["referencedResources"];
    assert_eq!((&named["ACS::KMS::Secret"], named["ACS::KMS::Key"].as_array().unwrap().len()), (&json!(["db"]), 1));

    let server = Server::start(&data);
    assert_eq!(text(&server.client(), &[secret, ("VersionId", "v1")]), PLANTED);
    assert_eq!(server.terminate(), Some(0));
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(data.join("root.key"), elsewhere.join("root.key")).unwrap();
    let restore = Command::new(env!("CARGO_BIN_EXE_yaoku"))
        .arg("restore")
        .arg(&backup)
        .arg("--data-dir")
        .arg(&elsewhere)
        .output();
    assert!(restore.unwrap().status.success());
    let server = Server::start(&elsewhere);
    assert_eq!(text(&server.client(), &[secret]), format!("{PLANTED}-2"));
}
