//! Ciphertext blobs: what Encrypt gives and Decrypt takes. Specified in `docs/ciphertext-format.md`.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format: 1, or 2 for keys in an HSM; 128 more where the plaintext is text |
//! | 1 | algorithm: 1 XAES-256-GCM; 2, 3, 4 the same over AES-192, AES-128, SM4; all with key commitment |
//! | 16 | key id |
//! | 16 | key version id |
//! | the rest | nonce, commitment, ciphertext and tag, see [`yaoku_crypto::aead`] |
//!
//! In format 2, algorithms 1, 2 and 3 are plain AES-GCM with a key of 256, 192 or 128 bits, and the rest is nonce, ciphertext
//! and tag, see [`yaoku_crypto::pkcs11::aead`].
//!
//! Text is sealed with a byte before it that says so: see [`Content`].
//!
//! The additional authenticated data is those first 34 bytes followed by the canonical encoding of the encryption
//! context, so a blob opens only as what it says it is, under the one key version it names.

use std::ops::Deref;

use yaoku_crypto::aead::{Algorithm, CommittingAead, OVERHEAD};
use yaoku_crypto::pkcs11::{self, TokenKey};
use yaoku_crypto::{Random, Secret};

use zeroize::Zeroizing;

use crate::{EncryptionContext, Error, KeyId, KeyVersionId, ProtectionLevel};

/// Bytes before the sealed part.
pub const HEADER_LEN: usize = 34;
/// In the format byte of a blob whose sealed part begins with a byte that says what the plaintext is.
const MARKED: u8 = 0x80;
/// That byte, where the plaintext is text.
const TEXT: u8 = 1;

/// What a plaintext is, which a ciphertext keeps with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// Bytes.
    #[default]
    Bytes,
    /// Text in UTF-8 that the caller gave as it is: who decrypts it gets this text, in no encoding of a protocol's.
    Text,
}

/// What a blob says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Where the key is, and so how it encrypts.
    pub protection: ProtectionLevel,
    /// What the plaintext is.
    pub content: Content,
    /// The algorithm of the key version.
    pub algorithm: Algorithm,
    /// The key.
    pub key: KeyId,
    /// The version of the key.
    pub version: KeyVersionId,
}

impl Header {
    /// Splits a blob into what it says of itself and its sealed part.
    ///
    /// # Errors
    /// [`Error::Ciphertext`] for anything that no version of yaoku has made.
    pub fn parse(blob: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (header, sealed) = blob.split_first_chunk::<HEADER_LEN>().ok_or(Error::Ciphertext)?;
        let [format, algorithm, ids @ ..] = header;
        let algorithm = algorithm_of_code(*algorithm).ok_or(Error::Ciphertext)?;
        let (content, mark) = if format & MARKED == 0 { (Content::Bytes, 0) } else { (Content::Text, 1) };
        let (protection, overhead) = match (format & !MARKED, algorithm) {
            (1, _) => (ProtectionLevel::Software, OVERHEAD),
            (2, Algorithm::Aes256 | Algorithm::Aes192 | Algorithm::Aes128) => {
                (ProtectionLevel::Hsm, pkcs11::aead::OVERHEAD)
            }
            _ => return Err(Error::Ciphertext),
        };
        if sealed.len() < overhead + mark {
            return Err(Error::Ciphertext);
        }
        let (key, version) = ids.split_at(16);
        let id = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).map_err(|_| Error::Ciphertext);
        let header = Self {
            protection,
            content,
            algorithm,
            key: KeyId::from_bytes(id(key)?),
            version: KeyVersionId::from_bytes(id(version)?),
        };
        Ok((header, sealed))
    }

    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0] = match self.protection {
            ProtectionLevel::Software => 1,
            ProtectionLevel::Hsm => 2,
        };
        out[0] |= match self.content {
            Content::Bytes => 0,
            Content::Text => MARKED,
        };
        out[1] = code(self.algorithm);
        out[2..18].copy_from_slice(self.key.as_bytes());
        out[18..].copy_from_slice(self.version.as_bytes());
        out
    }

    fn aad(&self, context: &EncryptionContext) -> Vec<u8> {
        let mut aad = Vec::with_capacity(256);
        aad.extend_from_slice(&self.encode());
        context.encode_into(&mut aad);
        aad
    }
}

/// Seals `plaintext` into a blob.
///
/// # Errors
/// When the random number generator fails.
pub fn seal(
    header: Header,
    cipher: &CommittingAead,
    random: &dyn Random,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut blob = Vec::with_capacity(HEADER_LEN + OVERHEAD + 1 + plaintext.len());
    blob.extend_from_slice(&header.encode());
    cipher.seal(random, &header.aad(context), &mark(header.content, plaintext), &mut blob)?;
    Ok(blob)
}

/// A plaintext as it is sealed.
fn mark(content: Content, plaintext: &[u8]) -> Marked<'_> {
    match content {
        Content::Bytes => Marked::Bytes(plaintext),
        Content::Text => {
            let mut marked = Zeroizing::new(Vec::with_capacity(1 + plaintext.len()));
            marked.push(TEXT);
            marked.extend_from_slice(plaintext);
            Marked::Text(marked)
        }
    }
}

enum Marked<'a> {
    Bytes(&'a [u8]),
    Text(Zeroizing<Vec<u8>>),
}

impl Deref for Marked<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(marked) => marked,
        }
    }
}

/// The plaintext in what was sealed; none if that is not what the header says.
fn unmark(content: Content, sealed: Secret) -> Option<Secret> {
    match (content, sealed.expose()) {
        (Content::Bytes, _) => Some(sealed),
        (Content::Text, [TEXT, text @ ..]) => std::str::from_utf8(text).ok().map(|text| Secret::new(text.into())),
        (Content::Text, _) => None,
    }
}

/// Opens the sealed part of a blob.
///
/// # Errors
/// [`Error::Ciphertext`] whatever is wrong with it.
pub fn open(
    header: Header,
    cipher: &CommittingAead,
    context: &EncryptionContext,
    sealed: &[u8],
) -> Result<Secret, Error> {
    let opened = cipher.open(&header.aad(context), sealed).map_err(|_| Error::Ciphertext)?;
    unmark(header.content, opened).ok_or(Error::Ciphertext)
}

/// A message that waits for the HSM: what its bytes are bound to, and their header.
pub(crate) struct InToken {
    content: Content,
    header: [u8; HEADER_LEN],
    aad: Vec<u8>,
}

impl InToken {
    pub(crate) fn new(header: &Header, context: &EncryptionContext) -> Self {
        Self { content: header.content, header: header.encode(), aad: header.aad(context) }
    }

    /// As [`seal`].
    pub(crate) fn seal(
        &self,
        key: &TokenKey,
        random: &dyn Random,
        plaintext: &Secret,
    ) -> Result<Vec<u8>, yaoku_crypto::Error> {
        let mut blob = Vec::with_capacity(HEADER_LEN + pkcs11::aead::OVERHEAD + 1 + plaintext.len());
        blob.extend_from_slice(&self.header);
        key.seal(random, &self.aad, &mark(self.content, plaintext.expose()), &mut blob)?;
        Ok(blob)
    }

    /// As [`open`].
    pub(crate) fn open(&self, key: &TokenKey, sealed: &[u8]) -> Result<Secret, yaoku_crypto::Error> {
        unmark(self.content, key.open(&self.aad, sealed)?).ok_or(yaoku_crypto::Error::Open)
    }
}

const fn code(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Aes256 => 1,
        Algorithm::Aes192 => 2,
        Algorithm::Aes128 => 3,
        Algorithm::Sm4 => 4,
    }
}

const fn algorithm_of_code(code: u8) -> Option<Algorithm> {
    match code {
        1 => Some(Algorithm::Aes256),
        2 => Some(Algorithm::Aes192),
        3 => Some(Algorithm::Aes128),
        4 => Some(Algorithm::Sm4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use yaoku_crypto::SystemRandom;

    fn header(key: u8, version: u8) -> Header {
        Header {
            protection: ProtectionLevel::Software,
            content: Content::Bytes,
            algorithm: Algorithm::Aes256,
            key: KeyId::from_bytes([key; 16]),
            version: KeyVersionId::from_bytes([version; 16]),
        }
    }

    fn cipher() -> CommittingAead {
        CommittingAead::new(Algorithm::Aes256, &Secret::new(vec![7; 32])).unwrap()
    }

    #[test]
    fn a_blob_of_one_key_never_opens_under_another_with_equal_material() {
        let (cipher, context) = (cipher(), EncryptionContext::default());
        let blob = seal(header(1, 1), &cipher, &SystemRandom, &context, b"text").unwrap();
        let (parsed, sealed) = Header::parse(&blob).unwrap();
        assert_eq!(parsed, header(1, 1));
        assert!(open(parsed, &cipher, &context, sealed).unwrap().ct_eq(b"text"));
        for other in [header(2, 1), header(1, 2)] {
            assert!(matches!(open(other, &cipher, &context, sealed), Err(Error::Ciphertext)));
        }
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let (cipher, context) = (cipher(), EncryptionContext::default());
        for content in [Content::Bytes, Content::Text] {
            let header = Header { content, ..header(1, 1) };
            let blob = seal(header, &cipher, &SystemRandom, &context, b"\x01text").unwrap();
            for bit in 0..blob.len() * 8 {
                let mut changed = blob.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let opened = Header::parse(&changed).and_then(|(h, sealed)| open(h, &cipher, &context, sealed));
                assert!(matches!(opened, Err(Error::Ciphertext)), "{content:?}, bit {bit}");
            }
        }
    }

    #[test]
    fn text_and_bytes_come_back_as_what_they_were() {
        let (cipher, context) = (cipher(), EncryptionContext::default());
        for content in [Content::Bytes, Content::Text] {
            for plaintext in ["", "\u{1}", "abcdefg", "钥\r\n\0"] {
                let header = Header { content, ..header(1, 1) };
                let blob = seal(header, &cipher, &SystemRandom, &context, plaintext.as_bytes()).unwrap();
                let (parsed, sealed) = Header::parse(&blob).unwrap();
                assert_eq!(parsed, header);
                assert!(open(parsed, &cipher, &context, sealed).unwrap().ct_eq(plaintext.as_bytes()));
            }
        }
    }

    /// Whoever holds the key could make one; no caller of this server can.
    #[test]
    fn a_sealed_part_that_is_no_text_is_not_taken_for_text() {
        let (cipher, context) = (cipher(), EncryptionContext::default());
        let header = Header { content: Content::Text, ..header(1, 1) };
        for sealed in [&b""[..], b"text", b"\x02text", b"\0", b"\x01\xff"] {
            let mut blob = header.encode().to_vec();
            cipher.seal(&SystemRandom, &header.aad(&context), sealed, &mut blob).unwrap();
            let opened = Header::parse(&blob).and_then(|(header, sealed)| open(header, &cipher, &context, sealed));
            assert!(matches!(opened, Err(Error::Ciphertext)), "{sealed:?}");
        }
    }

    #[test]
    fn each_algorithm_is_known_by_its_number() {
        assert_eq!(Algorithm::ALL.map(code), [1, 2, 3, 4]);
        assert!(Algorithm::ALL.into_iter().all(|algorithm| algorithm_of_code(code(algorithm)) == Some(algorithm)));
        assert!([0, 5, 255].into_iter().all(|code| algorithm_of_code(code).is_none()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Header::parse(&bytes);
        }
    }
}
