//! What each connection is doing, and which of them must go.
//!
//! One sweeper looks at all connections once in a while, instead of a timer in each. A connection can only be told to close
//! while no request is under way on it, so that no client loses the answer to something that was done.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
            close: Notify::new(),
        });
        self.open.lock().insert(id, activity.clone());
        Entry { registry: self.clone(), id, activity }
    }

    /// Closes connections that take too long; how many.
    pub(crate) fn sweep(&self, limits: &Limits) -> usize {
        let now = self.now();
        let open = self.open.lock();
        open.values().filter(|activity| activity.overdue(now, limits) && activity.close()).count()
    }

    /// Closes the connection that has been without a request for the longest time, if there is one without.
    pub(crate) fn close_quietest(&self) -> bool {
        let open = self.open.lock();
        let quiet = open.values().filter(|activity| activity.requests.load(Ordering::Acquire) == 0);
        let quietest = quiet.min_by_key(|activity| activity.quiet_since.load(Ordering::Relaxed));
        quietest.is_some_and(|activity| activity.close())
    }

    fn now(&self) -> u64 {
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
    close: Notify,
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

    fn bytes_came(&self) {
        if self.first_byte.load(Ordering::Relaxed) == NEVER && self.requests.load(Ordering::Relaxed) == 0 {
            self.first_byte.store(self.now(), Ordering::Relaxed);
        }
    }

    fn sent(&self, progress: bool) {
        let blocked = self.blocked_since.load(Ordering::Relaxed) != NEVER;
        if blocked == progress {
            self.blocked_since.store(if progress { NEVER } else { self.now() }, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        millis_since(self.epoch)
    }
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

/// A stream that notes when bytes come and go.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    fresh: bool,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, fresh: true }
    }

    fn sent<T>(&self, result: Poll<T>) -> Poll<T> {
        self.activity.sent(result.is_ready());
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = &buf.filled()[before..];
        if !came.is_empty() {
            if self.fresh {
                self.fresh = false;
                // "PRI * HTTP/2.0" opens an HTTP/2 connection (RFC 9113, section 3.4); no method of ours begins so.
                self.activity.multiplexed.store(came.starts_with(b"PR"), Ordering::Relaxed);
            }
            self.activity.bytes_came();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.sent(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.sent(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

fn millis_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_millis()).unwrap_or(IN_BODY - 1)
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
