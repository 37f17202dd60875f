//! Types of keys, and names of algorithms.

use yaoku_crypto::asymmetric::SigningAlgorithm;
use yaoku_crypto::mac::Hash;
use yaoku_gate::repeatable;
use yaoku_kms::{KeySpec, KeyUsage};

use crate::failure::Failure;

/// Types that are a key spec here, with the usage that keys of that type have.
const TYPES: &[(&str, KeySpec, KeyUsage)] = &[
    ("aes256-gcm96", KeySpec::Aes256, KeyUsage::EncryptDecrypt),
    ("aes128-gcm96", KeySpec::Aes128, KeyUsage::EncryptDecrypt),
    ("ecdsa-p256", KeySpec::EcP256, KeyUsage::SignVerify),
    ("rsa-2048", KeySpec::Rsa2048, KeyUsage::SignVerify),
    ("rsa-3072", KeySpec::Rsa3072, KeyUsage::SignVerify),
    ("rsa-4096", KeySpec::Rsa4096, KeyUsage::SignVerify),
    ("hmac", KeySpec::HmacSha256, KeyUsage::GenerateVerifyMac),
];

/// Spec and usage of a key of that type.
pub(super) fn spec(name: &str) -> Result<(KeySpec, KeyUsage), Failure> {
    let found = TYPES.iter().find(|(known, ..)| *known == name);
    found.map(|(_, spec, usage)| (*spec, *usage)).ok_or_else(|| {
        let known = TYPES.iter().map(|(known, ..)| *known).collect::<Vec<_>>().join(", ");
        Failure::unsupported(format!(
            "the key type {} is not supported by this server: use one of {known}",
            repeatable(name)
        ))
    })
}

/// The type of a key. Keys that were made by other protocols can be of specs that the API has no type for.
pub(super) const fn type_of(spec: KeySpec) -> &'static str {
    match spec {
        KeySpec::Aes256 => "aes256-gcm96",
        KeySpec::Aes192 => "aes192-gcm96",
        KeySpec::Aes128 => "aes128-gcm96",
        KeySpec::Sm4 => "sm4-gcm96",
        KeySpec::Rsa2048 => "rsa-2048",
        KeySpec::Rsa3072 => "rsa-3072",
        KeySpec::Rsa4096 => "rsa-4096",
        KeySpec::EcP256 => "ecdsa-p256",
        KeySpec::EcP256K => "ecdsa-secp256k1",
        KeySpec::EcSm2 => "sm2",
        KeySpec::HmacSha224 | KeySpec::HmacSha256 | KeySpec::HmacSha384 | KeySpec::HmacSha512 | KeySpec::HmacSm3 => {
            "hmac"
        }
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => "ml-dsa",
    }
}

/// The hash of that name.
pub(super) fn hash(name: &str) -> Result<Hash, Failure> {
    const LONGEST: usize = "sha2-512-256".len();
    match name {
        "sha2-224" => Ok(Hash::Sha224),
        "sha2-256" => Ok(Hash::Sha256),
        "sha2-384" => Ok(Hash::Sha384),
        "sha2-512" => Ok(Hash::Sha512),
        "sm3" => Ok(Hash::Sm3),
        _ => {
            // What is longer than any algorithm's name may be a token.
            let named = if name.len() <= LONGEST { format!("{} ", repeatable(name)) } else { String::new() };
            Err(Failure::unsupported(format!(
                "the hash {named}is not supported by this server: use sha2-224, sha2-256, sha2-384, sha2-512 or sm3"
            )))
        }
    }
}

/// How a key of a spec signs SHA-256 digests; for RSA, as `padding` says.
pub(super) fn signing(spec: KeySpec, padding: Option<&str>) -> Result<SigningAlgorithm, Failure> {
    match spec {
        KeySpec::EcP256 | KeySpec::EcP256K => Ok(SigningAlgorithm::EcdsaSha256),
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => match padding {
            None | Some("pss" | "") => Ok(SigningAlgorithm::RsaPssSha256),
            Some("pkcs1v15") => Ok(SigningAlgorithm::RsaPkcs1Sha256),
            Some(_) => Err(Failure::invalid("signature_algorithm must be pss or pkcs1v15")),
        },
        KeySpec::Aes256 | KeySpec::Aes192 | KeySpec::Aes128 | KeySpec::Sm4 => {
            Err(Failure::invalid("the key is symmetric and does not sign"))
        }
        KeySpec::HmacSha224 | KeySpec::HmacSha256 | KeySpec::HmacSha384 | KeySpec::HmacSha512 | KeySpec::HmacSm3 => {
            Err(Failure::invalid("the key makes message authentication codes: use hmac"))
        }
        KeySpec::EcSm2 | KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => {
            Err(Failure::unsupported("keys of this type sign by the KMS API only"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_that_of_its_spec_and_others_are_refused_by_name() {
        for (name, known, usage) in TYPES {
            assert_eq!(spec(name), Ok((*known, *usage)));
            assert_eq!(type_of(*known), *name);
            assert!(known.allows(*usage), "{name}");
        }
        for name in ["chacha20-poly1305", "ed25519", "ecdsa-p384", "ecdsa-p521", "xchacha20-poly1305", "managed_key"] {
            assert!(spec(name).unwrap_err().message.contains(name));
        }
    }
}
