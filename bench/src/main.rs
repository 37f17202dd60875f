//! Measures yaoku against the *floor*: the same HTTP stack with the same settings, answering a constant of the same size
//! without looking at the request. What is left of the floor's rate is what yaoku itself costs. See `README.md` beside.

mod call;
mod load;
mod primitives;
mod report;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::call::{Action, Scheme};
use crate::load::{Measured, closed_loop, open_loop};
use crate::report::Row;
use crate::server::Server;

/// What can go wrong ends the run.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures yaoku against the floor that its HTTP stack sets, in one run on one machine.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,

    /// The release binary of yaoku
    #[arg(long, default_value = "target/release/yaoku")]
    server: PathBuf,

    /// Directory for the servers' data, on the disk that is to be measured with the audit log
    #[arg(long, default_value = "target")]
    disk: PathBuf,

    /// Connections of the closed loop
    #[arg(long, default_value_t = 64)]
    connections: usize,

    /// Seconds of each measurement, after one of warming up
    #[arg(long, default_value_t = 5)]
    seconds: u64,

    /// Rounds; each measures everything once, so that what else the machine does meets all alike
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the primitives beneath yaoku against `openssl speed`
    Primitives,
    /// Serve the floor, which the standard run does by itself
    #[command(hide = true)]
    Floor,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = match options.command {
        Some(Command::Floor) => runtime.block_on(server::serve_floor()),
        Some(Command::Primitives) => primitives::run(),
        None => runtime.block_on(run(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

#[expect(clippy::print_stderr, reason = "a command line's way to say why")]
fn failed(error: &Error) -> ExitCode {
    eprintln!("yaoku-bench: {error}");
    ExitCode::FAILURE
}

/// The standard set: everything in a closed loop, then latencies in an open loop at half of Encrypt's rate.
async fn run(options: &Options) -> Result<(), Error> {
    let floor = Server::floor().await?;
    let yaoku = Server::yaoku(&options.server, &options.disk, false).await?;
    let audited = Server::yaoku(&options.server, &options.disk, true).await?;
    let encrypt = yaoku.target(Scheme::Acs3, Action::Encrypt).await?;
    let mut subjects = vec![("floor", floor.asked_as(&encrypt)?), ("Encrypt, ACS3", encrypt)];
    for (name, scheme, action) in [
        ("Encrypt, 1.0 with HMAC-SHA1", Scheme::V1, Action::Encrypt),
        ("Decrypt, ACS3", Scheme::Acs3, Action::Decrypt),
        ("GenerateDataKey, ACS3", Scheme::Acs3, Action::GenerateDataKey),
    ] {
        subjects.push((name, yaoku.target(scheme, action).await?));
    }
    for (name, action) in [("Encrypt, audited", Action::Encrypt), ("Decrypt, audited", Action::Decrypt)] {
        subjects.push((name, audited.target(Scheme::Acs3, action).await?));
    }
    let mut rows: Vec<Row> = subjects.iter().map(|(name, _)| Row::new(name)).collect();
    let length = Duration::from_secs(options.seconds);
    for round in 1..=options.rounds {
        let progress = |what: String| report::progress(&format!("round {round} of {}: {what}", options.rounds));
        for ((name, target), row) in subjects.iter().zip(&mut rows) {
            progress((*name).to_owned());
            closed_loop(target, options.connections, Duration::from_secs(1)).await?;
            row.closed.push(closed_loop(target, options.connections, length).await?);
        }
        // Half of what Encrypt reaches, for the floor and for Encrypt.
        let rate = rows[1].closed.last().map_or(0.0, Measured::rate) / 2.0;
        for ((name, target), row) in subjects.iter().zip(&mut rows).take(2) {
            progress(format!("{name}, {rate:.0} requests a second"));
            row.open.push(open_loop(target, options.connections, rate, length).await?);
        }
    }
    report::print(&rows, options.connections);
    Ok(())
}
