//! What happens by itself: rotation, the end of imported material and of a scheduled deletion, and scrubbing the store and
//! the HSM afterwards.
//!
//! All of it goes by the domain's clock, from what the catalogue says is due; each step is a commit that expects the
//! record it was decided on, so that of several processes one takes it and the others find it done. What fell due while
//! no process ran is due at the next start.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use yaoku_iam::AccountId;
use yaoku_seal::backup::restored_name;
use yaoku_seal::{Changes, Revision};

use crate::keyring::Key;
use crate::kms::{key_update, versions};
use crate::operations::import::take_away;
use crate::operations::versions::rotate;
use crate::record::{ScrubRecord, alias_name, key_name, scrub_name, version_name};
use crate::{Done, Error, Happening, KeyId, KeyState, Kms, ProtectionLevel, Timestamp, Witness};

/// How often the scheduler looks at its clock.
const TICK: Duration = Duration::from_secs(1);
/// Keys taken up at a time.
const BATCH: usize = 256;
/// Keys taken up at once.
const AT_ONCE: usize = 64;
/// Versions and aliases deleted in one commit.
const ROWS_A_COMMIT: usize = 4000;
/// Seconds by which a restore puts off deletions that are overdue.
const AFTER_RESTORE: u64 = 7 * 86_400;
/// Seconds until a scrub that failed is tried again.
const SCRUB_RETRY: u64 = 300;

impl Kms {
    /// Does what is due, again and again, until [`Self::stop_scheduler`]. Scrubs take their time, and keys do not wait for them.
    pub async fn run_scheduler(&self) {
        let mut stopping = self.stopping.subscribe();
        // What was begun with keys is done to its end, so that its record is left. The rest is simply begun anew the next time.
        let keys = every_tick(|| self.do_keys_that_are_due(), async move { drop(stopping.wait_for(|it| *it).await) });
        let scrubs = every_tick(|| self.scrub_if_due(), std::future::pending());
        let doomed = every_tick(|| self.destroy_what_is_doomed(), std::future::pending());
        tokio::select! {
            () = keys => {}
            () = scrubs => {}
            () = doomed => {}
        }
    }

    /// Lets [`Self::run_scheduler`] return, soon.
    pub fn stop_scheduler(&self) {
        self.stopping.send_replace(true);
    }

    /// From now on, nothing is done without a call that `witness` is not told of. The first one stays.
    pub fn tell(&self, witness: Arc<dyn Witness>) {
        let _ = self.witness.set(witness);
    }

    /// Milliseconds since the longest due work fell due; 0 if nothing is due.
    pub fn scheduler_lag(&self) -> u64 {
        let due = self.state.read().catalogue.next_due();
        due.map_or(0, |due| self.clock.now().0.saturating_sub(due.0))
    }

    /// Rotates and deletes every key that is due by the domain's clock, destroys what the HSM no longer needs to hold, and scrubs
    /// the store if that is due.
    ///
    /// # Errors
    /// The first failure, after everything else was tried.
    pub async fn do_what_is_due(&self) -> Result<(), Error> {
        let keys = self.do_keys_that_are_due().await;
        let doomed = self.destroy_what_is_doomed().await;
        self.scrub_if_due().await.and(doomed).and(keys)
    }

    async fn do_keys_that_are_due(&self) -> Result<(), Error> {
        let mut failure = Ok(());
        loop {
            let now = self.clock.now();
            let due = self.state.read().catalogue.due(now, BATCH);
            let found = due.len();
            let results = stream::iter(due).map(|(account, key)| self.take_up(account, key, now));
            // Together, so that their commits share syncs.
            let results: Vec<_> = results.buffer_unordered(AT_ONCE).collect().await;
            let failed = results.iter().filter(|result| result.is_err()).count();
            failure = failure.and(results.into_iter().collect());
            // Those that fail stay first in line; the rest comes to its turn when the next look finds fewer of them.
            if found < BATCH || failed > 0 || *self.stopping.borrow() {
                break;
            }
        }
        failure
    }

    /// Puts off, by a week, deletions that fell due between a backup and its restore: whoever restores a backup may well do so
    /// for a key that was deleted.
    pub(crate) async fn postpone_deletions_after_restore(&self) -> Result<(), Error> {
        let name = restored_name();
        let Some(mark) = self.vault.get(&name).await? else { return Ok(()) };
        let now = self.clock.now();
        let due = self.state.read().catalogue.due(now, usize::MAX);
        for (account, id) in due {
            let mut key = match self.stored_key(account, id).await {
                Err(Error::KeyNotFound) => continue,
                other => other?,
            };
            if key.record.state == KeyState::PendingDeletion && key.record.deletion.is_some_and(|due| due <= now) {
                key.record.deletion = Some(now.plus_seconds(AFTER_RESTORE));
                self.commit(key_update(&key)?).await?;
                tracing::warn!(key = %id, "the deletion was already due when the store was restored; postponing it by a week");
            }
        }
        let expected = vec![(name.clone(), Some(mark.revision))];
        self.commit(Changes { expected, puts: Vec::new(), deletes: vec![name] }).await?;
        Ok(())
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
        let testimony = match self.witness.get() {
            Some(witness) => {
                let unseen = || Error::Unavailable("scheduled work waits, because it can't be recorded".into());
                Some(witness.attend().ok_or_else(unseen)?)
            }
            None => None,
        };
        // A conflict means that somebody else changed the key: what is due then shows at the next look.
        let done = if key.record.material_expires().is_some_and(|expires| expires <= now) {
            take_away(self, key).await?.then_some(Done::MaterialExpired)
        } else {
            match key.record.state {
                KeyState::Enabled => rotate(self, key, now).await?.map(|version| Done::Rotated(version.id)),
                KeyState::PendingDeletion => self.delete(key).await?.then_some(Done::Deleted),
                KeyState::Disabled | KeyState::PendingImport => None,
            }
        };
        let Some(what) = done else { return Ok(()) };
        tracing::info!(key = %id, done = ?what, "scheduled work done");
        if let Some(testimony) = testimony {
            testimony(Happening { account, key: id, what });
        }
        Ok(())
    }

    /// Deletes a key with its versions and aliases, and marks the store for scrubbing. False if it was changed meanwhile.
    async fn delete(&self, key: Key) -> Result<bool, Error> {
        let name = key_name(key.account, key.id);
        let unchanged = (name.clone(), Some(key.revision));
        if key.record.protection == ProtectionLevel::Hsm && !self.doom_all(&key, unchanged.clone()).await? {
            return Ok(false);
        }
        let versions = versions(&self.vault, &key).await?;
        let mut rows: Vec<_> =
            versions.iter().map(|(version, _)| (version_name(key.account, key.id, *version), None)).collect();
        self.read_catalogue(key.account, |catalogue| {
            for alias in catalogue.aliases_of(key.id, 0, usize::MAX).items {
                let revision = catalogue.alias(&alias).map(|(_, revision)| revision);
                rows.push((alias_name(key.account, &alias), revision));
            }
        });
        // A key with more of them than a commit takes loses the first beforehand; it is past saving by now.
        let last = loop {
            let rest = rows.split_off(rows.len().min(ROWS_A_COMMIT));
            let mut changes = Changes { expected: vec![unchanged.clone()], ..Changes::default() };
            for (name, revision) in rows {
                changes.expected.extend(revision.map(|revision| (name.clone(), Some(revision))));
                changes.deletes.push(name);
            }
            if rest.is_empty() {
                break changes;
            }
            if !self.commit(changes).await? {
                return Ok(false);
            }
            rows = rest;
        };
        let due = self.state.read().scrub_due(self.clock.now(), self.config.scrub_delay);
        let mut changes = last;
        changes.puts.push((scrub_name(), ScrubRecord { due }.encode()?));
        changes.deletes.push(name);
        self.commit(changes).await
    }

    /// Takes what was deleted out of the store's files, some time after a deletion.
    ///
    /// The mark is a record: a process that stops in between leaves it to the next. A deletion that comes while the
    /// store is being scrubbed replaces the mark, which then gets a new time.
    async fn scrub_if_due(&self) -> Result<(), Error> {
        let due = self.state.read().scrub;
        if due.is_none_or(|due| due > self.clock.now()) {
            return Ok(());
        }
        let Some(mark) = self.vault.get(&scrub_name()).await? else { return Ok(()) };
        if let Err(error) = self.vault.scrub().await {
            // It copies the whole store: too much to try again at once.
            self.renew_scrub_mark(mark.revision, SCRUB_RETRY).await?;
            return Err(error.into());
        }
        let expected = vec![(scrub_name(), Some(mark.revision))];
        if self.commit(Changes { expected, puts: Vec::new(), deletes: vec![scrub_name()] }).await? {
            tracing::info!("scrubbed deleted key material from the store");
        } else if let Some(newer) = self.vault.get(&scrub_name()).await? {
            self.renew_scrub_mark(newer.revision, self.config.scrub_delay).await?;
        }
        Ok(())
    }

    async fn renew_scrub_mark(&self, revision: Revision, delay: u64) -> Result<(), Error> {
        let due = self.clock.now().plus_seconds(delay);
        let expected = vec![(scrub_name(), Some(revision))];
        let puts = vec![(scrub_name(), ScrubRecord { due }.encode()?)];
        self.commit(Changes { expected, puts, deletes: Vec::new() }).await.map(|_| ())
    }
}

/// Does some work again and again, until `stop`; what is under way then is done to its end.
async fn every_tick<F: Future<Output = Result<(), Error>>>(
    mut work: impl FnMut() -> F,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = work().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "scheduled work failed; trying again");
        }
    }
}
