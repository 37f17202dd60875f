//! Signature 1.0: whatever the parameters, canonicalisation ends, and no made-up signature verifies.
#![no_main]

use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use yaoku_aliyun::wire::credentials::authentication;
use yaoku_aliyun::wire::{Params, Received};
use yaoku_crypto::Secret;
use yaoku_crypto::mac::SigningSecret;

fuzz_target!(|query: &[u8]| {
    let headers = HeaderMap::new();
    let prefix = b"AccessKeyId=a&SignatureVersion=1.0&SignatureMethod=HMAC-SHA1&Version=2016-01-20&Action=Encrypt\
                   &Timestamp=2026-11-24T02:00:00Z&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D";
    for form in [&b""[..], prefix] {
        let Ok(params) = Params::parse(query, form) else { continue };
        let received =
            Received { method: &Method::GET, path: "/", authority: None, headers: &headers, params: &params, body: form };
        if let Ok(claim) = authentication(&received) {
            let secret = SigningSecret::from(Secret::new(b"a secret that the input can't know".to_vec()));
            assert!(claim.verify(secret.verifier()).is_none());
            let _ = claim.mismatch();
        }
    }
});
