//! The policy language of RAM, version 1: documents, and what they say of a request.
//!
//! A document is read once, by [`Policy::parse`], into a form that decides without allocating: wildcards are matched in time
//! linear in what they are matched with, and condition keys are asked of the caller's [`Context`] only when a condition
//! that could matter names them. [`Policies::decide`] combines all policies that concern one request.
//!
//! What one decision may compare is bounded ([`Effort`]), since policies and what they are compared with come from callers: beyond the
//! bound, it is denied.
//!
//! Where RAM's documentation says nothing, this is so (see `docs/access-control.md`): names of actions and of condition
//! keys are matched without regard to case, but for what follows a `/` in a key; resources with regard to case. `*` and `?`
//! can't be escaped. A condition on a key that the request lacks does not hold, unless its operator is negated, or ends in
//! `IfExists`, or begins with `ForAllValues:`.
//!
//! What can't be evaluated is never passed over. A condition can't be where the request's value is not of the operator's kind,
//! where the key is one of a service that is here but not one that this engine knows, and where a stored document says
//! something that a new one may not say. Then it counts as holding in a `Deny`, and as not holding in an `Allow`.

mod condition;
mod condition_operator;
mod context;
mod decision;
mod document;
mod effort;
mod error;
mod json;
mod pattern;
mod principal;
mod strict;
mod system;
mod truth;

pub use context::{ConditionKey, Context, Value};
pub use decision::{Attached, Policies, Reason, Request, Verdict};

pub use document::{Effect, Policy, PolicyKind, Said};
pub use effort::Effort;
pub use error::PolicyError;
pub use principal::Caller;
pub use system::SystemPolicy;
