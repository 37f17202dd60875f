//! SM2 (GB/T 32918-2016, parts 2 and 4, over the curve of GB/T 32918.5-2017), by RustCrypto.

use std::hint::black_box;
use std::mem;

use ::sm2::dsa::signature::hazmat::{PrehashVerifier, RandomizedPrehashSigner};
use ::sm2::dsa::{Signature, SigningKey, VerifyingKey};
use ::sm2::elliptic_curve::Generate;
use ::sm2::pkcs8::der::Decode;
use ::sm2::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, SubjectPublicKeyInfoRef};
use ::sm2::pke::{Cipher, DecryptingKey, Mode};
use ::sm2::{NonZeroScalar, Scalar, SecretKey};
use zeroize::Zeroizing;

use super::pkcs8_algorithm;
use crate::algorithms::{EC_PUBLIC_KEY, SM2_CURVE, WrappingKeySpec};
use crate::wrapping::{Adapter, MAX_SM2_PLAINTEXT, WrappingPublicKey};
use crate::{Error, Random, Secret};

/// Z_A is the caller's; the library wants an identifier all the same. This is the default one (GM/T 0009-2012, 10).
const IDENTIFIER: &str = "1234567812345678";

/// Bytes of d.
const SCALAR_LEN: usize = 32;
/// The first byte of a point that is not compressed (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// DER of two INTEGERs of 33 bytes.
const MAX_SIGNATURE_LEN: usize = 72;

/// DER of two INTEGERs of 33 bytes, an OCTET STRING of 32, and one of the longest plaintext.
const MAX_CIPHERTEXT_LEN: usize = 4 + 2 * 35 + 34 + 4 + MAX_SM2_PLAINTEXT;

pub(super) fn generate(random: &dyn Random) -> Result<Secret, Error> {
    let mut adapter = Adapter { random, failed: false };
    let key = SecretKey::try_generate_from_rng(&mut adapter).map_err(|_| Error::Random)?;
    encode(&key)
}

/// A key in another encoding, or the bytes of d, in ours.
pub(super) fn reencode(foreign: &Secret) -> Result<Secret, Error> {
    let key = if foreign.len() == SCALAR_LEN {
        SecretKey::from_slice(foreign.expose()).map_err(|_| Error::Material)?
    } else {
        read(foreign)?
    };
    encode(&key)
}

fn encode(key: &SecretKey) -> Result<Secret, Error> {
    let pkcs8 = key.to_pkcs8_der().map_err(|_| Error::Library("the SM2 key can't be encoded"))?;
    Ok(Secret::new(pkcs8.as_bytes().to_vec()))
}

fn read(pkcs8: &Secret) -> Result<SecretKey, Error> {
    let named = pkcs8_algorithm(pkcs8)?.assert_oids(EC_PUBLIC_KEY, SM2_CURVE);
    named.map_err(|_| Error::Material)?;
    SecretKey::from_pkcs8_der(pkcs8.expose()).map_err(|_| Error::Material)
}

/// In boxes, so that no move of the key leaves a copy behind.
pub(super) struct PrivateKey {
    signing: Box<SigningKey>,
    decrypting: Box<DecryptingKey>,
}

impl PrivateKey {
    pub(super) fn new(material: &Secret) -> Result<(Self, Vec<u8>), Error> {
        let key = read(material)?;
        let scalar = Zeroizing::new(key.to_nonzero_scalar());
        // Keys end at n - 2 (GB/T 32918.1-2016, 6.1): signing divides by 1 + d.
        if bool::from((**scalar + Scalar::ONE).is_zero()) {
            return Err(Error::Material);
        }
        let library = Error::Library("SM2 does not take the key");
        let (Ok(public_key), Some((signing, decrypting))) = (key.public_key().to_public_key_der(), prepare(&scalar))
        else {
            return Err(library);
        };
        Ok((Self { signing, decrypting }, public_key.into_vec()))
    }

    pub(super) fn sign(&self, random: &dyn Random, digest: &[u8]) -> Result<Vec<u8>, Error> {
        let mut adapter = Adapter { random, failed: false };
        let signed = self.signing.sign_prehash_with_rng(&mut adapter, digest);
        let why = if adapter.failed { Error::Random } else { Error::Library("SM2 signing fails") };
        signed.map(|signature: Signature| signature.to_der().to_vec()).map_err(|_| why)
    }

    /// The library compares C3 in time that depends on where it differs: who may decrypt and measures that can learn the
    /// right C3 of a ciphertext that is not valid, and so no more than it may decrypt anyway.
    pub(super) fn decrypt(&self, ciphertext: &[u8]) -> Result<Secret, Error> {
        if ciphertext.len() > MAX_CIPHERTEXT_LEN {
            return Err(Error::Open);
        }
        self.open(&Cipher::from_der(ciphertext).map_err(|_| Error::Open)?)
    }

    /// As [`Self::decrypt`], of C1 ‖ C3 ‖ C2 with the point uncompressed.
    pub(super) fn decrypt_c1c3c2(&self, ciphertext: &[u8]) -> Result<Secret, Error> {
        if ciphertext.len() > MAX_CIPHERTEXT_LEN || ciphertext.first() != Some(&UNCOMPRESSED) {
            return Err(Error::Open);
        }
        self.open(&Cipher::from_slice(ciphertext, Mode::C1C3C2).map_err(|_| Error::Open)?)
    }

    fn open(&self, cipher: &Cipher<'_>) -> Result<Secret, Error> {
        if !(1..=MAX_SM2_PLAINTEXT).contains(&cipher.c2().len()) {
            return Err(Error::Open);
        }
        let mut plaintext = Zeroizing::new(vec![0; cipher.c2().len()]);
        self.decrypting.decrypt_cipher_with_buf(cipher, &mut plaintext).map_err(|_| Error::Open)?;
        Ok(Secret::new(mem::take(&mut *plaintext)))
    }
}

impl Drop for PrivateKey {
    /// The library does not wipe its keys, and gives no access to do so: others take their place in memory. Behind
    /// `black_box`, what is written there is not optimised away.
    fn drop(&mut self) {
        let one = NonZeroScalar::new(Scalar::ONE).into_option();
        if let Some((signing, decrypting)) = one.as_ref().and_then(prepare) {
            *self.signing = *signing;
            *self.decrypting = *decrypting;
            black_box((&self.signing, &self.decrypting));
        }
    }
}

fn prepare(scalar: &NonZeroScalar) -> Option<(Box<SigningKey>, Box<DecryptingKey>)> {
    let signing = SigningKey::from_nonzero_scalar(IDENTIFIER, *scalar).ok()?;
    let decrypting = DecryptingKey::from_nonzero_scalar(*scalar).ok()?;
    Some((Box::new(signing), Box::new(decrypting)))
}

pub(super) struct PublicKey {
    verifying: VerifyingKey,
    pub(super) wrapping: WrappingPublicKey,
}

impl PublicKey {
    pub(super) fn new(info: SubjectPublicKeyInfoRef<'_>, der: &[u8]) -> Result<Self, Error> {
        // First, as it checks the identifiers and the point.
        let wrapping = WrappingPublicKey::from_spki_der(WrappingKeySpec::EcSm2, der)?;
        let library = Error::Library("SM2 does not take the key");
        let key = ::sm2::PublicKey::try_from(info).ok().and_then(|key| VerifyingKey::new(IDENTIFIER, key).ok());
        Ok(Self { verifying: key.ok_or(library)?, wrapping })
    }

    pub(super) fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        signature.len() <= MAX_SIGNATURE_LEN
            && Signature::from_der(signature)
                .is_ok_and(|signature| self.verifying.verify_prehash(digest, &signature).is_ok())
    }
}
