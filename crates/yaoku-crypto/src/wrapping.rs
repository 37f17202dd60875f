//! Encryption to a public key, by which a data key leaves: RSAES-OAEP (RFC 8017, 7.1) and SM2 (GB/T 32918.4-2016, with the
//! ciphertext in the DER of GM/T 0009-2012, C1 C3 C2).

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use sm2::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use sm2::pkcs8::DecodePublicKey;
use sm2::pke::EncryptingKey;

use crate::{Error, Random};

/// How to encrypt to a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrappingAlgorithm {
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
    RsaesOaepSha256,
    /// RSAES-OAEP with SHA-1 and MGF1 with SHA-1.
    RsaesOaepSha1,
    /// SM2 public-key encryption.
    Sm2Pke,
}

/// What a public key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrappingKeySpec {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// A point of the curve of GB/T 32918.5-2017.
    EcSm2,
}

/// The most bytes that can be encrypted to an SM2 key here; the API's limit for SM2PKE.
const MAX_SM2_PLAINTEXT: usize = 6047;

/// A public key to encrypt to.
pub struct WrappingPublicKey(Key);

enum Key {
    Rsa(OaepPublicEncryptingKey),
    Sm2(EncryptingKey),
}

impl WrappingPublicKey {
    /// Reads a SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7).
    ///
    /// # Errors
    /// [`Error::PublicKey`] if it is none, or not of `spec`.
    pub fn from_spki_der(spec: WrappingKeySpec, der: &[u8]) -> Result<Self, Error> {
        let bits = match spec {
            WrappingKeySpec::Rsa2048 => 2048,
            WrappingKeySpec::Rsa3072 => 3072,
            WrappingKeySpec::Rsa4096 => 4096,
            WrappingKeySpec::EcSm2 => {
                let key = sm2::PublicKey::from_public_key_der(der);
                let key = key.map_err(|_| Error::PublicKey("it is not the SubjectPublicKeyInfo of an SM2 key"))?;
                return Ok(Self(Key::Sm2(EncryptingKey::new(key))));
            }
        };
        let refused = Error::PublicKey("it is not the SubjectPublicKeyInfo of an RSA key");
        let Ok(key) = PublicEncryptingKey::from_der(der) else { return Err(refused) };
        if key.key_size_bits() != bits {
            return Err(Error::PublicKey("the length of its modulus is another than said"));
        }
        OaepPublicEncryptingKey::new(key).map(|key| Self(Key::Rsa(key))).map_err(|_| refused)
    }

    /// Encrypts.
    ///
    /// # Errors
    /// [`Error::PublicKey`] for an algorithm that is not the key's; [`Error::PlaintextTooLong`].
    pub fn encrypt(
        &self,
        algorithm: WrappingAlgorithm,
        random: &dyn Random,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let too_long = |limit| Error::PlaintextTooLong { limit, actual: plaintext.len() };
        let hash = match (&self.0, algorithm) {
            (Key::Rsa(_), WrappingAlgorithm::RsaesOaepSha256) => &OAEP_SHA256_MGF1SHA256,
            (Key::Rsa(_), WrappingAlgorithm::RsaesOaepSha1) => &OAEP_SHA1_MGF1SHA1,
            (Key::Sm2(key), WrappingAlgorithm::Sm2Pke) => {
                if plaintext.len() > MAX_SM2_PLAINTEXT {
                    return Err(too_long(MAX_SM2_PLAINTEXT));
                }
                let encrypted = key.encrypt_der(&mut Adapter(random), plaintext);
                return encrypted.map_err(|_| Error::Library("SM2 encryption fails"));
            }
            _ => return Err(Error::PublicKey("the algorithm is not one of this kind of key")),
        };
        let Key::Rsa(key) = &self.0 else { return Err(Error::Library("an RSA algorithm without an RSA key")) };
        let limit = key.max_plaintext_size(hash);
        if plaintext.len() > limit {
            return Err(too_long(limit));
        }
        let mut out = vec![0; key.ciphertext_size()];
        let length =
            key.encrypt(hash, plaintext, &mut out, None).map_err(|_| Error::Library("RSA encryption fails"))?.len();
        out.truncate(length);
        Ok(out)
    }
}

/// Our source of randomness, as the SM2 crate asks for it.
struct Adapter<'a>(&'a dyn Random);

impl TryRng for Adapter<'_> {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32, Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.0.fill(out)
    }
}

impl TryCryptoRng for Adapter<'_> {}
