//! A store file that was cut short, damaged, or replaced by an old copy: refused, or read right, never read wrong.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use yaoku_store::{Embedded, Error, Store, Transaction};

use support::disk::Faults;
use support::{SMALL, contents, put};

type State = BTreeMap<Vec<u8>, Vec<u8>>;

const FILE: &str = "store.redb";

/// A store of some hundred rows, closed, and what is in it.
async fn filled(dir: &Path) -> State {
    let store = Embedded::open(dir, SMALL).unwrap();
    for n in 0..200u32 {
        store.commit(put(n.to_be_bytes(), vec![n as u8; 300])).await.unwrap();
    }
    store.commit(put("last", "row")).await.unwrap();
    contents(&store).await
}

/// Opens and reads everything; what that says of the file.
async fn read(dir: &Path) -> Result<State, Error> {
    let store = Embedded::open(dir, SMALL)?;
    let (mut state, snapshot) = (State::new(), store.snapshot().await?);
    loop {
        let after = state.last_key_value().map(|(key, _): (&Vec<u8>, _)| key.clone());
        let page = snapshot.scan(&[], after.as_deref(), 50).await?;
        if page.is_empty() {
            return Ok(state);
        }
        state.extend(page.into_iter().map(|row| (row.key, row.value)));
    }
}

async fn refused_or_right(dir: &Path, state: &State, what: &str) -> bool {
    match read(dir).await {
        Ok(found) => {
            assert_eq!(&found, state, "{what} was read wrong");
            false
        }
        Err(Error::Corrupt(_) | Error::Newer { .. }) => true,
        Err(error) => panic!("{what}: {error}"),
    }
}

#[tokio::test]
async fn a_flipped_bit_is_refused_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let state = filled(dir.path()).await;
    let file = dir.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    let anchor = fs::read(dir.path().join("store.anchor")).unwrap();
    let mut refused = 0;
    // Every byte of the header, and places all over the file.
    let places: Vec<usize> = (0..512).chain((512..whole.len()).step_by(whole.len() / 700)).collect();
    for (turn, at) in places.iter().enumerate() {
        let mut damaged = whole.clone();
        damaged[*at] ^= 1 << (turn % 8);
        fs::write(&file, &damaged).unwrap();
        fs::write(dir.path().join("store.anchor"), &anchor).unwrap();
        refused += u32::from(refused_or_right(dir.path(), &state, &format!("bit {} of byte {at}", turn % 8)).await);
    }
    assert!(refused > 50, "only {refused} of {} damaged files were refused", places.len());
}

#[tokio::test]
async fn a_file_that_is_cut_short_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = filled(dir.path()).await;
    let file = dir.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    for length in (0..whole.len()).step_by(whole.len() / 60) {
        fs::write(&file, &whole[..length]).unwrap();
        let found = read(dir.path()).await;
        assert!(!matches!(&found, Ok(found) if found != &state), "{length} bytes of {} were read wrong", whole.len());
        assert!(matches!(found, Ok(_) | Err(Error::Corrupt(_))), "{length} bytes: {:?}", found.err());
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(read(dir.path()).await, Err(Error::Corrupt(_))));
}

#[tokio::test]
async fn an_old_copy_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let file = dir.path().join(FILE);
    let old = fs::read(&file).unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    store.commit(put("newer", "row")).await.unwrap();
    drop(store);
    fs::write(&file, &old).unwrap();
    let Err(Error::Corrupt(why)) = read(dir.path()).await else { panic!("an old copy was opened") };
    assert!(why.contains("acknowledged"), "{why}");
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for text in [&b"not a store"[..], &[0; 5000], &[0xff; 100_000]] {
        fs::write(dir.path().join(FILE), text).unwrap();
        assert!(matches!(read(dir.path()).await, Err(Error::Corrupt(_))));
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), text, "it was overwritten");
    }
}

#[tokio::test]
async fn a_file_that_was_closed_is_read_once_and_any_other_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    let puts = (0..5000u32).map(|n| (n.to_be_bytes().to_vec(), vec![n as u8; 1000])).collect();
    store.commit(Transaction { puts, ..Transaction::default() }).await.unwrap();
    drop(store);
    let (file, sums) = (dir.path().join(FILE), dir.path().join("store.sums"));
    // How much of the file a start reads, in tenths of its length.
    let start = || {
        let faults = Faults::none();
        let length = fs::metadata(&file).unwrap().len();
        let store = Embedded::open_wrapped(dir.path(), SMALL, faults.wrap()).unwrap();
        assert!(!sums.exists(), "sums of a file that is in use");
        let read = faults.bytes_read.load(Ordering::Relaxed);
        drop(store);
        read * 10 / length
    };
    let summed = start();
    fs::remove_file(&sums).unwrap();
    let checked = start();
    // Without optimization redb goes through all pages at each start, for its assertions.
    assert!(summed < checked, "{summed} tenths of {checked} were read");
    let left = fs::read(&sums).unwrap();
    // Sums that are cut short, longer, changed or of an older file are not believed.
    for wrong in [left[..left.len() - 1].to_vec(), [&left[..], &[0]].concat()] {
        fs::write(&sums, wrong).unwrap();
        assert_eq!(start(), checked);
    }
    for at in (0..left.len()).step_by(5) {
        let mut wrong = fs::read(&sums).unwrap();
        wrong[at] ^= 1;
        fs::write(&sums, wrong).unwrap();
        assert!(start() >= checked, "byte {at}");
    }
    let old = fs::read(&sums).unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    store.commit(put("newer", "row")).await.unwrap();
    drop(store);
    fs::write(&sums, old).unwrap();
    assert!(start() >= checked);
}

#[tokio::test]
async fn a_store_says_when_its_directory_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), SMALL).unwrap();
    let (snapshot, closed) = (store.snapshot().await.unwrap(), store.closed());
    drop(store);
    assert!(matches!(Embedded::open(dir.path(), SMALL), Err(Error::Locked)), "a snapshot is still there");
    let free = tokio::spawn(closed.wait());
    tokio::task::yield_now().await;
    assert!(!free.is_finished());
    drop(snapshot);
    free.await.unwrap();
    Embedded::open(dir.path(), SMALL).unwrap();
}
