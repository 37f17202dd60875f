//! ML-DSA (FIPS 204), by AWS-LC.

use ::sm2::pkcs8::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature as aws;
use aws_lc_rs::signature::{KeyPair, ParsedPublicKey, PqdsaKeyPair, PqdsaSigningAlgorithm, PqdsaVerificationAlgorithm};

use crate::algorithms::ML_DSA_SEED_LEN;
use crate::{Error, Random, Secret};

pub(super) struct Level {
    identifier: ObjectIdentifier,
    signing: &'static PqdsaSigningAlgorithm,
    verifying: &'static PqdsaVerificationAlgorithm,
}

// Identifiers: RFC 9881, 2.
pub(super) static ML_DSA_44: Level = Level {
    identifier: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17"),
    signing: &aws::ML_DSA_44_SIGNING,
    verifying: &aws::ML_DSA_44,
};
pub(super) static ML_DSA_65: Level = Level {
    identifier: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18"),
    signing: &aws::ML_DSA_65_SIGNING,
    verifying: &aws::ML_DSA_65,
};
pub(super) static ML_DSA_87: Level = Level {
    identifier: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19"),
    signing: &aws::ML_DSA_87_SIGNING,
    verifying: &aws::ML_DSA_87,
};

pub(super) fn generate(random: &dyn Random) -> Result<Secret, Error> {
    Secret::random(ML_DSA_SEED_LEN, random)
}

pub(super) struct PrivateKey(PqdsaKeyPair);

impl PrivateKey {
    pub(super) fn new(level: &Level, material: &Secret) -> Result<(Self, Vec<u8>), Error> {
        if material.len() != ML_DSA_SEED_LEN {
            return Err(Error::KeyLength { expected: ML_DSA_SEED_LEN, actual: material.len() });
        }
        let why = "ML-DSA does not take the seed";
        let key = PqdsaKeyPair::from_seed(level.signing, material.expose()).map_err(|_| Error::Library(why))?;
        let public_key = key.public_key().as_der().map_err(|_| Error::Library(why))?.as_ref().to_vec();
        Ok((Self(key), public_key))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.0.algorithm().signature_len()];
        let signed = self.0.sign(message, &mut signature);
        signed.map(|_| signature).map_err(|_| Error::Library("ML-DSA signing fails"))
    }
}

pub(super) struct PublicKey {
    key: ParsedPublicKey,
    signature_len: usize,
}

impl PublicKey {
    pub(super) fn new(level: &Level, info: &SubjectPublicKeyInfoRef<'_>, der: &[u8]) -> Result<Self, Error> {
        // Parameters must be absent (RFC 9881, 2).
        if info.algorithm.oid != level.identifier || info.algorithm.parameters.is_some() {
            return Err(Error::PublicKey("it is not an ML-DSA key of the key spec"));
        }
        let key = ParsedPublicKey::new(level.verifying, der);
        let key = key.map_err(|_| Error::PublicKey("it is malformed"))?;
        Ok(Self { key, signature_len: level.signing.signature_len() })
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_len && self.key.verify_sig(message, signature).is_ok()
    }
}
