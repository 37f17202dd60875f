//! Who calls, for sure: a principal together with what proved it. Nobody but this crate makes one.

use std::os::fd::AsFd;
use std::sync::Arc;

use yaoku_crypto::mac::{SignedWith, Verifier};

use crate::certificate::BoundCertificate;
use crate::login::Login;
use crate::principal::Identity;
use crate::tenant::Tenant;
use crate::token::Token;
use crate::{AccessKey, AccountId, Error, Iam, Principal, PublicKeyHash, Timestamp};

/// A caller that was proven, and by what.
#[derive(Clone)]
pub struct Caller(Proof);

#[derive(Clone)]
enum Proof {
    /// A credential that was shown, or signed with.
    Bearer(Bearer),
    /// The token of a login, which came from that credential.
    Login { of: Bearer, principal: Principal },
    /// The right to open the control socket, or the data directory where no server runs.
    Operator { root: Principal, user: OperatingSystemUser },
    /// The URL of a disk.
    Disk(Principal),
    /// Nothing: the service itself, which does what is due.
    Service(Principal),
}

/// A credential of an account's identity.
#[derive(Clone)]
pub(crate) enum Bearer {
    /// An AccessKey, which may be a session's.
    AccessKey(Arc<AccessKey>),
    /// A token made by an administrator.
    Token(Arc<Token>),
    /// A certificate whose public key is bound.
    Certificate(Arc<BoundCertificate>),
}

impl Bearer {
    pub(crate) fn principal(&self) -> &Principal {
        match self {
            Self::AccessKey(key) => &key.principal,
            Self::Token(token) => &token.principal,
            Self::Certificate(bound) => &bound.principal,
        }
    }

    fn credential(&self) -> Credential<'_> {
        match self {
            Self::AccessKey(key) => Credential::AccessKey(key.id.as_str()),
            Self::Token(token) => Credential::Token(token.id.as_str()),
            Self::Certificate(bound) => Credential::Certificate(bound.id.as_str()),
        }
    }
}

/// The user of the operating system who gives an operator's command. Only a socket of the machine tells who that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperatingSystemUser {
    /// The effective user id of the process.
    pub uid: u32,
    /// Who logged in, whatever user they became since; none where nobody did or it can't be told.
    pub login_uid: Option<u32>,
}

impl OperatingSystemUser {
    /// The user at the other end of a Unix socket, if that is this process's, or the superuser; nobody else may operate.
    pub fn at_other_end(socket: impl AsFd) -> Option<Self> {
        let peer = rustix::net::sockopt::socket_peercred(socket).ok()?;
        let may_operate = peer.uid == rustix::process::geteuid() || peer.uid.is_root();
        may_operate.then(|| Self { uid: peer.uid.as_raw(), login_uid: login_uid(peer.pid) })
    }

    /// The user of this process.
    fn of_this_process() -> Self {
        Self { uid: rustix::process::getuid().as_raw(), login_uid: login_uid(rustix::process::getpid()) }
    }
}

/// Who logged in and became the user of a process, as the kernel remembers; none where nobody did, or where it does not.
fn login_uid(process: rustix::process::Pid) -> Option<u32> {
    /// What the kernel says where nobody logged in.
    const UNSET: u32 = u32::MAX;
    let text = std::fs::read_to_string(format!("/proc/{}/loginuid", process.as_raw_nonzero())).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != UNSET)
}

/// What a caller is proven by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// The AccessKey of that id.
    AccessKey(&'a str),
    /// The token of that id.
    Token(&'a str),
    /// A certificate, by the id of its binding.
    Certificate(&'a str),
    /// Being a user of the operating system who may operate the server.
    Operator(OperatingSystemUser),
    /// The URL of a disk, which it knows.
    DiskUrl,
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
    /// Proves the holder of the AccessKey by whatever its secret finds to be made with it.
    ///
    /// # Errors
    /// [`NotAuthenticated`].
    pub fn prove(
        self: Arc<Self>,
        signed: impl FnOnce(Verifier<'_>) -> Option<SignedWith<'_>>,
    ) -> Result<Caller, NotAuthenticated> {
        // Another secret's word proves nothing of this one.
        if !signed(self.secret.verifier()).is_some_and(|with| with.is(&self.secret)) {
            return Err(NotAuthenticated::Signature);
        }
        if !self.principal.is_live() {
            return Err(NotAuthenticated::Inactive);
        }
        Ok(Caller(Proof::Bearer(Bearer::AccessKey(self))))
    }

    /// Proves the holder of the AccessKey by its secret, as protocols have it that know no signatures.
    ///
    /// # Errors
    /// [`NotAuthenticated`].
    pub fn prove_by_secret(self: Arc<Self>, secret: &[u8]) -> Result<Caller, NotAuthenticated> {
        self.prove(|own| own.matches(secret))
    }
}

impl BoundCertificate {
    /// Proves the holder of a certificate. Whoever calls this has seen its chain and its private key verified.
    fn prove(self: Arc<Self>) -> Result<Caller, NotAuthenticated> {
        Caller::of_bearer(Bearer::Certificate(self)).ok_or(NotAuthenticated::Inactive)
    }
}

impl Iam {
    /// The holder of a client certificate, by its public key (SubjectPublicKeyInfo in DER); in several accounts, that which is named.
    /// Whoever calls this has verified the certificate's chain, and that the peer of the connection has its private key.
    ///
    /// # Errors
    /// [`NotAuthenticated`].
    pub fn certificate_holder(
        &self,
        public_key: &[u8],
        account: Option<AccountId>,
    ) -> Result<Caller, NotAuthenticated> {
        let public_key = PublicKeyHash::of_public_key(public_key);
        self.bound_certificate(public_key, account).ok_or(NotAuthenticated::Signature)?.prove()
    }

    /// Whether the public key of a client certificate is bound to anybody of an account.
    pub fn is_certificate_bound(&self, public_key: &[u8], account: AccountId) -> bool {
        self.bound_certificate(PublicKeyHash::of_public_key(public_key), Some(account)).is_some()
    }
}

impl Caller {
    /// Whoever holds a credential; none if it is not live.
    pub(crate) fn of_bearer(bearer: Bearer) -> Option<Self> {
        bearer.principal().is_live().then_some(Self(Proof::Bearer(bearer)))
    }

    /// Whoever knows the URL of a disk; none if the disk or its account is not live.
    pub(crate) fn of_disk(disk: Principal) -> Option<Self> {
        disk.is_live().then_some(Self(Proof::Disk(disk)))
    }

    /// Whoever holds the token of a login, live or not.
    pub(crate) fn logged_in(of: Bearer, login: Arc<Login>) -> Self {
        let principal = Principal { login: Some(login), ..of.principal().clone() };
        Self(Proof::Login { of, principal })
    }

    /// The credential that proved it, or that its login came from; none of operators and the service.
    pub(crate) const fn bearer(&self) -> Option<&Bearer> {
        match &self.0 {
            Proof::Bearer(bearer) | Proof::Login { of: bearer, .. } => Some(bearer),
            Proof::Operator { .. } | Proof::Disk(_) | Proof::Service(_) => None,
        }
    }

    /// The operator where no server runs, for the records of what is done to a data directory. It can do nothing in any domain.
    pub fn without_server(account: AccountId) -> Self {
        let tenant = Tenant::new(account);
        tenant.set_enabled(false);
        let root =
            Principal { tenant: Arc::new(tenant), status: Arc::default(), identity: Identity::Root, login: None };
        Self(Proof::Operator { root, user: OperatingSystemUser::of_this_process() })
    }

    /// As whom it acts.
    pub fn principal(&self) -> &Principal {
        match &self.0 {
            Proof::Bearer(bearer) => bearer.principal(),
            Proof::Login { principal, .. } => principal,
            Proof::Operator { root: principal, .. } | Proof::Disk(principal) | Proof::Service(principal) => principal,
        }
    }

    /// What proved it.
    pub fn credential(&self) -> Credential<'_> {
        match &self.0 {
            Proof::Bearer(bearer) | Proof::Login { of: bearer, .. } => bearer.credential(),
            Proof::Operator { user, .. } => Credential::Operator(*user),
            Proof::Disk(_) => Credential::DiskUrl,
            Proof::Service(_) => Credential::Service,
        }
    }

    /// The id of the AccessKey, token or certificate that proved it, or that its login came from; empty where none did.
    pub fn access_key_id(&self) -> &str {
        match self.credential() {
            Credential::AccessKey(id) | Credential::Token(id) | Credential::Certificate(id) => id,
            Credential::Operator(_) | Credential::DiskUrl | Credential::Service => "",
        }
    }

    /// Notes that its credential has just proven it.
    pub fn used(&self, at: Timestamp) {
        if let Some(bearer) = self.bearer() {
            bearer.principal().status.used(at);
        }
    }
}

impl Iam {
    /// The root of an account, as whom an operator acts, who needs no AccessKey for that.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub fn operator(&self, account: AccountId, user: OperatingSystemUser) -> Result<Caller, Error> {
        let tenant = self.tenant(account).ok_or(Error::NoAccount(account))?;
        let root = Principal { tenant, status: Arc::default(), identity: Identity::Root, login: None };
        Ok(Caller(Proof::Operator { root, user }))
    }

    /// The service itself, which does for an account what is due, whether the account is enabled or not.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub fn service(&self, account: AccountId) -> Result<Caller, Error> {
        let tenant = self.tenant(account).ok_or(Error::NoAccount(account))?;
        Ok(Caller(Proof::Service(Principal {
            tenant,
            status: Arc::default(),
            identity: Identity::Service,
            login: None,
        })))
    }
}
