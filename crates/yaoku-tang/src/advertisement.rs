//! What a server advertises: its keys as a JWK set in a signed JWS (RFC 7515, flattened JSON serialization).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yaoku_crypto::exchange::Point;

use crate::jwk::write_key;

/// An advertisement that is still to be signed, with ES512.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// The protected header and the payload, encoded, with a dot between: what is signed (RFC 7515, 5.1).
    signing_input: String,
}

const HEADER: &str = r#"{"alg":"ES512","cty":"jwk-set+json"}"#;

impl Advertisement {
    /// The media type of an advertisement.
    pub const CONTENT_TYPE: &'static str = "application/jose+json";

    /// Advertises exchange keys; `signing` verifies the signature.
    pub fn new<'a>(signing: &Point, exchange: impl IntoIterator<Item = &'a Point>) -> Self {
        let mut keys = vec![write_key(signing, "ES512", "verify")];
        keys.extend(exchange.into_iter().map(|point| write_key(point, "ECMR", "deriveKey")));
        let payload = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
        Self { signing_input: format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(payload)) }
    }

    /// What is to be signed.
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    /// The whole, with its signature.
    pub fn signed(&self, signature: &[u8]) -> Vec<u8> {
        let (header, payload) = self.signing_input.split_once('.').unwrap_or_default();
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#).into_bytes()
    }
}
