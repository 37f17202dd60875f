//! How all policies that concern one request decide it together.

use std::fmt;
use std::sync::Arc;

use super::principal::Meant;
use super::{Caller, Context, Effort, Policy, Said};

/// What is decided.
pub struct Request<'a> {
    /// Such as `kms:Encrypt`.
    pub action: &'a str,
    /// Its ARN, or `*` for an action that has no resource.
    pub resource: &'a str,
    /// Who asks.
    pub caller: Caller<'a>,
    /// What conditions can ask about.
    pub context: &'a dyn Context,
    /// What deciding it may take, by all policies together.
    pub effort: Effort,
}

/// A policy, and where it comes from.
pub struct Attached {
    /// For an operator's eyes, such as `AliyunKMSFullAccess of group ops`.
    pub origin: Box<str>,
    /// What it says.
    pub policy: Arc<Policy>,
}

/// All policies that concern one request.
#[derive(Clone, Copy)]
pub struct Policies<'a> {
    /// Whether the caller is the root of its account, which may do everything as far as its account has a say.
    pub root: bool,
    /// Those of the caller, and of the groups that it is in; or those of a session's role.
    pub identity: &'a [Arc<Attached>],
    /// That of a session, if it was given one: nothing beyond it is allowed.
    pub session: Option<&'a Attached>,
    /// That of the resource, if it has one.
    pub resource: Option<&'a Attached>,
    /// Whether the resource is of another account than the caller: then both must allow.
    pub foreign: bool,
}

/// What was decided, and why.
#[derive(Clone, Copy)]
pub enum Verdict<'a> {
    /// The caller may.
    Allowed(Reason<'a>),
    /// The caller may not.
    Denied(Reason<'a>),
}

/// Why. Shown to operators, never to callers.
#[derive(Clone, Copy)]
pub enum Reason<'a> {
    /// It is the root of the account that owns the resource.
    Root,
    /// A statement says so.
    Statement {
        /// Of this policy.
        policy: &'a Attached,
        /// Its number, counted from 1.
        number: usize,
    },
    /// A statement denies, and it can't be told whether it speaks of this.
    Undecided {
        /// Of this policy.
        policy: &'a Attached,
        /// Its number, counted from 1.
        number: usize,
    },
    /// The policies have too many wildcards for what they are compared with.
    TooMuch {
        /// Of this policy.
        policy: &'a Attached,
        /// The number of the statement at which that was found, counted from 1.
        number: usize,
    },
    /// No policy of the caller's, nor of the resource, allows it.
    NothingAllows,
    /// The policy of another account's resource allows it, but none of the caller's does, which is needed as well.
    CallersAccountIsSilent,
    /// The policy of another account's resource does not allow it.
    ResourceIsSilent,
    /// The policy of the caller's session does not allow it.
    SessionIsSilent(&'a Attached),
}

impl Verdict<'_> {
    /// Whether the caller may.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

impl<'a> Policies<'a> {
    /// Decides a request: an explicit Deny of any policy wins; then an Allow is needed.
    pub fn decide(&self, request: &Request<'_>) -> Verdict<'a> {
        // Nothing in an account can lock its own root out.
        if self.root && !self.foreign {
            return Verdict::Allowed(Reason::Root);
        }
        let (mut own, mut session, mut resource) = (self.root.then_some(Reason::Root), None, None);
        let ask = |policy: &'a Attached, allowed: &mut Option<Reason<'a>>, at_least| match policy
            .policy
            .say_to(request, at_least)
        {
            Said::Deny(number) => Some(Reason::Statement { policy, number }),
            Said::Undecided(number) => Some(Reason::Undecided { policy, number }),
            Said::TooMuch(number) => Some(Reason::TooMuch { policy, number }),
            Said::Allow(number) => {
                allowed.get_or_insert(Reason::Statement { policy, number });
                None
            }
            Said::Nothing => None,
        };
        // The account that owns a resource, named as such in its policy, leaves it to the policies of its users.
        let at_least = if self.foreign { Meant::ByAccount } else { Meant::ByName };
        let mut denied = self.resource.and_then(|policy| ask(policy, &mut resource, at_least));
        denied = denied.or_else(|| self.session.and_then(|policy| ask(policy, &mut session, Meant::ByAccount)));
        denied = denied.or_else(|| self.identity.iter().find_map(|policy| ask(policy, &mut own, Meant::ByAccount)));
        match (denied, self.session, own, resource) {
            (Some(reason), ..) => Verdict::Denied(reason),
            (None, Some(policy), ..) if session.is_none() => Verdict::Denied(Reason::SessionIsSilent(policy)),
            (None, _, _, None) if self.foreign => Verdict::Denied(Reason::ResourceIsSilent),
            (None, _, None, Some(_)) if self.foreign => Verdict::Denied(Reason::CallersAccountIsSilent),
            (None, _, None, None) => Verdict::Denied(Reason::NothingAllows),
            (None, _, Some(reason), _) | (None, _, None, Some(reason)) => Verdict::Allowed(reason),
        }
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(reason) => write!(f, "allowed: {reason}"),
            Self::Denied(reason) => write!(f, "denied: {reason}"),
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the caller is the root of the account"),
            Self::Statement { policy, number } => write_statement(f, policy, *number),
            Self::Undecided { policy, number } => {
                write_statement(f, policy, *number)?;
                f.write_str(", a Deny that can't be evaluated for this call")
            }
            Self::TooMuch { policy, number } => {
                f.write_str("the policies have too many wildcards to be compared with a call like this, up to ")?;
                write_statement(f, policy, *number)
            }
            Self::NothingAllows => f.write_str("no policy allows it"),
            Self::CallersAccountIsSilent => f.write_str("no policy of the caller's own account allows it"),
            Self::ResourceIsSilent => f.write_str("the policy of the other account's key does not allow it"),
            Self::SessionIsSilent(policy) => write!(f, "{} does not allow it", policy.origin),
        }
    }
}

fn write_statement(f: &mut fmt::Formatter<'_>, policy: &Attached, number: usize) -> fmt::Result {
    match policy.policy.sid(number) {
        Some(sid) => write!(f, "statement {number} ({sid:?}) of {}", policy.origin),
        None => write!(f, "statement {number} of {}", policy.origin),
    }
}
