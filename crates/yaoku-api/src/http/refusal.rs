//! What is answered to a request that no handler sees.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use yaoku_crypto::{Random, SystemRandom};

use crate::wire::{Code, Format, RequestId, WireError, response};

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
            Self::Panicked => "panic",
        }
    }

    /// The answer in the protocol's shape. What another attempt may cure is never a 4xx, which SDKs do not try again.
    pub(super) fn response(self, format: Format, host: &str, peer: SocketAddr) -> Response<Full<Bytes>> {
        let (status, error) = match self {
            Self::TooLarge => {
                let error =
                    WireError::new(Code::InvalidParameter, "The request's body is larger than this server takes.");
                (StatusCode::PAYLOAD_TOO_LARGE, error)
            }
            Self::TooSlow => (StatusCode::SERVICE_UNAVAILABLE, slow()),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, WireError::unavailable()),
            Self::BrokenOff => (StatusCode::BAD_REQUEST, WireError::parse("its body broke off")),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, WireError::internal()),
        };
        let mut bytes = [0; 16];
        // Without randomness the id is zeros: nothing depends on its being unique.
        let _ = SystemRandom.fill(&mut bytes);
        let request_id = RequestId::from_random(bytes);
        tracing::info!(%request_id, %peer, reason = self.reason(), "request refused");
        let mut response = Response::new(Full::new(response::error(format, &error, request_id, host).into()));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        response
    }
}

fn slow() -> WireError {
    WireError::new(Code::ServiceUnavailableTemporary, "The request's body did not arrive in time; try again.")
}
