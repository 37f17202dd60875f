//! Kinds of resources that permissions of this domain are asked on, and the rules that say in which state of a key an
//! operation can be done. A new family adds its rows here and nowhere else outside its own files.

use yaoku_iam::{Answer, ResourceKind, StateRule};

use crate::{Error, KeyState};

/// The service that all of them belong to, as ARNs and actions name it.
pub(crate) const SERVICE: &str = "kms";

/// Keys: one, or all of them, where they are made and listed.
pub const KEY: &ResourceKind = &ResourceKind { name: "key", prefix: "key/", all: "key" };
/// Aliases: one, or all of them. The name of one begins with `alias/`.
pub const ALIAS: &ResourceKind = &ResourceKind { name: "alias", prefix: "", all: "alias" };
/// The account's use of the service as such.
pub const SERVICE_USE: &ResourceKind = &ResourceKind { name: "service", prefix: "", all: "*" };

/// In which states of a key operations can be done: Enabled, Disabled, PendingDeletion, PendingImport.
pub mod key_states {
    use super::{Answer, StateRule};
    use Answer::{Admitted, NoSuchChange, NotInThisState};

    /// Whatever the state.
    pub const ANY: StateRule = StateRule::ANY;
    /// Using the key: only while it is Enabled.
    pub const USE: StateRule = StateRule::new([Admitted, NotInThisState, NotInThisState, NotInThisState]);
    /// Describing and protecting the key: not while it is to be deleted.
    pub const DESCRIBE: StateRule = StateRule::new([Admitted, Admitted, NotInThisState, Admitted]);
    /// Switching the key on and off.
    pub const SWITCH: StateRule = StateRule::new([Admitted, Admitted, NoSuchChange, NoSuchChange]);
    /// What a key to be deleted can't get any more.
    pub const STAY: StateRule = StateRule::new([Admitted, Admitted, NoSuchChange, Admitted]);
    /// Saving the key from deletion.
    pub const SAVE: StateRule = StateRule::new([NoSuchChange, NoSuchChange, Admitted, NoSuchChange]);
}

/// The number of a key's state in a [`StateRule`].
const fn number(state: KeyState) -> usize {
    match state {
        KeyState::Enabled => 0,
        KeyState::Disabled => 1,
        KeyState::PendingDeletion => 2,
        KeyState::PendingImport => 3,
    }
}

/// # Errors
/// When the rule does not admit a key in `state`.
pub(crate) const fn check_state(rule: StateRule, state: KeyState) -> Result<(), Error> {
    match rule.answer(number(state)) {
        Answer::Admitted => Ok(()),
        Answer::NotInThisState => Err(Error::State(state)),
        // Only saving a key from deletion is no change of an Enabled one.
        Answer::NoSuchChange if matches!(rule.answer(number(KeyState::Enabled)), Answer::NoSuchChange) => {
            Err(Error::StateChange("the key is not pending deletion"))
        }
        Answer::NoSuchChange => Err(Error::StateChange(match state {
            KeyState::Enabled => "the key is Enabled, which does not admit this change",
            KeyState::Disabled => "the key is Disabled, which does not admit this change",
            KeyState::PendingDeletion => "the key is PendingDeletion; cancel its deletion first",
            KeyState::PendingImport => "the key is PendingImport; import its key material first",
        })),
    }
}
