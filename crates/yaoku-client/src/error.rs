//! The one error type of this crate.

use std::path::PathBuf;
use std::time::Duration;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's address can't be used; the sentence says why.
    #[error("{0}")]
    Endpoint(String),
    /// The AccessKey can't be used; the sentence says why.
    #[error("{0}")]
    AccessKey(String),
    /// Certificates to trust can't be read.
    #[error("{path}: {why}", path = path.display())]
    Certificates {
        /// Their file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The system has no certificates to trust.
    #[error("the system has no certificates to trust; name a file with the certificate of the server's issuer")]
    NoCertificates,
    /// No connection could be made, so that the server knows nothing of the call.
    #[error("can't connect to the server: {0}")]
    Unreachable(String),
    /// The connection broke off before the whole answer had come: the call may have been done.
    #[error("the connection to the server was lost: {0}")]
    Lost(String),
    /// No answer in time: the call may have been done.
    #[error("the server did not answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The server refused.
    #[error("{code}: {message} (request {request_id})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: String,
        /// What it says for people.
        message: String,
        /// The request's id, which the server's log and audit log have too.
        request_id: String,
    },
    /// What answered is not a server of this API.
    #[error("the server gave an answer that is not understood, with status {status}")]
    Unintelligible {
        /// The HTTP status.
        status: u16,
    },
    /// A random number or a part of a request could not be made.
    #[error("the request can't be made: {0}")]
    Request(String),
}

impl Error {
    /// Whether the server knows nothing of the call.
    pub(crate) fn was_not_sent(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether another attempt may end otherwise.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) | Self::TimedOut(_) => true,
            Self::Refused { status, code, .. } => matches!(status, 429 | 503) || code.starts_with("Throttling"),
            Self::Unintelligible { status } => matches!(status, 502..=504),
            Self::Endpoint(_)
            | Self::AccessKey(_)
            | Self::Certificates { .. }
            | Self::NoCertificates
            | Self::Request(_) => false,
        }
    }
}
