//! Power failures, full disks and failed syncs: what was acknowledged is there, nothing is half done, and the store
//! recovers once the fault is gone.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use yaoku_store::{Embedded, Error, Found, Outcome, Revision, Store, Transaction};

use support::disk::{Disk, Faults};
use support::{SMALL, apply, contents, keep, put, revision};

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// One or more rows of twenty, which belong together.
fn random_transaction(random: &mut Rng, number: u64) -> Transaction {
    let key = |random: &mut Rng| format!("key {}", random.u8(0..20)).into_bytes();
    let mut puts = State::new();
    for _ in 0..=random.u8(0..3) {
        let length = random.usize(0..3000);
        puts.insert(key(random), [number.to_be_bytes().as_slice(), &vec![number as u8; length]].concat());
    }
    let deletes = (0..random.u8(0..2)).map(|_| key(random)).collect();
    Transaction { puts: puts.into_iter().collect(), deletes, ..Transaction::default() }
}

/// Every state that a store went through, by its revision.
struct History {
    states: Vec<State>,
    acknowledged: usize,
}

impl History {
    async fn check(&self, store: &Embedded, seed: u64) {
        let at = store.snapshot().await.unwrap().revision().0 as usize;
        assert!(at >= self.acknowledged, "seed {seed}: {} was acknowledged, {at} is there", self.acknowledged);
        assert!(at < self.states.len(), "seed {seed}: revision {at} was never asked for");
        assert_eq!(contents(store).await, self.states[at], "seed {seed}: revision {at} is half done");
    }
}

/// Commits one after the other until the disk fails.
async fn write_until_it_fails(store: &Embedded, random: &mut Rng, history: &mut History) {
    for number in 0.. {
        let transaction = random_transaction(random, number);
        let mut next = history.states.last().unwrap().clone();
        apply(&mut next, &transaction);
        history.states.push(next);
        match store.commit(transaction).await {
            Ok(outcome) => history.acknowledged = revision(&outcome).0 as usize,
            Err(Error::Unavailable(_)) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Two power failures in a row, each in the middle of writing, over 300 disks.
#[tokio::test]
async fn a_power_failure_leaves_every_acknowledged_commit_and_none_half_done() {
    for seed in 0..300u64 {
        let mut random = Rng::with_seed(seed);
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let mut history = History { states: vec![State::new()], acknowledged: 0 };
        // The first opening makes the store; a failure within it is another test.
        drop(Embedded::open_wrapped(dir.path(), SMALL, on(&disk)).unwrap());
        for _ in 0..2 {
            let store = Embedded::open_wrapped(dir.path(), SMALL, on(&disk)).unwrap();
            keep(&store).await;
            history.check(&store, seed).await;
            history.states.truncate(store.snapshot().await.unwrap().revision().0 as usize + 1);
            disk.fail_after(random.u64(0..200));
            write_until_it_fails(&store, &mut random, &mut history).await;
            drop(store);
            let kept = random.u8(0..=100);
            disk.come_back(|| random.u8(0..100) < kept);
        }
        let store = Embedded::open_wrapped(dir.path(), SMALL, on(&disk)).unwrap();
        assert_eq!(keep(&store).await, Found::Right, "seed {seed}");
        history.check(&store, seed).await;
        store.commit(put("after", "the failures")).await.unwrap();
    }
}

/// Nothing was acknowledged in a store whose making was cut off, so it is made again.
#[tokio::test]
async fn a_store_whose_making_was_cut_off_is_made_again() {
    let mut failures = 0;
    for writes in 0..40 {
        let (dir, faults) = (tempfile::tempdir().unwrap(), Faults::none());
        faults.writes_left.store(writes, Ordering::Relaxed);
        let Err(error) = Embedded::open_wrapped(dir.path(), SMALL, faults.wrap()) else { break };
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        failures += 1;
        assert!(contents(&Embedded::open(dir.path(), SMALL).unwrap()).await.is_empty());
    }
    assert!(failures > 5);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_serves_reads_until_there_is_space() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Faults::none());
    let store = Embedded::open_wrapped(dir.path(), SMALL, faults.wrap()).unwrap();
    keep(&store).await;
    let mut state = State::new();
    for round in 0..20 {
        let before = put("steady", round.to_string());
        apply(&mut state, &before);
        store.commit(before).await.unwrap();
        // The nth write from now on finds no space, and none after it.
        faults.writes_left.store(round, Ordering::Relaxed);
        let large = put("large", vec![round as u8; 200_000]);
        match store.commit(large.clone()).await {
            Ok(_) => apply(&mut state, &large),
            Err(error) => {
                assert!(matches!(error, Error::Unavailable(_)), "{error}");
                assert!(store.health().await.is_err());
            }
        }
        faults.writes_left.store(-1, Ordering::Relaxed);
        recovered(&store).await;
        assert_eq!(contents(&store).await, state, "round {round}");
        store.verify().await.unwrap();
    }
    drop(store);
    assert_eq!(contents(&Embedded::open(dir.path(), SMALL).unwrap()).await, state);
}

/// After a failed sync the file is not trusted, although it reads well: what it holds is written into a new one.
#[tokio::test]
async fn a_failed_sync_moves_the_store_to_a_new_file() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Faults::none());
    let store = Embedded::open_wrapped(dir.path(), SMALL, faults.wrap()).unwrap();
    keep(&store).await;
    let file = dir.path().join("store.redb");
    let mut state = State::new();
    for round in 0..6 {
        let inode = std::fs::metadata(&file).unwrap().ino();
        faults.syncs_left.store(0, Ordering::Relaxed);
        let transaction = put("row", vec![round; 1000]);
        match store.commit(transaction.clone()).await {
            Ok(_) => apply(&mut state, &transaction),
            Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error}"),
        }
        faults.syncs_left.store(-1, Ordering::Relaxed);
        recovered(&store).await;
        assert_ne!(std::fs::metadata(&file).unwrap().ino(), inode, "round {round}");
        let transaction = put("next", vec![round; 1000]);
        apply(&mut state, &transaction);
        store.commit(transaction).await.unwrap();
        assert_eq!(contents(&store).await, state, "round {round}");
        store.verify().await.unwrap();
    }
    drop(store);
    assert_eq!(contents(&Embedded::open(dir.path(), SMALL).unwrap()).await, state);
}

/// The sync of a commit fails, and the store can't even be moved to a new file at first. The commit was refused, but is
/// found in the file later: then watchers start over, and revisions go on from it.
#[tokio::test]
async fn a_refused_commit_that_turns_up_later_is_a_commit() {
    for by_probe in [true, false] {
        let (dir, faults) = (tempfile::tempdir().unwrap(), Faults::none());
        let store = Embedded::open_wrapped(dir.path(), SMALL, faults.wrap()).unwrap();
        let first = revision(&store.commit(put("first", "row")).await.unwrap());
        let mut watch = store.watch(first).await.unwrap();
        let in_the_way = dir.path().join("store.redb.rescued");
        std::fs::create_dir(&in_the_way).unwrap();
        faults.syncs_left.store(0, Ordering::Relaxed);
        assert!(matches!(store.commit(put("unsure", "row")).await, Err(Error::Unavailable(_))));
        std::fs::remove_dir(&in_the_way).unwrap();
        if by_probe {
            recovered(&store).await;
        } else {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let next = revision(&store.commit(put("next", "row")).await.unwrap());
        let there = contents(&store).await;
        let landed = there.contains_key(&b"unsure"[..]);
        assert_eq!(there.len(), if landed { 3 } else { 2 });
        assert_eq!(next.0, first.0 + if landed { 2 } else { 1 }, "two commits have one number");
        if landed {
            assert!(matches!(watch.next().await, Err(Error::Compacted)), "a watcher was not told of a commit");
        }
        assert_eq!(revision(&store.commit(put("last", "row")).await.unwrap()).0, next.0 + 1);
    }
}

/// What does not fit is not begun, and what breaks off leaves nothing.
#[tokio::test]
async fn a_scrub_that_fails_leaves_no_file() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Faults::none());
    let store = Embedded::open_wrapped(dir.path(), SMALL, faults.wrap()).unwrap();
    store.commit(put("row", vec![1; 100_000])).await.unwrap();
    for writes in 0..20 {
        faults.writes_left.store(writes, Ordering::Relaxed);
        let scrubbed = store.scrub().await;
        faults.writes_left.store(-1, Ordering::Relaxed);
        assert!(scrubbed.is_ok() || !dir.path().join("store.redb.new").exists(), "after {writes} writes");
        recovered(&store).await;
        assert_eq!(contents(&store).await.len(), 1);
    }
}

/// A commit fails between a scrub's copy and its end: the copy lacks what came meanwhile, and must not stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_that_a_failed_write_cuts_off_leaves_no_file() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Faults::none());
    let store = Arc::new(Embedded::open_wrapped(dir.path(), SMALL, faults.wrap()).unwrap());
    for n in 0..2000u32 {
        store.commit(put(n.to_be_bytes(), vec![1; 500])).await.unwrap();
    }
    let mut cut_off = 0;
    for wait in 0..20 {
        let scrub = tokio::spawn({
            let store = store.clone();
            async move { store.scrub().await }
        });
        tokio::time::sleep(Duration::from_millis(wait)).await;
        faults.syncs_left.store(0, Ordering::Relaxed);
        let _ = store.commit(put("meanwhile", "row")).await;
        faults.syncs_left.store(-1, Ordering::Relaxed);
        cut_off += u32::from(scrub.await.unwrap().is_err());
        recovered(&store).await;
        assert!(!dir.path().join("store.redb.new").exists());
    }
    assert!(cut_off > 0, "no scrub was cut off");
    store.scrub().await.unwrap();
}

#[tokio::test]
async fn commits_that_wait_share_a_sync() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Faults::none());
    let store = Arc::new(Embedded::open_wrapped(dir.path(), SMALL, faults.wrap()).unwrap());
    let before = faults.syncs.load(Ordering::Relaxed);
    let commits = (0..500).map(|n: u32| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(put(n.to_be_bytes(), "row")).await.unwrap() })
    });
    let mut revisions = Vec::new();
    for commit in commits.collect::<Vec<_>>() {
        revisions.push(revision(&commit.await.unwrap()));
    }
    revisions.sort();
    assert_eq!(revisions, (1..=500).map(Revision).collect::<Vec<_>>());
    let syncs = faults.syncs.load(Ordering::Relaxed) - before;
    assert!(syncs <= 50, "500 commits took {syncs} syncs");
}

#[tokio::test]
async fn of_two_that_expect_the_same_row_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(dir.path(), SMALL).unwrap());
    let claims = (0..50).map(|n: u32| {
        let store = store.clone();
        let claim = Transaction { expected: vec![(b"row".to_vec(), None)], ..put("row", n.to_be_bytes()) };
        tokio::spawn(async move { store.commit(claim).await.unwrap() })
    });
    let mut won = 0;
    for claim in claims.collect::<Vec<_>>() {
        won += u32::from(matches!(claim.await.unwrap(), Outcome::Committed(_)));
    }
    assert_eq!(won, 1);
}

/// Waits until a fault that is gone is noticed: a store tries again some time after a failure.
async fn recovered(store: &Embedded) {
    for _ in 0..200 {
        if store.health().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not recover: {:?}", store.health().await);
}

fn on(disk: &Disk) -> impl Fn(redb::backends::FileBackend) -> Disk + Send + Sync + 'static {
    let disk = disk.clone();
    move |_| disk.clone()
}
