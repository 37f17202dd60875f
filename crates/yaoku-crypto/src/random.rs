//! Where random bytes come from.

use crate::Error;

/// A source of random bytes, fit for keys and nonces. Tests put known bytes in its place.
pub trait Random: Send + Sync {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`Error::Random`]; what `out` then holds must not be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), Error>;
}

/// The random number generator of AWS-LC (CTR_DRBG, NIST SP 800-90Ar1), seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        aws_lc_rs::rand::fill(out).map_err(|_| Error::Random)
    }
}
