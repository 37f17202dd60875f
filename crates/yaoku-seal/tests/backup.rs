//! Backups: what was written is restored, elsewhere and under another root key too; a damaged one is refused whole.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use yaoku_crypto::passphrase::Cost;
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_seal::seal::{FileSeal, PassphraseSeal, Seal};
use yaoku_seal::{Error, Kind, Vault, backup};
use yaoku_store::{Embedded, Options, Store};

use support::{ACCOUNT, MemorySeal, put};

const CHEAP: Cost = Cost { memory_kib: 8 << 10, passes: 1, lanes: 1 };

fn store(dir: &Path) -> Arc<Embedded> {
    Arc::new(Embedded::open(dir, Options::default()).unwrap())
}

async fn vault(store: Arc<Embedded>, seal: Arc<dyn Seal>) -> Arc<Vault> {
    Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap())
}

/// A store with records of several sizes, more than one chunk of them, and its backup.
async fn back_up(dir: &Path, seal: Arc<dyn Seal>, records: usize) -> Vec<u8> {
    let vault = vault(store(dir), seal).await;
    vault.create_domain(ACCOUNT).await.unwrap();
    for n in 0..records {
        vault.commit(put(&n.to_string(), &vec![n as u8; 10 + n * 500 % 60_000])).await.unwrap();
    }
    let mut bytes = Vec::new();
    backup::write(&vault, &mut bytes).await.unwrap();
    bytes
}

fn file(bytes: &[u8]) -> File {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file.reopen().unwrap()
}

async fn restored(dir: &Path, seal: Arc<dyn Seal>) -> Vec<Vec<u8>> {
    let vault = vault(store(dir), seal).await;
    let records = vault.view().await.unwrap().scan(Kind(9), None, None, None, 1000).await.unwrap();
    for (name, record) in &records {
        assert!(vault.get(name).await.unwrap().unwrap().bytes.ct_eq(record.bytes.expose()));
    }
    records.into_iter().map(|(_, record)| record.bytes.expose().to_vec()).collect()
}

fn passphrase(path: &Path, passphrase: &str) -> Arc<PassphraseSeal> {
    let passphrase = Secret::new(passphrase.as_bytes().to_vec());
    Arc::new(PassphraseSeal { path: path.to_owned(), passphrase, cost: CHEAP })
}

#[tokio::test]
async fn a_backup_restores_under_the_same_file_seal() {
    let dir = tempfile::tempdir().unwrap();
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let bytes = back_up(&dir.path().join("from"), seal.clone(), 120).await;
    // 120 records, two domain keys.
    assert_eq!(backup::verify(file(&bytes), seal.as_ref()).await.unwrap(), 122);
    let to = dir.path().join("to");
    assert_eq!(backup::restore(file(&bytes), seal.as_ref(), store(&to).as_ref()).await.unwrap(), 122);
    assert_eq!(restored(&to, seal.clone()).await, restored(&dir.path().join("from"), seal).await);
}

/// The passphrase alone suffices: the seal file may be lost with the machine.
#[tokio::test]
async fn a_backup_restores_by_passphrase_on_another_machine() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = back_up(&dir.path().join("from"), passphrase(&dir.path().join("seal"), "open"), 5).await;
    let elsewhere = passphrase(&dir.path().join("elsewhere"), "open");
    let to = dir.path().join("to");
    assert_eq!(backup::restore(file(&bytes), elsewhere.as_ref(), store(&to).as_ref()).await.unwrap(), 7);
    assert_eq!(restored(&to, elsewhere).await.len(), 5);
    let wrong = passphrase(&dir.path().join("third"), "wrong");
    assert!(backup::verify(file(&bytes), wrong.as_ref()).await.is_err());
}

/// After a rotation of the root key, a backup from before restores under the new one, for it carries its own under the
/// passphrase.
#[tokio::test]
async fn a_backup_from_before_a_rotation_restores_under_the_new_root_key() {
    let dir = tempfile::tempdir().unwrap();
    let seal = passphrase(&dir.path().join("seal"), "open");
    let bytes = back_up(&dir.path().join("from"), seal.clone(), 3).await;
    vault(store(&dir.path().join("from")), seal.clone()).await.rotate_root().await.unwrap();
    let to = dir.path().join("to");
    backup::restore(file(&bytes), seal.as_ref(), store(&to).as_ref()).await.unwrap();
    assert_eq!(restored(&to, seal).await.len(), 3);
}

#[tokio::test]
async fn a_store_with_rows_is_not_restored_into() {
    let dir = tempfile::tempdir().unwrap();
    let seal = Arc::new(MemorySeal::default());
    let bytes = back_up(&dir.path().join("from"), seal.clone(), 3).await;
    let from = store(&dir.path().join("from"));
    let before = from.snapshot().await.unwrap().revision();
    assert!(matches!(backup::restore(file(&bytes), seal.as_ref(), from.as_ref()).await, Err(Error::Backup(_))));
    assert_eq!(from.snapshot().await.unwrap().revision(), before);
}

#[tokio::test]
async fn nothing_in_a_backup_is_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = back_up(dir.path(), Arc::new(MemorySeal::default()), 3).await;
    for planted in [&[1u8; 100][..], b"1111111111111111"] {
        assert!(!bytes.windows(planted.len()).any(|window| window == planted));
    }
}

/// Any byte changed, any end cut off, anything appended, chunks swapped or repeated: refused.
#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let seal = Arc::new(MemorySeal::default());
    let bytes = back_up(dir.path(), seal.clone(), 120).await;
    let refused = async |damaged: &[u8], what: String| {
        let result = backup::verify(file(damaged), seal.as_ref()).await;
        assert!(matches!(result, Err(Error::Backup(_))), "{what}: {result:?}");
    };
    // All of the header, and places all over the rest.
    for at in (0..150).chain((150..bytes.len()).step_by(bytes.len() / 100)) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        refused(&damaged, format!("byte {at} changed")).await;
    }
    for length in (0..200).chain((200..bytes.len()).step_by(bytes.len() / 100)) {
        refused(&bytes[..length], format!("{length} bytes left")).await;
    }
    refused(&[&bytes[..], b"x"].concat(), "a byte appended".into()).await;
    let (header, chunks) = chunks_of(&bytes);
    assert!(chunks.len() >= 4, "{} chunks", chunks.len());
    for n in 0..chunks.len() - 1 {
        let mut swapped = chunks.clone();
        swapped.swap(n, n + 1);
        refused(&[header, &swapped.concat()].concat(), format!("chunk {n} swapped with the next")).await;
        let mut repeated = chunks.clone();
        repeated.insert(n, chunks[n]);
        refused(&[header, &repeated.concat()].concat(), format!("chunk {n} repeated")).await;
        let mut dropped = chunks.clone();
        dropped.remove(n);
        refused(&[header, &dropped.concat()].concat(), format!("chunk {n} dropped")).await;
    }
}

/// A chunk of one backup does not fit into another of the same store.
#[tokio::test]
async fn backups_can_not_be_spliced() {
    let dir = tempfile::tempdir().unwrap();
    let seal = Arc::new(MemorySeal::default());
    let one = back_up(dir.path(), seal.clone(), 120).await;
    let mut other = Vec::new();
    backup::write(vault(store(dir.path()), seal.clone()).await.as_ref(), &mut other).await.unwrap();
    let ((header, chunks), (_, others)) = (chunks_of(&one), chunks_of(&other));
    let mut spliced = chunks.clone();
    spliced[1] = others[1];
    assert!(backup::verify(file(&[header, &spliced.concat()].concat()), seal.as_ref()).await.is_err());
    assert!(backup::verify(file(&one), seal.as_ref()).await.is_ok());
}

/// The header, and the chunks with their lengths, as `docs/backup-format.md` has them.
fn chunks_of(bytes: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let name = usize::from(bytes[8]);
    let portable = u32::from_be_bytes(bytes[9 + name..13 + name].try_into().unwrap()) as usize;
    let (header, mut rest) = bytes.split_at(13 + name + portable + SEALED_KEY);
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let (chunk, tail) = rest.split_at(4 + length);
        chunks.push(chunk);
        rest = tail;
    }
    (header, chunks)
}

/// A key of 32 bytes and what sealing adds to it: commitment (32), nonce (24) and tag (16).
const SEALED_KEY: usize = 32 + 32 + 24 + 16;
