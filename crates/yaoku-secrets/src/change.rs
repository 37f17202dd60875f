//! How a change of this domain is committed: expecting what it was decided on, the authority of its caller included, carrying the
//! intent of its record, and in force before its operation answers.

use yaoku_iam::quota::Reservation;
use yaoku_iam::{AccountId, Call, OperationSpec, Timestamp};
use yaoku_kms::proceed;
use yaoku_seal::{Changes, Outcome, Revision};

use crate::held::HeldSecret;
use crate::record::{SecretRecord, secret_name};
use crate::resource::check_state;
use crate::{Error, SecretName, SecretRef, Secrets};

/// How often a change is tried against others of the same secret, and against changes of the account's identities, on which the caller's
/// authority rests: under a stream of those, most attempts lose.
pub(crate) const ATTEMPTS: usize = 128;

/// Whether a change function found anything to change.
#[derive(PartialEq, Eq)]
pub(crate) enum Changed {
    Something,
    Nothing,
}

impl Secrets {
    /// Checks and changes one secret of the caller's account, again and again until no other change comes between. The caller and the
    /// secret's state are decided on anew each time.
    pub(crate) async fn change<T: Send>(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        secret: &SecretRef,
        change: impl Fn(&mut SecretRecord, Timestamp) -> Result<(Changed, T), Error> + Send + Sync,
    ) -> Result<T, Error> {
        // Who may not has no place in the line.
        let id = self.admit(call, spec, secret)?.record.id;
        let _one = self.changing.enter(id, call.standing(spec.revokes)).await;
        if call.is_abandoned() {
            return Err(Error::Abandoned);
        }
        for _ in 0..ATTEMPTS {
            let mut held = self.admit_change(call, spec, secret).await?;
            let (now, before) = (self.clock.now(), held.record.texts());
            let (changed, outcome) = change(&mut held.record, now)?;
            let _reserved = self.reserve_texts(held.account, held.record.texts().saturating_sub(before))?;
            proceed(call)?;
            match changed {
                // What somebody else changed so must be in force before it is said to be so.
                Changed::Nothing => return self.in_force(held.revision).await.map(|()| outcome),
                Changed::Something => {
                    held.record.updated = now;
                    if self.commit(call, update(&held)?).await? {
                        return Ok(outcome);
                    }
                }
            }
        }
        Err(Error::contended())
    }

    /// Makes sure that policies and custom metadata of an account's secrets can have so many bytes more, for as long as what is returned
    /// is held. All of them are in memory.
    pub(crate) fn reserve_texts(
        &self,
        account: AccountId,
        more: u64,
    ) -> Result<Option<Reservation<'_, AccountId>>, Error> {
        if more == 0 {
            return Ok(None);
        }
        let most = self.config.max_texts;
        let reserved = self.texts_under_way.reserve(account, more, most, || self.catalogue.read().texts(account));
        let full = || {
            Error::LimitExceeded(format!(
                "policies and custom metadata of all secrets of the account can have at most {most} bytes together"
            ))
        };
        reserved.map(Some).ok_or_else(full)
    }

    /// Begins an attempt to change a secret of the caller's account: checks that the caller may, and gives the secret as the store has
    /// it. A commit that follows expects that both are still so.
    pub(crate) async fn admit_change(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        secret: &SecretRef,
    ) -> Result<HeldSecret, Error> {
        call.rest_on_authority();
        self.admit(call, spec, secret)?;
        self.admit_stored(call, spec, &secret.name).await
    }

    /// The secret as the store has it, whose tags may be newer than those that were asked about.
    pub(crate) async fn admit_stored(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        name: &SecretName,
    ) -> Result<HeldSecret, Error> {
        let held = self.stored(call.principal.account(), name).await?;
        self.allow(call, spec.permission(), spec.states, &held)?;
        check_state(spec.states, held.is_pending_deletion())?;
        Ok(held)
    }

    /// Commits a call's change, and waits until it is in force here; false if another change came first. Nothing is committed but
    /// what was decided since [`Call::rest_on_authority`], if the rows that this rests on are unchanged.
    pub(crate) async fn commit(&self, call: &Call<'_>, changes: Changes) -> Result<bool, Error> {
        Ok(self.commit_at(call, changes).await?.is_some())
    }

    /// As [`Self::commit`]; with the revision at which it is in force.
    pub(crate) async fn commit_at(&self, call: &Call<'_>, mut changes: Changes) -> Result<Option<Revision>, Error> {
        call.underpin(&mut changes)?;
        match self.vault.commit(changes).await? {
            Outcome::Committed(revision) => {
                call.committed();
                self.in_force(revision).await.map(|()| Some(revision))
            }
            Outcome::Conflict { .. } => {
                self.iam.catch_up(call).await.map_err(|error| Error::Unavailable(error.into()))?;
                Ok(None)
            }
        }
    }

    /// Waits until the follower has applied that revision.
    pub(crate) async fn in_force(&self, revision: Revision) -> Result<(), Error> {
        self.follower.in_force(revision).await.map_err(|error| Error::Unavailable(error.into()))
    }
}

/// The commit that replaces a secret's record, if nobody else has since it was read.
pub(crate) fn update(secret: &HeldSecret) -> Result<Changes, Error> {
    let name = secret_name(secret.account, &secret.name);
    Ok(Changes {
        expected: vec![(name.clone(), Some(secret.revision))],
        puts: vec![(name, secret.record.encode()?)],
        deletes: Vec::new(),
    })
}
