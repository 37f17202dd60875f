//! How a change of this domain is committed: expecting what it was decided on, the authority of its caller included, carrying the
//! intent of its record, and in force before its operation answers.

use yaoku_iam::{Call, OperationSpec, Timestamp};
use yaoku_kms::proceed;
use yaoku_seal::{Changes, Outcome, Revision};

use crate::held::HeldDisk;
use crate::record::{DiskRecord, disk_name};
use crate::{DiskName, Disks, Error};

/// How often a change is tried against others of the same disk, and against changes of the account's identities, on which the caller's
/// authority rests: under a stream of those, most attempts lose.
pub(crate) const ATTEMPTS: usize = 128;

/// Whether a change function found anything to change.
#[derive(PartialEq, Eq)]
pub(crate) enum Changed {
    Something,
    Nothing,
}

impl Disks {
    /// Checks and changes one disk of the caller's account, again and again until no other change comes between. The caller and the
    /// disk's state are decided on anew each time.
    pub(crate) async fn change(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        name: &DiskName,
        change: impl Fn(&mut DiskRecord, Timestamp) -> Result<Changed, Error> + Send + Sync,
    ) -> Result<(), Error> {
        // Who may not has no place in the line.
        let id = self.admit(call, spec, name)?.record.id;
        let _one = self.changing.enter(id, call.standing(spec.revokes)).await;
        if call.is_abandoned() {
            return Err(Error::Abandoned);
        }
        for _ in 0..ATTEMPTS {
            let mut held = self.admit_change(call, spec, name).await?;
            let changed = change(&mut held.record, self.clock.now())?;
            proceed(call)?;
            match changed {
                // What somebody else changed so must be in force before it is said to be so.
                Changed::Nothing => return self.in_force(held.revision).await,
                Changed::Something if self.commit(call, self.update(held)?).await? => return Ok(()),
                Changed::Something => {}
            }
        }
        Err(Error::contended())
    }

    /// Begins an attempt to change a disk of the caller's account: checks that the caller may, and gives the disk as the store has it.
    /// A commit that follows expects that both are still so.
    pub(crate) async fn admit_change(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        name: &DiskName,
    ) -> Result<HeldDisk, Error> {
        call.rest_on_authority();
        self.admit(call, spec, name)?;
        let held = self.stored(call.principal.account(), name).await?;
        // Its tags may be newer than those that were asked about.
        self.allow(call, spec, &held)?;
        Ok(held)
    }

    /// Commits a call's change, and waits until it is in force here; false if another change came first. Nothing is committed but
    /// what was decided since [`Call::rest_on_authority`], if the rows that this rests on are unchanged.
    pub(crate) async fn commit(&self, call: &Call<'_>, mut changes: Changes) -> Result<bool, Error> {
        call.underpin(&mut changes)?;
        match self.vault.commit(changes).await? {
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

    /// Waits until the follower has applied that revision.
    pub(crate) async fn in_force(&self, revision: Revision) -> Result<(), Error> {
        self.follower.in_force(revision).await.map_err(|error| Error::Unavailable(error.into()))
    }

    /// The commit that replaces a disk's record, if nobody else has since it was read.
    pub(crate) fn update(&self, mut disk: HeldDisk) -> Result<Changes, Error> {
        disk.record.updated = self.clock.now();
        let name = disk_name(disk.account, &disk.name);
        Ok(Changes {
            expected: vec![(name.clone(), Some(disk.revision))],
            puts: vec![(name, disk.record.encode()?)],
            deletes: Vec::new(),
        })
    }
}
