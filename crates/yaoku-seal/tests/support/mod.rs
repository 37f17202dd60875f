//! Seals and stores that fail when told to, and records to put.
#![allow(dead_code, clippy::unwrap_used, reason = "not every test uses all of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use yaoku_crypto::Secret;
use yaoku_seal::seal::Seal;
use yaoku_seal::{Changes, Domain, Error, Kind, RecordName};
use yaoku_store::{
    Digest, Digester, Found, Limits, Outcome, Revision, Row, Snapshot, Store, StoreId, Transaction, Trust, Watch,
};

pub(crate) const ACCOUNT: Domain = Domain(*b"1111111111111111");

pub(crate) fn name(id: &str) -> RecordName {
    RecordName { kind: Kind(9), domain: ACCOUNT, id: id.into(), version: Vec::new() }
}

pub(crate) fn put(id: &str, bytes: &[u8]) -> Changes {
    Changes { puts: vec![(name(id), Secret::new(bytes.to_vec()))], ..Changes::default() }
}

/// Holds root keys in memory.
#[derive(Default)]
pub(crate) struct MemorySeal(Mutex<Option<Vec<Secret>>>);

impl Seal for MemorySeal {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn load(&self) -> Result<Option<Vec<Secret>>, Error> {
        Ok(self.0.lock().as_ref().map(|keys| keys.iter().map(Secret::duplicate).collect()))
    }

    fn save(&self, root_keys: &[Secret]) -> Result<(), Error> {
        *self.0.lock() = Some(root_keys.iter().map(Secret::duplicate).collect());
        Ok(())
    }

    fn portable(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn open_portable(&self, _: &[u8]) -> Result<Option<Vec<Secret>>, Error> {
        Ok(None)
    }
}

/// Fails after so many writes; where `done`, what failed has happened nevertheless.
pub(crate) struct FragileSeal {
    inner: Arc<MemorySeal>,
    done: bool,
    pub(crate) left: AtomicI64,
}

impl FragileSeal {
    pub(crate) fn new(inner: Arc<MemorySeal>, done: bool) -> Self {
        Self { inner, done, left: AtomicI64::new(i64::MAX) }
    }
}

impl Seal for FragileSeal {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn load(&self) -> Result<Option<Vec<Secret>>, Error> {
        self.inner.load()
    }

    fn save(&self, root_keys: &[Secret]) -> Result<(), Error> {
        let fails = self.left.fetch_sub(1, Ordering::Relaxed) <= 0;
        if !fails || self.done {
            self.inner.save(root_keys)?;
        }
        if fails { Err(Error::Seal("the test's seal fails".into())) } else { Ok(()) }
    }

    fn portable(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn open_portable(&self, _: &[u8]) -> Result<Option<Vec<Secret>>, Error> {
        Ok(None)
    }
}

/// As [`FragileSeal`], for commits.
pub(crate) struct FragileStore {
    inner: Arc<dyn Store>,
    done: bool,
    pub(crate) left: AtomicI64,
}

impl FragileStore {
    pub(crate) fn new(inner: Arc<dyn Store>, done: bool) -> Self {
        Self { inner, done, left: AtomicI64::new(i64::MAX) }
    }
}

#[async_trait]
impl Store for FragileStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Row>, yaoku_store::Error> {
        self.inner.get(key).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, yaoku_store::Error> {
        self.inner.snapshot().await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, yaoku_store::Error> {
        let fails = self.left.fetch_sub(1, Ordering::Relaxed) <= 0;
        if fails && !self.done {
            return Err(yaoku_store::Error::Unavailable("the test's store fails".into()));
        }
        let outcome = self.inner.commit(transaction).await;
        if fails { Err(yaoku_store::Error::Unavailable("the test's store fails".into())) } else { outcome }
    }

    async fn watch(&self, from: Revision) -> Result<Box<dyn Watch>, yaoku_store::Error> {
        self.inner.watch(from).await
    }

    async fn scrub(&self) -> Result<(), yaoku_store::Error> {
        self.inner.scrub().await
    }

    async fn health(&self) -> Result<(), yaoku_store::Error> {
        self.inner.health().await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn id(&self) -> StoreId {
        self.inner.id()
    }

    async fn keep_digest(&self, digester: Arc<dyn Digester>, trust: Trust) -> Result<Found, yaoku_store::Error> {
        self.inner.keep_digest(digester, trust).await
    }

    fn digest(&self) -> Option<(Revision, Digest)> {
        self.inner.digest()
    }

    async fn verify(&self) -> Result<(), yaoku_store::Error> {
        self.inner.verify().await
    }
}
