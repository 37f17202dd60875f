//! Proofs that one checkpoint goes on from another: RFC 6962, section 2.1.2, in the form of C2SP tlog-witness.
//!
//! A proof has some dozens of hashes, however long the log is, so whoever kept a checkpoint can see by it and the public key
//! that a later checkpoint signs for the same records and more.

use std::ops::Range;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::merkle::{Frontier, Hash, Head, leaf_hash, node_hash};
use crate::note::{MAX_NOTE, Purpose, Verifier};
use crate::{Error, Frame, Segment, segments};

/// More hashes than any proof has: two for each bit of a tree's size.
const MAX_HASHES: usize = 128;
/// The longest proof that is read.
pub const MAX_PROOF: usize = MAX_HASHES * 45 + MAX_NOTE + 64;

/// Writes the proof that the newest checkpoint of a log goes on from `old`: a line with its size, the hashes in base64, an empty
/// line, and the newest checkpoint. The log is read once, and is not verified by that.
///
/// # Errors
/// [`Error::Inconsistent`] if the log does not reach, or no more reach back, to `old`, or goes on from another tree.
pub fn prove(dir: &Path, verifier: &Verifier, old: &Head) -> Result<String, Error> {
    let files = segments(dir)?;
    let Some((newest, path)) = files.last() else {
        return Err(Error::Inconsistent(format!("there is no audit log in {}", dir.display())));
    };
    let (note, new) = last_checkpoint(path, *newest, verifier)?;
    if old.size > new.size {
        let why = "the log ends before the checkpoint";
        return Err(Error::Inconsistent(format!(
            "{why}: the log has {} records, the checkpoint {}",
            new.size, old.size
        )));
    }
    // The last segment that begins at the checkpoint or before knows all that is to its left.
    let begin = files.iter().rposition(|(start, _)| *start <= old.size).ok_or_else(|| {
        Error::Inconsistent("retention dropped the records up to the checkpoint, so nothing can be proved".into())
    })?;
    let mut parts: Option<Parts> = None;
    for (_, path) in &files[begin..] {
        let mut segment = Segment::open(path)?;
        let parts = parts.get_or_insert_with(|| Parts::new(ranges(old.size, new.size), segment.start()));
        while parts.next < new.size {
            match segment.next(parts.next)? {
                Some(Frame::Record(record)) => parts.push(leaf_hash(&record)),
                Some(Frame::Checkpoint(_)) => {}
                None => break,
            }
        }
    }
    let hashes = parts.map(Parts::hashes).unwrap_or_default();
    if !follows(old, &new, &hashes) {
        return Err(Error::Inconsistent("the log does not extend the checkpoint: its records differ".into()));
    }
    let hashes: String = hashes.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
    Ok(format!("old {}\n{hashes}\n{note}", old.size))
}

/// Reads a proof: the checkpoint that it shows to go on from `old`.
///
/// # Errors
/// [`Error::Form`] if it is no proof or its checkpoint is not signed by this key; [`Error::Inconsistent`] if it proves nothing.
pub fn check_proof(proof: &[u8], verifier: &Verifier, old: &Head) -> Result<Head, Error> {
    let form = || Error::Form("this is not a consistency proof of an audit log");
    let text = std::str::from_utf8(proof).ok().filter(|text| text.len() <= MAX_PROOF).ok_or_else(form)?;
    let (path, note) = text.split_once("\n\n").ok_or_else(form)?;
    let mut lines = path.lines();
    let size = lines.next().and_then(|line| line.strip_prefix("old ")).ok_or_else(form)?;
    if size != old.size.to_string() {
        return Err(Error::Inconsistent(format!(
            "the proof is for a checkpoint of {size} records, not of {}",
            old.size
        )));
    }
    let mut hashes: Vec<Hash> = Vec::new();
    for line in lines {
        let hash = STANDARD.decode(line).ok().and_then(|hash| hash.try_into().ok());
        hashes.push(hash.ok_or_else(form)?);
    }
    let new = verifier.open(Purpose::Checkpoint, note.as_bytes())?;
    if !follows(old, &new, &hashes) {
        return Err(Error::Inconsistent("the proof does not show that its checkpoint extends the older one".into()));
    }
    Ok(new)
}

/// The last checkpoint of a segment, as it stands there and as it reads.
fn last_checkpoint(path: &Path, start: u64, verifier: &Verifier) -> Result<(String, Head), Error> {
    let mut segment = Segment::open(path)?;
    let mut last = None;
    loop {
        match segment.next(start) {
            Ok(Some(Frame::Checkpoint(note))) => last = Some(note),
            Ok(Some(Frame::Record(_))) => {}
            // A server may be writing the end.
            Ok(None) | Err(Error::CutOff { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    let note = last.ok_or_else(|| segment.damaged(0, start, "it has no signed checkpoint"))?;
    let head = verifier.open(Purpose::Checkpoint, &note)?;
    // Who keeps it will hold the log to it: it must not be lost here by a machine that dies.
    std::fs::File::open(path).and_then(|file| file.sync_data()).map_err(Error::file(path))?;
    Ok((String::from_utf8_lossy(&note).into_owned(), head))
}

/// The leaves beneath each hash of PROOF(old, D[new]), in its order.
fn ranges(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    if old == 0 || old >= new {
        return ranges;
    }
    let (mut start, mut old, mut new, mut whole) = (0, old, new, true);
    while old < new {
        // The largest power of two that is less than `new`.
        let left = 1 << (63 - (new - 1).leading_zeros());
        if old <= left {
            ranges.push(start + left..start + new);
            new = left;
        } else {
            ranges.push(start..start + left);
            (start, old, new, whole) = (start + left, old - left, new - left, false);
        }
    }
    if !whole {
        ranges.push(start..start + new);
    }
    ranges.reverse();
    ranges
}

/// Hashes of parts of a tree, gathered while its leaves go by.
struct Parts {
    parts: Vec<(Range<u64>, Frontier)>,
    /// Index of the next leaf.
    next: u64,
}

impl Parts {
    /// Begins at a tree that ends before the next leaf: its subtrees are what the parts have to the left of that.
    fn new(ranges: Vec<Range<u64>>, before: &Frontier) -> Self {
        let mut parts: Vec<_> = ranges.into_iter().map(|range| (range, Frontier::default())).collect();
        let mut start = 0;
        let sizes = (0..u64::BITS).rev().map(|bit| 1 << bit).filter(|size| before.size() & size != 0);
        for (size, hash) in sizes.zip(before.subtrees()) {
            let holds = |range: &Range<u64>| range.start <= start && start + size <= range.end;
            if let Some((_, part)) = parts.iter_mut().find(|(range, _)| holds(range)) {
                part.push_subtree(size, *hash);
            }
            start += size;
        }
        Self { parts, next: before.size() }
    }

    fn push(&mut self, leaf: Hash) {
        let next = self.next;
        if let Some((_, part)) = self.parts.iter_mut().find(|(range, _)| range.contains(&next)) {
            part.push(leaf);
        }
        self.next += 1;
    }

    fn hashes(self) -> Vec<Hash> {
        self.parts.into_iter().map(|(_, part)| part.root()).collect()
    }
}

/// Whether the hashes show that `new` goes on from `old`, by the procedure of RFC 9162, section 2.1.4.2.
fn follows(old: &Head, new: &Head, hashes: &[Hash]) -> bool {
    if old.size == 0 {
        return hashes.is_empty() && old.root == Frontier::default().root();
    }
    if old.size == new.size {
        return hashes.is_empty() && old.root == new.root;
    }
    if old.size > new.size || hashes.len() > MAX_HASHES {
        return false;
    }
    let own = old.size.is_power_of_two().then_some(old.root);
    let mut path = own.into_iter().chain(hashes.iter().copied());
    let Some(first) = path.next() else { return false };
    let (mut left, mut right) = (old.size - 1, new.size - 1);
    let shift = left.trailing_ones();
    (left, right) = (left >> shift, right >> shift);
    let (mut old_root, mut new_root) = (first, first);
    for hash in path {
        if right == 0 {
            return false;
        }
        if left & 1 == 1 || left == right {
            (old_root, new_root) = (node_hash(&hash, &old_root), node_hash(&hash, &new_root));
            if left & 1 == 0 {
                let shift = left.trailing_zeros().min(63);
                (left, right) = (left >> shift, right >> shift);
            }
        } else {
            new_root = node_hash(&new_root, &hash);
        }
        (left, right) = (left >> 1, right >> 1);
    }
    right == 0 && old_root == old.root && new_root == new.root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(size: u64) -> Frontier {
        let mut tree = Frontier::default();
        (0..size).for_each(|leaf| tree.push(leaf_hash(&leaf.to_be_bytes())));
        tree
    }

    fn proof(begin: u64, old: u64, new: u64) -> Vec<Hash> {
        let mut parts = Parts::new(ranges(old, new), &tree(begin));
        (begin..new).for_each(|leaf| parts.push(leaf_hash(&leaf.to_be_bytes())));
        parts.hashes()
    }

    #[test]
    fn proofs_of_every_small_tree_hold_from_wherever_the_log_begins() {
        for new in 0..40 {
            for old in 0..=new {
                let hashes = proof(0, old, new);
                assert!(follows(&tree(old).head(), &tree(new).head(), &hashes), "{old} to {new}");
                assert!(hashes.len() <= 8);
                for begin in 1..=old {
                    assert_eq!(proof(begin, old, new), hashes, "{old} to {new} from {begin} on");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_else_holds(old in 1..60_u64, more in 1..60_u64, at in any::<prop::sample::Index>(), change in 0..5) {
            let new = old + more;
            let (mut from, mut to, mut hashes) = (tree(old).head(), tree(new).head(), proof(0, old, new));
            match change {
                0 => from.root[at.index(32)] ^= 1,
                1 => to.root[at.index(32)] ^= 1,
                2 if !hashes.is_empty() => { let at = at.index(hashes.len()); hashes[at][0] ^= 1 }
                3 => hashes.push([0; 32]),
                4 if !hashes.is_empty() => drop(hashes.remove(at.index(hashes.len()))),
                _ => from.size += 1,
            }
            prop_assert!(!follows(&from, &to, &hashes));
        }
    }
}
