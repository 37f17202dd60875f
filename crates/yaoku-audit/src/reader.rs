//! Reads records, forwards and backwards, beside a server that may be writing them.
//!
//! Only records that a checkpoint stands behind are given: what stands behind the last one was not acknowledged, and may be cut
//! off again. Nothing is verified here; see [`crate::verify`].

use std::path::{Path, PathBuf};

use crate::{Error, Frame, Segment, segment, segments};

/// A record and its index.
pub type Indexed = (u64, Vec<u8>);

/// Records from the oldest to the newest.
pub struct Reader {
    dir: PathBuf,
    segment: Segment,
    /// Index of the segment's first record.
    start: u64,
    /// Index of the next record.
    next: u64,
}

impl Reader {
    /// Begins with the segment whose first record has that index.
    ///
    /// # Errors
    /// When there is no such segment, or it can't be read.
    pub fn open(dir: &Path, start: u64) -> Result<Self, Error> {
        let segment = Segment::open(&dir.join(segment::name(start)))?;
        Ok(Self { dir: dir.to_owned(), segment, start, next: start })
    }

    /// The next records that one checkpoint covers; none at the end, which may be another one later.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn group(&mut self) -> Result<Option<Vec<Indexed>>, Error> {
        loop {
            let at = self.segment.offset();
            if let Some(group) = group(&mut self.segment, self.next)? {
                self.next += group.len() as u64;
                return Ok(Some(group));
            }
            self.segment.go_to(at)?;
            // A segment goes on where the one before it ends.
            if self.next == self.start || !self.dir.join(segment::name(self.next)).exists() {
                return Ok(None);
            }
            *self = Self::open(&self.dir, self.next)?;
        }
    }
}

/// Records from the newest to the oldest.
pub struct Backwards {
    /// Segments that were not begun with, oldest first.
    segments: Vec<(u64, PathBuf)>,
    segment: Option<Segment>,
    /// Where each group begins that was not given yet, and the index of its first record.
    groups: Vec<(u64, u64)>,
    /// Records from here on are left out.
    before: u64,
}

impl Backwards {
    /// Begins with the newest record whose index is less than `before`.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn open(dir: &Path, before: u64) -> Result<Self, Error> {
        let mut segments = segments(dir)?;
        segments.retain(|(start, _)| *start < before);
        Ok(Self { segments, segment: None, groups: Vec::new(), before })
    }

    /// The records before those given last that one checkpoint covers, the oldest of them first; none at the log's beginning.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn group(&mut self) -> Result<Option<Vec<Indexed>>, Error> {
        loop {
            if let (Some((at, start)), Some(segment)) = (self.groups.pop(), &mut self.segment) {
                segment.go_to(at)?;
                let mut group = group(segment, start)?.unwrap_or_default();
                group.retain(|(index, _)| *index < self.before);
                return Ok(Some(group));
            }
            let Some((start, path)) = self.segments.pop() else { return Ok(None) };
            let mut segment = match Segment::open(&path) {
                Ok(segment) => segment,
                // Dropped by retention, and all before it as well.
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            };
            self.groups = groups(&mut segment, start, self.before)?;
            self.segment = Some(segment);
        }
    }
}

/// Where each group of a segment begins, up to the record `before`.
fn groups(segment: &mut Segment, start: u64, before: u64) -> Result<Vec<(u64, u64)>, Error> {
    let mut found = Vec::new();
    let mut next = start;
    while next < before {
        let at = segment.offset();
        let Some(group) = group(segment, next)? else { break };
        found.push((at, next));
        next += group.len() as u64;
    }
    Ok(found)
}

/// Records between two moments at which reading gives way to others: some tenths of a millisecond, with what is done with each.
const AT_ONCE: u64 = 64;

/// Lets others have the processor, every so many records. Much is read at the lowest priority, and yet, without this, whoever wakes up
/// beside it waits for the end of its slice, some milliseconds.
pub(crate) fn give_way(read: u64) {
    if read.is_multiple_of(AT_ONCE) {
        std::thread::yield_now();
    }
}

/// Reads up to the next checkpoint behind records; none if none is there, or not whole yet.
fn group(segment: &mut Segment, mut next: u64) -> Result<Option<Vec<Indexed>>, Error> {
    let mut group = Vec::new();
    loop {
        match segment.next(next) {
            Ok(Some(Frame::Record(record))) => {
                group.push((next, record));
                next += 1;
                give_way(next);
            }
            // The one that opens a segment stands behind none.
            Ok(Some(Frame::Checkpoint(_))) if group.is_empty() => {}
            Ok(Some(Frame::Checkpoint(_))) => return Ok(Some(group)),
            Ok(None) | Err(Error::CutOff { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{SEED_LEN, Signer};
    use crate::{Options, Sync, Trail};
    use std::sync::Arc;
    use yaoku_crypto::Secret;

    fn write(dir: &Path, from: u64, to: u64) {
        let options = Options { sync: Sync::Durable, segment_bytes: 2000, retained_bytes: None, retained_age: None };
        let signer = Arc::new(Signer::new(&Secret::new(vec![3; SEED_LEN])).unwrap());
        let trail = Trail::open(dir, signer, None, options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for at in from..to {
            runtime.block_on(trail.admit().unwrap().record(at.to_string().into_bytes())).unwrap();
        }
    }

    #[test]
    fn a_reader_goes_on_when_more_is_written() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 0, 0);
        let mut reader = Reader::open(dir.path(), 0).unwrap();
        let mut read = Vec::new();
        for to in [20, 20, 21, 40] {
            write(dir.path(), read.len() as u64, to);
            while let Some(group) = reader.group().unwrap() {
                read.extend(group);
            }
            assert!(
                read.iter()
                    .enumerate()
                    .all(|(at, (index, record))| { at as u64 == *index && *record == index.to_string().into_bytes() })
            );
            assert_eq!(read.len() as u64, to);
        }
        assert!(segments(dir.path()).unwrap().len() > 2, "several segments");
        let (_, newest) = segments(dir.path()).unwrap().pop().unwrap();
        let half = [std::fs::read(&newest).unwrap(), b"\x01\0\0\0\x02{}".to_vec()].concat();
        std::fs::write(&newest, half).unwrap();
        assert!(reader.group().unwrap().is_none(), "not acknowledged yet");
    }

    #[test]
    fn backwards_from_any_record() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 0, 30);
        for before in [0, 1, 7, 29, 30, 31, u64::MAX] {
            let mut backwards = Backwards::open(dir.path(), before).unwrap();
            let mut read = Vec::new();
            while let Some(group) = backwards.group().unwrap() {
                read.extend(group.into_iter().rev().map(|(index, _)| index));
            }
            assert!(read.iter().copied().eq((0..before.min(30)).rev()), "before {before}");
        }
    }
}
