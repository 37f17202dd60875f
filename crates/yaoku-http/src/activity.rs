//! What each connection is doing, and which of them must go.
//!
//! One sweeper looks at all connections once in a while, instead of a timer in each. A connection can only be told to close
//! while no request is under way on it, so that no client loses the answer to something that was done.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Limits;

/// All open connections.
#[derive(Debug)]
pub(crate) struct Registry {
    epoch: Instant,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    next: AtomicU64,
}

impl Registry {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { epoch: Instant::now(), open: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Enters a connection, for as long as the guard lives.
    pub(crate) fn enter(self: &Arc<Self>) -> Entry {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity {
            epoch: self.epoch,
            requests: AtomicU32::new(0),
            quiet_since: AtomicU64::new(self.now()),
            first_byte: AtomicU64::new(NEVER),
            blocked_since: AtomicU64::new(NEVER),
            multiplexed: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            answers: Mutex::default(),
            close: Notify::new(),
        });
        self.open.lock().insert(id, activity.clone());
        Entry { registry: self.clone(), id, activity }
    }

    /// Closes connections that take too long; how many.
    pub(crate) fn sweep(&self, limits: &Limits) -> usize {
        let now = self.now();
        let open = self.open.lock();
        let too_long = |activity: &&Arc<Activity>| {
            (activity.overdue(now, limits) && activity.close()) || activity.close_if_untaken(now, limits)
        };
        open.values().filter(too_long).count()
    }

    /// Closes the connection that has been without a request for the longest time, if there is one without.
    pub(crate) fn close_quietest(&self) -> bool {
        let open = self.open.lock();
        let quiet = open.values().filter(|activity| activity.requests.load(Ordering::Acquire) == 0);
        let quietest = quiet.min_by_key(|activity| activity.quiet_since.load(Ordering::Relaxed));
        quietest.is_some_and(|activity| activity.close())
    }

    /// Closes connections whose clients take none of their answers, until they gave up so many bytes; those first that have waited the
    /// longest time. How many.
    pub(crate) fn close_oldest_answers(&self, bytes: usize) -> usize {
        let waiting = |activity: &Activity| activity.answers.lock().waits();
        self.close_oldest(bytes, waiting, Activity::close_in_any_case)
    }

    /// Closes connections without a complete request, until they gave up so many bytes that they hold for one; those first that
    /// have taken the longest time. How many.
    pub(crate) fn close_oldest_heads(&self, bytes: usize) -> usize {
        let holds = |activity: &Activity| Some((activity.waits_since(), activity.held.load(Ordering::Relaxed)));
        self.close_oldest(bytes, holds, Activity::close)
    }

    /// Closes connections that hold memory, of which it is known since when and how much, until they gave up so many bytes; the oldest first.
    /// How many.
    fn close_oldest(
        &self,
        mut bytes: usize,
        holds: impl Fn(&Activity) -> Option<(u64, usize)>,
        close: impl Fn(&Activity) -> bool,
    ) -> usize {
        let open = self.open.lock();
        let held = open.values().filter_map(|activity| Some((holds(activity)?, activity)));
        let mut holders: Vec<_> = held.filter(|((_, held), _)| *held > 0).collect();
        holders.sort_unstable_by_key(|((since, _), _)| *since);
        let mut closed = 0;
        for ((_, held), activity) in holders {
            if bytes > 0 && close(activity) {
                bytes = bytes.saturating_sub(held);
                closed += 1;
            }
        }
        closed
    }

    pub(crate) fn now(&self) -> u64 {
        millis_since(self.epoch)
    }
}

/// A connection's place in the registry.
#[derive(Debug)]
pub(crate) struct Entry {
    registry: Arc<Registry>,
    id: u64,
    pub(crate) activity: Arc<Activity>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.open.lock().remove(&self.id);
    }
}

/// What one connection is doing. Times are milliseconds since the registry's beginning.
#[derive(Debug)]
pub(crate) struct Activity {
    epoch: Instant,
    /// Requests under way, or [`CLOSED`].
    requests: AtomicU32,
    /// When the connection was made, the last request ended, or a request's head was complete.
    quiet_since: AtomicU64,
    /// When the first byte of a request's head came, [`NEVER`], or [`IN_BODY`].
    first_byte: AtomicU64,
    /// Since when the client has taken nothing of what is being sent; or [`NEVER`].
    blocked_since: AtomicU64,
    /// HTTP/2: bytes come between requests too.
    multiplexed: AtomicBool,
    /// Bytes of memory that it holds for a head that isn't complete, or that one left.
    held: AtomicUsize,
    answers: Mutex<Answers>,
    close: Notify,
}

/// Answers that the client has not taken, in their order.
#[derive(Debug, Default)]
struct Answers {
    next: u64,
    waiting: VecDeque<Answer>,
}

#[derive(Debug)]
struct Answer {
    id: u64,
    since: u64,
    bytes: usize,
}

impl Answers {
    /// Since when the oldest waits, and the bytes of all; none if there is none.
    fn waits(&self) -> Option<(u64, usize)> {
        let oldest = self.waiting.front()?;
        Some((oldest.since, self.waiting.iter().map(|answer| answer.bytes).sum()))
    }
}

const CLOSED: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;
const IN_BODY: u64 = u64::MAX - 1;

impl Activity {
    /// Resolves when the connection must be closed.
    pub(crate) async fn closed(&self) {
        self.close.notified().await;
    }

    /// The head of a request is complete; its body may follow.
    pub(crate) fn head_complete(&self) {
        self.quiet_since.store(self.now(), Ordering::Relaxed);
        self.first_byte.store(IN_BODY, Ordering::Relaxed);
    }

    /// A request is complete and about to be run; none if the connection was told to close.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<UnderWay> {
        let one_more = |requests| if requests == CLOSED { None } else { Some(requests + 1) };
        self.requests.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        self.first_byte.store(NEVER, Ordering::Relaxed);
        Some(UnderWay(self.clone()))
    }

    /// An answer that takes so many bytes waits for the client to take it; by what [`Self::answer_taken`] knows it.
    pub(crate) fn answer_waits(&self, bytes: usize) -> u64 {
        let mut answers = self.answers.lock();
        let id = answers.next;
        answers.next += 1;
        answers.waiting.push_back(Answer { id, since: self.now(), bytes });
        id
    }

    /// The client took an answer, or will not.
    pub(crate) fn answer_taken(&self, id: u64) {
        self.answers.lock().waiting.retain(|answer| answer.id != id);
    }

    /// Closes the connection where an answer waits for too long.
    fn close_if_untaken(&self, now: u64, limits: &Limits) -> bool {
        let waits = self.answers.lock().waits();
        let limit = limits.write_timeout.as_millis();
        let overdue = waits.is_some_and(|(since, _)| u128::from(now.saturating_sub(since)) > limit);
        overdue && self.close_in_any_case()
    }

    /// Tells the connection to close, whatever is under way on it: who takes no answers can't lose any.
    fn close_in_any_case(&self) -> bool {
        self.close.notify_one();
        true
    }

    /// Tells the connection to close, unless a request is under way.
    fn close(&self) -> bool {
        let closed = self.requests.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if closed {
            self.close.notify_one();
        }
        closed
    }

    fn overdue(&self, now: u64, limits: &Limits) -> bool {
        let beyond = |since: u64, limit: std::time::Duration| {
            since < IN_BODY && u128::from(now.saturating_sub(since)) > limit.as_millis()
        };
        let head = self.first_byte.load(Ordering::Relaxed);
        beyond(self.quiet_since.load(Ordering::Relaxed), limits.idle_timeout)
            || beyond(self.blocked_since.load(Ordering::Relaxed), limits.write_timeout)
            || (!self.multiplexed.load(Ordering::Relaxed) && beyond(head, limits.header_timeout))
    }

    /// Takes note of bytes that came; of what they are, if requests come one after another.
    pub(crate) fn bytes_came(&self) -> Came {
        match self.first_byte.load(Ordering::Relaxed) {
            IN_BODY => Came::Body,
            NEVER => {
                if self.requests.load(Ordering::Relaxed) == 0 {
                    self.first_byte.store(self.now(), Ordering::Relaxed);
                }
                Came::NewHead
            }
            _ => Came::Head,
        }
    }

    /// Whether a request's head is complete, and its body is coming; if requests come one after another.
    pub(crate) fn is_in_body(&self) -> bool {
        self.first_byte.load(Ordering::Relaxed) == IN_BODY
    }

    /// The connection speaks HTTP/2.
    pub(crate) fn is_multiplexed(&self) {
        self.multiplexed.store(true, Ordering::Relaxed);
    }

    /// So much memory is held for a head that isn't complete.
    pub(crate) fn holds(&self, bytes: usize) {
        self.held.store(bytes, Ordering::Relaxed);
    }

    /// Since when it could have completed a request.
    fn waits_since(&self) -> u64 {
        let quiet = self.quiet_since.load(Ordering::Relaxed);
        let head = self.first_byte.load(Ordering::Relaxed);
        if head < IN_BODY { head } else { quiet }
    }

    pub(crate) fn sent(&self, progress: bool) {
        let blocked = self.blocked_since.load(Ordering::Relaxed) != NEVER;
        if blocked == progress {
            self.blocked_since.store(if progress { NEVER } else { self.now() }, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        millis_since(self.epoch)
    }
}

/// What bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// The beginning of a head.
    NewHead,
    /// More of it.
    Head,
    /// Of a body.
    Body,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.quiet_since.store(self.0.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

fn millis_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_millis()).unwrap_or(IN_BODY - 1)
}

#[cfg(test)]
impl Activity {
    pub(crate) fn began_at(&self, millis: u64) {
        self.first_byte.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == CLOSED
    }

    /// Whether it was told; it is no more afterwards.
    pub(crate) fn is_told_to_close(&self) -> bool {
        let mut closed = std::pin::pin!(self.closed());
        closed.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quietest_connection_goes_first_and_busy_ones_stay() {
        let registry = Registry::new();
        let [busy, quiet, quietest] = [(); 3].map(|()| registry.enter());
        let under_way = busy.activity.begin().unwrap();
        quiet.activity.quiet_since.store(5, Ordering::Relaxed);
        quietest.activity.quiet_since.store(2, Ordering::Relaxed);
        assert!(registry.close_quietest());
        assert!(quietest.activity.begin().is_none() && quiet.activity.begin().is_some());
        drop(quietest);
        assert!(registry.close_quietest());
        assert!(quiet.activity.begin().is_none());
        drop(quiet);
        assert!(!registry.close_quietest(), "a request is under way on the last one");
        drop(under_way);
        assert!(registry.close_quietest());
    }

    #[test]
    fn heads_that_take_the_longest_go_first_and_only_those_that_hold_memory() {
        let registry = Registry::new();
        let [busy, small, idle, old, new] = [(); 5].map(|()| registry.enter());
        for entry in [&busy, &idle, &old, &new] {
            entry.activity.holds(100);
        }
        let _under_way = busy.activity.begin().unwrap();
        idle.activity.quiet_since.store(1, Ordering::Relaxed);
        small.activity.began_at(2);
        old.activity.began_at(3);
        new.activity.began_at(4);
        let closed = || [&busy, &small, &idle, &old, &new].map(|entry| entry.activity.is_closed());
        assert_eq!(registry.close_oldest_heads(0), 0);
        assert_eq!(registry.close_oldest_heads(101), 2);
        assert_eq!(closed(), [false, false, true, true, false]);
        assert_eq!(registry.close_oldest_heads(1000), 1, "closed ones do not count again");
        assert_eq!(closed(), [false, false, true, true, true]);
    }

    #[test]
    fn each_part_of_a_request_has_its_time() {
        let limits = Limits::default();
        let registry = Registry::new();
        let activity = registry.enter().activity.clone();
        activity.quiet_since.store(0, Ordering::Relaxed);
        assert!(!activity.overdue(74_000, &limits) && activity.overdue(76_000, &limits));
        activity.first_byte.store(1_000, Ordering::Relaxed);
        assert!(!activity.overdue(10_000, &limits) && activity.overdue(12_000, &limits));
        activity.first_byte.store(IN_BODY, Ordering::Relaxed);
        assert!(!activity.overdue(29_000, &limits), "the body has a timer of its own");
        activity.blocked_since.store(1_000, Ordering::Relaxed);
        assert!(!activity.overdue(30_000, &limits) && activity.overdue(32_000, &limits));
    }
}
