//! Answers: what every one has around its data.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use yaoku_crypto::wiping_buffer::WipingBuffer;
use yaoku_gate::RequestId;
use zeroize::Zeroizing;

use crate::failure::{Code, Failure};

/// What is answered to a call that was performed.
pub(crate) struct Reply {
    status: StatusCode,
    /// It may hold a plaintext: it is wiped when the last byte was sent.
    content: Zeroizing<Vec<u8>>,
}

/// Around the data of an answer, as clients expect it.
#[derive(Serialize)]
struct Envelope<'a, D, A, T> {
    request_id: RequestId,
    lease_id: &'static str,
    renewable: bool,
    lease_duration: u64,
    data: Option<&'a D>,
    wrap_info: Option<()>,
    warnings: Option<&'a [String]>,
    auth: Option<&'a A>,
    mount_type: &'static str,
    /// What some answers have at their top as well.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    top: Option<&'a T>,
}

/// In the place of what an answer lacks.
#[derive(Serialize)]
struct Nothing {}

impl Reply {
    /// Done, and nothing to tell.
    pub(crate) fn done() -> Self {
        Self { status: StatusCode::NO_CONTENT, content: Zeroizing::default() }
    }

    pub(crate) fn data<D: Serialize>(id: RequestId, data: &D) -> Result<Self, Failure> {
        Self::envelope::<D, Nothing, Nothing>(id, Some(data), None, None, None)
    }

    pub(crate) fn data_with_warnings<D: Serialize>(
        id: RequestId,
        data: &D,
        warnings: &[String],
    ) -> Result<Self, Failure> {
        let warnings = (!warnings.is_empty()).then_some(warnings);
        Self::envelope::<D, Nothing, Nothing>(id, Some(data), None, None, warnings)
    }

    /// With the data at the top as well, as some clients look for it.
    pub(crate) fn data_at_top<D: Serialize>(id: RequestId, data: &D) -> Result<Self, Failure> {
        Self::envelope::<D, Nothing, D>(id, Some(data), None, Some(data), None)
    }

    pub(crate) fn auth<A: Serialize>(id: RequestId, auth: &A) -> Result<Self, Failure> {
        Self::envelope::<Nothing, A, Nothing>(id, None, Some(auth), None, None)
    }

    fn envelope<D: Serialize, A: Serialize, T: Serialize>(
        request_id: RequestId,
        data: Option<&D>,
        auth: Option<&A>,
        top: Option<&T>,
        warnings: Option<&[String]>,
    ) -> Result<Self, Failure> {
        let content = json(&Envelope {
            request_id,
            lease_id: "",
            renewable: false,
            lease_duration: 0,
            data,
            wrap_info: None,
            warnings,
            auth,
            mount_type: "",
            top,
        });
        content.map(|content| Self { status: StatusCode::OK, content })
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        response(self.status, Bytes::from_owner(self.content))
    }
}

/// The answer of a call that failed.
pub(crate) fn failed(failure: &Failure) -> Response<Full<Bytes>> {
    #[derive(Serialize)]
    struct Content<'a> {
        errors: [&'a str; 1],
    }
    let content = json(&Content { errors: [&failure.message] }).unwrap_or_default();
    let mut response = response(failure.code.status(), Bytes::from_owner(content));
    if matches!(failure.code, Code::Unavailable | Code::Throttling) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Content in JSON, all of whose copies are wiped.
pub(crate) fn json<T: Serialize>(content: &T) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut out = WipingBuffer::with_capacity(1024);
    serde_json::to_writer(&mut out, content).map_err(|_| Failure::internal())?;
    Ok(out.into_bytes())
}

pub(crate) fn response(status: StatusCode, content: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
