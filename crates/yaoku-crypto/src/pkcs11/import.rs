//! Imported key material: unwrapped inside the token by a key pair that never leaves it, so that the material is nowhere
//! else.

use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};

use super::connection::{Failure, Lease, Length};
use super::keys;
use super::template::{LOCKED_IN, Lifetime, value_len};
use super::{ObjectId, Token, asymmetric};
use crate::Error;
use crate::aead::Algorithm;
use crate::unwrapping::UnwrappingAlgorithm;
use crate::wrapping::WrappingAlgorithm;

/// How AES keys are wrapped for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnwrapAlgorithm {
    /// RSAES-PKCS1-v1_5 (RFC 8017, 7.2).
    RsaesPkcs1V15,
    /// RSAES-OAEP with SHA-1 and MGF1 with SHA-1.
    RsaesOaepSha1,
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
    RsaesOaepSha256,
}

impl UnwrapAlgorithm {
    /// Every one that there is.
    pub const ALL: [Self; 3] = [Self::RsaesOaepSha256, Self::RsaesOaepSha1, Self::RsaesPkcs1V15];

    /// The same of [`crate::unwrapping`]; none for those that tokens do not have.
    pub const fn of(algorithm: UnwrappingAlgorithm) -> Option<Self> {
        match algorithm {
            UnwrappingAlgorithm::RsaesPkcs1V15 => Some(Self::RsaesPkcs1V15),
            UnwrappingAlgorithm::RsaesOaepSha1 => Some(Self::RsaesOaepSha1),
            UnwrappingAlgorithm::RsaesOaepSha256 => Some(Self::RsaesOaepSha256),
            UnwrappingAlgorithm::Sm2Pke
            | UnwrappingAlgorithm::RsaesOaepSha256Aes256EcbPkcs7
            | UnwrappingAlgorithm::Sm2PkeSm4Ecb => None,
        }
    }

    pub(super) const fn mechanism_type(self) -> MechanismType {
        match self {
            Self::RsaesPkcs1V15 => MechanismType::RSA_PKCS,
            Self::RsaesOaepSha1 | Self::RsaesOaepSha256 => MechanismType::RSA_PKCS_OAEP,
        }
    }

    pub(super) const fn oaep(self) -> Option<WrappingAlgorithm> {
        match self {
            Self::RsaesPkcs1V15 => None,
            Self::RsaesOaepSha1 => Some(WrappingAlgorithm::RsaesOaepSha1),
            Self::RsaesOaepSha256 => Some(WrappingAlgorithm::RsaesOaepSha256),
        }
    }

    fn mechanism(self) -> Mechanism<'static> {
        self.oaep().and_then(asymmetric::oaep).map_or(Mechanism::RsaPkcs, Mechanism::RsaPkcsOaep)
    }
}

impl Token {
    /// Makes an RSA key pair of so many bits that does nothing but unwrap, and gives its public key.
    ///
    /// # Errors
    /// As [`Token::generate`].
    pub fn generate_wrapping_pair(&self, bits: usize, object: ObjectId, label: &str) -> Result<Vec<u8>, Error> {
        let does = [Attribute::Unwrap(true), Attribute::Decrypt(false), Attribute::Sign(false)];
        self.run_for(Length::Long, |lease| {
            keys::destroy(lease, object)?;
            let lifetime = Lifetime::Token { object, label };
            let (public, private) = asymmetric::generate_rsa(lease, bits, &does, &lifetime)?;
            keys::check_locked_in(lease, private)?;
            asymmetric::rsa_public_key(lease, public)
        })
    }

    /// Unwraps an AES key, and keeps it as `object`.
    ///
    /// # Errors
    /// [`Error::Open`] when it does not unwrap to a key of that length, for whatever reason; [`Error::TokenObject`] when
    /// the wrapping pair is not there; else as [`Token::generate`].
    pub fn unwrap(
        &self,
        wrapping_pair: ObjectId,
        algorithm: UnwrapAlgorithm,
        wrapped: &[u8],
        key: Algorithm,
        object: ObjectId,
        label: &str,
    ) -> Result<(), Error> {
        if key == Algorithm::Sm4 {
            return Err(Error::WrongAlgorithm);
        }
        self.run(|lease| {
            keys::destroy(lease, object)?;
            let private = keys::find(lease, ObjectClass::PRIVATE_KEY, wrapping_pair)?;
            let unwrap = |template: &[Attribute]| {
                let key = lease.session().unwrap_key(&algorithm.mechanism(), private, wrapped, template);
                key.map_err(|error| match Failure::of_ciphertext(error, lease) {
                    // A length that no AES key has.
                    failure if failure.is_of_value() => Error::Open.into(),
                    failure => failure,
                })
            };
            let unwrapped = unwrap(&template(&Lifetime::Token { object, label }, &LOCKED_IN))?;
            let checked = length(lease, unwrapped, &unwrap).and_then(|length| {
                if length != key.key_len() {
                    return Err(Error::Open.into());
                }
                // The length may have been rounded up; a key of no length that AES has computes nothing.
                lease.session().sign(&Mechanism::AesCMac, unwrapped, &[]).map_err(|error| {
                    let failure = Failure::from(error);
                    if failure.is_lost() { failure } else { Error::Open.into() }
                })?;
                keys::check_locked_in(lease, unwrapped)
            });
            if checked.is_err() {
                keys::destroy(lease, object)?;
            }
            checked
        })
    }

    /// What tells an unwrapped AES key from others without saying anything about it: its AES-CMAC (NIST SP 800-38B) of
    /// `challenge`, which should be random.
    ///
    /// # Errors
    /// [`Error::TokenObject`]; else as [`Token::generate`].
    pub fn fingerprint(&self, object: ObjectId, challenge: &[u8; 32]) -> Result<[u8; 16], Error> {
        self.run(|lease| {
            let key = keys::find(lease, ObjectClass::SECRET_KEY, object)?;
            let mac = lease.session().sign(&Mechanism::AesCMac, key, challenge)?;
            mac.try_into().map_err(|_| Error::Token("it returned no AES-CMAC".into()).into())
        })
    }
}

fn template(lifetime: &Lifetime<'_>, protection: &[Attribute]) -> Vec<Attribute> {
    let mut template = lifetime.attributes();
    template.extend_from_slice(protection);
    template.extend([
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        // For the fingerprint.
        Attribute::Sign(true),
    ]);
    template
}

/// Bytes of an unwrapped key.
///
/// Some tokens do not say. There the same key is unwrapped once more, for this session only and so that it can be wrapped,
/// and wrapped under a key that nobody knows: with AES Key Wrap (RFC 3394) the result is 8 bytes longer than the key.
fn length(
    lease: &Lease<'_>,
    unwrapped: ObjectHandle,
    unwrap: &dyn Fn(&[Attribute]) -> Result<ObjectHandle, Failure>,
) -> Result<usize, Failure> {
    let session = lease.session();
    if let [Attribute::ValueLen(length)] = session.get_attributes(unwrapped, &[AttributeType::ValueLen])?.as_slice()
        && **length > 0
    {
        return usize::try_from(**length).map_err(|_| Error::Open.into());
    }
    let mut over = Lifetime::Session.attributes();
    over.extend(LOCKED_IN);
    over.extend([Attribute::Wrap(true), value_len(32)]);
    let over = session.generate_key(&Mechanism::AesKeyGen, &over)?;
    let wrappable = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(true)];
    let measured = unwrap(&template(&Lifetime::Session, &wrappable)).and_then(|again| {
        let wrapped = session.wrap_key(&Mechanism::AesKeyWrap, over, again);
        session.destroy_object(again)?;
        Ok(wrapped?.len().saturating_sub(8))
    });
    session.destroy_object(over)?;
    measured
}
