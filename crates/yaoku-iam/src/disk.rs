//! Disks as principals. A domain above binds disks to keys; whoever knows the URL of one calls in its name.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bounds::OwnCalls;
use crate::principal::Identity;
use crate::{AccountId, Caller, Iam, NotAuthenticated, Principal};

/// A disk that can call. It is the same for as long as the disk is bound.
pub struct DiskIdentity {
    pub(crate) account: AccountId,
    pub(crate) id: [u8; 16],
    pub(crate) name: Box<str>,
    pub(crate) arn: Box<str>,
    pub(crate) calls: OwnCalls,
    ended: AtomicBool,
}

impl DiskIdentity {
    /// The disk of that id and name. No other disk of the account has its name at the same time, and none ever its id.
    pub fn new(account: AccountId, id: [u8; 16], name: &str) -> Self {
        let arn = format!("acs:yaoku::{account}:disk/{name}").into();
        Self { account, id, name: name.into(), arn, calls: OwnCalls::default(), ended: AtomicBool::new(false) }
    }

    /// Takes everything from whoever still holds it: the disk is not bound any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The id as text.
    pub(crate) fn id_text(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for DiskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiskIdentity({})", self.arn)
    }
}

impl Iam {
    /// Whoever knows the URL of a disk, in the disk's name. Whoever calls this has found the disk by that URL, and seen that the call comes
    /// from where the disk may be unlocked.
    ///
    /// # Errors
    /// [`NotAuthenticated::Inactive`] when the disk is not bound any more, or its account is disabled.
    pub fn disk(&self, disk: &Arc<DiskIdentity>) -> Result<Caller, NotAuthenticated> {
        let tenant = self.tenant(disk.account).ok_or(NotAuthenticated::Inactive)?;
        let (status, identity) = (Arc::default(), Identity::Disk(disk.clone()));
        Caller::of_disk(Principal { tenant, status, identity, login: None }).ok_or(NotAuthenticated::Inactive)
    }
}
