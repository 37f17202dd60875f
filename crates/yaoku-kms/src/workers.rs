//! Where computations run that would hold up everybody else on their thread.
//!
//! RSA takes up to milliseconds for a signature and seconds for a key pair. Such work runs on threads that may block, few at a
//! time, so that it neither delays other requests nor fills the pool that the store reads with. Who waits for a turn and goes
//! away leaves the queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::Error;

/// Calls to an HSM at a time. It has fewer sessions, which they share.
const IN_TOKEN: usize = 64;
/// How long a call to an HSM may take. Making an RSA key takes some tens of seconds.
const TOKEN_DEADLINE: Duration = Duration::from_secs(120);

pub(crate) struct Workers {
    /// For what takes milliseconds.
    short: Semaphore,
    /// For what takes seconds: never all cores.
    long: Semaphore,
    /// For what waits for an HSM.
    in_token: Arc<Semaphore>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            short: Semaphore::new(cores),
            long: Semaphore::new((cores / 2).max(1)),
            in_token: Arc::new(Semaphore::new(IN_TOKEN)),
        }
    }

    /// Does what takes milliseconds.
    pub(crate) async fn short<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        run(&self.short, work).await
    }

    /// Does what takes seconds.
    pub(crate) async fn long<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        run(&self.long, work).await
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

async fn run<T: Send + 'static>(turns: &Semaphore, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let _turn = turns.acquire().await.map_err(|error| Error::Internal(error.into()))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.into()))
}
