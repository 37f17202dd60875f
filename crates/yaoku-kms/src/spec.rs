//! What a CMK can be: its spec, usage, origin, protection level and state.

use serde::{Deserialize, Serialize};
use yaoku_crypto::aead::Algorithm;
use yaoku_crypto::asymmetric::KeyAlgorithm;
use yaoku_crypto::mac::Hash;

/// The algorithm and size of a key. New kinds of key are new variants, at the end: records name them by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeySpec {
    /// AES with a 256-bit key (FIPS 197).
    Aes256,
    /// AES with a 192-bit key.
    Aes192,
    /// AES with a 128-bit key.
    Aes128,
    /// SM4 (GB/T 32907), whose keys have 128 bits.
    Sm4,
    /// RSA with a modulus of 2048 bits (RFC 8017).
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// ECDSA on secp256r1 (FIPS 186-5).
    EcP256,
    /// ECDSA on secp256k1 (SEC 2).
    EcP256K,
    /// SM2 (GB/T 32918).
    EcSm2,
    /// HMAC with SHA-224 (FIPS 198-1).
    HmacSha224,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
    /// HMAC with SM3 (GB/T 32905).
    HmacSm3,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

/// What keys of a spec compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// Authenticated encryption.
    Aead(Algorithm),
    /// A private and a public key.
    KeyPair(KeyAlgorithm),
    /// HMAC over a hash.
    Mac(Hash),
}

impl KeySpec {
    /// Every spec that there is.
    pub const ALL: [Self; 18] = [
        Self::Aes256,
        Self::Aes192,
        Self::Aes128,
        Self::Sm4,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::EcP256,
        Self::EcP256K,
        Self::EcSm2,
        Self::HmacSha224,
        Self::HmacSha256,
        Self::HmacSha384,
        Self::HmacSha512,
        Self::HmacSm3,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// What keys of this spec compute.
    pub const fn primitive(self) -> Primitive {
        match self {
            Self::Aes256 => Primitive::Aead(Algorithm::Aes256),
            Self::Aes192 => Primitive::Aead(Algorithm::Aes192),
            Self::Aes128 => Primitive::Aead(Algorithm::Aes128),
            Self::Sm4 => Primitive::Aead(Algorithm::Sm4),
            Self::Rsa2048 => Primitive::KeyPair(KeyAlgorithm::Rsa2048),
            Self::Rsa3072 => Primitive::KeyPair(KeyAlgorithm::Rsa3072),
            Self::Rsa4096 => Primitive::KeyPair(KeyAlgorithm::Rsa4096),
            Self::EcP256 => Primitive::KeyPair(KeyAlgorithm::EcP256),
            Self::EcP256K => Primitive::KeyPair(KeyAlgorithm::EcP256K),
            Self::EcSm2 => Primitive::KeyPair(KeyAlgorithm::EcSm2),
            Self::HmacSha224 => Primitive::Mac(Hash::Sha224),
            Self::HmacSha256 => Primitive::Mac(Hash::Sha256),
            Self::HmacSha384 => Primitive::Mac(Hash::Sha384),
            Self::HmacSha512 => Primitive::Mac(Hash::Sha512),
            Self::HmacSm3 => Primitive::Mac(Hash::Sm3),
            Self::MlDsa44 => Primitive::KeyPair(KeyAlgorithm::MlDsa44),
            Self::MlDsa65 => Primitive::KeyPair(KeyAlgorithm::MlDsa65),
            Self::MlDsa87 => Primitive::KeyPair(KeyAlgorithm::MlDsa87),
        }
    }

    /// The authenticated encryption that keys of this spec do, if they are symmetric.
    pub const fn aead(self) -> Option<Algorithm> {
        match self.primitive() {
            Primitive::Aead(algorithm) => Some(algorithm),
            Primitive::KeyPair(_) | Primitive::Mac(_) => None,
        }
    }

    /// Whether the private key's operations take so long that they must not hold up a thread of others.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether keys of this spec have a primary version, which is used where the caller names none. Of a key pair, the
    /// caller names the version, for it holds the public key to it.
    pub const fn has_primary(self) -> bool {
        !matches!(self.primitive(), Primitive::KeyPair(_))
    }

    /// The usage that a key of this spec has unless its maker says otherwise.
    pub const fn default_usage(self) -> KeyUsage {
        match self {
            Self::HmacSha224 | Self::HmacSha256 | Self::HmacSha384 | Self::HmacSha512 | Self::HmacSm3 => {
                KeyUsage::GenerateVerifyMac
            }
            Self::EcP256 | Self::EcP256K | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => KeyUsage::SignVerify,
            _ => KeyUsage::EncryptDecrypt,
        }
    }

    /// Whether a key of this spec can be made for `usage`.
    pub const fn allows(self, usage: KeyUsage) -> bool {
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 | Self::EcSm2 => {
                matches!(usage, KeyUsage::EncryptDecrypt | KeyUsage::SignVerify)
            }
            other => other.default_usage() as u8 == usage as u8,
        }
    }
}

/// What a key is for; fixed at its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyUsage {
    /// Encryption and decryption.
    EncryptDecrypt,
    /// Signatures.
    SignVerify,
    /// Message authentication codes.
    GenerateVerifyMac,
}

/// Where key material comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Origin {
    /// Made here.
    Generated,
    /// Imported by the key's owner (bring your own key).
    External,
}

/// Where key material is held and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProtectionLevel {
    /// In this process, sealed at rest.
    Software,
    /// In a hardware security module, which does not let it out.
    Hsm,
}

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyState {
    /// Ready for use.
    Enabled,
    /// Switched off by its owner.
    Disabled,
    /// To be deleted at a set time; can still be saved.
    PendingDeletion,
    /// Of external origin, and without material.
    PendingImport,
}

impl KeyState {
    /// Every state that there is.
    pub const ALL: [Self; 4] = [Self::Enabled, Self::Disabled, Self::PendingDeletion, Self::PendingImport];

    /// What a sentence says behind "the key is".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::PendingDeletion => "pending deletion",
            Self::PendingImport => "without key material",
        }
    }
}
