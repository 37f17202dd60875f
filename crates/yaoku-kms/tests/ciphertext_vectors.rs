//! Blobs made by another implementation open here, and only as they should.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::HashMap;

use yaoku_crypto::Secret;
use yaoku_crypto::aead::{Algorithm, CommittingAead};
use yaoku_kms::blob::{Content, Header, open};
use yaoku_kms::{EncryptionContext, Error, KeyId, KeyVersionId, ProtectionLevel};

#[test]
fn blobs_of_another_implementation_open() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 80);
    for vector in &vectors {
        let number = &vector["number"];
        let key = hex(&vector["key"]);
        let algorithm = match (vector["cipher"].as_str(), key.len()) {
            ("AES", 32) => Algorithm::Aes256,
            ("AES", 24) => Algorithm::Aes192,
            ("AES", 16) => Algorithm::Aes128,
            ("SM4", 16) => Algorithm::Sm4,
            other => panic!("{other:?}"),
        };
        let blob = hex(&vector["blob"]);
        let (header, sealed) = Header::parse(&blob).unwrap();
        let named = Header {
            protection: ProtectionLevel::Software,
            content: if vector.contains_key("content") { Content::Text } else { Content::Bytes },
            algorithm,
            key: KeyId::parse(&vector["key id"]).unwrap(),
            version: KeyVersionId::parse(&vector["version id"]).unwrap(),
        };
        assert_eq!(header, named, "vector {number}");
        let cipher = CommittingAead::new(algorithm, &Secret::new(key)).unwrap();
        let context = context(&vector["context"]);
        let plaintext = open(header, &cipher, &context, sealed).unwrap();
        assert!(plaintext.ct_eq(&hex(&vector["plaintext"])), "vector {number}");
        let other = EncryptionContext::new([("other".into(), "context".into())]).unwrap();
        assert!(matches!(open(header, &cipher, &other, sealed), Err(Error::Ciphertext)), "vector {number}");
    }
}

fn vectors() -> Vec<HashMap<String, String>> {
    let text = include_str!("vectors/ciphertext.txt");
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    let fields = |paragraph: &str| {
        let lines = paragraph.lines().filter(|line| !line.starts_with('#'));
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        lines.filter_map(field).collect()
    };
    paragraphs.map(fields).collect()
}

fn context(text: &str) -> EncryptionContext {
    let string = |digits: &str| String::from_utf8(hex(digits)).unwrap();
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    EncryptionContext::new(pairs.map(|(key, value)| (string(key), string(value)))).unwrap()
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
