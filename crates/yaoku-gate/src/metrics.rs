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

/// All metrics of a server.
pub struct Metrics {
    registry: Registry,
    requests: Arc<Requests>,
    keys: Family<[(&'static str, &'static str); 1], Gauge>,
    scheduler_lag: Gauge<f64, AtomicU64>,
    nonce_reach: Gauge,
    audit_records: Gauge,
    audit_failing: Gauge,
    unauthenticated: Counter,
}

/// A protocol as its calls are counted: one series for each of its actions and each outcome.
#[derive(Debug, Clone)]
pub struct CountedProtocol {
    /// Its name.
    pub name: &'static str,
    /// Its actions, each with the service that it belongs to: calls name one by its position.
    pub actions: Vec<(&'static str, &'static str)>,
    /// Its error codes: outcomes name one by its position.
    pub codes: Vec<&'static str>,
}

/// What a call came to, as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The action's position in [`CountedProtocol::actions`]; none for one that is not known.
    pub action: Option<usize>,
    /// The code's position in [`CountedProtocol::codes`]; none for success.
    pub code: Option<usize>,
}

impl Metrics {
    /// Content type of [`Self::render`].
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Metrics that have counted nothing yet, of calls by these protocols and of whatever `register` adds.
    pub fn new(protocols: &[CountedProtocol], register: impl FnOnce(&mut Registry)) -> Self {
        let requests = Arc::new(Requests::new(protocols));
        let (keys, scheduler_lag, nonce_reach) = (Family::default(), Gauge::default(), Gauge::default());
        let (audit_records, audit_failing) = (Gauge::default(), Gauge::default());
        let unauthenticated = Counter::default();
        let mut registry = Registry::with_prefix("yaoku");
        registry.register("requests", "Requests by protocol, service, action and outcome", Outcomes(requests.clone()));
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
            "unauthenticated_calls_limited",
            "Unauthenticated calls beyond the bound of their addresses, answered Throttling",
            unauthenticated.clone(),
        );
        register(&mut registry);
        registry.register(
            "build",
            "The version of yaoku",
            prometheus_client::metrics::info::Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self { registry, requests, keys, scheduler_lag, nonce_reach, audit_records, audit_failing, unauthenticated }
    }

    /// Counts a call of a protocol, which must be one of those that this was made with.
    pub(crate) fn call(&self, protocol: &str, counted: Counted, took: Duration) {
        self.requests.count(protocol, counted, took);
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

    /// Counts an unauthenticated call beyond the bound of its address.
    pub(crate) fn held(&self) {
        self.unauthenticated.inc();
    }

    /// All metrics as text.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // A string takes everything, so this does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

/// The label of requests whose action is not known.
const UNKNOWN: &str = "unknown";

/// Counts and durations of requests, one place for each series.
#[derive(Debug)]
struct Requests {
    protocols: Vec<Protocol>,
}

#[derive(Debug)]
struct Protocol {
    name: &'static str,
    /// Services and actions, the last one [`UNKNOWN`].
    actions: Vec<(&'static str, &'static str)>,
    codes: Vec<&'static str>,
    /// For each action: success, then each code.
    outcomes: Vec<AtomicU64>,
    durations: Vec<Histogram>,
}

impl Requests {
    fn new(protocols: &[CountedProtocol]) -> Self {
        let protocols = protocols.iter().map(|CountedProtocol { name, actions, codes }| {
            let actions: Vec<_> = actions.iter().copied().chain([(UNKNOWN, UNKNOWN)]).collect();
            let outcomes = (0..actions.len() * (1 + codes.len())).map(|_| AtomicU64::new(0)).collect();
            let durations = actions.iter().map(|_| Histogram::default()).collect();
            Protocol { name, actions, codes: codes.clone(), outcomes, durations }
        });
        Self { protocols: protocols.collect() }
    }

    fn count(&self, protocol: &str, counted: Counted, took: Duration) {
        let Some(protocol) = self.protocols.iter().find(|known| known.name == protocol) else { return };
        let unknown = protocol.actions.len() - 1;
        let action = counted.action.unwrap_or(unknown).min(unknown);
        let outcome = counted.code.map_or(0, |code| 1 + code.min(protocol.codes.len().saturating_sub(1)));
        protocol.outcomes[action * (1 + protocol.codes.len()) + outcome].fetch_add(1, Ordering::Relaxed);
        protocol.durations[action].observe(took);
    }
}

/// The metric `yaoku_requests_total`.
#[derive(Debug)]
struct Outcomes(Arc<Requests>);

impl EncodeMetric for Outcomes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for Protocol { name, actions, codes, outcomes, .. } in &self.0.protocols {
            let texts = || std::iter::once("ok").chain(codes.iter().copied());
            let labels = actions.iter().flat_map(|action| texts().map(move |outcome| (*action, outcome)));
            for (((service, action), outcome), count) in labels.zip(outcomes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("protocol", *name), ("service", service), ("action", action), ("outcome", outcome)];
                    encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
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
        let protocols = self.0.protocols.iter();
        let series = protocols.flat_map(|of| of.actions.iter().zip(&of.durations).map(|series| (of.name, series)));
        for (protocol, ((service, action), histogram)) in series {
            let counts = histogram.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
            let count = counts.iter().sum();
            if count > 0 {
                let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
                let buckets: Vec<_> = bounds.zip(counts).collect();
                let sum = Duration::from_nanos(histogram.nanos.load(Ordering::Relaxed)).as_secs_f64();
                let labels = [("protocol", protocol), ("service", *service), ("action", *action)];
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

    fn metrics() -> Metrics {
        let aliyun = CountedProtocol {
            name: "aliyun",
            actions: vec![("Kms", "Encrypt"), ("Kms", "Decrypt")],
            codes: vec!["Rejected.Disabled", "InvalidAction.NotFound"],
        };
        Metrics::new(&[aliyun], |_| {})
    }

    #[test]
    fn requests_count_under_their_action_and_outcome() {
        let metrics = metrics();
        let count = |action, code, took| metrics.call("aliyun", Counted { action, code }, took);
        count(Some(0), None, Duration::from_micros(30));
        count(Some(0), None, Duration::from_secs(60));
        count(Some(0), Some(0), Duration::from_micros(25));
        count(None, Some(1), Duration::ZERO);
        count(Some(usize::MAX), Some(usize::MAX), Duration::ZERO);
        metrics.call("another", Counted { action: None, code: None }, Duration::ZERO);
        let text = metrics.render();
        for line in [
            "yaoku_requests_total{protocol=\"aliyun\",service=\"Kms\",action=\"Encrypt\",outcome=\"ok\"} 2",
            "yaoku_requests_total{protocol=\"aliyun\",service=\"Kms\",action=\"Encrypt\",outcome=\"Rejected.Disabled\"} 1",
            "yaoku_requests_total{protocol=\"aliyun\",service=\"unknown\",action=\"unknown\",outcome=\"InvalidAction.NotFound\"} 2",
            "yaoku_request_duration_seconds_count{protocol=\"aliyun\",service=\"Kms\",action=\"Encrypt\"} 3",
            "yaoku_request_duration_seconds_bucket{le=\"0.000025\",protocol=\"aliyun\",service=\"Kms\",action=\"Encrypt\"} 1",
            "yaoku_request_duration_seconds_bucket{le=\"30.0\",protocol=\"aliyun\",service=\"Kms\",action=\"Encrypt\"} 2",
            "yaoku_request_duration_seconds_bucket{le=\"+Inf\",protocol=\"aliyun\",service=\"Kms\",action=\"Encrypt\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
        assert!(!text.contains("action=\"Decrypt\""), "what has counted nothing does not show");
    }

    #[test]
    fn gauges_show_what_was_set_last() {
        let metrics = metrics();
        metrics.keys("Enabled", 7);
        metrics.scheduler_lag(1500);
        metrics.nonces(900);
        let text = metrics.render();
        for line in
            ["yaoku_keys{state=\"Enabled\"} 7", "yaoku_scheduler_lag_seconds 1.5", "yaoku_nonce_reach_seconds 900"]
        {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
    }
}
