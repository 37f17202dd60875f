//! The servers that are measured, each a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use yaoku_api::http::{Handler, Incoming, Limits, Server as HttpServer};
use yaoku_api::metrics::Metrics;

use crate::Error;
use crate::call::{Action, Caller, Scheme};
use crate::load::{Target, answer};

const ACCESS_KEY: (&str, &str) = ("bench-root", "bench-secret-0123456789");
/// What a server says when it serves, before its address.
const READY: &str = "yaoku ready";

/// A server process; ended when dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
    _output: Lines<BufReader<ChildStdout>>,
    _data: TempDir,
}

impl Server {
    /// yaoku with its defaults, but for the log, where a line a request is written by choice, and for the audit log, if that is
    /// to be left out. Its data is made below `disk`.
    pub(crate) async fn yaoku(binary: &Path, disk: &Path, audit: bool) -> Result<Self, Error> {
        let data = TempDir::new_in(disk)?;
        let mut command = Command::new(binary);
        command.args(["server", "--listen", "127.0.0.1:0", "--log", "warn", "--root-access-key-id", ACCESS_KEY.0]);
        command.arg(format!("--audit={audit}"));
        command.arg("--data-dir").arg(data.path().join("data")).env("YAOKU_ROOT_ACCESS_KEY_SECRET", ACCESS_KEY.1);
        Self::start(command, data).await.map_err(|error| format!("{}: {error}", binary.display()).into())
    }

    /// The floor.
    pub(crate) async fn floor() -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("floor");
        Self::start(command, TempDir::new()?).await
    }

    async fn start(mut command: Command, data: TempDir) -> Result<Self, Error> {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        while let Some(line) = output.next_line().await? {
            if line.starts_with(READY) {
                let address = line.rsplit_once("//").map(|(_, address)| address.trim_end_matches('/').to_owned());
                let address = address.ok_or("the server does not say its address")?;
                return Ok(Self { process, address, _output: output, _data: data });
            }
        }
        Err("the server ended at once".into())
    }

    /// An action with a key of its own, and what it needs.
    pub(crate) async fn target(&self, scheme: Scheme, action: Action) -> Result<Target, Error> {
        let plaintext = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
        let made = self.call(Action::CreateKey, &[]).await?;
        let key = made["KeyMetadata"]["KeyId"].as_str().ok_or("no key")?;
        let encrypts = [("KeyId", key), ("Plaintext", plaintext)];
        let encrypted = self.call(Action::Encrypt, &encrypts).await?;
        let blob = [("CiphertextBlob", encrypted["CiphertextBlob"].as_str().ok_or("no ciphertext")?)];
        let params: &[(&'static str, &str)] = match action {
            Action::CreateKey => &[],
            Action::Encrypt => &encrypts,
            Action::Decrypt => &blob,
            Action::GenerateDataKey => &encrypts[..1],
        };
        self.asked(scheme, action, params)
    }

    /// The same requests as `target`'s, asked of this server.
    pub(crate) fn asked_as(&self, target: &Target) -> Result<Target, Error> {
        Ok(Target { address: self.address.clone(), pid: self.pid()?, caller: target.caller.clone() })
    }

    fn asked(&self, scheme: Scheme, action: Action, params: &[(&'static str, &str)]) -> Result<Target, Error> {
        let caller = Arc::new(Caller::new(scheme, &self.address, ACCESS_KEY, action, params));
        Ok(Target { address: self.address.clone(), pid: self.pid()?, caller })
    }

    fn pid(&self) -> Result<u32, Error> {
        self.process.id().ok_or_else(|| "the server has ended".into())
    }

    async fn call(&self, action: Action, params: &[(&'static str, &str)]) -> Result<Value, Error> {
        let mut request = String::new();
        self.asked(Scheme::Acs3, action, params)?.caller.write(&mut request);
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(request.as_bytes()).await?;
        let (_, body) = answer(&mut stream, &mut BytesMut::new()).await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

/// Serves the floor until the process is ended: yaoku's HTTP stack with yaoku's limits, and an answer as long as Encrypt's.
#[expect(clippy::print_stdout, reason = "the parent process reads it")]
pub(crate) async fn serve_floor() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{READY}: http://{}", listener.local_addr()?);
    let metrics = Metrics::new();
    let floor = Arc::new(Floor(Bytes::from(vec![b'x'; ENCRYPT_ANSWER])));
    HttpServer::new(listener, None, Limits::default(), floor, metrics.connections()).run(std::future::pending()).await;
    Ok(())
}

/// Bytes of the body that Encrypt answers with for 32 bytes.
const ENCRYPT_ANSWER: usize = 357;

struct Floor(Bytes);

impl Handler for Floor {
    async fn call(&self, _: Incoming) -> Response<Full<Bytes>> {
        Response::new(Full::new(self.0.clone()))
    }
}

/// Processor time that a process has used.
pub(crate) fn cpu_of(pid: u32) -> Result<Duration, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields after the name, which may have blanks in it; times are in ticks of 10 ms on Linux.
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no process")?.1.split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64, Error> { Ok(fields.get(at).ok_or("no such field")?.parse()?) };
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}
