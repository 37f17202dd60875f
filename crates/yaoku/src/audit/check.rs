//! What proves the log: verifying it, and what is kept elsewhere for that.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use yaoku_audit::Check;
use yaoku_audit::note::{Purpose, Verifier};
use yaoku_audit::{Frame, Segment};

use super::{no_log, print};
use crate::Error;

/// How long the end of a log is given to be signed, which a server may be writing.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn verify(dir: &Path, public_key: Option<PathBuf>, checkpoints: &[PathBuf]) -> Result<(), Error> {
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
    let mut sentence = format!("the audit log is intact: records {} to {}", found.first, found.head.size);
    sentence = sentence + " (exclusive), signed by " + verifier.to_string().split('+').next().unwrap_or_default();
    if beside {
        sentence += "; the public key was read from beside the log: whoever can replace both can forge the log, so keep a copy of the key elsewhere";
    }
    print(sentence.as_bytes())
}

/// Prints the last checkpoint of the newest segment.
pub(super) fn print_checkpoint(dir: &Path) -> Result<(), Error> {
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
    // Who keeps it will hold the log to it: it must not be lost here by a machine that dies.
    std::fs::File::open(&path).and_then(|file| file.sync_data()).map_err(Error::file(&path))?;
    print_as_is(&note)
}

fn print_as_is(text: &[u8]) -> Result<(), Error> {
    stdout().write_all(text).map_err(Error::file("standard output"))
}

/// Prints a proof that the newest checkpoint goes on from that in a file.
pub(super) fn prove(dir: &Path, checkpoint: &Path) -> Result<(), Error> {
    let verifier = Verifier::parse(&read(&public_key_file(dir))?)?;
    let old = verifier.open(Purpose::Checkpoint, read(checkpoint)?.as_bytes())?;
    print_as_is(yaoku_audit::prove(dir, &verifier, &old)?.as_bytes())
}

/// Checks a proof, and prints the checkpoint that it is for.
pub(super) fn verify_proof(public_key: &Path, checkpoint: &Path, proof: &Path) -> Result<(), Error> {
    let verifier = Verifier::parse(&read(public_key)?)?;
    let old = verifier.open(Purpose::Checkpoint, read(checkpoint)?.as_bytes())?;
    let proof = read(proof)?;
    yaoku_audit::check_proof(proof.as_bytes(), &verifier, &old)?;
    let (_, note) = proof.split_once("\n\n").unwrap_or_default();
    print_as_is(note.as_bytes())
}

/// Prints the public key beside the log.
pub(super) fn print_public_key(dir: &Path) -> Result<(), Error> {
    print(read(&public_key_file(dir))?.trim_end().as_bytes())
}

fn public_key_file(dir: &Path) -> PathBuf {
    dir.join("public-key")
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::file(path))
}
