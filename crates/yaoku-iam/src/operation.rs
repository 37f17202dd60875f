//! What every operation on identities has in common: who calls, what is asked, and which permission it needs.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use crate::record::PolicyName;
use crate::tenant::Tenant;
use crate::{Decision, Environment, Error, Iam, Name, Permission, Principal, Question, Resource};

/// One thing that a caller can ask about identities.
pub trait Operation: Sized + Send {
    /// What it gives when it succeeds.
    type Output: Send;
    /// What is known of it beforehand.
    const SPEC: OperationSpec;

    /// Checks permission, and does it; all of it or nothing.
    fn perform(self, iam: &Iam, call: &Call<'_>) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// One caller's one request.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// Under which circumstances.
    pub environment: &'a Environment<'a>,
}

/// What is known of an operation before it is called.
#[derive(Debug, Clone, Copy)]
pub struct OperationSpec {
    /// Its name, which is also the permission that it needs.
    pub name: &'static str,
    /// Whether it changes anything.
    pub access: Access,
    /// The service that its permission belongs to, as policies name it.
    pub service: &'static str,
    /// What the permission can be asked on; nothing for what anybody may do.
    pub on: &'static [Scope],
}

/// Whether an operation changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Leaves everything as it is.
    Read,
    /// Changes something.
    Write,
}

/// A kind of identity that permissions are asked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `user/<name>`.
    User,
    /// `group/<name>`.
    Group,
    /// `role/<name>`.
    Role,
    /// `policy/<name>`.
    Policy,
}

impl OperationSpec {
    /// Of an operation of RAM that changes nothing.
    pub(crate) const fn ram_read(name: &'static str, on: &'static [Scope]) -> Self {
        Self { name, access: Access::Read, service: "ram", on }
    }

    /// Of an operation of RAM that changes something.
    pub(crate) const fn ram_write(name: &'static str, on: &'static [Scope]) -> Self {
        Self { name, access: Access::Write, service: "ram", on }
    }
}

/// An identity that a permission is asked on.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    scope: Scope,
    /// Without one, all of its kind.
    name: Option<&'a Name>,
    /// As [`Resource::owner`].
    owner: Option<&'static str>,
}

impl<'a> Target<'a> {
    /// One of the account's own.
    pub(crate) const fn own(scope: Scope, name: &'a Name) -> Self {
        Self { scope, name: Some(name), owner: None }
    }

    /// All of a kind.
    pub(crate) const fn all(scope: Scope) -> Self {
        Self { scope, name: None, owner: None }
    }

    /// A policy: `acs:ram:*:system:policy/<name>`, where every account has it.
    pub(crate) const fn policy(policy: &'a PolicyName) -> Self {
        match policy {
            PolicyName::System(name) => Self { scope: Scope::Policy, name: Some(name), owner: Some("system") },
            PolicyName::Custom(name) => Self::own(Scope::Policy, name),
        }
    }

    /// One that may get a new name. Policies name identities: who may give one a name may give it what policies give to that name.
    pub(crate) fn renamed(scope: Scope, name: &'a Name, new: Option<&'a Name>) -> Vec<Self> {
        std::iter::once(name).chain(new).map(|name| Self::own(scope, name)).collect()
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scope {
            Scope::User => "user/",
            Scope::Group => "group/",
            Scope::Role => "role/",
            Scope::Policy => "policy/",
        })?;
        f.write_str(self.name.map_or("*", Name::as_str))
    }
}

/// What a caller may do in its own account, at the moment at which it was asked.
pub(crate) struct Allowed<'a> {
    tenant: Arc<Tenant>,
    call: Call<'a>,
    spec: OperationSpec,
    targets: Vec<Target<'a>>,
}

impl Deref for Allowed<'_> {
    type Target = Arc<Tenant>;

    fn deref(&self) -> &Arc<Tenant> {
        &self.tenant
    }
}

impl Allowed<'_> {
    /// Asks once more, after what may have taken its time: what was taken from the caller meanwhile counts.
    pub(crate) fn still(&self, iam: &Iam) -> Result<(), Error> {
        iam.ask(&self.call, &self.spec, &self.targets)
    }
}

impl Iam {
    /// Checks that the caller may do `spec` on each of `targets` in its own account.
    pub(crate) fn allow<'a>(
        &self,
        call: &Call<'a>,
        spec: &OperationSpec,
        targets: &[Target<'a>],
    ) -> Result<Allowed<'a>, Error> {
        self.ask(call, spec, targets)?;
        let account = call.principal.account();
        let tenant = self.tenant(account).ok_or(Error::NoAccount(account))?;
        Ok(Allowed { tenant, call: *call, spec: *spec, targets: targets.to_vec() })
    }

    fn ask(&self, call: &Call<'_>, spec: &OperationSpec, targets: &[Target<'_>]) -> Result<(), Error> {
        debug_assert!(
            targets.iter().all(|target| spec.on.contains(&target.scope)) && !targets.is_empty(),
            "{}",
            spec.name
        );
        let account = call.principal.account();
        for target in targets {
            let owner = target.owner;
            // Not "*" as the region: policies are written with "acs:ram:*:…" and with "acs:ram::…", and both match this.
            let resource =
                Resource { service: "ram", region: "", account, owner, name: target, tags: None, policy: None };
            let permission = Permission(spec.name);
            let question = Question { permission, resource: &resource, environment: call.environment };
            if let Decision::Denied(denial) = self.authorise(call.principal, &question) {
                return Err(Error::Denied(denial));
            }
        }
        Ok(())
    }
}
