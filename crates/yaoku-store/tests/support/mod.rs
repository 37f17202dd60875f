//! What several tests of the store need.
#![allow(dead_code, clippy::unwrap_used, reason = "not every test uses all of it")]

pub(crate) mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use yaoku_store::{Digest, Digester, Found, Options, Revision, Row, Share, Store, StoreId, Transaction, Trust};

/// A small cache, so that reads reach the file.
pub(crate) const SMALL: Options = Options { cache_bytes: 1 << 20, ..Options::DEFAULT };

/// Keeps a digest of a store's rows from now on, after comparing them with the one that there is.
pub(crate) async fn keep(store: &dyn Store) -> Found {
    store.keep_digest(Arc::new(Keys), Trust::FirstUse).await.unwrap()
}

/// Keys that everybody knows, and no secrecy.
pub(crate) struct Keys;

fn code(parts: &[&[u8]]) -> [u8; 32] {
    sign(&Key::new(HMAC_SHA256, b"key"), &parts.concat()).as_ref().try_into().unwrap()
}

impl Digester for Keys {
    fn share(&self, key: &[u8], revision: Revision, value: &[u8]) -> Share {
        Share { bytes: code(&[b"row", &revision.0.to_be_bytes(), &[key.len() as u8], key, value]), generation: 0 }
    }

    fn seal(&self, store: &StoreId, revision: Revision, digest: &Digest) -> Result<Vec<u8>, String> {
        Ok([&digest.sum[..], &code(&[b"digest", store, &revision.0.to_be_bytes(), &digest.sum])].concat())
    }

    fn open(&self, store: &StoreId, revision: Revision, sealed: &[u8]) -> Option<Digest> {
        let digest = Digest { sum: *sealed.first_chunk()?, generation: 0 };
        (self.seal(store, revision, &digest).unwrap() == sealed).then_some(digest)
    }

    fn authenticate(&self, statement: &[u8]) -> [u8; 32] {
        code(&[b"file", statement])
    }

    fn is_authentic(&self, statement: &[u8], code: &[u8; 32]) -> bool {
        self.authenticate(statement) == *code
    }
}

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
