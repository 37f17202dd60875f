//! A server with very many keys against one with few: memory, start, listings, and a warm set drawn by Zipf's law.
//!
//! Every key is made through the API, with a tag; every tenth has an alias.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::call::{Caller, Params, Scheme};
use crate::load::{Measured, Target, answer, closed_loop};
use crate::process::resident;
use crate::report::{median, progress};
use crate::server::{ACCESS_KEY, Server, Setup, scratch};
use crate::{Error, Scale, machine};

/// What the large server is compared with.
const FEW: u64 = 1000;
/// Keys in use.
const WARM: usize = 10_000;
/// Values of the tag.
const SHARDS: u64 = 1000;
const PLAINTEXT: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Makes the keys, measures, and writes a report.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) async fn run(options: &Scale) -> Result<(), Error> {
    let data = scratch(&options.disk)?;
    let directory = |name: &str| data.path().join(name);
    let start = async |name: &str| {
        let setup = Setup { binary: &options.server, data: directory(name), audit: false, certificate: None };
        Server::yaoku(&setup).await
    };
    let empty = idle_memory(start("empty").await?).await?;
    let few = start("few").await?;
    fill(&few, FEW, FEW as usize).await?;
    let many = start("many").await?;
    let began = Instant::now();
    let warm = fill(&many, options.keys, WARM).await?;
    let made_in = began.elapsed();
    many.terminate().await?;

    let store = store_file(&directory("many"))?;
    let (mut reads, mut starts, mut held) = (Vec::new(), Vec::new(), 0);
    for round in 1..=options.rounds {
        progress(&format!("round {round} of {}: start", options.rounds));
        forget(&store)?;
        reads.push(read_once(&store)?);
        forget(&store)?;
        let began = Instant::now();
        let server = start("many").await?;
        starts.push(began.elapsed().as_secs_f64());
        held = idle_memory(server).await?;
    }
    let (read, started) = (median(reads.into_iter()), median(starts.into_iter()));
    let a_key = held.saturating_sub(empty) as f64 / options.keys as f64;

    let many = start("many").await?;
    let one = Pair::of("Encrypt, warm set of 10,000 keys by Zipf against one key", 0.85);
    let mut pairs = vec![(one, encrypt(&many, &warm)?, encrypt(&many, &warm[..1])?)];
    for (name, action, params) in [
        ("ListKeys, first page", "ListKeys", &[("PageSize", "100")][..]),
        ("ListKeys, page in the middle", "ListKeys", &[("PageSize", "100"), ("PageNumber", "MIDDLE")]),
        ("ListKeys, tag filter", "ListKeys", &[("PageSize", "10"), ("Filters", TAG)]),
        ("DescribeKey by alias", "DescribeKey", &[("KeyId", "alias/key-500")]),
    ] {
        let asked = |server: &Server, keys: u64| {
            let middle = (keys / 200).to_string();
            let own = |value| if value == "MIDDLE" { middle.as_str() } else { value };
            let params: Vec<_> = params.iter().map(|(name, value)| (*name, own(*value))).collect();
            server.asked(Scheme::Acs3, action, &params)
        };
        pairs.push((Pair::of(name, 0.5), asked(&many, options.keys)?, asked(&few, FEW)?));
    }
    for round in 1..=options.rounds {
        for (pair, many, few) in &mut pairs {
            progress(&format!("round {round} of {}: {}", options.rounds, pair.name));
            let length = Duration::from_secs(options.seconds);
            for (target, measured) in [(&*many, &mut pair.many), (&*few, &mut pair.few)] {
                closed_loop(target, options.connections, Duration::from_secs(1)).await?;
                measured.push(closed_loop(target, options.connections, length).await?);
            }
        }
    }

    let mut out = String::from("# Many keys\n\n");
    writeln!(out, "{}\n", machine::describe(&options.server)?)?;
    let Scale { keys, connections, seconds, rounds, .. } = options;
    writeln!(
        out,
        "To repeat: `make bench-scale`, here with `--keys {keys} --connections {connections} --seconds {seconds} --rounds \
         {rounds}`. {keys} keys, each with a tag, every tenth with an alias, made through the API in {:.0} s. Medians of rounds.\n",
        made_in.as_secs_f64()
    )?;
    out += "| | wanted | measured | |\n|---|---|---|---|\n";
    let mut bar = |what: &str, wanted: &str, measured: String, met: bool| {
        writeln!(out, "| {what} | {wanted} | {measured} | {} |", if met { "met" } else { "**not met**" })
    };
    let [held, empty] = [held, empty].map(|bytes| bytes as f64 / f64::from(1 << 20));
    let memory = format!("{a_key:.0} bytes ({held:.0} MiB, against {empty:.0} MiB without keys)");
    bar("resident memory of a key, idle after a start", "≤ 300 bytes", memory, a_key <= 300.0)?;
    let size = std::fs::metadata(&store)?.len() as f64 / f64::from(1 << 20);
    let times =
        format!("{:.1} × ({started:.2} s; reading {size:.0} MiB: {read:.2} s; both from the disk)", started / read);
    bar("start to readiness, against reading the store's file once", "≤ 2 ×", times, started <= 2.0 * read)?;
    for (pair, ..) in &pairs {
        let (ratio, [many, few]) = (pair.ratio(), [&pair.many, &pair.few].map(|all| rate(all)));
        let measured = format!("{:.0} % ({many:.0} against {few:.0} requests/s)", 100.0 * ratio);
        let name = if pair.least > 0.5 { pair.name.to_owned() } else { format!("{}, against {FEW} keys", pair.name) };
        bar(&name, &format!("≥ {:.0} % of the rate", 100.0 * pair.least), measured, ratio >= pair.least)?;
    }
    println!("{out}");
    std::fs::create_dir_all(&options.results)?;
    Ok(std::fs::write(options.results.join("scale.md"), out)?)
}

const TAG: &str = r#"[{"Key":"TagKey","Values":["shard"]},{"Key":"TagValue","Values":["7"]}]"#;

/// The same, asked of many and of few.
struct Pair {
    name: &'static str,
    least: f64,
    many: Vec<Measured>,
    few: Vec<Measured>,
}

impl Pair {
    const fn of(name: &'static str, least: f64) -> Self {
        Self { name, least, many: Vec::new(), few: Vec::new() }
    }

    fn ratio(&self) -> f64 {
        median(self.many.iter().zip(&self.few).map(|(many, few)| many.rate() / few.rate()))
    }
}

fn rate(all: &[Measured]) -> f64 {
    median(all.iter().map(Measured::rate))
}

fn encrypt(server: &Server, keys: &[String]) -> Result<Target, Error> {
    let caller = Caller::new(Scheme::Acs3, &server.address, ACCESS_KEY, "Encrypt", &[]);
    server.target(caller.among("KeyId", keys, &[("Plaintext", PLAINTEXT)]))
}

/// Makes keys over many connections; the ids of the last ones, in no order.
async fn fill(server: &Server, count: u64, kept: usize) -> Result<Vec<String>, Error> {
    const CONNECTIONS: usize = 256;
    let (next, ids) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let template = server.asked(Scheme::Acs3, "CreateKey", &[])?;
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, ids, target) = (next.clone(), ids.clone(), template.clone());
        tasks.spawn(async move {
            let mut stream = target.transport.connect(&target.address).await?;
            let (mut request, mut buffer) = (String::new(), BytesMut::new());
            let mut call = async |action, params: Params<'_>| {
                Caller::new(Scheme::Acs3, &target.address, ACCESS_KEY, action, params).write(&mut request);
                stream.write_all(request.as_bytes()).await?;
                let (status, body) = answer(&mut stream, &mut buffer).await?;
                let body: Value = serde_json::from_slice(&body)?;
                if status == 200 { Ok::<_, Error>(body) } else { Err(format!("{action}: {body}").into()) }
            };
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, Error>(());
                }
                let tags = format!(r#"[{{"TagKey":"shard","TagValue":"{}"}}]"#, number % SHARDS);
                let made = call("CreateKey", &[("Tags", &tags)]).await?;
                let id = made["KeyMetadata"]["KeyId"].as_str().ok_or("no key")?.to_owned();
                if number % 10 == 0 {
                    call("CreateAlias", &[("KeyId", &id), ("AliasName", &format!("alias/key-{number}"))]).await?;
                }
                if number % 10_000 == 0 {
                    progress(&format!("{number} of {count} keys made"));
                }
                if number + kept as u64 >= count {
                    ids.lock().push(id);
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let ids = std::mem::take(&mut *ids.lock());
    Ok(ids)
}

/// Resident memory of a server that has been left alone for some seconds; ends it.
async fn idle_memory(server: Server) -> Result<u64, Error> {
    let mut least = u64::MAX;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        least = least.min(resident(server.pid()?)?);
    }
    server.terminate().await?;
    Ok(least)
}

/// The largest file below a data directory.
fn store_file(data: &Path) -> Result<PathBuf, Error> {
    let mut largest = (0, PathBuf::new());
    let mut directories = vec![data.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let (kind, size) = (entry.file_type()?, entry.metadata()?.len());
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() && size > largest.0 {
                largest = (size, entry.path());
            }
        }
    }
    Ok(largest.1)
}

/// Has the system drop what it holds of a file, so that it is read from the disk.
fn forget(file: &Path) -> Result<(), Error> {
    let file = std::fs::File::open(file)?;
    file.sync_all()?;
    Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
}

/// Seconds that it takes to read a file from its beginning to its end.
fn read_once(file: &Path) -> Result<f64, Error> {
    use std::io::Read as _;
    let began = Instant::now();
    let (mut file, mut piece) = (std::fs::File::open(file)?, vec![0; 1 << 20]);
    while file.read(&mut piece)? > 0 {}
    Ok(began.elapsed().as_secs_f64())
}
