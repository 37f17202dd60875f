//! The kinds of keys and the algorithms that are used with them, in software and in tokens alike.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use sm2::pkcs8::ObjectIdentifier;

/// The kind and size of a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// The curve P-256 (NIST SP 800-186, 3.2.1.3), also called secp256r1.
    EcP256,
    /// The curve secp256k1 (SEC 2, 2.4.1).
    EcP256K,
    /// The curve of GB/T 32918.5-2017.
    EcSm2,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
    /// ML-DSA-65 (FIPS 204).
    MlDsa65,
    /// ML-DSA-87 (FIPS 204).
    MlDsa87,
}

impl KeyAlgorithm {
    /// Every kind that there is.
    pub const ALL: [Self; 9] = [
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::EcP256,
        Self::EcP256K,
        Self::EcSm2,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// How such a key signs.
    pub const fn signing_algorithms(self) -> &'static [SigningAlgorithm] {
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                &[SigningAlgorithm::RsaPssSha256, SigningAlgorithm::RsaPkcs1Sha256]
            }
            Self::EcP256 | Self::EcP256K => &[SigningAlgorithm::EcdsaSha256],
            Self::EcSm2 => &[SigningAlgorithm::Sm2Dsa],
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => &[SigningAlgorithm::MlDsa],
        }
    }

    /// How such a key is encrypted to; nothing if it only signs.
    pub const fn wrapping_algorithms(self) -> &'static [WrappingAlgorithm] {
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                &[WrappingAlgorithm::RsaesOaepSha256, WrappingAlgorithm::RsaesOaepSha1]
            }
            Self::EcSm2 => &[WrappingAlgorithm::Sm2Pke],
            Self::EcP256 | Self::EcP256K | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => &[],
        }
    }

    /// Bytes of the seed that is the whole of such a private key, where a seed is what it is made of.
    pub const fn seed_len(self) -> Option<usize> {
        match self {
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => Some(ML_DSA_SEED_LEN),
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 | Self::EcP256 | Self::EcP256K | Self::EcSm2 => None,
        }
    }
}

/// How to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// RSASSA-PSS (RFC 8017, 8.1) with SHA-256, MGF1 with SHA-256, and a salt of 32 bytes. Another salt is not
    /// accepted.
    RsaPssSha256,
    /// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2) with SHA-256.
    RsaPkcs1Sha256,
    /// ECDSA (FIPS 186-5) with SHA-256. Of a signature (r, s), (r, n - s) is one too, as in the standard.
    EcdsaSha256,
    /// SM2 (GB/T 32918.2-2016) over e = SM3(Z_A ‖ M), which the caller computes.
    Sm2Dsa,
    /// ML-DSA (FIPS 204, algorithm 2), hedged, with an empty context string. It signs the message itself and not a
    /// hash: the library takes no μ that was computed elsewhere.
    MlDsa,
}

impl SigningAlgorithm {
    /// Every algorithm that there is.
    pub const ALL: [Self; 5] = [Self::RsaPssSha256, Self::RsaPkcs1Sha256, Self::EcdsaSha256, Self::Sm2Dsa, Self::MlDsa];

    /// How many bytes are signed: a digest of 32, or, for ML-DSA, a message of up to 64 KiB.
    pub const fn digest_len(self) -> RangeInclusive<usize> {
        match self {
            Self::RsaPssSha256 | Self::RsaPkcs1Sha256 | Self::EcdsaSha256 | Self::Sm2Dsa => 32..=32,
            Self::MlDsa => 1..=64 * 1024,
        }
    }
}

/// How to encrypt to a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrappingAlgorithm {
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
    RsaesOaepSha256,
    /// RSAES-OAEP with SHA-1 and MGF1 with SHA-1.
    RsaesOaepSha1,
    /// SM2 public-key encryption.
    Sm2Pke,
}

/// The kind and size of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WrappingKeySpec {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// A point of the curve of GB/T 32918.5-2017.
    EcSm2,
}

impl WrappingKeySpec {
    /// The key pairs whose public keys these are.
    pub const fn key_algorithm(self) -> KeyAlgorithm {
        match self {
            Self::Rsa2048 => KeyAlgorithm::Rsa2048,
            Self::Rsa3072 => KeyAlgorithm::Rsa3072,
            Self::Rsa4096 => KeyAlgorithm::Rsa4096,
            Self::EcSm2 => KeyAlgorithm::EcSm2,
        }
    }

    /// Bits of the modulus, if it is RSA.
    pub const fn rsa_bits(self) -> Option<usize> {
        match self {
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            Self::EcSm2 => None,
        }
    }
}

/// Bytes of the seed of an ML-DSA key (FIPS 204, algorithm 1).
pub(crate) const ML_DSA_SEED_LEN: usize = 32;

/// rsaEncryption (RFC 8017, A.1). Keys under id-RSASSA-PSS are for signatures only (RFC 4055, 1.2).
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey (RFC 5480, 2.1.1).
pub(crate) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// The curve of GB/T 32918.5-2017 (GM/T 0006-2012).
pub(crate) const SM2_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
