//! The name of one call, on the wire, in the log and in the audit trail.

use std::fmt;

use http::{HeaderName, HeaderValue};
use serde::{Serialize, Serializer};
use uuid::{Builder, Uuid};
use yaoku_crypto::{Random, SystemRandom};

/// Header of an answer in which some SDKs look for the request id first.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-acs-request-id");

/// A version-4 UUID (RFC 9562, section 5.4), written in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new one. Without the system's generator ids are zeros, and are told apart in the log by their time.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        if SystemRandom.fill(&mut bytes).is_err() {
            tracing::error!("the system's random number generator fails; request ids are not unique");
        }
        Self::from_random(bytes)
    }

    /// A request id of 16 random bytes, six bits of which give way to the UUID's version and variant.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(bytes).into_uuid())
    }

    /// The id as a header's value.
    pub fn header(&self) -> HeaderValue {
        let text = self.0.hyphenated().encode_upper(&mut Uuid::encode_buffer()).to_owned();
        // Digits and hyphens make a header's value.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.hyphenated().encode_upper(&mut Uuid::encode_buffer()))
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_upper(&mut Uuid::encode_buffer()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_version_4_uuid_in_capitals() {
        assert_eq!(RequestId::from_random([0xff; 16]).to_string(), "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF");
        assert_eq!(RequestId::from_random([0; 16]).to_string(), "00000000-0000-4000-8000-000000000000");
    }
}
