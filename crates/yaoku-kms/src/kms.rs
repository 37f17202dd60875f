//! The domain's heart: the vault, the catalogue and the keyring, and how a change goes through all three.
//!
//! There is one path for changes. An operation commits to the vault; the follower, one task a process, receives every
//! commit of every process in order, applies it to catalogue and keyring, and announces the revision; only then does
//! the operation answer. So what was acknowledged is in force, for every later call in this process, and a process that
//! shares its store with others sees their changes by the same path.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use tokio::sync::watch;
use yaoku_crypto::pkcs11::{ObjectId, Token};
use yaoku_iam::quota::Reservations;
use yaoku_iam::{AccountId, Call, Iam, LanesOf};
use yaoku_seal::{Domain, Follower, NotInForce, Record, RecordName, Revision, Steadiness, Vault, View, read_each};

use crate::catalogue::{AccountCatalogue, Catalogue, Gathering, ReadKey};
use crate::catalogue_image;
use crate::change::{ATTEMPTS, contended};
use crate::hsm::Hsm;
use crate::keyring::{Key, Keyring};
use crate::material::Material;
use crate::mirror::{account_of, key_id, object_id, version_id};
use crate::record::{
    ALIAS, AliasRecord, DESTRUCTION, DestructionRecord, KEY, KEY_VERSION, KeyRecord, ScrubRecord, VersionRecord,
};
use crate::record::{key_name, scrub_name, version_name};
use crate::scans::Scans;
use crate::workers::{Pace, Workers};
use crate::{AliasName, Clock, Error, KeyId, KeyState, KeyVersionId, ProtectionLevel, Timestamp};

/// Versions read from the store at a time.
const PAGE: usize = 1000;
/// How much of everything an account may have.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// Keys.
    pub keys: u64,
    /// Aliases.
    pub aliases: u64,
    /// Versions of one symmetric key made on demand; automatic rotation goes on beyond.
    pub key_versions: u32,
    /// Versions of one key pair.
    pub key_pair_versions: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { keys: 10_000_000, aliases: 10_000_000, key_versions: 10_000, key_pair_versions: 50 }
    }
}

/// How the domain is set up.
#[derive(Debug, Clone)]
pub struct KmsConfig {
    /// The region of ARNs.
    pub region: String,
    /// Limits of each account.
    pub quotas: Quotas,
    /// Keys, and versions' material, kept warm, each.
    pub cached_keys: usize,
    /// Seconds between the versions of a symmetric key that are made on demand.
    pub key_version_interval: u64,
    /// Seconds between the versions of a key pair.
    pub key_pair_version_interval: u64,
    /// Seconds after a deletion until the store is scrubbed of the material.
    pub scrub_delay: u64,
    /// Seconds for which the clock must have been steady, since the start or since it was changed, before a key is deleted.
    pub deletion_patience: u64,
}

impl Default for KmsConfig {
    fn default() -> Self {
        Self {
            region: "cn-hangzhou".into(),
            quotas: Quotas::default(),
            cached_keys: 16_384,
            key_version_interval: 0,
            key_pair_version_interval: 7 * 86_400,
            scrub_delay: 600,
            deletion_patience: 3600,
        }
    }
}

/// What a domain above has encrypted under keys.
pub trait Dependents: Send + Sync {
    /// A clause that says what is encrypted under a key of an account and would be lost with it; none if nothing is. It names
    /// nothing: who may delete a key need not know what is encrypted under it.
    fn under(&self, account: AccountId, key: KeyId) -> Option<String>;

    /// Waits until [`Self::under`] knows every commit up to that revision.
    fn in_force(&self, revision: Revision) -> BoxFuture<'_, Result<(), NotInForce>>;
}

/// The domain.
pub struct Kms {
    pub(crate) vault: Arc<Vault>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: KmsConfig,
    pub(crate) keyring: Keyring,
    pub(crate) workers: Workers,
    pub(crate) hsm: Hsm,
    /// One change of a key at a time in this process: others would only be refused. Never held while something else than the store
    /// is waited for.
    pub(crate) changing: LanesOf<KeyId>,
    pub(crate) scans: Scans,
    pub(crate) keys_under_way: Reservations<AccountId>,
    pub(crate) aliases_under_way: Reservations<AccountId>,
    pub(crate) state: RwLock<State>,
    pub(crate) steadiness: Steadiness,
    /// Whether what is done without a call is to end.
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) follower: Follower,
    /// What is encrypted under keys: each domain above adds itself when it is opened.
    dependents: RwLock<Vec<Weak<dyn Dependents>>>,
}

/// What is kept in memory of all accounts.
pub struct State {
    pub(crate) catalogue: Catalogue,
    pub(crate) scrub: Option<Timestamp>,
    /// Objects of the HSM that are to be destroyed.
    pub(crate) pending_destruction: BTreeMap<(AccountId, ObjectId), (DestructionRecord, Revision)>,
}

impl State {
    /// When the store must be scrubbed at the latest, with what is deleted now.
    pub(crate) fn scrub_due(&self, now: Timestamp, delay: u64) -> Timestamp {
        let due = now.plus_seconds(delay);
        // A steady trickle of deletions must not put it off again and again.
        self.scrub.map_or(due, |before| before.min(due))
    }

    /// Objects of the HSM that are to be destroyed by now, with the commit that said so.
    pub(crate) fn due_for_destruction(
        &self,
        now: Timestamp,
    ) -> Vec<(AccountId, ObjectId, DestructionRecord, Revision)> {
        let due = self.pending_destruction.iter().filter(|(_, (record, _))| record.due <= now);
        due.map(|((account, object), (record, revision))| (*account, *object, *record, *revision)).collect()
    }
}

impl Kms {
    /// Reads the whole catalogue, from an image by [`Self::draw_image`] if that is not void, and starts following the store. Must be
    /// called within a Tokio runtime. Keys of protection level HSM are kept in `token`.
    ///
    /// # Errors
    /// When the store can't be read, or holds a record that does not open or can't be understood.
    pub async fn open(
        vault: Arc<Vault>,
        iam: Arc<Iam>,
        clock: Arc<dyn Clock>,
        config: KmsConfig,
        token: Option<Arc<Token>>,
        image: Option<Box<dyn Read + Send>>,
    ) -> Result<Arc<Self>, Error> {
        let (state, revision) = load(&vault, image).await?;
        let kms = Arc::new(Self {
            vault,
            iam,
            clock,
            keyring: Keyring::new(config.cached_keys),
            steadiness: Steadiness::new(Duration::from_secs(config.deletion_patience)),
            config,
            workers: Workers::new(token.as_deref().map(Token::sessions)),
            hsm: Hsm::new(token),
            changing: LanesOf::default(),
            scans: Scans::default(),
            keys_under_way: Reservations::default(),
            aliases_under_way: Reservations::default(),
            state: RwLock::new(state),
            stopping: watch::Sender::new(false),
            follower: Follower::new(revision),
            dependents: RwLock::default(),
        });
        Follower::start(&kms, kms.vault.clone());
        kms.postpone_deletions_after_restore().await?;
        Ok(kms)
    }

    /// Adds what is encrypted under keys: a key under which something is encrypted is not deleted.
    pub fn add_dependents(&self, dependents: Weak<dyn Dependents>) {
        self.dependents.write().push(dependents);
    }

    fn dependents(&self) -> Vec<Arc<dyn Dependents>> {
        self.dependents.read().iter().filter_map(Weak::upgrade).collect()
    }

    /// # Errors
    /// [`Error::InUse`] where something is encrypted under the key that would be lost with it.
    pub(crate) fn check_unused(&self, account: AccountId, key: KeyId) -> Result<(), Error> {
        let under: Vec<_> = self.dependents().iter().filter_map(|dependents| dependents.under(account, key)).collect();
        if under.is_empty() { Ok(()) } else { Err(Error::InUse(under.join(" and "))) }
    }

    /// As [`Self::check_unused`], with all that was committed up to a revision.
    ///
    /// # Errors
    /// The same, and [`Error::Unavailable`] when that can't be told.
    pub(crate) async fn check_unused_by(
        &self,
        revision: Revision,
        account: AccountId,
        key: KeyId,
    ) -> Result<(), Error> {
        for dependents in self.dependents() {
            dependents.in_force(revision).await.map_err(|error| Error::Unavailable(error.into()))?;
        }
        self.check_unused(account, key)
    }

    /// How many keys are in each state.
    pub fn count_by_state(&self) -> [(KeyState, u64); 4] {
        self.state.read().catalogue.count_by_state()
    }

    /// Whether changes can be acknowledged at present, and are seen here.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the cause.
    pub async fn health(&self) -> Result<(), Error> {
        if !self.follower.is_current() {
            return Err(Error::Unavailable("the store's changes are not being applied".into()));
        }
        Ok(self.vault.health().await?)
    }

    /// Whether the follower lives. Without it no change comes into force.
    pub fn is_followed(&self) -> bool {
        self.follower.is_alive()
    }

    /// Looks into one account's catalogue; an account without keys has an empty one. Must not block.
    pub(crate) fn read_catalogue<T>(&self, account: AccountId, read: impl FnOnce(&AccountCatalogue) -> T) -> T {
        let state = self.state.read();
        match state.catalogue.account(account) {
            Some(catalogue) => read(catalogue),
            None => read(&AccountCatalogue::default()),
        }
    }

    /// A key of an account, from the keyring or else the store.
    pub(crate) async fn key(&self, account: AccountId, id: KeyId) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.keyring.key(id) {
            return if key.account == account { Ok(key) } else { Err(Error::KeyNotFound) };
        }
        for _ in 0..ATTEMPTS {
            if self.read_catalogue(account, |catalogue| catalogue.revision(id)).is_none() {
                return Err(Error::KeyNotFound);
            }
            let key = Arc::new(self.stored_key(account, id).await?);
            // Entered under the lock that the follower drops entries under, unless it knows of something newer.
            let state = self.state.read();
            let applied = state.catalogue.account(account).and_then(|catalogue| catalogue.revision(id));
            if applied.is_some_and(|applied| applied <= key.revision) {
                self.keyring.put_key(key.clone());
                return Ok(key);
            }
        }
        Err(contended())
    }

    /// A key as the store has it at this moment.
    pub(crate) async fn stored_key(&self, account: AccountId, id: KeyId) -> Result<Key, Error> {
        let stored = self.vault.get(&key_name(account, id)).await?.ok_or(Error::KeyNotFound)?;
        Key::new(account, id, KeyRecord::decode(&stored.bytes)?, stored.revision)
    }

    /// The material of one version of a key, from the keyring or else the store.
    pub(crate) async fn material(
        &self,
        call: &Call<'_>,
        key: &Key,
        version: KeyVersionId,
    ) -> Result<Arc<Material>, Error> {
        if let Some(material) = self.keyring.material(key.id, version) {
            return Ok(material);
        }
        let stored = self.version(key, version).await?;
        let material = stored.material.ok_or(Error::State(KeyState::PendingImport))?;
        let spec = key.record.spec;
        let material = match key.record.protection {
            ProtectionLevel::Hsm => self.material_in_token(&key.record, &material)?,
            ProtectionLevel::Software if spec.is_slow() => {
                self.compute(call, Pace::Short, move || Material::prepare(spec, &material)).await??
            }
            ProtectionLevel::Software => Material::prepare(spec, &material)?,
        };
        let material = Arc::new(material);
        let state = self.state.read();
        // Whatever changed the key since may have taken this material away.
        let applied = state.catalogue.account(key.account).and_then(|catalogue| catalogue.revision(key.id));
        if applied == Some(key.revision) {
            self.keyring.put_material(key.id, version, material.clone());
        }
        Ok(material)
    }

    /// One version of a key as the store has it.
    pub(crate) async fn version(&self, key: &Key, version: KeyVersionId) -> Result<VersionRecord, Error> {
        let stored = self.vault.get(&version_name(key.account, key.id, version)).await?;
        VersionRecord::decode(&stored.ok_or(Error::KeyVersionNotFound)?.bytes)
    }
}

/// Reads all that is kept in memory, and the revision at which it was so.
pub(crate) async fn load(vault: &Vault, image: Option<Box<dyn Read + Send>>) -> Result<(State, Revision), Error> {
    let view = vault.view().await?;
    let imaged = match image {
        Some(image) => catalogue_image::catalogue(vault, &view, image).await,
        None => None,
    };
    let catalogue = match imaged {
        Some(catalogue) => catalogue,
        None => gather(&view).await?,
    };
    let scrub = match vault.get(&scrub_name()).await? {
        Some(record) => Some(ScrubRecord::decode(&record.bytes)?.due),
        None => None,
    };
    let mut pending_destruction = BTreeMap::new();
    let read_mark = |name: &RecordName, record: &Record| {
        Ok(((account_of(name)?, object_id(name)?), (DestructionRecord::decode(&record.bytes)?, record.revision)))
    };
    read_each::<_, Error>(&view, DESTRUCTION, read_mark, |(object, record)| {
        pending_destruction.insert(object, record);
    })
    .await?;
    Ok((State { catalogue, scrub, pending_destruction }, view.revision()))
}

/// The catalogue of every key's and alias's record.
async fn gather(view: &View) -> Result<Catalogue, Error> {
    let mut gathering = Gathering::default();
    let read_key = |name: &RecordName, record: &Record| {
        let id = key_id(name)?;
        Ok(ReadKey::new(account_of(name)?, id, record.revision, KeyRecord::decode(&record.bytes)?))
    };
    read_each::<_, Error>(view, KEY, read_key, |key| gathering.add_key(key)).await?;
    let read_alias = |name: &RecordName, record: &Record| {
        let alias = AliasName::from_stored(&name.id)?;
        Ok((account_of(name)?, alias, AliasRecord::decode(&record.bytes)?.key, record.revision))
    };
    let add_alias = |(account, name, key, revision)| gathering.add_alias(account, name, key, revision);
    read_each::<_, Error>(view, ALIAS, read_alias, add_alias).await?;
    Ok(gathering.finish())
}

/// The versions of a key with their times, oldest first, as of one revision.
pub(crate) async fn versions(vault: &Vault, key: &Key) -> Result<Vec<(KeyVersionId, Timestamp)>, Error> {
    let view = vault.view().await?;
    let domain: Domain = key.account.domain();
    let mut all = Vec::new();
    let mut after: Option<RecordName> = None;
    loop {
        let page = view.scan(KEY_VERSION, Some(domain), Some(key.id.as_bytes()), after.as_ref(), PAGE).await?;
        for (name, record) in &page {
            all.push((version_id(name)?, VersionRecord::decode(&record.bytes)?.created));
        }
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => break,
        }
    }
    all.sort_unstable_by_key(|(id, created)| (*created, *id));
    Ok(all)
}
