//! CreateSecret, DescribeSecret, ListSecrets, UpdateSecret, DeleteSecret, RestoreSecret.

use serde::Serialize;
use yaoku_kms::operations::Page;
use yaoku_kms::{KeyRef, Tag, Tags};
use yaoku_secrets::operations::deletion::{DeleteSecret, RestoreSecret, When};
use yaoku_secrets::operations::policies::SecretPolicy;
use yaoku_secrets::operations::secrets::{CreateSecret, DescribeSecret, ListSecrets, NewContent, UpdateSecret};
use yaoku_secrets::{SecretAbout, SecretFilters, SecretKind, SecretName, SecretRef, ValueKind, VersionId};

use super::secret_arguments::Config;
use super::secret_rotation::Rotation;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::Arguments;
use crate::actions::arguments::Parameter;
use crate::actions::elements::Shown;
use crate::actions::names::Named;
use crate::wire::WireError;
use crate::wire::time::format_time;

/// Days until deletion, unless others are asked for.
const RECOVERY_WINDOW: u32 = 30;

pub(super) const ACTIONS: &[Action] = &[
    action!("DescribeSecret", DescribeSecret, describe(DescribeParameters)),
    action!("CreateSecret", CreateSecret, create(CreateParameters)),
    action!("ListSecrets", ListSecrets, list(ListParameters)),
    action!("UpdateSecret", UpdateSecret, update(UpdateParameters)),
    action!("DeleteSecret", DeleteSecret, delete(DeleteParameters)),
    action!("RestoreSecret", RestoreSecret, restore(OneSecret)),
];

parameters! {
    struct OneSecret {
        name: SecretName = "SecretName" required shown => secret_name;
    }
}

parameters! {
    struct DescribeParameters {
        secret: SecretRef = "SecretName" required shown => secret_ref;
        with_tags: bool = "FetchTags" default(false) shown => boolean;
    }
}

parameters! {
    struct CreateParameters<'a> {
        _ = "DKMSInstanceId" optional shown => refused;
        kind: SecretKind = "SecretType" default(SecretKind::Generic) shown => secret_kind;
        config: Parameter<'a> = "ExtendedConfig" later shown => itself;
        rotates: Parameter<'a> = "EnableAutomaticRotation" later shown => itself;
        interval: Parameter<'a> = "RotationInterval" later shown => itself;
        name: Parameter<'a> = "SecretName" later shown => itself;
        version: VersionId = "VersionId" required shown => secret_version;
        value_kind: ValueKind = "SecretDataType" default(ValueKind::Text) shown => named;
        value: Parameter<'a> = "SecretData" later hidden => itself;
        key: Option<KeyRef> = "EncryptionKeyId" optional shown => chosen_key;
        description: String = "Description" default(String::new()) shown => string;
        tags: Vec<Tag> = "Tags" default(Vec::new()) shown => tags;
        policy: Option<SecretPolicy> = "Policy" optional shown => secret_policy;
    }
}

parameters! {
    struct ListParameters {
        number: u32 = "PageNumber" default(1) shown => at_least_one;
        size: u32 = "PageSize" default(10) shown => up_to(100);
        filters: SecretFilters = "Filters" default(SecretFilters::default()) shown => secret_filters;
        with_tags: bool = "FetchTags" default(false) shown => boolean;
    }
}

parameters! {
    struct UpdateParameters<'a> {
        config: Option<Config> = "ExtendedConfig" optional shown => config;
        name: SecretName = "SecretName" required shown => secret_name;
        description: Parameter<'a> = "Description" later shown => itself;
    }
}

parameters! {
    struct DeleteParameters {
        at_once: bool = "ForceDeleteWithoutRecovery" default(false) shown => boolean;
        days: u32 = "RecoveryWindowInDays" default(RECOVERY_WINDOW) shown => integer;
        name: SecretName = "SecretName" required shown => secret_name;
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagList {
    tag: Vec<WireTag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireTag {
    tag_key: String,
    tag_value: String,
}

impl TagList {
    fn of(tags: &Tags) -> Self {
        let tag = |(key, value): (&str, &str)| WireTag { tag_key: key.to_owned(), tag_value: value.to_owned() };
        Self { tag: tags.iter().map(tag).collect() }
    }
}

/// The reply that says no more than which secret it was.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Done {
    secret_name: Shown<String>,
}

impl From<&SecretName> for Done {
    fn from(name: &SecretName) -> Self {
        Self { secret_name: name.to_string().into() }
    }
}

async fn create(exchange: &Exchange<'_>, given: CreateParameters<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        arn: Shown<String>,
        secret_name: Shown<String>,
        secret_type: Shown<&'static str>,
        version_id: Shown<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        automatic_rotation: Option<Shown<&'static str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rotation_interval: Option<Shown<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_rotation_date: Option<Shown<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        extended_config: Option<String>,
    }
    let content = given.content()?;
    let CreateParameters { version, key, description, tags, policy, .. } = given;
    let operation = CreateSecret { content, version, description, key, tags, policy };
    let (secret, version) = exchange.perform(operation).await?;
    let rotation = Rotation::of(&secret);
    let (automatic_rotation, rotation_interval, next_rotation_date, extended_config) = match rotation {
        None => (None, None, None, None),
        Some(of) => {
            (Some(of.automatic_rotation), of.rotation_interval, of.next_rotation_date, Some(of.extended_config))
        }
    };
    exchange.reply(&Content {
        arn: exchange.arguments.secret_arn(secret.account, &secret.name).into(),
        secret_name: secret.name.to_string().into(),
        secret_type: secret.kind.name().into(),
        version_id: version.id.as_str().to_owned().into(),
        automatic_rotation: automatic_rotation.map(Into::into),
        rotation_interval: rotation_interval.map(Into::into),
        next_rotation_date: next_rotation_date.map(Into::into),
        extended_config,
    })
}

impl CreateParameters<'_> {
    /// What is in the secret, by its type.
    fn content(&self) -> Result<NewContent, WireError> {
        let Self { config, rotates, interval, name, value_kind, value, .. } = self;
        let rotates_by_itself = rotates.boolean()? == Some(true);
        match self.kind {
            SecretKind::Generic => {
                config.no_config()?;
                if rotates_by_itself {
                    return Err(rotates.invalid("secrets of the type Generic do not rotate by themselves"));
                }
                let name = name.demand(Parameter::new_secret_name)?;
                let value = value.demand(|value| value.secret_value(*value_kind))?;
                Ok(NewContent::Generic { name, value })
            }
            SecretKind::RamCredentials => {
                name.demand(Parameter::named_by_service)?;
                if *value_kind != ValueKind::Text {
                    return Err(value.invalid("AccessKeys are of the SecretDataType text"));
                }
                let rotation = rotates_by_itself.then(|| interval.demand(Parameter::secret_interval)).transpose()?;
                let new = value.demand(|value| value.access_keys(*config, rotation))?;
                Ok(NewContent::RamCredentials(new))
            }
        }
    }
}

async fn describe(exchange: &Exchange<'_>, given: DescribeParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        arn: String,
        secret_name: String,
        secret_type: &'static str,
        description: String,
        encryption_key_id: String,
        automatic_rotation: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        rotation_interval: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_rotation_date: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_rotation_date: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        extended_config: Option<String>,
        create_time: String,
        update_time: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        planned_delete_time: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tags: Option<TagList>,
    }
    let secret = exchange.perform(DescribeSecret { secret: given.secret }).await?;
    let (automatic_rotation, rotation_interval, last_rotation_date, next_rotation_date, extended_config) =
        match Rotation::of(&secret) {
            None => ("Disabled", None, None, None, None),
            Some(of) => (
                of.automatic_rotation,
                of.rotation_interval,
                of.last_rotation_date,
                of.next_rotation_date,
                Some(of.extended_config),
            ),
        };
    let SecretAbout { account, name, kind, description, created, updated, planned_deletion, key, tags, .. } = secret;
    exchange.reply(&Content {
        arn: exchange.arguments.secret_arn(account, &name),
        secret_name: name.to_string(),
        secret_type: kind.name(),
        description,
        encryption_key_id: key.to_string(),
        automatic_rotation,
        rotation_interval,
        last_rotation_date,
        next_rotation_date,
        extended_config,
        create_time: format_time(created.0),
        update_time: format_time(updated.0),
        planned_delete_time: planned_deletion.map(|time| format_time(time.0)),
        tags: given.with_tags.then(|| TagList::of(&tags)),
    })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        secret_list: List,
        page_number: u32,
        page_size: u32,
        total_count: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct List {
        secret: Vec<Secret>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Secret {
        secret_name: String,
        secret_type: &'static str,
        create_time: String,
        update_time: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        planned_delete_time: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tags: Option<TagList>,
    }
    let page = Page { number: given.number, size: given.size };
    let listing = exchange.perform(ListSecrets { filters: given.filters, page }).await?;
    let secret = |secret: SecretAbout| Secret {
        secret_name: secret.name.to_string(),
        secret_type: secret.kind.name(),
        create_time: format_time(secret.created.0),
        update_time: format_time(secret.updated.0),
        planned_delete_time: secret.planned_deletion.map(|time| format_time(time.0)),
        tags: given.with_tags.then(|| TagList::of(&secret.tags)),
    };
    exchange.reply(&Content {
        secret_list: List { secret: listing.items.into_iter().map(secret).collect() },
        page_number: page.number,
        page_size: page.size,
        total_count: listing.total,
    })
}

async fn update(exchange: &Exchange<'_>, given: UpdateParameters<'_>) -> Result<Reply, WireError> {
    let UpdateParameters { config, name, description } = given;
    let custom_data = config.map(|config| config.custom_data.unwrap_or_default());
    let description = match custom_data {
        Some(_) => description.string()?,
        None => Some(description.demand(Parameter::string)?),
    };
    let done = Done::from(&name);
    exchange.perform(UpdateSecret { name, description, custom_data }).await?;
    exchange.reply(&done)
}

async fn delete(exchange: &Exchange<'_>, given: DeleteParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        secret_name: Shown<String>,
        planned_delete_time: Shown<String>,
    }
    let DeleteParameters { at_once, days, name } = given;
    let secret_name = name.to_string().into();
    let when = if at_once { When::Now } else { When::AfterDays(days) };
    let planned = exchange.perform(DeleteSecret { name, when }).await?;
    exchange.reply(&Content { secret_name, planned_delete_time: format_time(planned.0).into() })
}

async fn restore(exchange: &Exchange<'_>, given: OneSecret) -> Result<Reply, WireError> {
    let done = Done::from(&given.name);
    exchange.perform(RestoreSecret { name: given.name }).await?;
    exchange.reply(&done)
}

/// Reads the parameters of every action, for fuzzing.
pub(super) fn read_all(arguments: &Arguments<'_>) {
    let _ = OneSecret::read(arguments).map(drop);
    let _ = DescribeParameters::read(arguments).map(drop);
    let _ = ListParameters::read(arguments).map(drop);
    let _ = UpdateParameters::read(arguments).map(drop);
    let _ = DeleteParameters::read(arguments).map(drop);
    if let Ok(given) = CreateParameters::read(arguments) {
        let _ = given.content();
    }
}
