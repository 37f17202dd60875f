//! Wrapped material on its way in: unwrapped here, or inside the HSM, where it stays.

use yaoku_crypto::asymmetric::{self, PrivateKey};
use yaoku_crypto::mac::{Hash, hmac_of_secret};
use yaoku_crypto::pkcs11::{Capability, ObjectId, UnwrapAlgorithm};
use yaoku_crypto::unwrapping::{Content, Unwrapped, UnwrappingAlgorithm, unwrap};
use yaoku_crypto::wrapping::WrappingKeySpec;
use yaoku_crypto::{Random, Secret};
use yaoku_iam::Call;

use super::{TOKEN_LIFE, TokenHead};
use crate::hsm;
use crate::keyring::Key;
use crate::material::Made;
use crate::record::{Imported, KeyRecord};
use crate::spec::Primitive;
use crate::workers::Pace;
use crate::{Error, Field, KeySpec, Kms, ProtectionLevel, Timestamp};

/// A pair to wrap material with: what the import token carries of its private key, and the public key.
pub(super) struct WrappingPair {
    /// The private key, or the id of the object that it is in the HSM.
    pub(super) private_key: Secret,
    /// SubjectPublicKeyInfo in DER.
    pub(super) public_key: Vec<u8>,
}

impl WrappingPair {
    pub(super) async fn make(
        kms: &Kms,
        call: &Call<'_>,
        key: &Key,
        wrapping_key: WrappingKeySpec,
        algorithm: UnwrappingAlgorithm,
    ) -> Result<Self, Error> {
        match key.record.protection {
            ProtectionLevel::Software => Self::make_here(kms, call, wrapping_key).await,
            ProtectionLevel::Hsm => Self::make_in_token(kms, call, key, wrapping_key, algorithm).await,
        }
    }

    async fn make_here(kms: &Kms, call: &Call<'_>, wrapping_key: WrappingKeySpec) -> Result<Self, Error> {
        let kind = wrapping_key.key_algorithm();
        let random = kms.vault.shared_random().clone();
        let made = kms.compute(call, Pace::Long, move || {
            let private_key = asymmetric::generate(kind, random.as_ref())?;
            let public_key = PrivateKey::new(kind, &private_key)?.public_key_der().to_vec();
            Ok::<_, yaoku_crypto::Error>(Self { private_key, public_key })
        });
        Ok(made.await??)
    }

    async fn make_in_token(
        kms: &Kms,
        call: &Call<'_>,
        key: &Key,
        wrapping_key: WrappingKeySpec,
        algorithm: UnwrappingAlgorithm,
    ) -> Result<Self, Error> {
        let refused = |what: &str| {
            let why = format!("the hardware security module can't unwrap it, because it lacks {what}");
            Error::invalid(Field::WrappingAlgorithm, why)
        };
        let (Some(unwrap), Some(bits)) = (UnwrapAlgorithm::of(algorithm), wrapping_key.rsa_bits()) else {
            return Err(refused("a mechanism that PKCS#11 has for it"));
        };
        if let Capability::Lacking(what) = kms.in_token(call, move |token| token.can_unwrap(unwrap)).await? {
            return Err(refused(&what));
        }
        // Marked from the beginning: it is of no use after the token's end.
        let new = kms.new_object(call, Pace::MadeInToken, key.account, TOKEN_LIFE).await?;
        let (object, label) = (new.id, format!("{} import", hsm::label(key.id)));
        let generated = kms.made_in_token(call, move |token| token.generate_wrapping_pair(bits, object, &label)).await;
        kms.check_in_making(&new).await?;
        Ok(Self { private_key: Secret::new(object.as_bytes().to_vec()), public_key: generated? })
    }
}

/// Material that came in.
pub(super) struct Incoming {
    /// As a version's row is to hold it.
    pub(super) made: Made,
    identity: Identity,
    /// False for material that did not unwrap, which is taken as far as any other, so that its caller learns nothing of why.
    pub(super) acceptable: bool,
}

/// What tells material from other material.
enum Identity {
    Here(Secret),
    InToken(ObjectId),
}

impl Incoming {
    pub(super) async fn unwrap(
        kms: &Kms,
        call: &Call<'_>,
        key: &Key,
        head: TokenHead,
        private_key: Secret,
        wrapped: Vec<u8>,
    ) -> Result<Self, Error> {
        match key.record.protection {
            ProtectionLevel::Software => {
                Self::unwrap_here(kms, call, key.record.spec, head, private_key, wrapped).await
            }
            ProtectionLevel::Hsm => Self::unwrap_in_token(kms, call, key, head, &private_key, wrapped).await,
        }
    }

    async fn unwrap_here(
        kms: &Kms,
        call: &Call<'_>,
        spec: KeySpec,
        head: TokenHead,
        private_key: Secret,
        wrapped: Vec<u8>,
    ) -> Result<Self, Error> {
        let (content, random) = (content(spec), kms.vault.shared_random().clone());
        let unwrapped = kms.compute(call, Pace::Short, move || {
            let private_key = PrivateKey::new(head.wrapping_key.key_algorithm(), &private_key)?;
            unwrap(head.algorithm, &private_key, random.as_ref(), content, &wrapped)
        });
        let (Unwrapped { material, identity }, acceptable) = match unwrapped.await? {
            Ok(unwrapped) => (unwrapped, true),
            Err(_) => (no_material(kms.vault.random())?, false),
        };
        Ok(Self { made: Made::here(material), identity: Identity::Here(identity), acceptable })
    }

    /// There, nothing can take the place of material that does not unwrap.
    async fn unwrap_in_token(
        kms: &Kms,
        call: &Call<'_>,
        key: &Key,
        head: TokenHead,
        wrapping_pair: &Secret,
        wrapped: Vec<u8>,
    ) -> Result<Self, Error> {
        let unwrap = UnwrapAlgorithm::of(head.algorithm).ok_or(Error::ImportToken)?;
        let wrapping_pair = <[u8; 16]>::try_from(wrapping_pair.expose()).map_err(|_| Error::ImportToken)?;
        let wrapping_pair = ObjectId::from_bytes(wrapping_pair);
        let aead = key.record.spec.aead().ok_or(Error::Unsuitable("the key is not symmetric"))?;
        let new = kms.new_object(call, Pace::InToken, key.account, hsm::GRACE).await?;
        let (object, label) = (new.id, hsm::label(key.id));
        let unwrapped = kms.in_token(call, move |token| {
            match token.unwrap(wrapping_pair, unwrap, &wrapped, aead, object, &label) {
                Ok(()) => Ok(Some(())),
                Err(yaoku_crypto::Error::Open) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let unwrapped = unwrapped.await;
        kms.check_in_making(&new).await?;
        unwrapped?.ok_or(Error::KeyMaterial)?;
        let made = Made::in_token(hsm::row_of_unwrapped(object)?, new.marked);
        Ok(Self { made, identity: Identity::InToken(object), acceptable: true })
    }

    /// What to remember of the material in a key's record.
    pub(super) async fn remember(
        &self,
        kms: &Kms,
        call: &Call<'_>,
        record: &KeyRecord,
        expires: Option<Timestamp>,
    ) -> Result<Imported, Error> {
        let mut fingerprint_key = [0; 32];
        match &record.imported {
            Some(before) => fingerprint_key = before.fingerprint_key,
            None => kms.vault.random().fill(&mut fingerprint_key)?,
        }
        let in_token;
        let identity = match &self.identity {
            Identity::Here(identity) => identity.expose(),
            Identity::InToken(object) => {
                let object = *object;
                in_token = kms.in_token(call, move |token| token.fingerprint(object, &fingerprint_key)).await?;
                &in_token[..]
            }
        };
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(hmac_of_secret(Hash::Sha256, &fingerprint_key, identity).as_bytes());
        Ok(Imported { fingerprint_key, fingerprint, present: true, expires })
    }

    /// Destroys what was unwrapped in the HSM and came into no key. Should it fail, the scheduler does it later.
    pub(super) async fn discard(self, kms: &Kms) {
        if let Identity::InToken(object) = self.identity
            && let Err(error) = kms.in_token_own(move |token| token.destroy(object)).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "refused key material stays in the HSM until it is destroyed later"
            );
        }
    }
}

/// What is imported into keys of that spec. HMAC keys are as long as those that are made here.
pub(super) fn content(spec: KeySpec) -> Content {
    match spec.primitive() {
        Primitive::Aead(algorithm) => Content::Bytes(algorithm.key_len()),
        Primitive::Mac(hash) => Content::Bytes(hash.output_len()),
        Primitive::KeyPair(algorithm) => algorithm.seed_len().map_or(Content::PrivateKey(algorithm), Content::Bytes),
    }
}

/// What takes the place of material that does not unwrap.
fn no_material(random: &dyn Random) -> Result<Unwrapped, Error> {
    Ok(Unwrapped { material: Secret::random(32, random)?, identity: Secret::random(32, random)? })
}
