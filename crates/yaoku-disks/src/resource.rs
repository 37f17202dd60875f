//! What permissions of this domain are asked on, and in which states of a disk operations can be done.

use yaoku_iam::{Answer, ResourceKind, StateRule};

use crate::Error;

/// The service that disks belong to, as ARNs and actions name it.
pub(crate) const SERVICE: &str = "yaoku";

/// Disks: one, or all of them, where they are bound and listed.
pub const DISK: &ResourceKind = &ResourceKind { name: "disk", prefix: "disk/", all: "disk" };

/// A key of a disk that was used. No permission is asked on it: it stands among what was granted to a call so that it is decided again
/// whether what came of it may be released.
pub(crate) const USED_KEY: &ResourceKind = &ResourceKind { name: "used key of a disk", prefix: "", all: "" };

/// In which states of a disk operations can be done: enabled, disabled.
pub mod disk_states {
    use super::{Answer, StateRule};
    use Answer::{Admitted, NotInThisState};

    /// Whatever the state.
    pub const ANY: StateRule = StateRule::ANY;
    /// Unlocking it, and what clients need for that: only while it is enabled.
    pub const USE: StateRule = StateRule::new([Admitted, NotInThisState]);
}

/// # Errors
/// When the rule does not admit a disk in that state.
pub(crate) const fn check_state(rule: StateRule, is_enabled: bool) -> Result<(), Error> {
    match rule.answer(!is_enabled as usize) {
        Answer::Admitted => Ok(()),
        Answer::NotInThisState | Answer::NoSuchChange => Err(Error::Disabled),
    }
}
