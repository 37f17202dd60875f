#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the system's random number generator failed")]
    Random,
    #[error("key material of {actual} bytes where the algorithm takes {expected}")]
    KeyLength { expected: usize, actual: usize },
    /// Wrong key, AAD, or damaged bytes: never said which.
    #[error("the sealed bytes do not open")]
    Open,
    #[error("the public key can't be used: {0}")]
    PublicKey(&'static str),
    #[error("the plaintext of {actual} bytes is longer than the {limit} bytes that the wrapping key takes")]
    PlaintextTooLong { limit: usize, actual: usize },
    #[error("the passphrase parameters are outside the accepted range")]
    PassphraseParameters,
    #[error("the cryptographic library failed: {0}")]
    Library(&'static str),
}
