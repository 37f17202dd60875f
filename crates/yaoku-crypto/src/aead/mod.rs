//! Committing authenticated encryption with random 192-bit nonces.
//!
//! For AES-256 this is XAES-256-GCM ([C2SP](https://c2sp.org/XAES-256-GCM)) with the key commitment of KC-XAES
//! (Kampanakis, Halevi, Ebeid, Campagna, *Blockcipher-Based Key Commitment for Nonce-Derived Schemes*,
//! [IACR ePrint 2025/758](https://eprint.iacr.org/2025/758)). AES-192, AES-128 and SM4 (GB/T 32907-2016) are the same
//! construction over their own block cipher, for which there is no published specification but this page.
//!
//! # Construction
//!
//! Let *K* be the key of 32, 24 or 16 bytes (SM4: 16), *N* the nonce of 24 bytes, *N₁* its first and *N₂* its last 12
//! bytes, E the block cipher under *K*, CMAC that of NIST SP 800-38B over E, and *K1* its first subkey (6.1 there):
//! E(0¹²⁸) doubled, that is shifted left by one bit and, if the bit that fell out was 1, XORed with 0x87 in its last
//! byte.
//!
//! 1. Subkey: *Kₓ* = the first `key_len` bytes of CMAC(`00 01 58 00` ‖ *N₁*) ‖ CMAC(`00 02 58 00` ‖ *N₁*). This is the
//!    counter-mode KDF of NIST SP 800-108r1, 4.1, with a 16-bit counter in front, label `58` ("X"), context *N₁*, and
//!    no length field. As each message is one block, CMAC(*M*) = E(*M* ⊕ *K1*).
//! 2. Commitment: *C* = CMAC("XCMT" ‖ *N* ‖ `00 01 00 01`) ‖ CMAC("XCMT" ‖ *N* ‖ `00 01 00 02`), 32 bytes for every key
//!    size. With *X* = E("XCMT" ‖ *N₁*), which both share, CMAC("XCMT" ‖ *N* ‖ *t*) = E(*X* ⊕ (*N₂* ‖ *t*) ⊕ *K1*).
//! 3. Ciphertext and tag: GCM (NIST SP 800-38D) of the same block cipher under *Kₓ*, with *N₂* as its 96-bit nonce, a
//!    tag of 128 bits and the AAD as it is. For SM4 that is SM4-GCM (RFC 8998, GB/T 36624-2018).
//!
//! Sealed bytes are *N* (24) ‖ *C* (32) ‖ ciphertext (as long as the plaintext) ‖ tag (16).
//!
//! Opening splits them, computes *Kₓ* and *C* from *K* and *N*, compares *C* in constant time, and opens the GCM. Every
//! failure is [`Error::Open`], without a word on what failed.
//!
//! # What it costs
//!
//! *K1* and the key schedule of E are computed once, by [`CommittingAead::new`]. A call takes five blocks of E, one
//! set-up of a GCM key, and GCM itself. *Kₓ* is wiped after use, by us and (in its expanded form) by the libraries,
//! which cleanse what they free.
//!
//! # What it holds
//!
//! Nonces are random and can't be chosen. Two of 2⁸⁰ messages under one key share *N* with probability below 2⁻³².
//! Bytes that open under two keys need a collision of *C*, which takes some 2¹²⁸ evaluations of an ideal block cipher.
//!
//! # Where the block ciphers come from
//!
//! AES and AES-GCM are aws-lc-rs's, in constant time. It has no SM4: that is RustCrypto's `sm4`, under the GCM of its
//! `aes-gcm` (GHASH in constant time), as are our SM2 and SM3: kept by several people, small, and wiped on drop. Its
//! S-box is a table of 256 bytes, so **SM4 here is not in constant time** towards whoever can watch the processor's
//! cache. The crate that is constant-time by design has one author, no outside audit, and leaves GCM's subkey unwiped.

use zeroize::{Zeroize, Zeroizing};

use self::aes::Aes;
use self::sm4::Sm4;
use crate::mac::ct_eq;
use crate::stack::wiping_stack;
use crate::{Error, Random, Secret};

mod aes;
mod sm4;

/// A block cipher and its key size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// AES with a 256-bit key: XAES-256-GCM.
    Aes256,
    /// AES with a 192-bit key.
    Aes192,
    /// AES with a 128-bit key.
    Aes128,
    /// SM4, whose keys have 128 bits.
    Sm4,
}

impl Algorithm {
    /// Every algorithm that there is.
    pub const ALL: [Self; 4] = [Self::Aes256, Self::Aes192, Self::Aes128, Self::Sm4];

    /// Bytes of a key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes256 => 32,
            Self::Aes192 => 24,
            Self::Aes128 | Self::Sm4 => 16,
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

/// A key, ready for use from any number of threads.
///
/// ```
/// use yaoku_crypto::aead::{Algorithm, CommittingAead};
/// use yaoku_crypto::{Secret, SystemRandom};
///
/// # fn main() -> Result<(), yaoku_crypto::Error> {
/// let aead = CommittingAead::new(Algorithm::Aes256, &Secret::random(32, &SystemRandom)?)?;
/// let mut sealed = Vec::new();
/// aead.seal(&SystemRandom, b"what it is about", b"attack at dawn", &mut sealed)?;
/// assert!(aead.open(b"what it is about", &sealed)?.ct_eq(b"attack at dawn"));
/// assert!(aead.open(b"something else", &sealed).is_err());
/// # Ok(())
/// # }
/// ```
pub struct CommittingAead(Box<Keyed>);

/// One variant a library, so that a call chooses between them once.
#[expect(clippy::large_enum_variant, reason = "always in a box, and the larger one is AES's, as are most keys")]
enum Keyed {
    Aes(Construction<Aes>),
    Sm4(Construction<Sm4>),
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
        let aes = |size| Construction::new(Aes::new(size, key.expose())?).map(Keyed::Aes);
        wiping_stack(|| {
            let keyed = match algorithm {
                Algorithm::Aes256 => aes(&aes::AES_256),
                Algorithm::Aes192 => aes(&aes::AES_192),
                Algorithm::Aes128 => aes(&aes::AES_128),
                Algorithm::Sm4 => Construction::new(Sm4::new(key.expose())?).map(Keyed::Sm4),
            };
            Ok(Self(Box::new(keyed?)))
        })
    }

    /// Appends the sealed `plaintext` to `out`: its length and [`OVERHEAD`] more.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::Library`] for a plaintext beyond GCM's 64 GiB. `out` is then as it was.
    pub fn seal(&self, random: &dyn Random, aad: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce)?;
        match self.0.as_ref() {
            Keyed::Aes(construction) => construction.seal(&nonce, aad, plaintext, out),
            Keyed::Sm4(construction) => construction.seal(&nonce, aad, plaintext, out),
        }
    }

    /// Opens sealed bytes.
    ///
    /// # Errors
    /// [`Error::Open`], whatever is wrong with key, AAD or bytes.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret, Error> {
        match self.0.as_ref() {
            Keyed::Aes(construction) => construction.open(aad, sealed),
            Keyed::Sm4(construction) => construction.open(aad, sealed),
        }
    }
}

/// The construction over a block cipher under a key.
struct Construction<E> {
    block_cipher: E,
    cmac_subkey: Zeroizing<[u8; BLOCK]>,
}

impl<E: BlockCipher> Construction<E> {
    fn new(block_cipher: E) -> Result<Self, Error> {
        let mut block = Zeroizing::new([0; BLOCK]);
        block_cipher.encrypt_blocks(&mut *block)?;
        let doubled = u128::from_be_bytes(*block) << 1;
        let carry = (block[0] >> 7) * 0x87;
        let cmac_subkey = Zeroizing::new((doubled ^ u128::from(carry)).to_be_bytes());
        Ok(Self { block_cipher, cmac_subkey })
    }

    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let derived = self.derive(nonce)?;
        let before = out.len();
        // All at once: growing later would leave a copy of the plaintext behind.
        out.reserve_exact(plaintext.len() + OVERHEAD);
        out.extend_from_slice(nonce);
        out.extend_from_slice(&derived.commitment);
        let start = out.len();
        out.extend_from_slice(plaintext);
        match derived.gcm.seal(&derived.nonce, aad, &mut out[start..]) {
            Ok(tag) => out.extend_from_slice(&tag),
            Err(error) => {
                out[start..].zeroize();
                out.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret, Error> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Error::Open)?;
        let (commitment, rest) = rest.split_first_chunk::<COMMITMENT_LEN>().ok_or(Error::Open)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(Error::Open)?;
        let derived = self.derive(nonce).map_err(|_| Error::Open)?;
        if !ct_eq(&derived.commitment, commitment) {
            return Err(Error::Open);
        }
        let mut plaintext = vec![0; ciphertext.len()];
        let opened = derived.gcm.open(&derived.nonce, aad, ciphertext, tag, &mut plaintext);
        let plaintext = Secret::new(plaintext);
        opened.map(|()| plaintext)
    }

    /// Steps 1 and 2 of the construction, and the set-up of step 3.
    fn derive(&self, nonce: &[u8; NONCE_LEN]) -> Result<Derived<E::Gcm>, Error> {
        let [first, second] = halves(nonce);
        let mut blocks = Zeroizing::new([0; 3 * BLOCK]);
        for (block, label) in blocks.chunks_exact_mut(BLOCK).zip([b"\x00\x01X\x00", b"\x00\x02X\x00", b"XCMT"]) {
            block[..4].copy_from_slice(label);
            block[4..].copy_from_slice(&first);
        }
        xor(&mut blocks[..BLOCK], &*self.cmac_subkey);
        xor(&mut blocks[BLOCK..2 * BLOCK], &*self.cmac_subkey);
        self.block_cipher.encrypt_blocks(&mut *blocks)?;
        let (subkey, chained) = blocks.split_at(2 * BLOCK);
        let mut commitment = [0; COMMITMENT_LEN];
        for (block, counter) in commitment.chunks_exact_mut(BLOCK).zip([1, 2]) {
            block[..12].copy_from_slice(&second);
            block[12..].copy_from_slice(&[0, 1, 0, counter]);
            xor(block, chained);
            xor(block, &*self.cmac_subkey);
        }
        self.block_cipher.encrypt_blocks(&mut commitment)?;
        Ok(Derived { gcm: self.block_cipher.gcm(subkey)?, nonce: second, commitment })
    }
}

/// What one nonce makes of a key.
struct Derived<G> {
    gcm: G,
    nonce: GcmNonce,
    commitment: [u8; COMMITMENT_LEN],
}

/// A block cipher under a key: what the construction needs of a library.
trait BlockCipher {
    type Gcm: Gcm;

    /// Encrypts blocks, each by itself.
    fn encrypt_blocks(&self, blocks: &mut [u8]) -> Result<(), Error>;

    /// GCM of the same cipher under the first bytes of `subkey`, as many as its keys have.
    fn gcm(&self, subkey: &[u8]) -> Result<Self::Gcm, Error>;
}

/// GCM under a key.
trait Gcm {
    /// Encrypts in place and gives the tag.
    fn seal(&self, nonce: &GcmNonce, aad: &[u8], bytes: &mut [u8]) -> Result<[u8; TAG_LEN], Error>;

    /// Writes the plaintext, or fails with [`Error::Open`].
    fn open(
        &self,
        nonce: &GcmNonce,
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        plaintext: &mut [u8],
    ) -> Result<(), Error>;
}

type GcmNonce = [u8; 12];

fn halves(nonce: &[u8; NONCE_LEN]) -> [GcmNonce; 2] {
    let mut halves = [GcmNonce::default(); 2];
    halves.as_flattened_mut().copy_from_slice(nonce);
    halves
}

fn xor(block: &mut [u8], other: &[u8]) {
    block.iter_mut().zip(other).for_each(|(a, b)| *a ^= b);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;
    use proptest::prelude::*;

    const AAD: &[u8] = b"kind, account, id";
    const PLAINTEXT: &[u8] = b"nineteen bytes long";

    fn aead(algorithm: Algorithm, key: &[u8]) -> CommittingAead {
        CommittingAead::new(algorithm, &Secret::new(key.to_vec())).unwrap()
    }

    fn sealed(aead: &CommittingAead) -> Vec<u8> {
        let mut sealed = Vec::new();
        aead.seal(&SystemRandom, AAD, PLAINTEXT, &mut sealed).unwrap();
        sealed
    }

    fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        (0..bytes.len() * 8).map(|bit| {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        })
    }

    fn refuses(aead: &CommittingAead, aad: &[u8], sealed: &[u8]) -> bool {
        matches!(aead.open(aad, sealed), Err(Error::Open))
    }

    #[test]
    fn keys_of_another_length_are_refused() {
        for algorithm in Algorithm::ALL {
            for len in (0..64).filter(|&len| len != algorithm.key_len()) {
                let result = CommittingAead::new(algorithm, &Secret::new(vec![7; len]));
                assert!(matches!(result, Err(Error::KeyLength { expected, actual })
                        if expected == algorithm.key_len() && actual == len));
            }
        }
    }

    #[test]
    fn no_bit_of_the_sealed_bytes_can_change() {
        for algorithm in Algorithm::ALL {
            let aead = aead(algorithm, &vec![7; algorithm.key_len()]);
            let sealed = sealed(&aead);
            assert!(aead.open(AAD, &sealed).unwrap().ct_eq(PLAINTEXT));
            assert!(flips(&sealed).all(|flipped| refuses(&aead, AAD, &flipped)), "{algorithm:?}");
        }
    }

    #[test]
    fn no_bit_of_the_aad_can_change() {
        for algorithm in Algorithm::ALL {
            let aead = aead(algorithm, &vec![7; algorithm.key_len()]);
            let sealed = sealed(&aead);
            assert!(flips(AAD).all(|flipped| refuses(&aead, &flipped, &sealed)), "{algorithm:?}");
            assert!((0..AAD.len()).all(|len| refuses(&aead, &AAD[..len], &sealed)), "{algorithm:?}");
        }
    }

    #[test]
    fn no_bit_of_the_key_can_change() {
        for algorithm in Algorithm::ALL {
            let key = vec![7; algorithm.key_len()];
            let sealed = sealed(&aead(algorithm, &key));
            assert!(flips(&key).all(|flipped| refuses(&aead(algorithm, &flipped), AAD, &sealed)), "{algorithm:?}");
        }
    }

    #[test]
    fn no_other_length_opens() {
        for algorithm in Algorithm::ALL {
            let aead = aead(algorithm, &vec![7; algorithm.key_len()]);
            let mut sealed = sealed(&aead);
            assert!((0..sealed.len()).all(|len| refuses(&aead, AAD, &sealed[..len])), "{algorithm:?}");
            assert!((1..sealed.len()).all(|from| refuses(&aead, AAD, &sealed[from..])), "{algorithm:?}");
            sealed.push(0);
            assert!(refuses(&aead, AAD, &sealed), "{algorithm:?}");
        }
    }

    /// What the commitment is for: ciphertext and tag that are right under the subkey do not open without it.
    #[test]
    fn a_right_tag_does_not_make_up_for_a_wrong_commitment() {
        for algorithm in Algorithm::ALL {
            let aead = aead(algorithm, &vec![7; algorithm.key_len()]);
            let (mut first, second) = (sealed(&aead), sealed(&aead));
            first[NONCE_LEN..][..COMMITMENT_LEN].copy_from_slice(&second[NONCE_LEN..][..COMMITMENT_LEN]);
            assert!(refuses(&aead, AAD, &first), "{algorithm:?}");
        }
    }

    /// Equal keys of 16 bytes: what one cipher sealed does not open under the other.
    #[test]
    fn ciphers_do_not_open_each_others_bytes() {
        let [aes, sm4] = [Algorithm::Aes128, Algorithm::Sm4].map(|algorithm| aead(algorithm, &[7; 16]));
        assert!(refuses(&sm4, AAD, &sealed(&aes)) && refuses(&aes, AAD, &sealed(&sm4)));
    }

    #[test]
    fn each_sealing_draws_a_nonce() {
        let aead = aead(Algorithm::Aes256, &[7; 32]);
        assert_ne!(sealed(&aead)[..NONCE_LEN], sealed(&aead)[..NONCE_LEN]);
    }

    #[test]
    fn nothing_is_sealed_without_randomness() {
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), Error> {
                Err(Error::Random)
            }
        }
        let mut out = b"before".to_vec();
        let result = aead(Algorithm::Aes256, &[7; 32]).seal(&Broken, AAD, PLAINTEXT, &mut out);
        assert!(matches!(result, Err(Error::Random)));
        assert_eq!(out, b"before");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(
            index in 0..Algorithm::ALL.len(),
            key in any::<[u8; 32]>(),
            before in proptest::collection::vec(any::<u8>(), 0..40),
            aad in proptest::collection::vec(any::<u8>(), 0..200),
            plaintext in proptest::collection::vec(any::<u8>(), 0..7000),
        ) {
            let algorithm = Algorithm::ALL[index];
            let aead = aead(algorithm, &key[..algorithm.key_len()]);
            let mut out = before.clone();
            aead.seal(&SystemRandom, &aad, &plaintext, &mut out).unwrap();
            prop_assert!(out.starts_with(&before));
            let sealed = &out[before.len()..];
            prop_assert_eq!(sealed.len(), plaintext.len() + OVERHEAD);
            prop_assert!(aead.open(&aad, sealed).unwrap().ct_eq(&plaintext));
        }

        #[test]
        fn arbitrary_bytes_do_not_open(
            index in 0..Algorithm::ALL.len(),
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let algorithm = Algorithm::ALL[index];
            prop_assert!(refuses(&aead(algorithm, &vec![7; algorithm.key_len()]), b"", &bytes));
        }
    }
}
