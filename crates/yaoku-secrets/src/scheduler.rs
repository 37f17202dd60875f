//! What happens by itself: rotation, and the end of a scheduled deletion.

use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use yaoku_iam::Performer;
use yaoku_kms::every_tick;
use yaoku_seal::backup::restored_name;

use crate::change::update;
use crate::held::HeldSecret;
use crate::operations::due::{DeleteDueSecret, RotateDueSecret};
use crate::record::Due;
use crate::{Error, Secrets};

/// Secrets taken up at a time.
const BATCH: usize = 256;
/// Seconds until a rotation is tried again that can't be done: because its CMK is disabled, or its user deleted.
const ROTATION_RETRY: u64 = 300;
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

    /// Rotates every secret that is due by the domain's clock, and deletes those whose time is over, once that has been steady.
    ///
    /// # Errors
    /// The first failure, after everything else was tried.
    pub async fn do_what_is_due(&self, performer: &impl Performer<Self>) -> Result<(), Error> {
        let mut failure = Ok(());
        loop {
            let now = self.clock.now();
            let is_steady = self.steadiness.look(Instant::now(), now.0);
            let due = self.catalogue.read().due(now, BATCH);
            let found = due.len();
            // A deletion takes values away for good, and a rotation an AccessKey.
            if !is_steady {
                if found > 0 {
                    self.steadiness.say_that_deletions_wait();
                }
                break;
            }
            let results = stream::iter(due).map(|secret| self.take_up_due(performer, secret));
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

    /// Has done what is due to a secret as the catalogue has it, if it still is.
    async fn take_up_due(&self, performer: &impl Performer<Self>, secret: Arc<HeldSecret>) -> Result<(), Error> {
        let (account, id) = (secret.account, secret.record.id);
        let done = match secret.record.due() {
            None => return Ok(()),
            Some((_, Due::Deletion)) => performer.perform(account, DeleteDueSecret(id)).await?.is_some(),
            Some((_, Due::Rotation)) => match performer.perform(account, RotateDueSecret(id)).await {
                Ok(done) => done.is_some(),
                Err(error @ Error::Unavailable(_)) => return Err(error),
                Err(error) => {
                    // It may stay so for long: others must not wait behind it, nor the log fill up with it.
                    self.catalogue.write().postpone(id, self.clock.now().plus_seconds(ROTATION_RETRY));
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(secret = %secret.name, error, "the secret can't be rotated; it is tried again in five minutes");
                    return Ok(());
                }
            },
        };
        if done {
            tracing::info!(secret = %secret.name, "done as it was due");
        }
        Ok(())
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
