//! TagResource, UntagResource, ListResourceTags, TagResources, UntagResources, ListTagResources.

use serde::Serialize;
use yaoku_kms::operations::tags::{
    ListResourceTags, ListTagResources, MAX_RESOURCES, TagResource, TagResources, UntagResource, UntagResources,
};
use yaoku_kms::{KeyId, Tag, Tags};

use super::keys::OneKey;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::{Parameter, Read, place_text, unsupported};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("TagResource", TagResource, tag(TagParameters)),
    action!("UntagResource", UntagResource, untag(UntagParameters)),
    action!("ListResourceTags", ListResourceTags, list(OneKey)),
    action!("TagResources", TagResources, tag_several(TagSeveralParameters)),
    action!("UntagResources", UntagResources, untag_several(UntagSeveralParameters)),
    action!("ListTagResources", ListTagResources, list_several(ListSeveralParameters)),
];

// Secrets and certificates are not held here.

parameters! {
    struct TagParameters<'a> {
        _ = "SecretName" optional shown => refused;
        _ = "CertificateId" optional shown => refused;
        key: Parameter<'a> = "KeyId" later shown => itself;
        tags: Vec<Tag> = "Tags" required shown => tags;
    }
}

parameters! {
    struct UntagParameters<'a> {
        tag_keys: Vec<String> = "TagKeys" required shown => json_strings;
        _ = "SecretName" optional shown => refused;
        _ = "CertificateId" optional shown => refused;
        key: Parameter<'a> = "KeyId" later shown => itself;
    }
}

parameters! {
    struct TagSeveralParameters {
        _ = "RegionId" optional shown => passed_over;
        _ = "ResourceType" required shown => resource_type;
        keys: Vec<KeyId> = "ResourceId" required shown => key_ids(MAX_RESOURCES);
        tags: Vec<Tag> = "Tag" required shown => listed_tags;
    }
}

parameters! {
    struct UntagSeveralParameters<'a> {
        _ = "RegionId" optional shown => passed_over;
        tag_keys: Vec<&'a str> = "TagKey" default(Vec::new()) shown => list(Tags::MAX);
        all: bool = "All" default(false) shown => boolean;
        _ = "ResourceType" required shown => resource_type;
        keys: Vec<KeyId> = "ResourceId" required shown => key_ids(MAX_RESOURCES);
    }
}

parameters! {
    struct ListSeveralParameters {
        _ = "RegionId" optional shown => passed_over;
        tags: Vec<(String, Option<String>)> = "Tag" default(Vec::new()) shown => tag_filters;
        after: Option<Vec<u8>> = "NextToken" optional shown => place;
        _ = "ResourceType" required shown => resource_type;
        keys: Vec<KeyId> = "ResourceId" default(Vec::new()) shown => key_ids(MAX_RESOURCES);
    }
}

impl Parameter<'_> {
    fn json_strings(self) -> Read<Vec<String>> {
        // Empty text is an empty list.
        Ok(self.json("a JSON array of strings")?.or_else(|| self.value().map(|_| Vec::new())))
    }

    fn resource_type(self) -> Read<()> {
        match self.value() {
            Some("key") | None => Ok(None),
            Some("secret") => Err(unsupported("Resources of type secret are not supported by this server.")),
            Some(_) => Err(self.invalid("it must be key or secret")),
        }
    }

    /// `Tag.N.Key` and `Tag.N.Value`; a tag without a value has an empty one.
    fn listed_tags(self) -> Read<Vec<Tag>> {
        let objects = self.objects(["Key", "Value"], Tags::MAX)?.unwrap_or_default();
        let tag = |[key, value]: [Option<&str>; 2]| self.tag(self.required(key)?, value.unwrap_or_default());
        objects.into_iter().map(tag).collect::<Result<_, _>>().map(Some)
    }

    /// `Tag.N.Key` and `Tag.N.Value`; a tag without a value is one with any.
    fn tag_filters(self) -> Read<Vec<(String, Option<String>)>> {
        let objects = self.objects(["Key", "Value"], Tags::MAX)?.unwrap_or_default();
        let filter = |[key, value]: [Option<&str>; 2]| Ok((self.required(key)?.to_owned(), value.map(str::to_owned)));
        objects.into_iter().map(filter).collect::<Result<_, _>>().map(Some)
    }
}

async fn tag(exchange: &Exchange<'_>, given: TagParameters<'_>) -> Result<Reply, WireError> {
    let (key, tags) = (given.key.demand(Parameter::key_id)?, given.tags);
    if tags.is_empty() {
        return Err(WireError::invalid_parameter("Tags", "it must contain at least one tag"));
    }
    exchange.perform(TagResource { key, tags }).await?;
    exchange.done()
}

async fn untag(exchange: &Exchange<'_>, given: UntagParameters<'_>) -> Result<Reply, WireError> {
    let UntagParameters { tag_keys, key } = given;
    if !(1..=Tags::MAX).contains(&tag_keys.len()) {
        return Err(WireError::invalid_parameter("TagKeys", format!("it must contain 1 to {} keys", Tags::MAX)));
    }
    exchange.perform(UntagResource { key: key.demand(Parameter::key_id)?, tag_keys }).await?;
    exchange.done()
}

async fn list(exchange: &Exchange<'_>, given: OneKey) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        tags: TagList<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct TagList<'a> {
        tag: Vec<WireTag<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct WireTag<'a> {
        key_id: String,
        tag_key: &'a str,
        tag_value: &'a str,
    }
    let key = given.key;
    let tags = exchange.perform(ListResourceTags { key }).await?;
    let tag = |tag| {
        let Tag { key: tag_key, value: tag_value }: &Tag = tag;
        WireTag { key_id: key.to_string(), tag_key, tag_value }
    };
    exchange.reply(&Content { tags: TagList { tag: tags.iter().map(tag).collect() } })
}

async fn tag_several(exchange: &Exchange<'_>, given: TagSeveralParameters) -> Result<Reply, WireError> {
    exchange.perform(TagResources { keys: given.keys, tags: given.tags }).await?;
    exchange.done()
}

async fn untag_several(exchange: &Exchange<'_>, given: UntagSeveralParameters<'_>) -> Result<Reply, WireError> {
    let tag_keys = match (&given.tag_keys[..], given.all) {
        ([], true) => None,
        ([], false) => return Err(WireError::missing_parameter("TagKey")),
        (keys, _) => Some(keys.iter().map(|key| (*key).to_owned()).collect()),
    };
    exchange.perform(UntagResources { keys: given.keys, tag_keys }).await?;
    exchange.done()
}

async fn list_several(exchange: &Exchange<'_>, given: ListSeveralParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
        tag_resources: Resources<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Resources<'a> {
        tag_resource: Vec<Resource<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Resource<'a> {
        resource_id: String,
        resource_type: &'static str,
        tag_key: &'a str,
        tag_value: &'a str,
    }
    let ListSeveralParameters { tags, after, keys } = given;
    let page = exchange.perform(ListTagResources { keys, tags, after }).await?;
    let resource = |tagged| {
        let (key, Tag { key: tag_key, value: tag_value }): &(KeyId, Tag) = tagged;
        Resource { resource_id: key.to_string(), resource_type: "key", tag_key, tag_value }
    };
    exchange.reply(&Content {
        next_token: page.next.as_deref().map(place_text),
        tag_resources: Resources { tag_resource: page.tags.iter().map(resource).collect() },
    })
}
