//! What happens by itself: the end of a scheduled deletion.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use yaoku_iam::Performer;
use yaoku_kms::every_tick;
use yaoku_seal::backup::restored_name;

use crate::change::update;
use crate::operations::due::DeleteDueSecret;
use crate::{Error, Secrets};

/// Secrets taken up at a time.
const BATCH: usize = 256;
/// Secrets taken up at once.
const AT_ONCE: usize = 64;
/// Seconds by which a restore puts off deletions that are overdue.
const AFTER_RESTORE: u64 = 7 * 86_400;

impl Secrets {
    /// Does what is due, again and again, until [`Self::stop_scheduler`].
    pub async fn run_scheduler(&self, performer: &impl Performer<Self>) {
        let mut stopping = self.stopping.subscribe();
        every_tick(|| self.do_what_is_due(performer), async move { drop(stopping.wait_for(|it| *it).await) }).await;
    }

    /// Lets [`Self::run_scheduler`] return, soon.
    pub fn stop_scheduler(&self) {
        self.stopping.send_replace(true);
    }

    /// Deletes every secret whose time is over by the domain's clock, once that has been steady.
    ///
    /// # Errors
    /// The first failure, after everything else was tried.
    pub async fn do_what_is_due(&self, performer: &impl Performer<Self>) -> Result<(), Error> {
        let mut failure = Ok(());
        loop {
            let now = self.clock.now();
            let may_delete = self.steadiness.look(Instant::now(), now.0);
            let due = self.catalogue.read().due(now, BATCH);
            let found = due.len();
            if found > 0 && !may_delete {
                self.steadiness.say_that_deletions_wait();
                break;
            }
            let results = stream::iter(due).map(|secret| async move {
                let done = performer.perform(secret.account, DeleteDueSecret(secret.record.id)).await?;
                if done.is_some() {
                    tracing::info!(secret = %secret.name, "deleted as it was due");
                }
                Ok(())
            });
            // Together, so that their commits share syncs.
            let results: Vec<Result<(), Error>> = results.buffer_unordered(AT_ONCE).collect().await;
            let failed = results.iter().filter(|result| result.is_err()).count();
            failure = failure.and(results.into_iter().collect());
            // Those that fail stay first in line.
            if found < BATCH || failed > 0 || *self.stopping.borrow() {
                break;
            }
        }
        failure
    }

    /// Puts off, by a week, deletions that fell due between a backup and its restore: whoever restores a backup may well do so for a
    /// secret that was deleted.
    pub(crate) async fn postpone_deletions_after_restore(&self) -> Result<(), Error> {
        if self.vault.get(&restored_name()).await?.is_none() {
            return Ok(());
        }
        let now = self.clock.now();
        let due = self.catalogue.read().due(now, usize::MAX);
        for secret in due {
            let mut held = match self.stored(secret.account, &secret.name).await {
                Err(Error::SecretNotFound) => continue,
                other => other?,
            };
            if held.record.deletion.is_some_and(|due| due <= now) {
                held.record.deletion = Some(now.plus_seconds(AFTER_RESTORE));
                let yaoku_seal::Outcome::Committed(revision) = self.vault.commit(update(&held)?).await? else {
                    continue;
                };
                self.in_force(revision).await?;
                tracing::warn!(secret = %held.name, "its deletion fell due before the restore, and is put off by a week");
            }
        }
        Ok(())
    }
}
