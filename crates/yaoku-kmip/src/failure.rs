//! What goes wrong, as the protocol says it: a result reason and a sentence.

use std::borrow::Cow;

use yaoku_gate::{CallLog, Failure as AnyFailure, Refusal, Spelling};
use yaoku_http::Refusal as Unread;
use yaoku_iam::Error as IamError;
use yaoku_kms::Error as KeyError;
use yaoku_objects::{Error as ObjectError, ObjectState};

use crate::profile::Version;
use crate::ttlv::{FieldError, Malformed};

/// Declares [`Code`] with its text in records and metrics, its result reason, and the version since which there is that one.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $reason:literal since $since:ident else $before:literal;)*) => {
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

            /// The result reason that a version has for it.
            pub(crate) fn reason(self, version: Version) -> u32 {
                match self {
                    $(Self::$variant => if version >= Version::$since { $reason } else { $before },)*
                }
            }
        }
    };
}

codes! {
    /// There is no such object, or none that the caller may know of.
    ItemNotFound = "ItemNotFound", 0x01 since V1_0 else 0x01;
    /// The answer is longer than the client accepts.
    ResponseTooLarge = "ResponseTooLarge", 0x02 since V1_0 else 0x02;
    /// Nobody is proven.
    NotAuthenticated = "AuthenticationNotSuccessful", 0x03 since V1_0 else 0x03;
    /// The message is not one.
    InvalidMessage = "InvalidMessage", 0x04 since V1_0 else 0x04;
    /// This server does not do that.
    OperationNotSupported = "OperationNotSupported", 0x05 since V1_0 else 0x05;
    /// Something that must be there is not.
    MissingData = "MissingData", 0x06 since V1_0 else 0x06;
    /// Something is there that can't be.
    InvalidField = "InvalidField", 0x07 since V1_0 else 0x07;
    /// The protocol has it, and this server does not.
    FeatureNotSupported = "FeatureNotSupported", 0x08 since V1_0 else 0x08;
    /// The ciphertext does not open.
    CryptographicFailure = "CryptographicFailure", 0x0a since V1_0 else 0x0a;
    /// It can't be done with this object.
    IllegalOperation = "IllegalOperation", 0x0b since V1_0 else 0x0b;
    /// Denied by policy.
    PermissionDenied = "PermissionDenied", 0x0c since V1_0 else 0x0c;
    /// A key's format.
    FormatNotSupported = "KeyFormatTypeNotSupported", 0x10 since V1_0 else 0x10;
    /// A key's compression.
    CompressionNotSupported = "KeyCompressionTypeNotSupported", 0x11 since V1_0 else 0x11;
    /// An object has this name.
    NameExists = "NonUniqueNameAttribute", 0x35 since V2_0 else 0x07;
    /// The client can't set or take away this attribute.
    ReadOnlyAttribute = "ReadOnlyAttribute", 0x22 since V2_0 else 0x0c;
    /// The object has no such attribute.
    AttributeNotFound = "AttributeNotFound", 0x21 since V2_0 else 0x01;
    /// The object has one already, and can't have another.
    AttributeSingleValued = "AttributeSingleValued", 0x23 since V2_0 else 0x0b;
    /// The account has not chosen a key for its managed objects.
    NoKeyChosen = "NoKeyChosen", 0x0b since V1_0 else 0x0b;
    /// The object never leaves.
    NotExtractable = "NotExtractable", 0x17 since V1_4 else 0x0c;
    /// The state of the object forbids it.
    WrongState = "WrongKeyLifecycleState", 0x43 since V2_0 else 0x0c;
    /// A quota is reached.
    LimitExceeded = "LimitExceeded", 0x3a since V2_0 else 0x100;
    /// Too many calls.
    Throttling = "Throttling", 0x100 since V1_0 else 0x100;
    /// A failure of this server.
    InternalFailure = "InternalFailure", 0x100 since V1_0 else 0x100;
    /// Another attempt may help.
    Unavailable = "Unavailable", 0x100 since V1_0 else 0x100;
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
        Self::new(Code::InvalidField, message)
    }

    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::FeatureNotSupported, message)
    }

    /// What an unauthenticated caller is told: never what was wrong.
    pub(crate) fn not_authenticated() -> Self {
        Self::new(
            Code::NotAuthenticated,
            "give the ID and the secret of an AccessKey as username and password, or a client certificate that is bound to a user",
        )
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::ItemNotFound, "there is no such object")
    }

    pub(crate) fn internal() -> Self {
        Self::new(Code::InternalFailure, "internal error; the server's log has the cause under the request id")
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(Code::Unavailable, "this can't be done at present; try again")
    }

    fn denied() -> Self {
        Self::new(Code::PermissionDenied, "permission denied")
    }

    fn throttled() -> Self {
        Self::new(Code::Throttling, "too many requests; try again later")
    }

    /// The failure of a message that did not arrive whole.
    pub(crate) fn unread(refusal: Unread) -> Self {
        match refusal {
            Unread::TooLarge => Self::new(Code::InvalidMessage, "the message is larger than this server accepts"),
            Unread::TooSlow => Self::new(Code::Unavailable, "the message did not arrive in time; try again"),
            Unread::Overloaded => Self::unavailable(),
            Unread::BrokenOff | Unread::Unattributed => Self::new(Code::InvalidMessage, "the message is incomplete"),
            Unread::Panicked => Self::internal(),
        }
    }

    /// The failure of an operation. The inside of an internal failure goes to the log, under the request id.
    pub(crate) fn of_operation(failure: AnyFailure, log: &CallLog) -> Self {
        match failure {
            AnyFailure::Keys(error) => of_keys(error, log),
            AnyFailure::Objects(error) => of_objects(error, log),
            AnyFailure::Identities(error) => of_identities(&error, log),
            // Nothing of this protocol is done with these.
            AnyFailure::Secrets(_) | AnyFailure::Disks(_) | AnyFailure::AuditLog(_) => Self::internal(),
        }
    }
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        let code = match error {
            FieldError::Missing { .. } => Code::MissingData,
            FieldError::Type { .. } | FieldError::Unexpected { .. } => Code::InvalidField,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Malformed> for Failure {
    fn from(error: Malformed) -> Self {
        Self::new(Code::InvalidMessage, error.to_string())
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
        matches!(self.code, Code::InternalFailure | Code::Unavailable)
    }
}

fn of_keys(error: KeyError, log: &CallLog) -> Failure {
    let (code, message): (Code, Cow<'static, str>) = match &error {
        KeyError::KeyNotFound | KeyError::AliasNotFound => return Failure::not_found(),
        KeyError::KeyVersionNotFound => (Code::ItemNotFound, "the key has no such version".into()),
        KeyError::Denied(denial) => {
            log.denied(&denial.why, "no permission");
            return Failure::denied();
        }
        KeyError::Hidden { denial, .. } => {
            log.denied(&denial.why, "no permission; the answer hides that the key exists");
            let KeyError::Hidden { as_if, .. } = error else { return Failure::denied() };
            return of_keys(*as_if, log);
        }
        KeyError::State(state) => (Code::WrongState, format!("the key is {}", state.in_words()).into()),
        KeyError::Invalid { why, field } => (Code::InvalidField, format!("{field:?}: {why}").into()),
        KeyError::Unsuitable(why) => (Code::IllegalOperation, (*why).into()),
        KeyError::Protection(why) => (Code::IllegalOperation, why.clone().into()),
        KeyError::LimitExceeded(why) => (Code::LimitExceeded, why.clone().into()),
        KeyError::Ciphertext => (
            Code::CryptographicFailure,
            "the data was not made by this server with this key and additional data, or it is damaged".into(),
        ),
        KeyError::Unavailable(source) => {
            log.unavailable(source.as_ref());
            return Failure::unavailable();
        }
        KeyError::Throttled => return Failure::throttled(),
        KeyError::Busy | KeyError::Abandoned => return Failure::unavailable(),
        KeyError::AliasExists
        | KeyError::InUse(_)
        | KeyError::StateChange(_)
        | KeyError::Origin(_)
        | KeyError::PrincipalNotFound
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

fn of_objects(error: ObjectError, log: &CallLog) -> Failure {
    let (code, message): (Code, Cow<'static, str>) = match error {
        ObjectError::ObjectNotFound => return Failure::not_found(),
        ObjectError::NameExists => (Code::NameExists, "another object has this Name, or it is given twice".into()),
        ObjectError::NoKey => (
            Code::NoKeyChosen,
            "the account has not chosen a customer master key for its managed objects: an operator chooses one with `yaoku kmip set-key KEY`".into(),
        ),
        ObjectError::State(state) => (Code::WrongState, format!("the object is {}", in_words(state)).into()),
        ObjectError::Denied(denial) => {
            log.denied(&denial.why, "no permission");
            return Failure::denied();
        }
        ObjectError::Hidden(denial) => {
            log.denied(&denial.why, "no permission; the answer hides that the object exists");
            return Failure::not_found();
        }
        ObjectError::Place => (Code::InvalidField, error.to_string().into()),
        ObjectError::Invalid(why) => (Code::InvalidField, why.into()),
        ObjectError::LimitExceeded(why) => (Code::LimitExceeded, why.into()),
        ObjectError::Keys(KeyError::State(state)) => (
            Code::WrongState,
            format!("the customer master key that protects managed objects is {}", state.in_words()).into(),
        ),
        ObjectError::Keys(error) => return of_keys(error, log),
        ObjectError::Unavailable(source) => {
            log.unavailable(source.as_ref());
            return Failure::unavailable();
        }
        ObjectError::Abandoned => return Failure::unavailable(),
        ObjectError::Record(_) | ObjectError::Internal(_) => {
            log.internal(&error);
            return Failure::internal();
        }
    };
    Failure::new(code, message)
}

const fn in_words(state: ObjectState) -> &'static str {
    match state {
        ObjectState::PreActive => "Pre-Active",
        ObjectState::Active => "Active",
        ObjectState::Deactivated => "Deactivated",
        ObjectState::Compromised => "Compromised",
        ObjectState::Destroyed => "Destroyed",
        ObjectState::DestroyedCompromised => "Destroyed Compromised",
    }
}

fn of_identities(error: &IamError, log: &CallLog) -> Failure {
    match error {
        IamError::Denied(denial) => {
            log.denied(&denial.why, "no permission");
            Failure::denied()
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
    fn older_versions_have_older_reasons() {
        assert_eq!(Code::NotExtractable.reason(Version::V1_3), 0x0c);
        assert_eq!(Code::NotExtractable.reason(Version::V1_4), 0x17);
        assert_eq!(Code::LimitExceeded.reason(Version::V1_4), 0x100);
    }
}
