//! How many calls may be under way: of one principal, of one account, and in all.
//!
//! A principal's first few calls are admitted whatever others of its account, or of other accounts, have under way: nobody is shut
//! out by what somebody else asks for. Calls that take something away from callers are counted apart from all others, and those of
//! an operator at the control socket not at all (it has few connections): whatever else is under way, a key, an AccessKey or a
//! policy can be taken away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::principal::Identity;
use crate::{Caller, Credential, Principal};

/// Calls of one principal that take something away.
const TO_REVOKE: usize = 32;
/// The first calls of a principal, which do not depend on what others have under way.
const OWN_SHARE: usize = 16;

/// Counts the calls that are under way.
pub struct CallsUnderWay {
    of_principal: usize,
    of_account: usize,
    in_all: usize,
    all: Arc<AtomicUsize>,
}

/// Calls under way of a principal.
#[derive(Default)]
pub(crate) struct OwnCalls {
    usual: Arc<AtomicUsize>,
    to_revoke: Arc<AtomicUsize>,
}

/// A call under way, which counts for as long as this lives.
#[must_use]
pub struct UnderWay(#[expect(dead_code, reason = "held, and counted down when dropped")] [Option<Counted>; 3]);

/// Why a call is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// Its principal, or its account, has as many under way as it may.
    OfCaller,
    /// The server has.
    InAll,
}

impl CallsUnderWay {
    /// At most so many in all, of which an account may have two thirds, and a principal one third.
    pub fn new(in_all: usize) -> Self {
        let third = (in_all / 3).max(1);
        Self { of_principal: third, of_account: 2 * third, in_all, all: Arc::default() }
    }

    /// Counts a call; `revokes` for one that takes something away.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn enter(&self, caller: &Caller, revokes: bool) -> Result<UnderWay, TooMany> {
        match caller.credential() {
            Credential::Operator(_) | Credential::Service => Ok(UnderWay([None, None, None])),
            Credential::AccessKey(_) | Credential::Token(_) | Credential::Certificate(_) | Credential::DiskUrl => {
                self.enter_as(caller.principal(), revokes)
            }
        }
    }

    fn enter_as(&self, principal: &Principal, revokes: bool) -> Result<UnderWay, TooMany> {
        let own = match &principal.identity {
            Identity::Root => &principal.tenant.root_calls,
            Identity::User { subject, .. } => &subject.calls,
            Identity::Session(session) => &session.role.calls,
            Identity::Disk(disk) => &disk.calls,
            Identity::Service => return Ok(UnderWay([None, None, None])),
        };
        if revokes {
            let (own, _) = Counted::enter(&own.to_revoke, TO_REVOKE).ok_or(TooMany::OfCaller)?;
            return Ok(UnderWay([Some(own), None, None]));
        }
        let (own, others) = Counted::enter(&own.usual, self.of_principal).ok_or(TooMany::OfCaller)?;
        let unless_few = |most| if others < OWN_SHARE { usize::MAX } else { most };
        let of_account = Counted::enter(&principal.tenant.calls, unless_few(self.of_account));
        let (of_account, _) = of_account.ok_or(TooMany::OfCaller)?;
        let (in_all, _) = Counted::enter(&self.all, unless_few(self.in_all)).ok_or(TooMany::InAll)?;
        Ok(UnderWay([Some(own), Some(of_account), Some(in_all)]))
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// One more, and how many there were before; none if there are as many already.
    fn enter(count: &Arc<AtomicUsize>, most: usize) -> Option<(Self, usize)> {
        let more = |count: usize| (count < most).then_some(count + 1);
        let before = count.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).ok()?;
        Some((Self(count.clone()), before))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Attached;
    use crate::principal::{Known, Subject};
    use crate::tenant::Tenant;
    use crate::{AccountId, UserId};

    fn tenant(number: u64) -> Arc<Tenant> {
        Arc::new(Tenant::new(AccountId::parse(&format!("{number:016}")).unwrap()))
    }

    fn user(tenant: &Arc<Tenant>) -> Principal {
        let policies: Box<[Arc<Attached>]> = Box::default();
        let known = Known { name: "user".into(), arn: "".into(), policies, ended: false };
        let subject = Arc::new(Subject::new(known));
        let id = UserId::generate(&yaoku_crypto::SystemRandom).unwrap();
        Principal {
            tenant: tenant.clone(),
            status: Arc::default(),
            identity: Identity::User { id, subject },
            login: None,
        }
    }

    /// As many calls as are admitted, and why no more are.
    fn flood(calls: &CallsUnderWay, principal: &Principal, revokes: bool) -> (Vec<UnderWay>, TooMany) {
        let mut held = Vec::new();
        loop {
            match calls.enter_as(principal, revokes) {
                Ok(call) => held.push(call),
                Err(why) => return (held, why),
            }
        }
    }

    #[test]
    fn a_flood_is_bounded_and_shuts_nobody_else_out() {
        let calls = CallsUnderWay::new(300);
        let (one, other) = (tenant(1), tenant(2));
        let floods: Vec<_> = [&one, &one, &one].map(|tenant| flood(&calls, &user(tenant), false)).into();
        let counts: Vec<_> = floods.iter().map(|(held, why)| (held.len(), *why)).collect();
        assert_eq!(counts, [(100, TooMany::OfCaller), (100, TooMany::OfCaller), (OWN_SHARE, TooMany::OfCaller)]);
        // The server is as full as it may be; another account's flood gets what is left, and the first few of anybody are served.
        let (held, why) = flood(&calls, &user(&other), false);
        assert_eq!((held.len(), why), (300 - 200 - OWN_SHARE, TooMany::InAll));
        assert_eq!(
            flood(&calls, &Principal::root(AccountId::parse("0000000000000003").unwrap()), false).0.len(),
            OWN_SHARE
        );
        drop(floods);
        let (held_later, why) = flood(&calls, &user(&one), false);
        assert_eq!((held_later.len(), why), (100, TooMany::OfCaller));
    }

    #[test]
    fn what_takes_something_away_is_counted_apart() {
        let calls = CallsUnderWay::new(6);
        let tenant = tenant(1);
        let (flooding, root) = (user(&tenant), user(&tenant));
        let _held: Vec<_> =
            (0..8).map(|_| (flood(&calls, &user(&tenant), false), flood(&calls, &user(&tenant), true))).collect();
        assert_eq!(flood(&calls, &flooding, false).0.len(), 2);
        assert_eq!(flood(&calls, &root, true).0.len(), TO_REVOKE);
    }
}
