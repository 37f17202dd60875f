//! Signatures of key pairs. The digest is SHA-256, which this server makes unless the caller did.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_kms::operations::keys::DescribeKey;
use yaoku_kms::operations::mac::{MacRequest, VerifyMac};
use yaoku_kms::operations::numbered::{SignNumbered, VerifyNumbered, WhichVersion};
use yaoku_kms::{KeyRef, KeySpec};

use super::batch::{self, Items, Outcomes};
use super::ciphertext::{Numbered, parse_signature};
use super::names;
use crate::body::{SecretText, base64};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::service::Exchange;
use crate::values::{Flag, Number, Word};

/// Bytes of a number in a signature on P-256 or secp256k1.
const SCALAR: usize = 32;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Input {
    input: Option<SecretText>,
    signature: Option<String>,
    hmac: Option<String>,
    /// What the caller calls an item of a batch.
    reference: Option<String>,
}

/// What stands in the body beside that.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Beside {
    batch_input: Option<Items<Input>>,
    hash_algorithm: Option<String>,
    algorithm: Option<String>,
    prehashed: Flag,
    signature_algorithm: Option<String>,
    marshaling_algorithm: Option<String>,
    /// `auto`, `hash`, or a number.
    salt_length: Option<Word>,
    key_version: Option<Number>,
    context: Option<String>,
}

/// How to sign, as a body says it.
struct How {
    spec: KeySpec,
    padding: Option<String>,
    prehashed: bool,
    /// Whether signatures of elliptic curves are two numbers (RFC 7518, 3.4) and not ASN.1.
    jws: bool,
}

impl Beside {
    /// Checks what stands beside the input, in the light of the key.
    async fn how(&self, exchange: &Exchange<'_>, key: &KeyRef) -> Result<How, Failure> {
        let named = [exchange.detail(), self.hash_algorithm.as_deref(), self.algorithm.as_deref()];
        let chosen = named.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or("sha2-256");
        if chosen != "sha2-256" {
            names::hash(chosen)?;
            return Err(Failure::unsupported("keys of this server sign SHA-256 digests: use sha2-256"));
        }
        if self.context.as_ref().is_some_and(|context| !context.is_empty()) {
            return Err(Failure::unsupported(
                "derived keys are not supported by this server, so signing takes no context",
            ));
        }
        let jws = match self.marshaling_algorithm.as_deref() {
            None | Some("" | "asn1") => false,
            Some("jws") => true,
            Some(_) => return Err(Failure::invalid("marshaling_algorithm must be asn1 or jws")),
        };
        match self.salt_length.as_ref().map(|Word(word)| &**word) {
            None | Some("" | "auto" | "hash" | "32" | "0" | "-1") => {}
            Some(_) => return Err(Failure::unsupported("salts are as long as the hash: use salt_length hash or auto")),
        }
        let spec = exchange.perform(DescribeKey { key: key.clone() }).await?.spec;
        Ok(How { spec, padding: self.signature_algorithm.clone(), prehashed: self.prehashed.0, jws })
    }
}

impl How {
    fn digest(&self, input: &Input) -> Result<Vec<u8>, Failure> {
        let bytes = input.input.as_ref().ok_or_else(|| Failure::invalid("missing input"))?.base64("input")?;
        match self.prehashed {
            false => Ok(hash(Hash::Sha256, bytes.expose()).as_bytes().to_vec()),
            true if bytes.len() == Hash::Sha256.output_len() => Ok(bytes.expose().to_vec()),
            true => Err(Failure::invalid("the prehashed input must be a SHA-256 digest of 32 bytes")),
        }
    }

    const fn is_on_curve(&self) -> bool {
        matches!(self.spec, KeySpec::EcP256 | KeySpec::EcP256K)
    }
}

#[derive(Serialize)]
struct Signed {
    signature: String,
    key_version: u32,
}

pub(super) async fn sign(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let mut beside: Beside = exchange.body()?;
    let key = exchange.key()?;
    let how = beside.how(exchange, &key).await?;
    let version = match beside.key_version {
        None | Some(Number(0)) => WhichVersion::Newest,
        Some(Number(number)) => WhichVersion::Number(u32::try_from(number).unwrap_or(u32::MAX)),
    };
    let Some(items) = beside.batch_input.take() else {
        return exchange.data(&sign_one(exchange, &key, &how, version, &exchange.body()?).await?);
    };
    let (items, _charged) = batch::admit(exchange, items)?;
    let mut outcomes = Outcomes::new();
    for mut item in items {
        let reference = item.reference.take();
        outcomes.push(exchange, sign_one(exchange, &key, &how, version, &item).await, reference).await?;
    }
    outcomes.reply(exchange, None)
}

async fn sign_one(
    exchange: &Exchange<'_>,
    key: &KeyRef,
    how: &How,
    version: WhichVersion,
    input: &Input,
) -> Result<Signed, Failure> {
    let algorithm = names::signing(how.spec, how.padding.as_deref())?;
    let operation = SignNumbered { key: key.clone(), version, algorithm, digest: how.digest(input)? };
    let (made, number) = exchange.perform(operation).await?;
    let signature = match how.jws && how.is_on_curve() {
        true => {
            let plain = numbers(&made.bytes).ok_or_else(Failure::internal)?;
            format!("vault:v{number}:{}", URL_SAFE_NO_PAD.encode(plain))
        }
        false => Numbered(number, &made.bytes).to_string(),
    };
    Ok(Signed { signature, key_version: number })
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
}

pub(super) async fn verify(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let (one, mut beside): (Input, Beside) = (exchange.body()?, exchange.body()?);
    let key = exchange.key()?;
    let is_code = |input: &Input| input.hmac.is_some();
    let items = beside.batch_input.take();
    let has_codes = is_code(&one) || items.iter().flat_map(|items| &items.0.kept).any(is_code);
    let how = match has_codes {
        true => None,
        false => Some(beside.how(exchange, &key).await?),
    };
    let names = [exchange.detail(), beside.hash_algorithm.as_deref(), beside.algorithm.as_deref()];
    let chosen = names.into_iter().flatten().find(|name| !name.is_empty());
    let Some(items) = items else {
        return exchange.data(&verify_one(exchange, &key, how.as_ref(), chosen, &one).await?);
    };
    let (items, _charged) = batch::admit(exchange, items)?;
    let mut outcomes = Outcomes::new();
    for mut item in items {
        let reference = item.reference.take();
        outcomes.push(exchange, verify_one(exchange, &key, how.as_ref(), chosen, &item).await, reference).await?;
    }
    outcomes.reply(exchange, None)
}

async fn verify_one(
    exchange: &Exchange<'_>,
    key: &KeyRef,
    how: Option<&How>,
    chosen: Option<&str>,
    input: &Input,
) -> Result<Verified, Failure> {
    let Some(how) = how else { return verify_code(exchange, key, chosen, input).await };
    let text = input.signature.as_deref().ok_or_else(|| Failure::invalid("missing signature"))?;
    let algorithm = names::signing(how.spec, how.padding.as_deref())?;
    let (number, signature) = match how.jws && how.is_on_curve() {
        true => {
            let why = || Failure::invalid("the signature must have the form vault:v1: and base64");
            let (start, encoded) = text.rsplit_once(':').ok_or_else(why)?;
            let (number, _) = parse_signature(&format!("{start}:"))?;
            let plain = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| why())?;
            (number, der(&plain).ok_or_else(why)?)
        }
        false => parse_signature(text)?,
    };
    let digest = how.digest(input)?;
    let operation = VerifyNumbered { key: key.clone(), number, algorithm, digest, signature };
    Ok(Verified { valid: exchange.perform(operation).await?.valid })
}

/// Verifies a message authentication code, as `verify` does too.
async fn verify_code(
    exchange: &Exchange<'_>,
    key: &KeyRef,
    chosen: Option<&str>,
    input: &Input,
) -> Result<Verified, Failure> {
    let text = input.hmac.as_deref().ok_or_else(|| Failure::invalid("missing hmac"))?;
    // A MAC key has one version.
    let (number, code) = parse_signature(text)?;
    let hash = names::hash(chosen.unwrap_or("sha2-256"))?;
    let message = input.input.as_ref().ok_or_else(|| Failure::invalid("missing input"))?.base64("input")?;
    let request = MacRequest { key: key.clone(), hash, message };
    let verified = exchange.perform(VerifyMac { request, code }).await?;
    Ok(Verified { valid: verified.valid && number == 1 })
}

/// The two numbers of an ECDSA signature, each of 32 bytes, of its ASN.1 (RFC 3279, 2.2.3).
fn numbers(der: &[u8]) -> Option<[u8; 2 * SCALAR]> {
    let [0x30, length, body @ ..] = der else { return None };
    if usize::from(*length) != body.len() {
        return None;
    }
    let mut out = [0; 2 * SCALAR];
    let (first, second) = out.split_at_mut(SCALAR);
    let rest = integer(body, first)?;
    integer(rest, second)?.is_empty().then_some(out)
}

/// Reads an ASN.1 integer into a number of fixed size; what follows it.
fn integer<'a>(der: &'a [u8], out: &mut [u8]) -> Option<&'a [u8]> {
    let [0x02, length, rest @ ..] = der else { return None };
    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
    let value = match value {
        [0, value @ ..] => value,
        value => value,
    };
    let at = out.len().checked_sub(value.len())?;
    out[at..].copy_from_slice(value);
    Some(rest)
}

/// The ASN.1 of a signature of two numbers.
fn der(numbers: &[u8]) -> Option<Vec<u8>> {
    if numbers.len() != 2 * SCALAR {
        return None;
    }
    let mut body = Vec::with_capacity(72);
    for number in numbers.chunks(SCALAR) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count().min(SCALAR - 1);
        let number = &number[zeros..];
        let sign = usize::from(number[0] >= 0x80);
        body.extend([0x02, u8::try_from(number.len() + sign).ok()?]);
        body.extend(std::iter::repeat_n(0, sign));
        body.extend_from_slice(number);
    }
    let mut der = vec![0x30, u8::try_from(body.len()).ok()?];
    der.append(&mut body);
    Some(der)
}

/// A public key in PEM form (RFC 7468), of its DER.
pub(super) fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in encoded.as_bytes().chunks(64) {
        // Base64 is ASCII.
        out.push_str(std::str::from_utf8(line).unwrap_or_default());
        out.push('\n');
    }
    out.push_str("-----END PUBLIC KEY-----\n");
    out
}

pub(super) fn fuzz(bytes: &[u8]) {
    let one = serde_json::from_slice::<Input>(bytes).ok();
    let beside = serde_json::from_slice::<Beside>(bytes).ok();
    let items = beside.and_then(|beside| beside.batch_input).map(|Items { 0: items }| items.kept);
    for input in one.into_iter().chain(items.into_iter().flatten()) {
        let _ = input.signature.as_deref().map(parse_signature);
        let _ = input.hmac.as_deref().map(|text| base64(text, "hmac"));
    }
    if let Some(numbers) = numbers(bytes) {
        let _ = der(&numbers);
    }
    let _ = der(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn signatures_go_from_one_form_to_the_other_and_back(
            mut r in prop::array::uniform32(any::<u8>()), s in prop::array::uniform32(any::<u8>()), zeros in 0usize..32
        ) {
            r[..zeros].fill(0);
            let both = [r, s].concat();
            let encoded = der(&both).unwrap();
            prop_assert_eq!(numbers(&encoded).map(|numbers| numbers.to_vec()), Some(both));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            fuzz(&bytes);
        }
    }
}
