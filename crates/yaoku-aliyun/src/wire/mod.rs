//! The Alibaba Cloud RPC protocol as bytes: what a request says and who signed it, and how an answer is written.
//!
//! Nothing here opens a socket, looks up an access key, or knows an action; the pipeline above calls these parts in order:
//! [`params`] → [`mod@format`] → [`credentials`] → [`clock_window`] → the signature's check → [`nonce`] → … → [`response`].

pub mod clock_window;
pub mod credentials;
pub mod error;
pub mod format;
pub mod nonce;
pub mod params;
pub mod percent;
pub mod refusal;
pub mod response;
pub mod signature_acs3;
pub mod signature_v1;
mod split;
pub use yaoku_crypto::wiping_buffer;

#[cfg(test)]
mod captured;

pub use credentials::{Authentication, Received};
pub use error::{Code, WireError};
pub use format::Format;
pub use params::Params;
pub use yaoku_gate::{RequestId, time};

use http::{HeaderName, HeaderValue};

/// Header of an answer in which some SDKs look for the request id first.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-acs-request-id");

/// A request id as that header's value.
pub fn request_id_header(id: RequestId) -> HeaderValue {
    // Digits and hyphens make a header's value.
    HeaderValue::from_str(id.encode(&mut [0; 36])).unwrap_or_else(|_| HeaderValue::from_static(""))
}
