//! Someone who can write the data directory, but has no seal, puts older files or rows back, or takes some away: the next start refuses,
//! and says what to do. Where a data directory was set back as a whole, only a witness outside can tell.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use support::{Client, RAM, Server};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Kinds of records: the first byte of a row's key.
const ACCESS_KEY: u8 = 9;
const POLICY: u8 = 14;
const KEY: u8 = 16;
const REMEMBERED: u8 = 33;

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for path in support::files_below(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&path, to).unwrap();
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn rows_of(data: &Path) -> Rows {
    let database = Database::open(data.join("store/store.redb")).unwrap();
    let read = database.begin_read().unwrap();
    let rows = read.open_table(ROWS).unwrap();
    rows.iter().unwrap().map(Result::unwrap).map(|(key, row)| (key.value().to_vec(), row.value().to_vec())).collect()
}

/// Writes rows into a store's file as redb would: pages and their checksums are right.
fn forge(data: &Path, puts: &Rows, deletes: &[Vec<u8>]) {
    let database = Database::open(data.join("store/store.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut rows = write.open_table(ROWS).unwrap();
        for key in deletes {
            rows.remove(key.as_slice()).unwrap().unwrap();
        }
        for (key, row) in puts {
            rows.insert(key.as_slice(), row.as_slice()).unwrap();
        }
    }
    write.commit().unwrap();
}

/// The rows of a kind that are others now, as they were.
fn former(before: &Rows, now: &Rows, kind: u8) -> Rows {
    let is_former = |(key, row): &(&Vec<u8>, &Vec<u8>)| key[0] == kind && now.get(*key).is_some_and(|now| now != *row);
    let found: Rows = before.iter().filter(is_former).map(|(key, row)| (key.clone(), row.clone())).collect();
    assert!(!found.is_empty(), "nothing of kind {kind} changed");
    found
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// A data directory with a key, a user with an AccessKey, and a Deny that is attached to it.
    fn new() -> (Self, Facts) {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        let server = Server::start(&world.data());
        let client = server.client();
        let key = client.create_key(&[]);
        let ram = client.at(RAM);
        ram.call("CreateUser", &[("UserName", "ann")]).ok();
        let document = r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}"#;
        ram.call("CreatePolicy", &[("PolicyName", "deny"), ("PolicyDocument", document)]).ok();
        let attached = [("UserName", "ann"), ("PolicyType", "Custom"), ("PolicyName", "deny")];
        ram.call("AttachPolicyToUser", &attached).ok();
        let made = ram.call("CreateAccessKey", &[("UserName", "ann")]).ok();
        let access_key = made.text("AccessKey/AccessKeyId").to_owned();
        assert_eq!(server.terminate(), Some(0));
        (world, Facts { key, access_key })
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn kept(&self) -> PathBuf {
        self.dir.path().join("kept")
    }

    /// Keeps a copy of the data directory, then changes something and stops the server.
    fn keep_then(&self, change: impl FnOnce(&Client)) {
        copy(&self.data(), &self.kept());
        let server = Server::start(&self.data());
        change(&server.client());
        assert_eq!(server.terminate(), Some(0));
    }

    /// What a start says that refuses.
    #[track_caller]
    fn refused(&self, what: &str) -> String {
        let told = Server::try_start(&self.data(), |_| {}).err();
        let told = told.unwrap_or_else(|| panic!("accepted: {what}"));
        let refusal = told.lines().last().unwrap_or_default().to_owned();
        assert!(refusal.starts_with("yaoku: "), "{refusal}");
        refusal
    }
}

struct Facts {
    key: String,
    access_key: String,
}

fn yaoku(data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    command.args(args).arg("--data-dir").arg(data).stdin(Stdio::null()).output().unwrap()
}

fn disable(facts: &Facts) -> impl FnOnce(&Client) {
    let key = facts.key.clone();
    move |client: &Client| drop(client.call("DisableKey", &[("KeyId", &key)]).ok())
}

#[test]
fn an_old_file_is_refused_with_an_anchor_and_without() {
    let (world, facts) = World::new();
    world.keep_then(disable(&facts));
    let (data, kept) = (world.data(), world.kept());
    fs::copy(kept.join("store/store.redb"), data.join("store/store.redb")).unwrap();
    assert!(world.refused("an older file").contains("was acknowledged"));
    fs::remove_file(data.join("store/store.anchor")).unwrap();
    let told = world.refused("an older file, without the anchor");
    assert!(told.contains("store.anchor is missing") && told.contains("yaoku accept"), "{told}");
    // With the anchor and the sums of its time, the store agrees with itself, and the audit log tells.
    copy(&kept.join("store"), &data.join("store"));
    let told = world.refused("an older store");
    assert!(told.contains("rolled back") && told.contains("yaoku accept"), "{told}");
}

#[test]
fn an_anchor_that_is_missing_is_refused() {
    let (world, _) = World::new();
    fs::remove_file(world.data().join("store/store.anchor")).unwrap();
    assert!(world.refused("a store without an anchor").contains("store.anchor is missing"));
}

#[test]
fn an_old_row_of_a_key_is_refused() {
    let (world, facts) = World::new();
    world.keep_then(disable(&facts));
    let old = former(&rows_of(&world.kept()), &rows_of(&world.data()), KEY);
    forge(&world.data(), &old, &[]);
    let told = world.refused("an old row of a key");
    assert!(told.contains("rows are not those") && told.contains("restore it from a backup"), "{told}");
}

#[test]
fn an_old_row_of_an_access_key_is_refused_also_with_sums_of_the_forged_file() {
    let (world, facts) = World::new();
    world.keep_then(|client| {
        let params = [("UserName", "ann"), ("UserAccessKeyId", &*facts.access_key), ("Status", "Inactive")];
        client.at(RAM).call("UpdateAccessKey", &params).ok();
    });
    let old = former(&rows_of(&world.kept()), &rows_of(&world.data()), ACCESS_KEY);
    let sums = world.data().join("store/store.sums");
    let left = fs::read(&sums).unwrap();
    forge(&world.data(), &old, &[]);
    // Whoever can forge rows can forge sums, but for the code behind them.
    let file = fs::read(world.data().join("store/store.redb")).unwrap();
    let mut forged = left[..16].to_vec();
    forged.extend((file.len() as u64).to_be_bytes());
    for piece in file.chunks(1 << 20) {
        forged.extend(yaoku_crypto::mac::hash(yaoku_crypto::mac::Hash::Sha256, piece).as_bytes());
    }
    forged.extend(&left[forged.len()..]);
    assert_eq!(forged.len(), left.len());
    fs::write(sums, forged).unwrap();
    assert!(world.refused("an old row of an AccessKey").contains("rows are not those"));
}

#[test]
fn a_policy_without_its_row_is_refused() {
    let (world, _) = World::new();
    let rows = rows_of(&world.data());
    let policies: Vec<_> = rows.keys().filter(|key| key[0] == POLICY).cloned().collect();
    assert_eq!(policies.len(), 1);
    forge(&world.data(), &Rows::new(), &policies);
    assert!(world.refused("a policy's row is gone").contains("rows are not those"));
    // An operator who accepts the rows as they are does not get an attachment without its policy either.
    assert!(yaoku(&world.data(), &["accept"]).status.success());
    let told = world.refused("an attachment without its policy");
    assert!(told.contains("the policy deny is missing") && told.contains("restore the store"), "{told}");
}

#[test]
fn rows_without_their_digest_are_refused() {
    let (world, facts) = World::new();
    world.keep_then(disable(&facts));
    let old = former(&rows_of(&world.kept()), &rows_of(&world.data()), KEY);
    forge(&world.data(), &old, &[]);
    let strip = |format: Option<u32>| {
        let database = Database::open(world.data().join("store/store.redb")).unwrap();
        let write = database.begin_write().unwrap();
        {
            let mut meta = write.open_table(META).unwrap();
            meta.remove("digest").unwrap();
            if let Some(format) = format {
                meta.insert("format", &format.to_le_bytes()[..]).unwrap();
            }
        }
        write.commit().unwrap();
    };
    strip(None);
    assert!(world.refused("no digest").contains("digest of its rows is missing"));
    strip(Some(1));
    assert!(world.refused("no digest, and as of an earlier format").contains("digest of its rows is missing"));
}

#[test]
fn a_log_that_was_cut_is_refused_also_when_the_store_forgot_it() {
    let (world, facts) = World::new();
    world.keep_then(disable(&facts));
    let (data, kept) = (world.data(), world.kept());
    let log = |data: &Path| {
        let mut found = support::files_below(&data.join("audit")).into_iter();
        found.find(|path| path.extension().is_some_and(|end| end == "log")).unwrap()
    };
    let whole = fs::read(log(&data)).unwrap();
    fs::copy(log(&kept), log(&data)).unwrap();
    assert!(world.refused("a log that was cut").contains("records"));
    let remembered: Vec<_> = rows_of(&data).into_keys().filter(|key| key[0] == REMEMBERED).collect();
    assert_eq!(remembered.len(), 1);
    forge(&data, &Rows::new(), &remembered);
    assert!(world.refused("what was remembered is gone").contains("rows are not those"));
    // Also where the store is taken as it is: somebody has to say so of the log as well.
    fs::write(log(&data), whole).unwrap();
    fs::remove_dir_all(data.join("audit")).unwrap();
    assert!(yaoku(&data, &["accept"]).status.success());
    Server::start(&data).kill();
}

#[test]
fn what_an_operator_put_back_is_accepted_when_told_so() {
    let (world, facts) = World::new();
    world.keep_then(disable(&facts));
    let newer = world.dir.path().join("newer");
    copy(&world.data().join("store"), &newer);
    copy(&world.kept().join("store"), &world.data().join("store"));
    world.refused("an older store");
    let accepted = yaoku(&world.data(), &["accept"]);
    assert!(accepted.status.success(), "{accepted:?}");
    let server = Server::start(&world.data());
    assert_eq!(server.client().state(&facts.key), "Enabled");
    let listed = yaoku(&world.data(), &["audit", "query", "--action", "Accept"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 1, "{listed:?}");
    disable(&facts)(&server.client());
    server.kill();
    let server = Server::start(&world.data());
    assert_eq!(server.client().state(&facts.key), "Disabled");
    assert_eq!(server.terminate(), Some(0));
    assert!(yaoku(&world.data(), &["audit", "verify"]).status.success());
    assert!(!yaoku(&world.dir.path().join("none"), &["accept"]).status.success());
    // What was given up by that is another store from then on, however many commits it has.
    copy(&newer, &world.data().join("store"));
    assert!(world.refused("the store that was given up").contains("another store"));
}

#[test]
fn a_store_from_before_a_restore_is_refused() {
    let (world, facts) = World::new();
    let file = world.dir.path().join("backup");
    assert!(yaoku(&world.data(), &["backup", file.to_str().unwrap()]).status.success());
    let restored = yaoku(&world.data(), &["restore", "--replace", file.to_str().unwrap()]);
    assert!(restored.status.success(), "{restored:?}");
    let server = Server::start(&world.data());
    disable(&facts)(&server.client());
    assert_eq!(server.terminate(), Some(0));
    let (store, before) = (world.data().join("store"), world.data().join("store.before-restore"));
    fs::remove_dir_all(&store).unwrap();
    fs::rename(before, store).unwrap();
    assert!(world.refused("the store from before the restore").contains("another store"));
}

/// Sets a data directory back as a whole; a server with that witness refuses, and one without can't tell.
fn set_back_under(witness: &str, environment: &[(&str, &str)]) {
    let (world, facts) = World::new();
    let with_witness = |command: &mut Command| {
        command.args(["--witness", witness, "--witness-interval", "1"]).envs(environment.iter().copied());
    };
    let server = Server::start_with(&world.data(), with_witness);
    disable(&facts)(&server.client());
    assert_eq!(server.terminate(), Some(0));
    copy(&world.data(), &world.kept());
    let server = Server::start_with(&world.data(), with_witness);
    server.client().call("EnableKey", &[("KeyId", &facts.key)]).ok();
    assert_eq!(server.terminate(), Some(0));
    // Stopped and gone on with, it agrees.
    let server = Server::start_with(&world.data(), with_witness);
    assert_eq!(server.client().state(&facts.key), "Enabled");
    server.client().call("ListKeys", &[]).ok();
    assert_eq!(server.terminate(), Some(0));

    copy(&world.kept(), &world.data());
    let told = Server::try_start(&world.data(), with_witness).err().expect("the witness knows more");
    assert!(told.contains("the data directory was rolled back") && told.contains("put the newer"), "{told}");
    let server = Server::start(&world.data());
    assert_eq!(server.client().state(&facts.key), "Disabled", "nothing in the directory tells");
    // A log that goes on another way, and gets longer than what the witness knows.
    for _ in 0..20 {
        server.client().call("ListKeys", &[]).ok();
    }
    assert_eq!(server.terminate(), Some(0));
    let told = Server::try_start(&world.data(), with_witness).err().expect("the witness knows other records");
    assert!(told.contains("contradicts"), "{told}");
}

#[test]
fn a_witness_in_a_file_tells_that_all_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    set_back_under(&format!("file:{}", dir.path().join("witness").display()), &[]);
}

#[test]
fn a_witness_by_a_command_tells_that_all_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let (script, kept) = (dir.path().join("witness.sh"), dir.path().join("kept"));
    fs::create_dir(&kept).unwrap();
    // As the documentation has it, where SSH says what was asked for.
    let documented = include_str!("../../../docs/rollback.md").split_once("#!/bin/sh").unwrap().1;
    let documented = documented.split_once("```").unwrap().0;
    assert!(documented.contains("/var/lib/yaoku-witness"));
    fs::write(&script, documented.replace("/var/lib/yaoku-witness", kept.to_str().unwrap())).unwrap();
    let ssh = format!("ssh() {{ shift; SSH_ORIGINAL_COMMAND=\"$*\" sh {}; }}", script.display());
    set_back_under(&format!("exec:{ssh}; ssh witness.example"), &[]);
    let told = support::files_below(&kept);
    assert!(told.len() > 2 && fs::read_to_string(&told[0]).unwrap().starts_with("yaoku-audit/"), "{told:?}");
}

#[test]
fn a_witness_behind_tls_tells_that_all_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusted = dir.path().join("trusted.pem");
    fs::write(&trusted, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let (config, kept) = (Arc::new(config), Arc::new(Mutex::new(None::<Vec<u8>>)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            let _ = answer(&mut stream, &kept);
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    let trusted = trusted.to_str().unwrap();
    set_back_under(&format!("https://localhost:{port}/yaoku/checkpoint"), &[("SSL_CERT_FILE", trusted)]);
    // A server that the system does not trust is none to ask.
    let data = dir.path().join("data");
    let witness = format!("https://localhost:{port}/");
    let told = Server::try_start(&data, |command| {
        command.args(["--witness", &witness]);
    });
    assert!(told.err().expect("not trusted").contains("the witness can't be asked"));
}

/// Keeps what was put, and gives it to who asks: one request a connection.
fn answer(stream: &mut (impl Read + Write), kept: &Mutex<Option<Vec<u8>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let mut kept = kept.lock().unwrap();
    let (status, body) = match (head.starts_with("put /"), kept.as_ref()) {
        (true, _) => {
            *kept = Some(body);
            ("204 No Content", Vec::new())
        }
        (false, Some(note)) => ("200 OK", note.clone()),
        (false, None) => ("404 Not Found", b"nothing here".to_vec()),
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)?;
    stream.flush()
}

#[test]
fn a_witness_that_can_not_be_asked_or_is_of_another_log_is_a_refusal() {
    let (world, _) = World::new();
    let start = |witness: &str| {
        let witness = witness.to_owned();
        Server::try_start(&world.data(), move |command| {
            command.args(["--witness", &witness]);
        })
    };
    let told = start("exec:exit 3;").err().expect("it fails");
    assert!(told.contains("the witness can't be asked") && told.contains("--witness"), "{told}");
    let elsewhere = world.dir.path().join("elsewhere");
    let note = world.dir.path().join("note");
    assert_eq!(Server::start(&elsewhere).terminate(), Some(0));
    fs::write(&note, yaoku(&elsewhere, &["audit", "checkpoint"]).stdout).unwrap();
    let told = start(&format!("file:{}", note.display())).err().expect("another log's");
    assert!(told.contains("contradicts"), "{told}");
}
