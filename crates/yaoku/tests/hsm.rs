//! Keys in a hardware security module, over the wire, with SoftHSM2 as the token.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "../../yaoku-crypto/tests/support/softhsm.rs"]
mod softhsm;
mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use softhsm::{PIN, SoftHsm};
use support::{Client, Server, files_below, log_of, wait_until};

const HSM: (&str, &str) = ("ProtectionLevel", "HSM");
const DIGEST: &str = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";

fn server(hsm: &SoftHsm, data: &Path) -> Server {
    Server::start_with(data, |command| hsm.give_to(command))
}

fn decrypt(client: &Client, blob: &str) -> String {
    client.call("Decrypt", &[("CiphertextBlob", blob)]).ok().text("Plaintext").to_owned()
}

fn openssl(dir: &Path, args: &[&str]) -> bool {
    Command::new("openssl").args(args).current_dir(dir).output().unwrap().status.success()
}

#[test]
fn every_spec_that_the_token_knows_works_and_the_others_are_refused_by_name() {
    let Some(hsm) = SoftHsm::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let running = server(&hsm, &data);
    let client = running.client();
    let mut blobs = Vec::new();
    for spec in ["Aliyun_AES_256", "Aliyun_AES_192", "Aliyun_AES_128"] {
        let made = client.call("CreateKey", &[HSM, ("KeySpec", spec)]).ok();
        assert_eq!(made.text("KeyMetadata/ProtectionLevel"), "HSM");
        let key = made.text("KeyMetadata/KeyId").to_owned();
        let blob = client.encrypt(&key, "aGVsbG8=");
        assert_eq!(STANDARD.decode(&blob).unwrap()[0], 2, "the format of keys in an HSM");
        assert_eq!(decrypt(&client, &blob), "aGVsbG8=");
        let data_key = client.call("GenerateDataKey", &[("KeyId", &key)]).ok();
        assert_eq!(decrypt(&client, data_key.text("CiphertextBlob")), data_key.text("Plaintext"));
        let bound = [("KeyId", key.as_str()), ("Plaintext", "aGk="), ("EncryptionContext", r#"{"a":"b"}"#)];
        let bound = client.call("Encrypt", &bound).ok().text("CiphertextBlob").to_owned();
        client.call("Decrypt", &[("CiphertextBlob", &bound)]).fails(400, "InvalidParameter");
        client.call("Decrypt", &[("CiphertextBlob", &bound), ("EncryptionContext", r#"{"a":"b"}"#)]).ok();
        let text = client.encrypt(&key, "not base64, but text");
        assert_eq!(STANDARD.decode(&text).unwrap()[0], 2 | 0x80);
        assert_eq!(decrypt(&client, &text), "not base64, but text");
        blobs.push(blob);
    }
    for (spec, algorithms) in [
        ("RSA_2048", &["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"][..]),
        ("RSA_3072", &["RSA_PSS_SHA_256"]),
        ("EC_P256", &["ECDSA_SHA_256"]),
        ("EC_P256K", &["ECDSA_SHA_256"]),
    ] {
        let key = client.create_key(&[HSM, ("KeySpec", spec), ("KeyUsage", "SIGN/VERIFY")]);
        let version = client.version(&key);
        let named = [("KeyId", key.as_str()), ("KeyVersionId", version.as_str())];
        let public = client.call("GetPublicKey", &named).ok().text("PublicKey").to_owned();
        std::fs::write(dir.path().join("public.pem"), public).unwrap();
        for algorithm in algorithms {
            let asked = [&named[..], &[("Algorithm", algorithm), ("Digest", DIGEST)]].concat();
            let signature = client.call("AsymmetricSign", &asked).ok().text("Value").to_owned();
            let verify = [&asked[..], &[("Value", signature.as_str())]].concat();
            assert_eq!(client.call("AsymmetricVerify", &verify).ok().body["Value"], true);
            std::fs::write(dir.path().join("digest"), STANDARD.decode(DIGEST).unwrap()).unwrap();
            std::fs::write(dir.path().join("signature"), STANDARD.decode(&signature).unwrap()).unwrap();
            let mut args = vec!["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-in", "digest"];
            args.extend(["-sigfile", "signature", "-pkeyopt", "digest:sha256"]);
            if *algorithm == "RSA_PSS_SHA_256" {
                args.extend(["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32"]);
            }
            assert!(openssl(dir.path(), &args), "{spec} {algorithm}");
        }
    }
    let key = client.create_key(&[HSM, ("KeySpec", "RSA_2048"), ("KeyUsage", "ENCRYPT/DECRYPT")]);
    let version = client.version(&key);
    let asked = [("KeyId", &*key), ("KeyVersionId", &*version), ("Algorithm", "RSAES_OAEP_SHA_1")];
    let encrypted = client.call("AsymmetricEncrypt", &[&asked[..], &[("Plaintext", "aGk=")]].concat()).ok();
    let blob = [("CiphertextBlob", encrypted.text("CiphertextBlob"))];
    let decrypted = client.call("AsymmetricDecrypt", &[&asked[..], &blob].concat()).ok();
    assert_eq!(decrypted.text("Plaintext"), "aGk=");
    // SoftHSM2 before 2.7 knows no other hash: then nothing is encrypted either, which could not be decrypted.
    let asked = [("KeyId", &*key), ("KeyVersionId", &*version), ("Algorithm", "RSAES_OAEP_SHA_256")];
    let encrypted = client.call("AsymmetricEncrypt", &[&asked[..], &[("Plaintext", "aGk=")]].concat());
    if encrypted.status == 200 {
        let blob = [("CiphertextBlob", encrypted.text("CiphertextBlob"))];
        let decrypted = client.call("AsymmetricDecrypt", &[&asked[..], &blob].concat()).ok();
        assert_eq!(decrypted.text("Plaintext"), "aGk=");
    } else {
        let decrypted = client.call("AsymmetricDecrypt", &[&asked[..], &blob].concat());
        for refused in [encrypted, decrypted] {
            refused.fails(400, "InvalidParameter");
            assert!(refused.text("Message").contains("Algorithm"), "{refused:?}");
        }
    }
    for spec in ["HMAC_SHA224", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512"] {
        let key = client.create_key(&[HSM, ("KeySpec", spec)]);
        let algorithm = spec.replace("HMAC_SHA", "HMAC_SHA_");
        let asked = [("KeyId", key.as_str()), ("Algorithm", algorithm.as_str()), ("Message", "aGk=")];
        let mac = client.call("GenerateMac", &asked).ok().text("Mac").to_owned();
        let verified = client.call("VerifyMac", &[&asked[..], &[("Mac", mac.as_str())]].concat()).ok();
        assert_eq!(verified.body["Value"], true);
    }
    let before = hsm.objects();
    for (spec, lacks) in [
        ("Aliyun_SM4", "SM4-GCM"),
        ("EC_SM2", "a mechanism for this algorithm"),
        ("HMAC_SM3", "a mechanism for this HMAC"),
        ("ML_DSA_65", "a mechanism for this algorithm"),
    ] {
        let refused = client.call("CreateKey", &[HSM, ("KeySpec", spec)]);
        refused.fails(400, "Unsupported.ProtectionLevel");
        assert!(refused.text("Message").contains(lacks), "{refused:?}");
    }
    let refused = client.call("CreateKey", &[HSM, ("KeySpec", "EC_P256"), ("Origin", "EXTERNAL")]);
    refused.fails(400, "Unsupported.ProtectionLevel");
    assert_eq!(hsm.objects(), before, "what is refused leaves nothing behind");
    // All of it is there after a restart; without the module it is not, and says so.
    assert_eq!(running.terminate(), Some(0));
    let running = server(&hsm, &data);
    blobs.iter().for_each(|blob| assert_eq!(decrypt(&running.client(), blob), "aGVsbG8="));
    drop(running);
    let without = Server::start(&data);
    without.client().call("Decrypt", &[("CiphertextBlob", &blobs[0])]).fails(503, "ServiceUnavailableTemporary");
    without.client().call("CreateKey", &[HSM]).fails(400, "Unsupported.ProtectionLevel");
    without.client().encrypt(&without.client().create_key(&[]), "aGk=");
    let told = std::fs::read_to_string(log_of(&data)).unwrap() + &format!("{:?}", files_below(&data));
    assert!(!told.contains(PIN), "the PIN is in the log");
}

#[test]
fn blobs_of_the_token_can_not_be_changed_or_taken_for_others() {
    let Some(hsm) = SoftHsm::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let running = server(&hsm, &dir.path().join("data"));
    let client = running.client();
    let (held, here) = (client.create_key(&[HSM]), client.create_key(&[]));
    for key in [&held, &here] {
        let blob = STANDARD.decode(client.encrypt(key, "aGk=")).unwrap();
        for at in [0, 1, 2, 18, 34, 45, 46, blob.len() - 1] {
            let mut changed = blob.clone();
            changed[at] ^= 3;
            let changed = STANDARD.encode(changed);
            client.call("Decrypt", &[("CiphertextBlob", &changed)]).fails(400, "InvalidParameter");
        }
        for len in [0, 33, 34, 61, blob.len() - 1] {
            let cut = STANDARD.encode(&blob[..len]);
            let answer = client.call("Decrypt", &[("CiphertextBlob", &cut)]);
            assert_eq!(answer.status, 400, "{answer:?}");
        }
    }
}

#[test]
fn rotation_makes_new_objects_and_old_versions_still_decrypt() {
    let Some(hsm) = SoftHsm::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let running = server(&hsm, &dir.path().join("data"));
    let client = running.client();
    let key = client.create_key(&[HSM]);
    let mut blobs = vec![client.encrypt(&key, "aGk=")];
    for count in 2..=4 {
        client.call("CreateKeyVersion", &[("KeyId", &key)]).ok();
        assert_eq!(hsm.objects(), count);
        blobs.push(client.encrypt(&key, "aGk="));
    }
    blobs.iter().for_each(|blob| assert_eq!(decrypt(&client, blob), "aGk="));
    let disabled = [("KeyId", key.as_str())];
    client.call("DisableKey", &disabled).ok();
    client.call("Decrypt", &[("CiphertextBlob", &blobs[0])]).fails(409, "Rejected.Disabled");
    client.call("EnableKey", &disabled).ok();
    assert_eq!(decrypt(&client, &blobs[0]), "aGk=");
}

struct Parameters {
    token: String,
    public_key: Vec<u8>,
}

fn parameters(client: &Client, key: &str, algorithm: &str) -> Parameters {
    let wrapping = [("KeyId", key), ("WrappingKeySpec", "RSA_2048"), ("WrappingAlgorithm", algorithm)];
    let answer = client.call("GetParametersForImport", &wrapping).ok();
    let public_key = STANDARD.decode(answer.text("PublicKey")).unwrap();
    Parameters { token: answer.text("ImportToken").to_owned(), public_key }
}

fn import(
    client: &Client,
    dir: &Path,
    key: &str,
    given: &Parameters,
    padding: &[&str],
    material: &[u8],
) -> support::Answer {
    std::fs::write(dir.join("public.der"), &given.public_key).unwrap();
    std::fs::write(dir.join("material"), material).unwrap();
    let mut args = vec!["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "public.der"];
    args.extend(["-in", "material", "-out", "wrapped"]);
    args.extend(padding);
    assert!(openssl(dir, &args));
    let wrapped = STANDARD.encode(std::fs::read(dir.join("wrapped")).unwrap());
    let asked = [("KeyId", key), ("ImportToken", &given.token), ("EncryptedKeyMaterial", &wrapped)];
    client.call("ImportKeyMaterial", &asked)
}

#[test]
fn imported_material_goes_into_the_token_and_out_of_it() {
    let Some(hsm) = SoftHsm::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let running = server(&hsm, &dir.path().join("data"));
    let client = running.client();
    let material = *b"material of the owner, 32 bytes!";
    for (algorithm, padding) in [
        ("RSAES_PKCS1_V1_5", &["-pkeyopt", "rsa_padding_mode:pkcs1"][..]),
        ("RSAES_OAEP_SHA_1", &["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha1"]),
    ] {
        for (spec, length) in [("Aliyun_AES_256", 32), ("Aliyun_AES_192", 24), ("Aliyun_AES_128", 16)] {
            let key = client.create_key(&[HSM, ("Origin", "EXTERNAL"), ("KeySpec", spec)]);
            let given = parameters(&client, &key, algorithm);
            for wrong in [16, 24, 32, 15].into_iter().filter(|wrong| *wrong != length) {
                import(&client, dir.path(), &key, &given, padding, &material[..wrong]).fails(400, "InvalidKeyMaterial");
            }
            assert_eq!(client.state(&key), "PendingImport");
            import(&client, dir.path(), &key, &given, padding, &material[..length]).ok();
            let blob = client.encrypt(&key, "aGk=");
            // Again, and after it was taken away; other material never.
            let held = hsm.objects();
            import(&client, dir.path(), &key, &given, padding, &material[..length]).ok();
            wait_until("the object of the first import is destroyed", || hsm.objects() == held);
            client.call("DeleteKeyMaterial", &[("KeyId", &key)]).ok();
            client.call("Decrypt", &[("CiphertextBlob", &blob)]).fails(409, "Rejected.PendingImport");
            wait_until("the object is destroyed", || hsm.objects() == held - 1);
            let mut other = material;
            other[3] ^= 1;
            import(&client, dir.path(), &key, &given, padding, &other[..length]).fails(400, "InvalidKeyMaterial");
            assert_eq!(hsm.objects(), held - 1, "refused material does not stay");
            import(&client, dir.path(), &key, &given, padding, &material[..length]).ok();
            assert_eq!(decrypt(&client, &blob), "aGk=");
        }
    }
    let key = client.create_key(&[HSM, ("Origin", "EXTERNAL")]);
    for (spec, algorithm) in [("EC_SM2", "SM2PKE"), ("RSA_2048", "RSAES_OAEP_SHA_256")] {
        let asked = [("KeyId", key.as_str()), ("WrappingKeySpec", spec), ("WrappingAlgorithm", algorithm)];
        let refused = client.call("GetParametersForImport", &asked);
        refused.fails(400, "InvalidParameter");
        assert!(refused.text("Message").contains("WrappingAlgorithm"), "{refused:?}");
    }
}

#[test]
fn the_seal_can_live_in_the_token() {
    let Some(hsm) = SoftHsm::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let sealed = |command: &mut Command| {
        hsm.give_to(command);
        command.args(["--seal", "pkcs11"]);
    };
    let running = Server::start_with(&data, sealed);
    let key = running.client().create_key(&[]);
    let blob = running.client().encrypt(&key, "aGk=");
    assert_eq!(running.terminate(), Some(0));
    assert!(!data.join("root.key").exists() && data.join("root.key.hsm").exists());
    let yaoku = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
        command.args(args);
        sealed(&mut command);
        let output = command.arg("--data-dir").arg(&data).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (rotated, told) = yaoku(&["seal", "rotate"]);
    assert!(rotated, "{told}");
    let backup = dir.path().join("backup");
    let (written, told) = yaoku(&["backup", backup.to_str().unwrap()]);
    assert!(written, "{told}");
    let (restored, told) = yaoku(&["restore", backup.to_str().unwrap(), "--replace"]);
    assert!(restored, "{told}");
    let running = Server::start_with(&data, sealed);
    assert_eq!(decrypt(&running.client(), &blob), "aGk=");
    drop(running);
    // Another token does not open it, and neither does none.
    hsm.add_token("other");
    let told = Server::try_start(&data, |command| {
        command.env("SOFTHSM2_CONF", hsm.conf()).env("YAOKU_PKCS11_PIN", PIN).arg("--pkcs11-module").arg(hsm.module());
        command.args(["--pkcs11-token", "other", "--seal", "pkcs11"]);
    });
    assert!(told.err().unwrap().contains("does not hold the key of this seal"));
    let told = Server::try_start(&data, |command| {
        command.args(["--seal", "pkcs11"]);
    });
    assert!(told.err().unwrap().contains("--pkcs11-module"));
}

#[test]
fn an_operator_is_told_what_a_module_offers() {
    let Some(hsm) = SoftHsm::new() else { return };
    let check = |change: &dyn Fn(&mut Command)| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yaoku"));
        command.args(["hsm", "check"]).env_remove("YAOKU_PKCS11_PIN").env("SOFTHSM2_CONF", hsm.conf());
        change(&mut command);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, told) = check(&|command| hsm.give_to(command));
    assert_eq!(code, Some(0), "{told}");
    for line in ["CKM_AES_GCM", "Aliyun_AES_256 ", "EC_SM2 SIGN/VERIFY"] {
        assert!(told.contains(line), "{line} in {told}");
    }
    let line = |name: &str| told.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(line("EC_P256K").ends_with("yes") && line("RSA_4096 SIGN/VERIFY").ends_with("yes"), "{told}");
    assert!(line("Aliyun_SM4").contains("no: lacks"), "{told}");
    let (code, told) = check(&|command| {
        command.arg("--pkcs11-module").arg(hsm.module());
    });
    assert!(code == Some(0) && told.contains("keys ") && told.contains("Provide the user PIN"), "{told}");
    let (code, told) = check(&|command| {
        hsm.give_to(command);
        command.env("YAOKU_PKCS11_PIN", "wrong");
    });
    assert!(code == Some(1) && told.contains("refuses the PIN"), "{told}");
    let (code, told) = check(&|command| {
        command.args(["--pkcs11-module", "/nonexistent.so"]);
    });
    assert!(code == Some(1) && told.contains("/nonexistent.so"), "{told}");
    let (code, told) = check(&|_| {});
    assert!(code == Some(1) && told.contains("--pkcs11-module"), "{told}");
}

/// The token behind a process of its own, which can go away: p11-kit's server, and its module for clients.
struct Remote {
    socket: std::path::PathBuf,
    server: Option<Child>,
}

impl Remote {
    const CLIENT: &str = "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so";

    fn serve(&mut self, hsm: &SoftHsm) {
        let _ = std::fs::remove_file(&self.socket);
        let child = Command::new("p11-kit")
            .args(["server", "--foreground", "--provider"])
            .arg(hsm.module())
            .arg("--name")
            .arg(&self.socket)
            .arg("pkcs11:token=keys")
            .env("SOFTHSM2_CONF", hsm.conf())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.server = Some(child.unwrap());
        wait_until("p11-kit serves the token", || self.socket.exists());
    }

    fn end(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // It serves each connection in a process of its own, which ends with the connection.
        let children = format!("/proc/{0}/task/{0}/children", server.id());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        for pid in children.split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", pid]).status();
        }
        server.kill().unwrap();
        server.wait().unwrap();
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn a_token_that_goes_away_comes_back_and_software_keys_do_not_mind() {
    let Some(hsm) = SoftHsm::new() else { return };
    if !Path::new(Remote::CLIENT).exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "p11-kit is missing; install the packages p11-kit and p11-kit-modules"
        );
        eprintln!("skipped: p11-kit is not installed (packages p11-kit, p11-kit-modules)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut remote = Remote { socket: dir.path().join("token.sock"), server: None };
    remote.serve(&hsm);
    let data = dir.path().join("data");
    let address = format!("unix:path={}", remote.socket.display());
    let start = || {
        Server::start_with(&data, |command| {
            command.args(["--pkcs11-module", Remote::CLIENT, "--pkcs11-token", "keys"]);
            command.env("P11_KIT_SERVER_ADDRESS", &address).env("YAOKU_PKCS11_PIN", PIN);
        })
    };
    let running = start();
    let client = running.client();
    let (held, here) = (client.create_key(&[HSM, ("KeySpec", "EC_P256")]), client.create_key(&[]));
    let version = client.version(&held);
    let asked = [
        ("KeyId", held.as_str()),
        ("KeyVersionId", version.as_str()),
        ("Algorithm", "ECDSA_SHA_256"),
        ("Digest", DIGEST),
    ];
    client.call("AsymmetricSign", &asked).ok();
    assert_eq!(client.page("/readyz").0, 200);
    for round in 0..3 {
        remote.end();
        client.call("AsymmetricSign", &asked).fails(503, "ServiceUnavailableTemporary");
        let (status, page) = client.page("/readyz");
        assert!(status == 503 && page.contains("HSM"), "{page}");
        client.encrypt(&here, "aGk=");
        client.call("CreateKey", &[HSM, ("KeySpec", "EC_P256")]).fails(503, "ServiceUnavailableTemporary");
        remote.serve(&hsm);
        wait_until("the token is used again", || client.call("AsymmetricSign", &asked).status == 200);
        wait_until("the server is ready again", || client.page("/readyz").0 == 200);
        assert!(client.call("AsymmetricSign", &asked).status == 200, "round {round}");
    }
    // A server that starts while the token is away serves what it can.
    assert_eq!(running.terminate(), Some(0));
    remote.end();
    let running = start();
    let client = running.client();
    client.encrypt(&here, "aGk=");
    client.call("AsymmetricSign", &asked).fails(503, "ServiceUnavailableTemporary");
    remote.serve(&hsm);
    wait_until("the token is used", || client.call("AsymmetricSign", &asked).status == 200);
}
