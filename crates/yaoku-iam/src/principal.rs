//! Who calls, what they ask for, and on what.

use crate::AccountId;
use crate::policy::Caller;
use crate::question::Standing;
use crate::text::with_text;

/// An identity that can be allowed or denied something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The owner of an account: may do everything in it.
    Root {
        /// The account.
        account: AccountId,
    },
}

impl Principal {
    /// The account that the principal belongs to.
    pub const fn account(&self) -> AccountId {
        match self {
            Self::Root { account } => *account,
        }
    }

    /// Shows the principal as policies see it.
    pub(crate) fn stand<T>(&self, show: impl FnOnce(&Standing<'_>) -> T) -> T {
        match self {
            Self::Root { account } => with_text(format_args!("acs:ram::{account}:root"), |arn| {
                let caller = Caller { account: *account, arn };
                show(&Standing { caller, root: true, identity: &[], session: None })
            }),
        }
    }
}

/// The name of something that can be allowed: an operation of the domain, such as `Encrypt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permission(pub &'static str);

/// What kind of thing a permission is asked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// All keys of an account: where keys are made and listed.
    KeyContainer,
    /// One key.
    Key,
    /// All aliases of an account.
    AliasContainer,
    /// One alias.
    Alias,
    /// The account's use of the service as such.
    Service,
}
