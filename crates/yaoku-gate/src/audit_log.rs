//! The audit log as a domain: what callers may read of it. The log itself knows of no callers.

use std::sync::Arc;

use yaoku_audit::{Lookup, Page, Trail};
use yaoku_crypto::Secret;
use yaoku_iam::{
    Call, Decision, Denial, Domain, Grant, Iam, Named, NotDone, Operation, OperationSpec, Question, Resource,
    ResourceKind, StateRule, Target, Turns, WaitingBounds, Which, Workers,
};
use yaoku_seal::Vault;

/// All events of an account: a permission is asked on all of them.
const EVENTS: &ResourceKind = &ResourceKind { name: "events", prefix: "", all: "*" };
const SERVICE: &str = "actiontrail";

/// Searches at a time: each may read tens of MiB.
const SEARCHERS: Workers = Workers { threads: 1, in_background: true, deadline: None };
/// Some tenths of a second each.
const OF_SEARCHES: WaitingBounds = WaitingBounds { principal: 8, account: 32, all: 256, share: 2 };

/// The audit log, for callers.
pub struct AuditLog {
    iam: Arc<Iam>,
    trail: Option<Arc<Trail>>,
    vault: Arc<Vault>,
    searches: Arc<Turns>,
}

/// Why events can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The caller may not.
    #[error("the caller has no permission to read events")]
    Denied(Denial),
    /// The search had to wait for others, and was not begun.
    #[error("the search was not made")]
    NotDone(#[source] NotDone),
    /// There is no log.
    #[error("the audit log of this server is switched off")]
    SwitchedOff,
    /// The place where the page is to begin was not given out by this server.
    #[error("the place in the listing was not given out here")]
    Place,
    /// Places can't be sealed or opened at present.
    #[error("places in the listing can't be told at present")]
    Unavailable(#[source] yaoku_seal::Error),
    /// The log can't be read.
    #[error("the audit log can't be read")]
    Unreadable(#[source] yaoku_audit::Error),
}

impl AuditLog {
    pub(crate) fn new(iam: Arc<Iam>, trail: Option<Arc<Trail>>, vault: Arc<Vault>) -> Self {
        Self { iam, trail, vault, searches: Turns::new(SEARCHERS, OF_SEARCHES) }
    }

    pub(crate) fn close(&self) {
        self.searches.close();
    }

    fn allow(&self, call: &Call<'_>) -> Result<(), LookupError> {
        let (account, permission) = (call.principal.account(), LookupEvents::SPEC.permission());
        let target = Target::all(EVENTS);
        let resource =
            Resource { service: SERVICE, region: "*", account, owner: None, name: &target, tags: None, policy: None };
        let question = Question { permission, resource: &resource, environment: call.environment };
        if let Decision::Denied(denial) = self.iam.authorise(call.principal, &question) {
            return Err(LookupError::Denied(denial));
        }
        let (on, states) = (Named { kind: EVENTS, name: Which::All }, StateRule::ANY);
        call.granted(Grant {
            permission,
            states,
            on,
            account,
            owner: None,
            external_id: None,
            encryption_context: None,
        });
        Ok(())
    }
}

impl From<NotDone> for LookupError {
    fn from(why: NotDone) -> Self {
        Self::NotDone(why)
    }
}

impl Domain for AuditLog {
    type Error = LookupError;

    async fn decide_again(&self, call: &Call<'_>) -> Result<(), LookupError> {
        self.allow(call)
    }
}

/// Looks for events of the caller's account.
pub struct LookupEvents {
    /// Which; its account and page are filled in here.
    pub lookup: Lookup,
    /// Where an earlier page said that the next begins.
    pub after: Option<Vec<u8>>,
}

/// A page of events.
pub struct EventPage {
    /// The records of the events.
    pub records: Vec<Vec<u8>>,
    /// Where the next page begins; none if there is no more. It is sealed: it tells how many records all accounts left.
    pub next: Option<Vec<u8>>,
}

/// What places in the log are sealed as.
const PLACE: &[u8] = b"place in the audit log v1";

impl Operation for LookupEvents {
    type Domain = AuditLog;
    type Output = EventPage;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "LookupEvents", &[EVENTS], StateRule::ANY);

    async fn perform(self, log: &AuditLog, call: &Call<'_>) -> Result<EventPage, LookupError> {
        log.allow(call)?;
        let account = call.principal.account();
        let mut lookup = self.lookup;
        lookup.account = account.as_str().to_owned();
        if let Some(sealed) = &self.after {
            let opened = log.vault.open_token(account.domain(), PLACE, sealed).await;
            let place = opened.map_err(LookupError::Unavailable)?.ok_or(LookupError::Place)?;
            let place = <[u8; 8]>::try_from(place.expose()).map_err(|_| LookupError::Place)?;
            lookup.page = Some(u64::from_be_bytes(place));
        }
        let dir = log.trail.as_ref().ok_or(LookupError::SwitchedOff)?.dir().to_owned();
        let found = log.searches.work(&log.iam, log, call, move || lookup.run(&dir)).await?;
        let Page { records, next } = found.map_err(LookupError::Unreadable)?;
        let next = match next {
            Some(next) => {
                let place = Secret::new(next.to_be_bytes().to_vec());
                Some(log.vault.seal_token(account.domain(), PLACE, &place).await.map_err(LookupError::Unavailable)?)
            }
            None => None,
        };
        Ok(EventPage { records, next })
    }
}
