//! What is answered to a request that no handler sees.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::wire::{Code, Format, REQUEST_ID, RequestId, WireError, response};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The body is longer than [`super::Limits::body_bytes`].
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// All requests together take too much memory.
    Overloaded,
    /// The body broke off; nobody is there to read an answer.
    BrokenOff,
    /// A trusted proxy says what can't be understood of who sent it.
    Unattributed,
    /// The handler panicked.
    Panicked,
}

impl Refusal {
    /// One word for metrics and the log.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "large",
            Self::TooSlow => "slow",
            Self::Overloaded => "overload",
            Self::BrokenOff => "broken",
            Self::Unattributed => "proxy",
            Self::Panicked => "panic",
        }
    }

    /// The error in the protocol's words. What another attempt may cure is never a 4xx, which SDKs do not try again.
    pub(super) fn error(self) -> WireError {
        match self {
            Self::TooLarge => WireError::parse("its body is larger than this server accepts"),
            Self::TooSlow => slow(),
            Self::Overloaded => WireError::unavailable(),
            Self::BrokenOff => WireError::parse("its body is incomplete"),
            Self::Unattributed => WireError::parse("the proxy in front of this server does not name the client"),
            Self::Panicked => WireError::internal(),
        }
    }
}

/// An error in the protocol's shape.
pub(super) fn response(format: Format, error: &WireError, request_id: RequestId, host: &str) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Full::new(response::error(format, error, request_id, host).into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response.headers_mut().insert(REQUEST_ID, request_id.header());
    response
}

fn slow() -> WireError {
    WireError::new(Code::ServiceUnavailableTemporary, "The request body did not arrive in time; try again.")
}
