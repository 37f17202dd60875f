//! Algorithms of yaoku, over aws-lc-rs and, for SM2, SM3 and SM4, RustCrypto. Nothing here knows what a key is for,
//! where it is kept or who may use it.
//!
//! | module | what | standard |
//! |---|---|---|
//! | [`aead`] | encryption that commits to its key, with random nonces | XAES-256-GCM (C2SP), KC-XAES; GB/T 32907 |
//! | [`asymmetric`] | key pairs: signatures, decryption | RFC 8017; FIPS 186-5; GB/T 32918; FIPS 204 |
//! | [`exchange`] | point multiplication on P-521 for the McCallum-Relyea exchange, and ES512 | FIPS 186-5, SP 800-186 |
//! | [`mac`] | hashes, HMAC, comparison in constant time | FIPS 180-4, GB/T 32905, RFC 2104 |
//! | [`pkcs11`] | keys that a hardware security module holds and uses | PKCS#11 v2.40 |
//! | [`passphrase`] | keys from passphrases | Argon2id, RFC 9106 |
//! | [`unwrapping`] | key material that was wrapped elsewhere | the above, with AES or SM4 in ECB |
//! | [`wrapping`] | encryption to a public key | RSAES-OAEP, RFC 8017; SM2, GB/T 32918.4 |
//! | [`secret`] | bytes that wipe themselves | |
//! | [`random`] | where random bytes come from | |
//!
//! Secrets go in and come out as [`Secret`]; everything that can fail does so with [`Error`], which never says anything
//! about a secret.

pub mod aead;
mod algorithms;
pub mod asymmetric;
pub mod error;
pub mod exchange;
pub mod mac;
pub mod passphrase;
pub mod pkcs11;
pub mod random;
pub mod secret;
mod stack;
pub mod unwrapping;
pub mod wiping_buffer;
pub mod wrapping;

pub use error::Error;
pub use random::{Random, SystemRandom};
pub use secret::Secret;
