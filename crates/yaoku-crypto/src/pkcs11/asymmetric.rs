//! Key pairs in the token: signatures and decryption by private keys that stay there. Public keys come out, and what is done
//! with them alone is done in software.

use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use sm2::pkcs8::der::asn1::{BitStringRef, OctetStringRef, UintRef};
use sm2::pkcs8::der::{AnyRef, Decode, Encode, Header, Tag};
use sm2::pkcs8::spki::SubjectPublicKeyInfo;
use sm2::pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier};

use super::connection::{Failure, Lease};
use super::template::{LOCKED_IN, Lifetime};
use super::{TokenKey, TokenKeyKind};
use crate::algorithms::{EC_PUBLIC_KEY, WrappingAlgorithm};
use crate::asymmetric::{KeyAlgorithm, SigningAlgorithm};
use crate::{Error, Secret};

/// The key pairs that yaoku knows how to have in a token.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// By its modulus's bits.
    Rsa(usize),
    Ec(Curve),
}

impl Kind {
    pub(super) const fn of(algorithm: KeyAlgorithm) -> Option<Self> {
        match algorithm {
            KeyAlgorithm::Rsa2048 => Some(Self::Rsa(2048)),
            KeyAlgorithm::Rsa3072 => Some(Self::Rsa(3072)),
            KeyAlgorithm::Rsa4096 => Some(Self::Rsa(4096)),
            KeyAlgorithm::EcP256 => Some(Self::Ec(Curve::P256)),
            KeyAlgorithm::EcP256K => Some(Self::Ec(Curve::P256K)),
            KeyAlgorithm::EcSm2 | KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 | KeyAlgorithm::MlDsa87 => None,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Curve {
    P256,
    P256K,
}

impl Curve {
    const fn identifier(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P256K => ObjectIdentifier::new_unwrap("1.3.132.0.10"),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "secp256r1",
            Self::P256K => "secp256k1",
        }
    }
}

impl TokenKey {
    /// Signs a digest, as [`crate::asymmetric::PrivateKey::sign`] does.
    ///
    /// # Errors
    /// [`Error::WrongAlgorithm`]; [`Error::DigestLength`]; [`Error::TokenAway`]; [`Error::TokenSetup`];
    /// [`Error::TokenObject`]; [`Error::Token`].
    pub fn sign(&self, algorithm: SigningAlgorithm, digest: &[u8]) -> Result<Vec<u8>, Error> {
        let TokenKeyKind::KeyPair(key, _) = self.kind else { return Err(Error::WrongAlgorithm) };
        crate::asymmetric::check(key, algorithm, digest)?;
        let (mechanism, signed) = match algorithm {
            SigningAlgorithm::RsaPssSha256 => (Mechanism::RsaPkcsPss(pss()), digest.to_vec()),
            SigningAlgorithm::RsaPkcs1Sha256 => (Mechanism::RsaPkcs, [&DIGEST_INFO_SHA256, digest].concat()),
            SigningAlgorithm::EcdsaSha256 => (Mechanism::Ecdsa, digest.to_vec()),
            SigningAlgorithm::Sm2Dsa | SigningAlgorithm::MlDsa => return Err(Error::WrongAlgorithm),
        };
        let signature = self.with(|lease, key| Ok(lease.session().sign(&mechanism, key, &signed)?))?;
        match algorithm {
            SigningAlgorithm::EcdsaSha256 => ecdsa_der(&signature),
            _ => Ok(signature),
        }
    }

    /// Decrypts, as [`crate::asymmetric::PrivateKey::decrypt`] does.
    ///
    /// # Errors
    /// [`Error::Open`] for every ciphertext that does not decrypt, also where the token does not know the algorithm
    /// ([`super::Token::can_decrypt`] tells); [`Error::WrongAlgorithm`]; else as [`Self::sign`].
    pub fn decrypt(&self, algorithm: WrappingAlgorithm, ciphertext: &[u8]) -> Result<Secret, Error> {
        let TokenKeyKind::KeyPair(key, _) = self.kind else { return Err(Error::WrongAlgorithm) };
        let Some(parameters) = oaep(algorithm).filter(|_| key.wrapping_algorithms().contains(&algorithm)) else {
            return Err(Error::WrongAlgorithm);
        };
        let Some(Kind::Rsa(bits)) = Kind::of(key) else { return Err(Error::WrongAlgorithm) };
        if ciphertext.len() != bits / 8 {
            return Err(Error::Open);
        }
        self.with(|lease, key| {
            let plaintext = lease.session().decrypt(&Mechanism::RsaPkcsOaep(parameters), key, ciphertext);
            plaintext.map(Secret::new).map_err(|error| Failure::of_ciphertext(error, lease))
        })
    }
}

/// Of RSASSA-PSS: SHA-256, MGF1 with SHA-256, a salt of 32 bytes.
fn pss() -> PkcsPssParams {
    PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: 32_u64.into() }
}

/// DER of a DigestInfo of SHA-256 up to the digest (RFC 8017, 9.2, note 1).
const DIGEST_INFO_SHA256: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// RSAES-OAEP with an empty label, and the same hash in MGF1.
pub(super) fn oaep(algorithm: WrappingAlgorithm) -> Option<PkcsOaepParams<'static>> {
    let (hash, mgf) = match algorithm {
        WrappingAlgorithm::RsaesOaepSha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        WrappingAlgorithm::RsaesOaepSha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        WrappingAlgorithm::Sm2Pke => return None,
    };
    Some(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty()))
}

/// Makes an RSA key pair with the public exponent 65537: its public and its private key.
pub(super) fn generate_rsa(
    lease: &Lease<'_>,
    bits: usize,
    does: &[Attribute],
    lifetime: &Lifetime<'_>,
) -> Result<(ObjectHandle, ObjectHandle), Failure> {
    let mut public = lifetime.attributes();
    public.extend([Attribute::ModulusBits((bits as u64).into()), Attribute::PublicExponent(vec![1, 0, 1])]);
    let mut private = lifetime.attributes();
    private.extend(LOCKED_IN);
    private.extend_from_slice(does);
    Ok(lease.session().generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private)?)
}

/// Makes a key pair on a curve, for signatures: its public and its private key.
pub(super) fn generate_ec(
    lease: &Lease<'_>,
    curve: Curve,
    lifetime: &Lifetime<'_>,
) -> Result<(ObjectHandle, ObjectHandle), Failure> {
    let identifier = curve.identifier().to_der().map_err(encoding)?;
    let mut public = lifetime.attributes();
    public.push(Attribute::EcParams(identifier));
    let mut private = lifetime.attributes();
    private.extend(LOCKED_IN);
    private.push(Attribute::Sign(true));
    Ok(lease.session().generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?)
}

/// SubjectPublicKeyInfo of an RSA key.
pub(super) fn rsa_public_key(lease: &Lease<'_>, public: ObjectHandle) -> Result<Vec<u8>, Failure> {
    let held = lease.session().get_attributes(public, &[AttributeType::Modulus, AttributeType::PublicExponent])?;
    let (mut modulus, mut exponent) = (Vec::new(), Vec::new());
    for attribute in held {
        match attribute {
            Attribute::Modulus(n) => modulus = n,
            Attribute::PublicExponent(e) => exponent = e,
            _ => {}
        }
    }
    let components = RsaPublicKeyComponents { n: modulus, e: exponent };
    let der: PublicKeyX509Der<'_> =
        components.as_der().map_err(|_| Error::Token("it returned no RSA public key".into()))?;
    Ok(der.as_ref().to_vec())
}

/// SubjectPublicKeyInfo of a key on a curve.
pub(super) fn ec_public_key(lease: &Lease<'_>, curve: Curve, public: ObjectHandle) -> Result<Vec<u8>, Failure> {
    let held = lease.session().get_attributes(public, &[AttributeType::EcPoint])?;
    let [Attribute::EcPoint(point)] = held.as_slice() else {
        return Err(Error::Token("it returned no point of the public key".into()).into());
    };
    // DER of an OCTET STRING, says the standard; some tokens give the point itself.
    let point = match <&OctetStringRef>::from_der(point) {
        Ok(string) => string.as_bytes(),
        Err(_) => point,
    };
    let identifier = curve.identifier();
    let info = SubjectPublicKeyInfo {
        algorithm: AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(AnyRef::from(&identifier)) },
        subject_public_key: BitStringRef::from_bytes(point).map_err(encoding)?,
    };
    Ok(info.to_der().map_err(encoding)?)
}

/// SEQUENCE { r, s } of the two numbers of equal length that PKCS#11 gives.
fn ecdsa_der(signature: &[u8]) -> Result<Vec<u8>, Error> {
    let encode = || {
        let (r, s) = signature.split_at(signature.len() / 2);
        let (r, s) = (UintRef::new(r)?, UintRef::new(s)?);
        let mut out = Vec::with_capacity(72);
        Header::new(Tag::Sequence, (r.encoded_len()? + s.encoded_len()?)?).encode_to_vec(&mut out)?;
        r.encode_to_vec(&mut out)?;
        s.encode_to_vec(&mut out)?;
        Ok(out)
    };
    if signature.is_empty() || !signature.len().is_multiple_of(2) {
        return Err(Error::Token("it returned no ECDSA signature".into()));
    }
    encode().map_err(encoding)
}

fn encoding(_: sm2::pkcs8::der::Error) -> Error {
    Error::Library("DER encoding fails")
}
