//! Where a store is, and how it is opened: the one place that knows.
//!
//! What is not of every store, but of one in files, is named after them: [`Embedded::open`] and the exchange of directories in
//! `restore`, the image of the catalogue, the sums and the anchor.

use std::path::Path;
use std::sync::Arc;

use yaoku_store::{Closed, Embedded, Options, Store};

use crate::Error;

/// What `--store` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAddress {
    /// In the data directory.
    Embedded,
}

/// A store that is open, and what tells when it is closed.
pub(crate) struct OpenStore {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) closed: Closed,
}

impl StoreAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// For a kind of store that this version does not have, by its name.
    pub fn parse(text: Option<&str>) -> Result<Self, Error> {
        match text {
            None | Some("embedded") => Ok(Self::Embedded),
            Some(other) => {
                let what = if other.starts_with("etcd://") { "etcd" } else { "such a store" };
                Err(Error::Options(format!(
                    "--store {other}: this version does not support {what}; omit --store to keep keys in the data directory"
                )))
            }
        }
    }

    /// Whether there is a store, in a directory of its own if it is one of files.
    pub(crate) fn is_there(self, dir: &Path) -> bool {
        match self {
            Self::Embedded => Embedded::is_there(dir),
        }
    }

    /// Opens the store, in a directory of its own if it is one of files. Blocks.
    pub(crate) fn open(self, dir: &Path) -> Result<OpenStore, Error> {
        self.open_by(dir, Embedded::open)
    }

    /// As [`Self::open`], of files that an operator says are right.
    pub(crate) fn open_accepting(self, dir: &Path) -> Result<OpenStore, Error> {
        self.open_by(dir, Embedded::open_accepting)
    }

    fn open_by(
        self,
        dir: &Path,
        open: fn(&Path, Options) -> Result<Embedded, yaoku_store::Error>,
    ) -> Result<OpenStore, Error> {
        match self {
            Self::Embedded => {
                let store = open(dir, Options::default())?;
                let closed = store.closed();
                Ok(OpenStore { store: Arc::new(store), closed })
            }
        }
    }
}
