//! Checks a log, or a copy of it, with nothing but the public key.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::merkle::{Frontier, Head, leaf_hash};
use crate::note::{Purpose, Verifier};
use crate::writer::RETENTION;
use crate::{Error, Frame, Segment, segments};

/// How often a log is read from its beginning when that is dropped meanwhile.
const ATTEMPTS: usize = 8;
/// Between two looks at an end that is being written.
const PAUSE: Duration = Duration::from_millis(10);

/// What a log that is whole holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Index of the first record that is there; those before it were dropped by retention.
    pub first: u64,
    /// The tree at its last checkpoint.
    pub head: Head,
}

/// How a log is checked.
pub struct Check<'a> {
    /// The public key that its checkpoints must be signed by.
    pub verifier: &'a Verifier,
    /// Checkpoints of earlier times that were kept elsewhere: the log must go on from each.
    pub known: &'a [Head],
    /// How long an end that is not signed yet is given to become so: a server may be writing it. Nothing, for a copy.
    pub patience: Duration,
}

/// Reads a log from front to back, in constant memory: each record hashes into the tree, each checkpoint is signed and says
/// what the tree is there, each segment goes on where the one before it ended, and nothing follows the last checkpoint.
/// A server may go on writing: what is checked is what was there when the last segment was begun with, up to a checkpoint that
/// covers it. `progress` is told bytes read in all.
///
/// # Errors
/// [`Error::Damaged`], [`Error::CutOff`] or [`Error::Inconsistent`] at the first thing that is wrong.
pub fn verify(dir: &Path, check: &Check<'_>, progress: &mut dyn FnMut(u64)) -> Result<Found, Error> {
    for _ in 0..ATTEMPTS {
        let first = segments(dir)?.first().map(|(first, _)| *first);
        match verify_once(dir, check, progress) {
            // Retention may drop a segment before it was its turn. Then the log begins later, and says so.
            Err(error @ Error::File { .. }) if error.is_not_found() => {
                if segments(dir)?.first().map(|(first, _)| *first) == first {
                    return Err(error);
                }
            }
            result => return result,
        }
    }
    Err(Error::Inconsistent("retention drops the log faster than it can be read; verify a copy".into()))
}

fn verify_once(dir: &Path, check: &Check<'_>, progress: &mut dyn FnMut(u64)) -> Result<Found, Error> {
    let files = segments(dir)?;
    // Read after the files were listed: it is written before they are dropped.
    let retained = retention(dir, check.verifier)?;
    let mut known = check.known.to_vec();
    known.extend(retained);
    known.sort_by_key(|head| head.size);
    let Some(((first, _), (newest, _))) = files.first().zip(files.last()) else {
        return Err(Error::Inconsistent(format!("there is no audit log in {}", dir.display())));
    };
    if *first > retained.map_or(0, |head| head.size) {
        let why = "earlier records are missing, and no signed note states that retention dropped them";
        return Err(Error::Inconsistent(format!("the log begins with record {first}; {why}")));
    }
    if let Some(head) = known.iter().find(|head| head.size < *first) {
        let why = "retention dropped the records up to it, so it can't be compared; use a later checkpoint";
        return Err(Error::Inconsistent(format!("the checkpoint of {} records is too old: {why}", head.size)));
    }
    let mut walk = Walk { verifier: check.verifier, tree: None, signed: None, known: known.into(), read: 0, progress };
    for (start, path) in &files {
        let end = if start == newest { EndOf::Log(check.patience) } else { EndOf::Segment };
        walk.segment(*start, path, end)?;
    }
    let Some(head) = walk.signed else {
        return Err(Error::Inconsistent("the log has no checkpoint".into()));
    };
    if let Some(later) = walk.known.front() {
        return Err(Error::Inconsistent(format!(
            "the log ends after {} records, but an earlier signed checkpoint has {}: its end was cut off",
            head.size, later.size
        )));
    }
    Ok(Found { first: *first, head })
}

/// What the note on retention says, if there is one.
fn retention(dir: &Path, verifier: &Verifier) -> Result<Option<Head>, Error> {
    let path = dir.join(RETENTION);
    match std::fs::read(&path) {
        Ok(note) => verifier.open(Purpose::Retention, &note).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::File { path, error }),
    }
}

/// Where the reading of a segment ends.
#[derive(Clone, Copy)]
enum EndOf {
    /// At its end.
    Segment,
    /// At a checkpoint that covers all that was there when the reading began, for which there is this much patience.
    Log(Duration),
}

struct Walk<'a> {
    verifier: &'a Verifier,
    tree: Option<Frontier>,
    signed: Option<Head>,
    known: VecDeque<Head>,
    read: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Walk<'_> {
    fn segment(&mut self, start: u64, path: &Path, end: EndOf) -> Result<(), Error> {
        let mut segment = Segment::open(path)?;
        if segment.start().size() != start {
            return Err(segment.damaged(0, start, "its name and its head differ"));
        }
        let mut tree = self.tree.take().unwrap_or_else(|| segment.start().clone());
        if tree != *segment.start() {
            let before = tree.size();
            let why = format!("it does not continue where the previous segment ends, after {before} records");
            return Err(segment.damaged(0, start, why));
        }
        self.check_known(&segment, &tree)?;
        let (enough, patience) = match end {
            EndOf::Segment => (u64::MAX, Duration::ZERO),
            EndOf::Log(patience) => (segment.length()?, patience),
        };
        let mut opening = true;
        let mut deadline = Instant::now() + patience;
        loop {
            let (at, before, known) = (segment.offset(), tree.clone(), self.known.clone());
            match self.group(&mut segment, &mut tree, opening) {
                Ok(true) if segment.offset() >= enough => break,
                Ok(true) => {
                    (opening, deadline) = (false, Instant::now() + patience);
                    self.read += segment.offset() - at;
                    (self.progress)(self.read);
                }
                Ok(false) if opening => {
                    return Err(segment.damaged(at, start, "the checkpoint that opens a segment is missing"));
                }
                Ok(false) => break,
                Err(error) if Instant::now() >= deadline => return Err(error),
                // A writer may be at it. It may also have cut off what it could not write, and write something else there.
                Err(Error::Damaged { .. } | Error::CutOff { .. }) => {
                    std::thread::sleep(PAUSE);
                    segment.go_to(at)?;
                    (tree, self.known) = (before, known);
                }
                Err(error) => return Err(error),
            }
        }
        self.tree = Some(tree);
        Ok(())
    }

    /// Reads records up to their checkpoint; false at the end of the file.
    fn group(&mut self, segment: &mut Segment, tree: &mut Frontier, opening: bool) -> Result<bool, Error> {
        let start = tree.size();
        loop {
            let at = segment.offset();
            match segment.next(tree.size())? {
                None if tree.size() == start => return Ok(false),
                None => {
                    let why = "no signed checkpoint follows: a write was interrupted here, or the end was damaged";
                    return Err(segment.damaged(at, tree.size(), why));
                }
                Some(Frame::Record(_)) if opening => {
                    return Err(segment.damaged(at, tree.size(), "the checkpoint that opens a segment is missing"));
                }
                Some(Frame::Record(record)) => {
                    tree.push(leaf_hash(&record));
                    self.check_known(segment, tree)?;
                }
                Some(Frame::Checkpoint(note)) => {
                    let head = self.verifier.open(Purpose::Checkpoint, &note);
                    let head = head.map_err(|error| segment.damaged(at, tree.size(), error.to_string()))?;
                    if head != tree.head() {
                        let why = "the checkpoint was signed for other records than those before it";
                        return Err(segment.damaged(at, tree.size(), why));
                    }
                    if !opening && tree.size() == start {
                        return Err(segment.damaged(at, tree.size(), "the checkpoint occurs twice"));
                    }
                    self.signed = Some(head);
                    return Ok(true);
                }
            }
        }
    }

    /// Compares the tree with the checkpoints known for its size.
    fn check_known(&mut self, segment: &Segment, tree: &Frontier) -> Result<(), Error> {
        while let Some(head) = self.known.front().filter(|head| head.size == tree.size()) {
            if head.root != tree.root() {
                let why =
                    format!("the first {} records differ from those for which the checkpoint was signed", head.size);
                return Err(segment.damaged(segment.offset(), tree.size(), why));
            }
            self.known.pop_front();
        }
        Ok(())
    }
}
