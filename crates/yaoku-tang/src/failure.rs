//! What goes wrong, as Tang says it: a status, and a sentence for people.

use std::borrow::Cow;
use std::error::Error as _;

use http::StatusCode;
use yaoku_disks::Error as DiskError;
use yaoku_gate::{Failure as AnyFailure, Refusal, RequestId, Spelling};
use yaoku_http::Refusal as Unread;
use yaoku_kms::Error as KeyError;

use crate::jwk::JwkError;

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
    /// The path names no disk, or no key of it.
    NotFound = "NotFound", NOT_FOUND;
    /// The body is no point that can be multiplied.
    InvalidKey = "InvalidKey", BAD_REQUEST;
    /// The request can't be understood.
    InvalidRequest = "InvalidRequest", BAD_REQUEST;
    /// The disk is disabled.
    DiskDisabled = "DiskDisabled", FORBIDDEN;
    /// The disk may not be unlocked from there.
    SourceNotAllowed = "SourceNotAllowed", FORBIDDEN;
    /// The state of the CMK forbids its use.
    KeyState = "KeyState", FORBIDDEN;
    /// The disk is not bound any more.
    PermissionDenied = "PermissionDenied", FORBIDDEN;
    /// The path has no such method.
    UnsupportedMethod = "UnsupportedMethod", METHOD_NOT_ALLOWED;
    /// The body is larger than is read.
    TooLarge = "TooLarge", PAYLOAD_TOO_LARGE;
    /// Too many calls.
    Throttling = "Throttling", TOO_MANY_REQUESTS;
    /// A failure of this server.
    InternalFailure = "InternalFailure", INTERNAL_SERVER_ERROR;
    /// Another attempt may help.
    Unavailable = "Unavailable", SERVICE_UNAVAILABLE;
}

/// What a client is told of a call that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: Cow<'static, str>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "there is no such disk, or it has no such key")
    }

    pub(crate) fn elsewhere() -> Self {
        Self::new(Code::SourceNotAllowed, "the disk may not be unlocked from this address")
    }

    pub(crate) fn method() -> Self {
        Self::new(Code::UnsupportedMethod, "the path has no such method")
    }

    pub(crate) fn internal() -> Self {
        Self::new(Code::InternalFailure, "internal error; the server's log has the cause under the request id")
    }

    fn unavailable() -> Self {
        Self::new(Code::Unavailable, "this can't be done at present; try again")
    }

    fn throttled() -> Self {
        Self::new(Code::Throttling, "too many requests; try again later")
    }

    /// The failure of a request that did not arrive whole.
    pub(crate) fn unread(refusal: Unread) -> Self {
        match refusal {
            Unread::TooLarge => Self::new(Code::TooLarge, "the body is larger than this server accepts"),
            Unread::TooSlow | Unread::Overloaded => Self::unavailable(),
            Unread::BrokenOff => Self::new(Code::InvalidRequest, "the body is incomplete"),
            Unread::Unattributed => {
                Self::new(Code::InvalidRequest, "the proxy in front of this server does not name the client")
            }
            Unread::Panicked => Self::internal(),
        }
    }

    /// The failure of an operation. The inside of an internal failure goes to the log, under the request id.
    pub(crate) fn of_operation(failure: AnyFailure, id: RequestId) -> Self {
        match failure {
            AnyFailure::Disks(error) => of_disks(error, id),
            AnyFailure::Keys(error) => of_keys(&error, id),
            // Nothing of this protocol is done with these.
            AnyFailure::Secrets(_) | AnyFailure::Objects(_) | AnyFailure::Identities(_) | AnyFailure::AuditLog(_) => {
                Self::internal()
            }
        }
    }
}

impl From<JwkError> for Failure {
    fn from(error: JwkError) -> Self {
        Self::new(Code::InvalidKey, error.to_string())
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
            Refusal::UnrecordedChange | Refusal::Internal => Self::internal(),
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

fn of_disks(error: DiskError, id: RequestId) -> Failure {
    match error {
        DiskError::DiskNotFound | DiskError::KeyNotFound => Failure::not_found(),
        DiskError::Disabled => Failure::new(Code::DiskDisabled, "the disk is disabled"),
        DiskError::Elsewhere => Failure::elsewhere(),
        DiskError::Denied(denial) => {
            tracing::warn!(request_id = %id, why = &*denial.why, "no permission");
            Failure::new(Code::PermissionDenied, "permission denied")
        }
        DiskError::Keys(error) => of_keys(&error, id),
        DiskError::Abandoned => Failure::unavailable(),
        DiskError::Unavailable(source) => {
            tracing::warn!(request_id = %id, error = source.as_ref() as &dyn std::error::Error, "not available");
            Failure::unavailable()
        }
        DiskError::DiskExists
        | DiskError::Invalid { .. }
        | DiskError::LimitExceeded(_)
        | DiskError::Record(_)
        | DiskError::Internal(_) => {
            tracing::error!(request_id = %id, %error, source = error.source(), "internal failure");
            Failure::internal()
        }
    }
}

fn of_keys(error: &KeyError, id: RequestId) -> Failure {
    match error {
        KeyError::State(state) => {
            Failure::new(Code::KeyState, format!("the key that the disk is bound to is {}", state.in_words()))
        }
        KeyError::KeyNotFound => Failure::new(Code::KeyState, "the key that the disk is bound to does not exist"),
        KeyError::Denied(denial) | KeyError::Hidden { denial, .. } => {
            tracing::warn!(request_id = %id, why = &*denial.why, "no permission");
            Failure::new(Code::PermissionDenied, "permission denied")
        }
        KeyError::Throttled => Failure::throttled(),
        KeyError::Busy | KeyError::Abandoned => Failure::unavailable(),
        KeyError::Unavailable(source) => {
            tracing::warn!(request_id = %id, error = source.as_ref() as &dyn std::error::Error, "not available");
            Failure::unavailable()
        }
        _ => {
            tracing::error!(request_id = %id, %error, source = error.source(), "internal failure");
            Failure::internal()
        }
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
