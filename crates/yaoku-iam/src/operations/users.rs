//! Users.

use std::collections::BTreeMap;

use super::{Part, Slice, bounded, listing};
use crate::access_key::Owner;
use crate::principal::Identity;
use crate::record::UserRecord;
use crate::resource::Target;
use crate::{
    Call, Conflict, Entity, Error, Field, Iam, Name, Operation, OperationSpec, StateRule, Timestamp, USER, UserId,
    quota,
};

/// Makes a user, who may do nothing yet.
pub struct CreateUser {
    /// What it is called.
    pub name: Name,
    /// What is known of it beside.
    pub details: UserDetails,
}

/// What is known of a user beside its name; empty where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserDetails {
    /// At most 128 characters.
    pub display_name: String,
    /// At most 128 characters.
    pub comments: String,
    /// An address.
    pub email: String,
    /// A number.
    pub mobile_phone: String,
}

/// Shows a user; without a name, the calling one.
pub struct GetUser {
    /// Whom.
    pub name: Option<Name>,
}

/// Changes what is known of a user; what is none stays.
pub struct UpdateUser {
    /// Whom.
    pub name: Name,
    /// Its new name.
    pub new_name: Option<Name>,
    /// At most 128 characters.
    pub display_name: Option<String>,
    /// At most 128 characters.
    pub comments: Option<String>,
    /// An address.
    pub email: Option<String>,
    /// A number.
    pub mobile_phone: Option<String>,
}

/// Lists users.
pub struct ListUsers {
    /// Which.
    pub slice: Slice,
}

/// Deletes a user that has neither AccessKeys nor policies and is in no group, with its tokens and bound certificates.
pub struct DeleteUser {
    /// Whom.
    pub name: Name,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// What it is called.
    pub name: Name,
    /// What is known of it beside.
    pub details: UserDetails,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

impl User {
    fn of(id: UserId, record: &UserRecord) -> Self {
        let UserRecord { name, display_name, comments, email, mobile_phone, created, updated, .. } = record.clone();
        let details = UserDetails { display_name, comments, email, mobile_phone };
        Self { id, name, details, created, updated }
    }
}

fn check_email(field: Field, text: &str) -> Result<(), Error> {
    let fits = text.is_empty()
        || (text.len() <= 128 && text.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()));
    if fits && !text.contains(char::is_control) {
        Ok(())
    } else {
        Err(Error::Invalid { field, why: "it must be an email address" })
    }
}

fn check_phone(field: Field, text: &str) -> Result<(), Error> {
    let fits = text.len() <= 32 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b' '));
    if fits { Ok(()) } else { Err(Error::Invalid { field, why: "it must be a phone number such as 86-10012345678" }) }
}

impl Operation for CreateUser {
    type Domain = Iam;
    type Output = User;
    const SPEC: OperationSpec = OperationSpec::write("ram", "CreateUser", &[USER], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<User, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(USER, &self.name)])?;
        bounded(Field::DisplayName, &self.details.display_name, 128)?;
        bounded(Field::Comments, &self.details.comments, 128)?;
        check_email(Field::Email, &self.details.email)?;
        check_phone(Field::MobilePhone, &self.details.mobile_phone)?;
        iam.change(&tenant, |directory, draft| {
            if directory.users.find(&self.name).is_some() {
                return Err(Error::Exists(Entity::User));
            }
            if directory.users.len() >= quota::USERS {
                return Err(Error::LimitExceeded { what: Entity::User, most: quota::USERS });
            }
            let UserDetails { display_name, comments, email, mobile_phone } = self.details.clone();
            let record = UserRecord {
                name: self.name.clone(),
                display_name,
                comments,
                email,
                mobile_phone,
                created: draft.now,
                updated: draft.now,
                groups: BTreeMap::new(),
                policies: BTreeMap::new(),
            };
            let id = UserId::generate(draft.random)?;
            draft.put_user(id, &record)?;
            Ok(User::of(id, &record))
        })
        .await
    }
}

impl Operation for GetUser {
    type Domain = Iam;
    type Output = User;
    const SPEC: OperationSpec = OperationSpec::read("ram", "GetUser", &[USER], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<User, Error> {
        let name = match self.name {
            Some(name) => name,
            None => caller(call).ok_or(Error::NotForRoot("UserName is required; only a user can omit it"))?,
        };
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(USER, &name)])?;
        let directory = tenant.directory.read();
        let (id, record) = directory.users.find(&name).ok_or(Error::NotFound(Entity::User))?;
        Ok(User::of(id, record))
    }
}

/// The name of the calling user.
pub(super) fn caller(call: &Call<'_>) -> Option<Name> {
    match &call.principal.identity {
        Identity::User { subject, .. } => Some(Name::from_stored(&subject.load().name)),
        Identity::Root | Identity::Session(_) | Identity::Disk(_) | Identity::Service => None,
    }
}

impl Operation for UpdateUser {
    type Domain = Iam;
    type Output = User;
    const SPEC: OperationSpec = OperationSpec::write("ram", "UpdateUser", &[USER], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<User, Error> {
        let targets = Target::renamed(USER, &self.name, self.new_name.as_ref());
        let tenant = iam.allow(call, &Self::SPEC, &targets)?;
        bounded(Field::NewDisplayName, self.display_name.as_deref().unwrap_or_default(), 128)?;
        bounded(Field::NewComments, self.comments.as_deref().unwrap_or_default(), 128)?;
        check_email(Field::NewEmail, self.email.as_deref().unwrap_or_default())?;
        check_phone(Field::NewMobilePhone, self.mobile_phone.as_deref().unwrap_or_default())?;
        iam.change(&tenant, |directory, draft| {
            let (id, record) = directory.users.find(&self.name).ok_or(Error::NotFound(Entity::User))?;
            let mut record = record.clone();
            if let Some(new) = self.new_name.as_ref().filter(|new| **new != self.name) {
                if directory.users.find(new).is_some() {
                    return Err(Error::Exists(Entity::User));
                }
                record.name = new.clone();
            }
            let set = |field: &mut String, new: &Option<String>| new.iter().for_each(|new| field.clone_from(new));
            set(&mut record.display_name, &self.display_name);
            set(&mut record.comments, &self.comments);
            set(&mut record.email, &self.email);
            set(&mut record.mobile_phone, &self.mobile_phone);
            record.updated = draft.now;
            draft.put_user(id, &record)?;
            Ok(User::of(id, &record))
        })
        .await
    }
}

impl Operation for ListUsers {
    type Domain = Iam;
    type Output = Part<User>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListUsers", &[USER], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Part<User>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::all(USER)])?;
        listing::part(iam, call, &Self::SPEC, self.slice, |from| {
            let directory = tenant.directory.read();
            let users = directory.users.by_name_after(from.after());
            Ok(from.items(users.map(|(id, record)| (record.name.clone(), User::of(id, record)))))
        })
        .await
    }
}

impl Operation for DeleteUser {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "DeleteUser", &[USER], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(USER, &self.name)])?;
        iam.change(&tenant, |directory, draft| {
            let (id, record) = directory.users.find(&self.name).ok_or(Error::NotFound(Entity::User))?;
            if directory.access_keys.values().any(|key| key.owner() == Some(Owner::User(id))) {
                return Err(Error::InUse(Conflict::UserAccessKey));
            }
            if !record.groups.is_empty() {
                return Err(Error::InUse(Conflict::UserGroup));
            }
            if !record.policies.is_empty() {
                return Err(Error::InUse(Conflict::UserPolicy));
            }
            directory.tokens.values().filter(|token| token.user == id).for_each(|token| draft.delete_token(&token.id));
            let bound = directory.certificates.values().filter(|bound| bound.user == id);
            bound.for_each(|bound| draft.delete_certificate(bound));
            draft.delete_user(id);
            Ok(())
        })
        .await
    }
}
