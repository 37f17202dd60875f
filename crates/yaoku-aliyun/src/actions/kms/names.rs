//! The protocol's names of specs, usages, origins, protection levels, states and algorithms.

use yaoku_crypto::asymmetric::SigningAlgorithm;
use yaoku_crypto::mac::Hash;
use yaoku_crypto::unwrapping::UnwrappingAlgorithm;
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec};
use yaoku_kms::{KeySpec, KeyState, KeyUsage, Origin, ProtectionLevel, RotationStatus};

use yaoku_secrets::{SecretKind, ValueKind};

use crate::actions::names::Named;

impl Named for SecretKind {
    const NAMES: &'static [(Self, &'static str)] =
        &[(Self::Generic, "Generic"), (Self::RamCredentials, "RAMCredentials")];
}

impl Named for ValueKind {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::Text, "text"), (Self::Binary, "binary")];
}

impl Named for KeySpec {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Aes256, "Aliyun_AES_256"),
        (Self::Aes192, "Aliyun_AES_192"),
        (Self::Aes128, "Aliyun_AES_128"),
        (Self::Sm4, "Aliyun_SM4"),
        (Self::Rsa2048, "RSA_2048"),
        (Self::Rsa3072, "RSA_3072"),
        (Self::Rsa4096, "RSA_4096"),
        (Self::EcP256, "EC_P256"),
        (Self::EcP256K, "EC_P256K"),
        (Self::EcSm2, "EC_SM2"),
        (Self::HmacSha224, "HMAC_SHA224"),
        (Self::HmacSha256, "HMAC_SHA256"),
        (Self::HmacSha384, "HMAC_SHA384"),
        (Self::HmacSha512, "HMAC_SHA512"),
        (Self::HmacSm3, "HMAC_SM3"),
        (Self::MlDsa44, "ML_DSA_44"),
        (Self::MlDsa65, "ML_DSA_65"),
        (Self::MlDsa87, "ML_DSA_87"),
    ];
}

impl Named for KeyUsage {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::EncryptDecrypt, "ENCRYPT/DECRYPT"),
        (Self::SignVerify, "SIGN/VERIFY"),
        (Self::GenerateVerifyMac, "GENERATE/VERIFY_MAC"),
    ];
}

impl Named for Origin {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::Generated, "Aliyun_KMS"), (Self::External, "EXTERNAL")];
}

impl Named for ProtectionLevel {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::Software, "SOFTWARE"), (Self::Hsm, "HSM")];
}

impl Named for KeyState {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Enabled, "Enabled"),
        (Self::Disabled, "Disabled"),
        (Self::PendingDeletion, "PendingDeletion"),
        (Self::PendingImport, "PendingImport"),
    ];
}

impl Named for RotationStatus {
    const NAMES: &'static [(Self, &'static str)] =
        &[(Self::Enabled, "Enabled"), (Self::Disabled, "Disabled"), (Self::Suspended, "Suspended")];
}

impl Named for WrappingKeySpec {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Rsa2048, "RSA_2048"),
        (Self::Rsa3072, "RSA_3072"),
        (Self::Rsa4096, "RSA_4096"),
        (Self::EcSm2, "EC_SM2"),
    ];
}

impl Named for WrappingAlgorithm {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::RsaesOaepSha256, "RSAES_OAEP_SHA_256"),
        (Self::RsaesOaepSha1, "RSAES_OAEP_SHA_1"),
        (Self::Sm2Pke, "SM2PKE"),
    ];
}

impl Named for UnwrappingAlgorithm {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::RsaesPkcs1V15, "RSAES_PKCS1_V1_5"),
        (Self::RsaesOaepSha1, "RSAES_OAEP_SHA_1"),
        (Self::RsaesOaepSha256, "RSAES_OAEP_SHA_256"),
        (Self::Sm2Pke, "SM2PKE"),
        (Self::RsaesOaepSha256Aes256EcbPkcs7, "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD"),
        (Self::Sm2PkeSm4Ecb, "SM2PKE_SM4_ECB"),
    ];
}

impl Named for SigningAlgorithm {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::RsaPssSha256, "RSA_PSS_SHA_256"),
        (Self::RsaPkcs1Sha256, "RSA_PKCS1_SHA_256"),
        (Self::EcdsaSha256, "ECDSA_SHA_256"),
        (Self::Sm2Dsa, "SM2DSA"),
        (Self::MlDsa, "ML_DSA"),
    ];
}

/// Of the hashes, those that keys for MACs have.
impl Named for Hash {
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Sha224, "HMAC_SHA_224"),
        (Self::Sha256, "HMAC_SHA_256"),
        (Self::Sha384, "HMAC_SHA_384"),
        (Self::Sha512, "HMAC_SHA_512"),
        (Self::Sm3, "HMAC_SM3"),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_name_of_its_own() {
        for spec in KeySpec::ALL {
            assert_eq!(KeySpec::of_name(spec.name()), Some(spec));
        }
        for state in KeyState::ALL {
            assert_eq!(KeyState::of_name(state.name()), Some(state));
        }
    }
}
