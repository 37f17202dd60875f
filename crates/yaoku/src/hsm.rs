//! `yaoku hsm`: what a hardware security module offers, told to an operator before keys depend on it.

use std::fmt::Write as _;

use clap::Subcommand;
use yaoku_crypto::aead::Algorithm;
use yaoku_crypto::asymmetric::KeyAlgorithm;
use yaoku_crypto::mac::Hash;
use yaoku_crypto::pkcs11::{Capability, PairUse, TokenKeyKind, UnwrapAlgorithm, describe};
use yaoku_crypto::wrapping::WrappingAlgorithm;

use crate::Error;
use crate::config::{HsmOptions, HsmSettings};

#[derive(Subcommand)]
pub(crate) enum HsmCommand {
    /// Show the tokens of a PKCS#11 library, and which keys a token can hold
    ///
    /// Without a PIN, lists the tokens. With a PIN, logs in and tests the token with temporary keys.
    Check {
        #[command(flatten)]
        hsm: HsmOptions,
    },
}

/// What the token can do, for an operator to read.
///
/// # Errors
/// When there is no such library or token, or the PIN is refused.
pub(crate) fn check(settings: Option<HsmSettings>) -> Result<String, Error> {
    let settings =
        settings.ok_or_else(|| Error::Options("set --pkcs11-module to the PKCS#11 library of the HSM".into()))?;
    let mut told = String::new();
    // Writing into a string can't fail.
    let _ = writeln!(told, "Tokens of {}:", settings.module.display());
    for token in describe(&settings.module)? {
        let _ = writeln!(told, "  {:32} {}", token.label, token.product);
    }
    if !settings.has_pin() {
        told += "Provide the user PIN (YAOKU_PKCS11_PIN or --pkcs11-pin-file) to see which keys a token can hold.";
        return Ok(told);
    }
    let token = settings.open()?;
    token.check()?;
    let _ = writeln!(told, "Mechanisms: {}", token.mechanisms()?.join(" "));
    let _ = writeln!(told, "Keys of ProtectionLevel HSM:");
    for (name, kind) in kinds() {
        let _ = writeln!(told, "  {name:32} {}", yes_or_what_lacks(token.can_hold(kind)?));
    }
    let _ = writeln!(told, "Decryption with RSA keys:");
    for (name, algorithm) in [
        ("RSAES_OAEP_SHA_256", WrappingAlgorithm::RsaesOaepSha256),
        ("RSAES_OAEP_SHA_1", WrappingAlgorithm::RsaesOaepSha1),
    ] {
        let _ = writeln!(told, "  {name:32} {}", yes_or_what_lacks(token.can_decrypt(algorithm)?));
    }
    told += "Import of AES keys (Origin EXTERNAL):";
    for (name, algorithm) in [
        ("RSAES_OAEP_SHA_256", UnwrapAlgorithm::RsaesOaepSha256),
        ("RSAES_OAEP_SHA_1", UnwrapAlgorithm::RsaesOaepSha1),
        ("RSAES_PKCS1_V1_5", UnwrapAlgorithm::RsaesPkcs1V15),
    ] {
        let _ = write!(told, "\n  {name:32} {}", yes_or_what_lacks(token.can_unwrap(algorithm)?));
    }
    Ok(told)
}

fn yes_or_what_lacks(capability: Capability) -> String {
    match capability {
        Capability::Offered => "yes".into(),
        Capability::Lacking(what) => format!("no: lacks {what}"),
    }
}

/// What a key can be, by the names of the API.
fn kinds() -> Vec<(&'static str, TokenKeyKind)> {
    let sign = |algorithm| TokenKeyKind::KeyPair(algorithm, PairUse::Sign);
    let decrypt = |algorithm| TokenKeyKind::KeyPair(algorithm, PairUse::Decrypt);
    vec![
        ("Aliyun_AES_256", TokenKeyKind::Aead(Algorithm::Aes256)),
        ("Aliyun_AES_192", TokenKeyKind::Aead(Algorithm::Aes192)),
        ("Aliyun_AES_128", TokenKeyKind::Aead(Algorithm::Aes128)),
        ("Aliyun_SM4", TokenKeyKind::Aead(Algorithm::Sm4)),
        ("RSA_2048 SIGN/VERIFY", sign(KeyAlgorithm::Rsa2048)),
        ("RSA_2048 ENCRYPT/DECRYPT", decrypt(KeyAlgorithm::Rsa2048)),
        ("RSA_3072 SIGN/VERIFY", sign(KeyAlgorithm::Rsa3072)),
        ("RSA_3072 ENCRYPT/DECRYPT", decrypt(KeyAlgorithm::Rsa3072)),
        ("RSA_4096 SIGN/VERIFY", sign(KeyAlgorithm::Rsa4096)),
        ("RSA_4096 ENCRYPT/DECRYPT", decrypt(KeyAlgorithm::Rsa4096)),
        ("EC_P256", sign(KeyAlgorithm::EcP256)),
        ("EC_P256K", sign(KeyAlgorithm::EcP256K)),
        ("EC_SM2 SIGN/VERIFY", sign(KeyAlgorithm::EcSm2)),
        ("EC_SM2 ENCRYPT/DECRYPT", decrypt(KeyAlgorithm::EcSm2)),
        ("HMAC_SHA224", TokenKeyKind::Mac(Hash::Sha224)),
        ("HMAC_SHA256", TokenKeyKind::Mac(Hash::Sha256)),
        ("HMAC_SHA384", TokenKeyKind::Mac(Hash::Sha384)),
        ("HMAC_SHA512", TokenKeyKind::Mac(Hash::Sha512)),
        ("HMAC_SM3", TokenKeyKind::Mac(Hash::Sm3)),
        ("ML_DSA_44", sign(KeyAlgorithm::MlDsa44)),
        ("ML_DSA_65", sign(KeyAlgorithm::MlDsa65)),
        ("ML_DSA_87", sign(KeyAlgorithm::MlDsa87)),
    ]
}
