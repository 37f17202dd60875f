//! Segments: the files of a log, each read once from front to back in constant memory.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::merkle::{Frontier, Hash};
use crate::note::MAX_NOTE;

/// The longest record, in bytes.
pub const MAX_RECORD: usize = 1 << 20;
/// Bytes of records in one group, but for the last record.
pub(crate) const GROUP: usize = 4 << 20;
pub(crate) const MAGIC: &[u8; 8] = b"YKAUDIT1";
pub(crate) const RECORD: u8 = 1;
pub(crate) const CHECKPOINT: u8 = 2;
/// Bytes of a frame before its content: kind, length.
pub(crate) const FRAME_HEAD: u64 = 5;

/// A part of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A record.
    Record(Vec<u8>),
    /// A signed note.
    Checkpoint(Vec<u8>),
}

/// A segment that is being read.
pub struct Segment {
    path: PathBuf,
    reader: BufReader<File>,
    start: Frontier,
    offset: u64,
}

/// The segments of a log, oldest first, with the index of their first record.
///
/// # Errors
/// [`Error::File`].
pub fn segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::file(dir))? {
        let path = entry.map_err(Error::file(dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let digits = name.strip_suffix(".log").filter(|stem| stem.len() == 20);
        if let Some(start) = digits.and_then(|stem| stem.parse().ok()) {
            found.push((start, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Name of the segment that begins with this record.
pub(crate) fn name(start: u64) -> String {
    format!("{start:020}.log")
}

/// The head of a segment: magic ‖ index of the first record (64 bits) ‖ number of subtrees (8 bits) ‖ their hashes.
pub(crate) fn head(start: &Frontier) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&start.size().to_be_bytes());
    // One for each set bit of 64.
    head.push(start.subtrees().len() as u8);
    head.extend(start.subtrees().iter().flatten());
    head
}

/// Appends a frame: kind ‖ length (32 bits) ‖ content.
pub(crate) fn frame(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.push(kind);
    // Records and notes are bounded far below.
    out.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(content);
}

impl Segment {
    /// Opens a segment and reads its head.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it has none.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::file(path))?;
        let mut segment = Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 17, file),
            start: Frontier::default(),
            offset: 0,
        };
        let mut head = [0; 17];
        let (size, count) = match segment.take(&mut head)? && head.starts_with(MAGIC) {
            true => {
                let [.., a, b, c, d, e, f, g, h, count] = head;
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), count)
            }
            false => return Err(segment.damaged(0, 0, "this is not a segment of an audit log")),
        };
        let mut subtrees = Vec::new();
        for _ in 0..count.min(64) {
            let mut hash: Hash = [0; 32];
            if !segment.take(&mut hash)? {
                return Err(segment.damaged(0, size, "its head is truncated"));
            }
            subtrees.push(hash);
        }
        let frontier = Frontier::new(size, subtrees).filter(|_| count <= 64);
        segment.start = frontier.ok_or_else(|| segment.damaged(0, size, "its head is inconsistent"))?;
        Ok(segment)
    }

    /// The tree before this segment's first record.
    pub const fn start(&self) -> &Frontier {
        &self.start
    }

    /// Where the next frame begins.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame; none at the end. `record` is the index that errors name.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what is no frame; [`Error::CutOff`] for half of one.
    pub fn next(&mut self, record: u64) -> Result<Option<Frame>, Error> {
        let at = self.offset;
        let mut head = [0; FRAME_HEAD as usize];
        if self.reader.by_ref().take(1).read(&mut head[..1]).map_err(Error::file(&self.path))? == 0 {
            return Ok(None);
        }
        self.offset += 1;
        if !self.take(&mut head[1..])? {
            return Err(self.cut_off(at, record));
        }
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        let most = match kind {
            RECORD => MAX_RECORD,
            CHECKPOINT => MAX_NOTE,
            _ => return Err(self.damaged(at, record, "the kind of frame is unknown")),
        };
        if length > most {
            return Err(self.damaged(at, record, "the frame is too long"));
        }
        let mut content = vec![0; length];
        if !self.take(&mut content)? {
            return Err(self.cut_off(at, record));
        }
        Ok(Some(if kind == RECORD { Frame::Record(content) } else { Frame::Checkpoint(content) }))
    }

    /// Fills `out`; false if the file ends before.
    fn take(&mut self, out: &mut [u8]) -> Result<bool, Error> {
        match self.reader.read_exact(out) {
            Ok(()) => {
                self.offset += out.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(Error::File { path: self.path.clone(), error }),
        }
    }

    /// Goes to where a frame begins, to read from there on as the file is now.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn go_to(&mut self, offset: u64) -> Result<(), Error> {
        self.reader.seek(SeekFrom::Start(offset)).map_err(Error::file(&self.path))?;
        self.offset = offset;
        Ok(())
    }

    /// Bytes of the file as it is now.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn length(&self) -> Result<u64, Error> {
        Ok(self.reader.get_ref().metadata().map_err(Error::file(&self.path))?.len())
    }

    fn cut_off(&self, offset: u64, record: u64) -> Error {
        Error::CutOff { path: self.path.clone(), offset, record }
    }

    pub(crate) fn damaged(&self, offset: u64, record: u64, why: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), offset, record, why: why.into() }
    }
}
