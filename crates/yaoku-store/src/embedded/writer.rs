//! The one thread that writes. Commits that wait while it writes go into its next transaction together, and share its sync.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};
use tokio::sync::{mpsc, oneshot};

use super::anchor::Anchor;
use super::database::{DIGEST, META, ROWS, get, guarded, of_any, read_meta, row, write_meta};
use super::digest::Kept;
use super::files::Files;
use super::{Opened, Shared, digest, scrub};
use crate::{Change, Digester, Error, Found, Outcome, Revision, Transaction, Trust};

/// The most commits that share a sync.
const MAX_BATCH: usize = 1024;
/// How long commits are refused at once after a failed write.
const PAUSE: Duration = Duration::from_millis(500);

/// Brings the changed keys into a copy and puts it in the place of the file, which it gives back opened.
pub(super) type FinishScrub = Box<dyn FnOnce(&Files, &Database, &BTreeSet<Vec<u8>>) -> Result<Database, Error> + Send>;

/// What the thread is asked to do.
pub(super) enum Job {
    Commit(Transaction, oneshot::Sender<Result<Outcome, Error>>),
    /// Makes a tiny durable commit if the last write failed.
    Probe(oneshot::Sender<Result<(), Error>>),
    /// Takes a snapshot, and from then on notes which keys change.
    BeginScrub(oneshot::Sender<Result<ReadTransaction, Error>>),
    /// Brings the noted keys into a copy, and puts it in the place of the file.
    EndScrub(FinishScrub, oneshot::Sender<Result<(), Error>>),
    /// Forgets what was noted.
    AbandonScrub,
    /// Keeps a digest from now on.
    KeepDigest(Arc<dyn Digester>, Trust, oneshot::Sender<Result<Found, Error>>),
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    anchor: Anchor,
    revision: Revision,
    /// Why the last write failed, and when.
    failed: Option<(String, Instant)>,
    /// Keys changed since a scrub began.
    noted: Option<BTreeSet<Vec<u8>>>,
}

type Waiting = (Transaction, oneshot::Sender<Result<Outcome, Error>>);

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, anchor: Anchor, revision: Revision) -> Self {
        Self { shared, anchor, revision, failed: None, noted: None }
    }

    /// Works until the store is dropped.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = jobs.blocking_recv();
        while let Some(job) = next.take() {
            match job {
                Job::Commit(transaction, reply) => {
                    let mut batch = vec![(transaction, reply)];
                    while batch.len() < MAX_BATCH {
                        match jobs.try_recv() {
                            Ok(Job::Commit(transaction, reply)) => batch.push((transaction, reply)),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.commit(batch);
                }
                Job::Probe(reply) => drop(reply.send(self.probe())),
                Job::BeginScrub(reply) => {
                    let snapshot = self.ready().and_then(|opened| opened.begin_read());
                    self.noted = snapshot.is_ok().then(BTreeSet::new);
                    drop(reply.send(snapshot));
                }
                Job::EndScrub(finish, reply) => drop(reply.send(self.end_scrub(finish))),
                Job::AbandonScrub => self.noted = None,
                Job::KeepDigest(digester, trust, reply) => drop(reply.send(self.keep_digest(digester, trust))),
            }
            if next.is_none() {
                next = jobs.blocking_recv();
            }
        }
    }

    fn commit(&mut self, batch: Vec<Waiting>) {
        let (transactions, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let opened = match self.pause().and_then(|()| self.ready()) {
            Ok(opened) => opened,
            Err(error) => return refuse(replies, &error),
        };
        // Only now: opening anew may have found a commit that was thought to have failed.
        let before = self.revision;
        let mut outcomes = Vec::with_capacity(transactions.len());
        let kept = self.shared.kept.read().clone();
        match opened.with(|database| guarded(|| apply(database, before, kept, &transactions, &mut outcomes))) {
            Ok(digest) => {
                self.shared.now_is(digest);
                self.acknowledge(transactions, outcomes, replies);
            }
            Err(Error::Corrupt(why)) => {
                self.shared.condemn(&why);
                refuse(replies, &Error::Corrupt(why));
            }
            Err(error) => {
                self.note_failure(&error);
                // redb refuses everything after a failed write: only opening the file anew tells what it holds.
                let intended = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Committed(_))).count();
                let landed = self.reopen().is_ok() && self.revision.0 == before.0 + intended as u64;
                if landed && outcomes.len() == transactions.len() {
                    self.acknowledge(transactions, outcomes, replies);
                } else {
                    refuse(replies, &error);
                    self.shared.feed.reset(self.revision);
                }
            }
        }
    }

    fn acknowledge(
        &mut self,
        transactions: Vec<Transaction>,
        outcomes: Vec<Outcome>,
        replies: Vec<oneshot::Sender<Result<Outcome, Error>>>,
    ) {
        let mut changes = Vec::new();
        for (transaction, outcome) in transactions.into_iter().zip(&outcomes) {
            let Outcome::Committed(revision) = outcome else { continue };
            let Transaction { puts, deletes, .. } = transaction;
            if let Some(noted) = &mut self.noted {
                noted.extend(puts.iter().map(|(key, _)| key).chain(&deletes).cloned());
            }
            changes.push(Change { revision: *revision, puts, deletes });
        }
        if let Some(last) = changes.last() {
            self.revision = last.revision;
            if let Err(error) = self.anchor.record(self.revision) {
                // The commits are durable; the anchor only falls behind.
                tracing::warn!(%error, "can't write the store's anchor");
            }
            self.failed = None;
            self.shared.feed.publish(changes);
        }
        for (outcome, reply) in outcomes.into_iter().zip(replies) {
            drop(reply.send(Ok(outcome)));
        }
    }

    fn note_failure(&mut self, error: &Error) {
        self.failed = Some((error.to_string(), Instant::now()));
    }

    /// Fails for some time after a failed write: each attempt opens the file anew, which takes the longer the larger it is.
    fn pause(&self) -> Result<(), Error> {
        match &self.failed {
            Some((why, at)) if at.elapsed() < PAUSE => Err(Error::Unavailable(why.clone())),
            _ => Ok(()),
        }
    }

    /// The database as one that can be written to, opened anew if need be.
    fn ready(&mut self) -> Result<Arc<Opened>, Error> {
        let opened = self.shared.opened()?;
        if opened.is_open() && !self.shared.files.has_sync_failure() {
            return Ok(opened);
        }
        if let Err(error) = self.recover() {
            self.note_failure(&error);
            return Err(error);
        }
        self.shared.opened()
    }

    /// Opens the file anew. Watchers start over if it holds a commit that they were not told of, because it had seemed to
    /// fail.
    fn recover(&mut self) -> Result<(), Error> {
        self.reopen()?;
        self.shared.feed.reset(self.revision);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.shared.opened()?.close();
        // A scrub under way copies from the old file.
        self.noted = None;
        let mut database = self.shared.files.open()?;
        if self.shared.files.has_sync_failure() {
            match guarded(|| scrub::rescue(&self.shared.files, &database)) {
                Ok(rescued) => {
                    self.shared.files.forget_sync_failure();
                    database = rescued;
                }
                Err(error) => {
                    // Readable it is, and what was acknowledged is in it.
                    self.shared.replace(database);
                    return Err(error);
                }
            }
        }
        let meta = read_meta(&database.begin_read().map_err(of_any)?)?;
        if meta.revision < self.revision {
            let why = format!("it went back from revision {} to {}", self.revision.0, meta.revision.0);
            self.shared.condemn(&why);
            return Err(Error::Corrupt(why));
        }
        let kept = self.shared.kept.read().clone();
        if let Some(kept) = kept {
            let digest = digest::open_stated(&*kept.digester, &meta).inspect_err(|error| {
                self.shared.condemn(&error.to_string());
            })?;
            self.shared.now_is(Some(Kept { digest, revision: meta.revision, ..kept }));
        }
        self.revision = meta.revision;
        self.shared.replace(database);
        Ok(())
    }

    fn probe(&mut self) -> Result<(), Error> {
        if self.failed.is_none() {
            return Ok(());
        }
        self.pause()?;
        let opened = self.ready()?;
        let revision = self.revision;
        let written = opened.with(|database| {
            guarded(|| {
                let digest = read_meta(&database.begin_read().map_err(of_any)?)?.digest;
                let write = database.begin_write().map_err(of_any)?;
                write_meta(&write, revision, digest.as_deref())?;
                write.commit().map_err(of_any)
            })
        });
        match &written {
            Ok(()) => self.failed = None,
            Err(error) => {
                self.note_failure(error);
                drop(self.recover());
            }
        }
        written
    }

    fn keep_digest(&mut self, digester: Arc<dyn Digester>, trust: Trust) -> Result<Found, Error> {
        if self.shared.kept.read().is_some() {
            // Of another vault over this store.
            return Ok(Found::Right);
        }
        let opened = self.ready()?;
        let left = self.shared.files.take_left();
        let (kept, found) =
            opened.with(|database| guarded(|| digest::begin(database, digester, trust, left, &self.shared.closing)))?;
        self.shared.now_is(Some(kept));
        Ok(found)
    }

    fn end_scrub(&mut self, finish: FinishScrub) -> Result<(), Error> {
        let cut_off = || Error::Unavailable("the scrub was aborted by a failed write".into());
        let ready = self.ready().and_then(|opened| Ok((opened, self.noted.take().ok_or_else(cut_off)?)));
        let (opened, noted) = ready?;
        match opened.with(|database| guarded(|| finish(&self.shared.files, database, &noted))) {
            Ok(copy) => {
                self.shared.replace(copy);
                Ok(())
            }
            Err(error) => {
                self.note_failure(&error);
                drop(self.recover());
                Err(error)
            }
        }
    }
}

/// Applies transactions one after the other in one write; each sees those before it. The outcomes are what became of
/// them if the write lands, also where it fails at the end and is found to have landed later. Answers the digest after them.
fn apply(
    database: &Database,
    before: Revision,
    kept: Option<Kept>,
    transactions: &[Transaction],
    outcomes: &mut Vec<Outcome>,
) -> Result<Option<Kept>, Error> {
    let write = database.begin_write().map_err(of_any)?;
    if kept.is_none() && write.open_table(META).map_err(of_any)?.get(DIGEST).map_err(of_any)?.is_some() {
        write.abort().map_err(of_any)?;
        return Err(Error::Unavailable("nobody keeps the digest of its rows yet".into()));
    }
    let (mut revision, mut kept) = (before, kept);
    {
        let mut rows = write.open_table(ROWS).map_err(of_any)?;
        for transaction in transactions {
            let mut conflict = None;
            for (key, expected) in &transaction.expected {
                if get(&rows, key)?.map(|row| row.revision) != *expected {
                    conflict = Some(key.clone());
                    break;
                }
            }
            if let Some(key) = conflict {
                outcomes.push(Outcome::Conflict { key });
                continue;
            }
            revision.0 += 1;
            for key in &transaction.deletes {
                let former = rows.remove(key.as_slice()).map_err(of_any)?;
                if let (Some(kept), Some(former)) = (&mut kept, former) {
                    kept.take_away(&row(key, former.value())?);
                }
            }
            for (key, value) in &transaction.puts {
                if let Some(kept) = &mut kept {
                    if let Some(former) = get(&rows, key)? {
                        kept.take_away(&former);
                    }
                    kept.digest.add(&kept.digester.share(key, revision, value));
                }
                let mut stored = rows.insert_reserve(key.as_slice(), 8 + value.len()).map_err(of_any)?;
                let (head, tail) = stored.as_mut().split_at_mut(8);
                head.copy_from_slice(&revision.0.to_le_bytes());
                tail.copy_from_slice(value);
            }
            outcomes.push(Outcome::Committed(revision));
        }
    }
    if revision == before {
        write.abort().map_err(of_any)?;
        return Ok(kept);
    }
    let sealed = match &mut kept {
        Some(kept) => {
            kept.revision = revision;
            Some(kept.sealed()?)
        }
        None => None,
    };
    write_meta(&write, revision, sealed.as_deref())?;
    write.commit().map_err(of_any)?;
    Ok(kept)
}

fn refuse(replies: Vec<oneshot::Sender<Result<Outcome, Error>>>, error: &Error) {
    for reply in replies {
        let same = match error {
            Error::Corrupt(why) => Error::Corrupt(why.clone()),
            Error::Altered(why) => Error::Altered(why.clone()),
            other => Error::Unavailable(other.to_string()),
        };
        drop(reply.send(Err(same)));
    }
}
