//! Keeps the log of a running server.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use yaoku_audit::merkle::Frontier;
use yaoku_audit::note::{Checkpoint, MAX_STORES, Signer};
use yaoku_audit::{Options, Sync, Trail, segments};
use yaoku_seal::{Found, StoreMark, Vault};

use super::DIR;
use super::witness::{Witness, Witnessing};
use crate::Error;
use crate::config::SEGMENT;
use crate::datadir::DataDir;

/// Between two checkpoints that the store remembers.
const REMEMBER: Duration = Duration::from_secs(10);

/// What is expected of a log and a store that are opened together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// Each must be what the other says of it.
    Required,
    /// The store is about to take the place of another, of which the log speaks.
    Restored,
    /// An operator says that both are right.
    Accepted,
}

/// Keeps the log of a running server.
pub(crate) struct RunningLog {
    trail: Arc<Trail>,
    signer: Arc<Signer>,
    vault: Arc<Vault>,
    remembering: JoinHandle<()>,
    witnessing: Option<Witnessing>,
}

impl RunningLog {
    pub(crate) async fn open(
        data_dir: &DataDir,
        vault: Arc<Vault>,
        options: Options,
        witness: Option<Witness>,
    ) -> Result<Self, Error> {
        Self::open_as(data_dir, vault, options, Continuity::Required, witness).await
    }

    async fn open_as(
        data_dir: &DataDir,
        vault: Arc<Vault>,
        options: Options,
        continuity: Continuity,
        witness: Option<Witness>,
    ) -> Result<Self, Error> {
        let signer = Arc::new(yaoku_audit::load_signer(&vault).await?);
        let dir = data_dir.join(DIR);
        let is_there = dir.exists() && !segments(&dir)?.is_empty();
        let remembered = match continuity {
            Continuity::Required => yaoku_audit::remembered(&vault, &signer).await?,
            Continuity::Restored | Continuity::Accepted => None,
        };
        if remembered.is_none() && continuity == Continuity::Required {
            if is_there && vault.found() != Found::Begun {
                return Err(refused("the store's record of the log's last checkpoint is missing"));
            }
            if !is_there {
                // Before the log has anything, so that it never has something that the store knows nothing of.
                let empty = Checkpoint { head: Frontier::default().head(), stores: Vec::new() };
                yaoku_audit::remember(&vault, &signer, &empty).await?;
            }
        }
        let carried = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let marks = Box::new({
            let (vault, carried) = (vault.clone(), carried.clone());
            move || carried.lock().iter().copied().chain(vault.mark()).collect()
        });
        let opened = tokio::task::spawn_blocking({
            let (signer, head) = (signer.clone(), remembered.as_ref().map(|checkpoint| checkpoint.head));
            move || Trail::open_marking(&dir, signer, head, options, marks)
        });
        let trail = Arc::new(opened.await.map_err(|error| Error::Options(error.to_string()))??);
        data_dir.sync()?;
        let last = trail.checkpoint();
        match continuity {
            Continuity::Required => {
                // A log that was begun just now says what the store is now.
                if is_there {
                    check_store(&last.stores, &vault)?;
                }
            }
            // Either store is the right one until a server starts with one of them.
            Continuity::Restored => {
                let own = vault.mark().map(|mark| mark.store);
                let others = last.stores.into_iter().filter(|mark| Some(mark.store) != own);
                let mut others: Vec<_> = others.collect();
                others.drain(..others.len().saturating_sub(MAX_STORES - 1));
                *carried.lock() = others;
            }
            Continuity::Accepted => {}
        }
        if options.sync == Sync::Batched {
            tracing::warn!(
                "calls are answered up to 200 ms before their audit records are durable; a crash loses these records"
            );
        }
        let witnessing = match witness {
            Some(witness) => Some(witness.begin(trail.clone(), signer.clone()).await?),
            None => None,
        };
        if remembered.is_none() {
            yaoku_audit::remember(&vault, &signer, &trail.checkpoint()).await?;
        }
        let remembering = tokio::spawn({
            let (trail, signer, vault) = (trail.clone(), signer.clone(), vault.clone());
            async move {
                let mut last = remembered.map(|checkpoint| checkpoint.head);
                loop {
                    tokio::time::sleep(REMEMBER).await;
                    let checkpoint = trail.checkpoint();
                    if last != Some(checkpoint.head) && remember(&vault, &signer, &checkpoint).await {
                        last = Some(checkpoint.head);
                    }
                }
            }
        });
        Ok(Self { trail, signer, vault, remembering, witnessing })
    }

    /// As [`Self::open`], for a command without a server: goes on with a log where there is one, and begins none.
    pub(crate) async fn go_on(
        data_dir: &DataDir,
        vault: Arc<Vault>,
        continuity: Continuity,
    ) -> Result<Option<Self>, Error> {
        if !data_dir.join(DIR).exists() {
            return Ok(None);
        }
        let options = Options { sync: Sync::Durable, segment_bytes: SEGMENT, retained_bytes: None, retained_age: None };
        Self::open_as(data_dir, vault, options, continuity, None).await.map(Some)
    }

    pub(crate) fn trail(&self) -> Arc<Trail> {
        self.trail.clone()
    }

    /// Writes what waits, remembers the end, and tells the witness of it.
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
        remember(&self.vault, &self.signer, &self.trail.checkpoint()).await;
        if let Some(witnessing) = self.witnessing {
            witnessing.end().await;
        }
    }
}

async fn remember(vault: &Vault, signer: &Signer, checkpoint: &Checkpoint) -> bool {
    let done = yaoku_audit::remember(vault, signer, checkpoint).await;
    if let Err(error) = &done {
        tracing::warn!(%error, "can't save the end of the audit log in the store");
    }
    done.is_ok()
}

/// Compares the store with what the last checkpoint of the log says of it. It may have commits that no checkpoint covers yet, but lacks
/// none that one does.
fn check_store(signed: &[StoreMark], vault: &Vault) -> Result<(), Error> {
    // An earlier version's log says nothing.
    if signed.is_empty() {
        return Ok(());
    }
    let Some(own) = vault.mark() else { return Err(refused("the store has no digest of its rows")) };
    let Some(signed) = signed.iter().find(|mark| mark.store == own.store) else {
        return Err(refused("the log belongs to another store, such as one from before a restore"));
    };
    if vault.found() == Found::Begun {
        return Err(refused("the digest of the store's rows, which the log signed, is missing"));
    }
    if own.revision < signed.revision {
        let (now, then) = (own.revision.0, signed.revision.0);
        return Err(refused(&format!(
            "the store was rolled back: it is at commit {now}, but the log signed commit {then}"
        )));
    }
    if own.revision == signed.revision && own.digest != signed.digest {
        return Err(refused("the store has other rows than the log signed"));
    }
    Ok(())
}

fn refused(why: &str) -> Error {
    Error::Options(format!(
        "the store and its audit log do not match: {why}; put the right files back, restore the store from a backup, or, if \
         these files are here on purpose, accept them with `yaoku accept`"
    ))
}
