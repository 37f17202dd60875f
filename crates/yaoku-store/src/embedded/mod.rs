//! A store in one file on one machine, over redb. `docs/store.md` draws its files and argues what a crash leaves.
//!
//! One thread writes ([`writer`]); readers use redb's snapshots, off the async runtime since they may touch the disk.
//! [`anchor`] notices a file that fell back, [`sums`] one that changed while it was closed; [`feed`] serves watchers, [`scrub`] rewrites the
//! file without what was deleted.

mod anchor;
mod database;
mod digest;
mod feed;
mod files;
mod scrub;
mod sums;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::RwLock;
use redb::backends::FileBackend;
use redb::{Database, ReadTransaction, ReadableDatabase, StorageBackend};
use tokio::sync::{mpsc, oneshot, watch};

use self::anchor::Anchor;
use self::database::{ROWS, get, guarded, of_any, read_meta, row};
use self::digest::Kept;
use self::feed::Feed;
use self::files::{Files, SCRUBBED};
use self::writer::{Job, Writer};
use crate::{
    Digest, Digester, Error, Found, Limits, Outcome, Revision, Row, Snapshot, Store, StoreId, Transaction, Trust, Watch,
};

/// How long a read waits for a file that is being opened anew.
const REOPENING: Duration = Duration::from_secs(5);
/// Commits that may wait for the writer.
const QUEUE: usize = 4096;

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of the file that are kept in memory.
    pub cache_bytes: usize,
    /// What it takes in one transaction; a file could take more.
    pub limits: Limits,
}

impl Options {
    /// What suits a server.
    pub const DEFAULT: Self = Self {
        cache_bytes: 64 << 20,
        limits: Limits { operations: 10_000, value_bytes: Transaction::MAX_VALUE, bytes: 64 << 20 },
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A store in one file.
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    writer: Option<std::thread::JoinHandle<()>>,
    /// One scrub at a time.
    scrubbing: tokio::sync::Mutex<()>,
}

impl Embedded {
    /// Opens the store in `dir`, or makes it. Blocks while the file is summed, or every page checked.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Newer`], [`Error::Corrupt`], or [`Error::Unavailable`] if files can't be opened.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        Self::open_wrapped(dir, options, |file| file)
    }

    /// Whether there is the file of a store in `dir`.
    pub fn is_there(dir: &Path) -> bool {
        dir.join(files::STORE).exists()
    }

    /// As [`Self::open`], for files that an operator put there and declares to be right: the store gets a new id, so that what the
    /// anchor and the audit log know of the former one no longer counts, and a file of the former one is never taken for this one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_accepting(dir: &Path, options: Options) -> Result<Self, Error> {
        let files = Files::lock(dir, options, Box::new(|file| Box::new(file)))?;
        let database = files.open_or_make()?;
        database::renew(&database)?;
        Self::open_database(files, database, dir, Anchor::make)
    }

    /// As [`Self::open`], with something between redb and the file, each time it is opened: for tests that inject faults.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_wrapped<B: StorageBackend>(
        dir: &Path,
        options: Options,
        wrap: impl Fn(FileBackend) -> B + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let files = Files::lock(dir, options, Box::new(move |file| Box::new(wrap(file))))?;
        let database = files.open_or_make()?;
        Self::open_database(files, database, dir, Anchor::open)
    }

    fn open_database(
        files: Files,
        database: Database,
        dir: &Path,
        anchored: fn(&Path, StoreId, Revision) -> Result<Anchor, Error>,
    ) -> Result<Self, Error> {
        let meta = read_meta(&database.begin_read().map_err(of_any)?)?;
        let anchor = anchored(dir, meta.id, meta.revision)?;
        let shared = Arc::new(Shared {
            id: meta.id,
            kept: RwLock::new(None),
            closing: AtomicBool::new(false),
            files,
            opened: RwLock::new(Opened::new(database)),
            condemned: RwLock::new(None),
            feed: Arc::new(Feed::new(meta.revision)),
            open: watch::Sender::new(()),
        });
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(shared.clone(), anchor, meta.revision);
        let writer = std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run(queue));
        let writer = writer.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self { shared, jobs, writer: Some(writer), scrubbing: tokio::sync::Mutex::new(()) })
    }

    /// Tells when the store is closed, which is some time after it is dropped: snapshots and reads under way still use it.
    pub fn closed(&self) -> Closed {
        Closed(self.shared.open.subscribe())
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Job) -> Result<T, Error> {
        let closed = || Error::Unavailable("the store's writer has stopped".into());
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for Embedded {
    /// Waits until what was queued is durable, so that the lock is free when this returns, and leaves sums of the file.
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        let (closed, _) = mpsc::channel(1);
        self.jobs = closed;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
            self.shared.close();
        }
    }
}

/// Tells when a store is closed.
pub struct Closed(watch::Receiver<()>);

impl Closed {
    /// Waits until it is, and its directory free to be opened.
    pub async fn wait(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// What readers and the writer share.
struct Shared {
    id: StoreId,
    files: Files,
    /// The digest of all rows, once it is kept.
    kept: RwLock<Option<Kept>>,
    /// Ends the reading of all rows.
    closing: AtomicBool,
    opened: RwLock<Arc<Opened>>,
    /// Why the store refuses everything, once damage was met.
    condemned: RwLock<Option<String>>,
    feed: Arc<Feed>,
    /// Goes last, when the directory is free.
    open: watch::Sender<()>,
}

impl Shared {
    fn opened(&self) -> Result<Arc<Opened>, Error> {
        if let Some(why) = &*self.condemned.read() {
            return Err(Error::Corrupt(why.clone()));
        }
        Ok(self.opened.read().clone())
    }

    /// Begins to read. While the file is opened anew after a failed write, this waits. Blocks.
    fn begin_read(&self) -> Result<(Arc<Opened>, ReadTransaction), Error> {
        let until = Instant::now() + REOPENING;
        loop {
            let opened = self.opened()?;
            if opened.is_open() || Instant::now() >= until {
                let transaction = opened.begin_read()?;
                return Ok((opened, transaction));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn replace(&self, database: Database) {
        *self.opened.write() = Opened::new(database);
    }

    /// Closes the file for good, and leaves sums of it unless it is not to be trusted.
    fn close(&self) {
        if let Ok(opened) = self.opened() {
            opened.close();
            if !self.files.has_sync_failure() {
                let kept = self.kept.read();
                self.files.leave_sums(kept.as_ref().map(|kept| &*kept.digester));
            }
        }
    }

    /// The digest is that from now on.
    fn now_is(&self, kept: Option<Kept>) {
        *self.kept.write() = kept;
    }

    fn condemn(&self, why: &str) {
        tracing::error!(why, "the store is damaged; it refuses all requests from now on");
        self.condemned.write().get_or_insert_with(|| why.to_owned());
    }
}

/// A database until it is closed. Snapshots hold it, so that one whose place a scrub's copy took still serves them.
struct Opened(RwLock<Option<Database>>);

impl Opened {
    fn new(database: Database) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Some(database))))
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, Error>) -> Result<T, Error> {
        let closed = || Error::Unavailable("its file had to be closed after a failed write".into());
        work(self.0.read().as_ref().ok_or_else(closed)?)
    }

    fn begin_read(&self) -> Result<ReadTransaction, Error> {
        self.with(|database| database.begin_read().map_err(of_any))
    }

    fn is_open(&self) -> bool {
        self.0.read().is_some()
    }

    /// Ends it for everyone: its snapshots would not notice pages that are written through another opening of the file.
    fn close(&self) {
        *self.0.write() = None;
    }
}

/// Runs a read where it may block; damage met there ends the store's service.
async fn read<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let shared = shared.clone();
    let work = move || {
        guarded(work).inspect_err(|error| {
            if let Error::Corrupt(why) | Error::Altered(why) = error {
                shared.condemn(why);
            }
        })
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string())))
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &[u8]) -> Result<Option<Row>, Error> {
        let (shared, key) = (self.shared.clone(), key.to_vec());
        read(&self.shared, move || {
            let (_, transaction) = shared.begin_read()?;
            get(&transaction.open_table(ROWS).map_err(of_any)?, &key)
        })
        .await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, Error> {
        let shared = self.shared.clone();
        let at = read(&self.shared, move || {
            let (opened, transaction) = shared.begin_read()?;
            let revision = read_meta(&transaction)?.revision;
            Ok(At { shared, transaction: Arc::new(transaction), revision, _opened: opened })
        });
        Ok(Arc::new(at.await?))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, Error> {
        transaction.check(&self.limits())?;
        self.ask(|reply| Job::Commit(transaction, reply)).await
    }

    async fn watch(&self, from: Revision) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(self.shared.feed.follow(from)?))
    }

    async fn scrub(&self) -> Result<(), Error> {
        let _one = self.scrubbing.lock().await;
        self.shared.files.remove(SCRUBBED)?;
        self.shared.files.check_room_for_copy()?;
        let snapshot = self.ask(Job::BeginScrub).await?;
        let copied = tokio::task::spawn_blocking({
            let shared = self.shared.clone();
            move || guarded(|| scrub::copy(&shared.files, SCRUBBED, &snapshot))
        });
        match copied.await.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string()))) {
            Ok(copy) => {
                let finish =
                    Box::new(move |files: &Files, database: &Database, noted: &_| copy.finish(files, database, noted));
                self.ask(|reply| Job::EndScrub(finish, reply)).await
            }
            Err(error) => {
                let _ = self.jobs.send(Job::AbandonScrub).await;
                if let Error::Corrupt(why) = &error {
                    self.shared.condemn(why);
                }
                Err(error)
            }
        }
    }

    async fn health(&self) -> Result<(), Error> {
        if let Some(why) = &*self.shared.condemned.read() {
            return Err(Error::Corrupt(why.clone()));
        }
        self.ask(Job::Probe).await
    }

    fn limits(&self) -> Limits {
        self.shared.files.limits()
    }

    fn id(&self) -> StoreId {
        self.shared.id
    }

    async fn keep_digest(&self, digester: Arc<dyn Digester>, trust: Trust) -> Result<Found, Error> {
        self.ask(|reply| Job::KeepDigest(digester, trust, reply)).await
    }

    fn digest(&self) -> Option<(Revision, Digest)> {
        self.shared.kept.read().as_ref().map(|kept| (kept.revision, kept.digest))
    }

    async fn verify(&self) -> Result<(), Error> {
        let shared = self.shared.clone();
        read(&self.shared, move || {
            let Some(kept) = shared.kept.read().clone() else { return Ok(()) };
            let (_opened, transaction) = shared.begin_read()?;
            digest::verify(&transaction, &*kept.digester, &shared.closing)
        })
        .await
    }
}

/// A snapshot.
struct At {
    shared: Arc<Shared>,
    transaction: Arc<ReadTransaction>,
    revision: Revision,
    _opened: Arc<Opened>,
}

#[async_trait]
impl Snapshot for At {
    fn revision(&self) -> Revision {
        self.revision
    }

    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        use std::ops::Bound;
        let (transaction, prefix, after) = (self.transaction.clone(), prefix.to_vec(), after.map(<[u8]>::to_vec));
        read(&self.shared, move || {
            let rows = transaction.open_table(ROWS).map_err(of_any)?;
            let start = match &after {
                Some(after) if *after >= prefix => Bound::Excluded(after.as_slice()),
                _ => Bound::Included(prefix.as_slice()),
            };
            let mut page = Vec::new();
            for stored in rows.range::<&[u8]>((start, Bound::Unbounded)).map_err(of_any)?.take(limit) {
                let (key, stored) = stored.map_err(of_any)?;
                if !key.value().starts_with(&prefix) {
                    break;
                }
                page.push(row(key.value(), stored.value())?);
            }
            Ok(page)
        })
        .await
    }
}
