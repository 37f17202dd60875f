//! Who calls, and what they ask for.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use yaoku_seal::{RecordName, Revision};

use crate::access_key::Status;
use crate::bounds::OwnCalls;
use crate::login::Login;
use crate::policy::{Attached, Caller};
use crate::question::PolicySubject;
use crate::record::{account_name, head_name};
use crate::tenant::Tenant;
use crate::text::with_text;
use crate::{AccountId, DiskIdentity, RoleId, UserId};

/// An identity that can be allowed or denied something, as a credential has proven it.
///
/// It sees changes: once its AccessKey is disabled or its account, it may do nothing any more, and its policies are always
/// those that are attached at present.
#[derive(Clone)]
pub struct Principal {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) status: Arc<Status>,
    pub(crate) identity: Identity,
    /// The login whose token proved it, if one did.
    pub(crate) login: Option<Arc<Login>>,
}

#[derive(Clone)]
pub(crate) enum Identity {
    Root,
    User {
        id: UserId,
        subject: Arc<Subject>,
    },
    Session(Arc<Session>),
    /// A disk, which a domain above binds to a key.
    Disk(Arc<DiskIdentity>),
    /// Nobody: the service itself, for what is due.
    Service,
}

/// A user or role as policies see it, as of the last change.
pub(crate) struct Subject {
    known: ArcSwap<Known>,
    /// Its calls under way.
    pub(crate) calls: OwnCalls,
}

/// What is known of a user or role.
pub(crate) struct Known {
    pub(crate) name: Box<str>,
    pub(crate) arn: Box<str>,
    pub(crate) policies: Box<[Arc<Attached>]>,
    /// Whether it is deleted.
    pub(crate) ended: bool,
}

/// A role that somebody has assumed.
pub(crate) struct Session {
    pub(crate) role_id: RoleId,
    pub(crate) role: Arc<Subject>,
    pub(crate) name: Box<str>,
    /// What the session was narrowed to.
    pub(crate) policy: Option<Attached>,
    /// When it began, in milliseconds since 1970.
    pub(crate) began: u64,
}

impl Subject {
    pub(crate) fn new(known: Known) -> Self {
        Self { known: ArcSwap::from_pointee(known), calls: OwnCalls::default() }
    }

    pub(crate) fn load(&self) -> Guard<Arc<Known>> {
        self.known.load()
    }

    pub(crate) fn replace(&self, known: Known) {
        self.known.store(Arc::new(known));
    }

    /// Takes everything from whoever still holds it.
    pub(crate) fn end(&self) {
        let before = self.load();
        let (name, arn) = (before.name.clone(), before.arn.clone());
        self.replace(Known { name, arn, policies: Box::default(), ended: true });
    }
}

impl Principal {
    /// The root of an account that nobody can disable, for tests of what stands above.
    #[cfg(any(test, feature = "testing"))]
    pub fn root(account: AccountId) -> Self {
        Self { tenant: Arc::new(Tenant::new(account)), status: Arc::default(), identity: Identity::Root, login: None }
    }

    /// Tells it from all others, also from those of the same name in other accounts.
    pub fn key(&self) -> PrincipalKey {
        let who = match &self.identity {
            Identity::Root => PrincipalKind::Root,
            Identity::User { id, .. } => PrincipalKind::User(*id),
            Identity::Session(session) => PrincipalKind::Session(session.role_id),
            Identity::Disk(disk) => PrincipalKind::Disk(disk.id),
            Identity::Service => PrincipalKind::Service,
        };
        PrincipalKey { account: self.account(), who }
    }

    /// The account that the principal belongs to.
    pub fn account(&self) -> AccountId {
        self.tenant.id
    }

    /// Whether what proved the principal still does.
    pub(crate) fn is_live(&self) -> bool {
        let subject = match &self.identity {
            Identity::Service => return true,
            Identity::Disk(disk) => return self.tenant.is_enabled() && !disk.has_ended(),
            Identity::Root => None,
            Identity::User { subject, .. } => Some(subject),
            Identity::Session(session) => Some(&session.role),
        };
        self.status.is_active()
            && self.tenant.is_enabled()
            && subject.is_none_or(|subject| !subject.load().ended)
            && self.login.as_ref().is_none_or(|login| !login.has_ended())
    }

    /// The rows that its authority rests on, as they are known at this moment: its credential, what is remembered of that one's logins,
    /// its account, and the head of the account's identities. Read before a decision, they are at most as new as what is decided on.
    pub(crate) fn authority(&self) -> Vec<(RecordName, Option<Revision>)> {
        let mut rows = Vec::with_capacity(4);
        if let Some(row) = &self.status.stored {
            rows.push((row.clone(), self.status.revision()));
        }
        rows.extend(self.login.as_ref().map(|login| login.authority()));
        // What is due is done for disabled accounts, too, and asks for no permission.
        if !matches!(self.identity, Identity::Service)
            && let Some(revision) = self.tenant.revision()
        {
            let head = self.tenant.directory.read().head;
            rows.extend([(account_name(self.tenant.id), Some(revision)), (head_name(self.tenant.id), head)]);
        }
        rows
    }

    /// Whether it is the root of its account.
    pub(crate) fn is_root(&self) -> bool {
        matches!(self.identity, Identity::Root)
    }

    /// Shows the principal as policies see it at this moment. Neither allocates nor waits.
    pub(crate) fn as_policy_subject<T>(&self, show: impl FnOnce(&PolicySubject<'_>) -> T) -> T {
        let account = self.account();
        match &self.identity {
            Identity::Root => with_text(format_args!("acs:ram::{account}:root"), |arn| {
                show(&PolicySubject { caller: Caller { account, arn }, root: true, identity: &[], session: None })
            }),
            // No policy lets it do anything: what is due asks for no permission.
            Identity::Service => with_text(format_args!("acs:ram::{account}:service"), |arn| {
                show(&PolicySubject { caller: Caller { account, arn }, root: false, identity: &[], session: None })
            }),
            // Nor this one: that it is bound to a key is all that it may.
            Identity::Disk(disk) => show(&PolicySubject {
                caller: Caller { account, arn: &disk.arn },
                root: false,
                identity: &[],
                session: None,
            }),
            Identity::User { subject, .. } => {
                let known = subject.load();
                let caller = Caller { account, arn: &known.arn };
                show(&PolicySubject { caller, root: false, identity: &known.policies, session: None })
            }
            Identity::Session(session) => {
                let known = session.role.load();
                let caller = Caller { account, arn: &known.arn };
                let session = session.policy.as_ref();
                show(&PolicySubject { caller, root: false, identity: &known.policies, session })
            }
        }
    }

    /// Who it is, for people and records.
    pub fn describe(&self) -> Described {
        let account = self.account();
        match &self.identity {
            Identity::Root => Described {
                account,
                kind: PrincipalKind::Root,
                id: account.to_string(),
                arn: format!("acs:ram::{account}:root"),
                name: "root".into(),
                session_began: None,
            },
            Identity::Service => Described {
                account,
                kind: PrincipalKind::Service,
                id: String::new(),
                arn: format!("acs:ram::{account}:service"),
                name: String::new(),
                session_began: None,
            },
            Identity::Disk(disk) => Described {
                account,
                kind: PrincipalKind::Disk(disk.id),
                id: disk.id_text(),
                arn: disk.arn.to_string(),
                name: disk.name.to_string(),
                session_began: None,
            },
            Identity::User { id, subject } => {
                let known = subject.load();
                Described {
                    account,
                    kind: PrincipalKind::User(*id),
                    id: id.to_string(),
                    arn: known.arn.to_string(),
                    name: known.name.to_string(),
                    session_began: None,
                }
            }
            Identity::Session(session) => {
                let (role, name) = (&session.role.load().name, &session.name);
                Described {
                    account,
                    kind: PrincipalKind::Session(session.role_id),
                    id: format!("{}:{name}", session.role_id),
                    arn: format!("acs:ram::{account}:assumed-role/{role}/{name}"),
                    name: format!("{role}:{name}"),
                    session_began: Some(session.began),
                }
            }
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({})", self.describe().arn)
    }
}

/// Who a principal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The account.
    pub account: AccountId,
    /// Its kind.
    pub kind: PrincipalKind,
    /// Of the root, its account's; of a session, the role's and the session's name.
    pub id: String,
    /// The name by which policies know it; of a session, its own.
    pub arn: String,
    /// `root`, the user's name, or those of role and session.
    pub name: String,
    /// When a session began, in milliseconds since 1970.
    pub session_began: Option<u64>,
}

/// Tells a principal from all others. All sessions of a role are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrincipalKey {
    account: AccountId,
    who: PrincipalKind,
}

impl PrincipalKey {
    /// The principal's account.
    pub const fn account(self) -> AccountId {
        self.account
    }

    /// The id of the disk, if it is one.
    pub const fn disk(self) -> Option<[u8; 16]> {
        match self.who {
            PrincipalKind::Disk(id) => Some(id),
            PrincipalKind::Root | PrincipalKind::User(_) | PrincipalKind::Session(_) | PrincipalKind::Service => None,
        }
    }

    /// A disk of the same account, for tests.
    #[cfg(test)]
    pub(crate) const fn as_disk(self, id: [u8; 16]) -> Self {
        Self { who: PrincipalKind::Disk(id), ..self }
    }

    /// Whether it is the service itself, which does what is due.
    pub const fn is_service(self) -> bool {
        matches!(self.who, PrincipalKind::Service)
    }
}

/// A kind of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// The root of an account.
    Root,
    /// A user.
    User(UserId),
    /// A session of a role.
    Session(RoleId),
    /// A disk, by the id of its binding.
    Disk([u8; 16]),
    /// The service itself, which does what is due.
    Service,
}

/// The name of something that can be allowed: an operation of the domain, such as `Encrypt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permission(pub &'static str);
