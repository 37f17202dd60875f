//! Keeps the log of a running server.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use yaoku_audit::note::Signer;
use yaoku_audit::{Options, Sync, Trail};
use yaoku_seal::Vault;

use super::DIR;
use crate::Error;
use crate::config::SEGMENT;
use crate::datadir::DataDir;

/// Between two checkpoints that the store remembers.
const REMEMBER: Duration = Duration::from_secs(10);

/// Keeps the log of a running server.
pub(crate) struct RunningLog {
    trail: Arc<Trail>,
    signer: Arc<Signer>,
    vault: Arc<Vault>,
    remembering: JoinHandle<()>,
}

impl RunningLog {
    pub(crate) async fn open(data_dir: &DataDir, vault: Arc<Vault>, options: Options) -> Result<Self, Error> {
        let signer = Arc::new(yaoku_audit::load_signer(&vault).await?);
        let remembered = yaoku_audit::remembered(&vault, &signer).await?;
        let dir = data_dir.join(DIR);
        let opened = tokio::task::spawn_blocking({
            let signer = signer.clone();
            move || Trail::open(&dir, signer, remembered, options)
        });
        let trail = Arc::new(opened.await.map_err(|error| Error::Options(error.to_string()))??);
        data_dir.sync()?;
        if options.sync == Sync::Batched {
            tracing::warn!(
                "calls are answered up to 200 ms before their audit records are durable; a crash loses these records"
            );
        }
        let remembering = tokio::spawn({
            let (trail, signer, vault) = (trail.clone(), signer.clone(), vault.clone());
            async move {
                let mut last = remembered;
                loop {
                    tokio::time::sleep(REMEMBER).await;
                    let head = trail.head();
                    if last != Some(head) && remember(&vault, &signer, &trail).await {
                        last = Some(head);
                    }
                }
            }
        });
        Ok(Self { trail, signer, vault, remembering })
    }

    /// As [`Self::open`], for a command without a server: goes on with a log where there is one, and begins none.
    pub(crate) async fn go_on(data_dir: &DataDir, vault: Arc<Vault>) -> Result<Option<Self>, Error> {
        if !data_dir.join(DIR).exists() {
            return Ok(None);
        }
        let options = Options { sync: Sync::Durable, segment_bytes: SEGMENT, retained_bytes: None, retained_age: None };
        Self::open(data_dir, vault, options).await.map(Some)
    }

    pub(crate) fn trail(&self) -> Arc<Trail> {
        self.trail.clone()
    }

    /// Writes what waits, and remembers the end.
    pub(crate) async fn close(self) {
        self.remembering.abort();
        let _ = self.remembering.await;
        let closed = tokio::task::spawn_blocking({
            let trail = self.trail.clone();
            move || trail.close()
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "can't close the audit log");
        }
        remember(&self.vault, &self.signer, &self.trail).await;
    }
}

async fn remember(vault: &Vault, signer: &Signer, trail: &Trail) -> bool {
    let done = yaoku_audit::remember(vault, signer, &trail.head()).await;
    if let Err(error) = &done {
        tracing::warn!(%error, "can't save the end of the audit log in the store");
    }
    done.is_ok()
}
