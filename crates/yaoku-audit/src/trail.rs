//! The log of a running server: records go in from many calls, and one thread writes them.
//!
//! A call asks first, and gets a [`Permit`]: a place in a bounded queue. Only who has one can leave a record, so whatever was
//! done with one has a place for its record, and what is refused for want of one takes none.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::Error;
use crate::merkle::Head;
use crate::note::{Checkpoint, Signer, Verifier};
use crate::segment::MAX_RECORD;
use crate::writer::{Marks, Writer};

/// Calls that may be under way or wait for their records.
const CALLS: usize = 65_536;
/// Bytes of records that may wait. Calls under way may add theirs.
const BYTES: usize = 64 << 20;
/// Kept on top of both for calls that take something away, and for an operator's.
const RESERVED_CALLS: usize = 4096;
const RESERVED_BYTES: usize = 16 << 20;
/// How long records may wait in [`Sync::Batched`].
const BATCH: Duration = Duration::from_millis(200);
/// Between two attempts on a log that can't be written.
const RETRY: Duration = Duration::from_millis(500);
/// How long a write may take before the log counts as one that can't be written: a disk may hang instead of failing.
const STALLED: Duration = Duration::from_secs(10);
/// How long the end of the log waits for calls that are still under way.
const LAST_CALLS: Duration = Duration::from_secs(5);
/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When it is durable.
    Durable,
    /// When it waits to be written, which it does for at most 200 ms: a crash loses what waits.
    Batched,
}

/// How a log is kept.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// When a record counts as written.
    pub sync: Sync,
    /// Bytes of a segment, after which another is begun.
    pub segment_bytes: u64,
    /// Bytes of all segments, beyond which the oldest are dropped.
    pub retained_bytes: Option<u64>,
    /// When segments are dropped for their age.
    pub retained_age: Option<RetainedAge>,
}

/// When segments are dropped for their age.
#[derive(Debug, Clone, Copy)]
pub struct RetainedAge {
    /// Since the last write to a segment.
    pub most: Duration,
    /// How long the system's clock, by which ages are told, must have been steady before.
    pub patience: Duration,
}

/// What a record is to tell of. Of the room for calls, each may take so much that the others are not kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A call that is refused before it has done anything: half of the room at the most.
    Refusal,
    /// Any call.
    Call,
    /// A call that takes something away, or an operator's: it has room of its own.
    Revocation,
}

/// The log can't be written at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log can't be written")]
pub struct Unavailable;

/// The log of a server.
pub struct Trail {
    shared: Arc<Shared>,
    verifier: Verifier,
    dir: PathBuf,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The right to leave one record. Given back when dropped.
#[must_use = "dropped, it leaves no record"]
pub struct Permit {
    shared: Arc<Shared>,
    /// Whether its place is the record's now.
    used: bool,
}

struct Shared {
    sync: Sync,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    waiting: Vec<Waiting>,
    /// How many the writer would like to write together.
    awaited: usize,
    /// Permits that are out, without those whose record waits.
    permits: usize,
    /// Records that are not durable yet, whether they wait or an attempt to write them failed.
    records: usize,
    /// Their bytes.
    bytes: usize,
    /// The last that is durable.
    checkpoint: Checkpoint,
    /// Why the log can't be written, if it can't.
    failure: Option<String>,
    /// Since when a write is under way.
    writing: Option<Instant>,
    closing: bool,
    /// Whether the writer has ended.
    ended: bool,
    /// Whether a test holds the writer up.
    #[cfg(feature = "testing")]
    held: bool,
}

struct Waiting {
    record: Vec<u8>,
    written: Option<oneshot::Sender<()>>,
}

impl Trail {
    /// Opens the log in a directory, and makes it the first time. What a crash cut off is cut away.
    ///
    /// # Errors
    /// [`Error::Damaged`] for anything but the end that a crash leaves; [`Error::Inconsistent`] if the log does not go on from
    /// `remembered`, or is another key's.
    pub fn open(dir: &Path, signer: Arc<Signer>, remembered: Option<Head>, options: Options) -> Result<Self, Error> {
        Self::open_marking(dir, signer, remembered, options, Box::new(Vec::new))
    }

    /// As [`Self::open`], with checkpoints that also sign what the store holds, as `marks` tells. It is asked after the calls of the
    /// records have changed what they change.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_marking(
        dir: &Path,
        signer: Arc<Signer>,
        remembered: Option<Head>,
        options: Options,
        marks: Marks,
    ) -> Result<Self, Error> {
        let verifier = signer.verifier().clone();
        let writer = Writer::open(dir, signer, remembered, options, marks)?;
        let state = State {
            waiting: Vec::new(),
            awaited: 0,
            permits: 0,
            records: 0,
            bytes: 0,
            checkpoint: writer.checkpoint(),
            failure: None,
            writing: None,
            closing: false,
            ended: false,
            #[cfg(feature = "testing")]
            held: false,
        };
        let shared = Arc::new(Shared { sync: options.sync, state: Mutex::new(state), wake: Condvar::new() });
        let thread = std::thread::Builder::new().name("audit".into());
        let thread = thread.spawn({
            let ended = Ended(shared.clone());
            move || run(writer, &ended.0)
        });
        let thread = thread.map_err(Error::file(dir))?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { shared, verifier, dir: dir.to_owned(), thread })
    }

    /// Asks for the right to leave a record, before anything is done that must be recorded.
    ///
    /// # Errors
    /// [`Unavailable`] while the log can't be written, or when too much waits to be.
    pub fn admit(&self) -> Result<Permit, Unavailable> {
        self.admit_for(Purpose::Call)
    }

    /// As [`Self::admit`], for a record that tells of something in particular.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn admit_for(&self, purpose: Purpose) -> Result<Permit, Unavailable> {
        let mut state = self.shared.state.lock();
        if !state.takes_more(purpose) {
            return Err(Unavailable);
        }
        state.permits += 1;
        drop(state);
        Ok(Permit { shared: self.shared.clone(), used: false })
    }

    /// Whether calls are admitted at present.
    pub fn is_open(&self) -> bool {
        self.shared.state.lock().takes_more(Purpose::Call)
    }

    /// Whether the log is being closed: what is done now may leave no record.
    pub fn is_closing(&self) -> bool {
        self.shared.state.lock().closing
    }

    /// Why the log can't be written, if it can't.
    pub fn failure(&self) -> Option<String> {
        let state = self.shared.state.lock();
        state.failure.clone().or_else(|| state.is_stalled().then(|| "a write to it is hanging".into()))
    }

    /// The tree as it is durable.
    pub fn head(&self) -> Head {
        self.shared.state.lock().checkpoint.head
    }

    /// The last durable checkpoint.
    pub fn checkpoint(&self) -> Checkpoint {
        self.shared.state.lock().checkpoint.clone()
    }

    /// The public key.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Where the log is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes what waits and what calls still under way leave, for which it waits some seconds, and ends. Blocks.
    pub fn close(&self) {
        self.shared.state.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the audit log was aborted");
        }
    }
}

/// Holds the writer of a log up, for tests, until it is dropped.
#[cfg(feature = "testing")]
pub struct HeldTrail(Arc<Shared>);

#[cfg(feature = "testing")]
impl Trail {
    /// Lets no record be written until what is given is dropped.
    pub fn hold(&self) -> HeldTrail {
        self.shared.state.lock().held = true;
        HeldTrail(self.shared.clone())
    }

    /// How many records wait to be written.
    pub fn waiting(&self) -> usize {
        self.shared.state.lock().waiting.len()
    }
}

#[cfg(feature = "testing")]
impl Drop for HeldTrail {
    fn drop(&mut self) {
        self.0.state.lock().held = false;
        self.0.wake.notify_all();
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.close();
    }
}

impl Permit {
    /// Writes a record of at most [`MAX_RECORD`] bytes; returns when it counts as written.
    ///
    /// # Errors
    /// [`Unavailable`]. The record is kept in memory all the same, and written first when the log can be written again.
    pub async fn record(mut self, record: Vec<u8>) -> Result<(), Unavailable> {
        if record.len() > MAX_RECORD {
            return Err(Unavailable);
        }
        let (sender, written) = match self.shared.sync {
            Sync::Durable => {
                let (sender, written) = oneshot::channel();
                (Some(sender), Some(written))
            }
            Sync::Batched => (None, None),
        };
        {
            let mut state = self.shared.state.lock();
            if state.ended {
                return Err(Unavailable);
            }
            state.records += 1;
            state.bytes += record.len();
            state.waiting.push(Waiting { record, written: sender });
            state.permits -= 1;
            self.used = true;
            // While the log is failing, the writer looks again by itself.
            if state.waiting.len() == 1 || state.waiting.len() == state.awaited || state.closing {
                self.shared.wake.notify_one();
            }
        }
        match written {
            Some(written) => written.await.map_err(|_| Unavailable),
            None => Ok(()),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.used {
            return;
        }
        let mut state = self.shared.state.lock();
        state.permits -= 1;
        if state.closing {
            self.shared.wake.notify_one();
        }
    }
}

impl State {
    fn is_stalled(&self) -> bool {
        self.writing.is_some_and(|since| since.elapsed() > STALLED)
    }

    fn takes_more(&self, purpose: Purpose) -> bool {
        let works = self.failure.is_none() && !self.is_stalled();
        let (calls, bytes) = match purpose {
            Purpose::Refusal => (CALLS / 2, BYTES / 2),
            Purpose::Call => (CALLS, BYTES),
            Purpose::Revocation => (CALLS + RESERVED_CALLS, BYTES + RESERVED_BYTES),
        };
        works && !self.closing && self.permits + self.records < calls && self.bytes < bytes
    }
}

/// Held by the writer's thread: however it ends, nobody waits for it any more, and nobody is admitted.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.failure.get_or_insert_with(|| "the writer of the audit log has ended".into());
        state.ended = true;
        state.waiting.clear();
    }
}

/// The writer's thread.
fn run(mut writer: Writer, shared: &Shared) {
    // Records of groups that could not be written: what they tell of has happened, so they are written when it works again.
    let mut behind: Vec<Vec<u8>> = Vec::new();
    let mut last_calls = None;
    let mut pace = Pace::default();
    loop {
        let (waiting, ended) = collect(shared, !behind.is_empty(), &pace, &mut last_calls);
        let mut written = Vec::with_capacity(waiting.len());
        for waiting in waiting {
            behind.push(waiting.record);
            written.extend(waiting.written);
        }
        let (records, began) = (behind.len(), Instant::now());
        shared.state.lock().writing = Some(began);
        let result = writer.write(&mut behind);
        pace = Pace { records, took: began.elapsed() };
        if let Err(error) = &result {
            tracing::error!(%error, records = behind.len(), "the audit log can't be written; calls are refused");
        }
        let mut state = shared.state.lock();
        state.writing = None;
        state.checkpoint = writer.checkpoint();
        state.failure = result.as_ref().err().map(ToString::to_string);
        state.records = behind.len() + state.waiting.len();
        state.bytes = behind.iter().chain(state.waiting.iter().map(|waiting| &waiting.record)).map(Vec::len).sum();
        drop(state);
        if result.is_ok() {
            for written in written {
                // A caller that went away needs no answer.
                let _ = written.send(());
            }
        }
        if ended {
            if !behind.is_empty() {
                tracing::error!(records = behind.len(), "records of calls that were carried out could not be written");
            }
            return;
        }
    }
}

/// How the last group went.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    records: usize,
    took: Duration,
}

impl Pace {
    /// The longest that records wait for others, however slow the disk is.
    const LONGEST: Duration = Duration::from_millis(2);

    /// How many records are worth a wait, and for how long: callers that were answered a moment ago may be about to come
    /// again, and each that shares a write saves one. Who calls alone never waits.
    fn next(&self) -> (usize, Duration) {
        (self.records + self.records / 4, self.took.min(Self::LONGEST))
    }
}

/// Waits for records, and tells whether these are the last. While a log that could not be written is to be tried again, there
/// may be none.
fn collect(shared: &Shared, failing: bool, pace: &Pace, last_calls: &mut Option<Instant>) -> (Vec<Waiting>, bool) {
    let mut state = shared.state.lock();
    if failing && !state.closing {
        shared.wake.wait_for(&mut state, RETRY);
    }
    while !failing && state.waiting.is_empty() && !state.closing {
        shared.wake.wait(&mut state);
    }
    if shared.sync == Sync::Durable && !failing {
        let (awaited, patience) = pace.next();
        state.awaited = awaited;
        let until = Instant::now() + patience;
        while state.waiting.len() < awaited && !state.closing && !shared.wake.wait_until(&mut state, until).timed_out()
        {
        }
        state.awaited = 0;
    }
    if shared.sync == Sync::Batched && !state.closing {
        shared.wake.wait_for(&mut state, BATCH);
    }
    #[cfg(feature = "testing")]
    while state.held {
        shared.wake.wait(&mut state);
    }
    if !state.closing {
        return (std::mem::take(&mut state.waiting), false);
    }
    let until = *last_calls.get_or_insert_with(|| Instant::now() + LAST_CALLS);
    while state.waiting.is_empty() && state.permits > 0 {
        if shared.wake.wait_until(&mut state, until).timed_out() {
            tracing::error!(calls = state.permits, "calls still in progress leave no record");
            return (std::mem::take(&mut state.waiting), true);
        }
    }
    let last = state.permits == 0;
    (std::mem::take(&mut state.waiting), last)
}

#[cfg(test)]
mod tests {
    use yaoku_crypto::Secret;

    use super::*;
    use crate::note::SEED_LEN;

    #[test]
    fn refusals_leave_room_for_calls_and_calls_for_what_takes_something_away() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { sync: Sync::Durable, segment_bytes: 1 << 20, retained_bytes: None, retained_age: None };
        let signer = Arc::new(Signer::new(&Secret::new(vec![3; SEED_LEN])).unwrap());
        let trail = Trail::open(dir.path(), signer, None, options).unwrap();
        let fill = |purpose| {
            let mut permits = Vec::new();
            while let Ok(permit) = trail.admit_for(purpose) {
                permits.push(permit);
            }
            permits
        };
        let all = [Purpose::Refusal, Purpose::Call, Purpose::Revocation].map(fill);
        assert_eq!(all.each_ref().map(Vec::len), [CALLS / 2, CALLS / 2, RESERVED_CALLS]);
        assert!(trail.admit().is_err() && !trail.is_open());
        drop(all);
        assert!(trail.admit_for(Purpose::Refusal).is_ok());
    }
}
