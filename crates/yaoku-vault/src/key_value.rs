//! Version 2 of the key-value engine, over secrets.
//!
//! The mount `secret` holds secrets by their own names, any other by `mount/path`. A version's number is that of the secret's version,
//! and the current version is the one that has the stage `ACSCurrent`. What is written is kept as the text that was sent, so that it
//! is read back the same, by the KMS API as well. A value that was put there and is no JSON object reads as `{"value": …}`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use yaoku_crypto::Secret;
use yaoku_gate::time::format_time;
use yaoku_iam::{Operation, OperationSpec, Timestamp};
use yaoku_kms::operations::Page;
use yaoku_kms::operations::crypto::Decrypt;
use yaoku_kms::operations::data_keys::GenerateDataKey;
use yaoku_kms::operations::rights::Operations;
use yaoku_secrets::operations::deletion::{DeleteSecret, When};
use yaoku_secrets::operations::numbered::{
    DeleteVersions, DescribeVersions, DescribedVersions, DestroyVersions, KeepVersions, Keeping, RestoreVersions,
};
use yaoku_secrets::operations::rights::CheckSecretRights;
use yaoku_secrets::operations::secrets::{CreateSecret, ListSecrets, NewContent};
use yaoku_secrets::operations::values::{GetSecretValue, PutSecretValue, SecretValue, VersionRef};
use yaoku_secrets::{
    SecretFilter, SecretFilters, SecretName, SecretRef, Stage, Value, ValueKind, VersionAbout, VersionId,
};
use zeroize::Zeroizing;

use crate::capabilities::Allowed;
use crate::failure::{Code, Failure};
use crate::reply::Reply;
use crate::router::{Act, Route, is_segment};
use crate::service::Exchange;
use crate::values::{Duration, Flag, Number, Several};

/// Names that a listing looks at.
const MAX_LISTED: u32 = 10_000;
/// Versions that can be named at once: more than a secret has.
const MAX_NUMBERS: usize = 100;
/// How deep a value may be: the readers of many clients end with an error, or worse, somewhat beyond this.
const MAX_DEPTH: usize = 100;
/// How often a value is put and a secret made in turn, when others make and delete it meanwhile.
const ATTEMPTS: usize = 4;

pub(crate) async fn run(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    match exchange.route.act {
        Act::ReadSecret => read(exchange).await,
        Act::WriteSecret => write(exchange).await,
        Act::DeleteCurrent => delete(exchange, Vec::new()).await,
        Act::DeleteVersions => delete(exchange, numbers(exchange)?).await,
        Act::UndeleteVersions => {
            let operation = RestoreVersions { secret: secret(exchange)?, numbers: numbers(exchange)? };
            exchange.perform(operation).await.map(|()| Reply::done())
        }
        Act::DestroyVersions => {
            let operation = DestroyVersions { secret: secret(exchange)?, numbers: numbers(exchange)? };
            exchange.perform(operation).await.map(|()| Reply::done())
        }
        Act::ReadMetadata => read_metadata(exchange).await,
        Act::ListSecrets => list(exchange).await,
        Act::WriteMetadata => write_metadata(exchange).await,
        Act::DeleteSecret => {
            let operation = DeleteSecret { name: secret(exchange)?.name, when: When::Now };
            gone(exchange.perform(operation).await.map(drop))
        }
        Act::ReadConfig => {
            exchange.perform(yaoku_iam::operations::caller::GetCallerIdentity).await?;
            exchange.data(&json!({"cas_required": false, "delete_version_after": "0s", "max_versions": 0}))
        }
        _ => Err(Failure::internal()),
    }
}

/// Whether the caller may do what a route to secrets leads to.
pub(crate) async fn may(exchange: &Exchange<'_>, route: &Route<'_>) -> Result<Allowed, Failure> {
    let (operations, with_key): (Operations, Option<&'static OperationSpec>) = match route.act {
        Act::ListSecrets => {
            let on_all = CheckSecretRights { secret: None, operations: &[&ListSecrets::SPEC], with_key: None };
            return exchange.perform(on_all).await.map(Allowed::from);
        }
        Act::ReadSecret => (&[&GetSecretValue::SPEC], Some(&Decrypt::SPEC)),
        Act::WriteSecret => (&[&PutSecretValue::SPEC], Some(&GenerateDataKey::SPEC)),
        Act::DeleteCurrent | Act::DeleteVersions | Act::DestroyVersions => (&[&DeleteVersions::SPEC], None),
        Act::UndeleteVersions => (&[&RestoreVersions::SPEC], None),
        Act::ReadMetadata => (&[&DescribeVersions::SPEC], None),
        Act::WriteMetadata => (&[&KeepVersions::SPEC], None),
        Act::DeleteSecret => (&[&DeleteSecret::SPEC], None),
        _ => return Ok(Allowed::No),
    };
    // What can be no name of a secret is that of none.
    let Some(name) = SecretName::parse(&route.name) else { return Ok(Allowed::No) };
    let on_one = CheckSecretRights { secret: Some(name), operations, with_key };
    if !exchange.perform(on_one).await? {
        return Ok(Allowed::No);
    }
    if route.act == Act::WriteSecret {
        let on_all = CheckSecretRights { secret: None, operations: &[&CreateSecret::SPEC], with_key: None };
        if exchange.perform(on_all).await? {
            return Ok(Allowed::ToCreate);
        }
    }
    Ok(Allowed::Yes)
}

/// The secret that the path names.
fn secret(exchange: &Exchange<'_>) -> Result<SecretRef, Failure> {
    let name = SecretName::parse(&exchange.route.name).ok_or_else(|| {
        Failure::invalid("the name of a secret, with its mount, consists of 1 to 192 letters, digits and _ / + = . @ -")
    })?;
    Ok(name.into())
}

/// What is to be deleted and is not there is deleted.
fn gone(result: Result<(), Failure>) -> Result<Reply, Failure> {
    match result {
        Err(failure) if failure.code != Code::SecretNotFound => Err(failure),
        Ok(()) | Err(_) => Ok(Reply::done()),
    }
}

async fn delete(exchange: &Exchange<'_>, numbers: Vec<u64>) -> Result<Reply, Failure> {
    gone(exchange.perform(DeleteVersions { secret: secret(exchange)?, numbers }).await)
}

/// The versions that a body names.
fn numbers(exchange: &Exchange<'_>) -> Result<Vec<u64>, Failure> {
    let Versions { versions } = exchange.body()?;
    let numbers: Vec<_> = versions.all("versions")?.into_iter().map(|Number(number)| number).collect();
    let shown: Vec<_> = numbers.iter().map(u64::to_string).collect();
    exchange.show("versions", shown.join(","));
    Ok(numbers)
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    versions: Several<Number, MAX_NUMBERS>,
}

/// How a version stands, as the API shows it.
#[derive(Serialize)]
struct Shown<'a> {
    created_time: String,
    custom_metadata: Option<&'a BTreeMap<String, String>>,
    deletion_time: String,
    destroyed: bool,
    version: u64,
}

impl<'a> Shown<'a> {
    fn new(version: &VersionAbout, custom_metadata: &'a BTreeMap<String, String>) -> Self {
        Self {
            created_time: time(version.created),
            custom_metadata: (!custom_metadata.is_empty()).then_some(custom_metadata),
            deletion_time: version.deleted.map(time).unwrap_or_default(),
            destroyed: version.destroyed,
            version: version.number,
        }
    }
}

fn time(Timestamp(millis): Timestamp) -> String {
    format_time(millis)
}

async fn read(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let version = match exchange.query("version").filter(|version| !version.is_empty()) {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| Failure::invalid("version must be a number"))?),
    };
    // 0 is the current one.
    let version = version.filter(|number| *number != 0);
    if let Some(number) = version {
        exchange.show("version", number);
    }
    let get = GetSecretValue { secret: secret(exchange)?, version: version.map(VersionRef::Number), stage: None };
    match exchange.perform(get).await {
        Ok(SecretValue { secret, version, value }) => {
            let metadata = Shown::new(&version, &secret.custom_metadata);
            let text;
            let data = match json_object(&value) {
                Some(object) => Data::Object(object),
                None if value.kind == ValueKind::Binary => {
                    text = Zeroizing::new(STANDARD.encode(value.bytes.expose()));
                    Data::Text { value: &text }
                }
                None => {
                    Data::Text { value: std::str::from_utf8(value.bytes.expose()).map_err(|_| Failure::internal())? }
                }
            };
            exchange.data(&Content { data: Some(data), metadata })
        }
        Err(failure) if matches!(failure.code, Code::SecretNotFound | Code::VersionDeleted) => {
            deleted(exchange, version, failure).await
        }
        Err(failure) => Err(failure),
    }
}

/// Answers for a version whose value can't be read, whether it was deleted or destroyed: not found, and how it stands.
async fn deleted(exchange: &Exchange<'_>, version: Option<u64>, failure: Failure) -> Result<Reply, Failure> {
    let described = exchange.perform(DescribeVersions { secret: secret(exchange)? }).await;
    let Ok(DescribedVersions { secret, versions, .. }) = described else { return Err(failure) };
    let is_it = |about: &&VersionAbout| match version {
        Some(number) => about.number == number,
        None => is_current(about),
    };
    let Some(about) = versions.iter().find(is_it) else { return Err(failure) };
    let content = Content { data: None, metadata: Shown::new(about, &secret.custom_metadata) };
    Ok(exchange.data(&content)?.with_status(StatusCode::NOT_FOUND))
}

fn is_current(version: &VersionAbout) -> bool {
    version.stages.iter().any(|stage| stage.as_str() == Stage::CURRENT)
}

#[derive(Serialize)]
struct Content<'a> {
    data: Option<Data<'a>>,
    metadata: Shown<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Object(&'a RawValue),
    Text { value: &'a str },
}

/// A value that is a JSON object which clients can read.
fn json_object(value: &Value) -> Option<&RawValue> {
    let bytes = value.bytes.expose().trim_ascii();
    let may_be = value.kind == ValueKind::Text && bytes.starts_with(b"{");
    let object: Option<&RawValue> = may_be.then(|| serde_json::from_slice(bytes).ok()).flatten();
    object.filter(|object| depth(object.get()) <= MAX_DEPTH)
}

/// How deep arrays and objects stand within each other in a valid JSON text. Nothing of it is copied.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut is_escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[derive(Deserialize)]
struct WriteBody<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    options: WriteOptions,
}

#[derive(Deserialize, Default)]
struct WriteOptions {
    cas: Option<Number>,
}

impl<'a> WriteBody<'a> {
    /// The object that is written, as it was sent.
    fn object(&self) -> Result<&'a str, Failure> {
        let text = self.data.map_or("", RawValue::get);
        match text.starts_with('{') {
            true if depth(text) <= MAX_DEPTH => Ok(text),
            true => Err(Failure::invalid(format!("data can be at most {MAX_DEPTH} objects and lists deep"))),
            false => Err(Failure::invalid("data must be a JSON object")),
        }
    }
}

async fn write(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let body: WriteBody<'_> = exchange.body()?;
    let (object, secret) = (body.object()?, secret(exchange)?);
    let expected = body.options.cas.map(|Number(number)| number);
    if let Some(number) = expected {
        exchange.show("cas", number);
    }
    let written = |version: &VersionAbout, metadata| {
        exchange.tell("version", version.number);
        exchange.data(&Shown::new(version, metadata))
    };
    let value = || Value { kind: ValueKind::Text, bytes: Secret::new(object.as_bytes().to_vec()) };
    for _ in 0..ATTEMPTS {
        let put = PutSecretValue { secret: secret.clone(), version: None, value: value(), stages: None, expected };
        match exchange.perform(put).await {
            Ok(version) => return written(&version, &BTreeMap::new()),
            Err(failure) if failure.code == Code::SecretNotFound && expected.is_none_or(|number| number == 0) => {}
            Err(failure) if failure.code == Code::SecretNotFound => {
                let why = "check-and-set parameter did not match the current version: there is no such secret";
                return Err(Failure::new(Code::CheckAndSet, why));
            }
            Err(failure) if failure.code == Code::CheckAndSet && expected.is_none() => {
                return Err(Failure::new(Code::CheckAndSet, "check-and-set parameter required for this call"));
            }
            Err(failure) => return Err(failure),
        }
        let create = CreateSecret {
            content: NewContent::Generic { name: secret.name.clone(), value: value() },
            version: VersionId::parse("1").ok_or_else(Failure::internal)?,
            description: String::new(),
            key: None,
            tags: Vec::new(),
            policy: None,
        };
        match exchange.perform(create).await {
            Ok((about, version)) => return written(&version, &about.custom_metadata),
            // Somebody else made it.
            Err(failure) if failure.code == Code::SecretExists => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::unavailable())
}

async fn read_metadata(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let operation = DescribeVersions { secret: secret(exchange)? };
    let DescribedVersions { secret, versions, keeping } = exchange.perform(operation).await?;
    let shown = |version: &VersionAbout| {
        let Shown { created_time, deletion_time, destroyed, .. } = Shown::new(version, &secret.custom_metadata);
        json!({"created_time": created_time, "deletion_time": deletion_time, "destroyed": destroyed})
    };
    let current = versions.iter().find(|version| is_current(version)).map_or(0, |version| version.number);
    let oldest = versions.first().map_or(0, |version| version.number);
    exchange.data(&json!({
        "cas_required": keeping.expects_current,
        "created_time": time(secret.created),
        "current_version": current,
        "custom_metadata": if secret.custom_metadata.is_empty() { Json::Null } else { json!(secret.custom_metadata) },
        "delete_version_after": format!("{}s", keeping.delete_after.unwrap_or(0)),
        "max_versions": keeping.max_versions,
        "oldest_version": oldest,
        "updated_time": time(secret.updated),
        "versions": versions.iter().map(|version| (version.number.to_string(), shown(version))).collect::<BTreeMap<_, _>>(),
    }))
}

#[derive(Deserialize)]
struct MetadataBody {
    max_versions: Option<Number>,
    cas_required: Option<Flag>,
    delete_version_after: Option<Duration>,
    custom_metadata: Option<BTreeMap<String, String>>,
}

async fn write_metadata(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let body: MetadataBody = exchange.body()?;
    let keeping = Keeping {
        max_versions: body.max_versions.map(|Number(most)| u32::try_from(most).unwrap_or(u32::MAX)),
        expects_current: body.cas_required.map(|Flag(is_required)| is_required),
        delete_after: body.delete_version_after.map(|Duration(seconds)| seconds),
        custom_metadata: body.custom_metadata,
    };
    keeping.max_versions.inspect(|most| exchange.show("max_versions", most));
    keeping.expects_current.inspect(|is_required| exchange.show("cas_required", is_required));
    keeping.delete_after.inspect(|seconds| exchange.show("delete_version_after", seconds));
    if let Some(metadata) = &keeping.custom_metadata {
        // Values are whatever their writers put there.
        exchange.show("custom_metadata", metadata.keys().map(String::as_str).collect::<Vec<_>>().join(","));
    }
    match exchange.perform(KeepVersions { secret: secret(exchange)?, keeping }).await {
        Ok(()) => Ok(Reply::done()),
        Err(failure) if failure.code == Code::SecretNotFound => Err(Failure::unsupported(
            "metadata of a secret that has no version is not supported: write a version first",
        )),
        Err(failure) => Err(failure),
    }
}

/// Lists what stands directly under a path: names, and with a slash behind them paths under which others stand.
async fn list(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let name = exchange.route.name.trim_end_matches('/');
    let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
    let filters = SecretFilters(match prefix.is_empty() {
        true => Vec::new(),
        false => vec![SecretFilter::Name(vec![prefix.clone()])],
    });
    let found = exchange.perform(ListSecrets { filters, page: Page { number: 1, size: MAX_LISTED } }).await?;
    let mut keys: Vec<String> = Vec::new();
    for secret in &found.items {
        // One that is pending deletion can't be read here.
        let Some(rest) = secret.name.as_str().strip_prefix(&prefix).filter(|_| secret.planned_deletion.is_none())
        else {
            continue;
        };
        // And no path leads to a name that paths can't have.
        if !rest.split('/').all(is_segment) {
            continue;
        }
        let key = match rest.split_once('/') {
            Some((first, _)) => format!("{first}/"),
            None => rest.to_owned(),
        };
        if keys.last() != Some(&key) {
            keys.push(key);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Err(Failure::new(Code::SecretNotFound, "there are no secrets under this path"));
    }
    let warning = (found.total > u64::from(MAX_LISTED))
        .then(|| format!("only the first {MAX_LISTED} secrets were looked at, of {}", found.total));
    Reply::data_with_warnings(exchange.request_id, &json!({"keys": keys}), warning.as_slice())
}

/// Reads any bytes as the bodies of the engine.
pub fn fuzz(bytes: &[u8]) {
    let headers = http::HeaderMap::new();
    if let Ok(body) = crate::body::read::<WriteBody<'_>>(&headers, bytes) {
        let _ = body.object();
    }
    let _ = crate::body::read::<Versions>(&headers, bytes).is_ok();
    let _ = crate::body::read::<MetadataBody>(&headers, bytes).is_ok();
    let text = std::str::from_utf8(bytes).is_ok();
    let value =
        Value { kind: if text { ValueKind::Text } else { ValueKind::Binary }, bytes: Secret::new(bytes.to_vec()) };
    let _ = json_object(&value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn depth_counts_what_stands_outside_of_texts() {
        for (json, expected) in [
            ("{}", 1),
            (r#"{"a":[1,{"b":[]}],"c":{}}"#, 4),
            (r#"{"a":"[[[[","b{":"\"]["}"#, 1),
            (r#"{"a":"\\","b":[]}"#, 2),
            ("1", 0),
        ] {
            assert_eq!(depth(json), expected, "{json}");
        }
    }

    /// The depth of a value, the plain way.
    fn depth_of(value: &Json) -> usize {
        match value {
            Json::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
            Json::Object(entries) => 1 + entries.values().map(depth_of).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn values() -> impl Strategy<Value = Json> {
        let leaves = prop_oneof![Just(Json::Null), ".{0,6}".prop_map(Json::String), any::<i64>().prop_map(Json::from)];
        leaves.prop_recursive(5, 30, 4, |inner| {
            let entry = (".{0,3}", inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Json::Array),
                prop::collection::vec(entry, 0..4).prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn depth_is_that_of_the_value(value in values()) {
            prop_assert_eq!(depth(&value.to_string()), depth_of(&value));
        }
    }
}
