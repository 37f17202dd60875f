//! Keys from passphrases: Argon2id (RFC 9106), version 1.3, without secret and associated data.

use argon2::{Algorithm, Argon2, Params, Version};

use crate::{Error, Secret};

/// What deriving a key costs, to an attacker as to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB: 8 MiB to 1 GiB.
    pub memory_kib: u32,
    /// Passes over the memory: 1 to 64.
    pub passes: u32,
    /// Lanes: 1 to 16.
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106's second recommended option, for where memory is scarce: 64 MiB, 3 passes, 4 lanes.
    pub const DEFAULT: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 4 };

    const fn is_acceptable(self) -> bool {
        let memory = self.memory_kib >= 8 << 10 && self.memory_kib <= 1 << 20;
        memory && self.passes >= 1 && self.passes <= 64 && self.lanes >= 1 && self.lanes <= 16
    }
}

/// Derives 32 bytes.
///
/// # Errors
/// [`Error::PassphraseParameters`] for a cost outside its bounds: a hostile file can't make this use up the memory.
pub fn derive(passphrase: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Secret, Error> {
    if !cost.is_acceptable() {
        return Err(Error::PassphraseParameters);
    }
    derive_unbounded(passphrase, salt, cost)
}

fn derive_unbounded(passphrase: &Secret, salt: &[u8], cost: Cost) -> Result<Secret, Error> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32));
    let params = params.map_err(|_| Error::PassphraseParameters)?;
    let mut key = vec![0; 32];
    let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
        passphrase.expose(),
        salt,
        &mut key,
    );
    let key = Secret::new(key);
    result.map(|()| key).map_err(|_| Error::Library("Argon2id fails"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `echo -n password | argon2 somesalt -id -v 13 -t 2 -m 16 -p 1 -l 32 -r`, as in the test suite of the reference
    /// implementation (phc-winner-argon2, test.c).
    #[test]
    fn the_reference_implementations_vector() {
        let key = derive_unbounded(
            &Secret::new(b"password".to_vec()),
            b"somesalt",
            Cost { memory_kib: 1 << 16, passes: 2, lanes: 1 },
        );
        let hex: String = key.unwrap().expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[test]
    fn costs_beyond_their_bounds_are_refused() {
        let cost = Cost { memory_kib: 8 << 10, passes: 1, lanes: 1 };
        let passphrase = Secret::new(b"p".to_vec());
        assert!(derive(&passphrase, &[0; 16], cost).is_ok());
        for wrong in [
            Cost { memory_kib: 8, ..cost },
            Cost { memory_kib: u32::MAX, ..cost },
            Cost { passes: 0, ..cost },
            Cost { passes: 65, ..cost },
            Cost { lanes: 0, ..cost },
            Cost { lanes: 17, ..cost },
        ] {
            assert!(matches!(derive(&passphrase, &[0; 16], wrong), Err(Error::PassphraseParameters)), "{wrong:?}");
        }
    }
}
