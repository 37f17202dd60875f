//! Where computations run that would hold up everybody else on their thread.
//!
//! RSA takes up to milliseconds for a signature and seconds for a key pair. Such work runs on threads that may block, few at a
//! time, so that it neither delays other requests nor fills the pool that the store reads with. Who goes away before its turn
//! is passed over.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::Error;

/// Calls to an HSM at a time. It has fewer sessions, which they share.
const IN_TOKEN: usize = 64;
/// How long a call to an HSM may take. Making an RSA key takes some tens of seconds.
const TOKEN_DEADLINE: Duration = Duration::from_secs(120);

pub(crate) struct Workers {
    /// For what takes milliseconds.
    short: Arc<Queue>,
    /// For what takes seconds: never all cores.
    long: Arc<Queue>,
    /// For what waits for an HSM.
    in_token: Arc<Semaphore>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            short: Arc::new(Queue::new(cores)),
            long: Arc::new(Queue::new((cores / 2).max(1))),
            in_token: Arc::new(Semaphore::new(IN_TOKEN)),
        }
    }

    /// Does what takes milliseconds.
    pub(crate) async fn short<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        self.short.done(work).await
    }

    /// Does what takes seconds.
    pub(crate) async fn long<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        self.long.done(work).await
    }

    /// Does what waits for an HSM. A call that hangs there keeps its turn, so that hanging calls can't take all threads.
    pub(crate) async fn in_token<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turns = self.in_token.clone();
        let done = async {
            let turn = turns.acquire_owned().await.map_err(|error| Error::Internal(error.into()))?;
            let done = tokio::task::spawn_blocking(move || {
                let result = work();
                drop(turn);
                result
            });
            done.await.map_err(|error| Error::Internal(error.into()))
        };
        let late = |_| Error::Unavailable("the HSM does not answer in time".into());
        tokio::time::timeout(TOKEN_DEADLINE, done).await.map_err(late)?
    }
}

/// Work that is done in the order in which it comes, on a few threads. A thread goes from one piece to the next: were each
/// piece handed over when its caller has been woken for its turn, processors would idle in between.
struct Queue {
    most_threads: usize,
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Job>,
    threads: usize,
}

type Job = Box<dyn FnOnce() + Send>;

impl Queue {
    fn new(most_threads: usize) -> Self {
        Self { most_threads, state: Mutex::default() }
    }

    /// Does a piece of work when its turn has come; what came of it.
    async fn done<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            // Nobody waits any more for whom the channel is closed.
            if !sender.is_closed() {
                let _ = sender.send(work());
            }
        };
        if self.enter(Box::new(job)) {
            let queue = self.clone();
            tokio::task::spawn_blocking(move || {
                while let Some(job) = queue.next() {
                    // Of a panic the caller learns by its channel, and the next in the queue nothing.
                    let _ = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        receiver.await.map_err(|error| Error::Internal(error.into()))
    }

    /// Puts a piece of work at the end, and tells whether another thread is to begin.
    fn enter(&self, job: Job) -> bool {
        let mut state = self.state.lock();
        state.waiting.push_back(job);
        let begins = state.threads < self.most_threads;
        state.threads += usize::from(begins);
        begins
    }

    /// The piece of work whose turn it is; without any, the thread that asks ends.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        let job = state.waiting.pop_front();
        state.threads -= usize::from(job.is_none());
        job
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn all_work_is_done_and_little_at_a_time() {
        let queue = Arc::new(Queue::new(2));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let (queue, running, most) = (queue.clone(), running.clone(), most.clone());
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(200));
                    running.fetch_sub(1, Ordering::SeqCst);
                    number
                };
                tokio::spawn(async move { queue.done(work).await })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap().unwrap(), number);
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn who_goes_away_is_passed_over() {
        let queue = Arc::new(Queue::new(1));
        let (release, held) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let queue = queue.clone();
            async move { queue.done(move || held.recv()).await }
        });
        let done = Arc::new(AtomicUsize::new(0));
        let count = || {
            let done = done.clone();
            move || done.fetch_add(1, Ordering::SeqCst)
        };
        {
            let given_up = queue.done(count());
            tokio::select! {
                biased;
                _ = given_up => panic!("it had no turn yet"),
                () = tokio::task::yield_now() => {}
            }
        }
        release.send(()).unwrap();
        first.await.unwrap().unwrap().unwrap();
        assert_eq!(queue.done(count()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn of_a_panic_only_its_caller_learns() {
        let queue = Arc::new(Queue::new(1));
        let panicked = queue.done(|| panic!("a planned panic")).await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
        assert_eq!(queue.done(|| 7).await.unwrap(), 7);
        assert_eq!(queue.state.lock().waiting.len(), 0);
    }
}
