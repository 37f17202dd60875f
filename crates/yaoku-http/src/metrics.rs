//! What servers of connections count.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counts of connections and of requests that no handler saw. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct ConnectionMetrics {
    open: Gauge,
    closed: Family<[(&'static str, &'static str); 1], Counter>,
    refused: Family<[(&'static str, &'static str); 1], Counter>,
}

impl ConnectionMetrics {
    /// Enters the series `connections`, `connections_closed` and `requests_refused` into a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.open.clone());
        registry.register(
            "connections_closed",
            "Connections closed because a client took too long (time), to make room for another (room), or because unfinished \
             requests, or answers that clients did not take, took too much memory (memory)",
            self.closed.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests that were too large, too slow or too many to be taken in, by reason",
            self.refused.clone(),
        );
    }

    /// Counts a connection for as long as the guard lives.
    pub(crate) fn open(&self) -> OpenConnection {
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    pub(crate) fn closed_for_time(&self, count: usize) {
        if count > 0 {
            self.closed.get_or_create(&[("reason", "time")]).inc_by(count as u64);
        }
    }

    pub(crate) fn closed_for_room(&self) {
        self.closed.get_or_create(&[("reason", "room")]).inc();
    }

    pub(crate) fn closed_for_memory(&self, count: usize) {
        if count > 0 {
            self.closed.get_or_create(&[("reason", "memory")]).inc_by(count as u64);
        }
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&[("reason", reason)]).inc();
    }
}

/// A connection that counts as open.
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_show_what_was_counted() {
        let (metrics, mut registry) = (ConnectionMetrics::default(), Registry::with_prefix("yaoku"));
        metrics.register(&mut registry);
        let render = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text
        };
        let open = metrics.open();
        metrics.closed_for_time(3);
        metrics.closed_for_room();
        metrics.refused("slow");
        let text = render();
        for line in [
            "yaoku_connections 1",
            "yaoku_connections_closed_total{reason=\"time\"} 3",
            "yaoku_connections_closed_total{reason=\"room\"} 1",
            "yaoku_requests_refused_total{reason=\"slow\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
        drop(open);
        assert!(render().contains("yaoku_connections 0\n"));
    }
}
