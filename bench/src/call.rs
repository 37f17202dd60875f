//! Requests as the SDKs sign them, ready to be written to a connection.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use yaoku_api::wire::time::format_time;
use yaoku_crypto::mac::{Hash, HmacKey, hash};

/// A signature scheme.
#[derive(Clone, Copy)]
pub(crate) enum Scheme {
    /// ACS3-HMAC-SHA256, in headers.
    Acs3,
    /// Version 1.0 with HMAC-SHA1, in parameters.
    V1,
}

/// What is called.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    CreateKey,
    Encrypt,
    Decrypt,
    GenerateDataKey,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::CreateKey => "CreateKey",
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::GenerateDataKey => "GenerateDataKey",
        }
    }
}

/// Writes requests of one kind; all of it that does not change is made once.
pub(crate) struct Caller {
    scheme: Scheme,
    host: String,
    access_key_id: String,
    key: HmacKey,
    action: Action,
    /// Parameters, encoded, in the order of their names.
    params: Vec<(&'static str, String)>,
    query: String,
    empty: String,
}

/// No two requests of a run have the same.
static NONCES: AtomicU64 = AtomicU64::new(0);

impl Caller {
    pub(crate) fn new(
        scheme: Scheme,
        host: &str,
        access_key: (&str, &str),
        action: Action,
        params: &[(&'static str, &str)],
    ) -> Self {
        let key = match scheme {
            Scheme::Acs3 => HmacKey::new(Hash::Sha256, access_key.1.as_bytes()),
            Scheme::V1 => HmacKey::new(Hash::Sha1, format!("{}&", access_key.1).as_bytes()),
        };
        let mut params: Vec<_> = params.iter().map(|(name, value)| (*name, encode(value))).collect();
        params.sort_unstable();
        let query = params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let empty = hex(hash(Hash::Sha256, b"").as_bytes());
        let (host, access_key_id) = (host.to_owned(), access_key.0.to_owned());
        Self { scheme, host, access_key_id, key, action, params, query, empty }
    }

    /// Puts the next request into `out`.
    pub(crate) fn write(&self, out: &mut String) {
        out.clear();
        let nonce = NONCES.fetch_add(1, Ordering::Relaxed);
        let date = format_time(since_1970().as_millis() as u64);
        match self.scheme {
            Scheme::Acs3 => self.write_acs3(nonce, &date, out),
            Scheme::V1 => self.write_v1(nonce, &date, out),
        }
    }

    fn write_acs3(&self, nonce: u64, date: &str, out: &mut String) {
        const SIGNED: &str = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
        let Self { host, query, empty, access_key_id, .. } = self;
        let action = self.action.name();
        let canonical = format!(
            "POST\n/\n{query}\nhost:{host}\nx-acs-action:{action}\nx-acs-content-sha256:{empty}\nx-acs-date:{date}\n\
             x-acs-signature-nonce:{nonce}\nx-acs-version:2016-01-20\n\n{SIGNED}\n{empty}"
        );
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(hash(Hash::Sha256, canonical.as_bytes()).as_bytes()));
        let signature = hex(self.key.sign(to_sign.as_bytes()).as_bytes());
        let _ = write!(
            out,
            "POST /?{query} HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\nx-acs-action: {action}\r\n\
             x-acs-version: 2016-01-20\r\nx-acs-date: {date}\r\nx-acs-signature-nonce: {nonce}\r\n\
             x-acs-content-sha256: {empty}\r\nauthorization: ACS3-HMAC-SHA256 Credential={access_key_id},\
             SignedHeaders={SIGNED},Signature={signature}\r\ncontent-length: 0\r\n\r\n"
        );
    }

    fn write_v1(&self, nonce: u64, date: &str, out: &mut String) {
        let (nonce, date) = (nonce.to_string(), encode(date));
        let mut params: Vec<(&str, &str)> = self.params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        params.extend([
            ("AccessKeyId", self.access_key_id.as_str()),
            ("Action", self.action.name()),
            ("Format", "JSON"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", &nonce),
            ("SignatureVersion", "1.0"),
            ("Timestamp", &date),
            ("Version", "2016-01-20"),
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

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Percent-encoding that leaves the unreserved characters of RFC 3986 only.
fn encode(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
