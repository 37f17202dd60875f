//! Signed checkpoints: C2SP tlog-checkpoint in a C2SP signed-note with Ed25519 (RFC 8032).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use yaoku_crypto::Secret;
use yaoku_seal::{Revision, StoreMark};

use crate::Error;
use crate::merkle::{Head, sha256};

/// Bytes of the seed that a signing key is made of.
pub const SEED_LEN: usize = 32;
/// The longest note that is read.
pub const MAX_NOTE: usize = 4096;
/// Number of Ed25519 in signed-note.
const ED25519_TYPE: u8 = 1;

/// What a checkpoint signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The tree of records.
    pub head: Head,
    /// What the store held then. Several, where another store is about to take its place: it is one of them.
    pub stores: Vec<StoreMark>,
}

/// The most stores that a checkpoint names.
pub const MAX_STORES: usize = 8;

/// What a note tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The tree as it is.
    Checkpoint,
    /// The tree at the first record that retention has kept: all before it may be gone.
    Retention,
}

impl Purpose {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Checkpoint => "",
            Self::Retention => "/retention",
        }
    }
}

/// Signs checkpoints.
pub struct Signer {
    key: Ed25519KeyPair,
    verifier: Verifier,
}

impl Signer {
    /// The signer of a secret seed.
    ///
    /// # Errors
    /// [`Error::Form`] unless it is [`SEED_LEN`] bytes.
    pub fn new(seed: &Secret) -> Result<Self, Error> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed.expose());
        let key = key.map_err(|_| Error::Form("the signing key of the audit log is malformed"))?;
        let mut public = [0; 32];
        public.copy_from_slice(key.public_key().as_ref());
        Ok(Self { key, verifier: Verifier::of(public) })
    }

    /// The public half.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A signed note.
    pub fn sign(&self, purpose: Purpose, head: &Head) -> String {
        self.sign_text(self.verifier.text(purpose, head, ""))
    }

    /// A signed checkpoint.
    pub fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> String {
        self.sign_with(&checkpoint.head, &store_lines(&checkpoint.stores))
    }

    /// A signed checkpoint whose lines on stores are spelled already.
    pub(crate) fn sign_with(&self, head: &Head, store_lines: &str) -> String {
        self.sign_text(self.verifier.text(Purpose::Checkpoint, head, store_lines))
    }

    fn sign_text(&self, mut note: String) -> String {
        let signature = self.key.sign(note.as_bytes());
        let signed = [&self.verifier.key_id()[..], signature.as_ref()].concat();
        note += &format!("\n\u{2014} {} {}\n", self.verifier.name, STANDARD.encode(signed));
        note
    }
}

/// Verifies notes by a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    public: [u8; 32],
}

impl Verifier {
    /// The verifier of a public key, named after it.
    fn of(public: [u8; 32]) -> Self {
        let name: String = sha256(&public)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("yaoku-audit/{name}"), public }
    }

    /// Reads a verifier key: `name+hash+base64`, spaces around it allowed.
    ///
    /// # Errors
    /// [`Error::Form`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let unreadable = Error::Form("this is not the public key of an audit log");
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(unreadable);
        };
        let Ok(key) = STANDARD.decode(key) else { return Err(unreadable) };
        let Some((&ED25519_TYPE, public)) = key.split_first() else { return Err(unreadable) };
        let Ok(public) = public.try_into() else { return Err(unreadable) };
        let verifier = Self { name: name.into(), public };
        let named = (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if named && verifier.to_string() == text.trim() { Ok(verifier) } else { Err(unreadable) }
    }

    /// The key's name, which is the log's as well.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", &[ED25519_TYPE], &self.public].concat());
        [hash[0], hash[1], hash[2], hash[3]]
    }

    fn text(&self, purpose: Purpose, head: &Head, store_lines: &str) -> String {
        let root = STANDARD.encode(head.root);
        format!("{}{}\n{}\n{root}\n{store_lines}", self.name, purpose.suffix(), head.size)
    }

    /// Reads a note. Only the one spelling that [`Signer::sign`] writes is taken.
    ///
    /// # Errors
    /// [`Error::Form`] if it is of another form or purpose, or this key did not sign it.
    pub fn open(&self, purpose: Purpose, note: &[u8]) -> Result<Head, Error> {
        self.open_with_stores(purpose, note).map(|opened| opened.head)
    }

    /// Reads a checkpoint, with what it says of the store.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_checkpoint(&self, note: &[u8]) -> Result<Checkpoint, Error> {
        self.open_with_stores(Purpose::Checkpoint, note)
    }

    fn open_with_stores(&self, purpose: Purpose, note: &[u8]) -> Result<Checkpoint, Error> {
        let form = || Error::Form("this is not a checkpoint of this log");
        let note = std::str::from_utf8(note).ok().filter(|note| note.len() <= MAX_NOTE).ok_or_else(form)?;
        let (text, signature) = note.split_once("\n\n").ok_or_else(form)?;
        let mut lines = text.split('\n');
        let (Some(_), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else { return Err(form()) };
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or_else(form)?;
        let head = Head { size: size.parse().map_err(|_| form())?, root };
        let stores = lines.map(store_mark).take(MAX_STORES + 1).collect::<Option<Vec<_>>>().ok_or_else(form)?;
        if stores.len() > MAX_STORES || (purpose == Purpose::Retention && !stores.is_empty()) {
            return Err(form());
        }
        let body = self.text(purpose, &head, &store_lines(&stores));
        let signature = signature.strip_prefix("\u{2014} ").and_then(|rest| rest.strip_prefix(&*self.name));
        let signature = signature.and_then(|rest| rest.strip_prefix(' ')).and_then(|rest| rest.strip_suffix('\n'));
        let signature = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or_else(form)?;
        let signature = signature.strip_prefix(&self.key_id()).ok_or_else(form)?;
        if body.strip_suffix('\n') != Some(text) {
            return Err(form());
        }
        let verified = UnparsedPublicKey::new(&ED25519, &self.public).verify(body.as_bytes(), signature);
        verified.map_err(|_| Error::Form("this checkpoint was not signed with this key"))?;
        Ok(Checkpoint { head, stores })
    }
}

/// What a line on a store begins with.
const STORE: &str = "store ";

/// What a checkpoint says of stores, a line each.
pub(crate) fn store_lines(stores: &[StoreMark]) -> String {
    let line = |StoreMark { store, revision, digest }: &StoreMark| {
        format!("{STORE}{:032x} {} {}\n", u128::from_be_bytes(*store), revision.0, STANDARD.encode(digest))
    };
    stores.iter().map(line).collect()
}

/// Reads a line on a store. That it has only one spelling is seen by writing it again.
fn store_mark(line: &str) -> Option<StoreMark> {
    let mut parts = line.strip_prefix(STORE)?.split(' ');
    let (id, revision, digest) = (parts.next()?, parts.next()?, parts.next()?);
    let store = u128::from_str_radix(id, 16).ok()?.to_be_bytes();
    let digest = STANDARD.decode(digest).ok()?.try_into().ok()?;
    Some(StoreMark { store, revision: Revision(revision.parse().ok()?), digest })
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id: String = self.key_id().iter().map(|byte| format!("{byte:02x}")).collect();
        let key = [&[ED25519_TYPE][..], &self.public].concat();
        write!(f, "{}+{id}+{}", self.name, STANDARD.encode(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signer() -> Signer {
        Signer::new(&Secret::new(vec![7; SEED_LEN])).unwrap()
    }

    #[test]
    fn a_note_gives_back_its_head_to_its_own_key_and_purpose_only() {
        let head = Head { size: 12, root: [9; 32] };
        let note = signer().sign(Purpose::Checkpoint, &head);
        assert_eq!(signer().verifier().open(Purpose::Checkpoint, note.as_bytes()).unwrap(), head);
        assert!(signer().verifier().open(Purpose::Retention, note.as_bytes()).is_err());
        let other = Signer::new(&Secret::new(vec![8; SEED_LEN])).unwrap();
        assert!(other.verifier().open(Purpose::Checkpoint, note.as_bytes()).is_err());
        let shown = signer().verifier().to_string();
        assert_eq!(Verifier::parse(&shown).unwrap(), *signer().verifier());
    }

    fn with_stores(count: u8) -> Checkpoint {
        let mark = |of: u8| StoreMark { store: [of; 16], revision: Revision(u64::from(of) * 7), digest: [of + 1; 32] };
        Checkpoint { head: Head { size: 12, root: [9; 32] }, stores: (0..count).map(mark).collect() }
    }

    #[test]
    fn a_checkpoint_gives_back_what_it_says_of_stores() {
        for count in 0..=MAX_STORES as u8 {
            let note = signer().sign_checkpoint(&with_stores(count));
            assert_eq!(signer().verifier().open_checkpoint(note.as_bytes()).unwrap(), with_stores(count));
            assert_eq!(signer().verifier().open(Purpose::Checkpoint, note.as_bytes()).unwrap(), with_stores(0).head);
        }
        let many = signer().sign_checkpoint(&with_stores(MAX_STORES as u8 + 1));
        assert!(signer().verifier().open_checkpoint(many.as_bytes()).is_err());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for stores in [0, 2] {
            let note = signer().sign_checkpoint(&with_stores(stores)).into_bytes();
            for at in 0..note.len() * 8 {
                let mut changed = note.clone();
                changed[at / 8] ^= 1 << (at % 8);
                assert!(signer().verifier().open(Purpose::Checkpoint, &changed).is_err(), "bit {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = signer().verifier().open(Purpose::Checkpoint, &bytes);
            let _ = Verifier::parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
