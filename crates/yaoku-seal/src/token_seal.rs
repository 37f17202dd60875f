//! The root key in a file, sealed under a key that a hardware security module holds.

use std::path::PathBuf;
use std::sync::Arc;

use yaoku_crypto::aead::Algorithm;
use yaoku_crypto::pkcs11::{ObjectId, Token, TokenKey, TokenKeyKind};
use yaoku_crypto::{Secret, SystemRandom};
use zeroize::Zeroizing;

use crate::Error;
use crate::seal::{Seal, read_private, split_root_keys, write_private};

/// The root key sealed under an AES-256 key that is made in the token and never leaves it. Who has the file opens nothing
/// without the token; a backup opens where the same token is.
pub struct TokenSeal {
    /// The file.
    pub path: PathBuf,
    /// The token.
    pub token: Arc<Token>,
}

/// First bytes of the file; then the id of the key in the token (16), and the sealed root keys.
const MAGIC: &[u8; 8] = b"YAOKUHS1";
const HEAD: usize = 8 + 16;
const KIND: TokenKeyKind = TokenKeyKind::Aead(Algorithm::Aes256);
/// What the key is called in the token.
const LABEL: &str = "yaoku seal";

impl TokenSeal {
    fn key(&self, object: ObjectId) -> TokenKey {
        TokenKey::new(self.token.clone(), KIND, object)
    }

    fn open(&self, bytes: &[u8]) -> Result<Vec<Secret>, Error> {
        let damaged = || Error::Seal("the seal of the HSM is damaged; replace it with a copy".into());
        let (head, sealed) = bytes.split_first_chunk::<HEAD>().ok_or_else(damaged)?;
        let object = object_of(head).ok_or_else(damaged)?;
        let opened = self.key(object).open(head, sealed).map_err(|error| match error {
            yaoku_crypto::Error::Open => damaged(),
            yaoku_crypto::Error::TokenObject => Error::Seal(
                "the HSM does not hold the key of this seal; use the token with which the seal was created".into(),
            ),
            other => other.into(),
        })?;
        split_root_keys(&opened).ok_or_else(damaged)
    }

    /// The key of the seal that is there, or else a new one.
    fn object(&self) -> Result<ObjectId, Error> {
        let held = read_private(&self.path)?;
        let head = held.as_ref().and_then(|bytes| bytes.expose().first_chunk::<HEAD>());
        if let Some(object) = head.and_then(object_of) {
            return Ok(object);
        }
        let object = ObjectId::generate(&SystemRandom)?;
        self.token.generate(KIND, object, LABEL)?;
        Ok(object)
    }
}

impl Seal for TokenSeal {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn load(&self) -> Result<Option<Vec<Secret>>, Error> {
        let Some(bytes) = read_private(&self.path)? else { return Ok(None) };
        self.open(bytes.expose()).map(Some)
    }

    fn save(&self, root_keys: &[Secret]) -> Result<(), Error> {
        let object = self.object()?;
        let head = [&MAGIC[..], object.as_bytes()].concat();
        let mut keys = Zeroizing::new(Vec::new());
        keys.reserve_exact(root_keys.iter().map(Secret::len).sum());
        root_keys.iter().for_each(|key| keys.extend_from_slice(key.expose()));
        let mut bytes = head.clone();
        self.key(object).seal(&SystemRandom, &head, &keys, &mut bytes)?;
        write_private(&self.path, &bytes)
    }

    fn portable(&self) -> Result<Vec<u8>, Error> {
        Ok(read_private(&self.path)?.map(|bytes| bytes.expose().to_vec()).unwrap_or_default())
    }

    fn open_portable(&self, portable: &[u8]) -> Result<Option<Vec<Secret>>, Error> {
        if portable.starts_with(MAGIC) { self.open(portable).map(Some) } else { Ok(None) }
    }
}

fn object_of(head: &[u8; HEAD]) -> Option<ObjectId> {
    let (magic, object) = head.split_first_chunk::<8>()?;
    (magic == MAGIC).then(|| object.try_into().ok().map(ObjectId::from_bytes))?
}
