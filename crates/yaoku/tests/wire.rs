//! The protocol as a client without an SDK sees it: schemes, places of parameters, formats, clocks and nonces.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use support::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Client, Server, encode, utc};
use yaoku_crypto::mac::{self, Hash};

/// The server of the tests that run at present; it ends with the last of them.
struct Shared {
    server: Server,
    _dir: tempfile::TempDir,
}

impl std::ops::Deref for Shared {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

fn server() -> Arc<Shared> {
    static RUNNING: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap();
    running.upgrade().unwrap_or_else(|| {
        let dir = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared { server: Server::start(&dir.path().join("data")), _dir: dir });
        *running = Arc::downgrade(&shared);
        shared
    })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A request of signature 1.0 whose every part can be changed.
#[derive(Clone)]
struct V1 {
    method: &'static str,
    hash: &'static str,
    params: Vec<(String, String)>,
    secret: String,
    /// How many of the parameters, in order of their names, stand in the form body.
    in_form: usize,
    /// Sent instead of a form, with the content type.
    body: Option<(&'static str, &'static str)>,
}

impl V1 {
    fn new(action: &str, own: &[(&str, &str)]) -> Self {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let nonce = format!("n-{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let timestamp = utc(now());
        let common = [
            ("Action", action),
            ("Version", "2016-01-20"),
            ("AccessKeyId", ACCESS_KEY_ID),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("SignatureType", ""),
            ("SignatureNonce", &nonce),
            ("Timestamp", &timestamp),
        ];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let params = common.iter().chain(own).map(owned).collect();
        Self { method: "POST", hash: "HMAC-SHA1", params, secret: ACCESS_KEY_SECRET.to_owned(), in_form: 0, body: None }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.params.retain(|(held, _)| held != name);
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.params.retain(|(held, _)| held != name);
        self
    }

    /// Status, content type and body of the answer.
    fn send(mut self) -> (u16, String, String) {
        if self.hash != "HMAC-SHA1" {
            self = self.clone().with("SignatureMethod", self.hash);
        }
        self.params.sort();
        let pairs: Vec<_> =
            self.params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let to_sign = format!("{}&%2F&{}", self.method, encode(&pairs.join("&")));
        let hash = if self.hash == "HMAC-SHA256" { Hash::Sha256 } else { Hash::Sha1 };
        let tag = mac::hmac(hash, format!("{}&", self.secret).as_bytes(), to_sign.as_bytes());
        let signature = format!("Signature={}", encode(&STANDARD.encode(tag.as_bytes())));
        // SDKs write a blank in the URL as a plus, and sign it as %20.
        let sent: Vec<_> = pairs.into_iter().chain([signature]).map(|pair| pair.replace("%20", "+")).collect();
        let (form, query) = sent.split_at(self.in_form.min(sent.len()));
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let url = format!("http://{}/?{}", server().address, query.join("&"));
        let answer = match self.method {
            "GET" => agent.get(url).call(),
            "POST" => match self.body {
                Some((content_type, body)) => agent.post(url).header("content-type", content_type).send(body),
                None => {
                    agent.post(url).header("content-type", "application/x-www-form-urlencoded").send(form.join("&"))
                }
            },
            _ => agent.delete(url).call(),
        };
        let mut answer = answer.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.body_mut().read_to_string().unwrap())
    }

    fn code(self) -> (u16, String) {
        let (status, _, body) = self.send();
        let body: Value = serde_json::from_str(&body).unwrap();
        (status, body["Code"].as_str().unwrap_or("ok").to_owned())
    }
}

/// The credentials of a session of a role that may do everything with keys: AccessKey id, secret and SecurityToken.
fn session(server: &Server) -> [String; 3] {
    let ram = server.client().at(support::RAM);
    let account = support::ACCOUNT;
    let trust = format!(
        r#"{{"Version":"1","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{account}:root"}}}}}}"#
    );
    ram.call("CreateUser", &[("UserName", "signer")]).ok();
    ram.call("CreateRole", &[("RoleName", "signed"), ("AssumeRolePolicyDocument", &trust)]).ok();
    let system = ("PolicyType", "System");
    let full = [system, ("PolicyName", "AliyunKMSFullAccess"), ("RoleName", "signed")];
    ram.call("AttachPolicyToRole", &full).ok();
    let assume = [system, ("PolicyName", "AliyunSTSAssumeRoleAccess"), ("UserName", "signer")];
    ram.call("AttachPolicyToUser", &assume).ok();
    let key = ram.call("CreateAccessKey", &[("UserName", "signer")]).ok();
    let role = format!("acs:ram::{account}:role/signed");
    let mut assume = V1::new("AssumeRole", &[("RoleArn", &role), ("RoleSessionName", "s1")])
        .with("Version", support::STS)
        .with("Format", "JSON")
        .with("AccessKeyId", key.text("AccessKey/AccessKeyId"));
    assume.secret = key.text("AccessKey/AccessKeySecret").to_owned();
    let (status, _, body) = assume.send();
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    ["AccessKeyId", "AccessKeySecret", "SecurityToken"]
        .map(|name| body["Credentials"][name].as_str().unwrap().to_owned())
}

#[test]
fn a_session_signs_in_either_scheme_and_its_token_is_signed_too() {
    let server = server();
    let [id, secret, token] = session(&server);
    let older = |hash| {
        let mut call = V1::new("ListKeys", &[]).with("AccessKeyId", &id).with("SecurityToken", &token);
        (call.secret, call.hash) = (secret.clone(), hash);
        call
    };
    for hash in ["HMAC-SHA1", "HMAC-SHA256"] {
        for method in ["GET", "POST"] {
            assert_eq!(V1 { method, ..older(hash) }.code(), is(200, "ok"), "{method} {hash}");
        }
        // The token in the form body, as SDKs send it that put parameters there.
        assert_eq!(V1 { in_form: 20, ..older(hash) }.code(), is(200, "ok"), "{hash}, in the form");
        assert_eq!(older(hash).without("SecurityToken").code(), is(404, "InvalidAccessKeyId.NotFound"));
        assert_eq!(V1 { secret: "other".into(), ..older(hash) }.code(), is(400, "SignatureDoesNotMatch"));
        let first = if token.starts_with('A') { "B" } else { "A" };
        let broken = older(hash).with("SecurityToken", &format!("{first}{}", &token[1..]));
        assert_eq!(broken.code(), is(403, "InvalidSecurityToken.Malformed"));
    }
    let current = Client { access_key_id: id, secret, security_token: Some(token), ..server.client() };
    current.call("ListKeys", &[]).ok();
    let other = Client { secret: "other".into(), ..current };
    other.call("ListKeys", &[]).fails(400, "SignatureDoesNotMatch");
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn both_methods_both_hashes_and_every_split_between_query_and_form() {
    let server = server();
    let key = server.client().create_key(&[]);
    let own = [("KeyId", key.as_str()), ("Plaintext", "aGk="), ("EncryptionContext", r#"{"a b*~+&=":"值"}"#)];
    for hash in ["HMAC-SHA1", "HMAC-SHA256"] {
        let mut get = V1::new("Encrypt", &own);
        (get.method, get.hash) = ("GET", hash);
        assert_eq!(get.code(), is(200, "ok"), "GET {hash}");
        for in_form in 0..13 {
            let mut post = V1::new("Encrypt", &own);
            (post.hash, post.in_form) = (hash, in_form);
            assert_eq!(post.code(), is(200, "ok"), "POST {hash}, {in_form} in the form");
        }
    }
}

#[test]
fn json_and_xml() {
    let _server = server();
    let (_, kind, body) = V1::new("DescribeRegions", &[]).send();
    assert_eq!(kind, "application/json;charset=utf-8");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["Regions"]["Region"][0]["RegionId"], support::REGION);
    for format in ["XML", "xml", "Xml"] {
        let (status, kind, body) = V1::new("DescribeRegions", &[("Format", format)]).send();
        assert_eq!((status, kind.as_str()), (200, "text/xml;charset=utf-8"));
        assert!(
            body.contains("<KMS><Regions><Region><RegionId>cn-hangzhou</RegionId></Region></Regions><RequestId>"),
            "{body}"
        );
    }
    let (status, _, body) = V1::new("DescribeKey", &[("Format", "XML"), ("KeyId", "none")]).send();
    assert_eq!(status, 404);
    assert!(body.contains("<Code>Forbidden.KeyNotFound</Code>") && body.contains("<RequestId>"), "{body}");
    assert_eq!(V1::new("DescribeRegions", &[("Format", "YAML")]).code(), is(400, "InvalidParameter"));
}

#[test]
fn the_door_says_what_is_wrong() {
    let _server = server();
    let regions = || V1::new("DescribeRegions", &[]);
    let wrong_secret = V1 { secret: "wrong".into(), ..regions() };
    let other_method = V1 { method: "DELETE", ..regions() };
    let cases = [
        (regions(), is(200, "ok")),
        (wrong_secret, is(400, "SignatureDoesNotMatch")),
        (other_method, is(403, "UnsupportedHTTPMethod")),
        (regions().with("AccessKeyId", "nobody"), is(404, "InvalidAccessKeyId.NotFound")),
        (regions().without("AccessKeyId"), is(400, "MissingParameter")),
        (regions().without("Timestamp"), is(400, "MissingParameter")),
        (regions().with("Timestamp", "yesterday"), is(400, "InvalidTimeStamp.Format")),
        (regions().with("Timestamp", &utc(now() - 16 * 60)), is(400, "InvalidTimeStamp.Expired")),
        (regions().with("Timestamp", &utc(now() + 16 * 60)), is(400, "IllegalTimestamp")),
        (regions().with("Timestamp", &utc(now() - 14 * 60)), is(200, "ok")),
        (regions().with("Timestamp", &utc(now() + 14 * 60)), is(200, "ok")),
        (regions().with("SignatureVersion", "2.0"), is(400, "InvalidParameter")),
        (regions().with("SignatureMethod", "NONE"), is(400, "InvalidParameter")),
        (regions().with("Version", "2020-01-01"), is(400, "InvalidVersion")),
        (regions().with("Action", "MakeTea"), is(404, "InvalidAction.NotFound")),
        (regions().with("Action", "GetCertificate"), is(400, "UnsupportedOperation")),
        (regions().with("SecurityToken", "t"), is(403, "InvalidSecurityToken.MismatchWithAccessKey")),
        (regions().with("Unknown", "is ignored"), is(200, "ok")),
        (V1::new("Encrypt", &[("Plaintext", "aGk=")]), is(400, "MissingParameter")),
        (V1::new("OpenKmsService", &[]), is(400, "Forbidden.Opened")),
    ];
    for (at, (request, expected)) in cases.into_iter().enumerate() {
        let shown = format!("case {at}: {:?}", request.params);
        assert_eq!(request.code(), expected, "{shown}");
    }
}

#[test]
fn a_nonce_is_taken_once() {
    let _server = server();
    let request = V1::new("DescribeRegions", &[]);
    assert_eq!(request.clone().code(), is(200, "ok"));
    assert_eq!(request.clone().code(), is(400, "SignatureNonceUsed"));
    assert_eq!(request.with("Timestamp", &utc(now() - 60)).code(), is(400, "SignatureNonceUsed"));
    let without = V1::new("DescribeRegions", &[]).without("SignatureNonce");
    assert_eq!(without.clone().code(), is(200, "ok"), "the nonce is optional");
    assert_eq!(without.code(), is(400, "SignatureNonceUsed"), "the same request is still refused");
    // A request that was refused did not use its nonce.
    let nonce = V1::new("DescribeRegions", &[]);
    assert_eq!(V1 { secret: "wrong".into(), ..nonce.clone() }.code(), is(400, "SignatureDoesNotMatch"));
    assert_eq!(nonce.code(), is(200, "ok"));
}

#[test]
fn a_wrong_signature_shows_names_but_no_values() {
    let _server = server();
    let request = V1::new("Encrypt", &[("KeyId", "alias/x"), ("Plaintext", "cGxhbnRlZA==")]);
    let (_, _, body) = V1 { secret: "wrong".into(), ..request }.send();
    assert!(body.contains("Plaintext") && !body.contains("cGxhbnRlZA"), "{body}");
}

#[test]
fn tags_are_listed_page_by_page_each_once() {
    let server = server();
    let client = server.client();
    let tags: Vec<_> = (0..9).map(|n| format!(r#"{{"TagKey":"page-{n}","TagValue":"v"}}"#)).collect();
    let tags = format!("[{}]", tags.join(","));
    let keys: BTreeSet<_> = (0..50).map(|_| client.create_key(&[("Tags", &tags)])).collect();
    for foreign in ["x", "AAAA", keys.first().unwrap()] {
        let params = [("ResourceType", "key"), ("RegionId", support::REGION), ("NextToken", foreign)];
        client.call("ListTagResources", &params).fails(400, "InvalidParameter");
    }
    for filter in [&[][..], &[("Tag.1.Key", "page-3")], &[("Tag.1.Key", "page-3"), ("Tag.1.Value", "v")]] {
        let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let params =
                [&[("ResourceType", "key"), ("RegionId", support::REGION), ("NextToken", &token)], filter].concat();
            let page = client.call("ListTagResources", &params).ok();
            let listed = page.body["TagResources"]["TagResource"].as_array().unwrap();
            assert!(listed.len() <= 200);
            let pair = |tag: &Value| (tag["ResourceId"].to_string(), tag["TagKey"].to_string());
            seen.extend(listed.iter().map(pair).filter(|(_, key)| key.contains("page-")));
            pages += 1;
            match page.body["NextToken"].as_str() {
                Some(next) => {
                    // It may stand behind a key that the caller may not know of.
                    assert!(!keys.iter().any(|key| next.contains(key.as_str()) || key.contains(next)), "{next}");
                    token = next.to_owned();
                }
                None => break,
            }
        }
        let once: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!((seen.len(), once.len()), (450, 450), "{filter:?}");
        assert!(pages >= 3 && once.iter().all(|(key, _)| keys.contains(key.trim_matches('"'))));
    }
}

#[test]
fn operators_pages() {
    let server = server();
    let client = server.client();
    client.create_key(&[]);
    assert_eq!(client.page("/healthz").0, 200);
    assert_eq!(client.page("/readyz").0, 200);
    let (status, metrics) = client.page("/metrics");
    assert_eq!(status, 200);
    for wanted in [
        "yaoku_requests_total{protocol=\"aliyun\",service=\"Kms\",action=\"CreateKey\",outcome=\"ok\"}",
        "yaoku_keys{state=\"Enabled\"}",
        "yaoku_scheduler_lag",
    ] {
        assert!(metrics.contains(wanted), "no {wanted} in {metrics}");
    }
}

#[test]
fn secrets_appear_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start_with(&data, |command| {
        command.args(["--log", "trace"]);
    });
    let client = server.client();
    let planted = "planted plaintext 51f0c2";
    let (text, context) = (STANDARD.encode(planted), r#"{"k":"planted-context-51f0c2"}"#);
    let key = client.create_key(&[]);
    let params = [("KeyId", key.as_str()), ("Plaintext", text.as_str()), ("EncryptionContext", context)];
    let blob = client.call("Encrypt", &params).ok().text("CiphertextBlob").to_owned();
    client.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(400, "InvalidParameter");
    client.call("Decrypt", &[("CiphertextBlob", &blob), ("EncryptionContext", context)]).ok();
    let data_key = client.call("GenerateDataKey", &[("KeyId", &key)]).ok().text("Plaintext").to_owned();
    client.call("Encrypt", &[("KeyId", "alias/none"), ("Plaintext", &text)]).fails(404, "Forbidden.AliasNotFound");
    client.call("Encrypt", &[("KeyId", &key), ("Plaintext", "not base64 planted-51f0c2")]).ok();
    client.call("Decrypt", &[("CiphertextBlob", "not base64 planted-51f0c2")]).fails(400, "InvalidParameter");
    let wrong = support::Client { secret: "planted-wrong-secret-51f0c2".into(), ..server.client() };
    wrong.call("Encrypt", &params).fails(400, "SignatureDoesNotMatch");
    let metrics = client.page("/metrics").1;
    let greeting = server.greeting.clone();
    std::thread::sleep(Duration::from_millis(1));
    server.terminate();
    let log = std::fs::read_to_string(support::log_of(&data)).unwrap();
    assert!(log.contains("Encrypt"), "the log has the calls: {log}");
    let raw = STANDARD.decode(&data_key).unwrap();
    let secrets = [
        planted.as_bytes(),
        text.as_bytes(),
        b"planted-context-51f0c2",
        b"planted-51f0c2",
        b"planted-wrong-secret-51f0c2",
        ACCESS_KEY_SECRET.as_bytes(),
        data_key.as_bytes(),
        &raw,
    ];
    let mut places = vec![
        ("the log", log.into_bytes()),
        ("the metrics", metrics.into_bytes()),
        ("standard output", greeting.into_bytes()),
    ];
    for path in support::files_below(&data) {
        places.push(("a file of the data directory", std::fs::read(path).unwrap()));
    }
    for (place, bytes) in &places {
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{} is in {place}", String::from_utf8_lossy(secret));
        }
    }
}

/// What the element of that name holds, where it holds text without references.
fn element<'a>(document: &'a str, name: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
}

#[test]
fn text_that_is_no_base64_comes_back_exactly_as_it_was_sent() {
    let server = server();
    let client = server.client();
    let key = client.create_key(&[]);
    let longest = "é".repeat(3072);
    let texts = [
        "abcdefg",
        "a",
        "aGVsbG8",
        "aGVsbG9=",
        "aGVsbG8==",
        "-_8=",
        " aGVsbG8=",
        "pass word!",
        "数据库口令",
        "\u{1}\u{7f}\0",
        "abc\ndef\r\n",
        "aGVs bG8=\n",
        "{\"json\":true}",
        "<&>\"'",
        "%41+b",
        &longest,
    ];
    for text in texts {
        let blob = client.encrypt(&key, text);
        let opened = client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok();
        assert_eq!(opened.text("Plaintext"), text);
        client
            .call("Decrypt", &[("CiphertextBlob", &blob), ("EncryptionContext", r#"{"a":"b"}"#)])
            .fails(400, "InvalidParameter");
        // The mark is a part of what is sealed.
        let mut bytes = STANDARD.decode(&blob).unwrap();
        bytes[0] ^= 0x80;
        client.call("Decrypt", &[("CiphertextBlob", &STANDARD.encode(bytes))]).fails(400, "InvalidParameter");
        let to = client.create_key(&[("KeySpec", "Aliyun_SM4")]);
        let moved = client.call("ReEncrypt", &[("CiphertextBlob", &blob), ("DestinationKeyId", &to)]).ok();
        let opened = client.call("Decrypt", &[("CiphertextBlob", moved.text("CiphertextBlob"))]).ok();
        assert_eq!(opened.text("Plaintext"), text, "after ReEncrypt");
    }
    for (text, same) in [("aGVsbG8=", "aGVsbG8="), ("aGVs\r\nbG8=\n", "aGVsbG8="), ("\nAAAA\nAAAA\n", "AAAAAAAA")] {
        let opened = client.call("Decrypt", &[("CiphertextBlob", &client.encrypt(&key, text))]).ok();
        assert_eq!(opened.text("Plaintext"), same, "canonical base64 is bytes");
    }
    for refused in ["", "\n", &format!("{longest}!"), &"A".repeat(8196)] {
        client.call("Encrypt", &[("KeyId", &key), ("Plaintext", refused)]).fails(400, "InvalidParameter");
    }
}

#[test]
fn text_is_said_in_xml_where_xml_can_say_it() {
    let server = server();
    let client = server.client();
    let key = client.create_key(&[]);
    let decrypt = |blob: &str| V1::new("Decrypt", &[("CiphertextBlob", blob), ("Format", "XML")]).send();
    let (status, _, body) = decrypt(&client.encrypt(&key, " two words "));
    assert_eq!((status, element(&body, "Plaintext")), (200, " two words "));
    let (status, _, body) = decrypt(&client.encrypt(&key, "a\0b"));
    assert_eq!((status, element(&body, "Code")), (400, "InvalidParameter"));
    assert!(element(&body, "Message").contains("XML"), "{body}");
}

#[test]
fn a_text_is_exported_as_its_bytes_and_public_keys_take_no_text() {
    let server = server();
    let client = server.client();
    let key = client.create_key(&[]);
    let pair = client.create_key(&[("KeySpec", "RSA_2048"), ("KeyUsage", "ENCRYPT/DECRYPT")]);
    let version = client.version(&pair);
    let named = [("KeyId", pair.as_str()), ("KeyVersionId", version.as_str())];
    let public = client.call("GetPublicKey", &named).ok();
    let der: String = public.text("PublicKey").lines().filter(|line| !line.starts_with("--")).collect();
    let algorithm = ("Algorithm", "RSAES_OAEP_SHA_256");
    let export = client.call(
        "ExportDataKey",
        &[
            ("CiphertextBlob", &client.encrypt(&key, "abcdefg")),
            ("PublicKeyBlob", &der),
            ("WrappingKeySpec", "RSA_2048"),
            ("WrappingAlgorithm", algorithm.1),
        ],
    );
    let wrapped = export.ok().text("ExportedDataKey").to_owned();
    let opened =
        client.call("AsymmetricDecrypt", &[&named[..], &[algorithm, ("CiphertextBlob", &wrapped)]].concat()).ok();
    assert_eq!(opened.text("Plaintext"), STANDARD.encode("abcdefg"));
    let moved = client.call(
        "ReEncrypt",
        &[
            ("CiphertextBlob", wrapped.as_str()),
            ("SourceKeyId", &pair),
            ("SourceKeyVersionId", &version),
            ("SourceEncryptionAlgorithm", algorithm.1),
            ("DestinationKeyId", &key),
        ],
    );
    let opened = client.call("Decrypt", &[("CiphertextBlob", moved.ok().text("CiphertextBlob"))]).ok();
    assert_eq!(opened.text("Plaintext"), STANDARD.encode("abcdefg"));
    let encrypt = |text| client.call("AsymmetricEncrypt", &[&named[..], &[algorithm, ("Plaintext", text)]].concat());
    encrypt("aGVs\nbG8=").ok();
    for text in ["abcdefg", "aGVsbG8", "not base64"] {
        encrypt(text).fails(400, "InvalidParameter");
    }
}

#[test]
fn line_breaks_are_taken_wherever_base64_is_read() {
    let server = server();
    let client = server.client();
    let broken = |text: &str| {
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\r\n")
            + "\n"
    };
    let blob = client.encrypt(&client.create_key(&[]), "aGk=");
    assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &broken(&blob))]).ok().text("Plaintext"), "aGk=");
    let unpadded = blob.trim_end_matches('=');
    if unpadded != blob {
        client.call("Decrypt", &[("CiphertextBlob", unpadded)]).fails(400, "InvalidParameter");
    }
    let key = client.create_key(&[("KeySpec", "HMAC_SHA256")]);
    let mac = [("KeyId", key.as_str()), ("Algorithm", "HMAC_SHA_256"), ("Message", "aGk\n=")];
    let code = client.call("GenerateMac", &mac).ok().text("Mac").to_owned();
    let joined = [("KeyId", key.as_str()), ("Algorithm", "HMAC_SHA_256"), ("Message", "aGk="), ("Mac", &broken(&code))];
    assert_eq!(client.call("VerifyMac", &joined).ok().body["Value"], true);
}

#[test]
fn a_timestamp_may_have_milliseconds_and_no_nonce() {
    let _server = server();
    let with = |millis: &str| {
        let timestamp = utc(now()).replace('Z', &format!(".{millis}Z"));
        V1::new("DescribeRegions", &[]).without("SignatureNonce").with("Timestamp", &timestamp)
    };
    let [one, other] = ["007", "991"].map(with);
    assert_eq!(one.clone().code(), is(200, "ok"));
    assert_eq!(other.code(), is(200, "ok"), "another request of the same second");
    assert_eq!(one.code(), is(400, "SignatureNonceUsed"));
    assert_eq!(with("x").code(), is(400, "InvalidTimeStamp.Format"));
}

#[test]
fn the_number_of_bytes_counts_before_the_key_spec() {
    let server = server();
    let client = server.client();
    let key = client.create_key(&[]);
    for spec in ["AES_128", "AES_256", "Aliyun_AES_256", "whatever"] {
        let own = [("KeyId", key.as_str()), ("KeySpec", spec), ("NumberOfBytes", "7")];
        let made = client.call("GenerateDataKey", &own).ok();
        assert_eq!(STANDARD.decode(made.text("Plaintext")).unwrap().len(), 7, "{spec}");
        client.call("GenerateDataKeyWithoutPlaintext", &own).ok();
    }
    client.call("GenerateDataKey", &[("KeyId", &key), ("KeySpec", "whatever")]).fails(400, "InvalidParameter");
    client.call("GenerateDataKey", &[("KeyId", &key), ("NumberOfBytes", "0")]).fails(400, "InvalidParameter");
}

#[test]
fn a_context_is_one_map_however_it_is_spelled() {
    let server = server();
    let client = server.client();
    let key = client.create_key(&[]);
    let own = [("KeyId", key.as_str()), ("Plaintext", "aGk=")];
    let list = [
        ("EncryptionContext.1.Key", "a"),
        ("EncryptionContext.1.Value", "1"),
        ("EncryptionContext.2.Key", "b.c"),
        ("EncryptionContext.2.Value", ""),
    ];
    let entries = [("EncryptionContext.a", "1"), ("EncryptionContext.b.c", "")];
    let json = [("EncryptionContext", r#"{"b.c":"","a":"1"}"#)];
    let spellings = [&list[..], &entries, &json];
    for one in spellings {
        let made = client.call("Encrypt", &[&own[..], one].concat()).ok();
        let blob = [("CiphertextBlob", made.text("CiphertextBlob"))];
        for other in spellings {
            client.call("Decrypt", &[&blob[..], other].concat()).ok();
        }
        client.call("Decrypt", &blob).fails(400, "InvalidParameter");
    }
    for (wrong, code) in [
        (&list[..3], "MissingParameter"),
        (&list[1..], "MissingParameter"),
        (&list[2..], "MissingParameter"),
        (&[list[0], list[1], entries[1]], "InvalidParameter"),
        (&[list[0], list[1], json[0]], "InvalidParameter"),
        (&[list[0], list[1], ("EncryptionContext.2.Key", "a"), ("EncryptionContext.2.Value", "2")], "InvalidParameter"),
        (&[("EncryptionContext.0.Key", "a"), ("EncryptionContext.0.Value", "1")], "InvalidParameter"),
    ] {
        client.call("Encrypt", &[&own[..], wrong].concat()).fails(400, code);
    }
}

#[test]
fn a_tag_without_a_value_has_an_empty_one() {
    let server = server();
    let client = server.client();
    let key = client.create_key(&[]);
    let named = [("ResourceType", "key"), ("RegionId", support::REGION), ("ResourceId.1", key.as_str())];
    let tags =
        [("Tag.1.Key", "bare"), ("Tag.2.Key", "empty"), ("Tag.2.Value", ""), ("Tag.3.Key", "k"), ("Tag.3.Value", "v")];
    client.call("TagResources", &[&named[..], &tags].concat()).ok();
    client.call("TagResource", &[("KeyId", &key), ("Tags", r#"[{"TagKey":"json"}]"#)]).ok();
    let listed = client.call("ListResourceTags", &[("KeyId", &key)]).ok();
    let value =
        |tag: &Value| (tag["TagKey"].as_str().unwrap().to_owned(), tag["TagValue"].as_str().unwrap().to_owned());
    let listed: BTreeSet<_> = listed.body["Tags"]["Tag"].as_array().unwrap().iter().map(value).collect();
    let expected = [("bare", ""), ("empty", ""), ("json", ""), ("k", "v")];
    assert_eq!(listed, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    client.call("TagResources", &[&named[..], &[("Tag.1.Value", "v")]].concat()).fails(400, "MissingParameter");
}

#[test]
fn an_expiry_in_milliseconds_is_told_from_one_in_seconds() {
    let server = server();
    let client = server.client();
    let key = client.create_key(&[("Origin", "EXTERNAL")]);
    let expiry = format!("{}", (now() + 86_400) * 1000);
    let own = [("KeyId", key.as_str()), ("EncryptedKeyMaterial", "AAAA"), ("ImportToken", "AAAA")];
    let answer = client.call("ImportKeyMaterial", &[&own[..], &[("KeyMaterialExpireUnix", &expiry)]].concat());
    answer.fails(400, "InvalidParameter");
    assert!(
        answer.text("Message").contains("KeyMaterialExpireUnix") && answer.text("Message").contains("milliseconds")
    );
}

#[test]
fn each_api_answers_in_its_own_format_unless_asked() {
    let _server = server();
    for (version, action, kind) in [
        (support::KMS, "ListKeys", "application/json;charset=utf-8"),
        (support::RAM, "ListUsers", "text/xml;charset=utf-8"),
        (support::STS, "GetCallerIdentity", "text/xml;charset=utf-8"),
        (support::ACTIONTRAIL, "LookupEvents", "text/xml;charset=utf-8"),
    ] {
        let call = || V1::new(action, &[]).with("Version", version);
        let (status, sent, body) = call().send();
        assert_eq!((status, sent.as_str()), (200, kind), "{body}");
        let (status, sent, _) = V1 { secret: "wrong".into(), ..call() }.send();
        assert_eq!((status, sent.as_str()), (400, kind), "errors of {action}");
        let (status, sent, body) = call().with("Format", "JSON").send();
        assert_eq!((status, sent.as_str()), (200, "application/json;charset=utf-8"), "{body}");
    }
}

#[test]
fn a_body_that_is_no_form_is_refused_by_its_content_type() {
    let _server = server();
    let with = |content_type, body| V1 { body: Some((content_type, body)), ..V1::new("DescribeRegions", &[]) };
    for (content_type, named) in [
        ("application/json; charset=utf-8", "application/json"),
        ("multipart/form-data; boundary=xyz", "multipart/form-data"),
    ] {
        let (status, _, body) = with(content_type, "{}").send();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["Code"].as_str()), (400, Some("ParseRequestParameterException")));
        assert!(body["Message"].as_str().unwrap().contains(&format!("content type {named};")), "{body}");
        assert_eq!(with(content_type, "").code(), is(200, "ok"), "nothing is lost with an empty body");
    }
}

/// Status, `Allow`, `Content-Length` and what came as content, over HTTP/1.1 or HTTP/2.
async fn asked(
    address: &str,
    method: &str,
    path: &str,
    is_second: bool,
) -> (u16, Option<String>, Option<String>, usize) {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let uri = format!("http://{address}{path}");
    let request = http::Request::builder().method(method).uri(uri).header("host", address);
    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = if is_second {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, allow, length) = (response.status().as_u16(), header("allow"), header("content-length"));
    let content = response.into_body().collect().await.unwrap().to_bytes();
    (status, allow, length, content.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_pages_know_their_methods_and_leave_no_records() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let address = server.client().address;
    for is_second in [false, true] {
        for page in ["/healthz", "/readyz"] {
            let (status, _, length, content) = asked(&address, "GET", page, is_second).await;
            assert_eq!(status, 200);
            let head = asked(&address, "HEAD", page, is_second).await;
            assert_eq!((head.0, head.3), (200, 0), "{page}");
            assert!(content > 0 && head.2.is_none_or(|said| said == content.to_string()), "{page}: {length:?}");
            let allowed = Some("GET, HEAD, OPTIONS".to_owned());
            assert_eq!(asked(&address, "OPTIONS", page, is_second).await.1, allowed);
            let refused = asked(&address, "DELETE", page, is_second).await;
            assert_eq!((refused.0, refused.1), (405, allowed));
        }
        assert_eq!(asked(&address, "HEAD", "/metrics", is_second).await.3, 0);
        let path = asked(&address, "OPTIONS", "/", is_second).await;
        assert_eq!((path.0, path.1.as_deref()), (204, Some("GET, POST, OPTIONS")));
        assert_eq!(asked(&address, "HEAD", "/", is_second).await.3, 0);
    }
    // HEAD on the API's path is a call, and refused; nothing else of this was one.
    let records = support::records(&data);
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records.iter().all(|record| record["errorCode"] == "UnsupportedHTTPMethod"));
}
