//! What a version of a secret holds.

use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;

use crate::{Error, Field};

/// The most bytes that a value can have.
pub const MAX_VALUE: usize = 30_720;

/// What the bytes of a value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueKind {
    /// Text in UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// A value.
pub struct Value {
    /// What its bytes are.
    pub kind: ValueKind,
    /// Its bytes.
    pub bytes: Secret,
}

impl Value {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_VALUE).contains(&self.bytes.len()) {
            return Err(Error::invalid(Field::Value, format!("it must be 1 to {MAX_VALUE} bytes")));
        }
        if self.kind == ValueKind::Text && std::str::from_utf8(self.bytes.expose()).is_err() {
            return Err(Error::invalid(Field::Value, "text must be in UTF-8"));
        }
        Ok(())
    }

    /// Whether it is the same, in time that depends on the lengths only.
    pub(crate) fn is(&self, kind: ValueKind, bytes: &Secret) -> bool {
        self.kind == kind && self.bytes.ct_eq(bytes.expose())
    }
}
