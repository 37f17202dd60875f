//! Names of keys by what they are: thumbprints of RFC 7638 with SHA-256.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yaoku_crypto::exchange::Point;
use yaoku_crypto::mac::{Hash, hash};

/// Names a key by what it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// That of a point.
    pub fn of(point: &Point) -> Self {
        let (x, y) = (URL_SAFE_NO_PAD.encode(point.x()), URL_SAFE_NO_PAD.encode(point.y()));
        // The members that every such key has, in the order of their names, without spaces (RFC 7638, 3.2).
        let members = format!(r#"{{"crv":"P-521","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash(Hash::Sha256, members.as_bytes()).as_bytes());
        Self(bytes)
    }

    /// Reads one as paths have it.
    pub fn read(text: &str) -> Option<Self> {
        // Whatever is longer is none.
        let text = Some(text).filter(|text| text.len() == 43)?;
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use yaoku_crypto::SystemRandom;
    use yaoku_crypto::exchange::ExchangeKey;

    use super::*;

    #[test]
    fn thumbprints_are_read_as_they_are_written() {
        let point = ExchangeKey::generate(&SystemRandom).unwrap().public().unwrap();
        let thumbprint = Thumbprint::of(&point);
        assert_eq!(Thumbprint::read(&thumbprint.to_string()), Some(thumbprint));
        for wrong in ["", "a", &"a".repeat(42), &"a".repeat(44), &"=".repeat(43), &"é".repeat(43)] {
            assert_eq!(Thumbprint::read(wrong), None);
        }
    }
}
