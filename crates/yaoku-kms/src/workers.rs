//! Where computations run that would hold up everybody else on their thread.
//!
//! RSA takes up to milliseconds for a signature and seconds for a key pair. Such work runs on threads that may block, few at a
//! time, so that it neither delays other requests nor fills the pool that the store reads with. Who waits for a turn and goes
//! away leaves the queue.

use tokio::sync::Semaphore;

use crate::Error;

pub(crate) struct Workers {
    /// For what takes milliseconds.
    short: Semaphore,
    /// For what takes seconds: never all cores.
    long: Semaphore,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { short: Semaphore::new(cores), long: Semaphore::new((cores / 2).max(1)) }
    }

    /// Does what takes milliseconds.
    pub(crate) async fn short<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        run(&self.short, work).await
    }

    /// Does what takes seconds.
    pub(crate) async fn long<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        run(&self.long, work).await
    }
}

async fn run<T: Send + 'static>(turns: &Semaphore, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let _turn = turns.acquire().await.map_err(|error| Error::Internal(error.into()))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.into()))
}
