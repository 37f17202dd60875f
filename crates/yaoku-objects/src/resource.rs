//! What permissions of this domain are asked on, and in which states of an object operations can be done.

use yaoku_iam::{Answer, ResourceKind, StateRule};

use crate::{Error, ObjectState};

/// The service that managed objects belong to, as ARNs and actions name it: yaoku's own.
pub(crate) const SERVICE: &str = "yaoku";

/// Managed objects: one, or all of them, where they are made and listed.
pub const OBJECT: &ResourceKind = &ResourceKind { name: "managed object", prefix: "object/", all: "object" };

/// An object whose value was opened. No permission is asked on it: it stands among what was granted to a call so that it is decided
/// again whether the value may be released.
pub(crate) const FETCHED: &ResourceKind = &ResourceKind { name: "fetched object", prefix: "", all: "" };

/// In which states of an object operations can be done, in the order of [`ObjectState::ALL`].
pub mod object_states {
    use super::{Answer, StateRule};
    use Answer::{Admitted, NotInThisState};

    /// Whatever the state. What a state change needs is decided where it is made.
    pub const ANY: StateRule = StateRule::ANY;
    /// What needs the value: while there is one.
    pub const KEPT: StateRule =
        StateRule::new([Admitted, Admitted, Admitted, Admitted, NotInThisState, NotInThisState]);
}

/// # Errors
/// When the rule does not admit an object in that state.
pub(crate) const fn check_state(rule: StateRule, state: ObjectState) -> Result<(), Error> {
    match rule.answer(state as usize) {
        Answer::Admitted => Ok(()),
        Answer::NotInThisState | Answer::NoSuchChange => Err(Error::State(state)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_fetched_until_they_are_gone() {
        for (number, state) in ObjectState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, number);
            assert_eq!(check_state(object_states::KEPT, state).is_err(), state.is_destroyed(), "{state:?}");
        }
    }
}
