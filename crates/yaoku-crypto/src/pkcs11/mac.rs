//! HMAC inside the token.

use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, ObjectHandle};

use super::connection::{Failure, Lease};
use super::template::{LOCKED_IN, Lifetime, value_len};
use super::{TokenKey, TokenKeyKind};
use crate::Error;
use crate::mac::Hash;

impl TokenKey {
    /// HMAC of a message (RFC 2104, FIPS 198-1), as long as the hash.
    ///
    /// # Errors
    /// [`Error::WrongAlgorithm`] if it is no key for MACs; [`Error::TokenAway`]; [`Error::TokenSetup`];
    /// [`Error::TokenObject`]; [`Error::Token`].
    pub fn mac(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let TokenKeyKind::Mac(hash) = self.kind else { return Err(Error::WrongAlgorithm) };
        let (_, mechanism) = mechanism(hash).ok_or(Error::WrongAlgorithm)?;
        self.with(|lease, key| Ok(lease.session().sign(&mechanism, key, message)?))
    }
}

pub(super) const fn mechanism(hash: Hash) -> Option<(MechanismType, Mechanism<'static>)> {
    match hash {
        Hash::Sha224 => Some((MechanismType::SHA224_HMAC, Mechanism::Sha224Hmac)),
        Hash::Sha256 => Some((MechanismType::SHA256_HMAC, Mechanism::Sha256Hmac)),
        Hash::Sha384 => Some((MechanismType::SHA384_HMAC, Mechanism::Sha384Hmac)),
        Hash::Sha512 => Some((MechanismType::SHA512_HMAC, Mechanism::Sha512Hmac)),
        Hash::Sha1 | Hash::Sm3 => None,
    }
}

/// A key as long as the hash: RFC 2104, 3 discourages less, and more adds little.
pub(super) fn generate(lease: &Lease<'_>, hash: Hash, lifetime: &Lifetime<'_>) -> Result<ObjectHandle, Failure> {
    let mut template = lifetime.attributes();
    template.extend(LOCKED_IN);
    template.extend([Attribute::Sign(true), value_len(hash.output_len())]);
    Ok(lease.session().generate_key(&Mechanism::GenericSecretKeyGen, &template)?)
}
