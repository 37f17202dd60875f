//! Where computations run that would hold up everybody else on their thread.
//!
//! RSA takes up to milliseconds for a signature and seconds for a key pair, and a token is a device that is waited for. Such
//! work runs on threads that may block, few at a time, so that it neither delays other requests nor fills the pool that the
//! store reads with.
//!
//! Principals take turns: whoever asks for much waits for its own work, and not others for theirs. What may wait is bounded for
//! each principal, for each account, and in all. Work whose caller has gone is passed over, and so is work that something was
//! forbidden before; its caller is then asked about again.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use yaoku_iam::{AccountId, Call, Domain, PrincipalKey};

use crate::{Error, Kms};

/// Calls to an HSM at a time. It has fewer sessions, which they share.
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

/// What may wait for its turn.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    principal: usize,
    account: usize,
    all: usize,
}

const OF_SHORT: Bounds = Bounds { principal: 256, account: 1024, all: 8192 };
/// Some seconds of work each.
const OF_LONG: Bounds = Bounds { principal: 16, account: 64, all: 512 };

pub(crate) struct Workers {
    short: Arc<Queue>,
    long: Arc<Queue>,
    in_token: Arc<Queue>,
    made_in_token: Arc<Queue>,
}

impl Workers {
    /// With an HSM of that many sessions, if there is one.
    pub(crate) fn new(sessions: Option<usize>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = (sessions.unwrap_or(1) / 4).max(1);
        let [short, long, in_token, made_in_token] =
            [(cores, OF_SHORT), ((cores / 2).max(1), OF_LONG), (IN_TOKEN, OF_SHORT), (share, OF_LONG)]
                .map(|(threads, bounds)| Arc::new(Queue::new(threads, bounds)));
        Self { short, long, in_token, made_in_token }
    }

    fn queue(&self, pace: Pace) -> &Arc<Queue> {
        match pace {
            Pace::Short => &self.short,
            Pace::Long => &self.long,
            Pace::InToken => &self.in_token,
            Pace::MadeInToken => &self.made_in_token,
        }
    }

    /// Lets nothing begin any more. What waits fails; what has begun goes on.
    pub(crate) fn close(&self) {
        [&self.short, &self.long, &self.in_token, &self.made_in_token].into_iter().for_each(|queue| queue.close());
    }
}

impl Kms {
    /// Does a piece of work when its turn has come. If something was forbidden meanwhile, the call is decided on again before the
    /// work begins; whether its result may be released is decided again in the end, as ever.
    ///
    /// # Errors
    /// [`Error::Throttled`] if too much of the caller's waits, [`Error::Busy`] if too much waits in all, [`Error::Abandoned`] if nobody
    /// waits for the answer any more; what deciding again gives.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        call: &Call<'_>,
        pace: Pace,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let owner = call.principal.key();
        let mut work: Work<T> = Box::new(work);
        let mut place = Place::Last;
        loop {
            // Read before the decision: whatever changes later makes the work come back.
            let (iam, decided) = (self.iam.clone(), self.iam.epoch().now());
            if place == Place::First {
                self.decide_again(call).await?;
            }
            if call.is_abandoned() {
                return Err(Error::Abandoned);
            }
            let abandoned = call.abandoned.cloned();
            let may_begin = move || {
                iam.epoch().now() == decided && abandoned.is_none_or(|abandoned| !abandoned.load(Ordering::Acquire))
            };
            match self.workers.queue(pace).done(Some(owner), place, may_begin, work, deadline(pace)).await? {
                Done::Finished(result) => return Ok(result),
                Done::NotBegun(back) => (work, place) = (back, Place::First),
            }
        }
    }

    /// Does a piece of work that nobody asked for.
    pub(crate) async fn compute_own<T: Send + 'static>(
        &self,
        pace: Pace,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let done = self.workers.queue(pace).done(None, Place::Last, || true, Box::new(work), deadline(pace));
        match done.await? {
            Done::Finished(result) => Ok(result),
            Done::NotBegun(_) => Err(stopping()),
        }
    }

    /// Lets no work begin any more that waits for its turn: the server is about to end.
    pub fn close_workers(&self) {
        self.workers.close();
    }
}

const fn deadline(pace: Pace) -> Option<Duration> {
    match pace {
        Pace::Short | Pace::Long => None,
        Pace::InToken | Pace::MadeInToken => Some(TOKEN_DEADLINE),
    }
}

fn stopping() -> Error {
    Error::Unavailable("the server is about to stop, and begins nothing new".into())
}

type Work<T> = Box<dyn FnOnce() -> T + Send>;

/// What became of a piece of work.
enum Done<T> {
    Finished(T),
    /// Something was forbidden before its turn came.
    NotBegun(Work<T>),
}

/// Where a piece of work comes to stand among those of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Last,
    /// It had its turn, and was only asked about again.
    First,
}

/// Work that is done on a few threads, in turns of its owners. A thread goes from one piece to the next: were each piece handed
/// over when its caller has been woken for its turn, processors would idle in between.
struct Queue {
    most_threads: usize,
    bounds: Bounds,
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    /// Of those that have any, in the order of their turns.
    turns: VecDeque<Option<PrincipalKey>>,
    waiting: HashMap<Option<PrincipalKey>, VecDeque<Job>>,
    of_account: HashMap<AccountId, usize>,
    all: usize,
    threads: usize,
    closed: bool,
}

struct Job {
    run: Box<dyn FnOnce() + Send>,
}

impl Queue {
    fn new(most_threads: usize, bounds: Bounds) -> Self {
        Self { most_threads, bounds, state: Mutex::default() }
    }

    /// Does a piece of work when its turn has come; what came of it.
    async fn done<T: Send + 'static>(
        self: &Arc<Self>,
        owner: Option<PrincipalKey>,
        place: Place,
        may_begin: impl FnOnce() -> bool + Send + 'static,
        work: Work<T>,
        deadline: Option<Duration>,
    ) -> Result<Done<T>, Error> {
        let (sender, receiver) = oneshot::channel();
        let (began, begins) = oneshot::channel();
        let run = move || {
            // Nobody waits any more for whom the channel is closed.
            if sender.is_closed() {
                return;
            }
            let _ = began.send(());
            let _ = sender.send(if may_begin() { Done::Finished(work()) } else { Done::NotBegun(work) });
        };
        if self.enter(owner, place, Job { run: Box::new(run) })? {
            let queue = self.clone();
            tokio::task::spawn_blocking(move || {
                while let Some(job) = queue.next() {
                    // Of a panic the caller learns by its channel, and the next in the queue nothing.
                    let _ = catch_unwind(AssertUnwindSafe(job.run));
                }
            });
        }
        // A job that is dropped unbegun was given up by a stop, one that began and gives nothing has panicked.
        in_time(deadline, begins).await?.map_err(|_| stopping())?;
        in_time(deadline, receiver).await?.map_err(|error| Error::Internal(error.into()))
    }

    /// Puts a piece of work in its place, and tells whether another thread is to begin.
    fn enter(&self, owner: Option<PrincipalKey>, place: Place, job: Job) -> Result<bool, Error> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(stopping());
        }
        if place == Place::Last {
            self.check(&state, owner)?;
        }
        if let Some(owner) = owner {
            *state.of_account.entry(owner.account()).or_default() += 1;
        }
        state.all += 1;
        let waiting = state.waiting.entry(owner).or_default();
        let is_first = waiting.is_empty();
        match place {
            Place::Last => waiting.push_back(job),
            Place::First => waiting.push_front(job),
        }
        match (is_first, place) {
            (true, Place::Last) => state.turns.push_back(owner),
            (true, Place::First) => state.turns.push_front(owner),
            (false, _) => {}
        }
        let begins = state.threads < self.most_threads;
        state.threads += usize::from(begins);
        Ok(begins)
    }

    fn check(&self, state: &QueueState, owner: Option<PrincipalKey>) -> Result<(), Error> {
        // What is due, and what the house needs for itself, comes bounded.
        let Some(key) = owner.filter(|owner| !owner.is_service()) else { return Ok(()) };
        let own = state.waiting.get(&owner).map_or(0, VecDeque::len);
        let of_account = state.of_account.get(&key.account()).copied().unwrap_or_default();
        if own >= self.bounds.principal || of_account >= self.bounds.account {
            return Err(Error::Throttled);
        }
        if state.all >= self.bounds.all { Err(Error::Busy) } else { Ok(()) }
    }

    /// The piece of work whose turn it is; without any, the thread that asks ends.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        let Some((owner, job)) = state.take() else {
            state.threads -= 1;
            return None;
        };
        if let Some(owner) = owner
            && let Some(count) = state.of_account.get_mut(&owner.account())
        {
            *count -= 1;
            if *count == 0 {
                state.of_account.remove(&owner.account());
            }
        }
        state.all -= 1;
        Some(job)
    }

    fn close(&self) {
        let mut state = self.state.lock();
        *state = QueueState { closed: true, threads: state.threads, ..QueueState::default() };
    }
}

/// Waits, where it must end, no longer than that. A call that hangs in an HSM keeps its thread, so that hanging calls can't take
/// more than there are.
async fn in_time<F: Future>(deadline: Option<Duration>, future: F) -> Result<F::Output, Error> {
    match deadline {
        None => Ok(future.await),
        Some(deadline) => {
            let late = |_| Error::Unavailable("the HSM does not answer in time".into());
            tokio::time::timeout(deadline, future).await.map_err(late)
        }
    }
}

impl QueueState {
    fn take(&mut self) -> Option<(Option<PrincipalKey>, Job)> {
        let owner = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&owner)?;
        let job = waiting.pop_front()?;
        match waiting.is_empty() {
            true => drop(self.waiting.remove(&owner)),
            false => self.turns.push_back(owner),
        }
        Some((owner, job))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use yaoku_iam::Principal;

    use super::*;

    const ROOM: Bounds = Bounds { principal: 100, account: 150, all: 250 };

    fn owner(number: u32) -> Option<PrincipalKey> {
        let account = AccountId::parse(&format!("{number:016}")).unwrap();
        Some(Principal::root(account).key())
    }

    async fn finished<T: Send + 'static>(
        queue: &Arc<Queue>,
        owner: Option<PrincipalKey>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        match queue.done(owner, Place::Last, || true, Box::new(work), None).await? {
            Done::Finished(result) => Ok(result),
            Done::NotBegun(_) => panic!("it might have begun"),
        }
    }

    /// A queue of one thread that is held, and what lets it go.
    fn held() -> (Arc<Queue>, mpsc::Sender<()>) {
        let queue = Arc::new(Queue::new(1, ROOM));
        let (release, held) = mpsc::channel::<()>();
        let job = Job { run: Box::new(move || held.recv().unwrap_or_default()) };
        assert!(queue.enter(None, Place::Last, job).unwrap());
        let thread = queue.clone();
        std::thread::spawn(move || {
            while let Some(job) = thread.next() {
                let _ = catch_unwind(AssertUnwindSafe(job.run));
            }
        });
        while queue.state.lock().all > 0 {
            std::thread::yield_now();
        }
        (queue, release)
    }

    #[tokio::test]
    async fn all_work_is_done_and_little_at_a_time() {
        let queue = Arc::new(Queue::new(2, ROOM));
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
                tokio::spawn(async move { finished(&queue, None, work).await })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap().unwrap(), number);
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn owners_take_turns_however_much_one_of_them_asks_for() {
        let (queue, release) = held();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in [1, 1, 1, 1, 2, 3, 2] {
            let (queue, order) = (queue.clone(), order.clone());
            let before = queue.state.lock().all;
            tasks.push(tokio::spawn({
                let queue = queue.clone();
                async move { finished(&queue, owner(number), move || order.lock().push(number)).await }
            }));
            while queue.state.lock().all == before {
                tokio::task::yield_now().await;
            }
        }
        release.send(()).unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(*order.lock(), [1, 2, 3, 1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_for_each_and_for_all() {
        let (queue, release) = held();
        let job = || Job { run: Box::new(|| {}) };
        let enter = |owner| queue.enter(owner, Place::Last, job());
        assert!((0..100).all(|_| enter(owner(1)).is_ok()));
        assert!(matches!(enter(owner(1)), Err(Error::Throttled)));
        // What comes back from its turn is never refused for its number.
        assert!(queue.enter(owner(1), Place::First, job()).is_ok());
        assert!((0..100).all(|_| enter(owner(2)).is_ok()) && (0..49).all(|_| enter(owner(3)).is_ok()));
        assert!(matches!(enter(owner(3)), Err(Error::Busy)));
        assert!(enter(None).is_ok(), "the house");
        release.send(()).unwrap();
        while queue.state.lock().all > 0 {
            tokio::task::yield_now().await;
        }
        assert!(enter(owner(1)).is_ok());
    }

    #[tokio::test]
    async fn work_before_which_something_was_forbidden_comes_back_unbegun() {
        let queue = Arc::new(Queue::new(1, ROOM));
        let back = queue.done(owner(1), Place::Last, || false, Box::new(|| 7), None).await;
        let Ok(Done::NotBegun(work)) = back else { panic!("it began") };
        assert_eq!(finished(&queue, owner(1), work).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_stop_gives_up_what_has_not_begun() {
        let (queue, release) = held();
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { finished(&queue, owner(1), || ()).await }
        });
        while queue.state.lock().all == 0 {
            tokio::task::yield_now().await;
        }
        queue.close();
        assert!(matches!(waiting.await.unwrap(), Err(Error::Unavailable(_))));
        assert!(matches!(finished(&queue, owner(1), || ()).await, Err(Error::Unavailable(_))));
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn who_goes_away_is_passed_over() {
        let (queue, release) = held();
        let done = Arc::new(AtomicUsize::new(0));
        let count = || {
            let done = done.clone();
            move || done.fetch_add(1, Ordering::SeqCst)
        };
        {
            let given_up = finished(&queue, None, count());
            tokio::select! {
                biased;
                _ = given_up => panic!("it had no turn yet"),
                () = tokio::task::yield_now() => {}
            }
        }
        release.send(()).unwrap();
        assert_eq!(finished(&queue, None, count()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn of_a_panic_only_its_caller_learns() {
        let queue = Arc::new(Queue::new(1, ROOM));
        let panicked = finished(&queue, None, || panic!("a planned panic")).await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
        assert_eq!(finished(&queue, None, || 7).await.unwrap(), 7);
        assert_eq!(queue.state.lock().all, 0);
    }
}
