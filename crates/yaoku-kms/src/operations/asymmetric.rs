//! What key pairs do: signatures, public-key encryption, and giving out the public key.
//!
//! The caller names the key version, since neither a signature nor a ciphertext made with the public key tells it.

use std::sync::Arc;

use yaoku_crypto::Secret;
use yaoku_crypto::asymmetric::SigningAlgorithm;
use yaoku_crypto::pkcs11::Capability;
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_iam::{Call, Operation, OperationSpec, Permission};

use super::crypto::Decrypted;
use crate::admission::proceed;
use crate::blob::Content;
use crate::material::{Material, Private};
use crate::resource::{KEY, SERVICE, key_states};
use crate::workers::Pace;
use crate::{Error, Field, KeyId, KeyRef, KeyUsage, KeyVersionId, Kms};

const fn spec(name: &'static str) -> OperationSpec {
    OperationSpec::read(SERVICE, name, &[KEY], key_states::USE)
}

/// One version of a key pair.
pub struct KeyPair {
    /// The key.
    pub key: KeyRef,
    /// Its version.
    pub version: KeyVersionId,
}

impl KeyPair {
    /// The key's id and its version's material, if the caller may do `spec` with it.
    async fn admit(
        &self,
        kms: &Kms,
        call: &Call<'_>,
        spec: &OperationSpec,
        usage: Option<KeyUsage>,
    ) -> Result<(KeyId, Arc<Material>), Error> {
        self.admit_as(kms, call, spec, spec.permission(), usage).await
    }

    /// As [`Self::admit`], for an operation whose permission is not its name.
    async fn admit_as(
        &self,
        kms: &Kms,
        call: &Call<'_>,
        spec: &OperationSpec,
        permission: Permission,
        usage: Option<KeyUsage>,
    ) -> Result<(KeyId, Arc<Material>), Error> {
        let key = kms.admit_as(call, spec, permission, &self.key).await?;
        if key.record.spec.has_primary() {
            return Err(Error::Unsuitable("the key is not asymmetric"));
        }
        if usage.is_some_and(|usage| usage != key.record.usage) {
            return Err(Error::Unsuitable("the key has another usage"));
        }
        Ok((key.id, kms.material(call, &key, self.version).await?))
    }
}

/// What one key version made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The key.
    pub key: KeyId,
    /// Its version.
    pub version: KeyVersionId,
    /// A signature, a ciphertext, or a SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7).
    pub bytes: Vec<u8>,
}

/// Signs a digest.
pub struct AsymmetricSign {
    /// With which key.
    pub key_pair: KeyPair,
    /// How.
    pub algorithm: SigningAlgorithm,
    /// The digest.
    pub digest: Vec<u8>,
}

impl Operation for AsymmetricSign {
    type Domain = Kms;
    type Output = Made;
    const SPEC: OperationSpec = spec("AsymmetricSign");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Made, Error> {
        let (key, material) = self.key_pair.admit(kms, call, &Self::SPEC, Some(KeyUsage::SignVerify)).await?;
        proceed(call)?;
        let (algorithm, digest, random) = (self.algorithm, self.digest, kms.vault.shared_random().clone());
        let sign = move |private: &Private| private.sign(algorithm, random.as_ref(), &digest);
        let bytes = with_private_key(kms, call, material, sign).await?;
        Ok(Made { key, version: self.key_pair.version, bytes })
    }
}

/// Whether a signature is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The key.
    pub key: KeyId,
    /// Its version.
    pub version: KeyVersionId,
    /// Whether this version made the signature.
    pub valid: bool,
}

/// Verifies the signature of a digest.
pub struct AsymmetricVerify {
    /// With which key.
    pub key_pair: KeyPair,
    /// How it was made.
    pub algorithm: SigningAlgorithm,
    /// The digest.
    pub digest: Vec<u8>,
    /// What is said to be its signature.
    pub signature: Vec<u8>,
}

impl Operation for AsymmetricVerify {
    type Domain = Kms;
    type Output = Verified;
    const SPEC: OperationSpec = spec("AsymmetricVerify");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Verified, Error> {
        let (key, material) = self.key_pair.admit(kms, call, &Self::SPEC, Some(KeyUsage::SignVerify)).await?;
        let public_key = &material.key_pair()?.public;
        let valid = public_key.verify(self.algorithm, &self.digest, &self.signature).map_err(refused)?;
        proceed(call)?;
        Ok(Verified { key, version: self.key_pair.version, valid })
    }
}

/// Encrypts with the public key.
pub struct AsymmetricEncrypt {
    /// With which key.
    pub key_pair: KeyPair,
    /// How.
    pub algorithm: WrappingAlgorithm,
    /// How much fits is the algorithm's matter.
    pub plaintext: Secret,
}

impl Operation for AsymmetricEncrypt {
    type Domain = Kms;
    type Output = Made;
    const SPEC: OperationSpec = spec("AsymmetricEncrypt");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Made, Error> {
        let (key, material) = self.key_pair.admit(kms, call, &Self::SPEC, Some(KeyUsage::EncryptDecrypt)).await?;
        check_decryption(kms, call, &material, self.algorithm).await?;
        let public_key = &material.key_pair()?.public;
        let bytes = public_key.encrypt(self.algorithm, kms.vault.random(), self.plaintext.expose()).map_err(refused)?;
        proceed(call)?;
        Ok(Made { key, version: self.key_pair.version, bytes })
    }
}

/// Decrypts what was encrypted with the public key.
pub struct AsymmetricDecrypt {
    /// With which key.
    pub key_pair: KeyPair,
    /// How it was made.
    pub algorithm: WrappingAlgorithm,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}

impl Operation for AsymmetricDecrypt {
    type Domain = Kms;
    type Output = Decrypted;
    const SPEC: OperationSpec = spec("AsymmetricDecrypt");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Decrypted, Error> {
        let opened =
            decrypt(kms, call, &Self::SPEC, Self::SPEC.permission(), &self.key_pair, self.algorithm, &self.ciphertext)
                .await?;
        proceed(call)?;
        Ok(opened)
    }
}

/// Gives the public key of a key pair.
pub struct GetPublicKey {
    /// Of which key.
    pub key_pair: KeyPair,
}

impl Operation for GetPublicKey {
    type Domain = Kms;
    type Output = Made;
    const SPEC: OperationSpec = spec("GetPublicKey");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Made, Error> {
        let (key, material) = self.key_pair.admit(kms, call, &Self::SPEC, None).await?;
        proceed(call)?;
        Ok(Made { key, version: self.key_pair.version, bytes: material.key_pair()?.public_der.clone() })
    }
}

/// Decrypts with a private key that the caller must be allowed to use.
pub(crate) async fn decrypt(
    kms: &Kms,
    call: &Call<'_>,
    spec: &OperationSpec,
    permission: Permission,
    key_pair: &KeyPair,
    algorithm: WrappingAlgorithm,
    ciphertext: &[u8],
) -> Result<Decrypted, Error> {
    let (key, material) = key_pair.admit_as(kms, call, spec, permission, Some(KeyUsage::EncryptDecrypt)).await?;
    check_decryption(kms, call, &material, algorithm).await?;
    let ciphertext = ciphertext.to_vec();
    let decrypt = move |private: &Private| private.decrypt(algorithm, &ciphertext);
    let plaintext = with_private_key(kms, call, material, decrypt).await?;
    Ok(Decrypted { key, version: key_pair.version, plaintext, content: Content::Bytes })
}

/// Checks that the HSM, if the private key is in one, decrypts what is encrypted so: some know one hash of RSAES-OAEP only.
async fn check_decryption(
    kms: &Kms,
    call: &Call<'_>,
    material: &Material,
    algorithm: WrappingAlgorithm,
) -> Result<(), Error> {
    if let Private::InToken(_) = material.key_pair()?.private
        && let Capability::Lacking(what) = kms.in_token(call, move |token| token.can_decrypt(algorithm)).await?
    {
        return Err(Error::invalid(Field::Algorithm, format!("the hardware security module lacks {what}")));
    }
    Ok(())
}

/// Uses a private key, elsewhere if that takes long.
async fn with_private_key<T: Send + 'static>(
    kms: &Kms,
    call: &Call<'_>,
    material: Arc<Material>,
    work: impl FnOnce(&Private) -> Result<T, yaoku_crypto::Error> + Send + 'static,
) -> Result<T, Error> {
    let key_pair = material.key_pair()?;
    let (slow, in_token) = (key_pair.private.is_slow(), matches!(key_pair.private, Private::InToken(_)));
    let done = move || material.key_pair().map(|pair| work(&pair.private));
    let done = match (in_token, slow) {
        (true, _) => kms.compute(call, Pace::InToken, done).await?,
        (false, true) => kms.compute(call, Pace::Short, done).await?,
        (false, false) => done(),
    };
    done?.map_err(refused)
}

/// Says what is wrong with an argument; other failures are ours.
fn refused(error: yaoku_crypto::Error) -> Error {
    use yaoku_crypto::Error as Crypto;
    match error {
        Crypto::WrongAlgorithm => Error::invalid(Field::Algorithm, "keys of this spec do not support this algorithm"),
        Crypto::DigestLength { least, most, .. } if least == most => {
            Error::invalid(Field::Digest, format!("it must be {most} bytes for this algorithm"))
        }
        Crypto::DigestLength { least, most, .. } => {
            Error::invalid(Field::Digest, format!("it must be {least} to {most} bytes for this algorithm"))
        }
        Crypto::PlaintextTooLong { limit, .. } => {
            Error::invalid(Field::Plaintext, format!("it must be at most {limit} bytes for this key and algorithm"))
        }
        Crypto::PlaintextEmpty => Error::invalid(Field::Plaintext, "it must not be empty"),
        Crypto::Open => Error::invalid(Field::Ciphertext, "it does not decrypt with this key version and algorithm"),
        other => other.into(),
    }
}
