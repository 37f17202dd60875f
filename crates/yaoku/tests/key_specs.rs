//! What keys of each spec do over the wire, and what every wrong pairing of spec, usage and algorithm answers.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use support::{Answer, Client, Server};

const DIGEST: [u8; 32] = [0x5a; 32];
/// Specs of key pairs, each with its signing algorithms, and its encryption algorithms with how much they take.
type Pair = (&'static str, &'static [&'static str], &'static [(&'static str, usize)]);
const PAIRS: &[Pair] = &[
    ("RSA_2048", &["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"], &[("RSAES_OAEP_SHA_256", 190), ("RSAES_OAEP_SHA_1", 214)]),
    ("RSA_3072", &["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"], &[("RSAES_OAEP_SHA_256", 318), ("RSAES_OAEP_SHA_1", 342)]),
    ("RSA_4096", &["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"], &[("RSAES_OAEP_SHA_256", 446), ("RSAES_OAEP_SHA_1", 470)]),
    ("EC_P256", &["ECDSA_SHA_256"], &[]),
    ("EC_P256K", &["ECDSA_SHA_256"], &[]),
    ("EC_SM2", &["SM2DSA"], &[("SM2PKE", 6047)]),
    ("ML_DSA_44", &["ML_DSA"], &[]),
    ("ML_DSA_65", &["ML_DSA"], &[]),
    ("ML_DSA_87", &["ML_DSA"], &[]),
];
const SIGNING: [&str; 5] = ["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256", "ECDSA_SHA_256", "SM2DSA", "ML_DSA"];
const ENCRYPTION: [&str; 3] = ["RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1", "SM2PKE"];
const MACS: [(&str, &str, usize); 5] = [
    ("HMAC_SHA224", "HMAC_SHA_224", 28),
    ("HMAC_SHA256", "HMAC_SHA_256", 32),
    ("HMAC_SHA384", "HMAC_SHA_384", 48),
    ("HMAC_SHA512", "HMAC_SHA_512", 64),
    ("HMAC_SM3", "HMAC_SM3", 32),
];
const SYMMETRIC: [&str; 4] = ["Aliyun_AES_256", "Aliyun_AES_192", "Aliyun_AES_128", "Aliyun_SM4"];

/// A version of a key pair, to call actions with.
struct Named {
    key: String,
    version: String,
}

impl Named {
    fn new(client: &Client, spec: &str, usage: &str) -> Self {
        let key = client.create_key(&[("KeySpec", spec), ("KeyUsage", usage)]);
        Self { version: client.version(&key), key }
    }

    fn call(&self, client: &Client, action: &str, params: &[(&str, &str)]) -> Answer {
        let named = [("KeyId", self.key.as_str()), ("KeyVersionId", self.version.as_str())];
        client.call(action, &[&named[..], params].concat())
    }
}

#[test]
fn signatures_of_every_spec_and_no_other_algorithm() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let digest = STANDARD.encode(DIGEST);
    for (spec, signing, _) in PAIRS {
        let pair = Named::new(&client, spec, "SIGN/VERIFY");
        for algorithm in SIGNING {
            let params = [("Algorithm", algorithm), ("Digest", digest.as_str())];
            let signed = pair.call(&client, "AsymmetricSign", &params);
            if !signing.contains(&algorithm) {
                signed.fails(400, "InvalidParameter");
                assert!(signed.text("Message").contains("\"Algorithm\""), "{signed:?}");
                continue;
            }
            let value = signed.ok().text("Value").to_owned();
            let verify = |digest: &str, value: &str| {
                let params = [("Algorithm", algorithm), ("Digest", digest), ("Value", value)];
                pair.call(&client, "AsymmetricVerify", &params).ok().body["Value"].as_bool().unwrap()
            };
            assert!(verify(&digest, &value), "{spec} {algorithm}");
            assert!(!verify(&STANDARD.encode([0; 32]), &value), "{spec} {algorithm}: another digest");
            let mut damaged = STANDARD.decode(&value).unwrap();
            *damaged.last_mut().unwrap() ^= 1;
            assert!(!verify(&digest, &STANDARD.encode(damaged)), "{spec} {algorithm}: a damaged signature");
            assert!(!verify(&digest, "AAAA"), "{spec} {algorithm}: no signature");
            if algorithm != "ML_DSA" {
                let short = STANDARD.encode([1; 31]);
                let refused = pair.call(&client, "AsymmetricSign", &[("Algorithm", algorithm), ("Digest", &short)]);
                refused.fails(400, "InvalidParameter");
                assert!(refused.text("Message").contains("\"Digest\"") && refused.text("Message").contains("32 bytes"));
            }
        }
        for (action, params) in [
            ("AsymmetricEncrypt", [("Algorithm", "SM2PKE"), ("Plaintext", "aGk=")]),
            ("AsymmetricDecrypt", [("Algorithm", "SM2PKE"), ("CiphertextBlob", "aGk=")]),
        ] {
            pair.call(&client, action, &params).fails(400, "UnsupportedOperation");
        }
    }
}

#[test]
fn public_key_encryption_of_every_spec_to_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let symmetric = client.create_key(&[]);
    for (spec, _, encryption) in PAIRS.iter().filter(|(_, _, encryption)| !encryption.is_empty()) {
        let pair = Named::new(&client, spec, "ENCRYPT/DECRYPT");
        for algorithm in ENCRYPTION {
            let Some((_, limit)) = encryption.iter().find(|(name, _)| *name == algorithm) else {
                let refused =
                    pair.call(&client, "AsymmetricEncrypt", &[("Algorithm", algorithm), ("Plaintext", "aGk=")]);
                refused.fails(400, "InvalidParameter");
                continue;
            };
            let text = STANDARD.encode(vec![7; *limit]);
            let params = [("Algorithm", algorithm), ("Plaintext", text.as_str())];
            let blob = pair.call(&client, "AsymmetricEncrypt", &params).ok().text("CiphertextBlob").to_owned();
            let params = [("Algorithm", algorithm), ("CiphertextBlob", blob.as_str())];
            assert_eq!(pair.call(&client, "AsymmetricDecrypt", &params).ok().text("Plaintext"), text);
            let long = STANDARD.encode(vec![7; limit + 1]);
            let refused = pair.call(&client, "AsymmetricEncrypt", &[("Algorithm", algorithm), ("Plaintext", &long)]);
            refused.fails(400, "InvalidParameter");
            assert!(refused.text("Message").contains(&limit.to_string()), "{refused:?}");
            let mut damaged = STANDARD.decode(&blob).unwrap();
            *damaged.last_mut().unwrap() ^= 1;
            let damaged = STANDARD.encode(damaged);
            let params = [("Algorithm", algorithm), ("CiphertextBlob", damaged.as_str())];
            pair.call(&client, "AsymmetricDecrypt", &params).fails(400, "InvalidParameter");

            let moved = [
                ("CiphertextBlob", blob.as_str()),
                ("SourceKeyId", &pair.key),
                ("SourceKeyVersionId", &pair.version),
                ("SourceEncryptionAlgorithm", algorithm),
                ("DestinationKeyId", &symmetric),
            ];
            if *limit <= 6144 {
                let moved = client.call("ReEncrypt", &moved).ok().text("CiphertextBlob").to_owned();
                assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &moved)]).ok().text("Plaintext"), text);
            }
        }
        let params = [("Algorithm", "RSA_PSS_SHA_256"), ("Digest", "aGk=")];
        pair.call(&client, "AsymmetricSign", &params).fails(400, "UnsupportedOperation");
    }
}

#[test]
fn codes_of_every_hash() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    for (spec, algorithm, length) in MACS {
        let key = client.create_key(&[("KeySpec", spec)]);
        let described = client.call("DescribeKey", &[("KeyId", &key)]).ok();
        assert_eq!(described.text("KeyMetadata/KeyUsage"), "GENERATE/VERIFY_MAC");
        let of = |message: &'static str| {
            [("KeyId", key.clone()), ("Message", message.into()), ("Algorithm", algorithm.into())]
        };
        let call = |action: &str, params: &[(&str, String)]| {
            let params: Vec<_> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
            client.call(action, &params)
        };
        let made = call("GenerateMac", &of("aGk=")).ok();
        let code = made.text("Mac").to_owned();
        assert_eq!((STANDARD.decode(&code).unwrap().len(), made.text("Algorithm")), (length, algorithm));
        for (message, code, valid) in [("aGk=", code.as_str(), true), ("aGo=", &code, false), ("aGk=", "AAAA", false)] {
            let answer = call("VerifyMac", &[&of(message)[..], &[("Mac", code.into())]].concat()).ok();
            assert_eq!(answer.body["Value"], valid);
        }
        let other = if algorithm == "HMAC_SM3" { "HMAC_SHA_256" } else { "HMAC_SM3" };
        let params = [("KeyId", key.as_str()), ("Message", "aGk="), ("Algorithm", other)];
        client.call("GenerateMac", &params).fails(400, "InvalidParameter");
        client.call("CreateKeyVersion", &[("KeyId", &key)]).fails(400, "UnsupportedOperation");
        client.call("Encrypt", &[("KeyId", &key), ("Plaintext", "aGk=")]).fails(400, "UnsupportedOperation");
    }
    let prefixed = client.create_key(&[("KeySpec", "Aliyun_HMAC_SHA256")]);
    assert_eq!(client.call("DescribeKey", &[("KeyId", &prefixed)]).ok().text("KeyMetadata/KeySpec"), "HMAC_SHA256");
}

#[test]
fn symmetric_keys_of_every_spec() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    for spec in SYMMETRIC {
        let key =
            client.create_key(&[("KeySpec", spec), ("EnableAutomaticRotation", "true"), ("RotationInterval", "7d")]);
        let blob = client.encrypt(&key, "aGk=");
        client.call("CreateKeyVersion", &[("KeyId", &key)]).ok();
        assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok().text("Plaintext"), "aGk=");
        let version = client.version(&key);
        let named = Named { key, version };
        let params = [("Algorithm", "RSA_PSS_SHA_256"), ("Digest", "aGk=")];
        named.call(&client, "AsymmetricSign", &params).fails(400, "UnsupportedOperation");
        named.call(&client, "GetPublicKey", &[]).fails(400, "UnsupportedOperation");
        let mac = [("KeyId", named.key.as_str()), ("Algorithm", "HMAC_SM3"), ("Message", "aGk=")];
        client.call("GenerateMac", &mac).fails(400, "UnsupportedOperation");
    }
}

#[test]
fn usages_and_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let usages = ["ENCRYPT/DECRYPT", "SIGN/VERIFY", "GENERATE/VERIFY_MAC"];
    let both = &usages[..2];
    let specs = [
        ("Aliyun_AES_256", &usages[..1], usages[0]),
        ("Aliyun_SM4", &usages[..1], usages[0]),
        ("RSA_2048", both, usages[0]),
        ("EC_SM2", both, usages[0]),
        ("EC_P256", &usages[1..2], usages[1]),
        ("EC_P256K", &usages[1..2], usages[1]),
        ("ML_DSA_65", &usages[1..2], usages[1]),
        ("HMAC_SHA256", &usages[2..], usages[2]),
    ];
    for (spec, admitted, default) in specs {
        let made = client.call("CreateKey", &[("KeySpec", spec)]).ok();
        assert_eq!(made.text("KeyMetadata/KeyUsage"), default, "{spec}");
        let pair = !matches!(spec, "Aliyun_AES_256" | "Aliyun_SM4" | "HMAC_SHA256");
        assert_eq!(made.text("KeyMetadata/PrimaryKeyVersion").is_empty(), pair, "{spec}");
        for usage in usages {
            let made = client.call("CreateKey", &[("KeySpec", spec), ("KeyUsage", usage)]);
            match admitted.contains(&usage) {
                true => drop(made.ok()),
                false => made.fails(400, "InvalidParameter"),
            }
        }
        if spec != "Aliyun_AES_256" && spec != "Aliyun_SM4" {
            let rotating = [("KeySpec", spec), ("EnableAutomaticRotation", "true"), ("RotationInterval", "7d")];
            client.call("CreateKey", &rotating).fails(400, "InvalidParameter");
        }
    }
}

#[test]
fn a_key_pair_gets_versions_and_keeps_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let key = client.create_key(&[("KeySpec", "EC_P256")]);
    client.call("CreateKeyVersion", &[("KeyId", &key)]).fails(400, "Rejected.LimitExceeded");
    drop(server);
    let server = Server::start_with(&dir.path().join("data"), |command| {
        command.args(["--key-pair-version-interval", "0", "--max-key-pair-versions", "2"]);
    });
    let client = server.client();
    let second = client.call("CreateKeyVersion", &[("KeyId", &key)]).ok().text("KeyVersion/KeyVersionId").to_owned();
    client.call("CreateKeyVersion", &[("KeyId", &key)]).fails(400, "Rejected.LimitExceeded");
    let first = Named { version: client.version(&key), key: key.clone() };
    let second = Named { version: second, key: key.clone() };
    let pem = |named: &Named| named.call(&client, "GetPublicKey", &[]).ok().text("PublicKey").to_owned();
    assert_ne!(pem(&first), pem(&second));
    let params = [("Algorithm", "ECDSA_SHA_256"), ("Digest", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
    let value = first.call(&client, "AsymmetricSign", &params).ok().text("Value").to_owned();
    let params = [&params[..], &[("Value", value.as_str())]].concat();
    assert_eq!(first.call(&client, "AsymmetricVerify", &params).ok().body["Value"], true);
    assert_eq!(second.call(&client, "AsymmetricVerify", &params).ok().body["Value"], false);
}

/// A client has no more than the PEM that GetPublicKey gives.
#[test]
fn openssl_verifies_and_encrypts_with_the_public_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let digest = STANDARD.encode(DIGEST);
    fs::write(dir.path().join("digest"), DIGEST).unwrap();
    let pss = ["-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32"];
    for (spec, algorithm, options) in [
        ("RSA_2048", "RSA_PSS_SHA_256", &pss[..]),
        ("RSA_2048", "RSA_PKCS1_SHA_256", &pss[..2]),
        ("EC_P256", "ECDSA_SHA_256", &[]),
        ("EC_P256K", "ECDSA_SHA_256", &[]),
        ("EC_SM2", "SM2DSA", &[]),
    ] {
        let pair = Named::new(&client, spec, "SIGN/VERIFY");
        public_key(&client, &pair, dir.path());
        let params = [("Algorithm", algorithm), ("Digest", digest.as_str())];
        let value = pair.call(&client, "AsymmetricSign", &params).ok().text("Value").to_owned();
        fs::write(dir.path().join("signature"), STANDARD.decode(value).unwrap()).unwrap();
        let verify = ["pkeyutl", "-verify", "-pubin", "-inkey", "pem", "-in", "digest", "-sigfile", "signature"];
        openssl(dir.path(), &[&verify[..], options].concat());
    }
    fs::write(dir.path().join("plain"), "hello").unwrap();
    let oaep =
        ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"];
    for (spec, algorithm, options) in [("RSA_2048", "RSAES_OAEP_SHA_256", &oaep[..]), ("EC_SM2", "SM2PKE", &[])] {
        let pair = Named::new(&client, spec, "ENCRYPT/DECRYPT");
        public_key(&client, &pair, dir.path());
        let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", "pem", "-in", "plain", "-out", "sealed"];
        openssl(dir.path(), &[&encrypt[..], options].concat());
        let blob = STANDARD.encode(fs::read(dir.path().join("sealed")).unwrap());
        let params = [("Algorithm", algorithm), ("CiphertextBlob", blob.as_str())];
        let opened = pair.call(&client, "AsymmetricDecrypt", &params).ok();
        assert_eq!(STANDARD.decode(opened.text("Plaintext")).unwrap(), b"hello");
    }
}

fn public_key(client: &Client, pair: &Named, dir: &Path) {
    let pem = pair.call(client, "GetPublicKey", &[]).ok().text("PublicKey").to_owned();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("-----END PUBLIC KEY-----\n"), "{pem}");
    fs::write(dir.join("pem"), pem).unwrap();
}

fn openssl(dir: &Path, args: &[&str]) {
    let output = Command::new("openssl").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {output:?}");
}
