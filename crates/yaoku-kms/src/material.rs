//! Key material: how that of each spec is made, and made ready for use.

use yaoku_crypto::Secret;
use yaoku_crypto::aead::CommittingAead;
use yaoku_crypto::asymmetric::{self, PrivateKey, PublicKey};
use yaoku_crypto::mac::HmacKey;

use crate::spec::Primitive;
use crate::{Error, KeySpec, Kms};

/// The material of one key version, ready for use from any number of threads.
#[expect(clippy::large_enum_variant, reason = "always behind an Arc")]
pub(crate) enum Material {
    Cipher(CommittingAead),
    KeyPair(KeyPair),
    Mac(HmacKey),
}

/// A private key and what follows from it.
pub(crate) struct KeyPair {
    pub(crate) private: PrivateKey,
    pub(crate) public: PublicKey,
    /// Whether the private key's operations must not hold up a thread of others.
    pub(crate) is_slow: bool,
}

impl Material {
    pub(crate) fn prepare(spec: KeySpec, material: &Secret) -> Result<Self, Error> {
        Ok(match spec.primitive() {
            Primitive::Aead(algorithm) => Self::Cipher(CommittingAead::new(algorithm, material)?),
            Primitive::KeyPair(algorithm) => {
                let private = PrivateKey::new(algorithm, material)?;
                let public = PublicKey::from_spki_der(algorithm, private.public_key_der())?;
                Self::KeyPair(KeyPair { private, public, is_slow: spec.is_slow() })
            }
            Primitive::Mac(hash) => Self::Mac(HmacKey::new(hash, material.expose())),
        })
    }

    pub(crate) fn cipher(&self) -> Result<&CommittingAead, Error> {
        match self {
            Self::Cipher(cipher) => Ok(cipher),
            Self::KeyPair(_) | Self::Mac(_) => Err(Error::Unsuitable("it is not a symmetric key")),
        }
    }

    pub(crate) fn key_pair(&self) -> Result<&KeyPair, Error> {
        match self {
            Self::KeyPair(key_pair) => Ok(key_pair),
            Self::Cipher(_) | Self::Mac(_) => Err(Error::Unsuitable("it is not an asymmetric key")),
        }
    }

    pub(crate) fn mac(&self) -> Result<&HmacKey, Error> {
        match self {
            Self::Mac(key) => Ok(key),
            Self::Cipher(_) | Self::KeyPair(_) => Err(Error::Unsuitable("it is not a key for MACs")),
        }
    }
}

/// Makes fresh material.
pub(crate) async fn generate(kms: &Kms, spec: KeySpec) -> Result<Secret, Error> {
    match spec.primitive() {
        Primitive::Aead(algorithm) => Ok(Secret::random(algorithm.key_len(), kms.vault.random())?),
        // As long as the hash: RFC 2104, 3 discourages less, and more adds little.
        Primitive::Mac(hash) => Ok(Secret::random(hash.output_len(), kms.vault.random())?),
        Primitive::KeyPair(algorithm) => {
            let random = kms.vault.shared_random().clone();
            let generate = move || asymmetric::generate(algorithm, random.as_ref());
            Ok(if spec.is_slow() { kms.workers.long(generate).await?? } else { generate()? })
        }
    }
}
