//! The primitives beneath yaoku against `openssl speed` on the same machine, one thread each.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use yaoku_crypto::aead::{Algorithm, CommittingAead};
use yaoku_crypto::asymmetric::{KeyAlgorithm, PrivateKey, PublicKey, SigningAlgorithm, generate};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_crypto::{Secret, SystemRandom};

use crate::{Error, report};

/// How long each is measured.
const SECONDS: u64 = 2;
/// What is encrypted or hashed at a time.
const BYTES: usize = 1024;

/// Measures all, and prints a table.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn run() -> Result<(), Error> {
    println!("`openssl speed`, {}, and yaoku, one thread each, {BYTES} bytes where bytes count:", version()?);
    println!();
    println!("| | yaoku | OpenSSL | ratio |");
    println!("|---|---|---|---|");
    for (name, algorithm, theirs) in [
        ("AES-256, seal, MB/s; OpenSSL: AES-256-GCM", Algorithm::Aes256, "aes-256-gcm"),
        ("SM4, seal, MB/s; OpenSSL: SM4-CTR", Algorithm::Sm4, "sm4-ctr"),
    ] {
        report::progress(name);
        let aead = CommittingAead::new(algorithm, &Secret::random(algorithm.key_len(), &SystemRandom)?)?;
        let (text, mut out) = (vec![7; BYTES], Vec::with_capacity(2 * BYTES));
        let ours = rate(|| {
            out.clear();
            aead.seal(&SystemRandom, b"", &text, &mut out).map_err(Error::from)
        })?;
        row(name, ours * BYTES as f64 / 1e6, bytes_a_second(theirs)? / 1e6);
    }
    report::progress("SM3");
    let text = vec![7; BYTES];
    let ours = rate(|| Ok(hash(Hash::Sm3, black_box(&text))))?;
    row("SM3, MB/s", ours * BYTES as f64 / 1e6, bytes_a_second("sm3")? / 1e6);
    for (name, key, algorithm, theirs) in [
        ("RSA-2048, PSS", KeyAlgorithm::Rsa2048, SigningAlgorithm::RsaPssSha256, "rsa2048"),
        ("ECDSA P-256", KeyAlgorithm::EcP256, SigningAlgorithm::EcdsaSha256, "ecdsap256"),
        ("SM2", KeyAlgorithm::EcSm2, SigningAlgorithm::Sm2Dsa, "sm2"),
    ] {
        report::progress(name);
        let private = PrivateKey::new(key, &generate(key, &SystemRandom)?)?;
        let public = PublicKey::from_spki_der(key, private.public_key_der())?;
        let signature = private.sign(algorithm, &SystemRandom, &[7; 32])?;
        let signs = rate(|| Ok(private.sign(algorithm, &SystemRandom, &[7; 32])?))?;
        let verifies = rate(|| Ok(public.verify(algorithm, &[7; 32], &signature)?))?;
        let (their_signs, their_verifies) = signatures_a_second(theirs)?;
        row(&format!("{name}, signatures/s"), signs, their_signs);
        row(&format!("{name}, verifications/s"), verifies, their_verifies);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn row(name: &str, ours: f64, theirs: f64) {
    println!("| {name} | {ours:.0} | {theirs:.0} | {:.2} |", ours / theirs);
}

/// A primitive that calls are measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Rsa,
    P256,
    Sm2,
    Sm4,
}

impl Primitive {
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::P256 => "p256",
            Self::Sm2 => "sm2",
            Self::Sm4 => "sm4",
        }
    }

    /// What the call that uses it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "AsymmetricSign, RSA_2048",
            Self::P256 => "AsymmetricSign, EC_P256",
            Self::Sm2 => "AsymmetricSign, EC_SM2",
            Self::Sm4 => "Encrypt, Aliyun_SM4",
        }
    }

    /// The wire's name of the signature's algorithm.
    pub(crate) const fn algorithm(self) -> Option<&'static str> {
        match self {
            Self::Rsa => Some("RSA_PSS_SHA_256"),
            Self::P256 => Some("ECDSA_SHA_256"),
            Self::Sm2 => Some("SM2DSA"),
            Self::Sm4 => None,
        }
    }

    /// Microseconds of processor time of one call, in a loop of that length on every processor at once: a server under load has
    /// none that goes faster for its neighbour's idling.
    pub(crate) fn micros(self, length: Duration) -> Result<f64, Error> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let all = std::thread::scope(|scope| {
            let loops: Vec<_> = (0..processors).map(|_| scope.spawn(|| self.micros_alone(length))).collect();
            let joined = loops.into_iter().map(|one| one.join().unwrap_or_else(|_| Err("a loop panicked".into())));
            joined.collect::<Result<Vec<f64>, Error>>()
        })?;
        Ok(all.iter().sum::<f64>() / all.len() as f64)
    }

    fn micros_alone(self, length: Duration) -> Result<f64, Error> {
        let sign = |key, algorithm| {
            let private = PrivateKey::new(key, &generate(key, &SystemRandom)?)?;
            rate_over(length, || Ok(private.sign(algorithm, &SystemRandom, &[7; 32])?))
        };
        let rate = match self {
            Self::Rsa => sign(KeyAlgorithm::Rsa2048, SigningAlgorithm::RsaPssSha256),
            Self::P256 => sign(KeyAlgorithm::EcP256, SigningAlgorithm::EcdsaSha256),
            Self::Sm2 => sign(KeyAlgorithm::EcSm2, SigningAlgorithm::Sm2Dsa),
            Self::Sm4 => {
                let key = Secret::random(Algorithm::Sm4.key_len(), &SystemRandom)?;
                let aead = CommittingAead::new(Algorithm::Sm4, &key)?;
                let mut out = Vec::new();
                rate_over(length, || {
                    out.clear();
                    aead.seal(&SystemRandom, &[7; 34], &[7; 32], &mut out).map_err(Error::from)
                })
            }
        };
        Ok(1e6 / rate?)
    }
}

/// How often a second of processor time, which is what `openssl speed` counts as well.
fn rate<T>(work: impl FnMut() -> Result<T, Error>) -> Result<f64, Error> {
    rate_over(Duration::from_secs(SECONDS), work)
}

fn rate_over<T>(length: Duration, mut work: impl FnMut() -> Result<T, Error>) -> Result<f64, Error> {
    let (start, before, mut done) = (Instant::now(), thread_cpu(), 0u64);
    while start.elapsed() < length {
        for _ in 0..16 {
            black_box(work()?);
        }
        done += 16;
    }
    Ok(done as f64 / (thread_cpu() - before).as_secs_f64())
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

fn version() -> Result<String, Error> {
    let output = Command::new("openssl").arg("version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn bytes_a_second(algorithm: &str) -> Result<f64, Error> {
    let size = BYTES.to_string();
    let results = speed(&["-bytes", &size, "-evp", algorithm])?;
    Ok(*results.last().ok_or("no result of openssl speed")?)
}

fn signatures_a_second(algorithm: &str) -> Result<(f64, f64), Error> {
    match speed(&[algorithm])?[..] {
        [.., signs, verifies] => Ok((signs, verifies)),
        _ => Err("no result of openssl speed".into()),
    }
}

/// The numbers of the last line that `openssl speed -mr` prints; they stand after a name and a size.
fn speed(args: &[&str]) -> Result<Vec<f64>, Error> {
    let seconds = SECONDS.to_string();
    let output = Command::new("openssl").args(["speed", "-mr", "-seconds", &seconds]).args(args).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rfind(|line| line.starts_with("+F")).ok_or("no result of openssl speed")?;
    Ok(last.split(':').filter_map(|field| field.parse().ok()).collect())
}
