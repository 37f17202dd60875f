//! The audit log as a domain: what callers may read of it. The log itself knows of no callers.

use std::sync::Arc;

use yaoku_audit::{Lookup, Page, Trail};
use yaoku_iam::{
    Call, Decision, Denial, Domain, Grant, Iam, Named, Operation, OperationSpec, Question, Resource, ResourceKind,
    StateRule, Target, Which,
};

/// All events of an account: a permission is asked on all of them.
const EVENTS: &ResourceKind = &ResourceKind { name: "events", prefix: "", all: "*" };
const SERVICE: &str = "actiontrail";

/// The audit log, for callers.
pub struct AuditLog {
    iam: Arc<Iam>,
    trail: Option<Arc<Trail>>,
}

/// Why events can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The caller may not.
    #[error("the caller has no permission to read events")]
    Denied(Denial),
    /// There is no log.
    #[error("the audit log of this server is switched off")]
    SwitchedOff,
    /// The log can't be read.
    #[error("the audit log can't be read")]
    Unreadable(#[source] yaoku_audit::Error),
}

impl AuditLog {
    pub(crate) const fn new(iam: Arc<Iam>, trail: Option<Arc<Trail>>) -> Self {
        Self { iam, trail }
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
        call.granted(Grant { permission, states, on, account, owner: None, external_id: None });
        Ok(())
    }
}

impl Domain for AuditLog {
    type Error = LookupError;

    async fn decide_again(&self, call: &Call<'_>) -> Result<(), LookupError> {
        self.allow(call)
    }
}

/// Looks for events of the caller's account.
pub struct LookupEvents(pub Lookup);

impl Operation for LookupEvents {
    type Domain = AuditLog;
    type Output = Page;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "LookupEvents", &[EVENTS], StateRule::ANY);

    async fn perform(mut self, log: &AuditLog, call: &Call<'_>) -> Result<Page, LookupError> {
        log.allow(call)?;
        self.0.account = call.principal.account().as_str().to_owned();
        let trail = log.trail.as_ref().ok_or(LookupError::SwitchedOff)?;
        trail.lookup(self.0).await.map_err(LookupError::Unreadable)
    }
}
