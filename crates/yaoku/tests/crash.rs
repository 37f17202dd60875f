//! The server killed at random instants under a write load: every acknowledged change is there afterwards, and no
//! half-made one. `YAOKU_CRASHES` sets how often; 200 by default.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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
    blobs: Vec<String>,
}

/// What one writer did before the server died.
#[derive(Default)]
struct Work {
    keys: HashMap<String, Key>,
    /// Whether a CreateKey was under way.
    creating: bool,
}

#[test]
fn killed_at_any_instant_nothing_acknowledged_is_lost() {
    let crashes: u64 = std::env::var("YAOKU_CRASHES").map_or(200, |text| text.parse().unwrap());
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
        let works = load(&server.client(), first, after, || server.kill_now());
        drop(server);
        known += works.iter().map(|work| work.keys.len() as u64).sum::<u64>();
        unsure += works.iter().filter(|work| work.creating).count() as u64;
        acknowledged += works.iter().flat_map(|work| work.keys.values()).map(|key| 1 + key.versions).sum::<u64>();
        check(&data, &works, round, known, unsure);
    }
    assert!(acknowledged > crashes, "the load did next to nothing: {acknowledged} in {crashes} rounds");
    check_all(&data);
}

/// Runs writers until the server dies: some time after they have made so many keys.
fn load(client: &Client, first: u64, after: Duration, kill: impl FnOnce()) -> Vec<Work> {
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (client, stop, made) = (client.clone(), stop.clone(), made.clone());
                scope.spawn(move || write_until_death(&client, &stop, &made))
            })
            .collect();
        wait_until("keys to be made", || made.load(Ordering::SeqCst) >= first);
        std::thread::sleep(after);
        kill();
        stop.store(true, Ordering::SeqCst);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

fn write_until_death(client: &Client, stop: &AtomicBool, keys: &AtomicU64) -> Work {
    let mut work = Work::default();
    while !stop.load(Ordering::SeqCst) {
        work.creating = true;
        let Some(made) = acknowledged(client.try_call("CreateKey", &[("Description", "new")])) else { return work };
        work.creating = false;
        keys.fetch_add(1, Ordering::SeqCst);
        let id = made.text("KeyMetadata/KeyId").to_owned();
        let key = work.keys.entry(id.clone()).or_insert_with(|| Key { description: "new".into(), ..Key::default() });
        if write_key(client, &id, key).is_none() {
            return work;
        }
    }
    work
}

/// Changes one key in every way; none when the server died.
fn write_key(client: &Client, id: &str, key: &mut Key) -> Option<()> {
    let k = ("KeyId", id);
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

        key.asked_version = true;
        acknowledged(client.try_call("CreateKeyVersion", &[k]))?;
        (key.versions, key.asked_version) = (key.versions + 1, false);
    }
    key.asked_disabled = Some(true);
    acknowledged(client.try_call("DisableKey", &[k]))?;
    (key.disabled, key.asked_disabled) = (true, None);
    Some(())
}

/// An answer that came whole; a server that is dying gives none, but never a failure.
#[track_caller]
fn acknowledged(answer: Result<Answer, String>) -> Option<Answer> {
    answer.ok().map(Answer::ok)
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
    for page in 1.. {
        let listed = client.call("ListKeys", &[("PageSize", "100"), ("PageNumber", &page.to_string())]).ok();
        let keys = listed.body["Keys"]["Key"].as_array().unwrap().clone();
        if keys.is_empty() {
            break;
        }
        for key in keys {
            let id = key["KeyId"].as_str().unwrap();
            if client.state(id) == "Disabled" {
                client.call("EnableKey", &[("KeyId", id)]).ok();
            }
            let blob = client.encrypt(id, "aGk=");
            client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok();
        }
    }
    assert_eq!(server.terminate(), Some(0));
}
