//! How much of everything an account may have: what bounds the memory that identities take, and how several that come at once keep to a
//! bound together.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;

/// Users.
pub const USERS: usize = 10_000;
/// Groups.
pub const GROUPS: usize = 1_000;
/// Roles.
pub const ROLES: usize = 10_000;
/// Policies of the account's own.
pub const POLICIES: usize = 1_500;
/// Versions of one policy that are kept.
pub const POLICY_VERSIONS: usize = 5;
/// Policies attached to one user, group or role: each decision asks all of them.
pub const ATTACHMENTS: usize = 30;
/// Groups that one user is in.
pub const GROUPS_OF_USER: usize = 50;
/// AccessKeys of one user, and of the root.
pub const ACCESS_KEYS: usize = 5;
/// Accounts of an installation.
pub const ACCOUNTS: usize = 10_000;
/// Tokens of one user.
pub const TOKENS: usize = 100;
/// Public keys of certificates bound to one user.
pub const CERTIFICATES: usize = 20;

/// What commits under way will add to what is there, by whose it is.
///
/// A count of what is there says nothing of what others are about to add. So a change reserves what it adds before its commit, and gives
/// that back when what it added is counted, or was not added.
pub struct Reservations<K>(Mutex<HashMap<K, u64>>);

/// What a change is about to add; given back when it is dropped.
#[must_use]
pub struct Reservation<'a, K: Copy + Eq + Hash> {
    of: &'a Reservations<K>,
    whose: K,
    amount: u64,
}

impl<K> Default for Reservations<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> Reservations<K> {
    /// Reserves `amount`, unless that makes more than `most` with what is `there` and what others have reserved. Counts what is `there`
    /// only after it knows what is reserved: whatever is not reserved any more must be among it.
    pub fn reserve(&self, whose: K, amount: u64, most: u64, there: impl FnOnce() -> u64) -> Option<Reservation<'_, K>> {
        let mut all = self.0.lock();
        let reserved = all.get(&whose).copied().unwrap_or_default();
        let fits = there().saturating_add(reserved).saturating_add(amount) <= most;
        fits.then(|| {
            all.insert(whose, reserved + amount);
            Reservation { of: self, whose, amount }
        })
    }
}

impl<K: Copy + Eq + Hash> Drop for Reservation<'_, K> {
    fn drop(&mut self) {
        let mut all = self.of.0.lock();
        let left = all.get(&self.whose).copied().unwrap_or_default().saturating_sub(self.amount);
        match left {
            0 => all.remove(&self.whose),
            left => all.insert(self.whose, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn what_is_reserved_counts_until_it_is_given_back() {
        let reservations = Reservations::default();
        let reserve = |whose, amount, there| reservations.reserve(whose, amount, 5, || there);
        let first = reserve("a", 3, 0).unwrap();
        assert!(reserve("a", 3, 0).is_none() && reserve("a", 1, 2).is_none());
        let second = reserve("a", 1, 1).unwrap();
        let other = reserve("b", 5, 0).unwrap();
        drop(first);
        assert!(reserve("a", 4, 1).is_none());
        drop(reserve("a", 3, 1).unwrap());
        drop((second, other));
        assert!(reservations.0.lock().is_empty());
        assert!(reserve("a", u64::MAX, 1).is_none());
    }

    #[test]
    fn those_that_come_at_once_keep_to_the_bound() {
        const MOST: u64 = 5;
        let (reservations, there) = (Reservations::default(), AtomicU64::new(0));
        let add = || {
            for _ in 0..1000 {
                let counted = || there.load(Ordering::SeqCst);
                if let Some(reserved) = reservations.reserve((), 1, MOST, counted) {
                    thread::yield_now();
                    assert!(there.fetch_add(1, Ordering::SeqCst) < MOST);
                    drop(reserved);
                    thread::yield_now();
                    there.fetch_sub(1, Ordering::SeqCst);
                }
            }
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(add))));
    }
}
