//! Intents: rows that announce, within a commit, the record that will tell of it.
//!
//! A commit and the audit log's write are two things, and a process may die between them. So each commit of a call carries its
//! record as it would be written, and where the log stood when the call began. When the record is in the log, the row is
//! taken away, soon. A start that finds such rows writes those records that the log lacks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Deserialize;
use yaoku_audit::{Backwards, Trail};
use yaoku_crypto::Secret;
use yaoku_seal::{Changes, Domain, Kind, Record, RecordName, Vault, read_each};

use crate::RequestId;

/// The intent of a record. In the system's domain, under the id of the event.
const INTENT: Kind = Kind(40);
/// Rows taken away in one commit.
const ROWS_A_COMMIT: usize = 100;

pub(crate) struct Intents {
    vault: Arc<Vault>,
    /// Those whose records are in the log.
    recorded: Mutex<Vec<RecordName>>,
}

pub(crate) fn name(id: RequestId) -> RecordName {
    RecordName { kind: INTENT, domain: Domain::SYSTEM, id: id.to_string().into_bytes(), version: Vec::new() }
}

/// What an intent's row holds: how many records the log had when the call began (8 bytes, big-endian), and the record.
pub(crate) fn content(log_size: u64, record: &[u8]) -> Secret {
    Secret::new([&log_size.to_be_bytes()[..], record].concat())
}

/// An event's id, as a record has it.
#[derive(Deserialize)]
struct Identified {
    #[serde(rename = "eventId")]
    event_id: String,
}

impl Intents {
    /// Writes the records that an earlier process announced and did not leave.
    pub(crate) async fn open(vault: Arc<Vault>, trail: Option<&Trail>) -> Result<Self, yaoku_seal::Error> {
        let intents = Self { vault, recorded: Mutex::default() };
        let Some(trail) = trail else { return Ok(intents) };
        let view = intents.vault.view().await?;
        let mut found: HashMap<String, (RecordName, u64, Vec<u8>)> = HashMap::new();
        let read = |name: &RecordName, record: &Record| {
            let unreadable = || yaoku_seal::Error::Record("of an intent".into());
            let id = String::from_utf8(name.id.clone()).map_err(|_| unreadable())?;
            let (size, record) = record.bytes.expose().split_first_chunk::<8>().ok_or_else(unreadable)?;
            Ok::<_, yaoku_seal::Error>((id, (name.clone(), u64::from_be_bytes(*size), record.to_vec())))
        };
        read_each(&view, INTENT, read, |(id, intent)| drop(found.insert(id, intent))).await?;
        if found.is_empty() {
            return Ok(intents);
        }
        let begin = found.values().map(|(_, size, _)| *size).min().unwrap_or_default();
        let there = match recorded_since(trail, begin).await {
            Ok(there) => there,
            Err(error) => return Err(yaoku_seal::Error::Record(format!("of the audit log: {error}"))),
        };
        for (id, (name, _, record)) in found {
            if !there.contains(&id) {
                tracing::warn!(event = id, "a change was stored without its record; it is recorded now");
                let unwritable = |_| yaoku_seal::Error::Record("of a change can't be written to the audit log".into());
                trail.admit().map_err(unwritable)?.record(record).await.map_err(unwritable)?;
            }
            intents.recorded.lock().push(name);
        }
        intents.settle().await?;
        Ok(intents)
    }

    /// Notes that a record is in the log.
    pub(crate) fn is_recorded(&self, id: RequestId) {
        self.recorded.lock().push(name(id));
    }

    /// Takes away the rows whose records are in the log.
    pub(crate) async fn settle(&self) -> Result<(), yaoku_seal::Error> {
        loop {
            let deletes: Vec<_> = {
                let mut recorded = self.recorded.lock();
                let rest = recorded.len().saturating_sub(ROWS_A_COMMIT);
                recorded.split_off(rest)
            };
            if deletes.is_empty() {
                return Ok(());
            }
            let changes = Changes { deletes: deletes.clone(), ..Changes::default() };
            if let Err(error) = self.vault.commit(changes).await {
                self.recorded.lock().extend(deletes);
                return Err(error);
            }
        }
    }
}

/// The ids of the events from that record on.
async fn recorded_since(trail: &Trail, begin: u64) -> Result<BTreeSet<String>, yaoku_audit::Error> {
    let dir = trail.dir().to_owned();
    let search = tokio::task::spawn_blocking(move || {
        let mut ids = BTreeSet::new();
        let mut log = Backwards::open(&dir, u64::MAX)?;
        while let Some(group) = log.group()? {
            let is_last = group.first().is_none_or(|(index, _)| *index <= begin);
            let identified = group.iter().filter_map(|(_, record)| serde_json::from_slice(record).ok());
            ids.extend(identified.map(|Identified { event_id }| event_id));
            if is_last {
                break;
            }
        }
        Ok(ids)
    });
    search.await.unwrap_or_else(|error| Err(yaoku_audit::Error::Inconsistent(error.to_string())))
}
