//! An account of the installation, and all identities in it.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::AccountId;
use crate::directory::Directory;

/// An account, wholly apart from others.
pub(crate) struct Tenant {
    pub(crate) id: AccountId,
    disabled: AtomicBool,
    pub(crate) directory: RwLock<Directory>,
    /// One change at a time in this process: others would only be refused.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Tenant {
    pub(crate) fn new(id: AccountId) -> Self {
        Self {
            id,
            disabled: AtomicBool::new(false),
            directory: RwLock::new(Directory::new(id)),
            changing: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        !self.disabled.load(Ordering::Acquire)
    }

    pub(crate) fn set_enabled(&self, enabled: bool) {
        self.disabled.store(!enabled, Ordering::Release);
    }
}
