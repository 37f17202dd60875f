//! Disks that are bound to keys: by yaoku's own API, by `yaoku disk`, and unlocked by the Tang protocol.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod support;
#[path = "support/tang.rs"]
mod tang;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use support::{ACCOUNT, Client, Server, log_of, records};
use tang::{Disk, start};
use yaoku_crypto::SystemRandom;
use yaoku_crypto::exchange::ExchangeKey;
use yaoku_tang::{Thumbprint, write_point};

/// yaoku's own API.
const OWN: &str = "2026-11-27";

fn yaoku(data: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_yaoku")).args(args).arg("--data-dir").arg(data).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap().trim_end().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Binds a disk; the path of its URL.
fn bind(own: &Client, name: &str, key: &str, more: &[(&str, &str)]) -> String {
    let params = [&[("DiskName", name), ("KeyId", key)], more].concat();
    own.call("CreateDisk", &params).ok().text("Disk/UrlPath").to_owned()
}

#[test]
fn a_disk_unlocks_until_it_or_its_key_is_disabled_and_again_when_both_are_enabled() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data);
    let root = server.client();
    let own = root.at(OWN);
    let key = root.create_key(&[]);
    let path = bind(&own, "rack1/a", &key, &[("Tags", r#"[{"TagKey":"team","TagValue":"shop"}]"#)]);
    own.call("CreateDisk", &[("DiskName", "rack1/a"), ("KeyId", &key)]).fails(409, "EntityAlreadyExists.Disk");
    // A restriction by a name that is not its own must not make a disk that opens from everywhere.
    let mistaken = own.call("CreateDisk", &[("DiskName", "rack1/b"), ("KeyId", &key), ("Networks", "10.0.0.0/8")]);
    mistaken.fails(400, "InvalidParameter");
    own.call("GetDisk", &[("DiskName", "rack1/b")]).fails(404, "EntityNotExist.Disk");
    let disk = Disk::new(&server, &path);
    let advertised = disk.advertised();
    let named = format!("/adv/{}", Thumbprint::of(&advertised));
    assert_eq!(disk.send("GET", &named, b"").status, 200);
    assert_eq!(disk.unlock(&advertised), Ok(()));

    let name = [("DiskName", "rack1/a")];
    own.call("DisableDisk", &name).ok();
    assert_eq!((disk.unlock(&advertised), disk.send("GET", "/adv", b"").status), (Err(403), 403));
    own.call("EnableDisk", &name).ok();
    assert_eq!(disk.unlock(&advertised), Ok(()));

    root.call("DisableKey", &[("KeyId", &key)]).ok();
    assert_eq!((disk.unlock(&advertised), disk.send("GET", "/adv", b"").status), (Err(403), 403));
    own.call("RotateDisk", &name).fails(409, "Rejected.Disabled");
    root.call("EnableKey", &[("KeyId", &key)]).ok();
    assert_eq!(disk.unlock(&advertised), Ok(()));

    // A key with disks is not deleted by accident.
    let refused = root.call("ScheduleKeyDeletion", &[("KeyId", &key), ("PendingWindowInDays", "7")]);
    refused.fails(409, "Rejected.StateModifiedFailed");
    assert!(refused.text("Message").contains("1 disk is bound to the key"), "{refused:?}");

    // What was acknowledged outlives the process.
    server.kill();
    let server = start(&data);
    let (root, disk) = (server.client(), Disk::new(&server, &path));
    assert_eq!((disk.advertised(), disk.unlock(&advertised)), (advertised, Ok(())));
    root.at(OWN).call("DeleteDisk", &name).ok();
    assert_eq!((disk.unlock(&advertised), disk.send("GET", "/adv", b"").status), (Err(404), 404));
    root.call("ScheduleKeyDeletion", &[("KeyId", &key), ("PendingWindowInDays", "7")]).ok();
}

#[test]
fn a_rotation_advertises_a_new_key_and_older_ones_answer_until_they_are_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    let own = root.at(OWN);
    let path = bind(&own, "d", &root.create_key(&[]), &[]);
    let (disk, name) = (Disk::new(&server, &path), ("DiskName", "d"));
    let signing = own.call("GetDisk", &[name]).ok().text("Disk/SigningThumbprint").to_owned();
    let mut keys = vec![disk.advertised()];
    for _ in 0..2 {
        let told = own.call("RotateDisk", &[name]).ok().text("Thumbprint").to_owned();
        keys.push(disk.advertised());
        assert_eq!(Thumbprint::of(keys.last().unwrap()).to_string(), told);
    }
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    assert!(keys.iter().all(|key| disk.unlock(key) == Ok(())));
    // Clients that pinned the signing key go on.
    let shown = own.call("GetDisk", &[name]).ok();
    assert_eq!(
        (shown.text("Disk/SigningThumbprint"), &shown.body["Disk"]["Keys"]["Key"][2]["Advertised"]),
        (&*signing, &true.into())
    );
    assert_eq!(disk.send("GET", &format!("/adv/{signing}"), b"").status, 200);
    assert_eq!(disk.send("GET", &format!("/adv/{}", Thumbprint::of(&keys[0])), b"").status, 404);

    let thumbprint = |at: usize| Thumbprint::of(&keys[at]).to_string();
    let withdraw = |key: &str| own.call("WithdrawDiskKeys", &[name, ("Thumbprint", key)]);
    withdraw(&thumbprint(2)).fails(400, "InvalidParameter");
    assert_eq!(withdraw(&thumbprint(1)).ok().number("Withdrawn"), 1);
    withdraw(&thumbprint(1)).fails(404, "EntityNotExist.DiskKey");
    let unlocked: Vec<_> = keys.iter().map(|key| disk.unlock(key)).collect();
    assert_eq!(unlocked, [Ok(()), Err(404), Ok(())]);
    assert_eq!(own.call("WithdrawDiskKeys", &[name]).ok().number("Withdrawn"), 1);
    assert_eq!(own.call("WithdrawDiskKeys", &[name]).ok().number("Withdrawn"), 0);
    assert_eq!((disk.unlock(&keys[0]), disk.unlock(&keys[2])), (Err(404), Ok(())));
    for _ in 1..16 {
        own.call("RotateDisk", &[name]).ok();
    }
    own.call("RotateDisk", &[name]).fails(400, "Rejected.LimitExceeded");
}

#[test]
fn a_disk_unlocks_from_its_networks_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start_with(&data, |command| {
        command.args(["--tang-listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"]);
    });
    let root = server.client();
    let own = root.at(OWN);
    let path = bind(&own, "d", &root.create_key(&[]), &[("BoundCidrs", "10.1.0.0/16, 2001:db8::/32")]);
    let address = server.greeting.lines().find_map(|line| line.split("disks (Tang): ").nth(1)).unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let from = |source: &str| {
        let request = agent.get(format!("{address}{path}/adv")).header("x-forwarded-for", source);
        request.header("x-forwarded-proto", "http").call().unwrap().status().as_u16()
    };
    assert_eq!(["10.1.2.3", "10.2.0.1", "2001:db8::7", "127.0.0.1"].map(from), [200, 403, 200, 403]);
    own.call("UpdateDisk", &[("DiskName", "d"), ("BoundCidrs", "10.2.0.0/16")]).ok();
    assert_eq!(["10.1.2.3", "10.2.0.1"].map(from), [403, 200]);
    own.call("UpdateDisk", &[("DiskName", "d"), ("BoundCidrs", "")]).ok();
    assert_eq!(["10.1.2.3", "192.0.2.1"].map(from), [200, 200]);
    own.call("UpdateDisk", &[("DiskName", "d"), ("BoundCidrs", "10.2.0.0/33")]).fails(400, "InvalidParameter");
    // Each with where it came from, also those that were refused.
    let all = records(&data);
    let told =
        all.iter().filter(|record| record["eventName"] == "AdvertiseDisk" && record["sourceIpAddress"] == "10.2.0.1");
    let told: Vec<_> = told
        .map(|record| (record["errorCode"].as_str().unwrap_or_default(), record["resourceName"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("SourceNotAllowed", "d"), ("", "d")]);
}

#[test]
fn calls_are_recorded_in_the_disks_name_and_its_url_is_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data);
    let root = server.client();
    let key = root.create_key(&[]);
    let path = bind(&root.at(OWN), "vm/7", &key, &[]);
    let disk = Disk::new(&server, &path);
    disk.unlock(&disk.advertised()).unwrap();
    disk.send("POST", &format!("/rec/{}", "A".repeat(43)), b"{}");
    disk.send("DELETE", "/adv", b"");
    disk.send("GET", "/elsewhere", b"");
    let all = records(&data);
    let told = |name: &str, code: &str| {
        let is_it =
            |record: &&Value| record["eventName"] == name && record["errorCode"].as_str().unwrap_or_default() == code;
        all.iter().find(is_it).unwrap_or_else(|| panic!("no {name} {code:?} in {all:#?}"))
    };
    let unlocked = told("UnlockDisk", "");
    let identity = &unlocked["userIdentity"];
    assert_eq!(
        (&identity["type"], &identity["userName"], &identity["accountId"]),
        (&"disk".into(), &"vm/7".into(), &ACCOUNT.into())
    );
    assert_eq!((&unlocked["serviceName"], &unlocked["sourceIpAddress"]), (&"Tang".into(), &"127.0.0.1".into()));
    assert_eq!(unlocked["referencedResources"]["ACS::Yaoku::Disk"][0], "vm/7");
    assert_eq!(unlocked["referencedResources"]["ACS::KMS::Key"][0], *key);
    assert_eq!(told("UnlockDisk", "InvalidKey")["userIdentity"]["userName"], "vm/7");
    assert_eq!(told("Unknown", "UnsupportedMethod")["userIdentity"]["type"], "unknown");
    told("Unknown", "NotFound");
    assert_eq!(told("CreateDisk", "")["responseElements"]["Disk"]["DiskName"], "vm/7");
    let secret = path.strip_prefix("/tang/").unwrap();
    assert!(!serde_json::to_string(&all).unwrap().contains(secret), "a record has the URL");
    assert!(!std::fs::read_to_string(log_of(&data)).unwrap().contains(secret), "the log has the URL");
    let (_, metrics) = root.page("/metrics");
    let counted = metrics.lines().find(|line| line.contains("\"UnlockDisk\"") && line.contains("tang"));
    assert!(counted.is_some(), "{metrics}");
}

#[test]
fn a_rack_boots_behind_one_address_where_somebody_guesses_urls() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&dir.path().join("data"), |command| {
        command.args(["--tang-listen", "127.0.0.1:0", "--unauthenticated-per-minute", "3"]);
    });
    let root = server.client();
    let path = bind(&root.at(OWN), "d", &root.create_key(&[]), &[]);
    let disk = Disk::new(&server, &path);
    let key = disk.advertised();
    assert!((0..8).all(|_| disk.unlock(&key) == Ok(())));
    let other = Disk::new(&server, "/tang/AAAAAAAAAAAAAAAAAAAAAA");
    let guesses: Vec<_> = (0..5).map(|_| other.unlock(&key)).collect();
    assert_eq!(guesses, [Err(404), Err(404), Err(404), Err(429), Err(429)]);
    assert!((0..8).all(|_| disk.unlock(&key) == Ok(())));
    // Knowing a URL elsewhere proves nothing, and fills no log.
    root.at(OWN).call("UpdateDisk", &[("DiskName", "d"), ("BoundCidrs", "192.0.2.0/24")]).ok();
    assert_eq!(disk.unlock(&key), Err(429));
}

#[test]
fn what_is_no_point_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    let path = bind(&root.at(OWN), "d", &root.create_key(&[]), &[]);
    let disk = Disk::new(&server, &path);
    let rec = format!("/rec/{}", Thumbprint::of(&disk.advertised()));
    let good =
        String::from_utf8(write_point(&ExchangeKey::generate(&SystemRandom).unwrap().public().unwrap())).unwrap();
    for bad in ["", "{}", "[]", &good.replace("P-521", "P-256"), &good.replace(r#""x":"A"#, r#""x":"B"#)] {
        assert_eq!(disk.send("POST", &rec, bad.as_bytes()).status, 400, "{bad}");
    }
    assert_eq!(disk.send("POST", &rec, &vec![b' '; 2 << 20]).status, 413);
    assert_eq!(disk.send("PUT", &rec, good.as_bytes()).status, 405);
    let options = disk.send("OPTIONS", &rec, b"");
    assert_eq!((options.status, options.body.len()), (204, 0));
    assert_eq!(disk.send("POST", &rec, good.as_bytes()).status, 200);
}

/// A user of the account with one policy of these statements.
fn user(root: &Client, name: &str, statements: &str) -> Client {
    let ram = root.at(support::RAM);
    ram.call("CreateUser", &[("UserName", name)]).ok();
    let document = format!(r#"{{"Version":"1","Statement":[{statements}]}}"#);
    ram.call("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document)]).ok();
    ram.call("AttachPolicyToUser", &[("UserName", name), ("PolicyType", "Custom"), ("PolicyName", name)]).ok();
    let made = ram.call("CreateAccessKey", &[("UserName", name)]).ok();
    Client {
        access_key_id: made.text("AccessKey/AccessKeyId").to_owned(),
        secret: made.text("AccessKey/AccessKeySecret").to_owned(),
        ..root.at(OWN)
    }
}

#[test]
fn policies_say_who_may_do_what_with_which_disk() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir.path().join("data"));
    let root = server.client();
    let own = root.at(OWN);
    let key = root.create_key(&[]);
    let shop = ("Tags", r#"[{"TagKey":"team","TagValue":"shop"}]"#);
    bind(&own, "rack1/a", &key, &[shop]);
    bind(&own, "rack2/a", &key, &[]);
    let refused = "Forbidden.NoPermission";
    let disks = |action: &str, disk: &str| {
        format!(r#"{{"Effect":"Allow","Action":"yaoku:{action}","Resource":"acs:yaoku:*:{ACCOUNT}:{disk}"}}"#)
    };
    let get = |user: &Client, name: &str| user.call("GetDisk", &[("DiskName", name)]).code().to_owned();

    let nobody = user(&root, "nobody", &disks("GetDisk", "disk/none"));
    let one = ("DiskName", "rack1/a");
    for (action, params) in [
        ("CreateDisk", vec![("DiskName", "new"), ("KeyId", &*key)]),
        ("GetDisk", vec![one]),
        ("ListDisks", vec![]),
        ("UpdateDisk", vec![one, ("BoundCidrs", "10.0.0.1")]),
        ("DisableDisk", vec![one]),
        ("EnableDisk", vec![one]),
        ("RotateDisk", vec![one]),
        ("WithdrawDiskKeys", vec![one]),
        ("DeleteDisk", vec![one]),
    ] {
        nobody.call(action, &params).fails(403, refused);
    }
    // Who may not is not told whether it is there.
    assert_eq!((get(&nobody, "unbound"), get(&nobody, "none")), (refused.into(), "EntityNotExist.Disk".into()));

    let reader = user(&root, "reader", &disks("GetDisk", "disk/rack1/*"));
    assert_eq!((get(&reader, "rack1/a"), get(&reader, "rack2/a")), ("ok".into(), refused.into()));
    let tagged =
        r#"{"Effect":"Allow","Action":"yaoku:*","Resource":"*","Condition":{"StringEquals":{"kms:tag/team":"shop"}}}"#;
    let tagged = user(&root, "tagged", tagged);
    assert_eq!((get(&tagged, "rack1/a"), get(&tagged, "rack2/a")), ("ok".into(), refused.into()));

    // Who binds one, or makes it a new key, needs the CMK as well.
    let new = [("DiskName", "rack1/b"), ("KeyId", &*key)];
    let without = user(&root, "without", &disks("*", "*"));
    without.call("CreateDisk", &new).fails(403, refused);
    without.call("RotateDisk", &[one]).fails(403, refused);
    let on_key = r#"{"Effect":"Allow","Action":"kms:GenerateDataKey","Resource":"*","Condition":{"StringLike":{"kms:EncryptionContext/DiskName":"rack1/*"}}}"#;
    let with = user(&root, "with", &format!("{},{on_key}", disks("*", "*")));
    with.call("CreateDisk", &new).ok();
    with.call("RotateDisk", &[one]).ok();
    with.call("RotateDisk", &[("DiskName", "rack2/a")]).fails(403, refused);

    // Disks are their account's own.
    let listed = own.call("ListDisks", &[("MaxItems", "2")]).ok();
    let names: Vec<_> = listed.body["Disks"]["Disk"].as_array().unwrap().iter().map(|disk| &disk["DiskName"]).collect();
    assert_eq!(names, ["rack1/a", "rack1/b"]);
    assert!(listed.body["Disks"]["Disk"][0].get("UrlPath").is_none(), "who may list may not unlock for that");
    let marker = listed.text("Marker");
    assert!(!String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(marker).unwrap()).contains("rack"), "it tells nothing");
    let rest = own.call("ListDisks", &[("MaxItems", "2"), ("Marker", marker)]).ok();
    assert_eq!((rest.text("Disks/Disk/0/DiskName"), &rest.body["IsTruncated"]), ("rack2/a", &false.into()));
    // Nobody can make one up, or have one of another listing or account.
    let made_up = URL_SAFE_NO_PAD.encode("rack1/b");
    let of_users = {
        let ram = root.at(support::RAM);
        ram.call("CreateUser", &[("UserName", "last")]).ok();
        ram.call("ListUsers", &[("MaxItems", "1")]).ok().text("Marker").to_owned()
    };
    for marker in [&*made_up, &of_users, "?"] {
        own.call("ListDisks", &[("Marker", marker)]).fails(400, "InvalidParameter");
    }
}

/// Whatever is created at once, nothing comes to be beyond what an account may have.
#[test]
fn many_at_once_keep_to_the_bounds_of_their_account() {
    const MOST: usize = 5;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&dir.path().join("data"), |command| {
        for bound in ["--max-disks", "--max-secrets", "--max-aliases", "--max-keys"] {
            command.args([bound, &MOST.to_string()]);
        }
    });
    let (root, one) = (server.client(), server.client().create_key(&[]));
    let own = root.at(OWN);
    // The key of secrets has an alias, too.
    root.call("CreateSecret", &[("SecretName", "s0"), ("VersionId", "v1"), ("SecretData", "x")]).ok();
    let create = |kind: &str, n: usize| {
        let created = match kind {
            "disks" => own.try_call("CreateDisk", &[("DiskName", &format!("d{n}")), ("KeyId", &one)]),
            "secrets" => {
                let new = [("SecretName", &*format!("s{n}")), ("VersionId", "v1"), ("SecretData", "x")];
                root.try_call("CreateSecret", &new)
            }
            "aliases" => root.try_call("CreateAlias", &[("AliasName", &format!("alias/a{n}")), ("KeyId", &one)]),
            _ => root.try_call("CreateKey", &[]),
        };
        created.unwrap()
    };
    for (kind, there) in [("disks", 0), ("secrets", 1), ("aliases", 1), ("keys", 2)] {
        let made = AtomicUsize::new(there);
        let count = |answer: &support::Answer| match answer.status {
            200 => drop(made.fetch_add(1, Ordering::SeqCst)),
            _ => assert_eq!((answer.status, answer.code()), (400, "Rejected.LimitExceeded")),
        };
        let together = Barrier::new(48);
        thread::scope(|scope| {
            for n in 1..=48 {
                let (together, create, count) = (&together, &create, &count);
                scope.spawn(move || {
                    together.wait();
                    count(&create(kind, n));
                });
            }
        });
        assert!(made.load(Ordering::SeqCst) <= MOST, "{} {kind}", made.load(Ordering::SeqCst));
        // What was refused while others were under way fits when they were.
        (100..110).for_each(|n| count(&create(kind, n)));
        assert_eq!(made.load(Ordering::SeqCst), MOST, "{kind}");
    }
}

#[test]
fn an_account_has_so_many_disks() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&dir.path().join("data"), |command| {
        command.args(["--max-disks", "1"]);
    });
    let root = server.client();
    let (own, key) = (root.at(OWN), root.create_key(&[]));
    bind(&own, "a", &key, &[]);
    own.call("CreateDisk", &[("DiskName", "b"), ("KeyId", &key)]).fails(400, "Rejected.LimitExceeded");
    own.call("DeleteDisk", &[("DiskName", "a")]).ok();
    bind(&own, "b", &key, &[]);
    let sign = root.create_key(&[("KeySpec", "EC_P256")]);
    own.call("DeleteDisk", &[("DiskName", "b")]).ok();
    own.call("CreateDisk", &[("DiskName", "c"), ("KeyId", &sign)]).fails(400, "UnsupportedOperation");
}

#[test]
fn the_command_line_manages_disks_also_of_another_account() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data);
    let root = server.client();
    let key = root.create_key(&[]);
    root.call("CreateAlias", &[("AliasName", "alias/disks"), ("KeyId", &key)]).ok();
    let run = |args: &[&str]| yaoku(&data, &[&["disk"], args].concat());
    let path =
        run(&["create", "--name", "d", "--key", "alias/disks", "--network", "127.0.0.1", "--tag", "rack=1"]).unwrap();
    assert!(path.starts_with("/tang/") && path.len() == 28, "{path}");
    let disk = Disk::new(&server, &path);
    let first = disk.advertised();
    let shown: Value = serde_json::from_str(&run(&["show", "d"]).unwrap()).unwrap();
    let shown = &shown["Disk"];
    assert_eq!(
        (&shown["State"], &shown["KeyId"], &shown["BoundCidrs"]),
        (&"Enabled".into(), &Value::from(&*key), &"127.0.0.1/32".into())
    );
    assert_eq!((&shown["UrlPath"], &shown["Tags"]["Tag"][0]["TagValue"]), (&Value::from(&*path), &"1".into()));
    let done = || Ok("done".to_owned());
    assert_eq!(run(&["disable", "d"]), done());
    assert_eq!(disk.unlock(&first), Err(403));
    assert_eq!(run(&["enable", "d"]), done());
    assert_eq!(disk.unlock(&first), Ok(()));
    assert!(run(&["rotate", "d"]).unwrap().contains(&Thumbprint::of(&disk.advertised()).to_string()));
    assert!(run(&["withdraw", "d", "--key", &Thumbprint::of(&first).to_string()]).unwrap().contains('1'));
    assert_eq!(disk.unlock(&first), Err(404));
    assert_eq!(run(&["update", "d", "--network", "10.0.0.0/8", "--no-tags"]), done());
    assert_eq!(disk.unlock(&disk_key(&run(&["list"]).unwrap(), &disk)), Err(403));
    assert_eq!(run(&["update", "d", "--network", ""]), done());
    assert_eq!(disk.unlock(&disk.advertised()), Ok(()));

    let made: Value = serde_json::from_str(&yaoku(&data, &["account", "create", "other"]).unwrap()).unwrap();
    let account = made["Account"]["AccountId"].as_str().unwrap();
    let refused = run(&["show", "d", "--account", account]).unwrap_err();
    assert!(refused.contains("EntityNotExist.Disk"), "{refused}");
    assert_eq!(run(&["delete", "d"]), done());
    assert!(run(&["delete", "d"]).unwrap_err().contains("EntityNotExist.Disk"));
    assert!(run(&["create", "--name", "a b", "--key", &key]).unwrap_err().contains("DiskName"));
}

/// Any point stands for a key: the refusal comes before it is looked for.
fn disk_key(listed: &str, _: &Disk) -> yaoku_crypto::exchange::Point {
    let listed: Value = serde_json::from_str(listed).unwrap();
    assert_eq!(listed["Disks"]["Disk"][0]["BoundCidrs"], "10.0.0.0/8");
    ExchangeKey::generate(&SystemRandom).unwrap().public().unwrap()
}

#[test]
fn a_disabled_account_unlocks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data);
    let made: Value = serde_json::from_str(&yaoku(&data, &["account", "create", "other"]).unwrap()).unwrap();
    let account = made["Account"]["AccountId"].as_str().unwrap();
    let key = &made["AccessKey"];
    let root = Client {
        access_key_id: key["AccessKeyId"].as_str().unwrap().to_owned(),
        secret: key["AccessKeySecret"].as_str().unwrap().to_owned(),
        ..server.client()
    };
    let path = bind(&root.at(OWN), "d", &root.create_key(&[]), &[]);
    let disk = Disk::new(&server, &path);
    let advertised = disk.advertised();
    assert_eq!(disk.unlock(&advertised), Ok(()));
    yaoku(&data, &["account", "disable", account]).unwrap();
    assert_eq!(disk.unlock(&advertised), Err(404));
    yaoku(&data, &["account", "enable", account]).unwrap();
    assert_eq!(disk.unlock(&advertised), Ok(()));
}

fn run(program: &str, args: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    run_trusting(None, program, args, input)
}

/// The same, with certificates that curl trusts.
fn run_trusting(issuers: Option<&Path>, program: &str, args: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut command = Command::new(program);
    if let Some(issuers) = issuers {
        command.env("CURL_CA_BUNDLE", issuers);
    }
    let mut child =
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Whether the clients are here.
fn can_try() -> bool {
    let found = |program: &str| Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if ["clevis", "jose", "curl"].iter().all(|program| found(program).status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "clevis, jose or curl is missing");
    eprintln!("skipped: unmodified Tang clients: install Debian's packages clevis, jose and curl");
    false
}

#[test]
fn unmodified_clevis_opens_what_it_sealed_as_long_as_it_may() {
    if !can_try() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = start(&data);
    let root = server.client();
    let own = root.at(OWN);
    let key = root.create_key(&[]);
    let path = bind(&own, "d", &key, &[]);
    let (disk, name) = (Disk::new(&server, &path), [("DiskName", "d")]);
    let url = &disk.url;
    let signing = own.call("GetDisk", &name).ok().text("Disk/SigningThumbprint").to_owned();
    let secret = b"the passphrase of a disk";
    let seal = |thp: &str| run("clevis", &["encrypt", "tang", &format!(r#"{{"url":"{url}","thp":"{thp}"}}"#)], secret);
    // It verifies the signature by the key that it pins.
    let sealed = seal(&signing).unwrap();
    assert!(seal(&Thumbprint::of(&disk.advertised()).to_string()).is_err(), "a key that signs nothing was trusted");
    let opened = |sealed: &[u8]| run("clevis", &["decrypt"], sealed).ok();
    assert_eq!(opened(&sealed).as_deref(), Some(&secret[..]));
    own.call("RotateDisk", &name).ok();
    let newer = seal(&signing).unwrap();
    assert_eq!((opened(&sealed).as_deref(), opened(&newer).as_deref()), (Some(&secret[..]), Some(&secret[..])));
    root.call("DisableKey", &[("KeyId", &key)]).ok();
    assert_eq!((opened(&sealed), opened(&newer)), (None, None));
    root.call("EnableKey", &[("KeyId", &key)]).ok();
    own.call("WithdrawDiskKeys", &name).ok();
    assert_eq!((opened(&sealed), opened(&newer).as_deref()), (None, Some(&secret[..])));
}

#[test]
fn unmodified_clevis_unlocks_over_tls_where_the_listener_has_an_identity_of_its_own() {
    if !can_try() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = Server::start_with(&dir.path().join("data"), |command| {
        command.args(["--tang-listen", "127.0.0.1:0", "--tang-tls-cert"]).arg(&cert).arg("--tang-tls-key").arg(&key);
    });
    let root = server.client();
    let url = Disk::new(&server, &bind(&root.at(OWN), "d", &root.create_key(&[]), &[])).url;
    assert!(url.starts_with("https://"), "{url}");
    let config = format!(r#"{{"url":"{url}"}}"#);
    let seal =
        |issuers: Option<&Path>| run_trusting(issuers, "clevis", &["encrypt", "tang", &config, "-y"], b"passphrase");
    let sealed = seal(Some(&cert)).unwrap();
    assert_eq!(run_trusting(Some(&cert), "clevis", &["decrypt"], &sealed).unwrap(), b"passphrase");
    assert!(seal(None).is_err(), "an unknown issuer was trusted");
    assert!(run("clevis", &["decrypt"], &sealed).is_err(), "an unknown issuer was trusted");
}
