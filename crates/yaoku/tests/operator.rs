//! What an operator does by the command line: accounts, and the identities in them without any SDK.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};

use serde_json::Value;
use support::{ACCOUNT, ACTIONTRAIL, Client, RAM, REGION, STS, Server, records, wait_until};

struct World {
    server: Server,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { server: Server::start(&dir.path().join("data")), dir }
    }

    fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn output(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
        command.args(args).arg("--data-dir").arg(self.data()).output().unwrap()
    }

    /// What a command prints, in JSON where it is.
    #[track_caller]
    fn yaoku(&self, args: &[&str]) -> Value {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.trim_end().to_owned()))
    }

    #[track_caller]
    fn refuses(&self, args: &[&str], why: &str) {
        let output = self.output(args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(why), "{args:?}: {told}");
    }

    fn client(&self, key: &Value) -> Client {
        Client {
            access_key_id: key["AccessKeyId"].as_str().unwrap().to_owned(),
            secret: key["AccessKeySecret"].as_str().unwrap().to_owned(),
            ..self.server.client()
        }
    }

    /// The root of a new account: its id and its client.
    fn account(&self, label: &str) -> (String, Client) {
        let made = self.yaoku(&["account", "create", label]);
        (made["Account"]["AccountId"].as_str().unwrap().to_owned(), self.client(&made["AccessKey"]))
    }
}

#[test]
fn accounts_are_made_listed_disabled_and_enabled() {
    let world = World::new();
    let (id, root) = world.account("the shop");
    assert_eq!(root.at(STS).call("GetCallerIdentity", &[]).ok().text("Arn"), format!("acs:ram::{id}:root"));
    let chosen = world.yaoku(&["account", "create", "the bank", "--id", "1000000000000077"]);
    assert_eq!(chosen["Account"]["AccountId"], "1000000000000077");
    world.refuses(&["account", "create", "again", "--id", "1000000000000077"], "EntityAlreadyExists.Account");
    world.refuses(&["account", "create", ""], "Label");
    world.refuses(&["account", "create", "x", "--id", "77"], "AccountId");
    let listed = world.yaoku(&["account", "list"]);
    let listed = listed["Accounts"]["Account"].as_array().unwrap();
    let labels: Vec<_> = listed.iter().map(|account| account["Label"].as_str().unwrap()).collect();
    assert_eq!(listed.len(), 3);
    assert!(labels.contains(&"first") && labels.contains(&"the shop") && labels.contains(&"the bank"));

    let key = root.create_key(&[]);
    assert_eq!(world.yaoku(&["account", "disable", &id])["Account"]["Status"], "Disabled");
    root.call("Encrypt", &[("KeyId", &key), ("Plaintext", "aGk=")]).fails(403, "Forbidden.AccessKey");
    root.at(RAM).call("ListUsers", &[]).fails(403, "Forbidden.AccessKey");
    world.server.client().call("ListKeys", &[]).ok();
    world.yaoku(&["account", "enable", &id]);
    root.call("Encrypt", &[("KeyId", &key), ("Plaintext", "aGk=")]).ok();
    world.refuses(&["account", "disable", "1999999999999999"], "EntityNotExist.Account");

    // A restart keeps all of it.
    world.yaoku(&["account", "disable", &id]);
    let data = world.data();
    let World { server, dir: _dir } = world;
    server.kill();
    let server = Server::start(&data);
    let root = Client { address: server.address.clone(), ..root };
    root.call("ListKeys", &[]).fails(403, "Forbidden.AccessKey");
}

#[test]
fn what_is_done_to_the_whole_installation_is_recorded() {
    let world = World::new();
    let (_, theirs) = world.account("theirs");
    let root = world.server.client();
    // More than what waits in buffers when nobody reads.
    let long = "d".repeat(8000);
    for _ in 0..150 {
        root.create_key(&[("Description", &long)]);
    }
    let backup = world.dir.path().join("backup");
    world.yaoku(&["backup", backup.to_str().unwrap()]);
    world.yaoku(&["seal", "rotate"]);
    let recorded = |action: &str| {
        let found = records(&world.data()).into_iter().filter(|event| event["eventName"] == action);
        found.collect::<Vec<_>>()
    };
    for (action, kind) in [("Backup", "Read"), ("RotateRootKey", "Write")] {
        let [event] = &recorded(action)[..] else { panic!("{action}: {:?}", recorded(action)) };
        assert_eq!(event["eventRW"], kind);
        assert_eq!(event["eventSource"], "control-socket");
        assert_eq!(event["serviceName"], "Yaoku");
        let uid = std::fs::metadata(world.dir.path()).unwrap().uid();
        let mut who = serde_json::json!({
            "type": "root-account", "principalId": ACCOUNT, "accountId": ACCOUNT, "userName": "root"
        });
        // And who logged in, where somebody did.
        let user = event["userIdentity"]["operatingSystemUser"].as_str().unwrap();
        assert!(user == format!("uid {uid}") || user.starts_with(&format!("uid {uid}, logged in as uid ")), "{user}");
        who["operatingSystemUser"] = user.into();
        assert_eq!(event["userIdentity"], who);
        assert!(event.get("errorCode").is_none(), "{event}");
        let by_name = [("LookupAttribute.1.Key", "EventName"), ("LookupAttribute.1.Value", action)];
        let seen = |client: &Client| client.at(ACTIONTRAIL).call("LookupEvents", &by_name).ok().body["Events"].clone();
        let found = seen(&root);
        assert_eq!((found.as_array().unwrap().len(), &found[0]["eventId"]), (1, &event["eventId"]));
        assert_eq!(seen(&theirs), serde_json::json!([]), "it is no business of other accounts");
    }

    // Whoever goes away in the middle has read what was sent until then.
    let mut limited = Command::new("prlimit");
    limited.args(["--fsize=200", env!("CARGO_BIN_EXE_yaoku"), "backup"]).arg(world.dir.path().join("too-large"));
    assert!(!limited.arg("--data-dir").arg(world.data()).output().unwrap().status.success());
    wait_until("it is recorded that the backup broke off", || recorded("Backup").len() == 3);
    let [_, begun, broken_off] = &recorded("Backup")[..] else { panic!() };
    assert_eq!(begun["requestId"], broken_off["requestId"]);
    assert_ne!(begun["eventId"], broken_off["eventId"]);
    assert!(begun.get("errorCode").is_none(), "{begun}");
    assert_eq!(broken_off["errorCode"], "InternalFailure", "{broken_off}");
}

#[test]
fn without_an_audit_log_it_is_done_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&dir.path().join("data"), |command| {
        command.arg("--audit=false");
    });
    let world = World { server, dir };
    let backup = world.dir.path().join("backup");
    world.yaoku(&["backup", backup.to_str().unwrap()]);
    world.yaoku(&["seal", "rotate"]);
    assert!(!world.data().join("audit").exists());
}

#[test]
fn accounts_are_wholly_apart() {
    let world = World::new();
    let (theirs_id, theirs) = world.account("theirs");
    let ours = world.server.client();
    let key = ours.create_key(&[("Description", "ours")]);
    ours.call("CreateAlias", &[("KeyId", &key), ("AliasName", "alias/ours")]).ok();
    let blob = ours.encrypt(&key, "aGk=");
    let arn = format!("acs:kms:{REGION}:{ACCOUNT}:key/{key}");
    let none = "Forbidden.KeyNotFound";
    for key in [&key, &arn] {
        theirs.call("DescribeKey", &[("KeyId", key)]).fails(404, none);
        theirs.call("Encrypt", &[("KeyId", key), ("Plaintext", "aGk=")]).fails(404, none);
        theirs.call("ScheduleKeyDeletion", &[("KeyId", key), ("PendingWindowInDays", "7")]).fails(404, none);
        theirs.call("GetKeyPolicy", &[("KeyId", key)]).fails(404, none);
        theirs.call("CreateAlias", &[("KeyId", key), ("AliasName", "alias/x")]).fails(404, none);
    }
    // As an id that was never given out.
    let unknown = theirs.call("DescribeKey", &[("KeyId", "key-hzz000000000000000000")]);
    let known = theirs.call("DescribeKey", &[("KeyId", &key)]);
    assert_eq!((unknown.status, unknown.code()), (known.status, known.code()));
    assert_eq!(unknown.body["Message"], known.body["Message"]);
    // As a blob that was not made here.
    theirs.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(400, "InvalidParameter");
    theirs.call("DescribeKey", &[("KeyId", "alias/ours")]).fails(404, "Forbidden.AliasNotFound");
    assert_eq!(theirs.call("ListKeys", &[]).ok().number("TotalCount"), 0);
    assert_eq!(theirs.call("ListAliases", &[]).ok().number("TotalCount"), 0);

    // The same names in both, and each sees its own.
    for (client, comment) in [(&ours, "ours"), (&theirs, "theirs")] {
        client.at(RAM).call("CreateUser", &[("UserName", "alice"), ("Comments", comment)]).ok();
        client.at(RAM).call("CreateGroup", &[("GroupName", "g")]).ok();
    }
    let alice = ours.at(RAM).call("CreateAccessKey", &[("UserName", "alice")]).ok();
    let id = ("UserAccessKeyId", alice.text("AccessKey/AccessKeyId"));
    let seen = theirs.at(RAM).call("GetUser", &[("UserName", "alice")]).ok();
    assert_eq!(seen.text("User/Comments"), "theirs");
    let missing = (404, "EntityNotExist.User.AccessKey");
    theirs.at(RAM).call("DeleteAccessKey", &[("UserName", "alice"), id]).fails(missing.0, missing.1);
    theirs.at(RAM).call("DeleteAccessKey", &[id]).fails(missing.0, missing.1);
    theirs.at(RAM).call("GetAccessKeyLastUsed", &[("UserName", "alice"), id]).fails(missing.0, missing.1);
    ours.at(RAM).call("ListAccessKeys", &[("UserName", "alice")]).ok();

    // Events of one are not shown to the other.
    let events = theirs.at(support::ACTIONTRAIL).call("LookupEvents", &[("MaxResults", "50")]).ok();
    let events = events.body["Events"].as_array().unwrap();
    assert!(!events.is_empty());
    assert!(events.iter().all(|event| event["userIdentity"]["accountId"] == theirs_id.as_str()), "{events:?}");
}

#[test]
fn a_key_policy_lets_another_account_in_until_that_or_its_own_account_is_disabled() {
    let world = World::new();
    let (theirs_id, theirs) = world.account("theirs");
    let ours = world.server.client();
    let key = ours.create_key(&[]);
    let arn = format!("acs:kms:{REGION}:{ACCOUNT}:key/{key}");
    let policy = format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Principal":{{"RAM":["acs:ram::{ACCOUNT}:*"]}},"Action":["kms:*"],"Resource":["*"]}},
            {{"Effect":"Allow","Principal":{{"RAM":["acs:ram::{theirs_id}:*"]}},"Action":["kms:Encrypt"],"Resource":["*"]}}]}}"#
    );
    let encrypt = [("KeyId", &*arn), ("Plaintext", "aGk=")];
    theirs.call("Encrypt", &encrypt).fails(404, "Forbidden.KeyNotFound");
    ours.call("SetKeyPolicy", &[("KeyId", &key), ("Policy", &policy)]).ok();
    let blob = theirs.call("Encrypt", &encrypt).ok().text("CiphertextBlob").to_owned();
    // The key policy does not let them in for this: they may not know that it could be decrypted.
    theirs.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(400, "InvalidParameter");
    ours.call("Decrypt", &[("CiphertextBlob", &blob)]).ok();
    world.yaoku(&["account", "disable", ACCOUNT]);
    theirs.call("Encrypt", &encrypt).fails(404, "Forbidden.KeyNotFound");
    world.yaoku(&["account", "enable", ACCOUNT]);
    theirs.call("Encrypt", &encrypt).ok();
}

#[test]
fn an_account_is_shown_who_else_uses_its_keys_and_no_more_of_them_than_needed() {
    let world = World::new();
    let (theirs_id, theirs) = world.account("theirs");
    let (_, others) = world.account("others");
    let ours = world.server.client();
    theirs.at(RAM).call("CreateUser", &[("UserName", "zoe")]).ok();
    let attached = [("UserName", "zoe"), ("PolicyType", "System"), ("PolicyName", "AliyunKMSFullAccess")];
    theirs.at(RAM).call("AttachPolicyToUser", &attached).ok();
    let made = theirs.at(RAM).call("CreateAccessKey", &[("UserName", "zoe")]).ok();
    let zoe = world.client(&made.body["AccessKey"]);
    let key = ours.create_key(&[]);
    let arn = format!("acs:kms:{REGION}:{ACCOUNT}:key/{key}");
    let encrypt = [("KeyId", &*arn), ("Plaintext", "aGk="), ("EncryptionContext", r#"{"a":"b"}"#)];
    zoe.call("Encrypt", &encrypt).fails(404, "Forbidden.KeyNotFound");
    let policy = format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Principal":{{"RAM":["acs:ram::{ACCOUNT}:*","acs:ram::{theirs_id}:*"]}},"Action":["kms:*"],"Resource":["*"]}}]}}"#
    );
    ours.call("SetKeyPolicy", &[("KeyId", &key), ("Policy", &policy)]).ok();
    zoe.call("Encrypt", &encrypt).ok();
    ours.call("DisableKey", &[("KeyId", &key)]).ok();
    zoe.call("Encrypt", &encrypt).fails(409, "Rejected.Disabled");

    let seen = |client: &Client, key: &str, value: &str| {
        let params = [("LookupAttribute.1.Key", key), ("LookupAttribute.1.Value", value), ("Direction", "FORWARD")];
        let answer = client.at(ACTIONTRAIL).call("LookupEvents", &params).ok();
        answer.body["Events"].as_array().unwrap().clone()
    };
    let mine = seen(&theirs, "EventName", "Encrypt");
    let [hidden, done, refused] = &mine[..] else { panic!("{mine:?}") };
    assert_eq!(hidden["errorCode"], "Forbidden.KeyNotFound");
    // It was not let in, and must not find in its own record that the key is there.
    assert_eq!(hidden["resourceName"], *arn);
    assert_eq!(
        (&done["recipientAccountId"], &done["userIdentity"]["userName"]),
        (&theirs_id.as_str().into(), &"zoe".into())
    );
    // What the policy did not let in is no business of the owner's; what it did is, also where the state refused it.
    let received = seen(&ours, "EventName", "Encrypt");
    let [event, other] = &received[..] else { panic!("{received:?}") };
    assert_eq!((&event["eventId"], &other["eventId"]), (&done["eventId"], &refused["eventId"]));
    assert_eq!(other["errorCode"], "Rejected.Disabled");
    assert_eq!((&event["recipientAccountId"], &event["resourceName"]), (&ACCOUNT.into(), &(*key).into()));
    let who = &event["userIdentity"];
    assert_eq!(
        *who,
        serde_json::json!({"type": "ram-user", "accountId": theirs_id, "principalId": done["userIdentity"]["principalId"]})
    );
    let parameters: Value = serde_json::from_str(event["requestParameterJson"].as_str().unwrap()).unwrap();
    assert_eq!(parameters, event["requestParameters"]);
    assert_eq!(parameters["KeyId"], *arn);
    // It can't be found out by asking either.
    assert_eq!(seen(&ours, "User", "zoe"), [Value::Null; 0]);
    assert_eq!(seen(&ours, "EventAccessKeyId", &zoe.access_key_id), [Value::Null; 0]);
    assert_eq!(seen(&theirs, "User", "zoe").len(), 3);
    assert_eq!(seen(&others, "EventName", "Encrypt"), [Value::Null; 0]);
    let own = seen(&ours, "EventName", "DisableKey").remove(0);
    assert_eq!((&own["recipientAccountId"], &own["userIdentity"]["userName"]), (&ACCOUNT.into(), &"root".into()));
    let stored = records(&world.data());
    let with: Vec<_> = stored.iter().filter_map(|event| event.get("recipientAccountIds")).collect();
    assert_eq!(with, [&serde_json::json!([ACCOUNT]); 2], "nothing extra for calls within an account");
}

#[test]
fn an_operator_manages_identities_without_an_sdk() {
    let world = World::new();
    let ram = |args: &[&str]| world.yaoku(&[&["ram"], args].concat());
    ram(&["user", "create", "alice", "--display-name", "Alice & Co = 值"]);
    let key = ram(&["access-key", "create", "--user", "alice"]);
    let alice = world.client(&key["AccessKey"]);
    let id = alice.access_key_id.clone();
    alice.call("ListKeys", &[]).fails(403, "Forbidden.NoPermission");
    ram(&["policy", "attach", "AliyunKMSReadOnlyAccess", "--system", "--user", "alice"]);
    alice.call("ListKeys", &[]).ok();
    assert_eq!(ram(&["user", "get", "alice"])["User"]["DisplayName"], "Alice & Co = 值");

    let allow = |action: &str| {
        format!(r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#)
    };
    let (create, decrypt) = (world.file("create", &allow("kms:CreateKey")), world.file("d", &allow("kms:Decrypt")));
    ram(&["policy", "create", "makers", "--document", &create]);
    ram(&["group", "create", "makers", "--comments", "who make keys"]);
    ram(&["policy", "attach", "makers", "--group", "makers"]);
    ram(&["group", "add", "makers", "alice"]);
    alice.call("CreateKey", &[]).ok();
    assert_eq!(ram(&["group", "users", "makers"])["Users"]["User"][0]["UserName"], "alice");
    assert_eq!(ram(&["group", "list", "--user", "alice"])["Groups"]["Group"][0]["GroupName"], "makers");
    let explained = |action: &str| {
        let answer = ram(&["explain", "--as", "alice", "--action", action, "--resource", "*"]);
        answer.as_str().unwrap().to_owned()
    };
    assert!(explained("kms:CreateKey").contains("group makers"), "{}", explained("kms:CreateKey"));
    ram(&["policy", "update", "makers", "--document", &decrypt]);
    alice.call("CreateKey", &[]).fails(403, "Forbidden.NoPermission");
    ram(&["policy", "set-default", "makers", "v1"]);
    alice.call("CreateKey", &[]).ok();
    assert_eq!(ram(&["policy", "versions", "makers"])["PolicyVersions"]["PolicyVersion"].as_array().unwrap().len(), 2);
    assert_eq!(ram(&["policy", "describe", "makers", "who makes keys"])["Policy"]["Description"], "who makes keys");
    ram(&["policy", "tag", "makers", "team=shop"]);
    ram(&["policy", "untag", "makers", "team"]);
    assert_eq!(ram(&["policy", "entities", "makers"])["Groups"]["Group"][0]["GroupName"], "makers");
    assert_eq!(ram(&["policy", "get", "AliyunKMSFullAccess", "--system"])["Policy"]["PolicyType"], "System");

    let trust = format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{ACCOUNT}:root"}}}}]}}"#
    );
    let trust = world.file("trust", &trust);
    ram(&["role", "create", "keeper", "--trust", &trust, "--max-session", "7200", "--tag", "team=shop"]);
    ram(&["role", "tag", "keeper", "stage=test", "url=a=b"]);
    ram(&["role", "untag", "keeper", "stage"]);
    let tags = &ram(&["role", "list"])["Roles"]["Role"][0]["Tags"]["Tag"];
    assert_eq!((&tags[0]["TagValue"], &tags[1]["TagValue"], &tags[2]), (&"shop".into(), &"a=b".into(), &Value::Null));
    ram(&["policy", "attach", "AliyunKMSFullAccess", "--system", "--role", "keeper"]);
    ram(&["role", "update", "keeper", "--description", "keeps keys"]);
    let role = ram(&["role", "get", "keeper"]);
    assert_eq!(
        (&role["Role"]["MaxSessionDuration"], &role["Role"]["Description"]),
        (&7200.into(), &"keeps keys".into())
    );
    assert_eq!(ram(&["policy", "list", "--role", "keeper"])["Policies"]["Policy"][0]["PolicyType"], "System");

    ram(&["access-key", "disable", &id, "--user", "alice"]);
    alice.call("ListKeys", &[]).fails(403, "Forbidden.AccessKey");
    ram(&["access-key", "enable", &id, "--user", "alice"]);
    alice.call("ListKeys", &[]).ok();
    let used = ram(&["access-key", "last-used", &id, "--user", "alice"]);
    assert!(!used["AccessKeyLastUsed"]["LastUsedDate"].as_str().unwrap().is_empty());
    let refuses = |args: &[&str], why: &str| world.refuses(&[&["ram"], args].concat(), why);
    refuses(&["user", "delete", "alice"], "DeleteConflict.User");
    refuses(&["policy", "attach", "makers"], "--user");
    refuses(&["policy", "attach", "makers", "--user", "bob"], "EntityNotExist.User");
    refuses(&["user", "list", "--account", "1999999999999999"], "the account 1999999999999999 does not exist");
    refuses(&["policy", "create", "p", "--document", "/nonexistent/p.json"], "/nonexistent/p.json");
    ram(&["access-key", "delete", &id, "--user", "alice"]);
    ram(&["group", "remove", "makers", "alice"]);
    ram(&["policy", "detach", "AliyunKMSReadOnlyAccess", "--system", "--user", "alice"]);
    ram(&["user", "update", "alice", "--new-name", "alicia"]);
    ram(&["user", "delete", "alicia"]);
    ram(&["policy", "detach", "makers", "--group", "makers"]);
    ram(&["policy", "delete", "makers"]);
    ram(&["group", "update", "makers", "--new-name", "builders"]);
    ram(&["group", "delete", "builders"]);
    ram(&["policy", "detach", "AliyunKMSFullAccess", "--system", "--role", "keeper"]);
    assert_eq!(ram(&["role", "delete", "keeper"]), "done");
    assert!(ram(&["user", "list"])["Users"]["User"].as_array().unwrap().is_empty());
}

#[test]
fn a_lost_root_access_key_is_replaced_by_whoever_has_host_and_seal() {
    let world = World::new();
    let (id, lost) = world.account("shop");
    let made = world.yaoku(&["ram", "access-key", "create", "--account", &id]);
    let new = world.client(&made["AccessKey"]);
    let keys = world.yaoku(&["ram", "access-key", "list", "--account", &id]);
    assert_eq!(keys["AccessKeys"]["AccessKey"].as_array().unwrap().len(), 2);
    world.yaoku(&["ram", "access-key", "disable", &lost.access_key_id, "--account", &id]);
    lost.call("ListKeys", &[]).fails(403, "Forbidden.AccessKey");
    world.yaoku(&["ram", "access-key", "delete", &lost.access_key_id, "--account", &id]);
    lost.call("ListKeys", &[]).fails(404, "InvalidAccessKeyId.NotFound");
    new.call("CreateKey", &[]).ok();

    let data = world.data();
    let World { server, dir: _dir } = world;
    assert_eq!(server.terminate(), Some(0));
    let records = records(&data);
    let of = |name: &str| records.iter().find(|record| record["eventName"] == name).unwrap();
    for name in ["CreateAccount", "CreateAccessKey", "DeleteAccessKey"] {
        assert_eq!(of(name)["eventSource"], "control-socket");
        assert_eq!(of(name)["userIdentity"]["type"], "root-account");
        assert_eq!(of(name)["eventRW"], "Write");
    }
    assert_eq!(of("CreateAccount")["responseElements"]["Account"]["AccountId"], *id);
    assert_eq!(of("CreateAccessKey")["responseElements"]["AccessKey"]["AccessKeyId"], *new.access_key_id);
    let text = records.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains(&new.secret) && !text.contains(&lost.secret));
}
