//! What happens by itself: rotation, the end of a scheduled deletion, and scrubbing the store afterwards.
//!
//! All of it goes by the domain's clock, from what the catalogue says is due; each step is a commit that expects the
//! record it was decided on, so that of several processes one takes it and the others find it done. What fell due while
//! no process ran is due at the next start.

use std::time::Duration;

use yaoku_iam::AccountId;
use yaoku_seal::Changes;

use crate::kms::versions;
use crate::operations::versions::rotate;
use crate::record::{ScrubRecord, alias_name, key_name, scrub_name, version_name};
use crate::{Error, KeyId, KeyState, Kms, Timestamp};

/// How often the scheduler looks at its clock.
const TICK: Duration = Duration::from_secs(1);
/// Keys taken up at a time.
const BATCH: usize = 256;
/// Versions deleted in one commit.
const VERSIONS_A_COMMIT: usize = 4000;

impl Kms {
    /// Does what is due, again and again; never returns.
    pub async fn run_scheduler(&self) -> std::convert::Infallible {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.do_what_is_due().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "something due could not be done; trying again"
                );
            }
        }
    }

    /// Milliseconds since the longest due work fell due; 0 if nothing is due.
    pub fn scheduler_lag(&self) -> u64 {
        let due = self.state.read().catalogue.next_due();
        due.map_or(0, |due| self.clock.now().0.saturating_sub(due.0))
    }

    /// Rotates and deletes every key that is due by the domain's clock, and scrubs the store if that is due.
    ///
    /// # Errors
    /// The first failure, after everything else was tried.
    pub async fn do_what_is_due(&self) -> Result<(), Error> {
        let mut failure = Ok(());
        loop {
            let now = self.clock.now();
            let due = self.state.read().catalogue.due(now, BATCH);
            let mut done = 0;
            for (account, key) in &due {
                match self.take_up(*account, *key, now).await {
                    Ok(()) => done += 1,
                    Err(error) => failure = failure.and(Err(error)),
                }
            }
            // A key that fails stays first in line; others behind it must not wait for ever.
            if due.len() < BATCH || done == 0 {
                break;
            }
        }
        self.scrub_if_due().await.and(failure)
    }

    /// Decides on the key as the store has it, whatever the catalogue thought.
    async fn take_up(&self, account: AccountId, id: KeyId, now: Timestamp) -> Result<(), Error> {
        let key = match self.stored_key(account, id).await {
            Err(Error::KeyNotFound) => return Ok(()),
            other => other?,
        };
        if key.record.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        match key.record.state {
            // A conflict means that somebody else changed the key: what is due then shows at the next look.
            KeyState::Enabled => rotate(self, key, now).await.map(|version| {
                if let Some(version) = version {
                    tracing::info!(key = %version.key, version = %version.id, "rotated automatically");
                }
            }),
            KeyState::PendingDeletion => self.delete(key).await,
            KeyState::Disabled | KeyState::PendingImport => Ok(()),
        }
    }

    /// Deletes a key with its versions and aliases, and marks the store for scrubbing.
    async fn delete(&self, key: crate::keyring::Key) -> Result<(), Error> {
        let name = key_name(key.account, key.id);
        let unchanged = (name.clone(), Some(key.revision));
        let versions = versions(&self.vault, &key).await?;
        let mut version_names = versions.iter().map(|(version, _)| version_name(key.account, key.id, *version));
        // A key with more versions than a commit takes loses the first of them beforehand; it is past saving by now.
        while version_names.len() > VERSIONS_A_COMMIT {
            let deletes = version_names.by_ref().take(VERSIONS_A_COMMIT).collect();
            let changes = Changes { expected: vec![unchanged.clone()], puts: Vec::new(), deletes };
            if !self.commit(changes).await? {
                return Ok(());
            }
        }
        let due = self.clock.now().plus_seconds(self.config.scrub_delay);
        let mut changes = Changes {
            expected: vec![unchanged],
            puts: vec![(scrub_name(), ScrubRecord { due }.encode()?)],
            deletes: version_names.collect(),
        };
        changes.deletes.push(name);
        self.read_catalogue(key.account, |catalogue| {
            for alias in catalogue.aliases_of(key.id, 0, usize::MAX).items {
                let Some((_, revision)) = catalogue.alias(&alias) else { continue };
                let name = alias_name(key.account, &alias);
                changes.expected.push((name.clone(), Some(revision)));
                changes.deletes.push(name);
            }
        });
        if self.commit(changes).await? {
            tracing::info!(key = %key.id, "deleted as scheduled");
        }
        Ok(())
    }

    /// Takes what was deleted out of the store's files, some time after a deletion.
    ///
    /// The mark is a record: a process that stops in between leaves it to the next. A deletion that comes while the
    /// store is being scrubbed replaces the mark, which then is not taken away.
    async fn scrub_if_due(&self) -> Result<(), Error> {
        let due = self.state.read().scrub;
        if due.is_none_or(|due| due > self.clock.now()) {
            return Ok(());
        }
        let Some(mark) = self.vault.get(&scrub_name()).await? else { return Ok(()) };
        self.vault.scrub().await?;
        let changes = Changes {
            expected: vec![(scrub_name(), Some(mark.revision))],
            puts: Vec::new(),
            deletes: vec![scrub_name()],
        };
        if self.commit(changes).await? {
            tracing::info!("the store is scrubbed of deleted key material");
        }
        Ok(())
    }
}
