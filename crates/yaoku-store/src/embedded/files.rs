//! The store's files in its directory, and how each is opened.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use redb::backends::FileBackend;
use redb::{Database, StorageBackend};

use super::sums::Left;
use super::{Options, anchor, database, sums};
use crate::{Digester, Error, Limits};

/// The store.
pub(super) const STORE: &str = "store.redb";
/// Held locked for the life of a process.
const LOCK: &str = "store.lock";
/// New files until they take the store's name: a new store or a scrub's copy, and one made after a failed sync.
pub(super) const SCRUBBED: &str = "store.redb.new";
pub(super) const RESCUED: &str = "store.redb.rescued";

/// Bytes that are read ahead at a time.
const READ_AHEAD: usize = 1 << 20;

/// Puts something between redb and a file: tests inject faults there.
pub(super) type Wrap = Box<dyn Fn(FileBackend) -> Box<dyn StorageBackend> + Send + Sync>;

pub(super) struct Files {
    dir: PathBuf,
    options: Options,
    wrap: Wrap,
    sync_failed: Arc<AtomicBool>,
    /// When all pages of the store were last checked, in seconds since 1970.
    checked: AtomicU64,
    /// What was left of the file as it was opened, until that is asked about.
    left: Mutex<Option<Left>>,
    _lock: File,
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Files {
    /// Takes the directory for this process; makes it if it is not there.
    pub(super) fn lock(dir: &Path, options: Options, wrap: Wrap) -> Result<Self, Error> {
        let unavailable = unavailable(dir);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(&unavailable)?;
        let lock = private_file(&dir.join(LOCK)).map_err(&unavailable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked),
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
        let files = Self {
            dir: dir.to_owned(),
            options,
            wrap,
            sync_failed: Arc::default(),
            checked: AtomicU64::new(0),
            left: Mutex::default(),
            _lock: lock,
        };
        files.remove(SCRUBBED)?;
        files.remove(RESCUED)?;
        Ok(files)
    }

    /// Opens the store, or makes it if nothing was ever acknowledged here. It is made aside, so that one whose making was cut
    /// off is made again.
    pub(super) fn open_or_make(&self) -> Result<Database, Error> {
        if !self.is_there(STORE)? {
            if self.is_there(anchor::FILE)? {
                return Err(Error::Corrupt(format!("{} is missing", self.dir.join(STORE).display())));
            }
            let (database, aside) = self.create_aside(SCRUBBED)?;
            database::prepare(&database)?;
            drop(database);
            self.install(aside)?;
        }
        self.open()
    }

    /// Opens the store's file, which is known to be whole: either by the sums that were left when it was closed, or since all its pages
    /// are checked. Its name is durable when this returns.
    pub(super) fn open(&self) -> Result<Database, Error> {
        if !self.is_there(STORE)? {
            return Err(Error::Unavailable(format!("{} is missing", self.dir.join(STORE).display())));
        }
        let file = self.backend(STORE)?;
        let left = sums::take(&self.dir, &file, now()).unwrap_or_else(|error| {
            tracing::debug!(%error, "can't use the store's sums; checking every page");
            None
        });
        let checked = left.as_ref().map(|left| left.checked);
        *self.left.lock() = left;
        if checked.is_none() {
            self.read_ahead();
        }
        let database = database::open(file, self.options.cache_bytes, checked.is_none())?;
        self.checked.store(checked.unwrap_or_else(now), Ordering::Relaxed);
        self.sync_names()?;
        Ok(database)
    }

    pub(super) const fn limits(&self) -> Limits {
        self.options.limits
    }

    /// What was left of the file, and held when it was opened. Only the first who asks is told: later the file is another.
    pub(super) fn take_left(&self) -> Option<Left> {
        self.left.lock().take()
    }

    /// Leaves sums of the store's file to the next start, with a code where there is a digester. The file must be closed.
    pub(super) fn leave_sums(&self, digester: Option<&dyn Digester>) {
        let (unavailable, checked) = (unavailable(&self.dir), self.checked.load(Ordering::Relaxed));
        let authenticate = |statement: &[u8]| digester.map(|digester| digester.authenticate(statement));
        let left = self
            .backend(STORE)
            .and_then(|file| sums::leave(&self.dir, &file, checked, authenticate).map_err(unavailable));
        if let Err(error) = left {
            tracing::debug!(%error, "can't write the store's sums; the next start takes longer");
        }
    }

    /// Whether a copy of the store fits on the disk beside it, with some room for commits meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it does not.
    pub(super) fn check_room_for_copy(&self) -> Result<(), Error> {
        let path = self.dir.join(STORE);
        let size = std::fs::metadata(&path).map_err(unavailable(&path))?.len();
        let disk = rustix::fs::statvfs(&self.dir).map_err(|error| unavailable(&self.dir)(error.into()))?;
        let (needed, free) = (size + size / 8, disk.f_bavail.saturating_mul(disk.f_frsize));
        if free < needed {
            let (needed, free) = (needed.div_ceil(1 << 20), free >> 20);
            return Err(Error::Unavailable(format!(
                "rewriting the store needs {needed} MiB of disk space, but only {free} MiB are free"
            )));
        }
        Ok(())
    }

    fn is_there(&self, name: &str) -> Result<bool, Error> {
        let path = self.dir.join(name);
        path.try_exists().map_err(unavailable(&path))
    }

    /// Makes an empty file aside.
    pub(super) fn create_aside(&self, name: &str) -> Result<(Database, Aside), Error> {
        self.remove(name)?;
        let aside = Aside(self.dir.join(name));
        let mut builder = Database::builder();
        builder.set_cache_size(self.options.cache_bytes);
        let database = builder.create_with_backend(self.backend(name)?).map_err(database::of_any)?;
        Ok((database, aside))
    }

    /// Puts a file that was made aside in the place of the store's.
    pub(super) fn install(&self, aside: Aside) -> Result<(), Error> {
        std::fs::rename(&aside.0, self.dir.join(STORE)).map_err(unavailable(&self.dir))?;
        self.sync_names()
    }

    /// Whether a sync has failed that was not made good yet.
    pub(super) fn has_sync_failure(&self) -> bool {
        self.sync_failed.load(Ordering::Acquire)
    }

    /// Says that failed syncs were made good, by a new file that holds everything.
    pub(super) fn forget_sync_failure(&self) {
        self.sync_failed.store(false, Ordering::Release);
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        remove(&self.dir.join(name)).map_err(unavailable(&self.dir))
    }

    /// Has the system read the store's file from its beginning to its end. The check that follows goes from page to page along
    /// the tree, all over the file, and would wait for the disk at each.
    fn read_ahead(&self) {
        let path = self.dir.join(STORE);
        std::thread::spawn(move || {
            let mut piece = vec![0; READ_AHEAD];
            let read = File::open(&path).and_then(|mut file| {
                while file.read(&mut piece)? > 0 {}
                Ok(())
            });
            if let Err(error) = read {
                tracing::debug!(%error, "can't read the store's file ahead");
            }
        });
    }

    fn backend(&self, name: &str) -> Result<Watched, Error> {
        let path = self.dir.join(name);
        let file = private_file(&path).map_err(unavailable(&path))?;
        let file = FileBackend::new(file).map_err(|_| Error::Locked)?;
        Ok(Watched { inner: (self.wrap)(file), sync_failed: self.sync_failed.clone() })
    }

    fn sync_names(&self) -> Result<(), Error> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(unavailable(&self.dir))
    }
}

/// A file in the making. When this is dropped, the file is removed, unless it has taken the store's name by then: so nothing
/// is left of it, whatever cuts its making off.
pub(super) struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            // At the next start it is.
            tracing::warn!(%error, "can't remove an unfinished file");
        }
    }
}

/// Notices failed syncs. What was written before one may be in memory only, though it reads well and a later sync succeeds:
/// Linux marks pages clean that it could not write.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn StorageBackend>,
    sync_failed: Arc<AtomicBool>,
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data().inspect_err(|_| self.sync_failed.store(true, Ordering::Release))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}

fn unavailable(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Unavailable(format!("{}: {error}", path.display()))
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
