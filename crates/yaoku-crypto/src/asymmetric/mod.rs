//! Keys in pairs: the private one signs, or decrypts what was encrypted to the public one.
//!
//! | key | material of the private key | signatures | encryption |
//! |---|---|---|---|
//! | RSA | PKCS#8 around RSAPrivateKey (RFC 8017, A.1.2) | RSASSA-PSS, RSASSA-PKCS1-v1_5 | RSAES-OAEP |
//! | P-256, secp256k1 | PKCS#8 around ECPrivateKey (RFC 5915) | ECDSA, DER of SEQUENCE { r, s } | |
//! | SM2 | PKCS#8 around ECPrivateKey | SM2, DER of SEQUENCE { r, s } (GM/T 0009-2012, 7.3) | SM2, DER |
//! | ML-DSA | the seed ξ of 32 bytes (FIPS 204, algorithm 1) | ML-DSA, as FIPS 204 encodes it | |
//!
//! PKCS#8 is version 1 (RFC 5208) in DER, nothing behind it. Public keys are SubjectPublicKeyInfo in DER (RFC 5280,
//! 4.1.2.7). Encodings of ciphertexts are those of [`wrapping`](crate::wrapping).
//!
//! The families differ in how much a library wipes. AWS-LC cleanses what it frees; the SM2 library does not, so that
//! what [`PrivateKey`] keeps of an SM2 key is overwritten by us, but copies in registers and on the stack are not.

mod ec;
mod ml_dsa;
mod rsa;
mod sm2;

use ::sm2::pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use aws_lc_rs::digest::{Digest, SHA256};

use crate::algorithms::WrappingAlgorithm;
pub use crate::algorithms::{KeyAlgorithm, SigningAlgorithm};
use crate::stack::wiping_stack;
use crate::{Error, Random, Secret};

impl KeyAlgorithm {
    const fn family(self) -> Family {
        match self {
            Self::Rsa2048 => Family::Rsa(&rsa::RSA_2048),
            Self::Rsa3072 => Family::Rsa(&rsa::RSA_3072),
            Self::Rsa4096 => Family::Rsa(&rsa::RSA_4096),
            Self::EcP256 => Family::Ec(&ec::P256),
            Self::EcP256K => Family::Ec(&ec::P256K),
            Self::EcSm2 => Family::Sm2,
            Self::MlDsa44 => Family::MlDsa(&ml_dsa::ML_DSA_44),
            Self::MlDsa65 => Family::MlDsa(&ml_dsa::ML_DSA_65),
            Self::MlDsa87 => Family::MlDsa(&ml_dsa::ML_DSA_87),
        }
    }
}

enum Family {
    Rsa(&'static rsa::Size),
    Ec(&'static ec::Curve),
    Sm2,
    MlDsa(&'static ml_dsa::Level),
}

/// Makes the material of a new private key. RSA, P-256 and secp256k1 draw it from AWS-LC's own randomness, since it
/// takes no other; SM2 and ML-DSA from `random`.
///
/// # Errors
/// [`Error::Random`]; [`Error::Library`].
pub fn generate(algorithm: KeyAlgorithm, random: &dyn Random) -> Result<Secret, Error> {
    match algorithm.family() {
        Family::Rsa(size) => rsa::generate(size),
        Family::Ec(curve) => ec::generate(curve),
        Family::Sm2 => sm2::generate(random),
        Family::MlDsa(_) => ml_dsa::generate(random),
    }
}

/// Reads a private key that was made elsewhere, and gives it back as material of the form that [`generate`] makes, with
/// the key itself.
///
/// RSA and EC keys are PKCS#8 (RFC 5208) in DER, nothing behind it, whatever optional parts it has; SM2 keys may also be
/// the 32 bytes of d; ML-DSA keys are the seed. Beyond what [`PrivateKey::new`] checks, the pair must verify what it signs
/// (as NIST SP 800-56B, 6.4.1.1 has it), which factors that are not prime hardly ever do.
///
/// # Errors
/// [`Error::Material`] for all that is no such key.
pub fn import(algorithm: KeyAlgorithm, random: &dyn Random, foreign: &Secret) -> Result<(Secret, PrivateKey), Error> {
    wiping_stack(|| {
        let material = match algorithm.family() {
            Family::Rsa(_) => rsa::reencode(foreign)?,
            Family::Ec(curve) => ec::reencode(curve, foreign)?,
            Family::Sm2 => sm2::reencode(foreign)?,
            Family::MlDsa(_) => foreign.duplicate(),
        };
        let private = PrivateKey::prepare(algorithm, &material).map_err(|_| Error::Material)?;
        if verifies_itself(&private, random) { Ok((material, private)) } else { Err(Error::Material) }
    })
}

fn verifies_itself(private: &PrivateKey, random: &dyn Random) -> bool {
    let Ok(public) = PublicKey::from_spki_der(private.algorithm, &private.public_key) else { return false };
    private.algorithm.signing_algorithms().iter().all(|algorithm| {
        let signature = private.sign(*algorithm, random, &[0x5a; 32]);
        signature.is_ok_and(|signature| public.verify(*algorithm, &[0x5a; 32], &signature).is_ok_and(|valid| valid))
    })
}

/// A private key, ready for use from any number of threads.
///
/// ```
/// use yaoku_crypto::asymmetric::{KeyAlgorithm, PrivateKey, PublicKey, SigningAlgorithm, generate};
/// use yaoku_crypto::{SystemRandom, mac};
///
/// # fn main() -> Result<(), yaoku_crypto::Error> {
/// let material = generate(KeyAlgorithm::EcP256, &SystemRandom)?;
/// let private = PrivateKey::new(KeyAlgorithm::EcP256, &material)?;
/// let digest = mac::hash(mac::Hash::Sha256, b"attack at dawn");
/// let signature = private.sign(SigningAlgorithm::EcdsaSha256, &SystemRandom, digest.as_bytes())?;
/// let public = PublicKey::from_spki_der(KeyAlgorithm::EcP256, private.public_key_der())?;
/// assert!(public.verify(SigningAlgorithm::EcdsaSha256, digest.as_bytes(), &signature)?);
/// # Ok(())
/// # }
/// ```
pub struct PrivateKey {
    algorithm: KeyAlgorithm,
    public_key: Box<[u8]>,
    key: Box<Private>,
}

enum Private {
    Rsa(rsa::PrivateKey),
    Ec(ec::PrivateKey),
    Sm2(sm2::PrivateKey),
    MlDsa(ml_dsa::PrivateKey),
}

impl PrivateKey {
    /// Prepares a private key, and checks that its parts belong together. That the factors of an RSA modulus are prime
    /// is not checked.
    ///
    /// # Errors
    /// [`Error::Material`] if the material is none of such a key; [`Error::KeyLength`] for a seed that has not 32
    /// bytes; [`Error::Library`].
    pub fn new(algorithm: KeyAlgorithm, material: &Secret) -> Result<Self, Error> {
        wiping_stack(|| Self::prepare(algorithm, material))
    }

    fn prepare(algorithm: KeyAlgorithm, material: &Secret) -> Result<Self, Error> {
        let (key, public_key) = match algorithm.family() {
            Family::Rsa(size) => rsa::PrivateKey::new(size, material).map(|(key, der)| (Private::Rsa(key), der)),
            Family::Ec(curve) => ec::PrivateKey::new(curve, material).map(|(key, der)| (Private::Ec(key), der)),
            Family::Sm2 => sm2::PrivateKey::new(material).map(|(key, der)| (Private::Sm2(key), der)),
            Family::MlDsa(level) => {
                ml_dsa::PrivateKey::new(level, material).map(|(key, der)| (Private::MlDsa(key), der))
            }
        }?;
        Ok(Self { algorithm, public_key: public_key.into_boxed_slice(), key: Box::new(key) })
    }

    /// The kind and size of the pair.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The public key of the pair, as [`PublicKey::from_spki_der`] reads it.
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key
    }

    /// Signs. `random` is for SM2, whose nonce it hedges (RFC 6979, 3.6); the others have AWS-LC's own randomness.
    ///
    /// # Errors
    /// [`Error::WrongAlgorithm`] for one that is not the key's; [`Error::DigestLength`] by
    /// [`SigningAlgorithm::digest_len`]; [`Error::Random`]; [`Error::Library`].
    pub fn sign(&self, algorithm: SigningAlgorithm, random: &dyn Random, digest: &[u8]) -> Result<Vec<u8>, Error> {
        check(self.algorithm, algorithm, digest)?;
        match self.key.as_ref() {
            Private::Rsa(key) => key.sign(algorithm, digest),
            Private::Ec(key) => key.sign(digest),
            Private::Sm2(key) => key.sign(random, digest),
            Private::MlDsa(key) => key.sign(digest),
        }
    }

    /// Decrypts what [`PublicKey::encrypt`] or another implementation encrypted.
    ///
    /// # Errors
    /// [`Error::WrongAlgorithm`] for one that is not the key's; [`Error::Open`] for every ciphertext that does not
    /// decrypt.
    pub fn decrypt(&self, algorithm: WrappingAlgorithm, ciphertext: &[u8]) -> Result<Secret, Error> {
        if !self.algorithm.wrapping_algorithms().contains(&algorithm) {
            return Err(Error::WrongAlgorithm);
        }
        wiping_stack(|| match self.key.as_ref() {
            Private::Rsa(key) => key.decrypt(algorithm, ciphertext),
            Private::Sm2(key) => key.decrypt(ciphertext),
            Private::Ec(_) | Private::MlDsa(_) => Err(Error::WrongAlgorithm),
        })
    }

    /// Decrypts SM2's other encoding: C1 ‖ C3 ‖ C2, the point uncompressed.
    pub(crate) fn decrypt_sm2_c1c3c2(&self, ciphertext: &[u8]) -> Result<Secret, Error> {
        wiping_stack(|| match self.key.as_ref() {
            Private::Sm2(key) => key.decrypt_c1c3c2(ciphertext),
            Private::Rsa(_) | Private::Ec(_) | Private::MlDsa(_) => Err(Error::WrongAlgorithm),
        })
    }

    /// Decrypts RSAES-PKCS1-v1_5 (RFC 8017, 7.2), for unwrapping imported keys of a length that is known beforehand.
    ///
    /// Whoever may submit ciphertexts and sees which of them decrypt can decrypt others with many attempts
    /// (Bleichenbacher 1998); no implementation can help that. The library removes the padding in constant time up to
    /// the outcome, and a plaintext of another length than `plaintext_len` bytes is refused like a wrong padding, which
    /// leaves fewer than one of 2²⁴ arbitrary ciphertexts that pass, where it were one of some 2¹⁷. Let keys for this
    /// be short-lived.
    ///
    /// # Errors
    /// [`Error::WrongAlgorithm`] if it is no RSA key; [`Error::Open`] for every ciphertext that does not decrypt.
    pub fn decrypt_pkcs1_v15(&self, ciphertext: &[u8], plaintext_len: usize) -> Result<Secret, Error> {
        match self.key.as_ref() {
            Private::Rsa(key) => key.decrypt_pkcs1_v15(ciphertext, plaintext_len),
            Private::Ec(_) | Private::Sm2(_) | Private::MlDsa(_) => Err(Error::WrongAlgorithm),
        }
    }
}

/// A public key, ready for use from any number of threads.
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    key: Public,
}

enum Public {
    Rsa(rsa::PublicKey),
    Ec(ec::PublicKey),
    Sm2(Box<sm2::PublicKey>),
    MlDsa(ml_dsa::PublicKey),
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in DER, with nothing behind it.
    ///
    /// Of RSA keys, public exponents that are even, 1, or longer than 33 bits are refused. Points may be compressed
    /// (SEC 1, 2.3.3); curves are named by their identifiers.
    ///
    /// # Errors
    /// [`Error::PublicKey`] if it is none, or not of `algorithm`.
    pub fn from_spki_der(algorithm: KeyAlgorithm, der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_KEY_LEN {
            return Err(Error::PublicKey("it is too long"));
        }
        let info = SubjectPublicKeyInfoRef::try_from(der)
            .map_err(|_| Error::PublicKey("it is not a SubjectPublicKeyInfo in DER"))?;
        let key = match algorithm.family() {
            Family::Rsa(size) => Public::Rsa(rsa::PublicKey::new(size, &info, der)?),
            Family::Ec(curve) => Public::Ec(ec::PublicKey::new(curve, &info, der)?),
            Family::Sm2 => Public::Sm2(Box::new(sm2::PublicKey::new(info, der)?)),
            Family::MlDsa(level) => Public::MlDsa(ml_dsa::PublicKey::new(level, &info, der)?),
        };
        Ok(Self { algorithm, key })
    }

    /// The kind and size of the pair.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Whether the signature is one of the digest under this key. Malformed ones are none, and neither are those in
    /// another encoding than DER where DER is said.
    ///
    /// # Errors
    /// [`Error::WrongAlgorithm`] for one that is not the key's; [`Error::DigestLength`] by
    /// [`SigningAlgorithm::digest_len`].
    pub fn verify(&self, algorithm: SigningAlgorithm, digest: &[u8], signature: &[u8]) -> Result<bool, Error> {
        check(self.algorithm, algorithm, digest)?;
        match &self.key {
            Public::Rsa(key) => key.verify(algorithm, digest, signature),
            Public::Ec(key) => key.verify(digest, signature),
            Public::Sm2(key) => Ok(key.verify(digest, signature)),
            Public::MlDsa(key) => Ok(key.verify(digest, signature)),
        }
    }

    /// Encrypts to this key; see [`WrappingPublicKey::encrypt`](crate::wrapping::WrappingPublicKey::encrypt).
    ///
    /// # Errors
    /// [`Error::WrongAlgorithm`] for one that is not the key's, and otherwise those named there.
    pub fn encrypt(
        &self,
        algorithm: WrappingAlgorithm,
        random: &dyn Random,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        if !self.algorithm.wrapping_algorithms().contains(&algorithm) {
            return Err(Error::WrongAlgorithm);
        }
        match &self.key {
            Public::Rsa(key) => key.wrapping.encrypt(algorithm, random, plaintext),
            Public::Sm2(key) => key.wrapping.encrypt(algorithm, random, plaintext),
            Public::Ec(_) | Public::MlDsa(_) => Err(Error::WrongAlgorithm),
        }
    }
}

/// The most bytes of a key that are looked at. The longest, that of RSA with 4096 bits or of ML-DSA-87, has some 2600.
const MAX_KEY_LEN: usize = 4096;

pub(crate) fn check(key: KeyAlgorithm, algorithm: SigningAlgorithm, digest: &[u8]) -> Result<(), Error> {
    if !key.signing_algorithms().contains(&algorithm) {
        return Err(Error::WrongAlgorithm);
    }
    let (least, most) = algorithm.digest_len().into_inner();
    if !(least..=most).contains(&digest.len()) {
        return Err(Error::DigestLength { least, most, actual: digest.len() });
    }
    Ok(())
}

/// Checks PKCS#8 as a whole, where AWS-LC would pass over bytes behind it, and returns what it says the key is.
/// What the material of an RSA key is around: RSAPrivateKey (RFC 8017, A.1.2).
///
/// # Errors
/// [`Error::Material`] if it is no PKCS#8.
pub fn pkcs1_private(material: &Secret) -> Result<Secret, Error> {
    let info = PrivateKeyInfoRef::try_from(material.expose()).map_err(|_| Error::Material)?;
    Ok(Secret::new(info.private_key.as_bytes().to_vec()))
}

/// What an RSA public key in SubjectPublicKeyInfo is around: RSAPublicKey (RFC 8017, A.1.1).
///
/// # Errors
/// [`Error::PublicKey`] if it is no SubjectPublicKeyInfo.
pub fn pkcs1_public(spki: &[u8]) -> Result<Vec<u8>, Error> {
    let info = SubjectPublicKeyInfoRef::try_from(spki).ok();
    let bytes = info.and_then(|info| info.subject_public_key.as_bytes().map(<[u8]>::to_vec));
    bytes.ok_or(Error::PublicKey("it is not SubjectPublicKeyInfo"))
}

fn pkcs8_algorithm(material: &Secret) -> Result<AlgorithmIdentifierRef<'_>, Error> {
    if material.len() > MAX_KEY_LEN {
        return Err(Error::Material);
    }
    PrivateKeyInfoRef::try_from(material.expose()).map(|info| info.algorithm).map_err(|_| Error::Material)
}

/// The SHA-256 digest that the bytes are, as AWS-LC takes it.
fn sha256_digest(digest: &[u8]) -> Result<Digest, Error> {
    let length = |_| Error::DigestLength { least: 32, most: 32, actual: digest.len() };
    Digest::import_less_safe(digest, &SHA256).map_err(length)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::SystemRandom;
    use proptest::prelude::*;

    struct Pair {
        material: Secret,
        private: PrivateKey,
        public: PublicKey,
    }

    impl Pair {
        fn new(algorithm: KeyAlgorithm) -> Self {
            let material = generate(algorithm, &SystemRandom).unwrap();
            let private = PrivateKey::new(algorithm, &material).unwrap();
            let public = PublicKey::from_spki_der(algorithm, private.public_key_der()).unwrap();
            assert_eq!((private.algorithm(), public.algorithm()), (algorithm, algorithm));
            Self { material, private, public }
        }
    }

    /// Two pairs of each kind.
    static PAIRS: LazyLock<Vec<[Pair; 2]>> =
        LazyLock::new(|| KeyAlgorithm::ALL.map(|algorithm| [(); 2].map(|()| Pair::new(algorithm))).into());

    const DIGEST: [u8; 32] = [7; 32];

    /// Each pair with each of its algorithms.
    fn signers() -> impl Iterator<Item = (&'static [Pair; 2], SigningAlgorithm)> {
        let algorithms = |pairs: &'static [Pair; 2]| pairs[0].private.algorithm.signing_algorithms().iter();
        PAIRS.iter().flat_map(move |pairs| algorithms(pairs).map(move |algorithm| (pairs, *algorithm)))
    }

    fn decrypters() -> impl Iterator<Item = (&'static [Pair; 2], WrappingAlgorithm)> {
        let algorithms = |pairs: &'static [Pair; 2]| pairs[0].private.algorithm.wrapping_algorithms().iter();
        PAIRS.iter().flat_map(move |pairs| algorithms(pairs).map(move |algorithm| (pairs, *algorithm)))
    }

    fn flip(bytes: &[u8], bit: prop::sample::Index) -> Vec<u8> {
        let bit = bit.index(bytes.len() * 8);
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    }

    struct Broken;
    impl Random for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), Error> {
            Err(Error::Random)
        }
    }

    #[test]
    fn what_one_key_signs_no_other_verifies() {
        for ([pair, other], algorithm) in signers() {
            let signature = pair.private.sign(algorithm, &SystemRandom, &DIGEST).unwrap();
            assert!(pair.public.verify(algorithm, &DIGEST, &signature).unwrap(), "{algorithm:?}");
            assert!(!other.public.verify(algorithm, &DIGEST, &signature).unwrap(), "{algorithm:?}");
            assert!(!pair.public.verify(algorithm, &[8; 32], &signature).unwrap(), "{algorithm:?}");
        }
    }

    #[test]
    fn what_was_encrypted_to_one_key_no_other_decrypts() {
        for ([pair, other], algorithm) in decrypters() {
            for len in [1, 16, 32, 190] {
                let ciphertext = pair.public.encrypt(algorithm, &SystemRandom, &vec![7; len]).unwrap();
                assert!(pair.private.decrypt(algorithm, &ciphertext).unwrap().ct_eq(&vec![7; len]), "{algorithm:?}");
                assert!(matches!(other.private.decrypt(algorithm, &ciphertext), Err(Error::Open)), "{algorithm:?}");
            }
        }
    }

    /// Two of the signatures of one key under one digest are the same where the algorithm draws nothing.
    #[test]
    fn only_pkcs1_signatures_repeat() {
        for ([pair, _], algorithm) in signers() {
            let [a, b] = [(); 2].map(|()| pair.private.sign(algorithm, &SystemRandom, &DIGEST).unwrap());
            assert_eq!(a == b, algorithm == SigningAlgorithm::RsaPkcs1Sha256, "{algorithm:?}");
        }
    }

    #[test]
    fn the_algorithm_must_be_the_keys() {
        for [pair, _] in PAIRS.iter() {
            let kind = pair.private.algorithm;
            for algorithm in SigningAlgorithm::ALL {
                let signed = pair.private.sign(algorithm, &SystemRandom, &DIGEST);
                let verified = pair.public.verify(algorithm, &DIGEST, b"");
                if kind.signing_algorithms().contains(&algorithm) {
                    assert!(signed.is_ok() && matches!(verified, Ok(false)), "{kind:?}, {algorithm:?}");
                } else {
                    assert!(matches!(signed, Err(Error::WrongAlgorithm)), "{kind:?}, {algorithm:?}");
                    assert!(matches!(verified, Err(Error::WrongAlgorithm)), "{kind:?}, {algorithm:?}");
                }
            }
            use WrappingAlgorithm::{RsaesOaepSha1, RsaesOaepSha256, Sm2Pke};
            for algorithm in [RsaesOaepSha256, RsaesOaepSha1, Sm2Pke] {
                let encrypted = pair.public.encrypt(algorithm, &SystemRandom, b"data key");
                let decrypted = pair.private.decrypt(algorithm, b"");
                if kind.wrapping_algorithms().contains(&algorithm) {
                    assert!(encrypted.is_ok() && matches!(decrypted, Err(Error::Open)), "{kind:?}, {algorithm:?}");
                } else {
                    assert!(matches!(encrypted, Err(Error::WrongAlgorithm)), "{kind:?}, {algorithm:?}");
                    assert!(matches!(decrypted, Err(Error::WrongAlgorithm)), "{kind:?}, {algorithm:?}");
                }
            }
            if !matches!(kind, KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096) {
                assert!(matches!(pair.private.decrypt_pkcs1_v15(&[], 32), Err(Error::WrongAlgorithm)), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_digest_of_another_length_is_refused() {
        for ([pair, _], algorithm) in signers() {
            let (shortest, longest) = algorithm.digest_len().into_inner();
            for len in
                [0, 1, 20, 31, 33, 64, 65_536, 65_537].into_iter().filter(|len| !(shortest..=longest).contains(len))
            {
                let digest = vec![7; len];
                let is_length = |error| {
                    matches!(error, Error::DigestLength { least, most, actual }
                            if (least, most, actual) == (shortest, longest, len))
                };
                let signed = pair.private.sign(algorithm, &SystemRandom, &digest);
                assert!(is_length(signed.unwrap_err()), "{algorithm:?}, {len}");
                let verified = pair.public.verify(algorithm, &digest, &[0; 256]);
                assert!(is_length(verified.unwrap_err()), "{algorithm:?}, {len}");
            }
        }
        let [pair, _] = &PAIRS[6];
        for len in [1, 65_536] {
            let message = vec![7; len];
            let signature = pair.private.sign(SigningAlgorithm::MlDsa, &SystemRandom, &message).unwrap();
            assert!(pair.public.verify(SigningAlgorithm::MlDsa, &message, &signature).unwrap());
        }
    }

    #[test]
    fn the_key_must_be_of_the_kind() {
        for [pair, _] in PAIRS.iter() {
            for kind in KeyAlgorithm::ALL {
                let own = kind == pair.private.algorithm;
                let public = PublicKey::from_spki_der(kind, pair.private.public_key_der());
                assert!(own == public.is_ok() && !matches!(public, Err(Error::Library(_))), "{kind:?}");
                let private = PrivateKey::new(kind, &pair.material);
                let is_seed =
                    |kind| matches!(kind, KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 | KeyAlgorithm::MlDsa87);
                // Seeds of all levels are alike.
                let any_seed = is_seed(kind) && is_seed(pair.private.algorithm);
                assert_eq!(private.is_ok(), own || any_seed, "{kind:?}");
                let expected = matches!(private, Ok(_) | Err(Error::Material))
                    || matches!(private, Err(Error::KeyLength { expected: 32, .. }) if is_seed(kind));
                assert!(expected, "{kind:?}");
            }
        }
    }

    #[test]
    fn only_whole_der_is_read() {
        for [pair, _] in PAIRS.iter() {
            let kind = pair.private.algorithm;
            let public = pair.private.public_key_der();
            let material = pair.material.expose();
            for len in (0..public.len()).step_by(1 + public.len() / 64) {
                assert!(PublicKey::from_spki_der(kind, &public[..len]).is_err(), "{kind:?}, {len}");
            }
            for len in (0..material.len()).step_by(1 + material.len() / 64) {
                assert!(PrivateKey::new(kind, &Secret::new(material[..len].to_vec())).is_err(), "{kind:?}, {len}");
            }
            for more in [1, 10_000] {
                let more = vec![0; more];
                assert!(PublicKey::from_spki_der(kind, &[public, &more].concat()).is_err(), "{kind:?}");
                assert!(PrivateKey::new(kind, &Secret::new([material, &more].concat())).is_err(), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_longer_ciphertext_does_not_decrypt() {
        for ([pair, _], algorithm) in decrypters() {
            let ciphertext = pair.public.encrypt(algorithm, &SystemRandom, b"data key").unwrap();
            for wrong in [[&ciphertext[..], &[0]].concat(), [&[0], &ciphertext[..]].concat(), vec![0x30; 100_000]] {
                assert!(matches!(pair.private.decrypt(algorithm, &wrong), Err(Error::Open)), "{algorithm:?}");
            }
            for len in 0..ciphertext.len() {
                let decrypted = pair.private.decrypt(algorithm, &ciphertext[..len]);
                assert!(matches!(decrypted, Err(Error::Open)), "{algorithm:?}, {len}");
            }
        }
    }

    #[test]
    fn sm2_decrypts_up_to_the_longest_plaintext() {
        let [pair, _] = &PAIRS[5];
        for len in [1, 31, 32, 33, 6047] {
            let ciphertext = pair.public.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, &vec![7; len]).unwrap();
            let plaintext = pair.private.decrypt(WrappingAlgorithm::Sm2Pke, &ciphertext).unwrap();
            assert!(plaintext.ct_eq(&vec![7; len]), "{len}");
        }
    }

    #[test]
    fn without_randomness_nothing_is_made() {
        for kind in [KeyAlgorithm::EcSm2, KeyAlgorithm::MlDsa44, KeyAlgorithm::MlDsa65, KeyAlgorithm::MlDsa87] {
            assert!(matches!(generate(kind, &Broken), Err(Error::Random)), "{kind:?}");
        }
        let [pair, _] = &PAIRS[5];
        assert!(matches!(pair.private.sign(SigningAlgorithm::Sm2Dsa, &Broken, &DIGEST), Err(Error::Random)));
    }

    /// Fails to compile if a private key can be printed or cloned (`claim` is then ambiguous), or not shared.
    #[test]
    fn private_keys_can_not_be_printed_or_cloned() {
        trait Claim<Which> {
            fn claim() {}
        }
        struct Print;
        struct Clone_;
        impl<T> Claim<()> for T {}
        impl<T: std::fmt::Debug> Claim<Print> for T {}
        impl<T: Clone> Claim<Clone_> for T {}
        <PrivateKey as Claim<_>>::claim();
        fn shared<T: Send + Sync>() {}
        shared::<PrivateKey>();
        shared::<PublicKey>();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_was_signed_verifies_until_a_bit_flips(digest: [u8; 32], bit: prop::sample::Index) {
            for ([pair, _], algorithm) in signers() {
                let signature = pair.private.sign(algorithm, &SystemRandom, &digest).unwrap();
                prop_assert!(pair.public.verify(algorithm, &digest, &signature).unwrap());
                prop_assert!(!pair.public.verify(algorithm, &flip(&digest, bit), &signature).unwrap());
                prop_assert!(!pair.public.verify(algorithm, &digest, &flip(&signature, bit)).unwrap());
            }
        }

        #[test]
        fn a_flipped_bit_does_not_decrypt(
            plaintext in prop::collection::vec(any::<u8>(), 1..190),
            bit: prop::sample::Index,
        ) {
            for ([pair, _], algorithm) in decrypters() {
                let ciphertext = pair.public.encrypt(algorithm, &SystemRandom, &plaintext).unwrap();
                prop_assert!(pair.private.decrypt(algorithm, &ciphertext).unwrap().ct_eq(&plaintext));
                prop_assert!(matches!(pair.private.decrypt(algorithm, &flip(&ciphertext, bit)), Err(Error::Open)));
            }
        }

        #[test]
        fn arbitrary_bytes_are_nothing(bytes in prop::collection::vec(any::<u8>(), 33..600)) {
            for kind in KeyAlgorithm::ALL {
                prop_assert!(matches!(PublicKey::from_spki_der(kind, &bytes), Err(Error::PublicKey(_))));
                let private = PrivateKey::new(kind, &Secret::new(bytes.clone()));
                let refused = matches!(private, Err(Error::Material | Error::KeyLength { .. }));
                prop_assert!(refused);
            }
            for ([pair, _], algorithm) in signers() {
                prop_assert!(!pair.public.verify(algorithm, &DIGEST, &bytes).unwrap());
            }
            for ([pair, _], algorithm) in decrypters() {
                prop_assert!(matches!(pair.private.decrypt(algorithm, &bytes), Err(Error::Open)));
            }
        }

        /// One bit of a key changed: what is still read as one works, or says why not.
        #[test]
        fn damaged_keys_do_no_harm(bit: prop::sample::Index) {
            for ([pair, _], algorithm) in signers() {
                let kind = pair.private.algorithm;
                let signature = pair.private.sign(algorithm, &SystemRandom, &DIGEST).unwrap();
                match PublicKey::from_spki_der(kind, &flip(pair.private.public_key_der(), bit)) {
                    Ok(key) => prop_assert!(!key.verify(algorithm, &DIGEST, &signature).unwrap()),
                    Err(error) => prop_assert!(matches!(error, Error::PublicKey(_)), "{}", error),
                }
                match PrivateKey::new(kind, &Secret::new(flip(pair.material.expose(), bit))) {
                    Ok(key) => prop_assert!(key.sign(algorithm, &SystemRandom, &DIGEST).is_ok()),
                    Err(error) => prop_assert!(matches!(error, Error::Material), "{}", error),
                }
            }
        }
    }
}
