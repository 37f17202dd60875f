//! One caller's one request, what it came to, and what it rests on.
//!
//! Permissions are decided when an operation begins, and its result is released some time later: it may have waited for a
//! processor, a token, the store or the audit log. So a call keeps what was granted to it. Before its result is released, all
//! of that is decided again if anything changed that can forbid something ([`crate::Epoch`]). A change is committed only if
//! the rows of the store that its caller's authority rests on are still what they were when it was decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use smallvec::SmallVec;
use yaoku_crypto::Secret;
use yaoku_seal::{Changes, RecordName, Revision};

use crate::{AccountId, Credential, Environment, Permission, Principal, ResourceKind, Standing, StateRule};

/// One caller's one request.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What proved them.
    pub credential: Credential<'a>,
    /// Under which circumstances.
    pub environment: &'a Environment<'a>,
    /// Whether only to find out if the operation would succeed.
    pub dry_run: bool,
    /// What it came to, whether it was done or refused.
    pub trace: &'a Trace,
    /// What a commit of this call must carry, so that no change is without a record; none where nothing is recorded.
    pub intent: Option<&'a dyn Intent>,
    /// Set when nobody waits for the answer any more: what has not begun by then need not.
    pub abandoned: Option<&'a Arc<AtomicBool>>,
}

#[cfg(any(test, feature = "testing"))]
impl<'a> Call<'a> {
    /// A call of a principal that nothing has proven, for tests of what stands above.
    pub const fn of(principal: &'a Principal, environment: &'a Environment<'a>, trace: &'a Trace) -> Self {
        let credential = Credential::Service;
        Self { principal, credential, environment, dry_run: false, trace, intent: None, abandoned: None }
    }
}

/// Announces, within a commit, the audit record that the call will leave. A start finds those whose record is missing.
pub trait Intent: Sync {
    /// The row that announces it.
    ///
    /// # Errors
    /// [`NotCommitted`] if it can't be made; then nothing is committed.
    fn row(&self, trace: &Trace) -> Result<(RecordName, Secret), NotCommitted>;
}

/// Something that was granted to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The permission.
    pub permission: Permission,
    /// The states in which the resource had to be.
    pub states: StateRule,
    /// On what.
    pub on: Named,
    /// The account that owns it.
    pub account: AccountId,
    /// What its ARN has in the account's place, where no account owns it.
    pub owner: Option<&'static str>,
    /// What the trust policy of a role was shown as `sts:ExternalId`.
    pub external_id: Option<Box<str>>,
    /// What conditions were shown as `kms:EncryptionContext/<name>`.
    pub encryption_context: Option<Arc<BTreeMap<String, String>>>,
}

/// A resource that a call named or came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is.
    pub kind: &'static ResourceKind,
    /// Which.
    pub name: Which,
}

/// Which one of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// That of a 16-byte id.
    Id([u8; 16]),
    /// That of a name.
    Name(Box<str>),
}

/// What a call came to: for its audit record, and to decide on it again.
#[derive(Default)]
pub struct Trace(Mutex<Traced>);

#[derive(Default)]
struct Traced {
    // Most calls have one of each, which then needs no allocation.
    touched: SmallVec<[Named; 1]>,
    owners: Vec<AccountId>,
    grants: SmallVec<[Grant; 1]>,
    /// With the number of each: of the item that named it, or its place.
    contexts: Vec<(usize, Arc<BTreeMap<String, String>>)>,
    /// The item that is being worked on, counted from 1; none of a call that has no items.
    item: Option<usize>,
    contexts_left_out: usize,
    failed: BTreeMap<&'static str, Failed>,
    authority: Option<Vec<(RecordName, Option<Revision>)>>,
    committed: bool,
}

/// Parts of a call that failed with one code while the call went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// How many.
    pub count: usize,
    /// The first of them, as the caller named it.
    pub first: String,
}

impl Trace {
    /// Things, or accounts, that are remembered at the most: more than any operation names.
    const MOST: usize = 64;
    /// Encryption contexts that are remembered at the most: as many as the items that a call may have.
    const MOST_CONTEXTS: usize = 256;

    /// The resources that the call came to, however it named them, in that order, each once.
    pub fn touched(&self) -> Vec<Named> {
        self.0.lock().touched.to_vec()
    }

    /// Accounts, not the caller's, that own some of the resources and let the caller in: they may know of the call.
    pub fn owners(&self) -> Vec<AccountId> {
        self.0.lock().owners.clone()
    }

    /// What was granted to the call.
    pub fn grants(&self) -> Vec<Grant> {
        self.0.lock().grants.to_vec()
    }

    /// Begins an item of a call of several, counted from 1.
    pub fn begin_item(&self, number: usize) {
        self.0.lock().item = Some(number);
    }

    /// The encryption contexts that the call named, each once, whether it was granted anything or not; with the number of the item that
    /// named it first, or its place in a call without items.
    pub fn encryption_contexts(&self) -> Vec<(usize, Arc<BTreeMap<String, String>>)> {
        self.0.lock().contexts.clone()
    }

    /// How many encryption contexts the call named beyond those that are remembered.
    pub fn contexts_left_out(&self) -> usize {
        self.0.lock().contexts_left_out
    }

    /// Notes that a part of the call failed, with a code and as the caller named it, while the call goes on.
    pub fn part_failed(&self, code: &'static str, name: &str) {
        let failed = &mut self.0.lock().failed;
        failed.entry(code).or_insert_with(|| Failed { count: 0, first: name.to_owned() }).count += 1;
    }

    /// The parts of the call that failed while it went on, by their codes.
    pub fn failed(&self) -> BTreeMap<&'static str, Failed> {
        self.0.lock().failed.clone()
    }

    /// Whether the call changed anything.
    pub fn has_committed(&self) -> bool {
        self.0.lock().committed
    }
}

impl Call<'_> {
    /// Whether nobody waits for the answer any more.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.is_some_and(|abandoned| abandoned.load(Ordering::Acquire))
    }

    /// In which line a change of the call's stands.
    pub fn standing(&self, revokes: bool) -> Standing {
        Standing { whose: self.principal.key(), revokes }
    }

    /// Whether the effect is wanted. Stands in every operation between its last check and its effect.
    pub const fn is_wanted(&self) -> bool {
        !self.dry_run
    }

    /// Notes a resource that the call came to.
    pub fn touch(&self, kind: &'static ResourceKind, name: Which) {
        let touched = &mut self.trace.0.lock().touched;
        let named = Named { kind, name };
        if touched.len() < Trace::MOST && !touched.contains(&named) {
            touched.push(named);
        }
    }

    /// Notes an encryption context that the call names.
    pub fn bound_to(&self, context: &Arc<BTreeMap<String, String>>) {
        let traced = &mut *self.trace.0.lock();
        if traced.contexts.iter().any(|(_, known)| known == context) {
            return;
        }
        let number = traced.item.unwrap_or(traced.contexts.len() + 1);
        match traced.contexts.len() < Trace::MOST_CONTEXTS {
            true => traced.contexts.push((number, context.clone())),
            false => traced.contexts_left_out += 1,
        }
    }

    /// Notes that another account let the caller in.
    pub fn let_in_by(&self, owner: AccountId) {
        let owners = &mut self.trace.0.lock().owners;
        if owners.len() < Trace::MOST && !owners.contains(&owner) {
            owners.push(owner);
        }
    }

    /// Begins to decide on a change: forgets what was granted before, and remembers the rows that the caller's authority rests
    /// on, as they are known now. What is decided from here on is committed only if they are still the same.
    pub fn rest_on_authority(&self) {
        let authority = self.principal.authority();
        let traced = &mut self.trace.0.lock();
        traced.grants.clear();
        traced.authority = Some(authority);
    }

    /// Notes what was granted.
    pub fn granted(&self, grant: Grant) {
        let grants = &mut self.trace.0.lock().grants;
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    }

    /// Has a commit expect what the decision rested on, and carry the intent of its record.
    ///
    /// # Errors
    /// [`NotCommitted`].
    pub fn underpin(&self, changes: &mut Changes) -> Result<(), NotCommitted> {
        let authority = self.trace.0.lock().authority.clone().ok_or(NotCommitted::NotDecided)?;
        for row in authority {
            // Where the change rests on the same row at another revision, it must not go through: the caller's authority was decided on
            // what is not so any more.
            if !changes.expected.contains(&row) {
                changes.expected.push(row);
            }
        }
        if let Some(intent) = self.intent {
            changes.puts.push(intent.row(self.trace)?);
        }
        Ok(())
    }

    /// The rows that the decision rested on, to catch up with where one was changed.
    pub(crate) fn authority(&self) -> Vec<(RecordName, Option<Revision>)> {
        self.trace.0.lock().authority.clone().unwrap_or_default()
    }

    /// Notes that a commit of the call went through.
    pub fn committed(&self) {
        self.trace.0.lock().committed = true;
    }
}

/// Why nothing of a call can be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// Nothing was decided that the commit could rest on: a mistake of this program.
    #[error("a change was to be committed without a decision on its caller")]
    NotDecided,
    /// Its record can't be written: a mistake of this program.
    #[error("a change was to be committed whose record can't be written")]
    NotRecorded,
    /// The server is about to end.
    #[error("the server is about to stop, and changes nothing any more")]
    Stopping,
}
