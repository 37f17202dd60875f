//! The digest of the rows in a file: read, compared and begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};

use super::database::{Meta, ROWS, guarded, of_any, read_meta, row, write_meta};
use super::sums::Left;
use crate::{Digest, Digester, Error, Found, Revision, Row, StoreId, Trust};

/// Rows that a thread takes at a time.
const BATCH: usize = 256;
/// Threads that compute shares, at the most.
const MAX_THREADS: usize = 8;

/// A digest that is kept, as of a commit.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) digester: Arc<dyn Digester>,
    pub(super) store: StoreId,
    pub(super) revision: Revision,
    pub(super) digest: Digest,
}

impl Kept {
    pub(super) fn take_away(&mut self, row: &Row) {
        self.digest.take_away(&self.digester.share_of(row));
    }

    pub(super) fn sealed(&self) -> Result<Vec<u8>, Error> {
        self.digester.seal(&self.store, self.revision, &self.digest).map_err(Error::Unavailable)
    }
}

/// The digest that stands in the file; none where none is kept.
pub(super) fn open(digester: &dyn Digester, meta: &Meta) -> Result<Option<Digest>, Error> {
    let Some(sealed) = &meta.digest else { return Ok(None) };
    let why = || Error::Altered("the digest of its rows is of another commit, or of another store".into());
    digester.open(&meta.id, meta.revision, sealed).map(Some).ok_or_else(why)
}

/// As [`open`], where there must be one.
pub(super) fn open_stated(digester: &dyn Digester, meta: &Meta) -> Result<Digest, Error> {
    open(digester, meta)?.ok_or_else(|| Error::Altered("the digest of its rows is missing".into()))
}

/// Begins to keep the digest. `left` is what was left when the file was closed.
pub(super) fn begin(
    database: &Database,
    digester: Arc<dyn Digester>,
    trust: Trust,
    left: Option<Left>,
    closing: &AtomicBool,
) -> Result<(Kept, Found), Error> {
    let read = database.begin_read().map_err(of_any)?;
    let meta = read_meta(&read)?;
    let kept = |digest| Kept { digester: digester.clone(), store: meta.id, revision: meta.revision, digest };
    let stated = match trust {
        Trust::Rows => None,
        Trust::Digest | Trust::FirstUse => open(&*digester, &meta)?,
    };
    if let Some(stated) = stated {
        let authentic = |left: &Left| left.code.is_some_and(|code| digester.is_authentic(&left.statement, &code));
        if left.as_ref().is_some_and(authentic) {
            return Ok((kept(stated), Found::Untouched));
        }
        compare(&total(&read, &*digester, processors(), closing)?, &stated)?;
        return Ok((kept(stated), Found::Right));
    }
    if trust == Trust::Digest {
        return Err(Error::Altered("the digest of its rows is missing".into()));
    }
    let begun = kept(total(&read, &*digester, processors(), closing)?);
    let write = database.begin_write().map_err(of_any)?;
    write_meta(&write, meta.revision, Some(&begun.sealed()?))?;
    write.commit().map_err(of_any)?;
    Ok((begun, Found::Begun))
}

/// Compares every row of a snapshot with the digest there.
pub(super) fn verify(read: &ReadTransaction, digester: &dyn Digester, closing: &AtomicBool) -> Result<(), Error> {
    let stated = open_stated(digester, &read_meta(read)?)?;
    // Others are being served meanwhile.
    compare(&total(read, digester, 1, closing)?, &stated)
}

fn compare(found: &Digest, stated: &Digest) -> Result<(), Error> {
    // The generation is the greatest that there ever was; the row that had it may be gone.
    match found.sum == stated.sum && found.generation <= stated.generation {
        true => Ok(()),
        false => Err(Error::Altered("its rows are not those that were written last".into())),
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}

/// The digest of all rows, computed on that many threads.
fn total(
    read: &ReadTransaction,
    digester: &dyn Digester,
    threads: usize,
    closing: &AtomicBool,
) -> Result<Digest, Error> {
    let table = read.open_table(ROWS).map_err(of_any)?;
    let rows = Mutex::new(table.iter().map_err(of_any)?);
    let some = || -> Result<Digest, Error> {
        let (mut digest, mut batch) = (Digest::default(), Vec::with_capacity(BATCH));
        loop {
            if closing.load(Ordering::Relaxed) {
                return Err(Error::Unavailable("it is being closed".into()));
            }
            for stored in rows.lock().by_ref().take(BATCH) {
                let (key, stored) = stored.map_err(of_any)?;
                batch.push(row(key.value(), stored.value())?);
            }
            if batch.is_empty() {
                return Ok(digest);
            }
            batch.drain(..).for_each(|row| digest.add(&digester.share_of(&row)));
        }
    };
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| guarded(some))).collect();
        let ended = || Error::Unavailable("a thread that reads rows ended early".into());
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(ended()))).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(parts.into_iter().fold(Digest::default(), |mut all, part| {
        all.add(&crate::Share { bytes: part.sum, generation: part.generation });
        all
    }))
}
