//! The one error type of this crate: sentences for the person at the terminal.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a command can't be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options contradict each other or can't be used; the sentence says what to do.
    #[error("{0}")]
    Options(String),
    /// A file or directory can't be used.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another process has the data directory.
    #[error("another yaoku process is using {path}; stop it first", path = .0.display())]
    InUse(PathBuf),
    /// Another process has the data directory, and should do this, but can't be reached.
    #[error(
        "a yaoku process is using {path}, but not listening on the control socket {socket}; set the right one with \
         --control-socket, or stop that process", path = data_dir.display(), socket = socket.display()
    )]
    Unreachable {
        /// The data directory.
        data_dir: PathBuf,
        /// Where its server should answer.
        socket: PathBuf,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address}: {error}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The certificate can't be used.
    #[error(transparent)]
    Tls(#[from] yaoku_http::TlsError),
    /// The server can't be called.
    #[error(transparent)]
    Client(#[from] yaoku_client::Error),
    /// The socket of the Kubernetes plugin can't be served.
    #[error(transparent)]
    PluginSocket(#[from] yaoku_kubernetes::SocketError),
    /// The store, the seal or a backup can't be used.
    #[error(transparent)]
    Vault(#[from] yaoku_seal::Error),
    /// The HSM can't be used.
    #[error(transparent)]
    Hsm(#[from] yaoku_crypto::Error),
    /// Identities can't be used.
    #[error(transparent)]
    Iam(#[from] yaoku_iam::Error),
    /// What was asked for was not done, since it can't be recorded.
    #[error(
        "the audit log in the data directory can't be written, so nothing was done; free disk space, or check its file permissions"
    )]
    Unrecorded,
    /// The audit log can't be used, or is not whole.
    #[error("audit log: {0}")]
    Audit(#[from] yaoku_audit::Error),
    /// Keys can't be read.
    #[error("the keys can't be read: {0}")]
    Kms(#[from] yaoku_kms::Error),
    /// The secrets can't be read.
    #[error(transparent)]
    Secrets(#[from] yaoku_secrets::Error),
    /// The domain of disks can't be opened.
    #[error(transparent)]
    Disks(#[from] yaoku_disks::Error),
    /// The domain of managed objects can't be opened.
    #[error(transparent)]
    Objects(#[from] yaoku_objects::Error),
    /// A part of the server ended that must not.
    #[error("{0} ended unexpectedly, which is a bug in yaoku; see the log for the cause")]
    Ended(&'static str),
    /// The running server did not do what it was asked for.
    #[error("the running server says: {0}")]
    Server(String),
    /// The connection to the running server broke off.
    #[error("the connection to the running server was lost ({0}); see its log for the cause")]
    Control(String),
}

impl Error {
    /// A failure of a file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |error| Self::File { path, error }
    }
}

impl From<yaoku_store::Error> for Error {
    fn from(error: yaoku_store::Error) -> Self {
        Self::Vault(error.into())
    }
}
