//! Puts a backup in the place of a store.
//!
//! The backup is verified whole, then made into a new store aside, in `restore.tmp`, then opened as a server would open it;
//! only then do the two directories change places, in one step of the file system. Whatever fails before leaves
//! everything as it was.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use yaoku_crypto::SystemRandom;
use yaoku_seal::Vault;
use yaoku_seal::seal::Seal;
use yaoku_store::{Embedded, Store};

use crate::Error;
use crate::config::StoreSettings;
use crate::control::RunningServer;
use crate::datadir::DataDir;

/// The new store until it takes its place.
const ASIDE: &str = "restore.tmp";
/// The former store.
const BEFORE: &str = "store.before-restore";

/// Restores a backup; a sentence on it.
///
/// # Errors
/// When a server runs, the backup is damaged or opens with another seal, or a store is there and `replace` is not said.
pub async fn restore(settings: StoreSettings, backup: &Path, replace: bool) -> Result<String, Error> {
    if RunningServer::find(&settings.control_socket).await.is_some() {
        return Err(Error::InUse(settings.data_dir));
    }
    let data_dir = DataDir::take(&settings.data_dir)?;
    let (store, before) = (data_dir.store(), data_dir.join(BEFORE));
    let there = store.exists();
    if there && !replace {
        return Err(Error::Options(format!(
            "{} is there already; say --replace to put the backup in its place",
            store.display()
        )));
    }
    if there && before.exists() {
        return Err(Error::Options(format!(
            "{} is there from an earlier restore; delete it or move it away first",
            before.display()
        )));
    }
    let seal = tokio::task::spawn_blocking(move || settings.seal.open(false)).await;
    let seal: Arc<dyn Seal> = seal.map_err(|error| Error::Options(error.to_string()))??.into();
    let aside = data_dir.join(ASIDE);
    remove(&aside)?;
    let made = make(backup, &aside, seal).await;
    if made.is_err() {
        remove(&aside)?;
    }
    let records = made?;
    exchange(&aside, &store, there)?;
    data_dir.sync()?;
    let kept = if there {
        std::fs::rename(&aside, &before).map_err(Error::file(&before))?;
        data_dir.sync()?;
        format!("; the former store is kept in {}", before.display())
    } else {
        String::new()
    };
    Ok(format!("restored {records} records from {}{kept}", backup.display()))
}

/// Makes a store of a backup, and opens it once; how many records it has.
async fn make(backup: &Path, aside: &Path, seal: Arc<dyn Seal>) -> Result<u64, Error> {
    let file = |path| std::fs::File::open(path).map_err(Error::file(path));
    // Whole first: a backup that breaks off must not even begin to become a store.
    yaoku_seal::backup::verify(file(backup)?, seal.as_ref()).await?;
    let store: Arc<dyn Store> = Arc::new(Embedded::open(aside, yaoku_store::Options::default())?);
    let records = yaoku_seal::backup::restore(file(backup)?, seal.as_ref(), store.as_ref()).await?;
    drop(Vault::open(store, seal, Arc::new(SystemRandom)).await?);
    Ok(records)
}

/// Puts `new` where `old` is, in one step, and `old` where `new` was.
fn exchange(new: &Path, old: &Path, there: bool) -> Result<(), Error> {
    let flags = if there { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
    renameat_with(CWD, new, CWD, old, flags).map_err(|error| Error::File { path: old.to_owned(), error: error.into() })
}

fn remove(aside: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { path: aside.to_owned(), error })
        }
        _ => Ok(()),
    }
}
