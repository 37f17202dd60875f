//! What is written of a run: a table in Markdown with what is needed to repeat it, and plots.

use std::fmt::Write as _;
use std::path::Path;

use hdrhistogram::Histogram;

use crate::load::Measured;
use crate::primitives::Primitive;
use crate::{Error, Standard, machine, plot};

/// All rounds of one subject.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) closed: Vec<Measured>,
    pub(crate) open: Vec<Measured>,
    /// What the call is made for, with microseconds of it alone.
    pub(crate) primitive: Option<Primitive>,
    pub(crate) primitive_micros: Vec<f64>,
}

impl Row {
    pub(crate) const fn new(id: &'static str, name: &'static str) -> Self {
        Self { id, name, closed: Vec::new(), open: Vec::new(), primitive: None, primitive_micros: Vec::new() }
    }

    pub(crate) fn rate(&self) -> f64 {
        median(self.closed.iter().map(Measured::rate))
    }

    /// Of one over the other, round by round.
    fn ratio(&self, other: &Self) -> f64 {
        median(self.closed.iter().zip(&other.closed).map(|(own, others)| own.rate() / others.rate()))
    }

    fn open_p99(&self) -> f64 {
        median(self.open.iter().map(|round| round.latency.value_at_quantile(0.99) as f64))
    }

    fn server_micros(&self) -> f64 {
        median(self.closed.iter().map(Measured::server_micros))
    }

    fn own_micros(&self) -> f64 {
        let own = |round: &Measured| round.own_cpu.as_secs_f64() * 1e6 / round.latency.len() as f64;
        median(self.closed.iter().map(own))
    }
}

#[expect(clippy::print_stderr, reason = "progress of a command that takes its time")]
pub(crate) fn progress(what: &str) {
    eprintln!("{what}");
}

/// A run that is over.
pub(crate) struct Run<'a> {
    options: &'a Standard,
    rows: Vec<Row>,
}

impl<'a> Run<'a> {
    pub(crate) const fn new(options: &'a Standard, rows: Vec<Row>) -> Self {
        Self { options, rows }
    }

    /// Prints the tables, and writes them and the plots into a directory.
    #[expect(clippy::print_stdout, reason = "the result of the command")]
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let text = self.text()?;
        println!("{text}");
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("standard.md"), text)?;
        let rates: Vec<_> = self.rows.iter().filter(|row| row.id != "null").map(|row| (row.name, row.rate())).collect();
        plot::bars(&directory.join("rates.svg"), "Requests a second, closed loop", &rates)?;
        let open = self.rows.iter().filter(|row| !row.open.is_empty());
        let lines: Vec<_> = open.filter_map(|row| Some((row.name, merged(&row.open)?))).collect();
        plot::latencies(
            &directory.join("latency.svg"),
            "Latency at half of Encrypt's highest rate, or of its own, open loop",
            &lines,
        )?;
        progress(&format!("written: {}", directory.display()));
        Ok(())
    }

    fn text(&self) -> Result<String, Error> {
        let Standard { connections, seconds, rounds, .. } = self.options;
        let mut out = String::from("# The standard set\n\n");
        let machine = machine::describe(&self.options.server)?;
        writeln!(out, "{machine}\n")?;
        writeln!(
            out,
            "To repeat: `make bench`, here with `--connections {connections} --seconds {seconds} --rounds {rounds}`. HTTP/1.1, \
             client and server on the same cores; medians of rounds. *of the floor*: the rate against the floor's in the same \
             round, in the clear or over TLS as the row is.\n"
        )?;
        out += "| closed loop | requests/s | of the floor | p50 µs | p99 µs | server CPU µs | client CPU µs |\n|---|---|---|---|---|---|---|\n";
        for row in self.rows.iter().filter(|row| !row.closed.is_empty()) {
            let latency = merged(&row.closed);
            let floor = if row.id.ends_with("tls") { "floor-tls" } else { "floor" };
            let of_floor = self.row(floor).map_or(f64::NAN, |floor| 100.0 * row.ratio(floor));
            writeln!(
                out,
                "| {} | {:.0} | {of_floor:.0} % | {:.0} | {:.0} | {:.1} | {:.1} |",
                row.name,
                row.rate(),
                micros(&latency, 0.5),
                micros(&latency, 0.99),
                row.server_micros(),
                row.own_micros(),
            )?;
        }
        out += "\n| open loop | requests/s | p50 µs | p99 µs | p99.9 µs |\n|---|---|---|---|---|\n";
        for row in self.rows.iter().filter(|row| !row.open.is_empty()) {
            let latency = merged(&row.open);
            let rate = median(row.open.iter().map(Measured::rate));
            let [half, most, nearly_all] = [0.5, 0.99, 0.999].map(|part| micros(&latency, part));
            writeln!(out, "| {} | {rate:.0} | {half:.0} | {most:.0} | {nearly_all:.0} |", row.name)?;
        }
        out += "\n| target | wanted | measured | |\n|---|---|---|---|\n";
        for Bar { what, wanted, measured, met } in self.bars() {
            writeln!(out, "| {what} | {wanted} | {measured} | {} |", if met { "met" } else { "**not met**" })?;
        }
        Ok(out)
    }

    fn row(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id && !row.closed.is_empty())
    }

    fn bars(&self) -> Vec<Bar> {
        let mut bars = Vec::new();
        let mut at_least = |what: &str, id, of, least: f64| {
            if let (Some(row), Some(of)) = (self.row(id), self.row(of)) {
                let ratio = row.ratio(of);
                bars.push(Bar {
                    what: what.to_owned(),
                    wanted: format!("≥ {:.0} %", 100.0 * least),
                    measured: format!("{:.0} %", 100.0 * ratio),
                    met: ratio >= least,
                });
            }
        };
        at_least("Encrypt, of the floor's rate", "encrypt", "floor", 0.6);
        at_least("Encrypt, audited, of the floor's rate", "audited", "floor", 0.45);
        at_least("Decrypt, of Encrypt's rate", "decrypt", "encrypt", 0.9);
        at_least("GenerateDataKey, of Encrypt's rate", "data-key", "encrypt", 0.9);
        at_least("Signature 1.0, of ACS3's rate", "v1", "encrypt", 0.9);
        if let (Some(floor), Some(encrypt)) = (self.row("floor"), self.row("encrypt")) {
            let times = encrypt.open_p99() / floor.open_p99();
            let measured = format!("{times:.1} ×");
            let what = "p99 of Encrypt at half of its highest rate, against the floor's at the same rate".to_owned();
            bars.push(Bar { what, wanted: "≤ 5 ×".to_owned(), measured, met: times <= 5.0 });
        }
        if let (Some(alone), Some(create)) = (self.row("create-alone"), self.row("create")) {
            let times = create.ratio(alone);
            let what = format!("CreateKey over {} connections, against one", self.options.connections);
            bars.push(Bar {
                what, wanted: "≥ 20 ×".to_owned(), measured: format!("{times:.1} ×"), met: times >= 20.0
            });
        }
        for row in self.rows.iter().filter(|row| row.primitive.is_some() && !row.closed.is_empty()) {
            let alone = median(row.primitive_micros.iter().copied());
            let part = alone / row.server_micros();
            let what = format!("{}: the primitive's part of the server's processor time", row.name);
            let measured = format!("{:.0} % ({alone:.1} of {:.1} µs)", 100.0 * part, row.server_micros());
            bars.push(Bar { what, wanted: "≥ 90 %".to_owned(), measured, met: part >= 0.9 });
        }
        if let Some(null) = self.row("null") {
            let encrypt = self.row("encrypt").map_or(f64::NAN, Row::server_micros);
            let what =
                "the client's processor time a request (null server), against Encrypt's on the server".to_owned();
            let measured = format!("{:.1} of {encrypt:.1} µs", null.own_micros());
            bars.push(Bar { what, wanted: "less".to_owned(), measured, met: null.own_micros() < encrypt });
        }
        bars
    }
}

/// What must be true, and whether it is.
struct Bar {
    what: String,
    wanted: String,
    measured: String,
    met: bool,
}

/// The latencies of all rounds together.
fn merged(rounds: &[Measured]) -> Option<Histogram<u64>> {
    let mut all = rounds.first().map(|first| Histogram::new_from(&first.latency));
    for round in rounds {
        // Histograms that resize themselves take all values.
        let _ = all.as_mut().map(|all| all.add(&round.latency));
    }
    all
}

fn micros(latency: &Option<Histogram<u64>>, part: f64) -> f64 {
    latency.as_ref().map_or(f64::NAN, |latency| latency.value_at_quantile(part) as f64 / 1000.0)
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}
