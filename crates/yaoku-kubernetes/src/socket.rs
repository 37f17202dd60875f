//! The Unix socket. Only the user that runs the plugin can open it.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use tokio::net::{UnixListener, UnixStream};

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another plugin serves there.
    #[error("another process is listening on {path}; stop it, or choose another path with --socket", path = .0.display())]
    InUse(PathBuf),
    /// Something else has that name.
    #[error("{path} exists and is not a socket; choose another path with --socket", path = .0.display())]
    NotASocket(PathBuf),
    /// It can't be made.
    #[error("can't open the socket {path}: {why}", path = path.display())]
    Failed {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A socket that is listened on; its file is removed when it is dropped.
pub struct PluginSocket {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl PluginSocket {
    /// Opens the socket, with mode 0600 from its first moment. One that nobody listens on any more is replaced. Must be called within a
    /// Tokio runtime.
    ///
    /// # Errors
    /// When somebody listens there, or the socket can't be made.
    pub async fn open(path: &Path) -> Result<Self, SocketError> {
        let failed = |why: String| SocketError::Failed { path: path.to_owned(), why };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Two that start at once take turns; the lock leaves nothing behind.
        let _turn = lock(dir).map_err(|error| failed(error.to_string()))?;
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                // Only this says that nobody listens: one that is busy gives another error.
                let connected = UnixStream::connect(path).await;
                if !connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                    return Err(SocketError::InUse(path.to_owned()));
                }
            }
            Ok(_) => return Err(SocketError::NotASocket(path.to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error.to_string())),
        }
        // It gets its mode before its name, so that there is no moment at which others can open it.
        let unnamed = dir.join(format!(".{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&unnamed);
        let listener = UnixListener::bind(&unnamed).map_err(|error| {
            failed(format!(
                "{error} (the directory must exist, and paths of sockets have at most about a hundred characters)"
            ))
        })?;
        let named = || {
            std::fs::set_permissions(&unnamed, std::fs::Permissions::from_mode(0o600))?;
            std::fs::rename(&unnamed, path)?;
            std::fs::symlink_metadata(path)
        };
        match named() {
            Ok(made) => Ok(Self { listener, path: path.to_owned(), inode: made.ino() }),
            Err(error) => {
                let _ = std::fs::remove_file(&unnamed);
                Err(failed(error.to_string()))
            }
        }
    }
}

impl Drop for PluginSocket {
    fn drop(&mut self) {
        // Not one that another plugin has put in its place.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Holds a directory until dropped.
fn lock(dir: &Path) -> rustix::io::Result<OwnedFd> {
    let dir = open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    flock(&dir, FlockOperation::LockExclusive)?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kms.sock");
        // A listener that is gone leaves its file.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = PluginSocket::open(&path).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(PluginSocket::open(&path).await, Err(SocketError::InUse(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left there");
        drop(socket);
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        assert!(matches!(PluginSocket::open(&path).await, Err(SocketError::NotASocket(_))));
        let nowhere = dir.path().join("none/kms.sock");
        assert!(matches!(PluginSocket::open(&nowhere).await, Err(SocketError::Failed { .. })));
    }
}
