//! Committing authenticated encryption with random 192-bit nonces.
//!
//! For AES-256 this is XAES-256-GCM ([C2SP](https://c2sp.org/XAES-256-GCM)) with the key commitment of KC-XAES
//! (Kampanakis, Halevi, Ebeid, Campagna, *Blockcipher-Based Key Commitment for Nonce-Derived Schemes*,
//! IACR ePrint 2025/758). The other key sizes are the same construction over their own block cipher.
//!
//! With *K* the key, *N* the nonce of 24 bytes, E the block cipher under *K*, and *K1* the first CMAC subkey of *K*
//! (NIST SP 800-38B, 6.1):
//!
//! 1. Subkey (NIST SP 800-108r1, 4.1, over CMAC): *Kₓ* = the first `key_len` bytes of
//!    E(00 01 58 00 ‖ *N*\[..12\] ⊕ *K1*) ‖ E(00 02 58 00 ‖ *N*\[..12\] ⊕ *K1*).
//! 2. Commitment: *X* = E("XCMT" ‖ *N*\[..12\]); *C* = E(*X* ⊕ (*N*\[12..\] ‖ 00 01 00 01) ⊕ *K1*) ‖
//!    E(*X* ⊕ (*N*\[12..\] ‖ 00 01 00 02) ⊕ *K1*), which is CMAC of "XCMT" ‖ *N* ‖ 0001 ‖ 000i for i = 1, 2.
//! 3. AES-GCM (NIST SP 800-38D) under *Kₓ* with nonce *N*\[12..\].
//!
//! Sealed bytes are *N* (24) ‖ *C* (32) ‖ ciphertext ‖ tag (16).

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use zeroize::{Zeroize, Zeroizing};

use crate::mac::ct_eq;
use crate::{Error, Random, Secret};

/// A block cipher and key size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// AES with a 256-bit key: XAES-256-GCM.
    Aes256,
    /// AES with a 192-bit key.
    Aes192,
    /// AES with a 128-bit key.
    Aes128,
}

impl Algorithm {
    /// Every algorithm that there is.
    pub const ALL: [Self; 3] = [Self::Aes256, Self::Aes192, Self::Aes128];

    /// Bytes of a key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes256 => 32,
            Self::Aes192 => 24,
            Self::Aes128 => 16,
        }
    }

    const fn block_cipher(self) -> &'static aws_lc_rs::cipher::Algorithm {
        match self {
            Self::Aes256 => &AES_256,
            Self::Aes192 => &AES_192,
            Self::Aes128 => &AES_128,
        }
    }

    const fn gcm(self) -> &'static aws_lc_rs::aead::Algorithm {
        match self {
            Self::Aes256 => &AES_256_GCM,
            Self::Aes192 => &AES_192_GCM,
            Self::Aes128 => &AES_128_GCM,
        }
    }
}

/// Bytes of the nonce.
pub const NONCE_LEN: usize = 24;
/// Bytes of the key commitment.
pub const COMMITMENT_LEN: usize = 32;
/// Bytes of the GCM tag.
pub const TAG_LEN: usize = 16;
/// Sealed bytes beyond the plaintext's.
pub const OVERHEAD: usize = NONCE_LEN + COMMITMENT_LEN + TAG_LEN;

const BLOCK: usize = 16;

/// A key, ready for use. What depends on the key alone is computed once, when it is made.
pub struct CommittingAead {
    algorithm: Algorithm,
    block_cipher: EncryptingKey,
    cmac_subkey: Zeroizing<[u8; BLOCK]>,
}

impl CommittingAead {
    /// Prepares a key.
    ///
    /// # Errors
    /// [`Error::KeyLength`] if the key's length is not the algorithm's.
    pub fn new(algorithm: Algorithm, key: &Secret) -> Result<Self, Error> {
        if key.len() != algorithm.key_len() {
            return Err(Error::KeyLength { expected: algorithm.key_len(), actual: key.len() });
        }
        let library = |_| Error::Library("the block cipher does not take the key");
        let unbound = UnboundCipherKey::new(algorithm.block_cipher(), key.expose()).map_err(library)?;
        let block_cipher = EncryptingKey::ecb(unbound).map_err(library)?;
        let mut block = Zeroizing::new([0; BLOCK]);
        encrypt_blocks(&block_cipher, &mut *block)?;
        let doubled = u128::from_be_bytes(*block) << 1;
        let carry = (block[0] >> 7) * 0x87;
        let cmac_subkey = Zeroizing::new((doubled ^ u128::from(carry)).to_be_bytes());
        Ok(Self { algorithm, block_cipher, cmac_subkey })
    }

    /// Appends the sealed `plaintext` to `out`: its length and [`OVERHEAD`] more.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn seal(&self, random: &dyn Random, aad: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce)?;
        self.seal_with_nonce(&nonce, aad, plaintext, out)
    }

    /// Opens sealed bytes.
    ///
    /// # Errors
    /// [`Error::Open`], whatever is wrong with key, AAD or bytes.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret, Error> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Error::Open)?;
        let (commitment, rest) = rest.split_first_chunk::<COMMITMENT_LEN>().ok_or(Error::Open)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(Error::Open)?;
        let derived = self.derive(nonce)?;
        if !ct_eq(&derived.commitment, commitment) {
            return Err(Error::Open);
        }
        let mut plaintext = vec![0; ciphertext.len()];
        let opened =
            derived.gcm.open_separate_gather(derived.nonce, Aad::from(aad), ciphertext, tag, &mut plaintext);
        let plaintext = Secret::new(plaintext);
        opened.map(|()| plaintext).map_err(|_| Error::Open)
    }

    fn seal_with_nonce(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let derived = self.derive(nonce)?;
        out.reserve_exact(plaintext.len() + OVERHEAD);
        out.extend_from_slice(nonce);
        out.extend_from_slice(&derived.commitment);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let tag = derived.gcm.seal_in_place_separate_tag(derived.nonce, Aad::from(aad), &mut out[start..]);
        match tag {
            Ok(tag) => out.extend_from_slice(tag.as_ref()),
            Err(_) => {
                out[start..].zeroize();
                return Err(Error::Library("AES-GCM does not take the plaintext"));
            }
        }
        Ok(())
    }

    fn derive(&self, nonce: &[u8; NONCE_LEN]) -> Result<Derived, Error> {
        let (first, second) = nonce.split_at(12);
        // Three blocks that do not depend on one another, so that the cipher can pipeline them.
        let mut blocks = Zeroizing::new([0; 3 * BLOCK]);
        for (block, label) in blocks.chunks_exact_mut(BLOCK).zip([b"\x00\x01X\x00", b"\x00\x02X\x00", b"XCMT"]) {
            block[..4].copy_from_slice(label);
            block[4..].copy_from_slice(first);
        }
        xor(&mut blocks[..BLOCK], &*self.cmac_subkey);
        xor(&mut blocks[BLOCK..2 * BLOCK], &*self.cmac_subkey);
        encrypt_blocks(&self.block_cipher, &mut *blocks)?;
        let (subkey, chained) = blocks.split_at(2 * BLOCK);
        let mut commitment = [0; COMMITMENT_LEN];
        for (block, counter) in commitment.chunks_exact_mut(BLOCK).zip([1, 2]) {
            block[..12].copy_from_slice(second);
            block[12..].copy_from_slice(&[0, 1, 0, counter]);
            xor(block, chained);
            xor(block, &*self.cmac_subkey);
        }
        encrypt_blocks(&self.block_cipher, &mut commitment)?;
        let library = |_| Error::Library("AES-GCM does not take the subkey");
        let gcm = UnboundKey::new(self.algorithm.gcm(), &subkey[..self.algorithm.key_len()]).map_err(library)?;
        let nonce = Nonce::try_assume_unique_for_key(second).map_err(library)?;
        Ok(Derived { gcm: LessSafeKey::new(gcm), nonce, commitment })
    }
}

/// What one nonce makes of a key.
struct Derived {
    gcm: LessSafeKey,
    nonce: Nonce,
    commitment: [u8; COMMITMENT_LEN],
}

fn encrypt_blocks(block_cipher: &EncryptingKey, blocks: &mut [u8]) -> Result<(), Error> {
    let result = block_cipher.less_safe_encrypt(blocks, EncryptionContext::None);
    result.map(|_| ()).map_err(|_| Error::Library("the block cipher fails"))
}

fn xor(block: &mut [u8], other: &[u8]) {
    block.iter_mut().zip(other).for_each(|(a, b)| *a ^= b);
}
