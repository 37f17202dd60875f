//! Key material that was wrapped elsewhere, to a public key of ours.
//!
//! Keys that are mere bytes are encrypted to the public key themselves. Private keys are longer than that takes, so they are
//! encrypted under an ephemeral symmetric key, and that key to the public key; the two ciphertexts stand one behind the other,
//! without lengths.
//!
//! | algorithm | ephemeral key | its ciphertext | the private key's ciphertext |
//! |---|---|---|---|
//! | RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD | AES, 32 bytes | as long as the modulus | AES-ECB of the key, padded by PKCS #7 (RFC 5652, 6.3) |
//! | SM2PKE_SM4_ECB | SM4, 16 bytes | C1 ‖ C3 ‖ C2 with an uncompressed point, or DER | SM4-ECB of d, 32 bytes, without padding |
//!
//! Whoever may submit material, and sees what becomes of it, must not learn from that what the material of another is. So
//! there is one error; and where an ephemeral key or a padding is wrong, random bytes take the place of what would have
//! come, and are then looked at in the same way.

use aws_lc_rs::cipher::{AES_256, AES_256_KEY_LEN, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use serde::{Deserialize, Serialize};
use sm4::Sm4;
use sm4::cipher::{BlockCipherDecrypt, KeyInit};
use zeroize::Zeroizing;

use crate::asymmetric::{self, KeyAlgorithm, PrivateKey};
use crate::wrapping::{WrappingAlgorithm, WrappingKeySpec};
use crate::{Error, Random, Secret};

/// How key material was wrapped. New ones are new variants, at the end: they are serialised by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnwrappingAlgorithm {
    /// RSAES-PKCS1-v1_5 (RFC 8017, 7.2).
    RsaesPkcs1V15,
    /// RSAES-OAEP with SHA-1 and MGF1 with SHA-1.
    RsaesOaepSha1,
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
    RsaesOaepSha256,
    /// SM2 public-key encryption (GB/T 32918.4), in DER.
    Sm2Pke,
    /// AES-256 in ECB, under a key that is encrypted as by [`Self::RsaesOaepSha256`].
    RsaesOaepSha256Aes256EcbPkcs7,
    /// SM4 in ECB, under a key that is encrypted with SM2.
    Sm2PkeSm4Ecb,
}

/// What was wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// So many bytes.
    Bytes(usize),
    /// A private key, as [`asymmetric::import`] reads it.
    PrivateKey(KeyAlgorithm),
}

/// Material that came in, and what tells it from other material.
pub struct Unwrapped {
    /// The bytes, or the private key as [`asymmetric::generate`] would have made it.
    pub material: Secret,
    /// The bytes, or the public key: the same for all encodings of a private key, and for no other key's.
    pub identity: Secret,
}

impl UnwrappingAlgorithm {
    /// Whether it unwraps with keys of that kind.
    pub const fn unwraps_with(self, key: WrappingKeySpec) -> bool {
        matches!(self, Self::Sm2Pke | Self::Sm2PkeSm4Ecb) == matches!(key, WrappingKeySpec::EcSm2)
    }

    /// Whether such material can be wrapped by it.
    pub const fn carries(self, content: Content) -> bool {
        match self {
            Self::RsaesPkcs1V15 | Self::RsaesOaepSha1 | Self::RsaesOaepSha256 | Self::Sm2Pke => {
                matches!(content, Content::Bytes(_))
            }
            Self::RsaesOaepSha256Aes256EcbPkcs7 => matches!(content, Content::PrivateKey(_)),
            // Nothing says where the key ends, so it is one whose length is known.
            Self::Sm2PkeSm4Ecb => matches!(content, Content::PrivateKey(KeyAlgorithm::EcSm2)),
        }
    }
}

/// Unwraps key material with the private key that it was wrapped for.
///
/// # Errors
/// [`Error::Open`] for all that does not unwrap to such content; [`Error::Random`].
pub fn unwrap(
    algorithm: UnwrappingAlgorithm,
    key: &PrivateKey,
    random: &dyn Random,
    content: Content,
    wrapped: &[u8],
) -> Result<Unwrapped, Error> {
    use UnwrappingAlgorithm::{RsaesOaepSha1, RsaesOaepSha256, RsaesPkcs1V15, Sm2Pke};
    let length = match content {
        Content::Bytes(length) => length,
        Content::PrivateKey(kind) => return private_key(algorithm, key, random, kind, wrapped),
    };
    let bytes = match algorithm {
        RsaesPkcs1V15 => key.decrypt_pkcs1_v15(wrapped, length),
        RsaesOaepSha1 => key.decrypt(WrappingAlgorithm::RsaesOaepSha1, wrapped),
        RsaesOaepSha256 => key.decrypt(WrappingAlgorithm::RsaesOaepSha256, wrapped),
        Sm2Pke => key.decrypt(WrappingAlgorithm::Sm2Pke, wrapped),
        UnwrappingAlgorithm::RsaesOaepSha256Aes256EcbPkcs7 | UnwrappingAlgorithm::Sm2PkeSm4Ecb => Err(Error::Open),
    };
    let material = bytes.ok().filter(|bytes| bytes.len() == length).ok_or(Error::Open)?;
    Ok(Unwrapped { identity: material.duplicate(), material })
}

fn private_key(
    algorithm: UnwrappingAlgorithm,
    key: &PrivateKey,
    random: &dyn Random,
    kind: KeyAlgorithm,
    wrapped: &[u8],
) -> Result<Unwrapped, Error> {
    let Substitutable { bytes: foreign, right } = match algorithm {
        UnwrappingAlgorithm::RsaesOaepSha256Aes256EcbPkcs7 => oaep_aes(key, random, wrapped)?,
        UnwrappingAlgorithm::Sm2PkeSm4Ecb => sm2_sm4(key, random, wrapped)?,
        UnwrappingAlgorithm::RsaesPkcs1V15
        | UnwrappingAlgorithm::RsaesOaepSha1
        | UnwrappingAlgorithm::RsaesOaepSha256
        | UnwrappingAlgorithm::Sm2Pke => return Err(Error::Open),
    };
    match asymmetric::import(kind, random, &foreign) {
        // Random bytes can be a key as well.
        Ok((material, private)) if right => {
            Ok(Unwrapped { material, identity: Secret::new(private.public_key_der().to_vec()) })
        }
        _ => Err(Error::Open),
    }
}

/// What came out of a decryption, or random bytes in its place, which are drawn in any case.
struct Substitutable {
    bytes: Secret,
    /// Whether it came out.
    right: bool,
}

impl Substitutable {
    fn new(decrypted: Option<Secret>, length: usize, random: &dyn Random) -> Result<Self, Error> {
        let substitute = Secret::random(length, random)?;
        let right = decrypted.is_some();
        Ok(Self { bytes: decrypted.unwrap_or(substitute), right })
    }

    /// An ephemeral key.
    fn key(decrypted: Result<Secret, Error>, length: usize, random: &dyn Random) -> Result<Self, Error> {
        Self::new(decrypted.ok().filter(|key| key.len() == length), length, random)
    }
}

fn oaep_aes(key: &PrivateKey, random: &dyn Random, wrapped: &[u8]) -> Result<Substitutable, Error> {
    let modulus_len = match key.algorithm() {
        KeyAlgorithm::Rsa2048 => 256,
        KeyAlgorithm::Rsa3072 => 384,
        KeyAlgorithm::Rsa4096 => 512,
        _ => return Err(Error::Open),
    };
    let (ephemeral, body) = wrapped.split_at_checked(modulus_len).ok_or(Error::Open)?;
    let ephemeral = key.decrypt(WrappingAlgorithm::RsaesOaepSha256, ephemeral);
    let ephemeral = Substitutable::key(ephemeral, AES_256_KEY_LEN, random)?;
    let library = |_| Error::Library("AES does not take the key");
    let aes = UnboundCipherKey::new(&AES_256, ephemeral.bytes.expose()).map_err(library)?;
    let aes = PaddedBlockDecryptingKey::ecb_pkcs7(aes).map_err(library)?;
    let mut bytes = Zeroizing::new(body.to_vec());
    let foreign = aes.decrypt(&mut bytes, DecryptionContext::None).map(|foreign| Secret::new(foreign.to_vec()));
    let foreign = Substitutable::new(foreign.ok(), body.len(), random)?;
    Ok(Substitutable { right: foreign.right && ephemeral.right, ..foreign })
}

/// Bytes of d.
const SM2_SCALAR_LEN: usize = 32;
/// Bytes of an SM4 key.
const SM4_KEY_LEN: usize = 16;
/// SEQUENCE, with which DER begins, where C1 begins with 4.
const DER_SEQUENCE: u8 = 0x30;

fn sm2_sm4(key: &PrivateKey, random: &dyn Random, wrapped: &[u8]) -> Result<Substitutable, Error> {
    let split = wrapped.len().checked_sub(SM2_SCALAR_LEN).ok_or(Error::Open)?;
    let (ephemeral, body) = wrapped.split_at(split);
    let ephemeral = match ephemeral.first() {
        Some(&DER_SEQUENCE) => key.decrypt(WrappingAlgorithm::Sm2Pke, ephemeral),
        _ => key.decrypt_sm2_c1c3c2(ephemeral),
    };
    let ephemeral = Substitutable::key(ephemeral, SM4_KEY_LEN, random)?;
    let sm4 = Sm4::new_from_slice(ephemeral.bytes.expose()).map_err(|_| Error::Library("SM4 does not take the key"))?;
    let mut scalar = Zeroizing::new(body.to_vec());
    scalar.as_chunks_mut().0.iter_mut().for_each(|block: &mut [u8; 16]| sm4.decrypt_block(block.into()));
    Ok(Substitutable { bytes: Secret::new(std::mem::take(&mut *scalar)), right: ephemeral.right })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::SystemRandom;
    use crate::asymmetric::{PublicKey, generate};
    use aws_lc_rs::cipher::PaddedBlockEncryptingKey;
    use proptest::prelude::*;
    use sm2::pke::EncryptingKey;
    use sm4::cipher::BlockCipherEncrypt;

    const AES: UnwrappingAlgorithm = UnwrappingAlgorithm::RsaesOaepSha256Aes256EcbPkcs7;
    const SM4: UnwrappingAlgorithm = UnwrappingAlgorithm::Sm2PkeSm4Ecb;

    struct Pair {
        material: Secret,
        private: PrivateKey,
        public: PublicKey,
    }

    fn pair(kind: KeyAlgorithm) -> Pair {
        let material = generate(kind, &SystemRandom).unwrap();
        let private = PrivateKey::new(kind, &material).unwrap();
        let public = PublicKey::from_spki_der(kind, private.public_key_der()).unwrap();
        Pair { material, private, public }
    }

    static RSA: LazyLock<Pair> = LazyLock::new(|| pair(KeyAlgorithm::Rsa2048));
    static SM2: LazyLock<Pair> = LazyLock::new(|| pair(KeyAlgorithm::EcSm2));
    static P256: LazyLock<Pair> = LazyLock::new(|| pair(KeyAlgorithm::EcP256));

    fn wrap_aes(ephemeral: &[u8], foreign: &[u8]) -> Vec<u8> {
        let mut body = foreign.to_vec();
        let aes = UnboundCipherKey::new(&AES_256, &[7; 32]).unwrap();
        PaddedBlockEncryptingKey::ecb_pkcs7(aes).unwrap().encrypt(&mut body).unwrap();
        let sealed = RSA.public.encrypt(WrappingAlgorithm::RsaesOaepSha256, &SystemRandom, ephemeral).unwrap();
        [sealed, body].concat()
    }

    fn wrap_sm4(ephemeral: &[u8], scalar: &[u8], der: bool) -> Vec<u8> {
        let mut body = scalar.to_vec();
        let sm4 = Sm4::new_from_slice(&[7; 16]).unwrap();
        body.as_chunks_mut().0.iter_mut().for_each(|block: &mut [u8; 16]| sm4.encrypt_block(block.into()));
        let sealed = if der {
            SM2.public.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, ephemeral).unwrap()
        } else {
            let info = sm2::pkcs8::SubjectPublicKeyInfoRef::try_from(SM2.private.public_key_der()).unwrap();
            let key = EncryptingKey::new(sm2::PublicKey::try_from(info).unwrap());
            let mut random = crate::wrapping::Adapter { random: &SystemRandom, failed: false };
            key.encrypt(&mut random, ephemeral).unwrap()
        };
        [sealed, body].concat()
    }

    fn open(algorithm: UnwrappingAlgorithm, kind: KeyAlgorithm, wrapped: &[u8]) -> Result<Unwrapped, Error> {
        let key = if algorithm == SM4 { &SM2.private } else { &RSA.private };
        unwrap(algorithm, key, &SystemRandom, Content::PrivateKey(kind), wrapped)
    }

    fn refused(algorithm: UnwrappingAlgorithm, kind: KeyAlgorithm, wrapped: &[u8]) {
        assert!(matches!(open(algorithm, kind, wrapped), Err(Error::Open)));
    }

    /// The number behind SEQUENCE { version, OCTET STRING of 32 bytes.
    fn scalar(pkcs8: &Secret) -> &[u8] {
        let before = [2, 1, 1, 4, 32];
        let place = pkcs8.expose().windows(5).position(|window| window == before).unwrap();
        &pkcs8.expose()[place + 5..][..32]
    }

    #[test]
    fn private_keys_of_each_kind_come_in() {
        for kind in [KeyAlgorithm::Rsa2048, KeyAlgorithm::EcP256, KeyAlgorithm::EcP256K, KeyAlgorithm::EcSm2] {
            let pair = pair(kind);
            let unwrapped = open(AES, kind, &wrap_aes(&[7; 32], pair.material.expose())).unwrap();
            assert!(unwrapped.material.ct_eq(pair.material.expose()), "{kind:?}");
            assert!(unwrapped.identity.ct_eq(pair.private.public_key_der()), "{kind:?}");
            for other in [KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072, KeyAlgorithm::EcP256, KeyAlgorithm::EcSm2] {
                if other != kind {
                    refused(AES, other, &wrap_aes(&[7; 32], pair.material.expose()));
                }
            }
        }
    }

    #[test]
    fn sm2_keys_come_in_as_a_number() {
        let d = scalar(&SM2.material);
        for wrapped in [wrap_sm4(&[7; 16], d, false), wrap_sm4(&[7; 16], d, true)] {
            let unwrapped = open(SM4, KeyAlgorithm::EcSm2, &wrapped).unwrap();
            assert!(unwrapped.material.ct_eq(SM2.material.expose()));
            refused(SM4, KeyAlgorithm::EcP256, &wrapped);
        }
        assert_eq!(wrap_sm4(&[7; 16], d, false).len(), 65 + 32 + 16 + 32);
        let unwrapped = open(AES, KeyAlgorithm::EcSm2, &wrap_aes(&[7; 32], d)).unwrap();
        assert!(unwrapped.identity.ct_eq(SM2.private.public_key_der()));
        // 0, and n - 1, which can't sign.
        let last = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54122";
        let last = u8s(last);
        // Of 32 bytes, whose padding is wrong: what takes their place would be a number too.
        let unpadded = &wrap_aes(&[7; 32], &[d, &d[..16]].concat())[..256 + 32];
        refused(AES, KeyAlgorithm::EcSm2, unpadded);
        for d in [&[0; 32][..], &[0xff; 32], &last, &d[1..]] {
            refused(AES, KeyAlgorithm::EcSm2, &wrap_aes(&[7; 32], d));
        }
    }

    fn u8s(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// As Java encodes EC keys: without the public key. Such material is the same as with it.
    #[test]
    fn another_encoding_of_a_key_is_that_key() {
        let head = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
        let bare = [&u8s(head), scalar(&P256.material)].concat();
        let unwrapped = open(AES, KeyAlgorithm::EcP256, &wrap_aes(&[7; 32], &bare)).unwrap();
        assert!(unwrapped.material.ct_eq(P256.material.expose()));
        assert!(unwrapped.identity.ct_eq(P256.private.public_key_der()));
    }

    #[test]
    fn keys_whose_halves_do_not_belong_together_are_refused() {
        for kind in [KeyAlgorithm::EcP256, KeyAlgorithm::EcP256K, KeyAlgorithm::EcSm2] {
            let (one, other) = (pair(kind), pair(kind));
            let bytes = one.material.expose();
            let place = bytes.windows(32).position(|window| window == scalar(&one.material)).unwrap();
            let mixed = [&bytes[..place], scalar(&other.material), &bytes[place + 32..]].concat();
            refused(AES, kind, &wrap_aes(&[7; 32], &mixed));
        }
    }

    #[test]
    fn what_is_cut_off_or_followed_is_refused() {
        let wrapped = wrap_aes(&[7; 32], P256.material.expose());
        for len in [0, 1, 16, 255, 256, 257, 272, wrapped.len() - 16, wrapped.len() - 1] {
            refused(AES, KeyAlgorithm::EcP256, &wrapped[..len]);
        }
        refused(AES, KeyAlgorithm::EcP256, &[&wrapped[..], &[0]].concat());
        refused(AES, KeyAlgorithm::EcP256, &[&wrapped[..], &wrapped[256..272]].concat());
        refused(AES, KeyAlgorithm::EcP256, &wrap_aes(&[7; 32], &[P256.material.expose(), &[0]].concat()));
        refused(AES, KeyAlgorithm::EcP256, &wrap_aes(&[7; 31], P256.material.expose()));
        refused(AES, KeyAlgorithm::EcP256, &wrap_aes(&[8; 32], P256.material.expose()));
        let d = scalar(&SM2.material);
        let wrapped = wrap_sm4(&[7; 16], d, false);
        for len in [0, 1, 31, 32, 33, 112, 144] {
            refused(SM4, KeyAlgorithm::EcSm2, &wrapped[..len]);
        }
        refused(SM4, KeyAlgorithm::EcSm2, &[&wrapped[..], &[0; 16]].concat());
        refused(SM4, KeyAlgorithm::EcSm2, &wrap_sm4(&[7; 15], d, true));
        refused(SM4, KeyAlgorithm::EcSm2, &wrap_sm4(&[7; 16], &[0; 32], true));
    }

    #[test]
    fn algorithms_carry_what_they_are_for() {
        use UnwrappingAlgorithm::*;
        for algorithm in [RsaesPkcs1V15, RsaesOaepSha1, RsaesOaepSha256, Sm2Pke, AES, SM4] {
            assert_eq!(algorithm.carries(Content::Bytes(32)), !matches!(algorithm, AES | SM4));
            for kind in KeyAlgorithm::ALL {
                let carried = algorithm.carries(Content::PrivateKey(kind));
                assert_eq!(carried, algorithm == AES || algorithm == SM4 && kind == KeyAlgorithm::EcSm2);
            }
            let key = if algorithm.unwraps_with(WrappingKeySpec::EcSm2) { &SM2 } else { &RSA };
            for content in [Content::Bytes(32), Content::PrivateKey(KeyAlgorithm::EcP256)] {
                let unwrapped = unwrap(algorithm, &key.private, &SystemRandom, content, &[0; 400]);
                assert!(matches!(unwrapped, Err(Error::Open)));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// One bit changed anywhere: nothing else comes in, and the error is the one there is.
        #[test]
        fn damaged_material_is_refused(place in any::<prop::sample::Index>(), bit in 0..8) {
            for (algorithm, kind, mut wrapped) in [
                (AES, KeyAlgorithm::EcP256, wrap_aes(&[7; 32], P256.material.expose())),
                (SM4, KeyAlgorithm::EcSm2, wrap_sm4(&[7; 16], scalar(&SM2.material), false)),
            ] {
                let place = place.index(wrapped.len());
                wrapped[place] ^= 1u8 << bit;
                match open(algorithm, kind, &wrapped) {
                    Err(error) => prop_assert!(matches!(error, Error::Open)),
                    // In ECB a block changes by itself: another number is another key.
                    Ok(unwrapped) => {
                        prop_assert!(algorithm == SM4 && place >= wrapped.len() - 32);
                        prop_assert!(!unwrapped.identity.ct_eq(SM2.private.public_key_der()));
                    }
                }
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            for kind in KeyAlgorithm::ALL {
                if kind.seed_len().is_none() {
                    refused(AES, kind, &bytes);
                    prop_assert!(asymmetric::import(kind, &SystemRandom, &Secret::new(bytes.clone())).is_err()
                        || kind == KeyAlgorithm::EcSm2 && bytes.len() == SM2_SCALAR_LEN);
                }
            }
        }
    }
}
