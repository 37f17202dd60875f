//! Encryption, decryption and message authentication codes.
//!
//! What Encrypt gives as data is this server's ciphertext: it names the key version, and holds nonce and tag. So the mode is GCM, nonce and
//! tag are none of the client's, and only this server decrypts it.

use yaoku_crypto::Secret;
use yaoku_crypto::mac::Hash;
use yaoku_kms::blob::{Content, Header};
use yaoku_kms::operations::crypto::{Decrypt, Encrypt};
use yaoku_kms::operations::keys::DescribeKey;
use yaoku_kms::operations::mac::{GenerateMac, MacRequest, VerifyMac};
use yaoku_kms::{EncryptionContext, KeyId, Primitive};

use super::{about, refuse_parts};
use crate::enumerations::{
    BlockCipherMode, CryptographicAlgorithm, HashingAlgorithm, PaddingMethod, ValidityIndicator,
};
use crate::failure::{Code, Failure};
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag};

/// Bytes of what a ciphertext is bound to.
const MAX_ADDITIONAL: usize = 8192;

/// What encryption and decryption have in common.
fn context(payload: &Fields<'_, '_>) -> Result<EncryptionContext, Failure> {
    check_parameters(payload)?;
    refuse_parts(payload)?;
    for tag in [Tag::IV_COUNTER_NONCE, Tag::AUTHENTICATED_ENCRYPTION_TAG] {
        if payload.optional(tag).is_some() {
            return Err(Failure::unsupported(format!(
                "{tag} is part of the data, and drawn or checked by this server"
            )));
        }
    }
    let additional = payload.optional(Tag::AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA).map(Item::bytes).transpose()?;
    let additional = additional.unwrap_or_default();
    if additional.len() > MAX_ADDITIONAL {
        return Err(Failure::invalid(format!("the additional data can have at most {MAX_ADDITIONAL} bytes")));
    }
    Ok(EncryptionContext::default().with_associated_data(additional))
}

/// Makes sure that the client asks for what this server does.
fn check_parameters(payload: &Fields<'_, '_>) -> Result<(), Failure> {
    let Some(parameters) = payload.optional(Tag::CRYPTOGRAPHIC_PARAMETERS) else { return Ok(()) };
    let parameters = Fields::of(parameters)?;
    let number = |tag| parameters.optional(tag).map(Item::enumeration).transpose();
    if number(Tag::BLOCK_CIPHER_MODE)?.is_some_and(|mode| mode != BlockCipherMode::Gcm.number()) {
        return Err(Failure::unsupported("keys of this server encrypt with the Block Cipher Mode GCM only"));
    }
    if number(Tag::PADDING_METHOD)?.is_some_and(|method| method != PaddingMethod::None.number()) {
        return Err(Failure::unsupported("GCM has no padding: use the Padding Method None"));
    }
    // Whether that is the key's is seen when the key is.
    number(Tag::CRYPTOGRAPHIC_ALGORITHM)?;
    if parameters.optional(Tag::RANDOM_IV).map(Item::boolean).transpose()? == Some(false) {
        return Err(Failure::unsupported("nonces are drawn by this server"));
    }
    for tag in [Tag::IV_LENGTH, Tag::TAG_LENGTH] {
        parameters.optional(tag).map(Item::integer).transpose()?;
    }
    Ok(parameters.end()?)
}

pub(super) async fn encrypt(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let key = exchange.key(payload)?;
    let context = context(payload)?;
    let plaintext = Secret::new(payload.required(Tag::DATA)?.bytes()?.to_vec());
    payload.end()?;
    let operation = Encrypt { key: key.into(), plaintext, content: Content::Bytes, context };
    let encrypted = exchange.perform(operation).await?;
    Ok(about(key, |written| written.bytes(Tag::DATA, &encrypted.blob)))
}

pub(super) async fn decrypt(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let key = exchange.key(payload)?;
    let context = context(payload)?;
    let blob = payload.required(Tag::DATA)?.bytes()?.to_vec();
    payload.end()?;
    // The blob names the key that made it, which must be the one that is asked for.
    if Header::parse(&blob).is_ok_and(|(header, _)| header.key != key) {
        return Err(Failure::new(Code::CryptographicFailure, "the data was made with another key"));
    }
    let opened = exchange.perform(Decrypt { blob, context }).await?;
    Ok(about(key, |written| written.bytes(Tag::DATA, opened.plaintext.expose())))
}

/// The message and the key of a code.
async fn mac_request(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<(KeyId, MacRequest), Failure> {
    let key = exchange.key(payload)?;
    refuse_parts(payload)?;
    let named = payload.optional(Tag::CRYPTOGRAPHIC_PARAMETERS).map(named_hash).transpose()?.flatten();
    let message = Secret::new(payload.required(Tag::DATA)?.bytes()?.to_vec());
    let hash = match named {
        Some(hash) => hash,
        None => match exchange.perform(DescribeKey { key: key.into() }).await?.spec.primitive() {
            Primitive::Mac(hash) => hash,
            Primitive::Aead(_) | Primitive::KeyPair(_) => {
                return Err(Failure::new(Code::IllegalOperation, "the key is not a MAC key"));
            }
        },
    };
    Ok((key, MacRequest { key: key.into(), hash, message }))
}

/// The hash that parameters name.
fn named_hash(parameters: &Item<'_>) -> Result<Option<Hash>, Failure> {
    use CryptographicAlgorithm as Algorithm;
    let parameters = Fields::of(parameters)?;
    let number = |tag| parameters.optional(tag).map(Item::enumeration).transpose();
    let (algorithm, hashing) = (number(Tag::CRYPTOGRAPHIC_ALGORITHM)?, number(Tag::HASHING_ALGORITHM)?);
    parameters.end()?;
    let unsupported = || Failure::unsupported("this is not an algorithm of message authentication codes here");
    let by_algorithm = match algorithm.map(Algorithm::of) {
        None => None,
        Some(Some(Algorithm::HmacSha224)) => Some(Hash::Sha224),
        Some(Some(Algorithm::HmacSha256)) => Some(Hash::Sha256),
        Some(Some(Algorithm::HmacSha384)) => Some(Hash::Sha384),
        Some(Some(Algorithm::HmacSha512)) => Some(Hash::Sha512),
        Some(_) => return Err(unsupported()),
    };
    let by_hash = match hashing.map(HashingAlgorithm::of) {
        None => None,
        Some(Some(HashingAlgorithm::Sha224)) => Some(Hash::Sha224),
        Some(Some(HashingAlgorithm::Sha256)) => Some(Hash::Sha256),
        Some(Some(HashingAlgorithm::Sha384)) => Some(Hash::Sha384),
        Some(Some(HashingAlgorithm::Sha512)) => Some(Hash::Sha512),
        Some(_) => return Err(unsupported()),
    };
    match (by_algorithm, by_hash) {
        (Some(one), Some(other)) if one != other => {
            Err(Failure::invalid("Cryptographic Algorithm and Hashing Algorithm contradict each other"))
        }
        (one, other) => Ok(one.or(other)),
    }
}

pub(super) async fn mac(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let (key, request) = mac_request(exchange, payload).await?;
    payload.end()?;
    let made = exchange.perform(GenerateMac(request)).await?;
    Ok(about(key, |written| written.bytes(Tag::MAC_DATA, &made.code)))
}

pub(super) async fn verify_mac(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let (key, request) = mac_request(exchange, payload).await?;
    let code = payload.required(Tag::MAC_DATA)?.bytes()?.to_vec();
    payload.end()?;
    let verified = exchange.perform(VerifyMac { request, code }).await?;
    let validity = if verified.valid { ValidityIndicator::Valid } else { ValidityIndicator::Invalid };
    Ok(about(key, |written| written.enumeration(Tag::VALIDITY_INDICATOR, validity.number())))
}
