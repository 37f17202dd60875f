//! Sums of the store's file, left when it is closed: as long as they hold, the file is what redb wrote last, to the byte, and a
//! start need not go along its trees.
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
const MAGIC: &[u8; 16] = b"yaoku sums v1\0\0\0";
/// Bytes of the store that share a sum.
const PIECE: u64 = 1 << 20;
/// Threads that sum, at the most: a few keep up with any disk.
const MAX_THREADS: usize = 8;

/// Leaves sums of a store that nobody writes to any more.
pub(super) fn leave(dir: &Path, store: &dyn StorageBackend) -> io::Result<()> {
    let sums = sums(store)?;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(FILE))?.write_all(&sums)
}

/// Whether sums were left, and hold. They are removed, since what they are about is going to be opened.
pub(super) fn take(dir: &Path, store: &dyn StorageBackend) -> io::Result<bool> {
    let path = dir.join(FILE);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    fs::remove_file(&path)?;
    if file.metadata()?.len() != length_of_sums(store.len()?) {
        return Ok(false);
    }
    let mut left = Vec::new();
    file.read_to_end(&mut left)?;
    Ok(left == sums(store)?)
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
    io::Error::other("a thread that sums ended early")
}
