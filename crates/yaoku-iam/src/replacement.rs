//! AccessKeys of users that a domain above replaces, within a commit of its own: the AccessKey and what the domain keeps of it are
//! there together, or neither is.

use yaoku_crypto::Secret;
use yaoku_seal::{Changes, RecordName, Revision};

use crate::access_key::{AccessKeyRecord, Owner};
use crate::change::Draft;
use crate::operations::access_keys::{CreateAccessKey, DeleteAccessKey};
use crate::record::{access_key_name, head_name};
use crate::resource::Target;
use crate::{
    AccessKeyId, AccountId, Call, Entity, Error, Grant, Iam, Name, NewAccessKey, OneAtATime, Operation, USER, UserId,
    Which, quota,
};

/// All AccessKeys of a user, known to somebody with their secrets.
pub struct KnownAccessKeys {
    /// The user.
    pub user: UserId,
    /// What a commit must expect that rests on it.
    pub expected: Vec<(RecordName, Option<Revision>)>,
}

/// Why somebody does not know the AccessKeys of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKnown {
    /// The user does not exist.
    NoUser,
    /// An AccessKey is not the user's, or has another secret.
    Wrong,
    /// The user has others beside them.
    NotAll,
}

impl Iam {
    /// The name of a user; none if there is no such user any more.
    pub fn user_name(&self, account: AccountId, user: UserId) -> Option<Name> {
        let tenant = self.tenant(account)?;
        let directory = tenant.directory.read();
        directory.users.get(user).map(|record| record.name.clone())
    }

    /// Checks that the caller may replace AccessKeys of a user of its account: it needs to be allowed to make and to delete them.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub fn allow_replacement(&self, call: &Call<'_>, user: &Name) -> Result<(), Error> {
        call.touch(USER, Which::Name(user.as_str().into()));
        for permission in [CreateAccessKey::SPEC.permission(), DeleteAccessKey::SPEC.permission()] {
            self.ask(call, permission, &[Target::own(USER, user)])?;
        }
        Ok(())
    }

    /// Decides again on something of this domain that was granted to a call of another.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub fn decide_on(&self, call: &Call<'_>, grant: &Grant) -> Result<(), Error> {
        self.ask(call, grant.permission, &[Target::of(grant)])
    }

    /// Waits for the turn of a change of an account's identities that takes something away.
    ///
    /// # Errors
    /// When there is no such account.
    pub async fn enter_identities(&self, call: &Call<'_>, account: AccountId) -> Result<OneAtATime, Error> {
        let tenant = self.tenant(account).ok_or(Error::NoAccount(account))?;
        Ok(tenant.changing.enter(call.standing(true)).await)
    }

    /// Checks that `given` are all AccessKeys of a user, with their secrets.
    ///
    /// # Errors
    /// [`NotKnown`].
    pub fn check_access_keys(
        &self,
        account: AccountId,
        user: &Name,
        given: &[(AccessKeyId, Secret)],
    ) -> Result<KnownAccessKeys, NotKnown> {
        let tenant = self.tenant(account).ok_or(NotKnown::NoUser)?;
        let directory = tenant.directory.read();
        let (user, _) = directory.users.find(user).ok_or(NotKnown::NoUser)?;
        // Whoever makes or deletes an AccessKey of the user writes the head as well.
        let mut expected = vec![(head_name(account), directory.head)];
        for (id, secret) in given {
            let key = directory.access_keys.get(id).filter(|key| key.owner() == Some(Owner::User(user)));
            let key = key.filter(|key| key.secret.secret().ct_eq(secret.expose())).ok_or(NotKnown::Wrong)?;
            expected.push((access_key_name(id), key.principal.status.revision()));
        }
        let of_user = directory.access_keys.values().filter(|key| key.owner() == Some(Owner::User(user)));
        let others = of_user.filter(|key| given.iter().all(|(id, _)| *id != key.id));
        match others.count() {
            0 => Ok(KnownAccessKeys { user, expected }),
            _ => Err(NotKnown::NotAll),
        }
    }

    /// Draws an AccessKey, which is nobody's yet.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn draw_access_key(&self) -> Result<NewAccessKey, Error> {
        NewAccessKey::generate(self.vault.random())
    }

    /// What a commit must expect, put and delete so that a user gets an AccessKey, which takes the place of `retired`; of those, the ones
    /// that are not there any more are passed over. The caller has waited for its turn ([`Self::enter_identities`]), and waits until the
    /// commit is in force ([`Self::in_force`]).
    ///
    /// # Errors
    /// When there is no such user, or it would have too many AccessKeys.
    pub fn replace_access_keys(
        &self,
        account: AccountId,
        user: UserId,
        new: &NewAccessKey,
        retired: &[AccessKeyId],
    ) -> Result<Changes, Error> {
        let tenant = self.tenant(account).ok_or(Error::NoAccount(account))?;
        let directory = tenant.directory.read();
        directory.users.get(user).ok_or(Error::NotFound(Entity::User))?;
        let owner = Owner::User(user);
        let mut draft = Draft::new(account, self.moment(), self.vault.random());
        let mut left = 0;
        for key in directory.access_keys.values().filter(|key| key.owner() == Some(owner)) {
            match retired.contains(&key.id) {
                true => draft.delete_access_key(&key.id),
                false => left += 1,
            }
        }
        if left >= quota::ACCESS_KEYS {
            return Err(Error::LimitExceeded { what: Entity::AccessKey, most: quota::ACCESS_KEYS });
        }
        let (secret, created) = (new.secret.duplicate(), Some(draft.now));
        draft.put_access_key(&new.id, &AccessKeyRecord { account, owner, secret, active: true, created })?;
        Ok(draft.into_changes(directory.head))
    }

    /// Waits until a commit is in force here.
    ///
    /// # Errors
    /// When the store is not followed.
    pub async fn in_force(&self, revision: Revision) -> Result<(), Error> {
        Ok(self.follower.in_force(revision).await?)
    }

    /// Waits until the last change of an account's identities is in force here: where another commit came first, it may have been that.
    ///
    /// # Errors
    /// When the store can't be read, or is not followed.
    pub async fn catch_up_with_identities(&self, account: AccountId) -> Result<(), Error> {
        match self.vault.get(&head_name(account)).await? {
            Some(head) => self.in_force(head.revision).await,
            None => Ok(()),
        }
    }
}
