//! What the protocol says of a request that did not arrive whole.

use yaoku_http::Refusal;

use super::{Code, WireError};

/// The error for a refusal. What another attempt may cure is never a 4xx, which SDKs do not try again.
pub fn error(refusal: Refusal) -> WireError {
    match refusal {
        Refusal::TooLarge => WireError::parse("its body is larger than this server accepts"),
        Refusal::TooSlow => {
            WireError::new(Code::ServiceUnavailableTemporary, "The request body did not arrive in time; try again.")
        }
        Refusal::Overloaded => WireError::unavailable(),
        Refusal::BrokenOff => WireError::parse("its body is incomplete"),
        Refusal::Unattributed => WireError::parse("the proxy in front of this server does not name the client"),
        Refusal::Panicked => WireError::internal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_attempt_may_cure_is_no_4xx() {
        for (refusal, code, status) in [
            (Refusal::TooLarge, Code::ParseRequestParameterException, 400),
            (Refusal::TooSlow, Code::ServiceUnavailableTemporary, 503),
            (Refusal::Overloaded, Code::ServiceUnavailableTemporary, 503),
            (Refusal::BrokenOff, Code::ParseRequestParameterException, 400),
            (Refusal::Unattributed, Code::ParseRequestParameterException, 400),
            (Refusal::Panicked, Code::InternalFailure, 500),
        ] {
            let error = error(refusal);
            assert_eq!((error.code, error.http_status()), (code, status), "{refusal:?}");
        }
    }
}
