//! Keys in a token, tried with SoftHSM2, against what software makes of the same keys.
//!
//! The library reads its configuration from the environment, once a process; so the tests run in a process of their own,
//! which the one test that is not ignored starts.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "support/softhsm.rs"]
mod softhsm;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use softhsm::{PIN, SoftHsm, module};
use yaoku_crypto::aead::Algorithm;
use yaoku_crypto::asymmetric::{KeyAlgorithm, PublicKey, SigningAlgorithm};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_crypto::pkcs11::{
    Capability, ObjectId, PairUse, Token, TokenConfig, TokenKey, TokenKeyKind, UnwrapAlgorithm, aead,
};
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_crypto::{Error, Secret, SystemRandom};

#[test]
fn keys_in_softhsm() {
    let Some(hsm) = SoftHsm::new() else { return };
    hsm.add_token("other");
    // One after the other also since one of them ends the library for all.
    hsm.run_ignored_tests();
}

fn config(label: Option<&str>, pin: &str, sessions: usize) -> TokenConfig {
    TokenConfig {
        module: module().unwrap(),
        label: label.map(str::to_owned),
        pin: Secret::new(pin.as_bytes().to_vec()),
        sessions,
    }
}

/// One for all tests: the library is one for the process.
static TOKEN: LazyLock<Arc<Token>> = LazyLock::new(|| Arc::new(Token::open(config(Some("keys"), PIN, 4)).unwrap()));

fn new_id() -> ObjectId {
    ObjectId::generate(&SystemRandom).unwrap()
}

fn made(kind: TokenKeyKind) -> (TokenKey, Option<Vec<u8>>, ObjectId) {
    let id = new_id();
    let public = TOKEN.generate(kind, id, "test").unwrap();
    (TokenKey::new(TOKEN.clone(), kind, id), public, id)
}

fn openssl(args: &[&str], dir: &Path) -> String {
    let output = Command::new("openssl").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[ignore = "run by keys_in_softhsm"]
fn sealed_bytes_open_unless_anything_changed() {
    for algorithm in [Algorithm::Aes128, Algorithm::Aes192, Algorithm::Aes256] {
        let (key, _, _) = made(TokenKeyKind::Aead(algorithm));
        let mut sealed = b"before".to_vec();
        key.seal(&SystemRandom, b"aad", b"plaintext", &mut sealed).unwrap();
        let sealed = sealed.strip_prefix(b"before").unwrap();
        assert_eq!(sealed.len(), 9 + aead::OVERHEAD);
        assert!(key.open(b"aad", sealed).unwrap().ct_eq(b"plaintext"));
        assert!(matches!(key.open(b"AAD", sealed), Err(Error::Open)));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(key.open(b"aad", &changed), Err(Error::Open)), "bit {bit}");
        }
        assert!((0..sealed.len()).all(|len| matches!(key.open(b"aad", &sealed[..len]), Err(Error::Open))));
        // What went wrong a hundred times left the token as it was.
        assert!(key.open(b"aad", sealed).unwrap().ct_eq(b"plaintext"));
    }
}

#[test]
#[ignore = "run by keys_in_softhsm"]
fn signatures_verify_in_software() {
    let digest = hash(Hash::Sha256, b"message");
    for algorithm in KeyAlgorithm::ALL {
        let kind = TokenKeyKind::KeyPair(algorithm, PairUse::Sign);
        if let Capability::Lacking(what) = TOKEN.can_hold(kind).unwrap() {
            let known = [KeyAlgorithm::EcSm2, KeyAlgorithm::MlDsa44, KeyAlgorithm::MlDsa65, KeyAlgorithm::MlDsa87];
            assert!(known.contains(&algorithm), "{algorithm:?}: {what}");
            assert!(TOKEN.generate(kind, new_id(), "test").is_err());
            continue;
        }
        let (key, public, _) = made(kind);
        let public = PublicKey::from_spki_der(algorithm, &public.unwrap()).unwrap();
        for signing in algorithm.signing_algorithms() {
            let signature = key.sign(*signing, digest.as_bytes()).unwrap();
            assert!(public.verify(*signing, digest.as_bytes(), &signature).unwrap(), "{algorithm:?} {signing:?}");
            assert!(matches!(key.sign(*signing, b"short"), Err(Error::DigestLength { .. })));
        }
        assert!(matches!(key.sign(SigningAlgorithm::Sm2Dsa, digest.as_bytes()), Err(Error::WrongAlgorithm)));
        // A key for signatures decrypts nothing.
        assert!(key.decrypt(WrappingAlgorithm::RsaesOaepSha1, &[7; 256]).is_err());
    }
}

#[test]
#[ignore = "run by keys_in_softhsm"]
fn what_software_encrypted_the_token_decrypts() {
    for algorithm in [KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072, KeyAlgorithm::Rsa4096] {
        let (key, public, _) = made(TokenKeyKind::KeyPair(algorithm, PairUse::Decrypt));
        let public = PublicKey::from_spki_der(algorithm, &public.unwrap()).unwrap();
        for wrapping in algorithm.wrapping_algorithms() {
            let ciphertext = public.encrypt(*wrapping, &SystemRandom, b"plaintext").unwrap();
            let can = TOKEN.can_decrypt(*wrapping).unwrap();
            match key.decrypt(*wrapping, &ciphertext) {
                Ok(plaintext) => assert!(can == Capability::Offered && plaintext.ct_eq(b"plaintext")),
                Err(_) => assert_ne!(can, Capability::Offered, "{algorithm:?} {wrapping:?}"),
            }
            let mut damaged = ciphertext.clone();
            damaged[100] ^= 1;
            if can == Capability::Offered {
                assert!(matches!(key.decrypt(*wrapping, &damaged), Err(Error::Open)));
            }
            assert!(matches!(key.decrypt(*wrapping, &ciphertext[1..]), Err(Error::Open)));
        }
        // SoftHSM2 knows this one at least.
        assert_eq!(TOKEN.can_decrypt(WrappingAlgorithm::RsaesOaepSha1).unwrap(), Capability::Offered);
    }
}

#[test]
#[ignore = "run by keys_in_softhsm"]
fn macs_are_as_long_as_the_hash_and_say_the_same_twice() {
    for hash in [Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let (key, _, _) = made(TokenKeyKind::Mac(hash));
        let code = key.mac(b"message").unwrap();
        assert_eq!(code.len(), hash.output_len());
        assert_eq!(key.mac(b"message").unwrap(), code);
        assert_ne!(key.mac(b"massage").unwrap(), code);
        assert_ne!(made(TokenKeyKind::Mac(hash)).0.mac(b"message").unwrap(), code);
        assert_eq!(key.mac(b"").unwrap().len(), hash.output_len());
    }
    assert_ne!(TOKEN.can_hold(TokenKeyKind::Mac(Hash::Sm3)).unwrap(), Capability::Offered);
}

/// The one way by which the test knows a key that a token holds: OpenSSL computes the same with it.
#[test]
#[ignore = "run by keys_in_softhsm"]
fn unwrapped_keys_compute_what_openssl_does_with_them() {
    let dir = tempfile::tempdir().unwrap();
    for (unwrap, padding) in [
        (UnwrapAlgorithm::RsaesPkcs1V15, &["-pkeyopt", "rsa_padding_mode:pkcs1"][..]),
        (UnwrapAlgorithm::RsaesOaepSha1, &["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha1"]),
        (UnwrapAlgorithm::RsaesOaepSha256, &["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"]),
    ] {
        if TOKEN.can_unwrap(unwrap).unwrap() != Capability::Offered {
            // SoftHSM2 before 2.7 takes SHA-1 only.
            assert_eq!(unwrap, UnwrapAlgorithm::RsaesOaepSha256);
            continue;
        }
        let pair = new_id();
        let public = TOKEN.generate_wrapping_pair(2048, pair, "test wrapping").unwrap();
        std::fs::write(dir.path().join("public.der"), public).unwrap();
        for (algorithm, cipher) in
            [(Algorithm::Aes128, "AES-128-CBC"), (Algorithm::Aes192, "AES-192-CBC"), (Algorithm::Aes256, "AES-256-CBC")]
        {
            let material: Vec<u8> = (1..).take(algorithm.key_len()).collect();
            std::fs::write(dir.path().join("key"), &material).unwrap();
            let mut args = vec!["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "public.der"];
            args.extend(["-in", "key", "-out", "wrapped"]);
            args.extend(padding);
            openssl(&args, dir.path());
            let wrapped = std::fs::read(dir.path().join("wrapped")).unwrap();
            let object = new_id();
            TOKEN.unwrap(pair, unwrap, &wrapped, algorithm, object, "test").unwrap();
            std::fs::write(dir.path().join("challenge"), [9; 32]).unwrap();
            let key = format!("hexkey:{}", hex(&material));
            let cipher = format!("cipher:{cipher}");
            let mac = openssl(&["mac", "-macopt", &cipher, "-macopt", &key, "-in", "challenge", "CMAC"], dir.path());
            let fingerprint = TOKEN.fingerprint(object, &[9; 32]).unwrap();
            assert_eq!(mac.trim().to_lowercase(), hex(&fingerprint), "{unwrap:?} {algorithm:?}");
            let key = TokenKey::new(TOKEN.clone(), TokenKeyKind::Aead(algorithm), object);
            let mut sealed = Vec::new();
            key.seal(&SystemRandom, b"aad", b"plaintext", &mut sealed).unwrap();
            assert!(key.open(b"aad", &sealed).unwrap().ct_eq(b"plaintext"));
            assert!(opens_in_software(&material, &sealed));
            // Another length than that of the key asked for, other bytes, another pair.
            let others = [Algorithm::Aes128, Algorithm::Aes192, Algorithm::Aes256];
            for other in others.into_iter().filter(|other| *other != algorithm) {
                let refused = TOKEN.unwrap(pair, unwrap, &wrapped, other, new_id(), "test");
                assert!(matches!(refused, Err(Error::Open)), "{unwrap:?} {other:?}");
            }
            let mut damaged = wrapped.clone();
            damaged[17] ^= 1;
            let refused = TOKEN.unwrap(pair, unwrap, &damaged, algorithm, new_id(), "test");
            assert!(matches!(refused, Err(Error::Open)), "{unwrap:?}");
            let refused = TOKEN.unwrap(new_id(), unwrap, &wrapped, algorithm, new_id(), "test");
            assert!(matches!(refused, Err(Error::TokenObject)));
        }
    }
}

/// AES-GCM by AWS-LC.
fn opens_in_software(material: &[u8], sealed: &[u8]) -> bool {
    use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let algorithm = match material.len() {
        16 => &AES_128_GCM,
        24 => &AES_192_GCM,
        _ => &AES_256_GCM,
    };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, material).unwrap());
    let (nonce, ciphertext) = sealed.split_at(aead::NONCE_LEN);
    let mut bytes = ciphertext.to_vec();
    let opened = key.open_in_place(Nonce::try_assume_unique_for_key(nonce).unwrap(), Aad::from(b"aad"), &mut bytes);
    opened.is_ok_and(|plaintext| plaintext == b"plaintext")
}

#[test]
#[ignore = "run by keys_in_softhsm"]
fn a_destroyed_key_is_gone() {
    let (key, _, id) = made(TokenKeyKind::Aead(Algorithm::Aes256));
    let mut sealed = Vec::new();
    key.seal(&SystemRandom, b"", b"plaintext", &mut sealed).unwrap();
    TOKEN.destroy(id).unwrap();
    TOKEN.destroy(id).unwrap();
    assert!(matches!(key.open(b"", &sealed), Err(Error::TokenObject)));
    let fresh = TokenKey::new(TOKEN.clone(), TokenKeyKind::Aead(Algorithm::Aes256), id);
    assert!(matches!(fresh.open(b"", &sealed), Err(Error::TokenObject)));
}

#[test]
#[ignore = "run by keys_in_softhsm"]
fn more_threads_than_sessions_take_turns() {
    let (key, _, _) = made(TokenKeyKind::Mac(Hash::Sha256));
    let expected = key.mac(b"message").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(key.mac(b"message").unwrap(), expected)));
        }
    });
}

/// Somebody else in the process ends the library between two calls, as a module that restarts does: sessions, login and
/// handles are gone.
#[test]
#[ignore = "run by keys_in_softhsm"]
fn a_library_that_was_ended_is_started_again() {
    let (key, _, _) = made(TokenKeyKind::Mac(Hash::Sha256));
    let expected = key.mac(b"message").unwrap();
    for _ in 0..20 {
        // Opening it anew fails here, for want of a label, and ends the library as it goes.
        let refused = Token::open(config(None, PIN, 4)).err().unwrap();
        assert!(matches!(&refused, Error::TokenSetup(why) if why.contains("2 tokens")), "{refused}");
        assert_eq!(key.mac(b"message").unwrap(), expected);
    }
    TOKEN.check().unwrap();
}
