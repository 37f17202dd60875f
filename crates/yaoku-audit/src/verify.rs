//! Checks a log, or a copy of it, with nothing but the public key.

use std::path::Path;

use crate::merkle::{Frontier, Head, leaf_hash};
use crate::note::{Purpose, Verifier};
use crate::trail::RETENTION;
use crate::{Error, Frame, Segment, segments};

/// What a log that is whole holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Index of the first record that is there; those before it were dropped by retention.
    pub first: u64,
    /// The tree at its last checkpoint.
    pub head: Head,
}

/// Reads a log from front to back, in constant memory: each record hashes into the tree, each checkpoint is signed and says
/// what the tree is there, each segment goes on where the one before it ended, and nothing follows the last checkpoint.
/// With `known`, checkpoints of earlier times that were kept elsewhere, the log must go on from each. `progress` is told bytes
/// read in all.
///
/// # Errors
/// [`Error::Damaged`] or [`Error::Inconsistent`] at the first thing that is wrong.
pub fn verify(dir: &Path, verifier: &Verifier, known: &[Head], progress: &mut dyn FnMut(u64)) -> Result<Found, Error> {
    let mut known = known.to_vec();
    let retained = retention(dir, verifier)?;
    known.extend(retained);
    known.sort_by_key(|head| head.size);
    let files = segments(dir)?;
    let Some((first, _)) = files.first().cloned() else {
        return Err(Error::Inconsistent(format!("{} holds no segment of an audit log", dir.display())));
    };
    if first > retained.map_or(0, |head| head.size) {
        let why = "the records before it are missing, and no signed note says that retention dropped them";
        return Err(Error::Inconsistent(format!("the log begins with record {first}; {why}")));
    }
    if let Some(head) = known.iter().find(|head| head.size < first) {
        let why = "the records up to there were dropped by retention, so it can't be compared; use a later checkpoint";
        return Err(Error::Inconsistent(format!("the checkpoint of {} records is too old: {why}", head.size)));
    }
    let mut walk = Walk { verifier, tree: None, signed: None, known: known.into(), read: 0, progress };
    for (start, path) in &files {
        walk.segment(*start, path)?;
    }
    let (Some(tree), Some(head)) = (walk.tree, walk.signed) else {
        return Err(Error::Inconsistent("the log has no checkpoint".into()));
    };
    if tree.size() != head.size {
        return Err(Error::Inconsistent("records follow the last checkpoint".into()));
    }
    if let Some(later) = walk.known.front() {
        return Err(Error::Inconsistent(format!(
            "the log ends after {} records, but a checkpoint that was signed before has {}: its end was cut off",
            head.size, later.size
        )));
    }
    Ok(Found { first, head })
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

struct Walk<'a> {
    verifier: &'a Verifier,
    tree: Option<Frontier>,
    signed: Option<Head>,
    known: std::collections::VecDeque<Head>,
    read: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Walk<'_> {
    fn segment(&mut self, start: u64, path: &Path) -> Result<(), Error> {
        let mut segment = Segment::open(path)?;
        if segment.start().size() != start {
            return Err(segment.damaged(0, start, "its name and its head differ"));
        }
        let before = self.tree.take().unwrap_or_else(|| segment.start().clone());
        if before != *segment.start() {
            let why =
                format!("it does not go on where the segment before it ends, which is after {} records", before.size());
            return Err(segment.damaged(0, start, why));
        }
        let mut tree = before;
        self.check_known(&segment, &tree)?;
        let mut opening = true;
        let mut covered = false;
        loop {
            let at = segment.offset();
            let Some(frame) = segment.next(tree.size())? else { break };
            match frame {
                Frame::Record(_) if opening => {
                    return Err(segment.damaged(at, tree.size(), "the checkpoint that opens a segment is missing"));
                }
                Frame::Record(record) => {
                    tree.push(leaf_hash(&record));
                    covered = false;
                    self.check_known(&segment, &tree)?;
                }
                Frame::Checkpoint(note) => {
                    let head = self.verifier.open(Purpose::Checkpoint, &note);
                    let head = head.map_err(|error| segment.damaged(at, tree.size(), error.to_string()))?;
                    if head != tree.head() {
                        let why = "the checkpoint here was signed for other records than stand before it";
                        return Err(segment.damaged(at, tree.size(), why));
                    }
                    if !opening && self.signed.is_some_and(|before| before.size >= head.size) {
                        return Err(segment.damaged(at, tree.size(), "the checkpoint stands here twice"));
                    }
                    (self.signed, covered, opening) = (Some(head), true, false);
                }
            }
            self.read += segment.offset() - at;
            (self.progress)(self.read);
        }
        if !covered {
            let why = "no signed checkpoint follows: the writing was cut off here, or the end was damaged";
            return Err(segment.damaged(segment.offset(), tree.size(), why));
        }
        self.tree = Some(tree);
        Ok(())
    }

    /// Compares the tree with the checkpoints known for its size.
    fn check_known(&mut self, segment: &Segment, tree: &Frontier) -> Result<(), Error> {
        while let Some(head) = self.known.front().filter(|head| head.size == tree.size()) {
            if head.root != tree.root() {
                let why = format!("the first {} records are others than the checkpoint was signed for", head.size);
                return Err(segment.damaged(segment.offset(), tree.size(), why));
            }
            self.known.pop_front();
        }
        Ok(())
    }
}
