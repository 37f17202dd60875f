//! Key pairs against OpenSSL, in both directions: it verifies what is signed here and decrypts what is encrypted here,
//! and the other way about; and each reads the other's keys. Skipped, with a line that says so, where there is no
//! `openssl` program, or one that lacks the algorithm.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, though not all of it is in #[test] functions")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use yaoku_crypto::asymmetric::{KeyAlgorithm, PrivateKey, PublicKey, SigningAlgorithm, generate};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_crypto::{Secret, SystemRandom};

const RSA: [(KeyAlgorithm, &str); 3] = [
    (KeyAlgorithm::Rsa2048, "rsa_keygen_bits:2048"),
    (KeyAlgorithm::Rsa3072, "rsa_keygen_bits:3072"),
    (KeyAlgorithm::Rsa4096, "rsa_keygen_bits:4096"),
];

const PSS: [&str; 6] =
    ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32", "-pkeyopt", "digest:sha256"];
const OAEP_SHA256: [&str; 6] =
    ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"];
const OAEP_SHA1: [&str; 6] =
    ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha1", "-pkeyopt", "rsa_mgf1_md:sha1"];

#[test]
fn rsa() {
    for (algorithm, bits) in RSA {
        for pair in Pair::both(algorithm, &["-algorithm", "RSA", "-pkeyopt", bits]) {
            pair.signs(SigningAlgorithm::RsaPssSha256, &PSS);
            pair.signs(SigningAlgorithm::RsaPkcs1Sha256, &["-pkeyopt", "digest:sha256"]);
            pair.encrypts(WrappingAlgorithm::RsaesOaepSha256, &OAEP_SHA256, &[1, 32, 190]);
            pair.encrypts(WrappingAlgorithm::RsaesOaepSha1, &OAEP_SHA1, &[1, 32, 214]);
            pair.decrypts_pkcs1();
        }
    }
}

#[test]
fn ecdsa() {
    for (algorithm, curve) in
        [(KeyAlgorithm::EcP256, "ec_paramgen_curve:P-256"), (KeyAlgorithm::EcP256K, "ec_paramgen_curve:secp256k1")]
    {
        for pair in Pair::both(algorithm, &["-algorithm", "EC", "-pkeyopt", curve]) {
            pair.signs(SigningAlgorithm::EcdsaSha256, &[]);
        }
    }
}

#[test]
fn sm2() {
    for pair in Pair::both(KeyAlgorithm::EcSm2, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2"]) {
        pair.signs(SigningAlgorithm::Sm2Dsa, &[]);
        pair.encrypts(WrappingAlgorithm::Sm2Pke, &[], &[1, 16, 32, 33, 1024, 6047]);
        pair.signs_sm2_messages();
    }
}

/// A key pair, in a file for OpenSSL and prepared for us.
struct Pair {
    directory: TempDir,
    private: PrivateKey,
    public: PublicKey,
}

impl Pair {
    /// One pair that OpenSSL makes, one that we make; none if OpenSSL can't.
    fn both(algorithm: KeyAlgorithm, options: &[&str]) -> Vec<Self> {
        let [theirs, ours] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        if !can_generate(theirs.path(), options) {
            return Vec::new();
        }
        let mut to_pkcs8 = openssl("pkcs8", theirs.path());
        let material = run(to_pkcs8.args(["-topk8", "-nocrypt", "-outform", "DER", "-in", PRIVATE])).stdout;
        let theirs = Self::new(algorithm, theirs, &Secret::new(material));
        let material = generate(algorithm, &SystemRandom).unwrap();
        fs::write(ours.path().join("private.der"), material.expose()).unwrap();
        run(openssl("pkey", ours.path()).args(["-inform", "DER", "-in", "private.der", "-out", PRIVATE]));
        vec![theirs, Self::new(algorithm, ours, &material)]
    }

    fn new(algorithm: KeyAlgorithm, directory: TempDir, material: &Secret) -> Self {
        let private = PrivateKey::new(algorithm, material).unwrap();
        let mut to_public = openssl("pkey", directory.path());
        let public_key = run(to_public.args(["-pubout", "-outform", "DER", "-in", PRIVATE])).stdout;
        assert_eq!(private.public_key_der(), public_key, "{algorithm:?}");
        let public = PublicKey::from_spki_der(algorithm, &public_key).unwrap();
        Self { directory, private, public }
    }

    /// What OpenSSL makes of `input`, and of a signature if there is one.
    fn openssl(&self, operation: &str, options: &[&str], input: &[u8], signature: Option<&[u8]>) -> Vec<u8> {
        fs::write(self.directory.path().join("input"), input).unwrap();
        let mut command = openssl("pkeyutl", self.directory.path());
        command.args([operation, "-inkey", PRIVATE, "-in", "input"]).args(options);
        if let Some(signature) = signature {
            fs::write(self.directory.path().join("signature"), signature).unwrap();
            command.args(["-sigfile", "signature"]);
        }
        run(&mut command).stdout
    }

    fn signs(&self, algorithm: SigningAlgorithm, options: &[&str]) {
        for seed in 0..4 {
            let digest = digest(seed);
            let signature = self.private.sign(algorithm, &SystemRandom, &digest).unwrap();
            let answer = self.openssl("-verify", options, &digest, Some(&signature));
            assert_eq!(String::from_utf8_lossy(&answer).trim(), "Signature Verified Successfully");
            let signature = self.openssl("-sign", options, &digest, None);
            assert!(self.public.verify(algorithm, &digest, &signature).unwrap(), "{algorithm:?}");
            assert!(!self.public.verify(algorithm, &[0; 32], &signature).unwrap(), "{algorithm:?}");
        }
    }

    /// OpenSSL computes Z_A and e here, so that a wrong idea of them would show.
    fn signs_sm2_messages(&self) {
        let options = ["-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678"];
        let curve = "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc\
                     28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93\
                     32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7\
                     bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";
        let curve: Vec<u8> =
            (0..curve.len()).step_by(2).map(|i| u8::from_str_radix(&curve[i..i + 2], 16).unwrap()).collect();
        let point = self.private.public_key_der().last_chunk::<64>().unwrap();
        let z_a = hash(Hash::Sm3, &[&[0, 128], &b"1234567812345678"[..], &curve, point].concat());
        let message = b"message digest";
        let e = hash(Hash::Sm3, &[z_a.as_bytes(), message].concat());
        let signature = self.private.sign(SigningAlgorithm::Sm2Dsa, &SystemRandom, e.as_bytes()).unwrap();
        self.openssl("-verify", &options, message, Some(&signature));
        let signature = self.openssl("-sign", &options, message, None);
        assert!(self.public.verify(SigningAlgorithm::Sm2Dsa, e.as_bytes(), &signature).unwrap());
    }

    fn encrypts(&self, algorithm: WrappingAlgorithm, options: &[&str], lengths: &[usize]) {
        for &length in lengths {
            let plaintext: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let encrypted = self.public.encrypt(algorithm, &SystemRandom, &plaintext).unwrap();
            assert!(self.openssl("-decrypt", options, &encrypted, None) == plaintext, "{algorithm:?}");
            let encrypted = self.openssl("-encrypt", options, &plaintext, None);
            assert!(
                self.private.decrypt(algorithm, &encrypted).unwrap().ct_eq(&plaintext),
                "{algorithm:?}, {length} bytes"
            );
        }
    }

    fn decrypts_pkcs1(&self) {
        let options = ["-pkeyopt", "rsa_padding_mode:pkcs1"];
        for length in [16, 24, 32, 245] {
            let plaintext: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let encrypted = self.openssl("-encrypt", &options, &plaintext, None);
            assert!(self.private.decrypt_pkcs1_v15(&encrypted, length).unwrap().ct_eq(&plaintext), "{length} bytes");
        }
    }
}

fn digest(seed: u8) -> [u8; 32] {
    std::array::from_fn(|i| (i as u8).wrapping_mul(11).wrapping_add(seed))
}

/// Where OpenSSL's private keys are.
const PRIVATE: &str = "private.pem";

fn can_generate(directory: &Path, options: &[&str]) -> bool {
    match openssl("genpkey", directory).args(["-out", PRIVATE]).args(options).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("skipped: openssl makes no such key: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            println!("skipped: no openssl program: {error}");
            false
        }
    }
}

fn openssl(subcommand: &str, directory: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.arg(subcommand).current_dir(directory);
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}
