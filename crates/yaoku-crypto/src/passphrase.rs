//! Keys from passphrases: Argon2id (RFC 9106), version 1.3, with a salt of 16 and an output of 32 bytes, without secret and
//! associated data.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::{Error, Secret};

/// What deriving a key costs, to an attacker as to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB: 8 MiB to 1 GiB.
    pub memory_kib: u32,
    /// Passes over the memory: 1 to 64.
    pub passes: u32,
    /// Lanes: 1 to 16. They are part of the result; here they run one after another.
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106's second recommended option, for where memory is scarce: 64 MiB, 3 passes, 4 lanes.
    pub const DEFAULT: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 4 };

    const fn is_acceptable(self) -> bool {
        let memory = self.memory_kib >= 8 << 10 && self.memory_kib <= 1 << 20;
        let lanes = self.lanes >= 1 && self.lanes <= 16;
        // RFC 9106, 3.1: every lane needs 8 KiB.
        let memory_of_lanes = self.lanes <= self.memory_kib / 8;
        memory && lanes && memory_of_lanes && self.passes >= 1 && self.passes <= 64
    }
}

/// Derives 32 bytes. Takes as much memory as `cost` says, and long: not for a thread that others wait for.
///
/// # Errors
/// [`Error::PassphraseParameters`] for a cost outside its bounds, which a damaged or hostile file may ask for;
/// [`Error::Library`] if there is not that much memory.
pub fn derive(passphrase: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Secret, Error> {
    if !cost.is_acceptable() {
        return Err(Error::PassphraseParameters);
    }
    derive_unbounded(passphrase, salt, cost)
}

fn derive_unbounded(passphrase: &Secret, salt: &[u8], cost: Cost) -> Result<Secret, Error> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32));
    let params = params.map_err(|_| Error::PassphraseParameters)?;
    let mut memory = working_memory(params.block_count())?;
    let mut key = vec![0; 32];
    let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        passphrase.expose(),
        salt,
        &mut key,
        memory.as_mut_slice(),
    );
    let key = Secret::new(key);
    result.map(|()| key).map_err(|_| Error::Library("Argon2id does not take the passphrase"))
}

/// Memory that is wiped after use, since the key could be finished from it. Too little of it is an error, not an abort.
fn working_memory(blocks: usize) -> Result<Zeroizing<Vec<Block>>, Error> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks).map_err(|_| Error::Library("there is not enough memory for Argon2id"))?;
    memory.resize(blocks, Block::new());
    Ok(Zeroizing::new(memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 9106, 5.3. It has a secret and associated data, which `derive` has not: this is about the library beneath it.
    #[test]
    fn the_vector_of_rfc_9106() {
        let mut params = argon2::ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(argon2::AssociatedData::new(&[4; 12]).unwrap());
        let params = params.build().unwrap();
        let mut tag = [0; 32];
        Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
            .unwrap()
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        assert_eq!(hex(&tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }

    /// `echo -n password | argon2 somesalt -id -v 13 -t 2 -m 16 -p 1 -l 32 -r`, as in the test suite of the reference
    /// implementation (phc-winner-argon2, test.c).
    #[test]
    fn the_vector_of_the_reference_implementation() {
        let cost = Cost { memory_kib: 1 << 16, passes: 2, lanes: 1 };
        let key = derive_unbounded(&Secret::new(b"password".to_vec()), b"somesalt", cost).unwrap();
        assert_eq!(hex(key.expose()), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    /// Keys that OpenSSL derives, by way of Python's `cryptography` 48:
    /// `Argon2id(salt=bytes(range(16)), length=32, iterations=…, lanes=…, memory_cost=…).derive(…)`.
    #[test]
    fn vectors_of_an_independent_implementation() {
        let salt: [u8; 16] = std::array::from_fn(|i| i as u8);
        for (passphrase, cost, expected) in [
            (
                "correct horse battery staple",
                Cost::DEFAULT,
                "853b272a44db1421c02962669a55eb0994f3cab385ed1c4c79253eee19bab49e",
            ),
            (
                "钥库",
                Cost { memory_kib: 8 << 10, passes: 1, lanes: 16 },
                "4098b72485d0c7d094b38850b6c2dff696c3cb8eb966944d3507fbccf67df072",
            ),
            (
                "",
                Cost { memory_kib: 9000, passes: 2, lanes: 3 },
                "c69ca2400278e07a34fc187369388a8ceb69ff98aad819e2a63ed9e3bd72eef8",
            ),
        ] {
            let key = derive(&Secret::new(passphrase.as_bytes().to_vec()), &salt, cost).unwrap();
            assert_eq!(hex(key.expose()), expected, "{cost:?}");
        }
    }

    #[test]
    fn costs_beyond_their_bounds_are_refused() {
        let cost = Cost { memory_kib: 8 << 10, passes: 1, lanes: 1 };
        let passphrase = Secret::new(b"p".to_vec());
        for wrong in [
            Cost { memory_kib: 0, ..cost },
            Cost { memory_kib: (8 << 10) - 1, ..cost },
            Cost { memory_kib: (1 << 20) + 1, ..cost },
            Cost { memory_kib: u32::MAX, ..cost },
            Cost { passes: 0, ..cost },
            Cost { passes: 65, ..cost },
            Cost { passes: u32::MAX, ..cost },
            Cost { lanes: 0, ..cost },
            Cost { lanes: 17, ..cost },
            Cost { lanes: u32::MAX, ..cost },
        ] {
            assert!(matches!(derive(&passphrase, &[0; 16], wrong), Err(Error::PassphraseParameters)), "{wrong:?}");
        }
    }

    #[test]
    fn costs_at_their_bounds_are_accepted() {
        let cost = Cost::DEFAULT;
        assert!(cost.is_acceptable());
        for right in [
            Cost { memory_kib: 8 << 10, ..cost },
            Cost { memory_kib: 1 << 20, ..cost },
            Cost { passes: 1, ..cost },
            Cost { passes: 64, ..cost },
            Cost { lanes: 1, ..cost },
            Cost { memory_kib: 8 << 10, lanes: 16, ..cost },
        ] {
            assert!(right.is_acceptable(), "{right:?}");
        }
    }
}
