//! Records of what is done without a call: rotation, the end of imported material, and of a key that was to be deleted.

use std::sync::Arc;

use yaoku_audit::{Identity, ReadWrite, Trail};
use yaoku_kms::{Clock, Done, Happening, Testimony, Witness};

use crate::audit::{Deed, Origin};
use crate::wire::RequestId;

/// Writes them into the audit log. While that can't be written, nothing of the kind is done.
pub struct DueEvents {
    /// The log.
    pub trail: Arc<Trail>,
    /// Tells when it was done.
    pub clock: Arc<dyn Clock>,
    /// The region that records name.
    pub region: String,
}

impl Witness for DueEvents {
    fn attend(&self) -> Option<Testimony> {
        let permit = self.trail.admit().ok()?;
        let (clock, region) = (self.clock.clone(), self.region.clone());
        Some(Box::new(move |happening| {
            let Ok(record) = record(&happening, clock.now().0, &region) else {
                tracing::error!(?happening, "can't record this, because it can't be written as JSON");
                return;
            };
            // Nobody waits for it; the log keeps it until it can be written.
            tokio::spawn(permit.record(record));
        }))
    }
}

fn record(happening: &Happening, millis: u64, region: &str) -> Result<Vec<u8>, yaoku_audit::Error> {
    let Happening { account, key, what } = happening;
    let (name, elements) = match what {
        Done::Rotated(version) => ("RotateKey", Some(serde_json::json!({"KeyVersionId": version.to_string()}))),
        Done::MaterialExpired => ("DeleteKeyMaterial", None),
        Done::Deleted => ("DeleteKey", None),
    };
    let key = key.to_string();
    let deed = Deed {
        event_type: "AliyunServiceEvent",
        service: "Kms",
        name,
        read_write: ReadWrite::Write,
        millis,
        region,
        request_id: RequestId::random(),
        origin: Origin::default(),
        who: Identity { r#type: "system", account_id: account.as_str(), ..Identity::default() },
        elements: elements.as_ref(),
        key: Some(&key),
        error: None,
    };
    deed.record()
}
