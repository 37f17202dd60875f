//! When credentials were last used: kept in memory, and written from time to time.

use std::collections::HashSet;
use std::time::Duration;

use yaoku_seal::{Changes, RecordName};

use crate::record::Stored;
use crate::{Error, Iam, Timestamp};

/// How often last uses are written.
const PERIOD: Duration = Duration::from_secs(300);
/// Last uses written in one commit.
const AT_ONCE: usize = 1000;

impl Iam {
    /// Writes last uses again and again.
    pub async fn run_bookkeeping(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(PERIOD).await;
            if let Err(error) = self.write_last_uses().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "can't write the last uses of credentials");
            }
        }
    }

    /// Writes the last uses that are newer than what was written.
    ///
    /// # Errors
    /// When the store can't be written; what is not written is tried again the next time.
    pub async fn write_last_uses(&self) -> Result<(), Error> {
        let newer: Vec<_> = {
            let used = self.last_uses();
            let there: HashSet<_> = used.iter().map(|(name, _)| name).collect();
            let mut written = self.written_uses.lock();
            written.retain(|name, _| there.contains(name));
            let is_newer =
                |(name, used): &(RecordName, Timestamp)| written.get(name).is_none_or(|before| before < used);
            used.iter().filter(|used| is_newer(used)).cloned().collect()
        };
        for some in newer.chunks(AT_ONCE.min(self.vault.limits().operations)) {
            let mut puts = Vec::new();
            for (name, used) in some {
                puts.push((name.clone(), used.encode()?));
            }
            self.vault.commit(Changes { puts, ..Changes::default() }).await?;
            self.written_uses.lock().extend(some.iter().cloned());
        }
        Ok(())
    }
}
