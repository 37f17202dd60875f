//! What is printed: a table in Markdown, with what is needed to repeat it.

use hdrhistogram::Histogram;

use crate::load::Measured;

/// All rounds of one subject.
pub(crate) struct Row {
    name: String,
    pub(crate) closed: Vec<Measured>,
    pub(crate) open: Vec<Measured>,
}

impl Row {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), closed: Vec::new(), open: Vec::new() }
    }

    fn rate(&self) -> f64 {
        median(self.closed.iter().map(Measured::rate))
    }
}

#[expect(clippy::print_stderr, reason = "progress of a command that takes its time")]
pub(crate) fn progress(what: &str) {
    eprintln!("{what}");
}

/// The first row is the floor.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn print(rows: &[Row], connections: usize) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{connections} connections, HTTP/1.1 in the clear, client and server on the same {cores} cores; medians of rounds."
    );
    println!();
    println!("| | requests/s | of the floor | p50 µs | p99 µs | server CPU µs | client CPU µs |");
    println!("|---|---|---|---|---|---|---|");
    let floor = rows.first().map_or(f64::NAN, Row::rate);
    for row in rows {
        let (latency, requests) = merged(&row.closed);
        let cpu = |of: fn(&Measured) -> std::time::Duration| {
            row.closed.iter().map(|measured| of(measured).as_secs_f64() * 1e6).sum::<f64>() / requests
        };
        println!(
            "| {} | {:.0} | {:.0} % | {:.0} | {:.0} | {:.1} | {:.1} |",
            row.name,
            row.rate(),
            100.0 * row.rate() / floor,
            micros(&latency, 0.5),
            micros(&latency, 0.99),
            cpu(|measured| measured.server_cpu),
            cpu(|measured| measured.own_cpu),
        );
    }
    println!();
    println!("| open loop | requests/s | p50 µs | p99 µs | p99.9 µs |");
    println!("|---|---|---|---|---|");
    for row in rows.iter().filter(|row| !row.open.is_empty()) {
        let (latency, _) = merged(&row.open);
        let rate = median(row.open.iter().map(Measured::rate));
        let [half, most, nearly_all] = [0.5, 0.99, 0.999].map(|part| micros(&latency, part));
        println!("| {} | {rate:.0} | {half:.0} | {most:.0} | {nearly_all:.0} |", row.name);
    }
}

/// The latencies of all rounds together, and how many requests there were.
fn merged(rounds: &[Measured]) -> (Option<Histogram<u64>>, f64) {
    let mut all = rounds.first().map(|first| Histogram::new_from(&first.latency));
    for round in rounds {
        // Histograms that resize themselves take all values.
        let _ = all.as_mut().map(|all| all.add(&round.latency));
    }
    let requests = all.as_ref().map_or(f64::NAN, |all| all.len() as f64);
    (all, requests)
}

fn micros(latency: &Option<Histogram<u64>>, part: f64) -> f64 {
    latency.as_ref().map_or(f64::NAN, |latency| latency.value_at_quantile(part) as f64 / 1000.0)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
