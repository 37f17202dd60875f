//! The domain's heart: what it works on, and how it is read when a process starts.
//!
//! There is one path for changes, as in the domain of keys: an operation commits to the vault, the follower applies every commit of
//! every process in order, and only then does the operation answer.

use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use yaoku_iam::quota::Reservations;
use yaoku_iam::{AccountId, Clock, Iam, LanesOf};
use yaoku_kms::{Dependents, KeyId, Kms, Scans};
use yaoku_seal::{Follower, NotInForce, Record, RecordName, Revision, Vault, read_each};

use crate::catalogue::Catalogue;
use crate::held::HeldObject;
use crate::record::{CHOSEN_KEY, OBJECT, Pointer, account_of, decode, named, object_name};
use crate::{Error, ObjectId};

/// How the domain is set up.
#[derive(Debug, Clone)]
pub struct ObjectsConfig {
    /// The region of ARNs.
    pub region: String,
    /// Objects of an account, destroyed ones included.
    pub max_objects: u64,
    /// Bytes of attributes of all objects of an account together.
    pub max_attribute_bytes: u64,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self { region: "cn-hangzhou".into(), max_objects: 100_000, max_attribute_bytes: 64 << 20 }
    }
}

/// The domain.
pub struct Objects {
    pub(crate) vault: Arc<Vault>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) kms: Arc<Kms>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: ObjectsConfig,
    pub(crate) catalogue: RwLock<Catalogue>,
    /// One change of an object at a time in this process: others would only be refused.
    pub(crate) changing: LanesOf<ObjectId>,
    pub(crate) scans: Scans,
    pub(crate) objects_under_way: Reservations<AccountId>,
    pub(crate) attributes_under_way: Reservations<AccountId>,
    pub(crate) follower: Follower,
}

impl Objects {
    /// Reads every object's record, and starts following the store. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the store can't be read, or holds a record that does not open or can't be understood.
    pub async fn open(
        vault: Arc<Vault>,
        iam: Arc<Iam>,
        kms: Arc<Kms>,
        clock: Arc<dyn Clock>,
        config: ObjectsConfig,
    ) -> Result<Arc<Self>, Error> {
        let (catalogue, revision) = load(&vault).await?;
        let objects = Arc::new(Self {
            vault,
            iam,
            kms,
            clock,
            config,
            catalogue: RwLock::new(catalogue),
            changing: LanesOf::default(),
            scans: Scans::default(),
            objects_under_way: Reservations::default(),
            attributes_under_way: Reservations::default(),
            follower: Follower::new(revision),
        });
        Follower::start(&objects, objects.vault.clone());
        let weak: Weak<Self> = Arc::downgrade(&objects);
        objects.kms.add_dependents(weak);
        Ok(objects)
    }

    /// Whether the follower lives. Without it no change comes into force.
    pub fn is_followed(&self) -> bool {
        self.follower.is_alive()
    }

    /// Whether what is known here is up to date.
    pub fn is_current(&self) -> bool {
        self.follower.is_current()
    }

    /// An object as the last applied commit left it.
    pub(crate) fn held(&self, account: AccountId, id: ObjectId) -> Option<Arc<HeldObject>> {
        self.catalogue.read().object(account, id).cloned()
    }

    /// An object as the store has it at this moment.
    pub(crate) async fn stored(&self, account: AccountId, id: ObjectId) -> Result<HeldObject, Error> {
        let stored = self.vault.get(&object_name(account, id)).await?.ok_or(Error::ObjectNotFound)?;
        Ok(HeldObject { account, id, record: decode(&stored.bytes)?, revision: stored.revision })
    }
}

impl Dependents for Objects {
    fn under(&self, account: AccountId, key: KeyId) -> Option<String> {
        let catalogue = self.catalogue.read();
        match catalogue.under(key) {
            0 if catalogue.is_chosen(account, key) => Some("the key is chosen for managed objects".into()),
            0 => None,
            1 => Some("1 managed object is encrypted under the key".into()),
            count => Some(format!("{count} managed objects are encrypted under the key")),
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
        let (account, id) = named(name)?;
        Ok(HeldObject { account, id, record: decode(&record.bytes)?, revision: record.revision })
    };
    read_each::<_, Error>(&view, OBJECT, read, |object| catalogue.put(object)).await?;
    let read = |name: &RecordName, record: &Record| {
        let Pointer(key) = decode::<Pointer<KeyId>>(&record.bytes)?;
        Ok((account_of(name)?, key))
    };
    read_each::<_, Error>(&view, CHOSEN_KEY, read, |(account, key)| catalogue.choose(account, Some(key))).await?;
    Ok((catalogue, view.revision()))
}
