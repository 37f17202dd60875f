//! Records of what an operator does to the whole installation: that is no action of any API, and this crate does not do it.

use std::sync::Arc;

use yaoku_audit::{Identity, Permit, ReadWrite, Trail};
use yaoku_iam::{AccountId, Principal};
use yaoku_kms::Clock;

use crate::audit::{Deed, Origin};
use crate::operator::{HERE, PROGRAM, SOCKET};
use crate::pipeline::Service;
use crate::wire::{RequestId, WireError};

/// What an operator does to the whole installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Takes a copy of all that the store holds.
    Backup,
    /// Has the root key replaced.
    RotateRootKey,
    /// Puts a backup in the place of all that the store holds.
    Restore,
}

/// The right to leave one record of something that is done. Dropped where there is nothing to tell.
#[must_use = "dropped, it leaves no record"]
pub struct Entry {
    /// None where the operator switched the log off.
    permit: Option<Permit>,
    upkeep: Upkeep,
    root: Principal,
    request_id: RequestId,
    clock: Arc<dyn Clock>,
    region: String,
    /// From where it is asked for.
    host: &'static str,
}

/// Where no server runs: the command line works on the data directory itself.
const DATA_DIR: &str = "data-directory";

impl Service {
    /// Asks for the right to leave a record, before anything is done; as the root of an account, as all that operators do. Records
    /// of the same deed have the same request id.
    ///
    /// # Errors
    /// While the audit log can't be written; then it must not be done.
    pub fn enter(&self, upkeep: Upkeep, account: AccountId, request_id: RequestId) -> Result<Entry, WireError> {
        let root = self.iam.operator(account).map_err(|error| WireError::invalid_parameter("account", error))?;
        let permit = match &self.trail {
            Some(trail) => Some(trail.admit().map_err(|_| WireError::unrecordable())?),
            None => None,
        };
        let (clock, region) = (self.clock.clone(), self.region.clone());
        Ok(Entry { permit, upkeep, root, request_id, clock, region, host: SOCKET })
    }
}

impl Entry {
    /// As [`Service::enter`], where no server runs, and so no region is known.
    ///
    /// # Errors
    /// While the audit log can't be written; then it must not be done.
    pub fn without_server(
        trail: &Trail,
        upkeep: Upkeep,
        account: AccountId,
        request_id: RequestId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WireError> {
        let permit = Some(trail.admit().map_err(|_| WireError::unrecordable())?);
        let (root, region) = (Principal::root(account), String::new());
        Ok(Self { permit, upkeep, root, request_id, clock, region, host: DATA_DIR })
    }

    /// Records how it went; returns when the record is durable.
    ///
    /// # Errors
    /// When that can't be recorded; then its result must be withheld.
    pub async fn record(self, outcome: Result<(), &WireError>) -> Result<(), WireError> {
        let Self { permit, upkeep, root, request_id, clock, region, host } = self;
        let code = outcome.map_or_else(|error| error.code.as_str(), |()| "ok");
        tracing::info!(%request_id, account = %root.account(), action = ?upkeep, code, "operator's command");
        let Some(permit) = permit else { return Ok(()) };
        let (name, read_write) = match upkeep {
            Upkeep::Backup => ("Backup", ReadWrite::Read),
            Upkeep::RotateRootKey => ("RotateRootKey", ReadWrite::Write),
            Upkeep::Restore => ("Restore", ReadWrite::Write),
        };
        let (who, address) = (root.describe(), HERE.to_string());
        let deed = Deed {
            event_type: "ApiCall",
            service: "Yaoku",
            name,
            read_write,
            millis: clock.now().0,
            region: &region,
            request_id,
            origin: Origin { host, address: &address, agent: PROGRAM },
            who: Identity {
                r#type: "root-account",
                principal_id: &who.id,
                account_id: who.account.as_str(),
                user_name: &who.name,
                ..Identity::default()
            },
            elements: None,
            key: None,
            error: outcome.err(),
        };
        let record = deed.record().map_err(|_| WireError::internal())?;
        permit.record(record).await.map_err(|_| match read_write {
            ReadWrite::Write if outcome.is_ok() => WireError::unrecorded_change(),
            ReadWrite::Read | ReadWrite::Write => WireError::unrecordable(),
        })
    }
}
