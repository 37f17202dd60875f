//! A witness outside the data directory: it keeps the newest checkpoint, so that a data directory that was rolled back as a whole to an
//! earlier moment, and is consistent with itself, is detected.
//!
//! It is told of checkpoints while the server runs, and asked for the last one when it starts. Checkpoints are signed, so that a witness
//! can keep one or lose it, and not forge it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use yaoku_audit::note::{Checkpoint, MAX_NOTE, Signer};
use yaoku_audit::{Trail, prove, segments};

use crate::Error;
use crate::config::SECRET_VARIABLES;

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where checkpoints are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file, on another disk or machine if it is to be of use.
    File(PathBuf),
    /// A command for `/bin/sh`, with `get` or `put` behind it. It prints the last checkpoint, or nothing; or reads one from its standard
    /// input.
    Exec(String),
    /// What GET and PUT are asked of, with TLS by the certificates that the system trusts; 404 says that there is none yet.
    Https(Uri),
}

/// A witness, and how often it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Where it keeps checkpoints.
    pub place: Place,
    /// Between two that it is told of.
    pub interval: Duration,
}

impl Place {
    /// Reads `file:PATH`, `exec:COMMAND` or `https:URL`; the URL may be written with its own scheme alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("file", path) if !path.is_empty() => Some(Self::File(path.into())),
            ("exec", command) if !command.trim().is_empty() => Some(Self::Exec(command.into())),
            ("https", rest) => {
                let url = if rest.starts_with("//") { text } else { rest };
                let uri: Uri = url.parse().ok()?;
                (uri.scheme_str() == Some("https") && uri.host().is_some()).then_some(Self::Https(uri))
            }
            _ => None,
        }
    }

    /// The checkpoint that it was told of last; none if it knows none.
    async fn get(&self) -> Result<Option<Vec<u8>>, String> {
        let note = match self {
            Self::File(path) => match tokio::fs::File::open(path).await {
                Ok(file) => read(file).await?,
                // Without its directory, a drive is not mounted: that is no witness that was never told anything.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && has_directory(path) => return Ok(None),
                Err(error) => return Err(error.to_string()),
            },
            Self::Exec(command) => run(command, "get", None).await?,
            Self::Https(uri) => match request(uri, Method::GET, Bytes::new()).await? {
                (StatusCode::NOT_FOUND, _) => return Ok(None),
                (StatusCode::OK, note) => note,
                (status, _) => return Err(format!("it answers with status {status}")),
            },
        };
        Ok((!note.is_empty()).then_some(note))
    }

    async fn put(&self, note: &str) -> Result<(), String> {
        match self {
            Self::File(path) => {
                let (path, note) = (path.clone(), note.to_owned());
                let written = tokio::task::spawn_blocking(move || replace(&path, note.as_bytes())).await;
                written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
            }
            Self::Exec(command) => run(command, "put", Some(note)).await.map(drop),
            Self::Https(uri) => match request(uri, Method::PUT, Bytes::copy_from_slice(note.as_bytes())).await? {
                (status, _) if status.is_success() => Ok(()),
                (status, _) => Err(format!("it answers with status {status}")),
            },
        }
    }
}

fn has_directory(path: &Path) -> bool {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    directory.unwrap_or(Path::new(".")).is_dir()
}

impl Witness {
    /// Asks the witness, and tells it of checkpoints from then on.
    ///
    /// # Errors
    /// When it can't be asked, or knows a checkpoint that this log does not go on from.
    pub(crate) async fn begin(self, trail: Arc<Trail>, signer: Arc<Signer>) -> Result<Witnessing, Error> {
        let known = tokio::time::timeout(PATIENCE, self.place.get()).await.unwrap_or_else(|_| Err(too_long()));
        let known = known.map_err(|why| {
            Error::Options(format!(
                "the witness can't be asked for the last checkpoint of the audit log: {why}; make it reachable, or start \
                 without --witness, in which case a rollback of the data directory is not detected"
            ))
        })?;
        let last = match known {
            Some(note) => Some(
                tokio::task::spawn_blocking({
                    let trail = trail.clone();
                    move || check(&note, &trail)
                })
                .await
                .map_err(|error| Error::Options(error.to_string()))??,
            ),
            None => {
                tracing::warn!("the witness has no checkpoint yet; it gets this log's from now on");
                None
            }
        };
        let told = Arc::new(Telling { place: self.place, trail, signer });
        let task = tokio::spawn({
            let (told, interval, mut last) = (told.clone(), self.interval, last);
            async move {
                loop {
                    last = told.tell(last).await;
                    tokio::time::sleep(interval).await;
                }
            }
        });
        Ok(Witnessing { told, task })
    }
}

/// What the witness knows must be this log's, and this log not end before it.
fn check(note: &[u8], trail: &Trail) -> Result<Checkpoint, Error> {
    let refused = |why: String| {
        Error::Options(format!(
            "the witness contradicts the audit log: {why}; put the newer data directory back; or, if you rolled it back on \
             purpose, delete the checkpoint at the witness"
        ))
    };
    let known = trail.verifier().open_checkpoint(note).map_err(|error| refused(error.to_string()))?;
    let here = trail.checkpoint();
    if known.head.size > here.head.size {
        let (there, here) = (known.head.size, here.head.size);
        return Err(refused(format!(
            "it was told of {there} records, and the log has {here}: the data directory was rolled back"
        )));
    }
    if known.head == here.head && known != here {
        return Err(refused("it was told of another content of the store".into()));
    }
    let first = segments(trail.dir())?.first().map_or(0, |(first, _)| *first);
    if known.head.size < first {
        tracing::warn!("retention has dropped what the witness knows, which can't be compared any more");
        return Ok(known);
    }
    prove(trail.dir(), trail.verifier(), &known.head).map_err(|error| refused(error.to_string()))?;
    Ok(known)
}

struct Telling {
    place: Place,
    trail: Arc<Trail>,
    signer: Arc<Signer>,
}

impl Telling {
    /// Tells of the last checkpoint unless that is known; what the witness knows then.
    async fn tell(&self, known: Option<Checkpoint>) -> Option<Checkpoint> {
        let checkpoint = self.trail.checkpoint();
        if known.as_ref() == Some(&checkpoint) {
            return known;
        }
        let note = self.signer.sign_checkpoint(&checkpoint);
        let told = tokio::time::timeout(PATIENCE, self.place.put(&note)).await.unwrap_or_else(|_| Err(too_long()));
        match told {
            Ok(()) => Some(checkpoint),
            Err(why) => {
                tracing::warn!(why, "can't send a checkpoint of the audit log to the witness; trying again");
                known
            }
        }
    }
}

/// A witness that is told of checkpoints.
pub(crate) struct Witnessing {
    told: Arc<Telling>,
    task: JoinHandle<()>,
}

impl Witnessing {
    /// Tells it of the end of the log.
    pub(crate) async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
        self.told.tell(None).await;
    }
}

/// Runs the command; what it prints.
async fn run(command: &str, what: &str, input: Option<&str>) -> Result<Vec<u8>, String> {
    // With `"$@"` behind it, whatever it is takes the word that follows as its last argument.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("{command} \"$@\""), "yaoku-witness", what]).kill_on_drop(true);
    // What this process was given to open keys with is not the command's to know.
    for name in SECRET_VARIABLES {
        shell.env_remove(name);
    }
    shell.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped());
    let mut child = shell.spawn().map_err(|error| error.to_string())?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let given = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A command that does not read it says so by its exit status.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let printed = async {
        match stdout {
            Some(stdout) => read(stdout).await,
            None => Ok(Vec::new()),
        }
    };
    let ((), printed) = tokio::join!(given, printed);
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("its command ended with {status}"));
    }
    printed
}

/// Reads a note to its end, and nothing longer.
async fn read(from: impl tokio::io::AsyncRead + Unpin) -> Result<Vec<u8>, String> {
    let mut note = Vec::new();
    from.take(MAX_NOTE as u64 + 1).read_to_end(&mut note).await.map_err(|error| error.to_string())?;
    if note.len() > MAX_NOTE { Err("it gives more than a checkpoint".into()) } else { Ok(note) }
}

/// Writes a file whole, or not at all.
fn replace(path: &std::path::Path, note: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(note)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    std::fs::File::open(parent.unwrap_or(std::path::Path::new(".")))?.sync_all()
}

async fn request(uri: &Uri, method: Method, body: Bytes) -> Result<(StatusCode, Vec<u8>), String> {
    let host = uri.host().unwrap_or_default();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let mut roots = RootCertStore::empty();
    let trusted = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(trusted.certs);
    if roots.is_empty() {
        return Err("the system has no certificates to trust; name a file of them in SSL_CERT_FILE".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    let server = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect((name, uri.port_u16().unwrap_or(443))).await.map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(server, stream).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let asked =
        Request::builder().method(method).uri(path).header("host", authority).header("content-type", "text/plain");
    let asked = asked.body(Full::new(body)).map_err(|error| error.to_string())?;
    let answer = sender.send_request(asked).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_NOTE).collect().await;
    connection.abort();
    match body {
        Ok(body) => Ok((status, body.to_bytes().to_vec())),
        // What an error says does not matter.
        Err(_) if status != StatusCode::OK => Ok((status, Vec::new())),
        Err(error) => Err(error.to_string()),
    }
}

fn too_long() -> String {
    format!("it takes more than {} s", PATIENCE.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_or_refused() {
        assert_eq!(Place::parse("file:/a b"), Some(Place::File("/a b".into())));
        assert_eq!(Place::parse("exec:ssh w:1 keep"), Some(Place::Exec("ssh w:1 keep".into())));
        let url = Place::Https("https://w.example:8443/a?b".parse().unwrap());
        assert_eq!(Place::parse("https://w.example:8443/a?b"), Some(url.clone()));
        assert_eq!(Place::parse("https:https://w.example:8443/a?b"), Some(url));
        for wrong in
            ["", "file", "file:", "exec: ", "https:", "https:///x", "http://w.example", "https:w.example", "ftp:x"]
        {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }
}
