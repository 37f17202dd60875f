//! Writes the log: one thread, one sync for all records that wait.
//!
//! Each write is a group: the records that wait, and a signed checkpoint behind them, then one sync. So every record that was
//! acknowledged is covered by a signature. What a crash leaves behind the last checkpoint was never acknowledged, and is cut
//! off at the next start.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::merkle::{Frontier, Head, leaf_hash};
use crate::note::{Purpose, Signer, Verifier};
use crate::segment::{self, CHECKPOINT, FRAME_HEAD, MAX_RECORD, RECORD};
use crate::{Error, Frame, Segment, segments};

/// Name of the signed note on what was dropped.
pub(crate) const RETENTION: &str = "retention";
/// Name of the file with the public key.
const PUBLIC_KEY: &str = "public-key";
/// Records that may wait. Beyond, calls are refused.
const QUEUE: usize = 65_536;
/// Bytes of records in one group.
const GROUP: usize = 4 << 20;
/// How long records may wait in [`Sync::Batched`].
const BATCH: Duration = Duration::from_millis(200);
/// Between two attempts on a log that can't be written.
const RETRY: Duration = Duration::from_millis(500);

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
    /// Age beyond which segments are dropped.
    pub retained_age: Option<Duration>,
}

/// The log can't be written at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log can't be written")]
pub struct Unavailable;

/// The log of a server.
pub struct Trail {
    shared: Arc<Shared>,
    sync: Sync,
    verifier: Verifier,
    dir: PathBuf,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    waiting: Vec<Waiting>,
    head: Head,
    /// Why the log can't be written, if it can't.
    failure: Option<String>,
    closing: bool,
}

struct Waiting {
    record: Vec<u8>,
    written: Option<oneshot::Sender<bool>>,
}

impl Trail {
    /// Opens the log in a directory, and makes it the first time. What a crash cut off is cut away.
    ///
    /// # Errors
    /// [`Error::Damaged`] for anything but the end that a crash leaves; [`Error::Inconsistent`] if the log does not go on from
    /// `remembered`, or is another key's.
    pub fn open(dir: &Path, signer: Arc<Signer>, remembered: Option<Head>, options: Options) -> Result<Self, Error> {
        let verifier = signer.verifier().clone();
        let writer = Writer::open(dir, signer, remembered, options)?;
        let state = State { waiting: Vec::new(), head: writer.tree.head(), failure: None, closing: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() });
        let thread = std::thread::Builder::new().name("audit".into());
        let thread = thread.spawn({
            let shared = shared.clone();
            move || writer.run(&shared)
        });
        let thread = thread.map_err(Error::file(dir))?;
        Ok(Self { shared, sync: options.sync, verifier, dir: dir.to_owned(), thread: Mutex::new(Some(thread)) })
    }

    /// Whether a record would be taken: to be asked before anything is done that must be recorded.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn admit(&self) -> Result<(), Unavailable> {
        let state = self.shared.state.lock();
        let open = state.failure.is_none() && !state.closing && state.waiting.len() < QUEUE;
        if open { Ok(()) } else { Err(Unavailable) }
    }

    /// Writes a record of at most [`MAX_RECORD`] bytes; returns when it counts as written.
    ///
    /// # Errors
    /// [`Unavailable`]. The record may still come to be written, when the log can be written again.
    pub async fn record(&self, record: Vec<u8>) -> Result<(), Unavailable> {
        if record.len() > MAX_RECORD {
            return Err(Unavailable);
        }
        let (sender, written) = match self.sync {
            Sync::Durable => {
                let (sender, written) = oneshot::channel();
                (Some(sender), Some(written))
            }
            Sync::Batched => (None, None),
        };
        {
            let mut state = self.shared.state.lock();
            if state.closing || state.waiting.len() >= QUEUE {
                return Err(Unavailable);
            }
            state.waiting.push(Waiting { record, written: sender });
            if state.waiting.len() == 1 {
                self.shared.wake.notify_one();
            }
        }
        let Some(written) = written else { return Ok(()) };
        if written.await.unwrap_or(false) { Ok(()) } else { Err(Unavailable) }
    }

    /// Why the log can't be written, if it can't.
    pub fn failure(&self) -> Option<String> {
        self.shared.state.lock().failure.clone()
    }

    /// The tree as it is durable.
    pub fn head(&self) -> Head {
        self.shared.state.lock().head
    }

    /// The public key.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Where the log is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes what waits, and ends. Blocks.
    pub fn close(&self) {
        self.shared.state.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the audit log broke off");
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer {
    dir: PathBuf,
    signer: Arc<Signer>,
    options: Options,
    path: PathBuf,
    file: File,
    /// Length up to the last checkpoint that is durable.
    length: u64,
    tree: Frontier,
    /// Whether the file may hold something behind `length`.
    unclean: bool,
}

impl Writer {
    fn open(dir: &Path, signer: Arc<Signer>, remembered: Option<Head>, options: Options) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::file(dir))?;
        publish(dir, signer.verifier())?;
        let mut files = segments(dir)?;
        if files.is_empty() {
            if remembered.is_some_and(|head| head.size > 0) || dir.join(RETENTION).exists() {
                return Err(Error::Inconsistent(gone(dir, 0, remembered)));
            }
            let path = begin_segment(dir, &signer, &Frontier::default())?;
            files.push((0, path));
        }
        let (_, path) = files.pop().ok_or(Error::Form("there is no segment"))?;
        let (tree, length) = end_of(&path, signer.verifier(), remembered)?;
        if remembered.is_some_and(|head| head.size > tree.size()) {
            return Err(Error::Inconsistent(gone(dir, tree.size(), remembered)));
        }
        let file = OpenOptions::new().write(true).open(&path).map_err(Error::file(&path))?;
        let torn = file.metadata().map_err(Error::file(&path))?.len() - length;
        if torn > 0 {
            tracing::warn!(path = %path.display(), bytes = torn, "cutting off what a crash left of a write that nobody was told of");
        }
        let mut writer = Self { dir: dir.to_owned(), signer, options, path, file, length, tree, unclean: true };
        writer.clean()?;
        writer.retain()?;
        Ok(writer)
    }

    fn run(mut self, shared: &Shared) {
        // Records of groups that could not be written: what they tell of has happened, so they are written when it works again.
        let mut behind: Vec<Vec<u8>> = Vec::new();
        loop {
            let (waiting, closing) = self.collect(shared, !behind.is_empty());
            let mut written = Vec::with_capacity(waiting.len());
            for waiting in waiting {
                behind.push(waiting.record);
                written.extend(waiting.written);
            }
            let result = if behind.is_empty() { Ok(()) } else { self.group(&behind) };
            if result.is_ok() {
                behind.clear();
            }
            let mut state = shared.state.lock();
            state.head = self.tree.head();
            state.failure = result.as_ref().err().map(ToString::to_string);
            drop(state);
            if let Err(error) = &result {
                tracing::error!(%error, records = behind.len(), "the audit log can't be written; calls are refused");
            }
            for written in written {
                // A caller that went away needs no answer.
                let _ = written.send(result.is_ok());
            }
            if closing {
                return;
            }
        }
    }

    /// Waits for records; none while a log that could not be written is to be tried again.
    fn collect(&self, shared: &Shared, failing: bool) -> (Vec<Waiting>, bool) {
        let mut state = shared.state.lock();
        if failing {
            if !state.closing {
                shared.wake.wait_for(&mut state, RETRY);
            }
        } else {
            while state.waiting.is_empty() && !state.closing {
                shared.wake.wait(&mut state);
            }
            if self.options.sync == Sync::Batched && !state.closing {
                drop(state);
                std::thread::sleep(BATCH);
                state = shared.state.lock();
            }
        }
        (std::mem::take(&mut state.waiting), state.closing)
    }

    /// Makes records durable, with a checkpoint behind them.
    fn group(&mut self, records: &[Vec<u8>]) -> Result<(), Error> {
        self.clean()?;
        let mut rest = records;
        while !rest.is_empty() {
            let mut tree = self.tree.clone();
            let mut out = Vec::with_capacity(GROUP.min(rest.len() * 1024) + 512);
            let mut count = 0;
            for record in rest {
                if count > 0 && out.len() + record.len() > GROUP {
                    break;
                }
                segment::frame(&mut out, RECORD, record);
                tree.push(leaf_hash(record));
                count += 1;
            }
            let note = self.signer.sign(Purpose::Checkpoint, &tree.head());
            segment::frame(&mut out, CHECKPOINT, note.as_bytes());
            self.unclean = true;
            self.file.write_all(&out).map_err(Error::file(&self.path))?;
            self.file.sync_data().map_err(Error::file(&self.path))?;
            self.unclean = false;
            self.length += out.len() as u64;
            self.tree = tree;
            rest = &rest[count..];
        }
        if self.length >= self.options.segment_bytes
            && let Err(error) = self.roll()
        {
            // The records are durable; the segment just grows until another can be begun.
            tracing::warn!(%error, "no new segment of the audit log can be begun");
        }
        Ok(())
    }

    /// Cuts off what a failed write may have left.
    fn clean(&mut self) -> Result<(), Error> {
        if self.unclean {
            self.file.set_len(self.length).map_err(Error::file(&self.path))?;
            self.file.seek(SeekFrom::Start(self.length)).map_err(Error::file(&self.path))?;
            self.file.sync_all().map_err(Error::file(&self.path))?;
            self.unclean = false;
        }
        Ok(())
    }

    fn roll(&mut self) -> Result<(), Error> {
        let path = begin_segment(&self.dir, &self.signer, &self.tree)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(Error::file(&path))?;
        self.length = file.metadata().map_err(Error::file(&path))?.len();
        (self.path, self.file) = (path, file);
        self.retain()
    }

    /// Drops the oldest segments beyond what is retained, after a signed note has said so.
    fn retain(&self) -> Result<(), Error> {
        let files = segments(&self.dir)?;
        let mut sizes = Vec::new();
        for (_, path) in &files {
            let metadata = std::fs::metadata(path).map_err(Error::file(path))?;
            let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            sizes.push((metadata.len(), age.unwrap_or_default()));
        }
        let mut total: u64 = sizes.iter().map(|(size, _)| size).sum();
        let mut drops = 0;
        // The newest is being written.
        for (size, age) in &sizes[..sizes.len().saturating_sub(1)] {
            let large = self.options.retained_bytes.is_some_and(|most| total > most);
            let old = self.options.retained_age.is_some_and(|most| *age > most);
            if !large && !old {
                break;
            }
            total -= size;
            drops += 1;
        }
        let Some((_, first)) = files.get(drops).filter(|_| drops > 0) else { return Ok(()) };
        let head = Segment::open(first)?.start().head();
        let note = self.signer.sign(Purpose::Retention, &head);
        replace(&self.dir, RETENTION, note.as_bytes())?;
        for (_, path) in &files[..drops] {
            std::fs::remove_file(path).map_err(Error::file(path))?;
            tracing::info!(path = %path.display(), "dropped a segment of the audit log by its retention");
        }
        Ok(())
    }
}

/// The tree and the length up to the last intact checkpoint of the newest segment.
fn end_of(path: &Path, verifier: &Verifier, remembered: Option<Head>) -> Result<(Frontier, u64), Error> {
    let mut segment = Segment::open(path)?;
    let mut tree = segment.start().clone();
    let mut end = None;
    loop {
        let at = segment.offset();
        let frame = match segment.next(tree.size()) {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            // What can't be read is what the crash cut off, unless something intact follows.
            Err(Error::Damaged { .. }) => break,
            Err(error) => return Err(error),
        };
        match frame {
            Frame::Record(record) => tree.push(leaf_hash(&record)),
            Frame::Checkpoint(note) => match verifier.open(Purpose::Checkpoint, &note) {
                Ok(head) if head == tree.head() => end = Some((tree.clone(), segment.offset())),
                Ok(_) => {
                    let why = "the checkpoint here was signed for other records than stand before it";
                    return Err(segment.damaged(at, tree.size(), why));
                }
                Err(_) => break,
            },
        }
        if let Some(head) = remembered.filter(|head| head.size == tree.size())
            && head.root != tree.root()
        {
            return Err(segment.damaged(at, tree.size(), "the records before are others than this server remembers"));
        }
    }
    let (tree, length) =
        end.ok_or_else(|| segment.damaged(0, segment.start().size(), "it has no signed checkpoint"))?;
    refuse_later_checkpoint(path, length, tree.size(), verifier)?;
    Ok((tree, length))
}

/// Nothing that was acknowledged may stand behind the end: a checkpoint there, intact, says that what is before it was damaged.
fn refuse_later_checkpoint(path: &Path, length: u64, record: u64, verifier: &Verifier) -> Result<(), Error> {
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    let tail = bytes.get(usize::try_from(length).unwrap_or(usize::MAX)..).unwrap_or_default();
    let name = verifier.to_string();
    let name = name.split('+').next().unwrap_or_default().as_bytes();
    let begins = |at: &usize| tail[*at] == CHECKPOINT && tail[*at + FRAME_HEAD as usize..].starts_with(name);
    for at in (0..tail.len().saturating_sub(FRAME_HEAD as usize)).filter(begins) {
        let bytes = u32::from_be_bytes([tail[at + 1], tail[at + 2], tail[at + 3], tail[at + 4]]) as usize;
        let note = tail[at + FRAME_HEAD as usize..].get(..bytes).unwrap_or_default();
        // The last group's own checkpoint may have become durable before its records: only one that others follow is older.
        let follows = at + FRAME_HEAD as usize + bytes < tail.len();
        if follows && verifier.open(Purpose::Checkpoint, note).is_ok() {
            return Err(Error::Damaged {
                path: path.to_owned(),
                offset: length,
                record,
                why: "records that a later checkpoint covers were damaged here".into(),
            });
        }
    }
    Ok(())
}

fn gone(dir: &Path, size: u64, remembered: Option<Head>) -> String {
    format!(
        "the audit log in {} has {size} records, but there were {} before: its end is missing, or it was set back; put the \
         right files back, or move the directory away to begin a new log",
        dir.display(),
        remembered.map_or(0, |head| head.size)
    )
}

/// Writes the public key beside the log, where none is; another's is refused.
fn publish(dir: &Path, verifier: &Verifier) -> Result<(), Error> {
    let path = dir.join(PUBLIC_KEY);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim() == verifier.to_string() => Ok(()),
        Ok(_) => Err(Error::Inconsistent(format!(
            "{} is not this server's key: the log is another server's, or a backup from before its key was restored; move \
             the directory away, and a new log is begun",
            path.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            replace(dir, PUBLIC_KEY, format!("{verifier}\n").as_bytes()).map(drop)
        }
        Err(error) => Err(Error::File { path, error }),
    }
}

/// Begins a segment: its head, and a checkpoint that signs for it.
fn begin_segment(dir: &Path, signer: &Signer, tree: &Frontier) -> Result<PathBuf, Error> {
    let mut content = segment::head(tree);
    segment::frame(&mut content, CHECKPOINT, signer.sign(Purpose::Checkpoint, &tree.head()).as_bytes());
    replace(dir, &segment::name(tree.size()), &content)
}

/// Writes a file whole and durably, or not at all.
fn replace(dir: &Path, name: &str, content: &[u8]) -> Result<PathBuf, Error> {
    let (path, new) = (dir.join(name), dir.join(format!("{name}.new")));
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let mut file = file.map_err(Error::file(&new))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(Error::file(&new))?;
    std::fs::rename(&new, &path).map_err(Error::file(&path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::file(dir))?;
    Ok(path)
}
