//! Passwords and MFA devices of users. Nobody has any here, since there is no console to log into: what asks for one, or
//! takes one away, finds none.

use std::convert::Infallible;

use crate::operation::Target;
use crate::{Call, Entity, Error, Iam, Login, Name, Operation, OperationSpec, Scope};

/// Shows whether a user has a password.
pub struct GetLoginProfile {
    /// Whose.
    pub user: Name,
}

/// Takes a user's password away.
pub struct DeleteLoginProfile {
    /// Whose.
    pub user: Name,
}

/// Shows a user's MFA device.
pub struct GetUserMfaInfo {
    /// Whose.
    pub user: Name,
}

/// Takes a user's MFA device away.
pub struct UnbindMfaDevice {
    /// Whose.
    pub user: Name,
}

const USER: &[Scope] = &[Scope::User];

impl Operation for GetLoginProfile {
    type Output = Infallible;
    const SPEC: OperationSpec = OperationSpec::ram_read("GetLoginProfile", USER);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Infallible, Error> {
        none(iam, call, &Self::SPEC, &self.user, Login::Password)
    }
}

impl Operation for DeleteLoginProfile {
    type Output = Infallible;
    const SPEC: OperationSpec = OperationSpec::ram_write("DeleteLoginProfile", USER);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Infallible, Error> {
        none(iam, call, &Self::SPEC, &self.user, Login::Password)
    }
}

impl Operation for GetUserMfaInfo {
    type Output = Infallible;
    const SPEC: OperationSpec = OperationSpec::ram_read("GetUserMFAInfo", USER);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Infallible, Error> {
        none(iam, call, &Self::SPEC, &self.user, Login::MfaDevice)
    }
}

impl Operation for UnbindMfaDevice {
    type Output = Infallible;
    const SPEC: OperationSpec = OperationSpec::ram_write("UnbindMFADevice", USER);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Infallible, Error> {
        none(iam, call, &Self::SPEC, &self.user, Login::MfaDevice)
    }
}

fn none(iam: &Iam, call: &Call<'_>, spec: &OperationSpec, user: &Name, what: Login) -> Result<Infallible, Error> {
    let tenant = iam.allow(call, spec, &[Target::own(Scope::User, user)])?;
    match tenant.directory.read().users.find(user) {
        Some(_) => Err(Error::NoLogin(what)),
        None => Err(Error::NotFound(Entity::User)),
    }
}
