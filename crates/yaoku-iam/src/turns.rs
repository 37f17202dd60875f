//! Where work runs that would hold up everybody else on their thread.
//!
//! Some work takes milliseconds of a processor, some takes seconds, some waits for a device, some reads much. It runs on threads
//! that may block, few at a time, so that it neither delays other requests nor fills the pool that the store reads with. What
//! takes long runs on threads of its own, to which the system prefers all others.
//!
//! Accounts take turns, and within an account its principals: whoever asks for much waits for its own work, and not others for theirs. What may wait is bounded for
//! each principal, for each account, and in all; the first few of a principal may wait whatever others have waiting. Work whose
//! caller has gone is passed over, and so is work that something was forbidden before; its caller is then asked about again.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::{AccountId, Call, Domain, Iam, PrincipalKey};

/// What may wait for its turn.
#[derive(Debug, Clone, Copy)]
pub struct WaitingBounds {
    /// Of one principal.
    pub principal: usize,
    /// Of one account.
    pub account: usize,
    /// In all.
    pub all: usize,
    /// The first of a principal, which do not depend on what others have waiting.
    pub share: usize,
}

/// Who does the work.
#[derive(Debug, Clone, Copy)]
pub struct Workers {
    /// Threads at the most.
    pub threads: usize,
    /// Whether the system is to prefer all other threads to them.
    pub in_background: bool,
    /// How long a piece of work may take once it has begun; none if it takes as long as it takes.
    pub deadline: Option<Duration>,
}

/// Why a piece of work was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// Too much of what the caller, or its account, asked for waits for its turn.
    #[error("too many requests of this caller wait for their turn")]
    Throttled,
    /// Too much waits for its turn in all.
    #[error("the server has too much to do at present")]
    Busy,
    /// The caller went away before it was begun.
    #[error("the caller went away before this was begun")]
    Abandoned,
    /// The server is about to end.
    #[error("the server is about to stop, and begins nothing new")]
    Stopping,
    /// It was begun, and is not done in time.
    #[error("it is not done in time")]
    Late,
    /// It panicked.
    #[error("it was aborted")]
    Aborted,
}

/// How often a call is asked about again before its work begins all the same, so that a stream of changes does not hold it up for
/// ever. Before its result is released it is asked about in any case.
const ASKED_AGAIN: u32 = 8;

/// Work that is done on a few threads, in turns of its owners. A thread goes from one piece to the next: were each piece handed
/// over when its caller has been woken for its turn, processors would idle in between.
pub struct Turns {
    workers: Workers,
    bounds: WaitingBounds,
    state: Mutex<State>,
    closed: watch::Sender<bool>,
}

impl Turns {
    /// A line without work.
    pub fn new(workers: Workers, bounds: WaitingBounds) -> Arc<Self> {
        Arc::new(Self { workers, bounds, state: Mutex::default(), closed: watch::Sender::new(false) })
    }

    /// Does a piece of work of a call when its turn has come. If something was forbidden meanwhile, the call is decided on again
    /// before the work begins; whether its result may be released is decided again in the end, as ever.
    ///
    /// # Errors
    /// [`NotDone`]; what deciding again gives.
    pub async fn work<T: Send + 'static, D: Domain<Error: From<NotDone>>>(
        self: &Arc<Self>,
        iam: &Arc<Iam>,
        domain: &D,
        call: &Call<'_>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, D::Error> {
        let owner = call.principal.key();
        let mut work: Work<T> = Box::new(work);
        let mut place = Place::Last;
        for asked in 0.. {
            // Read before the decision: whatever changes later makes the work come back.
            let (iam, decided) = (iam.clone(), iam.epoch().now());
            if place == Place::First {
                domain.decide_again(call).await?;
            }
            if call.is_abandoned() {
                return Err(NotDone::Abandoned.into());
            }
            let abandoned = call.abandoned.cloned();
            let may_begin = move || {
                let is_decided = iam.epoch().now() == decided || asked >= ASKED_AGAIN;
                is_decided && abandoned.is_none_or(|abandoned| !abandoned.load(Ordering::Acquire))
            };
            match self.done(Some(owner), place, may_begin, work).await? {
                Done::Finished(result) => return Ok(result),
                Done::NotBegun(back) => (work, place) = (back, Place::First),
            }
        }
        Err(NotDone::Stopping.into())
    }

    /// Keeps a place for a piece of work of a call, before something is done for it that costs more than the wait.
    ///
    /// # Errors
    /// [`NotDone`].
    pub fn reserve(self: &Arc<Self>, call: &Call<'_>) -> Result<Reserved, NotDone> {
        let owner = call.principal.key();
        let mut state = self.state.lock();
        if state.closed {
            return Err(NotDone::Stopping);
        }
        self.check(&state, Some(owner))?;
        *state.reserved.entry(owner).or_default() += 1;
        Ok(Reserved { turns: self.clone(), owner })
    }

    /// Does a piece of work that nobody asked for.
    ///
    /// # Errors
    /// [`NotDone`].
    pub async fn own_work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        match self.done(None, Place::Last, || true, Box::new(work)).await? {
            Done::Finished(result) => Ok(result),
            Done::NotBegun(_) => Err(NotDone::Stopping),
        }
    }

    /// Lets nothing begin any more. What waits fails, and so does what has begun for callers, of which nothing comes any more, so that
    /// they can still be answered. What has begun for the service itself goes on.
    pub fn close(&self) {
        let mut state = self.state.lock();
        let reserved = std::mem::take(&mut state.reserved);
        *state = State { closed: true, threads: state.threads, reserved, ..State::default() };
        drop(state);
        self.closed.send_replace(true);
    }

    /// Waits until no thread is at work any more. After [`Self::close`], that is when whatever had begun has ended.
    pub async fn ended(&self) {
        const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
        while self.state.lock().threads > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
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

/// A place in a line; to be dropped when the work itself is to stand there.
#[must_use]
pub struct Reserved {
    turns: Arc<Turns>,
    owner: PrincipalKey,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.turns.state.lock();
        if let Some(count) = state.reserved.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                state.reserved.remove(&self.owner);
            }
        }
    }
}

#[derive(Default)]
struct State {
    /// Those that have any.
    order: Order,
    waiting: HashMap<Option<PrincipalKey>, VecDeque<Job>>,
    /// Places that are kept for work that is about to come.
    reserved: HashMap<PrincipalKey, usize>,
    of_account: HashMap<AccountId, usize>,
    all: usize,
    threads: usize,
    closed: bool,
}

struct Job {
    run: Box<dyn FnOnce() + Send>,
}

impl Turns {
    /// Does a piece of work when its turn has come; what came of it.
    async fn done<T: Send + 'static>(
        self: &Arc<Self>,
        owner: Option<PrincipalKey>,
        place: Place,
        may_begin: impl FnOnce() -> bool + Send + 'static,
        work: Work<T>,
    ) -> Result<Done<T>, NotDone> {
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
            self.begin_thread();
        }
        // A job that is dropped unbegun was given up by a stop, one that began and gives nothing has panicked.
        begins.await.map_err(|_| NotDone::Stopping)?;
        let done = async { in_time(self.workers.deadline, receiver).await?.map_err(|_| NotDone::Aborted) };
        if owner.is_none_or(|owner| owner.is_service()) {
            return done.await;
        }
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            done = done => done,
            _ = closed.wait_for(|closed| *closed) => Err(NotDone::Stopping),
        }
    }

    fn begin_thread(self: &Arc<Self>) {
        if self.workers.in_background {
            let turns = self.clone();
            let begun = std::thread::Builder::new().name("background".into()).spawn(move || {
                step_back();
                turns.go_through();
            });
            if begun.is_ok() {
                return;
            }
        }
        let turns = self.clone();
        tokio::task::spawn_blocking(move || turns.go_through());
    }

    /// Does what waits, until nothing does.
    fn go_through(&self) {
        while let Some(job) = self.next() {
            // Of a panic the caller learns by its channel, and the next in the line nothing.
            let _ = catch_unwind(AssertUnwindSafe(job.run));
        }
    }

    /// Puts a piece of work in its place, and tells whether another thread is to begin.
    fn enter(&self, owner: Option<PrincipalKey>, place: Place, job: Job) -> Result<bool, NotDone> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(NotDone::Stopping);
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
        if is_first {
            state.order.add(owner, place);
        }
        let begins = state.threads < self.workers.threads;
        state.threads += usize::from(begins);
        Ok(begins)
    }

    fn check(&self, state: &State, owner: Option<PrincipalKey>) -> Result<(), NotDone> {
        // What is due, and what the house needs for itself, comes bounded.
        let Some(key) = owner.filter(|owner| !owner.is_service()) else { return Ok(()) };
        let reserved = state.reserved.get(&key).copied().unwrap_or_default();
        let own = state.waiting.get(&owner).map_or(0, VecDeque::len) + reserved;
        let of_account = state.of_account.get(&key.account()).copied().unwrap_or_default();
        if own >= self.bounds.principal {
            return Err(NotDone::Throttled);
        }
        match own < self.bounds.share {
            true => Ok(()),
            false if of_account >= self.bounds.account => Err(NotDone::Throttled),
            false if state.all >= self.bounds.all => Err(NotDone::Busy),
            false => Ok(()),
        }
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
}

/// Waits, where it must end, no longer than that. A call that hangs in a device keeps its thread, so that hanging calls can't take
/// more than there are.
async fn in_time<F: Future>(deadline: Option<Duration>, future: F) -> Result<F::Output, NotDone> {
    match deadline {
        None => Ok(future.await),
        Some(deadline) => tokio::time::timeout(deadline, future).await.map_err(|_| NotDone::Late),
    }
}

/// Has the system prefer all other threads to this one, for good.
fn step_back() {
    // On Linux each thread has a priority of its own.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10) {
        tracing::debug!(%error, "the priority of a thread can't be lowered");
    }
}

impl State {
    fn take(&mut self) -> Option<(Option<PrincipalKey>, Job)> {
        let owner = self.order.next()?;
        let waiting = self.waiting.get_mut(&owner)?;
        let job = waiting.pop_front()?;
        match waiting.is_empty() {
            true => drop(self.waiting.remove(&owner)),
            false => self.order.add(owner, Place::Last),
        }
        Some((owner, job))
    }
}

/// Who has something waiting, in the order of their turns: accounts take turns, within an account its principals, of which all its
/// disks are one, and these among themselves. The house counts as an account.
#[derive(Default)]
struct Order {
    accounts: VecDeque<Option<AccountId>>,
    groups: HashMap<Option<AccountId>, VecDeque<Group>>,
    members: HashMap<(Option<AccountId>, Group), VecDeque<Option<PrincipalKey>>>,
}

/// Who takes turns within an account.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Group {
    Principal(Option<PrincipalKey>),
    Disks,
}

impl Group {
    fn of(owner: Option<PrincipalKey>) -> Self {
        match owner.and_then(PrincipalKey::disk) {
            Some(_) => Self::Disks,
            None => Self::Principal(owner),
        }
    }
}

impl Order {
    /// Enters one that is not in it.
    fn add(&mut self, owner: Option<PrincipalKey>, place: Place) {
        let (account, group) = (owner.map(PrincipalKey::account), Group::of(owner));
        if put(self.members.entry((account, group)).or_default(), owner, place)
            && put(self.groups.entry(account).or_default(), group, place)
        {
            put(&mut self.accounts, account, place);
        }
    }

    /// Takes out whose turn it is; who is before it in its account, and its account, come last from now on.
    fn next(&mut self) -> Option<Option<PrincipalKey>> {
        let account = self.accounts.pop_front()?;
        let groups = self.groups.get_mut(&account)?;
        let group = groups.pop_front()?;
        let members = self.members.get_mut(&(account, group))?;
        let owner = members.pop_front()?;
        match members.is_empty() {
            true => drop(self.members.remove(&(account, group))),
            false => groups.push_back(group),
        }
        match groups.is_empty() {
            true => drop(self.groups.remove(&account)),
            false => self.accounts.push_back(account),
        }
        Some(owner)
    }
}

/// Puts one into a line; whether the line was empty.
fn put<T>(line: &mut VecDeque<T>, one: T, place: Place) -> bool {
    let was_empty = line.is_empty();
    match place {
        Place::Last => line.push_back(one),
        Place::First => line.push_front(one),
    }
    was_empty
}

/// Occupies all who do the work of a line, for tests, until it is dropped.
#[cfg(any(test, feature = "testing"))]
pub struct HeldTurns(#[expect(dead_code, reason = "held")] Vec<std::sync::mpsc::Sender<()>>);

#[cfg(any(test, feature = "testing"))]
impl Turns {
    /// Lets nothing begin until what is given is dropped.
    pub async fn hold(self: &Arc<Self>) -> HeldTurns {
        let mut held = Vec::new();
        for _ in 0..self.workers.threads {
            let (release, released) = std::sync::mpsc::channel::<()>();
            let job = Job { run: Box::new(move || released.recv().unwrap_or_default()) };
            if self.enter(None, Place::Last, job).unwrap_or_default() {
                self.begin_thread();
            }
            held.push(release);
        }
        while self.waiting() > 0 {
            tokio::task::yield_now().await;
        }
        HeldTurns(held)
    }

    /// How much waits for its turn.
    pub fn waiting(&self) -> usize {
        self.state.lock().all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;
    use crate::Principal;

    const ROOM: WaitingBounds = WaitingBounds { principal: 100, account: 150, all: 250, share: 2 };

    fn turns(threads: usize) -> Arc<Turns> {
        Turns::new(Workers { threads, in_background: false, deadline: None }, ROOM)
    }

    fn owner(number: u32) -> Option<PrincipalKey> {
        let account = AccountId::parse(&format!("{number:016}")).unwrap();
        Some(Principal::root(account).key())
    }

    async fn finished<T: Send + 'static>(
        queue: &Arc<Turns>,
        owner: Option<PrincipalKey>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        match queue.done(owner, Place::Last, || true, Box::new(work)).await? {
            Done::Finished(result) => Ok(result),
            Done::NotBegun(_) => panic!("it might have begun"),
        }
    }

    /// A queue of one thread that is held, and what lets it go.
    fn held() -> (Arc<Turns>, mpsc::Sender<()>) {
        let queue = turns(1);
        let (release, held) = mpsc::channel::<()>();
        let job = Job { run: Box::new(move || held.recv().unwrap_or_default()) };
        assert!(queue.enter(None, Place::Last, job).unwrap());
        let thread = queue.clone();
        std::thread::spawn(move || thread.go_through());
        while queue.state.lock().all > 0 {
            std::thread::yield_now();
        }
        (queue, release)
    }

    #[tokio::test]
    async fn all_work_is_done_and_little_at_a_time() {
        let queue = turns(2);
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

    #[test]
    fn accounts_take_turns_and_the_disks_of_one_are_one_of_its_principals() {
        let user = |account| owner(account).unwrap();
        let disk = |account, number| user(account).as_disk([number; 16]);
        let mut order = Order::default();
        for one in [disk(1, 1), disk(1, 2), disk(1, 3), user(1), disk(1, 4), user(2), disk(3, 1)] {
            order.add(Some(one), Place::Last);
        }
        let taken: Vec<_> = std::iter::from_fn(|| order.next()).flatten().collect();
        assert_eq!(taken, [disk(1, 1), user(2), disk(3, 1), user(1), disk(1, 2), disk(1, 3), disk(1, 4)]);
        assert!(order.groups.is_empty() && order.members.is_empty());
    }

    #[tokio::test]
    async fn what_waits_is_bounded_for_each_and_for_all() {
        let (queue, release) = held();
        let job = || Job { run: Box::new(|| {}) };
        let enter = |owner| queue.enter(owner, Place::Last, job());
        assert!((0..100).all(|_| enter(owner(1)).is_ok()));
        assert!(matches!(enter(owner(1)), Err(NotDone::Throttled)));
        // What comes back from its turn is never refused for its number.
        assert!(queue.enter(owner(1), Place::First, job()).is_ok());
        assert!((0..100).all(|_| enter(owner(2)).is_ok()) && (0..49).all(|_| enter(owner(3)).is_ok()));
        assert!(matches!(enter(owner(3)), Err(NotDone::Busy)));
        assert!((0..2).all(|_| enter(owner(4)).is_ok()), "nobody is shut out by what others have waiting");
        assert!(matches!(enter(owner(4)), Err(NotDone::Busy)));
        assert!(enter(None).is_ok(), "the house");
        release.send(()).unwrap();
        while queue.state.lock().all > 0 {
            tokio::task::yield_now().await;
        }
        assert!(enter(owner(1)).is_ok());
    }

    #[tokio::test]
    async fn a_place_that_is_kept_counts_until_it_is_given_back() {
        let (queue, release) = held();
        let enter = |owner| queue.enter(owner, Place::Last, Job { run: Box::new(|| {}) });
        let principal = Principal::root(owner(1).unwrap().account());
        let source = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let (user_agent, encryption_context) = (None, None);
        let environment =
            crate::Environment { time: 0, source, secure_transport: true, user_agent, encryption_context };
        let trace = crate::Trace::default();
        let call = Call::of(&principal, &environment, &trace);
        let kept: Vec<_> = (0..100).map(|_| queue.reserve(&call).unwrap()).collect();
        assert!(matches!(queue.reserve(&call), Err(NotDone::Throttled)));
        assert!(matches!(enter(owner(1)), Err(NotDone::Throttled)) && enter(owner(2)).is_ok());
        drop(kept);
        assert!(enter(owner(1)).is_ok() && queue.state.lock().reserved.is_empty());
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn work_before_which_something_was_forbidden_comes_back_unbegun() {
        let queue = turns(1);
        let back = queue.done(owner(1), Place::Last, || false, Box::new(|| 7)).await;
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
        assert!(matches!(waiting.await.unwrap(), Err(NotDone::Stopping)));
        assert!(matches!(finished(&queue, owner(1), || ()).await, Err(NotDone::Stopping)));
        release.send(()).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_gives_up_what_has_begun_for_callers_and_waits_for_what_is_due() {
        let queue = turns(2);
        let begin = |owner| {
            let (release, held) = mpsc::channel::<()>();
            let (began, begins) = oneshot::channel();
            let task = tokio::spawn({
                let queue = queue.clone();
                let work = move || {
                    began.send(()).unwrap();
                    held.recv().unwrap_or_default();
                };
                async move { finished(&queue, owner, work).await }
            });
            (task, begins, release)
        };
        let (of_a_caller, begins, release) = begin(owner(1));
        begins.await.unwrap();
        let (own, begins, release_own) = begin(None);
        begins.await.unwrap();
        queue.close();
        assert!(matches!(of_a_caller.await.unwrap(), Err(NotDone::Stopping)));
        release_own.send(()).unwrap();
        own.await.unwrap().unwrap();
        // What was given up may end whenever it does, and that can be waited for.
        let soon = Duration::from_millis(100);
        assert!(tokio::time::timeout(soon, queue.ended()).await.is_err(), "a thread is at work");
        let _ = release.send(());
        queue.ended().await;
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
        let queue = turns(1);
        let panicked = finished(&queue, None, || panic!("a planned panic")).await;
        assert!(matches!(panicked, Err(NotDone::Aborted)));
        assert_eq!(finished(&queue, None, || 7).await.unwrap(), 7);
        assert_eq!(queue.state.lock().all, 0);
    }
}
