//! Wrapped key material, and private keys in every form that is imported: read without panic. What comes in comes in again
//! as the same key, in the same encoding.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use yaoku_crypto::asymmetric::{self, KeyAlgorithm, PrivateKey};
use yaoku_crypto::unwrapping::{Content, UnwrappingAlgorithm, unwrap};
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec, WrappingPublicKey};
use yaoku_crypto::{Secret, SystemRandom};

const KINDS: [KeyAlgorithm; 6] = [
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Rsa3072,
    KeyAlgorithm::Rsa4096,
    KeyAlgorithm::EcP256,
    KeyAlgorithm::EcP256K,
    KeyAlgorithm::EcSm2,
];

/// A wrapping key of each kind, with an ephemeral key encrypted to it.
static WRAPPING: LazyLock<[(UnwrappingAlgorithm, PrivateKey, Vec<u8>); 2]> = LazyLock::new(|| {
    let rsa = (WrappingKeySpec::Rsa2048, WrappingAlgorithm::RsaesOaepSha256, 32);
    let sm2 = (WrappingKeySpec::EcSm2, WrappingAlgorithm::Sm2Pke, 16);
    let made = [rsa, sm2].map(|(spec, algorithm, length)| {
        let kind = spec.key_algorithm();
        let private = PrivateKey::new(kind, &asymmetric::generate(kind, &SystemRandom).unwrap()).unwrap();
        let public = WrappingPublicKey::from_spki_der(spec, private.public_key_der()).unwrap();
        let sealed = public.encrypt(algorithm, &SystemRandom, &vec![7; length]).unwrap();
        (private, sealed)
    });
    let [(rsa, rsa_sealed), (sm2, sm2_sealed)] = made;
    [
        (UnwrappingAlgorithm::RsaesOaepSha256Aes256EcbPkcs7, rsa, rsa_sealed),
        (UnwrappingAlgorithm::Sm2PkeSm4Ecb, sm2, sm2_sealed),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let kind = KINDS[usize::from(choice >> 2) % KINDS.len()];
    let content = Content::PrivateKey(kind);
    let (algorithm, key, sealed) = &WRAPPING[usize::from(choice & 1)];
    if choice & 2 == 0 {
        // As a stranger sends it, and behind an ephemeral key that opens.
        let _ = unwrap(*algorithm, key, &SystemRandom, content, bytes);
        let _ = unwrap(*algorithm, key, &SystemRandom, content, &[sealed, bytes].concat());
        return;
    }
    if let Ok((material, private)) = asymmetric::import(kind, &SystemRandom, &Secret::new(bytes.to_vec())) {
        let (again, same) = asymmetric::import(kind, &SystemRandom, &material).unwrap();
        assert!(again.ct_eq(material.expose()));
        assert_eq!(private.public_key_der(), same.public_key_der());
    }
});
