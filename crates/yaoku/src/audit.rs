//! The audit log: kept by the server, and read by `yaoku audit`.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;
use tokio::task::JoinHandle;
use yaoku_audit::note::{Purpose, Signer, Verifier};
use yaoku_audit::{Check, Frame, Options, Segment, Trail};
use yaoku_seal::Vault;

use crate::Error;
use crate::datadir::DataDir;

/// Directory of the log, in the data directory.
const DIR: &str = "audit";
/// Between two checkpoints that the store remembers.
const REMEMBER: Duration = Duration::from_secs(10);
/// How long the end of a log is given to be signed, which a server may be writing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keeps the log of a running server.
pub(crate) struct Keeper {
    trail: Arc<Trail>,
    signer: Arc<Signer>,
    vault: Arc<Vault>,
    remembering: JoinHandle<()>,
}

impl Keeper {
    pub(crate) async fn open(data_dir: &DataDir, vault: Arc<Vault>, options: Options) -> Result<Self, Error> {
        let signer = Arc::new(yaoku_audit::load_signer(&vault).await?);
        let remembered = yaoku_audit::remembered(&vault, &signer).await?;
        let dir = data_dir.join(DIR);
        let opened = tokio::task::spawn_blocking({
            let signer = signer.clone();
            move || Trail::open(&dir, signer, remembered, options)
        });
        let trail = Arc::new(opened.await.map_err(|error| Error::Options(error.to_string()))??);
        data_dir.sync()?;
        if options.sync == yaoku_audit::Sync::Batched {
            tracing::warn!(
                "calls are answered up to 200 ms before their audit records are durable; a crash loses those"
            );
        }
        let remembering = tokio::spawn({
            let (trail, signer, vault) = (trail.clone(), signer.clone(), vault.clone());
            async move {
                let mut last = remembered;
                loop {
                    tokio::time::sleep(REMEMBER).await;
                    let head = trail.head();
                    if last != Some(head) && remember(&vault, &signer, &trail).await {
                        last = Some(head);
                    }
                }
            }
        });
        Ok(Self { trail, signer, vault, remembering })
    }

    pub(crate) fn trail(&self) -> Arc<Trail> {
        self.trail.clone()
    }

    /// Writes what waits, and remembers the end.
    pub(crate) async fn close(self) {
        self.remembering.abort();
        let _ = self.remembering.await;
        let closed = tokio::task::spawn_blocking({
            let trail = self.trail.clone();
            move || trail.close()
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "the audit log was not closed");
        }
        remember(&self.vault, &self.signer, &self.trail).await;
    }
}

async fn remember(vault: &Vault, signer: &Signer, trail: &Trail) -> bool {
    let done = yaoku_audit::remember(vault, signer, &trail.head()).await;
    if let Err(error) = &done {
        tracing::warn!(%error, "the store can't remember the end of the audit log");
    }
    done.is_ok()
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that the log, or a copy of it, is whole; needs no server and no secret
    Verify {
        #[command(flatten)]
        place: Place,
        /// File with the public key that signed the log, kept elsewhere [default: the one beside the log]
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
        /// File with an older checkpoint, kept elsewhere, that the log must go on from; may be given several times
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// Print the newest signed checkpoint, to be kept elsewhere
    Checkpoint {
        #[command(flatten)]
        place: Place,
    },
    /// Print the public key of the log, to be kept elsewhere
    PublicKey {
        #[command(flatten)]
        place: Place,
    },
    /// Print the newest records, one JSON object a line
    Tail {
        #[command(flatten)]
        place: Place,
        /// How many
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: usize,
    },
    /// Print the records that fit, oldest first, one JSON object a line
    Query {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
    },
    /// Print all records, one JSON object a line
    Export {
        #[command(flatten)]
        place: Place,
    },
}

/// Where the log is.
#[derive(Args)]
pub(crate) struct Place {
    /// Directory of everything that yaoku keeps [default: ./yaoku-data]
    #[arg(long, env = "YAOKU_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Directory of the log itself, such as a copy [default: DIR/audit]
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
}

/// What records must have; each that is given.
#[derive(Args)]
pub(crate) struct Filter {
    /// Not before this time, such as 2026-11-24T02:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Name of the action
    #[arg(long)]
    action: Option<String>,
    /// Id or alias of the key, as the call or its answer named it
    #[arg(long)]
    key: Option<String>,
    /// Id of the AccessKey
    #[arg(long, value_name = "ID")]
    access_key: Option<String>,
    /// Error code
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// Request id
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

impl Place {
    fn dir(&self) -> PathBuf {
        let data_dir = self.data_dir.clone().unwrap_or_else(|| "yaoku-data".into());
        self.log.clone().unwrap_or_else(|| data_dir.join(DIR))
    }
}

impl Filter {
    /// Refuses times that are none: they would be compared as texts.
    fn check(&self) -> Result<(), Error> {
        for time in [&self.from, &self.to].into_iter().flatten() {
            if yaoku_api::wire::time::parse_time(time).is_none() {
                return Err(Error::Options(format!("{time:?} is not a time such as 2026-11-24T02:00:00Z")));
            }
        }
        Ok(())
    }

    fn fits(&self, event: &Value) -> bool {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let is = |wanted: &Option<String>, pointer| wanted.as_deref().is_none_or(|wanted| wanted == text(pointer));
        // The format of times orders as text.
        let time = text("/eventTime");
        self.from.as_deref().is_none_or(|from| time >= from)
            && self.to.as_deref().is_none_or(|to| time < to)
            && is(&self.action, "/eventName")
            && is(&self.key, "/resourceName")
            && is(&self.access_key, "/userIdentity/accessKeyId")
            && is(&self.error, "/errorCode")
            && is(&self.request_id, "/requestId")
    }
}

impl AuditCommand {
    pub(crate) fn run(self) -> Result<(), Error> {
        match self {
            Self::Verify { place, public_key, checkpoint } => verify(&place.dir(), public_key, &checkpoint),
            Self::Checkpoint { place } => print_checkpoint(&place.dir()),
            Self::PublicKey { place } => print(read(&public_key_file(&place.dir()))?.trim_end().as_bytes()),
            Self::Tail { place, lines } => {
                let mut last = std::collections::VecDeque::new();
                read_records(&place.dir(), &mut |record| {
                    last.push_back(record);
                    if last.len() > lines {
                        last.pop_front();
                    }
                    Ok(())
                })?;
                last.iter().try_for_each(|record| print(record))
            }
            Self::Query { place, filter } => {
                filter.check()?;
                read_records(&place.dir(), &mut |record| {
                    let fits = serde_json::from_slice(&record).is_ok_and(|event| filter.fits(&event));
                    if fits { print(&record) } else { Ok(()) }
                })
            }
            Self::Export { place } => read_records(&place.dir(), &mut |record| print(&record)),
        }
    }
}

fn verify(dir: &Path, public_key: Option<PathBuf>, checkpoints: &[PathBuf]) -> Result<(), Error> {
    let beside = public_key.is_none();
    let verifier = Verifier::parse(&read(&public_key.unwrap_or_else(|| public_key_file(dir)))?)?;
    let mut known = Vec::new();
    for path in checkpoints {
        known.push(verifier.open(Purpose::Checkpoint, read(path)?.as_bytes())?);
    }
    let shown = stderr().is_terminal();
    let mut told = 0;
    let check = Check { verifier: &verifier, known: &known, patience: PATIENCE };
    let found = yaoku_audit::verify(dir, &check, &mut |bytes| {
        if shown && bytes >= told + (16 << 20) {
            told = bytes;
            // Progress that nobody sees harms nobody.
            let _ = write!(stderr(), "\rverified {} MiB", bytes >> 20);
        }
    });
    if told > 0 {
        let _ = writeln!(stderr());
    }
    let found = found?;
    let mut sentence = format!("the audit log is whole: records {} to {}", found.first, found.head.size);
    sentence = sentence + " (exclusive), signed by " + verifier.to_string().split('+').next().unwrap_or_default();
    if beside {
        sentence += "; the public key was read from beside the log: whoever can replace both can forge both, so keep one elsewhere";
    }
    print(sentence.as_bytes())
}

/// Prints the last checkpoint of the newest segment.
fn print_checkpoint(dir: &Path) -> Result<(), Error> {
    let (start, path) = yaoku_audit::segments(dir)?.pop().ok_or_else(|| no_log(dir))?;
    let mut segment = Segment::open(&path)?;
    let mut last = None;
    // A server may be writing the end.
    while let Ok(Some(frame)) = segment.next(start) {
        if let Frame::Checkpoint(note) = frame {
            last = Some(note);
        }
    }
    let note = last.ok_or_else(|| no_log(dir))?;
    stdout().write_all(&note).map_err(Error::file("standard output"))
}

fn no_log(dir: &Path) -> Error {
    Error::Options(format!("{} holds no audit log; name it with --data-dir or --log", dir.display()))
}

/// Reads every record, oldest first, up to an end that is being written.
fn read_records(dir: &Path, each: &mut dyn FnMut(Vec<u8>) -> Result<(), Error>) -> Result<(), Error> {
    let files = yaoku_audit::segments(dir)?;
    let newest = files.len().saturating_sub(1);
    for (at, (start, path)) in files.iter().enumerate() {
        let mut segment = Segment::open(path)?;
        let mut record = *start;
        loop {
            match segment.next(record) {
                Ok(Some(Frame::Record(content))) => {
                    record += 1;
                    each(content)?;
                }
                Ok(Some(Frame::Checkpoint(_))) => {}
                Ok(None) => break,
                Err(yaoku_audit::Error::CutOff { .. }) if at == newest => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn public_key_file(dir: &Path) -> PathBuf {
    dir.join("public-key")
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::file(path))
}

fn print(line: &[u8]) -> Result<(), Error> {
    let mut out = stdout().lock();
    out.write_all(line).and_then(|()| out.write_all(b"\n")).map_err(Error::file("standard output"))
}
