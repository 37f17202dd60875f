//! How a change of this domain is committed: expecting what it was decided on, the authority of its caller included, carrying the
//! intent of its record, and in force before its operation answers.

use yaoku_iam::quota::Reservation;
use yaoku_iam::{AccountId, Call, OperationSpec, Timestamp};
use yaoku_kms::proceed;
use yaoku_seal::{Changes, Outcome, Revision};

use crate::held::HeldObject;
use crate::record::{ObjectRecord, Pointer, encode, name_name, object_name};
use crate::resource::check_state;
use crate::{Error, ObjectAbout, ObjectId, ObjectName, Objects};

/// How often a change is tried against others of the same object, and against changes of the account's identities, on which the caller's
/// authority rests: under a stream of those, most attempts lose.
pub(crate) const ATTEMPTS: usize = 128;

impl Objects {
    /// Checks and changes one object of the caller's account, again and again until no other change comes between. The caller and the
    /// object are decided on anew each time. `more` adds to the commit what goes with the change.
    pub(crate) async fn change(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        id: ObjectId,
        change: impl Fn(&mut ObjectRecord, Timestamp) -> Result<(), Error> + Send + Sync,
        more: impl Fn(&HeldObject, &mut Changes) -> Result<(), Error> + Send + Sync,
    ) -> Result<ObjectAbout, Error> {
        // Who may not has no place in the line.
        self.admit(call, spec, id)?;
        let _one = self.changing.enter(id, call.standing(spec.revokes)).await;
        if call.is_abandoned() {
            return Err(Error::Abandoned);
        }
        for _ in 0..ATTEMPTS {
            call.rest_on_authority();
            self.admit(call, spec, id)?;
            let mut held = self.stored(call.principal.account(), id).await?;
            let (before, now) = (held.record.names.clone(), self.clock.now());
            let bytes = held.record.attribute_bytes();
            // The store may have more than is known here yet.
            check_state(spec.states, held.record.life.state_at(now))?;
            change(&mut held.record, now)?;
            let more_bytes = held.record.attribute_bytes().saturating_sub(bytes);
            let _reserved = self.reserve_attributes(held.account, more_bytes)?;
            proceed(call)?;
            held.record.changed = now;
            let mut changes = update(&held)?;
            self.rename(&held, &before, &mut changes)?;
            more(&held, &mut changes)?;
            if self.commit(call, changes).await? {
                return Ok(held.about(now));
            }
        }
        Err(Error::contended())
    }

    /// Makes sure that attributes of an account's objects can have so many bytes more, for as long as what is returned is held. All of them
    /// are in memory.
    pub(crate) fn reserve_attributes(
        &self,
        account: AccountId,
        more: u64,
    ) -> Result<Option<Reservation<'_, AccountId>>, Error> {
        if more == 0 {
            return Ok(None);
        }
        let most = self.config.max_attribute_bytes;
        let there = || self.catalogue.read().attribute_bytes(account);
        let full = || {
            let why =
                format!("attributes of all managed objects of the account can have at most {most} bytes together");
            Error::LimitExceeded(why)
        };
        self.attributes_under_way.reserve(account, more, most, there).map(Some).ok_or_else(full)
    }

    /// Adds to a commit the rows of names that an object has now and had not, and takes away those that it has no more.
    pub(crate) fn rename(
        &self,
        object: &HeldObject,
        before: &[ObjectName],
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let names = &object.record.names;
        for name in names.iter().filter(|name| !before.contains(name)) {
            self.check_free(object.account, name)?;
            let row = name_name(object.account, name);
            changes.expected.push((row.clone(), None));
            changes.puts.push((row, encode(&Pointer(object.id))?));
        }
        changes
            .deletes
            .extend(before.iter().filter(|name| !names.contains(name)).map(|name| name_name(object.account, name)));
        Ok(())
    }

    /// Makes sure that no object of an account has a name.
    pub(crate) fn check_free(&self, account: AccountId, name: &ObjectName) -> Result<(), Error> {
        match self.catalogue.read().of_name(account, name) {
            None => Ok(()),
            Some(_) => Err(Error::NameExists),
        }
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
                // What came first, such as another object of the name, must be known here before it is decided anew.
                self.in_force(self.vault.view().await?.revision()).await?;
                Ok(false)
            }
        }
    }

    /// Waits until the follower has applied that revision.
    pub(crate) async fn in_force(&self, revision: Revision) -> Result<(), Error> {
        self.follower.in_force(revision).await.map_err(|error| Error::Unavailable(error.into()))
    }
}

/// The commit that replaces an object's record, if nobody else has since it was read.
pub(crate) fn update(object: &HeldObject) -> Result<Changes, Error> {
    let name = object_name(object.account, object.id);
    Ok(Changes {
        expected: vec![(name.clone(), Some(object.revision))],
        puts: vec![(name, encode(&object.record)?)],
        deletes: Vec::new(),
    })
}
