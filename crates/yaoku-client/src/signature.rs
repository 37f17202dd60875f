//! Signs requests with ACS3-HMAC-SHA256.
//!
//! The parameters are the form in the body, which the signature covers by its hash: nothing of them is in the URL, which servers and
//! proxies may log.

use std::fmt::Write as _;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_crypto::{Random, SystemRandom};
use zeroize::Zeroizing;

use crate::{AccessKey, Action, Error};

/// The content type of every request.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
const SIGNED: &str =
    "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";

/// What a signature adds to the headers.
pub(crate) struct Signed {
    pub(crate) date: String,
    pub(crate) nonce: String,
    pub(crate) content_hash: String,
    pub(crate) authorization: String,
}

/// Signs one attempt of a request: a nonce serves once.
pub(crate) fn sign(key: &AccessKey, host: &str, action: &Action, body: &[u8]) -> Result<Signed, Error> {
    let mut nonce = [0; 16];
    SystemRandom.fill(&mut nonce).map_err(|error| Error::Request(error.to_string()))?;
    let date = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Ok(sign_at(key, host, action, body, date, hex(&nonce)))
}

fn sign_at(key: &AccessKey, host: &str, action: &Action, body: &[u8], date: String, nonce: String) -> Signed {
    let Action { version, name, .. } = action;
    let content_hash = hex(hash(Hash::Sha256, body).as_bytes());
    let canonical = format!(
        "POST\n/\n\ncontent-type:{FORM}\nhost:{host}\nx-acs-action:{name}\nx-acs-content-sha256:{content_hash}\n\
         x-acs-date:{date}\nx-acs-signature-nonce:{nonce}\nx-acs-version:{version}\n\n{SIGNED}\n{content_hash}"
    );
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(hash(Hash::Sha256, canonical.as_bytes()).as_bytes()));
    let signature = hex(key.sign(to_sign.as_bytes()).as_bytes());
    let authorization =
        format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={SIGNED},Signature={signature}", key.id());
    Signed { date, nonce, content_hash, authorization }
}

/// The parameters as a form.
pub(crate) fn form(params: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    // Room for the longest form: growing would leave copies behind.
    let most = params.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut form = Zeroizing::new(Vec::with_capacity(most));
    for (name, value) in params {
        if !form.is_empty() {
            form.push(b'&');
        }
        write_encoded(name, &mut form);
        form.push(b'=');
        write_encoded(value, &mut form);
    }
    form
}

fn write_encoded(text: &str, form: &mut Vec<u8>) {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, RESERVED).for_each(|part| form.extend_from_slice(part.as_bytes()));
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use yaoku_crypto::Secret;

    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form(&[]).as_slice(), b"");
        let form = form(&[("KeyId", "alias/a b"), ("Plaintext", "+/=~"), ("C", "密")]);
        assert_eq!(form.as_slice(), b"KeyId=alias%2Fa%20b&Plaintext=%2B%2F%3D~&C=%E5%AF%86");
    }

    /// Computed apart from this code, with Python's hashlib and hmac.
    #[test]
    fn signatures_are_those_of_the_scheme() {
        let key = AccessKey::new("testid", &Secret::new(b"testsecret".to_vec())).unwrap();
        let action = Action { version: "2016-01-20", name: "Encrypt", repeatable: true };
        let signed =
            sign_at(&key, "127.0.0.1:7788", &action, b"KeyId=k", "2026-11-28T00:00:00Z".into(), "00".repeat(16));
        assert_eq!(signed.content_hash, CONTENT_HASH);
        let signature = signed.authorization.rsplit_once('=').unwrap().1;
        assert_eq!(signature, SIGNATURE);
    }

    const CONTENT_HASH: &str = "84d7b9c17e608fec17d770067c609c1732b0d8a748b6bf8670e96607110f3ce0";
    const SIGNATURE: &str = "3d506f2b5a355b73d9c0f79bebb2ca3bf92f248ee39c5453f538c6073de77c2f";
}
