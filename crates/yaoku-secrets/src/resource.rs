//! What permissions of this domain are asked on, and in which states of a secret operations can be done.

use yaoku_iam::{Answer, ResourceKind, StateRule};

use crate::Error;

/// The service that secrets belong to, as ARNs and actions name it.
pub(crate) const SERVICE: &str = "kms";

/// Secrets: one, or all of them, where they are made and listed.
pub const SECRET: &ResourceKind = &ResourceKind { name: "secret", prefix: "secret/", all: "secret" };

/// A version whose value was opened. No permission is asked on it: it stands among what was granted to a call so that it is decided
/// again whether the value may be released.
pub(crate) const OPENED: &ResourceKind = &ResourceKind { name: "opened secret version", prefix: "", all: "" };

/// In which states of a secret operations can be done: there, pending deletion.
pub mod secret_states {
    use super::{Answer, StateRule};
    use Answer::{Admitted, NotInThisState};

    /// Whatever the state.
    pub const ANY: StateRule = StateRule::ANY;
    /// Reading values, and changing the secret: not while it is to be deleted.
    pub const USE: StateRule = StateRule::new([Admitted, NotInThisState]);
}

/// # Errors
/// When the rule does not admit a secret in that state.
pub(crate) const fn check_state(rule: StateRule, is_pending_deletion: bool) -> Result<(), Error> {
    match rule.answer(is_pending_deletion as usize) {
        Answer::Admitted => Ok(()),
        Answer::NotInThisState | Answer::NoSuchChange => Err(Error::InDeleteWindow),
    }
}
