//! One change at a time, where changes of the same thing would only refuse each other.
//!
//! A change that takes something away does not stand in the line of the others: it waits for one of them at the most, and for one of
//! each other principal that takes something away. The rest of a principal's wait in a line of its own.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex as SyncMutex;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::PrincipalKey;

/// In which line a change stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Who changes.
    pub whose: PrincipalKey,
    /// Whether something is taken away.
    pub revokes: bool,
}

/// The lines in front of something that is changed by one at a time.
#[derive(Default, Clone)]
pub struct Lanes {
    /// Where all stand but those that take something away.
    usual: Arc<Mutex<()>>,
    /// Where a principal's stand that do, so that one of them at the most is in the last line.
    own: Shared<PrincipalKey, Arc<Mutex<()>>>,
    last: Arc<Mutex<()>>,
}

/// The right to change it, until this is dropped. The last line is left first.
#[must_use]
pub struct OneAtATime {
    _last: OwnedMutexGuard<()>,
    _first: First,
}

/// The place in the line before the last.
struct First {
    _turn: OwnedMutexGuard<()>,
    _own: Option<Used<PrincipalKey, Arc<Mutex<()>>>>,
}

impl Lanes {
    /// Waits for the turn of a change.
    pub async fn enter(&self, standing: Standing) -> OneAtATime {
        let first = self.pass_first(standing).await;
        OneAtATime { _last: self.last.clone().lock_owned().await, _first: first }
    }

    async fn pass_first(&self, Standing { whose, revokes }: Standing) -> First {
        // Made before the wait: who gives up waiting leaves nothing behind either.
        let own = revokes.then(|| self.own.used(whose));
        let line = own.as_ref().map_or(&self.usual, |own| &own.value);
        First { _turn: line.clone().lock_owned().await, _own: own }
    }
}

/// Lanes for each of many things, of which only those that are being changed take room.
pub struct LanesOf<K: Eq + Hash + Copy>(Shared<K, Lanes>);

/// The right to change one of them. The last line is left first.
#[must_use]
pub struct OneOf<K: Eq + Hash + Copy> {
    last: Option<OwnedMutexGuard<()>>,
    first: Option<First>,
    lanes: Used<K, Lanes>,
}

impl<K: Eq + Hash + Copy> Default for LanesOf<K> {
    fn default() -> Self {
        Self(Shared::default())
    }
}

impl<K: Eq + Hash + Copy> LanesOf<K> {
    /// Waits for the turn of a change of that one.
    pub async fn enter(&self, key: K, standing: Standing) -> OneOf<K> {
        let mut one = self.stand(key);
        one.pass_first(standing).await;
        one.pass_last().await;
        one
    }

    /// Waits for the turn of a change of several. They are given in an order that is the same for all, so that no two changes wait
    /// for each other.
    pub async fn enter_all(&self, keys: impl IntoIterator<Item = K>, standing: Standing) -> Vec<OneOf<K>> {
        let mut all: Vec<_> = keys.into_iter().map(|key| self.stand(key)).collect();
        // None is held in the last line while one is waited for where many may stand: what takes something away would wait as well.
        for one in &mut all {
            one.pass_first(standing).await;
        }
        for one in &mut all {
            one.pass_last().await;
        }
        all
    }

    fn stand(&self, key: K) -> OneOf<K> {
        OneOf { last: None, first: None, lanes: self.0.used(key) }
    }
}

impl<K: Eq + Hash + Copy> OneOf<K> {
    async fn pass_first(&mut self, standing: Standing) {
        self.first = Some(self.lanes.value.pass_first(standing).await);
    }

    async fn pass_last(&mut self) {
        self.last = Some(self.lanes.value.last.clone().lock_owned().await);
    }
}

/// Values under keys, each for as long as somebody uses it.
struct Shared<K, V>(Arc<SyncMutex<HashMap<K, (V, usize)>>>);

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Clone for Shared<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The use of a value.
struct Used<K: Eq + Hash + Copy, V> {
    value: V,
    key: K,
    all: Shared<K, V>,
}

impl<K: Eq + Hash + Copy, V: Default + Clone> Shared<K, V> {
    fn used(&self, key: K) -> Used<K, V> {
        let mut all = self.0.lock();
        let (value, users) = all.entry(key).or_default();
        *users += 1;
        Used { value: value.clone(), key, all: self.clone() }
    }
}

impl<K: Eq + Hash + Copy, V> Drop for Used<K, V> {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some((_, users)) = all.get_mut(&self.key) {
            *users -= 1;
            if *users == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::{AccountId, Principal};

    fn standing(whose: u32, revokes: bool) -> Standing {
        let account = AccountId::parse(&format!("{whose:016}")).unwrap();
        Standing { whose: Principal::root(account).key(), revokes }
    }

    #[test]
    fn what_takes_something_away_goes_before_all_that_wait() {
        let lanes = LanesOf::<u8>::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut held = pin!(lanes.enter(1, standing(1, false)));
        let Poll::Ready(held) = held.as_mut().poll(&mut context) else { panic!("nobody was before it") };
        {
            let mut usual: Vec<_> = (0..100).map(|_| Box::pin(lanes.enter(1, standing(1, false)))).collect();
            assert!(usual.iter_mut().all(|usual| usual.as_mut().poll(&mut context).is_pending()));
            let mut revoking = pin!(lanes.enter(1, standing(1, true)));
            assert!(revoking.as_mut().poll(&mut context).is_pending(), "one is under way");
            let mut other = pin!(lanes.enter(2, standing(1, false)));
            assert!(other.as_mut().poll(&mut context).is_ready(), "another thing");
            drop(held);
            assert!(usual.iter_mut().all(|usual| usual.as_mut().poll(&mut context).is_pending()));
            let Poll::Ready(revoked) = revoking.as_mut().poll(&mut context) else { panic!("it waits for others") };
            drop(revoked);
            assert!(usual.iter_mut().any(|usual| usual.as_mut().poll(&mut context).is_ready()));
        }
        assert!(lanes.0.0.lock().is_empty(), "nothing is left of those that went");
    }

    #[test]
    fn of_many_that_take_something_away_each_principal_has_one_in_the_last_line() {
        let lanes = Lanes::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut held = pin!(lanes.enter(standing(1, false)));
        let Poll::Ready(held) = held.as_mut().poll(&mut context) else { panic!("nobody was before it") };
        let mut flood: Vec<_> = (0..60).map(|n| Box::pin(lanes.enter(standing(1 + n % 2, true)))).collect();
        assert!(flood.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
        let mut own = pin!(lanes.enter(standing(3, true)));
        assert!(own.as_mut().poll(&mut context).is_pending());
        drop(held);
        // One of each of the two others comes first, and no more.
        let mut before = 0;
        let own = loop {
            if let Poll::Ready(own) = own.as_mut().poll(&mut context) {
                break own;
            }
            let at = flood.iter_mut().position(|one| one.as_mut().poll(&mut context).is_ready());
            drop(flood.remove(at.expect("somebody's turn")));
            before += 1;
        };
        assert_eq!(before, 2);
        drop((own, flood));
        assert!(lanes.own.0.lock().is_empty());
    }

    #[test]
    fn a_change_of_several_things_that_waits_for_one_of_them_holds_up_nothing_that_takes_another_away() {
        let lanes = LanesOf::<u8>::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut held = pin!(lanes.enter(2, standing(1, false)));
        let Poll::Ready(held) = held.as_mut().poll(&mut context) else { panic!("nobody was before it") };
        let mut several = pin!(lanes.enter_all([1, 2], standing(1, false)));
        assert!(several.as_mut().poll(&mut context).is_pending());
        let mut revoking = pin!(lanes.enter(1, standing(1, true)));
        assert!(revoking.as_mut().poll(&mut context).is_ready());
        drop(held);
    }
}
