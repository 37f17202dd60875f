//! AES-GCM (NIST SP 800-38D) inside the token.
//!
//! A token can't derive a key for each message and hand none of it out, so the construction of [`crate::aead`] is not to be
//! had: this is GCM under the key itself, with a random nonce of 96 bits and without a commitment to the key. The caller
//! counts: under one key, at most 2^32 messages may be sealed (SP 800-38D, 8.3).

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;

use super::TokenKey;
use super::connection::Failure;
use crate::{Error, Random, Secret};

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 12;
/// Bytes of a tag.
pub const TAG_LEN: usize = 16;
/// Bytes by which sealed bytes are longer than their plaintext.
pub const OVERHEAD: usize = NONCE_LEN + TAG_LEN;
/// Messages that may be sealed under one key.
pub const MAX_MESSAGES: u64 = 1 << 32;

impl TokenKey {
    /// Appends the sealed `plaintext` to `out`: nonce, ciphertext, tag.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::TokenAway`]; [`Error::TokenSetup`]; [`Error::TokenObject`]; [`Error::Token`]. `out` is
    /// then as it was.
    pub fn seal(&self, random: &dyn Random, aad: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let sealed = self.with(|lease, key| {
            // Anew for each attempt: one that was cut off may have used its nonce.
            let mut nonce = [0; NONCE_LEN];
            random.fill(&mut nonce)?;
            let given = nonce;
            let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, aad, TAG_BITS.into())?);
            let ciphertext = lease.session().encrypt(&mechanism, key, plaintext)?;
            drop(mechanism);
            if nonce != given || ciphertext.len() != plaintext.len() + TAG_LEN {
                return Err(Error::Token("its AES-GCM chooses the nonce itself, or returns no tag".into()).into());
            }
            Ok((nonce, ciphertext))
        });
        let (nonce, ciphertext) = sealed?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&ciphertext);
        Ok(())
    }

    /// Opens sealed bytes.
    ///
    /// # Errors
    /// [`Error::Open`], whatever is wrong with AAD or bytes; else as [`Self::seal`].
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret, Error> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Error::Open)?;
        if ciphertext.len() < TAG_LEN {
            return Err(Error::Open);
        }
        self.with(|lease, key| {
            let mut nonce = *nonce;
            let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, aad, TAG_BITS.into())?);
            let plaintext = lease.session().decrypt(&mechanism, key, ciphertext);
            plaintext.map(Secret::new).map_err(|error| Failure::of_ciphertext(error, lease))
        })
    }
}

const TAG_BITS: u64 = 128;
