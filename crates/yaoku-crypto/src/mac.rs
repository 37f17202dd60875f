//! Hashes and message authentication codes of request signatures: SHA-1 and SHA-256 (FIPS 180-4), SM3
//! (GB/T 32905-2016), and HMAC (RFC 2104, FIPS 198-1) over each.

use hmac::{KeyInit, Mac};
use sm3::Digest as _;

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, for HMAC only: its collisions do not matter there.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SM3.
    Sm3,
}

/// A hash value or authentication code of up to 32 bytes.
#[derive(Clone, Copy)]
pub struct Digest {
    bytes: [u8; 32],
    len: usize,
}

impl Digest {
    /// The bytes: 20 for SHA-1, 32 otherwise.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn of(value: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let len = value.len().min(32);
        bytes[..len].copy_from_slice(&value[..len]);
        Self { bytes, len }
    }
}

/// The hash of `data`.
pub fn hash(hash: Hash, data: &[u8]) -> Digest {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    match hash {
        Hash::Sha1 => Digest::of(digest(&SHA1_FOR_LEGACY_USE_ONLY, data).as_ref()),
        Hash::Sha256 => Digest::of(digest(&SHA256, data).as_ref()),
        Hash::Sm3 => Digest::of(&sm3::Sm3::digest(data)),
    }
}

/// The HMAC of `data` under `key`.
pub fn hmac(hash: Hash, key: &[u8], data: &[u8]) -> Digest {
    use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, Key, sign};
    match hash {
        Hash::Sha1 => Digest::of(sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key), data).as_ref()),
        Hash::Sha256 => Digest::of(sign(&Key::new(HMAC_SHA256, key), data).as_ref()),
        Hash::Sm3 => {
            #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, 3)")]
            let mut mac = hmac::Hmac::<sm3::Sm3>::new_from_slice(key).expect("a key of any length");
            mac.update(data);
            Digest::of(&mac.finalize().into_bytes())
        }
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}
