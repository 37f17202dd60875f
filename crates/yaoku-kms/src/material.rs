//! Key material: how that of each spec is made, and made ready for use, here or in the HSM.

use std::sync::Arc;

use yaoku_crypto::Secret;
use yaoku_crypto::aead::CommittingAead;
use yaoku_crypto::asymmetric::{self, PrivateKey, PublicKey, SigningAlgorithm};
use yaoku_crypto::mac::HmacKey;
use yaoku_crypto::pkcs11::TokenKey;
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_iam::{AccountId, Call};
use yaoku_seal::{Changes, RecordName};

use crate::hsm::Marked;
use crate::record::{KeyRecord, VersionRecord};
use crate::spec::Primitive;
use crate::workers::Pace;
use crate::{Error, KeyId, KeySpec, Kms, ProtectionLevel, Timestamp};

/// The material of one key version, ready for use from any number of threads.
#[expect(clippy::large_enum_variant, reason = "always behind an Arc")]
pub(crate) enum Material {
    Cipher(Cipher),
    KeyPair(KeyPair),
    Mac(MacKey),
}

/// What encrypts.
pub(crate) enum Cipher {
    Here(CommittingAead),
    InToken(Arc<TokenKey>),
}

/// What authenticates messages.
pub(crate) enum MacKey {
    Here(Box<HmacKey>),
    InToken(Arc<TokenKey>),
}

/// A private key and what follows from it.
pub(crate) struct KeyPair {
    pub(crate) private: Private,
    pub(crate) public: PublicKey,
    /// SubjectPublicKeyInfo in DER.
    pub(crate) public_der: Vec<u8>,
}

/// What signs and decrypts.
pub(crate) enum Private {
    Here {
        key: PrivateKey,
        /// Whether its operations must not hold up a thread of others.
        is_slow: bool,
    },
    InToken(Arc<TokenKey>),
}

impl Material {
    /// Makes ready what a version's row holds of software.
    pub(crate) fn prepare(spec: KeySpec, material: &Secret) -> Result<Self, Error> {
        Ok(match spec.primitive() {
            Primitive::Aead(algorithm) => Self::Cipher(Cipher::Here(CommittingAead::new(algorithm, material)?)),
            Primitive::KeyPair(algorithm) => {
                let key = PrivateKey::new(algorithm, material)?;
                let public_der = key.public_key_der().to_vec();
                let public = PublicKey::from_spki_der(algorithm, &public_der)?;
                Self::KeyPair(KeyPair { private: Private::Here { key, is_slow: spec.is_slow() }, public, public_der })
            }
            Primitive::Mac(hash) => Self::Mac(MacKey::Here(HmacKey::of_material(hash, material))),
        })
    }

    pub(crate) fn cipher(&self) -> Result<&Cipher, Error> {
        match self {
            Self::Cipher(cipher) => Ok(cipher),
            Self::KeyPair(_) | Self::Mac(_) => Err(Error::Unsuitable("the key is not symmetric")),
        }
    }

    pub(crate) fn key_pair(&self) -> Result<&KeyPair, Error> {
        match self {
            Self::KeyPair(key_pair) => Ok(key_pair),
            Self::Cipher(_) | Self::Mac(_) => Err(Error::Unsuitable("the key is not asymmetric")),
        }
    }

    pub(crate) fn mac(&self) -> Result<&MacKey, Error> {
        match self {
            Self::Mac(key) => Ok(key),
            Self::Cipher(_) | Self::KeyPair(_) => Err(Error::Unsuitable("the key is not a MAC key")),
        }
    }
}

impl Private {
    /// Whether its operations must not hold up a thread of others.
    pub(crate) const fn is_slow(&self) -> bool {
        match self {
            Self::Here { is_slow, .. } => *is_slow,
            Self::InToken(_) => true,
        }
    }

    pub(crate) fn sign(
        &self,
        algorithm: SigningAlgorithm,
        random: &dyn yaoku_crypto::Random,
        digest: &[u8],
    ) -> Result<Vec<u8>, yaoku_crypto::Error> {
        match self {
            Self::Here { key, .. } => key.sign(algorithm, random, digest),
            Self::InToken(key) => key.sign(algorithm, digest),
        }
    }

    pub(crate) fn decrypt(
        &self,
        algorithm: WrappingAlgorithm,
        ciphertext: &[u8],
    ) -> Result<Secret, yaoku_crypto::Error> {
        match self {
            Self::Here { key, .. } => key.decrypt(algorithm, ciphertext),
            Self::InToken(key) => key.decrypt(algorithm, ciphertext),
        }
    }
}

/// Fresh material, which no key has yet.
pub(crate) struct Made {
    material: Secret,
    marked: Option<Marked>,
}

impl Made {
    /// What a version's row is to hold of an object that is marked unless it comes into that row.
    pub(crate) const fn in_token(material: Secret, marked: Marked) -> Self {
        Self { material, marked: Some(marked) }
    }

    /// Of software.
    pub(crate) const fn here(material: Secret) -> Self {
        Self { material, marked: None }
    }

    /// Lets `changes` make it the material of a version.
    pub(crate) fn enter(&self, changes: &mut Changes, version: RecordName, created: Timestamp) {
        let record = VersionRecord { created, material: Some(self.material.duplicate()) };
        changes.puts.push((version, record.encode()));
        if let Some(marked) = &self.marked {
            marked.spare(changes);
        }
    }
}

/// Makes fresh material for a key.
pub(crate) async fn generate(
    kms: &Kms,
    call: &Call<'_>,
    account: AccountId,
    id: KeyId,
    record: &KeyRecord,
) -> Result<Made, Error> {
    match record.protection {
        ProtectionLevel::Software => generate_here(kms, call, record.spec).await.map(Made::here),
        ProtectionLevel::Hsm => {
            let (material, marked) = kms.generate_in_token(call, account, id, record).await?;
            Ok(Made::in_token(material, marked))
        }
    }
}

async fn generate_here(kms: &Kms, call: &Call<'_>, spec: KeySpec) -> Result<Secret, Error> {
    match spec.primitive() {
        Primitive::Aead(algorithm) => Ok(Secret::random(algorithm.key_len(), kms.vault.random())?),
        // As long as the hash: RFC 2104, 3 discourages less, and more adds little.
        Primitive::Mac(hash) => Ok(Secret::random(hash.output_len(), kms.vault.random())?),
        Primitive::KeyPair(algorithm) => {
            let random = kms.vault.shared_random().clone();
            let generate = move || asymmetric::generate(algorithm, random.as_ref());
            Ok(if spec.is_slow() { kms.compute(call, Pace::Long, generate).await?? } else { generate()? })
        }
    }
}
