//! The actions of the protocol: one entry each, in a module of the same name as the domain's family.
//!
//! An entry holds what is the protocol's own: names and presence of parameters, and how they become a domain operation
//! and its result a reply. Permission, resources and key states are the operation's, and are not said again here.

mod aliases;
mod arguments;
mod asymmetric;
mod crypto;
mod data_keys;
mod exposure;
mod failure;
mod import;
mod keys;
mod mac;
mod names;
mod policies;
mod service;
mod tags;
mod unsupported;
mod versions;

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use yaoku_iam::{Environment, Principal};
use yaoku_kms::{Call, Kms, Operation, OperationSpec};
use zeroize::Zeroizing;

pub(crate) use arguments::Arguments;
pub use arguments::fuzzing;
pub use exposure::Exposure;
pub use unsupported::UNSUPPORTED;

use crate::wire::response;
use crate::wire::{Format, RequestId, WireError};

/// An action of the protocol.
pub struct Action {
    /// Its name on the wire.
    pub name: &'static str,
    /// The domain operation that it becomes.
    pub spec: &'static OperationSpec,
    /// Its own parameters.
    pub params: &'static [Param],
    run: Run,
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

/// Every action that is done here, by name.
pub fn all() -> impl Iterator<Item = &'static Action> {
    FAMILIES.iter().copied().flatten()
}

/// The action of that name.
pub fn find(name: &str) -> Option<&'static Action> {
    all().find(|action| action.name == name)
}

/// Position of an action in [`all`], for tables that have an entry for each.
pub fn index(action: &Action) -> Option<usize> {
    all().position(|other| std::ptr::eq(other, action))
}

/// The protocol's name of a key state.
pub fn state_name(state: yaoku_kms::KeyState) -> &'static str {
    names::Named::name(state)
}

/// Those called most stand first: they are looked for in this order.
const FAMILIES: &[&[Action]] = &[
    crypto::ACTIONS,
    data_keys::ACTIONS,
    asymmetric::ACTIONS,
    mac::ACTIONS,
    keys::ACTIONS,
    versions::ACTIONS,
    aliases::ACTIONS,
    tags::ACTIONS,
    import::ACTIONS,
    policies::ACTIONS,
    service::ACTIONS,
];

const fn required(name: &'static str) -> Param {
    Param { name, required: true, exposure: exposure::of(name) }
}

const fn optional(name: &'static str) -> Param {
    Param { name, required: false, exposure: exposure::of(name) }
}

/// One request whose caller is proven, on its way through an action.
pub(crate) struct Exchange<'a> {
    pub(crate) kms: &'a Kms,
    pub(crate) principal: &'a Principal,
    pub(crate) environment: &'a Environment<'a>,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) format: Format,
    pub(crate) request_id: RequestId,
    pub(crate) dry_run: bool,
}

impl<'a> Exchange<'a> {
    /// Checks presence of parameters, then runs `action`.
    pub(crate) async fn run(mut self, action: &Action) -> Result<Reply, WireError> {
        if action.params.iter().any(|param| param.name == DRY_RUN) {
            self.dry_run = self.arguments.boolean(DRY_RUN)?.unwrap_or(false);
        }
        let mut required = action.params.iter().filter(|param| param.required);
        let result = match required.try_for_each(|param| self.arguments.require(param.name)) {
            Ok(()) => (action.run)(&self).await,
            Err(error) => Err(error),
        };
        if self.dry_run { result.map_err(failure::of_dry_run) } else { result }
    }

    /// Does a domain operation, and says its errors in the protocol's words.
    async fn perform<O: Operation>(&self, operation: O) -> Result<O::Output, WireError> {
        let call = Call { principal: self.principal, environment: self.environment, dry_run: self.dry_run };
        let result = operation.perform(self.kms, &call).await;
        result.map_err(|error| failure::of(error, self.request_id, &self.arguments))
    }

    /// The reply of this content.
    fn reply<T: Serialize>(&self, content: &T) -> Result<Reply, WireError> {
        response::success(self.format, self.request_id, content).map_err(|error| {
            tracing::error!(request_id = %self.request_id, %error, "internal failure");
            WireError::internal()
        })
    }

    /// The reply that says no more than that it was done.
    fn done(&self) -> Result<Reply, WireError> {
        #[derive(Serialize)]
        struct Nothing {}
        self.reply(&Nothing {})
    }
}

const DRY_RUN: &str = "DryRun";

/// Declares an action: its function becomes one that [`Action::run`] can hold.
macro_rules! action {
    ($name:literal, $operation:ty, $function:ident, [$($param:expr),* $(,)?]) => {
        crate::actions::Action {
            name: $name,
            spec: &<$operation as yaoku_kms::Operation>::SPEC,
            params: &[$($param),*],
            run: |exchange| Box::pin($function(exchange)),
        }
    };
}
use action;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use yaoku_kms::operations::REGISTRY;

    #[test]
    fn every_operation_of_the_domain_is_an_action_and_every_action_one_operation() {
        let operations: BTreeSet<_> = REGISTRY.iter().map(|spec| spec.name).collect();
        let actions: BTreeSet<_> = all().map(|action| action.spec.name).collect();
        assert_eq!(operations, actions);
        assert_eq!(all().count(), actions.len());
    }

    #[test]
    fn no_action_is_both_done_and_unsupported() {
        assert!(UNSUPPORTED.iter().all(|name| find(name).is_none()));
    }
}
