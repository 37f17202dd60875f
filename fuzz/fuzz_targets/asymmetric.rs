//! Public keys, signatures and ciphertexts of strangers, for every kind of key pair: read without panic; nothing that nobody
//! signed verifies, and what is read as a public key is one that can be used.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use yaoku_crypto::asymmetric::{KeyAlgorithm, PrivateKey, PublicKey, generate};
use yaoku_crypto::wrapping::{WrappingKeySpec, WrappingPublicKey};
use yaoku_crypto::{Secret, SystemRandom};

/// One key of each kind whose keys are made fast.
static PAIRS: LazyLock<Vec<(PrivateKey, PublicKey)>> = LazyLock::new(|| {
    let fast = KeyAlgorithm::ALL.into_iter().filter(|kind| !matches!(kind, KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096));
    fast.map(|kind| {
        let private = PrivateKey::new(kind, &generate(kind, &SystemRandom).unwrap()).unwrap();
        let public = PublicKey::from_spki_der(kind, private.public_key_der()).unwrap();
        (private, public)
    })
    .collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let (private, public) = &PAIRS[usize::from(*choice) % PAIRS.len()];
    let kind = private.algorithm();
    for algorithm in kind.signing_algorithms() {
        assert!(!public.verify(*algorithm, &[0x5a; 32], bytes).unwrap());
    }
    for algorithm in kind.wrapping_algorithms() {
        let _ = private.decrypt(*algorithm, bytes);
    }
    if let Ok(stranger) = PublicKey::from_spki_der(kind, bytes) {
        for algorithm in kind.signing_algorithms() {
            let _ = stranger.verify(*algorithm, &[0x5a; 32], &[0x30, 0x06, 2, 1, 1, 2, 1, 1]);
        }
    }
    let _ = WrappingPublicKey::from_spki_der(WrappingKeySpec::EcSm2, bytes);
    let _ = PrivateKey::new(kind, &Secret::new(bytes.to_vec()));
});
