//! Whether the clock has been steady for long enough to go by it for what can't be undone.
//!
//! A clock that jumps ahead for some seconds, or is wrong when the process starts, makes deletions due that are not. What they
//! delete would be gone for good. So the wall clock is held against one that only goes forward with time (CLOCK_MONOTONIC):
//! something is deleted for its time only after both have agreed for a while.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// By how much the two may come apart, in milliseconds: clocks are set by some seconds, and the two are not read at once.
const SLACK: i128 = 30_000;
/// Of the time that passes, the share by which a clock is slewed at the most: so fast is forgotten how far the two came apart.
const SLEWED: i128 = 1000;

/// Both clocks, as they were seen.
pub struct Steadiness {
    /// How long the clock must have been steady.
    patience: Duration,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    /// Since when the clock is steady.
    since: Instant,
    /// The last look, by either clock; the wall clock in milliseconds since 1970.
    last: (Instant, u64),
    /// By how many milliseconds the wall clock has gone ahead of the other, as far as that is not forgotten.
    ahead: i128,
    /// Whether it was said that deletions wait.
    said: bool,
}

impl Steadiness {
    /// Of a process that has just begun; the clock must be steady for `patience`.
    pub const fn new(patience: Duration) -> Self {
        Self { patience, seen: Mutex::new(None) }
    }

    /// Looks at both clocks, the wall clock in milliseconds since 1970; whether that may be gone by.
    pub fn look(&self, at: Instant, wall: u64) -> bool {
        let mut seen = self.seen.lock();
        let begun = Seen { since: at, last: (at, wall), ahead: 0, said: false };
        let now = seen.get_or_insert(begun);
        let (before, wall_before) = now.last;
        let passed = i128::try_from(at.saturating_duration_since(before).as_millis()).unwrap_or(i128::MAX);
        let shown = i128::from(wall) - i128::from(wall_before);
        let forgotten = (passed / SLEWED).min(now.ahead.abs()) * now.ahead.signum();
        now.ahead += shown - passed - forgotten;
        if now.ahead.abs() > SLACK {
            let seconds = now.ahead / 1000;
            tracing::warn!(
                seconds,
                "the system's clock was changed; deletions that are due wait until it has been steady"
            );
            *now = Seen { since: at, last: (at, wall), ahead: 0, said: false };
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
        let look = |seconds: u64, wall: u64| steadiness.look(begin + Duration::from_secs(seconds), wall);
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

    #[test]
    fn a_clock_that_creeps_ahead_is_not_gone_by() {
        let steadiness = Steadiness::new(Duration::from_secs(60));
        let begin = Instant::now();
        let look = |seconds: u64, wall: u64| steadiness.look(begin + Duration::from_secs(seconds), wall);
        assert!((0..=60).all(|s| look(s, START + s * 1000) == (s == 60)));
        // Ahead by 25 s with every second: one such step is borne, not two.
        assert!(look(61, START + 61_000 + 25_000));
        assert!((62..200).all(|s| !look(s, START + s * 1000 + (s - 60) * 25_000)));
    }

    #[test]
    fn a_clock_that_is_slewed_is_gone_by_for_as_long_as_it_takes() {
        let steadiness = Steadiness::new(Duration::ZERO);
        let begin = Instant::now();
        // 500 in a million, the most that clocks are slewed by, for ten days; and back again.
        let day = 86_400;
        for s in (0..10 * day).step_by(60) {
            assert!(steadiness.look(begin + Duration::from_secs(s), START + s * 1000 + s / 2));
        }
        let ahead = 10 * day / 2;
        for s in (0..10 * day).step_by(60) {
            let at = begin + Duration::from_secs(10 * day + s);
            assert!(steadiness.look(at, START + (10 * day + s) * 1000 + ahead - s / 2));
        }
    }
}
