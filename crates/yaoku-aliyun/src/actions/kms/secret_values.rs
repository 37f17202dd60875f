//! GetSecretValue, BatchGetSecretValue, PutSecretValue, ListSecretVersionIds, UpdateSecretVersionStage, GetRandomPassword.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_kms::operations::Page;
use yaoku_secrets::operations::passwords::{Characters, GetRandomPassword};
use yaoku_secrets::operations::values::{BatchGetSecretValue, GetSecretValue, PutSecretValue, SecretValue, VersionRef};
use yaoku_secrets::operations::versions::{ListSecretVersionIds, UpdateSecretVersionStage};
use yaoku_secrets::{SecretRef, Stage, Value, ValueKind, VersionAbout, VersionId};
use zeroize::Zeroizing;

use super::secret_arguments::AskedValue;
use super::secret_failure;
use super::secret_rotation::Rotation;
use super::secrets::Done;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::Arguments;
use crate::actions::arguments::Parameter;
use crate::actions::elements::Shown;
use crate::actions::names::Named;
use crate::wire::time::format_time;
use crate::wire::{Format, WireError, response};

/// Characters of a password, unless another number is asked for.
const PASSWORD_LENGTH: u32 = 32;

pub(super) const ACTIONS: &[Action] = &[
    action!("GetSecretValue", GetSecretValue, get(GetParameters)),
    action!("BatchGetSecretValue", BatchGetSecretValue, get_several(GetSeveralParameters)),
    action!("PutSecretValue", PutSecretValue, put(PutParameters)),
    action!("ListSecretVersionIds", ListSecretVersionIds, list_versions(ListVersionsParameters)),
    action!("UpdateSecretVersionStage", UpdateSecretVersionStage, move_stage(MoveStageParameters)),
    action!("GetRandomPassword", GetRandomPassword, draw_password(PasswordParameters)),
];

parameters! {
    struct GetParameters {
        _ = "Recipient" optional hidden => refused;
        with_config: bool = "FetchExtendedConfig" default(false) shown => boolean;
        secret: SecretRef = "SecretName" required shown => secret_ref;
        version: Option<VersionId> = "VersionId" optional shown => secret_version;
        stage: Option<Stage> = "VersionStage" optional shown => stage;
        _ = "DryRun" optional shown => dry_run;
    }
}

parameters! {
    struct GetSeveralParameters {
        // The SDKs say that it may be left out.
        asked: Vec<AskedValue> = "SecretsList" default(Vec::new()) shown => asked_values;
    }
}

parameters! {
    struct PutParameters<'a> {
        secret: SecretRef = "SecretName" required shown => secret_ref;
        version: VersionId = "VersionId" required shown => secret_version;
        value_kind: ValueKind = "SecretDataType" default(ValueKind::Text) shown => named;
        value: Parameter<'a> = "SecretData" later hidden => itself;
        stages: Option<Vec<Stage>> = "VersionStages" optional shown => stages;
    }
}

parameters! {
    struct ListVersionsParameters {
        secret: SecretRef = "SecretName" required shown => secret_ref;
        include_deprecated: bool = "IncludeDeprecated" default(false) shown => boolean;
        number: u32 = "PageNumber" default(1) shown => at_least_one;
        size: u32 = "PageSize" default(20) shown => up_to(100);
    }
}

parameters! {
    struct MoveStageParameters {
        secret: SecretRef = "SecretName" required shown => secret_ref;
        stage: Stage = "VersionStage" required shown => stage;
        to: Option<VersionId> = "MoveToVersion" optional shown => secret_version;
        from: Option<VersionId> = "RemoveFromVersion" optional shown => secret_version;
    }
}

parameters! {
    struct PasswordParameters {
        length: u32 = "PasswordLength" default(PASSWORD_LENGTH) shown => integer;
        excluded: String = "ExcludeCharacters" default(String::new()) shown => string;
        no_lowercase: bool = "ExcludeLowercase" default(false) shown => boolean;
        no_uppercase: bool = "ExcludeUppercase" default(false) shown => boolean;
        no_numbers: bool = "ExcludeNumbers" default(false) shown => boolean;
        no_punctuation: bool = "ExcludePunctuation" default(false) shown => boolean;
        each_kind: bool = "RequireEachIncludedType" default(true) shown => boolean;
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stages {
    version_stage: Vec<String>,
}

impl From<&[Stage]> for Stages {
    fn from(stages: &[Stage]) -> Self {
        Self { version_stage: stages.iter().map(|stage| stage.as_str().to_owned()).collect() }
    }
}

/// A value as it is shown: text as it is, bytes in base64.
enum Data<'a> {
    Text(&'a str),
    Binary(Zeroizing<String>),
}

impl<'a> Data<'a> {
    fn of(value: &'a Value, format: Format) -> Result<Self, WireError> {
        let text = match value.kind {
            ValueKind::Binary => return Ok(Self::Binary(Zeroizing::new(STANDARD.encode(value.bytes.expose())))),
            ValueKind::Text => std::str::from_utf8(value.bytes.expose()).map_err(|_| WireError::internal())?,
        };
        if format == Format::Xml && !response::is_xml_text(text) {
            return Err(WireError::invalid_parameter(
                "Format",
                "the value has characters that XML can't express; ask for JSON",
            ));
        }
        Ok(Self::Text(text))
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Binary(encoded) => encoded,
        }
    }
}

/// A value and what it belongs to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValueContent<'a> {
    secret_name: String,
    secret_type: &'static str,
    secret_data: &'a str,
    secret_data_type: &'static str,
    version_id: String,
    version_stages: Stages,
    create_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    automatic_rotation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_rotation_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_rotation_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_config: Option<String>,
    /// Only where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl<'a> ValueContent<'a> {
    fn new(got: &SecretValue, data: &'a Data<'_>, with_config: bool, request_id: Option<String>) -> Self {
        let SecretValue { secret, version, value } = got;
        let (automatic_rotation, rotation_interval, last_rotation_date, next_rotation_date, extended_config) =
            match Rotation::of(secret) {
                None => (None, None, None, None, None),
                Some(of) => (
                    Some(of.automatic_rotation),
                    of.rotation_interval,
                    of.last_rotation_date,
                    of.next_rotation_date,
                    with_config.then_some(of.extended_config),
                ),
            };
        Self {
            secret_name: secret.name.to_string(),
            secret_type: secret.kind.name(),
            secret_data: data.as_str(),
            secret_data_type: value.kind.name(),
            version_id: version.id.as_str().to_owned(),
            version_stages: version.stages[..].into(),
            create_time: format_time(version.created.0),
            automatic_rotation,
            rotation_interval,
            last_rotation_date,
            next_rotation_date,
            extended_config,
            request_id,
        }
    }
}

async fn get(exchange: &Exchange<'_>, given: GetParameters) -> Result<Reply, WireError> {
    let GetParameters { with_config, secret, version, stage } = given;
    let version = version.map(VersionRef::Id);
    let got = exchange.perform(GetSecretValue { secret, version, stage }).await?;
    exchange.reply(&ValueContent::new(&got, &Data::of(&got.value, exchange.format)?, with_config, None))
}

async fn get_several(exchange: &Exchange<'_>, given: GetSeveralParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        secret_values: Vec<ValueContent<'a>>,
        errors: Vec<Failed>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Failed {
        code: &'static str,
        http_status: u16,
        message: String,
        secret_name: String,
    }
    if given.asked.is_empty() {
        return Err(WireError::missing_parameter("SecretsList"));
    }
    let failed = |secret_name: String, error: WireError| {
        exchange.performing.part_failed(error.code.as_str(), &secret_name);
        Failed {
            code: error.code.as_str(),
            http_status: error.http_status(),
            message: error.message.into_owned(),
            secret_name,
        }
    };
    let (mut names, mut gets, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for AskedValue { name, with_config, get } in given.asked {
        match get {
            Ok(get) => {
                names.push((name, with_config));
                gets.push(get);
            }
            Err(error) => errors.push(failed(name, error)),
        }
    }
    let results = if gets.is_empty() { Vec::new() } else { exchange.perform(BatchGetSecretValue(gets)).await? };
    let mut got = Vec::new();
    for ((name, with_config), result) in names.into_iter().zip(results) {
        match result {
            Ok(value) => got.push((value, with_config)),
            Err(error) => {
                let error = secret_failure::of(error, exchange.request_id, exchange.arguments);
                errors.push(failed(name, error));
            }
        }
    }
    let data = got.iter().map(|(got, _)| Data::of(&got.value, exchange.format)).collect::<Result<Vec<_>, _>>()?;
    let content = |((got, with_config), data): (&(SecretValue, bool), _)| {
        ValueContent::new(got, data, *with_config, Some(exchange.request_id.to_string()))
    };
    exchange.reply(&Content { secret_values: got.iter().zip(&data).map(content).collect(), errors })
}

async fn put(exchange: &Exchange<'_>, given: PutParameters<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        secret_name: Shown<String>,
        version_id: Shown<String>,
        version_stages: Stages,
    }
    let PutParameters { secret, version, value_kind, value, stages } = given;
    let value = value.demand(|value| value.secret_value(value_kind))?;
    let secret_name = secret.name.to_string().into();
    let operation = PutSecretValue { secret, version: Some(version), value, stages, expected: None };
    let version = exchange.perform(operation).await?;
    exchange.reply(&Content {
        secret_name,
        version_id: version.id.as_str().to_owned().into(),
        version_stages: version.stages[..].into(),
    })
}

async fn list_versions(exchange: &Exchange<'_>, given: ListVersionsParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        secret_name: String,
        version_ids: Versions,
        page_number: u32,
        page_size: u32,
        total_count: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Versions {
        version_id: Vec<Version>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Version {
        version_id: String,
        version_stages: Stages,
        create_time: String,
    }
    let ListVersionsParameters { secret, include_deprecated, number, size } = given;
    let page = Page { number, size };
    let (name, listing) = exchange.perform(ListSecretVersionIds { secret, include_deprecated, page }).await?;
    let version = |version: VersionAbout| Version {
        version_id: version.id.as_str().to_owned(),
        version_stages: version.stages[..].into(),
        create_time: format_time(version.created.0),
    };
    exchange.reply(&Content {
        secret_name: name.to_string(),
        version_ids: Versions { version_id: listing.items.into_iter().map(version).collect() },
        page_number: page.number,
        page_size: page.size,
        total_count: listing.total,
    })
}

async fn move_stage(exchange: &Exchange<'_>, given: MoveStageParameters) -> Result<Reply, WireError> {
    let MoveStageParameters { secret, stage, to, from } = given;
    let done = Done::from(&secret.name);
    exchange.perform(UpdateSecretVersionStage { secret, stage, to, from }).await?;
    exchange.reply(&done)
}

async fn draw_password(exchange: &Exchange<'_>, given: PasswordParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        random_password: &'a str,
    }
    let PasswordParameters { length, excluded, each_kind, .. } = given;
    let characters = Characters {
        lowercase: !given.no_lowercase,
        uppercase: !given.no_uppercase,
        numbers: !given.no_numbers,
        punctuation: !given.no_punctuation,
    };
    let password = exchange.perform(GetRandomPassword { length, characters, excluded, each_kind }).await?;
    let random_password = std::str::from_utf8(password.expose()).map_err(|_| WireError::internal())?;
    exchange.reply(&Content { random_password })
}

/// Reads the parameters of every action, for fuzzing.
pub(super) fn read_all(arguments: &Arguments<'_>) {
    let _ = GetParameters::read(arguments).map(drop);
    let _ = GetSeveralParameters::read(arguments).map(drop);
    let _ = ListVersionsParameters::read(arguments).map(drop);
    let _ = MoveStageParameters::read(arguments).map(drop);
    let _ = PasswordParameters::read(arguments).map(drop);
    if let Ok(given) = PutParameters::read(arguments) {
        let _ = given.value.secret_value(given.value_kind);
    }
}
