//! Shows records: the newest, or those that fit.

use std::collections::VecDeque;
use std::io::stdout;
use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;
use yaoku_audit::{Backwards, Reader, is_obeyed};

use super::{no_log, print};
use crate::Error;

/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(200);

/// What records must have; each that is given.
#[derive(Args, Default)]
pub(crate) struct Filter {
    /// At or after this time, such as 2026-11-24T02:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Name of the action
    #[arg(long)]
    action: Option<String>,
    /// ID of a key, or name of an alias
    #[arg(long)]
    key: Option<String>,
    /// ID of the AccessKey
    #[arg(long, value_name = "ID")]
    access_key: Option<String>,
    /// Error code
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// Request ID
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// How records are written.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line
    #[default]
    Json,
    /// A table of the main fields (RFC 4180), with a header line
    Csv,
}

/// Columns of a table, and where a record has them.
const COLUMNS: [(&str, &str); 16] = [
    ("eventTime", "/eventTime"),
    ("serviceName", "/serviceName"),
    ("eventName", "/eventName"),
    ("eventRW", "/eventRW"),
    ("resourceType", "/resourceType"),
    ("resourceName", "/resourceName"),
    ("identityType", "/userIdentity/type"),
    ("accountId", "/userIdentity/accountId"),
    ("principalId", "/userIdentity/principalId"),
    ("userName", "/userIdentity/userName"),
    ("accessKeyId", "/userIdentity/accessKeyId"),
    ("sourceIpAddress", "/sourceIpAddress"),
    ("userAgent", "/userAgent"),
    ("errorCode", "/errorCode"),
    ("errorMessage", "/errorMessage"),
    ("requestId", "/requestId"),
];

/// Prints the newest records and, if asked to, those that come.
pub(super) fn tail(dir: &Path, lines: usize, follow: bool) -> Result<(), Error> {
    let mut backwards = Backwards::open(dir, u64::MAX)?;
    let mut last = VecDeque::new();
    let mut next = None;
    while let Some(group) = backwards.group()? {
        next = next.or(group.last().map(|(index, _)| index + 1));
        let wanted = lines - last.len();
        for (_, record) in group.into_iter().rev().take(wanted) {
            last.push_front(record);
        }
        if last.len() == lines {
            break;
        }
    }
    last.iter().try_for_each(|record| print(record))?;
    if !follow {
        return Ok(());
    }
    let next = next.unwrap_or(0);
    let files = yaoku_audit::segments(dir)?;
    let (start, _) = files.iter().rev().find(|(start, _)| *start <= next).ok_or_else(|| no_log(dir))?;
    let mut reader = Reader::open(dir, *start)?;
    loop {
        while let Some(group) = reader.group()? {
            group.iter().filter(|(index, _)| *index >= next).try_for_each(|(_, record)| print(record))?;
        }
        std::thread::sleep(LOOK);
    }
}

/// Prints the records that fit, oldest first.
pub(super) fn query(dir: &Path, filter: &Filter, format: Format) -> Result<(), Error> {
    filter.check()?;
    // Without a time, the first segment there is.
    let first = yaoku_audit::segment_at(dir, filter.from.as_deref().unwrap_or_default())?.ok_or_else(|| no_log(dir))?;
    let mut reader = Reader::open(dir, first)?;
    let mut show = Show::begin(format)?;
    while let Some(group) = reader.group()? {
        for (_, record) in group {
            if filter.is_empty() && format == Format::Json {
                print(&record)?;
                continue;
            }
            // A record that is no JSON has nothing that could fit.
            let Ok(event) = serde_json::from_slice(&record) else { continue };
            if filter.fits(&event) {
                show.record(&record, &event)?;
            }
        }
    }
    Ok(())
}

/// Writes records in a format.
enum Show {
    Json,
    Csv(Box<csv::Writer<std::io::Stdout>>),
}

impl Show {
    fn begin(format: Format) -> Result<Self, Error> {
        Ok(match format {
            Format::Json => Self::Json,
            Format::Csv => {
                let mut table = csv::Writer::from_writer(stdout());
                table.write_record(COLUMNS.map(|(name, _)| name)).map_err(not_written)?;
                Self::Csv(Box::new(table))
            }
        })
    }

    fn record(&mut self, record: &[u8], event: &Value) -> Result<(), Error> {
        match self {
            Self::Json => print(record),
            Self::Csv(table) => {
                table.write_record(COLUMNS.map(|(_, pointer)| cell(text(event, pointer)))).map_err(not_written)
            }
        }
    }
}

/// The text of a cell. What a stranger wrote must neither be run as a formula by whoever opens the table, nor be obeyed by
/// the terminal that shows it.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let seen = text.chars().map(|it| if is_obeyed(it) { char::REPLACEMENT_CHARACTER } else { it });
    formula.then_some('\'').into_iter().chain(seen).collect()
}

fn not_written(error: csv::Error) -> Error {
    Error::file("standard output")(error.into())
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl Filter {
    /// Refuses times that are none: they would be compared as texts.
    fn check(&self) -> Result<(), Error> {
        for time in [&self.from, &self.to].into_iter().flatten() {
            if yaoku_aliyun::wire::time::parse_time(time).is_none() {
                return Err(Error::Options(format!("{time:?} is not a valid time; use the form 2026-11-24T02:00:00Z")));
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        let Self { from, to, action, key, access_key, error, request_id } = self;
        [from, to, action, key, access_key, error, request_id].into_iter().all(Option::is_none)
    }

    fn fits(&self, event: &Value) -> bool {
        let is =
            |wanted: &Option<String>, pointer| wanted.as_deref().is_none_or(|wanted| wanted == text(event, pointer));
        // The format of times orders as text.
        let time = text(event, "/eventTime");
        self.from.as_deref().is_none_or(|from| time >= from)
            && self.to.as_deref().is_none_or(|to| time < to)
            && is(&self.action, "/eventName")
            && self.key.as_deref().is_none_or(|key| concerns(event, key))
            && is(&self.access_key, "/userIdentity/accessKeyId")
            && is(&self.error, "/errorCode")
            && is(&self.request_id, "/requestId")
    }
}

/// Whether a call is about that key or alias.
fn concerns(event: &Value, name: &str) -> bool {
    let referenced = event.get("referencedResources").and_then(Value::as_object);
    let mut names = referenced.into_iter().flat_map(|kinds| kinds.values()).filter_map(Value::as_array).flatten();
    text(event, "/resourceName") == name || names.any(|referenced| referenced == name)
}
