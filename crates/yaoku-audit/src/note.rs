//! Signed checkpoints: C2SP tlog-checkpoint in a C2SP signed-note with Ed25519 (RFC 8032).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use yaoku_crypto::Secret;

use crate::Error;
use crate::merkle::{Head, sha256};

/// Bytes of the seed that a signing key is made of.
pub const SEED_LEN: usize = 32;
/// The longest note that is read.
pub const MAX_NOTE: usize = 4096;
/// Number of Ed25519 in signed-note.
const ED25519_TYPE: u8 = 1;

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
        let mut note = self.verifier.text(purpose, head);
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

    fn text(&self, purpose: Purpose, head: &Head) -> String {
        format!("{}{}\n{}\n{}\n", self.name, purpose.suffix(), head.size, STANDARD.encode(head.root))
    }

    /// Reads a note. Only the one spelling that [`Signer::sign`] writes is taken.
    ///
    /// # Errors
    /// [`Error::Form`] if it is of another form or purpose, or this key did not sign it.
    pub fn open(&self, purpose: Purpose, note: &[u8]) -> Result<Head, Error> {
        let form = || Error::Form("this is not a checkpoint of this log");
        let note = std::str::from_utf8(note).ok().filter(|note| note.len() <= MAX_NOTE).ok_or_else(form)?;
        let (text, signature) = note.split_once("\n\n").ok_or_else(form)?;
        let mut lines = text.splitn(3, '\n');
        let (Some(_), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else { return Err(form()) };
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or_else(form)?;
        let head = Head { size: size.parse().map_err(|_| form())?, root };
        let body = self.text(purpose, &head);
        let signature = signature.strip_prefix("\u{2014} ").and_then(|rest| rest.strip_prefix(&*self.name));
        let signature = signature.and_then(|rest| rest.strip_prefix(' ')).and_then(|rest| rest.strip_suffix('\n'));
        let signature = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or_else(form)?;
        let signature = signature.strip_prefix(&self.key_id()).ok_or_else(form)?;
        if body.strip_suffix('\n') != Some(text) {
            return Err(form());
        }
        let verified = UnparsedPublicKey::new(&ED25519, &self.public).verify(body.as_bytes(), signature);
        verified.map_err(|_| Error::Form("this checkpoint was not signed with this key"))?;
        Ok(head)
    }
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

    #[test]
    fn every_flipped_bit_is_noticed() {
        let note = signer().sign(Purpose::Checkpoint, &Head { size: 12, root: [9; 32] }).into_bytes();
        for at in 0..note.len() * 8 {
            let mut changed = note.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(signer().verifier().open(Purpose::Checkpoint, &changed).is_err(), "bit {at}");
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
