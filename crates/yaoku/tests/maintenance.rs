//! Backups, restores and rotations of the root key, with a server and without.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::Server;

fn yaoku(data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    command.args(args).arg("--data-dir").arg(data).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(output: &Output, told: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains(told), "no {told:?} in {said}");
}

#[test]
fn a_backup_of_a_running_server_restores_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (data, elsewhere, file) = (dir.path().join("data"), dir.path().join("elsewhere"), dir.path().join("backup"));
    let file = file.to_str().unwrap();
    let server = Server::start(&data);
    let client = server.client();
    let key = client.create_key(&[]);
    let blob = client.encrypt(&key, "aGk=");
    done(&yaoku(&data, &["backup", file]));
    refused(&yaoku(&data, &["backup", file]), "is there already");
    let later = client.create_key(&[]);
    refused(&yaoku(&data, &["restore", file, "--replace"]), "stop it first");
    assert_eq!(server.terminate(), Some(0));

    std::fs::create_dir(&elsewhere).unwrap();
    refused(&yaoku(&elsewhere, &["restore", file]), "");
    assert!(!elsewhere.join("store").exists() && !elsewhere.join("restore.tmp").exists());
    std::fs::copy(data.join("root.key"), elsewhere.join("root.key")).unwrap();
    done(&yaoku(&elsewhere, &["restore", file]));
    let server = Server::start(&elsewhere);
    let client = server.client();
    assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok().text("Plaintext"), "aGk=");
    client.call("DescribeKey", &[("KeyId", &later)]).fails(404, "Forbidden.KeyNotFound");
}

#[test]
fn a_restore_replaces_a_store_only_when_told_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup"));
    let file = file.to_str().unwrap();
    let server = Server::start(&data);
    let first = server.client().create_key(&[]);
    assert_eq!(server.terminate(), Some(0));
    done(&yaoku(&data, &["backup", file]));
    let server = Server::start(&data);
    let second = server.client().create_key(&[]);
    assert_eq!(server.terminate(), Some(0));

    refused(&yaoku(&data, &["restore", file]), "--replace");
    let mut damaged = std::fs::read(file).unwrap();
    damaged.truncate(damaged.len() - 1);
    let damaged_file = dir.path().join("damaged");
    std::fs::write(&damaged_file, damaged).unwrap();
    refused(&yaoku(&data, &["restore", damaged_file.to_str().unwrap(), "--replace"]), "");
    assert!(!data.join("store.before-restore").exists() && !data.join("restore.tmp").exists());

    let told = done(&yaoku(&data, &["restore", file, "--replace"]));
    assert!(told.contains("store.before-restore") && told.contains("yaoku accept"), "{told}");
    let server = Server::start(&data);
    assert_eq!(server.client().state(&first), "Enabled");
    server.client().call("DescribeKey", &[("KeyId", &second)]).fails(404, "Forbidden.KeyNotFound");
    assert_eq!(server.terminate(), Some(0));
    refused(&yaoku(&data, &["restore", file, "--replace"]), "earlier restore");

    // The former store is whole: put back and accepted, it serves what it held.
    std::fs::remove_dir_all(data.join("store")).unwrap();
    std::fs::rename(data.join("store.before-restore"), data.join("store")).unwrap();
    let told = Server::try_start(&data, |_| {}).err().expect("put back without a word, it is a rollback");
    assert!(told.contains("another store") && told.contains("yaoku accept"), "{told}");
    assert!(done(&yaoku(&data, &["accept"])).contains("accepted the store"));
    let server = Server::start(&data);
    assert_eq!(server.client().state(&first), "Enabled");
    assert_eq!(server.client().state(&second), "Enabled");
}

#[test]
fn the_root_key_rotates_with_and_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let root_key = || std::fs::read(data.join("root.key")).unwrap();
    let server = Server::start(&data);
    let client = server.client();
    let key = client.create_key(&[]);
    let blob = client.encrypt(&key, "aGk=");
    let before = root_key();
    done(&yaoku(&data, &["seal", "rotate"]));
    let between = root_key();
    assert_ne!(before, between);
    assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok().text("Plaintext"), "aGk=");
    client.create_key(&[]);
    assert_eq!(server.terminate(), Some(0));
    done(&yaoku(&data, &["seal", "rotate"]));
    assert_ne!(between, root_key());
    let server = Server::start(&data);
    assert_eq!(server.client().call("Decrypt", &[("CiphertextBlob", &blob)]).ok().text("Plaintext"), "aGk=");
    assert_eq!(server.client().call("ListKeys", &[]).ok().number("TotalCount"), 2);
    assert_eq!(server.terminate(), Some(0));

    std::fs::write(data.join("root.key"), before).unwrap();
    let error = Server::try_start(&data, |_| {}).err().expect("the old root key opens nothing any more");
    assert!(error.contains("seal"), "{error}");
}

#[test]
fn without_a_server_it_is_recorded_in_the_log_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (data, elsewhere, file) = (dir.path().join("data"), dir.path().join("elsewhere"), dir.path().join("backup"));
    let file = file.to_str().unwrap();
    let server = Server::start(&data);
    server.client().create_key(&[]);
    assert_eq!(server.terminate(), Some(0));
    done(&yaoku(&data, &["seal", "rotate"]));
    done(&yaoku(&data, &["backup", file]));
    done(&yaoku(&data, &["restore", "--replace", file]));
    let audit = |args: &[&str]| done(&yaoku(&data, &[&["audit"], args].concat()));
    let events = audit(&["export"]);
    let names = ["CreateKey", "RotateRootKey", "Backup", "Restore"];
    for (line, name) in events.lines().zip(names) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["eventName"], name);
        assert_eq!(event["userIdentity"]["type"], "root-account", "{event}");
        assert!(name == "CreateKey" || event["eventSource"] == "data-directory", "{event}");
    }
    assert_eq!(events.lines().count(), names.len());
    assert!(audit(&["verify"]).contains("is intact"));
    let server = Server::start(&data);
    let by_name = [("LookupAttribute.1.Key", "EventName"), ("LookupAttribute.1.Value", "Restore")];
    let found = server.client().at(support::ACTIONTRAIL).call("LookupEvents", &by_name).ok();
    assert_eq!(found.body["Events"].as_array().unwrap().len(), 1, "{found:?}");
    assert_eq!(server.terminate(), Some(0));

    // No log, no record, and none is begun; a log that can't be gone on with: nothing is done.
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(data.join("root.key"), elsewhere.join("root.key")).unwrap();
    done(&yaoku(&elsewhere, &["restore", file]));
    assert!(!elsewhere.join("audit").exists());
    let root_key = || std::fs::read(data.join("root.key")).unwrap();
    let before = root_key();
    std::fs::write(data.join("audit/public-key"), "another's").unwrap();
    refused(&yaoku(&data, &["seal", "rotate"]), "move the directory away");
    assert_eq!(root_key(), before);
}

#[test]
fn without_a_server_it_is_recorded_that_a_backup_failed() {
    const MOUNT: &str = r#"mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@""#;
    let dir = tempfile::tempdir().unwrap();
    let (data, small) = (dir.path().join("data"), dir.path().join("small"));
    std::fs::create_dir(&small).unwrap();
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", MOUNT]).arg(&small);
        command
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no file system can be mounted here");
        eprintln!("SKIPPED: no file system can be mounted in a namespace here");
        return;
    }
    let server = Server::start(&data);
    for _ in 0..20 {
        server.client().create_key(&[("Description", &"d".repeat(8000))]);
    }
    assert_eq!(server.terminate(), Some(0));
    let mut backup = unshare();
    backup.args([env!("CARGO_BIN_EXE_yaoku"), "backup"]).arg(small.join("backup")).arg("--data-dir").arg(&data);
    refused(&backup.stdin(Stdio::null()).output().unwrap(), "No space left");
    let found = done(&yaoku(&data, &["audit", "query", "--action", "Backup"]));
    let events: Vec<serde_json::Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [begun, failed] = &events[..] else { panic!("{events:?}") };
    assert_eq!(begun["requestId"], failed["requestId"]);
    assert!(begun.get("errorCode").is_none() && failed["errorCode"] == "InternalFailure", "{events:?}");
    assert!(failed["errorMessage"].as_str().unwrap().contains("No space left"), "{failed}");
}

#[test]
fn a_server_whose_socket_is_elsewhere_is_not_gone_round() {
    let dir = tempfile::tempdir().unwrap();
    let (data, socket) = (dir.path().join("data"), dir.path().join("s"));
    let _server = Server::start_with(&data, |command| {
        command.arg("--control-socket").arg(&socket);
    });
    refused(&yaoku(&data, &["seal", "rotate"]), "--control-socket");
    refused(&yaoku(&data, &["restore", "/nonexistent", "--replace"]), "stop it first");
    done(&yaoku(&data, &["seal", "rotate", "--control-socket", socket.to_str().unwrap()]));
}

#[test]
fn servers_do_not_answer_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (data, other, file) = (dir.path().join("data"), dir.path().join("other"), dir.path().join("backup"));
    let socket = data.join("control.sock");
    let _server = Server::start(&data);
    let same_socket = |command: &mut Command| {
        command.arg("--control-socket").arg(&socket);
    };
    let said = Server::try_start(&other, same_socket).err().expect("two servers at one socket");
    assert!(said.contains("another server is listening"), "{said}");
    let server = Server::start(&other);
    let elsewhere = ["--control-socket", socket.to_str().unwrap()];
    for command in [&["backup", file.to_str().unwrap()][..], &["seal", "rotate"]] {
        refused(&yaoku(&other, &[command, &elsewhere].concat()), "another data directory");
    }
    assert!(!file.exists());
    drop(server);
}

/// The last bytes of a backup fail to be written: no success is claimed, and nothing is left that looks like a backup.
#[test]
fn a_backup_that_does_not_fit_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup"));
    let server = Server::start(&data);
    server.client().create_key(&[]);
    let limited = || {
        let mut command = Command::new("prlimit");
        command.args(["--fsize=200", env!("CARGO_BIN_EXE_yaoku"), "backup"]).arg(&file).arg("--data-dir").arg(&data);
        command.stdin(Stdio::null()).output().unwrap()
    };
    refused(&limited(), "large");
    assert!(!file.exists());
    assert_eq!(server.terminate(), Some(0));
    assert_ne!(limited().status.code(), Some(0));
    assert!(!file.exists());
    done(&yaoku(&data, &["backup", file.to_str().unwrap()]));
}

/// A seal that holds two root keys may be needed for the store that is there.
#[test]
fn a_restore_does_not_decide_a_rotation_that_was_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup"));
    let file = file.to_str().unwrap();
    drop(Server::start(&data));
    done(&yaoku(&data, &["backup", file]));
    let seal = std::fs::read_to_string(data.join("root.key")).unwrap();
    let key = seal.lines().nth(1).unwrap();
    let both = format!("{seal}{key}\n");
    std::fs::write(data.join("root.key"), &both).unwrap();
    refused(&yaoku(&data, &["restore", file, "--replace"]), "rotation of the root key was interrupted");
    assert_eq!(std::fs::read_to_string(data.join("root.key")).unwrap(), both);
    std::fs::rename(data.join("store"), data.join("moved-away")).unwrap();
    done(&yaoku(&data, &["restore", file]));
    assert_eq!(std::fs::read_to_string(data.join("root.key")).unwrap(), both, "the seal was written to");
    drop(Server::start(&data));
    assert_eq!(std::fs::read_to_string(data.join("root.key")).unwrap(), seal, "the start finished the rotation");
}

#[test]
fn a_passphrase_seals_the_root_key() {
    let dir = tempfile::tempdir().unwrap();
    let (data, passphrase) = (dir.path().join("data"), dir.path().join("passphrase"));
    let start = |phrase: &str| {
        std::fs::write(&passphrase, phrase).unwrap();
        Server::try_start(&data, |command| {
            command.args(["--seal", "passphrase", "--seal-passphrase-file"]).arg(&passphrase);
        })
    };
    let server = start("correct horse\n").unwrap();
    let key = server.client().create_key(&[]);
    assert_eq!(server.terminate(), Some(0));
    assert!(data.join("root.key.sealed").exists() && !data.join("root.key").exists());
    assert!(start("wrong horse\n").is_err());
    assert_eq!(start("correct horse").unwrap().client().state(&key), "Enabled");
}
