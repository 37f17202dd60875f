//! Records of what an operator does to the whole installation: that is no action of any API, and this crate does not do it.

use std::sync::Arc;

use yaoku_audit::{Permit, Purpose, Trail};
use yaoku_iam::{Access, Caller, Trace};
use yaoku_kms::Clock;

use crate::control_socket::{CONTROL_SOCKET, HERE, OPERATOR_PROGRAM};
use crate::record::{self, Deed};
use crate::{Gate, Refusal, RequestId};

/// What an operator does to the whole installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    /// Takes a copy of all that the store holds.
    Backup,
    /// Has the root key replaced.
    RotateRootKey,
    /// Puts a backup in the place of all that the store holds.
    Restore,
    /// Takes store and log as they are, though something tells that they were set back or changed.
    Accept,
}

/// The right to leave one record of something that is done. Dropped where there is nothing to tell.
#[must_use = "dropped, it leaves no record"]
pub struct Entry {
    /// None where the operator switched the log off.
    permit: Option<Permit>,
    what: Maintenance,
    operator: Caller,
    request_id: RequestId,
    clock: Arc<dyn Clock>,
    region: String,
    /// From where it is asked for.
    host: &'static str,
}

/// Where no server runs: the command line works on the data directory itself.
const DATA_DIR: &str = "data-directory";

impl Gate {
    /// Asks for the right to leave a record, before anything is done; as the root of an account, as all that operators do. Records
    /// of the same deed have the same request id.
    ///
    /// # Errors
    /// [`Refusal::Unrecordable`] while the audit log can't be written; then it must not be done.
    pub fn enter(&self, what: Maintenance, operator: Caller, request_id: RequestId) -> Result<Entry, Refusal> {
        let permit = match &self.trail {
            Some(trail) => Some(trail.admit_for(Purpose::Revocation).map_err(|_| Refusal::Unrecordable)?),
            None => None,
        };
        let (clock, region) = (self.clock.clone(), self.region.clone());
        Ok(Entry { permit, what, operator, request_id, clock, region, host: CONTROL_SOCKET })
    }
}

impl Entry {
    /// As [`Gate::enter`], where no server runs, and so no region is known.
    ///
    /// # Errors
    /// [`Refusal::Unrecordable`] while the audit log can't be written; then it must not be done.
    pub fn without_server(
        trail: &Trail,
        what: Maintenance,
        operator: Caller,
        request_id: RequestId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Refusal> {
        let permit = Some(trail.admit().map_err(|_| Refusal::Unrecordable)?);
        Ok(Self { permit, what, operator, request_id, clock, region: String::new(), host: DATA_DIR })
    }

    /// Records how it went, or the code and message of why it failed; returns when the record is durable.
    ///
    /// # Errors
    /// When that can't be recorded; then its result must be withheld.
    pub async fn record(self, outcome: Result<(), (&str, &str)>) -> Result<(), Refusal> {
        let Self { permit, what, operator, request_id, clock, region, host } = self;
        let code = outcome.map_or_else(|(code, _)| code, |()| "ok");
        let account = operator.principal().account();
        tracing::info!(%request_id, %account, action = ?what, code, "operator's command");
        let Some(permit) = permit else { return Ok(()) };
        let (name, access) = match what {
            Maintenance::Backup => ("Backup", Access::Read),
            Maintenance::RotateRootKey => ("RotateRootKey", Access::Write),
            Maintenance::Restore => ("Restore", Access::Write),
            Maintenance::Accept => ("Accept", Access::Write),
        };
        let told = Deed { service: "Yaoku", name, access, resources: Vec::new(), elements: None };
        let record = record::record(&record::Call {
            // One deed may leave several records.
            event_id: RequestId::random(),
            request_id,
            event_type: "ApiCall",
            millis: clock.now().0,
            host,
            source: &HERE,
            user_agent: OPERATOR_PROGRAM,
            region: &region,
            told: &told,
            caller: Some(&operator),
            trace: &Trace::default(),
            shown_contexts: None,
            error: outcome.err(),
            ended: true,
        });
        let record = record.map_err(|_| Refusal::Internal)?;
        permit.record(record).await.map_err(|_| match access {
            Access::Write if outcome.is_ok() => Refusal::UnrecordedChange,
            Access::Read | Access::Write => Refusal::Unrecordable,
        })
    }
}
