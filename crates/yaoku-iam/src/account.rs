//! Account ids.

use std::fmt;

use yaoku_crypto::Random;
use yaoku_seal::Domain;

use crate::Error;

/// The 16 decimal digits that name an account, as Alibaba Cloud's do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId([u8; 16]);

impl AccountId {
    /// Reads an account id.
    ///
    /// # Errors
    /// [`Error::AccountId`] unless it is 16 decimal digits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match <[u8; 16]>::try_from(text.as_bytes()) {
            Ok(digits) if digits.iter().all(u8::is_ascii_digit) => Ok(Self(digits)),
            _ => Err(Error::AccountId(text.chars().take(64).collect())),
        }
    }

    /// Draws a new account id: it begins with 1, as the cloud's do.
    ///
    /// # Errors
    /// When the random number generator fails.
    pub fn generate(random: &dyn Random) -> Result<Self, yaoku_crypto::Error> {
        let mut raw = [0; 8];
        random.fill(&mut raw)?;
        let number = 1_000_000_000_000_000 + u64::from_le_bytes(raw) % 1_000_000_000_000_000;
        let mut digits = [0; 16];
        digits.copy_from_slice(format!("{number:016}").as_bytes());
        Ok(Self(digits))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        // Both constructors admit ASCII digits only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The domain whose key seals this account's records.
    pub const fn domain(self) -> Domain {
        Domain(self.0)
    }

    /// The account that a domain belongs to; none for the system's own.
    pub fn of_domain(domain: Domain) -> Option<Self> {
        domain.0.iter().all(u8::is_ascii_digit).then_some(Self(domain.0))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yaoku_crypto::SystemRandom;

    #[test]
    fn generated_ids_parse_and_map_to_their_domain() {
        for _ in 0..100 {
            let id = AccountId::generate(&SystemRandom).unwrap();
            assert_eq!(AccountId::parse(id.as_str()).unwrap(), id);
            assert_eq!(AccountId::of_domain(id.domain()), Some(id));
        }
        assert_eq!(AccountId::of_domain(Domain::SYSTEM), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "123", "123456789012345a", "12345678901234567", "１２３４５６７８９０１２３４５６"]
        {
            assert!(AccountId::parse(text).is_err(), "{text}");
        }
    }
}
