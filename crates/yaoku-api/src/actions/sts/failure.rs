//! Errors of identities in the words of STS.

use std::error::Error as _;

use yaoku_iam::Error;

use crate::wire::{RequestId, WireError};

/// The wire error of a domain error. The inside of an internal failure goes to the log, under the request id.
pub(super) fn of(error: Error, request_id: RequestId) -> WireError {
    tracing::error!(%request_id, %error, source = error.source(), "internal failure");
    WireError::internal()
}
