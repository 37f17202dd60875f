//! Signatures of key pairs.
//!
//! An object has no versions in this protocol: the newest version of a CMK signs, and a signature is valid if any of its versions made it.

use yaoku_crypto::asymmetric::SigningAlgorithm;
use yaoku_crypto::mac::{Hash, hash};
use yaoku_gate::Failure as AnyFailure;
use yaoku_kms::operations::keys::DescribeKey;
use yaoku_kms::operations::numbered::{SignNumbered, VerifyNumbered, WhichVersion};
use yaoku_kms::{Error as KeyError, KeyId, KeySpec};

use super::{about, refuse_parts};
use crate::enumerations::{DigitalSignatureAlgorithm, HashingAlgorithm, PaddingMethod, ValidityIndicator};
use crate::failure::{Code, Failure};
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag};

/// Versions that a signature is tried with.
const MAX_VERSIONS: u32 = 100;
/// Bytes of a salt: as many as of the hash.
const SALT: i32 = 32;

/// What is signed, and how.
struct Signing {
    key: KeyId,
    algorithm: SigningAlgorithm,
    digest: Vec<u8>,
}

impl Signing {
    async fn read(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Self, Failure> {
        let key = exchange.key(payload)?;
        refuse_parts(payload)?;
        let padding = payload.optional(Tag::CRYPTOGRAPHIC_PARAMETERS).map(padding).transpose()?.flatten();
        let data = payload.optional(Tag::DATA).map(Item::bytes).transpose()?;
        let digested = payload.optional(Tag::DIGESTED_DATA).map(Item::bytes).transpose()?;
        let digest = match (data, digested) {
            (Some(data), None) => hash(Hash::Sha256, data).as_bytes().to_vec(),
            (None, Some(digest)) => digest.to_vec(),
            (None, None) => return Err(Failure::new(Code::MissingData, "neither Data nor Digested Data is given")),
            (Some(_), Some(_)) => return Err(Failure::invalid("give either Data or Digested Data")),
        };
        let spec = exchange.perform(DescribeKey { key: key.into() }).await?.spec;
        Ok(Self { key, algorithm: algorithm(spec, padding)?, digest })
    }
}

/// The padding that parameters ask for, if they do.
fn padding(parameters: &Item<'_>) -> Result<Option<PaddingMethod>, Failure> {
    let parameters = Fields::of(parameters)?;
    let number = |tag| parameters.optional(tag).map(Item::enumeration).transpose();
    let padding = number(Tag::PADDING_METHOD)?.map(PaddingMethod::of);
    let hashes = [number(Tag::HASHING_ALGORITHM)?, number(Tag::MASK_GENERATOR_HASHING_ALGORITHM)?];
    let signature = number(Tag::DIGITAL_SIGNATURE_ALGORITHM)?.map(DigitalSignatureAlgorithm::of);
    number(Tag::CRYPTOGRAPHIC_ALGORITHM)?;
    number(Tag::MASK_GENERATOR)?;
    let salt = parameters.optional(Tag::SALT_LENGTH).map(Item::integer).transpose()?;
    parameters.optional(Tag::TRAILER_FIELD).map(Item::integer).transpose()?;
    parameters.end()?;
    if hashes.into_iter().flatten().any(|number| number != HashingAlgorithm::Sha256.number()) {
        return Err(Failure::unsupported(
            "keys of this server sign SHA-256 digests: use the Hashing Algorithm SHA-256",
        ));
    }
    if salt.is_some_and(|salt| salt != SALT) {
        return Err(Failure::unsupported("salts are as long as the hash: use a Salt Length of 32"));
    }
    let by_signature = match signature {
        None | Some(Some(DigitalSignatureAlgorithm::EcdsaWithSha256)) => None,
        Some(Some(DigitalSignatureAlgorithm::Sha256WithRsaEncryption)) => Some(PaddingMethod::Pkcs1V15),
        Some(Some(DigitalSignatureAlgorithm::RsassaPss)) => Some(PaddingMethod::Pss),
        Some(None) => {
            return Err(Failure::unsupported("the Digital Signature Algorithm is not supported by this server"));
        }
    };
    match padding {
        None => Ok(by_signature),
        Some(Some(padding)) if by_signature.is_none_or(|other| other == padding) => Ok(Some(padding)),
        Some(_) => Err(Failure::unsupported("the Padding Method is not supported here")),
    }
}

fn algorithm(spec: KeySpec, padding: Option<PaddingMethod>) -> Result<SigningAlgorithm, Failure> {
    match (spec, padding) {
        (KeySpec::EcP256 | KeySpec::EcP256K, None | Some(PaddingMethod::None)) => Ok(SigningAlgorithm::EcdsaSha256),
        (KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096, None | Some(PaddingMethod::Pss)) => {
            Ok(SigningAlgorithm::RsaPssSha256)
        }
        (KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096, Some(PaddingMethod::Pkcs1V15)) => {
            Ok(SigningAlgorithm::RsaPkcs1Sha256)
        }
        (KeySpec::EcSm2 | KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87, _) => {
            Err(Failure::unsupported("keys of this spec sign by the KMS API only"))
        }
        (KeySpec::EcP256 | KeySpec::EcP256K | KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096, Some(_)) => {
            Err(Failure::unsupported("the Padding Method does not go with the key"))
        }
        _ => Err(Failure::new(Code::IllegalOperation, "the key is symmetric and does not sign")),
    }
}

pub(super) async fn sign(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let Signing { key, algorithm, digest } = Signing::read(exchange, payload).await?;
    payload.end()?;
    let operation = SignNumbered { key: key.into(), version: WhichVersion::Newest, algorithm, digest };
    let (made, _) = exchange.perform(operation).await?;
    Ok(about(key, |written| written.bytes(Tag::SIGNATURE_DATA, &made.bytes)))
}

pub(super) async fn verify(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let Signing { key, algorithm, digest } = Signing::read(exchange, payload).await?;
    let signature = payload.required(Tag::SIGNATURE_DATA)?.bytes()?.to_vec();
    payload.end()?;
    let mut valid = false;
    for number in 1..=MAX_VERSIONS {
        let (digest, signature) = (digest.clone(), signature.clone());
        let operation = VerifyNumbered { key: key.into(), number, algorithm, digest, signature };
        match exchange.try_perform(operation).await {
            Ok(verified) => valid = verified.valid,
            Err(KeyError::KeyVersionNotFound) if number > 1 => break,
            Err(error) => return Err(Failure::of_operation(AnyFailure::Keys(error), &exchange.log)),
        }
        if valid {
            break;
        }
    }
    let validity = if valid { ValidityIndicator::Valid } else { ValidityIndicator::Invalid };
    Ok(about(key, |written| written.enumeration(Tag::VALIDITY_INDICATOR, validity.number())))
}
