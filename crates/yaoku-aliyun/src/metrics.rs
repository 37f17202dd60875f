//! What operators measure, in the OpenMetrics text format that Prometheus reads.
//!
//! Counting a request takes a few atomic additions: every series of the request metrics has its place from the beginning,
//! and shows once it has counted something. Labels are the names of actions and error codes that this server knows, so that
//! no request makes new ones.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use yaoku_http::ConnectionMetrics;

use crate::actions;
use crate::wire::Code;

/// All metrics of a server.
pub struct Metrics {
    registry: Registry,
    requests: Arc<Requests>,
    keys: Family<[(&'static str, &'static str); 1], Gauge>,
    scheduler_lag: Gauge<f64, AtomicU64>,
    nonce_reach: Gauge,
    audit_records: Gauge,
    audit_failing: Gauge,
    unproven: Counter,
    connections: ConnectionMetrics,
}

impl Metrics {
    /// Content type of [`Self::render`].
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Metrics that have counted nothing yet.
    pub fn new() -> Self {
        let known = actions::named().map(|(service, action)| Labels { service, action: action.name });
        let names = known.chain([Labels { service: UNKNOWN, action: UNKNOWN }]).collect();
        let requests = Arc::new(Requests::new(names));
        let (keys, scheduler_lag, nonce_reach) = (Family::default(), Gauge::default(), Gauge::default());
        let (audit_records, audit_failing) = (Gauge::default(), Gauge::default());
        let unproven = Counter::default();
        let connections = ConnectionMetrics::default();
        let mut registry = Registry::with_prefix("yaoku");
        registry.register("requests", "Requests by API, action and outcome", Outcomes(requests.clone()));
        registry.register(
            "request_duration_seconds",
            "Time from the complete request to the complete response",
            Durations(requests.clone()),
        );
        registry.register("keys", "Keys by state", keys.clone());
        registry.register(
            "scheduler_lag_seconds",
            "How long the most overdue rotation or deletion has been due",
            scheduler_lag.clone(),
        );
        registry.register(
            "nonce_reach_seconds",
            "How far a client's clock may be behind; less than 900 means that --nonce-capacity is too small for the load",
            nonce_reach.clone(),
        );
        registry.register(
            "audit_records",
            "Records written to the audit log since it was created",
            audit_records.clone(),
        );
        registry.register(
            "audit_failing",
            "1 while the audit log can't be written and calls are refused",
            audit_failing.clone(),
        );
        registry.register(
            "unproven_calls_held",
            "Unauthenticated calls beyond the limit of their address, answered Throttling",
            unproven.clone(),
        );
        connections.register(&mut registry);
        registry.register(
            "build",
            "The version of yaoku",
            prometheus_client::metrics::info::Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self {
            registry,
            requests,
            keys,
            scheduler_lag,
            nonce_reach,
            audit_records,
            audit_failing,
            unproven,
            connections,
        }
    }

    /// Counts a request. `action` is its position in [`actions::all`], none for one that is not known.
    pub fn request(&self, action: Option<usize>, outcome: Result<(), Code>, took: Duration) {
        self.requests.count(action, outcome, took);
    }

    /// Sets how many keys are in a state.
    pub fn keys(&self, state: &'static str, count: u64) {
        self.keys.get_or_create(&[("state", state)]).set(signed(count));
    }

    /// Sets the milliseconds since the longest overdue work fell due.
    pub fn scheduler_lag(&self, millis: u64) {
        self.scheduler_lag.set(Duration::from_millis(millis).as_secs_f64());
    }

    /// Sets the seconds that a client's clock may be behind, as the nonce table has it.
    pub fn nonces(&self, reach: u64) {
        self.nonce_reach.set(signed(reach));
    }

    /// Sets how many records the audit log has, and whether it can't be written.
    pub fn audit(&self, records: u64, failing: bool) {
        self.audit_records.set(signed(records));
        self.audit_failing.set(failing.into());
    }

    /// Counts a call that proved nobody, beyond what its address may make of them.
    pub(crate) fn held(&self) {
        self.unproven.inc();
    }

    /// What servers of connections count in.
    pub fn connections(&self) -> ConnectionMetrics {
        self.connections.clone()
    }

    /// All metrics as text.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // A string takes everything, so this does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The label of requests whose action is not known.
const UNKNOWN: &str = "unknown";

/// How series name an action: two APIs may call one alike.
#[derive(Debug, Clone, Copy)]
struct Labels {
    service: &'static str,
    action: &'static str,
}

/// Counts and durations of requests, one place for each series.
#[derive(Debug)]
struct Requests {
    /// Names of actions, the last one [`UNKNOWN`].
    names: Vec<Labels>,
    /// For each action: success, then each of [`Code::ALL`].
    outcomes: Vec<AtomicU64>,
    durations: Vec<Histogram>,
}

/// Outcomes of an action.
const OUTCOMES: usize = 1 + Code::ALL.len();

impl Requests {
    fn new(names: Vec<Labels>) -> Self {
        let outcomes = (0..names.len() * OUTCOMES).map(|_| AtomicU64::new(0)).collect();
        let durations = names.iter().map(|_| Histogram::default()).collect();
        Self { names, outcomes, durations }
    }

    fn count(&self, action: Option<usize>, outcome: Result<(), Code>, took: Duration) {
        let unknown = self.names.len() - 1;
        let action = action.unwrap_or(unknown).min(unknown);
        // The codes are numbered as Code::ALL lists them.
        let outcome = outcome.err().map_or(0, |code| 1 + code as usize);
        self.outcomes[action * OUTCOMES + outcome].fetch_add(1, Ordering::Relaxed);
        self.durations[action].observe(took);
    }
}

/// The metric `yaoku_requests_total`.
#[derive(Debug)]
struct Outcomes(Arc<Requests>);

impl EncodeMetric for Outcomes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let texts = || std::iter::once("ok").chain(Code::ALL.iter().map(|code| code.as_str()));
        let labels = self.0.names.iter().flat_map(|name| texts().map(move |outcome| (*name, outcome)));
        for ((Labels { service, action }, outcome), count) in labels.zip(&self.0.outcomes) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let labels = [("service", service), ("action", action), ("outcome", outcome)];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// The metric `yaoku_request_duration_seconds`.
#[derive(Debug)]
struct Durations(Arc<Requests>);

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (Labels { service, action }, histogram) in self.0.names.iter().zip(&self.0.durations) {
            let counts = histogram.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
            let count = counts.iter().sum();
            if count > 0 {
                let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
                let buckets: Vec<_> = bounds.zip(counts).collect();
                let sum = Duration::from_nanos(histogram.nanos.load(Ordering::Relaxed)).as_secs_f64();
                let labels = [("service", *service), ("action", *action)];
                encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Upper bounds of the buckets, in microseconds: from a warm Encrypt to a disk that hangs.
const BOUNDS: [u64; 16] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// A histogram that many threads write at once without waiting for each other, as the library's own does not.
#[derive(Debug, Default)]
struct Histogram {
    /// One for each bound, and one beyond.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| bound * 1000 < nanos);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_under_their_action_and_outcome() {
        let metrics = Metrics::new();
        let encrypt = actions::all().position(|action| action.name == "Encrypt");
        metrics.request(encrypt, Ok(()), Duration::from_micros(30));
        metrics.request(encrypt, Ok(()), Duration::from_secs(60));
        metrics.request(encrypt, Err(Code::RejectedDisabled), Duration::from_micros(25));
        metrics.request(None, Err(Code::InvalidActionNotFound), Duration::ZERO);
        metrics.request(Some(usize::MAX), Err(Code::InvalidActionNotFound), Duration::ZERO);
        let text = metrics.render();
        for line in [
            "yaoku_requests_total{service=\"Kms\",action=\"Encrypt\",outcome=\"ok\"} 2",
            "yaoku_requests_total{service=\"Kms\",action=\"Encrypt\",outcome=\"Rejected.Disabled\"} 1",
            "yaoku_requests_total{service=\"unknown\",action=\"unknown\",outcome=\"InvalidAction.NotFound\"} 2",
            "yaoku_request_duration_seconds_count{service=\"Kms\",action=\"Encrypt\"} 3",
            "yaoku_request_duration_seconds_bucket{le=\"0.000025\",service=\"Kms\",action=\"Encrypt\"} 1",
            "yaoku_request_duration_seconds_bucket{le=\"0.00005\",service=\"Kms\",action=\"Encrypt\"} 2",
            "yaoku_request_duration_seconds_bucket{le=\"30.0\",service=\"Kms\",action=\"Encrypt\"} 2",
            "yaoku_request_duration_seconds_bucket{le=\"+Inf\",service=\"Kms\",action=\"Encrypt\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
        assert!(!text.contains("action=\"Decrypt\""), "what has counted nothing does not show");
    }

    #[test]
    fn gauges_show_what_was_set_last() {
        let metrics = Metrics::new();
        metrics.keys("Enabled", 7);
        metrics.scheduler_lag(1500);
        metrics.nonces(900);
        let text = metrics.render();
        for line in [
            "yaoku_keys{state=\"Enabled\"} 7",
            "yaoku_scheduler_lag_seconds 1.5",
            "yaoku_nonce_reach_seconds 900",
            "yaoku_connections 0",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
    }
}
