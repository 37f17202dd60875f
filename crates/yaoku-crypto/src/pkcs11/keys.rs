//! Objects of a token: made, found, destroyed.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};

use super::connection::{Failure, Lease, Length};
use super::template::{LOCKED_IN, Lifetime, value_len};
use super::{ObjectId, PairUse, Token, TokenKeyKind, asymmetric};
use crate::Error;
use crate::aead::Algorithm;

impl Token {
    /// Makes a key; of a pair, gives the public key (SubjectPublicKeyInfo in DER, RFC 5280, 4.1.2.7).
    ///
    /// # Errors
    /// [`Error::Token`] when it can't be made, or the token would let it out; [`Error::TokenAway`]; [`Error::TokenSetup`].
    pub fn generate(&self, kind: TokenKeyKind, object: ObjectId, label: &str) -> Result<Option<Vec<u8>>, Error> {
        let lifetime = Lifetime::Token { object, label };
        let length = if matches!(kind, TokenKeyKind::KeyPair(..)) { Length::Long } else { Length::Short };
        self.run_for(length, |lease| {
            // What an attempt left behind that was cut off: two keys of one id could not be told apart.
            destroy(lease, object)?;
            let (key, public_key) = match kind {
                TokenKeyKind::Aead(algorithm) => (generate_aes(lease, algorithm, &lifetime)?, None),
                TokenKeyKind::Mac(hash) => (super::mac::generate(lease, hash, &lifetime)?, None),
                TokenKeyKind::KeyPair(algorithm, pair_use) => match asymmetric::Kind::of(algorithm) {
                    Some(asymmetric::Kind::Rsa(bits)) => {
                        let does = match pair_use {
                            PairUse::Sign => [Attribute::Sign(true), Attribute::Decrypt(false)],
                            PairUse::Decrypt => [Attribute::Sign(false), Attribute::Decrypt(true)],
                        };
                        let (public, private) = asymmetric::generate_rsa(lease, bits, &does, &lifetime)?;
                        (private, Some(asymmetric::rsa_public_key(lease, public)?))
                    }
                    Some(asymmetric::Kind::Ec(curve)) => {
                        let (public, private) = asymmetric::generate_ec(lease, curve, &lifetime)?;
                        (private, Some(asymmetric::ec_public_key(lease, curve, public)?))
                    }
                    None => return Err(Error::WrongAlgorithm.into()),
                },
            };
            if let Err(failure) = check_locked_in(lease, key) {
                destroy(lease, object)?;
                return Err(failure);
            }
            Ok(public_key)
        })
    }

    /// Destroys the key of that id, both halves of a pair; nothing if there is none.
    ///
    /// # Errors
    /// [`Error::TokenAway`]; [`Error::TokenSetup`]; [`Error::Token`] when the token refuses.
    pub fn destroy(&self, object: ObjectId) -> Result<(), Error> {
        self.run(|lease| destroy(lease, object))
    }
}

/// The one object of that class and id.
pub(super) fn find(lease: &Lease<'_>, class: ObjectClass, object: ObjectId) -> Result<ObjectHandle, Failure> {
    let template = [Attribute::Class(class), Attribute::Token(true), Attribute::Id(object.as_bytes().to_vec())];
    match lease.session().find_objects(&template)?.as_slice() {
        [handle] => Ok(*handle),
        [] => Err(Error::TokenObject.into()),
        _ => Err(Error::Token("it holds several keys with the same id".into()).into()),
    }
}

pub(super) fn destroy(lease: &Lease<'_>, object: ObjectId) -> Result<(), Failure> {
    let template = [Attribute::Token(true), Attribute::Id(object.as_bytes().to_vec())];
    for handle in lease.session().find_objects(&template)? {
        lease.session().destroy_object(handle)?;
    }
    Ok(())
}

/// Tokens may understand a template in their own way.
pub(super) fn check_locked_in(lease: &Lease<'_>, key: ObjectHandle) -> Result<(), Failure> {
    let held = lease.session().get_attributes(key, &[AttributeType::Sensitive, AttributeType::Extractable])?;
    let locked_in = held.contains(&Attribute::Sensitive(true)) && held.contains(&Attribute::Extractable(false));
    if locked_in { Ok(()) } else { Err(Error::Token("it created a key that can be exported".into()).into()) }
}

fn generate_aes(lease: &Lease<'_>, algorithm: Algorithm, lifetime: &Lifetime<'_>) -> Result<ObjectHandle, Failure> {
    let mut template = lifetime.attributes();
    template.extend(LOCKED_IN);
    template.extend([Attribute::Encrypt(true), Attribute::Decrypt(true), value_len(algorithm.key_len())]);
    Ok(lease.session().generate_key(&Mechanism::AesKeyGen, &template)?)
}
