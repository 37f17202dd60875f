//! CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, ScheduleKeyDeletion, CancelKeyDeletion,
//! SetDeletionProtection, UpdateKeyDescription.

use serde::Serialize;
use yaoku_kms::operations::Page;
use yaoku_kms::operations::keys::{
    CancelKeyDeletion, CreateKey, DescribeKey, DisableKey, EnableKey, ListKeys, ScheduleKeyDeletion,
    SetDeletionProtection, UpdateKeyDescription,
};
use yaoku_kms::operations::policies::KeyPolicy;
use yaoku_kms::{
    AliasName, KeyFilter, KeyFilters, KeyId, KeyMetadata, KeyRef, KeySpec, KeyUsage, Origin, ProtectionLevel,
    RotationInterval, Tag, Timestamp,
};

use super::filters::Filter;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::Arguments;
use crate::actions::arguments::{Parameter, Read};
use crate::actions::elements::Shown;
use crate::actions::names::Named;
use crate::wire::WireError;
use crate::wire::time::format_time;

pub(super) const ACTIONS: &[Action] = &[
    action!("DescribeKey", DescribeKey, describe(OneKeyToUse)),
    action!("CreateKey", CreateKey, create(CreateParameters)),
    action!("ListKeys", ListKeys, list(ListParameters)),
    action!("EnableKey", EnableKey, enable(OneKey)),
    action!("DisableKey", DisableKey, disable(OneKey)),
    action!("ScheduleKeyDeletion", ScheduleKeyDeletion, schedule_deletion(ScheduleDeletionParameters)),
    action!("CancelKeyDeletion", CancelKeyDeletion, cancel_deletion(OneKey)),
    action!("SetDeletionProtection", SetDeletionProtection, set_deletion_protection(DeletionProtectionParameters)),
    action!("UpdateKeyDescription", UpdateKeyDescription, update_description(DescriptionParameters)),
];

parameters! {
    /// Of actions that manage a key, and need to know no more.
    pub(super) struct OneKey {
        key: KeyId = "KeyId" required shown => key_id;
    }
}

parameters! {
    /// Of actions that use a key, and need to know no more.
    pub(super) struct OneKeyToUse {
        key: KeyRef = "KeyId" required shown => key_ref;
    }
}

parameters! {
    struct CreateParameters {
        _ = "DKMSInstanceId" optional shown => refused;
        _ = "KeyStorageMechanism" optional shown => refused;
        interval: Option<RotationInterval> = "RotationInterval" optional shown => rotation_interval;
        rotates: bool = "EnableAutomaticRotation" default(false) shown => boolean;
        spec: KeySpec = "KeySpec" default(KeySpec::Aes256) shown => key_spec;
        usage: Option<KeyUsage> = "KeyUsage" optional shown => named;
        origin: Origin = "Origin" default(Origin::Generated) shown => named;
        protection: ProtectionLevel = "ProtectionLevel" default(ProtectionLevel::Software) shown => named;
        description: String = "Description" default(String::new()) shown => string;
        tags: Vec<Tag> = "Tags" default(Vec::new()) shown => tags;
        policy: Option<KeyPolicy> = "Policy" optional shown => key_policy;
    }
}

parameters! {
    struct ListParameters {
        number: u32 = "PageNumber" default(1) shown => at_least_one;
        size: u32 = "PageSize" default(10) shown => up_to(100);
        filters: KeyFilters = "Filters" default(KeyFilters(Vec::new())) shown => key_filters;
    }
}

parameters! {
    struct ScheduleDeletionParameters {
        pending_days: u32 = "PendingWindowInDays" required shown => integer;
        key: KeyId = "KeyId" required shown => key_id;
    }
}

parameters! {
    struct DeletionProtectionParameters<'a> {
        _ = "KmsInstanceId" optional shown => refused;
        arn: Parameter<'a> = "ProtectedResourceArn" later shown => itself;
        key: Parameter<'a> = "KeyId" later shown => itself;
        enabled: bool = "EnableDeletionProtection" required shown => boolean;
        description: String = "DeletionProtectionDescription" default(String::new()) shown => string;
    }
}

parameters! {
    struct DescriptionParameters {
        description: String = "Description" required shown => string;
        key: KeyId = "KeyId" required shown => key_id;
    }
}

/// A key as CreateKey and DescribeKey give it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    key_id: Shown<String>,
    arn: Shown<String>,
    key_spec: Shown<&'static str>,
    key_usage: Shown<&'static str>,
    key_state: Shown<&'static str>,
    origin: Shown<&'static str>,
    protection_level: Shown<&'static str>,
    creator: Shown<String>,
    creation_date: Shown<String>,
    description: Shown<String>,
    primary_key_version: Shown<String>,
    automatic_rotation: Shown<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_interval: Option<Shown<String>>,
    last_rotation_date: Shown<String>,
    next_rotation_date: Shown<String>,
    delete_date: Shown<String>,
    material_expire_time: Shown<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_protection: Option<Shown<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_protection_description: Option<Shown<String>>,
}

impl Metadata {
    fn new(key: KeyMetadata, arguments: &Arguments<'_>) -> Self {
        let time = |time: Option<Timestamp>| time.map_or_else(String::new, |time| format_time(time.0));
        Self {
            key_id: key.id.to_string().into(),
            arn: arguments.key_arn(key.account, key.id).into(),
            key_spec: key.spec.name().into(),
            key_usage: key.usage.name().into(),
            key_state: key.state.name().into(),
            origin: key.origin.name().into(),
            protection_level: key.protection.name().into(),
            creator: key.account.to_string().into(),
            creation_date: format_time(key.created.0).into(),
            description: key.description.into(),
            primary_key_version: key.primary.map_or_else(String::new, |version| version.to_string()).into(),
            automatic_rotation: key.rotation_status.name().into(),
            rotation_interval: key.rotation.map(|interval| Shown(format!("{}s", interval.seconds()))),
            last_rotation_date: time(key.last_rotation).into(),
            next_rotation_date: time(key.next_rotation).into(),
            delete_date: time(key.deletion).into(),
            material_expire_time: time(key.material_expires).into(),
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

async fn create(exchange: &Exchange<'_>, given: CreateParameters) -> Result<Reply, WireError> {
    let CreateParameters { interval, rotates, spec, usage, origin, protection, description, tags, policy } = given;
    let rotation = match rotates {
        true => Some(interval.ok_or_else(|| WireError::missing_parameter("RotationInterval"))?),
        false => None,
    };
    let operation = CreateKey { spec, usage, origin, protection, description, rotation, tags, policy };
    let key = exchange.perform(operation).await?;
    exchange.reply(&MetadataReply { key_metadata: Metadata::new(key, exchange.arguments) })
}

impl Parameter<'_> {
    /// The documentation spells the specs of keys for MACs with and without `Aliyun_`.
    fn key_spec(self) -> Read<KeySpec> {
        let bare = self.filled().and_then(|given| given.strip_prefix("Aliyun_"));
        match bare.filter(|bare| bare.starts_with("HMAC_")).and_then(KeySpec::of_name) {
            Some(spec) => Ok(Some(spec)),
            None => self.named(),
        }
    }
}

async fn describe(exchange: &Exchange<'_>, given: OneKeyToUse) -> Result<Reply, WireError> {
    let mut key = exchange.perform(DescribeKey { key: given.key }).await?;
    let protection = key.deletion_protection.take();
    let mut key_metadata = Metadata::new(key, exchange.arguments);
    key_metadata.deletion_protection = Some(Shown(if protection.is_some() { "Enabled" } else { "Disabled" }));
    key_metadata.deletion_protection_description = protection.map(Shown);
    exchange.reply(&MetadataReply { key_metadata })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
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
    let arguments = exchange.arguments;
    let page = Page { number: given.number, size: given.size };
    let listing = exchange.perform(ListKeys { filters: given.filters, page }).await?;
    let key = |id: KeyId| Key { key_id: id.to_string(), key_arn: arguments.key_arn(arguments.account, id) };
    exchange.reply(&Content {
        keys: Keys { key: listing.items.into_iter().map(key).collect() },
        page_number: page.number,
        page_size: page.size,
        total_count: listing.total,
    })
}

impl Parameter<'_> {
    /// `[{"Key":…,"Values":[…]}]`: filters are met together; values, also of repeated filters, one for another.
    fn key_filters(self) -> Read<KeyFilters> {
        let Some(merged) = self.filters()? else { return Ok(None) };
        let (mut filters, mut tag_keys, mut tag_values) = (Vec::new(), None, None);
        for Filter { key, values } in merged {
            filters.push(match key.as_str() {
                "KeyState" => KeyFilter::State(named(&key, &values)?),
                "KeySpec" => KeyFilter::Spec(named(&key, &values)?),
                "KeyUsage" => KeyFilter::Usage(named(&key, &values)?),
                "ProtectionLevel" => KeyFilter::Protection(named(&key, &values)?),
                "KeyId" => KeyFilter::Id(values.iter().filter_map(|id| KeyId::parse(id)).collect()),
                "AliasName" => KeyFilter::Alias(values.iter().filter_map(|name| AliasName::parse_any(name)).collect()),
                // Every key here was made by a user of its own account, and stands in no dedicated instance.
                "CreatorType" if values.iter().any(|value| value == "User") => continue,
                "Creator" if values.iter().any(|value| *value == self.arguments().account.as_str()) => continue,
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
                    return Err(self.invalid(why));
                }
            });
        }
        if tag_keys.is_some() || tag_values.is_some() {
            filters.push(KeyFilter::Tag { keys: tag_keys, values: tag_values });
        }
        Ok(Some(KeyFilters(filters)))
    }
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

async fn enable(exchange: &Exchange<'_>, given: OneKey) -> Result<Reply, WireError> {
    exchange.perform(EnableKey { key: given.key }).await?;
    exchange.done()
}

async fn disable(exchange: &Exchange<'_>, given: OneKey) -> Result<Reply, WireError> {
    exchange.perform(DisableKey { key: given.key }).await?;
    exchange.done()
}

async fn schedule_deletion(exchange: &Exchange<'_>, given: ScheduleDeletionParameters) -> Result<Reply, WireError> {
    exchange.perform(ScheduleKeyDeletion { key: given.key, pending_days: given.pending_days }).await?;
    exchange.done()
}

async fn cancel_deletion(exchange: &Exchange<'_>, given: OneKey) -> Result<Reply, WireError> {
    exchange.perform(CancelKeyDeletion { key: given.key }).await?;
    exchange.done()
}

async fn set_deletion_protection(
    exchange: &Exchange<'_>,
    given: DeletionProtectionParameters<'_>,
) -> Result<Reply, WireError> {
    let DeletionProtectionParameters { arn, key, enabled, description } = given;
    let named = match (arn.filled(), key.filled()) {
        (None, Some(_)) => key,
        (_, None) => arn,
        (Some(_), Some(_)) if key.key_id().ok() == arn.key_id().ok() => key,
        (Some(_), Some(_)) => return Err(key.invalid("it is not the key that ProtectedResourceArn names")),
    };
    let protection = enabled.then_some(description);
    exchange.perform(SetDeletionProtection { key: named.demand(Parameter::key_id)?, protection }).await?;
    exchange.done()
}

async fn update_description(exchange: &Exchange<'_>, given: DescriptionParameters) -> Result<Reply, WireError> {
    exchange.perform(UpdateKeyDescription { key: given.key, description: given.description }).await?;
    exchange.done()
}
