//! Errors of the domain of managed objects in the protocol's words.

use std::borrow::Cow;
use std::error::Error as _;

use yaoku_objects::{Error, ObjectState};

use crate::actions::Arguments;
use crate::actions::kms::failure;
use crate::wire::{Code, RequestId, WireError};

/// The wire error of a domain error. The inside of an internal failure goes to the log, under the request id.
pub(in crate::actions) fn of(error: Error, request_id: RequestId, arguments: &Arguments<'_>) -> WireError {
    let (code, message): (Code, Cow<'static, str>) = match error {
        Error::ObjectNotFound => (Code::EntityNotExistManagedObject, "The managed object does not exist.".into()),
        Error::NameExists => {
            (Code::EntityAlreadyExistsManagedObject, "A managed object of this name already exists.".into())
        }
        Error::State(state) => (Code::RejectedState, format!("The managed object is {}.", name(state)).into()),
        Error::NoKey => (Code::RejectedState, "The account has not chosen a key for its managed objects.".into()),
        Error::Denied(denial) => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission");
            return WireError::no_permission();
        }
        Error::Hidden(denial) => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission; the answer hides that the object exists");
            return of(Error::ObjectNotFound, request_id, arguments);
        }
        Error::Place => return WireError::invalid_parameter("Marker", "it is not one that was given out"),
        Error::Invalid(why) => return WireError::invalid_parameter("ObjectId", why),
        Error::LimitExceeded(why) => (Code::RejectedLimitExceeded, format!("The request is rejected: {why}.").into()),
        Error::Keys(error) => return failure::of(error, request_id, arguments),
        Error::Unavailable(source) => {
            tracing::warn!(%request_id, error = source.as_ref() as &dyn std::error::Error, "not available");
            return WireError::unavailable();
        }
        Error::Abandoned => return WireError::unavailable(),
        Error::Record(_) | Error::Internal(_) => {
            tracing::error!(%request_id, %error, source = error.source(), "internal failure");
            return WireError::internal();
        }
    };
    WireError::new(code, message)
}

/// What a state is called.
pub(super) const fn name(state: ObjectState) -> &'static str {
    match state {
        ObjectState::PreActive => "PreActive",
        ObjectState::Active => "Active",
        ObjectState::Deactivated => "Deactivated",
        ObjectState::Compromised => "Compromised",
        ObjectState::Destroyed => "Destroyed",
        ObjectState::DestroyedCompromised => "DestroyedCompromised",
    }
}
