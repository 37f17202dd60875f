//! ACS3 signatures: whatever the headers and query, canonicalisation ends, and no made-up signature verifies.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use yaoku_aliyun::wire::credentials::authentication;
use yaoku_aliyun::wire::{Params, Received};
use yaoku_crypto::Secret;
use yaoku_crypto::mac::SigningSecret;

const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fuzz_target!(|input: (&str, &str, Vec<(&str, &[u8])>)| {
    let (query, authorization, extra) = input;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "127.0.0.1"),
        ("x-acs-action", "Encrypt"),
        ("x-acs-version", "2016-01-20"),
        ("x-acs-date", "2026-11-24T02:00:00Z"),
        ("x-acs-signature-nonce", "n"),
        ("x-acs-content-sha256", EMPTY_HASH),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in extra.into_iter().take(100) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    if let Ok(value) = format!("ACS3-HMAC-SHA256 {authorization}").parse() {
        headers.insert("authorization", value);
    }
    let Ok(params) = Params::parse(query.as_bytes(), b"") else { return };
    let received =
        Received { method: &Method::POST, path: "/", authority: None, headers: &headers, params: &params, body: b"" };
    if let Ok(claim) = authentication(&received) {
        let secret = SigningSecret::from(Secret::new(b"a secret that the input can't know".to_vec()));
            assert!(claim.verify(secret.verifier()).is_none());
        let _ = claim.mismatch();
    }
});
