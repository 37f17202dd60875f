//! What stands around a blob or a signature: `vault:v3:` and base64, where 3 is the number of the key's version by age.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::failure::{Code, Failure};

/// Characters of a ciphertext: more than any that was made here has.
const MAX: usize = 16_384;
const PREFIX: &str = "vault:v";

/// A blob, and the version that it says it is of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ciphertext {
    pub(super) number: u32,
    pub(super) blob: Vec<u8>,
}

impl Ciphertext {
    /// Reads a ciphertext.
    ///
    /// # Errors
    /// [`Code::Ciphertext`] for what is none.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let why = "the ciphertext must have the form vault:v1: and base64";
        let (number, blob) = split(text).ok_or_else(|| Failure::new(Code::Ciphertext, why))?;
        Ok(Self { number, blob })
    }
}

/// A signature or a message authentication code, and the number of the version that made it.
pub(super) fn parse_signature(text: &str) -> Result<(u32, Vec<u8>), Failure> {
    split(text).ok_or_else(|| Failure::invalid("the signature must have the form vault:v1: and base64"))
}

fn split(text: &str) -> Option<(u32, Vec<u8>)> {
    if text.len() > MAX {
        return None;
    }
    let (number, encoded) = text.strip_prefix(PREFIX)?.split_once(':')?;
    let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let number = number.parse().ok().filter(|_| plain)?;
    Some((number, yaoku_gate::base64::decode(encoded, MAX).ok()?))
}

/// Bytes with what stands around them.
pub(super) struct Numbered<'a>(pub(super) u32, pub(super) &'a [u8]);

impl fmt::Display for Numbered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:{}", self.0, STANDARD.encode(self.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_ciphertext_is_refused() {
        for text in [
            "",
            "vault:",
            "vault:v:",
            "vault:v0:",
            "vault:v01:aGk=",
            "vault:v-1:aGk=",
            "vault:v1:aGk",
            "v1:aGk=",
            "vault:v+1:aGk=",
            "vault:v4294967296:aGk=",
            "vault:v1",
            &format!("vault:v1:{}", "A".repeat(MAX)),
        ] {
            assert_eq!(Ciphertext::parse(text).unwrap_err().code, Code::Ciphertext, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_ciphertext_gives_back_what_it_was_made_of(
            number in 1u32.., blob in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            let text = Numbered(number, &blob).to_string();
            prop_assert_eq!(Ciphertext::parse(&text), Ok(Ciphertext { number, blob }));
        }
    }
}
