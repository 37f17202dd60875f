//! What was acknowledged, and whether it is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Answer, Shared};

/// Between two changes of one task.
const PAUSE: Duration = Duration::from_millis(20);
const PLAINTEXT: &str = "a2VwdCB0aHJvdWdoIGFsbCByZXN0YXJ0cw==";

/// Every key that was made during the run.
#[derive(Default)]
pub(super) struct Ledger {
    entries: Mutex<Vec<Arc<Entry>>>,
    changes: AtomicU64,
}

/// What is known of a key. While a change is under way nobody knows: then it is locked.
struct Entry {
    id: String,
    known: tokio::sync::Mutex<Known>,
}

struct Known {
    /// In which of these states it is: of two where a change was not answered.
    states: Vec<&'static str>,
    /// How many versions it has at the least and at the most.
    versions: (u64, u64),
    /// A ciphertext made when it was new.
    blob: Option<String>,
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.entries.lock().len()
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Makes and changes keys until the run is over.
    pub(super) async fn change(&self, shared: &Shared) {
        while !shared.is_over() {
            let Some(entry) = self.create(shared).await else { continue };
            let mut known = entry.known.lock().await;
            for _ in 0..fastrand::u32(0..4) {
                self.rotate(shared, &entry.id, &mut known).await;
            }
            if fastrand::bool() {
                self.switch(shared, &entry.id, &mut known, "DisableKey", &[], "Disabled").await;
                if fastrand::bool() {
                    self.switch(shared, &entry.id, &mut known, "EnableKey", &[], "Enabled").await;
                }
            }
            if fastrand::u32(0..3) == 0 {
                let days = [("PendingWindowInDays", "7")];
                self.switch(shared, &entry.id, &mut known, "ScheduleKeyDeletion", &days, "PendingDeletion").await;
            }
        }
    }

    async fn create(&self, shared: &Shared) -> Option<Arc<Entry>> {
        tokio::time::sleep(PAUSE).await;
        let id = match shared.call("CreateKey", &[]).await {
            Answer::Done(made) => made["KeyMetadata"]["KeyId"].as_str().unwrap_or_default().to_owned(),
            other => {
                refused(shared, "CreateKey", &other);
                return None;
            }
        };
        self.changes.fetch_add(1, Ordering::Relaxed);
        let blob = match shared.call("Encrypt", &[("KeyId", &id), ("Plaintext", PLAINTEXT)]).await {
            Answer::Done(encrypted) => encrypted["CiphertextBlob"].as_str().map(str::to_owned),
            other => {
                refused(shared, "Encrypt under a new key", &other);
                None
            }
        };
        let known = Known { states: vec!["Enabled"], versions: (1, 1), blob };
        let entry = Arc::new(Entry { id, known: tokio::sync::Mutex::new(known) });
        self.entries.lock().push(entry.clone());
        Some(entry)
    }

    async fn rotate(&self, shared: &Shared, id: &str, known: &mut Known) {
        tokio::time::sleep(PAUSE).await;
        match shared.call("CreateKeyVersion", &[("KeyId", id)]).await {
            Answer::Done(_) => {
                self.changes.fetch_add(1, Ordering::Relaxed);
                known.versions.0 += 1;
                known.versions.1 += 1;
            }
            Answer::Unknown => known.versions.1 += 1,
            other => refused(shared, "CreateKeyVersion", &other),
        }
    }

    async fn switch(
        &self,
        shared: &Shared,
        id: &str,
        known: &mut Known,
        action: &'static str,
        others: &[(&'static str, &str)],
        state: &'static str,
    ) {
        tokio::time::sleep(PAUSE).await;
        match shared.call(action, &[&[("KeyId", id)], others].concat()).await {
            Answer::Done(_) => {
                self.changes.fetch_add(1, Ordering::Relaxed);
                known.states = vec![state];
            }
            Answer::Unknown => known.states.push(state),
            other => refused(shared, action, &other),
        }
    }

    /// Looks at keys, some of them or all; how many.
    pub(super) async fn check(&self, shared: &Arc<Shared>, most: usize) -> usize {
        let mut entries = self.entries.lock().clone();
        fastrand::shuffle(&mut entries);
        entries.truncate(most);
        let (count, turns, mut tasks) = (entries.len(), Arc::new(Semaphore::new(16)), JoinSet::new());
        for entry in entries {
            let Ok(turn) = turns.clone().acquire_owned().await else { break };
            let shared = shared.clone();
            tasks.spawn(async move {
                entry.check(&shared).await;
                drop(turn);
            });
            while tasks.try_join_next().is_some() {}
        }
        tasks.join_all().await;
        count
    }
}

impl Entry {
    async fn check(&self, shared: &Shared) {
        let known = self.known.lock().await;
        let id = &self.id;
        let state = match shared.call("DescribeKey", &[("KeyId", id)]).await {
            Answer::Done(key) => key["KeyMetadata"]["KeyState"].as_str().unwrap_or_default().to_owned(),
            Answer::Unknown => return,
            other => return refused(shared, "DescribeKey of an acknowledged key", &other),
        };
        if !known.states.contains(&state.as_str()) {
            shared.unexpected(format!("key {id} is {state}, not {:?}", known.states));
        }
        if let Answer::Done(versions) = shared.call("ListKeyVersions", &[("KeyId", id)]).await {
            let count = versions["TotalCount"].as_u64().unwrap_or_default();
            if !(known.versions.0..=known.versions.1).contains(&count) {
                shared.unexpected(format!("key {id} has {count} versions, not {:?}", known.versions));
            }
        }
        if let (Some(blob), "Enabled") = (&known.blob, state.as_str()) {
            match shared.call("Decrypt", &[("CiphertextBlob", blob)]).await {
                Answer::Done(opened) if opened["Plaintext"].as_str() == Some(PLAINTEXT) => {}
                Answer::Unknown => {}
                Answer::Done(_) => shared.unexpected(format!("key {id} decrypts to something else")),
                other => refused(shared, "Decrypt of what was encrypted before", &other),
            }
        }
    }
}

/// No call of this run is refused, but for want of a server.
fn refused(shared: &Shared, what: &str, answer: &Answer) {
    if let Answer::Refused(status, body) = answer
        && *status != 503
    {
        shared.unexpected(format!("{what}: status {status}: {body}"));
    }
}
