//! Work that ends even if nobody waits for its end any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs a future to its end, here or, when it is dropped half-way, on its own.
///
/// A client that hangs up must not stop its request between a change and the change's audit record: hanging up would be a
/// way to do things that leave no trace.
pub(crate) struct Finished<F: Future<Output: Send> + Send + 'static> {
    /// None when it has ended.
    running: Option<Pin<Box<F>>>,
}

impl<F: Future<Output: Send> + Send + 'static> Finished<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { running: Some(Box::pin(future)) }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Finished<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Futures are not polled again after their end.
        let Some(running) = &mut self.running else { return Poll::Pending };
        let poll = running.as_mut().poll(cx);
        if poll.is_ready() {
            self.running = None;
        }
        poll
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Finished<F> {
    fn drop(&mut self) {
        // Without a runtime the process is about to end.
        if let (Some(running), Ok(runtime)) = (self.running.take(), Handle::try_current()) {
            drop(runtime.spawn(running));
        }
    }
}
