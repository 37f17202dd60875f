//! How parameters of actions on secrets are read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use yaoku_crypto::Secret;
use yaoku_gate::base64;
use yaoku_iam::{AccessKeyId, AccountId, Field, Name};
use yaoku_secrets::operations::values::{GetSecretValue, MAX_BATCH};
use yaoku_secrets::{
    MAX_ACCESS_KEYS, MAX_VALUE, NewRamCredentials, RotationInterval, SecretFilter, SecretFilters, SecretKind,
    SecretName, SecretRef, Stage, Value, ValueKind, VersionId,
};

use super::arguments::read_interval;
use super::filters::Filter;
use crate::actions::Arguments;
use crate::actions::arguments::{Parameter, Read, unsupported};
use crate::actions::names::Named;
use crate::wire::{Code, WireError};

/// What stands before a name in an ARN, behind the account.
const PREFIX: &str = "secret/";
/// More stages than a secret can have.
const MAX_STAGES: usize = 64;
/// Types of secrets that belong to other products of the cloud.
const ELSEWHERE: [&str; 4] = ["Rds", "Redis", "PolarDB", "ECS"];
/// What stands for the name of a secret that is named after what is in it.
const NAMED_BY_SERVICE: &str = "$Auto";
/// The only thing of a RAM user that secrets hold.
pub(super) const RAM_USER_ACCESS_KEY: &str = "RamUserAccessKey";
/// The most characters of a configuration.
const MAX_CONFIG: usize = 1024;

/// A value that is asked for with others.
pub(super) struct AskedValue {
    /// The secret, as it was named.
    pub(super) name: String,
    pub(super) with_config: bool,
    /// What is asked for, or what is wrong with it.
    pub(super) get: Result<GetSecretValue, WireError>,
}

/// What secrets have that do not stand for themselves alone.
#[derive(Default)]
pub(super) struct Config {
    pub(super) sub_type: Option<String>,
    pub(super) user: Option<String>,
    pub(super) custom_data: Option<BTreeMap<String, String>>,
}

impl<'a> Parameter<'a> {
    /// A secret to use, by name or ARN.
    pub(super) fn secret_ref(self) -> Read<SecretRef> {
        let Some(text) = self.value() else { return Ok(None) };
        if text.is_empty() {
            return Err(self.invalid("it must be the name or ARN of a secret"));
        }
        self.arguments().secret_ref(text).map(Some).ok_or_else(secret_not_found)
    }

    /// A secret of the caller's own account, by name or ARN.
    pub(super) fn secret_name(self) -> Read<SecretName> {
        match self.secret_ref()? {
            None => Ok(None),
            Some(SecretRef { account: None, name }) => Ok(Some(name)),
            // Others may be let in to use a secret, but only its own account manages it.
            Some(SecretRef { account: Some(_), .. }) => Err(secret_not_found()),
        }
    }

    /// A flattened list of at most `most` secrets to manage.
    pub(super) fn secret_names(self, most: usize) -> Read<Vec<SecretName>> {
        let listed = self.list(most)?.unwrap_or_default();
        let name = |text: &str| match self.arguments().secret_ref(text) {
            Some(SecretRef { account: None, name }) => Ok(name),
            Some(SecretRef { account: Some(_), .. }) | None => Err(secret_not_found()),
        };
        listed.into_iter().map(name).collect::<Result<_, _>>().map(Some)
    }

    /// The name of a secret that is to be made.
    pub(super) fn new_secret_name(self) -> Read<SecretName> {
        let Some(text) = self.value() else { return Ok(None) };
        let why = "it must be 1 to 192 letters, digits and _ / + = . @ -";
        SecretName::parse(text).map(Some).ok_or_else(|| self.invalid(why))
    }

    pub(super) fn secret_kind(self) -> Read<SecretKind> {
        match self.filled() {
            Some(other) if ELSEWHERE.contains(&other) => {
                Err(unsupported(format!("Secrets of type {other} are not supported by this server.")))
            }
            _ => self.named(),
        }
    }

    /// The id of a version.
    pub(super) fn secret_version(self) -> Read<VersionId> {
        self.filled().map(|text| self.one_version(text)).transpose()
    }

    fn one_version(self, text: &str) -> Result<VersionId, WireError> {
        let why = "a version id must be 1 to 64 characters, none of them a control character";
        VersionId::parse(text).ok_or_else(|| self.invalid(why))
    }

    pub(super) fn stage(self) -> Read<Stage> {
        self.filled().map(|text| self.one_stage(text)).transpose()
    }

    /// A JSON array of stages.
    pub(super) fn stages(self) -> Read<Vec<Stage>> {
        let Some(texts) = self.json::<Vec<String>>("a JSON array of strings")? else { return Ok(None) };
        if !(1..=MAX_STAGES).contains(&texts.len()) {
            return Err(self.invalid("it must have at least one stage, and no more than a secret can have"));
        }
        texts.iter().map(|text| self.one_stage(text)).collect::<Result<_, _>>().map(Some)
    }

    fn one_stage(self, text: &str) -> Result<Stage, WireError> {
        let why = "a stage must be 1 to 64 letters, digits and _ / + = . @ -";
        Stage::parse(text).ok_or_else(|| self.invalid(why))
    }

    /// The value of a secret: text as it is, bytes in base64.
    pub(super) fn secret_value(self, kind: ValueKind) -> Read<Value> {
        let Some(text) = self.filled() else { return Ok(None) };
        let too_long = || self.invalid(format!("it must be at most {MAX_VALUE} bytes"));
        let bytes = match kind {
            ValueKind::Text if text.len() > MAX_VALUE => return Err(too_long()),
            ValueKind::Text => text.as_bytes().to_vec(),
            ValueKind::Binary => base64::decode(text, MAX_VALUE).map_err(|error| match error {
                base64::Error::TooLong => too_long(),
                base64::Error::NotCanonical => self.invalid("a value of the type binary must be base64"),
            })?,
        };
        Ok(Some(Value { kind, bytes: Secret::new(bytes) }))
    }

    /// Secrets whose values are asked for together, as JSON or entry by entry.
    pub(super) fn asked_values(self) -> Read<Vec<AskedValue>> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Asked {
            secret_name: Option<String>,
            version_id: Option<String>,
            version_stage: Option<String>,
            fetch_extended_config: Option<Flag>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Flag {
            Is(bool),
            Text(String),
        }
        let form = "a JSON array of objects with SecretName, VersionId, VersionStage and FetchExtendedConfig";
        let asked = match self.json::<Vec<Asked>>(form)? {
            Some(asked) => asked,
            None => {
                let fields = ["SecretName", "VersionId", "VersionStage", "FetchExtendedConfig"];
                let objects = self.objects(fields, MAX_BATCH)?.unwrap_or_default();
                let asked = |[name, id, stage, config]: [Option<&str>; 4]| Asked {
                    secret_name: name.map(str::to_owned),
                    version_id: id.map(str::to_owned),
                    version_stage: stage.map(str::to_owned),
                    fetch_extended_config: config.map(|text| Flag::Text(text.to_owned())),
                };
                objects.into_iter().map(asked).collect()
            }
        };
        if asked.is_empty() {
            return Err(self.missing());
        }
        if asked.len() > MAX_BATCH {
            return Err(self.invalid(format!("it can have at most {MAX_BATCH} secrets")));
        }
        let read = |Asked { secret_name, version_id, version_stage, fetch_extended_config }: Asked| {
            let name = secret_name.filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| WireError::missing_parameter("SecretsList.SecretName"))?;
            let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
            let one = || {
                let secret = self.arguments().secret_ref(&name).ok_or_else(secret_not_found)?;
                let version = filled(version_id).map(|text| self.one_version(&text)).transpose()?.map(Into::into);
                let stage = filled(version_stage).map(|text| self.one_stage(&text)).transpose()?;
                Ok(GetSecretValue { secret, version, stage })
            };
            let with_config = match fetch_extended_config {
                None => false,
                Some(Flag::Is(given)) => given,
                Some(Flag::Text(text)) => text.eq_ignore_ascii_case("true"),
            };
            let get = one();
            Ok(AskedValue { name, with_config, get })
        };
        asked.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// Conditions of a listing of secrets.
    pub(super) fn secret_filters(self) -> Read<SecretFilters> {
        let Some(merged) = self.filters()? else { return Ok(None) };
        let (mut filters, mut tag_keys, mut tag_values) = (Vec::new(), None, None);
        for Filter { key, values } in merged {
            filters.push(match key.as_str() {
                "SecretName" => SecretFilter::Name(values),
                "Description" => SecretFilter::Description(values),
                "SecretType" => SecretFilter::Kind(self.kinds(&values)?),
                "Creator" if values.iter().any(|value| *value == self.arguments().account.as_str()) => continue,
                // No secret stands in a dedicated instance.
                "Creator" | "DKMSInstanceId" => SecretFilter::Nothing,
                "TagKey" => {
                    tag_keys = Some(values);
                    continue;
                }
                "TagValue" => {
                    tag_values = Some(values);
                    continue;
                }
                _ => {
                    let why = "it has a Key that is none of SecretName, Description, TagKey, TagValue, SecretType, \
                               DKMSInstanceId, Creator";
                    return Err(self.invalid(why));
                }
            });
        }
        if tag_keys.is_some() || tag_values.is_some() {
            filters.push(SecretFilter::Tag { keys: tag_keys, values: tag_values });
        }
        Ok(Some(SecretFilters(filters)))
    }

    /// Types of secrets by their names; those that are not held here match nothing.
    fn kinds(self, values: &[String]) -> Result<Vec<SecretKind>, WireError> {
        let is_known = |name: &String| SecretKind::of_name(name).is_some() || ELSEWHERE.contains(&name.as_str());
        match values.iter().all(is_known) {
            true => Ok(values.iter().filter_map(|name| SecretKind::of_name(name)).collect()),
            false => Err(self.invalid("it contains a value that is not a valid SecretType")),
        }
    }

    /// What only secrets have that do not stand for themselves alone. It comes as JSON, or entry by entry.
    pub(super) fn config(self) -> Read<Config> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Wire {
            secret_sub_type: Option<String>,
            user_name: Option<String>,
            custom_data: Option<BTreeMap<String, String>>,
        }
        let wrong = || {
            let why = format!(
                "it must be at most {MAX_CONFIG} characters, with SecretSubType, UserName and CustomData, which maps strings to strings"
            );
            self.invalid(why)
        };
        if let Some(text) = self.filled() {
            if text.chars().nth(MAX_CONFIG).is_some() || self.entries().next().is_some() {
                return Err(wrong());
            }
            let Wire { secret_sub_type, user_name, custom_data } = serde_json::from_str(text).map_err(|_| wrong())?;
            return Ok(Some(Config { sub_type: secret_sub_type, user: user_name, custom_data }));
        }
        let (mut config, mut length, mut given) = (Config::default(), 0, false);
        for (name, value) in self.entries() {
            (given, length) = (true, length + name.len() + value.len());
            if length > MAX_CONFIG {
                return Err(wrong());
            }
            match name {
                "SecretSubType" => config.sub_type = Some(value.to_owned()),
                "UserName" => config.user = Some(value.to_owned()),
                "CustomData" => config.custom_data = Some(serde_json::from_str(value).map_err(|_| wrong())?),
                _ => {
                    let key = name.strip_prefix("CustomData.").ok_or_else(wrong)?;
                    config.custom_data.get_or_insert_default().insert(key.to_owned(), value.to_owned());
                }
            }
        }
        Ok(given.then_some(config))
    }

    /// As [`Self::config`], of what has none.
    pub(super) fn no_config(self) -> Read<()> {
        match self.config()? {
            Some(_) => Err(self.invalid("secrets of the type Generic have no extended configuration")),
            None => Ok(None),
        }
    }

    /// The name of a secret that is named after what is in it.
    pub(super) fn named_by_service(self) -> Read<()> {
        match self.filled() {
            None => Ok(None),
            Some(NAMED_BY_SERVICE) => Ok(Some(())),
            Some(_) => {
                Err(self.invalid(format!("it must be {NAMED_BY_SERVICE}: the secret is named after the RAM user")))
            }
        }
    }

    /// AccessKeys of the user that `config` names, which a secret takes over.
    pub(super) fn access_keys(
        self,
        config: Parameter<'_>,
        rotation: Option<RotationInterval>,
    ) -> Read<NewRamCredentials> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Wire<'a> {
            #[serde(borrow)]
            access_keys: Vec<WireKey<'a>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct WireKey<'a> {
            access_key_id: String,
            #[serde(borrow)]
            access_key_secret: Cow<'a, str>,
        }
        let Config { sub_type, user, custom_data } = config.demand(Parameter::config)?;
        if sub_type.as_deref() != Some(RAM_USER_ACCESS_KEY) {
            return Err(config.invalid(format!("its SecretSubType must be {RAM_USER_ACCESS_KEY}")));
        }
        let user = user.ok_or_else(|| config.invalid("it must have a UserName"))?;
        let user = Name::parse(Field::UserName, &user).map_err(|_| config.invalid("its UserName is not one"))?;
        let Some(text) = self.filled() else { return Ok(None) };
        let form = format!(
            r#"it must be a JSON object with 1 to {MAX_ACCESS_KEYS} AccessKeys: {{"AccessKeys":[{{"AccessKeyId":"…","AccessKeySecret":"…"}}]}}"#
        );
        let wrong = || self.invalid(&form);
        if text.len() > MAX_VALUE {
            return Err(wrong());
        }
        let Wire { access_keys } = serde_json::from_str(text).map_err(|_| wrong())?;
        if !(1..=MAX_ACCESS_KEYS).contains(&access_keys.len()) {
            return Err(wrong());
        }
        let key = |key: WireKey<'_>| {
            let id = AccessKeyId::parse(&key.access_key_id).map_err(|_| wrong())?;
            Ok((id, Secret::new(key.access_key_secret.into_owned().into_bytes())))
        };
        let access_keys = access_keys.into_iter().map(key).collect::<Result<_, WireError>>()?;
        let custom_data = custom_data.unwrap_or_default();
        Ok(Some(NewRamCredentials { user, access_keys, custom_data, rotation }))
    }

    /// How often a secret rotates: `365d`, `8760h`, `525600m` or `31536000s`.
    pub(super) fn secret_interval(self) -> Read<RotationInterval> {
        let Some(text) = self.filled() else { return Ok(None) };
        let why = "it must be a whole number with the unit d, h, m or s, from 6 hours to 365 days";
        let interval = read_interval(text).and_then(RotationInterval::from_seconds);
        interval.map(Some).ok_or_else(|| self.invalid(why))
    }
}

impl Arguments<'_> {
    /// A secret by its name or ARN; none if there can't be such a secret here.
    fn secret_ref(&self, text: &str) -> Option<SecretRef> {
        let (account, local) = self.located(text)?;
        let is_arn = local.len() != text.len();
        let name = SecretName::parse(if is_arn { local.strip_prefix(PREFIX)? } else { local })?;
        Some(SecretRef { account: (account != self.account).then_some(account), name })
    }

    pub(super) fn secret_arn(&self, account: AccountId, name: &SecretName) -> String {
        format!("acs:kms:{}:{account}:{PREFIX}{name}", self.region)
    }
}

pub(super) fn secret_not_found() -> WireError {
    WireError::new(Code::ForbiddenResourceNotFound, "The specified secret does not exist.")
}
