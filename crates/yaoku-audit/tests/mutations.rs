//! Logs changed in every way, thousands of times: each change is found.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use yaoku_audit::merkle::Head;
use yaoku_audit::note::{SEED_LEN, Signer};
use yaoku_audit::{Check, Error, Frame, Options, RetainedAge, Segment, Sync, Trail, segments, verify};
use yaoku_crypto::Secret;

const OPTIONS: Options = Options { sync: Sync::Durable, segment_bytes: 4096, retained_bytes: None, retained_age: None };

fn signer() -> Arc<Signer> {
    Arc::new(Signer::new(&Secret::new(vec![3; SEED_LEN])).unwrap())
}

fn write(dir: &Path, options: Options, remembered: Option<Head>, records: usize) -> Head {
    let trail = Trail::open(dir, signer(), remembered, options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for at in 0..records {
        let record = format!("{{\"record\":{at},\"{}\":1}}", "x".repeat(at % 90));
        runtime.block_on(trail.admit().unwrap().record(record.into_bytes())).unwrap();
    }
    trail.close();
    trail.head()
}

fn check(dir: &Path, known: &[Head]) -> Result<yaoku_audit::Found, Error> {
    let signer = signer();
    verify(dir, &Check { verifier: signer.verifier(), known, patience: Duration::ZERO }, &mut |_| {})
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    segments(dir).unwrap().into_iter().map(|(_, path)| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_change_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let head = write(dir.path(), OPTIONS, None, 60);
    assert_eq!(check(dir.path(), &[head]).unwrap().head, head);
    let files = contents(dir.path());
    assert!(files.len() > 2, "several segments");
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..3000 {
        let (path, whole) = &files[random.usize(..files.len())];
        let (at, length) = (random.usize(..whole.len()), 1 + random.usize(..200));
        let end = (at + length).min(whole.len());
        let mut changed = whole.clone();
        match round % 6 {
            0 => changed[at] ^= 1 << random.u8(..8),
            1 => drop(changed.drain(at..end)),
            2 => drop(changed.splice(at..at, whole[at..end].to_vec())),
            3 => {
                let other = random.usize(..whole.len());
                changed.swap(at, other);
            }
            4 => changed.truncate(at),
            _ => {
                let (_, other) = &files[random.usize(..files.len())];
                let from = random.usize(..other.len());
                drop(changed.splice(at..end, other[from..(from + length).min(other.len())].to_vec()));
            }
        }
        if changed == *whole {
            continue;
        }
        std::fs::write(path, &changed).unwrap();
        assert!(check(dir.path(), &[head]).is_err(), "round {round} at {at} of {}", path.display());
        std::fs::write(path, whole).unwrap();
    }
    for (path, whole) in &files {
        std::fs::remove_file(path).unwrap();
        assert!(check(dir.path(), &[head]).is_err(), "without {}", path.display());
        std::fs::write(path, whole).unwrap();
    }
    assert!(check(dir.path(), &[head]).is_ok());
}

#[test]
fn an_end_cut_off_by_a_crash_is_cut_away_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let first = write(dir.path(), OPTIONS, None, 5);
    let (path, whole) = contents(dir.path()).pop().unwrap();
    for garbage in [&b"\x01\0\0"[..], &[0; 100], b"\x01\0\0\0\x04half"] {
        std::fs::write(&path, [&whole, garbage].concat()).unwrap();
        assert!(check(dir.path(), &[]).is_err());
        assert_eq!(write(dir.path(), OPTIONS, Some(first), 0), first);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
    for at in 17..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let opened = Trail::open(dir.path(), signer(), Some(first), OPTIONS);
        assert!(opened.is_err(), "a change at {at} is not repaired in silence");
        assert_eq!(std::fs::read(&path).unwrap(), changed);
    }
}

#[test]
fn retention_drops_whole_segments_and_keeps_the_rest_provable() {
    let dir = tempfile::tempdir().unwrap();
    let early = write(dir.path(), OPTIONS, None, 3);
    let options = Options { retained_bytes: Some(12_000), ..OPTIONS };
    let head = write(dir.path(), options, Some(early), 80);
    let found = check(dir.path(), &[head]).unwrap();
    assert!(found.first > 0 && found.head == head);
    assert!(check(dir.path(), &[early]).is_err(), "what was dropped can't be compared");
    std::fs::remove_file(dir.path().join("retention")).unwrap();
    assert!(check(dir.path(), &[]).is_err(), "records missing without a signed note");
}

#[test]
fn retention_by_age_drops_what_is_too_old_and_ends_segments_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(86_400);
    let head = write(dir.path(), OPTIONS, None, 60);
    let files = segments(dir.path()).unwrap();
    for (path, days) in files[..files.len() - 1].iter().map(|(_, path)| path).zip([40, 31, 29, 20, 10]) {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - days * day).unwrap();
    }
    let age = |most, patience| Options { retained_age: Some(RetainedAge { most, patience }), ..OPTIONS };
    // The clock may be ahead: nothing that is gone by it would come back when it is set right.
    assert_eq!(write(dir.path(), age(30 * day, Duration::from_secs(3600)), Some(head), 0), head);
    assert_eq!(check(dir.path(), &[head]).unwrap().first, 0, "a clock that was not steady yet drops nothing");

    let options = age(30 * day, Duration::ZERO);
    assert_eq!(write(dir.path(), options, Some(head), 0), head);
    let found = check(dir.path(), &[head]).unwrap();
    assert_eq!((found.first, found.head), (files[2].0, head), "those of 40 and 31 days are gone");

    let short = Options { segment_bytes: u64::MAX, ..age(Duration::from_millis(1), Duration::ZERO) };
    let head = write(dir.path(), short, Some(head), 40);
    let found = check(dir.path(), &[head]).unwrap();
    assert!(found.first > files.last().unwrap().0, "segments end by age too, and are dropped by it: {found:?}");
}

#[test]
fn in_batches_nobody_waits_and_few_writes_hold_all_records() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { sync: Sync::Batched, segment_bytes: u64::MAX, ..OPTIONS };
    let begun = Instant::now();
    let head = write(dir.path(), options, None, 2000);
    let batches = begun.elapsed().as_millis() / 200;
    assert_eq!(check(dir.path(), &[head]).unwrap().head.size, 2000);
    let mut segment = Segment::open(&segments(dir.path()).unwrap()[0].1).unwrap();
    let frames = std::iter::from_fn(|| segment.next(0).unwrap());
    let signed = frames.filter(|frame| matches!(frame, Frame::Checkpoint(_))).count() as u128;
    // One opens the segment, one closes it, and one may be under way when the time is taken.
    assert!(signed <= batches + 3, "{signed} checkpoints in {batches} times 200 ms");
}

#[test]
fn a_log_that_was_set_back_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), OPTIONS, None, 5);
    let before = contents(dir.path());
    let head = write(dir.path(), OPTIONS, None, 2);
    let (path, whole) = &before[0];
    std::fs::write(path, whole).unwrap();
    assert!(matches!(Trail::open(dir.path(), signer(), Some(head), OPTIONS), Err(Error::Inconsistent(_))));
    assert!(check(dir.path(), &[]).is_ok(), "an earlier state is whole by itself");
    assert!(check(dir.path(), &[head]).is_err(), "a checkpoint kept elsewhere tells");
}

#[test]
fn a_log_is_whole_at_every_moment_of_its_writing() {
    let dir = tempfile::tempdir().unwrap();
    // Segments come and go by retention while they are read.
    let options = Options { retained_bytes: Some(40_000), ..OPTIONS };
    let trail = Trail::open(dir.path(), signer(), None, options).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (trail, stop) = (&trail, &stop);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for at in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let record = format!("{{\"writer\":{writer},\"record\":{at}}}");
                    runtime.block_on(trail.admit().unwrap().record(record.into_bytes())).unwrap();
                }
            });
        }
        let verifier = trail.verifier();
        let mut last = 0;
        for round in 0..60 {
            let known = trail.head();
            let check = Check { verifier, known: &[known], patience: Duration::from_secs(10) };
            match verify(dir.path(), &check, &mut |_| {}) {
                Ok(found) => {
                    assert!(found.head.size >= known.size.max(last), "round {round}");
                    last = found.head.size;
                }
                // On a slow machine retention may have overtaken the checkpoint that was asked for.
                Err(Error::Inconsistent(why)) => assert!(why.contains("retention"), "round {round}: {why}"),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    panic!("round {round}: {error}");
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    trail.close();
    assert_eq!(check(dir.path(), &[]).unwrap().head, trail.head());
}
