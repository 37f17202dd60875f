//! Algorithms of yaoku.
#![allow(missing_docs)]
pub mod aead;
pub mod error;
pub mod mac;
pub mod passphrase;
pub mod random;
pub mod secret;
pub mod wrapping;
pub use error::Error;
pub use random::{Random, SystemRandom};
pub use secret::Secret;
