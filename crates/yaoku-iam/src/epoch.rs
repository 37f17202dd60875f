//! Counts changes that can forbid something, so that whoever decided before one knows to decide again.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of changes so far that can forbid something: of identities, and of the resources of every domain.
///
/// A mirror counts a change up after it has applied it and before it announces that it has. So whoever reads the same number
/// before a decision and after the computation that rests on it has decided on a state in which nothing was forbidden that
/// had been acknowledged by then.
#[derive(Debug, Default)]
pub struct Epoch(AtomicU64);

impl Epoch {
    /// The number of changes so far.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Counts a change that was applied.
    pub fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}
