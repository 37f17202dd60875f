//! Operations that name a key's version by its number, as protocols have it whose ciphertexts and signatures say `v3`.
//!
//! Versions are counted by age from 1. A new version is always younger than those that there are, so a number stays the same. Each
//! operation is the one of the same name that knows no numbers: its permission, its states.

use yaoku_crypto::Secret;
use yaoku_crypto::asymmetric::SigningAlgorithm;
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_iam::{Call, Operation, OperationSpec};

use super::asymmetric::{
    AsymmetricDecrypt, AsymmetricEncrypt, AsymmetricSign, AsymmetricVerify, KeyPair, Made, Verified,
};
use super::crypto::{Decrypt, Decrypted, Encrypt, Encrypted, ReEncrypt, decrypt, encrypt};
use crate::admission::proceed;
use crate::blob::Content;
use crate::keyring::Key;
use crate::kms::versions;
use crate::{EncryptionContext, Error, Field, KeyId, KeyRef, KeyVersionId, Kms};

/// What a ciphertext says of itself beside its blob, and must agree with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The key that it was made with.
    pub key: KeyRef,
    /// The number of its version.
    pub number: u32,
}

impl Expected {
    /// Whether a key that the caller may use is the expected one, and that version of it has the number.
    pub(crate) async fn check(
        &self,
        kms: &Kms,
        call: &Call<'_>,
        key: &Key,
        version: KeyVersionId,
    ) -> Result<(), Error> {
        let id = kms.named_key(call, &self.key)?;
        let number = kms.number_of(key, version).await.map_err(of_ciphertext)?;
        if id == key.id && number == self.number { Ok(()) } else { Err(Error::Ciphertext) }
    }
}

/// What is wrong with a ciphertext that names a version which is not there.
fn of_ciphertext(error: Error) -> Error {
    match error {
        Error::KeyVersionNotFound => Error::Ciphertext,
        other => other,
    }
}

/// Encrypts with the newest version of a key, as keys of its kind do it: under a symmetric key, or with the public key of a pair, which
/// takes the permission of AsymmetricEncrypt instead.
pub struct EncryptNumbered {
    /// The key.
    pub key: KeyRef,
    /// At most [`super::crypto::MAX_PLAINTEXT`] bytes; how much a key pair takes is the algorithm's matter.
    pub plaintext: Secret,
    /// What the ciphertext is bound to; nothing where it is made with a public key.
    pub context: EncryptionContext,
    /// How key pairs encrypt.
    pub of_pairs: WrappingAlgorithm,
}

impl Operation for EncryptNumbered {
    type Domain = Kms;
    type Output = Encrypted;
    const SPEC: OperationSpec = Encrypt::SPEC;

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Encrypted, Error> {
        let Self { key, plaintext, context, of_pairs: algorithm } = self;
        if !kms.is_pair(call, &key).await? {
            return Encrypt { key, plaintext, content: Content::Bytes, context }.perform(kms, call).await;
        }
        let (key_pair, number) = numbered(kms, call, &AsymmetricEncrypt::SPEC, key, WhichVersion::Newest).await?;
        binds_nothing(&context)?;
        let made = AsymmetricEncrypt { key_pair, algorithm, plaintext }.perform(kms, call).await?;
        Ok(Encrypted { key: made.key, version: made.version, number, blob: made.bytes })
    }
}

/// Decrypts what says of itself which version of which key made it; with a key pair, which takes the permission of AsymmetricDecrypt
/// instead, what was encrypted with its public key.
pub struct DecryptNumbered {
    /// See [`crate::blob`].
    pub blob: Vec<u8>,
    /// What the ciphertext was bound to.
    pub context: EncryptionContext,
    /// What it says.
    pub expected: Expected,
    /// How key pairs decrypt.
    pub of_pairs: WrappingAlgorithm,
}

impl Operation for DecryptNumbered {
    type Domain = Kms;
    type Output = Decrypted;
    const SPEC: OperationSpec = Decrypt::SPEC;

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Decrypted, Error> {
        let Self { blob, context, expected, of_pairs: algorithm } = self;
        if kms.is_pair(call, &expected.key).await? {
            let (spec, which) = (&AsymmetricDecrypt::SPEC, WhichVersion::Number(expected.number));
            let named = numbered(kms, call, spec, expected.key, which).await;
            let (key_pair, _) = named.map_err(of_ciphertext)?;
            binds_nothing(&context)?;
            return AsymmetricDecrypt { key_pair, algorithm, ciphertext: blob }.perform(kms, call).await;
        }
        let permission = Self::SPEC.permission();
        let opened = decrypt(kms, call, &Self::SPEC, permission, &blob, &context, Some(&expected)).await?;
        proceed(call)?;
        Ok(opened)
    }
}

/// Encrypts anew under the primary version of the same key, without showing the plaintext.
pub struct Rewrap {
    /// See [`crate::blob`].
    pub blob: Vec<u8>,
    /// What the ciphertext is bound to, before and after.
    pub context: EncryptionContext,
    /// What it says of itself.
    pub expected: Expected,
}

impl Operation for Rewrap {
    type Domain = Kms;
    type Output = Encrypted;
    const SPEC: OperationSpec = ReEncrypt::SPEC;

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Encrypted, Error> {
        let Self { blob, context, expected } = self;
        let key = kms.admit_bound(call, &Self::SPEC, ReEncrypt::TO, &expected.key, &context).await?;
        key.record.spec.aead().ok_or(Error::Unsuitable("the key is not symmetric"))?;
        let expected = Some(&expected);
        let opened = decrypt(kms, call, &Self::SPEC, ReEncrypt::FROM, &blob, &context, expected).await?;
        encrypt(kms, call, &key, &context, &opened.plaintext, opened.content).await
    }
}

/// Which version of a key pair is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichVersion {
    /// The youngest.
    Newest,
    /// That of a number.
    Number(u32),
}

/// Signs a digest with a version that is named by its number.
pub struct SignNumbered {
    /// The key.
    pub key: KeyRef,
    /// Its version.
    pub version: WhichVersion,
    /// How.
    pub algorithm: SigningAlgorithm,
    /// The digest.
    pub digest: Vec<u8>,
}

impl Operation for SignNumbered {
    type Domain = Kms;
    /// With the version's number.
    type Output = (Made, u32);
    const SPEC: OperationSpec = AsymmetricSign::SPEC;

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(Made, u32), Error> {
        let Self { key, version, algorithm, digest } = self;
        let (key_pair, number) = numbered(kms, call, &Self::SPEC, key, version).await?;
        Ok((AsymmetricSign { key_pair, algorithm, digest }.perform(kms, call).await?, number))
    }
}

/// Verifies the signature of a digest by a version that is named by its number.
pub struct VerifyNumbered {
    /// The key.
    pub key: KeyRef,
    /// The number of its version.
    pub number: u32,
    /// How it was made.
    pub algorithm: SigningAlgorithm,
    /// The digest.
    pub digest: Vec<u8>,
    /// What is said to be its signature.
    pub signature: Vec<u8>,
}

impl Operation for VerifyNumbered {
    type Domain = Kms;
    type Output = Verified;
    const SPEC: OperationSpec = AsymmetricVerify::SPEC;

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Verified, Error> {
        let Self { key, number, algorithm, digest, signature } = self;
        let (key_pair, _) = numbered(kms, call, &Self::SPEC, key, WhichVersion::Number(number)).await?;
        AsymmetricVerify { key_pair, algorithm, digest, signature }.perform(kms, call).await
    }
}

/// Nothing that is encrypted with a public key can be bound to anything.
fn binds_nothing(context: &EncryptionContext) -> Result<(), Error> {
    match *context == EncryptionContext::default() {
        true => Ok(()),
        false => Err(Error::invalid(Field::EncryptionContext, "what key pairs encrypt is bound to nothing")),
    }
}

/// A version of a key pair that the caller may use, and its number.
async fn numbered(
    kms: &Kms,
    call: &Call<'_>,
    spec: &OperationSpec,
    reference: KeyRef,
    which: WhichVersion,
) -> Result<(KeyPair, u32), Error> {
    let key = kms.admit(call, spec, &reference).await?;
    let all = versions(&kms.vault, &key).await?;
    let number = match which {
        WhichVersion::Newest => u32::try_from(all.len()).unwrap_or(u32::MAX),
        WhichVersion::Number(number) => number,
    };
    let at = number.checked_sub(1).and_then(|at| usize::try_from(at).ok());
    let (version, _) = at.and_then(|at| all.get(at)).ok_or(Error::KeyVersionNotFound)?;
    // By its id, lest an alias be moved to another key meanwhile.
    let key = if key.account == call.principal.account() { key.id.into() } else { reference };
    Ok((KeyPair { key, version: *version }, number))
}

impl Kms {
    /// Whether the key that a caller names is a key pair; a key that is not there is none.
    async fn is_pair(&self, call: &Call<'_>, reference: &KeyRef) -> Result<bool, Error> {
        Ok(self.key_of(call, reference).await?.is_some_and(|key| !key.record.spec.has_primary()))
    }

    /// The id of the key that a caller names.
    fn named_key(&self, call: &Call<'_>, reference: &KeyRef) -> Result<KeyId, Error> {
        match reference {
            KeyRef::Id(id) | KeyRef::OfAccount(_, id) | KeyRef::OfAnyAccount(id) => Ok(*id),
            KeyRef::Alias(name) => Ok(self.alias(call.principal.account(), name).ok_or(Error::AliasNotFound)?.0),
        }
    }

    /// The number of a key's version.
    async fn number_of(&self, key: &Key, version: KeyVersionId) -> Result<u32, Error> {
        if key.record.primary == Some(version) {
            return Ok(key.record.versions);
        }
        if let Some(number) = self.keyring.number(version) {
            return Ok(number);
        }
        let mut found = None;
        for (number, (id, _)) in (1..).zip(versions(&self.vault, key).await?) {
            self.keyring.put_number(id, number);
            if id == version {
                found = Some(number);
            }
        }
        found.ok_or(Error::KeyVersionNotFound)
    }
}
