//! Who is calling.

use yaoku_crypto::Secret;
use yaoku_crypto::mac::{Digest, Hash, HmacKey};

use crate::Error;

/// An AccessKey, ready to sign.
pub struct AccessKey {
    id: String,
    key: Box<HmacKey>,
}

impl AccessKey {
    /// Takes an AccessKey.
    ///
    /// # Errors
    /// When the id can't be part of a header, or the secret is empty.
    pub fn new(id: &str, secret: &Secret) -> Result<Self, Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if id.is_empty() || id.len() > 128 || !id.bytes().all(is_plain) {
            return Err(Error::AccessKey("the AccessKey ID has characters that such IDs don't have, or none".into()));
        }
        if secret.is_empty() {
            return Err(Error::AccessKey("the AccessKey Secret is empty".into()));
        }
        Ok(Self { id: id.to_owned(), key: HmacKey::of_material(Hash::Sha256, secret) })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn sign(&self, text: &[u8]) -> Digest {
        self.key.sign(text)
    }
}
