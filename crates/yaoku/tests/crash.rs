//! The server killed or stopped at random instants under a write load: every acknowledged change is there afterwards, no
//! half-made one, and each change of the store has exactly one audit record. `YAOKU_CRASHES` sets how often it is killed, 200 by
//! default; it is stopped a quarter as often.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use support::{Answer, Client, Server, wait_until};

const WRITERS: usize = 4;

/// What a writer knows of one key: what was acknowledged, and what it asked for when the server died.
#[derive(Default)]
struct Key {
    description: String,
    asked_description: Option<String>,
    disabled: bool,
    asked_disabled: Option<bool>,
    versions: u64,
    asked_version: bool,
    aliases: Vec<String>,
    tags: Vec<String>,
    blobs: Vec<String>,
}

/// What one writer did before the server died.
#[derive(Default)]
struct Work {
    keys: HashMap<String, Key>,
    /// Whether a CreateKey was under way.
    creating: bool,
}

/// How a server ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At once.
    Killed,
    /// After what it has begun; it refuses the rest.
    Stopped,
}

fn crashes() -> u64 {
    std::env::var("YAOKU_CRASHES").map_or(200, |text| text.parse().unwrap())
}

#[test]
fn killed_at_any_instant_nothing_acknowledged_is_lost() {
    let crashes = crashes();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (mut known, mut unsure, mut acknowledged) = (0, 0, 0);
    // Each change waits for the store and for its audit record. Instants spread over start-up's aftermath, single commits and
    // full batches, the same in every run. Every other round counts from when each writer may have its key, so that machines of any speed
    // get through to them.
    for round in 0..crashes {
        let server = Server::start(&data);
        let after = Duration::from_micros(500 + (round * 7919) % 180_000);
        let first = if round % 2 == 0 { 0 } else { WRITERS as u64 };
        let works = load(&server.client(), End::Killed, first, after, || server.kill_now());
        drop(server);
        known += works.iter().map(|work| work.keys.len() as u64).sum::<u64>();
        unsure += works.iter().filter(|work| work.creating).count() as u64;
        acknowledged += works.iter().flat_map(|work| work.keys.values()).map(|key| 1 + key.versions).sum::<u64>();
        check(&data, &works, round, known, unsure);
    }
    assert!(acknowledged > crashes, "the load did next to nothing: {acknowledged} in {crashes} rounds");
    check_records(&data);
    check_all(&data);
}

#[test]
fn stopped_under_load_every_change_has_its_record() {
    let stops = crashes().div_ceil(4);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for round in 0..stops {
        let server = Server::start(&data);
        let after = Duration::from_micros(500 + (round * 7919) % 180_000);
        let client = server.client();
        // Key pairs wait for processors: some are being made, and some have not been begun.
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 * WRITERS {
                scope.spawn(|| {
                    let make = || client.try_call("CreateKey", &[("KeySpec", "RSA_2048"), ("Description", "new")]);
                    loop {
                        if stop.load(Ordering::SeqCst) || acknowledged(End::Stopped, make()).is_none() {
                            return;
                        }
                    }
                });
            }
            load(&client, End::Stopped, round % 2, after, || server.ask_to_end());
            stop.store(true, Ordering::SeqCst);
        });
        assert_eq!(server.ended(), Some(0), "round {round}");
    }
    check_records(&data);
}

/// What changed of a key, as the store shows it, or as the audit log tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    created: i64,
    descriptions: i64,
    versions: i64,
    /// How often it was disabled more than enabled.
    disabled: i64,
    /// Each was put once.
    aliases: BTreeMap<String, i64>,
    tags: BTreeMap<String, i64>,
}

/// Pairs the changes that the store shows with the records of the audit log: each has its own, once.
fn check_records(data: &Path) {
    // Whatever the last one announced and did not record is recorded by this start.
    let server = Server::start(data);
    let stored = stored_changes(&server.client());
    assert_eq!(server.terminate(), Some(0));
    let mut recorded: BTreeMap<String, Changes> = BTreeMap::new();
    let mut events = BTreeSet::new();
    for event in support::records(data) {
        assert!(events.insert(event["eventId"].as_str().unwrap().to_owned()), "recorded twice: {event}");
        if event.get("errorCode").is_some() || event["eventRW"] != "Write" {
            continue;
        }
        let (keys, parameters) = (&event["referencedResources"]["ACS::KMS::Key"], &event["requestParameters"]);
        let Some(key) = keys[0].as_str() else { continue };
        let changes = recorded.entry(key.to_owned()).or_default();
        match event["eventName"].as_str().unwrap() {
            "CreateKey" => changes.created += 1,
            "UpdateKeyDescription" => changes.descriptions += 1,
            "CreateKeyVersion" => changes.versions += 1,
            "DisableKey" => changes.disabled += 1,
            "EnableKey" => changes.disabled -= 1,
            "CreateAlias" => {
                let alias = parameters["AliasName"].as_str().unwrap();
                *changes.aliases.entry(alias.to_owned()).or_default() += 1;
            }
            "TagResource" => {
                let tags: Value = serde_json::from_str(parameters["Tags"].as_str().unwrap()).unwrap();
                let tag = tags[0]["TagKey"].as_str().unwrap();
                *changes.tags.entry(tag.to_owned()).or_default() += 1;
            }
            other => panic!("a change that nobody asked for: {other}"),
        }
    }
    for (key, changes) in &stored {
        assert_eq!(recorded.get(key), Some(changes), "records of {key} on the left, the store on the right");
    }
    let lost: Vec<_> = recorded.keys().filter(|key| !stored.contains_key(*key)).collect();
    assert!(lost.is_empty(), "recorded and not there: {lost:?}");
    let changes = stored.values().map(|of| of.descriptions + of.versions + (of.aliases.len() + of.tags.len()) as i64);
    println!("{} keys and {} further changes, each with its record", stored.len(), changes.sum::<i64>());
}

/// The changes of every key, as the store has them.
fn stored_changes(client: &Client) -> BTreeMap<String, Changes> {
    let mut keys: BTreeMap<String, Changes> = BTreeMap::new();
    for key in pages(client, "ListKeys", "/Keys/Key") {
        keys.insert(key["KeyId"].as_str().unwrap().to_owned(), Changes { created: 1, ..Changes::default() });
    }
    for alias in pages(client, "ListAliases", "/Aliases/Alias") {
        let changes = keys.get_mut(alias["KeyId"].as_str().unwrap()).expect("an alias of a key that is not there");
        changes.aliases.insert(alias["AliasName"].as_str().unwrap().to_owned(), 1);
    }
    let rest = Mutex::new(keys.iter_mut());
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while let Some((id, changes)) = { rest.lock().unwrap().next() } {
                    let k = ("KeyId", id.as_str());
                    let shown = client.call("DescribeKey", &[k]).ok();
                    let steps = ["new", "step 0", "step 1", "step 2"];
                    let description = shown.text("KeyMetadata/Description");
                    changes.descriptions = steps.iter().position(|step| *step == description).unwrap() as i64;
                    changes.disabled = i64::from(shown.text("KeyMetadata/KeyState") == "Disabled");
                    let versions = client.call("ListKeyVersions", &[k]).ok();
                    changes.versions = versions.number("TotalCount") as i64 - 1;
                    let tags = client.call("ListResourceTags", &[k]).ok();
                    let tags = tags.body["Tags"]["Tag"].as_array().unwrap().iter();
                    changes.tags = tags.map(|tag| (tag["TagKey"].as_str().unwrap().to_owned(), 1)).collect();
                }
            });
        }
    });
    keys
}

/// All items of a listing.
fn pages(client: &Client, action: &str, items: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for page in 1.. {
        let listed = client.call(action, &[("PageSize", "100"), ("PageNumber", &page.to_string())]).ok();
        let items = listed.body.pointer(items).unwrap().as_array().unwrap().clone();
        if items.is_empty() {
            break;
        }
        all.extend(items);
    }
    all
}

/// Runs writers until the server dies: some time after they have made so many keys.
fn load(client: &Client, end: End, first: u64, after: Duration, kill: impl FnOnce()) -> Vec<Work> {
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (client, stop, made) = (client.clone(), stop.clone(), made.clone());
                scope.spawn(move || write_until_death(&client, end, &stop, &made))
            })
            .collect();
        wait_until("keys to be made", || made.load(Ordering::SeqCst) >= first);
        std::thread::sleep(after);
        kill();
        stop.store(true, Ordering::SeqCst);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

fn write_until_death(client: &Client, end: End, stop: &AtomicBool, keys: &AtomicU64) -> Work {
    let mut work = Work::default();
    while !stop.load(Ordering::SeqCst) {
        work.creating = true;
        let made = client.try_call("CreateKey", &[("Description", "new")]);
        let Some(made) = acknowledged(end, made) else { return work };
        work.creating = false;
        keys.fetch_add(1, Ordering::SeqCst);
        let id = made.text("KeyMetadata/KeyId").to_owned();
        let key = work.keys.entry(id.clone()).or_insert_with(|| Key { description: "new".into(), ..Key::default() });
        if write_key(client, end, &id, key).is_none() {
            return work;
        }
    }
    work
}

/// Changes one key in every way; none when the server died.
fn write_key(client: &Client, end: End, id: &str, key: &mut Key) -> Option<()> {
    let k = ("KeyId", id);
    let acknowledged = |answer| acknowledged(end, answer);
    for step in 0..3 {
        let description = format!("step {step}");
        key.asked_description = Some(description.clone());
        acknowledged(client.try_call("UpdateKeyDescription", &[k, ("Description", &description)]))?;
        (key.description, key.asked_description) = (description, None);

        let encrypted = acknowledged(client.try_call("Encrypt", &[k, ("Plaintext", "aGk=")]))?;
        key.blobs.push(encrypted.text("CiphertextBlob").to_owned());

        let alias = format!("alias/{id}/{step}");
        acknowledged(client.try_call("CreateAlias", &[k, ("AliasName", &alias)]))?;
        key.aliases.push(alias);

        let tag = format!("step-{step}");
        let tags = format!(r#"[{{"TagKey":"{tag}","TagValue":"v"}}]"#);
        acknowledged(client.try_call("TagResource", &[k, ("Tags", &tags)]))?;
        key.tags.push(tag);

        key.asked_version = true;
        acknowledged(client.try_call("CreateKeyVersion", &[k]))?;
        (key.versions, key.asked_version) = (key.versions + 1, false);
    }
    key.asked_disabled = Some(true);
    acknowledged(client.try_call("DisableKey", &[k]))?;
    (key.disabled, key.asked_disabled) = (true, None);
    Some(())
}

/// An answer that came whole; a server that is killed gives none, but never a failure, and one that stops may refuse.
#[track_caller]
fn acknowledged(end: End, answer: Result<Answer, String>) -> Option<Answer> {
    let answer = answer.ok().filter(|answer| end == End::Killed || answer.status != 503);
    answer.map(Answer::ok)
}

/// Starts the server again and compares.
fn check(data: &Path, works: &[Work], round: u64, known: u64, unsure: u64) {
    let server = Server::start(data);
    let client = server.client();
    let total = client.call("ListKeys", &[("PageSize", "1")]).ok().number("TotalCount");
    assert!((known..=known + unsure).contains(&total), "round {round}: {total} keys, {known} known, {unsure} unsure");
    for (id, key) in works.iter().flat_map(|work| &work.keys) {
        let k = ("KeyId", id.as_str());
        let shown = client.call("DescribeKey", &[k]).ok();
        let description = shown.text("KeyMetadata/Description");
        let fits = description == key.description || Some(description) == key.asked_description.as_deref();
        assert!(fits, "round {round}: {description:?} of {id}, {:?} was acknowledged", key.description);
        let disabled = shown.text("KeyMetadata/KeyState") == "Disabled";
        assert!(disabled == key.disabled || Some(disabled) == key.asked_disabled, "round {round}: state of {id}");
        let versions = client.call("ListKeyVersions", &[k]).ok().number("TotalCount");
        let least = 1 + key.versions;
        assert!((least..=least + u64::from(key.asked_version)).contains(&versions), "round {round}: versions of {id}");
        if disabled {
            client.call("EnableKey", &[k]).ok();
        }
        for blob in &key.blobs {
            assert_eq!(client.call("Decrypt", &[("CiphertextBlob", blob)]).ok().text("Plaintext"), "aGk=");
        }
        let tags = client.call("ListResourceTags", &[k]).ok().body["Tags"].to_string();
        for tag in &key.tags {
            assert!(tags.contains(&format!("\"{tag}\"")), "round {round}: tag {tag} of {id} in {tags}");
        }
        for alias in &key.aliases {
            assert_eq!(client.call("DescribeKey", &[("KeyId", alias)]).ok().text("KeyMetadata/KeyId"), id);
        }
    }
    server.kill();
}

/// Every key that there is, acknowledged or not, is whole.
fn check_all(data: &Path) {
    let server = Server::start(data);
    let client = server.client();
    for key in pages(&client, "ListKeys", "/Keys/Key") {
        let id = key["KeyId"].as_str().unwrap();
        if client.state(id) == "Disabled" {
            client.call("EnableKey", &[("KeyId", id)]).ok();
        }
        let blob = client.encrypt(id, "aGk=");
        client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok();
    }
    assert_eq!(server.terminate(), Some(0));
}
