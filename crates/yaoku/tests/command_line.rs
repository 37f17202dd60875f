//! The binary as an operator uses it: command line, configuration, first start, signals.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use support::{Client, Server, wait_until};

/// The binary, without what the environment of the tests would tell it.
fn yaoku(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("YAOKU_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    yaoku(args).output().unwrap()
}

/// What a command that fails says on standard error, in one line.
#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("yaoku: ") && said.lines().count() == 1, "{said}");
    said
}

/// A server with nothing configured but where it is; its address and greeting.
fn first_start(data: &Path, change: impl FnOnce(&mut Command)) -> (Child, String, String) {
    let mut command = yaoku(&["server", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data).stdout(Stdio::piped()).stderr(Stdio::null());
    change(&mut command);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut greeting = String::new();
    let address = loop {
        let line = lines.next().expect("it becomes ready").unwrap();
        greeting += &(line.clone() + "\n");
        if let Some(address) = line.strip_prefix("yaoku ready: ") {
            break address.split("://").nth(1).unwrap().to_owned();
        }
    };
    (child, address, greeting)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn without_arguments_it_helps() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    let help = String::from_utf8(output.stderr).unwrap();
    for word in ["server", "seal", "backup", "restore", "yaoku server"] {
        assert!(help.contains(word), "no {word} in {help}");
    }
    assert!(run(&["--help"]).status.success() && run(&["server", "--help"]).status.success());
    assert!(String::from_utf8(run(&["version"]).stdout).unwrap().starts_with("yaoku 0."));
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let unknown = run(&["server", "--lisen", "a"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("--listen"));
    let file = dir.path().join("yaoku.toml");
    std::fs::write(&file, "lissten = \"127.0.0.1:0\"").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, told) in [
        (&["--listen", "0.0.0.0:0"][..], "--allow-plain-http"),
        (&["--listen", "nonsense"], "127.0.0.1:7788"),
        (&["--listen", &taken], "choose another address with --listen"),
        (&["--store", "etcd://h1:2379"], "omit --store"),
        (&["--seal", "pkcs11"], "set --pkcs11-module"),
        (&["--seal", "passphrase"], "YAOKU_SEAL_PASSPHRASE"),
        (&["--root-access-key-id", "root"], "YAOKU_ROOT_ACCESS_KEY_SECRET"),
        (&["--tls-cert", "/nonexistent.pem", "--tls-key", "/nonexistent.pem"], "/nonexistent.pem"),
        (&["--account-id", "12"], "16 decimal digits"),
        (&["--config", file.to_str().unwrap()], "\"lissten\" is not an option"),
        (&["--config", "/nonexistent.toml"], "/nonexistent.toml"),
    ] {
        let said = refused(&mut yaoku(&[&["server", "--data-dir", data][..], args].concat()));
        assert!(said.contains(told), "{args:?}: {said}");
    }
    assert!(!Path::new(data).join("root.key").exists(), "nothing was begun");
    assert!(refused(&mut yaoku(&["backup", "/tmp/x", "--data-dir", data])).contains("--data-dir"));
    assert!(refused(&mut yaoku(&["seal", "rotate", "--data-dir", data])).contains("--data-dir"));
}

#[test]
fn flags_then_environment_then_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("yaoku.toml");
    let text =
        format!("data-dir = {:?}\nregion = \"cn-file\"\naccount-id = \"1111111111111111\"", dir.path().join("data"));
    std::fs::write(&file, text).unwrap();
    let mut command = yaoku(&["server", "--listen", "127.0.0.1:0", "--account-id", "3333333333333333"]);
    command.env("YAOKU_CONFIG", &file).env("YAOKU_REGION", "cn-variable").env("YAOKU_ACCOUNT_ID", "2222222222222222");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut greeting = String::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    for line in lines {
        greeting += &line;
        if line.starts_with("yaoku ready") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(greeting.contains("cn-variable") && greeting.contains("3333333333333333"), "{greeting}");
    assert!(dir.path().join("data/store").is_dir());
}

#[test]
fn the_first_start_shows_a_credential_that_works_and_later_ones_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (mut child, address, greeting) = first_start(&data, |_| {});
    let between = |head: &str| greeting.split(head).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (id, secret) = (between("access_key_id=\""), between("access_key_secret=\""));
    assert_eq!((id.len(), secret.len()), (24, 40));
    assert!(greeting.contains(&format!("endpoint=\"{address}\", protocol=\"http\"")));
    let client = Client { secret: secret.clone(), access_key_id: id, ..Client::new(&address) };
    client.call("CreateKey", &[]).ok();
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let (mut child, address, greeting) = first_start(&data, |_| {});
    assert_eq!(greeting, format!("yaoku ready: http://{address}\n"));
    let again = Client { address, ..client };
    assert_eq!(again.call("ListKeys", &[]).ok().number("TotalCount"), 1);
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for path in support::files_below(&data) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "the secret is in {path:?}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "others can read {path:?}");
    }
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn two_servers_do_not_share_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _server = Server::start(&data);
    let said = refused(yaoku(&["server", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data));
    assert!(said.contains("another yaoku process is using"), "{said}");
}

#[test]
fn stopping_lets_the_request_under_way_finish() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let mut stream = TcpStream::connect(&server.address).unwrap();
    // Half a request: its head is complete, its body is not.
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n").unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100");
    let address = server.address.clone();
    let stopping = std::thread::spawn(|| server.terminate());
    wait_until("nobody new is let in", || TcpStream::connect(&address).is_err());
    stream.write_all(b"ab").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 400") && answer.contains("RequestId"), "{answer}");
    assert_eq!(stopping.join().unwrap(), Some(0));
}

#[test]
fn a_hang_up_replaces_the_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let renew = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    };
    let old = renew();
    let (mut child, address, greeting) = first_start(&dir.path().join("data"), |command| {
        command.arg("--tls-cert").arg(&cert).arg("--tls-key").arg(&key);
    });
    assert!(greeting.contains("protocol=\"https\""), "{greeting}");
    assert_eq!(served_certificate(&address), old);
    let new = renew();
    signal(&child, "HUP");
    wait_until("the new certificate is served", || served_certificate(&address) == new);
    std::fs::write(&key, "no key").unwrap();
    signal(&child, "HUP");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0), "a bad certificate ends nothing");
}

/// The certificate that a server shows, whether trusted or not.
fn served_certificate(address: &str) -> Vec<u8> {
    use rustls::ClientConfig;
    use rustls::client::WebPkiServerVerifier;
    use rustls::crypto::aws_lc_rs;
    use std::sync::Arc;
    // A verifier that trusts another authority: the handshake fails after the certificate was seen.
    let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(other.cert.der().clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let seen = Arc::new(Seen { inner, certificate: std::sync::Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(seen.clone())
        .with_no_client_auth();
    let mut client = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    while client.is_handshaking() && client.complete_io(&mut stream).is_ok() {}
    seen.certificate.lock().unwrap().clone()
}

#[derive(Debug)]
struct Seen {
    inner: std::sync::Arc<rustls::client::WebPkiServerVerifier>,
    certificate: std::sync::Mutex<Vec<u8>>,
}

impl rustls::client::danger::ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &rustls::pki_types::CertificateDer<'_>,
        intermediates: &[rustls::pki_types::CertificateDer<'_>],
        name: &rustls::pki_types::ServerName<'_>,
        ocsp: &[u8],
        now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        *self.certificate.lock().unwrap() = end_entity.to_vec();
        self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[test]
fn memory_is_locked_or_the_log_says_that_it_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = support::Server::start(&data);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap().trim().to_owned();
    // The log is written by a thread of its own.
    let said = || std::fs::read_to_string(support::log_of(&data)).unwrap().contains("memory can't be locked");
    support::wait_until("a word on locked memory", || (locked == "0 kB") == said());
    server.client().create_key(&[]);
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_no_end() {
    // With the audit log, which can't grow either, every call fails; without it, only what must be written.
    for audit in [true, false] {
        limit_file_sizes(audit);
    }
}

fn limit_file_sizes(audit: bool) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&dir.path().join("data"), |command| {
        command.arg(format!("--audit={audit}"));
    });
    let client = server.client();
    let key = client.create_key(&[]);
    let pid = Pid::from_raw(server.pid().cast_signed());
    let limit = |current| prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
    let blob = client.encrypt(&key, "aGk=");
    // The store's file is beyond this already, so that nothing can be written where anything must be.
    limit(Some(1024));
    client.call("CreateKey", &[]).fails(503, "ServiceUnavailableTemporary");
    assert_eq!(client.page("/healthz").0, 200);
    assert_eq!(client.page("/readyz").0, 503);
    let decrypted = client.call("Decrypt", &[("CiphertextBlob", &blob)]);
    if audit {
        decrypted.fails(503, "ServiceUnavailableTemporary");
    } else {
        assert_eq!(decrypted.ok().text("Plaintext"), "aGk=");
        client.encrypt(&key, "aGk=");
    }
    limit(None);
    wait_until("it is ready again", || client.page("/readyz").0 == 200);
    client.create_key(&[]);
    assert_eq!(server.terminate(), Some(0));
}
