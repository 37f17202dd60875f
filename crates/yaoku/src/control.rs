//! The control socket: how `yaoku backup`, `yaoku seal rotate`, `yaoku account`, `yaoku disk`, `yaoku kmip` and `yaoku ram` reach a running server.
//!
//! HTTP/1.1 over a Unix socket that only the server's own user can open: `POST /backup` answers with the backup as it is
//! made, `POST /seal/rotate` and `POST /ram/explain` with a sentence, `POST /operate` with what the action answers. A failure is a status other than 200 and a sentence; a backup that fails on
//! the way breaks off without the last chunk, so that it can't be taken for a whole one.
//!
//! What was begun is done, and recorded, also where whoever asked for it does not wait: each command is a task of its own.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use yaoku_aliyun::wire::WireError;
use yaoku_aliyun::{AdminApi, operate as operate_api};
use yaoku_gate::{Entry, Gate, Maintenance, Refusal, RequestId, Spelling};
use yaoku_iam::{AccountId, OperatingSystemUser};
use yaoku_kms::Supposed;
use yaoku_seal::Vault;
use yaoku_secrets::Secrets;
use zeroize::Zeroizing;

use crate::{Error, maintenance};

const BACKUP: &str = "/backup";
const ROTATE: &str = "/seal/rotate";
const EXPLAIN: &str = "/ram/explain";
const OPERATE: &str = "/operate";
/// Bytes of a command's body, and of an answer in words.
const MAX_TEXT: usize = 64 << 10;
/// Bytes of what an action answers.
const MAX_ANSWER: usize = 16 << 20;
/// Bytes of a backup that wait for the reader.
const BUFFER: usize = 64 << 10;
/// Connections at once.
const CONNECTIONS: usize = 8;

/// The server's end.
pub(crate) struct ControlSocket {
    path: PathBuf,
    server: Arc<ThisServer>,
    serving: JoinHandle<()>,
}

impl ControlSocket {
    /// Opens the socket and serves it, for the server of that data directory. A socket that is there already and that nobody
    /// answers at is left over from a server that is no more.
    pub(crate) async fn open(path: PathBuf, data_dir: &Path, vault: Arc<Vault>) -> Result<Self, Error> {
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => {
                if UnixStream::connect(&path).await.is_ok() {
                    let path = path.display();
                    return Err(Error::Options(format!(
                        "another server is listening on {path}; choose another socket with --control-socket"
                    )));
                }
                std::fs::remove_file(&path).map_err(Error::file(&path))?;
            }
            Ok(_) => {
                let path = path.display();
                return Err(Error::Options(format!(
                    "{path} exists and is not a socket; choose another path with --control-socket"
                )));
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(&path).map_err(|error| {
            let path = path.display();
            let why =
                "socket paths are limited to about a hundred characters; choose a shorter one with --control-socket";
            Error::Options(format!("can't open the control socket {path}: {error} ({why})"))
        })?;
        let only_us = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, only_us).map_err(Error::file(&path))?;
        let server = Arc::new(ThisServer { data_dir: name_of(data_dir)?, vault, domain: OnceLock::new() });
        let serving = tokio::spawn(serve(listener, server.clone()));
        Ok(Self { path, server, serving })
    }

    /// Answers commands on keys, policies and identities from now on, of that account unless another is named.
    pub(crate) fn attend_to(&self, account: AccountId, secrets: &Arc<Secrets>, gate: &Arc<Gate>) {
        let _ = self.server.domain.set((account, Arc::downgrade(secrets), Arc::downgrade(gate)));
    }

    /// Closes the socket; what is being answered breaks off. Commands that were begun go on, and backups end.
    pub(crate) async fn close(self) {
        self.serving.abort();
        let _ = self.serving.await;
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What commands are done on.
struct ThisServer {
    data_dir: HeaderValue,
    vault: Arc<Vault>,
    /// Once the server has read its store.
    domain: OnceLock<(AccountId, Weak<Secrets>, Weak<Gate>)>,
}

impl ThisServer {
    /// The account of the installation, and the gate; none while the server begins, and when it ends.
    fn gate(&self) -> Option<(AccountId, Arc<Gate>)> {
        let (account, _, gate) = self.domain.get()?;
        Some((*account, gate.upgrade()?))
    }
}

/// Which data directory a command is meant for: a socket may be shared by mistake.
const DATA_DIR: HeaderName = HeaderName::from_static("yaoku-data-dir");

/// A data directory as the header names it: without links and relative parts.
fn name_of(data_dir: &Path) -> Result<HeaderValue, Error> {
    let whole = std::fs::canonicalize(data_dir).map_err(Error::file(data_dir))?;
    let hex: String = whole.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(hex).map_err(|error| Error::Options(error.to_string()))
}

async fn serve(listener: UnixListener, server: Arc<ThisServer>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => match OperatingSystemUser::at_other_end(&stream) {
                    Some(user) => drop(connections.spawn(converse(stream, user, server.clone()))),
                    None => tracing::warn!("refused a connection of another user to the control socket"),
                },
                Err(error) => {
                    tracing::error!(%error, "can't accept connections on the control socket");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: UnixStream, user: OperatingSystemUser, server: Arc<ThisServer>) {
    let service = service_fn(|request| answer(request, user, server.clone()));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection of the control socket ended");
    }
}

type Answer = Response<Either<Full<Bytes>, Piped>>;

async fn answer(
    request: Request<Incoming>,
    user: OperatingSystemUser,
    server: Arc<ThisServer>,
) -> Result<Answer, std::convert::Infallible> {
    if request.headers().get(DATA_DIR) != Some(&server.data_dir) {
        let why = "this server uses another data directory; set --data-dir and --control-socket to match";
        return Ok(sentence(StatusCode::CONFLICT, why.into()));
    }
    let answered = tokio::spawn(async move { command(request, user, &server).await }).await;
    Ok(answered.unwrap_or_else(|error| {
        tracing::error!(%error, "a command on the control socket was aborted");
        sentence(StatusCode::INTERNAL_SERVER_ERROR, "the command failed; see the server's log for the cause".into())
    }))
}

async fn command(request: Request<Incoming>, user: OperatingSystemUser, server: &ThisServer) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::POST, BACKUP) => backup(user, server).await,
        (&Method::POST, ROTATE) => rotate(user, server).await,
        (&Method::POST, EXPLAIN) => explain(request.into_body(), server).await,
        (&Method::POST, OPERATE) => operate(request.into_body(), user, server).await,
        _ => sentence(StatusCode::NOT_FOUND, "unknown command; the server may be another version of yaoku".into()),
    }
}

/// Recorded before its first byte: how much of it will be read is not known before the end. Where there is no end, that is
/// recorded too.
async fn backup(user: OperatingSystemUser, server: &ThisServer) -> Answer {
    let id = RequestId::random();
    let enter = || enter(server, Maintenance::Backup, user, id);
    let (begun, broken_off) = match (enter(), enter()) {
        (Ok(begun), Ok(broken_off)) => (begun, broken_off),
        (Err(answer), _) | (_, Err(answer)) => return *answer,
    };
    match begun.record(Ok(())).await {
        Ok(()) => Response::new(Either::Right(Piped::backup(server.vault.clone(), broken_off))),
        Err(refusal) => refused(refusal),
    }
}

async fn rotate(user: OperatingSystemUser, server: &ThisServer) -> Answer {
    let entry = match enter(server, Maintenance::RotateRootKey, user, RequestId::random()) {
        Ok(entry) => entry,
        Err(answer) => return *answer,
    };
    match server.vault.rotate_root().await {
        Ok(rotated) => match entry.record(Ok(())).await {
            Ok(()) => sentence(StatusCode::OK, maintenance::rotated(&rotated)),
            Err(refusal) => refused(refusal),
        },
        Err(error) => {
            tracing::error!(%error, "can't rotate the root key");
            match entry.record(Err((FAILED, &error.to_string()))).await {
                Ok(()) => sentence(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                Err(unrecorded) => refused(unrecorded),
            }
        }
    }
}

/// What a record says of a failure, before the sentence that the operator reads.
pub(crate) const FAILED: &str = "InternalFailure";

/// The right to leave a record of maintenance, or else the answer.
fn enter(
    server: &ThisServer,
    what: Maintenance,
    user: OperatingSystemUser,
    id: RequestId,
) -> Result<Entry, Box<Answer>> {
    let (account, gate) = server.gate().ok_or_else(|| Box::new(not_ready()))?;
    let operator = gate.operator(account, user).map_err(|_| Box::new(not_ready()))?;
    gate.enter(what, operator, id).map_err(|refusal| Box::new(refused(refusal)))
}

fn refused(refusal: Refusal) -> Answer {
    spelled(&WireError::of(refusal))
}

fn not_ready() -> Answer {
    sentence(StatusCode::SERVICE_UNAVAILABLE, "the server is not ready; try again in a moment".into())
}

fn spelled(error: &WireError) -> Answer {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    sentence(status, format!("{} {}", error.code.as_str(), error.message))
}

/// A call that is only supposed, as it comes over the socket.
#[derive(Serialize, Deserialize)]
struct ExplainBody {
    who: String,
    action: String,
    resource: String,
    context: Vec<(String, String)>,
}

async fn explain(body: Incoming, server: &ThisServer) -> Answer {
    let asked = match text(body).await.map(|body| serde_json::from_str::<ExplainBody>(&body)) {
        Ok(Ok(asked)) => asked,
        Ok(Err(error)) => return sentence(StatusCode::BAD_REQUEST, error.to_string()),
        Err(error) => return sentence(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let domain = server.domain.get().map(|(account, secrets, _)| (*account, secrets.upgrade()));
    let Some((account, Some(secrets))) = domain else { return not_ready() };
    let ExplainBody { who, action, resource, context } = asked;
    match secrets.explain(account, &Supposed { who, action, resource, context }).await {
        Ok(explained) => sentence(StatusCode::OK, explained),
        Err(error) => sentence(StatusCode::NOT_FOUND, error.to_string()),
    }
}

/// An action that an operator asks for, as it comes over the socket.
#[derive(Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) api: AdminApiName,
    /// The digits of an account; that of the installation, unless they are given.
    pub(crate) account: Option<String>,
    pub(crate) action: String,
    pub(crate) params: Vec<(String, String)>,
}

/// A group of actions.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum AdminApiName {
    Ram,
    Accounts,
    Credentials,
}

async fn operate(body: Incoming, user: OperatingSystemUser, server: &ThisServer) -> Answer {
    let asked = match text(body).await.map(|body| serde_json::from_str::<Operation>(&body)) {
        Ok(Ok(asked)) => asked,
        Ok(Err(error)) => return sentence(StatusCode::BAD_REQUEST, error.to_string()),
        Err(error) => return sentence(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let Some((own, gate)) = server.gate() else { return not_ready() };
    let account = match asked.account.as_deref().map(AccountId::parse).transpose() {
        Ok(account) => account.unwrap_or(own),
        Err(error) => return sentence(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let api = match asked.api {
        AdminApiName::Ram => AdminApi::Ram,
        AdminApiName::Accounts => AdminApi::Accounts,
        AdminApiName::Credentials => AdminApi::Credentials,
    };
    match operate_api(&gate, api, account, user, &asked.action, &asked.params).await {
        Ok(answer) => Response::new(Either::Left(Full::new(Bytes::from_owner(answer)))),
        Err(error) => spelled(&error),
    }
}

fn sentence(status: StatusCode, text: String) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(text.into())));
    *response.status_mut() = status;
    response
}

/// A body that another task writes; an error of that task breaks the body off.
struct Piped {
    reader: DuplexStream,
    writing: JoinHandle<Result<(), yaoku_seal::Error>>,
}

impl Piped {
    /// A backup; where it does not come to its end, also because nobody reads it any more, `broken_off` is recorded.
    fn backup(vault: Arc<Vault>, broken_off: Entry) -> Self {
        let (mut writer, reader) = tokio::io::duplex(BUFFER);
        let writing = tokio::spawn(async move {
            let result = maintenance::write_backup(&vault, &mut writer).await;
            if let Err(error) = &result {
                tracing::error!(%error, "can't finish the backup");
                if let Err(refusal) = broken_off.record(Err((FAILED, &error.to_string()))).await {
                    tracing::error!(?refusal, "can't record that the backup failed");
                }
            }
            result
        });
        Self { reader, writing }
    }
}

impl Body for Piped {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut chunk = vec![0; BUFFER];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer))?;
        let filled = buffer.filled().len();
        if filled > 0 {
            chunk.truncate(filled);
            return Poll::Ready(Some(Ok(Frame::data(chunk.into()))));
        }
        match ready!(Pin::new(&mut self.writing).poll(cx)) {
            Ok(Ok(())) => Poll::Ready(None),
            Ok(Err(error)) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Err(error) => Poll::Ready(Some(Err(io::Error::other(error)))),
        }
    }
}

/// The other end: a running server.
pub(crate) struct RunningServer {
    stream: UnixStream,
    data_dir: HeaderValue,
}

impl RunningServer {
    /// The server of a data directory behind a socket; none if nobody listens there.
    pub(crate) async fn find(path: &Path, data_dir: &Path) -> Result<Option<Self>, Error> {
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Some(Self { stream, data_dir: name_of(data_dir)? })),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Error::Options(format!(
                "no permission to connect to {}; run the command as the server's user or as root",
                path.display()
            ))),
            Err(_) => Ok(None),
        }
    }

    /// Has a backup made and written.
    pub(crate) async fn backup(self, out: &mut (impl AsyncWrite + Unpin)) -> Result<(), Error> {
        let mut body = self.post(BACKUP, Bytes::new()).await?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Error::Control(error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                out.write_all(&data).await.map_err(Error::file("the backup"))?;
            }
        }
        Ok(())
    }

    /// Has the root key rotated; the server's sentence on it.
    pub(crate) async fn rotate(self) -> Result<String, Error> {
        text(self.post(ROTATE, Bytes::new()).await?).await
    }

    /// Has a call explained; the server's sentence on it.
    pub(crate) async fn explain(self, supposed: Supposed) -> Result<String, Error> {
        let Supposed { who, action, resource, context } = supposed;
        let body = serde_json::to_vec(&ExplainBody { who, action, resource, context });
        let body = body.map_err(|error| Error::Control(error.to_string()))?;
        text(self.post(EXPLAIN, body.into()).await?).await
    }

    /// Has an action done; what it answers, in JSON, which may hold a secret.
    pub(crate) async fn operate(self, operation: &Operation) -> Result<Zeroizing<Vec<u8>>, Error> {
        let body = serde_json::to_vec(operation).map_err(|error| Error::Control(error.to_string()))?;
        let answer = http_body_util::Limited::new(self.post(OPERATE, body.into()).await?, MAX_ANSWER).collect().await;
        let bytes = answer.map_err(|error| Error::Control(error.to_string()))?.to_bytes();
        Ok(Zeroizing::new(bytes.to_vec()))
    }

    async fn post(self, path: &str, body: Bytes) -> Result<Incoming, Error> {
        let broken = |error: hyper::Error| Error::Control(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(self.stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::post(path).header("host", "localhost").header(DATA_DIR, self.data_dir);
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| Error::Control(error.to_string()))?;
        let response = pin!(sender.send_request(request)).await.map_err(broken)?;
        let ok = response.status() == StatusCode::OK;
        let body = response.into_body();
        if ok { Ok(body) } else { Err(Error::Server(text(body).await?)) }
    }
}

/// A body of words; it is a short one.
async fn text(body: Incoming) -> Result<String, Error> {
    let whole = http_body_util::Limited::new(body, MAX_TEXT).collect().await;
    let bytes = whole.map_err(|error| Error::Control(error.to_string()))?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
