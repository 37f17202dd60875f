//! Keys: made, shown, listed, rotated, configured and deleted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use yaoku_gate::time::format_time;
use yaoku_iam::Operation;
use yaoku_kms::operations::Page;
use yaoku_kms::operations::aliases::ListAliases;
use yaoku_kms::operations::asymmetric::{GetPublicKey, KeyPair};
use yaoku_kms::operations::keys::{
    CreateKey, CreateNamedKey, DescribeKey, ListKeys, ScheduleKeyDeletion, SetDeletionProtection,
};
use yaoku_kms::operations::rights::{CheckRights, Rights};
use yaoku_kms::operations::versions::{CreateKeyVersion, ListKeyVersions, UpdateRotationPolicy};
use yaoku_kms::{
    AliasName, KeyFilters, KeyId, KeyMetadata, KeyRef, KeySpec, KeyState, KeyUsage, KeyVersion, Origin,
    ProtectionLevel, RotationInterval,
};

use super::{alias, names, signing};
use crate::failure::{Code, Failure};
use crate::reply::Reply;
use crate::service::Exchange;
use crate::values::{Duration, Flag, Number};

/// Names of a listing.
const MAX_LISTED: u32 = 10_000;
/// Versions that are shown of a key, the youngest.
const MAX_VERSIONS: u32 = 10_000;
/// Days until a key is deleted.
const PENDING_DAYS: u32 = 30;
/// Why a key can't be deleted unless its owner says that it can.
const PROTECTION: &str = "deletion_allowed is false (transit)";

#[derive(Deserialize, Default)]
#[serde(default)]
struct CreateBody {
    r#type: Option<String>,
    derived: Flag,
    convergent_encryption: Flag,
    exportable: Flag,
    allow_plaintext_backup: Flag,
    key_size: Option<Number>,
    auto_rotate_period: Option<Duration>,
    managed_key_name: Option<String>,
    managed_key_id: Option<String>,
}

impl CreateBody {
    fn check(&self) -> Result<(), Failure> {
        for (asked, what) in [
            (self.derived.0, "derived keys are"),
            (self.convergent_encryption.0, "convergent_encryption is"),
            (self.managed_key_name.is_some() || self.managed_key_id.is_some(), "managed keys are"),
        ] {
            if asked {
                return Err(Failure::unsupported(format!("{what} not supported by this server")));
            }
        }
        no_export(self.exportable.0, self.allow_plaintext_backup.0)
    }
}

fn no_export(exportable: bool, backup: bool) -> Result<(), Failure> {
    match exportable || backup {
        true => Err(Failure::unsupported(
            "customer master keys never leave this server: exportable and allow_plaintext_backup are not supported",
        )),
        false => Ok(()),
    }
}

fn rotation(period: Option<Duration>) -> Result<Option<RotationInterval>, Failure> {
    let Some(Duration(seconds @ 1..)) = period else { return Ok(None) };
    let why = "auto_rotate_period must be 7 to 730 days, or 0";
    RotationInterval::from_seconds(seconds).map(Some).map_err(|_| Failure::invalid(why))
}

/// Makes a key, unless there is one of that name, which then stays as it is.
pub(super) async fn create(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let body: CreateBody = exchange.body()?;
    body.check()?;
    let (spec, usage) = names::spec(body.r#type.as_deref().filter(|name| !name.is_empty()).unwrap_or("aes256-gcm96"))?;
    if let Some(Number(size)) = body.key_size.filter(|Number(size)| *size != 0)
        && (spec != KeySpec::HmacSha256 || size != 32)
    {
        return Err(Failure::unsupported("key_size is 32 for keys of type hmac, and not supported for others"));
    }
    exchange.show("type", names::type_of(spec));
    let name = &*exchange.route.name;
    let describe = |key| exchange.perform(DescribeKey { key });
    let about = match KeyId::parse(name) {
        Some(id) => describe(id.into()).await.map_err(|failure| match failure.code {
            Code::KeyNotFound => Failure::invalid("the ids of keys are drawn by this server: choose another name"),
            _ => failure,
        })?,
        None => {
            let alias = alias(name).map_err(|_| {
                Failure::invalid("a name consists of 1 to 255 letters, digits, hyphens and underscores")
            })?;
            let rotation = rotation(body.auto_rotate_period)?;
            match make(exchange, spec, usage, rotation, &alias).await {
                Ok(made) => made,
                // Whoever asks for what is there is told of it.
                Err(failure) if failure.code == Code::InvalidRequest && is_there(&failure) => {
                    match describe(KeyRef::Alias(alias)).await {
                        Err(failure) if failure.code == Code::PermissionDenied => return Ok(Reply::done()),
                        about => about?,
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    };
    match show(exchange, about).await {
        // It is there as asked for, whether the caller may see more of it or not.
        Err(failure) if failure.code == Code::PermissionDenied => Ok(Reply::done()),
        shown => shown,
    }
}

/// Whether a key could not be made because there is one of its name.
fn is_there(failure: &Failure) -> bool {
    failure.message == ALIAS_EXISTS
}

/// As the failure says it.
const ALIAS_EXISTS: &str = "a key of this name already exists";

async fn make(
    exchange: &Exchange<'_>,
    spec: KeySpec,
    usage: KeyUsage,
    rotation: Option<RotationInterval>,
    alias: &AliasName,
) -> Result<KeyMetadata, Failure> {
    let key = CreateKey {
        spec,
        usage: Some(usage),
        origin: Origin::Generated,
        protection: ProtectionLevel::Software,
        description: String::new(),
        rotation,
        tags: Vec::new(),
        policy: None,
    };
    exchange.perform(CreateNamedKey { key, alias: alias.clone(), protection: PROTECTION.into() }).await
}

pub(super) async fn read(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let about = exchange.perform(DescribeKey { key: exchange.key()? }).await?;
    show(exchange, about).await
}

async fn show(exchange: &Exchange<'_>, about: KeyMetadata) -> Result<Reply, Failure> {
    #[derive(Serialize)]
    struct Data<'a> {
        name: &'a str,
        r#type: &'static str,
        keys: BTreeMap<u32, Value>,
        latest_version: u32,
        min_available_version: u32,
        min_decryption_version: u32,
        min_encryption_version: u32,
        deletion_allowed: bool,
        derived: bool,
        exportable: bool,
        allow_plaintext_backup: bool,
        imported_key: bool,
        auto_rotate_period: u64,
        supports_encryption: bool,
        supports_decryption: bool,
        supports_derivation: bool,
        supports_signing: bool,
        /// What the key is by the other protocols.
        key_id: String,
        state: &'static str,
    }
    let page = Page { number: 1, size: MAX_VERSIONS };
    let versions = exchange.perform(ListKeyVersions { key: about.id.into(), page }).await?;
    let mut keys = BTreeMap::new();
    for (number, version) in (1..).zip(&versions.items) {
        keys.insert(number, shown_version(exchange, &about, version).await?);
    }
    let is_rsa = matches!(about.spec, KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096);
    let encrypts = about.spec.aead().is_some() || (is_rsa && about.usage == KeyUsage::EncryptDecrypt);
    exchange.data(&Data {
        name: &exchange.route.name,
        r#type: names::type_of(about.spec),
        keys,
        latest_version: u32::try_from(versions.total).unwrap_or(u32::MAX),
        min_available_version: 0,
        min_decryption_version: 1,
        min_encryption_version: 0,
        deletion_allowed: about.deletion_protection.is_none(),
        derived: false,
        exportable: false,
        allow_plaintext_backup: false,
        imported_key: about.origin == Origin::External,
        auto_rotate_period: about.rotation.map_or(0, RotationInterval::seconds),
        supports_encryption: encrypts,
        supports_decryption: encrypts,
        supports_derivation: false,
        supports_signing: about.usage == KeyUsage::SignVerify,
        key_id: about.id.to_string(),
        state: match about.state {
            KeyState::Enabled => "Enabled",
            KeyState::Disabled => "Disabled",
            KeyState::PendingDeletion => "PendingDeletion",
            KeyState::PendingImport => "PendingImport",
        },
    })
}

/// When a version was made; of a key pair, its public key too.
async fn shown_version(exchange: &Exchange<'_>, about: &KeyMetadata, version: &KeyVersion) -> Result<Value, Failure> {
    if about.spec.has_primary() {
        return Ok(version.created.seconds().into());
    }
    // The private key may not be used in every state, and then the public one is not given out either.
    let usable = about.state == KeyState::Enabled;
    let public_key = match usable {
        true => {
            let key_pair = KeyPair { key: about.id.into(), version: version.id };
            signing::pem(&exchange.perform(GetPublicKey { key_pair }).await?.bytes)
        }
        false => String::new(),
    };
    let (name, creation_time) = (names::type_of(about.spec), format_time(version.created.0));
    Ok(json!({"name": name, "public_key": public_key, "creation_time": creation_time}))
}

/// Lists every alias, without its prefix, and every key's id.
pub(super) async fn list(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    #[derive(Serialize)]
    struct Data {
        keys: Vec<String>,
    }
    let page = Page { number: 1, size: MAX_LISTED };
    let aliases = exchange.perform(ListAliases { page }).await?;
    let ids = exchange.perform(ListKeys { filters: KeyFilters::default(), page }).await?;
    let mut warnings = Vec::new();
    if aliases.total > u64::from(MAX_LISTED) || ids.total > u64::from(MAX_LISTED) {
        warnings.push(format!("there are more keys or aliases than the {MAX_LISTED} that are listed; use the KMS API"));
    }
    // A name with a slash would be taken for a path.
    let short = |(alias, _): &(AliasName, KeyId)| {
        alias.as_str().strip_prefix(AliasName::PREFIX).filter(|name| !name.contains('/')).map(str::to_owned)
    };
    let keys: Vec<_> = aliases.items.iter().filter_map(short).chain(ids.items.iter().map(KeyId::to_string)).collect();
    if keys.is_empty() {
        return Err(Failure::new(Code::NotFound, "there are no keys"));
    }
    Reply::data_with_warnings(exchange.request_id, &Data { keys }, &warnings)
}

pub(super) async fn rotate(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let key = exchange.key()?;
    let version = exchange.perform(CreateKeyVersion { key }).await?;
    exchange.tell("keyVersionId", version.id.to_string());
    Ok(Reply::done())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ConfigBody {
    min_decryption_version: Option<Number>,
    min_encryption_version: Option<Number>,
    deletion_allowed: Option<Flag>,
    exportable: Flag,
    allow_plaintext_backup: Flag,
    auto_rotate_period: Option<Duration>,
}

impl ConfigBody {
    /// Refuses what this server can't honour, by name; what changes nothing passes.
    fn check(&self) -> Result<(), Failure> {
        let beyond = |given: Option<Number>, usual: u64| given.is_some_and(|Number(version)| version > usual);
        for (asked, what) in [
            (beyond(self.min_decryption_version, 1), "min_decryption_version"),
            (beyond(self.min_encryption_version, 0), "min_encryption_version"),
        ] {
            if asked {
                return Err(Failure::unsupported(format!(
                    "{what} is not supported by this server: every version decrypts, and the newest encrypts"
                )));
            }
        }
        no_export(self.exportable.0, self.allow_plaintext_backup.0)
    }
}

pub(super) async fn configure(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let body: ConfigBody = exchange.body()?;
    body.check()?;
    // Before anything is changed, whatever of it can't be.
    let interval = body.auto_rotate_period.map(|period| rotation(Some(period))).transpose()?;
    body.auto_rotate_period.inspect(|Duration(seconds)| exchange.show("auto_rotate_period", seconds));
    body.deletion_allowed.inspect(|Flag(allowed)| exchange.show("deletion_allowed", allowed));
    let key = exchange.perform(DescribeKey { key: exchange.key()? }).await?.id;
    // Nor is it, where the caller may do only one of the two: then the other's refusal comes first.
    let protects = Rights::OnKey(key.into(), |_, _| &[&SetDeletionProtection::SPEC]);
    let may_do_all = body.deletion_allowed.is_none() || exchange.perform(CheckRights(protects)).await?;
    if let Some(interval) = interval.filter(|_| may_do_all) {
        exchange.perform(UpdateRotationPolicy { key, interval }).await?;
    }
    if let Some(Flag(allowed)) = body.deletion_allowed {
        let protection = (!allowed).then(|| PROTECTION.to_owned());
        exchange.perform(SetDeletionProtection { key, protection }).await?;
    }
    let about = exchange.perform(DescribeKey { key: key.into() }).await?;
    show(exchange, about).await
}

pub(super) async fn delete(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let about = exchange.perform(DescribeKey { key: exchange.key()? }).await?;
    exchange.perform(ScheduleKeyDeletion { key: about.id, pending_days: PENDING_DAYS }).await?;
    Ok(Reply::done())
}

pub(super) fn fuzz(bytes: &[u8]) {
    if let Ok(body) = serde_json::from_slice::<CreateBody>(bytes) {
        let _ = (body.check(), body.r#type.as_deref().map(names::spec), rotation(body.auto_rotate_period));
    }
    if let Ok(body) = serde_json::from_slice::<ConfigBody>(bytes) {
        let _ = (body.check(), rotation(body.auto_rotate_period));
    }
}
