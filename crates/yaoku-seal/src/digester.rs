//! The keys of the digest that a store keeps of its rows ([`yaoku_store::Digester`]), and what checkpoints of the audit log say of
//! it.
//!
//! All of them come from the system's domain key *K*: each is HMAC-SHA-256(*K*, label), which is the expansion step of HKDF (RFC 5869)
//! with one block, and serves one purpose. A row's share is the HMAC of its key, revision and value, so that it is bound to what the value is
//! sealed as, its generation included. The digest itself is sealed as records are, with the store's id and its revision as
//! additional authenticated data.

use std::sync::Arc;

use yaoku_crypto::aead::CommittingAead;
use yaoku_crypto::mac::{Hash, HmacKey, ct_eq, hmac_of_secret};
use yaoku_crypto::{Random, Secret};
use yaoku_store::{Digest, Digester, Revision, Share, StoreId};

use crate::vault::generation_of;

/// What a store holds at a revision, as the audit log signs it: who has the log can tell whether a store is that or goes on from it,
/// and nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreMark {
    /// The store.
    pub store: StoreId,
    /// The commit.
    pub revision: Revision,
    /// An HMAC of the digest of all rows.
    pub digest: [u8; 32],
}

/// Keeps the digest of a store's rows.
pub(crate) struct StoreDigester {
    rows: Box<HmacKey>,
    files: Box<HmacKey>,
    marks: Box<HmacKey>,
    system: Arc<CommittingAead>,
    random: Arc<dyn Random>,
}

impl StoreDigester {
    /// Of the system's domain key and its cipher.
    pub(crate) fn new(key: &Secret, system: Arc<CommittingAead>, random: Arc<dyn Random>) -> Self {
        let derived = |label: &[u8]| {
            let derived = hmac_of_secret(Hash::Sha256, key.expose(), &[label, &[1]].concat());
            HmacKey::of_material(Hash::Sha256, &Secret::new(derived.as_bytes().to_vec()))
        };
        let (rows, files) = (derived(b"yaoku rows v1\0"), derived(b"yaoku files v1\0"));
        Self { rows, files, marks: derived(b"yaoku marks v1\0"), system, random }
    }

    /// What checkpoints say of a digest.
    pub(crate) fn mark(&self, store: StoreId, revision: Revision, digest: &Digest) -> StoreMark {
        let stated = [&store[..], &revision.0.to_be_bytes(), &digest.sum].concat();
        StoreMark { store, revision, digest: first(self.marks.sign(&stated).as_bytes()) }
    }
}

impl Digester for StoreDigester {
    fn share(&self, key: &[u8], revision: Revision, value: &[u8]) -> Share {
        let length = (key.len() as u64).to_be_bytes();
        let row = [&length[..], key, &revision.0.to_be_bytes(), value].concat();
        Share { bytes: first(self.rows.sign(&row).as_bytes()), generation: generation_of(value) }
    }

    fn seal(&self, store: &StoreId, revision: Revision, digest: &Digest) -> Result<Vec<u8>, String> {
        let plain = [&digest.sum[..], &digest.generation.to_be_bytes()].concat();
        let mut sealed = Vec::new();
        let done = self.system.seal(self.random.as_ref(), &aad(store, revision), &plain, &mut sealed);
        done.map(|()| sealed).map_err(|error| error.to_string())
    }

    fn open(&self, store: &StoreId, revision: Revision, sealed: &[u8]) -> Option<Digest> {
        let opened = self.system.open(&aad(store, revision), sealed).ok()?;
        let (sum, generation) = opened.expose().split_first_chunk::<32>()?;
        Some(Digest { sum: *sum, generation: u64::from_be_bytes(generation.try_into().ok()?) })
    }

    fn authenticate(&self, statement: &[u8]) -> [u8; 32] {
        first(self.files.sign(statement).as_bytes())
    }

    fn is_authentic(&self, statement: &[u8], code: &[u8; 32]) -> bool {
        ct_eq(&self.authenticate(statement), code)
    }
}

/// Another label than that of records and tokens, so that none can be taken for the other.
fn aad(store: &StoreId, revision: Revision) -> Vec<u8> {
    [b"yaoku digest v1\0", &store[..], &revision.0.to_be_bytes()].concat()
}

fn first(bytes: &[u8]) -> [u8; 32] {
    let mut first = [0; 32];
    first.copy_from_slice(&bytes[..32]);
    first
}
