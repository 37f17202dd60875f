//! Message authentication codes.

use yaoku_crypto::Secret;
use yaoku_crypto::mac::{Hash, ct_eq};
use yaoku_iam::{Call, Operation, OperationSpec};

use crate::admission::proceed;
use crate::material::MacKey;
use crate::resource::{KEY, SERVICE, key_states};
use crate::spec::Primitive;
use crate::{Error, Field, KeyId, KeyRef, KeyState, Kms};

/// The most bytes of a message.
pub const MAX_MESSAGE: usize = 6144;

const fn spec(name: &'static str) -> OperationSpec {
    OperationSpec::read(SERVICE, name, &[KEY], key_states::USE)
}

/// A message, and the key to authenticate it with.
pub struct MacRequest {
    /// The key.
    pub key: KeyRef,
    /// The hash of the HMAC, which must be the key's.
    pub hash: Hash,
    /// 1 to [`MAX_MESSAGE`] bytes.
    pub message: Secret,
}

impl MacRequest {
    async fn code(&self, kms: &Kms, call: &Call<'_>, spec: &OperationSpec) -> Result<Mac, Error> {
        if !(1..=MAX_MESSAGE).contains(&self.message.len()) {
            return Err(Error::invalid(Field::Message, format!("it must be 1 to {MAX_MESSAGE} bytes")));
        }
        let key = kms.admit(call, spec, &self.key).await?;
        match key.record.spec.primitive() {
            Primitive::Mac(hash) if hash == self.hash => {}
            Primitive::Mac(_) => {
                return Err(Error::invalid(Field::Algorithm, "keys of this spec do not support this algorithm"));
            }
            Primitive::Aead(_) | Primitive::KeyPair(_) => return Err(Error::Unsuitable("the key is not a MAC key")),
        }
        let version = key.record.primary.ok_or(Error::State(KeyState::PendingImport))?;
        let material = kms.material(call, &key, version).await?;
        proceed(call)?;
        let code = match material.mac()? {
            MacKey::Here(mac) => mac.sign(self.message.expose()).as_bytes().to_vec(),
            MacKey::InToken(mac) => {
                let (mac, message) = (mac.clone(), self.message.duplicate());
                kms.in_token(call, move |_| mac.mac(message.expose())).await?
            }
        };
        Ok(Mac { key: key.id, code })
    }
}

/// A message authentication code.
pub struct Mac {
    /// The key that made it.
    pub key: KeyId,
    /// As long as the hash.
    pub code: Vec<u8>,
}

/// Makes a message authentication code (FIPS 198-1).
pub struct GenerateMac(pub MacRequest);

impl Operation for GenerateMac {
    type Domain = Kms;
    type Output = Mac;
    const SPEC: OperationSpec = spec("GenerateMac");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Mac, Error> {
        self.0.code(kms, call, &Self::SPEC).await
    }
}

/// Whether a code is that of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacVerified {
    /// The key.
    pub key: KeyId,
    /// Whether this key made the code.
    pub valid: bool,
}

/// Verifies a message authentication code.
pub struct VerifyMac {
    /// The message and the key.
    pub request: MacRequest,
    /// What is said to be its code.
    pub code: Vec<u8>,
}

impl Operation for VerifyMac {
    type Domain = Kms;
    type Output = MacVerified;
    const SPEC: OperationSpec = spec("VerifyMac");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<MacVerified, Error> {
        let Mac { key, code } = self.request.code(kms, call, &Self::SPEC).await?;
        Ok(MacVerified { key, valid: ct_eq(&code, &self.code) })
    }
}
