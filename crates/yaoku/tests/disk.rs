//! The server on a disk that is full, and over a store file that was damaged.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Client, Server, wait_until};

/// Runs a command with a small file system of its own at `$0`. User and mount namespaces need no privilege on most machines.
const MOUNT: &str = r#"mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@""#;

fn unshare(at: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", MOUNT]).arg(at);
    command
}

/// Changes a server's command so that its data is on a disk of 8 MiB at `at`.
fn on_small_disk(command: &mut Command, at: &Path) {
    let mut wrapped = unshare(at);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    let log = fs::OpenOptions::new().append(true).create(true).open(at.with_extension("log")).unwrap();
    wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    *command = wrapped;
}

#[test]
fn a_full_disk_refuses_changes_and_serves_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    if !unshare(&disk).arg("true").status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no file system can be mounted here");
        eprintln!("SKIPPED: no file system can be mounted in a namespace here");
        return;
    }
    let server = Server::start_with(&disk.join("data"), |command| {
        // With it, a full disk refuses every call: that is tested in audit.rs.
        command.arg("--audit=false");
        on_small_disk(command, &disk);
    });
    let client = server.client();
    let first = client.create_key(&[]);
    let blob = client.encrypt(&first, "aGk=");
    let mut acknowledged = BTreeSet::from([first.clone()]);
    // The disk as the server sees it.
    let ballast =
        PathBuf::from(format!("/proc/{}/root", server.pid())).join(disk.strip_prefix("/").unwrap()).join("ballast");

    let mut not_ready = 0;
    for round in 0..4 {
        fill(&ballast);
        let description = "x".repeat(8000);
        let failure = loop {
            let answer = client.call("CreateKey", &[("Description", &description)]);
            if answer.status != 200 {
                break answer;
            }
            acknowledged.insert(answer.text("KeyMetadata/KeyId").to_owned());
        };
        failure.fails(503, "ServiceUnavailableTemporary");
        // A commit that fits into pages the file has already may still succeed, and then the server is ready.
        not_ready += u32::from(client.page("/readyz").0 == 503);
        assert_eq!(client.page("/healthz").0, 200);
        assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok().text("Plaintext"), "aGk=");
        client.encrypt(&first, "aGk=");
        assert_eq!(keys(&client), acknowledged, "round {round}: with the disk full");

        fs::remove_file(&ballast).unwrap();
        wait_until("the server to be ready again", || client.page("/readyz").0 == 200);
        acknowledged.insert(client.create_key(&[]));
        assert_eq!(keys(&client), acknowledged, "round {round}: with space again");
    }
    assert!(not_ready > 0, "readiness never went down");
}

/// Takes all space there is.
fn fill(file: &Path) {
    let mut length = 16 << 20;
    let mut bytes = Vec::new();
    while length >= 512 {
        bytes.resize(bytes.len() + length, 0);
        if fs::write(file, &bytes).is_err() {
            bytes.truncate(bytes.len() - length);
            length /= 2;
        }
    }
    // A failed write leaves what fitted.
    let _ = fs::write(file, &bytes);
}

fn keys(client: &Client) -> BTreeSet<String> {
    let listed = client.call("ListKeys", &[("PageSize", "100")]).ok();
    assert!(listed.number("TotalCount") <= 100);
    listed.body["Keys"]["Key"].as_array().unwrap().iter().map(|key| key["KeyId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_damaged_store_is_refused_or_read_right() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (key, blob) = {
        let server = Server::start(&data);
        let client = server.client();
        let keys: Vec<_> = (0..40).map(|_| client.create_key(&[("Description", &"d".repeat(1000))])).collect();
        let blob = client.encrypt(&keys[7], "aGk=");
        assert_eq!(server.terminate(), Some(0));
        (keys[7].clone(), blob)
    };
    let whole: Vec<_> = files(&data.join("store")).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let (store, path) = whole.iter().find(|(_, path)| path.ends_with("store.redb")).unwrap();
    let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
    for part in [0, 1, 100, 4096, store.len() / 2, store.len() - 1] {
        damaged.push((format!("cut to {part} bytes"), store[..part].to_vec()));
    }
    for at in (9..store.len()).step_by(store.len() / 24) {
        let mut flipped = store.clone();
        flipped[at] ^= 0x10;
        damaged.push((format!("bit flipped in byte {at}"), flipped));
    }
    let mut refused = 0;
    for (what, bytes) in damaged {
        for (bytes, path) in &whole {
            fs::write(path, bytes).unwrap();
        }
        fs::write(path, &bytes).unwrap();
        match Server::try_start(&data, |_| {}) {
            Err(said) => {
                assert!(said.contains("damaged") && said.contains("backup"), "{what}: {said}");
                refused += 1;
            }
            Ok(server) => {
                let client = server.client();
                assert_eq!(keys(&client).len(), 40, "{what}");
                let decrypted = client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok();
                assert_eq!((decrypted.text("Plaintext"), decrypted.text("KeyId")), ("aGk=", &key[..]), "{what}");
            }
        }
    }
    assert!(refused >= 8, "only {refused} damaged files were refused");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    support::files_below(dir)
}
