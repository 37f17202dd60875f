//! Points as JSON Web Keys (RFC 7517, RFC 7518, 6.2).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use yaoku_crypto::exchange::{COORDINATE, Point};

/// Bytes of a key that a client sends. It takes some 280.
pub const MAX_JWK: usize = 4096;

/// Why a client's key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// It is not JSON, or not a key.
    #[error("the body is not a JSON Web Key")]
    Malformed,
    /// It is a key of another kind.
    #[error("the key is not of type EC on P-521, for ECMR")]
    OtherKey,
    /// It has a private part, which nobody must send.
    #[error("the key has a private part, which must never be sent")]
    Private,
    /// It is not a point of the curve.
    #[error("the key is not a point of P-521")]
    NotOnCurve,
}

/// Reads the point that a client wants to have multiplied.
///
/// # Errors
/// [`JwkError`].
pub fn read_point(body: &[u8]) -> Result<Point, JwkError> {
    #[derive(Deserialize)]
    struct Jwk<'a> {
        #[serde(borrow)]
        kty: Cow<'a, str>,
        #[serde(borrow)]
        crv: Option<Cow<'a, str>>,
        #[serde(borrow)]
        alg: Option<Cow<'a, str>>,
        #[serde(borrow)]
        x: Option<Cow<'a, str>>,
        #[serde(borrow)]
        y: Option<Cow<'a, str>>,
        d: Option<serde::de::IgnoredAny>,
    }
    if body.len() > MAX_JWK {
        return Err(JwkError::Malformed);
    }
    let Jwk { kty, crv, alg, x, y, d } = serde_json::from_slice(body).map_err(|_| JwkError::Malformed)?;
    if d.is_some() {
        return Err(JwkError::Private);
    }
    if kty != "EC" || crv.as_deref() != Some("P-521") || alg.is_some_and(|alg| alg != "ECMR") {
        return Err(JwkError::OtherKey);
    }
    let coordinate = |text: Option<Cow<'_, str>>| {
        let bytes = URL_SAFE_NO_PAD.decode(text.ok_or(JwkError::Malformed)?.as_bytes());
        bytes.ok().filter(|bytes| bytes.len() == COORDINATE).ok_or(JwkError::NotOnCurve)
    };
    Point::new(&coordinate(x)?, &coordinate(y)?).map_err(|_| JwkError::NotOnCurve)
}

/// Writes the point that a client gets back.
pub fn write_point(point: &Point) -> Vec<u8> {
    let (x, y) = coordinates(point);
    format!(r#"{{"alg":"ECMR","crv":"P-521","kty":"EC","x":"{x}","y":"{y}"}}"#).into_bytes()
}

/// Writes a key of an advertisement.
pub(crate) fn write_key(point: &Point, algorithm: &str, operation: &str) -> String {
    let (x, y) = coordinates(point);
    format!(r#"{{"alg":"{algorithm}","crv":"P-521","key_ops":["{operation}"],"kty":"EC","x":"{x}","y":"{y}"}}"#)
}

fn coordinates(point: &Point) -> (String, String) {
    (URL_SAFE_NO_PAD.encode(point.x()), URL_SAFE_NO_PAD.encode(point.y()))
}

#[cfg(test)]
mod tests {
    use yaoku_crypto::SystemRandom;
    use yaoku_crypto::exchange::ExchangeKey;

    use super::*;

    fn point() -> Point {
        ExchangeKey::generate(&SystemRandom).unwrap().public().unwrap()
    }

    #[test]
    fn a_point_comes_back() {
        let point = point();
        let text = String::from_utf8(write_point(&point)).unwrap();
        assert_eq!(read_point(text.as_bytes()), Ok(point));
        // What else it has does not matter.
        let more = text.replace(r#""kty""#, r#""key_ops":["deriveKey"],"kid":"a","kty""#);
        assert_eq!(read_point(more.as_bytes()), Ok(point));
        let without = text.replace(r#""alg":"ECMR","#, "");
        assert_eq!(read_point(without.as_bytes()), Ok(point));
    }

    #[test]
    fn what_is_no_point_is_refused() {
        let point = point();
        let (text, (x, _)) = (String::from_utf8(write_point(&point)).unwrap(), coordinates(&point));
        for (from, to, why) in [
            (r#""EC""#, r#""RSA""#, JwkError::OtherKey),
            ("P-521", "P-256", JwkError::OtherKey),
            ("ECMR", "ES512", JwkError::OtherKey),
            (r#""alg":"#, r#""d":"AQ","alg":"#, JwkError::Private),
            (r#""x":"#, r#""z":"#, JwkError::Malformed),
            (&x, &x[1..], JwkError::NotOnCurve),
            (&x, "AA", JwkError::NotOnCurve),
            (&x, "", JwkError::NotOnCurve),
            (r#""x":"#, r#""x":1,"w":"#, JwkError::Malformed),
            (r#""x":"#, r#""x":"AA","x":"#, JwkError::Malformed),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            assert_eq!(read_point(changed.as_bytes()), Err(why), "{from} {to}");
        }
        let off = text.replacen(r#","y":""#, r#","y":"A"#, 1);
        assert_eq!(read_point(off.as_bytes()), Err(JwkError::NotOnCurve));
        assert_eq!(read_point(&vec![b' '; MAX_JWK + 1]), Err(JwkError::Malformed));
        assert_eq!(read_point(b""), Err(JwkError::Malformed));
    }
}
