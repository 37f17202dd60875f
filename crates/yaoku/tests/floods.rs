//! One caller's flood: it is bounded, everybody else is served meanwhile, and what the caller may do can be taken from it.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::{ACTIONTRAIL, Client, RAM, Server, wait_until};

struct World {
    server: Server,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start_with(&dir.path().join("data"), |command| {
            // Calls with an AccessKey that is disabled prove nobody.
            command.args(["--unauthenticated-per-minute", "60000"]);
        });
        Self { server, _dir: dir }
    }

    /// A user who may do that one action.
    fn user(&self, name: &str, action: &str) -> Client {
        let ram = self.server.client().at(RAM);
        ram.call("CreateUser", &[("UserName", name)]).ok();
        let document =
            format!(r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#);
        ram.call("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document)]).ok();
        let attach = [("PolicyType", "Custom"), ("PolicyName", name), ("UserName", name)];
        ram.call("AttachPolicyToUser", &attach).ok();
        let key = ram.call("CreateAccessKey", &[("UserName", name)]).ok();
        Client {
            access_key_id: key.text("AccessKey/AccessKeyId").to_owned(),
            secret: key.text("AccessKey/AccessKeySecret").to_owned(),
            ..self.server.client()
        }
    }

    fn switch_off(&self, name: &str, client: &Client) {
        let params = [("UserName", name), ("UserAccessKeyId", &*client.access_key_id), ("Status", "Inactive")];
        self.server.client().at(RAM).call("UpdateAccessKey", &params).ok();
    }
}

/// Answers to a flood, by their codes.
type Codes = Mutex<BTreeMap<String, usize>>;

fn flood(client: &Client, goes_on: &AtomicBool, action: &str, params: &[(&str, &str)], codes: &Codes) {
    // A connection of its own.
    let client = Client { agent: Client::new(&client.address).agent, ..client.clone() };
    while goes_on.load(Ordering::SeqCst) {
        let Ok(answer) = client.try_call(action, params) else { continue };
        *codes.lock().unwrap().entry(answer.code().to_owned()).or_default() += 1;
        if answer.status != 200 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn count(codes: &Codes, code: &str) -> usize {
    codes.lock().unwrap().get(code).copied().unwrap_or_default()
}

#[test]
fn a_flood_of_new_rsa_keys_keeps_nobody_out_and_ends_when_its_caller_is_disabled() {
    let world = World::new();
    let maker = world.user("maker", "kms:CreateKey");
    let root = world.server.client();
    let key = root.create_key(&[]);
    let (goes_on, codes) = (AtomicBool::new(true), Codes::default());
    std::thread::scope(|scope| {
        for _ in 0..64 {
            let params = &[("KeySpec", "RSA_4096"), ("KeyUsage", "SIGN/VERIFY")];
            scope.spawn(|| flood(&maker, &goes_on, "CreateKey", params, &codes));
        }
        wait_until("some are refused", || count(&codes, "Rejected.Throttling") >= 64);
        let began = Instant::now();
        root.encrypt(&key, "aGk=");
        root.call("DisableKey", &[("KeyId", &key)]).ok();
        root.call("EnableKey", &[("KeyId", &key)]).ok();
        // Another's key is made in turn with the flood's.
        let other = world.user("other", "kms:CreateKey");
        other.call("CreateKey", &[("KeySpec", "RSA_2048"), ("KeyUsage", "SIGN/VERIFY")]).ok();
        assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());

        world.switch_off("maker", &maker);
        let made = count(&codes, "ok");
        // What waited fails: also those in the line were asked about again.
        wait_until("all are refused", || count(&codes, "Forbidden.AccessKey") >= 200);
        assert_eq!(count(&codes, "ok"), made, "keys were made after the answer");
        goes_on.store(false, Ordering::SeqCst);
    });
    let codes = codes.into_inner().unwrap();
    let expected = ["Forbidden.AccessKey", "Forbidden.NoPermission", "Rejected.Throttling", "ok"];
    assert!(codes.keys().all(|code| expected.contains(&code.as_str())), "{codes:?}");
}

#[test]
fn searches_of_one_caller_are_bounded_and_another_gets_its_turn() {
    let world = World::new();
    let (many, one) = (world.user("many", "actiontrail:LookupEvents"), world.user("one", "actiontrail:LookupEvents"));
    let key = world.server.client().create_key(&[]);
    for _ in 0..500 {
        world.server.client().encrypt(&key, "aGk=");
    }
    let (goes_on, codes) = (AtomicBool::new(true), Codes::default());
    let params = &[("LookupAttribute.1.Key", "EventName"), ("LookupAttribute.1.Value", "NoSuchEvent")];
    std::thread::scope(|scope| {
        for _ in 0..48 {
            scope.spawn(|| flood(&many.at(ACTIONTRAIL), &goes_on, "LookupEvents", params, &codes));
        }
        wait_until("some are refused", || count(&codes, "Rejected.Throttling") > 0 && count(&codes, "ok") > 0);
        for _ in 0..5 {
            one.at(ACTIONTRAIL).call("LookupEvents", params).ok();
        }
        goes_on.store(false, Ordering::SeqCst);
    });
    let codes = codes.into_inner().unwrap();
    assert!(codes.keys().all(|code| ["Rejected.Throttling", "ok"].contains(&code.as_str())), "{codes:?}");
}
