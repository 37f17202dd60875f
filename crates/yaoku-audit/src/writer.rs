//! Writes the files of a log.
//!
//! Each write is a group: the records that wait, and a signed checkpoint behind them, then one sync. So every record that was
//! acknowledged is covered by a signature.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use yaoku_seal::{Steadiness, StoreMark};

use crate::merkle::{Frontier, Head, leaf_hash};
use crate::note::{Checkpoint, Purpose, Signer, Verifier, store_lines};
use crate::segment::{self, CHECKPOINT, GROUP, RECORD};
use crate::{Error, Options, Segment, recovery, segments};

/// Name of the signed note on what was dropped.
pub(crate) const RETENTION: &str = "retention";
/// Name of the file with the public key.
const PUBLIC_KEY: &str = "public-key";
/// Where records are kept for some time, this is the share of it that one segment holds records of.
const SEGMENTS_OF_AN_AGE: u32 = 10;
/// And no more than this.
const LONGEST: Duration = Duration::from_secs(86_400);
/// How long after one look for segments that are too old a write looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Tells what the store holds, as checkpoints are to sign it.
pub type Marks = Box<dyn Fn() -> Vec<StoreMark> + Send>;

/// The one writer of a log.
pub(crate) struct Writer {
    dir: PathBuf,
    signer: Arc<Signer>,
    options: Options,
    path: PathBuf,
    file: File,
    /// Length up to the last checkpoint that is durable.
    length: u64,
    tree: Frontier,
    /// What the last durable checkpoint says of the store.
    stores: Vec<StoreMark>,
    /// Tells what it holds now.
    marks: Marks,
    /// What was last told, and how checkpoints spell it: most groups come without a change of the store.
    spelled: (Vec<StoreMark>, String),
    /// Whether the file may hold something behind `length`, or its name may not be durable.
    unclean: bool,
    /// What is written at once; kept for its capacity.
    group: Vec<u8>,
    /// When this process began to write the file.
    begun: Instant,
    /// Whether the clock may be gone by that makes segments old.
    steadiness: Steadiness,
    /// When it was last looked for segments that are too old.
    looked: Instant,
}

impl Writer {
    /// Opens the log in a directory, and makes it the first time.
    pub(crate) fn open(
        dir: &Path,
        signer: Arc<Signer>,
        remembered: Option<Head>,
        options: Options,
        marks: Marks,
    ) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::file(dir))?;
        publish(dir, signer.verifier())?;
        let mut files = segments(dir)?;
        if files.is_empty() {
            if remembered.is_some_and(|head| head.size > 0) || dir.join(RETENTION).exists() {
                return Err(Error::Inconsistent(gone(dir, 0, remembered)));
            }
            begin_segment(dir, &signer, &Frontier::default(), marks())?;
            files = segments(dir)?;
        }
        let (_, path) = files.pop().ok_or(Error::Form("there is no segment"))?;
        let recovery::End { tree, length, stores } = recovery::end_of(&path, signer.verifier(), remembered)?;
        if remembered.is_some_and(|head| head.size > tree.size()) {
            return Err(Error::Inconsistent(gone(dir, tree.size(), remembered)));
        }
        let file = OpenOptions::new().write(true).open(&path).map_err(Error::file(&path))?;
        let torn = file.metadata().map_err(Error::file(&path))?.len() - length;
        if torn > 0 {
            tracing::warn!(path = %path.display(), bytes = torn, "removing what a crash left of an unacknowledged write");
        }
        let dir = dir.to_owned();
        let mut writer = Self {
            dir,
            signer,
            options,
            path,
            file,
            length,
            tree,
            stores,
            marks,
            spelled: (Vec::new(), String::new()),
            unclean: true,
            group: Vec::new(),
            begun: Instant::now(),
            steadiness: Steadiness::new(options.retained_age.map_or(Duration::ZERO, |age| age.patience)),
            looked: Instant::now(),
        };
        writer.clean()?;
        writer.retain()?;
        Ok(writer)
    }

    /// The tree as it is durable.
    pub(crate) fn head(&self) -> Head {
        self.tree.head()
    }

    /// What the last durable checkpoint signs.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { head: self.head(), stores: self.stores.clone() }
    }

    /// Makes records durable, and takes those out that are. After a failure, those are left that are to be given again.
    pub(crate) fn write(&mut self, records: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        while !records.is_empty() {
            let count = self.write_group(records)?;
            records.drain(..count);
            if self.length >= self.options.segment_bytes || self.has_its_time() {
                self.roll();
            } else if self.options.retained_age.is_some() && self.looked.elapsed() > LOOK_AGAIN {
                self.retain_if_possible();
            }
        }
        Ok(())
    }

    /// Whether the segment is to end for its age: only whole ones are dropped, and one that is seldom written to would keep its
    /// first records long beyond their time.
    fn has_its_time(&self) -> bool {
        let share = |age: Duration| (age / SEGMENTS_OF_AN_AGE).min(LONGEST);
        self.options.retained_age.is_some_and(|age| self.begun.elapsed() > share(age.most))
    }

    /// Makes the first of some records durable; how many.
    fn write_group(&mut self, records: &[Vec<u8>]) -> Result<usize, Error> {
        self.clean()?;
        let mut tree = self.tree.clone();
        let mut count = 0;
        self.group.clear();
        for record in records {
            segment::frame(&mut self.group, RECORD, record);
            tree.push(leaf_hash(record));
            count += 1;
            if self.group.len() >= GROUP {
                break;
            }
        }
        // What the calls of these records changed is in the store by now.
        let stores = (self.marks)();
        if self.spelled.0 != stores {
            self.spelled = (stores.clone(), store_lines(&stores));
        }
        let note = self.signer.sign_with(&tree.head(), &self.spelled.1);
        segment::frame(&mut self.group, CHECKPOINT, note.as_bytes());
        self.unclean = true;
        self.file.write_all(&self.group).map_err(Error::file(&self.path))?;
        self.file.sync_data().map_err(Error::file(&self.path))?;
        self.unclean = false;
        self.length += self.group.len() as u64;
        (self.tree, self.stores) = (tree, stores);
        Ok(count)
    }

    /// Cuts off what a failed write may have left, and makes sure of the file. After a failed sync the kernel may have
    /// forgotten what it could not write; it is written anew, from here on.
    fn clean(&mut self) -> Result<(), Error> {
        if self.unclean {
            self.file.set_len(self.length).map_err(Error::file(&self.path))?;
            self.file.seek(SeekFrom::Start(self.length)).map_err(Error::file(&self.path))?;
            self.file.sync_all().map_err(Error::file(&self.path))?;
            sync_dir(&self.dir)?;
            self.unclean = false;
        }
        Ok(())
    }

    /// Begins another segment. Where that can't be done, this one just grows: its records are durable.
    fn roll(&mut self) {
        match begin_segment(&self.dir, &self.signer, &self.tree, self.stores.clone()) {
            // From the moment that it has its name it is the newest, whether that is durable or not.
            Ok((path, file, length)) => {
                (self.path, self.file, self.length, self.unclean) = (path, file, length, true);
                self.begun = Instant::now();
                self.retain_if_possible();
            }
            Err(error) => tracing::warn!(%error, "can't begin a new segment of the audit log"),
        }
    }

    fn retain_if_possible(&mut self) {
        if let Err(error) = self.retain() {
            tracing::warn!(%error, "can't drop old segments of the audit log");
        }
    }

    /// Drops the oldest segments beyond what is retained, after a signed note has said so. None is dropped for its age by a clock
    /// that may be wrong: the records would be gone for good.
    fn retain(&mut self) -> Result<(), Error> {
        self.looked = Instant::now();
        let wall = SystemTime::now();
        let since_1970 = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_steady = self.steadiness.look(self.looked, u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
        let most = self.options.retained_age.filter(|_| is_steady).map(|age| age.most);
        let files = segments(&self.dir)?;
        let mut sizes = Vec::new();
        for (_, path) in &files {
            let metadata = std::fs::metadata(path).map_err(Error::file(path))?;
            let age = metadata.modified().ok().and_then(|at| wall.duration_since(at).ok());
            sizes.push((metadata.len(), age.unwrap_or_default()));
        }
        let mut total: u64 = sizes.iter().map(|(size, _)| size).sum();
        let mut drops = 0;
        // The newest is being written.
        for (size, age) in &sizes[..sizes.len().saturating_sub(1)] {
            let large = self.options.retained_bytes.is_some_and(|most| total > most);
            let old = most.is_some_and(|most| *age > most);
            if !large && !old {
                break;
            }
            total -= size;
            drops += 1;
        }
        let Some((_, first)) = files.get(drops).filter(|_| drops > 0) else { return Ok(()) };
        let head = Segment::open(first)?.start().head();
        let note = self.signer.sign(Purpose::Retention, &head);
        replace(&self.dir, RETENTION, note.as_bytes())?;
        sync_dir(&self.dir)?;
        for (_, path) in &files[..drops] {
            std::fs::remove_file(path).map_err(Error::file(path))?;
            tracing::info!(path = %path.display(), "retention dropped a segment of the audit log");
        }
        Ok(())
    }
}

fn gone(dir: &Path, size: u64, remembered: Option<Head>) -> String {
    format!(
        "the audit log in {} has {size} records, but there were {} before: its end is missing, or it was rolled back; put the \
         right files back, or, to go on without them, accept what is there with `yaoku accept`",
        dir.display(),
        remembered.map_or(0, |head| head.size)
    )
}

/// Writes the public key beside the log, where none is; another's is refused.
fn publish(dir: &Path, verifier: &Verifier) -> Result<(), Error> {
    let path = dir.join(PUBLIC_KEY);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim() == verifier.to_string() => Ok(()),
        Ok(_) => Err(Error::Inconsistent(format!(
            "{} is not this server's key: the log is another server's, or a backup from before its key was restored; move \
             the directory away, and a new log is begun",
            path.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            replace(dir, PUBLIC_KEY, format!("{verifier}\n").as_bytes()).map(drop)
        }
        Err(error) => Err(Error::File { path, error }),
    }
}

/// Begins a segment: its head, and a checkpoint that signs for it. Its path, the file, and its length. Its name is not durable
/// yet.
fn begin_segment(
    dir: &Path,
    signer: &Signer,
    tree: &Frontier,
    stores: Vec<StoreMark>,
) -> Result<(PathBuf, File, u64), Error> {
    let mut content = segment::head(tree);
    let note = signer.sign_checkpoint(&Checkpoint { head: tree.head(), stores });
    segment::frame(&mut content, CHECKPOINT, note.as_bytes());
    let (path, file) = replace(dir, &segment::name(tree.size()), &content)?;
    Ok((path, file, content.len() as u64))
}

/// Writes a file whole, or not at all. Its name is not durable until its directory is synced.
fn replace(dir: &Path, name: &str, content: &[u8]) -> Result<(PathBuf, File), Error> {
    let (path, new) = (dir.join(name), dir.join(format!("{name}.new")));
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let mut file = file.map_err(Error::file(&new))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(Error::file(&new))?;
    std::fs::rename(&new, &path).map_err(Error::file(&path))?;
    Ok((path, file))
}

fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::file(dir))
}
