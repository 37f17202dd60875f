//! What several tests of the store need.
#![allow(dead_code, clippy::unwrap_used, reason = "not every test uses all of it")]

pub(crate) mod disk;

use std::collections::BTreeMap;

use yaoku_store::{Options, Revision, Row, Store, Transaction};

/// A small cache, so that reads reach the file.
pub(crate) const SMALL: Options = Options { cache_bytes: 1 << 20 };

/// All rows of a store, in pages so that paging is used too.
pub(crate) async fn all(store: &dyn Store) -> Vec<Row> {
    let snapshot = store.snapshot().await.unwrap();
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.key.clone());
        let page = snapshot.scan(&[], after.as_deref(), 7).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

/// All rows as a map.
pub(crate) async fn contents(store: &dyn Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    all(store).await.into_iter().map(|row| (row.key, row.value)).collect()
}

pub(crate) fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Transaction {
    Transaction { puts: vec![(key.into(), value.into())], ..Transaction::default() }
}

/// Applies a transaction to a map, in the store's order: deletes, then puts.
pub(crate) fn apply(state: &mut BTreeMap<Vec<u8>, Vec<u8>>, transaction: &Transaction) {
    for key in &transaction.deletes {
        state.remove(key);
    }
    state.extend(transaction.puts.iter().cloned());
}

pub(crate) fn revision(store: &yaoku_store::Outcome) -> Revision {
    match store {
        yaoku_store::Outcome::Committed(revision) => *revision,
        yaoku_store::Outcome::Conflict { key } => panic!("conflict at {}", key.escape_ascii()),
    }
}
