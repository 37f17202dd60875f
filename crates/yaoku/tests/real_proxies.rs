//! Behind nginx and HAProxy themselves, set up as docs/proxies.md says: calls succeed, and the server believes what it should.
//!
//! Client, proxy and server are on one machine: the client is 127.0.0.1, and the proxy calls the server from another
//! address, which alone is trusted.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod support;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::relay::{Relay, with};
use support::{Client, RAM, Server, recorded, wait_until};

/// From where proxies call the server.
const PROXY: &str = "127.0.0.3";
const DOCS: &str = include_str!("../../../docs/proxies.md");
/// What a client may write of its own, to be taken for somebody else.
const FORGED: &str = "x-forwarded-for: 10.9.9.9\r\nx-forwarded-proto: https\r\nx-forwarded-host: kms.example\r\n\
                      forwarded: for=10.8.8.8;proto=https;host=kms.example\r\n";

/// A proxy's program, where it is installed.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.map(|place| place.join(name)).find(|place| place.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{name} is missing; install the package {name}");
        eprintln!("skipped: {name} is not installed (package {name})");
    }
    found
}

/// A proxy that runs; killed when dropped.
struct RealProxy {
    child: Child,
    addresses: Vec<String>,
}

impl Drop for RealProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl RealProxy {
    /// Starts a proxy that listens on some free addresses, before a server: `set_up` starts that, and says the proxy's
    /// configuration.
    fn start<const N: usize>(
        command: impl Fn(&Path) -> Command,
        dir: &Path,
        set_up: impl Fn(&[String; N]) -> (Server, String),
    ) -> (Server, Self) {
        for _ in 0..5 {
            let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
            let addresses = held.each_ref().map(|listener| listener.local_addr().unwrap().to_string());
            let (server, config) = set_up(&addresses);
            let (file, log) = (dir.join("proxy.conf"), dir.join("proxy.log"));
            std::fs::write(&file, config).unwrap();
            let log_file = std::fs::File::create(&log).unwrap();
            drop(held);
            let mut command = command(&file);
            let command = command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
            let mut proxy = Self { child: command.spawn().unwrap(), addresses: addresses.to_vec() };
            let mut ended = false;
            wait_until("the proxy answers or ends", || {
                ended = proxy.child.try_wait().unwrap().is_some();
                ended || proxy.addresses.iter().all(|address| TcpStream::connect(address).is_ok())
            });
            if !ended {
                return (server, proxy);
            }
            let told = std::fs::read_to_string(&log).unwrap();
            // Somebody else took an address meanwhile.
            assert!(told.to_lowercase().contains("address already in use"), "{told}");
        }
        panic!("no address stays free");
    }

    /// nginx with a configuration of its `http` block; one process, which needs no rights and writes into `dir` only.
    fn nginx<const N: usize>(
        program: &Path,
        dir: &Path,
        set_up: impl Fn(&[String; N]) -> (Server, String),
    ) -> (Server, Self) {
        let command = |file: &Path| {
            let mut command = Command::new(program);
            command.args(["-e", "stderr", "-p"]).arg(dir).arg("-c").arg(file);
            command
        };
        Self::start(command, dir, |addresses| {
            let (server, servers) = set_up(addresses);
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let temporary = temporary.map(|name| format!("{name}_temp_path {name};")).join(" ");
            let config = format!(
                "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{ }}\n\
                 http {{ access_log off; proxy_bind {PROXY}; {temporary}\n{servers} }}\n"
            );
            (server, config)
        })
    }

    /// HAProxy before a server, with the backend of the docs, speaking a version of the PROXY protocol.
    fn haproxy(program: &Path, dir: &Path, version: &str, server: impl Fn() -> Server) -> (Server, Self) {
        let command = |file: &Path| {
            let mut command = Command::new(program);
            command.args(["-db", "-f"]).arg(file);
            command
        };
        Self::start(command, dir, |[address]: &[String; 1]| {
            let server = server();
            let backend = documented("haproxy", "10.0.0.5:7788", &format!("{} source {PROXY}", server.address));
            let backend = backend.replace("send-proxy-v2", version);
            let config = format!(
                "defaults\n    mode tcp\n    timeout connect 10s\n    timeout client 60s\n    timeout server 60s\n\
                 frontend clients\n    bind {address}\n    default_backend yaoku\n{backend}"
            );
            (server, config)
        })
    }

    fn client(&self) -> Client {
        Client::new(&self.addresses[0])
    }

    /// A client that forges what it can.
    fn forger(&self) -> Client {
        Relay::bind().before_address(&self.addresses[0], |head| with(head, FORGED))
    }
}

/// The configuration for a proxy that the docs show, with the server's address put in.
fn documented(language: &str, example: &str, address: &str) -> String {
    let (_, block) = DOCS.split_once(&format!("```{language}\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert!(block.contains(example), "{block}");
    block.replace(example, address)
}

fn server(data: &Path, args: &[&str]) -> Server {
    Server::start_with(data, |command| {
        command.args(["--trusted-proxy", PROXY]).args(args);
    })
}

/// A user who may do everything, but from the client's address and over TLS only.
fn careful(root: &Client) -> Client {
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":
        {"Bool":{"acs:SecureTransport":["true"]},"IpAddress":{"acs:SourceIp":["127.0.0.1"]}}}]}"#;
    let ram = root.at(RAM);
    let name = ("UserName", "careful");
    ram.call("CreateUser", &[name]).ok();
    ram.call("CreatePolicy", &[("PolicyName", "careful"), ("PolicyDocument", policy)]).ok();
    ram.call("AttachPolicyToUser", &[name, ("PolicyType", "Custom"), ("PolicyName", "careful")]).ok();
    let made = ram.call("CreateAccessKey", &[name]).ok();
    Client {
        access_key_id: made.text("AccessKey/AccessKeyId").to_owned(),
        secret: made.text("AccessKey/AccessKeySecret").to_owned(),
        ..root.clone()
    }
}

/// The same caller by another way.
fn by(way: &Client, caller: &Client) -> Client {
    Client { access_key_id: caller.access_key_id.clone(), secret: caller.secret.clone(), ..way.clone() }
}

/// A certificate for `localhost` and its key, as files of `dir`.
fn certificate(dir: &Path) -> (rustls::pki_types::CertificateDer<'static>, PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (made.cert.der().clone(), cert, key)
}

/// Calls with parameters that have to be encoded, which are signed.
#[track_caller]
fn encrypts(client: &Client, key: &str) {
    let context = ("EncryptionContext", r#"{"a b+c":"值 & /%2F"}"#);
    client.call("Encrypt", &[("KeyId", key), ("Plaintext", "aGk="), context]).ok();
}

#[test]
fn nginx_says_who_calls_and_how() {
    let Some(nginx) = program("nginx") else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (root_certificate, cert, key) = certificate(dir.path());
    let (server, proxy) = RealProxy::nginx(&nginx, dir.path(), |[plain, tls]| {
        let server = server(&data, &[]);
        let location = documented("nginx", "https://yaoku.internal:7788", &format!("http://{}", server.address));
        let tls_options = format!("ssl_certificate {}; ssl_certificate_key {};", cert.display(), key.display());
        let servers = format!(
            "server {{ listen {plain};\n{location} }}\nserver {{ listen {tls} ssl; {tls_options}\n{location} }}"
        );
        (server, servers)
    });
    let root = server.client();
    let id = root.create_key(&[]);
    let (plain, forger) = (proxy.client(), proxy.forger());
    let tls = Relay::bind().before_tls(&proxy.addresses[1], root_certificate);
    for way in [&plain, &forger, &tls] {
        encrypts(way, &id);
        assert_eq!(recorded(&data), ("127.0.0.1".into(), way.address.clone()));
    }
    let careful = careful(&root);
    encrypts(&by(&tls, &careful), &id);
    for way in [&plain, &forger] {
        by(way, &careful).call("DescribeKey", &[("KeyId", &id)]).fails(403, "Forbidden.NoPermission");
    }
    let thief = Client { secret: "another-secret-than-the-root-has".into(), ..plain };
    thief.call("ListKeys", &[]).fails(400, "SignatureDoesNotMatch");
    assert_eq!(recorded(&data).0, "127.0.0.1", "whom to hold to account for it");
}

#[test]
fn nginx_may_ask_for_another_host_if_the_operator_accepts_what_is_signed() {
    let Some(nginx) = program("nginx") else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (_server, proxy) = RealProxy::nginx(&nginx, dir.path(), |[accepted, other]| {
        let server = server(&data, &["--accept-host", accepted]);
        let servers = [accepted, other].map(|address| {
            let server = &server.address;
            format!(
                "server {{ listen {address}; location / {{ proxy_pass http://{server}; proxy_set_header Host \
                 inner.example; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}\n"
            )
        });
        (server, servers.concat())
    });
    let client = proxy.client();
    let id = client.create_key(&[]);
    encrypts(&client, &id);
    assert_eq!(recorded(&data), ("127.0.0.1".into(), "inner.example".into()));
    Client::new(&proxy.addresses[1]).call("ListKeys", &[]).fails(400, "SignatureDoesNotMatch");
}

#[test]
fn haproxy_says_who_calls_by_either_version_of_the_proxy_protocol() {
    let Some(haproxy) = program("haproxy") else { return };
    for version in ["send-proxy", "send-proxy-v2"] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (_server, proxy) =
            RealProxy::haproxy(&haproxy, dir.path(), version, || server(&data, &["--proxy-protocol"]));
        let (client, forger) = (proxy.client(), proxy.forger());
        let id = client.create_key(&[]);
        for way in [&client, &forger] {
            encrypts(way, &id);
            assert_eq!(recorded(&data), ("127.0.0.1".into(), way.address.clone()), "{version}");
        }
        let careful = careful(&client);
        for way in [&client, &forger] {
            by(way, &careful).call("DescribeKey", &[("KeyId", &id)]).fails(403, "Forbidden.NoPermission");
        }
    }
}

#[test]
fn haproxy_passes_tls_through() {
    let Some(haproxy) = program("haproxy") else { return };
    for version in ["send-proxy", "send-proxy-v2"] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (root_certificate, cert, key) = certificate(dir.path());
        let files = [cert, key].map(|file| file.to_str().unwrap().to_owned());
        let tls = ["--proxy-protocol", "--tls-cert", &files[0], "--tls-key", &files[1]];
        let (_server, proxy) = RealProxy::haproxy(&haproxy, dir.path(), version, || server(&data, &tls));
        let root = Relay::bind().before_tls(&proxy.addresses[0], root_certificate);
        let id = root.create_key(&[]);
        encrypts(&by(&root, &careful(&root)), &id);
        assert_eq!(recorded(&data), ("127.0.0.1".into(), root.address.clone()), "{version}");
    }
}
