//! Finds the end of a log after a crash, and tells what a crash left from what was damaged.
//!
//! A group is written by one write and acknowledged after its sync; the next is written only then. So a crash leaves at most
//! one group that nobody was told of, and it leaves it in one of two ways: cut off at some byte, or, where the machine died,
//! with sectors of zeros that were never written. Anything else behind the last checkpoint that is whole was acknowledged once, and
//! was damaged since.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use yaoku_seal::StoreMark;

use crate::merkle::{Frontier, Head, leaf_hash};
use crate::note::{Checkpoint, Purpose, Verifier};
use crate::segment::{GROUP, MAX_RECORD};
use crate::{Error, Frame, Segment};

/// No group is longer: its records, one more, and frames around them of five bytes for records of at least two.
const MAX_GROUP: u64 = 4 * (GROUP + MAX_RECORD) as u64;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Zeros at a file's end that no frame ends with.
const ZEROS: [u8; 8] = [0; 8];

/// Where a log ends.
#[derive(Debug)]
pub(crate) struct End {
    /// The tree there.
    pub(crate) tree: Frontier,
    /// Bytes of the newest segment up to there.
    pub(crate) length: u64,
    /// What the checkpoint there says of the store.
    pub(crate) stores: Vec<StoreMark>,
}

/// The end of a log, by its newest segment: its last checkpoint that is whole. What stands behind it may be cut off.
///
/// # Errors
/// [`Error::Damaged`] where acknowledged records were damaged, or are others than `remembered`.
pub(crate) fn end_of(path: &Path, verifier: &Verifier, remembered: Option<Head>) -> Result<End, Error> {
    let mut segment = Segment::open(path)?;
    let mut tree = segment.start().clone();
    let mut end = None;
    let stopped = loop {
        let at = segment.offset();
        let frame = match segment.next(tree.size()) {
            Ok(Some(frame)) => frame,
            Ok(None) => break None,
            Err(error @ (Error::Damaged { .. } | Error::CutOff { .. })) => break Some(error),
            Err(error) => return Err(error),
        };
        match frame {
            Frame::Record(record) => tree.push(leaf_hash(&record)),
            Frame::Checkpoint(note) => match verifier.open_checkpoint(&note) {
                Ok(Checkpoint { head, stores }) if head == tree.head() => {
                    end = Some(End { tree: tree.clone(), length: segment.offset(), stores });
                }
                Ok(_) => {
                    let why = "the checkpoint was signed for other records than those before it";
                    break Some(segment.damaged(at, tree.size(), why));
                }
                Err(error) => break Some(segment.damaged(at, tree.size(), error.to_string())),
            },
        }
        if let Some(head) = remembered.filter(|head| head.size == tree.size())
            && head.root != tree.root()
        {
            return Err(segment.damaged(
                at,
                tree.size(),
                "the preceding records differ from those that the store remembers",
            ));
        }
    };
    let end = end.ok_or_else(|| segment.damaged(0, segment.start().size(), "it has no signed checkpoint"))?;
    if let Some(why) = damage(path, &end, stopped, verifier)? {
        return Err(why);
    }
    Ok(end)
}

/// What is wrong with what stands behind the end, unless a crash left it. `stopped` is where reading it came to.
fn damage(path: &Path, end: &End, stopped: Option<Error>, verifier: &Verifier) -> Result<Option<Error>, Error> {
    let damaged = |why: &str| {
        let (path, why) = (path.to_owned(), why.to_owned());
        Some(Error::Damaged { path, offset: end.length, record: end.tree.size(), why })
    };
    let mut tail = Vec::new();
    let mut file = File::open(path).map_err(Error::file(path))?;
    file.seek(SeekFrom::Start(end.length)).map_err(Error::file(path))?;
    file.take(MAX_GROUP + 1).read_to_end(&mut tail).map_err(Error::file(path))?;
    if tail.len() as u64 > MAX_GROUP {
        return Ok(damaged("there is more here than a crash can leave: acknowledged records were damaged"));
    }
    let checkpoint = first_checkpoint(&tail, verifier);
    if checkpoint.is_some_and(|after| after < tail.len()) {
        return Ok(damaged("records that a later checkpoint covers were damaged here"));
    }
    if has_unwritten_sector(&tail, end.length) {
        return Ok(None);
    }
    if checkpoint.is_some() {
        return Ok(damaged("records that the last checkpoint covers were damaged here"));
    }
    match stopped {
        None | Some(Error::CutOff { .. }) => Ok(None),
        Some(error) => Ok(Some(error)),
    }
}

/// Where the first checkpoint ends that this key signed, whatever stands around it.
fn first_checkpoint(tail: &[u8], verifier: &Verifier) -> Option<usize> {
    let find = |from: usize, what: &[u8]| Some(from + memchr::memmem::find(tail.get(from..)?, what)?);
    let mut from = 0;
    loop {
        let at = find(from, verifier.name().as_bytes())?;
        let signature = find(at, b"\n\n").map(|gap| gap + 2);
        let after = signature.and_then(|line| find(line, b"\n")).map(|end| end + 1);
        if let Some(after) = after.filter(|after| verifier.open(Purpose::Checkpoint, &tail[at..*after]).is_ok()) {
            return Some(after);
        }
        from = at + 1;
    }
}

/// Whether a sector of zeros is there, of a file whose length was written before its content, or zeros at its end.
fn has_unwritten_sector(tail: &[u8], offset: u64) -> bool {
    // Sectors are counted from the file's beginning.
    let skip = (SECTOR - (offset % SECTOR as u64) as usize) % SECTOR;
    let sectors = tail.get(skip..).unwrap_or_default().chunks_exact(SECTOR);
    // The rest of the sector that the last group ended in: no group begins with a zero.
    let begins_unwritten = tail.get(..skip).is_some_and(|rest| !rest.is_empty() && rest.iter().all(|&byte| byte == 0));
    begins_unwritten || tail.ends_with(&ZEROS) || sectors.into_iter().any(|sector| sector.iter().all(|&byte| byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{SEED_LEN, Signer};
    use crate::segment::{self, CHECKPOINT, RECORD};
    use yaoku_crypto::Secret;

    fn signer() -> Signer {
        Signer::new(&Secret::new(vec![3; SEED_LEN])).unwrap()
    }

    /// A segment of groups of three records; its bytes, and the tree and length after each group.
    fn log(groups: usize) -> (Vec<u8>, Vec<End>) {
        let mut tree = Frontier::default();
        let mut bytes = segment::head(&tree);
        let mut ends = Vec::new();
        for group in 0..=groups {
            for record in (0..3).filter(|_| group > 0) {
                let record = format!("{{\"record\":{record},\"of\":{group},\"{}\":0}}", "x".repeat(700));
                segment::frame(&mut bytes, RECORD, record.as_bytes());
                tree.push(leaf_hash(record.as_bytes()));
            }
            segment::frame(&mut bytes, CHECKPOINT, signer().sign(Purpose::Checkpoint, &tree.head()).as_bytes());
            ends.push(End { tree: tree.clone(), length: bytes.len() as u64, stores: Vec::new() });
        }
        (bytes, ends)
    }

    fn end(bytes: &[u8]) -> Result<u64, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        end_of(file.path(), signer().verifier(), None).map(|end| end.length)
    }

    #[test]
    fn cut_at_any_byte_the_groups_before_are_kept() {
        let (bytes, ends) = log(2);
        for cut in (ends[0].length as usize..bytes.len()).step_by(3) {
            let kept = ends.iter().map(|end| end.length).filter(|length| *length <= cut as u64).max();
            assert_eq!(end(&bytes[..cut]).ok(), kept, "cut at {cut}");
        }
    }

    #[test]
    fn sectors_of_the_last_group_that_never_reached_the_disk_are_a_crash() {
        let (bytes, ends) = log(2);
        let acknowledged = ends[1].length as usize;
        for sector in (acknowledged.next_multiple_of(SECTOR)..bytes.len() - SECTOR).step_by(SECTOR) {
            let mut torn = bytes.clone();
            torn[sector..sector + SECTOR].fill(0);
            assert_eq!(end(&torn).unwrap(), ends[1].length, "sector at {sector}");
        }
        // The rest of the sector that the acknowledged group ends in, written anew with the last one.
        let mut torn = bytes.clone();
        torn[acknowledged..acknowledged.next_multiple_of(SECTOR)].fill(0);
        assert_eq!(end(&torn).unwrap(), ends[1].length);
        let mut torn = bytes.clone();
        torn[acknowledged..].fill(0);
        assert_eq!(end(&torn).unwrap(), ends[1].length);
        // In a group that was acknowledged, because another follows, it is damage.
        let mut damaged = bytes;
        let sector = (ends[0].length as usize).next_multiple_of(SECTOR);
        damaged[sector..sector + SECTOR].fill(0);
        assert!(end(&damaged).is_err());
    }

    #[test]
    fn a_bit_that_flipped_is_no_crash() {
        let (bytes, ends) = log(2);
        for at in (ends[0].length as usize..bytes.len()).step_by(5) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            if let Ok(length) = end(&damaged) {
                // Where the last checkpoint is not one any more and its length is wrong, nothing tells it from half a write.
                assert!(at >= bytes.len() - 300 && length == ends[1].length, "bit flipped in byte {at}");
            }
        }
    }
}
