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
pub mod request_id;
pub mod response;
pub mod signature_acs3;
pub mod signature_v1;
mod split;
pub mod time;
pub mod wiping_buffer;

#[cfg(test)]
mod captured;

pub use credentials::{Authentication, Received};
pub use error::{Code, WireError};
pub use format::Format;
pub use params::Params;
pub use request_id::{REQUEST_ID, RequestId};
