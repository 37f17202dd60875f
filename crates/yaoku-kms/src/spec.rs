//! What a CMK can be: its spec, usage, origin, protection level and state.

use serde::{Deserialize, Serialize};
use yaoku_crypto::aead::Algorithm;

/// The algorithm and size of a key. New kinds of key are new variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeySpec {
    /// AES with a 256-bit key (FIPS 197).
    Aes256,
    /// AES with a 192-bit key.
    Aes192,
    /// AES with a 128-bit key.
    Aes128,
}

impl KeySpec {
    /// Every spec that there is.
    pub const ALL: [Self; 3] = [Self::Aes256, Self::Aes192, Self::Aes128];

    /// The authenticated encryption that keys of this spec do.
    pub const fn aead(self) -> Algorithm {
        match self {
            Self::Aes256 => Algorithm::Aes256,
            Self::Aes192 => Algorithm::Aes192,
            Self::Aes128 => Algorithm::Aes128,
        }
    }

    /// The usage that a key of this spec has unless its maker says otherwise.
    pub const fn default_usage(self) -> KeyUsage {
        match self {
            Self::Aes256 | Self::Aes192 | Self::Aes128 => KeyUsage::EncryptDecrypt,
        }
    }

    /// Whether a key of this spec can be made for `usage`.
    pub const fn allows(self, usage: KeyUsage) -> bool {
        match self {
            Self::Aes256 | Self::Aes192 | Self::Aes128 => matches!(usage, KeyUsage::EncryptDecrypt),
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
}
