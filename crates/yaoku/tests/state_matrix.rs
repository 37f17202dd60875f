//! The whole state × action matrix of the documentation, every cell of it over the wire.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use support::{Client, Server};

/// What an action answers to a key in each state: Enabled, Disabled, PendingDeletion, PendingImport.
/// `o` is success, `D`, `P`, `I` are Rejected.Disabled, .PendingDeletion, .PendingImport, `M` is
/// Rejected.StateModifiedFailed. `-` is Forbidden.KeyVersionNotFound: the state accepts the action, but a key without
/// material has no version yet.
const MATRIX: &[(&str, &str)] = &[
    ("Encrypt", "oDPI"),
    ("Decrypt", "oDPI"),
    ("ReEncrypt source", "oDPI"),
    ("ReEncrypt destination", "oDPI"),
    ("GenerateDataKey", "oDPI"),
    ("GenerateDataKeyWithoutPlaintext", "oDPI"),
    ("ExportDataKey", "oDPI"),
    ("GenerateAndExportDataKey", "oDPI"),
    ("AsymmetricSign", "oDPI"),
    ("AsymmetricVerify", "oDPI"),
    ("AsymmetricEncrypt", "oDPI"),
    ("AsymmetricDecrypt", "oDPI"),
    ("GetPublicKey", "oDPI"),
    ("GenerateMac", "oDPI"),
    ("VerifyMac", "oDPI"),
    ("GetParametersForImport", "oooo"),
    ("ImportKeyMaterial", "ooMo"),
    ("DeleteKeyMaterial", "oooo"),
    ("CreateKeyVersion", "oDPI"),
    ("UpdateRotationPolicy", "oDPI"),
    ("DescribeKey", "oooo"),
    ("ListKeys", "oooo"),
    ("ListKeyVersions", "oooo"),
    ("DescribeKeyVersion", "ooo-"),
    ("ListAliases", "oooo"),
    ("ListAliasesByKeyId", "oooo"),
    ("ListResourceTags", "oooo"),
    ("ListTagResources", "oooo"),
    ("DeleteAlias", "oooo"),
    ("UpdateKeyDescription", "ooPo"),
    ("TagResource", "ooPo"),
    ("UntagResource", "ooPo"),
    ("TagResources", "ooPo"),
    ("UntagResources", "ooPo"),
    ("EnableKey", "ooMM"),
    ("DisableKey", "ooMM"),
    ("ScheduleKeyDeletion", "ooMo"),
    ("CancelKeyDeletion", "MMoM"),
    ("CreateAlias", "ooMo"),
    ("UpdateAlias", "ooPo"),
    ("SetDeletionProtection", "ooPo"),
    ("SetKeyPolicy", "ooPo"),
    ("GetKeyPolicy", "oooo"),
];

/// What an action answers to a secret: one that is there, one that is pending deletion. `o` is success, `W` is
/// Rejected.ResourceInDeleteWindow.
const SECRETS: &[(&str, &str)] = &[
    ("GetSecretValue", "oW"),
    // Of each secret, it says by itself what is wrong with it.
    ("BatchGetSecretValue", "oo"),
    ("SetSecretPolicy", "oW"),
    ("GetSecretPolicy", "oo"),
    ("PutSecretValue", "oW"),
    ("UpdateSecretVersionStage", "oW"),
    ("UpdateSecret", "oW"),
    ("DescribeSecret", "oo"),
    ("ListSecrets", "oo"),
    ("ListSecretVersionIds", "oo"),
    ("DeleteSecret", "oW"),
    ("DeleteSecret at once", "oo"),
    ("RestoreSecret", "oo"),
    ("RotateSecret", "oW"),
    ("UpdateSecretRotationPolicy", "oW"),
    ("TagResource", "oW"),
    ("UntagResource", "oW"),
    ("TagResources", "oW"),
    ("UntagResources", "oW"),
    ("ListTagResources", "oo"),
];

#[test]
fn every_action_answers_every_state_of_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let mut wrong = Vec::new();
    for (number, (action, row)) in SECRETS.iter().enumerate() {
        for (state, expected) in ["there", "pending deletion"].into_iter().zip(row.chars()) {
            let name = format!("secret-{number}-{}", state.len());
            let rotates = ["RotateSecret", "UpdateSecretRotationPolicy"].contains(action);
            let name = match rotates {
                true => client.create_secret_of_user(&name),
                false => name,
            };
            let secret = ("SecretName", name.as_str());
            if !rotates {
                client.call("CreateSecret", &[secret, ("VersionId", "v1"), ("SecretData", "first")]).ok();
            }
            if state != "there" {
                client.call("DeleteSecret", &[secret]).ok();
            }
            let resource = [("ResourceType", "secret"), ("ResourceId.1", name.as_str())];
            let params: Vec<(&str, &str)> = match *action {
                "PutSecretValue" => vec![secret, ("VersionId", "v2"), ("SecretData", "second")],
                "UpdateSecretVersionStage" => vec![secret, ("VersionStage", "blue"), ("MoveToVersion", "v1")],
                "UpdateSecret" => vec![secret, ("Description", "new")],
                "RotateSecret" => vec![secret, ("VersionId", "v2")],
                "UpdateSecretRotationPolicy" => {
                    vec![secret, ("EnableAutomaticRotation", "true"), ("RotationInterval", "7d")]
                }
                "BatchGetSecretValue" => vec![("SecretsList.1.SecretName", &*name)],
                "SetSecretPolicy" => vec![secret, ("Policy", POLICY)],
                "ListSecrets" => Vec::new(),
                "DeleteSecret at once" => vec![secret, ("ForceDeleteWithoutRecovery", "true")],
                "TagResource" => vec![secret, ("Tags", r#"[{"TagKey":"a","TagValue":"b"}]"#)],
                "UntagResource" => vec![secret, ("TagKeys", r#"["a"]"#)],
                "TagResources" => [&resource[..], &[("Tag.1.Key", "a"), ("Tag.1.Value", "b")]].concat(),
                "UntagResources" => [&resource[..], &[("TagKey.1", "a")]].concat(),
                "ListTagResources" => resource.to_vec(),
                _ => vec![secret],
            };
            let answer = client.call(action.split(' ').next().unwrap(), &params);
            let expected = if expected == 'o' { "ok" } else { "Rejected.ResourceInDeleteWindow" };
            if answer.code() != expected {
                wrong.push(format!("{action} on a secret that is {state}: expected {expected}, got {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const POLICY: &str = r#"{"Version":"1","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;

/// What keys of external origin hold.
const MATERIAL: &[u8] = &[7; 32];
/// 32 bytes.
const DIGEST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

const STATES: [&str; 4] = ["Enabled", "Disabled", "PendingDeletion", "PendingImport"];

#[test]
fn every_action_answers_every_state_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    let public_key = rsa_public_key();
    let mut wrong = Vec::new();
    for (action, row) in MATRIX {
        for (state, expected) in STATES.into_iter().zip(row.chars()) {
            let expected = match expected {
                'o' => (200, "ok"),
                'D' => (409, "Rejected.Disabled"),
                'P' => (409, "Rejected.PendingDeletion"),
                'I' => (409, "Rejected.PendingImport"),
                'M' => (409, "Rejected.StateModifiedFailed"),
                _ => (404, "Forbidden.KeyVersionNotFound"),
            };
            let answer = Fixture::new(&client, state, action).act(&client, action, &public_key);
            if (answer.0, answer.1.as_str()) != expected {
                wrong.push(format!("{action} on {state}: expected {expected:?}, got {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn switching_and_deleting_lead_to_the_documented_states() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client();
    for (from, action, to) in [
        ("Enabled", "DisableKey", "Disabled"),
        ("Enabled", "EnableKey", "Enabled"),
        ("Disabled", "EnableKey", "Enabled"),
        ("Disabled", "DisableKey", "Disabled"),
        ("Enabled", "ScheduleKeyDeletion", "PendingDeletion"),
        ("Disabled", "ScheduleKeyDeletion", "PendingDeletion"),
        ("PendingImport", "ScheduleKeyDeletion", "PendingDeletion"),
        ("PendingDeletion", "CancelKeyDeletion", "Enabled"),
    ] {
        let fixture = Fixture::new(&client, from, "");
        assert_eq!(fixture.act(&client, action, "").0, 200, "{action} on {from}");
        assert_eq!(client.state(&fixture.key), to, "{action} on {from}");
    }
    let external = Fixture::new(&client, "PendingImport", "");
    external.act(&client, "ScheduleKeyDeletion", "");
    external.act(&client, "CancelKeyDeletion", "");
    assert_eq!(client.state(&external.key), "PendingImport", "a key without material is saved from deletion");
}

/// A key in a state, with an alias, a tag and a ciphertext from before.
struct Fixture {
    key: String,
    version: String,
    alias: String,
    blob: String,
    other: String,
    other_blob: String,
    /// Token and public key, for keys of external origin.
    import: Option<(String, String)>,
}

impl Fixture {
    fn new(client: &Client, state: &str, action: &str) -> Self {
        let other = client.create_key(&[]);
        let other_blob = client.encrypt(&other, "aGk=");
        let tags = r#"[{"TagKey":"team","TagValue":"red"}]"#;
        let kind: &[(&str, &str)] = match action {
            // Only symmetric keys can be without material.
            _ if state == "PendingImport" => &[("Origin", "EXTERNAL")],
            "AsymmetricSign" | "AsymmetricVerify" => &[("KeySpec", "EC_P256")],
            "AsymmetricEncrypt" | "AsymmetricDecrypt" | "GetPublicKey" => {
                &[("KeySpec", "EC_SM2"), ("KeyUsage", "ENCRYPT/DECRYPT")]
            }
            "GenerateMac" | "VerifyMac" => &[("KeySpec", "HMAC_SHA256")],
            "GetParametersForImport" | "ImportKeyMaterial" | "DeleteKeyMaterial" => &[("Origin", "EXTERNAL")],
            _ => &[],
        };
        let key = client.create_key(&[kind, &[("Tags", tags)]].concat());
        let import = kind.contains(&("Origin", "EXTERNAL")).then(|| client.import_parameters(&key));
        if let Some(import) = import.as_ref().filter(|_| state != "PendingImport") {
            client.import(&key, import, MATERIAL, 0).ok();
        }
        // Of a key without material there is none.
        let version = if state == "PendingImport" { other.clone() } else { client.version(&key) };
        let alias = format!("alias/{key}");
        client.call("CreateAlias", &[("AliasName", &alias), ("KeyId", &key)]).ok();
        let blob = match state {
            "PendingImport" => naming_key(&other_blob, &key),
            _ => match action {
                "AsymmetricDecrypt" => {
                    let params = [("KeyId", key.as_str()), ("KeyVersionId", &version), ("Algorithm", "SM2PKE")];
                    let params = [&params[..], &[("Plaintext", "aGk=")]].concat();
                    client.call("AsymmetricEncrypt", &params).ok().text("CiphertextBlob").to_owned()
                }
                _ if kind.iter().any(|(name, _)| *name == "KeySpec") => other_blob.clone(),
                _ => client.encrypt(&key, "aGk="),
            },
        };
        match state {
            "Disabled" => drop(client.call("DisableKey", &[("KeyId", &key)]).ok()),
            "PendingDeletion" => {
                client.call("ScheduleKeyDeletion", &[("KeyId", &key), ("PendingWindowInDays", "7")]).ok();
            }
            _ => {}
        }
        assert_eq!(client.state(&key), state);
        Self { key, version, alias, blob, other, other_blob, import }
    }

    /// Status and code of the answer.
    fn act(&self, client: &Client, action: &str, public_key: &str) -> (u16, String) {
        let key = ("KeyId", self.key.as_str());
        let pair = [key, ("KeyVersionId", self.version.as_str())];
        let resource = [("ResourceType", "key"), ("RegionId", support::REGION), ("ResourceId.1", &self.key)];
        let wrapping = [("WrappingKeySpec", "RSA_2048"), ("WrappingAlgorithm", "RSAES_OAEP_SHA_256")];
        let new_alias = format!("alias/new/{}", self.key);
        let other_alias = format!("alias/other/{}", self.key);
        let name = action.split(' ').next().unwrap();
        let params: Vec<(&str, &str)> = match action {
            "Encrypt" => vec![key, ("Plaintext", "aGk=")],
            "Decrypt" => vec![("CiphertextBlob", &self.blob)],
            "ReEncrypt source" => vec![("CiphertextBlob", &self.blob), ("DestinationKeyId", &self.other)],
            "ReEncrypt destination" => vec![("CiphertextBlob", &self.other_blob), ("DestinationKeyId", &self.key)],
            "ExportDataKey" => {
                let blob = [("CiphertextBlob", self.blob.as_str()), ("PublicKeyBlob", public_key)];
                blob.into_iter().chain(wrapping).collect()
            }
            "GenerateAndExportDataKey" => [key, ("PublicKeyBlob", public_key)].into_iter().chain(wrapping).collect(),
            "AsymmetricSign" => [&pair[..], &[("Algorithm", "ECDSA_SHA_256"), ("Digest", DIGEST)]].concat(),
            "AsymmetricVerify" => {
                [&pair[..], &[("Algorithm", "ECDSA_SHA_256"), ("Digest", DIGEST), ("Value", "AAAA")]].concat()
            }
            "AsymmetricEncrypt" => [&pair[..], &[("Algorithm", "SM2PKE"), ("Plaintext", "aGk=")]].concat(),
            "AsymmetricDecrypt" => [&pair[..], &[("Algorithm", "SM2PKE"), ("CiphertextBlob", &self.blob)]].concat(),
            "GetPublicKey" => pair.to_vec(),
            "GenerateMac" => vec![key, ("Algorithm", "HMAC_SHA_256"), ("Message", "aGk=")],
            "VerifyMac" => vec![key, ("Algorithm", "HMAC_SHA_256"), ("Message", "aGk="), ("Mac", "AAAA")],
            "GetParametersForImport" => {
                vec![key, ("WrappingKeySpec", "EC_SM2"), ("WrappingAlgorithm", "SM2PKE")]
            }
            "ImportKeyMaterial" => {
                let answer = client.import(&self.key, self.import.as_ref().unwrap(), MATERIAL, 0);
                return (answer.status, answer.code().to_owned());
            }
            "UpdateRotationPolicy" => vec![key, ("EnableAutomaticRotation", "true"), ("RotationInterval", "7d")],
            "ListKeys" | "ListAliases" => vec![],
            "DescribeKeyVersion" => vec![key, ("KeyVersionId", &self.version)],
            "ListTagResources" => resource.to_vec(),
            "DeleteAlias" => vec![("AliasName", &self.alias)],
            "UpdateKeyDescription" => vec![key, ("Description", "new")],
            "TagResource" => vec![key, ("Tags", r#"[{"TagKey":"a","TagValue":"b"}]"#)],
            "UntagResource" => vec![key, ("TagKeys", r#"["team"]"#)],
            "TagResources" => resource.into_iter().chain([("Tag.1.Key", "a"), ("Tag.1.Value", "b")]).collect(),
            "UntagResources" => resource.into_iter().chain([("TagKey.1", "team")]).collect(),
            "ScheduleKeyDeletion" => vec![key, ("PendingWindowInDays", "7")],
            "CreateAlias" => vec![key, ("AliasName", &new_alias)],
            "UpdateAlias" => {
                client.call("CreateAlias", &[("AliasName", &other_alias), ("KeyId", &self.other)]).ok();
                vec![key, ("AliasName", &other_alias)]
            }
            "SetKeyPolicy" => vec![key, ("Policy", POLICY)],
            "SetDeletionProtection" => vec![key, ("EnableDeletionProtection", "true")],
            _ => vec![key],
        };
        let answer = client.call(name, &params);
        (answer.status, answer.code().to_owned())
    }
}

/// The blob with another key id written over its own.
fn naming_key(blob: &str, key: &str) -> String {
    let mut bytes = STANDARD.decode(blob).unwrap();
    bytes[2..18].copy_from_slice(yaoku_kms::KeyId::parse(key).unwrap().as_bytes());
    STANDARD.encode(bytes)
}

/// The SubjectPublicKeyInfo of an RSA-2048 key, in base64; made for this test with OpenSSL.
fn rsa_public_key() -> String {
    include_str!("data/rsa_2048_public.b64").trim().to_owned()
}
