//! `yaoku kubernetes-kms` as a process: gRPC over its socket, a server over TLS behind it.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use support::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Client, Server, wait_until};
use yaoku_kubernetes::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};

const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const FAILED_PRECONDITION: i32 = 9;
const OUT_OF_RANGE: i32 = 11;
const UNIMPLEMENTED: i32 = 12;
const UNAVAILABLE: i32 = 14;

/// The plugin's process; killed when dropped.
struct Plugin {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Plugin {
    fn start(dir: &Path, server: &str, key: &str, change: impl FnOnce(&mut Command)) -> Self {
        let (socket, log) = (dir.join("kms.sock"), dir.join("plugin.log"));
        let mut command = command(server, key);
        command.arg("--socket").arg(&socket);
        let file = std::fs::File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        change(&mut command);
        let child = command.spawn().unwrap();
        let plugin = Self { child, socket, log };
        wait_until("the plugin is ready", || plugin.said().contains("yaoku ready: unix://"));
        plugin
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn status(&self) -> Result<String, i32> {
        let answered: Result<StatusResponse, _> = self.call("Status", &StatusRequest {});
        answered.map(|status| {
            assert_eq!((&*status.version, &*status.healthz), ("v2", "ok"));
            status.key_id
        })
    }

    fn encrypt(&self) -> Result<EncryptResponse, i32> {
        self.call("Encrypt", &EncryptRequest { plaintext: vec![7; 32], uid: "u".into() })
    }

    fn decrypt(&self, from: &EncryptResponse) -> Result<Vec<u8>, i32> {
        let EncryptResponse { ciphertext, key_id, annotations } = from.clone();
        let request = DecryptRequest { ciphertext, uid: "u".into(), key_id, annotations };
        self.call::<DecryptResponse>("Decrypt", &request).map(|response| response.plaintext)
    }

    /// Calls a method over a connection of its own; the status of a failure.
    fn call<T: Message + Default>(&self, method: &str, request: &impl Message) -> Result<T, i32> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, body) = runtime.block_on(send(&self.socket, method, &request.encode_to_vec()));
        if status != OK {
            return Err(status);
        }
        let mut body = body.unwrap();
        assert_eq!(body.get_u8(), 0, "not compressed");
        let length = body.get_u32() as usize;
        assert_eq!(length, body.len());
        Ok(T::decode(body).unwrap())
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(server: &str, key: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    command.args(["kubernetes-kms", "--server", server, "--key", key, "--access-key-id", ACCESS_KEY_ID]);
    command.env("YAOKU_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET).stdin(Stdio::null());
    command
}

/// One request of gRPC: status, and message with its prefix.
async fn send(socket: &Path, method: &str, message: &[u8]) -> (i32, Option<Bytes>) {
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.extend_from_slice(message);
    let request = http::Request::post(format!("http://localhost/v2.KeyManagementService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(framed.freeze()))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = |headers: &http::HeaderMap| Some(headers.get("grpc-status")?.to_str().unwrap().parse().unwrap());
    if let Some(failed) = status(response.headers()) {
        return (failed, None);
    }
    let collected = response.into_body().collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap();
    (status(&trailers).unwrap(), Some(collected.to_bytes()))
}

/// A server over TLS, and what verifies it.
fn over_tls(dir: &Path) -> (Server, PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = Server::start_with(&dir.join("data"), |command| {
        command.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
    });
    (server, certificate, key)
}

fn client(server: &Server, certificate: &Path) -> Client {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    support::relay::Relay::bind().before_tls(&server.address, certificate)
}

#[test]
fn the_key_is_used_over_tls_until_it_is_disabled() {
    let dir = tempfile::tempdir().unwrap();
    let (server, certificate, _) = over_tls(dir.path());
    let root = client(&server, &certificate);
    let key = root.create_key(&[]);
    let secret = dir.path().join("secret");
    std::fs::write(&secret, ACCESS_KEY_SECRET).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let address = format!("https://{}", server.address);
    let mut plugin = Plugin::start(dir.path(), &address, &key, |command| {
        command.env_remove("YAOKU_ACCESS_KEY_SECRET").arg("--access-key-secret-file").arg(&secret);
        command.arg("--ca-cert").arg(&certificate).args(["--metrics-listen", "127.0.0.1:0"]);
    });
    let mode = std::fs::metadata(&plugin.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let made = plugin.encrypt().unwrap();
    let version = root.version(&key);
    assert_eq!(made.key_id, format!("acs:kms:cn-hangzhou:{}:key/{key}/{version}", support::ACCOUNT));
    assert_eq!(plugin.status(), Ok(made.key_id.clone()));
    assert_eq!(plugin.decrypt(&made), Ok(vec![7; 32]));

    root.call("DisableKey", &[("KeyId", &key)]).ok();
    assert_eq!(plugin.status(), Err(FAILED_PRECONDITION));
    assert_eq!(plugin.encrypt(), Err(FAILED_PRECONDITION));
    assert_eq!(plugin.decrypt(&made), Err(FAILED_PRECONDITION));
    root.call("EnableKey", &[("KeyId", &key)]).ok();
    assert_eq!(plugin.status(), Ok(made.key_id.clone()));

    root.call("CreateKeyVersion", &[("KeyId", &key)]).ok();
    let rotated = plugin.encrypt().unwrap();
    assert_ne!(rotated.key_id, made.key_id);
    assert_eq!(plugin.status(), Ok(rotated.key_id.clone()));
    let altered = EncryptResponse { key_id: rotated.key_id, ..made.clone() };
    assert_eq!(plugin.decrypt(&altered), Err(INVALID_ARGUMENT));

    let large = EncryptRequest { plaintext: vec![7; 100_000], uid: String::new() };
    assert_eq!(plugin.call::<EncryptResponse>("Encrypt", &large), Err(OUT_OF_RANGE));
    assert_eq!(plugin.call::<StatusResponse>("Other", &StatusRequest {}), Err(UNIMPLEMENTED));

    let page = plugin.said().lines().find_map(|line| line.strip_prefix("yaoku serves metrics: ").map(str::to_owned));
    let text = ureq::get(&page.unwrap()).call().unwrap().body_mut().read_to_string().unwrap();
    for line in [
        "yaoku_kubernetes_requests_total{method=\"Status\",code=\"FAILED_PRECONDITION\"} 1",
        "yaoku_kubernetes_requests_total{method=\"Decrypt\",code=\"OK\"} 1",
        "yaoku_kubernetes_key_usable 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    for secret in [ACCESS_KEY_SECRET, "BwcHBwcH"] {
        assert!(!plugin.said().contains(secret));
    }

    // Killed, it leaves its socket, which the next one takes; whoever has one that answers keeps it.
    plugin.kill();
    assert!(plugin.socket.exists());
    let again = Plugin::start(dir.path(), &address, &key, |command| {
        command.arg("--ca-cert").arg(&certificate);
    });
    assert_eq!(again.decrypt(&made), Ok(vec![7; 32]));
    let second = command(&address, &key).arg("--socket").arg(&again.socket).output().unwrap();
    assert!(!second.status.success());
    let socket = again.socket.clone();
    assert_eq!(again.terminate(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn the_server_may_come_later_and_go_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let key = server.client().create_key(&[]);
    let (listen, address) = (server.address.clone(), format!("http://{}", server.address));
    assert_eq!(server.terminate(), Some(0));
    let plugin = Plugin::start(dir.path(), &address, &key, |_| {});
    assert_eq!(plugin.status(), Err(UNAVAILABLE));
    // At the address that the plugin knows.
    let start = || {
        Server::start_with(&data, |command| {
            let program = command.get_program().to_owned();
            let args: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
            let args = args.into_iter().map(|arg| if arg == "127.0.0.1:0" { listen.clone().into() } else { arg });
            let mut changed = Command::new(program);
            changed.args(args).env("YAOKU_ROOT_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET);
            changed.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            *command = changed;
        })
    };
    let server = start();
    let made = plugin.encrypt().unwrap();
    server.kill();
    assert_eq!(plugin.encrypt(), Err(UNAVAILABLE));
    let _server = start();
    assert_eq!(plugin.decrypt(&made), Ok(vec![7; 32]));
    assert_eq!(plugin.status(), Ok(made.key_id));
}

#[test]
fn what_cannot_work_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "s").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let path = secret.to_str().unwrap();
    let fails = |server: &str, more: &[&str], env: Option<&str>, told: &str| {
        let mut command = command(server, "k");
        command.args(["--socket", "/nonexistent/kms.sock"]).args(more).env_remove("YAOKU_ACCESS_KEY_SECRET");
        command.envs(env.map(|env| ("YAOKU_ACCESS_KEY_SECRET", env)));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(told), "{told}: {said}");
    };
    let here = "http://127.0.0.1:9";
    fails(here, &[], None, "the AccessKey Secret is missing");
    fails(here, &["--access-key-secret-file", path], None, "chmod 600");
    fails("http://192.0.2.1:7788", &[], Some("s"), "use https");
    fails("kms.example:7788", &[], Some("s"), "https://host:port");
    fails("https://127.0.0.1:9", &["--ca-cert", "/nonexistent.pem"], Some("s"), "/nonexistent.pem");
    fails(here, &["--cluster", "a b"], Some("s"), "1 to 63 letters");
    fails(here, &[], Some("s"), "/nonexistent/kms.sock");
    // Secrets are no arguments.
    fails(here, &["--access-key-secret", "s"], None, "unexpected argument");
}
