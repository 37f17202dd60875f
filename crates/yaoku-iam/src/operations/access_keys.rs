//! AccessKeys of users, and of the root of an account.

use super::users;
use crate::access_key::{AccessKeyRecord, Owner};
use crate::directory::Directory;
use crate::resource::Target;
use crate::{
    AccessKey, AccessKeyId, Call, Entity, Error, Iam, Name, NewAccessKey, Operation, OperationSpec, StateRule,
    Timestamp, USER, quota,
};

/// Whose AccessKeys are meant: a user's by its name, or the caller's own.
pub type Whose = Option<Name>;

/// Makes an AccessKey; the one time that its secret is shown.
pub struct CreateAccessKey {
    /// For whom.
    pub whose: Whose,
}

/// Lists AccessKeys.
pub struct ListAccessKeys {
    /// Whose.
    pub whose: Whose,
}

/// Disables or enables an AccessKey.
pub struct UpdateAccessKey {
    /// Whose it is.
    pub whose: Whose,
    /// Which.
    pub id: AccessKeyId,
    /// Whether it is to prove its holder.
    pub active: bool,
}

/// Deletes an AccessKey.
pub struct DeleteAccessKey {
    /// Whose it is.
    pub whose: Whose,
    /// Which.
    pub id: AccessKeyId,
}

/// Tells when an AccessKey last proved its holder.
pub struct GetAccessKeyLastUsed {
    /// Whose it is.
    pub whose: Whose,
    /// Which.
    pub id: AccessKeyId,
}

/// An AccessKey without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeyAbout {
    /// Its public half.
    pub id: AccessKeyId,
    /// Whether it proves its holder.
    pub active: bool,
    /// When it was made; not known of the oldest.
    pub created: Option<Timestamp>,
}

impl AccessKeyAbout {
    pub(crate) fn of(key: &AccessKey) -> Self {
        Self { id: key.id.clone(), active: key.principal.status.is_active(), created: key.created }
    }
}

/// An AccessKey just made.
pub struct CreatedAccessKey {
    /// Both halves.
    pub key: NewAccessKey,
    /// When it was made.
    pub created: Timestamp,
}

/// Whose the AccessKeys are that a caller asks about. The root manages its own, which no policy is asked about.
enum Holder {
    Root,
    User(Name),
}

impl Holder {
    fn of(call: &Call<'_>, whose: Whose) -> Result<Self, Error> {
        match whose.or_else(|| users::caller(call)) {
            Some(name) => Ok(Self::User(name)),
            None if call.principal.is_root() => Ok(Self::Root),
            None => Err(Error::NotForRoot("UserName is required, because a session has no AccessKeys")),
        }
    }

    /// The user's name; for the root's own, one that no user can have.
    fn target(&self) -> Target<'_> {
        match self {
            Self::Root => Target::all(USER),
            Self::User(name) => Target::own(USER, name),
        }
    }

    fn owner(&self, directory: &Directory) -> Result<Owner, Error> {
        match self {
            Self::Root => Ok(Owner::Root),
            Self::User(name) => {
                let (id, _) = directory.users.find(name).ok_or(Error::NotFound(Entity::User))?;
                Ok(Owner::User(id))
            }
        }
    }

    fn key<'d>(&self, directory: &'d Directory, id: &AccessKeyId) -> Result<&'d AccessKey, Error> {
        let owner = self.owner(directory)?;
        let key = directory.access_keys.get(id).filter(|key| key.owner() == Some(owner));
        key.map(AsRef::as_ref).ok_or(Error::NotFound(Entity::AccessKey))
    }
}

impl Operation for CreateAccessKey {
    type Domain = Iam;
    type Output = CreatedAccessKey;
    const SPEC: OperationSpec = OperationSpec::write("ram", "CreateAccessKey", &[USER], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<CreatedAccessKey, Error> {
        let holder = Holder::of(call, self.whose)?;
        let tenant = iam.allow(call, &Self::SPEC, &[holder.target()])?;
        iam.change(&tenant, |directory, draft| {
            let owner = holder.owner(directory)?;
            if directory.access_keys.values().filter(|key| key.owner() == Some(owner)).count() >= quota::ACCESS_KEYS {
                return Err(Error::LimitExceeded { what: Entity::AccessKey, most: quota::ACCESS_KEYS });
            }
            let key = NewAccessKey::generate(draft.random)?;
            let (secret, created) = (key.secret.duplicate(), draft.now);
            let record = AccessKeyRecord { account: tenant.id, owner, secret, active: true, created: Some(created) };
            draft.put_access_key(&key.id, &record)?;
            Ok(CreatedAccessKey { key, created })
        })
        .await
    }
}

impl Operation for ListAccessKeys {
    type Domain = Iam;
    type Output = Vec<AccessKeyAbout>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListAccessKeys", &[USER], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Vec<AccessKeyAbout>, Error> {
        let holder = Holder::of(call, self.whose)?;
        let tenant = iam.allow(call, &Self::SPEC, &[holder.target()])?;
        let directory = tenant.directory.read();
        let owner = holder.owner(&directory)?;
        let keys = directory.access_keys.values().filter(|key| key.owner() == Some(owner));
        Ok(keys.map(|key| AccessKeyAbout::of(key)).collect())
    }
}

impl Operation for UpdateAccessKey {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "UpdateAccessKey", &[USER], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let holder = Holder::of(call, self.whose)?;
        let tenant = iam.allow(call, &Self::SPEC, &[holder.target()])?;
        iam.change(&tenant, |directory, draft| {
            let key = holder.key(directory, &self.id)?;
            draft.put_access_key(&self.id, &switched(key, holder.owner(directory)?, self.active))
        })
        .await
    }
}

/// The record of an AccessKey, switched on or off.
pub(crate) fn switched(key: &AccessKey, owner: Owner, active: bool) -> AccessKeyRecord {
    let (account, secret) = (key.principal.account(), key.secret.secret().duplicate());
    AccessKeyRecord { account, owner, secret, active, created: key.created }
}

impl Operation for DeleteAccessKey {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "DeleteAccessKey", &[USER], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let holder = Holder::of(call, self.whose)?;
        let tenant = iam.allow(call, &Self::SPEC, &[holder.target()])?;
        iam.change(&tenant, |directory, draft| {
            holder.key(directory, &self.id)?;
            draft.delete_access_key(&self.id);
            Ok(())
        })
        .await
    }
}

impl Operation for GetAccessKeyLastUsed {
    type Domain = Iam;
    type Output = Option<Timestamp>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "GetAccessKeyLastUsed", &[USER], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Option<Timestamp>, Error> {
        let holder = Holder::of(call, self.whose)?;
        let tenant = iam.allow(call, &Self::SPEC, &[holder.target()])?;
        let directory = tenant.directory.read();
        Ok(holder.key(&directory, &self.id)?.principal.status.last_used())
    }
}
