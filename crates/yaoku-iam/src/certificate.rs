//! Client certificates, which prove a user by their public key: a certificate that is renewed for the same key needs no new binding.
//!
//! Who serves TLS has verified a certificate's chain, and that its holder has the private key. What is bound is the SHA-256 hash of
//! the SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7).

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use yaoku_crypto::Random;
use yaoku_crypto::mac::{Hash, hash};

use crate::access_key::letters;
use crate::record::Stored;
use crate::{AccountId, Error, Field, Iam, Principal, Timestamp, UserId};

/// Bytes of a certificate in PEM form, with what may stand around it.
const MAX_PEM: usize = 64 << 10;

/// What tells a public key from all others: the SHA-256 hash of its SubjectPublicKeyInfo in DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublicKeyHash([u8; 32]);

impl PublicKeyHash {
    /// That of a public key, by its SubjectPublicKeyInfo in DER.
    pub fn of_public_key(spki: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(hash(Hash::Sha256, spki).as_bytes());
        Self(out)
    }

    pub(crate) const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for PublicKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeyHash({self})")
    }
}

/// A certificate that somebody gave.
pub struct GivenCertificate {
    der: CertificateDer<'static>,
    public_key: PublicKeyHash,
}

impl GivenCertificate {
    /// The first certificate in a text in PEM form (RFC 7468).
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none.
    pub fn of_pem(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_PEM {
            return Err(not_a_certificate());
        }
        let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| not_a_certificate())?;
        let certificate = webpki::EndEntityCert::try_from(&der).map_err(|_| not_a_certificate())?;
        let public_key = PublicKeyHash::of_public_key(&certificate.subject_public_key_info());
        Ok(Self { der, public_key })
    }

    /// Its public key.
    pub const fn public_key(&self) -> PublicKeyHash {
        self.public_key
    }

    /// Whether a signature over that message was made with its private key, by any algorithm that such a key has.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(certificate) = webpki::EndEntityCert::try_from(&self.der) else { return false };
        let mut algorithms = webpki::ALL_VERIFICATION_ALGS.iter();
        algorithms.any(|algorithm| certificate.verify_signature(*algorithm, message, signature).is_ok())
    }
}

const fn not_a_certificate() -> Error {
    Error::Invalid { field: Field::Certificate, why: "it must be an X.509 certificate in PEM format" }
}

/// Names a binding of a certificate's public key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CertificateId(Box<str>);

impl CertificateId {
    /// Reads the id of a binding.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless it is 16 letters and digits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            true => Ok(Self(text.into())),
            false => Err(Error::Invalid { field: Field::CertificateId, why: "it must be 16 letters and digits" }),
        }
    }

    pub(crate) fn generate(random: &dyn Random) -> Result<Self, Error> {
        Ok(Self(String::from_utf8_lossy(letters(random, 16)?.expose()).into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for CertificateId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A binding as it is held in memory.
pub(crate) struct BoundCertificate {
    /// Names the binding.
    pub(crate) id: CertificateId,
    pub(crate) public_key: PublicKeyHash,
    pub(crate) principal: Principal,
    pub(crate) user: UserId,
    pub(crate) created: Timestamp,
}

/// What the store holds of a binding, in its account's domain, under the hash of the public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CertificateRecord {
    pub(crate) id: CertificateId,
    pub(crate) user: UserId,
    pub(crate) created: Timestamp,
}

impl Stored for CertificateRecord {
    const WHAT: &'static str = "a certificate's binding";
}

/// What is known of a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateAbout {
    /// Names it.
    pub id: CertificateId,
    /// The public key.
    pub public_key: PublicKeyHash,
    /// When it was made.
    pub created: Timestamp,
    /// When it last proved its holder, as far as is known.
    pub last_used: Option<Timestamp>,
}

impl CertificateAbout {
    pub(crate) fn of(bound: &Arc<BoundCertificate>) -> Self {
        let BoundCertificate { id, public_key, created, principal, .. } = &**bound;
        let last_used = principal.status.last_used();
        Self { id: id.clone(), public_key: *public_key, created: *created, last_used }
    }
}

impl Iam {
    /// The binding of a public key, live or not: that of the named account; without a name, the only one that there is. It proves
    /// nothing yet.
    pub(crate) fn bound_certificate(
        &self,
        public_key: PublicKeyHash,
        account: Option<AccountId>,
    ) -> Option<Arc<BoundCertificate>> {
        let held = self.held();
        let bound = held.certificates.get(&public_key)?;
        match account {
            Some(account) => bound.get(&account).cloned(),
            // Whoever has the private key can bind it in several accounts: the caller then says which is meant.
            None if bound.len() == 1 => bound.values().next().cloned(),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let armoured = |content: &str| format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n");
        for pem in ["", &armoured("AAAA"), &armoured("MIIBAA=="), &"x".repeat(MAX_PEM + 1)] {
            assert!(GivenCertificate::of_pem(pem).is_err(), "{pem}");
        }
    }

    #[test]
    fn a_signature_shows_who_holds_the_private_key() {
        use rcgen::{CertificateParams, KeyPair, SigningKey};
        let algorithms = [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_RSA_SHA256,
            &rcgen::PKCS_RSA_SHA512,
        ];
        let made = algorithms.map(|algorithm| {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let pem = CertificateParams::new(vec!["client".into()]).unwrap().self_signed(&key).unwrap().pem();
            (key, GivenCertificate::of_pem(&pem).unwrap())
        });
        for (key, certificate) in &made {
            let signature = key.sign(b"message").unwrap();
            assert!(certificate.has_signed(b"message", &signature), "{:?}", key.algorithm());
            assert!(!certificate.has_signed(b"another message", &signature));
            assert!(!certificate.has_signed(b"message", &[]));
            let others = made.iter().filter(|(_, other)| other.public_key() != certificate.public_key());
            assert!(others.map(|(_, other)| other).all(|other| !other.has_signed(b"message", &signature)));
        }
    }

    #[test]
    fn a_record_gives_back_what_it_was_made_of() {
        let random = &yaoku_crypto::SystemRandom;
        let (id, user) = (CertificateId::generate(random).unwrap(), UserId::generate(random).unwrap());
        let record = CertificateRecord { id, user, created: Timestamp(7) };
        assert_eq!(CertificateRecord::decode(&record.encode().unwrap()).unwrap(), record);
    }
}
