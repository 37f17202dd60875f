//! An account of the installation, and all identities in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;
use yaoku_seal::Revision;

use crate::bounds::OwnCalls;
use crate::directory::Directory;
use crate::{AccountId, Lanes};

/// An account, isolated from all others.
pub(crate) struct Tenant {
    pub(crate) id: AccountId,
    disabled: AtomicBool,
    /// The commit of the account's row; 0 if it is not known.
    revision: AtomicU64,
    /// Calls under way of the account, and of its root.
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) root_calls: OwnCalls,
    pub(crate) directory: RwLock<Directory>,
    /// One change at a time in this process: others would only be refused.
    pub(crate) changing: Lanes,
}

impl Tenant {
    pub(crate) fn new(id: AccountId) -> Self {
        Self {
            id,
            disabled: AtomicBool::new(false),
            revision: AtomicU64::new(0),
            calls: Arc::default(),
            root_calls: OwnCalls::default(),
            directory: RwLock::new(Directory::new(id)),
            changing: Lanes::default(),
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        !self.disabled.load(Ordering::Acquire)
    }

    pub(crate) fn set_enabled(&self, enabled: bool) {
        self.disabled.store(!enabled, Ordering::Release);
    }

    /// The commit that wrote the account's row, if that was read.
    pub(crate) fn revision(&self) -> Option<Revision> {
        Some(self.revision.load(Ordering::Acquire)).filter(|revision| *revision > 0).map(Revision)
    }

    pub(crate) fn set_revision(&self, revision: Revision) {
        self.revision.store(revision.0, Ordering::Release);
    }
}
