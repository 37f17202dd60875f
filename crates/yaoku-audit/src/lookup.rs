//! Finds the events of one account, a page at a time, with bounded work for each: those of its own callers, and those that are
//! of others but used its keys.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::reader::give_way;
use crate::{Backwards, Error, Indexed, Reader, segments};

/// Bytes of records that are looked at for one page. A page may have fewer events than asked for, or none, and yet not be the last.
const BUDGET: usize = 32 << 20;

/// In which order events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The oldest first.
    Forward,
    /// The newest first.
    Backward,
}

/// What an event must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// This service, such as `Kms`.
    Service(String),
    /// This action.
    Name(String),
    /// This user's name.
    User(String),
    /// This id.
    Id(String),
    /// A resource of this kind.
    ResourceType(String),
    /// A resource of this name.
    ResourceName(String),
    /// `Read` or `Write`.
    ReadWrite(String),
    /// This AccessKey.
    AccessKey(String),
}

/// Which events are wanted. Times are texts as records have them, and order as such.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Only what this account's own callers did, and what it is a recipient of.
    pub account: String,
    /// Not before this time.
    pub from: String,
    /// Not after this time.
    pub to: String,
    /// A record beyond this time, seen in the direction, ends the search: records are written in the order in which they are
    /// acknowledged, so it is some while beyond `from` or `to`.
    pub horizon: String,
    /// What they must have beside.
    pub condition: Option<Condition>,
    /// In which order.
    pub direction: Direction,
    /// How many at the most.
    pub most: usize,
    /// Go on with this page.
    pub page: Option<u64>,
}

/// A page of events.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The records of the events.
    pub records: Vec<Vec<u8>>,
    /// Where the next page goes on; none if there is no more.
    pub next: Option<u64>,
}

/// What a search looks at in a record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Seen<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    event_time: Cow<'a, str>,
    #[serde(borrow)]
    event_name: Cow<'a, str>,
    #[serde(borrow, rename = "eventRW")]
    read_write: Cow<'a, str>,
    #[serde(borrow)]
    service_name: Cow<'a, str>,
    #[serde(borrow)]
    user_identity: SeenIdentity<'a>,
    #[serde(borrow)]
    referenced_resources: BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    recipient_account_ids: Vec<Cow<'a, str>>,
}

impl Seen<'_> {
    /// Whether an account may be shown it. What it may not be shown of another's caller, it can't look for either.
    fn is_for(&mut self, account: &str) -> bool {
        let who = &mut self.user_identity;
        if who.account_id == account {
            return true;
        }
        (who.access_key_id, who.user_name) = Default::default();
        self.recipient_account_ids.iter().any(|recipient| recipient == account)
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct SeenIdentity<'a> {
    #[serde(borrow)]
    account_id: Cow<'a, str>,
    #[serde(borrow)]
    access_key_id: Cow<'a, str>,
    #[serde(borrow)]
    user_name: Cow<'a, str>,
}

impl Condition {
    fn holds(&self, seen: &Seen<'_>) -> bool {
        match self {
            Self::Service(wanted) => seen.service_name == *wanted,
            Self::Name(wanted) => seen.event_name == *wanted,
            Self::User(wanted) => seen.user_identity.user_name == *wanted,
            Self::Id(wanted) => seen.event_id == *wanted,
            Self::ResourceType(wanted) => seen.referenced_resources.contains_key(wanted.as_str()),
            Self::ResourceName(wanted) => seen.referenced_resources.values().flatten().any(|name| name == wanted),
            Self::ReadWrite(wanted) => seen.read_write == *wanted,
            Self::AccessKey(wanted) => seen.user_identity.access_key_id == *wanted,
        }
    }
}

/// The first segment that can have records of that time or later: the one before the first that begins so late. Where the clock was
/// set back, records before it may be of that time.
///
/// # Errors
/// When the log can't be read.
pub fn segment_at(dir: &Path, time: &str) -> Result<Option<u64>, Error> {
    let files = segments(dir)?;
    let mut found = files.first().map(|(start, _)| *start);
    for (start, _) in files {
        let group = Reader::open(dir, start)?.group()?;
        let Some((_, first)) = group.as_ref().and_then(|group| group.first()) else { break };
        if serde_json::from_slice(first).is_ok_and(|seen: Seen<'_>| *seen.event_time >= *time) {
            break;
        }
        found = Some(start);
    }
    Ok(found)
}

impl Lookup {
    /// Looks for a page of events. Blocks while files are read.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn run(&self, dir: &Path) -> Result<Page, Error> {
        let mut search = Search { lookup: self, page: Page { records: Vec::new(), next: None }, looked_at: 0 };
        match self.direction {
            Direction::Backward => {
                let mut log = Backwards::open(dir, self.page.unwrap_or(u64::MAX))?;
                while let Some(group) = log.group()? {
                    if group.into_iter().rev().any(|(index, record)| search.ends_with((index, record), index)) {
                        break;
                    }
                }
            }
            Direction::Forward => {
                let begin = match self.page {
                    Some(page) => segments(dir)?.iter().rfind(|(start, _)| *start <= page).map(|(start, _)| *start),
                    None => None,
                };
                let Some(begin) = begin.map_or_else(|| segment_at(dir, &self.from), |begin| Ok(Some(begin)))? else {
                    return Ok(search.page);
                };
                let mut log = Reader::open(dir, begin)?;
                while let Some(group) = log.group()? {
                    let group = group.into_iter().filter(|(index, _)| self.page.is_none_or(|page| *index >= page));
                    if group.into_iter().any(|(index, record)| search.ends_with((index, record), index + 1)) {
                        break;
                    }
                }
            }
        }
        Ok(search.page)
    }
}

struct Search<'a> {
    lookup: &'a Lookup,
    page: Page,
    looked_at: usize,
}

impl Search<'_> {
    /// Takes a record in, if it fits. Whether the page ends with it; the next would go on with `next`.
    fn ends_with(&mut self, (index, record): Indexed, next: u64) -> bool {
        give_way(index);
        let wanted = self.lookup;
        self.looked_at += record.len();
        // What is no event can't be asked for.
        let Ok(mut seen) = serde_json::from_slice::<Seen<'_>>(&record) else { return false };
        let mine = seen.is_for(&wanted.account);
        let time = &*seen.event_time;
        let beyond = match wanted.direction {
            Direction::Forward => time > wanted.horizon.as_str(),
            Direction::Backward => time < wanted.horizon.as_str(),
        };
        if beyond {
            return true;
        }
        let fits = mine
            && (wanted.from.as_str()..=wanted.to.as_str()).contains(&time)
            && wanted.condition.as_ref().is_none_or(|condition| condition.holds(&seen));
        if fits {
            self.page.records.push(record);
        }
        let full = self.page.records.len() >= wanted.most || self.looked_at >= BUDGET;
        self.page.next = full.then_some(next);
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{SEED_LEN, Signer};
    use crate::{Options, Sync, Trail};
    use std::sync::Arc;
    use yaoku_crypto::Secret;

    /// Sixty events, one a second, of two accounts in turn.
    fn log() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { sync: Sync::Durable, segment_bytes: 2000, retained_bytes: None, retained_age: None };
        let signer = Arc::new(Signer::new(&Secret::new(vec![3; SEED_LEN])).unwrap());
        let trail = Trail::open(dir.path(), signer, None, options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for at in 0..60 {
            let record = format!(
                r#"{{"eventId":"{at}","eventTime":"2026-01-01T00:00:{at:02}Z","userIdentity":{{"accountId":"{}"}}}}"#,
                at % 2
            );
            runtime.block_on(trail.admit().unwrap().record(record.into_bytes())).unwrap();
        }
        dir
    }

    fn find(dir: &Path, direction: Direction, (from, to): (u32, u32), most: usize) -> Vec<u32> {
        let time = |at: u32| format!("2026-01-01T00:00:{at:02}Z");
        let horizon = if direction == Direction::Forward { time(to) } else { time(from) };
        let (from, to) = (time(from), time(to));
        let account = "1".to_owned();
        let mut lookup = Lookup { account, from, to, horizon, condition: None, direction, most, page: None };
        let mut found = Vec::new();
        loop {
            let page = lookup.run(dir).unwrap();
            assert!(page.records.len() <= most);
            for record in page.records {
                let seen: Seen<'_> = serde_json::from_slice(&record).unwrap();
                found.push(seen.event_id.parse().unwrap());
            }
            match page.next {
                Some(next) => lookup.page = Some(next),
                None => return found,
            }
        }
    }

    #[test]
    fn pages_of_any_size_in_both_directions_have_each_event_of_the_account_once() {
        let dir = log();
        for range in [(0, 59), (7, 33), (7, 7), (8, 8), (59, 59)] {
            let expected: Vec<u32> = (range.0..=range.1).filter(|at| at % 2 == 1).collect();
            for most in [1, 2, 3, 50] {
                assert_eq!(find(dir.path(), Direction::Forward, range, most), expected, "{range:?} {most}");
                let mut backward = find(dir.path(), Direction::Backward, range, most);
                backward.reverse();
                assert_eq!(backward, expected, "{range:?} {most} backward");
            }
        }
    }
}
