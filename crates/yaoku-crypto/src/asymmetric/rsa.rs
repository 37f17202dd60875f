//! RSA (RFC 8017), by AWS-LC.

use ::sm2::pkcs8::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256,
    RsaEncoding,
};
use zeroize::Zeroizing;

use super::{SigningAlgorithm, pkcs8_algorithm, sha256_digest};
use crate::algorithms::{RSA_ENCRYPTION, WrappingAlgorithm, WrappingKeySpec};
use crate::wrapping::WrappingPublicKey;
use crate::{Error, Secret};

pub(super) struct Size {
    bits: usize,
    generate: KeySize,
    wrapping: WrappingKeySpec,
}

pub(super) static RSA_2048: Size = Size { bits: 2048, generate: KeySize::Rsa2048, wrapping: WrappingKeySpec::Rsa2048 };
pub(super) static RSA_3072: Size = Size { bits: 3072, generate: KeySize::Rsa3072, wrapping: WrappingKeySpec::Rsa3072 };
pub(super) static RSA_4096: Size = Size { bits: 4096, generate: KeySize::Rsa4096, wrapping: WrappingKeySpec::Rsa4096 };

/// The public exponent is 65537.
pub(super) fn generate(size: &Size) -> Result<Secret, Error> {
    let key = PrivateDecryptingKey::generate(size.generate).map_err(|_| Error::Library("RSA key generation fails"))?;
    encode(&key)
}

/// A key in another encoding, in ours.
pub(super) fn reencode(foreign: &Secret) -> Result<Secret, Error> {
    pkcs8_algorithm(foreign)?;
    encode(&PrivateDecryptingKey::from_pkcs8(foreign.expose()).map_err(|_| Error::Material)?)
}

fn encode(key: &PrivateDecryptingKey) -> Result<Secret, Error> {
    let pkcs8 = key.as_der().map_err(|_| Error::Library("the RSA key can't be encoded"))?;
    Ok(Secret::new(pkcs8.as_ref().to_vec()))
}

/// The parameters are NULL (RFC 8017, A.1), which the library passes over.
fn is_rsa_encryption(algorithm: &AlgorithmIdentifierRef<'_>) -> bool {
    algorithm.oid == RSA_ENCRYPTION && algorithm.parameters.is_some_and(|parameters| parameters.is_null())
}

/// The library has a type for each use; the latter two share one key.
pub(super) struct PrivateKey {
    signing: KeyPair,
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
}

impl PrivateKey {
    pub(super) fn new(size: &Size, material: &Secret) -> Result<(Self, Vec<u8>), Error> {
        if !is_rsa_encryption(&pkcs8_algorithm(material)?) {
            return Err(Error::Material);
        }
        let key = PrivateDecryptingKey::from_pkcs8(material.expose()).map_err(|_| Error::Material)?;
        if key.key_size_bits() != size.bits {
            return Err(Error::Material);
        }
        let signing = KeyPair::from_pkcs8(material.expose()).map_err(|_| Error::Material)?;
        let library = |_| Error::Library("RSA does not take the key");
        let public_key = key.public_key().as_der().map_err(library)?.as_ref().to_vec();
        let oaep = OaepPrivateDecryptingKey::new(key.clone()).map_err(library)?;
        let pkcs1 = Pkcs1PrivateDecryptingKey::new(key).map_err(library)?;
        Ok((Self { signing, oaep, pkcs1 }, public_key))
    }

    pub(super) fn sign(&self, algorithm: SigningAlgorithm, digest: &[u8]) -> Result<Vec<u8>, Error> {
        let padding: &'static dyn RsaEncoding = match algorithm {
            SigningAlgorithm::RsaPssSha256 => &RSA_PSS_SHA256,
            SigningAlgorithm::RsaPkcs1Sha256 => &RSA_PKCS1_SHA256,
            SigningAlgorithm::EcdsaSha256 | SigningAlgorithm::Sm2Dsa | SigningAlgorithm::MlDsa => {
                return Err(Error::WrongAlgorithm);
            }
        };
        let mut signature = vec![0; self.signing.public_modulus_len()];
        let signed = self.signing.sign_digest(padding, &sha256_digest(digest)?, &mut signature);
        signed.map(|()| signature).map_err(|_| Error::Library("RSA signing fails"))
    }

    pub(super) fn decrypt(&self, algorithm: WrappingAlgorithm, ciphertext: &[u8]) -> Result<Secret, Error> {
        let oaep = match algorithm {
            WrappingAlgorithm::RsaesOaepSha256 => &OAEP_SHA256_MGF1SHA256,
            WrappingAlgorithm::RsaesOaepSha1 => &OAEP_SHA1_MGF1SHA1,
            WrappingAlgorithm::Sm2Pke => return Err(Error::WrongAlgorithm),
        };
        let modulus_len = self.oaep.key_size_bytes();
        if ciphertext.len() != modulus_len {
            return Err(Error::Open);
        }
        let mut buffer = Zeroizing::new(vec![0; modulus_len]);
        let plaintext = self.oaep.decrypt(oaep, ciphertext, &mut buffer, None).map_err(|_| Error::Open)?;
        Ok(Secret::new(plaintext.to_vec()))
    }

    pub(super) fn decrypt_pkcs1_v15(&self, ciphertext: &[u8], plaintext_len: usize) -> Result<Secret, Error> {
        let modulus_len = self.pkcs1.key_size_bytes();
        if ciphertext.len() != modulus_len {
            return Err(Error::Open);
        }
        let mut buffer = Zeroizing::new(vec![0; modulus_len]);
        let plaintext = self.pkcs1.decrypt(ciphertext, &mut buffer).map_err(|_| Error::Open)?;
        if plaintext.len() != plaintext_len {
            return Err(Error::Open);
        }
        Ok(Secret::new(plaintext.to_vec()))
    }
}

/// The library has a type, or a parsed key, for each use.
pub(super) struct PublicKey {
    pss: ParsedPublicKey,
    pkcs1: ParsedPublicKey,
    modulus_len: usize,
    pub(super) wrapping: WrappingPublicKey,
}

impl PublicKey {
    pub(super) fn new(size: &Size, info: &SubjectPublicKeyInfoRef<'_>, der: &[u8]) -> Result<Self, Error> {
        if !is_rsa_encryption(&info.algorithm) {
            return Err(Error::PublicKey("it is not an RSA key under rsaEncryption"));
        }
        // First, as it checks what the others do not: size and public exponent.
        let wrapping = WrappingPublicKey::from_spki_der(size.wrapping, der)?;
        let library = |_| Error::Library("RSA does not take the key");
        let pss = ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, der).map_err(library)?;
        let pkcs1 = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).map_err(library)?;
        Ok(Self { pss, pkcs1, modulus_len: size.bits / 8, wrapping })
    }

    pub(super) fn verify(&self, algorithm: SigningAlgorithm, digest: &[u8], signature: &[u8]) -> Result<bool, Error> {
        let key = match algorithm {
            SigningAlgorithm::RsaPssSha256 => &self.pss,
            SigningAlgorithm::RsaPkcs1Sha256 => &self.pkcs1,
            SigningAlgorithm::EcdsaSha256 | SigningAlgorithm::Sm2Dsa | SigningAlgorithm::MlDsa => {
                return Err(Error::WrongAlgorithm);
            }
        };
        Ok(signature.len() == self.modulus_len && key.verify_digest_sig(&sha256_digest(digest)?, signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};

    fn prepare(material: &Secret) -> PrivateKey {
        PrivateKey::new(&RSA_2048, material).unwrap().0
    }

    fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let place = bytes.windows(from.len()).position(|window| window == from).unwrap();
        [&bytes[..place], to, &bytes[place + from.len()..]].concat()
    }

    #[test]
    fn pkcs1_decrypts_to_the_length_that_is_known() {
        let material = generate(&RSA_2048).unwrap();
        let (private, public) = PrivateKey::new(&RSA_2048, &material).unwrap();
        let public = Pkcs1PublicEncryptingKey::new(PublicEncryptingKey::from_der(&public).unwrap()).unwrap();
        let mut ciphertext = vec![0; 256];
        public.encrypt(&[7; 32], &mut ciphertext).unwrap();
        assert!(private.decrypt_pkcs1_v15(&ciphertext, 32).unwrap().ct_eq(&[7; 32]));
        let refused = |key: &PrivateKey, ciphertext: &[u8], len| {
            assert!(matches!(key.decrypt_pkcs1_v15(ciphertext, len), Err(Error::Open)));
        };
        for len in [0, 16, 24, 31, 33, 256, usize::MAX] {
            refused(&private, &ciphertext, len);
        }
        refused(&prepare(&generate(&RSA_2048).unwrap()), &ciphertext, 32);
        refused(&private, &ciphertext[1..], 32);
        refused(&private, &[&[0], &ciphertext[..]].concat(), 32);
        refused(&private, &[0; 256], 0);
        refused(&private, &[0xff; 256], 32);
        ciphertext[128] ^= 1;
        refused(&private, &ciphertext, 32);
    }

    /// id-RSASSA-PSS, id-RSAES-OAEP, and parameters that are not NULL.
    #[test]
    fn another_identifier_is_refused() {
        let material = generate(&RSA_2048).unwrap();
        let (_, public) = PrivateKey::new(&RSA_2048, &material).unwrap();
        let identifier = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        for (place, byte) in [(8, 10), (8, 7), (8, 11), (9, 4), (9, 2)] {
            let mut other = identifier;
            other[place] = byte;
            let public = replaced(&public, &identifier, &other);
            let info = SubjectPublicKeyInfoRef::try_from(public.as_slice());
            let refused =
                info.is_err() || matches!(PublicKey::new(&RSA_2048, &info.unwrap(), &public), Err(Error::PublicKey(_)));
            assert!(refused, "{place}, {byte}");
            let material = Secret::new(replaced(material.expose(), &identifier, &other));
            assert!(matches!(PrivateKey::new(&RSA_2048, &material), Err(Error::Material)), "{place}, {byte}");
        }
    }

    /// Each of the numbers of RSAPrivateKey changed in its middle.
    #[test]
    fn numbers_that_do_not_belong_together_are_refused() {
        let material = generate(&RSA_2048).unwrap();
        for place in [100, 500, 700, 830, 960, 1090, material.len() - 60] {
            let mut damaged = material.expose().to_vec();
            damaged[place] ^= 2;
            assert!(matches!(PrivateKey::new(&RSA_2048, &Secret::new(damaged)), Err(Error::Material)), "{place}");
        }
    }

    #[test]
    fn what_one_padding_signs_the_other_does_not_verify() {
        let material = generate(&RSA_2048).unwrap();
        let (private, public) = PrivateKey::new(&RSA_2048, &material).unwrap();
        let info = SubjectPublicKeyInfoRef::try_from(public.as_slice()).unwrap();
        let public = PublicKey::new(&RSA_2048, &info, &public).unwrap();
        let paddings = [SigningAlgorithm::RsaPssSha256, SigningAlgorithm::RsaPkcs1Sha256];
        for signed in paddings {
            let signature = private.sign(signed, &[7; 32]).unwrap();
            for verified in paddings {
                assert_eq!(public.verify(verified, &[7; 32], &signature).unwrap(), signed == verified);
            }
        }
    }
}
