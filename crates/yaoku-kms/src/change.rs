//! How a change of this domain is committed: expecting what it was decided on, the authority of its caller included, carrying
//! the intent of its record, and in force before its operation answers.

use yaoku_iam::{Call, OperationSpec};
use yaoku_seal::{Changes, Outcome, Revision};

use crate::admission::proceed;
use crate::keyring::Key;
use crate::record::{KeyRecord, key_name};
use crate::resource::check_state;
use crate::{Error, KeyId, Kms, Timestamp};

/// Rows of one commit, whatever the store takes: others wait for it.
const MOST_ROWS: usize = 8000;
/// How often a change is tried against others of the same key, and against changes of the account's identities, on which the caller's
/// authority rests: under a stream of those, most attempts lose.
pub(crate) const ATTEMPTS: usize = 128;

/// Whether a change function found anything to change.
#[derive(PartialEq, Eq)]
pub(crate) enum Changed {
    Something,
    Nothing,
}

impl Kms {
    /// Checks and changes one key, again and again until no other change comes between. The caller and the key's state are
    /// decided on anew each time.
    pub(crate) async fn change_key(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        id: KeyId,
        change: impl Fn(&mut KeyRecord, Timestamp) -> Result<Changed, Error> + Send + Sync,
    ) -> Result<(), Error> {
        // Who may not has no place in the line.
        self.admit(call, spec, &id.into()).await?;
        let _one = self.changing.enter(id, call.standing(spec.revokes)).await;
        if call.is_abandoned() {
            return Err(Error::Abandoned);
        }
        for _ in 0..ATTEMPTS {
            let mut key = self.admit_change(call, spec, id).await?;
            let changed = change(&mut key.record, self.clock.now())?;
            proceed(call)?;
            match changed {
                // What somebody else changed so must be in force before it is said to be so.
                Changed::Nothing => return self.in_force(key.revision).await,
                Changed::Something if self.commit(call, key_update(&key)?).await? => return Ok(()),
                Changed::Something => {}
            }
        }
        Err(contended())
    }

    /// Begins an attempt to change a key of the caller's account: checks that the caller may, and gives the key as the store has
    /// it. A commit that follows expects that both are still so.
    pub(crate) async fn admit_change(&self, call: &Call<'_>, spec: &OperationSpec, id: KeyId) -> Result<Key, Error> {
        call.rest_on_authority();
        self.admit(call, spec, &id.into()).await?;
        let key = self.stored_key(call.principal.account(), id).await?;
        // Tags and policy may be newer than those that were asked about.
        self.allow_key(call, spec.permission(), spec.states, &key)?;
        check_state(spec.states, key.record.state_at(self.clock.now()))?;
        Ok(key)
    }

    /// Commits a call's change, and waits until it is in force here; false if another change came first. Nothing is committed but
    /// what was decided since [`Call::rest_on_authority`], if the rows that this rests on are unchanged.
    pub(crate) async fn commit(&self, call: &Call<'_>, mut changes: Changes) -> Result<bool, Error> {
        call.underpin(&mut changes)?;
        match self.vault.commit(changes).await.map_err(too_large)? {
            Outcome::Committed(revision) => {
                call.committed();
                self.in_force(revision).await.map(|()| true)
            }
            Outcome::Conflict { .. } => {
                self.iam.catch_up(call).await.map_err(|error| Error::Unavailable(error.into()))?;
                Ok(false)
            }
        }
    }

    /// Rows that can be put, deleted or expected in one commit of a call, beside what every such commit has: the key, the authority of the
    /// caller, the intent, and a few marks.
    pub(crate) fn rows_a_commit(&self) -> usize {
        const OTHERS: usize = 16;
        self.vault.limits().operations.saturating_sub(OTHERS).clamp(2, MOST_ROWS)
    }

    /// Commits what the domain needs for itself and nobody asked for: no key, alias or policy changes by it.
    pub(crate) async fn commit_own(&self, changes: Changes) -> Result<bool, Error> {
        let Outcome::Committed(revision) = self.vault.commit(changes).await? else { return Ok(false) };
        self.in_force(revision).await.map(|()| true)
    }

    /// Waits until the follower has applied that revision.
    pub(crate) async fn in_force(&self, revision: Revision) -> Result<(), Error> {
        self.follower.in_force(revision).await.map_err(|error| Error::Unavailable(error.into()))
    }
}

/// The commit that replaces a key's record, if nobody else has since it was read.
pub(crate) fn key_update(key: &Key) -> Result<Changes, Error> {
    let name = key_name(key.account, key.id);
    Ok(Changes {
        expected: vec![(name.clone(), Some(key.revision))],
        puts: vec![(name, key.record.encode()?)],
        deletes: Vec::new(),
    })
}

/// A change of several resources in one commit can be more than the store takes: then nothing was changed.
fn too_large(error: yaoku_seal::Error) -> Error {
    match error {
        yaoku_seal::Error::Store(too_large @ yaoku_seal::StoreError::TooLarge) => {
            Error::LimitExceeded(too_large.to_string())
        }
        other => other.into(),
    }
}

pub(crate) fn contended() -> Error {
    Error::Unavailable("the key is being changed by too many callers at once".into())
}
