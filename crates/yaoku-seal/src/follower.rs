//! Follows the store: the one path by which a change comes into force.
//!
//! Who keeps something of the store in memory is a [`Mirror`]. Its [`Follower`], one task, takes every commit of every
//! process from the store's feed in order and has the mirror apply it; a change is acknowledged only when that is done
//! here, so what was acknowledged is in force.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use crate::{Error, Kind, Record, RecordName, Revision, Vault, VaultChange, View};

/// How long a commit may take to come back from the store's feed.
const APPLY_DEADLINE: Duration = Duration::from_secs(30);
/// Records read from the store at a time.
const PAGE: usize = 1000;
/// How many changes that came together are announced together, at the most.
const ANNOUNCED_TOGETHER: u32 = 256;

/// What is kept in memory of the store's records.
pub trait Mirror: Send + Sync + Sized + 'static {
    /// All that is read of the store at once.
    type State: Send;
    /// What can go wrong with it.
    type Error: fmt::Display + From<Error> + Send;

    /// The one who follows for this mirror.
    fn follower(&self) -> &Follower;

    /// Whether records of that kind matter here; others are not even opened.
    fn concerns(kind: Kind) -> bool;

    /// Reads everything, and the revision at which it was so.
    fn read(vault: &Vault) -> impl Future<Output = Result<(Self::State, Revision), Self::Error>> + Send;

    /// Puts what was read in the place of what is there.
    fn replace(&self, state: Self::State);

    /// Applies one commit. When it fails, the whole store is read again.
    ///
    /// # Errors
    /// When a record can't be understood.
    fn apply(&self, change: VaultChange) -> Result<(), Self::Error>;
}

/// How far a mirror is, and the task that brings it on. Dropped with the mirror, which ends the task.
pub struct Follower {
    applied: watch::Sender<Revision>,
    task: OnceLock<AbortHandle>,
    /// Whether the mirror is up to date but for what is on its way: false while it reads the whole store again.
    current: AtomicBool,
    alive: watch::Sender<()>,
}

/// A change is stored, but did not come into force here in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the change is stored, but has not taken effect yet")]
pub struct NotInForce;

impl Follower {
    /// Of a mirror that was read at `revision`.
    pub fn new(revision: Revision) -> Self {
        Self {
            applied: watch::Sender::new(revision),
            task: OnceLock::new(),
            current: AtomicBool::new(true),
            alive: watch::Sender::new(()),
        }
    }

    /// Begins to follow. Must be called within a Tokio runtime; later calls do nothing.
    pub fn start<M: Mirror>(mirror: &Arc<M>, vault: Arc<Vault>) {
        let follower = mirror.follower();
        follower.task.get_or_init(|| {
            let (from, ended) = (*follower.applied.borrow(), follower.alive.subscribe());
            tokio::spawn(follow(Arc::downgrade(mirror), vault, from, ended)).abort_handle()
        });
    }

    /// Whether the task lives. Without it no change comes into force.
    pub fn is_alive(&self) -> bool {
        self.task.get().is_some_and(|task| !task.is_finished())
    }

    /// Whether what is in memory is up to date but for what is on its way.
    pub fn is_current(&self) -> bool {
        self.is_alive() && self.current.load(Ordering::Acquire)
    }

    /// Waits until that revision is applied.
    ///
    /// # Errors
    /// [`NotInForce`] after half a minute.
    pub async fn in_force(&self, revision: Revision) -> Result<(), NotInForce> {
        let mut applied = self.applied.subscribe();
        let in_force = applied.wait_for(|applied| *applied >= revision);
        match tokio::time::timeout(APPLY_DEADLINE, in_force).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotInForce),
        }
    }
}

/// Applies every commit of the store, in order, for as long as the mirror lives.
///
/// A feed that ends or lags is taken up again from a new reading of the whole store, so that what is in memory is never
/// older than what was acknowledged.
async fn follow<M: Mirror>(mirror: Weak<M>, vault: Arc<Vault>, mut revision: Revision, mut ended: watch::Receiver<()>) {
    'feed: loop {
        let mut feed = match vault.watch_kinds(revision, M::concerns).await {
            Ok(feed) => Some(feed),
            Err(error) => {
                tracing::warn!(%error, "can't follow the store's feed; reading the whole store again");
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        };
        let mut unannounced = 0;
        while let Some(feed) = &mut feed {
            let change = tokio::select! {
                change = feed.next() => change,
                _ = ended.changed() => return,
            };
            let Some(mirror) = mirror.upgrade() else { return };
            let next = change.as_ref().map(|change| change.revision).unwrap_or(revision);
            match change.map_err(M::Error::from).and_then(|change| mirror.apply(change)) {
                Ok(()) => {
                    revision = next;
                    unannounced += 1;
                    // Each announcement wakes everyone who waits. Those of one group commit wait for its last change.
                    if !feed.is_behind() || unannounced == ANNOUNCED_TOGETHER {
                        mirror.follower().applied.send_replace(revision);
                        unannounced = 0;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "lost the store's feed; reading the whole store again");
                    break;
                }
            }
        }
        loop {
            let Some(mirror) = mirror.upgrade() else { return };
            let follower = mirror.follower();
            follower.current.store(false, Ordering::Release);
            match M::read(&vault).await {
                Ok((state, read)) => {
                    mirror.replace(state);
                    revision = read;
                    follower.applied.send_replace(revision);
                    follower.current.store(true, Ordering::Release);
                    continue 'feed;
                }
                Err(error) => tracing::error!(%error, "can't read the store; trying again"),
            }
            drop(mirror);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Reads every record of a kind, and hands each to `take` in order: they are opened on as many threads as there are
/// processors, while the next are fetched.
///
/// # Errors
/// When the store can't be read, a record does not open, or `read` fails.
pub async fn read_each<T: Send + 'static, E: From<Error> + Send + 'static>(
    view: &View,
    kind: Kind,
    read: fn(&RecordName, &Record) -> Result<T, E>,
    mut take: impl FnMut(T) + Send,
) -> Result<(), E> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut after = None;
    let mut pages: VecDeque<JoinHandle<Result<Vec<T>, E>>> = VecDeque::with_capacity(threads);
    loop {
        let rows = view.rows(kind, after.as_deref(), PAGE).await?;
        let more = rows.last().map(|last| last.key.clone());
        if pages.len() == threads || more.is_none() {
            let waited_for = if more.is_none() { pages.len() } else { 1 };
            for page in pages.drain(..waited_for).collect::<Vec<_>>() {
                opened(page).await?.into_iter().for_each(&mut take);
            }
        }
        if more.is_none() {
            return Ok(());
        }
        after = more;
        let view = view.clone();
        pages.push_back(tokio::task::spawn_blocking(move || {
            view.open(rows)?.iter().map(|(name, record)| read(name, record)).collect()
        }));
    }
}

/// The records of a page that another thread opens.
async fn opened<T, E: From<Error>>(page: JoinHandle<Result<Vec<T>, E>>) -> Result<Vec<T>, E> {
    page.await.unwrap_or_else(|error| Err(Error::Record(format!("that was being opened: {error}")).into()))
}
