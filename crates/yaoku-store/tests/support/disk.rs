//! A disk in memory that loses what was not synced, and files whose operations fail when told to.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use redb::StorageBackend;
use redb::backends::FileBackend;

/// Sectors are written whole or not at all.
const SECTOR: usize = 512;

/// A disk: what is on it, and what was written since the last sync, in order.
#[derive(Default)]
struct Platter {
    visible: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Write>,
    /// Operations until the power fails; then everything does.
    left: Option<u64>,
}

enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Write {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes { at, bytes } => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
            Self::Length(length) => to.resize(*length, 0),
        }
    }
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    /// The power fails after so many more writes and syncs.
    pub(crate) fn fail_after(&self, operations: u64) {
        self.0.lock().left = Some(operations);
    }

    /// Power comes back: of what was not synced, each sector of each write is there or not, as `chance` says.
    pub(crate) fn come_back(&self, mut chance: impl FnMut() -> bool) {
        let mut platter = self.0.lock();
        let mut durable = std::mem::take(&mut platter.durable);
        for write in std::mem::take(&mut platter.unsynced) {
            match write {
                Write::Length(_) if chance() => write.apply(&mut durable),
                Write::Length(_) => {}
                Write::Bytes { at, bytes } => {
                    for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                        if chance() {
                            Write::Bytes { at: at + number * SECTOR, bytes: sector.to_vec() }.apply(&mut durable);
                        }
                    }
                }
            }
        }
        platter.visible.clone_from(&durable);
        platter.durable = durable;
        platter.left = None;
    }

    fn operate<T>(&self, counts: bool, work: impl FnOnce(&mut Platter) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.0.lock();
        match &mut platter.left {
            Some(0) => return Err(io::Error::other("the power has failed")),
            Some(left) if counts => *left -= 1,
            _ => {}
        }
        work(&mut platter)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.operate(false, |platter| Ok(platter.visible.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.operate(false, |platter| {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let bytes = platter.visible.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.operate(true, |platter| {
            let write = Write::Length(usize::try_from(length).map_err(io::Error::other)?);
            write.apply(&mut platter.visible);
            platter.unsynced.push(write);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.operate(true, |platter| {
            for write in std::mem::take(&mut platter.unsynced) {
                write.apply(&mut platter.durable);
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(true, |platter| {
            let at = usize::try_from(offset).map_err(io::Error::other)?;
            let write = Write::Bytes { at, bytes: data.to_vec() };
            write.apply(&mut platter.visible);
            platter.unsynced.push(write);
            Ok(())
        })
    }
}

/// What befalls files, and how often what was done to them.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Writes until one fails, with [`io::ErrorKind::StorageFull`]; negative is never. At 0 all fail.
    pub(crate) writes_left: AtomicI64,
    /// Syncs until one fails, and only that one; negative is never.
    pub(crate) syncs_left: AtomicI64,
    pub(crate) syncs: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
}

impl Faults {
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self { writes_left: AtomicI64::new(-1), syncs_left: AtomicI64::new(-1), ..Self::default() })
    }

    /// What [`yaoku_store::Embedded::open_wrapped`] takes.
    pub(crate) fn wrap(self: &Arc<Self>) -> impl Fn(FileBackend) -> Faulty + Send + Sync + 'static {
        let faults = self.clone();
        move |file| Faulty { file, faults: faults.clone() }
    }

    fn space(&self) -> io::Result<()> {
        let count = |left: i64| (left > 0).then(|| left - 1);
        match self.writes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count) {
            Err(0) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

/// A real file under [`Faults`].
#[derive(Debug)]
pub(crate) struct Faulty {
    file: FileBackend,
    faults: Arc<Faults>,
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.faults.bytes_read.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.faults.space()?;
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::Relaxed);
        let count = |left: i64| (left >= 0).then(|| left - 1);
        if self.faults.syncs_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count) == Ok(0) {
            return Err(io::Error::other("the disk does not answer"));
        }
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.space()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
