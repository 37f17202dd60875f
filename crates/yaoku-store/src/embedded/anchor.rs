//! The anchor: a side file that remembers the last acknowledged revision, so that a store file which is older than that
//! is noticed.
//!
//! redb keeps the last two commits and a bit that says which is the newer. Were that bit damaged, or the file replaced by an
//! old copy, the store would open in perfect order and lack what was acknowledged. So after each durable commit, before it
//! is acknowledged, the writer puts its revision into the anchor. The anchor is not synced: after a power failure it may be
//! older than the store, which is harmless, but never newer, since the store was synced first.
//!
//! A store that has commits has an anchor: its file is durable before the first one. Where it is missing, or nothing in it can be read, somebody
//! took it away.
//!
//! Two slots are written in turn, so that a torn write leaves the other: magic (8 bytes), store id (16), revision (8, big-endian),
//! CRC-32 of these (4).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::{Error, Revision, StoreId};

pub(super) const FILE: &str = "store.anchor";
const MAGIC: &[u8; 8] = b"yaokuanc";
const SLOT: usize = 36;
/// Slots stand this far apart, on different sectors.
const STRIDE: u64 = 512;

pub(super) struct Anchor {
    file: File,
    id: StoreId,
}

impl Anchor {
    /// Opens the anchor beside a store, and checks the store against it.
    pub(super) fn open(dir: &Path, id: StoreId, revision: Revision) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let unavailable = |error: io::Error| Error::Unavailable(format!("{}: {error}", path.display()));
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            // Nothing was committed yet, so that nothing can have been lost.
            Err(error) if error.kind() == io::ErrorKind::NotFound && revision == Revision(0) => {
                return Self::make(dir, id, revision);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Altered(format!("{} is missing", path.display())));
            }
            Err(error) => return Err(unavailable(error)),
        };
        let acknowledged =
            [0, STRIDE].into_iter().filter_map(|at| read(&file, at)).max_by_key(|(_, revision)| *revision);
        if acknowledged.is_none() && revision > Revision(0) {
            return Err(Error::Altered(format!("{} can't be read", path.display())));
        }
        if let Some((anchored, acknowledged)) = acknowledged {
            if anchored != id {
                return Err(Error::Corrupt(format!("{} belongs to another store file", path.display())));
            }
            if revision < acknowledged {
                let (here, there) = (revision.0, acknowledged.0);
                return Err(Error::Corrupt(format!("it is at revision {here}, but revision {there} was acknowledged")));
            }
        }
        let anchor = Self { file, id };
        anchor.record(revision).map_err(unavailable)?;
        Ok(anchor)
    }

    /// Makes the anchor anew, whatever is there. It and its name are durable when this returns.
    pub(super) fn make(dir: &Path, id: StoreId, revision: Revision) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let unavailable = |error: io::Error| Error::Unavailable(format!("{}: {error}", path.display()));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        let anchor = Self { file: file.map_err(unavailable)?, id };
        let made = anchor.record(revision).and_then(|()| anchor.file.sync_all());
        made.and_then(|()| File::open(dir)?.sync_all()).map_err(unavailable)?;
        Ok(anchor)
    }

    /// Remembers that `revision` is about to be acknowledged.
    pub(super) fn record(&self, revision: Revision) -> io::Result<()> {
        let mut slot = [0; SLOT];
        slot[..8].copy_from_slice(MAGIC);
        slot[8..24].copy_from_slice(&self.id);
        slot[24..32].copy_from_slice(&revision.0.to_be_bytes());
        let checksum = crc32fast::hash(&slot[..32]);
        slot[32..].copy_from_slice(&checksum.to_be_bytes());
        self.file.write_all_at(&slot, (revision.0 % 2) * STRIDE)
    }
}

fn read(file: &File, at: u64) -> Option<(StoreId, Revision)> {
    let mut slot = [0; SLOT];
    file.read_exact_at(&mut slot, at).ok()?;
    let (body, checksum) = slot.split_last_chunk::<4>()?;
    let (magic, rest) = body.split_first_chunk::<8>()?;
    let (id, revision) = rest.split_first_chunk::<16>()?;
    let whole = magic == MAGIC && crc32fast::hash(body).to_be_bytes() == *checksum;
    whole.then(|| Some((*id, Revision(u64::from_be_bytes(revision.try_into().ok()?))))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: StoreId = [7; 16];

    #[test]
    fn a_store_older_than_what_was_acknowledged_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let anchor = Anchor::open(dir.path(), ID, Revision(0)).unwrap();
        for revision in 1..=5 {
            anchor.record(Revision(revision)).unwrap();
        }
        assert!(matches!(Anchor::open(dir.path(), ID, Revision(4)), Err(Error::Corrupt(_))));
        assert!(matches!(Anchor::open(dir.path(), [8; 16], Revision(9)), Err(Error::Corrupt(_))));
        assert!(Anchor::open(dir.path(), ID, Revision(5)).is_ok());
        assert!(Anchor::open(dir.path(), ID, Revision(9)).is_ok());
    }

    #[test]
    fn a_damaged_slot_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let anchor = Anchor::make(dir.path(), ID, Revision(4)).unwrap();
        anchor.record(Revision(5)).unwrap();
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for at in STRIDE as usize..STRIDE as usize + SLOT {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert!(matches!(Anchor::open(dir.path(), ID, Revision(3)), Err(Error::Corrupt(_))), "byte {at}");
        }
    }

    #[test]
    fn an_anchor_that_is_gone_or_unreadable_is_refused_once_there_are_commits() {
        let dir = tempfile::tempdir().unwrap();
        drop(Anchor::open(dir.path(), ID, Revision(0)).unwrap());
        let path = dir.path().join(FILE);
        std::fs::write(&path, []).unwrap();
        assert!(matches!(Anchor::open(dir.path(), ID, Revision(1)), Err(Error::Altered(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Anchor::open(dir.path(), ID, Revision(1)), Err(Error::Altered(_))));
        assert!(!path.exists());
        drop(Anchor::make(dir.path(), ID, Revision(1)).unwrap());
        assert!(Anchor::open(dir.path(), ID, Revision(1)).is_ok());
    }
}
