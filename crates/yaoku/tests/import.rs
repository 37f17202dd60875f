//! Bring your own key: the documented way with OpenSSL's command line, and everything that must not work.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use support::{Client, Server, wait_until};

const MATERIAL: [u8; 32] = *b"material of the owner, 32 bytes!";

fn external(client: &Client) -> String {
    client.create_key(&[("Origin", "EXTERNAL")])
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// GetParametersForImport, base64 to DER, `openssl pkeyutl -encrypt`, base64, ImportKeyMaterial: for each wrapping key and
/// algorithm.
#[test]
fn material_wrapped_with_openssl_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let oaep = |hash: &str| {
        let options =
            ["rsa_padding_mode:oaep".to_owned(), format!("rsa_oaep_md:{hash}"), format!("rsa_mgf1_md:{hash}")];
        options.into_iter().flat_map(|option| ["-pkeyopt".to_owned(), option]).collect::<Vec<_>>()
    };
    let rsa: Vec<(&str, Vec<String>)> = vec![
        ("RSAES_PKCS1_V1_5", vec!["-pkeyopt".into(), "rsa_padding_mode:pkcs1".into()]),
        ("RSAES_OAEP_SHA_1", oaep("sha1")),
        ("RSAES_OAEP_SHA_256", oaep("sha256")),
    ];
    let mut ways: Vec<_> =
        ["RSA_2048", "RSA_3072"].into_iter().flat_map(|spec| rsa.iter().map(move |way| (spec, way.clone()))).collect();
    ways.push(("EC_SM2", ("SM2PKE", Vec::new())));
    for (spec, (algorithm, options)) in ways {
        for (key_spec, length) in
            [("Aliyun_AES_256", 32), ("Aliyun_AES_192", 24), ("Aliyun_AES_128", 16), ("Aliyun_SM4", 16)]
        {
            if spec == "RSA_3072" && key_spec != "Aliyun_AES_256" {
                continue;
            }
            let key = client.create_key(&[("Origin", "EXTERNAL"), ("KeySpec", key_spec)]);
            client.call("Encrypt", &[("KeyId", &key), ("Plaintext", "aGk=")]).fails(409, "Rejected.PendingImport");
            let wrapping = [("WrappingKeySpec", spec), ("WrappingAlgorithm", algorithm)];
            let parameters =
                client.call("GetParametersForImport", &[&[("KeyId", key.as_str())], &wrapping[..]].concat()).ok();
            assert!(parameters.text("TokenExpireTime") > support::utc(now() + 86_000).as_str());
            fs::write(dir.path().join("pub.der"), STANDARD.decode(parameters.text("PublicKey")).unwrap()).unwrap();
            fs::write(dir.path().join("material"), &MATERIAL[..length]).unwrap();
            let mut openssl = Command::new("openssl");
            openssl.args(["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "pub.der", "-in", "material"]);
            let output = openssl.args(["-out", "wrapped"]).args(&options).current_dir(dir.path()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let wrapped = STANDARD.encode(fs::read(dir.path().join("wrapped")).unwrap());
            let import = [
                ("KeyId", key.as_str()),
                ("ImportToken", parameters.text("ImportToken")),
                ("EncryptedKeyMaterial", &wrapped),
            ];
            client.call("ImportKeyMaterial", &import).ok();
            assert_eq!(client.state(&key), "Enabled", "{spec} {algorithm} {key_spec}");
            let blob = client.encrypt(&key, "aGk=");
            assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok().text("Plaintext"), "aGk=");
        }
    }
}

#[test]
fn a_token_serves_its_own_key_only_and_as_often_as_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let (key, other) = (external(&client), external(&client));
    let (token, public_key) = client.import_parameters(&key);
    let (other_token, other_public_key) = client.import_parameters(&key);
    assert_ne!(public_key, other_public_key, "each call makes a new pair");
    client.import(&other, &(token.clone(), public_key.clone()), &MATERIAL, 0).fails(400, "InvalidImportToken");
    // A token and a public key that do not belong together.
    client.import(&key, &(other_token, public_key.clone()), &MATERIAL, 0).fails(400, "InvalidKeyMaterial");
    let mut damaged = STANDARD.decode(&token).unwrap();
    damaged[40] ^= 1;
    client.import(&key, &(STANDARD.encode(damaged), public_key.clone()), &MATERIAL, 0).fails(400, "InvalidImportToken");
    let parameters = (token, public_key);
    for _ in 0..3 {
        client.import(&key, &parameters, &MATERIAL, 0).ok();
    }
    // Tokens outlive a restart.
    assert_eq!(server.terminate(), Some(0));
    let server = Server::start(&dir.path().join("data"));
    server.client().import(&key, &parameters, &MATERIAL, 0).ok();
    let generated = server.client().create_key(&[]);
    let refused = [("KeyId", generated.as_str()), ("WrappingKeySpec", "EC_SM2"), ("WrappingAlgorithm", "SM2PKE")];
    server.client().call("GetParametersForImport", &refused).fails(400, "Unsupported.Origin");
    server.client().call("DeleteKeyMaterial", &[("KeyId", &generated)]).fails(400, "Unsupported.Origin");
    let mismatched = [("KeyId", key.as_str()), ("WrappingKeySpec", "RSA_2048"), ("WrappingAlgorithm", "SM2PKE")];
    server.client().call("GetParametersForImport", &mismatched).fails(400, "InvalidParameter");
}

#[test]
fn a_key_is_bound_to_its_first_material() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let key = external(&client);
    let parameters = client.import_parameters(&key);
    client.import(&key, &parameters, &MATERIAL[..31], 0).fails(400, "InvalidKeyMaterial");
    assert_eq!(client.state(&key), "PendingImport");
    client.import(&key, &parameters, &MATERIAL, 0).ok();
    let (blob, version) = (client.encrypt(&key, "aGk="), client.version(&key));
    client.import(&key, &parameters, &[1; 32], 0).fails(400, "InvalidKeyMaterial");

    client.call("DeleteKeyMaterial", &[("KeyId", &key)]).ok();
    client.call("DeleteKeyMaterial", &[("KeyId", &key)]).ok();
    assert_eq!(client.state(&key), "PendingImport");
    client.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(409, "Rejected.PendingImport");
    client.call("DescribeKeyVersion", &[("KeyId", &key), ("KeyVersionId", &version)]).ok();
    client.import(&key, &parameters, &[1; 32], 0).fails(400, "InvalidKeyMaterial");
    client.import(&key, &parameters, &MATERIAL, 0).ok();
    assert_eq!(client.version(&key), version);
    assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok().text("Plaintext"), "aGk=");
    client.call("CreateKeyVersion", &[("KeyId", &key)]).fails(400, "Unsupported.Origin");
}

#[test]
fn material_expires() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let key = external(&client);
    let parameters = client.import_parameters(&key);
    let refused = client.import(&key, &parameters, &MATERIAL, now() - 1);
    refused.fails(400, "InvalidParameter");
    assert!(refused.text("Message").contains("KeyMaterialExpireUnix"), "{refused:?}");
    let expires = now() + 2;
    client.import(&key, &parameters, &MATERIAL, expires).ok();
    let described = client.call("DescribeKey", &[("KeyId", &key)]).ok();
    assert_eq!(described.text("KeyMetadata/MaterialExpireTime"), support::utc(expires));
    let blob = client.encrypt(&key, "aGk=");
    wait_until("the material to expire", || client.state(&key) == "PendingImport");
    client.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(409, "Rejected.PendingImport");
    client.import(&key, &parameters, &MATERIAL, 0).ok();
    assert_eq!(client.call("Decrypt", &[("CiphertextBlob", &blob)]).ok().text("Plaintext"), "aGk=");
}

/// Runs `openssl` in a directory.
fn openssl(dir: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {output:?}");
    output.stdout
}

const OAEP_SHA256: [&str; 6] =
    ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"];

/// A private key of OpenSSL's making: `pem` the pair, `pem.pub` its public half, `pkcs8` what is to be wrapped.
fn make_pair(dir: &Path, spec: &str) {
    let options = match spec {
        "RSA_2048" => ["RSA", "rsa_keygen_bits:2048"],
        "RSA_3072" => ["RSA", "rsa_keygen_bits:3072"],
        "RSA_4096" => ["RSA", "rsa_keygen_bits:4096"],
        "EC_P256" => ["EC", "ec_paramgen_curve:P-256"],
        "EC_P256K" => ["EC", "ec_paramgen_curve:secp256k1"],
        "EC_SM2" => ["EC", "ec_paramgen_curve:SM2"],
        other => panic!("{other}"),
    };
    openssl(dir, &["genpkey", "-algorithm", options[0], "-pkeyopt", options[1], "-out", "pem"]);
    openssl(dir, &["pkey", "-in", "pem", "-pubout", "-out", "pem.pub"]);
    openssl(dir, &["pkcs8", "-topk8", "-nocrypt", "-in", "pem", "-outform", "DER", "-out", "pkcs8"]);
}

/// d of the EC key in `pem`.
fn private_number(dir: &Path) -> Vec<u8> {
    printed_number(dir, "priv:", "pub:", 32)
}

/// A number of the key in `pem`, which OpenSSL prints in lines of hexadecimal bytes between two words.
fn printed_number(dir: &Path, from: &str, to: &str, length: usize) -> Vec<u8> {
    let text = String::from_utf8(openssl(dir, &["pkey", "-in", "pem", "-noout", "-text"])).unwrap();
    let (_, digits) = text.split_once(from).unwrap();
    let digits: String = digits.split(to).next().unwrap().split(|c: char| !c.is_ascii_hexdigit()).collect();
    let bytes: Vec<u8> =
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    let mut number = [vec![0; length], bytes].concat();
    number.split_off(number.len() - length)
}

/// What unwraps material: a wrapping key's kind, the algorithm, and what the server gave for them.
struct Wrapping {
    algorithm: &'static str,
    token: String,
    public_key: Vec<u8>,
}

impl Wrapping {
    fn get(client: &Client, key: &str, spec: &str, algorithm: &'static str) -> Self {
        let parameters = [("KeyId", key), ("WrappingKeySpec", spec), ("WrappingAlgorithm", algorithm)];
        let answer = client.call("GetParametersForImport", &parameters).ok();
        let public_key = STANDARD.decode(answer.text("PublicKey")).unwrap();
        Self { algorithm, token: answer.text("ImportToken").to_owned(), public_key }
    }

    /// The file `target` under an ephemeral key, and that under the public key, by OpenSSL's command line.
    fn wrap(&self, dir: &Path, target: &str) -> Vec<u8> {
        fs::write(dir.join("wrapping.der"), &self.public_key).unwrap();
        let (length, cipher, options) = match self.algorithm {
            "SM2PKE_SM4_ECB" => ("16", ["-sm4-ecb", "-nopad"], &[][..]),
            _ => ("32", ["-aes-256-ecb", "-e"], &OAEP_SHA256[..]),
        };
        openssl(dir, &["rand", "-out", "ephemeral", length]);
        let encrypt =
            ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "wrapping.der", "-in", "ephemeral"];
        openssl(dir, &[&encrypt[..], &["-out", "ephemeral.sealed"], options].concat());
        let ephemeral = support::hex(&fs::read(dir.join("ephemeral")).unwrap());
        let seal = ["enc", cipher[0], cipher[1], "-K", &ephemeral, "-in", target, "-out", "target.sealed"];
        openssl(dir, &seal);
        [fs::read(dir.join("ephemeral.sealed")).unwrap(), fs::read(dir.join("target.sealed")).unwrap()].concat()
    }

    fn import(&self, client: &Client, key: &str, wrapped: &[u8], expires: u64) -> support::Answer {
        let (wrapped, expires) = (STANDARD.encode(wrapped), expires.to_string());
        let params = [
            ("KeyId", key),
            ("ImportToken", self.token.as_str()),
            ("EncryptedKeyMaterial", &wrapped),
            ("KeyMaterialExpireUnix", &expires),
        ];
        client.call("ImportKeyMaterial", &params)
    }
}

const OAEP_AES: &str = "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD";
const SM2_SM4: &str = "SM2PKE_SM4_ECB";

fn external_pair(client: &Client, spec: &str, usage: &str) -> String {
    client.create_key(&[("Origin", "EXTERNAL"), ("KeySpec", spec), ("KeyUsage", usage)])
}

/// A key pair of OpenSSL's making is imported, wrapped by OpenSSL's command line; what it signs, OpenSSL verifies with the
/// public key that it had before, and what OpenSSL encrypts with that, it decrypts.
#[test]
fn key_pairs_wrapped_with_openssl_are_imported() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let dir = dir.path();
    fs::write(dir.join("digest"), [0x5a; 32]).unwrap();
    fs::write(dir.join("plain"), "hello").unwrap();
    let digest = STANDARD.encode([0x5a; 32]);
    for (spec, usage, wrapping_spec, wrapping) in [
        ("RSA_2048", "SIGN/VERIFY", "RSA_2048", OAEP_AES),
        ("RSA_2048", "ENCRYPT/DECRYPT", "RSA_3072", OAEP_AES),
        ("RSA_3072", "SIGN/VERIFY", "RSA_2048", OAEP_AES),
        ("RSA_4096", "SIGN/VERIFY", "RSA_4096", OAEP_AES),
        ("EC_P256", "SIGN/VERIFY", "RSA_2048", OAEP_AES),
        ("EC_P256K", "SIGN/VERIFY", "RSA_2048", OAEP_AES),
        ("EC_SM2", "SIGN/VERIFY", "EC_SM2", SM2_SM4),
        ("EC_SM2", "ENCRYPT/DECRYPT", "EC_SM2", SM2_SM4),
        ("EC_SM2", "SIGN/VERIFY", "RSA_2048", OAEP_AES),
    ] {
        make_pair(dir, spec);
        if wrapping == SM2_SM4 {
            fs::write(dir.join("pkcs8"), private_number(dir)).unwrap();
        }
        let key = external_pair(&client, spec, usage);
        assert_eq!(client.state(&key), "PendingImport");
        let parameters = Wrapping::get(&client, &key, wrapping_spec, wrapping);
        parameters.import(&client, &key, &parameters.wrap(dir, "pkcs8"), 0).ok();
        let described = client.call("DescribeKey", &[("KeyId", &key)]).ok();
        assert_eq!(described.text("KeyMetadata/KeyState"), "Enabled", "{spec} {wrapping}");
        let version = client.version(&key);
        let named = [("KeyId", key.as_str()), ("KeyVersionId", version.as_str())];
        let public_key = client.call("GetPublicKey", &named).ok().text("PublicKey").to_owned();
        assert_eq!(public_key.trim_end(), fs::read_to_string(dir.join("pem.pub")).unwrap().trim_end(), "{spec}");
        if usage == "SIGN/VERIFY" {
            let (algorithm, options) = match spec {
                "EC_P256" | "EC_P256K" => ("ECDSA_SHA_256", &[][..]),
                "EC_SM2" => ("SM2DSA", &[][..]),
                _ => ("RSA_PKCS1_SHA_256", &["-pkeyopt", "digest:sha256"][..]),
            };
            let params = [("Algorithm", algorithm), ("Digest", digest.as_str())];
            let signed = client.call("AsymmetricSign", &[&named[..], &params].concat()).ok();
            fs::write(dir.join("signature"), STANDARD.decode(signed.text("Value")).unwrap()).unwrap();
            let verify =
                ["pkeyutl", "-verify", "-pubin", "-inkey", "pem.pub", "-in", "digest", "-sigfile", "signature"];
            openssl(dir, &[&verify[..], options].concat());
        } else {
            let (algorithm, options) =
                if spec == "EC_SM2" { ("SM2PKE", &[][..]) } else { ("RSAES_OAEP_SHA_256", &OAEP_SHA256[..]) };
            let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", "pem.pub", "-in", "plain", "-out", "sealed"];
            openssl(dir, &[&encrypt[..], options].concat());
            let blob = STANDARD.encode(fs::read(dir.join("sealed")).unwrap());
            let params = [("Algorithm", algorithm), ("CiphertextBlob", blob.as_str())];
            let opened = client.call("AsymmetricDecrypt", &[&named[..], &params].concat()).ok();
            assert_eq!(STANDARD.decode(opened.text("Plaintext")).unwrap(), b"hello");
        }
    }
}

#[test]
fn a_key_pair_is_bound_to_its_first_material_whatever_its_encoding() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let dir = dir.path();
    let key = external_pair(&client, "EC_SM2", "SIGN/VERIFY");
    let (by_aes, by_sm4) =
        (Wrapping::get(&client, &key, "RSA_2048", OAEP_AES), Wrapping::get(&client, &key, "EC_SM2", SM2_SM4));
    make_pair(dir, "EC_SM2");
    fs::write(dir.join("number"), private_number(dir)).unwrap();
    let (as_pkcs8, as_number) = (by_aes.wrap(dir, "pkcs8"), by_sm4.wrap(dir, "number"));
    make_pair(dir, "EC_SM2");
    let another = by_aes.wrap(dir, "pkcs8");
    make_pair(dir, "EC_P256");
    let of_another_curve = by_aes.wrap(dir, "pkcs8");

    by_aes.import(&client, &key, &of_another_curve, 0).fails(400, "InvalidKeyMaterial");
    assert_eq!(client.state(&key), "PendingImport");
    by_aes.import(&client, &key, &as_pkcs8, 0).ok();
    let version = client.version(&key);
    let named = [("KeyId", key.as_str()), ("KeyVersionId", version.as_str())];
    let public_key = client.call("GetPublicKey", &named).ok();
    by_aes.import(&client, &key, &another, 0).fails(400, "InvalidKeyMaterial");
    by_sm4.import(&client, &key, &as_number, 0).ok();
    client.call("CreateKeyVersion", &[("KeyId", &key)]).fails(400, "Unsupported.Origin");

    client.call("DeleteKeyMaterial", &[("KeyId", &key)]).ok();
    assert_eq!(client.state(&key), "PendingImport");
    client.call("GetPublicKey", &named).fails(409, "Rejected.PendingImport");
    by_aes.import(&client, &key, &another, 0).fails(400, "InvalidKeyMaterial");
    let expires = now() + 2;
    by_sm4.import(&client, &key, &as_number, expires).ok();
    let described = client.call("DescribeKey", &[("KeyId", &key)]).ok();
    assert_eq!(described.text("KeyMetadata/MaterialExpireTime"), support::utc(expires));
    assert_eq!(client.version(&key), version);
    wait_until("the material to expire", || client.state(&key) == "PendingImport");
    let digest = STANDARD.encode([0x5a; 32]);
    let sign = [&named[..], &[("Algorithm", "SM2DSA"), ("Digest", &digest)]].concat();
    client.call("AsymmetricSign", &sign).fails(409, "Rejected.PendingImport");
    by_aes.import(&client, &key, &as_pkcs8, 0).ok();
    client.call("AsymmetricSign", &sign).ok();
    assert_eq!(client.version(&key), version);
    assert_eq!(client.call("GetPublicKey", &named).ok().text("PublicKey"), public_key.text("PublicKey"));
}

/// Whatever is wrong with wrapped material, the answer is the same to the letter.
#[test]
fn all_that_does_not_unwrap_has_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let dir = dir.path();
    let key = external_pair(&client, "EC_P256", "SIGN/VERIFY");
    let parameters = Wrapping::get(&client, &key, "RSA_2048", OAEP_AES);
    make_pair(dir, "EC_P256");
    let good = parameters.wrap(dir, "pkcs8");
    fs::write(dir.join("text"), "not a private key").unwrap();
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        bytes
    };
    let cases = [
        ("the ephemeral key", flipped(10)),
        ("the padding", flipped(good.len() - 1)),
        ("the header", flipped(256)),
        ("the private number", flipped(256 + 48)),
        ("no key", parameters.wrap(dir, "text")),
        ("cut within a block", good[..good.len() - 1].to_vec()),
        ("cut between blocks", good[..good.len() - 16].to_vec()),
        ("the ephemeral key alone", good[..256].to_vec()),
        ("too short", vec![0; 20]),
        ("zeros", vec![0; 512]),
        ("long", vec![1; 4000]),
    ];
    let mut messages = HashSet::new();
    for (what, wrapped) in &cases {
        let answer = parameters.import(&client, &key, wrapped, 0);
        assert_eq!((answer.status, answer.code()), (400, "InvalidKeyMaterial"), "{what}");
        messages.insert(answer.text("Message").to_owned());
    }
    assert_eq!(messages.len(), 1, "{messages:?}");
    // Any 32 bytes are a number of SM2: what takes the place of an ephemeral key that does not open must not become one.
    let sm2 = external_pair(&client, "EC_SM2", "SIGN/VERIFY");
    let by_sm4 = Wrapping::get(&client, &sm2, "EC_SM2", SM2_SM4);
    let by_aes = Wrapping::get(&client, &sm2, "RSA_2048", OAEP_AES);
    make_pair(dir, "EC_SM2");
    fs::write(dir.join("number"), private_number(dir)).unwrap();
    for (parameters, mut wrapped) in [(&by_sm4, by_sm4.wrap(dir, "number")), (&by_aes, by_aes.wrap(dir, "number"))] {
        wrapped[20] ^= 1;
        let answer = parameters.import(&client, &sm2, &wrapped, 0);
        assert_eq!(answer.code(), "InvalidKeyMaterial");
        assert!(messages.contains(answer.text("Message")));
    }
    assert_eq!(client.state(&sm2), "PendingImport");
    assert_eq!(client.state(&key), "PendingImport");
    parameters.import(&client, &key, &good, 0).ok();
}

/// Keys for MACs and ML-DSA's seeds are bytes, and come in as those of symmetric keys do.
#[test]
fn keys_for_macs_and_seeds_are_imported_as_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    for (spec, algorithm, length) in [
        ("HMAC_SHA224", "HMAC_SHA_224", 28),
        ("HMAC_SHA256", "HMAC_SHA_256", 32),
        ("HMAC_SHA384", "HMAC_SHA_384", 48),
        ("HMAC_SHA512", "HMAC_SHA_512", 64),
        ("HMAC_SM3", "HMAC_SM3", 32),
    ] {
        let key = external_pair(&client, spec, "GENERATE/VERIFY_MAC");
        let parameters = client.import_parameters(&key);
        client.import(&key, &parameters, &vec![7; length - 1], 0).fails(400, "InvalidKeyMaterial");
        client.import(&key, &parameters, &vec![7; length], 0).ok();
        let params = [("KeyId", key.as_str()), ("Algorithm", algorithm), ("Message", "aGVsbG8=")];
        let code = client.call("GenerateMac", &params).ok();
        let digest = ["sha224", "sha256", "sha384", "sha512", "sm3"];
        let digest = digest.iter().find(|name| spec.to_ascii_lowercase().ends_with(*name)).unwrap();
        fs::write(dir.path().join("message"), "hello").unwrap();
        let option = format!("hexkey:{}", support::hex(&vec![7; length]));
        let mac = ["mac", "-digest", digest, "-macopt", &option, "-in", "message", "-binary", "HMAC"];
        assert_eq!(STANDARD.decode(code.text("Mac")).unwrap(), openssl(dir.path(), &mac), "{spec}");
    }
    let key = external_pair(&client, "ML_DSA_44", "SIGN/VERIFY");
    client.import(&key, &client.import_parameters(&key), &MATERIAL, 0).ok();
    let named = [("KeyId", key.as_str()), ("KeyVersionId", &client.version(&key)), ("Algorithm", "ML_DSA")];
    let signed = client.call("AsymmetricSign", &[&named[..], &[("Digest", "aGVsbG8=")]].concat()).ok();
    let verify = [("Digest", "aGVsbG8="), ("Value", signed.text("Value"))];
    assert_eq!(client.call("AsymmetricVerify", &[&named[..], &verify].concat()).ok().body["Value"], true);
    // Neither is a private key in PKCS#8, nor goes one the way of bytes.
    let pair = external_pair(&client, "EC_P256", "SIGN/VERIFY");
    for (key, spec, algorithm) in [
        (&key, "RSA_2048", OAEP_AES),
        (&pair, "RSA_2048", "RSAES_OAEP_SHA_256"),
        (&pair, "EC_SM2", SM2_SM4),
        (&pair, "EC_SM2", OAEP_AES),
    ] {
        let params = [("KeyId", key.as_str()), ("WrappingKeySpec", spec), ("WrappingAlgorithm", algorithm)];
        let refused = client.call("GetParametersForImport", &params);
        refused.fails(400, "InvalidParameter");
        assert!(refused.text("Message").contains("WrappingAlgorithm"), "{refused:?}");
    }
}

/// What was imported is neither in the server's memory nor in its files once it was deleted and the store scrubbed.
#[test]
fn deleted_material_is_gone_from_memory_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start_with(&data, |command| {
        command.args(["--scrub-delay", "1"]);
    });
    let client = server.client();
    let key = external(&client);
    client.import(&key, &client.import_parameters(&key), &MATERIAL, 0).ok();
    client.encrypt(&key, "aGk=");
    let before = sealed_rows(&data);
    // The schedule of a key that is in use begins with the key: the search finds it where it is.
    assert!(occurrences_in_memory(server.pid(), &MATERIAL) > 0);
    client.call("DeleteKeyMaterial", &[("KeyId", &key)]).ok();
    let found = occurrences_in_memory(server.pid(), &MATERIAL);
    assert_eq!(found, 0, "the material is in the server's memory {found} times");
    wait_until("the store to be scrubbed", || sealed_rows(&data) != before);
}

/// Of private keys, nothing is left either: not the number, nor the prime factor, in the order of their bytes or of the words that
/// libraries compute with.
#[test]
fn deleted_private_keys_are_gone_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let dir = dir.path();
    for (spec, signing, wrapping_spec, wrapping) in [
        ("RSA_2048", "RSA_PKCS1_SHA_256", "RSA_2048", OAEP_AES),
        ("EC_P256", "ECDSA_SHA_256", "RSA_2048", OAEP_AES),
        ("EC_P256K", "ECDSA_SHA_256", "RSA_2048", OAEP_AES),
        ("EC_SM2", "SM2DSA", "EC_SM2", SM2_SM4),
    ] {
        make_pair(dir, spec);
        let secret = match spec {
            "RSA_2048" => printed_number(dir, "prime1:", "prime2:", 128),
            _ => private_number(dir),
        };
        if wrapping == SM2_SM4 {
            fs::write(dir.join("pkcs8"), &secret).unwrap();
        }
        let key = external_pair(&client, spec, "SIGN/VERIFY");
        let parameters = Wrapping::get(&client, &key, wrapping_spec, wrapping);
        parameters.import(&client, &key, &parameters.wrap(dir, "pkcs8"), 0).ok();
        let digest = STANDARD.encode([0x5a; 32]);
        let version = client.version(&key);
        let sign = [("KeyId", key.as_str()), ("KeyVersionId", &version), ("Algorithm", signing), ("Digest", &digest)];
        client.call("AsymmetricSign", &sign).ok();
        let words: Vec<u8> = secret.iter().rev().copied().collect();
        let held = occurrences_in_memory(server.pid(), &secret) + occurrences_in_memory(server.pid(), &words);
        // The SM2 library computes with another form of the number.
        assert!(held > 0 || spec == "EC_SM2", "{spec}: the search does not find a key that is in use");
        client.call("DeleteKeyMaterial", &[("KeyId", &key)]).ok();
        for bytes in [&secret, &words] {
            let found = occurrences_in_memory(server.pid(), bytes);
            assert_eq!(found, 0, "{spec}: the private key is in the server's memory {found} times");
        }
    }
}

/// The store's file by its inode: a scrub replaces it.
fn sealed_rows(data: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(data.join("store/store.redb")).unwrap().ino()
}

/// How often bytes occur in the writable memory of a process.
fn occurrences_in_memory(pid: u32, bytes: &[u8]) -> usize {
    use std::os::unix::fs::FileExt;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let mut region = vec![0; (end - start) as usize];
        if memory.read_exact_at(&mut region, start).is_ok() {
            found += memchr::memmem::find_iter(&region, bytes).count();
        }
    }
    found
}
