//! Instructions of one request, counted by Valgrind's callgrind: the same on a busy machine as on a quiet one.
//!
//! Server and client run in one process and on one thread. Two runs of different length differ by requests alone: what
//! is left of their difference, divided, is one request from its bytes to the bytes of its answer, with what the client
//! does to send and receive these, which is the same for all. The kernel is not counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use yaoku::config::{Options as YaokuOptions, Settings};
use yaoku_http::{ConnectionMetrics, Limits, Listener, Server as HttpServer};
use yaoku_kms::SystemClock;

use crate::call::{Caller, Params, Scheme};
use crate::load::answer;
use crate::server::{ACCESS_KEY, Floor};
use crate::transport::{Connection, Transport};
use crate::{Error, Instructions, Replay};

/// What is counted.
const SUBJECTS: [&str; 5] = ["floor", "encrypt", "encrypt-v1", "decrypt", "generate-data-key"];
/// Requests of the shorter run, which warms everything up, and of the longer one.
const COUNTS: [u64; 2] = [200, 1200];
const PLAINTEXT: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// What was counted before, and how far a count may be above it.
#[derive(Serialize, Deserialize)]
struct Baseline {
    tolerance_percent: u64,
    instructions: BTreeMap<String, u64>,
}

/// Counts, and compares with the baseline.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn run(options: &Instructions) -> Result<(), Error> {
    let mut baseline: Baseline = serde_json::from_slice(&std::fs::read(&options.baseline)?)?;
    let scratch = tempfile::tempdir()?;
    let mut exceeded = Vec::new();
    println!("| request | instructions | baseline | |\n|---|---|---|---|");
    for subject in SUBJECTS {
        let kept = options.profiles.clone().unwrap_or_else(|| scratch.path().to_owned());
        std::fs::create_dir_all(&kept)?;
        let [short, long] = COUNTS.map(|count| counted(subject, count, &kept));
        let found = (long? - short?) / (COUNTS[1] - COUNTS[0]);
        let before = baseline.instructions.get(subject).copied().unwrap_or(0);
        let change = 100.0 * (found as f64 / before as f64 - 1.0);
        println!("| {subject} | {found} | {before} | {change:+.1} % |");
        if found * 100 > before * (100 + baseline.tolerance_percent) && subject != "floor" {
            exceeded.push(subject);
        }
        if options.update {
            baseline.instructions.insert(subject.to_owned(), found);
        }
    }
    if options.update {
        let text = serde_json::to_string_pretty(&baseline)? + "\n";
        return Ok(std::fs::write(&options.baseline, text)?);
    }
    if exceeded.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more than {} % above the baseline: {}; mend it, or say why it must be so and run `yaoku-bench instructions --update`",
        baseline.tolerance_percent,
        exceeded.join(", ")
    )
    .into())
}

/// Instructions of a whole run.
fn counted(subject: &str, count: u64, directory: &Path) -> Result<u64, Error> {
    let profile = directory.join(format!("callgrind.{subject}.{count}"));
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", profile.display()));
    let output = command.arg(std::env::current_exe()?).args(["replay", subject]).arg(count.to_string()).output();
    let output = output.map_err(|error| format!("valgrind can't be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{subject} failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = std::fs::read_to_string(profile)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    Ok(total.ok_or("callgrind gives no total")?.trim().parse()?)
}

/// What is run under callgrind: a server, and a client that sends so many requests, made beforehand.
pub(crate) async fn replay(options: &Replay) -> Result<(), Error> {
    let data = tempfile::tempdir()?;
    if options.subject == "floor" {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let server = HttpServer::new(Limits::default(), ConnectionMetrics::default());
        let server = server.listen(Listener { socket: listener, tls: None }, Arc::new(Floor::new()));
        tokio::spawn(server.run(std::future::pending()));
        let caller = Caller::new(
            Scheme::Acs3,
            &address,
            ACCESS_KEY,
            "Encrypt",
            &[("KeyId", "00000000-0000-4000-8000-000000000000"), ("Plaintext", PLAINTEXT)],
        );
        return send(&address, &caller, options.count).await;
    }
    let running = yaoku::serve::start(settings(data.path().join("data"))?, Arc::new(SystemClock)).await?;
    let address = running.address().to_string();
    let call = async |action: &'static str, params: Params<'_>| {
        let mut request = String::new();
        Caller::new(Scheme::Acs3, &address, ACCESS_KEY, action, params).write(&mut request);
        let mut stream = Transport::Plain.connect(&address).await?;
        exchange(&mut stream, &request, &mut BytesMut::new()).await
    };
    let made: serde_json::Value = serde_json::from_slice(&call("CreateKey", &[]).await?)?;
    let key = made["KeyMetadata"]["KeyId"].as_str().ok_or("no key")?;
    let encrypts = [("KeyId", key), ("Plaintext", PLAINTEXT)];
    let encrypted: serde_json::Value = serde_json::from_slice(&call("Encrypt", &encrypts).await?)?;
    let blob = [("CiphertextBlob", encrypted["CiphertextBlob"].as_str().ok_or("no ciphertext")?)];
    let caller = |scheme, action, params| Caller::new(scheme, &address, ACCESS_KEY, action, params);
    let caller = match options.subject.as_str() {
        "encrypt" => caller(Scheme::Acs3, "Encrypt", &encrypts),
        "encrypt-v1" => caller(Scheme::V1, "Encrypt", &encrypts),
        "decrypt" => caller(Scheme::Acs3, "Decrypt", &blob),
        "generate-data-key" => caller(Scheme::Acs3, "GenerateDataKey", &encrypts[..1]),
        other => return Err(format!("there is no {other}").into()),
    };
    send(&address, &caller, options.count).await?;
    running.stop().await;
    Ok(())
}

fn settings(data: PathBuf) -> Result<Settings, Error> {
    let options = YaokuOptions {
        listen: Some("127.0.0.1:0".into()),
        data_dir: Some(data),
        audit: Some(false),
        root_access_key_id: Some(ACCESS_KEY.0.into()),
        ..YaokuOptions::default()
    };
    let secret = |name: &str| (name == "YAOKU_ROOT_ACCESS_KEY_SECRET").then(|| ACCESS_KEY.1.into());
    Ok(Settings::of(&options, &secret)?)
}

/// Makes as many requests as the longest run has, and sends some of them.
async fn send(address: &str, caller: &Caller, count: u64) -> Result<(), Error> {
    let make = |_| {
        let mut request = String::new();
        caller.write(&mut request);
        request
    };
    let requests: Vec<String> = (0..COUNTS[1]).map(make).collect();
    let (mut stream, mut buffer) = (Transport::Plain.connect(address).await?, BytesMut::with_capacity(16 << 10));
    for request in requests.iter().take(usize::try_from(count)?) {
        exchange(&mut stream, request, &mut buffer).await?;
    }
    Ok(())
}

async fn exchange(stream: &mut Connection, request: &str, buffer: &mut BytesMut) -> Result<BytesMut, Error> {
    stream.write_all(request.as_bytes()).await?;
    match answer(stream, buffer).await? {
        (200, body) => Ok(body),
        (status, body) => Err(format!("status {status}: {}", String::from_utf8_lossy(&body)).into()),
    }
}
