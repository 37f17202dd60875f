//! Parameters of RAM, read as what they mean.

use serde::Deserialize;
use yaoku_iam::operations::Slice;
use yaoku_iam::operations::policies::{PolicyType, VersionId};
use yaoku_iam::operations::tags::{Tag, TagFilter};
use yaoku_iam::{AccessKeyId, Field, Name, PolicyName, Tags, Timestamp};

use super::failure;
use crate::actions::Arguments;
use crate::actions::names::Named;
use crate::wire::time::format_time;
use crate::wire::{Code, WireError};

/// Items of a listing, unless it is said.
const ORDINARY_ITEMS: u32 = 100;
/// The most items of a listing.
const MAX_ITEMS: u32 = 1000;

impl Named for PolicyType {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::System, "System"), (Self::Custom, "Custom")];
}

/// A tag as requests have it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireTag {
    key: String,
    value: Option<String>,
}

impl Arguments<'_> {
    /// The name that must be given in the parameter that `field` stands for.
    pub(super) fn name(&self, field: Field) -> Result<Name, WireError> {
        self.optional_name(field)?.ok_or_else(|| WireError::missing_parameter(failure::parameter(field)))
    }

    /// The name in the parameter that `field` stands for, if it is given.
    pub(super) fn optional_name(&self, field: Field) -> Result<Option<Name>, WireError> {
        let given = self.given(failure::parameter(field));
        given.map(|text| Name::parse(field, text)).transpose().map_err(|error| failure::of_argument(&error))
    }

    /// A text; absent and empty are the same.
    pub(super) fn owned(&self, name: &str) -> String {
        self.given(name).unwrap_or_default().to_owned()
    }

    /// A text that changes what there is: empty, it takes it away.
    pub(super) fn change(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    pub(super) fn access_key_id(&self) -> Result<AccessKeyId, WireError> {
        let text = self.required_text("UserAccessKeyId")?;
        // No other text is the id of an AccessKey.
        AccessKeyId::parse(text)
            .map_err(|_| WireError::new(Code::EntityNotExistUserAccessKey, "The AccessKey of the user does not exist."))
    }

    pub(super) fn policy_type(&self) -> Result<Option<PolicyType>, WireError> {
        let Some(text) = self.given("PolicyType") else { return Ok(None) };
        let why = "The specified parameter \"PolicyType\" is not valid: it must be System or Custom.";
        PolicyType::of_name(text).map(Some).ok_or_else(|| WireError::new(Code::InvalidParameterPolicyType, why))
    }

    /// The policy that `PolicyType` and `PolicyName` name.
    pub(super) fn policy(&self) -> Result<PolicyName, WireError> {
        let kind = self.policy_type()?.ok_or_else(|| WireError::missing_parameter("PolicyType"))?;
        Ok(PolicyName::new(kind, self.name(Field::PolicyName)?))
    }

    pub(super) fn policy_version(&self) -> Result<VersionId, WireError> {
        let why = "The specified parameter \"VersionId\" is not valid: it must be v followed by a number.";
        let parsed = VersionId::parse(self.required_text("VersionId")?);
        parsed.ok_or_else(|| WireError::new(Code::InvalidParameterVersionIdFormat, why))
    }

    /// A list of at most `most` texts, as a JSON array or flattened.
    pub(super) fn texts(&self, name: &'static str, most: usize) -> Result<Vec<String>, WireError> {
        let texts: Vec<String> = match self.json(name, "a JSON array of strings")? {
            Some(texts) => texts,
            None => self.params.list(name, most)?.into_iter().map(str::to_owned).collect(),
        };
        match texts.len() > most {
            true => Err(WireError::invalid_parameter(name, format!("it must contain at most {most} elements"))),
            false => Ok(texts),
        }
    }

    /// The tags in `Tag`, no key twice.
    pub(super) fn identity_tags(&self) -> Result<Vec<Tag>, WireError> {
        let given = self.tag_objects()?;
        let twice = |at: usize, key: &str| given[..at].iter().any(|other| other.key == key);
        let tags = given.iter().enumerate().map(|(at, WireTag { key, value })| match twice(at, key) {
            true => Err(WireError::invalid_parameter("Tag", "it must not contain duplicate keys")),
            false => Tag::new(key, value.as_deref().unwrap_or_default()).map_err(|error| failure::of_argument(&error)),
        });
        tags.collect()
    }

    /// `Tag` as what listings look for.
    pub(super) fn tag_filters(&self) -> Result<Vec<TagFilter>, WireError> {
        let given = self.tag_objects()?;
        Ok(given.into_iter().map(|WireTag { key, value }| TagFilter { key, value }).collect())
    }

    /// `Tag` as it came: as a JSON array or flattened.
    fn tag_objects(&self) -> Result<Vec<WireTag>, WireError> {
        const NAME: &str = "Tag";
        let tags: Vec<WireTag> = match self.json(NAME, "a JSON array of objects with Key and Value")? {
            Some(tags) => tags,
            None => {
                let tags = self.params.objects(NAME, ["Key", "Value"], Tags::MAX)?.into_iter().map(|[key, value]| {
                    let key = key.ok_or_else(|| WireError::missing_parameter(NAME))?.to_owned();
                    Ok(WireTag { key, value: value.map(str::to_owned) })
                });
                tags.collect::<Result<_, WireError>>()?
            }
        };
        match tags.len() > Tags::MAX {
            true => Err(WireError::invalid_parameter(NAME, format!("it must contain at most {} tags", Tags::MAX))),
            false => Ok(tags),
        }
    }

    /// `Marker` and `MaxItems`; a marker is the last name of the part before.
    pub(super) fn slice(&self, field: Field) -> Result<Slice, WireError> {
        let after = self.given("Marker").map(|text| Name::parse(field, text)).transpose();
        let after =
            after.map_err(|_| WireError::invalid_parameter("Marker", "it must be one that this server returned"))?;
        let most = self.integer("MaxItems")?.unwrap_or(ORDINARY_ITEMS);
        if !(1..=MAX_ITEMS).contains(&most) {
            return Err(WireError::invalid_parameter("MaxItems", format!("it must be 1 to {MAX_ITEMS}")));
        }
        Ok(Slice { after, most: most as usize })
    }
}

/// A time as RAM writes it; empty where it isn't known.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map(|at| format_time(at.0)).unwrap_or_default()
}
