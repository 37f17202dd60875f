//! The memory that connections and requests may take together.
//!
//! Requests that have come whole, and bodies, take of it what they are; if there is too little left, they are refused.
//! What has come of heads that are not complete may take a part of it ([`HEADS`]). There is nobody yet who could be told of a
//! refusal: where they take most of their part, those that began first are closed, for the clients that send fast enough, and where
//! that frees nothing, no more is read of the others. Answers take their part ([`ANSWERS`]) until their clients have taken them; where
//! they take most of it, the connections with the oldest are closed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use crate::activity::{Activity, Registry};
use crate::{ConnectionMetrics, Refusal};

/// Bytes that are not counted, of a connection and of its only request: small requests pass while large ones fill the budget.
pub(crate) const FREE: usize = 8 << 10;
/// The part of the budget that unfinished heads may take: one in so many.
const HEADS: usize = 4;
/// As [`HEADS`], of answers that were not taken.
const ANSWERS: usize = 2;
/// Between two looks for connections to close; the memory of those that were closed last is free by then.
const PATIENCE: u64 = 5;
/// Until a connection that must wait for memory tries again.
const RETRY: Duration = Duration::from_millis(20);

/// Bytes that all requests may take together.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicUsize,
    heads: Part,
    answers: Part,
    registry: Arc<Registry>,
    metrics: ConnectionMetrics,
}

/// A part of the budget, for what clients have to end.
#[derive(Debug)]
struct Part {
    most: usize,
    left: AtomicUsize,
    /// When connections were closed for it last.
    closed_at: AtomicU64,
}

impl Part {
    fn of(total: usize, parts: usize) -> Self {
        Self { most: total / parts, left: AtomicUsize::new(total / parts), closed_at: AtomicU64::new(0) }
    }

    fn take(&self, budget: &AtomicUsize, bytes: usize) -> bool {
        take(&self.left, bytes) && {
            let taken = take(budget, bytes);
            if !taken {
                give(&self.left, bytes);
            }
            taken
        }
    }

    fn is_nearly_full(&self) -> bool {
        self.left.load(Ordering::Relaxed) < self.most / 4
    }

    /// Whether it is time to close connections for it: how many bytes are to become free then.
    fn to_free(&self, now: u64) -> Option<usize> {
        let last = self.closed_at.load(Ordering::Relaxed);
        let due = last == 0 || now >= last + PATIENCE;
        let ours =
            due && self.closed_at.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        ours.then(|| (self.most / 2).saturating_sub(self.left.load(Ordering::Relaxed)))
    }
}

impl Budget {
    pub(crate) fn new(bytes: usize, registry: Arc<Registry>, metrics: ConnectionMetrics) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(bytes),
            heads: Part::of(bytes, HEADS),
            answers: Part::of(bytes, ANSWERS),
            registry,
            metrics,
        })
    }

    /// An empty claim of a request whose head is complete.
    pub(crate) fn claim(self: &Arc<Self>, heads: Arc<Heads>) -> Claim {
        let free = if heads.0.fetch_add(1, Ordering::AcqRel) == 0 { FREE } else { 0 };
        Claim { budget: self.clone(), heads, free, size: 0, held: 0 }
    }

    /// Takes memory for a request.
    fn take(&self, bytes: usize) -> bool {
        let taken = take(&self.left, bytes);
        if !taken {
            self.close_heads();
            self.close_answers();
        }
        taken
    }

    /// Takes memory for a head that isn't complete.
    fn take_for_head(&self, bytes: usize) -> bool {
        let taken = self.heads.take(&self.left, bytes);
        if !taken || self.heads.is_nearly_full() {
            self.close_heads();
        }
        taken
    }

    fn give_back_of_head(&self, bytes: usize) {
        give(&self.heads.left, bytes);
        give(&self.left, bytes);
    }

    /// Closes heads that began first, until half of what they may take is free.
    fn close_heads(&self) {
        if let Some(bytes) = self.heads.to_free(self.registry.now()) {
            self.metrics.closed_for_memory(self.registry.close_oldest_heads(bytes));
        }
    }

    /// Takes memory for an answer that a client has not taken.
    fn take_for_answer(&self, bytes: usize) -> bool {
        let taken = self.answers.take(&self.left, bytes);
        if !taken || self.answers.is_nearly_full() {
            self.close_answers();
        }
        taken
    }

    /// Closes connections whose answers were not taken for the longest time, until half of what answers may take is free.
    fn close_answers(&self) {
        if let Some(bytes) = self.answers.to_free(self.registry.now()) {
            self.metrics.closed_for_memory(self.registry.close_oldest_answers(bytes));
        }
    }
}

fn take(left: &AtomicUsize, bytes: usize) -> bool {
    left.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
}

fn give(left: &AtomicUsize, bytes: usize) {
    left.fetch_add(bytes, Ordering::AcqRel);
}

/// How many requests of a connection have a complete head and are not done with.
#[derive(Debug, Default)]
pub(crate) struct Heads(AtomicU32);

/// What one request takes of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    budget: Arc<Budget>,
    heads: Arc<Heads>,
    free: usize,
    size: usize,
    held: usize,
}

impl Claim {
    /// Takes `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.size += bytes;
        let wanted = self.size.saturating_sub(self.free) - self.held;
        if wanted == 0 {
            return Ok(());
        }
        if !self.budget.take(wanted) {
            return Err(Refusal::Overloaded);
        }
        self.held += wanted;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.held > 0 {
            give(&self.budget.left, self.held);
        }
        self.heads.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An answer that its client has not taken yet, and the memory that it takes; dropped with its last byte.
#[derive(Debug)]
pub(crate) struct Untaken {
    budget: Arc<Budget>,
    activity: Arc<Activity>,
    id: u64,
    held: usize,
}

impl Untaken {
    /// An answer of so many bytes. Small ones are not refused for want of memory: what they answer may have been done.
    pub(crate) fn new(budget: &Arc<Budget>, activity: &Arc<Activity>, bytes: usize) -> Result<Self, Refusal> {
        let held = match budget.take_for_answer(bytes) {
            true => bytes,
            false if bytes <= FREE => 0,
            false => return Err(Refusal::Overloaded),
        };
        let id = activity.answer_waits(held);
        Ok(Self { budget: budget.clone(), activity: activity.clone(), id, held })
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        give(&self.budget.answers.left, self.held);
        give(&self.budget.left, self.held);
        self.activity.answer_taken(self.id);
    }
}

/// What one connection takes of the budget for what has come and is no request yet; given back when dropped.
#[derive(Debug)]
pub(crate) struct Inflow {
    budget: Arc<Budget>,
    activity: Arc<Activity>,
    wanted: usize,
    held: usize,
    retry: Option<Pin<Box<Sleep>>>,
}

impl Inflow {
    pub(crate) fn new(budget: Arc<Budget>, activity: Arc<Activity>) -> Self {
        Self { budget, activity, wanted: 0, held: 0, retry: None }
    }

    /// So many bytes of memory are taken by what has come.
    pub(crate) fn takes(&mut self, bytes: usize) {
        // Buffers grow by doubling.
        self.wanted = if bytes > FREE { bytes.next_power_of_two() - FREE } else { 0 };
        if self.wanted < self.held {
            self.budget.give_back_of_head(self.held - self.wanted);
            self.hold(self.wanted);
        }
    }

    /// At least so many.
    pub(crate) fn takes_at_least(&mut self, bytes: usize) {
        if bytes > FREE + self.wanted {
            self.takes(bytes);
        }
    }

    /// Wants no more than it has.
    pub(crate) fn settle(&mut self) {
        self.wanted = self.held;
        self.retry = None;
    }

    /// Ready when what has come has its memory, so that more may come.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.wanted > self.held {
            if let Some(retry) = &mut self.retry {
                std::task::ready!(retry.as_mut().poll(cx));
                self.retry = None;
            }
            if self.budget.take_for_head(self.wanted - self.held) {
                self.hold(self.wanted);
            } else {
                self.retry = Some(Box::pin(tokio::time::sleep(RETRY)));
            }
        }
        Poll::Ready(())
    }

    fn hold(&mut self, bytes: usize) {
        self.held = bytes;
        self.activity.holds(bytes);
    }
}

impl Drop for Inflow {
    fn drop(&mut self) {
        self.budget.give_back_of_head(self.held);
        self.activity.holds(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes: usize) -> Arc<Budget> {
        Budget::new(bytes, Registry::new(), ConnectionMetrics::default())
    }

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let budget = budget(100);
        let mut small = budget.claim(Arc::default());
        small.grow(FREE).unwrap();
        let mut large = budget.claim(Arc::default());
        large.grow(FREE).unwrap();
        large.grow(60).unwrap();
        large.grow(40).unwrap();
        assert_eq!(large.grow(1), Err(Refusal::Overloaded));
        assert_eq!(small.grow(1), Err(Refusal::Overloaded));
        drop(large);
        budget.claim(Arc::default()).grow(FREE + 100).unwrap();
    }

    #[test]
    fn only_one_request_of_a_connection_has_bytes_that_are_not_counted() {
        let (budget, heads) = (budget(100), Arc::<Heads>::default());
        let connection = || heads.clone();
        let mut first = budget.claim(connection());
        first.grow(FREE).unwrap();
        let mut second = budget.claim(connection());
        second.grow(100).unwrap();
        assert_eq!(budget.claim(connection()).grow(1), Err(Refusal::Overloaded));
        drop((first, second));
        budget.claim(connection()).grow(FREE).unwrap();
    }

    #[tokio::test]
    async fn heads_take_a_part_and_the_oldest_give_way() {
        let registry = Registry::new();
        let budget = Budget::new(4 << 20, registry.clone(), ConnectionMetrics::default());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let entries: Vec<_> = (0..20).map(|_| registry.enter()).collect();
        let mut inflows: Vec<_> =
            entries.iter().map(|entry| Inflow::new(budget.clone(), entry.activity.clone())).collect();
        for (at, (inflow, entry)) in inflows.iter_mut().zip(&entries).enumerate() {
            inflow.takes(9_000);
            assert_eq!(inflow.wanted, FREE, "the buffer has 16 KiB, of which 8 are not counted");
            inflow.takes_at_least(5_000);
            assert_eq!(inflow.wanted, FREE);
            inflow.takes(100_000);
            entry.activity.began_at(at as u64);
            if at < 6 {
                assert!(inflow.poll_ready(&mut cx).is_ready());
            }
        }
        // A quarter of 4 MiB has room for 8 of 120 KiB.
        assert_eq!(budget.heads.left.load(Ordering::Relaxed), (1 << 20) - 6 * (120 << 10));
        assert!(entries.iter().all(|entry| !entry.activity.is_closed()));
        assert!(inflows[6].poll_ready(&mut cx).is_ready());
        let closed: Vec<_> = entries.iter().map(|entry| entry.activity.is_closed()).collect();
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 3, "until half is free: {closed:?}");
        assert!(closed[..3].iter().all(|closed| *closed), "those that began first: {closed:?}");
        assert!(inflows[7].poll_ready(&mut cx).is_ready());
        assert!(inflows[8].poll_ready(&mut cx).is_pending(), "what was closed still has its memory");
        inflows.drain(..3);
        tokio::time::sleep(RETRY * 2).await;
        assert!(inflows[5].poll_ready(&mut cx).is_ready());
        drop(inflows);
        assert_eq!(budget.heads.left.load(Ordering::Relaxed), 1 << 20);
        assert_eq!(budget.left.load(Ordering::Relaxed), 4 << 20);
    }

    #[test]
    fn answers_take_a_part_and_the_oldest_give_way() {
        let registry = Registry::new();
        let budget = Budget::new(1 << 20, registry.clone(), ConnectionMetrics::default());
        let entries: Vec<_> = (0..10).map(|_| registry.enter()).collect();
        let untaken = |entry: &crate::activity::Entry, bytes| {
            std::thread::sleep(Duration::from_millis(2));
            Untaken::new(&budget, &entry.activity, bytes)
        };
        // Half of 1 MiB has room for 5 of 100 KiB.
        let held: Vec<_> = entries[..5].iter().map(|entry| untaken(entry, 100 << 10).unwrap()).collect();
        let told: Vec<_> = entries.iter().map(|entry| entry.activity.is_told_to_close()).collect();
        assert!(told[0] && told[1] && !told[4], "those that waited longest, until half is free: {told:?}");
        assert_eq!(
            untaken(&entries[5], 100 << 10).err(),
            Some(Refusal::Overloaded),
            "what was closed still has its memory"
        );
        let small = untaken(&entries[6], FREE).unwrap();
        drop(held);
        let large = untaken(&entries[7], 500 << 10).unwrap();
        drop((small, large));
        assert_eq!(budget.answers.left.load(Ordering::Relaxed), 1 << 19);
        assert_eq!(budget.left.load(Ordering::Relaxed), 1 << 20);
    }
}
