//! Unmodified clients against the messages and keys of this crate, without a server of yaoku's: `jose` verifies what is advertised, and
//! `clevis` encrypts and decrypts. Skipped where they are missing (Debian's package `clevis`); with `CI` set, that fails.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use yaoku_crypto::SystemRandom;
use yaoku_crypto::exchange::{Es512Key, ExchangeKey};
use yaoku_tang::{Advertisement, DiskUrl, Route, Thumbprint, read_point, write_point};

const DISK: DiskUrl = DiskUrl::new([0xa5; 16]);

/// The least that a server is: keys, the last of which is advertised.
struct Tang {
    signing: Es512Key,
    exchange: Mutex<Vec<ExchangeKey>>,
}

impl Tang {
    fn start() -> (Arc<Self>, String) {
        let key = ExchangeKey::generate(&SystemRandom).unwrap();
        let tang = Arc::new(Self { signing: Es512Key::generate(&SystemRandom).unwrap(), exchange: vec![key].into() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}{}", listener.local_addr().unwrap(), DISK.path());
        let serving = tang.clone();
        std::thread::spawn(move || listener.incoming().for_each(|stream| serving.serve(stream.unwrap())));
        (tang, url)
    }

    fn advertised(&self) -> Vec<u8> {
        let exchange = self.exchange.lock().unwrap();
        let public = exchange.last().unwrap().public().unwrap();
        let advertisement = Advertisement::new(self.signing.public(), [&public]);
        advertisement.signed(&self.signing.sign(advertisement.signing_input()).unwrap())
    }

    fn recovered(&self, thumbprint: Thumbprint, body: &[u8]) -> Option<Vec<u8>> {
        let exchange = self.exchange.lock().unwrap();
        let key = exchange.iter().find(|key| Thumbprint::of(&key.public().unwrap()) == thumbprint)?;
        Some(write_point(&key.multiply(&read_point(body).ok()?).unwrap()))
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').unwrap();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = match Route::read(&method, &path) {
            Route::Advertise(DISK, _) => Some((Advertisement::CONTENT_TYPE, self.advertised())),
            Route::Recover(DISK, thumbprint) => {
                self.recovered(thumbprint, &body).map(|key| ("application/jwk+json", key))
            }
            _ => None,
        };
        let (status, (kind, body)) = match answer {
            Some(answer) => ("200 OK", answer),
            None => ("404 Not Found", ("text/plain", Vec::new())),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    }
}

fn run(program: &str, args: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Whether the clients are here.
fn can_try() -> bool {
    let found = |program: &str| Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if ["clevis", "jose", "curl"].iter().all(|program| found(program).status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "clevis, jose or curl is missing");
    eprintln!("skipped: unmodified Tang clients: install Debian's packages clevis, jose and curl");
    false
}

#[test]
fn clevis_opens_what_it_sealed_also_after_a_rotation_until_the_key_is_withdrawn() {
    if !can_try() {
        return;
    }
    let (tang, url) = Tang::start();
    let config = format!(r#"{{"url":"{url}"}}"#);
    let sealed = run("clevis", &["encrypt", "tang", &config, "-y"], b"the passphrase of a disk").unwrap();
    assert_eq!(run("clevis", &["decrypt"], &sealed).unwrap(), b"the passphrase of a disk");

    tang.exchange.lock().unwrap().push(ExchangeKey::generate(&SystemRandom).unwrap());
    let newer = run("clevis", &["encrypt", "tang", &config, "-y"], b"another").unwrap();
    assert_eq!(run("clevis", &["decrypt"], &sealed).unwrap(), b"the passphrase of a disk");
    assert_eq!(run("clevis", &["decrypt"], &newer).unwrap(), b"another");

    tang.exchange.lock().unwrap().remove(0);
    assert!(run("clevis", &["decrypt"], &sealed).is_err(), "its key was withdrawn");
    assert_eq!(run("clevis", &["decrypt"], &newer).unwrap(), b"another");
}

#[test]
fn clevis_pins_the_signing_key() {
    if !can_try() {
        return;
    }
    let (tang, url) = Tang::start();
    let pinned = |thumbprint: &str| {
        let config = format!(r#"{{"url":"{url}","thp":"{thumbprint}"}}"#);
        run("clevis", &["encrypt", "tang", &config], b"x")
    };
    let sealed = pinned(&Thumbprint::of(tang.signing.public()).to_string()).unwrap();
    assert_eq!(run("clevis", &["decrypt"], &sealed).unwrap(), b"x");
    let other = Es512Key::generate(&SystemRandom).unwrap();
    assert!(pinned(&Thumbprint::of(other.public()).to_string()).is_err());
}

#[test]
fn jose_verifies_the_advertisement_and_gives_the_same_thumbprints() {
    if !can_try() {
        return;
    }
    let (tang, _) = Tang::start();
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    let advertised = tang.advertised();
    let payload = run("jose", &["fmt", "-j-", "-Og", "payload", "-Syo-"], &advertised).unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let all = &payload["keys"];
    assert_eq!((&all[0]["key_ops"][0], &all[1]["key_ops"][0]), (&"verify".into(), &"deriveKey".into()));
    std::fs::write(&keys, all[0].to_string()).unwrap();
    let keys = keys.to_str().unwrap();
    assert!(run("jose", &["jws", "ver", "-i-", "-k", keys, "-a"], &advertised).is_ok());
    let text = String::from_utf8(advertised).unwrap();
    let end = text.rfind("\"}").unwrap();
    let flipped = if text.as_bytes()[end - 10] == b'A' { "B" } else { "A" };
    let changed = format!("{}{flipped}{}", &text[..end - 10], &text[end - 9..]);
    assert!(run("jose", &["jws", "ver", "-i-", "-k", keys, "-a"], changed.as_bytes()).is_err());

    let public = tang.exchange.lock().unwrap()[0].public().unwrap();
    let told = run("jose", &["jwk", "thp", "-i-", "-a", "S256"], &write_point(&public)).unwrap();
    assert_eq!(String::from_utf8(told).unwrap().trim(), Thumbprint::of(&public).to_string());
}
