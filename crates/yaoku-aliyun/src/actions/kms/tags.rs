//! TagResource, UntagResource, ListResourceTags, TagResources, UntagResources, ListTagResources.

use serde::Serialize;
use yaoku_kms::operations::tags::{
    ListResourceTags, ListTagResources, MAX_RESOURCES, TagResource, TagResources, UntagResource, UntagResources,
};
use yaoku_kms::{KeyId, Tag, Tags};
use yaoku_secrets::SecretName;
use yaoku_secrets::operations::tags::{ListTagsOfSecrets, TagSecret, TagSecrets, UntagSecret, UntagSecrets};

use super::keys::OneKey;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::{Parameter, Read, place_text};
use crate::actions::names::Named;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("TagResource", TagResource, tag(TagParameters)),
    action!("UntagResource", UntagResource, untag(UntagParameters)),
    action!("ListResourceTags", ListResourceTags, list(OneKey)),
    action!("TagResources", TagResources, tag_several(TagSeveralParameters)),
    action!("UntagResources", UntagResources, untag_several(UntagSeveralParameters)),
    action!("ListTagResources", ListTagResources, list_several(ListSeveralParameters)),
];

// Certificates are not held here.

parameters! {
    struct TagParameters<'a> {
        secret: Parameter<'a> = "SecretName" later shown => itself;
        _ = "CertificateId" optional shown => refused;
        key: Parameter<'a> = "KeyId" later shown => itself;
        tags: Vec<Tag> = "Tags" required shown => tags;
    }
}

parameters! {
    struct UntagParameters<'a> {
        tag_keys: Vec<String> = "TagKeys" required shown => json_strings;
        secret: Parameter<'a> = "SecretName" later shown => itself;
        _ = "CertificateId" optional shown => refused;
        key: Parameter<'a> = "KeyId" later shown => itself;
    }
}

parameters! {
    struct TagSeveralParameters<'a> {
        _ = "RegionId" optional shown => passed_over;
        kind: Kind = "ResourceType" required shown => named;
        resources: Parameter<'a> = "ResourceId" required shown => listed;
        tags: Vec<Tag> = "Tag" required shown => listed_tags;
    }
}

parameters! {
    struct UntagSeveralParameters<'a> {
        _ = "RegionId" optional shown => passed_over;
        tag_keys: Vec<&'a str> = "TagKey" default(Vec::new()) shown => list(Tags::MAX);
        all: bool = "All" default(false) shown => boolean;
        kind: Kind = "ResourceType" required shown => named;
        resources: Parameter<'a> = "ResourceId" required shown => listed;
    }
}

parameters! {
    struct ListSeveralParameters<'a> {
        _ = "RegionId" optional shown => passed_over;
        tags: Vec<(String, Option<String>)> = "Tag" default(Vec::new()) shown => tag_filters;
        after: Option<Vec<u8>> = "NextToken" optional shown => place;
        kind: Kind = "ResourceType" required shown => named;
        resources: Parameter<'a> = "ResourceId" later shown => itself;
    }
}

/// What can be tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Secret,
}

impl Named for Kind {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::Key, "key"), (Self::Secret, "secret")];
}

impl Parameter<'_> {
    fn json_strings(self) -> Read<Vec<String>> {
        // Empty text is an empty list.
        Ok(self.json("a JSON array of strings")?.or_else(|| self.value().map(|_| Vec::new())))
    }

    /// Read by the action's function: it depends on the type of the resources what they are called.
    #[expect(clippy::unnecessary_wraps, reason = "a reader as the others")]
    fn listed(self) -> Read<Self> {
        Ok(Some(self))
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

/// What one of two parameters names.
enum One {
    Key(KeyId),
    Secret(SecretName),
}

fn one(key: Parameter<'_>, secret: Parameter<'_>) -> Result<One, WireError> {
    match (key.filled(), secret.filled()) {
        (Some(_), Some(_)) => Err(secret.invalid("it can't be given together with KeyId")),
        (None, Some(_)) => secret.demand(Parameter::secret_name).map(One::Secret),
        (_, None) => key.demand(Parameter::key_id).map(One::Key),
    }
}

async fn tag(exchange: &Exchange<'_>, given: TagParameters<'_>) -> Result<Reply, WireError> {
    let (one, tags) = (one(given.key, given.secret)?, given.tags);
    if tags.is_empty() {
        return Err(WireError::invalid_parameter("Tags", "it must contain at least one tag"));
    }
    match one {
        One::Key(key) => exchange.perform(TagResource { key, tags }).await?,
        One::Secret(name) => exchange.perform(TagSecret { name, tags }).await?,
    }
    exchange.done()
}

async fn untag(exchange: &Exchange<'_>, given: UntagParameters<'_>) -> Result<Reply, WireError> {
    let UntagParameters { tag_keys, secret, key } = given;
    if !(1..=Tags::MAX).contains(&tag_keys.len()) {
        return Err(WireError::invalid_parameter("TagKeys", format!("it must contain 1 to {} keys", Tags::MAX)));
    }
    match one(key, secret)? {
        One::Key(key) => exchange.perform(UntagResource { key, tag_keys }).await?,
        One::Secret(name) => exchange.perform(UntagSecret { name, tag_keys }).await?,
    }
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

async fn tag_several(exchange: &Exchange<'_>, given: TagSeveralParameters<'_>) -> Result<Reply, WireError> {
    let TagSeveralParameters { kind, resources, tags } = given;
    match kind {
        Kind::Key => {
            let keys = resources.demand(|ids| ids.key_ids(MAX_RESOURCES))?;
            exchange.perform(TagResources { keys, tags }).await?;
        }
        Kind::Secret => {
            let names = resources.demand(|names| names.secret_names(MAX_RESOURCES))?;
            exchange.perform(TagSecrets { names, tags }).await?;
        }
    }
    exchange.done()
}

async fn untag_several(exchange: &Exchange<'_>, given: UntagSeveralParameters<'_>) -> Result<Reply, WireError> {
    let UntagSeveralParameters { kind, resources, tag_keys, all } = given;
    let tag_keys = match (&tag_keys[..], all) {
        ([], true) => None,
        ([], false) => return Err(WireError::missing_parameter("TagKey")),
        (keys, _) => Some(keys.iter().map(|key| (*key).to_owned()).collect()),
    };
    match kind {
        Kind::Key => {
            let keys = resources.demand(|ids| ids.key_ids(MAX_RESOURCES))?;
            exchange.perform(UntagResources { keys, tag_keys }).await?;
        }
        Kind::Secret => {
            let names = resources.demand(|names| names.secret_names(MAX_RESOURCES))?;
            exchange.perform(UntagSecrets { names, tag_keys }).await?;
        }
    }
    exchange.done()
}

async fn list_several(exchange: &Exchange<'_>, given: ListSeveralParameters<'_>) -> Result<Reply, WireError> {
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
    let ListSeveralParameters { kind, resources, tags, after } = given;
    let (tagged, next): (Vec<(String, Tag)>, _) = match kind {
        Kind::Key => {
            let keys = resources.key_ids(MAX_RESOURCES)?.unwrap_or_default();
            let page = exchange.perform(ListTagResources { keys, tags, after }).await?;
            (page.tags.into_iter().map(|(key, tag)| (key.to_string(), tag)).collect(), page.next)
        }
        Kind::Secret => {
            let names = resources.secret_names(MAX_RESOURCES)?.unwrap_or_default();
            let page = exchange.perform(ListTagsOfSecrets { names, tags, after }).await?;
            (page.tags.into_iter().map(|(name, tag)| (name.to_string(), tag)).collect(), page.next)
        }
    };
    let resource = |tagged| {
        let (id, Tag { key: tag_key, value: tag_value }): &(String, Tag) = tagged;
        Resource { resource_id: id.clone(), resource_type: kind.name(), tag_key, tag_value }
    };
    exchange.reply(&Content {
        next_token: next.as_deref().map(place_text),
        tag_resources: Resources { tag_resource: tagged.iter().map(resource).collect() },
    })
}
