//! Where it is logged why parts of a call failed.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::RequestId;

/// Lines that a call may leave beside the one that says what came of it.
const LINES: u8 = 4;

/// Where it is logged why a call, or parts of it, failed: a few lines, so that a call of many parts can't fill the log. What is this
/// server's own failure is logged always.
pub struct CallLog {
    request_id: RequestId,
    left: Arc<AtomicU8>,
}

impl CallLog {
    /// That of a call.
    pub fn new(request_id: RequestId) -> Self {
        Self { request_id, left: Arc::new(AtomicU8::new(LINES)) }
    }

    /// That of a part of the call which has an id of its own. It has no room of its own.
    #[must_use]
    pub fn of_part(&self, request_id: RequestId) -> Self {
        Self { request_id, left: self.left.clone() }
    }

    /// The id that lines name.
    pub const fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Why something was denied.
    pub fn denied(&self, why: &str, what: &'static str) {
        if self.has_room() {
            tracing::warn!(request_id = %self.request_id, why, "{what}");
        }
    }

    /// Why something can't be done at present.
    pub fn unavailable(&self, error: &(dyn Error + 'static)) {
        if self.has_room() {
            tracing::warn!(request_id = %self.request_id, error, "not available");
        }
    }

    /// A failure of this server.
    pub fn internal(&self, error: &(dyn Error + 'static)) {
        tracing::error!(request_id = %self.request_id, %error, source = error.source(), "internal failure");
    }

    fn has_room(&self) -> bool {
        let less = |left: u8| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_call_share_its_few_lines() {
        let log = CallLog::new(RequestId::random());
        let parts = [(); 3].map(|()| log.of_part(RequestId::random()));
        let had_room = parts.iter().cycle().take(20).filter(|part| part.has_room()).count();
        assert_eq!(had_room, usize::from(LINES));
        assert!(!log.has_room());
        assert!(CallLog::new(RequestId::random()).has_room(), "another call has its own");
    }
}
