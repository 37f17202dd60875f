//! The store's tables in a redb database, and how it is opened so that damage is found.
//!
//! A row's value is its revision (8 bytes, little-endian) and the caller's value. The table `meta` holds the format, the
//! store's id, the last revision, and the sealed digest of all rows at it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    WriteTransaction,
};

use crate::{Error, Revision, Row, StoreId};

pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const REVISION: &str = "revision";
const FORMAT: &str = "format";
const ID: &str = "id";
/// The digest; not in format 1.
pub(super) const DIGEST: &str = "digest";
/// Newest layout known here.
const KNOWN_FORMAT: u32 = 2;

/// Opens a database; makes its tables if it is empty. With `check`, all pages are checked against their checksums first.
pub(super) fn open(backend: impl StorageBackend, cache: usize, check: bool) -> Result<Database, Error> {
    guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(cache).set_check_integrity_on_open(check);
        let database = builder.create_with_backend(backend).map_err(of_database)?;
        prepare(&database)?;
        Ok(database)
    })
}

/// What the table `meta` says.
pub(super) struct Meta {
    pub(super) id: StoreId,
    pub(super) revision: Revision,
    pub(super) digest: Option<Vec<u8>>,
}

pub(super) fn read_meta(read: &ReadTransaction) -> Result<Meta, Error> {
    let meta = read.open_table(META).map_err(of_any)?;
    let missing = |what: &str| Error::Corrupt(format!("it has no {what}"));
    let id = meta.get(ID).map_err(of_any)?.and_then(|id| id.value().try_into().ok());
    let revision = meta.get(REVISION).map_err(of_any)?.and_then(|revision| revision.value().try_into().ok());
    let digest = meta.get(DIGEST).map_err(of_any)?.map(|digest| digest.value().to_vec());
    Ok(Meta {
        id: id.ok_or_else(|| missing("id"))?,
        revision: Revision(u64::from_le_bytes(revision.ok_or_else(|| missing("revision"))?)),
        digest,
    })
}

/// A row as the table holds it.
pub(super) fn row(key: &[u8], stored: &[u8]) -> Result<Row, Error> {
    let (revision, value) =
        stored.split_first_chunk::<8>().ok_or_else(|| Error::Corrupt("a row is truncated".into()))?;
    Ok(Row { key: key.to_vec(), value: value.to_vec(), revision: Revision(u64::from_le_bytes(*revision)) })
}

pub(super) fn get(table: &impl ReadableTable<&'static [u8], &'static [u8]>, key: &[u8]) -> Result<Option<Row>, Error> {
    table.get(key).map_err(of_any)?.map(|stored| row(key, stored.value())).transpose()
}

/// Makes the tables of an empty database, or checks that this version can use those there are.
pub(super) fn prepare(database: &Database) -> Result<(), Error> {
    let read = database.begin_read().map_err(of_any)?;
    let tables = read.list_tables().map_err(of_any)?.count();
    if tables > 0 {
        let meta = read.open_table(META).map_err(of_any)?;
        let format = meta.get(FORMAT).map_err(of_any)?.and_then(|format| format.value().try_into().ok());
        let found = u32::from_le_bytes(format.ok_or_else(|| Error::Corrupt("it has no format".into()))?);
        if found > KNOWN_FORMAT {
            return Err(Error::Newer { found, known: KNOWN_FORMAT });
        }
        return read.open_table(ROWS).map(|_| ()).map_err(of_any);
    }
    write_new(database, &Meta { id: new_id()?, revision: Revision(0), digest: None })
}

/// Makes the tables of a new store.
pub(super) fn write_new(database: &Database, of: &Meta) -> Result<(), Error> {
    let write = database.begin_write().map_err(of_any)?;
    write.open_table(ROWS).map_err(of_any)?;
    write.open_table(META).map_err(of_any)?.insert(ID, &of.id[..]).map_err(of_any)?;
    write_meta(&write, of.revision, of.digest.as_deref())?;
    write.commit().map_err(of_any)
}

/// Writes what goes with each commit. A store of an older format without a digest is of today's with one.
pub(super) fn write_meta(write: &WriteTransaction, revision: Revision, digest: Option<&[u8]>) -> Result<(), Error> {
    let mut meta = write.open_table(META).map_err(of_any)?;
    meta.insert(REVISION, &revision.0.to_le_bytes()[..]).map_err(of_any)?;
    match digest {
        Some(digest) => drop(meta.insert(DIGEST, digest).map_err(of_any)?),
        None => drop(meta.remove(DIGEST).map_err(of_any)?),
    }
    meta.insert(FORMAT, &KNOWN_FORMAT.to_le_bytes()[..]).map_err(of_any)?;
    Ok(())
}

/// Makes a store another one with the same rows, and without a digest: whatever was said of the former one, in its digest, its anchor or
/// an audit log, is not said of this one.
pub(super) fn renew(database: &Database) -> Result<(), Error> {
    let revision = read_meta(&database.begin_read().map_err(of_any)?)?.revision;
    let write = database.begin_write().map_err(of_any)?;
    write.open_table(META).map_err(of_any)?.insert(ID, &new_id()?[..]).map_err(of_any)?;
    write_meta(&write, revision, None)?;
    write.commit().map_err(of_any)
}

/// Ids only tell files apart; they need not be secret.
fn new_id() -> Result<StoreId, Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Error::Unavailable(error.to_string()))?;
    Ok(id)
}

/// Runs what may meet a damaged page: redb promises no panic after its check, and this holds it to that.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::Corrupt("a page is invalid".into())))
}

pub(super) fn of_any(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Corrupted(what) => Error::Corrupt(what),
        error @ (redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsNotMultimap(_)) => Error::Corrupt(error.to_string()),
        error => Error::Unavailable(error.to_string()),
    }
}

fn of_database(error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Error::Locked,
        DatabaseError::UpgradeRequired(version) => {
            Error::Corrupt(format!("its file format is redb's version {version}"))
        }
        DatabaseError::RepairAborted => Error::Corrupt("it can't be repaired".into()),
        // A file that is none of redb's is told by its first bytes.
        DatabaseError::Storage(redb::StorageError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            Error::Corrupt(error.to_string())
        }
        DatabaseError::Storage(redb::StorageError::Io(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::Corrupt("it is truncated".into())
        }
        other => of_any(other),
    }
}
