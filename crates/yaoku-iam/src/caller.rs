//! Who calls, for sure: a principal together with what proved it. Nobody but this crate makes one.

use std::sync::Arc;

use yaoku_crypto::mac::SigningSecret;

use crate::principal::Identity;
use crate::tenant::Tenant;
use crate::{AccessKey, AccountId, Error, Iam, Principal, Timestamp};

/// A caller that was proven, and by what.
#[derive(Clone)]
pub struct Caller(Proof);

#[derive(Clone)]
enum Proof {
    /// A signature under the secret of an AccessKey, which may be a session's.
    AccessKey(Arc<AccessKey>),
    /// The right to open the control socket, or the data directory where no server runs.
    Operator { root: Principal, user: OperatingSystemUser },
    /// Nothing: the service itself, which does what is due.
    Service(Principal),
}

/// The user of the operating system who gives an operator's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatingSystemUser {
    /// The effective user id of the process.
    pub uid: u32,
    /// Who logged in, whatever user they became since; none where nobody did or it can't be told.
    pub login_uid: Option<u32>,
}

/// What a caller is proven by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// The AccessKey of that id.
    AccessKey(&'a str),
    /// Being a user of the operating system who may operate the server.
    Operator(OperatingSystemUser),
    /// Nothing: it is the service itself.
    Service,
}

/// Why a signature does not prove the holder of an AccessKey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAuthenticated {
    /// It was not made with the AccessKey's secret.
    Signature,
    /// The AccessKey or its account is disabled or deleted.
    Inactive,
}

impl AccessKey {
    /// Proves the holder of the AccessKey by whatever `is_signed` finds made with its secret.
    ///
    /// # Errors
    /// [`NotAuthenticated`].
    pub fn prove(self: Arc<Self>, is_signed: impl FnOnce(&SigningSecret) -> bool) -> Result<Caller, NotAuthenticated> {
        if !is_signed(&self.secret) {
            return Err(NotAuthenticated::Signature);
        }
        if !self.principal.is_live() {
            return Err(NotAuthenticated::Inactive);
        }
        Ok(Caller(Proof::AccessKey(self)))
    }
}

impl Caller {
    /// The operator where no server runs, for the records of what is done to a data directory. It can do nothing in any domain.
    pub fn without_server(account: AccountId, user: OperatingSystemUser) -> Self {
        let tenant = Tenant::new(account);
        tenant.set_enabled(false);
        let root = Principal { tenant: Arc::new(tenant), status: Arc::default(), identity: Identity::Root };
        Self(Proof::Operator { root, user })
    }

    /// As whom it acts.
    pub fn principal(&self) -> &Principal {
        match &self.0 {
            Proof::AccessKey(key) => &key.principal,
            Proof::Operator { root, .. } | Proof::Service(root) => root,
        }
    }

    /// What proved it.
    pub fn credential(&self) -> Credential<'_> {
        match &self.0 {
            Proof::AccessKey(key) => Credential::AccessKey(key.id.as_str()),
            Proof::Operator { user, .. } => Credential::Operator(*user),
            Proof::Service(_) => Credential::Service,
        }
    }

    /// The id of the AccessKey that proved it; empty where none did.
    pub fn access_key_id(&self) -> &str {
        match self.credential() {
            Credential::AccessKey(id) => id,
            Credential::Operator(_) | Credential::Service => "",
        }
    }

    /// Notes that its credential has just proven it.
    pub fn used(&self, at: Timestamp) {
        if let Proof::AccessKey(key) = &self.0 {
            key.principal.status.used(at);
        }
    }
}

impl Iam {
    /// The root of an account, as whom an operator acts, who needs no AccessKey for that. Whoever calls this has made sure that
    /// only operators come here.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub fn operator(&self, account: AccountId, user: OperatingSystemUser) -> Result<Caller, Error> {
        let tenant = self.tenant(account).ok_or(Error::NoAccount(account))?;
        let root = Principal { tenant, status: Arc::default(), identity: Identity::Root };
        Ok(Caller(Proof::Operator { root, user }))
    }

    /// The service itself, which does for an account what is due, whether the account is enabled or not.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub fn service(&self, account: AccountId) -> Result<Caller, Error> {
        let tenant = self.tenant(account).ok_or(Error::NoAccount(account))?;
        Ok(Caller(Proof::Service(Principal { tenant, status: Arc::default(), identity: Identity::Service })))
    }
}
