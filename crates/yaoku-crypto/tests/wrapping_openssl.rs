//! What is encrypted to a public key, OpenSSL decrypts. Skipped, with a line that says so, where there is no `openssl`
//! program, or one that lacks the algorithm.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, though not all of it is in #[test] functions")]

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use yaoku_crypto::SystemRandom;
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec, WrappingPublicKey};

#[test]
fn openssl_decrypts_rsaes_oaep() {
    for (spec, bits) in
        [(WrappingKeySpec::Rsa2048, 2048), (WrappingKeySpec::Rsa3072, 3072), (WrappingKeySpec::Rsa4096, 4096)]
    {
        let bits = format!("rsa_keygen_bits:{bits}");
        let Some(pair) = KeyPair::generate(&["-algorithm", "RSA", "-pkeyopt", &bits]) else { return };
        for (algorithm, hash) in
            [(WrappingAlgorithm::RsaesOaepSha256, "sha256"), (WrappingAlgorithm::RsaesOaepSha1, "sha1")]
        {
            let digest = [format!("rsa_oaep_md:{hash}"), format!("rsa_mgf1_md:{hash}")];
            let options = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", &digest[0], "-pkeyopt", &digest[1]];
            pair.check(spec, algorithm, &options, &[1, 16, 32, 190]);
        }
    }
}

#[test]
fn openssl_decrypts_sm2() {
    let Some(pair) = KeyPair::generate(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2"]) else { return };
    pair.check(WrappingKeySpec::EcSm2, WrappingAlgorithm::Sm2Pke, &[], &[1, 16, 32, 33, 1024, 6047]);
}

/// A key pair made by OpenSSL, in files.
struct KeyPair {
    directory: TempDir,
    public: Vec<u8>,
}

impl KeyPair {
    /// `None` if OpenSSL can't.
    fn generate(options: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let mut generate = openssl("genpkey", &[OsStr::new("-out"), path("private.pem").as_os_str()]);
        match generate.args(options).output() {
            Ok(output) if output.status.success() => (),
            Ok(output) => {
                println!("skipped: openssl makes no such key: {}", String::from_utf8_lossy(&output.stderr));
                return None;
            }
            Err(error) => {
                println!("skipped: no openssl program: {error}");
                return None;
            }
        }
        let convert = ["-pubout", "-outform", "DER"].map(OsStr::new);
        let output = openssl("pkey", &convert).arg("-in").arg(path("private.pem")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        Some(Self { public: output.stdout, directory })
    }

    fn check(&self, spec: WrappingKeySpec, algorithm: WrappingAlgorithm, options: &[&str], lengths: &[usize]) {
        let key = WrappingPublicKey::from_spki_der(spec, &self.public).unwrap();
        for &length in lengths {
            let plaintext: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let encrypted = key.encrypt(algorithm, &SystemRandom, &plaintext).unwrap();
            assert!(self.decrypt(options, &encrypted) == plaintext, "{spec:?}, {algorithm:?}, {length} bytes");
        }
    }

    fn decrypt(&self, options: &[&str], encrypted: &[u8]) -> Vec<u8> {
        let path = |name: &str| Path::new(self.directory.path()).join(name);
        fs::write(path("encrypted"), encrypted).unwrap();
        let mut decrypt = openssl("pkeyutl", &[OsStr::new("-decrypt")]);
        decrypt.arg("-inkey").arg(path("private.pem")).arg("-in").arg(path("encrypted")).args(options);
        let output = decrypt.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn openssl(subcommand: &str, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new("openssl");
    command.arg(subcommand).args(arguments);
    command
}
