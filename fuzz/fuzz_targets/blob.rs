//! Ciphertext blobs: any bytes are parsed, and none that nobody sealed opens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaoku_crypto::Secret;
use yaoku_crypto::aead::CommittingAead;
use yaoku_kms::EncryptionContext;
use yaoku_kms::blob::{Header, open};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((header, sealed)) = Header::parse(bytes) {
        let key = Secret::new(vec![0x5a; header.algorithm.key_len()]);
        let cipher = CommittingAead::new(header.algorithm, &key).expect("a key of that length");
        assert!(open(header, &cipher, &EncryptionContext::default(), sealed).is_err());
    }
});
