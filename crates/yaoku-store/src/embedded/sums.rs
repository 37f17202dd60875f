//! Sums of the store's file, left when it is closed: as long as they hold, the file is what redb wrote last, to the byte, and a
//! start need not go along its trees.
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

use redb::StorageBackend;
use twox_hash::XxHash3_128;

/// The sums' file.
pub(super) const FILE: &str = "store.sums";
const MAGIC: &[u8; 16] = b"yaoku sums v2\0\0\0";
/// Seconds for which sums stand for a check of all pages.
const CHECK_AGAIN: u64 = 7 * 86_400;
/// Bytes of the store that share a sum.
const PIECE: u64 = 1 << 20;
/// Threads that sum, at the most: a few keep up with any disk.
const MAX_THREADS: usize = 8;

/// Leaves sums of a store that nobody writes to any more, and whose pages were all checked then, in seconds since 1970.
pub(super) fn leave(dir: &Path, store: &dyn StorageBackend, checked: u64) -> io::Result<()> {
    let mut sums = sums(store)?;
    sums.extend(checked.to_be_bytes());
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(FILE))?.write_all(&sums)
}

/// When all pages were last checked, if sums were left, and hold, and that was not long before `now`. They are removed, since
/// what they are about is going to be opened.
pub(super) fn take(dir: &Path, store: &dyn StorageBackend, now: u64) -> io::Result<Option<u64>> {
    let path = dir.join(FILE);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    fs::remove_file(&path)?;
    let length = length_of_sums(store.len()?);
    if file.metadata()?.len() != length + 8 {
        return Ok(None);
    }
    let mut left = Vec::new();
    file.read_to_end(&mut left)?;
    let Some((left, checked)) = left.split_last_chunk() else { return Ok(None) };
    let checked = u64::from_be_bytes(*checked);
    let is_recent = now.checked_sub(checked).is_some_and(|since| since < CHECK_AGAIN);
    Ok((is_recent && left == sums(store)?).then_some(checked))
}

/// A magic number, and as big-endian numbers the length and the XXH3-128 of each piece. Reads the store once, on all processors.
fn sums(store: &dyn StorageBackend) -> io::Result<Vec<u8>> {
    let length = store.len()?;
    let next = AtomicU64::new(0);
    let some = || -> io::Result<Vec<(u64, u128)>> {
        let (mut summed, mut piece) = (Vec::new(), vec![0; PIECE as usize]);
        loop {
            let begin = next.fetch_add(PIECE, Ordering::Relaxed);
            if begin >= length {
                return Ok(summed);
            }
            let piece = &mut piece[..PIECE.min(length - begin) as usize];
            store.read(begin, piece)?;
            summed.push((begin, XxHash3_128::oneshot(piece)));
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
    summed.iter().for_each(|(_, sum)| sums.extend(sum.to_be_bytes()));
    Ok(sums)
}

/// Bytes of the sums of a store of that many bytes.
fn length_of_sums(length: u64) -> u64 {
    MAGIC.len() as u64 + 8 + 16 * length.div_ceil(PIECE)
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
            leave(dir.path(), &store, at).unwrap();
            assert_eq!(take(dir.path(), &store, now).unwrap(), held.then_some(at), "{now}");
            assert_eq!(take(dir.path(), &store, now).unwrap(), None, "taken twice");
        }
        leave(dir.path(), &store, at).unwrap();
        store.write(PIECE, b"x").unwrap();
        assert_eq!(take(dir.path(), &store, at).unwrap(), None, "something was written");
    }
}
