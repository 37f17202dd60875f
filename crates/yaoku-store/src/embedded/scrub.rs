//! Rewriting the file without what was deleted.
//!
//! redb frees the pages of deleted rows, but leaves their bytes until they are used again. A scrub copies all rows into a
//! new file while writes go on, brings in what changed meanwhile on the writer's thread, syncs, and renames it over the old
//! one. Until the rename the old file is the store, afterwards the new one is; both hold every acknowledged commit. The old
//! file's blocks go back to the file system when the last reader of an old snapshot is done.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};

use super::anchor::StoreId;
use super::database::{META, REVISION, ROWS, of_any, read_meta, write_new};
use super::{FILE, private_file};
use crate::{Error, Revision};

/// The new file until it takes the old one's name.
const NEW: &str = "store.redb.new";
/// Rows copied in one transaction.
const ROWS_A_TRANSACTION: usize = 20_000;

/// Removes what a scrub that was cut off has left.
pub(super) fn remove_leftovers(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(dir.join(NEW)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A copy of a snapshot, in a file of its own.
pub(super) struct Copy {
    database: Database,
}

/// Copies a snapshot.
pub(super) fn copy(dir: &Path, snapshot: &ReadTransaction) -> Result<Copy, Error> {
    let unavailable = |error: io::Error| Error::Unavailable(format!("{}: {error}", dir.join(NEW).display()));
    remove_leftovers(dir).map_err(unavailable)?;
    let file = private_file(&dir.join(NEW)).map_err(unavailable)?;
    let backend = FileBackend::new(file).map_err(|_| Error::Locked)?;
    let database = Database::builder().create_with_backend(backend).map_err(of_any)?;
    let meta = read_meta(snapshot)?;
    let id: StoreId = meta.id;
    write_new(&database, &id, meta.revision)?;
    let rows = snapshot.open_table(ROWS).map_err(of_any)?;
    let mut rows = rows.iter().map_err(of_any)?.peekable();
    while rows.peek().is_some() {
        let write = database.begin_write().map_err(of_any)?;
        {
            let mut table = write.open_table(ROWS).map_err(of_any)?;
            for row in rows.by_ref().take(ROWS_A_TRANSACTION) {
                let (key, stored) = row.map_err(of_any)?;
                table.insert(key.value(), stored.value()).map_err(of_any)?;
            }
        }
        write.commit().map_err(of_any)?;
    }
    Ok(Copy { database })
}

impl Copy {
    /// Brings in the rows that changed since, and takes the place of the store's file. On the writer's thread, which
    /// opens the file anew if this fails: it may be either of the two then.
    pub(super) fn finish(self, dir: &Path, current: &Database, changed: &BTreeSet<Vec<u8>>) -> Result<Database, Error> {
        let read = current.begin_read().map_err(of_any)?;
        let revision: Revision = read_meta(&read)?.revision;
        let rows = read.open_table(ROWS).map_err(of_any)?;
        let write = self.database.begin_write().map_err(of_any)?;
        {
            let mut table = write.open_table(ROWS).map_err(of_any)?;
            for key in changed {
                match rows.get(key.as_slice()).map_err(of_any)? {
                    Some(stored) => drop(table.insert(key.as_slice(), stored.value()).map_err(of_any)?),
                    None => drop(table.remove(key.as_slice()).map_err(of_any)?),
                }
            }
            let mut meta = write.open_table(META).map_err(of_any)?;
            meta.insert(REVISION, &revision.0.to_le_bytes()[..]).map_err(of_any)?;
        }
        write.commit().map_err(of_any)?;
        let unavailable = |error: io::Error| Error::Unavailable(format!("{}: {error}", dir.display()));
        std::fs::rename(dir.join(NEW), dir.join(FILE)).map_err(unavailable)?;
        sync_name_of(&dir.join(FILE)).map_err(unavailable)?;
        Ok(self.database)
    }
}

/// Makes the name of a file durable.
pub(super) fn sync_name_of(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}
