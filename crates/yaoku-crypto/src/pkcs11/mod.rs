//! Keys in a hardware security module (HSM), through PKCS#11 v2.40 (OASIS): made in the token, used in the token, and never
//! outside of it.
//!
//! | module | what |
//! |---|---|
//! | `connection` | the loaded library, the login, a bounded pool of sessions, and getting back what was lost |
//! | `mechanisms`, `capabilities` | the token's own list of mechanisms, and what the token can hold by it |
//! | `keys`, `template` | objects: made, found, destroyed |
//! | `import` | objects unwrapped inside the token |
//! | `aead`, `asymmetric`, `mac` | what keys compute, as in the modules of those names for software |
//!
//! Every function here blocks, for as long as the HSM takes: call them from threads that may.
//!
//! A key is made with `CKA_SENSITIVE` and without `CKA_EXTRACTABLE`, and is looked at afterwards to see that the token took
//! that to heart. It is found by its `CKA_ID`, an [`ObjectId`] of 16 random bytes.

pub mod aead;
mod asymmetric;
mod capabilities;
mod connection;
mod import;
mod keys;
mod mac;
mod mechanisms;
mod template;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cryptoki::object::{ObjectClass, ObjectHandle};

pub use capabilities::{Capability, PairUse, TokenKeyKind};
pub use connection::{Token, TokenDescription, describe};
pub use import::UnwrapAlgorithm;

use crate::{Error, Random, Secret};
use connection::{Failure, Lease};

/// Where the token is, and how to log in to it.
pub struct TokenConfig {
    /// The PKCS#11 library of the HSM's maker.
    pub module: PathBuf,
    /// The token's label; may be absent where the library has one token.
    pub label: Option<String>,
    /// The user PIN, in UTF-8.
    pub pin: Secret,
    /// The most sessions to have open at a time; at least 2 are used.
    pub sessions: usize,
}

/// The name of one key in a token: its `CKA_ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 16]);

impl ObjectId {
    /// Draws a new id.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The id of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A key that a token holds, ready for use from any number of threads.
///
/// It remembers the handle under which the token knows the key; after the token was lost and found again, it looks it up
/// anew.
pub struct TokenKey {
    token: Arc<Token>,
    kind: TokenKeyKind,
    object: ObjectId,
    known: Mutex<Option<Known>>,
}

/// A handle, and the connection that it is good for.
#[derive(Clone, Copy)]
struct Known {
    generation: u64,
    handle: ObjectHandle,
}

impl TokenKey {
    /// The key of that kind and id. Whether the token holds it shows when it is used.
    pub fn new(token: Arc<Token>, kind: TokenKeyKind, object: ObjectId) -> Self {
        Self { token, kind, object, known: Mutex::new(None) }
    }

    /// Uses the key in a session of the token.
    fn with<T>(&self, mut work: impl FnMut(&Lease<'_>, ObjectHandle) -> Result<T, Failure>) -> Result<T, Error> {
        self.token.run(|lease| {
            let handle = self.handle(lease)?;
            let result = work(lease, handle);
            if matches!(&result, Err(failure) if failure.is_of_handle()) {
                *locked(&self.known) = None;
            }
            result
        })
    }

    fn handle(&self, lease: &Lease<'_>) -> Result<ObjectHandle, Failure> {
        let generation = lease.generation();
        if let Some(known) = locked(&self.known).filter(|known| known.generation == generation) {
            return Ok(known.handle);
        }
        let handle = keys::find(lease, self.class(), self.object)?;
        *locked(&self.known) = Some(Known { generation, handle });
        Ok(handle)
    }

    const fn class(&self) -> ObjectClass {
        match self.kind {
            TokenKeyKind::Aead(_) | TokenKeyKind::Mac(_) => ObjectClass::SECRET_KEY,
            TokenKeyKind::KeyPair(..) => ObjectClass::PRIVATE_KEY,
        }
    }
}

/// Locks; what panicked while it held the lock left nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
