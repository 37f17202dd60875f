//! The directory of everything that yaoku keeps. One process at a time has it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::store::StoreAddress;

/// Held locked by the process that has the directory; it stays when the process ends.
const LOCK: &str = "yaoku.lock";
/// Directory of the embedded store. A restored one takes its place by one rename.
const STORE: &str = "store";
/// What is here only after a store was: files, and a directory with files.
const AFTER_STORE: [&str; 4] = ["root.key", "root.key.sealed", "root.key.hsm", "audit"];

/// A data directory that no other process has.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes the directory; makes it, readable by nobody else, if it is not there.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::file(path))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = lock.map_err(Error::file(&lock_path))?;
        let open_to_others = std::fs::metadata(path).map_err(Error::file(path))?.mode() & 0o077 != 0;
        if open_to_others {
            tracing::warn!(path = %path.display(), "other users can read the data directory; run chmod 700 on it");
        }
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(Error::File { path: lock_path, error }),
        }
    }

    /// As [`Self::take`], of a directory that must hold a store.
    pub(crate) fn take_existing(path: &Path) -> Result<Self, Error> {
        if !path.join(STORE).is_dir() {
            let path = path.display();
            return Err(Error::Options(format!(
                "{path} does not contain a yaoku store; set --data-dir to the right directory"
            )));
        }
        Self::take(path)
    }

    /// Refuses to go on where the store is gone, and what belongs to it is not: a new store in its place would look like a server that
    /// never had a key.
    pub(crate) fn check_store(&self, address: StoreAddress) -> Result<(), Error> {
        // An empty directory may be where another disk is mounted.
        let has_files = |path: &PathBuf| {
            let mut entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            path.is_file() || entries.any(|entry| entry.path().is_file())
        };
        let left = AFTER_STORE.map(|name| self.path.join(name)).into_iter().find(has_files);
        match left {
            Some(left) if !address.is_there(&self.store()) => Err(Error::Options(format!(
                "the store {} is missing, although {} is there: restore it with `yaoku restore`; to begin anew, without any of the keys, use another \
                 --data-dir",
                self.store().display(),
                left.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Where the embedded store is.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// A file or directory within.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes what was created or renamed within durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        File::open(&self.path).and_then(|dir| dir.sync_all()).map_err(Error::file(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let taken = DataDir::take(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(DataDir::take(&path), Err(Error::InUse(_))));
        drop(taken);
        DataDir::take(&path).unwrap();
    }

    #[test]
    fn a_store_that_is_gone_is_not_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let taken = DataDir::take(dir.path()).unwrap();
        taken.check_store(StoreAddress::Embedded).unwrap();
        let audit = dir.path().join("audit");
        std::fs::create_dir_all(audit.join("lost+found")).unwrap();
        taken.check_store(StoreAddress::Embedded).unwrap();
        for name in ["root.key", "root.key.sealed", "root.key.hsm", "audit/00000000"] {
            std::fs::write(dir.path().join(name), "").unwrap();
            let refused = taken.check_store(StoreAddress::Embedded).unwrap_err().to_string();
            assert!(refused.contains("yaoku restore") && refused.contains(&name[..5]), "{refused}");
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        drop(StoreAddress::Embedded.open(&taken.store()).unwrap());
        std::fs::write(audit.join("00000000"), "").unwrap();
        taken.check_store(StoreAddress::Embedded).unwrap();
    }

    #[test]
    fn a_directory_without_a_store_is_told_from_one_with() {
        let dir = tempfile::tempdir().unwrap();
        assert!(DataDir::take_existing(dir.path()).unwrap_err().to_string().contains("--data-dir"));
        std::fs::create_dir(dir.path().join(STORE)).unwrap();
        DataDir::take_existing(dir.path()).unwrap();
    }
}
