//! What one caller's flood does to the others: Encrypt of one principal, at a modest rate, while another principal asks for more
//! than the server can do.
//!
//! Each round measures Encrypt without a flood and with each of them in turn, so that what else the machine does meets all alike.
//! A flood has a rate, as one over a network has: what the machine spends on sending it is not the server's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hdrhistogram::Histogram;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::call::{Caller, Params, Scheme};
use crate::load::{Target, answer, closed_loop};
use crate::process::resident;
use crate::report::{median, progress};
use crate::server::{Server, Setup, scratch};
use crate::{Error, Floods, machine};

/// 32 bytes, in base64.
const PLAINTEXT: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// A flood may make the latency of others so many times what it is without.
const WANTED: f64 = 3.0;
/// Connections of Encrypt, and requests a second on all of them.
const CONNECTIONS: usize = 8;
const RATE: f64 = 400.0;
/// How long a flood runs before it is measured.
const RISE: Duration = Duration::from_secs(2);
/// Keys with tags, and calls in the audit log, for the floods to look through.
const KEYS: usize = 3000;
const LOGGED: Duration = Duration::from_secs(8);
/// Secrets for a flood to look through.
const SECRETS: usize = 500;
/// Of API versions.
const KMS: &str = "2016-01-20";
const RAM: &str = "2015-05-01";
const ACTIONTRAIL: &str = "2020-07-06";
const YAOKU: &str = "2026-11-27";

/// A flood, and what is measured under it.
struct Flood {
    name: &'static str,
    /// Asked in turn.
    asked: Vec<Target>,
    /// Which of the measured ones is looked at.
    measured: usize,
    ratios: Vec<f64>,
    quiet: Vec<f64>,
    under: Vec<f64>,
    answers: Answers,
}

/// Answers to a flood by their status.
#[derive(Default, Clone, Copy)]
struct Answers {
    done: u64,
    refused: u64,
    throttled: u64,
    unavailable: u64,
    failed: u64,
}

impl Answers {
    fn count(&mut self, status: u16) {
        *match status {
            200 => &mut self.done,
            429 => &mut self.throttled,
            503 => &mut self.unavailable,
            400..500 => &mut self.refused,
            _ => &mut self.failed,
        } += 1;
    }

    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.throttled += other.throttled;
        self.unavailable += other.unavailable;
        self.failed += other.failed;
    }
}

/// Measures all, and prints the table.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) async fn run(options: &Floods) -> Result<(), Error> {
    let data = scratch(&options.disk)?;
    let hsm = Hsm::make(data.path(), options)?;
    let setup = Setup { binary: &options.server, data: data.path().join("data"), audit: true, certificate: None };
    let server = Server::yaoku_with(&setup, |command| {
        command.args(["--vault-listen", "127.0.0.1:0"]);
        if let Some(hsm) = &hsm {
            hsm.give_to(command);
        }
    })
    .await?;
    let (measured, mut floods) = prepare(&server, hsm.is_some(), options).await?;
    let length = Duration::from_secs(options.seconds);
    let mut most_memory = resident(server.pid()?)?;
    for round in 1..=options.rounds {
        for flood in &mut floods {
            progress(&format!("round {round} of {}: {}", options.rounds, flood.name));
            let target = &measured[flood.measured];
            // Whatever an earlier flood left has been done when this is answered at its usual pace.
            settle(target).await?;
            let quiet = encrypt(target, length).await?;
            let (flooding, answers) = begin(flood, options);
            tokio::time::sleep(RISE).await;
            let under = encrypt(target, length).await?;
            most_memory = most_memory.max(resident(server.pid()?)?);
            flooding.store(false, Ordering::Release);
            flood.answers.add(answers.await??);
            let p99 = |latency: &Histogram<u64>| latency.value_at_quantile(0.99) as f64 / 1000.0;
            flood.quiet.push(p99(&quiet));
            flood.under.push(p99(&under));
            flood.ratios.push(p99(&under) / p99(&quiet));
        }
    }
    let mut out = String::from("# Floods\n\n");
    writeln!(out, "{}\n", machine::describe(&options.server)?)?;
    let Floods { connections, rate, seconds, rounds, .. } = options;
    writeln!(
        out,
        "To repeat: `yaoku-bench floods --connections {connections} --rate {rate} --seconds {seconds} --rounds {rounds}`. Encrypt of \
         one principal, {RATE} requests a second; each flood is another principal's, at {rate} requests a second over {connections} \
         connections. Medians of rounds. The server took at most {} MiB of memory.\n",
        most_memory >> 20
    )?;
    out += "| flood | p99 without, µs | p99 with, µs | ratio | wanted | |\n|---|---|---|---|---|---|\n";
    for Flood { name, ratios, quiet, under, .. } in &floods {
        let [ratio, quiet, under] = [ratios, quiet, under].map(|all| median(all.iter().copied()));
        let met = if ratio <= WANTED { "met" } else { "**not met**" };
        writeln!(out, "| {name} | {quiet:.0} | {under:.0} | {ratio:.1} | ≤ {WANTED} | {met} |")?;
    }
    out += "\n| flood | done | refused | 429 | 503 | failed |\n|---|---|---|---|---|---|\n";
    for Flood { name, answers, .. } in &floods {
        let Answers { done, refused, throttled, unavailable, failed } = answers;
        writeln!(out, "| {name} | {done} | {refused} | {throttled} | {unavailable} | {failed} |")?;
    }
    println!("{out}");
    std::fs::create_dir_all(&options.results)?;
    std::fs::write(options.results.join("floods.md"), out)?;
    server.terminate().await
}

/// Makes keys, callers and a log; what is measured, and the floods.
async fn prepare(server: &Server, hsm: bool, options: &Floods) -> Result<(Vec<Target>, Vec<Flood>), Error> {
    progress("keys, callers and a log to search");
    let quiet = Principal::make(server, "quiet", "kms:*").await?;
    let maker = Principal::make(server, "maker", "kms:CreateKey").await?;
    let reader = Principal::make(server, "reader", "actiontrail:LookupEvents").await?;
    let nobody = Principal::make(server, "nobody", "kms:DescribeRegions").await?;
    let key = server.create_key(&[]).await?;
    let encrypt = [("KeyId", key.as_str()), ("Plaintext", PLAINTEXT)];
    let mut measured = vec![quiet.asks(server, KMS, "Encrypt", &encrypt)?];
    let tags = ("Tags", r#"[{"TagKey":"team","TagValue":"shop"}]"#);
    let make = quiet.asks(server, KMS, "CreateKey", &[tags])?;
    repeat(&make, KEYS).await?;
    closed_loop(&measured[0], 64, LOGGED).await?;

    let rsa = [("KeySpec", "RSA_4096"), ("KeyUsage", "SIGN/VERIFY")];
    let tag = r#"[{"Key":"team","Value":"shop"}]"#;
    let region = ("RegionId", "cn-hangzhou");
    let filters = r#"[{"Key":"TagKey","Values":["team"]}]"#;
    let scans = vec![
        nobody.asks(server, KMS, "ListTagResources", &[("ResourceType", "key"), region])?,
        nobody.asks(server, KMS, "ListTagResources", &[("ResourceType", "key"), region, ("Tags", tag)])?,
        nobody.asks(server, KMS, "ListKeys", &[("PageSize", "100"), ("Filters", filters)])?,
        nobody.asks(server, KMS, "ListAliases", &[("PageSize", "100")])?,
    ];
    let lookup =
        [("MaxResults", "50"), ("LookupAttribute.1.Key", "EventName"), ("LookupAttribute.1.Value", "NoSuchEvent")];
    let mut floods = vec![
        flood(
            "CreateKey of RSA_4096, by a user with kms:CreateKey alone",
            vec![maker.asks(server, KMS, "CreateKey", &rsa)?],
        ),
        flood("LookupEvents for what is not there", vec![reader.asks(server, ACTIONTRAIL, "LookupEvents", &lookup)?]),
        flood("listings of keys, tags and aliases, by a user without permission", scans),
    ];
    floods.extend(vault(server, &key).await?);
    if hsm {
        let held = [("ProtectionLevel", "HSM")];
        let key = server.create_key(&held).await?;
        let encrypt = [("KeyId", key.as_str()), ("Plaintext", PLAINTEXT)];
        measured.push(quiet.asks(server, KMS, "Encrypt", &encrypt)?);
        let made = maker.asks(server, KMS, "CreateKey", &[&rsa[..], &held].concat())?;
        floods.push(flood("CreateKey of RSA_4096 in the HSM", vec![made.clone()]));
        let in_hsm = flood("CreateKey of RSA_4096 in the HSM; Encrypt with a key in the HSM", vec![made]);
        floods.push(Flood { measured: 1, ..in_hsm });
    }
    floods.retain(|flood| options.only.as_ref().is_none_or(|only| flood.name.contains(only.as_str())));
    Ok((measured, floods))
}

/// Floods by the Vault API and of secrets.
async fn vault(server: &Server, key: &str) -> Result<Vec<Flood>, Error> {
    let writer = Principal::make(server, "writer", "kms:*").await?;
    let lister = Principal::make(server, "lister", "kms:ListSecrets").await?;
    let made = server.call_version(YAOKU, "CreateToken", &[("UserName", "writer")]).await?;
    let token = made["Token"].as_str().ok_or("no token")?;
    for number in 0..SECRETS {
        let name = format!("flood/{number}");
        let content = [("SecretName", name.as_str()), ("VersionId", "v1"), ("SecretData", "0123456789")];
        server.call("CreateSecret", &content).await?;
    }
    let item = format!(r#"{{"plaintext":"{PLAINTEXT}"}}"#);
    let batch = format!(r#"{{"batch_input":[{}]}}"#, vec![item; 256].join(","));
    let Principal { id, secret } = &writer;
    let login = format!(r#"{{"role_id":"{id}","secret_id":"{secret}"}}"#);
    let filters = r#"[{"Key":"SecretName","Values":["no-such"]}]"#;
    Ok(vec![
        flood(
            "transit: batches of 256 items to encrypt",
            vec![server.vault_target(token, &format!("transit/encrypt/{key}"), &batch)?],
        ),
        flood("Vault API: logins by AppRole", vec![server.vault_target("", "auth/approle/login", &login)?]),
        flood(
            "Vault API: writes of one secret",
            vec![server.vault_target(token, "secret/data/flood", r#"{"data":{"password":"0123456789"}}"#)?],
        ),
        flood(
            "ListSecrets for what is not there",
            vec![lister.asks(server, KMS, "ListSecrets", &[("PageSize", "100"), ("Filters", filters)])?],
        ),
    ])
}

fn flood(name: &'static str, asked: Vec<Target>) -> Flood {
    let answers = Answers::default();
    Flood { name, asked, measured: 0, ratios: Vec::new(), quiet: Vec::new(), under: Vec::new(), answers }
}

/// A user, and its AccessKey.
struct Principal {
    id: String,
    secret: String,
}

impl Principal {
    /// A user that may do what one action, or pattern of actions, is.
    async fn make(server: &Server, name: &'static str, action: &str) -> Result<Self, Error> {
        let ram = async |action, params: Params<'_>| server.call_version(RAM, action, params).await;
        let document =
            format!(r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#);
        ram("CreateUser", &[("UserName", name)]).await?;
        ram("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document)]).await?;
        ram("AttachPolicyToUser", &[("PolicyType", "Custom"), ("PolicyName", name), ("UserName", name)]).await?;
        let made = ram("CreateAccessKey", &[("UserName", name)]).await?;
        let part = |part: &str| made["AccessKey"][part].as_str().map(str::to_owned).ok_or("no AccessKey");
        Ok(Self { id: part("AccessKeyId")?, secret: part("AccessKeySecret")? })
    }

    fn asks(
        &self,
        server: &Server,
        version: &'static str,
        action: &'static str,
        params: Params<'_>,
    ) -> Result<Target, Error> {
        let access_key = (self.id.as_str(), self.secret.as_str());
        server.target(Caller::new(Scheme::Acs3, &server.address, access_key, action, params).of(version))
    }
}

/// Asks so many times, over some connections; all must succeed.
async fn repeat(target: &Target, times: usize) -> Result<(), Error> {
    let left = Arc::new(AtomicU64::new(times as u64));
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let (left, target) = (left.clone(), target.clone());
        tasks.spawn(async move {
            let mut stream = target.transport.connect(&target.address).await?;
            let (mut request, mut buffer) = (String::new(), BytesMut::new());
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                target.caller.write(&mut request);
                stream.write_all(request.as_bytes()).await?;
                let (status, body) = answer(&mut stream, &mut buffer).await?;
                if status != 200 {
                    return Err(format!("status {status}: {}", String::from_utf8_lossy(&body)).into());
                }
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Waits until a request is answered soon, ten times in a row.
async fn settle(target: &Target) -> Result<(), Error> {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut soon = 0;
    while soon < 10 && Instant::now() < deadline {
        let latency = encrypt(target, Duration::from_millis(200)).await?;
        soon = if latency.value_at_quantile(0.9) < 20_000_000 { soon + 1 } else { 0 };
    }
    Ok(())
}

/// The latencies of Encrypt at its rate, in nanoseconds. A request that is sent late, because the one before was not answered in
/// time, counts from when it should have been.
async fn encrypt(target: &Target, length: Duration) -> Result<Histogram<u64>, Error> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let target = target.clone();
        tasks.spawn(async move {
            let mut stream = target.transport.connect(&target.address).await?;
            let (mut request, mut buffer) = (String::new(), BytesMut::new());
            let mut latency = Histogram::<u64>::new(3)?;
            let mut number = connection;
            loop {
                let due = start + Duration::from_secs_f64(number as f64 / RATE);
                if due > start + length {
                    return Ok::<_, Error>(latency);
                }
                number += CONNECTIONS;
                let is_late = Instant::now() > due;
                tokio::time::sleep_until(due.into()).await;
                target.caller.write(&mut request);
                let from = if is_late { due } else { Instant::now() };
                stream.write_all(request.as_bytes()).await?;
                let (status, body) = answer(&mut stream, &mut buffer).await?;
                if status != 200 {
                    return Err(format!("Encrypt: status {status}: {}", String::from_utf8_lossy(&body)).into());
                }
                latency.record(u64::try_from(from.elapsed().as_nanos())?)?;
            }
        });
    }
    let mut all = Histogram::new(3)?;
    while let Some(done) = tasks.join_next().await {
        all.add(done??)?;
    }
    Ok(all)
}

/// Begins a flood, which goes on until what is given first says otherwise.
fn begin(flood: &Flood, options: &Floods) -> (Arc<AtomicBool>, tokio::task::JoinHandle<Result<Answers, Error>>) {
    let goes_on = Arc::new(AtomicBool::new(true));
    let (targets, going, every) = (flood.asked.clone(), goes_on.clone(), options.connections as f64 / options.rate);
    let connections = options.connections;
    let flooding = tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        for connection in 0..connections {
            let (target, going) = (targets[connection % targets.len()].clone(), going.clone());
            tasks.spawn(async move { pour(&target, &going, Duration::from_secs_f64(every)).await });
        }
        let mut all = Answers::default();
        while let Some(done) = tasks.join_next().await {
            all.add(done??);
        }
        Ok(all)
    });
    (goes_on, flooding)
}

/// Sends requests on one connection, at most one in `every`, whatever they are answered. At the end it hangs up without waiting.
async fn pour(target: &Target, going: &AtomicBool, every: Duration) -> Result<Answers, Error> {
    let mut stream = target.transport.connect(&target.address).await?;
    let (mut request, mut buffer) = (String::new(), BytesMut::new());
    let mut answers = Answers::default();
    while going.load(Ordering::Acquire) {
        let next = Instant::now() + every;
        target.caller.write(&mut request);
        stream.write_all(request.as_bytes()).await?;
        let answered = answer(&mut stream, &mut buffer);
        let mut answered = std::pin::pin!(answered);
        loop {
            match tokio::time::timeout(Duration::from_millis(100), answered.as_mut()).await {
                Ok(answer) => break answers.count(answer?.0),
                Err(_) if !going.load(Ordering::Acquire) => return Ok(answers),
                Err(_) => {}
            }
        }
        tokio::time::sleep_until(next.into()).await;
    }
    Ok(answers)
}

/// A token of SoftHSM2 for this run alone.
struct Hsm {
    _dir: TempDir,
    conf: PathBuf,
    module: PathBuf,
}

impl Hsm {
    const PIN: &'static str = "bench-pin-0123";

    /// None where the library is not installed.
    fn make(disk: &Path, options: &Floods) -> Result<Option<Self>, Error> {
        let Some(module) = options.pkcs11_module.clone().filter(|module| module.exists()) else {
            progress("SoftHSM2 is not installed; its floods are left out");
            return Ok(None);
        };
        let dir = tempfile::Builder::new().prefix("token-").tempdir_in(std::fs::canonicalize(disk)?)?;
        let (tokens, conf) = (dir.path().join("tokens"), dir.path().join("softhsm2.conf"));
        std::fs::create_dir(&tokens)?;
        std::fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))?;
        let made = Process::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "bench", "--so-pin", "12345678", "--pin", Self::PIN])
            .env("SOFTHSM2_CONF", &conf)
            .output()?;
        match made.status.success() {
            true => Ok(Some(Self { _dir: dir, conf, module })),
            false => Err(format!("softhsm2-util: {}", String::from_utf8_lossy(&made.stderr)).into()),
        }
    }

    fn give_to(&self, command: &mut tokio::process::Command) {
        command.env("SOFTHSM2_CONF", &self.conf).env("YAOKU_PKCS11_PIN", Self::PIN);
        command.arg("--pkcs11-module").arg(&self.module).args(["--pkcs11-token", "bench"]);
    }
}
