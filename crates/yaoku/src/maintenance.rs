//! Commands on a store that a running server may hold: then the server does them, else this process.

use std::path::Path;
use std::sync::Arc;

use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use yaoku_crypto::pkcs11::Token;
use yaoku_gate::Maintenance;
use yaoku_seal::{Rotated, Vault};

use crate::Error;
use crate::audit::Continuity;
use crate::config::{HsmSettings, SealSettings, StoreSettings};
use crate::control::RunningServer;
use crate::datadir::DataDir;
use crate::recorded::recorded;
use crate::serve::{open_token, open_vault};

/// Writes a backup to a new file; a sentence on it.
///
/// # Errors
/// When the file is there already, or anything fails; no file is left then.
pub async fn backup(settings: StoreSettings, path: &Path) -> Result<String, Error> {
    let mut file = new_file(path).await?;
    let written = write_to(settings, &mut file).await;
    let durable = match written {
        Ok(()) => make_durable(&mut file, path).await,
        Err(error) => Err(error),
    };
    if durable.is_err() {
        // What is left is no backup.
        let _ = tokio::fs::remove_file(path).await;
    }
    durable?;
    let size = file.metadata().await.map_err(Error::file(path))?.len();
    Ok(format!("backup written to {} ({size} bytes); keep it apart from the seal that opens it", path.display()))
}

/// Replaces the root key; a sentence on it.
///
/// # Errors
/// When seal or store can't be written; the old root key then stays.
pub async fn rotate(settings: StoreSettings) -> Result<String, Error> {
    if let Some(server) = RunningServer::find(&settings.control_socket, &settings.data_dir).await? {
        return server.rotate().await;
    }
    let (data_dir, vault) = open(settings).await?;
    let deed = async { Ok(vault.rotate_root().await?) };
    Ok(rotated(&recorded(&data_dir, &vault, Maintenance::RotateRootKey, Continuity::Required, deed).await?))
}

/// The sentence on a rotation.
pub(crate) fn rotated(rotated: &Rotated) -> String {
    let traces = match &rotated.scrubbed {
        Ok(()) => String::new(),
        Err(error) => format!(
            ", but what was wrapped under the old one could not be removed from the store's file ({error}); rotate again later"
        ),
    };
    format!(
        "the root key was replaced, and {} domain keys were rewrapped; make a new backup, because older ones need the old root key{traces}",
        rotated.domain_keys
    )
}

/// Writes a backup of an open vault.
pub(crate) async fn write_backup(
    vault: &Vault,
    out: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<(), yaoku_seal::Error> {
    yaoku_seal::backup::write(vault, out).await
}

async fn write_to(settings: StoreSettings, file: &mut File) -> Result<(), Error> {
    if let Some(server) = RunningServer::find(&settings.control_socket, &settings.data_dir).await? {
        return server.backup(file).await;
    }
    let (data_dir, vault) = open(settings).await?;
    let deed = async { Ok(write_backup(&vault, file).await?) };
    recorded(&data_dir, &vault, Maintenance::Backup, Continuity::Required, deed).await
}

/// Makes sure of a file's content and its name. Without the flush, a failed last write would go unnoticed.
async fn make_durable(file: &mut File, path: &Path) -> Result<(), Error> {
    file.flush().await.map_err(Error::file(path))?;
    file.sync_all().await.map_err(Error::file(path))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = async { File::open(parent).await?.sync_all().await };
    synced.await.map_err(Error::file(parent))
}

/// The vault, of a data directory that nobody else has.
async fn open(settings: StoreSettings) -> Result<(DataDir, Arc<Vault>), Error> {
    let data_dir = DataDir::take_existing(&settings.data_dir).map_err(|error| match error {
        Error::InUse(data_dir) => Error::Unreachable { data_dir, socket: settings.control_socket },
        other => other,
    })?;
    let token = token_of_seal(&settings.seal, settings.hsm).await?;
    let (vault, _) = open_vault(&data_dir, settings.address, settings.seal, token).await?;
    Ok((data_dir, vault))
}

/// The HSM, where the seal needs it.
pub(crate) async fn token_of_seal(seal: &SealSettings, hsm: Option<HsmSettings>) -> Result<Option<Arc<Token>>, Error> {
    match seal {
        SealSettings::Hsm(_) => open_token(hsm).await,
        SealSettings::File(_) | SealSettings::Passphrase(..) => Ok(None),
    }
}

/// A file that only this user can read.
async fn new_file(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await;
    opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::Options(format!("{} is there already; name a new file", path.display()))
        }
        _ => Error::File { path: path.to_owned(), error },
    })
}
