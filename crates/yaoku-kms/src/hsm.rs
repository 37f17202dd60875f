//! Keys of protection level HSM: what the domain remembers of what a token holds, and how neither outlives the other.
//!
//! A key version in a token is an object there and a row here, and no commit covers both. So before an object is made, a row
//! marks it for destruction in an hour; the commit that takes the object into a key takes that row away. And the commit that
//! deletes a key version marks its object at once. The scheduler destroys what is marked, as often as it takes; where a commit
//! could still take the object into a key, it changes the row first, so that no such commit succeeds any more, however late.
//! Whatever a process was doing when it died or slept, no object stays behind for good, and none that is in use is destroyed.
//!
//! A token's AES-GCM takes a random nonce of 96 bits, so that a key version may encrypt 2^32 messages and no more (NIST SP
//! 800-38D, 8.3). They are counted in blocks: what a process has not used of a block when it ends counts as used.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;
use yaoku_crypto::asymmetric::PublicKey;
use yaoku_crypto::pkcs11::aead::MAX_MESSAGES;
use yaoku_crypto::pkcs11::{Capability, ObjectId, PairUse, Token, TokenKey, TokenKeyKind};
use yaoku_iam::{AccountId, Call};
use yaoku_seal::{Changes, Outcome, RecordName, Revision};

use crate::change::{ATTEMPTS, contended};
use crate::keyring::Key;
use crate::kms::versions;
use crate::material::{Cipher, KeyPair, MacKey, Material, Private};
use crate::record::{DestructionRecord, KeyRecord, MessagesRecord, destruction_name, messages_name};
use crate::spec::Primitive;
use crate::workers::Pace;
use crate::{Error, KeyId, KeySpec, KeyUsage, KeyVersionId, Kms, Origin};

/// Seconds until an object is destroyed that no commit has taken into a key.
pub(crate) const GRACE: u64 = 3600;
/// Messages reserved at a time.
const BLOCK: u64 = 1 << 16;

/// What a process may still encrypt of a block, held while the next block is reserved.
type Left = Arc<tokio::sync::Mutex<u64>>;

/// The token, and what is counted of its keys.
pub(crate) struct Hsm {
    token: Option<Arc<Token>>,
    /// Messages left of each key version's block.
    reserved: Mutex<HashMap<(KeyId, KeyVersionId), Left>>,
}

impl Hsm {
    pub(crate) fn new(token: Option<Arc<Token>>) -> Self {
        Self { token, reserved: Mutex::default() }
    }

    pub(crate) fn token(&self) -> Result<&Arc<Token>, Error> {
        self.token.as_ref().ok_or_else(|| Error::Unavailable("the key is in an HSM, but no HSM is configured".into()))
    }

    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }
}

/// What a version's row holds in place of material.
#[derive(Serialize, Deserialize)]
struct Handle {
    object: [u8; 16],
    /// Of a key pair, SubjectPublicKeyInfo in DER.
    public_key: Option<Vec<u8>>,
}

impl Handle {
    fn encode(&self) -> Result<Secret, Error> {
        let encoded = postcard::to_extend(self, Vec::new()).map_err(|error| Error::Internal(error.into()))?;
        Ok(Secret::new(encoded))
    }

    fn decode(material: &Secret) -> Result<Self, Error> {
        postcard::from_bytes(material.expose()).map_err(|_| Error::Record("a key version in an HSM"))
    }
}

/// The object that a version's row is about.
pub(crate) fn object(material: &Secret) -> Result<ObjectId, Error> {
    Handle::decode(material).map(|handle| ObjectId::from_bytes(handle.object))
}

/// What a version's row holds of an AES key that was unwrapped into the token.
pub(crate) fn row_of_unwrapped(object: ObjectId) -> Result<Secret, Error> {
    Handle { object: *object.as_bytes(), public_key: None }.encode()
}

/// An object that is marked for destruction until a commit takes it into a key.
#[derive(Clone)]
pub(crate) struct Marked {
    name: RecordName,
    revision: Revision,
}

impl Marked {
    /// Lets `changes` take the object over.
    pub(crate) fn spare(&self, changes: &mut Changes) {
        changes.expected.push((self.name.clone(), Some(self.revision)));
        changes.deletes.push(self.name.clone());
    }
}

/// A new object of the token.
pub(crate) struct NewObject {
    pub(crate) id: ObjectId,
    pub(crate) marked: Marked,
}

/// What a key of that spec and usage is to a token.
pub(crate) const fn kind(spec: KeySpec, usage: KeyUsage) -> TokenKeyKind {
    match spec.primitive() {
        Primitive::Aead(algorithm) => TokenKeyKind::Aead(algorithm),
        Primitive::Mac(hash) => TokenKeyKind::Mac(hash),
        Primitive::KeyPair(algorithm) => TokenKeyKind::KeyPair(
            algorithm,
            match usage {
                KeyUsage::EncryptDecrypt => PairUse::Decrypt,
                KeyUsage::SignVerify | KeyUsage::GenerateVerifyMac => PairUse::Sign,
            },
        ),
    }
}

impl Kms {
    /// Does something with the token, for a call whose turn it is.
    pub(crate) async fn in_token<T: Send + 'static>(
        &self,
        call: &Call<'_>,
        work: impl FnOnce(&Arc<Token>) -> Result<T, yaoku_crypto::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let token = self.hsm.token()?.clone();
        Ok(self.compute(call, Pace::InToken, move || work(&token)).await??)
    }

    /// Has the token make a key pair, which may take long, for a call whose turn it is.
    pub(crate) async fn made_in_token<T: Send + 'static>(
        &self,
        call: &Call<'_>,
        work: impl FnOnce(&Arc<Token>) -> Result<T, yaoku_crypto::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let token = self.hsm.token()?.clone();
        Ok(self.compute(call, Pace::MadeInToken, move || work(&token)).await??)
    }

    /// Does something with the token that nobody asked for.
    pub(crate) async fn in_token_own<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Token>) -> Result<T, yaoku_crypto::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let token = self.hsm.token()?.clone();
        Ok(self.compute_own(Pace::InToken, move || work(&token)).await??)
    }

    /// Whether the HSM is there, if there should be one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the reason.
    pub async fn hsm_health(&self) -> Result<(), Error> {
        if self.hsm.has_token() { self.in_token_own(|token| token.check()).await } else { Ok(()) }
    }

    /// Checks that the token can hold keys of that spec and usage.
    pub(crate) async fn check_hsm(
        &self,
        call: &Call<'_>,
        spec: KeySpec,
        usage: KeyUsage,
        origin: Origin,
    ) -> Result<(), Error> {
        if !self.hsm.has_token() {
            return Err(Error::Protection("this server has no hardware security module configured".into()));
        }
        let lacking = |what| Error::Protection(format!("the hardware security module lacks {what}"));
        let kind = kind(spec, usage);
        if let Capability::Lacking(what) = self.in_token(call, move |token| token.can_hold(kind)).await? {
            return Err(lacking(what));
        }
        if origin == Origin::External {
            if spec.aead().is_none() {
                let why = "only symmetric keys can be imported into the hardware security module";
                return Err(Error::Protection(why.into()));
            }
            if let Capability::Lacking(what) = self.in_token(call, |token| token.can_import()).await? {
                return Err(lacking(what));
            }
        }
        Ok(())
    }

    /// A new id for an object that work of that pace will make, which is to be destroyed `seconds` from now.
    pub(crate) async fn new_object(
        &self,
        call: &Call<'_>,
        pace: Pace,
        account: AccountId,
        seconds: u64,
    ) -> Result<NewObject, Error> {
        let _place = self.reserve(call, pace)?;
        let id = ObjectId::generate(self.vault.random())?;
        let name = destruction_name(account, id);
        let record = DestructionRecord { due: self.clock.now().plus_seconds(seconds), in_making: true };
        let changes = Changes {
            expected: vec![(name.clone(), None)],
            puts: vec![(name.clone(), record.encode()?)],
            deletes: Vec::new(),
        };
        match self.vault.commit(changes).await? {
            Outcome::Committed(revision) => Ok(NewObject { id, marked: Marked { name, revision } }),
            Outcome::Conflict { .. } => Err(Error::Internal("a new object id was in use already".into())),
        }
    }

    /// Makes sure that an object, which is now there, will be destroyed if it comes into no key.
    ///
    /// # Errors
    /// When it was to be destroyed before it was there. It is then destroyed here, as nobody else would.
    pub(crate) async fn check_in_making(&self, new: &NewObject) -> Result<(), Error> {
        let row = self.vault.get(&new.marked.name).await?;
        if row.is_some_and(|row| row.revision == new.marked.revision) {
            return Ok(());
        }
        let object = new.id;
        self.in_token_own(move |token| token.destroy(object)).await?;
        Err(Error::Unavailable("the hardware security module took too long to make a key".into()))
    }

    /// Makes a key in the token: what a version's row holds of it.
    pub(crate) async fn generate_in_token(
        &self,
        call: &Call<'_>,
        account: AccountId,
        id: KeyId,
        record: &KeyRecord,
    ) -> Result<(Secret, Marked), Error> {
        let new = self.new_object(call, Pace::MadeInToken, account, GRACE).await?;
        let (object, kind, label) = (new.id, kind(record.spec, record.usage), label(id));
        let generated = self.made_in_token(call, move |token| token.generate(kind, object, &label)).await;
        // Also of what failed, half of a pair may be there.
        self.check_in_making(&new).await?;
        Ok((Handle { object: *object.as_bytes(), public_key: generated? }.encode()?, new.marked))
    }

    /// The key that a version's row is about, ready for use.
    pub(crate) fn material_in_token(&self, record: &KeyRecord, material: &Secret) -> Result<Material, Error> {
        let handle = Handle::decode(material)?;
        let kind = kind(record.spec, record.usage);
        let key = TokenKey::new(self.hsm.token()?.clone(), kind, ObjectId::from_bytes(handle.object));
        let key = Arc::new(key);
        Ok(match (record.spec.primitive(), handle.public_key) {
            (Primitive::Aead(_), _) => Material::Cipher(Cipher::InToken(key)),
            (Primitive::Mac(_), _) => Material::Mac(MacKey::InToken(key)),
            (Primitive::KeyPair(algorithm), Some(der)) => {
                let public = PublicKey::from_spki_der(algorithm, &der)?;
                Material::KeyPair(KeyPair { private: Private::InToken(key), public, public_der: der })
            }
            (Primitive::KeyPair(_), None) => return Err(Error::Record("a key version in an HSM")),
        })
    }

    /// Counts a message that is about to be encrypted in the token.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when the key version has encrypted as many as it may.
    pub(crate) async fn count_message(&self, key: &Key, version: KeyVersionId) -> Result<(), Error> {
        let reserved = self.hsm.reserved.lock().entry((key.id, version)).or_default().clone();
        let mut left = reserved.lock().await;
        if *left == 0 {
            *left = self.reserve_messages(key, version).await?;
        }
        *left -= 1;
        Ok(())
    }

    async fn reserve_messages(&self, key: &Key, version: KeyVersionId) -> Result<u64, Error> {
        let name = messages_name(key.account, key.id, version);
        for _ in 0..ATTEMPTS {
            let stored = self.vault.get(&name).await?;
            let revision = stored.as_ref().map(|stored| stored.revision);
            let counted = match &stored {
                Some(stored) => MessagesRecord::decode(&stored.bytes)?.counted,
                None => 0,
            };
            if counted >= MAX_MESSAGES {
                let why =
                    "the key version has reached the number of messages that AES-GCM allows; create a new key version";
                return Err(Error::LimitExceeded(why.into()));
            }
            let counted = MessagesRecord { counted: counted + BLOCK };
            let changes = Changes {
                expected: vec![(name.clone(), revision)],
                puts: vec![(name.clone(), counted.encode()?)],
                deletes: Vec::new(),
            };
            if let Outcome::Committed(_) = self.vault.commit(changes).await? {
                return Ok(BLOCK);
            }
        }
        Err(contended())
    }

    /// Marks the object of a version's row for destruction from now on, in a commit of the caller's.
    pub(crate) fn mark_for_destruction(
        &self,
        account: AccountId,
        material: &Secret,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let record = DestructionRecord { due: self.clock.now(), in_making: false };
        changes.puts.push((destruction_name(account, object(material)?), record.encode()?));
        Ok(())
    }

    /// Marks every object of a key that is past saving; false if the key changed. What was counted of its versions goes as
    /// well.
    pub(crate) async fn mark_all_for_destruction(
        &self,
        call: &Call<'_>,
        key: &Key,
        unchanged: (RecordName, Option<Revision>),
    ) -> Result<bool, Error> {
        let mut all = Changes::default();
        for (version, _) in versions(&self.vault, key).await? {
            if let Some(material) = self.version(key, version).await?.material {
                self.mark_for_destruction(key.account, &material, &mut all)?;
            }
            all.deletes.push(messages_name(key.account, key.id, version));
            self.hsm.reserved.lock().remove(&(key.id, version));
        }
        while !(all.puts.is_empty() && all.deletes.is_empty()) {
            let most = self.rows_a_commit() / 2;
            let puts = all.puts.split_off(all.puts.len().saturating_sub(most));
            let deletes = all.deletes.split_off(all.deletes.len().saturating_sub(most));
            if !self.commit(call, Changes { expected: vec![unchanged.clone()], puts, deletes }).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Destroys the objects whose time has come.
    pub(crate) async fn destroy_marked_objects(&self) -> Result<(), Error> {
        if !self.hsm.has_token() {
            return Ok(());
        }
        let now = self.clock.now();
        let is_steady = self.steadiness.look(Instant::now(), now.0);
        // What is claimed at this look is destroyed at the next.
        let due = self.state.read().due_for_destruction(now);
        let mut failure = Ok(());
        for (account, object, record, revision) in due {
            let name = destruction_name(account, object);
            let expected = vec![(name.clone(), Some(revision))];
            if record.in_making {
                // By a clock that jumped its time may only seem to be over: a key is still being made, or somebody wraps material with it.
                if !is_steady {
                    self.steadiness.say_that_deletions_wait();
                    continue;
                }
                let puts = vec![(name, DestructionRecord { in_making: false, ..record }.encode()?)];
                self.commit_own(Changes { expected, puts, deletes: Vec::new() }).await?;
                continue;
            }
            match self.in_token_own(move |token| token.destroy(object)).await {
                Ok(()) => {}
                // Readiness says that it is away; when it is back, this goes on.
                Err(Error::Unavailable(_)) => return failure,
                Err(error) => {
                    failure = failure.and(Err(error));
                    continue;
                }
            }
            if self.commit_own(Changes { expected, puts: Vec::new(), deletes: vec![name] }).await? {
                tracing::info!(object = %uuid::Uuid::from_bytes(*object.as_bytes()), "destroyed an object of the HSM");
            }
        }
        failure
    }
}

/// What an object is called in the token, for those who look into it.
pub(crate) fn label(id: KeyId) -> String {
    format!("yaoku {id}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use yaoku_crypto::SystemRandom;
    use yaoku_iam::{Bootstrap, Environment, Iam, Principal};
    use yaoku_seal::Vault;
    use yaoku_seal::seal::FileSeal;
    use yaoku_store::{Embedded, Options};

    use super::*;
    use crate::operations::keys::CreateKey;
    use yaoku_iam::{Operation, Trace};

    use crate::{KmsConfig, ManualClock, ProtectionLevel, Timestamp};

    /// NIST SP 800-38D, 8.3: 2^32 messages with random nonces. Counting needs no token.
    #[tokio::test]
    async fn a_key_version_encrypts_no_more_messages_than_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
        let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
        let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp(1_795_485_600_000)));
        let account = AccountId::parse("1234567890123456").unwrap();
        let bootstrap = Bootstrap { account: Some(account), root: None, ..Bootstrap::default() };
        let iam = Iam::open(vault.clone(), clock.clone(), bootstrap).await.unwrap().iam;
        let kms = Kms::open(vault.clone(), iam, clock, KmsConfig::default(), None, None).await.unwrap();
        let environment = Environment {
            time: 1_795_485_600_000,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure_transport: true,
            user_agent: None,
            encryption_context: None,
        };
        let (principal, trace) = (Principal::root(account), Trace::default());
        let call = Call::of(&principal, &environment, &trace);
        let create = CreateKey {
            spec: KeySpec::Aes256,
            usage: None,
            origin: Origin::Generated,
            protection: ProtectionLevel::Software,
            description: String::new(),
            rotation: None,
            tags: Vec::new(),
            policy: None,
        };
        let id = create.perform(&kms, &call).await.unwrap().id;
        let key = kms.stored_key(account, id).await.unwrap();
        let version = key.record.primary.unwrap();

        let counted = MessagesRecord { counted: (1 << 32) - BLOCK };
        let name = messages_name(account, id, version);
        let puts = vec![(name.clone(), counted.encode().unwrap())];
        vault.commit(Changes { expected: vec![(name, None)], puts, deletes: Vec::new() }).await.unwrap();
        for _ in 0..BLOCK {
            kms.count_message(&key, version).await.unwrap();
        }
        assert!(matches!(kms.count_message(&key, version).await, Err(Error::LimitExceeded(_))));
        let other = KeyVersionId::generate(vault.random()).unwrap();
        kms.count_message(&key, other).await.unwrap();
    }
}
