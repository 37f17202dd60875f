//! Errors of the domain of secrets in the protocol's words.

use std::borrow::Cow;
use std::error::Error as _;

use yaoku_secrets::{Error, Field};

use super::failure;
use super::secret_arguments::secret_not_found;
use crate::actions::Arguments;
use crate::wire::{Code, RequestId, WireError};

/// The wire error of a domain error. The inside of an internal failure goes to the log, under the request id.
pub(in crate::actions) fn of(error: Error, request_id: RequestId, arguments: &Arguments<'_>) -> WireError {
    let (code, message): (Code, Cow<'static, str>) = match error {
        Error::SecretNotFound => return secret_not_found(),
        Error::VersionNotFound | Error::VersionDeleted => {
            (Code::ForbiddenResourceNotFound, "The specified secret version does not exist.".into())
        }
        Error::SecretExists => (Code::RejectedResourceExist, "The specified secret already exists.".into()),
        Error::VersionExists => (
            Code::RejectedResourceExist,
            "The secret already has a version with the specified VersionId and another value.".into(),
        ),
        Error::NotAsExpected => (
            Code::RejectedResourceExist,
            "The secret has another current version than the request expects, or new versions must name the current one.".into(),
        ),
        Error::InDeleteWindow => (
            Code::RejectedResourceInDeleteWindow,
            "The request is rejected because the secret is pending deletion.".into(),
        ),
        Error::Denied(denial) => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission");
            return WireError::no_permission();
        }
        Error::Hidden(denial) => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission; the answer hides that the secret exists");
            return secret_not_found();
        }
        Error::Invalid { field: Field::MoveTo, .. } if !arguments.has(parameter(Field::MoveTo)) => {
            return WireError::missing_parameter(parameter(Field::MoveTo));
        }
        Error::Invalid { field, why } => return WireError::invalid_parameter(parameter(field), why),
        Error::Unsuitable(why) => {
            (Code::UnsupportedOperation, format!("This operation is not supported on the secret: {why}.").into())
        }
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

/// The parameter that the domain's word for an argument stands for.
const fn parameter(field: Field) -> &'static str {
    match field {
        Field::Name => "SecretName",
        Field::Value => "SecretData",
        Field::Description => "Description",
        Field::Stage => "VersionStage",
        Field::Stages => "VersionStages",
        Field::RemoveFrom => "RemoveFromVersion",
        Field::MoveTo => "MoveToVersion",
        Field::RecoveryWindow => "RecoveryWindowInDays",
        Field::PasswordLength => "PasswordLength",
        Field::PasswordCharacters => "ExcludeCharacters",
        // Other protocols change these.
        Field::MaxVersions => "MaxVersions",
        Field::DeleteAfter => "DeleteVersionAfter",
        Field::CustomMetadata => "CustomMetadata",
        Field::Secrets => "SecretsList",
        Field::Policy => "Policy",
        Field::Resources => "ResourceId",
        Field::NextToken => "NextToken",
        Field::Config => "ExtendedConfig",
    }
}
