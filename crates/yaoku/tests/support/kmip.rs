//! A server with KMIP, and a client of the protocol.

#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use yaoku_kmip::ttlv::{Fields, Item, Tag, Value, Writer, decode};

use crate::support::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Client, Server};

pub const CREATE: u32 = 0x01;
pub const CREATE_KEY_PAIR: u32 = 0x02;
pub const REGISTER: u32 = 0x03;
pub const REKEY: u32 = 0x04;
pub const CHECK: u32 = 0x09;
pub const ADD_ATTRIBUTE: u32 = 0x0d;
pub const MODIFY_ATTRIBUTE: u32 = 0x0e;
pub const DELETE_ATTRIBUTE: u32 = 0x0f;
pub const ACTIVATE: u32 = 0x12;
pub const REVOKE: u32 = 0x13;
pub const SET_ATTRIBUTE: u32 = 0x31;
pub const DERIVE_KEY: u32 = 0x05;
pub const LOCATE: u32 = 0x08;
pub const GET: u32 = 0x0a;
pub const GET_ATTRIBUTES: u32 = 0x0b;
pub const GET_ATTRIBUTE_LIST: u32 = 0x0c;
pub const DESTROY: u32 = 0x14;
pub const QUERY: u32 = 0x18;
pub const DISCOVER_VERSIONS: u32 = 0x1e;
pub const ENCRYPT: u32 = 0x1f;
pub const DECRYPT: u32 = 0x20;
pub const SIGN: u32 = 0x21;
pub const SIGNATURE_VERIFY: u32 = 0x22;
pub const MAC: u32 = 0x23;
pub const MAC_VERIFY: u32 = 0x24;
pub const RNG_RETRIEVE: u32 = 0x25;

pub const ITEM_NOT_FOUND: u32 = 0x01;
pub const RESPONSE_TOO_LARGE: u32 = 0x02;
pub const NOT_AUTHENTICATED: u32 = 0x03;
pub const INVALID_MESSAGE: u32 = 0x04;
pub const NOT_SUPPORTED: u32 = 0x05;
pub const INVALID_FIELD: u32 = 0x07;
pub const FEATURE_NOT_SUPPORTED: u32 = 0x08;
pub const CRYPTOGRAPHIC_FAILURE: u32 = 0x0a;
pub const ILLEGAL_OPERATION: u32 = 0x0b;
pub const PERMISSION_DENIED: u32 = 0x0c;
pub const NOT_EXTRACTABLE: u32 = 0x17;

pub type Ca = CertifiedIssuer<'static, KeyPair>;

/// A server with KMIP, and what clients need for it.
pub struct Lab {
    _dir: tempfile::TempDir,
    pub data: PathBuf,
    pub ca: Ca,
    pub server: Server,
    pub address: String,
}

pub fn ca() -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Lab {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (ca, key) = (ca(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &ca).unwrap();
        let file = |name: &str, text: String| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (ca_file, cert) = (file("ca.pem", ca.pem()), file("cert.pem", certificate.pem()));
        let key = file("key.pem", key.serialize_pem());
        let server = Server::start_with(&data, |command| {
            command
                .args(["--key-pair-version-interval", "0", "--kmip-listen", "127.0.0.1:0", "--kmip-tls-cert"])
                .arg(&cert);
            command.arg("--kmip-tls-key").arg(&key).arg("--client-ca").arg(&ca_file).args(arguments);
        });
        let address = server.greeting.lines().find_map(|line| line.split("KMIP: ").nth(1)).unwrap().to_owned();
        Self { _dir: dir, data, ca, server, address }
    }

    pub fn root(&self) -> Client {
        self.server.client()
    }

    /// A connection, with a client certificate of that key.
    pub fn connect(&self, key: Option<&KeyPair>) -> Connection {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = match key {
            Some(key) => {
                let certificate = self.certificate(key);
                builder
                    .with_client_auth_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let name = "localhost".try_into().unwrap();
        let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        Connection(rustls::StreamOwned::new(tls, stream))
    }

    pub fn certificate(&self, key: &KeyPair) -> rcgen::Certificate {
        CertificateParams::new(vec!["client".into()]).unwrap().signed_by(key, &self.ca).unwrap()
    }

    /// Binds a key's certificate to a user.
    pub fn bind(&self, user: &str, key: &KeyPair) {
        let path = self.data.with_extension(format!("{user}.pem"));
        std::fs::write(&path, self.certificate(key).pem()).unwrap();
        yaoku(&self.data, &["ram", "certificate", "bind", "--user", user, path.to_str().unwrap()]);
    }
}

pub fn yaoku(data: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
    let output = command.args(arguments).arg("--data-dir").arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub struct Connection(pub rustls::StreamOwned<rustls::ClientConnection, TcpStream>);

impl Connection {
    pub fn exchange(&mut self, message: &[u8]) -> Vec<u8> {
        self.0.write_all(message).unwrap();
        let mut answer = vec![0; 8];
        self.0.read_exact(&mut answer).unwrap();
        let length = u32::from_be_bytes(answer[4..].try_into().unwrap());
        answer.resize(8 + usize::try_from(length).unwrap(), 0);
        self.0.read_exact(&mut answer[8..]).unwrap();
        answer
    }

    pub fn send(&mut self, request: &Request<'_>) -> Response {
        Response::read(&self.exchange(&request.write()))
    }
}

pub type Payload<'a> = Box<dyn Fn(&mut Writer) + 'a>;

/// A request.
pub struct Request<'a> {
    pub version: (i32, i32),
    pub credential: Option<(&'a str, &'a str)>,
    pub header: Payload<'a>,
    pub items: Vec<(u32, Payload<'a>)>,
}

impl<'a> Request<'a> {
    pub fn new(operation: u32, payload: impl Fn(&mut Writer) + 'a) -> Self {
        let items: Vec<(u32, Payload<'a>)> = vec![(operation, Box::new(payload))];
        let credential = Some((ACCESS_KEY_ID, ACCESS_KEY_SECRET));
        Self { version: (1, 4), credential, header: Box::new(|_| ()), items }
    }

    pub fn and(mut self, operation: u32, payload: impl Fn(&mut Writer) + 'a) -> Self {
        self.items.push((operation, Box::new(payload)));
        self
    }

    pub fn version(self, major: i32, minor: i32) -> Self {
        Self { version: (major, minor), ..self }
    }

    pub fn header(self, header: impl Fn(&mut Writer) + 'a) -> Self {
        Self { header: Box::new(header), ..self }
    }

    pub fn by(self, credential: Option<(&'a str, &'a str)>) -> Self {
        Self { credential, ..self }
    }

    pub fn write(&self) -> Vec<u8> {
        let mut message = Writer::new();
        message.structure(Tag::REQUEST_MESSAGE, |message| {
            message.structure(Tag::REQUEST_HEADER, |header| {
                header.structure(Tag::PROTOCOL_VERSION, |version| {
                    version.integer(Tag::PROTOCOL_VERSION_MAJOR, self.version.0);
                    version.integer(Tag::PROTOCOL_VERSION_MINOR, self.version.1);
                });
                (self.header)(header);
                if let Some((username, password)) = self.credential {
                    header.structure(Tag::AUTHENTICATION, |inside| {
                        inside.structure(Tag::CREDENTIAL, |inside| {
                            inside.enumeration(Tag::CREDENTIAL_TYPE, 1);
                            inside.structure(Tag::CREDENTIAL_VALUE, |inside| {
                                inside.text(Tag::USERNAME, username);
                                inside.text(Tag::PASSWORD, password);
                            });
                        });
                    });
                }
                header.integer(Tag::BATCH_COUNT, i32::try_from(self.items.len()).unwrap());
            });
            for (operation, payload) in &self.items {
                message.structure(Tag::BATCH_ITEM, |item| {
                    item.enumeration(Tag::OPERATION, *operation);
                    item.structure(Tag::REQUEST_PAYLOAD, |inside| payload(inside));
                });
            }
        });
        message.finish().to_vec()
    }
}

/// What was answered, item by item: the reason of a failure and its sentence, or the payload.
pub struct Response {
    pub version: (i32, i32),
    pub items: Vec<Result<Vec<u8>, (u32, String)>>,
}

pub fn field<T>(result: Result<T, yaoku_kmip::ttlv::FieldError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

impl Response {
    pub fn read(bytes: &[u8]) -> Self {
        let item = decode(bytes).unwrap_or_else(|error| panic!("{error}"));
        let fields = field(Fields::of(&item));
        let header = field(Fields::of(field(fields.required(Tag::RESPONSE_HEADER))));
        let version = field(Fields::of(field(header.required(Tag::PROTOCOL_VERSION))));
        let number = |tag| field(field(version.required(tag)).integer());
        let version = (number(Tag::PROTOCOL_VERSION_MAJOR), number(Tag::PROTOCOL_VERSION_MINOR));
        field(header.required(Tag::TIME_STAMP));
        let items = fields.all(Tag::BATCH_ITEM).into_iter().map(|item| {
            let fields = field(Fields::of(item));
            match field(field(fields.required(Tag::RESULT_STATUS)).enumeration()) {
                0 => {
                    let mut payload = Writer::new();
                    payload.item(field(fields.required(Tag::RESPONSE_PAYLOAD)));
                    Ok(payload.finish().to_vec())
                }
                _ => {
                    let reason = field(field(fields.required(Tag::RESULT_REASON)).enumeration());
                    Err((reason, field(field(fields.required(Tag::RESULT_MESSAGE)).text()).to_owned()))
                }
            }
        });
        Self { version, items: items.collect() }
    }

    #[track_caller]
    pub fn ok(&self) -> &[u8] {
        match self.items.as_slice() {
            [Ok(payload)] => payload,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn fails(&self, reason: u32) -> &str {
        match self.items.as_slice() {
            [Err((given, message))] if *given == reason => message,
            other => panic!("{other:?} and not {reason}"),
        }
    }
}

/// All values of a tag in a payload, whatever it stands in.
pub fn all<'a>(item: &'a Item<'a>, tag: Tag) -> Vec<&'a Value<'a>> {
    let inside = match &item.value {
        Value::Structure(items) => items.iter().flat_map(|item| all(item, tag)).collect(),
        _ => Vec::new(),
    };
    if item.tag == tag { [vec![&item.value], inside].concat() } else { inside }
}

pub fn bytes(payload: &[u8], tag: Tag) -> Vec<u8> {
    let item = decode(payload).unwrap_or_else(|error| panic!("{error}"));
    match all(&item, tag).as_slice() {
        [Value::Bytes(bytes)] => bytes.to_vec(),
        _ => panic!("no bytes, or more than once"),
    }
}

pub fn texts(payload: &[u8], tag: Tag) -> Vec<String> {
    let item = decode(payload).unwrap_or_else(|error| panic!("{error}"));
    let text = |value: &&Value<'_>| match value {
        Value::Text(text) => Some((*text).to_owned()),
        _ => None,
    };
    all(&item, tag).iter().filter_map(text).collect()
}

pub fn numbers(payload: &[u8], tag: Tag) -> Vec<i64> {
    let item = decode(payload).unwrap_or_else(|error| panic!("{error}"));
    let number = |value: &&Value<'_>| match value {
        Value::Integer(number) => Some(i64::from(*number)),
        Value::Enumeration(number) => Some(i64::from(*number)),
        _ => None,
    };
    all(&item, tag).iter().filter_map(number).collect()
}

pub fn about<'a>(key: &'a str, more: impl Fn(&mut Writer) + 'a) -> impl Fn(&mut Writer) + 'a {
    move |payload| {
        payload.text(Tag::UNIQUE_IDENTIFIER, key);
        more(payload);
    }
}

pub fn named(writer: &mut Writer, name: &str) {
    writer.structure(Tag::ATTRIBUTE, |attribute| {
        attribute.text(Tag::ATTRIBUTE_NAME, "Name");
        attribute.structure(Tag::ATTRIBUTE_VALUE, |value| {
            value.text(Tag::NAME_VALUE, name);
            value.enumeration(Tag::NAME_TYPE, 1);
        });
    });
}
