//! Signatures of published SDKs, from requests as they came over a socket; `captured/README.md` says how they were made.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::HOST};
use yaoku_crypto::{Secret, mac::SigningSecret};

use super::{
    Code, Params, Received, WireError,
    credentials::{Scheme, authentication},
    params,
};

macro_rules! captured {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("captured/", $name, ".http")).as_slice()),)*]
    };
}

const V1: [(&str, &[u8]); 9] = captured![
    "python-v1",
    "python-core-v1-form",
    "python-core-v1-get",
    "node-pop-core-get",
    "node-pop-core-post",
    "go-core-v1-get",
    "go-core-v1-post",
    "java-core-v1",
    // The vector of the protocol's description, with HMAC-SHA256.
    "vector-v1-sha256",
];
const ACS3: [(&str, &[u8]); 12] = captured![
    "python-acs3-sha256",
    "python-acs3-sm3",
    "python-acs3-sts",
    "python-acs3-list",
    "python-acs3-form",
    "python-acs3-empty-form",
    "node-acs3",
    "go-acs3",
    "java-core-acs3",
    "java-core-acs3-sm3",
    "java-tea-acs3",
    // The vector of the protocol's description.
    "vector-acs3",
];

/// A request that tests may tamper with.
struct Request {
    method: Method,
    uri: Uri,
    authority: Option<String>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    fn captured(name: &str) -> Self {
        let all = V1.iter().chain(&ACS3);
        Self::parse(all.filter(|(known, _)| *known == name).map(|(_, bytes)| bytes).next().unwrap())
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let mut request_line = lines.next().unwrap().split(' ');
        let method = request_line.next().unwrap().parse().unwrap();
        let uri = request_line.next().unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.parse::<HeaderName>().unwrap(), value.trim().parse::<HeaderValue>().unwrap())
        };
        Self { method, uri, authority: None, headers: lines.map(header).collect(), body: bytes[end + 4..].to_vec() }
    }

    /// The outcome of reading the request's claim and checking it against a secret.
    fn check<T>(
        &self,
        secret: &str,
        see: impl FnOnce(&Received<'_>, &super::Authentication<'_>) -> T,
    ) -> Result<T, WireError> {
        let form = params::form(&self.headers, &self.body)?;
        let params = Params::parse(self.uri.query().unwrap_or_default().as_bytes(), form)?;
        let received = Received {
            method: &self.method,
            path: self.uri.path(),
            authority: self.authority.as_deref(),
            headers: &self.headers,
            params: &params,
            body: &self.body,
        };
        let authentication = authentication(&received)?;
        let secret = SigningSecret::from(Secret::new(secret.into()));
        if authentication.verify(secret.verifier()).is_some() {
            Ok(see(&received, &authentication))
        } else {
            Err(authentication.mismatch())
        }
    }

    fn verdict(&self) -> Result<(), Code> {
        self.check("testsecret", |_, _| ()).map_err(|error| error.code)
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        self
    }

    fn edit(&mut self, name: &str, edit: impl FnOnce(&str) -> String) -> &mut Self {
        let value = edit(self.headers[name].to_str().unwrap());
        self.set(name, &value)
    }
}

#[test]
fn every_sdk_is_accepted() {
    for (scheme, requests) in [(Scheme::V1, &V1[..]), (Scheme::Acs3, &ACS3[..])] {
        for (name, bytes) in requests {
            let outcome = Request::parse(bytes).check("testsecret", |received, authentication| {
                assert_eq!(authentication.scheme(), scheme, "{name}");
                assert_eq!(authentication.access_key_id, "testid", "{name}");
                assert_eq!(authentication.version, "2016-01-20", "{name}");
                // 2026-11-24, all of them.
                assert_eq!(authentication.timestamp / 86_400, 20_781, "{name}");
                assert!(!authentication.nonce().is_empty(), "{name}");
                if authentication.action == "Encrypt" {
                    assert_eq!(received.params.get("KeyId"), Some("alias/a b*~"), "{name}");
                    assert_eq!(received.params.get("EncryptionContext"), Some("{\"k\":\"值\"}"), "{name}");
                }
            });
            assert_eq!(outcome, Ok(()), "{name}");
        }
    }
}

#[test]
fn another_secret_is_refused_without_values() {
    for (name, bytes) in V1.iter().chain(&ACS3) {
        let refusal = Request::parse(bytes).check("othersecret", |_, _| ()).unwrap_err();
        assert_eq!(refusal.code, Code::SignatureDoesNotMatch, "{name}");
        for value in ["aGVsbG8", "alias%2Fa", "testid", "AQ%3D"] {
            assert!(!refusal.message.contains(value), "{name}: {refusal}");
        }
    }
}

#[test]
fn any_changed_byte_of_the_target_or_body_is_refused() {
    for (name, bytes) in V1.iter().chain(&ACS3) {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let target = bytes
            .iter()
            .position(|&byte| byte == b'?')
            .map_or(0..0, |at| at + 1..bytes.windows(5).position(|w| w == b" HTTP").unwrap());
        for at in target.chain(end..bytes.len()) {
            let mut changed = bytes.to_vec();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            if changed == **bytes {
                continue;
            }
            assert!(Request::parse(&changed).verdict().is_err(), "{name} at {at}");
        }
    }
}

#[test]
fn a_security_token_comes_with_the_claim() {
    let token = Request::captured("python-acs3-sts")
        .check("testsecret", |_, authentication| authentication.security_token.map(str::to_owned));
    assert_eq!(token.unwrap().as_deref(), Some("tok/en+="));
    let mut added = Request::captured("python-acs3-sha256");
    assert_eq!(added.set("x-acs-security-token", "tok").verdict(), Err(Code::IncompleteSignature));
}

#[test]
fn http2_signs_its_authority_as_host() {
    let mut request = Request::captured("python-acs3-sha256");
    let host = request.headers.remove(HOST).unwrap();
    assert_eq!(request.verdict(), Err(Code::IncompleteSignature));
    request.authority = Some(host.to_str().unwrap().to_owned());
    assert_eq!(request.verdict(), Ok(()));
    request.authority = Some("elsewhere".into());
    assert_eq!(request.verdict(), Err(Code::SignatureDoesNotMatch));
}

#[test]
fn acs3_refuses_what_the_signature_does_not_hold() {
    let verdict = |edit: fn(&mut Request)| {
        let mut request = Request::captured("python-acs3-form");
        edit(&mut request);
        request.verdict()
    };
    assert_eq!(
        verdict(|request| {
            request.set("x-acs-action", "Decrypt");
        }),
        Err(Code::SignatureDoesNotMatch)
    );
    assert_eq!(
        verdict(|request| {
            request.set("x-acs-signature-nonce", "n-2");
        }),
        Err(Code::SignatureDoesNotMatch)
    );
    assert_eq!(verdict(|request| request.method = Method::GET), Err(Code::SignatureDoesNotMatch));
    assert_eq!(verdict(|request| request.body.clear()), Err(Code::SignatureDoesNotMatch));
    assert_eq!(verdict(|request| request.uri = "/x".parse().unwrap()), Err(Code::SignatureDoesNotMatch));
    for name in ["x-acs-action", "x-acs-date", "accept", "x-acs-content-sha256"] {
        let mut request = Request::captured("python-acs3-form");
        request.headers.remove(name);
        assert_eq!(request.verdict(), Err(Code::IncompleteSignature), "{name}");
        let mut request = Request::captured("python-acs3-form");
        request.headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static("x"));
        assert_eq!(request.verdict(), Err(Code::IncompleteSignature), "{name}");
        if name != "accept" {
            let mut request = Request::captured("python-acs3-form");
            request.edit("authorization", |text| text.replace(&format!("{name};"), ""));
            assert_eq!(request.verdict(), Err(Code::IncompleteSignature), "{name}");
        }
    }
    assert_eq!(
        verdict(|request| {
            request.set("x-acs-date", "yesterday");
        }),
        Err(Code::InvalidTimeStampFormat)
    );
    assert_eq!(
        verdict(|request| {
            request.set("x-acs-signature-nonce", "");
        }),
        Err(Code::MissingParameter)
    );
}

#[test]
fn acs3_takes_an_authorization_apart() {
    let verdict =
        |edit: &dyn Fn(&str) -> String| Request::captured("python-acs3-sha256").edit("authorization", edit).verdict();
    assert_eq!(verdict(&|text| text.replace(',', ", ")), Ok(()));
    assert_eq!(verdict(&|text| format!("{} ", text.replace(',', " ,\t"))), Ok(()));
    let replaced = |from: &'static str, to: &'static str| verdict(&move |text| text.replace(from, to));
    for (from, to) in [
        ("Credential=testid,", ""),
        ("Credential=testid", "Credential="),
        ("Credential=testid", "Credential"),
        ("Signature=", "Signature=ab,Signature="),
        ("Signature=", "Other=ab,Signature="),
        ("SignedHeaders=", "Signed="),
        ("ACS3-HMAC-SHA256", "ACS3-RSA-SHA256"),
        ("ACS3-HMAC-SHA256 ", "ACS3-HMAC-SHA256"),
        ("accept;host", "accept;accept;host"),
        ("accept;host", "Accept;host"),
        ("accept;host", ";host"),
        ("accept;host", "acc ept;host"),
        ("accept;host", "accept;host;absent"),
    ] {
        assert_eq!(replaced(from, to), Err(Code::IncompleteSignature), "{from} → {to}");
    }
    assert_eq!(verdict(&|text| text.replace("accept;", &"a;".repeat(65))), Err(Code::IncompleteSignature));
    assert_eq!(
        replaced("Credential=testid", "Credential=other"),
        Ok(()),
        "the secret of the AccessKey is what decides"
    );
    let capitals = |text: &str| {
        text.rsplit_once('=').map(|(before, digits)| format!("{before}={}", digits.to_uppercase())).unwrap()
    };
    assert_eq!(verdict(&capitals), Ok(()));
    assert_eq!(replaced("accept;", ""), Err(Code::SignatureDoesNotMatch));
    assert_eq!(replaced("Signature=", "Signature=0"), Err(Code::SignatureDoesNotMatch));
}

#[test]
fn another_authorization_leaves_it_to_the_parameters() {
    assert_eq!(Request::captured("python-v1").set("authorization", "Basic YTpi").verdict(), Ok(()));
    let mut request = Request::captured("python-v1");
    request.uri = "/?Action=Encrypt".parse().unwrap();
    assert_eq!(request.check("s", |_, _| ()), Err(WireError::missing_parameter("AccessKeyId")));
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn authorizations_never_panic(text in "(ACS3-HMAC-SHA256|ACS3-HMAC-SM3|ACS3-) ?((Credential|SignedHeaders|Signature|x)?=?[a-z;: ]{0,8},? ?){0,5}") {
            let mut request = Request::captured("python-acs3-sha256");
            prop_assert!(request.set("authorization", text.trim()).verdict().is_err());
        }

        #[test]
        fn headers_never_panic(name in "x-acs-(date|action|version|signature-nonce|content-sha256|security-token)", value in prop::collection::vec(prop_oneof![Just(b'\t'), 32u8..127, 128u8..=255], 0..40)) {
            let mut request = Request::captured("python-acs3-sha256");
            request.headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(&value).unwrap());
            prop_assert!(request.verdict().is_err());
        }
    }
}
