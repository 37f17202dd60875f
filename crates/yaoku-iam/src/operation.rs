//! What the operations of all domains have in common: what is known of one before it is called, and how it is called.
//!
//! A domain is what operations work on: identities here, keys one floor up. Each operation is one type in a family module
//! of its domain, and each domain lists its own in a `REGISTRY`.

use std::fmt;
use std::future::Future;

use crate::{Call, Permission};

/// What operations work on.
pub trait Domain: Send + Sync + 'static {
    /// What can go wrong with an operation.
    type Error: Send;

    /// Decides again on everything that was granted to a call, at what is in force now. Nothing is done.
    ///
    /// # Errors
    /// As the operation itself would fail.
    fn decide_again(&self, call: &Call<'_>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// One thing that a caller can ask of a domain.
pub trait Operation: Sized + Send {
    /// What it works on.
    type Domain: Domain;
    /// What it gives when it succeeds.
    type Output: Send;
    /// What is known of it beforehand.
    const SPEC: OperationSpec;

    /// Checks permission, existence and state, and does it; all of it or nothing.
    fn perform(
        self,
        domain: &Self::Domain,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Self::Output, ErrorOf<Self>>> + Send;
}

/// What can go wrong with an operation.
pub type ErrorOf<O> = <<O as Operation>::Domain as Domain>::Error;

/// What is known of an operation before it is called.
#[derive(Debug, Clone, Copy)]
pub struct OperationSpec {
    /// The service that its permissions belong to, as policies name it: `kms`.
    pub service: &'static str,
    /// Its name, which is also the permission that it needs on each of `resources`.
    pub name: &'static str,
    /// Other permissions that it needs instead, where one name would not do.
    pub permissions: &'static [Permission],
    /// What the permission is asked on; nothing for what needs none.
    pub resources: &'static [&'static ResourceKind],
    /// In which states of the resource it can be done.
    pub states: StateRule,
    /// Whether it changes anything.
    pub access: Access,
    /// Whether it takes something away that calls rest on. It then has places of its own, so that no flood of others keeps it out.
    pub revokes: bool,
    /// Its name in records, if that is another.
    recorded_as: Option<&'static str>,
}

impl OperationSpec {
    /// An operation that changes nothing.
    pub const fn read(
        service: &'static str,
        name: &'static str,
        resources: &'static [&'static ResourceKind],
        states: StateRule,
    ) -> Self {
        Self {
            service,
            name,
            permissions: &[],
            resources,
            states,
            access: Access::Read,
            revokes: false,
            recorded_as: None,
        }
    }

    /// An operation that changes something.
    pub const fn write(
        service: &'static str,
        name: &'static str,
        resources: &'static [&'static ResourceKind],
        states: StateRule,
    ) -> Self {
        Self { access: Access::Write, ..Self::read(service, name, resources, states) }
    }

    /// The same operation, needing other permissions than its name.
    #[must_use]
    pub const fn needing(self, permissions: &'static [Permission]) -> Self {
        Self { permissions, ..self }
    }

    /// The same operation, as one that takes something away.
    #[must_use]
    pub const fn revoking(self) -> Self {
        Self { revokes: true, ..self }
    }

    /// The same operation, in other states of its resource.
    #[must_use]
    pub const fn in_states(self, states: StateRule) -> Self {
        Self { states, ..self }
    }

    /// What records call it: that which is due has the name of what a caller would have asked for.
    pub const fn event(&self) -> &'static str {
        match self.recorded_as {
            Some(name) => name,
            None => self.name,
        }
    }

    /// The same operation, under another name in records.
    #[must_use]
    pub const fn recorded_as(self, name: &'static str) -> Self {
        Self { recorded_as: Some(name), ..self }
    }

    /// The permissions that it needs.
    pub fn needed(&self) -> impl Iterator<Item = Permission> + use<> {
        let own = self.permissions.is_empty().then(|| self.permission());
        own.into_iter().chain(self.permissions.iter().copied())
    }

    /// The permission that the operation is known by.
    pub const fn permission(&self) -> Permission {
        Permission(self.name)
    }
}

/// Whether an operation changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Leaves everything as it is.
    Read,
    /// Changes something.
    Write,
}

/// A kind of thing that permissions are asked on. Each domain has a table of its own kinds.
#[derive(Debug, PartialEq, Eq)]
pub struct ResourceKind {
    /// Its name, for people.
    pub name: &'static str,
    /// What stands before the name of one in an ARN, behind the account: `key/`.
    pub prefix: &'static str,
    /// What stands there for all of them.
    pub all: &'static str,
}

/// Something that a permission is asked on, as it stands in an ARN behind the account.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// What it is.
    pub kind: &'static ResourceKind,
    /// Which; none means all of the kind.
    pub name: Option<&'a (dyn fmt::Display + Sync)>,
}

impl<'a> Target<'a> {
    /// One of a kind.
    pub const fn one(kind: &'static ResourceKind, name: &'a (dyn fmt::Display + Sync)) -> Self {
        Self { kind, name: Some(name) }
    }

    /// All of a kind.
    pub const fn all(kind: &'static ResourceKind) -> Self {
        Self { kind, name: None }
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{}{name}", self.kind.prefix),
            None => f.write_str(self.kind.all),
        }
    }
}

/// What an operation answers to a resource in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It can be done.
    Admitted,
    /// The resource can't be used so in this state.
    NotInThisState,
    /// The state does not admit this change.
    NoSuchChange,
}

/// In which states of a resource an operation can be done. Each kind of resource numbers its states, and names the rules that
/// its operations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRule([Answer; StateRule::STATES]);

impl StateRule {
    /// States that a kind can have at the most.
    pub const STATES: usize = 8;
    /// Whatever the state, or for what has none.
    pub const ANY: Self = Self([Answer::Admitted; Self::STATES]);

    /// Answers to the first states of a kind, in order; further ones are not admitted.
    pub const fn new<const N: usize>(answers: [Answer; N]) -> Self {
        assert!(N <= Self::STATES, "a kind has too many states");
        let mut all = [Answer::NotInThisState; Self::STATES];
        let mut at = 0;
        while at < N {
            all[at] = answers[at];
            at += 1;
        }
        Self(all)
    }

    /// The answer to a resource in the state of that number.
    pub const fn answer(self, state: usize) -> Answer {
        if state < Self::STATES { self.0[state] } else { Answer::NotInThisState }
    }
}
