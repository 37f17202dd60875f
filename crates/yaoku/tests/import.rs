//! Bring your own key: the documented way with OpenSSL's command line, and everything that must not work.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
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
            found += region.windows(bytes.len()).filter(|window| window == &bytes).count();
        }
    }
    found
}
