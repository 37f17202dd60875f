//! Why a request is refused before a handler has it, or after the handler failed it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

/// Why a request is refused. What another attempt may cure has a status of 500 or above: clients do not try again after a 4xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is longer than [`Limits::body_bytes`](crate::Limits::body_bytes).
    #[error("the body is larger than this server takes")]
    TooLarge,
    /// The body did not arrive in time.
    #[error("the body did not arrive in time; try again")]
    TooSlow,
    /// All requests together take too much memory.
    #[error("the server is overloaded; try again")]
    Overloaded,
    /// The body broke off; nobody is there to read an answer.
    #[error("the body broke off")]
    BrokenOff,
    /// A trusted proxy does not say who sent the request, or not in a form that can be understood.
    #[error("the proxy in front of this server does not say who sent the request")]
    Unattributed,
    /// The handler panicked.
    #[error("internal error")]
    Panicked,
}

impl Refusal {
    /// One word for metrics and the log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "large",
            Self::TooSlow => "slow",
            Self::Overloaded => "overload",
            Self::BrokenOff => "broken",
            Self::Unattributed => "proxy",
            Self::Panicked => "panic",
        }
    }

    /// The HTTP status for it.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::BrokenOff | Self::Unattributed => StatusCode::BAD_REQUEST,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer in plain text, for a protocol without words of its own.
    pub fn plain(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(format!("{self}\n").into()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}
