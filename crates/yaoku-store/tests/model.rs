//! The store against a map in memory: random transactions, expectations, watches and reopenings.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use yaoku_store::{Embedded, Error, Found, Outcome, Revision, Store, Transaction};

use support::{SMALL, all, apply, keep, put, revision};

/// What a test does next.
#[derive(Debug, Clone)]
enum Step {
    /// Commit a transaction; for each of these keys it expects what is there, or something else.
    Commit {
        expected: Vec<(u8, bool)>,
        puts: Vec<(u8, Vec<u8>)>,
        deletes: Vec<u8>,
    },
    Reopen,
    Scrub,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0u8..12;
    let commit = (
        vec((key.clone(), prop::bool::weighted(0.9)), 0..3),
        vec((key.clone(), vec(any::<u8>(), 0..2000)), 0..4),
        vec(key, 0..3),
    );
    prop_oneof![
        20 => commit.prop_map(|(expected, puts, deletes)| Step::Commit { expected, puts, deletes }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Scrub),
    ]
}

/// Keys of several lengths, some a prefix of others.
fn key(number: u8) -> Vec<u8> {
    vec![b'k'; usize::from(number)]
}

fn transaction(model: &BTreeMap<Vec<u8>, (Vec<u8>, Revision)>, step: &Step) -> Transaction {
    let Step::Commit { expected, puts, deletes } = step else { return Transaction::default() };
    let mut puts: Vec<_> = puts.iter().map(|(number, value)| (key(*number), value.clone())).collect();
    puts.sort();
    puts.dedup_by(|a, b| a.0 == b.0);
    let expect = |(number, truly): &(u8, bool)| {
        let is = model.get(&key(*number)).map(|(_, revision)| *revision);
        let not = if is.is_some() { None } else { Some(Revision(u64::MAX)) };
        (key(*number), if *truly { is } else { not })
    };
    let deletes = deletes.iter().map(|number| key(*number)).collect();
    Transaction { expected: expected.iter().map(expect).collect(), puts, deletes }
}

async fn run(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Embedded::open(dir.path(), SMALL).unwrap();
    assert_eq!(keep(&store).await, Found::Begun);
    let mut model: BTreeMap<Vec<u8>, (Vec<u8>, Revision)> = BTreeMap::new();
    let mut last = Revision(0);
    for step in &steps {
        match step {
            Step::Reopen => {
                drop(store);
                store = Embedded::open(dir.path(), SMALL).unwrap();
                assert_eq!(keep(&store).await, Found::Untouched);
            }
            Step::Scrub => store.scrub().await.unwrap(),
            Step::Commit { expected, .. } => {
                let transaction = transaction(&model, step);
                let mut watch = store.watch(last).await.unwrap();
                match store.commit(transaction.clone()).await.unwrap() {
                    Outcome::Conflict { key } => {
                        let first = expected.iter().find(|(_, truly)| !truly).unwrap();
                        assert_eq!(key, self::key(first.0));
                    }
                    Outcome::Committed(revision) => {
                        assert!(expected.iter().all(|(_, truly)| *truly));
                        assert_eq!(revision.0, last.0 + 1);
                        last = revision;
                        transaction.deletes.iter().for_each(|key| drop(model.remove(key)));
                        let row = |(key, value): &(Vec<u8>, Vec<u8>)| (key.clone(), (value.clone(), revision));
                        model.extend(transaction.puts.iter().map(row));
                        let change = watch.next().await.unwrap();
                        assert_eq!((change.revision, change.puts), (revision, transaction.puts));
                        assert_eq!(change.deletes, transaction.deletes);
                    }
                }
            }
        }
        let rows = all(&store).await.into_iter().map(|row| (row.key, (row.value, row.revision)));
        assert_eq!(rows.collect::<BTreeMap<_, _>>(), model);
        assert_eq!(store.snapshot().await.unwrap().revision(), last);
        assert_eq!(store.digest().unwrap().0, last);
        store.verify().await.unwrap();
    }
    for number in 0..12 {
        let row = store.get(&key(number)).await.unwrap().map(|row| (row.value, row.revision));
        assert_eq!(row, model.get(&key(number)).cloned());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn it_does_as_a_map_would(steps in vec(step(), 1..24)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(steps));
    }
}

#[tokio::test]
async fn a_snapshot_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    store.commit(put("a", "1")).await.unwrap();
    let before = store.snapshot().await.unwrap();
    store.commit(put("a", "2")).await.unwrap();
    store.scrub().await.unwrap();
    store.commit(put("b", "3")).await.unwrap();
    let rows = before.scan(b"", None, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| &row.value[..]).collect::<Vec<_>>(), [b"1"]);
    assert_eq!(all(&store).await.len(), 2);
}

#[tokio::test]
async fn scans_keep_to_their_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    for key in ["a", "b", "b/1", "b/2", "b\u{ff}", "c"] {
        store.commit(put(key, "")).await.unwrap();
    }
    let snapshot = store.snapshot().await.unwrap();
    let scan = async |prefix: &str, after: Option<&str>, limit| {
        let rows = snapshot.scan(prefix.as_bytes(), after.map(str::as_bytes), limit).await.unwrap();
        rows.into_iter().map(|row| String::from_utf8(row.key).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(scan("b/", None, 10).await, ["b/1", "b/2"]);
    assert_eq!(scan("b/", Some("b/1"), 10).await, ["b/2"]);
    assert_eq!(scan("b", Some("a"), 2).await, ["b", "b/1"]);
    assert!(scan("b", Some("c"), 10).await.is_empty());
    assert!(scan("d", None, 10).await.is_empty());
}

#[tokio::test]
async fn a_second_process_is_refused_while_the_first_lives() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    assert!(matches!(Embedded::open(dir.path(), SMALL), Err(Error::Locked)));
    drop(store);
    assert!(Embedded::open(dir.path(), SMALL).is_ok());
}

#[tokio::test]
async fn transactions_beyond_their_bounds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    let (longest, largest) = (vec![b'k'; Transaction::MAX_KEY], vec![1; Transaction::MAX_VALUE]);
    assert_eq!(revision(&store.commit(put(longest.clone(), largest.clone())).await.unwrap()), Revision(1));
    for transaction in [put([longest, vec![b'k']].concat(), ""), put("k", [largest, vec![1]].concat())] {
        assert!(matches!(store.commit(transaction).await, Err(Error::TooLarge)));
    }
    let many = Transaction { deletes: vec![b"k".to_vec(); 10_001], ..Transaction::default() };
    assert!(matches!(store.commit(many).await, Err(Error::TooLarge)));
}

/// The model's order within one transaction is the store's.
#[tokio::test]
async fn a_row_that_is_deleted_and_put_is_put() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    let both = Transaction { deletes: vec![b"k".to_vec()], ..put("k", "v") };
    let mut model = BTreeMap::new();
    apply(&mut model, &both);
    store.commit(both).await.unwrap();
    assert_eq!(support::contents(&store).await, model);
}
