//! Who says to have sent a request: what both signature schemes tell before the signature is verified.

use http::{HeaderMap, Method};
use yaoku_crypto::mac::{SignedWith, Verifier};

use super::{Params, WireError, signature_acs3::SignatureAcs3, signature_v1::SignatureV1, time::parse_timestamp};

/// The longest string to sign that a message shows, in bytes.
const MAX_SHOWN: usize = 4096;

/// A request as it came in, with all that a signature may cover.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// GET or POST.
    pub method: &'a Method,
    /// The path, undecoded.
    pub path: &'a str,
    /// The authority of the request's target, which stands for the header `host` in HTTP/2.
    pub authority: Option<&'a str>,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The parameters of query and body.
    pub params: &'a Params<'a>,
    /// The body as received, whatever its type.
    pub body: &'a [u8],
}

/// A claim to an identity, not yet proved: look the AccessKey up, then [`verify`](Self::verify).
///
/// Everything in it is covered by the signature, so that once verified it is what the AccessKey's holder meant.
pub struct Authentication<'a> {
    /// The AccessKey that is said to have signed.
    pub access_key_id: &'a str,
    /// The token that comes with a temporary AccessKey.
    pub security_token: Option<&'a str>,
    /// The time of signing in seconds since 1970.
    pub timestamp: i64,
    /// The API version asked for.
    pub version: &'a str,
    /// The action asked for.
    pub action: &'a str,
    nonce: Option<&'a str>,
    signature: Signature<'a>,
}

/// A signature scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Version 1.0, in parameters.
    V1,
    /// `ACS3-HMAC-…`, in headers.
    Acs3,
}

enum Signature<'a> {
    V1(SignatureV1<'a>),
    Acs3(SignatureAcs3<'a>),
}

/// Reads a request's claim: by the `Authorization` header if it has an ACS3 one, by the parameters otherwise.
///
/// # Errors
/// `MissingParameter`, `InvalidParameter`, `IncompleteSignature`, `InvalidTimeStamp.Format`, or `SignatureDoesNotMatch` where
/// the body is not the one whose hash was signed.
pub fn authentication<'a>(request: &Received<'a>) -> Result<Authentication<'a>, WireError> {
    if SignatureAcs3::is_claimed(request.headers) { by_headers(request) } else { by_parameters(request) }
}

fn by_headers<'a>(request: &Received<'a>) -> Result<Authentication<'a>, WireError> {
    let signature = SignatureAcs3::parse(request)?;
    let (name, timestamp) = signature.timestamp();
    Ok(Authentication {
        access_key_id: signature.access_key_id(),
        security_token: signature.security_token().filter(|token| !token.is_empty()),
        timestamp: parse_timestamp(timestamp).ok_or_else(|| WireError::timestamp_format(name))?,
        version: signature.version(),
        action: signature.action(),
        nonce: Some(signature.nonce()),
        signature: Signature::Acs3(signature),
    })
}

fn by_parameters<'a>(request: &Received<'a>) -> Result<Authentication<'a>, WireError> {
    let params = request.params;
    let present = |name| params.get(name).filter(|value| !value.is_empty());
    let required = |name| present(name).ok_or_else(|| WireError::missing_parameter(name));
    Ok(Authentication {
        access_key_id: required("AccessKeyId")?,
        security_token: present("SecurityToken"),
        timestamp: parse_timestamp(required("Timestamp")?).ok_or_else(|| WireError::timestamp_format("Timestamp"))?,
        version: required("Version")?,
        action: required("Action")?,
        nonce: present("SignatureNonce"),
        signature: Signature::V1(SignatureV1::parse(request.method, params)?),
    })
}

impl Authentication<'_> {
    /// The scheme that the request is signed by.
    pub fn scheme(&self) -> Scheme {
        match self.signature {
            Signature::V1(_) => Scheme::V1,
            Signature::Acs3(_) => Scheme::Acs3,
        }
    }

    /// What makes the request unique: its nonce or, for version 1.0 without one, the signature itself.
    pub fn nonce(&self) -> &[u8] {
        match (self.nonce, &self.signature) {
            (Some(nonce), _) => nonce.as_bytes(),
            (None, Signature::V1(signature)) => signature.tag(),
            // The header is required.
            (None, Signature::Acs3(_)) => &[],
        }
    }

    /// Whether `secret`, the AccessKey's, made the signature.
    pub fn verify<'s>(&self, secret: Verifier<'s>) -> Option<SignedWith<'s>> {
        match &self.signature {
            Signature::V1(signature) => signature.verify(secret),
            Signature::Acs3(signature) => signature.verify(secret),
        }
    }

    /// As [`Self::verify`]. A gateway may have asked for another host than its client did: a signature over one of `hosts`
    /// counts as well.
    pub fn verify_for<'s>(&self, secret: Verifier<'s>, hosts: &[String]) -> Option<SignedWith<'s>> {
        self.verify(secret).or_else(|| match &self.signature {
            // It is not over the host.
            Signature::V1(_) => None,
            Signature::Acs3(signature) => hosts.iter().find_map(|host| signature.verify_for(secret, host)),
        })
    }

    /// The answer to a request whose signature is not verified: it shows what this server took to be signed, without values.
    pub fn mismatch(&self) -> WireError {
        let mut shown = match &self.signature {
            Signature::V1(signature) => signature.string_to_sign_names(),
            Signature::Acs3(signature) => signature.string_to_sign_names(),
        };
        if shown.len() > MAX_SHOWN {
            let boundary = (0..=MAX_SHOWN).rev().find(|&at| shown.is_char_boundary(at));
            shown.truncate(boundary.unwrap_or(0));
            shown.push('…');
        }
        WireError::signature_does_not_match(&shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_a_bounded_string_to_sign() {
        let names = (0..500).map(|i| format!("%26%E5%80%BC{i}=v")).collect::<Vec<_>>().join("&");
        let query = format!(
            "{names}&Action=A&Version=1&AccessKeyId=a&Timestamp=2026-11-24T02:00:00Z&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&Signature=AAAA"
        );
        let (headers, params) = (HeaderMap::new(), Params::parse(query.as_bytes(), b"").unwrap());
        let request = Received {
            method: &Method::GET,
            path: "/",
            authority: None,
            headers: &headers,
            params: &params,
            body: b"",
        };
        let claim = authentication(&request).unwrap();
        assert_eq!(claim.nonce(), [0; 3], "the signature stands for the nonce that is not there");
        assert!((MAX_SHOWN..MAX_SHOWN + 300).contains(&claim.mismatch().message.len()));
    }
}
