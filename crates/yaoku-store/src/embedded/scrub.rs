//! Rewriting the file: without what was deleted, or because a sync of it failed.
//!
//! redb frees the pages of deleted rows, but leaves their bytes until they are used again. A scrub copies all rows into a
//! new file while writes go on, brings in what changed meanwhile on the writer's thread, syncs, and renames it over the old
//! one. Until the rename the old file is the store, afterwards the new one is; both hold every acknowledged commit. The old
//! file's blocks go back to the file system when the last reader of an old snapshot is done.

use std::collections::BTreeSet;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};

use super::database::{ROWS, of_any, read_meta, write_meta, write_new};
use super::files::{Aside, Files, RESCUED};
use crate::Error;

/// Rows copied in one transaction.
const ROWS_A_TRANSACTION: usize = 20_000;

/// A copy of a snapshot, in a file of its own.
pub(super) struct Copy {
    database: Database,
    aside: Aside,
}

/// Copies a snapshot into a file of that name.
pub(super) fn copy(files: &Files, name: &str, snapshot: &ReadTransaction) -> Result<Copy, Error> {
    let (database, aside) = files.create_aside(name)?;
    let meta = read_meta(snapshot)?;
    write_new(&database, &meta)?;
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
    Ok(Copy { database, aside })
}

impl Copy {
    /// Brings in the rows that changed since, and takes the place of the store's file. On the writer's thread, which
    /// opens the file anew if this fails: it may be either of the two then.
    pub(super) fn finish(
        self,
        files: &Files,
        current: &Database,
        changed: &BTreeSet<Vec<u8>>,
    ) -> Result<Database, Error> {
        let read = current.begin_read().map_err(of_any)?;
        let meta = read_meta(&read)?;
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
        }
        write_meta(&write, meta.revision, meta.digest.as_deref())?;
        write.commit().map_err(of_any)?;
        files.install(self.aside)?;
        Ok(self.database)
    }
}

/// Writes everything that can be read into a new file. After a failed sync nobody knows which pages of the old one reached
/// the disk, and syncing it again would not tell.
pub(super) fn rescue(files: &Files, current: &Database) -> Result<Database, Error> {
    files.check_room_for_copy()?;
    let snapshot = current.begin_read().map_err(of_any)?;
    copy(files, RESCUED, &snapshot)?.finish(files, current, &BTreeSet::new())
}
