//! Encryption and decryption under a CMK.

use std::sync::Arc;

use yaoku_crypto::Secret;
use yaoku_crypto::wrapping::WrappingAlgorithm;
use yaoku_iam::{Call, Operation, OperationSpec, Permission};

use super::asymmetric::{self, KeyPair};
use super::numbered::Expected;
use crate::admission::proceed;
use crate::blob::Content;
use crate::keyring::Key;
use crate::material::Cipher;
use crate::resource::{KEY, SERVICE, key_states};
use crate::{EncryptionContext, Error, Field, KeyId, KeyRef, KeyState, KeyVersionId, Kms, blob};

/// The most bytes that Encrypt takes.
pub const MAX_PLAINTEXT: usize = 6144;

const fn spec(name: &'static str, permissions: &'static [Permission]) -> OperationSpec {
    OperationSpec::read(SERVICE, name, &[KEY], key_states::USE).needing(permissions)
}

/// A ciphertext, and what it was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encrypted {
    /// The key.
    pub key: KeyId,
    /// Its version.
    pub version: KeyVersionId,
    /// The version's number: see [`super::numbered`].
    pub number: u32,
    /// See [`crate::blob`].
    pub blob: Vec<u8>,
}

/// A plaintext, and what its ciphertext was made with.
pub struct Decrypted {
    /// The key.
    pub key: KeyId,
    /// Its version.
    pub version: KeyVersionId,
    /// The plaintext.
    pub plaintext: Secret,
    /// Whether it is bytes, or text that was given to Encrypt as it is: every protocol answers text as the text it is.
    pub content: Content,
}

/// Encrypts under the primary version of a key.
pub struct Encrypt {
    /// The key.
    pub key: KeyRef,
    /// 1 to [`MAX_PLAINTEXT`] bytes.
    pub plaintext: Secret,
    /// Whether it is bytes, or text (then in UTF-8).
    pub content: Content,
    /// What the ciphertext is bound to.
    pub context: EncryptionContext,
}

impl Operation for Encrypt {
    type Domain = Kms;
    type Output = Encrypted;
    const SPEC: OperationSpec = spec("Encrypt", &[]);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Encrypted, Error> {
        if !(1..=MAX_PLAINTEXT).contains(&self.plaintext.len()) {
            return Err(Error::invalid(Field::Plaintext, format!("it must be 1 to {MAX_PLAINTEXT} bytes")));
        }
        if self.content == Content::Text && std::str::from_utf8(self.plaintext.expose()).is_err() {
            return Err(Error::invalid(Field::Plaintext, "text must be in UTF-8"));
        }
        let key = kms.admit_bound(call, &Self::SPEC, Self::SPEC.permission(), &self.key, &self.context).await?;
        encrypt(kms, call, &key, &self.context, &self.plaintext, self.content).await
    }
}

/// Decrypts what Encrypt or a data key operation made. Key and version are found in the blob.
pub struct Decrypt {
    /// See [`crate::blob`].
    pub blob: Vec<u8>,
    /// What the ciphertext was bound to.
    pub context: EncryptionContext,
}

impl Operation for Decrypt {
    type Domain = Kms;
    type Output = Decrypted;
    const SPEC: OperationSpec = spec("Decrypt", &[]);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Decrypted, Error> {
        let opened = decrypt(kms, call, &Self::SPEC, Self::SPEC.permission(), &self.blob, &self.context, None).await?;
        proceed(call)?;
        Ok(opened)
    }
}

/// What ReEncrypt decrypts.
pub enum ReEncryptSource {
    /// What Encrypt or a data key operation made.
    Symmetric {
        /// See [`crate::blob`].
        blob: Vec<u8>,
        /// What it is bound to.
        context: EncryptionContext,
    },
    /// What was encrypted with a public key.
    Asymmetric {
        /// The ciphertext.
        ciphertext: Vec<u8>,
        /// The key pair.
        key_pair: KeyPair,
        /// How it was made.
        algorithm: WrappingAlgorithm,
    },
}

/// Decrypts and encrypts anew under another key or context, without showing the plaintext.
pub struct ReEncrypt {
    /// The ciphertext.
    pub source: ReEncryptSource,
    /// The key to encrypt with.
    pub destination: KeyRef,
    /// What the new ciphertext is to be bound to.
    pub destination_context: EncryptionContext,
}

impl ReEncrypt {
    /// Needed on the key that the ciphertext was made with.
    pub const FROM: Permission = Permission("ReEncryptFrom");
    /// Needed on the key to encrypt with.
    pub const TO: Permission = Permission("ReEncryptTo");
}

impl Operation for ReEncrypt {
    type Domain = Kms;
    type Output = Encrypted;
    const SPEC: OperationSpec = spec("ReEncrypt", &[Self::FROM, Self::TO]);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Encrypted, Error> {
        let context = &self.destination_context;
        let destination = kms.admit_bound(call, &Self::SPEC, Self::TO, &self.destination, context).await?;
        let opened = match &self.source {
            ReEncryptSource::Symmetric { blob, context } => {
                decrypt(kms, call, &Self::SPEC, Self::FROM, blob, context, None).await?
            }
            ReEncryptSource::Asymmetric { ciphertext, key_pair, algorithm } => {
                asymmetric::decrypt(kms, call, &Self::SPEC, Self::FROM, key_pair, *algorithm, ciphertext).await?
            }
        };
        encrypt(kms, call, &destination, &self.destination_context, &opened.plaintext, opened.content).await
    }
}

/// Encrypts under a key that was admitted.
pub(crate) async fn encrypt(
    kms: &Kms,
    call: &Call<'_>,
    key: &Arc<Key>,
    context: &EncryptionContext,
    plaintext: &Secret,
    content: Content,
) -> Result<Encrypted, Error> {
    let algorithm = key.record.spec.aead().ok_or(Error::Unsuitable("the key is not symmetric"))?;
    let version = key.record.primary.ok_or(Error::State(KeyState::PendingImport))?;
    let material = kms.material(call, key, version).await?;
    proceed(call)?;
    let header = blob::Header { protection: key.record.protection, content, algorithm, key: key.id, version };
    let blob = match material.cipher()? {
        Cipher::Here(cipher) => blob::seal(header, cipher, kms.vault.random(), context, plaintext.expose())?,
        Cipher::InToken(cipher) => {
            kms.count_message(key, version).await?;
            let (message, cipher) = (blob::InToken::new(&header, context), cipher.clone());
            let (random, plaintext) = (kms.vault.shared_random().clone(), plaintext.duplicate());
            kms.in_token(call, move |_| message.seal(&cipher, random.as_ref(), &plaintext)).await?
        }
    };
    // The primary version is the youngest.
    Ok(Encrypted { key: key.id, version, number: key.record.versions, blob })
}

/// Decrypts with the key that the blob names, which the caller must be allowed to use, and which must be what is expected, if
/// something is.
pub(crate) async fn decrypt(
    kms: &Kms,
    call: &Call<'_>,
    spec: &OperationSpec,
    permission: Permission,
    blob: &[u8],
    context: &EncryptionContext,
    expected: Option<&Expected>,
) -> Result<Decrypted, Error> {
    let (header, sealed) = blob::Header::parse(blob)?;
    // A key that isn't there, or not the caller's, looks like any other blob that does not open.
    let foreign = |error| match error {
        Error::KeyNotFound => Error::Ciphertext,
        Error::Hidden { denial, .. } => Error::Hidden { denial, as_if: Box::new(Error::Ciphertext) },
        other => other,
    };
    let reference = KeyRef::OfAnyAccount(header.key);
    let key = kms.admit_bound(call, spec, permission, &reference, context).await.map_err(foreign)?;
    if let Some(expected) = expected {
        expected.check(kms, call, &key, header.version).await?;
    }
    decrypt_with(kms, call, &key, header, sealed, context).await
}

/// Decrypts with a key that was admitted.
pub(crate) async fn decrypt_with(
    kms: &Kms,
    call: &Call<'_>,
    key: &Key,
    header: blob::Header,
    sealed: &[u8],
    context: &EncryptionContext,
) -> Result<Decrypted, Error> {
    if key.record.spec.aead() != Some(header.algorithm) || key.record.protection != header.protection {
        return Err(Error::Ciphertext);
    }
    let material = match kms.material(call, key, header.version).await {
        Err(Error::KeyVersionNotFound) => return Err(Error::Ciphertext),
        other => other?,
    };
    let plaintext = match material.cipher()? {
        Cipher::Here(cipher) => blob::open(header, cipher, context, sealed)?,
        Cipher::InToken(cipher) => {
            let (message, cipher, sealed) = (blob::InToken::new(&header, context), cipher.clone(), sealed.to_vec());
            // Not through the conversion of errors, for which a ciphertext that does not open is our own failure.
            let opened = kms.in_token(call, move |_| match message.open(&cipher, &sealed) {
                Err(yaoku_crypto::Error::Open) => Ok(None),
                other => other.map(Some),
            });
            opened.await?.ok_or(Error::Ciphertext)?
        }
    };
    Ok(Decrypted { key: key.id, version: header.version, plaintext, content: header.content })
}
