//! Signature version 1.0: an HMAC over all parameters, which carry the signature themselves.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use yaoku_crypto::mac::{Hash, SignedWith, Verifier};

use super::{Params, WireError, percent, wiping_buffer::WipingBuffer};

const SIGNATURE: &str = "Signature";
/// The longest tag, that of HMAC-SHA256, in bytes.
const MAX_TAG_LEN: usize = 32;

/// The signature of one request, not yet verified.
pub struct SignatureV1<'a> {
    method: &'a Method,
    params: &'a Params<'a>,
    hash: Hash,
    tag: ([u8; MAX_TAG_LEN], usize),
}

/// Whether the string to sign is for the HMAC or for people.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Given,
    Elided,
}

impl<'a> SignatureV1<'a> {
    /// Reads the parameters that describe the signature.
    ///
    /// # Errors
    /// `MissingParameter`; `InvalidParameter` for methods, versions and types that are not served; `IncompleteSignature` for
    /// a signature that is not base64.
    pub fn parse(method: &'a Method, params: &'a Params<'a>) -> Result<Self, WireError> {
        let hash = match params.required("SignatureMethod")? {
            name if name.eq_ignore_ascii_case("HMAC-SHA1") => Hash::Sha1,
            name if name.eq_ignore_ascii_case("HMAC-SHA256") => Hash::Sha256,
            _ => return Err(WireError::invalid_parameter("SignatureMethod", "it must be HMAC-SHA1 or HMAC-SHA256")),
        };
        if params.required("SignatureVersion")? != "1.0" {
            return Err(WireError::invalid_parameter("SignatureVersion", "it must be 1.0"));
        }
        if params.get("SignatureType").is_some_and(|kind| !kind.is_empty()) {
            return Err(WireError::invalid_parameter(
                "SignatureType",
                "it must be absent or empty, because this server supports only signatures with an AccessKey Secret",
            ));
        }
        let mut tag = [0; MAX_TAG_LEN];
        let len = STANDARD
            .decode_slice(params.required(SIGNATURE)?, &mut tag)
            .map_err(|_| WireError::incomplete_signature("\"Signature\" must be a Base64-encoded HMAC"))?;
        Ok(Self { method, params, hash, tag: (tag, len) })
    }

    /// Whether `secret` made this signature; takes the same time wherever the tags differ.
    pub fn verify<'s>(&self, secret: Verifier<'s>) -> Option<SignedWith<'s>> {
        let string = string_to_sign(self.method, self.params, Values::Given);
        secret.verify(self.hash, b"&", string.as_slice(), self.tag())
    }

    /// The signature's bytes. They name the request where it has no nonce: another request has others.
    pub fn tag(&self) -> &[u8] {
        &self.tag.0[..self.tag.1]
    }

    /// The string to sign without the parameters' values, for a message.
    pub fn string_to_sign_names(&self) -> String {
        String::from_utf8_lossy(string_to_sign(self.method, self.params, Values::Elided).as_slice()).into_owned()
    }
}

/// `METHOD&%2F&` and the encoding of the canonical query: all parameters but the signature, which [`Params`] has in order.
fn string_to_sign(method: &Method, params: &Params<'_>, values: Values) -> WipingBuffer {
    // Enough where little is encoded twice over, as base64 is.
    let text: usize = params.iter().map(|param| param.name().len() + param.value().len() + 8).sum();
    let mut out = WipingBuffer::with_capacity(text + text / 4 + 32);
    out.push(method.as_str().as_bytes());
    out.push(b"&%2F&");
    let mut separator: &[u8] = b"";
    for param in params.iter().filter(|param| param.name() != SIGNATURE) {
        out.push(separator);
        separator = b"%26";
        percent::encode_twice(param.name().as_bytes(), &mut out);
        out.push(b"%3D");
        if values == Values::Given {
            percent::encode_twice(param.value().as_bytes(), &mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use yaoku_crypto::mac::SigningSecret;

    use super::*;
    use crate::wire::Code;

    /// The parameters of the vectors, as the current Python SDK puts them into a URL.
    const VECTOR: &str = "Action=Encrypt&Version=2016-01-20&Format=JSON&SignatureVersion=1.0&SignatureNonce=n-1&AccessKeyId=testid\
        &Timestamp=2026-11-24T02%3A00%3A00Z&KeyId=alias%2Fa+b%2A~&Plaintext=aGVsbG8%3D&EncryptionContext=%7B%22k%22%3A%22%E5%80%BC%22%7D";

    fn verify(method: Method, query: &str, form: &str, secret: &str) -> bool {
        let params = Params::parse(query.as_bytes(), form.as_bytes()).unwrap();
        let secret = SigningSecret::from(yaoku_crypto::Secret::new(secret.into()));
        SignatureV1::parse(&method, &params).unwrap().verify(secret.verifier()).is_some()
    }

    fn refusal(query: &str) -> WireError {
        let params = Params::parse(query.as_bytes(), b"").unwrap();
        SignatureV1::parse(&Method::GET, &params).err().unwrap()
    }

    #[test]
    fn accepts_the_vectors() {
        let sha1 = format!("{VECTOR}&SignatureMethod=HMAC-SHA1&Signature=JuOvGx5wwlrjtepoVvcSy%2BC4J48%3D");
        let sha256 =
            format!("{VECTOR}&SignatureMethod=HMAC-SHA256&Signature=Tk9zHxW8n2A1KbVr4BQ9QLggW2bfcwXGiYgDNmTdPD4%3D");
        assert!(verify(Method::POST, &sha1, "", "testsecret"));
        assert!(verify(Method::POST, "", &sha1, "testsecret"));
        assert!(verify(Method::GET, &sha256, "", "testsecret"));
        let (query, form) = sha1.split_at(sha1.find("KeyId=alias").unwrap());
        assert!(verify(Method::POST, query, form, "testsecret"));

        assert!(!verify(Method::GET, &sha1, "", "testsecret"));
        assert!(!verify(Method::POST, &sha1, "", "othersecret"));
        assert!(!verify(Method::POST, &sha1, "DryRun=true", "testsecret"));
        assert!(!verify(Method::POST, &sha1.replace("n-1", "n-2"), "", "testsecret"));
        assert!(!verify(Method::POST, &sha1.replace("HMAC-SHA1", "hmac-sha1"), "", "testsecret"));
    }

    #[test]
    fn the_string_to_sign_is_the_documented_one() {
        let query = format!("{VECTOR}&SignatureMethod=HMAC-SHA1&Signature=AAAA");
        let params = Params::parse(query.as_bytes(), b"").unwrap();
        let string = string_to_sign(&Method::POST, &params, Values::Given);
        let expected = "POST&%2F&AccessKeyId%3Dtestid%26Action%3DEncrypt%26EncryptionContext%3D%257B%2522k%2522%253A%2522%25E5%2580%25BC%2522%257D%26";
        assert!(string.as_slice().starts_with(expected.as_bytes()));
        assert_eq!(
            SignatureV1::parse(&Method::POST, &params).unwrap().string_to_sign_names(),
            "POST&%2F&AccessKeyId%3D%26Action%3D%26EncryptionContext%3D%26Format%3D%26KeyId%3D%26Plaintext%3D%26SignatureMethod%3D\
             %26SignatureNonce%3D%26SignatureVersion%3D%26Timestamp%3D%26Version%3D"
        );
    }

    #[test]
    fn says_what_is_missing_or_not_served() {
        let whole = "SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&Signature=JuOvGx5wwlrjtepoVvcSy%2BC4J48%3D";
        for name in ["SignatureMethod", "SignatureVersion", "Signature"] {
            let without = whole.replace(&format!("{name}="), "x=");
            assert_eq!(refusal(&without), WireError::missing_parameter(name));
        }
        for (from, to, code) in [
            ("HMAC-SHA1", "SHA256withRSA", Code::InvalidParameter),
            ("1.0", "2.0", Code::InvalidParameter),
            ("JuOv", "Ju v", Code::IncompleteSignature),
            ("JuOv", &"JuOv".repeat(40), Code::IncompleteSignature),
        ] {
            assert_eq!(refusal(&whole.replace(from, to)).code, code, "{to}");
        }
        assert_eq!(refusal(&format!("{whole}&SignatureType=BEARERTOKEN")).code, Code::InvalidParameter);
        assert!(!verify(Method::GET, &format!("{whole}&SignatureType="), "", "s"));
        assert!(!verify(Method::GET, &whole.replace("JuOvGx5wwlrjtepoVvcSy%2BC4J48%3D", ""), "", "s"));
    }
}
