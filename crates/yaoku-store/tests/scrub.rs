//! Scrubbing: bytes of deleted rows leave the file, while commits go on and none is lost.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use yaoku_store::{Embedded, Store, Transaction};

use support::{SMALL, contents, put, revision};

const PLANTED: &[u8] = b"material that must not outlive its key";

fn holds_planted(dir: &Path) -> bool {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(PLANTED.len()).any(|window| window == PLANTED))
}

#[tokio::test]
async fn bytes_of_deleted_and_overwritten_rows_leave_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    for n in 0..300u32 {
        store.commit(put(n.to_be_bytes(), vec![7; 100])).await.unwrap();
    }
    store.commit(put("deleted", PLANTED)).await.unwrap();
    store.commit(put("overwritten", PLANTED)).await.unwrap();
    assert!(holds_planted(dir.path()));
    store.commit(Transaction { deletes: vec![b"deleted".to_vec()], ..put("overwritten", "new") }).await.unwrap();
    assert!(holds_planted(dir.path()), "if freed pages held nothing, there were nothing to scrub");
    store.scrub().await.unwrap();
    assert!(!holds_planted(dir.path()));
    assert_eq!(contents(&store).await.len(), 301);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_go_on_during_scrubs_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(dir.path(), SMALL).unwrap());
    let writers = (0..4u32).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..150u32 {
                let key = [writer.to_be_bytes(), (n % 40).to_be_bytes()].concat();
                let transaction = if n % 7 == 6 {
                    Transaction { deletes: vec![key], ..Transaction::default() }
                } else {
                    put(key, n.to_be_bytes())
                };
                store.commit(transaction).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut scrubs = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        store.scrub().await.unwrap();
        scrubs += 1;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(scrubs > 1);
    let mut expected = std::collections::BTreeMap::new();
    for writer in 0..4u32 {
        for n in 0..150u32 {
            let key = [writer.to_be_bytes(), (n % 40).to_be_bytes()].concat();
            if n % 7 == 6 {
                expected.remove(&key)
            } else {
                expected.insert(key, n.to_be_bytes().to_vec())
            };
        }
    }
    assert_eq!(contents(store.as_ref()).await, expected);
    assert_eq!(revision(&store.commit(put("next", "")).await.unwrap()).0, 601);
    drop(store);
    expected.insert(b"next".to_vec(), Vec::new());
    assert_eq!(contents(&Embedded::open(dir.path(), SMALL).unwrap()).await, expected);
}

/// What a scrub was cut off in leaves the old file in place, and is cleared away.
#[tokio::test]
async fn what_a_cut_off_scrub_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    drop(Embedded::open(dir.path(), SMALL).unwrap());
    std::fs::write(dir.path().join("store.redb.new"), PLANTED).unwrap();
    drop(Embedded::open(dir.path(), SMALL).unwrap());
    assert!(!holds_planted(dir.path()));
}
