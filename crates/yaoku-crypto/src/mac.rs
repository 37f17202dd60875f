//! Hashes and message authentication codes: SHA-1 and SHA-2 (FIPS 180-4), SM3 (GB/T 32905-2016), and HMAC (RFC 2104,
//! FIPS 198-1) over each.

use std::sync::OnceLock;

use aws_lc_rs::{digest, hmac as aws_hmac};
use hmac::{KeyInit, Mac};
use sm3::Digest as _;
use zeroize::Zeroizing;

use crate::Secret;

use crate::stack::wiping_stack;

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::hash::Hash)]
pub enum Hash {
    /// SHA-1, for HMAC only: its collisions do not matter there.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SM3.
    Sm3,
}

impl Hash {
    /// Bytes of a hash value, and of an authentication code.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 | Self::Sm3 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A hash value or authentication code, on the stack. Codes are compared by [`ct_eq`].
#[derive(Clone, Copy)]
pub struct Digest {
    bytes: [u8; 64],
    len: usize,
}

impl Digest {
    /// The bytes, [`Hash::output_len`] of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn of(value: &[u8]) -> Self {
        let mut bytes = [0; 64];
        let len = value.len().min(64);
        bytes[..len].copy_from_slice(&value[..len]);
        Self { bytes, len }
    }
}

/// The hash of `data`.
pub fn hash(hash: Hash, data: &[u8]) -> Digest {
    match hash {
        Hash::Sha1 => Digest::of(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref()),
        Hash::Sha224 => Digest::of(digest::digest(&digest::SHA224, data).as_ref()),
        Hash::Sha256 => Digest::of(digest::digest(&digest::SHA256, data).as_ref()),
        Hash::Sha384 => Digest::of(digest::digest(&digest::SHA384, data).as_ref()),
        Hash::Sha512 => Digest::of(digest::digest(&digest::SHA512, data).as_ref()),
        Hash::Sm3 => Digest::of(&sm3::Sm3::digest(data)),
    }
}

/// The HMAC of `data` under `key`. Where a key is used more than once, [`HmacKey`] is cheaper.
pub fn hmac(hash: Hash, key: &[u8], data: &[u8]) -> Digest {
    HmacKey::new(hash, key).sign(data)
}

/// As [`hmac`], of data that is a secret: nothing of it stays on the stack.
pub fn hmac_of_secret(hash: Hash, key: &[u8], data: &[u8]) -> Digest {
    wiping_stack(|| hmac(hash, key, data))
}

/// A key of an HMAC, ready for use from any number of threads: the two hash states that depend on the key alone are
/// computed once, when it is made.
pub struct HmacKey(Prepared);

#[expect(clippy::large_enum_variant, reason = "a box would cost each signature an allocation")]
enum Prepared {
    Sha(aws_hmac::Key),
    Sm3(hmac::Hmac<sm3::Sm3>),
}

impl HmacKey {
    /// Prepares a key of any length (RFC 2104, 3: longer than a block of the hash, it is hashed first).
    pub fn new(hash: Hash, key: &[u8]) -> Self {
        Self(match hash {
            Hash::Sha1 => Prepared::Sha(aws_hmac::Key::new(aws_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key)),
            Hash::Sha224 => Prepared::Sha(aws_hmac::Key::new(aws_hmac::HMAC_SHA224, key)),
            Hash::Sha256 => Prepared::Sha(aws_hmac::Key::new(aws_hmac::HMAC_SHA256, key)),
            Hash::Sha384 => Prepared::Sha(aws_hmac::Key::new(aws_hmac::HMAC_SHA384, key)),
            Hash::Sha512 => Prepared::Sha(aws_hmac::Key::new(aws_hmac::HMAC_SHA512, key)),
            Hash::Sm3 => {
                #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, 3)")]
                let key = hmac::Hmac::new_from_slice(key).expect("a key of any length");
                Prepared::Sm3(key)
            }
        })
    }

    /// Prepares key material, in a box, so that nothing of it stays on the stack.
    pub fn of_material(hash: Hash, material: &Secret) -> Box<Self> {
        wiping_stack(|| Box::new(Self::new(hash, material.expose())))
    }

    /// The HMAC of `data`.
    pub fn sign(&self, data: &[u8]) -> Digest {
        match &self.0 {
            Prepared::Sha(key) => Digest::of(aws_hmac::sign(key, data).as_ref()),
            Prepared::Sm3(key) => Digest::of(&key.clone().chain_update(data).finalize().into_bytes()),
        }
    }
}

/// A secret under which many texts are authenticated: what an HMAC needs of the key is computed once for each hash.
pub struct SigningSecret {
    secret: Secret,
    prepared: OnceLock<Box<PreparedKey>>,
}

/// A secret to verify with, and nothing else.
#[derive(Clone, Copy)]
pub struct Verifier<'s>(&'s SigningSecret);

impl<'s> Verifier<'s> {
    /// Whether `tag` is the HMAC of `data` under the secret followed by `ending`; takes the same time wherever the tags differ.
    pub fn verify(self, hash: Hash, ending: &'static [u8], data: &[u8], tag: &[u8]) -> Option<SignedWith<'s>> {
        ct_eq(self.0.hmac(hash, ending, data).as_bytes(), tag).then_some(SignedWith(self.0))
    }

    /// Whether this is the secret; takes the same time wherever they differ.
    pub fn matches(self, secret: &[u8]) -> Option<SignedWith<'s>> {
        self.0.secret.ct_eq(secret).then_some(SignedWith(self.0))
    }
}

/// That something was made with a secret, which only its [`Verifier`] can tell.
pub struct SignedWith<'s>(&'s SigningSecret);

impl SignedWith<'_> {
    /// Whether it was this very secret.
    pub fn is(&self, secret: &SigningSecret) -> bool {
        std::ptr::eq(self.0, secret)
    }
}

/// One of the keys made of a secret, and the next: as many as there are pairs of hash and ending in the program, few.
struct PreparedKey {
    hash: Hash,
    ending: &'static [u8],
    key: HmacKey,
    next: OnceLock<Box<Self>>,
}

impl SigningSecret {
    /// The secret itself.
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The secret for those who may verify with it, and not see it or sign with it.
    pub const fn verifier(&self) -> Verifier<'_> {
        Verifier(self)
    }

    /// The HMAC of `data` under the secret followed by `ending`, which protocols put there.
    pub fn hmac(&self, hash: Hash, ending: &'static [u8], data: &[u8]) -> Digest {
        let prepare = || {
            let key = Zeroizing::new([self.secret.expose(), ending].concat());
            Box::new(PreparedKey { hash, ending, key: HmacKey::new(hash, &key), next: OnceLock::new() })
        };
        let mut place = &self.prepared;
        loop {
            let prepared = place.get_or_init(prepare);
            if (prepared.hash, prepared.ending) == (hash, ending) {
                return prepared.key.sign(data);
            }
            place = &prepared.next;
        }
    }
}

impl From<Secret> for SigningSecret {
    fn from(secret: Secret) -> Self {
        Self { secret, prepared: OnceLock::new() }
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digest: Digest) -> String {
        digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// FIPS 180-4 by way of RFC 3174, 7.3 and RFC 6234, 8.5; GB/T 32905-2016, A.1 and A.2.
    #[test]
    fn hashes() {
        let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let sm3 = b"abcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd";
        for (function, data, expected) in [
            (Hash::Sha1, &b"abc"[..], "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Hash::Sha1, long, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            (Hash::Sha256, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Hash::Sha256, long, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
            (Hash::Sm3, b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
            (Hash::Sm3, sm3, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
        ] {
            assert_eq!(hex(hash(function, data)), expected, "{function:?}");
        }
    }

    /// RFC 2202, 3 (SHA-1) and RFC 4231, 4 (SHA-2). HMAC-SM3 of the same inputs is what OpenSSL 3.0 makes of them:
    /// `openssl mac -digest SM3 -macopt hexkey:… -in … HMAC`.
    #[test]
    fn hmacs() {
        let counted: Vec<u8> = (1..=25).collect();
        let (larger, larger_both) = (
            &b"Test Using Larger Than Block-Size Key - Hash Key First"[..],
            &b"This is a test using a larger than block-size key and a larger than block-size data. \
               The key needs to be hashed before being used by the HMAC algorithm."[..],
        );
        for (function, key, data, expected) in [
            (Hash::Sha1, &[0x0b; 20][..], &b"Hi There"[..], "b617318655057264e28bc0b6fb378c8ef146be00"),
            (Hash::Sha1, b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Hash::Sha1, &[0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (Hash::Sha1, &counted, &[0xcd; 50], "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
            (Hash::Sha1, &[0xaa; 80], larger, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
            (
                Hash::Sha256,
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                Hash::Sha256,
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                Hash::Sha256,
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (Hash::Sha256, &counted, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
            (Hash::Sha256, &[0xaa; 131], larger, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
            (
                Hash::Sha256,
                &[0xaa; 131],
                larger_both,
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
            (
                Hash::Sha224,
                b"Jefe",
                b"what do ya want for nothing?",
                "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
            ),
            (
                Hash::Sha384,
                b"Jefe",
                b"what do ya want for nothing?",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Hash::Sha512,
                b"Jefe",
                b"what do ya want for nothing?",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            (Hash::Sm3, &[0x0b; 20], b"Hi There", "51b00d1fb49832bfb01c3ce27848e59f871d9ba938dc563b338ca964755cce70"),
            (
                Hash::Sm3,
                b"Jefe",
                b"what do ya want for nothing?",
                "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882",
            ),
            (Hash::Sm3, &counted, &[0xcd; 50], "b57c79be03472aeb8cada581dea332cb2ba83d19cb1b052dd07194def75fb8cd"),
            (Hash::Sm3, &[0xaa; 131], larger_both, "5acbdeb0c8c1ef3a99088fe51c0a1d5f4e1c175935f016aee74eb8056db18acb"),
        ] {
            let prepared = HmacKey::new(function, key);
            assert_eq!(hex(hmac(function, key, data)), expected, "{function:?}");
            assert_eq!([(); 2].map(|()| hex(prepared.sign(data))), [expected; 2], "{function:?}");
        }
    }

    #[test]
    fn a_signing_secret_signs_as_its_key_does() {
        let secret = SigningSecret::from(Secret::new(b"secret".to_vec()));
        for _ in 0..2 {
            for (function, ending) in
                [(Hash::Sha256, &b""[..]), (Hash::Sha1, b"&"), (Hash::Sm3, b""), (Hash::Sha1, b"")]
            {
                let key = [b"secret", ending].concat();
                assert_eq!(hex(secret.hmac(function, ending, b"data")), hex(hmac(function, &key, b"data")));
            }
        }
    }

    #[test]
    fn comparison_sees_every_bit_and_the_length() {
        let code = hmac(Hash::Sha256, b"key", b"data");
        assert!(ct_eq(code.as_bytes(), code.as_bytes()) && ct_eq(b"", b""));
        for bit in 0..256 {
            let mut other = code;
            other.bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!ct_eq(code.as_bytes(), other.as_bytes()), "bit {bit}");
        }
        assert!(!ct_eq(code.as_bytes(), &code.as_bytes()[..31]) && !ct_eq(code.as_bytes(), b""));
    }
}
