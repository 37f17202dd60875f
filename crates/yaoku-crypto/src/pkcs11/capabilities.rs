//! What a token can hold, from its own list of mechanisms; and, where the list does not tell, from trying with keys that
//! vanish with their session: which curves it has, and which hashes its RSAES-OAEP takes.

use cryptoki::mechanism::{Mechanism, MechanismInfo, MechanismType};
use cryptoki::object::Attribute;
use cryptoki::session::Session;

use super::asymmetric::{self, Curve};
use super::connection::{Failure, Lease};
use super::mechanisms::Mechanisms;
use super::template::Lifetime;
use super::{Token, UnwrapAlgorithm};
use crate::aead::Algorithm;
use crate::asymmetric::KeyAlgorithm;
use crate::mac::Hash;
use crate::wrapping::{WrappingAlgorithm, WrappingKeySpec, WrappingPublicKey};
use crate::{Error, SystemRandom};

/// What a key in a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKeyKind {
    /// Authenticated encryption.
    Aead(Algorithm),
    /// A private and a public key.
    KeyPair(KeyAlgorithm, PairUse),
    /// HMAC over a hash.
    Mac(Hash),
}

/// What the private key of a pair does. A token keeps to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairUse {
    /// Signs.
    Sign,
    /// Decrypts.
    Decrypt,
}

/// Whether a token can do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// It can.
    Offered,
    /// It can't, since it lacks this.
    Lacking(String),
}

impl Capability {
    fn of(lack: Option<String>) -> Self {
        lack.map_or(Self::Offered, Self::Lacking)
    }
}

impl Mechanisms {
    fn lack_of_kind(&self, lease: &Lease<'_>, kind: TokenKeyKind) -> Result<Option<String>, Failure> {
        let generates = MechanismInfo::generate;
        let generates_pairs = MechanismInfo::generate_key_pair;
        Ok(match kind {
            TokenKeyKind::Aead(Algorithm::Aes128 | Algorithm::Aes192 | Algorithm::Aes256) => self
                .lack(MechanismType::AES_KEY_GEN, "making keys", generates)
                .or_else(|| self.lack(MechanismType::AES_GCM, "encryption", MechanismInfo::encrypt))
                .or_else(|| self.lack(MechanismType::AES_GCM, "decryption", MechanismInfo::decrypt)),
            TokenKeyKind::Aead(Algorithm::Sm4) => Some("a mechanism for SM4-GCM, of which PKCS#11 has none".into()),
            TokenKeyKind::Mac(hash) => match super::mac::mechanism(hash) {
                Some((mechanism, _)) => self
                    .lack(MechanismType::GENERIC_SECRET_KEY_GEN, "making keys", generates)
                    .or_else(|| self.lack(mechanism, "signing", MechanismInfo::sign)),
                None => Some("a mechanism for this HMAC, of which PKCS#11 has none".into()),
            },
            TokenKeyKind::KeyPair(algorithm, pair_use) => match (asymmetric::Kind::of(algorithm), pair_use) {
                (Some(asymmetric::Kind::Rsa(bits)), PairUse::Sign) => self
                    .lack(MechanismType::RSA_PKCS_KEY_PAIR_GEN, "generating key pairs", generates_pairs)
                    .or_else(|| self.lack_of_size(MechanismType::RSA_PKCS_KEY_PAIR_GEN, bits))
                    .or_else(|| self.lack(MechanismType::RSA_PKCS_PSS, "signing", MechanismInfo::sign))
                    .or_else(|| self.lack(MechanismType::RSA_PKCS, "signing", MechanismInfo::sign)),
                (Some(asymmetric::Kind::Rsa(bits)), PairUse::Decrypt) => {
                    let lack = self
                        .lack(MechanismType::RSA_PKCS_KEY_PAIR_GEN, "generating key pairs", generates_pairs)
                        .or_else(|| self.lack_of_size(MechanismType::RSA_PKCS_KEY_PAIR_GEN, bits));
                    match lack {
                        None if self.oaep(lease)?.is_empty() => {
                            Some(format!("{} for decryption", MechanismType::RSA_PKCS_OAEP))
                        }
                        lack => lack,
                    }
                }
                (Some(asymmetric::Kind::Ec(curve)), PairUse::Sign) => {
                    let lack = self
                        .lack(MechanismType::ECC_KEY_PAIR_GEN, "generating key pairs", generates_pairs)
                        .or_else(|| self.lack(MechanismType::ECDSA, "signing", MechanismInfo::sign));
                    match lack {
                        None if !self.has_curve(lease, curve)? => Some(format!("the curve {}", curve.name())),
                        lack => lack,
                    }
                }
                (Some(asymmetric::Kind::Ec(_)), PairUse::Decrypt) => Some("encryption on this curve".into()),
                (None, _) => Some("a mechanism for this algorithm that yaoku knows".into()),
            },
        })
    }

    fn has_curve(&self, lease: &Lease<'_>, curve: Curve) -> Result<bool, Failure> {
        let held = &self.curves[curve as usize];
        if let Some(has) = held.get() {
            return Ok(*has);
        }
        let has = match asymmetric::generate_ec(lease, curve, &Lifetime::Session) {
            Ok(_) => true,
            Err(Failure::Ours(error)) => return Err(error.into()),
            Err(failure) if failure.is_lost() => return Err(failure),
            Err(_) => false,
        };
        Ok(*held.get_or_init(|| has))
    }

    /// The hashes that RSAES-OAEP decryption takes in this token.
    pub(super) fn oaep(&self, lease: &Lease<'_>) -> Result<&[WrappingAlgorithm], Failure> {
        if let Some(known) = self.oaep.get() {
            return Ok(known);
        }
        let offered = self.lack(MechanismType::RSA_PKCS_OAEP, "decryption", MechanismInfo::decrypt).is_none();
        let found = if offered { try_oaep(lease)? } else { Vec::new() };
        Ok(self.oaep.get_or_init(|| found))
    }

    fn lack_of_unwrapping(&self, lease: &Lease<'_>, algorithm: UnwrapAlgorithm) -> Result<Option<String>, Failure> {
        let lack = self
            .lack(MechanismType::RSA_PKCS_KEY_PAIR_GEN, "generating key pairs", MechanismInfo::generate_key_pair)
            .or_else(|| self.lack(algorithm.mechanism_type(), "unwrapping", MechanismInfo::unwrap))
            .or_else(|| self.lack(MechanismType::AES_CMAC, "signing", MechanismInfo::sign));
        if lack.is_some() {
            return Ok(lack);
        }
        Ok(match algorithm.oaep() {
            Some(oaep) if !self.oaep(lease)?.contains(&oaep) => {
                Some(format!("{} with this hash", MechanismType::RSA_PKCS_OAEP))
            }
            _ => None,
        })
    }
}

impl Token {
    /// Whether the token can make and use keys of that kind.
    ///
    /// # Errors
    /// [`Error::TokenAway`], [`Error::TokenSetup`] or [`Error::Token`].
    pub fn can_hold(&self, kind: TokenKeyKind) -> Result<Capability, Error> {
        self.with_mechanisms(|lease, mechanisms| mechanisms.lack_of_kind(lease, kind).map(Capability::of))
    }

    /// Whether the token can unwrap imported material that was wrapped so, and tell later whether other material is the
    /// same.
    ///
    /// # Errors
    /// As [`Self::can_hold`].
    pub fn can_unwrap(&self, algorithm: UnwrapAlgorithm) -> Result<Capability, Error> {
        self.with_mechanisms(|lease, mechanisms| mechanisms.lack_of_unwrapping(lease, algorithm).map(Capability::of))
    }

    /// Whether there is a way to import material.
    ///
    /// # Errors
    /// As [`Self::can_hold`].
    pub fn can_import(&self) -> Result<Capability, Error> {
        let mut lack = None;
        for algorithm in UnwrapAlgorithm::ALL {
            match self.can_unwrap(algorithm)? {
                Capability::Offered => return Ok(Capability::Offered),
                Capability::Lacking(what) => lack = lack.or(Some(what)),
            }
        }
        Ok(Capability::of(lack))
    }

    /// Whether a key pair in the token can decrypt what was encrypted so.
    ///
    /// # Errors
    /// As [`Self::can_hold`].
    pub fn can_decrypt(&self, algorithm: WrappingAlgorithm) -> Result<Capability, Error> {
        self.with_mechanisms(|lease, mechanisms| {
            let can = mechanisms.oaep(lease)?.contains(&algorithm);
            Ok(Capability::of((!can).then(|| format!("{} with this hash", MechanismType::RSA_PKCS_OAEP))))
        })
    }

    /// The names of the mechanisms that the token lists, as PKCS#11 writes them.
    ///
    /// # Errors
    /// As [`Self::can_hold`].
    pub fn mechanisms(&self) -> Result<Vec<String>, Error> {
        self.with_mechanisms(|_, mechanisms| Ok(mechanisms.listed.iter().map(|(m, _)| m.to_string()).collect()))
    }
}

/// Decrypts, with a key pair that vanishes, what this side encrypted with each hash.
fn try_oaep(lease: &Lease<'_>) -> Result<Vec<WrappingAlgorithm>, Failure> {
    let (public, private) = asymmetric::generate_rsa(lease, 2048, &[Attribute::Decrypt(true)], &Lifetime::Session)?;
    let der = asymmetric::rsa_public_key(lease, public)?;
    let key = WrappingPublicKey::from_spki_der(WrappingKeySpec::Rsa2048, &der)?;
    let mut found = Vec::new();
    for algorithm in [WrappingAlgorithm::RsaesOaepSha256, WrappingAlgorithm::RsaesOaepSha1] {
        let ciphertext = key.encrypt(algorithm, &SystemRandom, b"yaoku")?;
        let Some(parameters) = asymmetric::oaep(algorithm) else { continue };
        let decrypted = lease.session().decrypt(&Mechanism::RsaPkcsOaep(parameters), private, &ciphertext);
        match decrypted.map_err(Failure::from) {
            Ok(plaintext) if plaintext == b"yaoku" => found.push(algorithm),
            Err(failure) if failure.is_lost() => return Err(failure),
            Ok(_) | Err(_) => {}
        }
    }
    destroy_probe(lease.session(), [public, private])?;
    Ok(found)
}

fn destroy_probe(session: &Session, objects: [cryptoki::object::ObjectHandle; 2]) -> Result<(), Failure> {
    for object in objects {
        session.destroy_object(object)?;
    }
    Ok(())
}
