//! GetSecretValue, PutSecretValue, ListSecretVersionIds, UpdateSecretVersionStage, GetRandomPassword.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use yaoku_kms::operations::Page;
use yaoku_secrets::operations::passwords::{Characters, GetRandomPassword};
use yaoku_secrets::operations::values::{GetSecretValue, PutSecretValue, SecretValue, VersionRef};
use yaoku_secrets::operations::versions::{ListSecretVersionIds, UpdateSecretVersionStage};
use yaoku_secrets::{SecretRef, Stage, ValueKind, VersionAbout, VersionId};
use zeroize::Zeroizing;

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
    action!("PutSecretValue", PutSecretValue, put(PutParameters)),
    action!("ListSecretVersionIds", ListSecretVersionIds, list_versions(ListVersionsParameters)),
    action!("UpdateSecretVersionStage", UpdateSecretVersionStage, move_stage(MoveStageParameters)),
    action!("GetRandomPassword", GetRandomPassword, draw_password(PasswordParameters)),
];

parameters! {
    struct GetParameters {
        _ = "Recipient" optional hidden => refused;
        _ = "FetchExtendedConfig" optional shown => passed_over;
        secret: SecretRef = "SecretName" required shown => secret_ref;
        version: Option<VersionId> = "VersionId" optional shown => secret_version;
        stage: Option<Stage> = "VersionStage" optional shown => stage;
        _ = "DryRun" optional shown => dry_run;
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

async fn get(exchange: &Exchange<'_>, given: GetParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        secret_name: String,
        secret_type: &'static str,
        secret_data: &'a str,
        secret_data_type: &'static str,
        version_id: String,
        version_stages: Stages,
        create_time: String,
    }
    let GetParameters { secret, version, stage } = given;
    let version = version.map(VersionRef::Id);
    let SecretValue { secret, version, value } = exchange.perform(GetSecretValue { secret, version, stage }).await?;
    let encoded = match value.kind {
        ValueKind::Text => Zeroizing::new(String::new()),
        ValueKind::Binary => Zeroizing::new(STANDARD.encode(value.bytes.expose())),
    };
    let data = match value.kind {
        ValueKind::Binary => &encoded,
        ValueKind::Text => std::str::from_utf8(value.bytes.expose()).map_err(|_| WireError::internal())?,
    };
    if exchange.format == Format::Xml && !response::is_xml_text(data) {
        return Err(WireError::invalid_parameter(
            "Format",
            "the value has characters that XML can't express; ask for JSON",
        ));
    }
    exchange.reply(&Content {
        secret_name: secret.name.to_string(),
        secret_type: secret.kind.name(),
        secret_data: data,
        secret_data_type: value.kind.name(),
        version_id: version.id.as_str().to_owned(),
        version_stages: version.stages[..].into(),
        create_time: format_time(version.created.0),
    })
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
    let _ = ListVersionsParameters::read(arguments).map(drop);
    let _ = MoveStageParameters::read(arguments).map(drop);
    let _ = PasswordParameters::read(arguments).map(drop);
    if let Ok(given) = PutParameters::read(arguments) {
        let _ = given.value.secret_value(given.value_kind);
    }
}
