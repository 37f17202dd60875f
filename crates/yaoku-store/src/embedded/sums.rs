//! Sums of the store's file, left when it is closed: as long as they hold, the file is what redb wrote last, to the byte, and a
//! start need not go along its trees.
//!
//! The sums are SHA-256, and the whole of what is left can have an authentication code behind it (the store's
//! [`crate::Digester`]'s). Without the code, sums say that a file was not damaged by accident; with it, that nobody changed it since
//! it was closed, so that its rows need not be read to compare them with their digest.
//!
//! Of what went bad while the store was open, sums know nothing: they are of the file as it was read when it was closed. So all pages are
//! checked again when that was last done a week ago.
//!
//! Sums prove themselves: whatever is written to the file later, by whomever, they hold no longer, and every page is checked. So
//! nothing depends on when their file is written or removed, or whether it is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use redb::StorageBackend;

/// The sums' file.
pub(super) const FILE: &str = "store.sums";
const MAGIC: &[u8; 16] = b"yaoku sums v3\0\0\0";
/// Seconds for which sums stand for a check of all pages.
const CHECK_AGAIN: u64 = 7 * 86_400;
/// Bytes of the store that share a sum.
const PIECE: u64 = 1 << 20;
/// Threads that sum, at the most: a few keep up with any disk.
const MAX_THREADS: usize = 8;

/// Bytes of an authentication code.
const CODE: usize = 32;

/// What was left when a file was closed, and holds for it.
pub(super) struct Left {
    /// When all pages were last checked, in seconds since 1970.
    pub(super) checked: u64,
    /// What the code is over.
    pub(super) statement: Vec<u8>,
    pub(super) code: Option<[u8; CODE]>,
}

/// Leaves sums of a store that nobody writes to any more, and whose pages were all checked then, in seconds since 1970.
pub(super) fn leave(
    dir: &Path,
    store: &dyn StorageBackend,
    checked: u64,
    authenticate: impl FnOnce(&[u8]) -> Option<[u8; CODE]>,
) -> io::Result<()> {
    let mut sums = sums(store)?;
    sums.extend(checked.to_be_bytes());
    let code = authenticate(&sums);
    sums.extend(code.iter().flatten());
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(FILE))?.write_all(&sums)
}

/// What was left, if it holds, and that was not long before `now`. It is removed, since what it is about is going to be opened.
pub(super) fn take(dir: &Path, store: &dyn StorageBackend, now: u64) -> io::Result<Option<Left>> {
    let path = dir.join(FILE);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    fs::remove_file(&path)?;
    let length = length_of_sums(store.len()?) + 8;
    let there = file.metadata()?.len();
    if there != length && there != length + CODE as u64 {
        return Ok(None);
    }
    let mut left = Vec::new();
    file.read_to_end(&mut left)?;
    let code = left.get(length as usize..).and_then(|code| code.try_into().ok());
    left.truncate(length as usize);
    let Some((before, checked)) = left.split_last_chunk() else { return Ok(None) };
    let checked = u64::from_be_bytes(*checked);
    let is_recent = now.checked_sub(checked).is_some_and(|since| since < CHECK_AGAIN);
    Ok((is_recent && before == sums(store)?).then_some(Left { checked, statement: left, code }))
}

/// A magic number, the length as a big-endian number, and the SHA-256 of each piece. Reads the store once, on all processors.
fn sums(store: &dyn StorageBackend) -> io::Result<Vec<u8>> {
    let length = store.len()?;
    let next = AtomicU64::new(0);
    let some = || -> io::Result<Vec<(u64, [u8; SHA256_OUTPUT_LEN])>> {
        let (mut summed, mut piece) = (Vec::new(), vec![0; PIECE as usize]);
        loop {
            let begin = next.fetch_add(PIECE, Ordering::Relaxed);
            if begin >= length {
                return Ok(summed);
            }
            let piece = &mut piece[..PIECE.min(length - begin) as usize];
            store.read(begin, piece)?;
            let mut sum = [0; SHA256_OUTPUT_LEN];
            sum.copy_from_slice(digest(&SHA256, piece).as_ref());
            summed.push((begin, sum));
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let threads = length.div_ceil(PIECE).min(processors.min(MAX_THREADS) as u64);
    let summed = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(ended())));
        joined.collect::<io::Result<Vec<_>>>()
    })?;
    let mut summed = summed.concat();
    summed.sort_unstable();
    let mut sums = Vec::with_capacity(length_of_sums(length) as usize);
    sums.extend(MAGIC);
    sums.extend(length.to_be_bytes());
    summed.iter().for_each(|(_, sum)| sums.extend(sum));
    Ok(sums)
}

/// Bytes of the sums of a store of that many bytes.
fn length_of_sums(length: u64) -> u64 {
    MAGIC.len() as u64 + 8 + SHA256_OUTPUT_LEN as u64 * length.div_ceil(PIECE)
}

fn ended() -> io::Error {
    io::Error::other("a checksum thread ended early")
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn sums_stand_for_a_check_of_all_pages_for_a_week() {
        let (dir, store) = (tempfile::tempdir().unwrap(), InMemoryBackend::new());
        store.set_len(3 * PIECE / 2).unwrap();
        let at = 1_795_000_000;
        for (now, held) in [(at, true), (at + CHECK_AGAIN - 1, true), (at + CHECK_AGAIN, false), (at - 1, false)] {
            leave(dir.path(), &store, at, |_| None).unwrap();
            let taken = || take(dir.path(), &store, now).unwrap().map(|left| left.checked);
            assert_eq!(taken(), held.then_some(at), "{now}");
            assert_eq!(taken(), None, "taken twice");
        }
        leave(dir.path(), &store, at, |_| None).unwrap();
        store.write(PIECE, b"x").unwrap();
        assert!(take(dir.path(), &store, at).unwrap().is_none(), "something was written");
    }

    #[test]
    fn the_code_is_over_all_that_is_left() {
        let (dir, store) = (tempfile::tempdir().unwrap(), InMemoryBackend::new());
        store.set_len(3 * PIECE / 2).unwrap();
        let (at, mut stated) = (1_795_000_000, Vec::new());
        leave(dir.path(), &store, at, |statement| {
            stated = statement.to_vec();
            Some([7; CODE])
        })
        .unwrap();
        let left = take(dir.path(), &store, at).unwrap().unwrap();
        assert_eq!((left.code, left.statement, left.checked), (Some([7; CODE]), stated, at));
    }
}
