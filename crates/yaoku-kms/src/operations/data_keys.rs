//! Data keys: random keys for the caller's own use, handed out under a CMK (envelope encryption).

use std::sync::Arc;

use yaoku_crypto::Secret;
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec, WrappingPublicKey};
use yaoku_iam::{Call, Operation, OperationSpec, Permission};

use super::crypto::{Encrypted, decrypt, encrypt};
use crate::admission::proceed;
use crate::blob::Content;
use crate::keyring::Key;
use crate::resource::{KEY, SERVICE, key_states};
use crate::{EncryptionContext, Error, Field, KeyId, KeyRef, KeyVersionId, Kms};

/// The most bytes that a data key can have.
pub const MAX_DATA_KEY: usize = 1024;

const fn spec(name: &'static str) -> OperationSpec {
    OperationSpec::read(SERVICE, name, &[KEY], key_states::USE)
}

/// What data key to make, under which CMK.
pub struct DataKeyRequest {
    /// The CMK.
    pub key: KeyRef,
    /// Bytes of the data key: 1 to [`MAX_DATA_KEY`].
    pub length: usize,
    /// What the data key's ciphertext is to be bound to.
    pub context: EncryptionContext,
}

impl DataKeyRequest {
    async fn make(self, kms: &Kms, call: &Call<'_>, spec: &OperationSpec) -> Result<(Secret, Encrypted), Error> {
        let (key, data_key) = self.draw(kms, call, spec).await?;
        let encrypted = encrypt(kms, call, &key, &self.context, &data_key, Content::Bytes).await?;
        Ok((data_key, encrypted))
    }

    /// The CMK, and a new data key.
    async fn draw(&self, kms: &Kms, call: &Call<'_>, spec: &OperationSpec) -> Result<(Arc<Key>, Secret), Error> {
        if !(1..=MAX_DATA_KEY).contains(&self.length) {
            return Err(Error::invalid(Field::NumberOfBytes, format!("it must be 1 to {MAX_DATA_KEY}")));
        }
        let key = kms.admit_bound(call, spec, spec.permission(), &self.key, &self.context).await?;
        Ok((key, Secret::random(self.length, kms.vault.random())?))
    }
}

/// A public key that a data key is exported to.
pub struct Export {
    /// Its spec.
    pub spec: WrappingKeySpec,
    /// How to encrypt to it.
    pub algorithm: WrappingAlgorithm,
    /// Its SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7).
    pub public_key: Vec<u8>,
}

impl Export {
    fn public_key(&self) -> Result<WrappingPublicKey, Error> {
        WrappingPublicKey::from_spki_der(self.spec, &self.public_key).map_err(refused)
    }

    fn wrap(&self, kms: &Kms, public_key: &WrappingPublicKey, data_key: &Secret) -> Result<Vec<u8>, Error> {
        public_key.encrypt(self.algorithm, kms.vault.random(), data_key.expose()).map_err(refused)
    }
}

/// Says of a public key what is wrong with it; other failures are ours.
fn refused(error: yaoku_crypto::Error) -> Error {
    use yaoku_crypto::Error as Crypto;
    match error {
        Crypto::PublicKey(_) | Crypto::PlaintextTooLong { .. } => Error::invalid(Field::WrappingKey, error.to_string()),
        other => other.into(),
    }
}

/// A data key in the clear, and its ciphertext.
pub struct DataKey {
    /// The data key.
    pub plaintext: Secret,
    /// The data key under the CMK.
    pub encrypted: Encrypted,
}

/// Makes a data key, and gives it in the clear and encrypted.
pub struct GenerateDataKey(pub DataKeyRequest);

impl Operation for GenerateDataKey {
    type Domain = Kms;
    type Output = DataKey;
    const SPEC: OperationSpec = spec("GenerateDataKey");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<DataKey, Error> {
        let (plaintext, encrypted) = self.0.make(kms, call, &Self::SPEC).await?;
        Ok(DataKey { plaintext, encrypted })
    }
}

/// Makes a data key, and gives it encrypted only.
pub struct GenerateDataKeyWithoutPlaintext(pub DataKeyRequest);

impl Operation for GenerateDataKeyWithoutPlaintext {
    type Domain = Kms;
    type Output = Encrypted;
    const SPEC: OperationSpec = spec("GenerateDataKeyWithoutPlaintext");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Encrypted, Error> {
        Ok(self.0.make(kms, call, &Self::SPEC).await?.1)
    }
}

/// A data key encrypted to a public key.
pub struct ExportedDataKey {
    /// The CMK.
    pub key: KeyId,
    /// Its version.
    pub version: KeyVersionId,
    /// The data key under the public key.
    pub wrapped: Vec<u8>,
}

/// Decrypts a data key and encrypts it to a public key.
pub struct ExportDataKey {
    /// The data key under the CMK.
    pub blob: Vec<u8>,
    /// What it is bound to.
    pub context: EncryptionContext,
    /// Where it goes.
    pub export: Export,
}

impl Operation for ExportDataKey {
    type Domain = Kms;
    type Output = ExportedDataKey;
    const SPEC: OperationSpec = spec("ExportDataKey");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<ExportedDataKey, Error> {
        let public_key = self.export.public_key()?;
        let permission: Permission = Self::SPEC.permission();
        let opened = decrypt(kms, call, &Self::SPEC, permission, &self.blob, &self.context, None).await?;
        let wrapped = self.export.wrap(kms, &public_key, &opened.plaintext)?;
        proceed(call)?;
        Ok(ExportedDataKey { key: opened.key, version: opened.version, wrapped })
    }
}

/// A data key under the CMK and under a public key.
pub struct GeneratedAndExported {
    /// The data key under the CMK.
    pub encrypted: Encrypted,
    /// The data key under the public key.
    pub wrapped: Vec<u8>,
}

/// Makes a data key, and gives it under the CMK and under a public key.
pub struct GenerateAndExportDataKey {
    /// What to make.
    pub request: DataKeyRequest,
    /// Where it goes.
    pub export: Export,
}

impl Operation for GenerateAndExportDataKey {
    type Domain = Kms;
    type Output = GeneratedAndExported;
    const SPEC: OperationSpec = spec("GenerateAndExportDataKey");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<GeneratedAndExported, Error> {
        let public_key = self.export.public_key()?;
        let (key, data_key) = self.request.draw(kms, call, &Self::SPEC).await?;
        let wrapped = self.export.wrap(kms, &public_key, &data_key).map_err(|error| match error {
            // The caller chose the length here.
            Error::Invalid { field: Field::WrappingKey, why } => Error::invalid(Field::NumberOfBytes, why),
            other => other,
        })?;
        let encrypted = encrypt(kms, call, &key, &self.request.context, &data_key, Content::Bytes).await?;
        Ok(GeneratedAndExported { encrypted, wrapped })
    }
}
