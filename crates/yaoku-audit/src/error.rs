//! The error type of this crate.

use std::path::PathBuf;

/// Why a log can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The log is not what was written.
    #[error("{path}, at byte {offset}, record {record}: {why}", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where the offending frame begins.
        offset: u64,
        /// Index of the record that stands there, or would.
        record: u64,
        /// What is wrong.
        why: String,
    },
    /// A file ends within a frame, as one does that is being written, or was when its writer died.
    #[error("{path}, at byte {offset}, record {record}: the file ends within a frame", path = path.display())]
    CutOff {
        /// Which file.
        path: PathBuf,
        /// Where the frame begins.
        offset: u64,
        /// Index of the record that stands there, or would.
        record: u64,
    },
    /// The log as a whole does not go together with what is known of it.
    #[error("{0}")]
    Inconsistent(String),
    /// A key, a checkpoint or a note is not of its form.
    #[error("{0}")]
    Form(&'static str),
    /// The store can't be used.
    #[error(transparent)]
    Vault(#[from] yaoku_seal::Error),
}

impl Error {
    /// Whether a file is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::File { error, .. } if error.kind() == std::io::ErrorKind::NotFound)
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |error| Self::File { path, error }
    }
}
