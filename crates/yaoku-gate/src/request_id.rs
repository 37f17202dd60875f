//! The name of one call, on the wire, in the log and in the audit trail.

use std::cell::RefCell;
use std::fmt;

use serde::{Serialize, Serializer};
use uuid::{Builder, Uuid};
use yaoku_crypto::{Random, SystemRandom};

/// A version-4 UUID (RFC 9562, section 5.4), written in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new one. Without the system's generator ids are zeros, and are told apart in the log by their time.
    pub fn random() -> Self {
        thread_local! {
            static STOCK: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
        }
        Self::from_random(STOCK.with_borrow_mut(|stock| stock.pop().unwrap_or_else(|| drawn(stock))))
    }

    /// Its text, of 36 characters.
    pub fn encode(self, buffer: &mut [u8; 36]) -> &str {
        self.0.hyphenated().encode_upper(buffer)
    }

    /// A request id of 16 random bytes, six bits of which give way to the UUID's version and variant.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(bytes).into_uuid())
    }
}

/// Draws an id's bytes, and those of the next on this thread: the generator takes as long for many as for one.
fn drawn(stock: &mut Vec<[u8; 16]>) -> [u8; 16] {
    let mut drawn = [[0; 16]; 64];
    if SystemRandom.fill(drawn.as_flattened_mut()).is_err() {
        tracing::error!("the system's random number generator failed; request IDs may not be unique");
        return [0; 16];
    }
    let [first, rest @ ..] = drawn;
    stock.extend_from_slice(&rest);
    first
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 36]))
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; 36]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let drawn = || (0..1000).map(|_| RequestId::random()).collect::<Vec<_>>();
        let [here, there] = [drawn(), std::thread::spawn(drawn).join().unwrap()];
        let all: std::collections::HashSet<_> = here.into_iter().chain(there).collect();
        assert_eq!(all.len(), 2000);
    }

    #[test]
    fn is_a_version_4_uuid_in_capitals() {
        assert_eq!(RequestId::from_random([0xff; 16]).to_string(), "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF");
        assert_eq!(RequestId::from_random([0; 16]).to_string(), "00000000-0000-4000-8000-000000000000");
    }
}
