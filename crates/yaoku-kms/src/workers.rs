//! Where computations run that would hold up everybody else on their thread: RSA takes up to milliseconds for a signature and
//! seconds for a key pair, and a token is a device that is waited for.

use std::sync::Arc;
use std::time::Duration;

use yaoku_iam::{Call, Domain, NotDone, Reserved, Turns, WaitingBounds, Workers as Threads};

use crate::{Error, Kms};

/// Calls to an HSM at a time.
const IN_TOKEN: usize = 64;
/// How long a call to an HSM may take, once it has begun. Making an RSA key takes some tens of seconds.
const TOKEN_DEADLINE: Duration = Duration::from_secs(120);

/// How long a piece of work takes, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Milliseconds of a processor.
    Short,
    /// Seconds of a processor: such work never has all of them.
    Long,
    /// It waits for an HSM.
    InToken,
    /// It has an HSM make a key pair, which takes as long as it takes: such work never has all sessions.
    MadeInToken,
}

const OF_SHORT: WaitingBounds = WaitingBounds { principal: 256, account: 1024, all: 8192, share: 16 };
/// Some seconds of work each.
const OF_LONG: WaitingBounds = WaitingBounds { principal: 16, account: 64, all: 512, share: 2 };

pub(crate) struct Workers {
    short: Arc<Turns>,
    long: Arc<Turns>,
    in_token: Arc<Turns>,
    made_in_token: Arc<Turns>,
}

impl Workers {
    /// With an HSM of that many sessions, if there is one.
    pub(crate) fn new(sessions: Option<usize>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let sessions = sessions.unwrap_or(1).max(1);
        let in_token =
            Threads { threads: sessions.min(IN_TOKEN), in_background: false, deadline: Some(TOKEN_DEADLINE) };
        let threads = Threads { threads: cores, in_background: false, deadline: None };
        Self {
            short: Turns::new(threads, OF_SHORT),
            long: Turns::new(Threads { threads: (cores / 2).max(1), in_background: true, ..threads }, OF_LONG),
            in_token: Turns::new(in_token, OF_SHORT),
            // At most as many as may have a session at a time, of which one keeps the login. A token that is a library takes its time
            // from the same processors: then, too, such work never has all of them.
            made_in_token: Turns::new(
                Threads {
                    threads: (sessions.saturating_sub(1) / 4).min(cores / 2).max(1),
                    in_background: true,
                    ..in_token
                },
                OF_LONG,
            ),
        }
    }

    fn at(&self, pace: Pace) -> &Arc<Turns> {
        match pace {
            Pace::Short => &self.short,
            Pace::Long => &self.long,
            Pace::InToken => &self.in_token,
            Pace::MadeInToken => &self.made_in_token,
        }
    }

    /// As [`Turns::close`], of all.
    pub(crate) fn close(&self) {
        [&self.short, &self.long, &self.in_token, &self.made_in_token].into_iter().for_each(|turns| turns.close());
    }

    /// Waits until nothing is done in the token any more.
    async fn token_is_idle(&self) {
        self.in_token.ended().await;
        self.made_in_token.ended().await;
    }
}

impl Kms {
    /// Does a piece of work of a call when its turn has come.
    ///
    /// # Errors
    /// As [`Turns::work`].
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        call: &Call<'_>,
        pace: Pace,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.workers.at(pace).work(&self.iam, self, call, work).await
    }

    /// Does a piece of work of a call of a domain above, of milliseconds, when its turn has come.
    ///
    /// # Errors
    /// As [`Turns::work`].
    pub async fn compute_for<T: Send + 'static, D: Domain<Error: From<NotDone>>>(
        &self,
        domain: &D,
        call: &Call<'_>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, D::Error> {
        self.workers.at(Pace::Short).work(&self.iam, domain, call, work).await
    }

    /// As [`Self::compute_for`], of a second or so.
    ///
    /// # Errors
    /// As [`Turns::work`].
    pub async fn compute_long_for<T: Send + 'static, D: Domain<Error: From<NotDone>>>(
        &self,
        domain: &D,
        call: &Call<'_>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, D::Error> {
        self.workers.at(Pace::Long).work(&self.iam, domain, call, work).await
    }

    /// Keeps a place for a piece of work, before a row is written for it: what is refused for its number writes none.
    pub(crate) fn reserve(&self, call: &Call<'_>, pace: Pace) -> Result<Reserved, Error> {
        Ok(self.workers.at(pace).reserve(call)?)
    }

    /// Does a piece of work that nobody asked for.
    pub(crate) async fn compute_own<T: Send + 'static>(
        &self,
        pace: Pace,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        Ok(self.workers.at(pace).own_work(work).await?)
    }

    /// Gives up what callers wait for, and lets no work begin any more: the server is about to end.
    pub fn close_workers(&self) {
        self.workers.close();
    }

    /// After [`Self::close_workers`], waits until nothing is done in the HSM any more. The process must not end before: its library would
    /// be taken down under a thread that is in it.
    pub async fn token_is_idle(&self) {
        self.workers.token_is_idle().await;
    }
}

impl From<NotDone> for Error {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Throttled => Self::Throttled,
            NotDone::Busy => Self::Busy,
            NotDone::Abandoned => Self::Abandoned,
            // Only calls to an HSM have a deadline.
            NotDone::Late => Self::Unavailable("the HSM does not answer in time".into()),
            NotDone::Stopping => Self::Unavailable(Box::new(why)),
            NotDone::Aborted => Self::Internal(Box::new(why)),
        }
    }
}

#[cfg(feature = "testing")]
impl Kms {
    /// Lets no work begin, for tests, until what is given is dropped.
    pub async fn hold_workers(&self) -> Vec<yaoku_iam::HeldTurns> {
        let mut held = Vec::new();
        for pace in [Pace::Short, Pace::Long, Pace::InToken, Pace::MadeInToken] {
            held.push(self.workers.at(pace).hold().await);
        }
        held
    }

    /// How much work waits for its turn.
    pub fn waiting_work(&self) -> usize {
        let Workers { short, long, in_token, made_in_token } = &self.workers;
        [short, long, in_token, made_in_token].into_iter().map(|turns| turns.waiting()).sum()
    }
}
