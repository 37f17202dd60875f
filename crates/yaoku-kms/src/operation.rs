//! What every operation has in common: who calls, what is asked, and what a key's state admits.

use std::future::Future;

use parking_lot::Mutex;
use yaoku_iam::{Access, AccountId, Environment, Permission, Principal, ResourceKind};

use crate::{Error, KeyId, KeyState, Kms};

/// One thing that a caller can ask of the domain.
pub trait Operation: Sized + Send {
    /// What it gives when it succeeds.
    type Output: Send;
    /// What is known of it beforehand.
    const SPEC: OperationSpec;

    /// Checks permission, existence and state, and does it; all of it or nothing.
    fn perform(self, kms: &Kms, call: &Call<'_>) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// One caller's one request.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// Under which circumstances.
    pub environment: &'a Environment<'a>,
    /// Whether only to find out if the operation would succeed.
    pub dry_run: bool,
    /// What it came to, whether it was done or refused.
    pub touched: &'a Touched,
}

impl Call<'_> {
    /// Stands in every operation between its last check and its effect.
    pub(crate) const fn proceed(&self) -> Result<(), Error> {
        if self.dry_run { Err(Error::DryRun) } else { Ok(()) }
    }
}

/// The keys that a call came to, for whoever keeps a record of it: what the caller named by an alias or a ciphertext as well.
#[derive(Debug, Default)]
pub struct Touched {
    keys: Mutex<Vec<KeyId>>,
    owners: Mutex<Vec<AccountId>>,
}

impl Touched {
    /// More than any operation names.
    const MOST: usize = 64;

    /// The keys, in the order in which they were come to, each once.
    pub fn keys(&self) -> Vec<KeyId> {
        self.keys.lock().clone()
    }

    pub(crate) fn note(&self, key: KeyId) {
        let mut keys = self.keys.lock();
        if keys.len() < Self::MOST && !keys.contains(&key) {
            keys.push(key);
        }
    }

    /// Accounts, not the caller's, that own some of the keys and let the caller in: they may know of the call.
    pub fn owners(&self) -> Vec<AccountId> {
        self.owners.lock().clone()
    }

    pub(crate) fn let_in_by(&self, owner: AccountId) {
        let mut owners = self.owners.lock();
        if owners.len() < Self::MOST && !owners.contains(&owner) {
            owners.push(owner);
        }
    }
}

/// What is known of an operation before it is called.
#[derive(Debug, Clone, Copy)]
pub struct OperationSpec {
    /// Its name, which is also the permission that it needs on each of `resources`.
    pub name: &'static str,
    /// Other permissions that it needs instead, where one name would not do.
    pub permissions: &'static [Permission],
    /// What the permission is asked on; nothing only for what [`crate::operations::OPEN`] lists.
    pub resources: &'static [ResourceKind],
    /// In which states of the key it can be done.
    pub states: StateRule,
    /// Whether it changes anything.
    pub access: Access,
}

impl OperationSpec {
    /// The permission that the operation is known by.
    pub const fn permission(&self) -> Permission {
        Permission(self.name)
    }
}

/// What an operation answers to a key in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It can be done.
    Admitted,
    /// [`Error::State`].
    NotInThisState,
    /// [`Error::StateChange`].
    NoSuchChange,
}

/// In which states of the key an operation can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRule {
    /// Answer to an Enabled key.
    pub enabled: Answer,
    /// Answer to a Disabled key.
    pub disabled: Answer,
    /// Answer to a key that is PendingDeletion.
    pub pending_deletion: Answer,
    /// Answer to a key that is PendingImport.
    pub pending_import: Answer,
}

impl StateRule {
    /// Whatever the state, or no key at all.
    pub const ANY: Self = Self::new(Answer::Admitted, Answer::Admitted, Answer::Admitted, Answer::Admitted);
    /// Using the key: only while it is Enabled.
    pub const USE: Self =
        Self::new(Answer::Admitted, Answer::NotInThisState, Answer::NotInThisState, Answer::NotInThisState);
    /// Describing and protecting the key: not while it is to be deleted.
    pub const DESCRIBE: Self = Self::new(Answer::Admitted, Answer::Admitted, Answer::NotInThisState, Answer::Admitted);
    /// Switching the key on and off.
    pub const SWITCH: Self = Self::new(Answer::Admitted, Answer::Admitted, Answer::NoSuchChange, Answer::NoSuchChange);
    /// What a key to be deleted can't get any more.
    pub const STAY: Self = Self::new(Answer::Admitted, Answer::Admitted, Answer::NoSuchChange, Answer::Admitted);
    /// Saving the key from deletion.
    pub const SAVE: Self =
        Self::new(Answer::NoSuchChange, Answer::NoSuchChange, Answer::Admitted, Answer::NoSuchChange);

    const fn new(enabled: Answer, disabled: Answer, pending_deletion: Answer, pending_import: Answer) -> Self {
        Self { enabled, disabled, pending_deletion, pending_import }
    }

    /// The answer to a key in `state`.
    pub const fn answer(self, state: KeyState) -> Answer {
        match state {
            KeyState::Enabled => self.enabled,
            KeyState::Disabled => self.disabled,
            KeyState::PendingDeletion => self.pending_deletion,
            KeyState::PendingImport => self.pending_import,
        }
    }

    /// # Errors
    /// When the rule does not admit `state`.
    pub(crate) const fn check(self, state: KeyState) -> Result<(), Error> {
        match self.answer(state) {
            Answer::Admitted => Ok(()),
            Answer::NotInThisState => Err(Error::State(state)),
            // Only saving a key from deletion is no change of an Enabled one.
            Answer::NoSuchChange if matches!(self.enabled, Answer::NoSuchChange) => {
                Err(Error::StateChange("the key is not pending deletion"))
            }
            Answer::NoSuchChange => Err(Error::StateChange(match state {
                KeyState::Enabled => "the key is Enabled, and this change is not possible in that state",
                KeyState::Disabled => "the key is Disabled, and this change is not possible in that state",
                KeyState::PendingDeletion => "the key is PendingDeletion; cancel its deletion first",
                KeyState::PendingImport => "the key is PendingImport; import its key material first",
            })),
        }
    }
}
