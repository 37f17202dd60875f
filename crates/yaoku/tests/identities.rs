//! Identities over the wire: the APIs of RAM and STS beside that of KMS, at one endpoint, and what users and sessions may do.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use support::{ACCOUNT, ACTIONTRAIL, Client, KMS, RAM, STS, Server, files_below, log_of};

struct World {
    server: Server,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Calls with an AccessKey that is disabled prove nobody.
        let server = Server::start_with(&dir.path().join("data"), |command| {
            command.args(["--unauthenticated-per-minute", "60000"]);
        });
        Self { server, dir }
    }

    fn ram(&self) -> Client {
        self.server.client().at(RAM)
    }

    /// A user without permissions, as a client of KMS.
    fn user(&self, name: &str) -> Client {
        self.ram().call("CreateUser", &[("UserName", name)]).ok();
        self.key_of(name)
    }

    fn key_of(&self, name: &str) -> Client {
        let key = self.ram().call("CreateAccessKey", &[("UserName", name)]).ok();
        Client {
            access_key_id: key.text("AccessKey/AccessKeyId").to_owned(),
            secret: key.text("AccessKey/AccessKeySecret").to_owned(),
            ..self.server.client()
        }
    }

    /// A session of a new role without permissions, for a user who may assume roles.
    fn session_of(&self, role: &str, user: &Client) -> Client {
        let trust = format!(
            r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{ACCOUNT}:root"}}}}}}"#
        );
        self.ram().call("CreateRole", &[("RoleName", role), ("AssumeRolePolicyDocument", &trust)]).ok();
        let arn = format!("acs:ram::{ACCOUNT}:role/{role}");
        let begun = user.at(STS).call("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "s1")]).ok();
        Client {
            access_key_id: begun.text("Credentials/AccessKeyId").to_owned(),
            secret: begun.text("Credentials/AccessKeySecret").to_owned(),
            security_token: Some(begun.text("Credentials/SecurityToken").to_owned()),
            ..self.server.client()
        }
    }

    fn policy(&self, name: &str, document: &str) {
        self.ram().call("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", document)]).ok();
    }

    fn attach(&self, user: &str, kind: &str, policy: &str) {
        let params = [("UserName", user), ("PolicyType", kind), ("PolicyName", policy)];
        self.ram().call("AttachPolicyToUser", &params).ok();
    }
}

const ALL_OF_KMS: &str = r#"{"Version":"1","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
const NO_DECRYPT: &str = r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}]}"#;

#[test]
fn an_action_is_found_in_the_api_of_its_version_only() {
    let world = World::new();
    let kms = world.server.client();
    let caller = kms.at(STS).call("GetCallerIdentity", &[]).ok();
    assert_eq!(caller.text("AccountId"), ACCOUNT);
    assert_eq!(caller.text("Arn"), format!("acs:ram::{ACCOUNT}:root"));
    assert_eq!((caller.text("IdentityType"), caller.text("PrincipalId")), ("Account", ACCOUNT));
    kms.call("GetCallerIdentity", &[]).fails(404, "InvalidAction.NotFound");
    kms.at(STS).call("ListKeys", &[]).fails(404, "InvalidAction.NotFound");
    kms.at(STS).call("AssumeRoleWithSAML", &[]).fails(400, "UnsupportedOperation");
    kms.at(RAM).call("CreateLoginProfile", &[]).fails(400, "UnsupportedOperation");
    kms.at("2015-04-02").call("GetCallerIdentity", &[]).fails(400, "InvalidVersion");
}

#[test]
fn a_user_may_do_what_its_policies_allow_and_not_what_one_denies() {
    let world = World::new();
    let root = world.server.client();
    let (tagged, other) = (root.create_key(&[]), root.create_key(&[]));
    root.call("TagResource", &[("KeyId", &tagged), ("Tags", r#"[{"TagKey":"team","TagValue":"shop"}]"#)]).ok();
    let alice = world.user("alice");
    let caller = alice.at(STS).call("GetCallerIdentity", &[]).ok();
    assert_eq!(caller.text("Arn"), format!("acs:ram::{ACCOUNT}:user/alice"));
    assert_eq!(caller.text("IdentityType"), "RAMUser");
    let encrypt = |key: &str| alice.call("Encrypt", &[("KeyId", key), ("Plaintext", "aGVsbG8=")]);
    encrypt(&tagged).fails(403, "Forbidden.NoPermission");
    alice.at(RAM).call("ListUsers", &[]).fails(403, "NoPermission");

    world.policy(
        "encrypt-shop",
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*",
            "Condition":{"StringEquals":{"kms:tag/team":"shop"}}}]}"#,
    );
    world.attach("alice", "Custom", "encrypt-shop");
    let blob = encrypt(&tagged).ok().text("CiphertextBlob").to_owned();
    encrypt(&other).fails(403, "Forbidden.NoPermission");
    alice.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(403, "Forbidden.NoPermission");

    world.attach("alice", "System", "AliyunKMSFullAccess");
    encrypt(&other).ok();
    alice.call("Decrypt", &[("CiphertextBlob", &blob)]).ok();
    world.policy("no-decrypt", NO_DECRYPT);
    world.attach("alice", "Custom", "no-decrypt");
    alice.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(403, "Forbidden.NoPermission");
    encrypt(&other).ok();

    // A new default version of the policy is in force at once, as is its being detached.
    let version = [("PolicyName", "no-decrypt"), ("PolicyDocument", ALL_OF_KMS), ("SetAsDefault", "true")];
    let made = world.ram().call("CreatePolicyVersion", &version).ok();
    assert_eq!(made.text("PolicyVersion/VersionId"), "v2");
    alice.call("Decrypt", &[("CiphertextBlob", &blob)]).ok();
    for (kind, policy) in [("Custom", "no-decrypt"), ("System", "AliyunKMSFullAccess"), ("Custom", "encrypt-shop")] {
        let params = [("UserName", "alice"), ("PolicyType", kind), ("PolicyName", policy)];
        world.ram().call("DetachPolicyFromUser", &params).ok();
    }
    encrypt(&tagged).fails(403, "Forbidden.NoPermission");
}

#[test]
fn groups_give_their_policies_to_their_users_whatever_they_are_called() {
    let world = World::new();
    let (ram, bob) = (world.ram(), world.user("bob"));
    ram.call("CreateGroup", &[("GroupName", "readers"), ("Comments", "those who look")]).ok();
    let policy = [("PolicyType", "System"), ("PolicyName", "AliyunKMSReadOnlyAccess")];
    ram.call("AttachPolicyToGroup", &[policy[0], policy[1], ("GroupName", "readers")]).ok();
    bob.call("ListKeys", &[]).fails(403, "Forbidden.NoPermission");
    ram.call("AddUserToGroup", &[("UserName", "bob"), ("GroupName", "readers")]).ok();
    ram.call("AddUserToGroup", &[("UserName", "bob"), ("GroupName", "readers")])
        .fails(409, "EntityAlreadyExists.User.Group");
    bob.call("ListKeys", &[]).ok();
    bob.call("CreateKey", &[]).fails(403, "Forbidden.NoPermission");
    ram.call("UpdateGroup", &[("GroupName", "readers"), ("NewGroupName", "lookers")]).ok();
    ram.call("UpdateUser", &[("UserName", "bob"), ("NewUserName", "robert")]).ok();
    bob.call("ListKeys", &[]).ok();
    assert!(bob.at(STS).call("GetCallerIdentity", &[]).ok().text("Arn").ends_with(":user/robert"));
    let groups = ram.call("ListGroupsForUser", &[("UserName", "robert")]).ok();
    assert_eq!(groups.text("Groups/Group/0/GroupName"), "lookers");
    let users = ram.call("ListUsersForGroup", &[("GroupName", "lookers")]).ok();
    assert_eq!(users.text("Users/User/0/UserName"), "robert");
    ram.call("DeleteGroup", &[("GroupName", "lookers")]).fails(409, "DeleteConflict.Group.User");
    ram.call("DeleteUser", &[("UserName", "robert")]).fails(409, "DeleteConflict.User.AccessKey");
    ram.call("RemoveUserFromGroup", &[("UserName", "robert"), ("GroupName", "lookers")]).ok();
    bob.call("ListKeys", &[]).fails(403, "Forbidden.NoPermission");
    ram.call("DeleteGroup", &[("GroupName", "lookers")]).fails(409, "DeleteConflict.Group.Policy");
    ram.call("DetachPolicyFromGroup", &[policy[0], policy[1], ("GroupName", "lookers")]).ok();
    ram.call("DeleteGroup", &[("GroupName", "lookers")]).ok();
    let key = [("UserName", "robert"), ("UserAccessKeyId", &*bob.access_key_id)];
    ram.call("DeleteAccessKey", &key).ok();
    bob.call("ListKeys", &[]).fails(404, "InvalidAccessKeyId.NotFound");
    ram.call("DeleteUser", &[("UserName", "robert")]).ok();
    ram.call("GetUser", &[("UserName", "robert")]).fails(404, "EntityNotExist.User");
}

#[test]
fn an_access_key_that_was_disabled_proves_nothing_until_it_is_enabled() {
    let world = World::new();
    let (ram, carol) = (world.ram(), world.user("carol"));
    let second = world.key_of("carol");
    world.attach("carol", "System", "AliyunKMSReadOnlyAccess");
    carol.call("ListKeys", &[]).ok();
    let switch = |status| {
        let params = [("UserName", "carol"), ("UserAccessKeyId", &*carol.access_key_id), ("Status", status)];
        ram.call("UpdateAccessKey", &params).ok();
    };
    switch("Inactive");
    carol.call("ListKeys", &[]).fails(403, "Forbidden.AccessKey");
    second.call("ListKeys", &[]).ok();
    switch("Active");
    carol.call("ListKeys", &[]).ok();
    let key = [("UserName", "carol"), ("UserAccessKeyId", &*carol.access_key_id)];
    let used = ram.call("GetAccessKeyLastUsed", &key).ok();
    assert!(used.text("AccessKeyLastUsed/LastUsedDate").ends_with('Z'));
    let listed = ram.call("ListAccessKeys", &[("UserName", "carol")]).ok();
    assert_eq!(listed.body["AccessKeys"]["AccessKey"].as_array().unwrap().len(), 2);
    let foreign = [("UserName", "nobody"), key[1]];
    ram.call("DeleteAccessKey", &foreign).fails(404, "EntityNotExist.User");
}

/// A call, by the API's version, action and parameters.
type Asked<'a> = (&'static str, &'static str, Vec<(&'a str, &'a str)>);

/// Has each of `asked` called again and again by a thread of its own, `NEW` in it being a name that is used once, disables the
/// AccessKey meanwhile, and goes on until each is refused. What is `known` when the AccessKey was said to be disabled must be all that
/// is known in the end.
fn disable_amid<T: PartialEq + std::fmt::Debug>(
    world: &World,
    caller: &Client,
    asked: &[Asked<'_>],
    known: impl Fn() -> T,
) {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    let (disabled, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let params = |status| [("UserName", "dave"), ("UserAccessKeyId", &*caller.access_key_id), ("Status", status)];
    std::thread::scope(|scope| {
        let calls: Vec<_> = asked
            .iter()
            .map(|(version, action, params)| {
                let (disabled, done) = (&disabled, &done);
                // A connection of its own.
                let caller = Client { agent: Client::new(&caller.address).agent, ..caller.at(version) };
                scope.spawn(move || {
                    loop {
                        let late = disabled.load(Ordering::SeqCst);
                        let name = format!("n{}", NAMES.fetch_add(1, Ordering::SeqCst));
                        let alias = format!("alias/{name}");
                        let own = |(key, value)| match (key, value) {
                            ("AliasName", "NEW") => (key, alias.as_str()),
                            (_, "NEW") => (key, name.as_str()),
                            other => other,
                        };
                        let params: Vec<_> = params.iter().copied().map(own).collect();
                        let answer = caller.call(action, &params);
                        assert!(!late || answer.code() == "Forbidden.AccessKey", "{action}: {answer:?}");
                        if late {
                            return;
                        }
                        assert_ne!(answer.status / 100, 5, "{action}: {answer:?}");
                        done.fetch_add(usize::from(answer.status == 200), Ordering::SeqCst);
                    }
                })
            })
            .collect();
        while done.load(Ordering::SeqCst) < 3 * asked.len() {
            std::thread::yield_now();
        }
        world.ram().call("UpdateAccessKey", &params("Inactive")).ok();
        let there = known();
        disabled.store(true, Ordering::SeqCst);
        calls.into_iter().for_each(|call| call.join().unwrap());
        assert_eq!(known(), there, "something changed after the answer");
    });
    world.ram().call("UpdateAccessKey", &params("Active")).ok();
}

#[test]
fn nothing_succeeds_after_an_access_key_was_said_to_be_disabled() {
    let world = World::new();
    let dave = world.user("dave");
    world.attach("dave", "System", "AdministratorAccess");
    let root = world.server.client();
    let (key, rsa) = (root.create_key(&[]), root.create_key(&[("KeySpec", "RSA_2048"), ("KeyUsage", "SIGN/VERIFY")]));
    let (mac, version, blob) =
        (root.create_key(&[("KeySpec", "HMAC_SHA256")]), root.version(&rsa), root.encrypt(&key, "aGk="));
    let external = root.create_key(&[("Origin", "EXTERNAL")]);
    let digest = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
    let sign =
        vec![("KeyId", &*rsa), ("KeyVersionId", &*version), ("Algorithm", "RSA_PSS_SHA_256"), ("Digest", digest)];
    let import =
        vec![("KeyId", &*external), ("WrappingKeySpec", "RSA_2048"), ("WrappingAlgorithm", "RSAES_OAEP_SHA_256")];
    let asked = [
        (KMS, "Encrypt", vec![("KeyId", &*key), ("Plaintext", "aGVsbG8=")]),
        (KMS, "Decrypt", vec![("CiphertextBlob", &*blob)]),
        (KMS, "ReEncrypt", vec![("CiphertextBlob", &*blob), ("DestinationKeyId", &*key)]),
        (KMS, "GenerateDataKey", vec![("KeyId", &*key)]),
        (KMS, "GenerateDataKeyWithoutPlaintext", vec![("KeyId", &*key)]),
        // It waits for a thread, and so do new key pairs.
        (KMS, "AsymmetricSign", sign),
        (KMS, "GetParametersForImport", import),
        (KMS, "GenerateMac", vec![("KeyId", &*mac), ("Algorithm", "HMAC_SHA_256"), ("Message", "aGk=")]),
        (KMS, "DescribeKey", vec![("KeyId", &*key)]),
        (KMS, "ListKeys", vec![]),
        (KMS, "ListResourceTags", vec![("KeyId", &*key)]),
        (RAM, "ListUsers", vec![]),
        (RAM, "GetUser", vec![("UserName", "dave")]),
        (STS, "GetCallerIdentity", vec![]),
        // A search waits for others.
        (ACTIONTRAIL, "LookupEvents", vec![]),
        (KMS, "CreateKey", vec![]),
        (KMS, "CreateKey", vec![("KeySpec", "RSA_2048"), ("KeyUsage", "SIGN/VERIFY")]),
        (RAM, "CreateUser", vec![("UserName", "NEW")]),
    ];
    for _ in 0..3 {
        disable_amid(&world, &dave, &asked, || ());
    }
}

#[test]
fn no_change_comes_after_its_caller_was_said_to_be_disabled() {
    let world = World::new();
    let dave = world.user("dave");
    world.attach("dave", "System", "AdministratorAccess");
    let (ram, root) = (world.ram(), world.server.client());
    ram.call("CreateGroup", &[("GroupName", "group")]).ok();
    let keys: Vec<_> = (0..4).map(|_| root.create_key(&[])).collect();
    let changes = [
        (RAM, "CreateUser", vec![("UserName", "NEW")]),
        (RAM, "CreateGroup", vec![("GroupName", "NEW")]),
        (RAM, "UpdateGroup", vec![("GroupName", "group"), ("NewComments", "NEW")]),
        (KMS, "CreateKey", vec![]),
        (KMS, "CreateKey", vec![("KeySpec", "RSA_2048"), ("KeyUsage", "SIGN/VERIFY")]),
        (KMS, "CreateKeyVersion", vec![("KeyId", &*keys[0])]),
        (KMS, "UpdateKeyDescription", vec![("KeyId", &*keys[1]), ("Description", "NEW")]),
        (KMS, "CreateAlias", vec![("KeyId", &*keys[2]), ("AliasName", "NEW")]),
        (KMS, "TagResource", vec![("KeyId", &*keys[3]), ("Tags", r#"[{"TagKey":"a","TagValue":"b"}]"#)]),
    ];
    // Enough of them that some wait for their turn when the AccessKey is disabled.
    let asked: Vec<_> = changes.iter().cycle().take(2 * changes.len()).cloned().collect();
    let known = || {
        let listed = |client: &Client, action: &str, size: (&str, &str), name: &str| {
            client.call(action, &[size]).ok().body[name].clone()
        };
        let described = |key: &String| root.call("DescribeKey", &[("KeyId", key)]).ok().body["KeyMetadata"].clone();
        let total = |action: &str, params: &[(&str, &str)]| root.call(action, params).ok().number("TotalCount");
        (
            keys.iter().map(described).collect::<Vec<_>>(),
            listed(&ram, "ListUsers", ("MaxItems", "1000"), "Users"),
            listed(&ram, "ListGroups", ("MaxItems", "1000"), "Groups"),
            total("ListKeys", &[]),
            total("ListAliases", &[]),
            total("ListKeyVersions", &[("KeyId", &keys[0])]),
        )
    };
    for _ in 0..3 {
        disable_amid(&world, &dave, &asked, known);
    }
}

#[test]
fn policies_that_every_account_has_are_not_the_accounts() {
    let world = World::new();
    let bob = world.user("bob");
    let document = format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"ram:*","Resource":[
            "acs:ram:*:*:user/*","acs:ram:*:{ACCOUNT}:policy/*","acs:ram::system:policy/AliyunKMSReadOnlyAccess"]}}]}}"#
    );
    world.policy("delegate", &document);
    world.attach("bob", "Custom", "delegate");
    let attach = |kind, policy| {
        let params = [("UserName", "bob"), ("PolicyType", kind), ("PolicyName", policy)];
        bob.at(RAM).call("AttachPolicyToUser", &params)
    };
    attach("System", "AdministratorAccess").fails(403, "NoPermission");
    attach("System", "AliyunKMSReadOnlyAccess").ok();
    world.policy("mine", ALL_OF_KMS);
    attach("Custom", "mine").ok();
    let get = |kind, policy| bob.at(RAM).call("GetPolicy", &[("PolicyType", kind), ("PolicyName", policy)]);
    get("System", "AdministratorAccess").fails(403, "NoPermission");
    get("System", "AliyunKMSReadOnlyAccess").ok();
    get("Custom", "mine").ok();
}

#[test]
fn whoever_renames_needs_permission_on_both_names() {
    let world = World::new();
    let bob = world.user("bob");
    let document = |names: &str| {
        format!(r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"ram:UpdateUser","Resource":{names}}}}}"#)
    };
    world.policy("old", &document(&format!(r#""acs:ram:*:{ACCOUNT}:user/bob""#)));
    world.attach("bob", "Custom", "old");
    let rename = || bob.at(RAM).call("UpdateUser", &[("UserName", "bob"), ("NewUserName", "carol")]);
    rename().fails(403, "NoPermission");
    world.policy("new", &document(&format!(r#""acs:ram:*:{ACCOUNT}:user/carol""#)));
    world.attach("bob", "Custom", "new");
    rename().ok();
}

#[test]
fn a_session_may_do_what_its_role_and_its_own_policy_allow_together() {
    let world = World::new();
    let (ram, erin) = (world.ram(), world.user("erin"));
    let trust = format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":["acs:ram::{ACCOUNT}:user/erin"]}}}}]}}"#
    );
    ram.call("CreateRole", &[("RoleName", "keeper"), ("AssumeRolePolicyDocument", &trust)]).ok();
    let policy = [("PolicyType", "System"), ("PolicyName", "AliyunKMSFullAccess"), ("RoleName", "keeper")];
    ram.call("AttachPolicyToRole", &policy).ok();
    let arn = format!("acs:ram::{ACCOUNT}:role/keeper");
    let wanted = [("RoleArn", &*arn), ("RoleSessionName", "s1")];
    erin.at(STS).call("AssumeRole", &wanted).fails(403, "NoPermission");
    world.attach("erin", "System", "AliyunSTSAssumeRoleAccess");
    let mallory = world.user("mallory");
    world.attach("mallory", "System", "AliyunSTSAssumeRoleAccess");
    mallory.at(STS).call("AssumeRole", &wanted).fails(403, "NoPermission");
    ram.at(STS).call("AssumeRole", &wanted).fails(403, "NoPermission");
    let long = [wanted[0], wanted[1], ("DurationSeconds", "3601")];
    erin.at(STS).call("AssumeRole", &long).fails(400, "InvalidParameter.DurationSeconds");
    let bad = [wanted[0], wanted[1], ("Policy", "{}")];
    erin.at(STS).call("AssumeRole", &bad).fails(400, "InvalidParameter.PolicyGrammar");
    let short = [wanted[0], wanted[1], ("ExternalId", "x")];
    erin.at(STS).call("AssumeRole", &short).fails(400, "InvalidParameter.ExternalId");

    let session = |policy: Option<&str>| {
        let mut params = wanted.to_vec();
        params.extend(policy.map(|policy| ("Policy", policy)));
        let answer = erin.at(STS).call("AssumeRole", &params).ok();
        assert!(answer.text("AssumedRoleUser/Arn").ends_with(":assumed-role/keeper/s1"));
        Client {
            access_key_id: answer.text("Credentials/AccessKeyId").to_owned(),
            secret: answer.text("Credentials/AccessKeySecret").to_owned(),
            security_token: Some(answer.text("Credentials/SecurityToken").to_owned()),
            ..world.server.client()
        }
    };
    let whole = session(None);
    assert!(whole.access_key_id.starts_with("STS."));
    let key = whole.create_key(&[]);
    let caller = whole.at(STS).call("GetCallerIdentity", &[]).ok();
    assert_eq!(caller.text("IdentityType"), "AssumedRoleUser");
    let narrow = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}]}"#;
    let narrowed = session(Some(narrow));
    let encrypt = [("KeyId", &*key), ("Plaintext", "aGVsbG8=")];
    let blob = narrowed.call("Encrypt", &encrypt).ok().text("CiphertextBlob").to_owned();
    narrowed.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(403, "Forbidden.NoPermission");
    whole.call("Decrypt", &[("CiphertextBlob", &blob)]).ok();

    let without = Client { security_token: None, ..whole.clone() };
    without.call("ListKeys", &[]).fails(404, "InvalidAccessKeyId.NotFound");
    let other = Client { security_token: narrowed.security_token.clone(), ..whole.clone() };
    other.call("ListKeys", &[]).fails(403, "InvalidSecurityToken.MismatchWithAccessKey");
    let broken = Client { security_token: Some("AAAA".into()), ..whole.clone() };
    broken.call("ListKeys", &[]).fails(403, "InvalidSecurityToken.Malformed");
    let erins = Client { security_token: whole.security_token.clone(), ..erin.clone() };
    erins.call("ListKeys", &[]).fails(403, "InvalidSecurityToken.MismatchWithAccessKey");

    ram.call("DetachPolicyFromRole", &policy).ok();
    whole.call("Encrypt", &encrypt).fails(403, "Forbidden.NoPermission");
    ram.call("DeleteRole", &[("RoleName", "keeper")]).ok();
    whole.call("Encrypt", &encrypt).fails(403, "InvalidSecurityToken.Expired");
}

#[test]
fn policies_keep_their_versions_and_go_only_when_nobody_has_them() {
    let world = World::new();
    let ram = world.ram();
    let broken = [("PolicyName", "p"), ("PolicyDocument", r#"{"Version":"2"}"#)];
    ram.call("CreatePolicy", &broken).fails(400, "MalformedPolicyDocument");
    ram.call("CreatePolicy", &[("PolicyName", "a_b"), ("PolicyDocument", ALL_OF_KMS)])
        .fails(400, "InvalidParameter.PolicyName.InvalidChars");
    world.policy("p", ALL_OF_KMS);
    ram.call("CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", ALL_OF_KMS)])
        .fails(409, "EntityAlreadyExists.Policy");
    let version = [("PolicyName", "p"), ("PolicyDocument", NO_DECRYPT)];
    for _ in 0..4 {
        ram.call("CreatePolicyVersion", &version).ok();
    }
    ram.call("CreatePolicyVersion", &version).fails(409, "LimitExceeded.Policy.Version");
    let rotate = ("RotateStrategy", "DeleteOldestNonDefaultVersionWhenLimitExceeded");
    let made = ram.call("CreatePolicyVersion", &[version[0], version[1], rotate]).ok();
    assert_eq!(made.text("PolicyVersion/VersionId"), "v6");
    let p = [("PolicyName", "p"), ("PolicyType", "Custom")];
    let listed = ram.call("ListPolicyVersions", &p).ok();
    let versions = listed.body["PolicyVersions"]["PolicyVersion"].as_array().unwrap().clone();
    let ids: Vec<_> = versions.iter().map(|version| version["VersionId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["v1", "v3", "v4", "v5", "v6"]);
    ram.call("DeletePolicyVersion", &[p[0], ("VersionId", "v1")]).fails(409, "DeleteConflict.Policy.Version.Default");
    ram.call("SetDefaultPolicyVersion", &[p[0], ("VersionId", "v6")]).ok();
    ram.call("DeletePolicyVersion", &[p[0], ("VersionId", "v1")]).ok();
    ram.call("SetDefaultPolicyVersion", &[p[0], ("VersionId", "v2")]).fails(404, "EntityNotExist.Policy.Version");
    ram.call("DeletePolicy", &[p[0]]).fails(409, "DeleteConflict.Policy.Version");
    world.user("frank");
    world.attach("frank", "Custom", "p");
    let about = ram.call("GetPolicy", &p).ok();
    assert_eq!(about.body["Policy"]["AttachmentCount"], 1);
    assert_eq!(about.text("DefaultPolicyVersion/PolicyDocument"), NO_DECRYPT);
    let entities = ram.call("ListEntitiesForPolicy", &p).ok();
    assert_eq!(entities.text("Users/User/0/UserName"), "frank");
    ram.call("DeletePolicy", &[p[0], ("CascadingDelete", "true")]).fails(409, "DeleteConflict.Policy.User");
    ram.call("DetachPolicyFromUser", &[p[0], p[1], ("UserName", "frank")]).ok();
    ram.call("DeletePolicy", &[p[0], ("CascadingDelete", "true")]).ok();
    ram.call("GetPolicy", &p).fails(404, "EntityNotExist.Policy");
}

/// Name, key and value of each tag that is listed, page by page.
fn tags(ram: &Client, params: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let mut params = params.to_vec();
        params.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page = ram.call("ListTagResources", &params).ok();
        for tag in page.body["TagResources"].as_array().unwrap() {
            let part = |name: &str| tag[name].as_str().unwrap();
            found.push(format!("{} {}={}", part("ResourceName"), part("TagKey"), part("TagValue")));
        }
        match page.body["NextToken"].as_str() {
            Some(next) => token = Some(next.to_owned()),
            None => return found,
        }
    }
}

#[test]
fn roles_and_policies_have_tags_that_listings_look_for() {
    let world = World::new();
    let ram = world.ram();
    let trust = r#"{"Version":"1","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"*"}}}"#;
    let create = |name: &str, tag: &[(&str, &str)]| {
        let params = [&[("RoleName", name), ("AssumeRolePolicyDocument", trust)], tag].concat();
        ram.call("CreateRole", &params)
    };
    create("keeper.a", &[("Tag", r#"[{"Key":"team","Value":"shop"},{"Key":"环境","Value":""}]"#)]).ok();
    create("keeper-b", &[("Tag.1.Key", "team"), ("Tag.1.Value", "bank")]).ok();
    create("keeper-c", &[("Tag", r#"[{"Key":"a"},{"Key":"a"}]"#)]).fails(400, "InvalidParameter");
    create("keeper-c", &[("Tag", r#"[{"Key":"acs:a"}]"#)]).fails(400, "InvalidParameter");
    let policy = [("PolicyName", "all"), ("PolicyDocument", ALL_OF_KMS), ("Tag", r#"[{"Key":"team","Value":"shop"}]"#)];
    ram.call("CreatePolicy", &policy).ok();

    let roles = ("ResourceType", "role");
    let all = ["keeper-b team=bank", "keeper.a team=shop", "keeper.a 环境="];
    assert_eq!(tags(&ram, &[roles]), all);
    assert_eq!(tags(&ram, &[roles, ("PageSize", "1")]), all);
    assert_eq!(tags(&ram, &[roles, ("Tag", r#"[{"Key":"team","Value":"shop"}]"#)]), all[1..]);
    assert_eq!(tags(&ram, &[roles, ("ResourceNames", r#"["keeper-b"]"#)]), all[..1]);
    assert_eq!(tags(&ram, &[("ResourceType", "policy")]), ["all team=shop"]);
    let found = ram.call("ListRoles", &[("Tag", r#"[{"Key":"环境"}]"#)]).ok();
    assert_eq!(found.body["Roles"]["Role"].as_array().unwrap().len(), 1);
    assert_eq!(found.text("Roles/Role/0/Tags/Tag/0/TagValue"), "shop");
    let found = ram.call("ListPolicies", &[("Tag", r#"[{"Key":"team"}]"#)]).ok();
    assert_eq!(found.body["Policies"]["Policy"].as_array().unwrap().len(), 1);

    // All are tagged or none.
    let both = ("ResourceNames", r#"["keeper.a","keeper-b"]"#);
    let stage = ("Tag", r#"[{"Key":"stage","Value":"1"},{"Key":"team","Value":"both"}]"#);
    ram.call("TagResources", &[roles, ("ResourceNames", r#"["keeper.a","nobody"]"#), stage])
        .fails(404, "EntityNotExist.Role");
    assert_eq!(tags(&ram, &[roles]), all);
    ram.call("TagResources", &[roles, both, stage]).ok();
    assert_eq!(tags(&ram, &[roles, ("Tag", r#"[{"Key":"team","Value":"both"}]"#)]).len(), 5);
    let more: Vec<_> = (0..19).map(|n| format!(r#"{{"Key":"k{n}","Value":"v"}}"#)).collect();
    let more = format!("[{}]", more.join(","));
    ram.call("TagResources", &[roles, both, ("Tag", &more)]).fails(409, "LimitExceeded.Tag");
    ram.call("UntagResources", &[roles, both, ("TagKeys", r#"["stage","other"]"#)]).ok();
    ram.call("UntagResources", &[roles, both]).fails(400, "MissingParameter");
    ram.call("UntagResources", &[roles, ("ResourceNames", r#"["keeper-b"]"#), ("All", "true")]).ok();
    assert_eq!(tags(&ram, &[roles]), ["keeper.a team=both", "keeper.a 环境="]);

    ram.call("TagResources", &[("ResourceType", "user"), both, stage]).fails(400, "InvalidParameter");
    ram.call("TagResources", &[roles, stage]).fails(400, "MissingParameter");
    ram.call("TagResources", &[("ResourceType", "policy"), ("ResourceNames", r#"["AliyunKMSFullAccess"]"#), stage])
        .fails(404, "EntityNotExist.Policy");
    ram.call("ListTagResources", &[roles, ("ResourceNames", r#"["nobody"]"#)]).fails(404, "EntityNotExist.Role");
    ram.call("ListTagResources", &[roles, ("PageSize", "101")]).fails(400, "InvalidParameter");
    // Tokens are sealed: what is a place in the listing is no token, as it is or encoded.
    for foreign in ["what", "keeper-b:stage", &URL_SAFE_NO_PAD.encode("keeper-b:stage")] {
        ram.call("ListTagResources", &[roles, ("NextToken", foreign)]).fails(400, "InvalidParameter");
    }

    // A user may tag what its policies name.
    let alice = world.user("alice").at(RAM);
    alice.call("TagResources", &[roles, both, stage]).fails(403, "NoPermission");
    let one = format!(
        r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"ram:*TagResources","Resource":"acs:ram:*:{ACCOUNT}:role/keeper.a"}}}}"#
    );
    world.policy("tag-one", &one);
    world.attach("alice", "Custom", "tag-one");
    alice.call("TagResources", &[roles, both, stage]).fails(403, "NoPermission");
    let keeper = ("ResourceNames", r#"["keeper.a"]"#);
    alice.call("TagResources", &[roles, keeper, stage]).ok();
    assert_eq!(tags(&alice, &[roles, keeper]).len(), 3);
    alice.call("ListTagResources", &[roles]).fails(403, "NoPermission");

    // They are there after a crash.
    let before = tags(&ram, &[roles]);
    let World { server, dir } = world;
    server.kill();
    let server = Server::start(&dir.path().join("data"));
    assert_eq!(tags(&server.client().at(RAM), &[roles]), before);
}

#[test]
fn nobody_has_a_password_or_a_second_factor_to_be_taken_away() {
    let world = World::new();
    let (ram, alice) = (world.ram(), world.user("alice"));
    for (action, code) in [
        ("GetLoginProfile", "EntityNotExist.User.LoginProfile"),
        ("DeleteLoginProfile", "EntityNotExist.User.LoginProfile"),
        ("GetUserMFAInfo", "EntityNotExist.User.MFADevice"),
        ("UnbindMFADevice", "EntityNotExist.User.MFADevice"),
    ] {
        ram.call(action, &[("UserName", "alice")]).fails(404, code);
        ram.call(action, &[("UserName", "nobody")]).fails(404, "EntityNotExist.User");
        ram.call(action, &[]).fails(400, "MissingParameter");
        alice.at(RAM).call(action, &[("UserName", "alice")]).fails(403, "NoPermission");
    }
}

#[test]
fn the_description_of_a_policy_changes_and_nothing_else() {
    let world = World::new();
    let ram = world.ram();
    let name = ("PolicyName", "all");
    ram.call("CreatePolicy", &[name, ("PolicyDocument", ALL_OF_KMS), ("Description", "first")]).ok();
    let changed = ram.call("UpdatePolicyDescription", &[name, ("NewDescription", "second")]).ok();
    assert_eq!(changed.text("Policy/Description"), "second");
    let held = ram.call("GetPolicy", &[name, ("PolicyType", "Custom")]).ok();
    assert_eq!((held.text("Policy/Description"), held.text("Policy/DefaultVersion")), ("second", "v1"));
    assert_eq!(held.text("DefaultPolicyVersion/PolicyDocument"), ALL_OF_KMS);
    let emptied = ram.call("UpdatePolicyDescription", &[name, ("NewDescription", "")]).ok();
    assert_eq!(emptied.text("Policy/Description"), "");
    let long = "x".repeat(1025);
    ram.call("UpdatePolicyDescription", &[name, ("NewDescription", &long)])
        .fails(400, "InvalidParameter.NewDescription.Length");
    ram.call("UpdatePolicyDescription", &[("PolicyName", "AliyunKMSFullAccess"), ("NewDescription", "x")])
        .fails(404, "EntityNotExist.Policy");
}

#[test]
fn listings_go_on_where_they_ended() {
    let world = World::new();
    let ram = world.ram();
    for at in 0..25 {
        ram.call("CreateUser", &[("UserName", &format!("user-{at:02}"))]).ok();
    }
    let (mut names, mut marker) = (Vec::new(), String::new());
    loop {
        let part = ram.call("ListUsers", &[("MaxItems", "10"), ("Marker", &marker)]).ok();
        let users = part.body["Users"]["User"].as_array().unwrap();
        names.extend(users.iter().map(|user| user["UserName"].as_str().unwrap().to_owned()));
        if part.body["IsTruncated"] == false {
            break;
        }
        marker = part.text("Marker").to_owned();
    }
    assert_eq!(names, (0..25).map(|at| format!("user-{at:02}")).collect::<Vec<_>>());
    ram.call("ListUsers", &[("MaxItems", "0")]).fails(400, "InvalidParameter");
}

#[test]
fn markers_of_listings_are_sealed_and_open_for_their_listing_only() {
    let world = World::new();
    let ram = world.ram();
    let trust = format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":["acs:ram::{ACCOUNT}:root"]}}}}]}}"#
    );
    let document = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#;
    ram.call("CreateGroup", &[("GroupName", "all")]).ok();
    let mut made = vec!["all".to_owned()];
    for at in 0..3 {
        let name = format!("item-{at}");
        ram.call("CreateUser", &[("UserName", &name)]).ok();
        ram.call("CreateGroup", &[("GroupName", &name)]).ok();
        ram.call("CreateRole", &[("RoleName", &name), ("AssumeRolePolicyDocument", &trust)]).ok();
        ram.call("CreatePolicy", &[("PolicyName", &name), ("PolicyDocument", document)]).ok();
        ram.call("AddUserToGroup", &[("UserName", &name), ("GroupName", "all")]).ok();
        made.push(name);
    }
    let listings: [(&str, &[(&str, &str)]); 5] = [
        ("ListUsers", &[]),
        ("ListGroups", &[]),
        ("ListRoles", &[]),
        ("ListPolicies", &[("PolicyType", "Custom")]),
        ("ListUsersForGroup", &[("GroupName", "all")]),
    ];
    let page = |action: &str, params: &[(&str, &str)], marker: &str| {
        ram.call(action, &[params, &[("MaxItems", "1"), ("Marker", marker)]].concat())
    };
    let mut markers = Vec::new();
    for (action, params) in listings {
        let (mut marker, mut pages) = (String::new(), 1);
        loop {
            let part = page(action, params, &marker).ok();
            let Some(next) = part.body["Marker"].as_str() else { break };
            let bytes = URL_SAFE_NO_PAD.decode(next).unwrap();
            for name in &made {
                assert!(!bytes.windows(name.len()).any(|bytes| bytes == name.as_bytes()), "{action}: {next}");
            }
            (marker, pages) = (next.to_owned(), pages + 1);
        }
        assert_eq!(pages, if action == "ListGroups" { 4 } else { 3 }, "{action}");
        // As they were before they were sealed.
        for foreign in ["item-0", &URL_SAFE_NO_PAD.encode("item-0"), &marker[1..]] {
            page(action, params, foreign).fails(400, "InvalidParameter");
        }
        markers.push(marker);
    }
    for (at, (action, params)) in listings.into_iter().enumerate() {
        for (of, marker) in markers.iter().enumerate().filter(|(of, _)| *of != at) {
            let answer = page(action, params, marker);
            assert_eq!(answer.status, 400, "{action} took the marker of {}", listings[of].0);
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_secrets_are_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let loud = |command: &mut std::process::Command| {
        command.args(["--log", "trace"]);
    };
    let world = World { server: Server::start_with(&data, loud), dir };
    let grace = world.user("grace");
    world.attach("grace", "System", "AliyunKMSReadOnlyAccess");
    world.attach("grace", "System", "AliyunSTSAssumeRoleAccess");
    let session = world.session_of("keeper", &grace);
    session.call("ListKeys", &[]).fails(403, "Forbidden.NoPermission");
    Client { secret: "wrong".into(), ..grace.clone() }.call("ListKeys", &[]).fails(400, "SignatureDoesNotMatch");
    let World { server, dir } = world;
    server.kill();
    let server = Server::start_with(&data, loud);
    let grace = Client { address: server.address.clone(), ..grace };
    grace.call("ListKeys", &[]).ok();
    let ram = server.client().at(RAM);
    let listed = ram.call("ListPoliciesForUser", &[("UserName", "grace")]).ok();
    assert_eq!(listed.text("Policies/Policy/0/PolicyName"), "AliyunKMSReadOnlyAccess");
    let (_, metrics) = server.client().page("/metrics");
    std::fs::write(dir.path().join("metrics"), metrics).unwrap();
    assert_eq!(server.terminate(), Some(0));
    let files = files_below(dir.path());
    assert!(files.contains(&log_of(&data)) && files.iter().any(|file| file.starts_with(data.join("audit"))));
    let token = session.security_token.unwrap();
    let secrets = [&grace.secret, &session.secret, &token, support::ACCESS_KEY_SECRET];
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        for (which, secret) in secrets.iter().enumerate() {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "secret {which} stands in {}", file.display());
        }
    }
}

#[test]
fn the_root_replaces_its_own_access_key() {
    let world = World::new();
    let ram = world.ram();
    let made = ram.call("CreateAccessKey", &[]).ok();
    let new = Client {
        access_key_id: made.text("AccessKey/AccessKeyId").to_owned(),
        secret: made.text("AccessKey/AccessKeySecret").to_owned(),
        ..world.server.client()
    };
    let before = [("UserAccessKeyId", support::ACCESS_KEY_ID)];
    new.at(RAM).call("UpdateAccessKey", &[before[0], ("Status", "Inactive")]).ok();
    ram.call("ListUsers", &[]).fails(403, "Forbidden.AccessKey");
    new.at(RAM).call("DeleteAccessKey", &before).ok();
    ram.call("ListUsers", &[]).fails(404, "InvalidAccessKeyId.NotFound");
    new.at(KMS).call("CreateKey", &[]).ok();
}

#[test]
fn records_say_which_user_or_session_called() {
    let world = World::new();
    let heidi = world.user("heidi");
    heidi.at(STS).call("GetCallerIdentity", &[]).ok();
    let data = world.dir.path().join("data");
    let World { server, dir: _dir } = world;
    assert_eq!(server.terminate(), Some(0));
    let records = files_below(&data.join("audit"))
        .into_iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect::<Vec<_>>()
        .concat();
    let records = String::from_utf8_lossy(&records).into_owned();
    let record = records.lines().find(|line| line.contains(r#""eventName":"GetCallerIdentity""#)).unwrap();
    for part in [r#""type":"ram-user""#, r#""userName":"heidi""#, r#""serviceName":"Sts""#] {
        assert!(record.contains(part), "no {part} in {record}");
    }
    assert!(records.contains(r#""serviceName":"Ram""#) && records.contains(r#""resourceType":"ACS::RAM::User""#));
}

#[test]
fn a_role_is_given_only_with_the_external_id_that_its_trust_policy_asks_for() {
    let world = World::new();
    let erin = world.user("erin");
    world.attach("erin", "System", "AliyunSTSAssumeRoleAccess");
    let trust = format!(
        r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{ACCOUNT}:root"}},"Condition":{{"StringEquals":{{"sts:ExternalId":"shop/7"}}}}}}}}"#
    );
    world.ram().call("CreateRole", &[("RoleName", "backup"), ("AssumeRolePolicyDocument", &trust)]).ok();
    let arn = format!("acs:ram::{ACCOUNT}:role/backup");
    let wanted = [("RoleArn", &*arn), ("RoleSessionName", "s1")];
    erin.at(STS).call("AssumeRole", &wanted).fails(403, "NoPermission");
    let with = |id| [wanted[0], wanted[1], ("ExternalId", id)];
    for id in ["shop/8", "SHOP/7", "shop/77"] {
        erin.at(STS).call("AssumeRole", &with(id)).fails(403, "NoPermission");
    }
    erin.at(STS).call("AssumeRole", &with("shop/7")).ok();
}
