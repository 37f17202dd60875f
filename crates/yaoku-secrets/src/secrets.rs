//! The domain's heart: what it works on, and how it is read when a process starts.
//!
//! There is one path for changes, as in the domain of keys: an operation commits to the vault, the follower applies every commit of
//! every process in order, and only then does the operation answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use tokio::sync::watch;
use yaoku_iam::quota::Reservations;
use yaoku_iam::{AccountId, Clock, Iam, LanesOf, Timestamp};
use yaoku_kms::{Dependents, KeyId, Kms, Scans};
use yaoku_seal::{Follower, NotInForce, Record, RecordName, Revision, Steadiness, Vault, read_each};

use crate::catalogue::Catalogue;
use crate::held::HeldSecret;
use crate::record::{SECRET, SecretRecord, named, secret_name};
use crate::{Error, SecretId, SecretName};

/// How the domain is set up.
#[derive(Debug, Clone)]
pub struct SecretsConfig {
    /// The region of ARNs.
    pub region: String,
    /// Secrets of an account.
    pub max_secrets: u64,
    /// Bytes of policies and custom metadata of all secrets of an account together.
    pub max_texts: u64,
    /// Seconds for which the clock must have been steady before a secret is deleted.
    pub deletion_patience: u64,
}

impl Default for SecretsConfig {
    fn default() -> Self {
        Self { region: "cn-hangzhou".into(), max_secrets: 100_000, max_texts: 64 << 20, deletion_patience: 3600 }
    }
}

/// The domain.
pub struct Secrets {
    pub(crate) vault: Arc<Vault>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) kms: Arc<Kms>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: SecretsConfig,
    pub(crate) catalogue: RwLock<Catalogue>,
    /// One change of a secret at a time in this process: others would only be refused.
    pub(crate) changing: LanesOf<SecretId>,
    pub(crate) scans: Scans,
    pub(crate) secrets_under_way: Reservations<AccountId>,
    pub(crate) texts_under_way: Reservations<AccountId>,
    pub(crate) steadiness: Steadiness,
    /// Whether what is done without a call is to end.
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) follower: Follower,
}

impl Secrets {
    /// Reads every secret's record, and starts following the store. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the store can't be read, or holds a record that does not open or can't be understood.
    pub async fn open(
        vault: Arc<Vault>,
        iam: Arc<Iam>,
        kms: Arc<Kms>,
        clock: Arc<dyn Clock>,
        config: SecretsConfig,
    ) -> Result<Arc<Self>, Error> {
        let (catalogue, revision) = load(&vault).await?;
        let secrets = Arc::new(Self {
            vault,
            iam,
            kms,
            clock,
            steadiness: Steadiness::new(Duration::from_secs(config.deletion_patience)),
            config,
            catalogue: RwLock::new(catalogue),
            changing: LanesOf::default(),
            scans: Scans::default(),
            secrets_under_way: Reservations::default(),
            texts_under_way: Reservations::default(),
            stopping: watch::Sender::new(false),
            follower: Follower::new(revision),
        });
        Follower::start(&secrets, secrets.vault.clone());
        let weak: Weak<Self> = Arc::downgrade(&secrets);
        secrets.kms.add_dependents(weak);
        secrets.postpone_deletions_after_restore().await?;
        Ok(secrets)
    }

    /// Whether the follower lives. Without it no change comes into force.
    pub fn is_followed(&self) -> bool {
        self.follower.is_alive()
    }

    /// Whether what is known here is up to date.
    pub fn is_current(&self) -> bool {
        self.follower.is_current()
    }

    /// Milliseconds since the longest due work fell due; 0 if nothing is due.
    pub fn scheduler_lag(&self) -> u64 {
        let due = self.catalogue.read().next_due();
        due.map_or(0, |due: Timestamp| self.clock.now().0.saturating_sub(due.0))
    }

    /// A secret as the last applied commit left it.
    pub(crate) fn held(&self, account: AccountId, name: &SecretName) -> Option<Arc<HeldSecret>> {
        self.catalogue.read().secret(account, name).cloned()
    }

    /// A secret as the store has it at this moment.
    pub(crate) async fn stored(&self, account: AccountId, name: &SecretName) -> Result<HeldSecret, Error> {
        let stored = self.vault.get(&secret_name(account, name)).await?.ok_or(Error::SecretNotFound)?;
        let record = SecretRecord::decode(&stored.bytes)?;
        HeldSecret::new(account, name.clone(), record, stored.revision)
    }
}

impl Dependents for Secrets {
    fn under(&self, _: AccountId, key: KeyId) -> Option<String> {
        match self.catalogue.read().under(key) {
            0 => None,
            1 => Some("1 secret is encrypted under the key".into()),
            count => Some(format!("{count} secrets are encrypted under the key")),
        }
    }

    fn in_force(&self, revision: Revision) -> BoxFuture<'_, Result<(), NotInForce>> {
        Box::pin(self.follower.in_force(revision))
    }
}

/// Reads all that is kept in memory, and the revision at which it was so.
pub(crate) async fn load(vault: &Vault) -> Result<(Catalogue, Revision), Error> {
    let view = vault.view().await?;
    let mut catalogue = Catalogue::default();
    let read = |name: &RecordName, record: &Record| held(name, record);
    read_each::<_, Error>(&view, SECRET, read, |secret| {
        catalogue.put(secret);
    })
    .await?;
    Ok((catalogue, view.revision()))
}

fn held(name: &RecordName, record: &Record) -> Result<HeldSecret, Error> {
    let (account, name) = named(name)?;
    HeldSecret::new(account, name, SecretRecord::decode(&record.bytes)?, record.revision)
}
