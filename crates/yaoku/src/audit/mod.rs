//! The audit log: kept by the server, and read by `yaoku audit`.

mod check;
mod running_log;
mod show;
mod witness;

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

pub(crate) use running_log::{Continuity, RunningLog};
pub use witness::{Place as WitnessPlace, Witness};

use self::show::{Filter, Format};
use crate::Error;

/// Directory of the log, in the data directory.
const DIR: &str = "audit";

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify the log, or a copy of it, offline; needs no server and no secret
    Verify {
        #[command(flatten)]
        place: Place,
        /// File with the log's public key, kept elsewhere [default: the one beside the log]
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
        /// File with an older checkpoint, kept elsewhere, that the log must extend; repeatable
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// Print the newest signed checkpoint; keep it elsewhere
    Checkpoint {
        #[command(flatten)]
        place: Place,
    },
    /// Print a proof that the newest checkpoint extends an older one: a few lines, however long the log is
    Prove {
        #[command(flatten)]
        place: Place,
        /// File with the older checkpoint
        #[arg(long, value_name = "FILE")]
        checkpoint: PathBuf,
    },
    /// Verify such a proof without the log, and print the newer checkpoint
    VerifyProof {
        /// File with the public key of the log
        #[arg(long, value_name = "FILE")]
        public_key: PathBuf,
        /// File with the older checkpoint
        #[arg(long, value_name = "FILE")]
        checkpoint: PathBuf,
        /// File with the proof
        proof: PathBuf,
    },
    /// Print the public key of the log; keep it elsewhere
    PublicKey {
        #[command(flatten)]
        place: Place,
    },
    /// Print the newest records, one JSON object per line
    Tail {
        #[command(flatten)]
        place: Place,
        /// Number of records
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: usize,
        /// Continue with new records as they are written, until stopped
        #[arg(long, short = 'f')]
        follow: bool,
    },
    /// Print the records that match, oldest first
    Query {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print all records, oldest first
    Export {
        #[command(flatten)]
        place: Place,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// Where the log is.
#[derive(Args)]
pub(crate) struct Place {
    /// Data directory, which holds everything that yaoku stores [default: ./yaoku-data]
    #[arg(long, env = "YAOKU_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Directory of the log itself, such as a copy [default: DIR/audit]
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
}

impl Place {
    fn dir(&self) -> PathBuf {
        let data_dir = self.data_dir.clone().unwrap_or_else(|| "yaoku-data".into());
        self.log.clone().unwrap_or_else(|| data_dir.join(DIR))
    }
}

impl AuditCommand {
    pub(crate) fn run(self) -> Result<(), Error> {
        match self {
            Self::Verify { place, public_key, checkpoint } => check::verify(&place.dir(), public_key, &checkpoint),
            Self::Checkpoint { place } => check::print_checkpoint(&place.dir()),
            Self::Prove { place, checkpoint } => check::prove(&place.dir(), &checkpoint),
            Self::VerifyProof { public_key, checkpoint, proof } => {
                check::verify_proof(&public_key, &checkpoint, &proof)
            }
            Self::PublicKey { place } => check::print_public_key(&place.dir()),
            Self::Tail { place, lines, follow } => show::tail(&place.dir(), lines, follow),
            Self::Query { place, filter, format } => show::query(&place.dir(), &filter, format),
            Self::Export { place, format } => show::query(&place.dir(), &Filter::default(), format),
        }
    }
}

fn no_log(dir: &Path) -> Error {
    Error::Options(format!("there is no audit log in {}; set --data-dir or --log", dir.display()))
}

fn print(line: &[u8]) -> Result<(), Error> {
    let mut out = stdout().lock();
    out.write_all(line).and_then(|()| out.write_all(b"\n")).map_err(Error::file("standard output"))
}
