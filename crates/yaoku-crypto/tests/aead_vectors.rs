//! The AEAD against published vectors and another implementation's, through the public interface: nonces are what the
//! source of randomness gives.
#![allow(clippy::unwrap_used, reason = "a test, though not all of it is in #[test] functions")]

use shake::digest::{ExtendableOutput, Update, XofReader};
use shake::{Shake128, Shake128Reader};
use yaoku_crypto::aead::{Algorithm, COMMITMENT_LEN, CommittingAead, NONCE_LEN, TAG_LEN};
use yaoku_crypto::{Error, Random, Secret};

struct Fixed(Vec<u8>);

impl Random for Fixed {
    fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

fn aes(key: &[u8]) -> CommittingAead {
    let algorithms = [Algorithm::Aes256, Algorithm::Aes192, Algorithm::Aes128];
    aead(algorithms.into_iter().find(|algorithm| algorithm.key_len() == key.len()).unwrap(), key)
}

fn aead(algorithm: Algorithm, key: &[u8]) -> CommittingAead {
    CommittingAead::new(algorithm, &Secret::new(key.to_vec())).unwrap()
}

fn seal(aead: &CommittingAead, nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    aead.seal(&Fixed(nonce.to_vec()), aad, plaintext, &mut sealed).unwrap();
    sealed
}

#[test]
fn vectors_of_aws_lc() {
    assert_eq!(check(include_str!("vectors/xaes_256_gcm_kc.txt")), 3);
}

#[test]
fn vectors_of_an_independent_implementation() {
    assert_eq!(check(include_str!("vectors/committing_aead.txt")), 64);
}

/// Checks every vector of a file, in both directions, and says how many there were.
fn check(file: &str) -> usize {
    let lines: Vec<_> = file.lines().filter(|line| !line.starts_with('#')).collect();
    let vectors = lines.split(|line| line.is_empty()).filter(|vector| !vector.is_empty());
    vectors
        .inspect(|vector| {
            let field = |name| {
                let value = vector.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                unhex(value.unwrap_or_else(|| panic!("no {name} in {vector:?}")).trim())
            };
            let [nonce, aad, plaintext] = ["nonce", "aad", "plaintext"].map(field);
            let expected = ["nonce", "commitment", "ciphertext", "tag"].map(field).concat();
            let key = field("key");
            let aead = if vector.contains(&"cipher: SM4") { aead(Algorithm::Sm4, &key) } else { aes(&key) };
            assert_eq!(seal(&aead, &nonce, &aad, &plaintext), expected, "{vector:?}");
            assert!(aead.open(&aad, &expected).unwrap().ct_eq(&plaintext), "{vector:?}");
        })
        .count()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// <https://c2sp.org/XAES-256-GCM>, "Accumulated randomized tests".
#[test]
fn ten_thousand_random_messages_of_c2sp() {
    assert_eq!(accumulated(10_000), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
}

/// As above. Run with `cargo test --release -- --ignored`.
#[test]
#[ignore = "takes a while without optimisation"]
fn a_million_random_messages_of_c2sp() {
    assert_eq!(accumulated(1_000_000), "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
}

fn accumulated(iterations: usize) -> String {
    let mut stream = Shake128::default().finalize_xof();
    let mut hash = Shake128::default();
    for _ in 0..iterations {
        let [key, nonce] = [32, NONCE_LEN].map(|len| read(&mut stream, len));
        let plaintext = read_short(&mut stream);
        let aad = read_short(&mut stream);
        let aead = aes(&key);
        let sealed = seal(&aead, &nonce, &aad, &plaintext);
        assert!(aead.open(&aad, &sealed).unwrap().ct_eq(&plaintext));
        let ciphertext = &sealed[NONCE_LEN + COMMITMENT_LEN..];
        assert_eq!(ciphertext.len(), plaintext.len() + TAG_LEN);
        hash.update(ciphertext);
    }
    read(&mut hash.finalize_xof(), 32).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(stream: &mut Shake128Reader, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read(&mut bytes);
    bytes
}

/// A vector of at most 255 bytes after its length.
fn read_short(stream: &mut Shake128Reader) -> Vec<u8> {
    let len = read(stream, 1)[0];
    read(stream, len.into())
}
