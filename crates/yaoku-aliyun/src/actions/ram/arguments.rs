//! How parameters of RAM are read.

use serde::Deserialize;
use yaoku_iam::operations::policies::{PolicyType, VersionId};
use yaoku_iam::operations::tags::{Tag, TagFilter};
use yaoku_iam::operations::{Place, Slice};
use yaoku_iam::{AccessKeyId, Field, Name, Tags, Timestamp};

use super::failure;
use crate::actions::arguments::{Parameter, Read};
use crate::actions::names::Named;
use crate::wire::time::format_time;
use crate::wire::{Code, WireError};

/// Items of a listing, unless it is said.
pub(super) const ORDINARY_ITEMS: u32 = 100;
/// The most items of a listing.
pub(super) const MAX_ITEMS: u32 = 1000;

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

impl Parameter<'_> {
    /// A name of what `field` is the domain's word for.
    pub(super) fn name_of(self, field: Field) -> Read<Name> {
        self.filled().map(|text| Name::parse(field, text)).transpose().map_err(|error| failure::of_argument(&error))
    }

    pub(super) fn access_key_id(self) -> Read<AccessKeyId> {
        let Some(text) = self.value() else { return Ok(None) };
        // No other text is the id of an AccessKey.
        AccessKeyId::parse(text)
            .map(Some)
            .map_err(|_| WireError::new(Code::EntityNotExistUserAccessKey, "The AccessKey of the user does not exist."))
    }

    pub(super) fn policy_type(self) -> Read<PolicyType> {
        let Some(text) = self.filled() else { return Ok(None) };
        let why = "The specified parameter \"PolicyType\" is not valid: it must be System or Custom.";
        PolicyType::of_name(text).map(Some).ok_or_else(|| WireError::new(Code::InvalidParameterPolicyType, why))
    }

    pub(super) fn policy_version(self) -> Read<VersionId> {
        let Some(text) = self.value() else { return Ok(None) };
        let why = "The specified parameter \"VersionId\" is not valid: it must be v and a number.";
        VersionId::parse(text).map(Some).ok_or_else(|| WireError::new(Code::InvalidParameterVersionIdFormat, why))
    }

    /// A list of at most `most` texts, as a JSON array or flattened.
    pub(super) fn texts(self, most: usize) -> Read<Vec<String>> {
        let texts: Vec<String> = match self.json("a JSON array of strings")? {
            Some(texts) => texts,
            None => self.list(most)?.unwrap_or_default().into_iter().map(str::to_owned).collect(),
        };
        match texts.len() > most {
            true => Err(self.invalid(format!("it must have at most {most} elements"))),
            false => Ok(Some(texts)),
        }
    }

    /// Tags, no key twice.
    pub(super) fn identity_tags(self) -> Read<Vec<Tag>> {
        let given = self.tag_objects()?;
        let twice = |at: usize, key: &str| given[..at].iter().any(|other| other.key == key);
        let tags = given.iter().enumerate().map(|(at, WireTag { key, value })| match twice(at, key) {
            true => Err(self.invalid("it must not have a key twice")),
            false => Tag::new(key, value.as_deref().unwrap_or_default()).map_err(|error| failure::of_argument(&error)),
        });
        tags.collect::<Result<_, _>>().map(Some)
    }

    /// Tags as what listings look for.
    pub(super) fn identity_tag_filters(self) -> Read<Vec<TagFilter>> {
        let given = self.tag_objects()?;
        Ok(Some(given.into_iter().map(|WireTag { key, value }| TagFilter { key, value }).collect()))
    }

    /// Tags as they came: as a JSON array or flattened.
    fn tag_objects(self) -> Result<Vec<WireTag>, WireError> {
        let tags: Vec<WireTag> = match self.json("a JSON array of objects with Key and Value")? {
            Some(tags) => tags,
            None => {
                let objects = self.objects(["Key", "Value"], Tags::MAX)?.unwrap_or_default();
                let tags = objects.into_iter().map(|[key, value]| {
                    Ok(WireTag { key: self.required(key)?.to_owned(), value: value.map(str::to_owned) })
                });
                tags.collect::<Result<_, WireError>>()?
            }
        };
        match tags.len() > Tags::MAX {
            true => Err(self.invalid(format!("it must have at most {} tags", Tags::MAX))),
            false => Ok(tags),
        }
    }
}

/// A part of a listing, of so many items.
pub(super) fn slice(after: Option<Place>, most: u32) -> Slice {
    Slice { after, most: most as usize }
}

/// A time as RAM writes it; empty where it isn't known.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map(|at| format_time(at.0)).unwrap_or_default()
}
