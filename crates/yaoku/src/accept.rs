//! Accepts a data directory as it is: after files were put back or lost, which the next start would refuse, and rightly so, unless it was
//! the operator.

use std::sync::Arc;

use yaoku_crypto::SystemRandom;
use yaoku_gate::Maintenance;
use yaoku_seal::Vault;

use crate::Error;
use crate::audit::Continuity;
use crate::config::StoreSettings;
use crate::datadir::DataDir;
use crate::maintenance::token_of_seal;
use crate::recorded::recorded;
use crate::store::OpenStore;

/// Takes store and audit log as they are, if every record opens and the log is whole; a sentence on it. The log has a record of it.
///
/// # Errors
/// When a server runs, a record does not open, or the log is damaged.
pub async fn accept(settings: StoreSettings) -> Result<String, Error> {
    let data_dir = DataDir::take_existing(&settings.data_dir)?;
    let token = token_of_seal(&settings.seal, settings.hsm).await?;
    let (path, address, seal) = (data_dir.store(), settings.address, settings.seal);
    let opened =
        tokio::task::spawn_blocking(move || Ok::<_, Error>((seal.open(false, token)?, address.open_accepting(&path)?)));
    let (seal, OpenStore { store, closed }) = opened.await.map_err(|error| Error::Options(error.to_string()))??;
    let vault = Arc::new(Vault::open_accepting(store, seal.into(), Arc::new(SystemRandom)).await?);
    yaoku_audit::forget(&vault).await?;
    let commit = vault.view().await?.revision().0;
    recorded(&data_dir, &vault, Maintenance::Accept, Continuity::Accepted, async { Ok(()) }).await?;
    drop(vault);
    closed.wait().await;
    Ok(format!(
        "accepted the store as of commit {commit}, and the audit log as it is; changes made after that are lost"
    ))
}
