//! Puts a backup in the place of a store.
//!
//! The backup is verified whole, then made into a new store aside, in `restore.tmp`, then opened as a server would open it;
//! only then do the two directories change places, in one step of the file system, by which the former store gets the name
//! that it keeps. Whatever fails before leaves everything as it was, the seal too.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_gate::Maintenance;
use yaoku_seal::Vault;
use yaoku_seal::seal::Seal;

use crate::Error;
use crate::audit::Continuity;
use crate::config::StoreSettings;
use crate::datadir::DataDir;
use crate::maintenance::token_of_seal;
use crate::recorded::recorded;
use crate::store::{OpenStore, StoreAddress};

/// The new store until it takes its place.
const ASIDE: &str = "restore.tmp";
/// The former store.
const BEFORE: &str = "store.before-restore";

/// Restores a backup; a sentence on it.
///
/// # Errors
/// When a server runs, the backup is damaged or opens with another seal, or a store is there and `replace` is not said.
pub async fn restore(settings: StoreSettings, backup: &Path, replace: bool) -> Result<String, Error> {
    let data_dir = DataDir::take(&settings.data_dir)?;
    let (store, before) = (data_dir.store(), data_dir.join(BEFORE));
    let there = store.exists();
    if there && !replace {
        return Err(Error::Options(format!(
            "{} already exists; use --replace to replace it with the backup",
            store.display()
        )));
    }
    if there && before.exists() {
        return Err(Error::Options(format!(
            "{} exists from an earlier restore; delete it or move it away first",
            before.display()
        )));
    }
    let token = token_of_seal(&settings.seal, settings.hsm).await?;
    let seal = tokio::task::spawn_blocking(move || settings.seal.open(false, token)).await;
    let seal: Arc<dyn Seal> = seal.map_err(|error| Error::Options(error.to_string()))??.into();
    let seal = Arc::new(Untouched { inner: seal, made: Mutex::new(None) });
    if there && seal.inner.load()?.is_some_and(|held| held.len() > 1) {
        return Err(Error::Options(
            "a rotation of the root key was interrupted, and the existing store may need either key: start the server \
             once to finish it, or move the store away if it can't be opened any more"
                .into(),
        ));
    }
    let aside = data_dir.join(ASIDE);
    remove(&aside)?;
    let made = make(backup, settings.address, &aside, seal.clone(), &data_dir).await;
    if made.is_err() {
        remove(&aside)?;
    }
    let records = made?;
    seal.keep()?;
    let kept = if there {
        // First the name: the exchange then leaves the former store under it, whatever happens next.
        std::fs::rename(&aside, &before).map_err(Error::file(&before))?;
        if let Err(error) = exchange(&before, &store, RenameFlags::EXCHANGE) {
            remove(&before)?;
            return Err(error);
        }
        format!(
            "; the old store is kept in {}. To return to it, put it back as {} and run `yaoku accept`",
            before.display(),
            store.display()
        )
    } else {
        exchange(&aside, &store, RenameFlags::NOREPLACE)?;
        String::new()
    };
    data_dir.sync()?;
    Ok(format!("restored {records} records from {}{kept}", backup.display()))
}

/// A seal that is not written to until the new store is whole. Of what would be written to it only a first root key is kept
/// in the end: a key that is there already stays.
struct Untouched {
    inner: Arc<dyn Seal>,
    made: Mutex<Option<Vec<Secret>>>,
}

impl Untouched {
    fn keep(&self) -> Result<(), yaoku_seal::Error> {
        match (self.made.lock().as_ref(), self.inner.load()?) {
            (Some(made), None) => self.inner.save(made),
            _ => Ok(()),
        }
    }
}

impl Seal for Untouched {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn load(&self) -> Result<Option<Vec<Secret>>, yaoku_seal::Error> {
        let made = self.made.lock().as_ref().map(|keys| keys.iter().map(Secret::duplicate).collect());
        made.map_or_else(|| self.inner.load(), |keys| Ok(Some(keys)))
    }

    fn save(&self, root_keys: &[Secret]) -> Result<(), yaoku_seal::Error> {
        *self.made.lock() = Some(root_keys.iter().map(Secret::duplicate).collect());
        Ok(())
    }

    fn portable(&self) -> Result<Vec<u8>, yaoku_seal::Error> {
        self.inner.portable()
    }

    fn open_portable(&self, portable: &[u8]) -> Result<Option<Vec<Secret>>, yaoku_seal::Error> {
        self.inner.open_portable(portable)
    }
}

/// Makes a store of a backup, and opens it once; how many records it has.
async fn make(
    backup: &Path,
    address: StoreAddress,
    aside: &Path,
    seal: Arc<Untouched>,
    data_dir: &DataDir,
) -> Result<u64, Error> {
    let file = |path| std::fs::File::open(path).map_err(Error::file(path));
    // Whole first: a backup that breaks off must not even begin to become a store.
    yaoku_seal::backup::verify(file(backup)?, seal.as_ref()).await?;
    let OpenStore { store, .. } = address.open(aside)?;
    let records = yaoku_seal::backup::restore(file(backup)?, seal.as_ref(), store.as_ref()).await?;
    let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await?);
    // The audit log is no part of a backup.
    yaoku_audit::forget(&vault).await?;
    // Goes on with the log that is there, whose end the new store then remembers.
    recorded(data_dir, &vault, Maintenance::Restore, Continuity::Restored, async { Ok(records) }).await
}

/// Puts `new` where `old` is, in one step; with EXCHANGE, `old` where `new` was.
fn exchange(new: &Path, old: &Path, flags: RenameFlags) -> Result<(), Error> {
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
