//! ECDSA (FIPS 186-5) over P-256 and secp256k1, by AWS-LC.

use ::sm2::pkcs8::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use aws_lc_rs::encoding::{AsBigEndian, AsDer};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, ParsedPublicKey,
};

use super::{pkcs8_algorithm, sha256_digest};
use crate::algorithms::EC_PUBLIC_KEY;
use crate::{Error, Secret};

pub(super) struct Curve {
    identifier: ObjectIdentifier,
    signing: &'static EcdsaSigningAlgorithm,
    verifying: &'static EcdsaVerificationAlgorithm,
}

/// RFC 5480, 2.1.1.1.
pub(super) static P256: Curve = Curve {
    identifier: ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
    signing: &ECDSA_P256_SHA256_ASN1_SIGNING,
    verifying: &ECDSA_P256_SHA256_ASN1,
};
/// SEC 2, A.2.1.
pub(super) static P256K: Curve = Curve {
    identifier: ObjectIdentifier::new_unwrap("1.3.132.0.10"),
    signing: &ECDSA_P256K1_SHA256_ASN1_SIGNING,
    verifying: &ECDSA_P256K1_SHA256_ASN1,
};

/// DER of two INTEGERs of 33 bytes.
const MAX_SIGNATURE_LEN: usize = 72;

pub(super) fn generate(curve: &Curve) -> Result<Secret, Error> {
    encode(&EcdsaKeyPair::generate(curve.signing).map_err(|_| Error::Library("EC key generation fails"))?)
}

/// A key in another encoding, in ours.
pub(super) fn reencode(curve: &Curve, foreign: &Secret) -> Result<Secret, Error> {
    pkcs8_algorithm(foreign)?;
    let key = EcdsaKeyPair::from_pkcs8(curve.signing, foreign.expose()).map_err(|_| Error::Material)?;
    // Anew, since the library remembers whether the public key was there.
    let number = key.private_key().as_be_bytes().map_err(|_| Error::Material)?;
    let (number, point) = (number.as_ref(), key.public_key().as_ref());
    let key = EcdsaKeyPair::from_private_key_and_public_key(curve.signing, number, point);
    encode(&key.map_err(|_| Error::Material)?)
}

fn encode(key: &EcdsaKeyPair) -> Result<Secret, Error> {
    let pkcs8 = key.to_pkcs8v1().map_err(|_| Error::Library("the EC key can't be encoded"))?;
    Ok(Secret::new(pkcs8.as_ref().to_vec()))
}

pub(super) struct PrivateKey(EcdsaKeyPair);

impl PrivateKey {
    pub(super) fn new(curve: &Curve, material: &Secret) -> Result<(Self, Vec<u8>), Error> {
        let named = pkcs8_algorithm(material)?.assert_oids(EC_PUBLIC_KEY, curve.identifier);
        named.map_err(|_| Error::Material)?;
        let key = EcdsaKeyPair::from_pkcs8(curve.signing, material.expose()).map_err(|_| Error::Material)?;
        let public_key = key.public_key().as_der().map_err(|_| Error::Library("ECDSA does not take the key"))?;
        let public_key = public_key.as_ref().to_vec();
        Ok((Self(key), public_key))
    }

    pub(super) fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, Error> {
        let signed = self.0.sign_digest(&sha256_digest(digest)?);
        signed.map(|signature| signature.as_ref().to_vec()).map_err(|_| Error::Library("ECDSA signing fails"))
    }
}

pub(super) struct PublicKey(ParsedPublicKey);

impl PublicKey {
    pub(super) fn new(curve: &Curve, info: &SubjectPublicKeyInfoRef<'_>, der: &[u8]) -> Result<Self, Error> {
        if info.algorithm.assert_oids(EC_PUBLIC_KEY, curve.identifier).is_err() {
            return Err(Error::PublicKey("it is not a key on the curve of the key spec"));
        }
        let malformed = Error::PublicKey("its point is malformed or not on the curve");
        // Uncompressed or compressed; the library would also read the hybrid form, which RFC 5480, 2.2, forbids.
        if !matches!(info.subject_public_key.raw_bytes(), [2..=4, ..]) {
            return Err(malformed);
        }
        ParsedPublicKey::new(curve.verifying, der).map(Self).map_err(|_| malformed)
    }

    pub(super) fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<bool, Error> {
        let digest = sha256_digest(digest)?;
        Ok(signature.len() <= MAX_SIGNATURE_LEN && self.0.verify_digest_sig(&digest, signature).is_ok())
    }
}
