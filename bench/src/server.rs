//! The servers that are measured, each a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use yaoku_http::{ConnectionMetrics, Handler, Incoming, Limits, Listener, Server as HttpServer, TlsReloader};

use crate::Error;
use crate::call::{Caller, Params, Scheme};
use crate::load::{Target, answer};
use crate::transport::{Certificate, Transport};

pub(crate) const ACCESS_KEY: (&str, &str) = ("bench-root", "bench-secret-0123456789");
/// What a server says when it serves, before its address.
pub(crate) const READY: &str = "yaoku ready";
/// As [`READY`], of the Vault API.
const VAULT: &str = "yaoku serves the Vault API";

/// A server process; killed when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    /// Of the Vault API, where it is served.
    pub(crate) vault: Option<String>,
    transport: Transport,
    _output: Lines<BufReader<ChildStdout>>,
}

/// How yaoku is started.
pub(crate) struct Setup<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) data: PathBuf,
    pub(crate) audit: bool,
    pub(crate) certificate: Option<&'a Certificate>,
}

impl Server {
    /// yaoku with its defaults, but for the log, where a line a request is written by choice, and what `setup` says.
    pub(crate) async fn yaoku(setup: &Setup<'_>) -> Result<Self, Error> {
        Self::yaoku_with(setup, |_| {}).await
    }

    /// The same with more options.
    pub(crate) async fn yaoku_with(setup: &Setup<'_>, more: impl FnOnce(&mut Command)) -> Result<Self, Error> {
        let mut command = Command::new(setup.binary);
        command.args(["server", "--listen", "127.0.0.1:0", "--log", "warn", "--root-access-key-id", ACCESS_KEY.0]);
        command.arg(format!("--audit={}", setup.audit));
        command.arg("--data-dir").arg(&setup.data).env("YAOKU_ROOT_ACCESS_KEY_SECRET", ACCESS_KEY.1);
        let transport = match setup.certificate {
            Some(Certificate { certificate, key, .. }) => {
                command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
                setup.certificate.map(Certificate::transport).transpose()?.unwrap_or(Transport::Plain)
            }
            None => Transport::Plain,
        };
        more(&mut command);
        let named = |error: Error| format!("{}: {error}", setup.binary.display()).into();
        Self::start(command, transport).await.map_err(named)
    }

    /// The floor, over TLS if there is a certificate.
    pub(crate) async fn floor(certificate: Option<&Certificate>) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("floor");
        let transport = match certificate {
            Some(certificate) => {
                command.arg(&certificate.certificate).arg(&certificate.key);
                certificate.transport()?
            }
            None => Transport::Plain,
        };
        Self::start(command, transport).await
    }

    /// A server that reads requests without looking at them, and answers the same bytes to all: what the client costs.
    pub(crate) async fn null() -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("null");
        Self::start(command, Transport::Plain).await
    }

    async fn start(mut command: Command, transport: Transport) -> Result<Self, Error> {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let mut vault = None;
        while let Some(line) = output.next_line().await? {
            let address = || line.rsplit_once("//").map(|(_, address)| address.trim_end_matches('/').to_owned());
            if line.starts_with(VAULT) {
                vault = address();
            }
            if line.starts_with(READY) {
                let address = address().ok_or("the server does not say its address")?;
                return Ok(Self { process, address, vault, transport, _output: output });
            }
        }
        Err("the server ended at once".into())
    }

    /// An action, asked of this server again and again.
    pub(crate) fn asked(&self, scheme: Scheme, action: &'static str, params: Params<'_>) -> Result<Target, Error> {
        self.target(Caller::new(scheme, &self.address, ACCESS_KEY, action, params))
    }

    /// The requests of `caller`, asked of this server.
    pub(crate) fn target(&self, caller: Caller) -> Result<Target, Error> {
        let (address, transport) = (self.address.clone(), self.transport.clone());
        Ok(Target { address, pid: self.pid()?, transport, caller: Arc::new(caller) })
    }

    /// A request of the Vault API with that token, path and JSON.
    pub(crate) fn vault_target(&self, token: &str, path: &str, json: &str) -> Result<Target, Error> {
        let address = self.vault.clone().ok_or("the Vault API is not served")?;
        let request = format!(
            "POST /v1/{path} HTTP/1.1\r\nhost: {address}\r\nx-vault-token: {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{json}",
            json.len()
        );
        let (pid, transport) = (self.pid()?, self.transport.clone());
        Ok(Target { address, pid, transport, caller: Arc::new(Caller::unsigned(request)) })
    }

    /// The same requests as another's, asked of this server.
    pub(crate) fn asked_as(&self, target: &Target) -> Result<Target, Error> {
        let (address, transport) = (self.address.clone(), self.transport.clone());
        Ok(Target { address, pid: self.pid()?, transport, caller: target.caller.clone() })
    }

    pub(crate) fn pid(&self) -> Result<u32, Error> {
        self.process.id().ok_or_else(|| "the server has ended".into())
    }

    /// A call that must succeed; its answer.
    pub(crate) async fn call(&self, action: &'static str, params: Params<'_>) -> Result<Value, Error> {
        match self.try_call(action, params).await? {
            (200, body) => Ok(body),
            (status, body) => Err(format!("{action}: status {status}: {body}").into()),
        }
    }

    /// As [`Self::call`], of an API of another version.
    pub(crate) async fn call_version(
        &self,
        version: &'static str,
        action: &'static str,
        params: Params<'_>,
    ) -> Result<Value, Error> {
        let caller = Caller::new(Scheme::Acs3, &self.address, ACCESS_KEY, action, params).of(version);
        match self.try_caller(&caller).await? {
            (200, body) => Ok(body),
            (status, body) => Err(format!("{action}: status {status}: {body}").into()),
        }
    }

    /// Status and answer of a call, over a connection of its own.
    pub(crate) async fn try_call(&self, action: &'static str, params: Params<'_>) -> Result<(u16, Value), Error> {
        self.try_caller(&Caller::new(Scheme::Acs3, &self.address, ACCESS_KEY, action, params)).await
    }

    async fn try_caller(&self, caller: &Caller) -> Result<(u16, Value), Error> {
        let mut request = String::new();
        caller.write(&mut request);
        let mut stream = self.transport.connect(&self.address).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let (status, body) = answer(&mut stream, &mut BytesMut::new()).await?;
        Ok((status, serde_json::from_slice(&body)?))
    }

    /// The id of a new key.
    pub(crate) async fn create_key(&self, params: Params<'_>) -> Result<String, Error> {
        let made = self.call("CreateKey", params).await?;
        Ok(made["KeyMetadata"]["KeyId"].as_str().ok_or("no key")?.to_owned())
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) async fn terminate(mut self) -> Result<(), Error> {
        let pid = self.pid()?.to_string();
        std::process::Command::new("kill").args(["-TERM", &pid]).status()?;
        let status = self.process.wait().await?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }

    /// Ends the process at this instant.
    pub(crate) async fn kill(mut self) -> Result<(), Error> {
        Ok(self.process.kill().await?)
    }
}

/// Data directories of one run, below the disk that is measured.
pub(crate) fn scratch(disk: &Path) -> Result<TempDir, Error> {
    Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(disk)?)
}

/// Serves the floor until the process is ended: yaoku's HTTP stack with yaoku's limits, and an answer as long as Encrypt's.
#[expect(clippy::print_stdout, reason = "the parent process reads it")]
pub(crate) async fn serve_floor(certificate: Option<(PathBuf, PathBuf)>) -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{READY}: http://{}", listener.local_addr()?);
    let tls = certificate.map(|(certificate, key)| TlsReloader::open(certificate, key)).transpose()?.map(Arc::new);
    HttpServer::new(Limits::default(), ConnectionMetrics::default())
        .listen(Listener { socket: listener, tls }, Arc::new(Floor::new()))
        .run(std::future::pending())
        .await;
    Ok(())
}

/// Bytes of the body that Encrypt answers with for 32 bytes.
const ENCRYPT_ANSWER: usize = 357;

/// Answers the same to everything.
pub(crate) struct Floor(Bytes);

impl Floor {
    pub(crate) fn new() -> Self {
        Self(Bytes::from(vec![b'x'; ENCRYPT_ANSWER]))
    }
}

impl Handler for Floor {
    async fn call(&self, _: &Incoming) -> Response<Full<Bytes>> {
        Response::new(Full::new(self.0.clone()))
    }
}

/// Serves what [`Server::null`] asks.
#[expect(clippy::print_stdout, reason = "the parent process reads it")]
pub(crate) async fn serve_null() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{READY}: http://{}", listener.local_addr()?);
    let body = "x".repeat(ENCRYPT_ANSWER);
    let answer: Arc<str> = format!("HTTP/1.1 200 OK\r\ncontent-length: {ENCRYPT_ANSWER}\r\n\r\n{body}").into();
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let mut request = vec![0; 16 << 10];
            // A client that waits for its answer sends one request at a time, which comes in one piece on loopback.
            while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}
