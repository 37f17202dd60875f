//! One change at a time, where changes of the same thing would only refuse each other.
//!
//! A change that takes something away does not stand in the line of the others: it waits for one of them at the most.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex as SyncMutex;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The two lines in front of something that is changed by one at a time.
#[derive(Default, Clone)]
pub struct Lanes {
    /// Where all stand but those that take something away.
    usual: Arc<Mutex<()>>,
    one: Arc<Mutex<()>>,
}

/// The right to change it, until this is dropped.
#[must_use]
pub struct OneAtATime {
    _one: OwnedMutexGuard<()>,
    _usual: Option<OwnedMutexGuard<()>>,
}

impl Lanes {
    /// Waits for the turn of a change; `revokes` for one that takes something away.
    pub async fn enter(&self, revokes: bool) -> OneAtATime {
        let usual = match revokes {
            true => None,
            false => Some(self.usual.clone().lock_owned().await),
        };
        OneAtATime { _one: self.one.clone().lock_owned().await, _usual: usual }
    }
}

/// Lanes for each of many things, of which only those that are being changed take room.
pub struct LanesOf<K: Eq + Hash + Copy>(SyncMutex<HashMap<K, Arc<Lanes>>>);

/// The right to change one of them.
#[must_use]
pub struct OneOf<'a, K: Eq + Hash + Copy> {
    one: Option<OwnedMutexGuard<()>>,
    usual: Option<OwnedMutexGuard<()>>,
    lanes: Option<Arc<Lanes>>,
    all: &'a LanesOf<K>,
    key: K,
}

impl<K: Eq + Hash + Copy> Default for LanesOf<K> {
    fn default() -> Self {
        Self(SyncMutex::default())
    }
}

impl<K: Eq + Hash + Copy> LanesOf<K> {
    /// Waits for the turn of a change of that one.
    pub async fn enter(&self, key: K, revokes: bool) -> OneOf<'_, K> {
        let mut one = self.stand(key);
        one.pass_usual(revokes).await;
        one.pass_last().await;
        one
    }

    /// Waits for the turn of a change of several. They are given in an order that is the same for all, so that no two changes wait
    /// for each other.
    pub async fn enter_all(&self, keys: impl IntoIterator<Item = K>, revokes: bool) -> Vec<OneOf<'_, K>> {
        let mut all: Vec<_> = keys.into_iter().map(|key| self.stand(key)).collect();
        // None is held in the last line while one is waited for where many may stand: what takes something away would wait as well.
        for one in &mut all {
            one.pass_usual(revokes).await;
        }
        for one in &mut all {
            one.pass_last().await;
        }
        all
    }

    fn stand(&self, key: K) -> OneOf<'_, K> {
        let lanes = self.0.lock().entry(key).or_default().clone();
        // Made before the wait: who gives up waiting leaves nothing behind either.
        OneOf { one: None, usual: None, lanes: Some(lanes), all: self, key }
    }
}

impl<K: Eq + Hash + Copy> OneOf<'_, K> {
    async fn pass_usual(&mut self, revokes: bool) {
        let line = self.lanes.as_ref().filter(|_| !revokes).map(|lanes| lanes.usual.clone());
        if let Some(line) = line {
            self.usual = Some(line.lock_owned().await);
        }
    }

    async fn pass_last(&mut self) {
        let line = self.lanes.as_ref().map(|lanes| lanes.one.clone());
        if let Some(line) = line {
            self.one = Some(line.lock_owned().await);
        }
    }
}

impl<K: Eq + Hash + Copy> Drop for OneOf<'_, K> {
    fn drop(&mut self) {
        (self.one, self.usual) = (None, None);
        let mut all = self.all.0.lock();
        self.lanes = None;
        // Others are given out under this lock only.
        if all.get(&self.key).is_some_and(|lanes| Arc::strong_count(lanes) == 1) {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn what_takes_something_away_goes_before_all_that_wait() {
        let lanes = LanesOf::<u8>::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut held = pin!(lanes.enter(1, false));
        let Poll::Ready(held) = held.as_mut().poll(&mut context) else { panic!("nobody was before it") };
        {
            let mut usual: Vec<_> = (0..100).map(|_| Box::pin(lanes.enter(1, false))).collect();
            assert!(usual.iter_mut().all(|usual| usual.as_mut().poll(&mut context).is_pending()));
            let mut revoking = pin!(lanes.enter(1, true));
            assert!(revoking.as_mut().poll(&mut context).is_pending(), "one is under way");
            let mut other = pin!(lanes.enter(2, false));
            assert!(other.as_mut().poll(&mut context).is_ready(), "another thing");
            drop(held);
            assert!(usual.iter_mut().all(|usual| usual.as_mut().poll(&mut context).is_pending()));
            let Poll::Ready(revoked) = revoking.as_mut().poll(&mut context) else { panic!("it waits for others") };
            drop(revoked);
            assert!(usual.iter_mut().any(|usual| usual.as_mut().poll(&mut context).is_ready()));
        }
        assert!(lanes.0.lock().is_empty(), "nothing is left of those that went");
    }

    #[test]
    fn a_change_of_several_things_that_waits_for_one_of_them_holds_up_nothing_that_takes_another_away() {
        let lanes = LanesOf::<u8>::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut held = pin!(lanes.enter(2, false));
        let Poll::Ready(held) = held.as_mut().poll(&mut context) else { panic!("nobody was before it") };
        let mut several = pin!(lanes.enter_all([1, 2], false));
        assert!(several.as_mut().poll(&mut context).is_pending());
        let mut revoking = pin!(lanes.enter(1, true));
        assert!(revoking.as_mut().poll(&mut context).is_ready());
        drop(held);
    }
}
