//! A store in one file on one machine, over redb. `docs/store.md` draws its files and argues what a crash leaves.
//!
//! One thread writes ([`writer`]); readers use redb's snapshots, off the async runtime since they may touch the disk.
//! [`anchor`] notices a file that fell back, [`feed`] serves watchers, [`scrub`] rewrites the file without what was deleted.

mod anchor;
mod database;
mod feed;
mod scrub;
mod writer;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use redb::backends::FileBackend;
use redb::{Database, ReadTransaction, ReadableDatabase, StorageBackend};
use tokio::sync::{mpsc, oneshot};

use self::anchor::Anchor;
use self::database::{ROWS, get, guarded, of_any, read_meta, row};
use self::feed::Feed;
use self::writer::{Job, Writer};
use crate::{Error, Outcome, Revision, Row, Snapshot, Store, Transaction, Watch};

/// The store's file in its directory.
const FILE: &str = "store.redb";
/// Held locked for the life of a process.
const LOCK: &str = "store.lock";
/// Commits that may wait for the writer.
const QUEUE: usize = 4096;

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of the file that are kept in memory.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20 }
    }
}

/// A store in one file.
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    writer: Option<std::thread::JoinHandle<()>>,
    dir: Option<PathBuf>,
    /// One scrub at a time.
    scrubbing: tokio::sync::Mutex<()>,
}

impl Embedded {
    /// Opens the store in `dir`, or makes it. Blocks while every page is checked.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Newer`], [`Error::Corrupt`], or [`Error::Unavailable`] if files can't be opened.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        let unavailable = |error: io::Error| Error::Unavailable(format!("{}: {error}", dir.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unavailable)?;
        let lock = private_file(&dir.join(LOCK)).map_err(unavailable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked),
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
        scrub::remove_leftovers(dir).map_err(unavailable)?;
        let path = dir.join(FILE);
        if !path.exists() && dir.join(anchor::FILE).exists() {
            return Err(Error::Corrupt(format!("{} is missing", path.display())));
        }
        let opener = move || {
            let unavailable = |error: io::Error| Error::Unavailable(format!("{}: {error}", path.display()));
            let file = private_file(&path).map_err(unavailable)?;
            // Names a new or a scrubbed file durably before anything in it is acknowledged.
            scrub::sync_name_of(&path).map_err(unavailable)?;
            let backend = FileBackend::new(file).map_err(|_| Error::Locked)?;
            database::open(backend, options.cache_bytes)
        };
        let mut store =
            Self::start(Box::new(opener), |id, revision| Anchor::open(dir, id, revision).map(Some), Some(lock))?;
        store.dir = Some(dir.to_owned());
        Ok(store)
    }

    /// Opens a store over redb storage of the caller's making, without anchor and lock: for tests that inject faults.
    /// `backend` is called again whenever the store must be opened anew after a failure.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_backend<B: StorageBackend>(
        mut backend: impl FnMut() -> B + Send + 'static,
        options: Options,
    ) -> Result<Self, Error> {
        Self::start(Box::new(move || database::open(backend(), options.cache_bytes)), |_, _| Ok(None), None)
    }

    fn start(
        mut opener: Opener,
        anchor: impl FnOnce(anchor::StoreId, Revision) -> Result<Option<Anchor>, Error>,
        lock: Option<File>,
    ) -> Result<Self, Error> {
        let database = opener()?;
        let meta = read_meta(&database.begin_read().map_err(of_any)?)?;
        let anchor = anchor(meta.id, meta.revision)?;
        let shared = Arc::new(Shared {
            database: RwLock::new(Some(Arc::new(database))),
            opener: parking_lot::Mutex::new(opener),
            condemned: RwLock::new(None),
            feed: Arc::new(Feed::new(meta.revision)),
            _lock: lock,
        });
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(shared.clone(), anchor, meta.revision);
        let writer = std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run(queue));
        let writer = writer.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self { shared, jobs, writer: Some(writer), dir: None, scrubbing: tokio::sync::Mutex::new(()) })
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Job) -> Result<T, Error> {
        let closed = || Error::Unavailable("the store's writer has stopped".into());
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for Embedded {
    /// Waits until what was queued is durable, so that the lock is free when this returns.
    fn drop(&mut self) {
        let (closed, _) = mpsc::channel(1);
        self.jobs = closed;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

type Opener = Box<dyn FnMut() -> Result<Database, Error> + Send>;

/// What readers and the writer share.
struct Shared {
    /// None while the file must be opened anew.
    database: RwLock<Option<Arc<Database>>>,
    opener: parking_lot::Mutex<Opener>,
    /// Why the store refuses everything, once damage was met.
    condemned: RwLock<Option<String>>,
    feed: Arc<Feed>,
    _lock: Option<File>,
}

impl Shared {
    fn open(&self) -> Result<Database, Error> {
        (self.opener.lock())()
    }

    fn database(&self) -> Result<Arc<Database>, Error> {
        if let Some(why) = &*self.condemned.read() {
            return Err(Error::Corrupt(why.clone()));
        }
        let closed = || Error::Unavailable("its file had to be closed after a failed write".into());
        self.database.read().clone().ok_or_else(closed)
    }

    fn condemn(&self, why: &str) {
        tracing::error!(why, "the store is damaged and refuses everything from now on");
        self.condemned.write().get_or_insert_with(|| why.to_owned());
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
            if let Error::Corrupt(why) = error {
                shared.condemn(why);
            }
        })
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string())))
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &[u8]) -> Result<Option<Row>, Error> {
        let (database, key) = (self.shared.database()?, key.to_vec());
        read(&self.shared, move || {
            let transaction = database.begin_read().map_err(of_any)?;
            drop(database);
            get(&transaction.open_table(ROWS).map_err(of_any)?, &key)
        })
        .await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, Error> {
        let database = self.shared.database()?;
        let (transaction, revision) = read(&self.shared, move || {
            let transaction = database.begin_read().map_err(of_any)?;
            let revision = read_meta(&transaction)?.revision;
            Ok((transaction, revision))
        })
        .await?;
        Ok(Arc::new(At { shared: self.shared.clone(), transaction: Arc::new(transaction), revision }))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, Error> {
        transaction.check()?;
        self.ask(|reply| Job::Commit(transaction, reply)).await
    }

    async fn watch(&self, from: Revision) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(self.shared.feed.follow(from)?))
    }

    async fn scrub(&self) -> Result<(), Error> {
        let Some(dir) = &self.dir else {
            return Err(Error::Unavailable("storage without a file can't be scrubbed".into()));
        };
        let _one = self.scrubbing.lock().await;
        let snapshot = self.ask(Job::BeginScrub).await?;
        let copied = tokio::task::spawn_blocking({
            let dir = dir.clone();
            move || guarded(|| scrub::copy(&dir, &snapshot))
        });
        match copied.await.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string()))) {
            Ok(copy) => {
                let dir = dir.clone();
                let finish = Box::new(move |database: &Database, noted: &_| copy.finish(&dir, database, noted));
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
}

/// A snapshot.
struct At {
    shared: Arc<Shared>,
    transaction: Arc<ReadTransaction>,
    revision: Revision,
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

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
