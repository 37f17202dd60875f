//! The Key Management Interoperability Protocol (OASIS KMIP, versions 1.0 to 2.1).
//!
//! [`ttlv`] is the encoding of its messages.

pub mod ttlv;

/// What untrusted bytes reach first, for fuzzing.
pub mod fuzzing {
    pub use crate::ttlv::fuzz as ttlv;
}
