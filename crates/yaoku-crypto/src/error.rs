//! What can go wrong.

/// Why an operation failed. No variant carries or describes a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No random bytes could be had. Nothing was encrypted or drawn.
    #[error("the system's random number generator failed")]
    Random,
    /// The key material is not as long as the algorithm's keys are.
    #[error("the key material has {actual} bytes, but the algorithm needs {expected}")]
    KeyLength {
        /// Bytes of a key.
        expected: usize,
        /// Bytes that were given.
        actual: usize,
    },
    /// The key material is malformed, of another kind than said, or its parts do not belong together.
    #[error("the key material does not match the kind of key")]
    Material,
    /// The algorithm is not one for keys of this kind.
    #[error("the algorithm does not match the kind of key")]
    WrongAlgorithm,
    /// What is to be signed or verified has not the length that the algorithm takes.
    #[error("{actual} bytes to sign or verify, but the algorithm takes {least} to {most}")]
    DigestLength {
        /// The fewest bytes that it takes.
        least: usize,
        /// The most bytes that it takes.
        most: usize,
        /// Bytes that were given.
        actual: usize,
    },
    /// Wrong key, AAD, or damaged bytes: never said which.
    #[error("the sealed bytes can't be opened")]
    Open,
    /// A public key is malformed, of another kind than said, or not for this algorithm.
    #[error("the public key can't be used: {0}")]
    PublicKey(&'static str),
    /// The plaintext does not fit under the public key and algorithm.
    #[error("the plaintext of {actual} bytes is longer than the {limit} bytes that the wrapping key takes")]
    PlaintextTooLong {
        /// The most bytes that fit.
        limit: usize,
        /// Bytes that were given.
        actual: usize,
    },
    /// SM2 is not defined for the empty plaintext (GB/T 32918.4-2016, 6.1).
    #[error("the plaintext is empty, which SM2 does not encrypt")]
    PlaintextEmpty,
    /// A [`Cost`](crate::passphrase::Cost) outside its bounds.
    #[error("the passphrase parameters are outside the accepted range")]
    PassphraseParameters,
    /// A library refused what it should have taken, or memory ran out. Not the caller's fault.
    #[error("the cryptographic library failed: {0}")]
    Library(&'static str),
    /// The hardware security module can't be reached at present; trying again may help.
    #[error("the HSM is unavailable: {0}")]
    TokenAway(String),
    /// All sessions with the hardware security module are in use, for longer than is waited; trying again may help.
    #[error("the HSM is busy: all sessions with it are in use")]
    TokenBusy,
    /// The hardware security module can't be used as it is set up; an operator must act.
    #[error("the HSM can't be used: {0}")]
    TokenSetup(String),
    /// The hardware security module holds no object of that id.
    #[error("the HSM holds no such key")]
    TokenObject,
    /// The hardware security module refused an operation for a reason that none of the others says.
    #[error("the HSM failed: {0}")]
    Token(String),
}
