//! The vectors of `docs/audit-format.md`: a log, a checkpoint from its middle, and the proof between that and its end, as
//! `docs/audit-vectors` has them for other implementations. Ed25519 signs the same in the same way, so they are made anew and compared.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use yaoku_audit::note::{Purpose, SEED_LEN, Signer};
use yaoku_audit::{Check, Options, Sync, Trail, check_proof, prove, verify};
use yaoku_crypto::Secret;

/// The seed of the signing key: the bytes from 0 to 31.
fn signer() -> Signer {
    Signer::new(&Secret::new((0..SEED_LEN as u8).collect())).unwrap()
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/audit-vectors")
}

/// Eight records, a group each, in segments of some 1500 bytes; the checkpoint of three.
fn make(dir: &Path) {
    let log = dir.join("log");
    let options = Options { sync: Sync::Durable, segment_bytes: 1500, retained_bytes: None, retained_age: None };
    let trail = Trail::open(&log, Arc::new(signer()), None, options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for at in 0..8 {
        let record = format!(r#"{{"eventId":"{at}","eventName":"Encrypt"}}"#);
        runtime.block_on(trail.admit().unwrap().record(record.into_bytes())).unwrap();
        if at == 2 {
            // The head may be told a moment later than the record.
            while trail.head().size < 3 {
                std::thread::yield_now();
            }
            std::fs::write(dir.join("checkpoint-3"), signer().sign(Purpose::Checkpoint, &trail.head())).unwrap();
        }
    }
    trail.close();
    let old = signer().verifier().open(Purpose::Checkpoint, &std::fs::read(dir.join("checkpoint-3")).unwrap()).unwrap();
    std::fs::write(dir.join("proof-3-8"), prove(&log, signer().verifier(), &old).unwrap()).unwrap();
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for dir in [dir.to_owned(), dir.join("log")] {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                found.insert(PathBuf::from(path.file_name().unwrap()), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn vectors_are_what_is_written_and_hold() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    assert!(files(dir.path()) == files(&vectors()), "the format has changed: other implementations would notice");
    let signer = signer();
    let verifier = signer.verifier();
    let read = |name: &str| std::fs::read(vectors().join(name)).unwrap();
    let old = verifier.open(Purpose::Checkpoint, &read("checkpoint-3")).unwrap();
    let check = Check { verifier, known: &[old], patience: Duration::ZERO };
    let found = verify(&vectors().join("log"), &check, &mut |_| {}).unwrap();
    assert_eq!(found.head.size, 8);
    assert_eq!(check_proof(&read("proof-3-8"), verifier, &old).unwrap(), found.head);
}
