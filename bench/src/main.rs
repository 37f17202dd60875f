//! Measures yaoku against the *floor*: the same HTTP stack with the same settings, answering a constant of the same size
//! without looking at the request. What is left of the floor's rate is what yaoku itself costs. See `README.md` beside.

mod call;
mod floods;
mod instructions;
mod load;
mod machine;
mod plot;
mod primitives;
mod process;
mod report;
mod scale;
mod server;
mod soak;
mod suite;
mod transport;
mod zipf;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The floor has the allocator that yaoku has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What can go wrong ends the run.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures yaoku against the floor that its HTTP stack sets, in one run on one machine.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Requests a second, latencies and ratios
    Standard(Standard),
    /// Many keys against few
    Scale(Scale),
    /// Load with changes and restarts in it, for a long time
    Soak(Soak),
    /// What one caller's flood does to another's Encrypt
    Floods(Floods),
    /// Instructions of a request, against a baseline
    Instructions(Instructions),
    /// Measure the primitives beneath yaoku against `openssl speed`
    Primitives,
    /// Serve the floor, which the standard run does by itself
    #[command(hide = true)]
    Floor { certificate: Option<PathBuf>, key: Option<PathBuf> },
    /// Serve without looking at anything
    #[command(hide = true)]
    Null,
    /// Send requests to a server in the same process
    #[command(hide = true)]
    Replay(Replay),
}

/// The standard set.
#[derive(Args)]
pub(crate) struct Standard {
    /// The release binary of yaoku
    #[arg(long, default_value = "target/release/yaoku")]
    server: PathBuf,

    /// Directory for the servers' data, on the disk that is to be measured with the audit log
    #[arg(long, default_value = "target")]
    disk: PathBuf,

    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: usize,

    /// Seconds of each measurement, after one of warming up
    #[arg(long, default_value_t = 5)]
    seconds: u64,

    /// Rounds; each measures everything once, so that what else the machine does meets all alike
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Only rows whose name has this in it, and the floor
    #[arg(long)]
    only: Option<String>,

    /// Directory for table and plots
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// Many keys.
#[derive(Args)]
pub(crate) struct Scale {
    /// The release binary of yaoku
    #[arg(long, default_value = "target/release/yaoku")]
    server: PathBuf,

    /// Directory for the servers' data, on the disk that is to be measured; 1,000,000 keys take 2 GB there
    #[arg(long, default_value = "target")]
    disk: PathBuf,

    /// Keys
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,

    /// Connections
    #[arg(long, default_value_t = 16)]
    connections: usize,

    /// Seconds of each measurement, after one of warming up
    #[arg(long, default_value_t = 3)]
    seconds: u64,

    /// Rounds
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Directory for the table
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// A long run.
#[derive(Args)]
pub(crate) struct Soak {
    /// The release binary of yaoku
    #[arg(long, default_value = "target/release/yaoku")]
    server: PathBuf,

    /// Directory for the server's data
    #[arg(long, default_value = "target")]
    disk: PathBuf,

    /// Seconds of the run
    #[arg(long, default_value_t = 3600)]
    seconds: u64,

    /// Seconds between restarts, which are by SIGTERM and SIGKILL in turn
    #[arg(long, default_value_t = 60)]
    restart_every: u64,

    /// Connections of the load
    #[arg(long, default_value_t = 32)]
    connections: usize,

    /// Part of the highest rate, in percent
    #[arg(long, default_value_t = 70)]
    load: u64,

    /// Directory for the report
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// Floods.
#[derive(Args)]
pub(crate) struct Floods {
    /// The release binary of yaoku
    #[arg(long, default_value = "target/release/yaoku")]
    server: PathBuf,

    /// Directory for the server's data
    #[arg(long, default_value = "target")]
    disk: PathBuf,

    /// Connections of a flood
    #[arg(long, default_value_t = 64)]
    connections: usize,

    /// Requests of a flood a second, at the most
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,

    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,

    /// Rounds
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Only floods whose name has this in it
    #[arg(long)]
    only: Option<String>,

    /// The library of SoftHSM2
    #[arg(long, default_value = "/usr/lib/softhsm/libsofthsm2.so")]
    pkcs11_module: Option<PathBuf>,

    /// Directory for the table
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// Instruction counts.
#[derive(Args)]
pub(crate) struct Instructions {
    /// Counts that must not be exceeded by much
    #[arg(long, default_value = "bench/instructions.json")]
    baseline: PathBuf,

    /// Make what is counted the baseline
    #[arg(long)]
    update: bool,

    /// Keep callgrind's profiles in this directory
    #[arg(long)]
    profiles: Option<PathBuf>,
}

/// Requests to count.
#[derive(Args)]
pub(crate) struct Replay {
    subject: String,
    count: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut builder = match options.command {
        // Counts are the same from run to run with one thread only.
        Command::Replay(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = match options.command {
        Command::Standard(options) => runtime.block_on(suite::run(&options)),
        Command::Scale(options) => runtime.block_on(scale::run(&options)),
        Command::Soak(options) => runtime.block_on(soak::run(&options)),
        Command::Floods(options) => runtime.block_on(floods::run(&options)),
        Command::Instructions(options) => instructions::run(&options),
        Command::Primitives => primitives::run(),
        Command::Floor { certificate, key } => runtime.block_on(server::serve_floor(certificate.zip(key))),
        Command::Null => runtime.block_on(server::serve_null()),
        Command::Replay(options) => runtime.block_on(instructions::replay(&options)),
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
