//! Domain errors in the protocol's words: the one place where one becomes the other.

use std::borrow::Cow;
use std::error::Error as _;

use yaoku_kms::{Error, Field, KeyState};

use crate::actions::Arguments;
use crate::wire::{Code, RequestId, WireError};

/// The wire error of a domain error. The inside of an internal failure goes to the log, under the request id.
pub(in crate::actions) fn of(error: Error, request_id: RequestId, arguments: &Arguments<'_>) -> WireError {
    let (code, message): (Code, Cow<'static, str>) = match &error {
        Error::KeyNotFound => (Code::ForbiddenKeyNotFound, "The specified key does not exist.".into()),
        Error::KeyVersionNotFound => {
            (Code::ForbiddenKeyVersionNotFound, "The specified key version does not exist.".into())
        }
        Error::AliasNotFound => (Code::ForbiddenAliasNotFound, "The specified alias does not exist.".into()),
        Error::AliasExists => (Code::AliasAlreadyExists, "The specified alias already exists.".into()),
        Error::Denied(denial) => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission");
            return WireError::no_permission();
        }
        Error::Hidden { denial, .. } => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission; the answer hides that the key exists");
            let Error::Hidden { as_if, .. } = error else { return WireError::no_permission() };
            return of(*as_if, request_id, arguments);
        }
        Error::State(state) => rejected(*state),
        Error::StateChange(why) => (Code::RejectedStateModifiedFailed, sentence("The request is rejected", why)),
        Error::InUse(what) => (
            Code::RejectedStateModifiedFailed,
            format!(
                "The request is rejected: {what} and would be lost with it; delete that first, or disable the key."
            )
            .into(),
        ),
        Error::Invalid { field, why } => return WireError::invalid_parameter(parameter(*field, arguments), why),
        Error::Unsuitable(why) => {
            (Code::UnsupportedOperation, sentence("This operation is not supported on the key", why))
        }
        Error::ImportToken => (Code::InvalidImportToken, "The ImportToken does not belong to this key.".into()),
        Error::ImportTokenExpired => (Code::ExpiredImportToken, "The ImportToken has expired.".into()),
        Error::KeyMaterial => (
            Code::InvalidKeyMaterial,
            "The EncryptedKeyMaterial does not unwrap, has another length than keys of this spec, or is not the key \
             material that was imported before."
                .into(),
        ),
        Error::Protection(why) => {
            (Code::UnsupportedProtectionLevel, sentence("This ProtectionLevel is not supported for the key", why))
        }
        Error::Origin(_) => (
            Code::UnsupportedOrigin,
            "This operation is not supported on a key whose key material has this origin.".into(),
        ),
        Error::AlreadyOpen => (Code::ForbiddenOpened, "The service is already open for this account.".into()),
        Error::LimitExceeded(why) => (Code::RejectedLimitExceeded, sentence("The request is rejected", why)),
        Error::Ciphertext => {
            return WireError::invalid_parameter(
                "CiphertextBlob",
                "it was not created by this server with this key and encryption context, or it is damaged",
            );
        }
        Error::DryRun => (Code::DryRunOperationError, "The request would have succeeded, but DryRun is true.".into()),
        Error::Unavailable(source) => {
            tracing::warn!(%request_id, error = source.as_ref() as &dyn std::error::Error, "not available");
            return WireError::unavailable();
        }
        Error::Throttled => return WireError::too_many_at_once(),
        Error::Busy => return WireError::unavailable(),
        Error::Abandoned => return WireError::unavailable(),
        Error::PrincipalNotFound | Error::Record(_) | Error::Internal(_) => {
            tracing::error!(%request_id, %error, source = error.source(), "internal failure");
            return WireError::internal();
        }
    };
    WireError::new(code, message)
}

/// What a dry run says instead.
pub(in crate::actions) fn of_dry_run(error: WireError) -> WireError {
    match error.code {
        Code::DryRunOperationError | Code::InternalFailure | Code::ServiceUnavailableTemporary => error,
        Code::ForbiddenNoPermission => WireError::new(Code::AccessDeniedError, error.message),
        _ => WireError::new(Code::ValidationError, error.message),
    }
}

fn rejected(state: KeyState) -> (Code, Cow<'static, str>) {
    let (code, name) = match state {
        KeyState::Enabled => (Code::RejectedEnabled, "enabled"),
        KeyState::Disabled => (Code::RejectedDisabled, "disabled"),
        KeyState::PendingDeletion => (Code::RejectedPendingDeletion, "pending deletion"),
        KeyState::PendingImport => (Code::RejectedPendingImport, "pending import of its key material"),
    };
    (code, format!("The request is rejected because the key is {name}.").into())
}

fn sentence(start: &str, why: &str) -> Cow<'static, str> {
    format!("{start}: {why}.").into()
}

/// The parameter that the domain's word for an argument stands for in this request.
fn parameter(field: Field, arguments: &Arguments<'_>) -> &'static str {
    match field {
        Field::Description if arguments.has("DeletionProtectionDescription") => "DeletionProtectionDescription",
        Field::Description => "Description",
        Field::KeyUsage => "KeyUsage",
        Field::RotationInterval => "RotationInterval",
        Field::AutomaticRotation => "EnableAutomaticRotation",
        Field::PendingWindow => "PendingWindowInDays",
        Field::Plaintext => "Plaintext",
        Field::EncryptionContext => "EncryptionContext",
        Field::Tags if arguments.has("TagKeys") => "TagKeys",
        Field::Tags if arguments.has("TagKey") => "TagKey",
        Field::Tags if arguments.has("Tag") => "Tag",
        Field::Tags => "Tags",
        Field::Policy => "Policy",
        Field::Resources => "ResourceId",
        Field::NextToken => "NextToken",
        Field::NumberOfBytes => "NumberOfBytes",
        Field::WrappingKey => "PublicKeyBlob",
        Field::WrappingAlgorithm => "WrappingAlgorithm",
        Field::Filters => "Filters",
        Field::Algorithm if arguments.has("SourceEncryptionAlgorithm") => "SourceEncryptionAlgorithm",
        Field::Algorithm => "Algorithm",
        Field::Ciphertext => "CiphertextBlob",
        Field::Digest => "Digest",
        Field::Message => "Message",
        Field::MaterialExpiry => "KeyMaterialExpireUnix",
    }
}
