//! Passwords and MFA devices of users. Nobody has any here, since there is no console to log into: what asks for one, or
//! takes one away, finds none.

use std::convert::Infallible;

use crate::resource::Target;
use crate::{Call, Entity, Error, Iam, Login, Name, Operation, OperationSpec, ResourceKind, StateRule, USER};

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

const ON: &[&ResourceKind] = &[USER];

impl Operation for GetLoginProfile {
    type Domain = Iam;
    type Output = Infallible;
    const SPEC: OperationSpec = OperationSpec::read("ram", "GetLoginProfile", ON, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Infallible, Error> {
        none(iam, call, &Self::SPEC, &self.user, Login::Password)
    }
}

impl Operation for DeleteLoginProfile {
    type Domain = Iam;
    type Output = Infallible;
    const SPEC: OperationSpec = OperationSpec::write("ram", "DeleteLoginProfile", ON, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Infallible, Error> {
        none(iam, call, &Self::SPEC, &self.user, Login::Password)
    }
}

impl Operation for GetUserMfaInfo {
    type Domain = Iam;
    type Output = Infallible;
    const SPEC: OperationSpec = OperationSpec::read("ram", "GetUserMFAInfo", ON, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Infallible, Error> {
        none(iam, call, &Self::SPEC, &self.user, Login::MfaDevice)
    }
}

impl Operation for UnbindMfaDevice {
    type Domain = Iam;
    type Output = Infallible;
    const SPEC: OperationSpec = OperationSpec::write("ram", "UnbindMFADevice", ON, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Infallible, Error> {
        none(iam, call, &Self::SPEC, &self.user, Login::MfaDevice)
    }
}

fn none(iam: &Iam, call: &Call<'_>, spec: &OperationSpec, user: &Name, what: Login) -> Result<Infallible, Error> {
    let tenant = iam.allow(call, spec, &[Target::own(USER, user)])?;
    match tenant.directory.read().users.find(user) {
        Some(_) => Err(Error::NoLogin(what)),
        None => Err(Error::NotFound(Entity::User)),
    }
}
