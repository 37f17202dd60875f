//! What operators measure, and the page that shows it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use bytes::Bytes;
use http::{Method as HttpMethod, Response, StatusCode, header};
use http_body_util::Full;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;
use yaoku_http::{Handler, Incoming};

use crate::grpc::Method;

/// The counters of a plugin.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<[(&'static str, &'static str); 2], Counter>,
    durations: Family<[(&'static str, &'static str); 1], Histogram>,
    usable: Gauge<i64, AtomicI64>,
    succeeded: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Counters that have counted nothing yet.
    pub fn new() -> Self {
        let requests = Family::default();
        // From 1 ms to 8 s.
        let histogram = || Histogram::new(std::iter::successors(Some(0.001), |bound| Some(bound * 2.0)).take(14));
        let durations = Family::new_with_constructor(histogram as fn() -> Histogram);
        let (usable, succeeded) = (Gauge::default(), Gauge::default());
        let mut registry = Registry::with_prefix("yaoku_kubernetes");
        registry.register("requests", "Requests of the API server by method and gRPC code", requests.clone());
        registry.register("request_duration_seconds", "Time that requests took, by method", durations.clone());
        registry.register("key_usable", "Whether the last Status found the key usable (1) or not (0)", usable.clone());
        registry.register(
            "last_success_timestamp_seconds",
            "When a Status last found the key usable, in seconds since 1970; 0 if none has",
            succeeded.clone(),
        );
        Self { registry: Arc::new(registry), requests, durations, usable, succeeded }
    }

    pub(crate) fn count(&self, method: Method, code: Code, took: Duration) {
        self.requests.get_or_create(&[("method", method.name()), ("code", name(code))]).inc();
        self.durations.get_or_create(&[("method", method.name())]).observe(took.as_secs_f64());
        if method == Method::Status {
            self.usable.set(i64::from(code == Code::Ok));
            if code == Code::Ok {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                self.succeeded.set(now.as_secs());
            }
        }
    }

    fn render(&self) -> Option<String> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry).ok()?;
        Some(page)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Codes as gRPC spells them.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Serves `/metrics`, and `/healthz`, which says that the process lives.
pub struct MetricsPage(pub Metrics);

impl Handler for MetricsPage {
    fn call(&self, request: &Incoming) -> impl Future<Output = Response<Full<Bytes>>> + Send {
        let is_read = matches!(request.parts.method, HttpMethod::GET | HttpMethod::HEAD);
        let response = match request.parts.uri.path() {
            "/metrics" if is_read => match self.0.render() {
                Some(page) => {
                    page_of(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", page)
                }
                None => page_of(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "the metrics can't be shown\n".into()),
            },
            "/healthz" if is_read => page_of(StatusCode::OK, PLAIN, "ok\n".into()),
            _ => page_of(StatusCode::NOT_FOUND, PLAIN, "this address has /metrics and /healthz\n".into()),
        };
        std::future::ready(response)
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn page_of(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}
