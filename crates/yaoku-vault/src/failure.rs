//! What goes wrong, as the Vault API says it: a status and a list of sentences.
//!
//! The products behind it act on the status. What a caller may not do is 403, also where a key's state forbids it: an object store
//! then answers AccessDenied. What can't be done at all is 400. What this server can't do now is 503, so that a client with a cache
//! uses it.

use std::borrow::Cow;

use http::StatusCode;
use yaoku_gate::{CallLog, Failure as AnyFailure, Refusal, Spelling};
use yaoku_http::Refusal as Unread;
use yaoku_iam::Error as IamError;
use yaoku_kms::Error as KeyError;
use yaoku_secrets::{Error as SecretError, Field as SecretField};

/// Declares [`Code`] with its text in records and metrics, and its HTTP status.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:ident;)*) => {
        /// A kind of failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its text.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The status that goes with it.
            pub(crate) const fn status(self) -> StatusCode {
                match self {
                    $(Self::$variant => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    /// The request says something that is not accepted.
    InvalidRequest = "InvalidRequest", BAD_REQUEST;
    /// There is no such key.
    KeyNotFound = "KeyNotFound", BAD_REQUEST;
    /// There is no such secret, or no such version of it.
    SecretNotFound = "SecretNotFound", NOT_FOUND;
    /// The value of the version was deleted or destroyed.
    VersionDeleted = "VersionDeleted", NOT_FOUND;
    /// There is a secret of that name.
    SecretExists = "SecretExists", BAD_REQUEST;
    /// The secret has another current version than the caller says, or must say.
    CheckAndSet = "CheckAndSet", BAD_REQUEST;
    /// The ciphertext does not open.
    Ciphertext = "InvalidCiphertext", BAD_REQUEST;
    /// The API has it, and this server does not.
    UnsupportedOperation = "UnsupportedOperation", BAD_REQUEST;
    /// Role or secret is not one.
    InvalidLogin = "InvalidLogin", BAD_REQUEST;
    /// Nobody is proven.
    InvalidToken = "InvalidToken", FORBIDDEN;
    /// Denied by policy, or to a token that is not one any more.
    PermissionDenied = "PermissionDenied", FORBIDDEN;
    /// The state of the key forbids its use.
    KeyState = "KeyState", FORBIDDEN;
    /// Nothing is there.
    NotFound = "NotFound", NOT_FOUND;
    /// The path has no such method.
    UnsupportedMethod = "UnsupportedMethod", METHOD_NOT_ALLOWED;
    /// The body is larger than is read.
    TooLarge = "TooLarge", PAYLOAD_TOO_LARGE;
    /// The body is not JSON.
    UnsupportedMediaType = "UnsupportedMediaType", UNSUPPORTED_MEDIA_TYPE;
    /// A quota is reached.
    LimitExceeded = "LimitExceeded", BAD_REQUEST;
    /// Too many calls.
    Throttling = "Throttling", TOO_MANY_REQUESTS;
    /// A failure of this server.
    InternalFailure = "InternalFailure", INTERNAL_SERVER_ERROR;
    /// Another attempt may help.
    Unavailable = "Unavailable", SERVICE_UNAVAILABLE;
}

/// What a caller is told of a call that fails. Never a value that they sent, and nothing of the inside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: Cow<'static, str>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }

    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UnsupportedOperation, message)
    }

    pub(crate) fn method() -> Self {
        Self::new(Code::UnsupportedMethod, "unsupported operation: this path has no such method")
    }

    /// What an unauthenticated caller is told: never what was wrong.
    pub(crate) fn token() -> Self {
        Self::new(Code::InvalidToken, "permission denied")
    }

    pub(crate) fn denied() -> Self {
        Self::new(Code::PermissionDenied, "permission denied")
    }

    pub(crate) fn internal() -> Self {
        Self::new(Code::InternalFailure, "internal error; the server's log has the cause under the request id")
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(Code::Unavailable, "this can't be done at present; try again")
    }

    fn throttled() -> Self {
        Self::new(Code::Throttling, "too many requests; try again later")
    }

    /// The same of a path that names a key to look at: what is not there is not found.
    pub(crate) fn of_path(self) -> Self {
        match self.code {
            Code::KeyNotFound => Self::new(Code::NotFound, self.message),
            _ => self,
        }
    }

    /// The failure of a request that did not arrive whole.
    pub(crate) fn unread(refusal: Unread) -> Self {
        match refusal {
            Unread::TooLarge => Self::new(Code::TooLarge, "the body is larger than this server accepts"),
            Unread::TooSlow => Self::new(Code::Unavailable, "the body did not arrive in time; try again"),
            Unread::Overloaded => Self::unavailable(),
            Unread::BrokenOff => Self::invalid("the body is incomplete"),
            Unread::Unattributed => Self::invalid("the proxy in front of this server does not name the client"),
            Unread::Panicked => Self::internal(),
        }
    }

    /// The failure of an operation. The inside of an internal failure goes to the log, under the request id.
    pub(crate) fn of_operation(failure: AnyFailure, log: &CallLog) -> Self {
        match failure {
            AnyFailure::Keys(error) => of_keys(error, log),
            AnyFailure::Identities(error) => of_identities(&error, log),
            AnyFailure::Secrets(error) => of_secrets(error, log),
            // Nothing of this protocol is done with these.
            AnyFailure::Disks(_) | AnyFailure::Objects(_) | AnyFailure::AuditLog(_) => Self::internal(),
        }
    }
}

impl Spelling for Failure {
    fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooManyUnauthenticated { held: None } => Self::throttled(),
            Refusal::TooManyUnauthenticated { held: Some(held) } => {
                Self::new(Code::Throttling, format!("too many requests; {held} before this one were not recorded"))
            }
            Refusal::TooManyAtOnce => Self::throttled(),
            Refusal::Full => Self::unavailable(),
            Refusal::Unrecordable => {
                Self::new(Code::Unavailable, "the call can't be recorded at present, so it was not carried out")
            }
            Refusal::UnrecordedChange => {
                Self::new(Code::InternalFailure, "the change was carried out, but could not be recorded")
            }
            Refusal::Internal => Self::internal(),
        }
    }

    fn code(&self) -> (&'static str, usize) {
        // The codes are numbered as Code::ALL lists them.
        (self.code.as_str(), self.code as usize)
    }

    fn message(&self) -> &str {
        &self.message
    }

    fn is_ours(&self) -> bool {
        self.code.status().is_server_error()
    }
}

fn of_secrets(error: SecretError, log: &CallLog) -> Failure {
    let (code, message): (Code, Cow<'static, str>) = match error {
        SecretError::SecretNotFound => (Code::SecretNotFound, "there is no such secret".into()),
        SecretError::VersionNotFound => (Code::SecretNotFound, "the secret has no such version".into()),
        SecretError::VersionDeleted => (Code::VersionDeleted, "this version of the secret was deleted".into()),
        SecretError::SecretExists => (Code::SecretExists, "the secret already exists".into()),
        SecretError::VersionExists => (Code::InvalidRequest, "the secret already has such a version".into()),
        SecretError::NotAsExpected => {
            (Code::CheckAndSet, "check-and-set parameter did not match the current version".into())
        }
        SecretError::InDeleteWindow => {
            (Code::InvalidRequest, "the secret is pending deletion; RestoreSecret of the KMS API restores it".into())
        }
        SecretError::Denied(denial) => {
            log.denied(&denial.why, "no permission");
            return Failure::denied();
        }
        SecretError::Hidden(denial) => {
            log.denied(&denial.why, "no permission; the answer hides that the secret exists");
            return of_secrets(SecretError::SecretNotFound, log);
        }
        SecretError::Invalid { why, field } => (Code::InvalidRequest, format!("{}: {why}", part(field)).into()),
        SecretError::Unsuitable(why) => (Code::InvalidRequest, why.into()),
        SecretError::LimitExceeded(why) => (Code::LimitExceeded, why.into()),
        // A CMK that is away denies its secrets, as the products expect; it is not the secret that is not found.
        SecretError::Keys(KeyError::KeyNotFound) => (Code::KeyState, "the key of the secret does not exist".into()),
        SecretError::Keys(error) => return of_keys(error, log),
        SecretError::Unavailable(source) => {
            log.unavailable(source.as_ref());
            return Failure::unavailable();
        }
        SecretError::Abandoned => return Failure::unavailable(),
        SecretError::Record(_) | SecretError::Internal(_) => {
            log.internal(&error);
            return Failure::internal();
        }
    };
    Failure::new(code, message)
}

/// What the protocol calls an argument.
const fn part(field: SecretField) -> &'static str {
    match field {
        SecretField::Value => "data",
        SecretField::MaxVersions => "max_versions",
        SecretField::DeleteAfter => "delete_version_after",
        SecretField::CustomMetadata => "custom_metadata",
        _ => "the path",
    }
}

fn of_keys(error: KeyError, log: &CallLog) -> Failure {
    let (code, message): (Code, Cow<'static, str>) = match &error {
        KeyError::KeyNotFound | KeyError::AliasNotFound => (Code::KeyNotFound, "encryption key not found".into()),
        KeyError::KeyVersionNotFound => (Code::InvalidRequest, "the key has no such version".into()),
        KeyError::AliasExists => (Code::InvalidRequest, "a key of this name already exists".into()),
        KeyError::Denied(denial) => {
            log.denied(&denial.why, "no permission");
            return Failure::denied();
        }
        KeyError::Hidden { denial, .. } => {
            log.denied(&denial.why, "no permission; the answer hides that the key exists");
            let KeyError::Hidden { as_if, .. } = error else { return Failure::denied() };
            return of_keys(*as_if, log);
        }
        KeyError::State(state) => (Code::KeyState, format!("the key is {}", state.in_words()).into()),
        KeyError::InUse(what) => (Code::InvalidRequest, what.clone().into()),
        KeyError::StateChange(why) => (Code::InvalidRequest, (*why).into()),
        KeyError::Invalid { why, field } => (Code::InvalidRequest, format!("{}: {why}", parameter(*field)).into()),
        KeyError::Unsuitable(why) => (Code::InvalidRequest, (*why).into()),
        KeyError::Origin(_) => {
            (Code::InvalidRequest, "this is not supported on a key whose material was imported".into())
        }
        KeyError::Protection(why) => (Code::InvalidRequest, why.clone().into()),
        KeyError::LimitExceeded(why) => (Code::LimitExceeded, why.clone().into()),
        KeyError::Ciphertext => (
            Code::Ciphertext,
            "the ciphertext was not made by this server with this key, version and context, or it is damaged".into(),
        ),
        KeyError::Unavailable(source) => {
            log.unavailable(source.as_ref());
            return Failure::unavailable();
        }
        KeyError::Throttled => return Failure::throttled(),
        KeyError::Busy | KeyError::Abandoned => return Failure::unavailable(),
        KeyError::PrincipalNotFound
        | KeyError::ImportToken
        | KeyError::ImportTokenExpired
        | KeyError::KeyMaterial
        | KeyError::AlreadyOpen
        | KeyError::DryRun
        | KeyError::Record(_)
        | KeyError::Internal(_) => {
            log.internal(&error);
            return Failure::internal();
        }
    };
    Failure::new(code, message)
}

fn of_identities(error: &IamError, log: &CallLog) -> Failure {
    match error {
        IamError::Denied(denial) => {
            log.denied(&denial.why, "no permission");
            Failure::denied()
        }
        IamError::Invalid { why, .. } => Failure::invalid(*why),
        IamError::LimitExceeded { .. } => {
            Failure::new(Code::LimitExceeded, "too many logins of this credential are renewed; log in again instead")
        }
        _ if error.may_pass() => {
            log.unavailable(error);
            Failure::unavailable()
        }
        _ => {
            log.internal(error);
            Failure::internal()
        }
    }
}

/// What the API calls what the domain found wrong.
const fn parameter(field: yaoku_kms::Field) -> &'static str {
    use yaoku_kms::Field;
    match field {
        Field::Plaintext => "plaintext",
        Field::EncryptionContext => "context",
        Field::RotationInterval | Field::AutomaticRotation => "auto_rotate_period",
        Field::NumberOfBytes => "bits",
        Field::Algorithm => "algorithm",
        Field::Ciphertext => "ciphertext",
        Field::Digest | Field::Message => "input",
        Field::KeyUsage => "type",
        _ => "request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_as_they_are_listed_and_have_names_of_their_own() {
        assert!(Code::ALL.iter().enumerate().all(|(at, code)| *code as usize == at));
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn what_another_attempt_may_cure_is_no_4xx() {
        for refusal in [Unread::TooSlow, Unread::Overloaded, Unread::Panicked] {
            assert!(Failure::unread(refusal).is_ours(), "{refusal:?}");
        }
        assert!(Failure::of(Refusal::Unrecordable).is_ours());
    }
}
