//! The latest changes, kept for watchers in bounded memory.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Change, Error, Revision, Watch};

/// The most changes kept.
const MAX_CHANGES: usize = 16_384;
/// The most bytes of keys and values kept.
const MAX_BYTES: usize = 32 << 20;

pub(super) struct Feed {
    kept: Mutex<Kept>,
    latest: watch::Sender<Revision>,
}

struct Kept {
    /// Without gaps; the last one is the latest revision.
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    latest: Revision,
}

impl Feed {
    pub(super) fn new(latest: Revision) -> Self {
        let kept = Kept { changes: VecDeque::new(), bytes: 0, latest };
        Self { kept: Mutex::new(kept), latest: watch::Sender::new(latest) }
    }

    pub(super) fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let mut kept = self.kept.lock();
        for change in changes {
            assert_eq!(change.revision.0, kept.latest.0 + 1, "changes come without gaps");
            kept.latest = change.revision;
            kept.bytes += size(&change);
            kept.changes.push_back(Arc::new(change));
        }
        while kept.changes.len() > MAX_CHANGES || kept.bytes > MAX_BYTES {
            match kept.changes.pop_front() {
                Some(oldest) => kept.bytes -= size(&oldest),
                None => break,
            }
        }
        let latest = kept.latest;
        drop(kept);
        self.latest.send_replace(latest);
    }

    /// Forgets all changes: what became of some of them was not known when it should have been told. Watchers that have
    /// not seen `latest` must read everything again.
    pub(super) fn reset(&self, latest: Revision) {
        let mut kept = self.kept.lock();
        if kept.latest != latest {
            *kept = Kept { changes: VecDeque::new(), bytes: 0, latest };
            drop(kept);
            self.latest.send_replace(latest);
        }
    }

    pub(super) fn follow(self: &Arc<Self>, from: Revision) -> Result<Follower, Error> {
        let follower = Follower { feed: self.clone(), latest: self.latest.subscribe(), seen: from };
        follower.take().map(|_| follower)
    }
}

fn size(change: &Change) -> usize {
    let puts: usize = change.puts.iter().map(|(key, value)| key.len() + value.len()).sum();
    puts + change.deletes.iter().map(Vec::len).sum::<usize>()
}

pub(super) struct Follower {
    feed: Arc<Feed>,
    latest: watch::Receiver<Revision>,
    seen: Revision,
}

impl Follower {
    /// The change after the last one seen, if there is one yet.
    fn take(&self) -> Result<Option<Arc<Change>>, Error> {
        let kept = self.feed.kept.lock();
        if self.seen >= kept.latest {
            return Ok(None);
        }
        let behind = usize::try_from(kept.latest.0 - self.seen.0).unwrap_or(usize::MAX);
        let at = kept.changes.len().checked_sub(behind).ok_or(Error::Compacted)?;
        Ok(kept.changes.get(at).cloned())
    }
}

#[async_trait]
impl Watch for Follower {
    async fn next(&mut self) -> Result<Change, Error> {
        loop {
            self.latest.mark_unchanged();
            if let Some(change) = self.take()? {
                self.seen = change.revision;
                return Ok(Change::clone(&change));
            }
            if self.latest.changed().await.is_err() {
                return Err(Error::Unavailable("the store is closed".into()));
            }
        }
    }

    fn is_behind(&self) -> bool {
        *self.latest.borrow() > self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(revision: u64) -> Change {
        Change { revision: Revision(revision), puts: Vec::new(), deletes: vec![vec![1]] }
    }

    #[tokio::test]
    async fn changes_come_in_order_and_each_once() {
        let feed = Arc::new(Feed::new(Revision(5)));
        let mut follower = feed.follow(Revision(5)).unwrap();
        feed.publish((6..9).map(change));
        for revision in 6..9 {
            assert!(follower.is_behind());
            assert_eq!(follower.next().await.unwrap().revision, Revision(revision));
        }
        assert!(!follower.is_behind());
        let next = tokio::spawn(async move { follower.next().await });
        feed.publish([change(9)]);
        assert_eq!(next.await.unwrap().unwrap().revision, Revision(9));
    }

    #[tokio::test]
    async fn what_is_no_longer_kept_is_compacted() {
        let feed = Arc::new(Feed::new(Revision(5)));
        assert!(matches!(feed.follow(Revision(4)), Err(Error::Compacted)));
        let mut slow = feed.follow(Revision(5)).unwrap();
        feed.publish((6..6 + MAX_CHANGES as u64 + 1).map(change));
        assert!(matches!(slow.next().await, Err(Error::Compacted)));
        assert_eq!(feed.kept.lock().changes.len(), MAX_CHANGES);
    }
}
