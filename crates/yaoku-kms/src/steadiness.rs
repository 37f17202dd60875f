//! Whether the clock has been steady for long enough to go by it for what can't be undone.
//!
//! A clock that jumps ahead for some seconds, or is wrong when the process starts, makes deletions due that are not. Their
//! material would be gone for good. So the wall clock is held against one that only goes forward with time (CLOCK_MONOTONIC):
//! keys are deleted only after both have agreed for a while.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::Timestamp;

/// By how much the two may differ between two looks: clocks are slewed, and looks are late.
const SLACK: Duration = Duration::from_secs(30);

/// Both clocks, as they were seen.
pub struct Steadiness {
    /// How long the clock must have been steady.
    patience: Duration,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    /// Since when the clock is steady.
    since: Instant,
    /// The last look, by either clock.
    last: (Instant, Timestamp),
    /// Whether it was said that deletions wait.
    said: bool,
}

impl Steadiness {
    /// Of a process that has just begun; the clock must be steady for `patience`.
    pub const fn new(patience: Duration) -> Self {
        Self { patience, seen: Mutex::new(None) }
    }

    /// Looks at both clocks; whether the wall clock may be gone by.
    pub fn look(&self, at: Instant, wall: Timestamp) -> bool {
        let mut seen = self.seen.lock();
        let now = seen.get_or_insert(Seen { since: at, last: (at, wall), said: false });
        let (before, wall_before) = now.last;
        let passed = i128::try_from(at.saturating_duration_since(before).as_millis()).unwrap_or(i128::MAX);
        let shown = i128::from(wall.0) - i128::from(wall_before.0);
        if (shown - passed).unsigned_abs() > SLACK.as_millis() {
            let seconds = (shown - passed) / 1000;
            tracing::warn!(
                seconds,
                "the system's clock was changed; deletions that are due wait until it has been steady"
            );
            *now = Seen { since: at, last: (at, wall), said: false };
        }
        now.last = (at, wall);
        at.saturating_duration_since(now.since) >= self.patience
    }

    /// Says, once for each time, that deletions wait.
    pub fn say_that_deletions_wait(&self) {
        let mut seen = self.seen.lock();
        if let Some(seen) = seen.as_mut().filter(|seen| !seen.said) {
            seen.said = true;
            let seconds = self.patience.as_secs();
            tracing::info!(
                "deletions are due; they are made when the clock has been steady for {seconds} s (--deletion-patience)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_795_485_600_000;
    const DAY: u64 = 86_400_000;

    #[test]
    fn a_clock_that_jumps_is_not_gone_by_until_it_was_steady_again() {
        let steadiness = Steadiness::new(Duration::from_secs(3600));
        let begin = Instant::now();
        let look = |seconds: u64, wall: u64| steadiness.look(begin + Duration::from_secs(seconds), Timestamp(wall));
        assert!(!look(0, START), "the process has just begun");
        assert!((1..3600).all(|s| !look(s, START + s * 1000)));
        assert!(look(3600, START + 3_600_000));
        // Eight days ahead for three seconds.
        assert!((3601..3604).all(|s| !look(s, START + s * 1000 + 8 * DAY)));
        assert!((3604..7204).all(|s| !look(s, START + s * 1000)));
        assert!(look(7204, START + 7_204_000));
        // Slewed by some seconds, and looked at late.
        assert!(look(7300, START + 7_310_000));
        // Set back.
        assert!(!look(7301, START));
    }
}
