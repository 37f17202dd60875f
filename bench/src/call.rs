//! Requests as the SDKs sign them, ready to be written to a connection.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use yaoku_aliyun::wire::time::format_time;
use yaoku_crypto::mac::{Hash, HmacKey, hash};

use crate::zipf::Zipf;

/// A signature scheme.
#[derive(Clone, Copy)]
pub(crate) enum Scheme {
    /// ACS3-HMAC-SHA256, in headers.
    Acs3,
    /// Version 1.0 with HMAC-SHA1, in parameters.
    V1,
}

/// Parameters of an action; encoded, they are sorted by name.
pub(crate) type Params<'a> = &'a [(&'static str, &'a str)];

/// Writes requests of one kind.
pub(crate) enum Caller {
    /// Of one action, signed.
    Signed(Box<Signed>),
    /// The same text each time, as of protocols whose credential is a token.
    Unsigned(String),
}

/// Requests of one action; all of it that does not change is made once.
pub(crate) struct Signed {
    scheme: Scheme,
    host: String,
    access_key_id: String,
    key: HmacKey,
    action: &'static str,
    version: &'static str,
    /// What is asked, in turn or as `choice` has it.
    variants: Vec<Variant>,
    choice: Option<Arc<Zipf>>,
    empty: String,
}

struct Variant {
    /// Encoded, in the order of their names.
    params: Vec<(&'static str, String)>,
    query: String,
}

impl Variant {
    fn new(params: Params<'_>) -> Self {
        let mut params: Vec<_> = params.iter().map(|(name, value)| (*name, encode(value))).collect();
        params.sort_unstable();
        let query = params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        Self { params, query }
    }
}

/// No two requests of a process have the same; two processes have not begun in the same nanosecond.
fn nonce() -> u64 {
    static NONCES: AtomicU64 = AtomicU64::new(0);
    let number = NONCES.fetch_add(1, Ordering::Relaxed);
    if number > 0 {
        return number;
    }
    let first = since_1970().as_nanos() as u64;
    NONCES.fetch_add(first, Ordering::Relaxed);
    first
}

impl Caller {
    pub(crate) fn new(
        scheme: Scheme,
        host: &str,
        access_key: (&str, &str),
        action: &'static str,
        params: Params<'_>,
    ) -> Self {
        Self::Signed(Box::new(Signed::new(scheme, host, access_key, action, params)))
    }

    /// The same request again and again.
    pub(crate) const fn unsigned(request: String) -> Self {
        Self::Unsigned(request)
    }

    /// The same of an API of another version.
    pub(crate) fn of(self, version: &'static str) -> Self {
        match self {
            Self::Signed(signed) => Self::Signed(Box::new(Signed { version, ..*signed })),
            Self::Unsigned(_) => self,
        }
    }

    /// The same action on many things, chosen by Zipf's law.
    pub(crate) fn among(self, name: &'static str, values: &[String], others: Params<'_>) -> Self {
        match self {
            Self::Signed(signed) => Self::Signed(Box::new(signed.among(name, values, others))),
            Self::Unsigned(_) => self,
        }
    }

    /// Puts the next request into `out`.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Signed(signed) => signed.write(out),
            Self::Unsigned(request) => request.clone_into(out),
        }
    }
}

impl Signed {
    fn new(scheme: Scheme, host: &str, access_key: (&str, &str), action: &'static str, params: Params<'_>) -> Self {
        let key = match scheme {
            Scheme::Acs3 => HmacKey::new(Hash::Sha256, access_key.1.as_bytes()),
            Scheme::V1 => HmacKey::new(Hash::Sha1, format!("{}&", access_key.1).as_bytes()),
        };
        let empty = hex(hash(Hash::Sha256, b"").as_bytes()).as_str().to_owned();
        let (host, access_key_id) = (host.to_owned(), access_key.0.to_owned());
        let variants = vec![Variant::new(params)];
        Self { scheme, host, access_key_id, key, action, version: "2016-01-20", variants, choice: None, empty }
    }

    fn among(mut self, name: &'static str, values: &[String], others: Params<'_>) -> Self {
        let variant = |value: &String| Variant::new(&[&[(name, value.as_str())], others].concat());
        self.variants = values.iter().map(variant).collect();
        self.choice = Some(Arc::new(Zipf::new(values.len())));
        self
    }

    fn write(&self, out: &mut String) {
        let variant = self.choice.as_ref().map_or(0, |choice| choice.draw());
        let Some(variant) = self.variants.get(variant) else { return };
        out.clear();
        let date = format_time(since_1970().as_millis() as u64);
        match self.scheme {
            Scheme::Acs3 => self.write_acs3(variant, nonce(), &date, out),
            Scheme::V1 => self.write_v1(variant, nonce(), &date, out),
        }
    }

    fn write_acs3(&self, variant: &Variant, nonce: u64, date: &str, out: &mut String) {
        const SIGNED: &str = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
        let Self { host, empty, access_key_id, action, version, .. } = self;
        let query = &variant.query;
        let to_sign = SCRATCH.with_borrow_mut(|canonical| {
            canonical.clear();
            let _ = write!(
                canonical,
                "POST\n/\n{query}\nhost:{host}\nx-acs-action:{action}\nx-acs-content-sha256:{empty}\nx-acs-date:{date}\n\
                 x-acs-signature-nonce:{nonce}\nx-acs-version:{version}\n\n{SIGNED}\n{empty}"
            );
            let digest = hex(hash(Hash::Sha256, canonical.as_bytes()).as_bytes());
            canonical.clear();
            let _ = write!(canonical, "ACS3-HMAC-SHA256\n{}", digest.as_str());
            self.key.sign(canonical.as_bytes())
        });
        let signature = hex(to_sign.as_bytes());
        let signature = signature.as_str();
        let _ = write!(
            out,
            "POST /?{query} HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\nx-acs-action: {action}\r\n\
             x-acs-version: {version}\r\nx-acs-date: {date}\r\nx-acs-signature-nonce: {nonce}\r\n\
             x-acs-content-sha256: {empty}\r\nauthorization: ACS3-HMAC-SHA256 Credential={access_key_id},\
             SignedHeaders={SIGNED},Signature={signature}\r\ncontent-length: 0\r\n\r\n"
        );
    }

    fn write_v1(&self, variant: &Variant, nonce: u64, date: &str, out: &mut String) {
        let (nonce, date) = (nonce.to_string(), encode(date));
        let own = variant.params.iter().map(|(name, value)| (*name, value.as_str()));
        let mut params: Vec<(&str, &str)> = own.collect();
        params.extend([
            ("AccessKeyId", self.access_key_id.as_str()),
            ("Action", self.action),
            ("Format", "JSON"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", &nonce),
            ("SignatureVersion", "1.0"),
            ("Timestamp", &date),
            ("Version", self.version),
        ]);
        params.sort_unstable();
        let query = params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let to_sign = format!("POST&%2F&{}", encode(&query));
        let signature = encode(&STANDARD.encode(self.key.sign(to_sign.as_bytes()).as_bytes()));
        let host = &self.host;
        let _ =
            write!(out, "POST /?{query}&Signature={signature} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n");
    }
}

thread_local! {
    static SCRATCH: RefCell<String> = const { RefCell::new(String::new()) };
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Percent-encoding that leaves the unreserved characters of RFC 3986 only.
fn encode(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The digits of 32 bytes.
struct Digits([u8; 64]);

impl Digits {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn hex(bytes: &[u8]) -> Digits {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    Digits(text)
}
