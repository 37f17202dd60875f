//! CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, ScheduleKeyDeletion, CancelKeyDeletion,
//! SetDeletionProtection, UpdateKeyDescription.

use serde::{Deserialize, Serialize};
use yaoku_kms::operations::keys::{
    CancelKeyDeletion, CreateKey, DescribeKey, DisableKey, EnableKey, ListKeys, ScheduleKeyDeletion,
    SetDeletionProtection, UpdateKeyDescription,
};
use yaoku_kms::{AliasName, KeyFilter, KeyFilters, KeyId, KeyMetadata, KeySpec, Origin, ProtectionLevel, Timestamp};

use super::{Action, Exchange, Reply, action, optional, policies, required};
use crate::actions::{Arguments, names::Named};
use crate::wire::WireError;
use crate::wire::time::format_time;

/// The most filters, and values of a filter, that ListKeys takes.
const MAX_FILTERS: usize = 10;

pub(super) const ACTIONS: &[Action] = &[
    action!("DescribeKey", DescribeKey, describe, [required("KeyId")]),
    action!(
        "CreateKey",
        CreateKey,
        create,
        [
            optional("KeySpec"),
            optional("KeyUsage"),
            optional("Origin"),
            optional("ProtectionLevel"),
            optional("Description"),
            optional("EnableAutomaticRotation"),
            optional("RotationInterval"),
            optional("Tags"),
            optional("DKMSInstanceId"),
            optional("KeyStorageMechanism"),
            optional("Policy"),
        ]
    ),
    action!("ListKeys", ListKeys, list, [optional("PageNumber"), optional("PageSize"), optional("Filters")]),
    action!("EnableKey", EnableKey, enable, [required("KeyId")]),
    action!("DisableKey", DisableKey, disable, [required("KeyId")]),
    action!(
        "ScheduleKeyDeletion",
        ScheduleKeyDeletion,
        schedule_deletion,
        [required("KeyId"), required("PendingWindowInDays"),]
    ),
    action!("CancelKeyDeletion", CancelKeyDeletion, cancel_deletion, [required("KeyId")]),
    action!(
        "SetDeletionProtection",
        SetDeletionProtection,
        set_deletion_protection,
        [
            required("EnableDeletionProtection"),
            optional("ProtectedResourceArn"),
            optional("DeletionProtectionDescription"),
            optional("KeyId"),
            optional("KmsInstanceId"),
        ]
    ),
    action!(
        "UpdateKeyDescription",
        UpdateKeyDescription,
        update_description,
        [required("KeyId"), required("Description"),]
    ),
];

/// A key as CreateKey and DescribeKey give it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    key_id: String,
    arn: String,
    key_spec: &'static str,
    key_usage: &'static str,
    key_state: &'static str,
    origin: &'static str,
    protection_level: &'static str,
    creator: String,
    creation_date: String,
    description: String,
    primary_key_version: String,
    automatic_rotation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_interval: Option<String>,
    last_rotation_date: String,
    next_rotation_date: String,
    delete_date: String,
    material_expire_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_protection: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_protection_description: Option<String>,
}

impl Metadata {
    fn new(key: KeyMetadata, arguments: &Arguments<'_>) -> Self {
        let time = |time: Option<Timestamp>| time.map_or_else(String::new, |time| format_time(time.0));
        Self {
            key_id: key.id.to_string(),
            arn: arguments.key_arn(key.account, key.id),
            key_spec: key.spec.name(),
            key_usage: key.usage.name(),
            key_state: key.state.name(),
            origin: key.origin.name(),
            protection_level: key.protection.name(),
            creator: key.account.to_string(),
            creation_date: format_time(key.created.0),
            description: key.description,
            primary_key_version: key.primary.map_or_else(String::new, |version| version.to_string()),
            automatic_rotation: key.rotation_status.name(),
            rotation_interval: key.rotation.map(|interval| format!("{}s", interval.seconds())),
            last_rotation_date: time(key.last_rotation),
            next_rotation_date: time(key.next_rotation),
            delete_date: time(key.deletion),
            material_expire_time: time(key.material_expires),
            deletion_protection: None,
            deletion_protection_description: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetadataReply {
    key_metadata: Metadata,
}

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    arguments.refuse(&["DKMSInstanceId", "KeyStorageMechanism"])?;
    let rotation = arguments.rotation_interval()?;
    let rotation = match arguments.boolean("EnableAutomaticRotation")? {
        Some(true) => Some(rotation.ok_or_else(|| WireError::missing_parameter("RotationInterval"))?),
        Some(false) | None => None,
    };
    let operation = CreateKey {
        spec: key_spec(arguments)?,
        usage: arguments.named("KeyUsage")?,
        origin: arguments.named("Origin")?.unwrap_or(Origin::Generated),
        protection: arguments.named("ProtectionLevel")?.unwrap_or(ProtectionLevel::Software),
        description: arguments.text("Description").unwrap_or_default().to_owned(),
        rotation,
        tags: arguments.tags("Tags")?,
        policy: policies::policy(arguments)?,
    };
    let key = exchange.perform(operation).await?;
    exchange.reply(&MetadataReply { key_metadata: Metadata::new(key, arguments) })
}

/// The documentation spells the specs of keys for MACs with and without `Aliyun_`.
fn key_spec(arguments: &Arguments<'_>) -> Result<KeySpec, WireError> {
    let given = arguments.given("KeySpec").unwrap_or_default();
    let bare = given.strip_prefix("Aliyun_").filter(|bare| bare.starts_with("HMAC_"));
    match bare.and_then(KeySpec::of_name) {
        Some(spec) => Ok(spec),
        None => Ok(arguments.named("KeySpec")?.unwrap_or(KeySpec::Aes256)),
    }
}

async fn describe(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let mut key = exchange.perform(DescribeKey { key: arguments.key_ref("KeyId")? }).await?;
    let protection = key.deletion_protection.take();
    let mut key_metadata = Metadata::new(key, arguments);
    key_metadata.deletion_protection = Some(if protection.is_some() { "Enabled" } else { "Disabled" });
    key_metadata.deletion_protection_description = protection;
    exchange.reply(&MetadataReply { key_metadata })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        keys: Keys,
        page_number: u32,
        page_size: u32,
        total_count: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Keys {
        key: Vec<Key>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Key {
        key_id: String,
        key_arn: String,
    }
    let arguments = &exchange.arguments;
    let page = arguments.page(100)?;
    let listing = exchange.perform(ListKeys { filters: filters(arguments)?, page }).await?;
    let key = |id: KeyId| Key { key_id: id.to_string(), key_arn: arguments.key_arn(arguments.account, id) };
    exchange.reply(&Content {
        keys: Keys { key: listing.items.into_iter().map(key).collect() },
        page_number: page.number,
        page_size: page.size,
        total_count: listing.total,
    })
}

/// `[{"Key":…,"Values":[…]}]`: filters are met together; values, also of repeated filters, one for another.
fn filters(arguments: &Arguments<'_>) -> Result<KeyFilters, WireError> {
    const NAME: &str = "Filters";
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WireFilter {
        key: String,
        values: Vec<String>,
    }
    let form = "a JSON array of objects with Key and Values, an array of strings";
    let given: Vec<WireFilter> = arguments.json(NAME, form)?.unwrap_or_default();
    if given.len() > MAX_FILTERS || given.iter().any(|filter| filter.values.len() > MAX_FILTERS) {
        let why = format!("it can have at most {MAX_FILTERS} filters with at most {MAX_FILTERS} values each");
        return Err(WireError::invalid_parameter(NAME, why));
    }
    let mut merged: Vec<WireFilter> = Vec::new();
    for filter in given {
        match merged.iter_mut().find(|other| other.key == filter.key) {
            Some(other) => other.values.extend(filter.values),
            None => merged.push(filter),
        }
    }
    let (mut filters, mut tag_keys, mut tag_values) = (Vec::new(), None, None);
    for WireFilter { key, values } in merged {
        filters.push(match key.as_str() {
            "KeyState" => KeyFilter::State(named(&key, &values)?),
            "KeySpec" => KeyFilter::Spec(named(&key, &values)?),
            "KeyUsage" => KeyFilter::Usage(named(&key, &values)?),
            "ProtectionLevel" => KeyFilter::Protection(named(&key, &values)?),
            "KeyId" => KeyFilter::Id(values.iter().filter_map(|id| KeyId::parse(id)).collect()),
            "AliasName" => KeyFilter::Alias(values.iter().filter_map(|name| AliasName::parse(name)).collect()),
            // Every key here was made by a user of its own account, and stands in no dedicated instance.
            "CreatorType" if values.iter().any(|value| value == "User") => continue,
            "Creator" if values.iter().any(|value| *value == arguments.account.as_str()) => continue,
            "CreatorType" | "Creator" | "DKMSInstanceId" => KeyFilter::Nothing,
            "TagKey" => {
                tag_keys = Some(values);
                continue;
            }
            "TagValue" => {
                tag_values = Some(values);
                continue;
            }
            _ => {
                let why = "it has a Key that is none of KeyState, KeySpec, KeyUsage, ProtectionLevel, CreatorType, \
                           DKMSInstanceId, KeyId, AliasName, Creator, TagKey, TagValue";
                return Err(WireError::invalid_parameter(NAME, why));
            }
        });
    }
    if tag_keys.is_some() || tag_values.is_some() {
        filters.push(KeyFilter::Tag { keys: tag_keys, values: tag_values });
    }
    Ok(KeyFilters(filters))
}

fn named<T: Named>(key: &str, values: &[String]) -> Result<Vec<T>, WireError> {
    known(key, values, &[])
}

/// Values by their names; names of the cloud that this version has no value for match nothing.
fn known<T: Named>(key: &str, values: &[String], elsewhere: &[&str]) -> Result<Vec<T>, WireError> {
    let unknown = |name: &&String| T::of_name(name).is_none() && !elsewhere.contains(&name.as_str());
    if values.iter().any(|name| unknown(&name)) {
        return Err(WireError::invalid_parameter("Filters", format!("it contains a value that is not a valid {key}")));
    }
    Ok(values.iter().filter_map(|name| T::of_name(name)).collect())
}

async fn enable(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    exchange.perform(EnableKey { key: exchange.arguments.key_id("KeyId")? }).await?;
    exchange.done()
}

async fn disable(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    exchange.perform(DisableKey { key: exchange.arguments.key_id("KeyId")? }).await?;
    exchange.done()
}

async fn schedule_deletion(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    const DAYS: &str = "PendingWindowInDays";
    let arguments = &exchange.arguments;
    let pending_days = arguments.integer(DAYS)?.ok_or_else(|| WireError::missing_parameter(DAYS))?;
    exchange.perform(ScheduleKeyDeletion { key: arguments.key_id("KeyId")?, pending_days }).await?;
    exchange.done()
}

async fn cancel_deletion(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    exchange.perform(CancelKeyDeletion { key: exchange.arguments.key_id("KeyId")? }).await?;
    exchange.done()
}

async fn set_deletion_protection(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    const ENABLE: &str = "EnableDeletionProtection";
    let arguments = &exchange.arguments;
    arguments.refuse(&["KmsInstanceId"])?;
    let by = match (arguments.given("ProtectedResourceArn"), arguments.given("KeyId")) {
        (None, Some(_)) => "KeyId",
        (_, None) => "ProtectedResourceArn",
        (Some(arn), Some(_)) if arguments.key_id("KeyId").ok() == arguments.resource_key_id(arn).ok() => "KeyId",
        (Some(_), Some(_)) => {
            return Err(WireError::invalid_parameter("KeyId", "it is not the key that ProtectedResourceArn names"));
        }
    };
    let description = arguments.text("DeletionProtectionDescription").unwrap_or_default();
    let protection = match arguments.boolean(ENABLE)? {
        None => return Err(WireError::missing_parameter(ENABLE)),
        Some(true) => Some(description.to_owned()),
        Some(false) => None,
    };
    exchange.perform(SetDeletionProtection { key: arguments.key_id(by)?, protection }).await?;
    exchange.done()
}

async fn update_description(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let description = arguments.required_text("Description")?.to_owned();
    exchange.perform(UpdateKeyDescription { key: arguments.key_id("KeyId")?, description }).await?;
    exchange.done()
}
