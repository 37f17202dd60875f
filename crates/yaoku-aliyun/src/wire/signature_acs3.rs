//! Signature version 3 (`ACS3-HMAC-SHA256`, `ACS3-HMAC-SM3`): an HMAC over method, path, query, chosen headers and the body's hash,
//! carried by the `Authorization` header.
//!
//! Where the documentation and the published SDKs differ, this follows the SDKs: the fields of `Authorization` come in any
//! order, SM3 requests have their hash under `x-acs-content-sm3` or `x-acs-content-sha256`, and `host` need not be signed
//! (aliyun-java-sdk-core does not; version 1.0 never did).

use std::sync::OnceLock;

use http::{
    HeaderMap,
    header::{AUTHORIZATION, AsHeaderName},
};
use yaoku_crypto::mac::{self, Hash, SignedWith, Verifier};

use super::{
    Received, WireError,
    params::{Param, Place},
    percent, split,
    wiping_buffer::WipingBuffer,
};

/// The most headers that a request may sign.
const MAX_SIGNED_HEADERS: usize = 64;
/// The longest tag, in hexadecimal digits.
const TAG_DIGITS: usize = 64;
/// The longest name of an algorithm, in bytes.
const MAX_ALGORITHM: usize = 16;
/// What a signature must cover, besides the body's hash: the operation, and what keeps it from being replayed. `host` is not
/// among them, because the older Java SDK does not sign it.
const REQUIRED_HEADERS: [&str; 4] = ["x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"];
/// Read if present, and then only if signed.
const SECURITY_TOKEN: &str = "x-acs-security-token";

/// The signature of one request, not yet verified.
pub struct SignatureAcs3<'a> {
    request: Received<'a>,
    authorization: Authorization<'a>,
    /// The signed headers with their values, in the order in which they were signed.
    signed: Vec<(&'a str, &'a [u8])>,
    content_hash: &'a str,
    action: &'a str,
    version: &'a str,
    date: &'a str,
    nonce: &'a str,
    security_token: Option<&'a str>,
}

/// The `Authorization` header, taken apart.
#[derive(Clone, Copy)]
struct Authorization<'a> {
    algorithm: &'a str,
    hash: Hash,
    access_key_id: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

/// Whether the canonical request is for the HMAC or for people.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Given,
    Elided,
}

impl<'a> SignatureAcs3<'a> {
    /// Whether a request claims this scheme; any other `Authorization` is not ours to read.
    pub fn is_claimed(headers: &HeaderMap) -> bool {
        headers.get_all(AUTHORIZATION).into_iter().any(|value| value.as_bytes().starts_with(b"ACS3-"))
    }

    /// Reads the headers that describe the signature, and compares the body with its hash.
    ///
    /// # Errors
    /// `IncompleteSignature` for a malformed header or a set of signed headers that leaves out a required one, has one that
    /// the request lacks or repeats; `MissingParameter` naming a required header; `SignatureDoesNotMatch` for another body.
    pub fn parse(request: &Received<'a>) -> Result<Self, WireError> {
        let authorization = header(request.headers, AUTHORIZATION, AUTHORIZATION.as_str())?.unwrap_or_default();
        let authorization = Authorization::parse(authorization)?;
        let mut received = Vec::with_capacity(request.headers.len());
        received.extend(request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        let signed =
            signed_headers(authorization.signed_headers, |name| signed_value(&received, request.authority, name))?;
        let covered = |name: &'static str| match value_of(&signed, name)? {
            Some(value) if !value.is_empty() => Ok(value),
            Some(_) => Err(WireError::missing_parameter(name)),
            // A header that is not there is what to say first.
            None => required_header(request.headers, name).and_then(|_| Err(unsigned(name))),
        };
        let [action, version, date, nonce] = REQUIRED_HEADERS.map(covered);
        let (action, version, date, nonce) = (action?, version?, date?, nonce?);
        let security_token = match value_of(&signed, SECURITY_TOKEN)? {
            None if received.iter().any(|(name, _)| *name == SECURITY_TOKEN) => return Err(unsigned(SECURITY_TOKEN)),
            token => token,
        };
        let (content_hash_name, content_hash) = content_hash(request.headers, &signed, authorization.hash)?;
        if !is_hash_of(content_hash, authorization.hash, request.body) {
            return Err(WireError::new(
                super::Code::SignatureDoesNotMatch,
                format!("The header {content_hash_name} does not match the hash of the received body."),
            ));
        }
        Ok(Self {
            request: *request,
            authorization,
            signed,
            content_hash,
            action,
            version,
            date,
            nonce,
            security_token,
        })
    }

    /// The AccessKey that is said to have signed.
    pub fn access_key_id(&self) -> &'a str {
        self.authorization.access_key_id
    }

    /// The operation that the signature covers.
    pub fn action(&self) -> &'a str {
        self.action
    }

    /// The API version that the signature covers.
    pub fn version(&self) -> &'a str {
        self.version
    }

    /// The time of signing as it stands in the request, and the header's name.
    pub fn timestamp(&self) -> (&'static str, &'a str) {
        ("x-acs-date", self.date)
    }

    /// What makes the request unique.
    pub fn nonce(&self) -> &'a str {
        self.nonce
    }

    /// The token of a temporary credential, from the header or else the parameter.
    pub fn security_token(&self) -> Option<&'a str> {
        self.security_token.or_else(|| self.request.params.get("SecurityToken"))
    }

    /// Whether `secret` made this signature; takes the same time wherever the tags differ.
    pub fn verify<'s>(&self, secret: Verifier<'s>) -> Option<SignedWith<'s>> {
        self.is_signed_by(secret, None)
    }

    /// Whether `secret` made this signature over the same request to another host.
    pub fn verify_for<'s>(&self, secret: Verifier<'s>, host: &str) -> Option<SignedWith<'s>> {
        let over_host = self.signed.iter().any(|(name, _)| *name == "host");
        if over_host { self.is_signed_by(secret, Some(host)) } else { None }
    }

    fn is_signed_by<'s>(&self, secret: Verifier<'s>, host: Option<&str>) -> Option<SignedWith<'s>> {
        let Authorization { algorithm, hash, signature, .. } = self.authorization;
        // Clients may write capitals.
        let tag = unhex(signature.as_bytes())?;
        let canonical = mac::hash(hash, self.canonical_request(Values::Given, host).as_slice());
        // A hash tells nothing of what was hashed, so that this needs no wiping.
        let mut string = [0; MAX_ALGORITHM + 1 + TAG_DIGITS];
        let (name, rest) = string.split_at_mut(algorithm.len());
        name.copy_from_slice(algorithm.as_bytes());
        rest[0] = b'\n';
        rest[1..=TAG_DIGITS].copy_from_slice(&hex(canonical.as_bytes()));
        secret.verify(hash, b"", &string[..algorithm.len() + 1 + TAG_DIGITS], &tag)
    }

    /// The canonical request without values, for a message.
    pub fn string_to_sign_names(&self) -> String {
        String::from_utf8_lossy(self.canonical_request(Values::Elided, None).as_slice()).into_owned()
    }

    fn canonical_request(&self, values: Values, host: Option<&str>) -> WipingBuffer {
        let Received { method, path, params, .. } = self.request;
        let headers: usize = self.signed.iter().map(|(name, value)| 2 * name.len() + value.len() + 3).sum();
        let query = || params.iter().filter(|param| param.place() == Place::Query);
        let text: usize = query().map(|param| param.name().len() + param.value().len() + 8).sum();
        let mut out = WipingBuffer::with_capacity(text + text / 4 + headers + path.len() + 128);
        for line in [method.as_str(), path] {
            out.push(line.as_bytes());
            out.push(b"\n");
        }
        write_query(query(), values, &mut out);
        out.push(b"\n");
        for (name, value) in &self.signed {
            out.push(name.as_bytes());
            out.push(b":");
            if values == Values::Given {
                match host {
                    Some(host) if *name == "host" => out.push(host.as_bytes()),
                    _ => out.push(value.trim_ascii()),
                }
            }
            out.push(b"\n");
        }
        out.push(b"\n");
        out.push(self.authorization.signed_headers.as_bytes());
        out.push(b"\n");
        if values == Values::Given {
            out.push(self.content_hash.as_bytes());
        }
        out
    }
}

impl<'a> Authorization<'a> {
    fn parse(text: &'a str) -> Result<Self, WireError> {
        let malformed = || {
            WireError::incomplete_signature(
                "the Authorization header must be of the form \"ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…\"",
            )
        };
        let (algorithm, fields) = text.split_once(' ').ok_or_else(malformed)?;
        let hash = match algorithm {
            "ACS3-HMAC-SHA256" => Hash::Sha256,
            "ACS3-HMAC-SM3" => Hash::Sm3,
            _ => {
                return Err(WireError::incomplete_signature("the algorithm must be ACS3-HMAC-SHA256 or ACS3-HMAC-SM3"));
            }
        };
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in split::parts(fields.as_bytes(), b',') {
            let field = fields[field].trim_ascii();
            let (slot, value) = if let Some(value) = field.strip_prefix("Credential=") {
                (&mut credential, value)
            } else if let Some(value) = field.strip_prefix("SignedHeaders=") {
                (&mut signed_headers, value)
            } else if let Some(value) = field.strip_prefix("Signature=") {
                (&mut signature, value)
            } else {
                return Err(malformed());
            };
            if value.is_empty() || slot.replace(value).is_some() {
                return Err(malformed());
            }
        }
        match (credential, signed_headers, signature) {
            (Some(access_key_id), Some(signed_headers), Some(signature)) => {
                Ok(Self { algorithm, hash, access_key_id, signed_headers, signature })
            }
            _ => Err(malformed()),
        }
    }
}

/// The names of `SignedHeaders`: lower-case, each once; and the value of each. The canonical request has them in the order given, which
/// SDKs sort.
fn signed_headers<'a, V>(
    text: &'a str,
    value: impl Fn(&'a str) -> Result<V, WireError>,
) -> Result<Vec<(&'a str, V)>, WireError> {
    let malformed = "\"SignedHeaders\" must list each name once, in lower case";
    // All at once, and without a branch for each byte.
    if text.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase()) {
        return Err(WireError::incomplete_signature(malformed));
    }
    let mut signed: Vec<(&str, V)> = Vec::with_capacity(16);
    for name in split::parts(text.as_bytes(), b';').map(|part| &text[part]) {
        if signed.len() == MAX_SIGNED_HEADERS {
            return Err(WireError::incomplete_signature(format_args!(
                "at most {MAX_SIGNED_HEADERS} headers can be signed"
            )));
        }
        if name.is_empty() || signed.iter().any(|(other, _)| *other == name) {
            return Err(WireError::incomplete_signature(malformed));
        }
        signed.push((name, value(name)?));
    }
    Ok(signed)
}

/// The one value of a signed header. HTTP/2 carries `host` as the request's authority.
fn signed_value<'a>(
    received: &[(&'a str, &'a [u8])],
    authority: Option<&'a str>,
    name: &str,
) -> Result<&'a [u8], WireError> {
    // Few headers come, and fewer of one length: going through them costs less than hashing a name.
    let mut values = received.iter().filter(|(header, _)| *header == name).map(|(_, value)| *value);
    match (values.next(), values.next(), authority) {
        (Some(value), None, _) => Ok(value),
        (None, None, Some(authority)) if name == "host" => Ok(authority.as_bytes()),
        (None, ..) => {
            Err(WireError::incomplete_signature(format_args!("the signed header {name} is not in the request")))
        }
        (Some(_), Some(_), _) => Err(repeated(name)),
    }
}

/// A header's one value, if it is there.
fn header<'a>(headers: &'a HeaderMap, key: impl AsHeaderName, name: &str) -> Result<Option<&'a str>, WireError> {
    let mut values = headers.get_all(key).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim_ascii())).map_err(|_| invisible(name)),
        (Some(_), Some(_)) => Err(repeated(name)),
    }
}

fn required_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, WireError> {
    header(headers, name, name)?.filter(|value| !value.is_empty()).ok_or_else(|| WireError::missing_parameter(name))
}

/// The text of a signed header; none if it is not signed.
fn value_of<'a>(signed: &[(&'a str, &'a [u8])], name: &str) -> Result<Option<&'a str>, WireError> {
    let Some((_, value)) = signed.iter().find(|(signed, _)| *signed == name) else { return Ok(None) };
    // A header's value has no control characters but tabs (RFC 9110, section 5.5), so that what is ASCII is visible.
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).ok_or_else(|| invisible(name))?;
    Ok(Some(text.trim_ascii()))
}

fn unsigned(name: &str) -> WireError {
    WireError::incomplete_signature(format_args!("\"SignedHeaders\" must include {name}"))
}

fn invisible(name: &str) -> WireError {
    WireError::incomplete_signature(format_args!("the header {name} must consist of visible ASCII characters"))
}

/// The header with the body's hash: its name and value.
fn content_hash<'a>(
    headers: &HeaderMap,
    signed: &[(&'a str, &'a [u8])],
    hash: Hash,
) -> Result<(&'static str, &'a str), WireError> {
    let names: &[&'static str] = match hash {
        Hash::Sm3 => &["x-acs-content-sm3", "x-acs-content-sha256"],
        _ => &["x-acs-content-sha256"],
    };
    for &name in names {
        if let Some(value) = value_of(signed, name)? {
            return Ok((name, value));
        }
        if header(headers, name, name)?.is_some() {
            return Err(unsigned(name));
        }
    }
    Err(WireError::missing_parameter(names[0]))
}

fn repeated(name: &str) -> WireError {
    WireError::incomplete_signature(format_args!("the request has the header {name} more than once"))
}

/// `name=value&…`, both canonically encoded, so that no two queries give the same text.
fn write_query<'p>(params: impl Iterator<Item = &'p Param<'p>>, values: Values, out: &mut WipingBuffer) {
    let mut separator: &[u8] = b"";
    for param in params {
        out.push(separator);
        separator = b"&";
        percent::encode(param.name().as_bytes(), out);
        out.push(b"=");
        if values == Values::Given {
            percent::encode(param.value().as_bytes(), out);
        }
    }
}

/// The lower-case digits of a hash or tag of 32 bytes, as both algorithms give.
fn hex(bytes: &[u8]) -> [u8; TAG_DIGITS] {
    // Computed, not looked up: many digits at a time, and no address depends on a tag.
    let digit = |four_bits: u8| four_bits + if four_bits < 10 { b'0' } else { b'a' - 10 };
    let mut text = [0; TAG_DIGITS];
    for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

/// The 32 bytes of a tag in hexadecimal digits, of either case.
fn unhex(text: &[u8]) -> Option<[u8; TAG_DIGITS / 2]> {
    let value = |digit: u8| (digit & 15).wrapping_add((digit >> 6) * 9);
    // All at once, and without a branch for each byte.
    let are_digits = |digits: &&[u8; TAG_DIGITS]| digits.iter().fold(true, |all, byte| all & byte.is_ascii_hexdigit());
    let digits = <&[u8; TAG_DIGITS]>::try_from(text).ok().filter(are_digits)?;
    let mut bytes = [0; TAG_DIGITS / 2];
    for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks().0) {
        *byte = value(*high) << 4 | value(*low) & 15;
    }
    Some(bytes)
}

/// Whether `text` is the hash of a body, in hexadecimal digits. Most bodies are empty.
fn is_hash_of(text: &str, hash: Hash, body: &[u8]) -> bool {
    static OF_NOTHING: [OnceLock<[u8; TAG_DIGITS]>; 2] = [const { OnceLock::new() }; 2];
    let digits = || hex(mac::hash(hash, body).as_bytes());
    let expected = match body.is_empty() {
        true => OF_NOTHING[usize::from(hash == Hash::Sm3)].get_or_init(digits),
        false => &digits(),
    };
    text.as_bytes().eq_ignore_ascii_case(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_in_either_case_and_nothing_else_is() {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8 * 8 + 7);
        let digits = hex(&bytes);
        assert_eq!(unhex(&digits), Some(bytes));
        assert_eq!(unhex(&digits.to_ascii_uppercase()), Some(bytes));
        for at in [0, 1, 63] {
            for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_hexdigit()) {
                let mut wrong = digits;
                wrong[at] = other;
                assert_eq!(unhex(&wrong), None, "{other}");
            }
        }
        assert_eq!((unhex(&digits[..63]), unhex(b"")), (None, None));
    }
}
