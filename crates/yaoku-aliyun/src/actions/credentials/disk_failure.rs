//! Errors of the domain of disks in the protocol's words.

use std::borrow::Cow;
use std::error::Error as _;

use yaoku_disks::{Error, Field};

use crate::actions::Arguments;
use crate::actions::kms::failure;
use crate::wire::{Code, RequestId, WireError};

/// The wire error of a domain error. The inside of an internal failure goes to the log, under the request id.
pub(in crate::actions) fn of(error: Error, request_id: RequestId, arguments: &Arguments<'_>) -> WireError {
    let (code, message): (Code, Cow<'static, str>) = match error {
        Error::DiskNotFound => (Code::EntityNotExistDisk, "The disk does not exist.".into()),
        Error::KeyNotFound => (Code::EntityNotExistDiskKey, "The disk has no key of this Thumbprint.".into()),
        Error::DiskExists => (Code::EntityAlreadyExistsDisk, "The disk already exists.".into()),
        Error::Denied(denial) => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission");
            return WireError::no_permission();
        }
        Error::Invalid { field: Field::Thumbprint, why } => return WireError::invalid_parameter("Thumbprint", why),
        Error::Invalid { field: Field::Marker, why } => return WireError::invalid_parameter("Marker", why),
        Error::LimitExceeded(why) => (Code::RejectedLimitExceeded, format!("The request is rejected: {why}.").into()),
        Error::Keys(error) => return failure::of(error, request_id, arguments),
        Error::Unavailable(source) => {
            tracing::warn!(%request_id, error = source.as_ref() as &dyn std::error::Error, "not available");
            return WireError::unavailable();
        }
        Error::Abandoned => return WireError::unavailable(),
        // Only what a disk itself does fails so, and that is no action here.
        Error::Disabled | Error::Elsewhere | Error::Record(_) | Error::Internal(_) => {
            tracing::error!(%request_id, %error, source = error.source(), "internal failure");
            return WireError::internal();
        }
    };
    WireError::new(code, message)
}
