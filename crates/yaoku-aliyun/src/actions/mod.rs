//! The APIs that are served at the one endpoint, and their actions: one entry each, in a module of the same name as the
//! domain's family.
//!
//! An entry holds what is the protocol's own: names and presence of parameters, and how they become a domain operation
//! and its result a reply. Permission, resources and key states are the operation's, and are not said again here.
//!
//! To add an API, add a folder with an [`Api`] in its `mod.rs`, its families beside it and its domain's errors in its
//! `failure.rs`; name it in [`APIS`], its kind of operations in [`Spec`], its error codes in the table of
//! [`crate::wire::error`], its parameters in `exposure.rs`, and its domain, if it has one of its own, in [`Exchange`].

pub(crate) mod accounts;
mod actiontrail;
mod arguments;
mod elements;
mod exposure;
mod kms;
mod names;
pub(crate) mod ram;
mod sts;

use std::future::Future;
use std::pin::Pin;

use parking_lot::Mutex;
use serde::Serialize;
use yaoku_audit::Trail;
use yaoku_iam::{Access, Environment, Iam, Principal};
use yaoku_kms::{Kms, Touched};
use zeroize::Zeroizing;

pub(crate) use arguments::Arguments;
pub use exposure::Exposure;
pub use kms::{fuzzing, state_name};

use crate::wire::response;
use crate::wire::{Format, RequestId, WireError};

/// An API: what clients call a product and a version of it.
pub struct Api {
    /// The version by which requests name it.
    pub version: &'static str,
    /// Its name in audit records.
    pub service: &'static str,
    /// Those called most stand first: they are looked for in this order.
    families: &'static [&'static [Action]],
    /// Actions that its SDKs know and this version does not do, in order: they answer `UnsupportedOperation`.
    pub unsupported: &'static [&'static str],
    /// What the name of the root element of an answer in XML is.
    pub(crate) xml_root: XmlRoot,
    /// Parameters that name what a call is about, with the kind of thing; those that come first count.
    pub(crate) resources: &'static [(&'static str, &'static str)],
    /// The action that leaves no audit record, if its caller is proven.
    pub(crate) unrecorded: Option<&'static str>,
}

/// All of them.
pub const APIS: &[&Api] = &[&kms::API, &ram::API, &sts::API, &actiontrail::API];

impl Api {
    /// The API of that version.
    pub fn of_version(version: &str) -> Option<&'static Self> {
        APIS.iter().copied().find(|api| api.version == version)
    }

    /// Every action that is done here.
    pub fn actions(&self) -> impl Iterator<Item = &'static Action> + use<> {
        self.families.iter().copied().flatten()
    }

    /// The action of that name.
    pub fn action(&self, name: &str) -> Option<&'static Action> {
        self.actions().find(|action| action.name == name)
    }
}

/// The name of the root element of an answer in XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XmlRoot {
    /// The same for all actions.
    Fixed(&'static str),
    /// The action's name and `Response`.
    OfAction,
}

/// An action of the protocol.
pub struct Action {
    /// Its name on the wire, which no other action of its API has.
    pub name: &'static str,
    /// The domain operation that it becomes.
    pub spec: Spec,
    /// Its own parameters.
    pub params: &'static [Param],
    run: Run,
}

/// What is known of an operation of a domain.
#[derive(Debug, Clone, Copy)]
pub enum Spec {
    /// Of keys.
    Kms(&'static yaoku_kms::OperationSpec),
    /// Of identities.
    Identity(&'static yaoku_iam::OperationSpec),
    /// Of the audit log, which is read here: it knows of no callers.
    Trail(&'static yaoku_iam::OperationSpec),
    /// Of accounts, by the operator alone.
    Operator(&'static yaoku_iam::OperationSpec),
}

impl Spec {
    /// The operation's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Kms(spec) => spec.name,
            Self::Identity(spec) | Self::Trail(spec) | Self::Operator(spec) => spec.name,
        }
    }

    /// Whether the operation changes anything.
    pub const fn access(&self) -> Access {
        match self {
            Self::Kms(spec) => spec.access,
            Self::Identity(spec) | Self::Trail(spec) | Self::Operator(spec) => spec.access,
        }
    }
}

/// A parameter of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name; of a flattened list, the part before `.1`.
    pub name: &'static str,
    /// Whether a request without it fails.
    pub required: bool,
    /// Whether the audit trail may show it.
    pub exposure: Exposure,
}

/// The body of a reply, wiped when it was sent.
pub(crate) type Reply = Zeroizing<Vec<u8>>;

/// Runs an action: parameters in, the body of the reply out.
type Run = for<'a> fn(&'a Exchange<'a>) -> Pin<Box<dyn Future<Output = Result<Reply, WireError>> + Send + 'a>>;

/// Every action of every API that is done here.
pub fn all() -> impl Iterator<Item = &'static Action> {
    named().map(|(_, action)| action)
}

/// Every action that is done here with its API's name in audit records, in the order of [`all`].
pub fn named() -> impl Iterator<Item = (&'static str, &'static Action)> {
    APIS.iter().flat_map(|api| api.actions().map(|action| (api.service, action)))
}

/// Position of an action in [`all`], for tables that have an entry for each.
pub fn index(action: &Action) -> Option<usize> {
    all().position(|other| std::ptr::eq(other, action))
}

const fn required(name: &'static str) -> Param {
    Param { name, required: true, exposure: exposure::of(name) }
}

const fn optional(name: &'static str) -> Param {
    Param { name, required: false, exposure: exposure::of(name) }
}

/// One request whose caller is proven, on its way through an action.
pub(crate) struct Exchange<'a> {
    pub(crate) kms: &'a Kms,
    pub(crate) iam: &'a Iam,
    /// None where the operator switched it off.
    pub(crate) trail: Option<&'a Trail>,
    pub(crate) principal: &'a Principal,
    pub(crate) environment: &'a Environment<'a>,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) format: Format,
    pub(crate) request_id: RequestId,
    /// What the action leaves for its audit record.
    pub(crate) notes: &'a Notes,
    pub(crate) dry_run: bool,
    pub(crate) api: &'static Api,
    pub(crate) action: &'static Action,
}

/// What an action leaves for its audit record, beside its parameters and its outcome.
#[derive(Default)]
pub(crate) struct Notes {
    /// The keys that it came to.
    pub(crate) touched: Touched,
    /// What may be shown of the answer to a change.
    pub(crate) elements: Mutex<Option<serde_json::Value>>,
}

impl Exchange<'_> {
    /// Checks presence of parameters, then runs the action.
    pub(crate) async fn run(mut self) -> Result<Reply, WireError> {
        let params = self.action.params;
        if params.iter().any(|param| param.name == DRY_RUN) {
            self.dry_run = self.arguments.boolean(DRY_RUN)?.unwrap_or(false);
        }
        let mut required = params.iter().filter(|param| param.required);
        let result = match required.try_for_each(|param| self.arguments.require(param.name)) {
            Ok(()) => (self.action.run)(&self).await,
            Err(error) => Err(error),
        };
        if self.dry_run { result.map_err(kms::of_dry_run) } else { result }
    }

    /// The reply of this content.
    fn reply<T: Serialize>(&self, content: &T) -> Result<Reply, WireError> {
        let root = match self.api.xml_root {
            XmlRoot::Fixed(root) => root,
            XmlRoot::OfAction => &format!("{}Response", self.action.name),
        };
        let failed = |error| {
            tracing::error!(request_id = %self.request_id, %error, "internal failure");
            WireError::internal()
        };
        if self.action.spec.access() == Access::Write {
            *self.notes.elements.lock() = elements::shown(&response::json(content).map_err(failed)?);
        }
        response::success(self.format, root, self.request_id, content).map_err(failed)
    }

    /// The reply that says no more than that it was done.
    fn done(&self) -> Result<Reply, WireError> {
        #[derive(Serialize)]
        struct Nothing {}
        self.reply(&Nothing {})
    }
}

const DRY_RUN: &str = "DryRun";

/// Declares an action that becomes an operation on identities: its function becomes one that [`Action`] can hold.
macro_rules! identity_action {
    ($name:literal, $operation:ty, $function:ident, [$($param:expr),* $(,)?]) => {
        crate::actions::Action {
            name: $name,
            spec: crate::actions::Spec::Identity(&<$operation as yaoku_iam::Operation>::SPEC),
            params: &[$($param),*],
            run: |exchange| Box::pin($function(exchange)),
        }
    };
}
use identity_action;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_of_the_domains_is_an_action_and_every_action_one_operation() {
        let keys = yaoku_kms::operations::REGISTRY.iter().map(|spec| ("keys", spec.name));
        let identities = yaoku_iam::operations::REGISTRY.iter().map(|spec| ("identities", spec.name));
        let trail = [("trail", "LookupEvents")].into_iter();
        let operations: BTreeSet<_> = keys.chain(identities).chain(trail).collect();
        let domain = |spec: &Spec| match spec {
            Spec::Kms(_) => "keys",
            Spec::Identity(_) => "identities",
            Spec::Trail(_) => "trail",
            Spec::Operator(_) => "operator",
        };
        let actions: BTreeSet<_> = all().map(|action| (domain(&action.spec), action.spec.name())).collect();
        assert_eq!(operations, actions);
        assert_eq!(all().count(), actions.len());
    }

    #[test]
    fn metrics_can_tell_the_actions_of_all_apis_apart() {
        let names: BTreeSet<_> = named().map(|(service, action)| (service, action.name)).collect();
        assert_eq!(all().count(), names.len());
    }

    #[test]
    fn what_operators_do_is_not_served() {
        let served: BTreeSet<_> = all().map(|action| action.name).collect();
        assert!(accounts::API.actions().all(|action| !served.contains(action.name)));
        assert!(Api::of_version(accounts::API.version).is_none());
    }

    #[test]
    fn no_action_is_both_done_and_unsupported() {
        for api in APIS {
            assert!(api.unsupported.iter().all(|name| api.action(name).is_none()), "{}", api.service);
            assert!(api.unsupported.is_sorted(), "{}", api.service);
        }
    }
}
