//! The one table of the protocol's error codes, and the error that the pipeline answers with.

use std::{borrow::Cow, fmt};

/// Declares [`Code`] with its text and HTTP status, one line a code.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal;)*) => {
        /// An error code as clients know it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code's text on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The HTTP status that goes with it.
            pub const fn http_status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                }
            }
        }
    };
}

codes! {
    // The request itself.
    /// A required parameter is absent.
    MissingParameter = "MissingParameter", 400;
    /// A parameter has a value that is not accepted.
    InvalidParameter = "InvalidParameter", 400;
    /// The request can't be taken apart into parameters.
    ParseRequestParameterException = "ParseRequestParameterException", 400;
    /// Neither GET nor POST.
    UnsupportedHttpMethod = "UnsupportedHTTPMethod", 403;
    /// An API version that is not served.
    InvalidVersion = "InvalidVersion", 400;
    /// No such action in this version.
    InvalidActionNotFound = "InvalidAction.NotFound", 404;

    // Who is asking.
    /// No such AccessKey.
    InvalidAccessKeyIdNotFound = "InvalidAccessKeyId.NotFound", 404;
    /// The AccessKey is disabled.
    ForbiddenAccessKey = "Forbidden.AccessKey", 403;
    /// The signature is not the one that the AccessKey's secret gives.
    SignatureDoesNotMatch = "SignatureDoesNotMatch", 400;
    /// Parts of the signature are missing or malformed.
    IncompleteSignature = "IncompleteSignature", 400;
    /// The timestamp is not of the form `YYYY-MM-DDThh:mm:ssZ`.
    InvalidTimeStampFormat = "InvalidTimeStamp.Format", 400;
    /// The timestamp is too old.
    InvalidTimeStampExpired = "InvalidTimeStamp.Expired", 400;
    /// The timestamp is too far in the future.
    IllegalTimestamp = "IllegalTimestamp", 400;
    /// A request with this nonce was already accepted.
    SignatureNonceUsed = "SignatureNonceUsed", 400;
    /// The temporary credential has run out.
    InvalidSecurityTokenExpired = "InvalidSecurityToken.Expired", 403;
    /// The security token belongs to another AccessKey.
    InvalidSecurityTokenMismatchWithAccessKey = "InvalidSecurityToken.MismatchWithAccessKey", 403;
    /// The security token can't be read.
    InvalidSecurityTokenMalformed = "InvalidSecurityToken.Malformed", 403;
    /// Denied by policy.
    ForbiddenNoPermission = "Forbidden.NoPermission", 403;
    /// The account has not opened the service.
    ForbiddenKmsServiceNotEnabled = "Forbidden.KmsServiceNotEnabled", 403;
    /// The account has already opened the service.
    ForbiddenOpened = "Forbidden.Opened", 400;

    // Too much, or not now.
    /// The server as a whole is asked for too much.
    Throttling = "Throttling", 400;
    /// The account or user asks for too much.
    ThrottlingUser = "Throttling.User", 400;
    /// The rate limit of the operation is reached.
    RejectedThrottling = "Rejected.Throttling", 429;
    /// Something inside failed; the log has it under the request id.
    InternalFailure = "InternalFailure", 500;
    /// A retry will help.
    ServiceUnavailableTemporary = "ServiceUnavailableTemporary", 503;

    // Keys, versions, aliases.
    /// No such key.
    ForbiddenKeyNotFound = "Forbidden.KeyNotFound", 404;
    /// No such key version.
    ForbiddenKeyVersionNotFound = "Forbidden.KeyVersionNotFound", 404;
    /// No such alias.
    ForbiddenAliasNotFound = "Forbidden.AliasNotFound", 404;
    /// The alias name is taken.
    AliasAlreadyExists = "AliasAlreadyExists", 400;
    /// The key is enabled.
    RejectedEnabled = "Rejected.Enabled", 409;
    /// The key is disabled.
    RejectedDisabled = "Rejected.Disabled", 409;
    /// The key awaits deletion.
    RejectedPendingDeletion = "Rejected.PendingDeletion", 409;
    /// The key has no material yet.
    RejectedPendingImport = "Rejected.PendingImport", 409;
    /// The key's state can't be changed this way.
    RejectedStateModifiedFailed = "Rejected.StateModifiedFailed", 409;
    /// The state of a managed object forbids it.
    RejectedState = "Rejected.ObjectState", 409;
    /// A quota is reached.
    RejectedLimitExceeded = "Rejected.LimitExceeded", 400;
    /// The key's origin does not allow the operation.
    UnsupportedOrigin = "Unsupported.Origin", 400;
    /// The operation takes a key id, not an alias.
    UnsupportedAlias = "Unsupported.Alias", 400;
    /// The protection level is not available here.
    UnsupportedProtectionLevel = "Unsupported.ProtectionLevel", 400;
    /// The key can't do this.
    UnsupportedOperation = "UnsupportedOperation", 400;

    // Secrets.
    /// No such secret, or no such version of it.
    ForbiddenResourceNotFound = "Forbidden.ResourceNotFound", 404;
    /// There is one already.
    RejectedResourceExist = "Rejected.ResourceExist", 409;
    /// The secret awaits deletion.
    RejectedResourceInDeleteWindow = "Rejected.ResourceInDeleteWindow", 409;

    // Import.
    /// The key material is not what the key takes.
    InvalidKeyMaterial = "InvalidKeyMaterial", 400;
    /// The import token is not the key's.
    InvalidImportToken = "InvalidImportToken", 400;
    /// The import token has run out.
    ExpiredImportToken = "ExpiredImportToken", 400;

    // Identities (RAM).
    /// Denied by policy, in the words of RAM and STS.
    NoPermission = "NoPermission", 403;
    /// A document is no policy.
    MalformedPolicyDocument = "MalformedPolicyDocument", 400;
    /// Neither `System` nor `Custom`.
    InvalidParameterPolicyType = "InvalidParameter.PolicyType", 400;
    /// Not of the form of a policy version's id.
    InvalidParameterVersionIdFormat = "InvalidParameter.VersionId.Format", 400;
    /// The name has characters that such names don't have.
    InvalidParameterUserNameInvalidChars = "InvalidParameter.UserName.InvalidChars", 400;
    /// The name is too short or too long.
    InvalidParameterUserNameLength = "InvalidParameter.UserName.Length", 400;
    /// The name has characters that such names don't have.
    InvalidParameterNewUserNameInvalidChars = "InvalidParameter.NewUserName.InvalidChars", 400;
    /// The name is too short or too long.
    InvalidParameterNewUserNameLength = "InvalidParameter.NewUserName.Length", 400;
    /// The name has characters that such names don't have.
    InvalidParameterGroupNameInvalidChars = "InvalidParameter.GroupName.InvalidChars", 400;
    /// The name is too short or too long.
    InvalidParameterGroupNameLength = "InvalidParameter.GroupName.Length", 400;
    /// The name has characters that such names don't have.
    InvalidParameterNewGroupNameInvalidChars = "InvalidParameter.NewGroupName.InvalidChars", 400;
    /// The name is too short or too long.
    InvalidParameterNewGroupNameLength = "InvalidParameter.NewGroupName.Length", 400;
    /// The name has characters that such names don't have.
    InvalidParameterRoleNameInvalidChars = "InvalidParameter.RoleName.InvalidChars", 400;
    /// The name is too short or too long.
    InvalidParameterRoleNameLength = "InvalidParameter.RoleName.Length", 400;
    /// The name has characters that such names don't have.
    InvalidParameterPolicyNameInvalidChars = "InvalidParameter.PolicyName.InvalidChars", 400;
    /// The name is too short or too long.
    InvalidParameterPolicyNameLength = "InvalidParameter.PolicyName.Length", 400;
    /// The text is too long.
    InvalidParameterDisplayNameLength = "InvalidParameter.DisplayName.Length", 400;
    /// The text is too long.
    InvalidParameterNewDisplayNameLength = "InvalidParameter.NewDisplayName.Length", 400;
    /// The text is too long.
    InvalidParameterCommentsLength = "InvalidParameter.Comments.Length", 400;
    /// The text is too long.
    InvalidParameterNewCommentsLength = "InvalidParameter.NewComments.Length", 400;
    /// The text is too long.
    InvalidParameterDescriptionLength = "InvalidParameter.Description.Length", 400;
    /// The text is too long.
    InvalidParameterNewDescriptionLength = "InvalidParameter.NewDescription.Length", 400;
    /// The text has not the form that it should have.
    InvalidParameterEmailFormat = "InvalidParameter.Email.Format", 400;
    /// The text has not the form that it should have.
    InvalidParameterNewEmailFormat = "InvalidParameter.NewEmail.Format", 400;
    /// The text has not the form that it should have.
    InvalidParameterMobilePhoneFormat = "InvalidParameter.MobilePhone.Format", 400;
    /// The text has not the form that it should have.
    InvalidParameterNewMobilePhoneFormat = "InvalidParameter.NewMobilePhone.Format", 400;
    /// There is no such thing in the caller's account.
    EntityNotExistAccount = "EntityNotExist.Account", 404;
    /// No such disk.
    EntityNotExistDisk = "EntityNotExist.Disk", 404;
    /// No such managed object.
    EntityNotExistManagedObject = "EntityNotExist.ManagedObject", 404;
    /// The disk has no such key.
    EntityNotExistDiskKey = "EntityNotExist.DiskKey", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistUser = "EntityNotExist.User", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistUserAccessKey = "EntityNotExist.User.AccessKey", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistUserLoginProfile = "EntityNotExist.User.LoginProfile", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistUserMfaDevice = "EntityNotExist.User.MFADevice", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistGroup = "EntityNotExist.Group", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistRole = "EntityNotExist.Role", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistPolicy = "EntityNotExist.Policy", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistPolicyVersion = "EntityNotExist.Policy.Version", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistUserGroup = "EntityNotExist.User.Group", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistUserPolicy = "EntityNotExist.User.Policy", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistGroupPolicy = "EntityNotExist.Group.Policy", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistRolePolicy = "EntityNotExist.Role.Policy", 404;
    /// There is one already.
    EntityAlreadyExistsAccount = "EntityAlreadyExists.Account", 409;
    /// There is a managed object of that name.
    EntityAlreadyExistsManagedObject = "EntityAlreadyExists.ManagedObject", 409;
    /// There is a disk of that name.
    EntityAlreadyExistsDisk = "EntityAlreadyExists.Disk", 409;
    /// There is one already.
    EntityAlreadyExistsUser = "EntityAlreadyExists.User", 409;
    /// There is one already.
    EntityAlreadyExistsGroup = "EntityAlreadyExists.Group", 409;
    /// There is one already.
    EntityAlreadyExistsRole = "EntityAlreadyExists.Role", 409;
    /// There is one already.
    EntityAlreadyExistsPolicy = "EntityAlreadyExists.Policy", 409;
    /// There is one already.
    EntityAlreadyExistsUserGroup = "EntityAlreadyExists.User.Group", 409;
    /// There is one already.
    EntityAlreadyExistsUserPolicy = "EntityAlreadyExists.User.Policy", 409;
    /// There is one already.
    EntityAlreadyExistsGroupPolicy = "EntityAlreadyExists.Group.Policy", 409;
    /// There is one already.
    EntityAlreadyExistsRolePolicy = "EntityAlreadyExists.Role.Policy", 409;
    /// It can't be deleted while this is so.
    DeleteConflictUserGroup = "DeleteConflict.User.Group", 409;
    /// It can't be deleted while this is so.
    DeleteConflictUserAccessKey = "DeleteConflict.User.AccessKey", 409;
    /// It can't be deleted while this is so.
    DeleteConflictUserPolicy = "DeleteConflict.User.Policy", 409;
    /// It can't be deleted while this is so.
    DeleteConflictGroupUser = "DeleteConflict.Group.User", 409;
    /// It can't be deleted while this is so.
    DeleteConflictGroupPolicy = "DeleteConflict.Group.Policy", 409;
    /// It can't be deleted while this is so.
    DeleteConflictRolePolicy = "DeleteConflict.Role.Policy", 409;
    /// It can't be deleted while this is so.
    DeleteConflictPolicyUser = "DeleteConflict.Policy.User", 409;
    /// It can't be deleted while this is so.
    DeleteConflictPolicyGroup = "DeleteConflict.Policy.Group", 409;
    /// It can't be deleted while this is so.
    DeleteConflictPolicyRole = "DeleteConflict.Policy.Role", 409;
    /// It can't be deleted while this is so.
    DeleteConflictPolicyVersion = "DeleteConflict.Policy.Version", 409;
    /// It can't be deleted while this is so.
    DeleteConflictPolicyVersionDefault = "DeleteConflict.Policy.Version.Default", 409;
    /// A quota is reached.
    LimitExceededAccount = "LimitExceeded.Account", 409;
    /// A quota is reached.
    LimitExceededUser = "LimitExceeded.User", 409;
    /// A quota is reached.
    LimitExceededUserAccessKey = "LimitExceeded.User.AccessKey", 409;
    /// A quota is reached.
    LimitExceededGroup = "LimitExceeded.Group", 409;
    /// A quota is reached.
    LimitExceededRole = "LimitExceeded.Role", 409;
    /// A quota is reached.
    LimitExceededPolicy = "LimitExceeded.Policy", 409;
    /// A quota is reached.
    LimitExceededPolicyVersion = "LimitExceeded.Policy.Version", 409;
    /// A quota is reached.
    LimitExceededUserGroup = "LimitExceeded.User.Group", 409;
    /// A quota is reached.
    LimitExceededUserPolicy = "LimitExceeded.User.Policy", 409;
    /// A quota is reached.
    LimitExceededGroupPolicy = "LimitExceeded.Group.Policy", 409;
    /// A quota is reached.
    LimitExceededRolePolicy = "LimitExceeded.Role.Policy", 409;
    /// A quota is reached.
    LimitExceededTag = "LimitExceeded.Tag", 409;

    // Sessions of roles (STS).
    /// The parameter has a value that is not accepted.
    InvalidParameterRoleArn = "InvalidParameter.RoleArn", 400;
    /// The parameter has a value that is not accepted.
    InvalidParameterRoleSessionName = "InvalidParameter.RoleSessionName", 400;
    /// The parameter has a value that is not accepted.
    InvalidParameterDurationSeconds = "InvalidParameter.DurationSeconds", 400;
    /// The parameter has a value that is not accepted.
    InvalidParameterExternalId = "InvalidParameter.ExternalId", 400;
    /// The parameter has a value that is not accepted.
    InvalidParameterPolicyGrammar = "InvalidParameter.PolicyGrammar", 400;
    /// The parameter has a value that is not accepted.
    InvalidParameterPolicySize = "InvalidParameter.PolicySize", 400;

    // Tokens and certificates.
    /// There is no such thing in the caller's account.
    EntityNotExistUserToken = "EntityNotExist.User.Token", 404;
    /// There is no such thing in the caller's account.
    EntityNotExistUserCertificate = "EntityNotExist.User.Certificate", 404;
    /// There is one already.
    EntityAlreadyExistsUserCertificate = "EntityAlreadyExists.User.Certificate", 409;
    /// A quota is reached.
    LimitExceededUserToken = "LimitExceeded.User.Token", 409;
    /// A quota is reached.
    LimitExceededUserCertificate = "LimitExceeded.User.Certificate", 409;

    // Dry runs.
    /// The operation would have succeeded.
    DryRunOperationError = "DryRunOperationError", 412;
    /// The operation would have failed validation.
    ValidationError = "ValidationError", 400;
    /// The operation would have been denied.
    AccessDeniedError = "AccessDeniedError", 403;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a caller is told when a request fails: a code to act on and a sentence to read.
///
/// The message goes to the caller: it names parameters, never their values, and nothing of the inside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct WireError {
    /// The code, which carries the HTTP status.
    pub code: Code,
    /// A sentence that says what happened, to what, and what to do.
    pub message: Cow<'static, str>,
}

impl WireError {
    /// An error of any code.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The HTTP status of the code.
    pub fn http_status(&self) -> u16 {
        self.code.http_status()
    }

    /// A required parameter or header is absent.
    pub fn missing_parameter(name: &str) -> Self {
        Self::new(Code::MissingParameter, format!("The required parameter \"{name}\" is not supplied."))
    }

    /// A parameter's value is not accepted; `reason` is a clause such as "it must be true or false".
    pub fn invalid_parameter(name: &str, reason: impl fmt::Display) -> Self {
        Self::new(Code::InvalidParameter, format!("The specified parameter \"{name}\" is not valid: {reason}."))
    }

    /// The request can't be taken apart; `reason` is a clause.
    pub fn parse(reason: impl fmt::Display) -> Self {
        Self::new(Code::ParseRequestParameterException, format!("The request can't be parsed: {reason}."))
    }

    /// Parts of the signature are missing or malformed; `reason` is a clause.
    pub fn incomplete_signature(reason: impl fmt::Display) -> Self {
        Self::new(Code::IncompleteSignature, format!("The request's signature is incomplete: {reason}."))
    }

    /// The signature is another than the secret gives. `string_to_sign` has the parameters' names only.
    ///
    /// The older Python SDK fails without a colon in the message. The older Go and Java ones compare what follows `server
    /// string to sign is:` with their own, and call a wrong secret a bug of the SDK unless it has all values: so these
    /// words are not in it.
    pub fn signature_does_not_match(string_to_sign: &str) -> Self {
        Self::new(
            Code::SignatureDoesNotMatch,
            format!(
                "The specified signature does not match the one calculated with the AccessKey Secret for this request; check the secret and how \
                 the request is signed. String to sign, without values:{string_to_sign}"
            ),
        )
    }

    /// A timestamp is not of the accepted form; `name` is the parameter or header that holds it.
    pub fn timestamp_format(name: &str) -> Self {
        Self::new(
            Code::InvalidTimeStampFormat,
            format!("The timestamp in \"{name}\" must be in UTC, in the format YYYY-MM-DDThh:mm:ssZ."),
        )
    }

    /// A timestamp is too old.
    pub fn timestamp_expired() -> Self {
        Self::new(
            Code::InvalidTimeStampExpired,
            "The request's timestamp is too old; check the client's clock and sign the request again.",
        )
    }

    /// A timestamp is too far in the future.
    pub fn timestamp_in_the_future() -> Self {
        Self::new(Code::IllegalTimestamp, "The request's timestamp is too far in the future; check the client's clock.")
    }

    /// The nonce was used before.
    pub fn nonce_used() -> Self {
        Self::new(Code::SignatureNonceUsed, "The signature nonce was already used; sign each request with a new nonce.")
    }

    /// Neither GET nor POST.
    pub fn unsupported_method() -> Self {
        Self::new(Code::UnsupportedHttpMethod, "The HTTP method is not supported; use GET or POST.")
    }

    /// The version is not served.
    pub fn invalid_version() -> Self {
        Self::new(
            Code::InvalidVersion,
            "The specified parameter \"Version\" names an API version that this server does not support: it must be 2016-01-20 \
             (KMS), 2015-05-01 (RAM), 2015-04-01 (STS) or 2020-07-06 (ActionTrail).",
        )
    }

    /// The action is unknown.
    pub fn action_not_found() -> Self {
        Self::new(
            Code::InvalidActionNotFound,
            "The specified parameter \"Action\" does not name an action of this API version.",
        )
    }

    /// No such AccessKey.
    pub fn access_key_not_found() -> Self {
        Self::new(Code::InvalidAccessKeyIdNotFound, "The specified AccessKey ID is not found.")
    }

    /// The AccessKey is disabled.
    pub fn access_key_disabled() -> Self {
        Self::new(Code::ForbiddenAccessKey, "The specified AccessKey is disabled.")
    }

    /// Denied by policy.
    pub fn no_permission() -> Self {
        Self::new(Code::ForbiddenNoPermission, "The caller is not permitted to perform this operation on the resource.")
    }

    /// Something inside failed; the details are in the log under the request id.
    pub fn internal() -> Self {
        Self::new(
            Code::InternalFailure,
            "The request failed because of an internal error; the server's log shows the cause under the request ID.",
        )
    }

    /// The audit log can't be written: the call was not carried out, or it changed nothing and its result is withheld.
    pub fn unrecordable() -> Self {
        let message = "The audit log can't be written, so the call was refused; try again later.";
        Self::new(Code::ServiceUnavailableTemporary, message)
    }

    /// The audit log could not be written any more when the call had been carried out.
    pub fn unrecorded_change() -> Self {
        let message = "The call was carried out, but the audit log can't be written, so its result is withheld; \
                       check the current state before you try again.";
        Self::new(Code::ServiceUnavailableTemporary, message)
    }

    /// Too many unauthenticated calls of one address: what was wrong with this one is not said.
    pub fn too_many_unauthenticated() -> Self {
        let message =
            "Too many unauthenticated calls from this address; check the AccessKey, and try again in a minute.";
        Self::new(Code::Throttling, message)
    }

    /// As [`Self::too_many_unauthenticated`], for its record.
    pub fn too_many_unauthenticated_and(held: u64) -> Self {
        let Self { code, message, .. } = Self::too_many_unauthenticated();
        Self::new(code, format!("{message} {held} more such calls since the last such record were not recorded."))
    }

    /// Too much of what the caller or its account asked for is under way, or waits.
    pub fn too_many_at_once() -> Self {
        let message =
            "The request is rejected: too many requests of this caller or its account are under way; try again.";
        Self::new(Code::RejectedThrottling, message)
    }

    /// A retry will help.
    pub fn unavailable() -> Self {
        Self::new(Code::ServiceUnavailableTemporary, "The service is temporarily unavailable; try again.")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_are_unique_and_statuses_are_errors() {
        let texts: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((400..600).contains(&code.http_status()), "{code}");
        }
    }

    #[test]
    fn older_sdks_make_sense_of_a_wrong_signature() {
        let error = WireError::signature_does_not_match("POST&%2F&Action%3D");
        // aliyun-python-sdk-core takes what stands between the first two colons.
        assert_eq!(error.message.split(':').nth(1), Some("POST&%2F&Action%3D"));
        assert!(!error.message.contains("server string to sign is:"));
    }
}
