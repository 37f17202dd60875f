//! What happens by itself: rotation, the end of imported material and of a scheduled deletion, and scrubbing the store and
//! the HSM afterwards.
//!
//! What is due to keys is an operation each ([`crate::operations::due`]), performed by whoever also performs what callers ask
//! for ([`Performer`]): with a record like any other.
//!
//! All of it goes by the domain's clock, from what the catalogue says is due; each step is a commit that expects the
//! record it was decided on, so that of several processes one takes it and the others find it done. What fell due while
//! no process ran is due at the next start.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use yaoku_crypto::Secret;
use yaoku_iam::{AccountId, Performer};
use yaoku_seal::backup::restored_name;
use yaoku_seal::{Changes, RecordName, Revision};

use crate::change::key_update;
use crate::keyring::Key;
use crate::operations::due::{DeleteKey, DueKey, ExpireKeyMaterial, RotateKey};
use crate::record::{KeyRecord, ScrubRecord, scrub_name};
use crate::{Error, KeyId, KeyState, Kms, Timestamp};

/// How often the scheduler looks at its clock.
const TICK: Duration = Duration::from_secs(1);
/// Keys taken up at a time.
const BATCH: usize = 256;
/// As many as are looked at while deletions that are due must wait.
const BATCH_WHILE_DELETIONS_WAIT: usize = 16 * BATCH;
/// Keys taken up at once.
const AT_ONCE: usize = 64;
/// Seconds by which a deletion is put off that is overdue after a restore, or would take something else with it.
const PUT_OFF: u64 = 7 * 86_400;
/// Seconds until a scrub that failed is tried again.
const SCRUB_RETRY: u64 = 300;

/// What is due to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Its imported material's time is over.
    MaterialExpiry,
    /// A new version.
    Rotation,
    /// Its deletion.
    Deletion,
}

impl Due {
    /// What is due to a key by `now`.
    pub(crate) fn of(record: &KeyRecord, now: Timestamp) -> Option<Self> {
        if record.due().is_none_or(|due| due > now) {
            return None;
        }
        if record.material_expires().is_some_and(|expires| expires <= now) {
            return Some(Self::MaterialExpiry);
        }
        match record.state {
            KeyState::Enabled => Some(Self::Rotation),
            KeyState::PendingDeletion => Some(Self::Deletion),
            KeyState::Disabled | KeyState::PendingImport => None,
        }
    }
}

impl Kms {
    /// Does what is due, again and again, until [`Self::stop_scheduler`]. Scrubs take their time, and keys do not wait for them.
    pub async fn run_scheduler(&self, performer: &impl Performer<Kms>) {
        let mut stopping = self.stopping.subscribe();
        // What was begun with keys is done to its end, so that its record is left. The rest is simply begun anew the next time.
        let keys =
            every_tick(|| self.do_keys_that_are_due(performer), async move { drop(stopping.wait_for(|it| *it).await) });
        let scrubs = every_tick(|| self.scrub_if_due(), std::future::pending());
        let marked = every_tick(|| self.destroy_marked_objects(), std::future::pending());
        tokio::select! {
            () = keys => {}
            () = scrubs => {}
            () = marked => {}
        }
    }

    /// Lets [`Self::run_scheduler`] return, soon.
    pub fn stop_scheduler(&self) {
        self.stopping.send_replace(true);
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
    pub async fn do_what_is_due(&self, performer: &impl Performer<Kms>) -> Result<(), Error> {
        let keys = self.do_keys_that_are_due(performer).await;
        let marked = self.destroy_marked_objects().await;
        self.scrub_if_due().await.and(marked).and(keys)
    }

    async fn do_keys_that_are_due(&self, performer: &impl Performer<Kms>) -> Result<(), Error> {
        let mut failure = Ok(());
        loop {
            let now = self.clock.now();
            let may_delete = self.steadiness.look(Instant::now(), now.0);
            // Deletions that wait stay first in line: the rest must not wait behind them.
            let most = if may_delete { BATCH } else { BATCH_WHILE_DELETIONS_WAIT };
            let due = self.state.read().catalogue.due(now, most);
            let found = due.len();
            let results =
                stream::iter(due).map(|(account, key)| self.take_up(performer, account, key, now, may_delete));
            // Together, so that their commits share syncs.
            let results: Vec<_> = results.buffer_unordered(AT_ONCE).collect().await;
            let failed = results.iter().filter(|result| result.is_err()).count();
            failure = failure.and(results.into_iter().collect());
            // Those that fail stay first in line; the rest comes to its turn when the next look finds fewer of them.
            if found < BATCH || failed > 0 || !may_delete || *self.stopping.borrow() {
                break;
            }
        }
        failure
    }

    /// Puts off, by a week, deletions that fell due between a backup and its restore: whoever restores a backup may well do so
    /// for a key that was deleted.
    pub(crate) async fn postpone_deletions_after_restore(&self) -> Result<(), Error> {
        let name = restored_name();
        if self.vault.get(&name).await?.is_none() {
            return Ok(());
        }
        let now = self.clock.now();
        let due = self.state.read().catalogue.due(now, usize::MAX);
        for (account, id) in due {
            let key = match self.stored_key(account, id).await {
                Err(Error::KeyNotFound) => continue,
                other => other?,
            };
            if key.record.state == KeyState::PendingDeletion && key.record.deletion.is_some_and(|due| due <= now) {
                self.postpone_deletion(key, now).await?;
                tracing::warn!(key = %id, "its deletion fell due before the restore, and is put off by a week");
            }
        }
        Ok(())
    }

    async fn postpone_deletion(&self, mut key: Key, now: Timestamp) -> Result<(), Error> {
        key.record.deletion = Some(now.plus_seconds(PUT_OFF));
        self.commit_own(key_update(&key)?).await.map(|_| ())
    }

    /// Forgets that the store was restored from a backup: every domain has put off by now what fell due before.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub async fn settle_restore(&self) -> Result<(), Error> {
        let name = restored_name();
        let Some(mark) = self.vault.get(&name).await? else { return Ok(()) };
        let expected = vec![(name.clone(), Some(mark.revision))];
        self.commit_own(Changes { expected, puts: Vec::new(), deletes: vec![name] }).await?;
        Ok(())
    }

    /// What a commit writes that takes secrets out of the store, so that its files are rewritten without them some time after.
    ///
    /// # Errors
    /// When it can't be written down.
    pub fn scrub_mark(&self) -> Result<(RecordName, Secret), Error> {
        let due = self.state.read().scrub_due(self.clock.now(), self.config.scrub_delay);
        Ok((scrub_name(), ScrubRecord { due }.encode()?))
    }

    /// Has done what is due to a key as the store has it, whatever the catalogue thought.
    async fn take_up(
        &self,
        performer: &impl Performer<Kms>,
        account: AccountId,
        id: KeyId,
        now: Timestamp,
        may_delete: bool,
    ) -> Result<(), Error> {
        let key = match self.stored_key(account, id).await {
            Err(Error::KeyNotFound) => return Ok(()),
            other => other?,
        };
        let due_key = DueKey { account, key: id };
        // A conflict means that somebody else changed the key: what is due then shows at the next look.
        let Some(due) = Due::of(&key.record, now) else { return Ok(()) };
        let done = match due {
            // Either takes material away for good. Until then, the key can't be used.
            Due::MaterialExpiry | Due::Deletion if !may_delete => {
                self.steadiness.say_that_deletions_wait();
                false
            }
            Due::MaterialExpiry => performer.perform(account, ExpireKeyMaterial(due_key)).await?.is_some(),
            Due::Rotation => performer.perform(account, RotateKey(due_key)).await?.is_some(),
            Due::Deletion => match self.check_unused_by(key.revision, account, id).await {
                Err(Error::InUse(what)) => {
                    self.postpone_deletion(key, now).await?;
                    tracing::warn!(key = %id, "{what} and would be lost with it: its deletion is put off by a week");
                    false
                }
                unused => {
                    unused?;
                    performer.perform(account, DeleteKey(due_key)).await?.is_some()
                }
            },
        };
        if done {
            tracing::info!(key = %id, done = ?due, "done as it was due");
        }
        Ok(())
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
        if self.commit_own(Changes { expected, puts: Vec::new(), deletes: vec![scrub_name()] }).await? {
            tracing::info!("the store is scrubbed of deleted key material");
        } else if let Some(newer) = self.vault.get(&scrub_name()).await? {
            self.renew_scrub_mark(newer.revision, self.config.scrub_delay).await?;
        }
        Ok(())
    }

    async fn renew_scrub_mark(&self, revision: Revision, delay: u64) -> Result<(), Error> {
        let due = self.clock.now().plus_seconds(delay);
        let expected = vec![(scrub_name(), Some(revision))];
        let puts = vec![(scrub_name(), ScrubRecord { due }.encode()?)];
        self.commit_own(Changes { expected, puts, deletes: Vec::new() }).await.map(|_| ())
    }
}

/// Does some work again and again, until `stop`; what is under way then is done to its end.
pub async fn every_tick<E: std::error::Error + 'static, F: Future<Output = Result<(), E>>>(
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
