//! Records of what is done without a call: rotation, the end of imported material, and of a key that was to be deleted.

use std::borrow::Cow;
use std::sync::Arc;

use yaoku_audit::{Event, Identity, ReadWrite, Resources, Trail};
use yaoku_kms::{Clock, Done, Happening, Testimony, Witness};

use crate::audit::KEY;
use crate::wire::RequestId;
use crate::wire::time::format_time;

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
                tracing::error!(?happening, "this leaves no record, since it can't be written as JSON");
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
    let id = RequestId::random().to_string();
    let time = format_time(millis);
    let key = key.to_string();
    let resources = [(KEY, Cow::Borrowed(&*key))];
    let nothing = serde_json::Map::new();
    let event = Event {
        event_id: &id,
        event_version: 1,
        event_time: &time,
        event_type: "AliyunServiceEvent",
        event_category: "Management",
        event_name: name,
        read_write: ReadWrite::Write,
        event_source: "",
        service_name: "Kms",
        api_version: "",
        acs_region: region,
        request_id: &id,
        source_ip_address: "",
        user_agent: "",
        user_identity: Identity { r#type: "system", account_id: account.as_str(), ..Identity::default() },
        request_parameters: &nothing,
        response_elements: elements.as_ref(),
        referenced_resources: Resources(&resources),
        resource_name: &key,
        resource_type: KEY,
        error_code: "",
        error_message: "",
    };
    event.record()
}
