//! The domain's heart: what it works on, and how it is read when a process starts.
//!
//! There is one path for changes, as in the domain of keys: an operation commits to the vault, the follower applies every commit of
//! every process in order, and only then does the operation answer.

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use yaoku_iam::quota::Reservations;
use yaoku_iam::{AccountId, Caller, Clock, Iam, LanesOf};
use yaoku_kms::{Dependents, KeyId, Kms};
use yaoku_seal::{Follower, NotInForce, Record, RecordName, Revision, Vault, read_each};

use crate::catalogue::Catalogue;
use crate::held::HeldDisk;
use crate::id::DiskId;
use crate::record::{DISK, DiskRecord, disk_name, named};
use crate::{DiskName, DiskUrl, Error};

/// How the domain is set up.
#[derive(Debug, Clone)]
pub struct DisksConfig {
    /// Disks of an account.
    pub max_disks: u64,
}

impl Default for DisksConfig {
    fn default() -> Self {
        Self { max_disks: 100_000 }
    }
}

/// Why a call is in no disk's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotProven {
    /// There is no disk of that URL, or its account is disabled.
    UnknownUrl,
    /// It comes from where that disk may not be unlocked.
    Elsewhere(DiskName),
}

/// The domain.
pub struct Disks {
    pub(crate) vault: Arc<Vault>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) kms: Arc<Kms>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: DisksConfig,
    pub(crate) catalogue: RwLock<Catalogue>,
    /// One change of a disk at a time in this process: others would only be refused.
    pub(crate) changing: LanesOf<DiskId>,
    pub(crate) disks_under_way: Reservations<AccountId>,
    pub(crate) follower: Follower,
}

impl Disks {
    /// Reads every disk's record, and starts following the store. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the store can't be read, or holds a record that does not open or can't be understood.
    pub async fn open(
        vault: Arc<Vault>,
        iam: Arc<Iam>,
        kms: Arc<Kms>,
        clock: Arc<dyn Clock>,
        config: DisksConfig,
    ) -> Result<Arc<Self>, Error> {
        let (catalogue, revision) = load(&vault).await?;
        let disks = Arc::new(Self {
            vault,
            iam,
            kms,
            clock,
            config,
            catalogue: RwLock::new(catalogue),
            changing: LanesOf::default(),
            disks_under_way: Reservations::default(),
            follower: Follower::new(revision),
        });
        Follower::start(&disks, disks.vault.clone());
        let weak: Weak<Self> = Arc::downgrade(&disks);
        disks.kms.add_dependents(weak);
        Ok(disks)
    }

    /// Whether the follower lives. Without it no change comes into force.
    pub fn is_followed(&self) -> bool {
        self.follower.is_alive()
    }

    /// Whether what is known here is up to date.
    pub fn is_current(&self) -> bool {
        self.follower.is_current()
    }

    /// Whoever knows that URL and comes from where its disk may be unlocked, in the disk's name. Whether the disk can be unlocked at
    /// present is another question.
    ///
    /// # Errors
    /// When nobody is authenticated by that.
    pub fn caller(&self, url: &DiskUrl, source: IpAddr) -> Result<Caller, NotProven> {
        let disk = self.catalogue.read().of_url(url).cloned().ok_or(NotProven::UnknownUrl)?;
        if !disk.networks.admit(source) {
            return Err(NotProven::Elsewhere(disk.name.clone()));
        }
        self.iam.disk(&disk.identity).map_err(|_| NotProven::UnknownUrl)
    }

    /// A disk as the last applied commit left it.
    pub(crate) fn held(&self, account: AccountId, name: &DiskName) -> Option<Arc<HeldDisk>> {
        self.catalogue.read().disk(account, name).cloned()
    }

    /// A disk as the store has it at this moment.
    pub(crate) async fn stored(&self, account: AccountId, name: &DiskName) -> Result<HeldDisk, Error> {
        let stored = self.vault.get(&disk_name(account, name)).await?.ok_or(Error::DiskNotFound)?;
        HeldDisk::new(account, name.clone(), DiskRecord::decode(&stored.bytes)?, stored.revision)
    }
}

impl Dependents for Disks {
    fn under(&self, _: AccountId, key: KeyId) -> Option<String> {
        match self.catalogue.read().under(key) {
            0 => None,
            1 => Some("1 disk is bound to the key".into()),
            count => Some(format!("{count} disks are bound to the key")),
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
    let read = |name: &RecordName, record: &Record| {
        let (account, name) = named(name)?;
        HeldDisk::new(account, name, DiskRecord::decode(&record.bytes)?, record.revision)
    };
    read_each::<_, Error>(&view, DISK, read, |disk| catalogue.put(disk)).await?;
    Ok((catalogue, view.revision()))
}
