//! What the tests over the wire share: a server process on a free port, and a client that signs.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

pub mod relay;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use yaoku_crypto::SystemRandom;
use yaoku_crypto::mac::{self, Hash};
use yaoku_crypto::wrapping::{WrappingAlgorithm, WrappingKeySpec, WrappingPublicKey};

pub const ACCESS_KEY_ID: &str = "test-root";
pub const ACCESS_KEY_SECRET: &str = "planted-access-key-secret-7Qx";
pub const ACCOUNT: &str = "1234567890123456";
pub const REGION: &str = "cn-hangzhou";

/// All audit records of a data directory.
pub fn records(data: &Path) -> Vec<Value> {
    let mut export = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    let output = export.args(["audit", "export", "--data-dir"]).arg(data).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A `yaoku server` process; killed when dropped.
pub struct Server {
    child: Child,
    pub address: String,
    /// All that it printed before it was ready.
    pub greeting: String,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server over `data` and waits until it is ready.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, |_| {})
    }

    /// As [`Self::start`], with the command changed first.
    pub fn start_with(data: &Path, change: impl FnOnce(&mut Command)) -> Self {
        Self::try_start(data, change).unwrap_or_else(|printed| panic!("the server did not become ready: {printed}"))
    }

    /// Starts a server, or says what it printed when it refused to.
    #[allow(clippy::zombie_processes, reason = "waited for when the server is dropped")]
    pub fn try_start(data: &Path, change: impl FnOnce(&mut Command)) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
        command
            .args(["server", "--listen", "127.0.0.1:0", "--region", REGION, "--account-id", ACCOUNT])
            .args(["--root-access-key-id", ACCESS_KEY_ID, "--data-dir"])
            .arg(data)
            .env("YAOKU_ROOT_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::OpenOptions::new().append(true).create(true).open(log_of(data)).unwrap());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                child.wait().unwrap();
                return Err(greeting + &std::fs::read_to_string(log_of(data)).unwrap_or_default());
            }
            greeting += &line;
            if line.starts_with("yaoku ready") {
                let address = line.split_whitespace().find_map(|word| {
                    let word = word.trim_start_matches("http://").trim_start_matches("https://");
                    word.starts_with("127.0.0.1:").then(|| word.trim_end_matches(['/', '.', ',']).to_owned())
                });
                return Ok(Self { child, address: address.expect("an address"), greeting, _stdout: stdout });
            }
        }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// Ends the process at this instant, as a power failure would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As [`Self::kill`], from where the server is only borrowed.
    pub fn kill_now(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    }

    /// Asks the process to end; its exit code.
    pub fn terminate(self) -> Option<i32> {
        self.ask_to_end();
        self.ended()
    }

    /// Asks the process to end, and does not wait for that.
    pub fn ask_to_end(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for the process to end; its exit code.
    pub fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a server's log goes: beside its data directory.
pub fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// Source and host of the last call in the audit log.
pub fn recorded(data: &Path) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    let output = command.args(["audit", "export", "--data-dir"]).arg(data).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let event: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let text = |name: &str| event[name].as_str().unwrap().to_owned();
    (text("sourceIpAddress"), text("eventSource"))
}

/// Every plain file in a directory and those within it.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}

/// An answer of the server.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// A field of the body, by JSON pointer without the first slash.
    pub fn text(&self, pointer: &str) -> &str {
        let found = self.body.pointer(&format!("/{pointer}")).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no {pointer} in {self:?}"))
    }

    pub fn number(&self, name: &str) -> u64 {
        self.body[name].as_u64().unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The error code; `ok` if there is none.
    pub fn code(&self) -> &str {
        if self.status == 200 { "ok" } else { self.text("Code") }
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }

    #[track_caller]
    pub fn fails(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{self:?}");
        assert!(!self.text("Message").is_empty() && self.text("RequestId").len() == 36, "{self:?}");
    }
}

/// Signs with ACS3-HMAC-SHA256, as the current SDKs do.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    pub access_key_id: String,
    pub secret: String,
    /// The API: KMS unless another is asked for.
    pub version: &'static str,
    /// Of a temporary AccessKey.
    pub security_token: Option<String>,
    pub agent: ureq::Agent,
    /// Seconds that the client's clock is ahead, for servers whose clock was moved.
    pub ahead: u64,
}

/// Versions by which the APIs are known.
pub const KMS: &str = "2016-01-20";
pub const RAM: &str = "2015-05-01";
pub const STS: &str = "2015-04-01";
pub const ACTIONTRAIL: &str = "2020-07-06";

static NONCES: AtomicU64 = AtomicU64::new(0);

impl Client {
    pub fn new(address: &str) -> Self {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        Self {
            address: address.to_owned(),
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret: ACCESS_KEY_SECRET.to_owned(),
            version: KMS,
            security_token: None,
            agent: config.build().into(),
            ahead: 0,
        }
    }

    /// The same caller at another API.
    pub fn at(&self, version: &'static str) -> Self {
        Self { version, ..self.clone() }
    }

    /// Calls an action; panics if there is no answer.
    #[track_caller]
    pub fn call(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.try_call(action, params).unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    /// Calls an action; fails if there is no answer.
    pub fn try_call(&self, action: &str, params: &[(&str, &str)]) -> Result<Answer, String> {
        let mut sorted: Vec<_> = params.iter().map(|(name, value)| (encode(name), encode(value))).collect();
        sorted.sort_unstable();
        let query = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let date = utc(now.as_secs() + self.ahead);
        let nonce = format!("{}-{}-{}", std::process::id(), now.as_nanos(), NONCES.fetch_add(1, Ordering::Relaxed));
        let empty = hex(mac::hash(Hash::Sha256, b"").as_bytes());
        let (token, with_token) = match &self.security_token {
            Some(token) => (format!("x-acs-security-token:{token}\n"), ";x-acs-security-token"),
            None => (String::new(), ""),
        };
        let signed = format!(
            "host;x-acs-action;x-acs-content-sha256;x-acs-date{with_token};x-acs-signature-nonce;x-acs-version"
        );
        let headers = format!(
            "host:{}\nx-acs-action:{action}\nx-acs-content-sha256:{empty}\nx-acs-date:{date}\n{token}\
             x-acs-signature-nonce:{nonce}\nx-acs-version:{}\n",
            self.address, self.version
        );
        let canonical = format!("POST\n/\n{query}\n{headers}\n{signed}\n{empty}");
        let hashed = hex(mac::hash(Hash::Sha256, canonical.as_bytes()).as_bytes());
        let to_sign = format!("ACS3-HMAC-SHA256\n{hashed}");
        let signature = hex(mac::hmac(Hash::Sha256, self.secret.as_bytes(), to_sign.as_bytes()).as_bytes());
        let authorization =
            format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={signed},Signature={signature}", self.access_key_id);
        let mut request = self
            .agent
            .post(format!("http://{}/?{query}", self.address))
            .header("accept", "application/json")
            .header("x-acs-action", action)
            .header("x-acs-version", self.version)
            .header("x-acs-date", &date)
            .header("x-acs-signature-nonce", &nonce)
            .header("x-acs-content-sha256", &empty)
            .header("authorization", &authorization);
        if let Some(token) = &self.security_token {
            request = request.header("x-acs-security-token", token);
        }
        let mut response = request.send_empty().map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let mut body = String::new();
        response.body_mut().as_reader().read_to_string(&mut body).map_err(|error| error.to_string())?;
        let body = serde_json::from_str(&body).map_err(|error| format!("{error} in {body:?}"))?;
        Ok(Answer { status, body })
    }

    /// An operator's page.
    pub fn page(&self, path: &str) -> (u16, String) {
        let mut response = self.agent.get(format!("http://{}{path}", self.address)).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    /// Makes a user with an AccessKey, and gives the parameters of a secret that is to hold it.
    pub fn new_secret_of_user(&self, user: &str, params: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let ram = self.at(RAM);
        ram.call("CreateUser", &[("UserName", user)]).ok();
        let made = ram.call("CreateAccessKey", &[("UserName", user)]).ok();
        let (id, secret) = (made.text("AccessKey/AccessKeyId"), made.text("AccessKey/AccessKeySecret"));
        let own = [
            ("SecretType", "RAMCredentials".to_owned()),
            ("SecretName", "$Auto".to_owned()),
            ("VersionId", "v1".to_owned()),
            ("SecretData", format!(r#"{{"AccessKeys":[{{"AccessKeyId":"{id}","AccessKeySecret":"{secret}"}}]}}"#)),
            ("ExtendedConfig", format!(r#"{{"SecretSubType":"RamUserAccessKey","UserName":"{user}"}}"#)),
        ];
        own.into_iter().chain(params.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect()
    }

    /// Makes a user with an AccessKey, and a secret that holds it; the secret's name.
    pub fn create_secret_of_user(&self, user: &str) -> String {
        let params = self.new_secret_of_user(user, &[]);
        let params: Vec<_> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.call("CreateSecret", &params).ok().text("SecretName").to_owned()
    }

    /// Makes a key; its id.
    pub fn create_key(&self, params: &[(&str, &str)]) -> String {
        self.call("CreateKey", params).ok().text("KeyMetadata/KeyId").to_owned()
    }

    pub fn state(&self, key: &str) -> String {
        self.call("DescribeKey", &[("KeyId", key)]).ok().text("KeyMetadata/KeyState").to_owned()
    }

    /// The oldest version of a key.
    pub fn version(&self, key: &str) -> String {
        let listed = self.call("ListKeyVersions", &[("KeyId", key)]).ok();
        listed.text("KeyVersions/KeyVersion/0/KeyVersionId").to_owned()
    }

    /// Token and public key for an import wrapped with SM2, whose key pairs are made fast.
    pub fn import_parameters(&self, key: &str) -> (String, String) {
        let wrapping = [("WrappingKeySpec", "EC_SM2"), ("WrappingAlgorithm", "SM2PKE")];
        let parameters: Vec<_> = [("KeyId", key)].into_iter().chain(wrapping).collect();
        let answer = self.call("GetParametersForImport", &parameters).ok();
        (answer.text("ImportToken").to_owned(), answer.text("PublicKey").to_owned())
    }

    /// Imports material, wrapped with the public key that came with the token; 0 is no end.
    pub fn import(&self, key: &str, (token, public_key): &(String, String), material: &[u8], expires: u64) -> Answer {
        let der = STANDARD.decode(public_key).unwrap();
        let public_key = WrappingPublicKey::from_spki_der(WrappingKeySpec::EcSm2, &der).unwrap();
        let wrapped = public_key.encrypt(WrappingAlgorithm::Sm2Pke, &SystemRandom, material).unwrap();
        let (wrapped, expires) = (STANDARD.encode(wrapped), expires.to_string());
        let material = [("EncryptedKeyMaterial", wrapped.as_str()), ("KeyMaterialExpireUnix", expires.as_str())];
        let params: Vec<_> = [("KeyId", key), ("ImportToken", token)].into_iter().chain(material).collect();
        self.call("ImportKeyMaterial", &params)
    }

    /// Encrypts base64 text without context.
    pub fn encrypt(&self, key: &str, plaintext: &str) -> String {
        self.call("Encrypt", &[("KeyId", key), ("Plaintext", plaintext)]).ok().text("CiphertextBlob").to_owned()
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Percent-encoding that leaves the unreserved characters of RFC 3986 only.
pub fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// `YYYY-MM-DDThh:mm:ssZ` of seconds since 1970.
pub fn utc(seconds: u64) -> String {
    yaoku_aliyun::wire::time::format_time(seconds * 1000)
}

/// Waits until `done`, or fails after a minute.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
