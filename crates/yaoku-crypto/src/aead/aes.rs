//! AES (FIPS 197) and AES-GCM (NIST SP 800-38D), by aws-lc-rs.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};

use super::{BlockCipher, Gcm, GcmNonce, TAG_LEN};
use crate::Error;

/// The library's names of a key size.
pub(super) struct Size {
    block_cipher: &'static cipher::Algorithm,
    gcm: &'static aead::Algorithm,
}

pub(super) static AES_256: Size = Size { block_cipher: &cipher::AES_256, gcm: &aead::AES_256_GCM };
pub(super) static AES_192: Size = Size { block_cipher: &cipher::AES_192, gcm: &aead::AES_192_GCM };
pub(super) static AES_128: Size = Size { block_cipher: &cipher::AES_128, gcm: &aead::AES_128_GCM };

/// AES under a key.
pub(super) struct Aes {
    key: EncryptingKey,
    gcm: &'static aead::Algorithm,
}

impl Aes {
    pub(super) fn new(size: &Size, key: &[u8]) -> Result<Self, Error> {
        let library = |_| Error::Library("the block cipher does not take the key");
        let unbound = UnboundCipherKey::new(size.block_cipher, key).map_err(library)?;
        Ok(Self { key: EncryptingKey::ecb(unbound).map_err(library)?, gcm: size.gcm })
    }
}

impl BlockCipher for Aes {
    type Gcm = AesGcm;

    fn encrypt_blocks(&self, blocks: &mut [u8]) -> Result<(), Error> {
        let result = self.key.less_safe_encrypt(blocks, EncryptionContext::None);
        result.map(|_| ()).map_err(|_| Error::Library("the block cipher fails"))
    }

    fn gcm(&self, subkey: &[u8]) -> Result<AesGcm, Error> {
        let key = UnboundKey::new(self.gcm, &subkey[..self.gcm.key_len()]);
        key.map(|key| AesGcm(LessSafeKey::new(key))).map_err(|_| Error::Library("AES-GCM does not take the subkey"))
    }
}

/// AES-GCM under a key.
pub(super) struct AesGcm(LessSafeKey);

impl Gcm for AesGcm {
    fn seal(&self, nonce: &GcmNonce, aad: &[u8], bytes: &mut [u8]) -> Result<[u8; TAG_LEN], Error> {
        let library = |_| Error::Library("AES-GCM does not take the plaintext");
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), bytes).map_err(library)?;
        tag.as_ref().try_into().map_err(|_| Error::Library("a tag of AES-GCM has another length"))
    }

    fn open(
        &self,
        nonce: &GcmNonce,
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        plaintext: &mut [u8],
    ) -> Result<(), Error> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, plaintext);
        opened.map_err(|_| Error::Open)
    }
}
