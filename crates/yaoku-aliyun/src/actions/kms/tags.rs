//! TagResource, UntagResource, ListResourceTags, TagResources, UntagResources, ListTagResources.

use serde::Serialize;
use yaoku_kms::operations::tags::{
    ListResourceTags, ListTagResources, MAX_RESOURCES, TagResource, TagResources, UntagResource, UntagResources,
};
use yaoku_kms::{KeyId, Tag, Tags};

use super::arguments::make_tag;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::actions::arguments::unsupported;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "TagResource",
        TagResource,
        tag,
        [required("Tags"), optional("KeyId"), optional("SecretName"), optional("CertificateId"),]
    ),
    action!(
        "UntagResource",
        UntagResource,
        untag,
        [required("TagKeys"), optional("KeyId"), optional("SecretName"), optional("CertificateId"),]
    ),
    action!("ListResourceTags", ListResourceTags, list, [required("KeyId")]),
    action!(
        "TagResources",
        TagResources,
        tag_several,
        [optional("RegionId"), required("ResourceType"), required("ResourceId"), required("Tag"),]
    ),
    action!(
        "UntagResources",
        UntagResources,
        untag_several,
        [optional("RegionId"), required("ResourceType"), required("ResourceId"), optional("TagKey"), optional("All"),]
    ),
    action!(
        "ListTagResources",
        ListTagResources,
        list_several,
        [
            optional("RegionId"),
            required("ResourceType"),
            optional("ResourceId"),
            optional("Tag"),
            optional("NextToken"),
        ]
    ),
];

async fn tag(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (key, tags) = (only_key(exchange)?, exchange.arguments.tags("Tags")?);
    if tags.is_empty() {
        return Err(WireError::invalid_parameter("Tags", "it must contain at least one tag"));
    }
    exchange.perform(TagResource { key, tags }).await?;
    exchange.done()
}

async fn untag(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let tag_keys: Option<Vec<String>> = exchange.arguments.json("TagKeys", "a JSON array of strings")?;
    let tag_keys = tag_keys.unwrap_or_default();
    if !(1..=Tags::MAX).contains(&tag_keys.len()) {
        return Err(WireError::invalid_parameter("TagKeys", format!("it must contain 1 to {} keys", Tags::MAX)));
    }
    exchange.perform(UntagResource { key: only_key(exchange)?, tag_keys }).await?;
    exchange.done()
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
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
    let key = exchange.arguments.key_id("KeyId")?;
    let tags = exchange.perform(ListResourceTags { key }).await?;
    let tag = |tag| {
        let Tag { key: tag_key, value: tag_value }: &Tag = tag;
        WireTag { key_id: key.to_string(), tag_key, tag_value }
    };
    exchange.reply(&Content { tags: TagList { tag: tags.iter().map(tag).collect() } })
}

async fn tag_several(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let keys = resources(exchange)?;
    let objects = exchange.arguments.params.objects("Tag", ["Key", "Value"], Tags::MAX)?;
    let tags = objects.iter().map(|[key, value]| {
        let part = |part: Option<&str>| part.map(str::to_owned).ok_or_else(|| WireError::missing_parameter("Tag"));
        make_tag("Tag", &part(*key)?, &part(*value)?)
    });
    let tags = tags.collect::<Result<Vec<_>, _>>()?;
    exchange.perform(TagResources { keys, tags }).await?;
    exchange.done()
}

async fn untag_several(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let listed = arguments.params.list("TagKey", Tags::MAX)?;
    let all = arguments.boolean("All")?.unwrap_or(false);
    let tag_keys = match (&listed[..], all) {
        ([], true) => None,
        ([], false) => return Err(WireError::missing_parameter("TagKey")),
        (keys, _) => Some(keys.iter().map(|key| (*key).to_owned()).collect()),
    };
    exchange.perform(UntagResources { keys: resources(exchange)?, tag_keys }).await?;
    exchange.done()
}

async fn list_several(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
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
    let arguments = &exchange.arguments;
    let objects = arguments.params.objects("Tag", ["Key", "Value"], Tags::MAX)?;
    let tags = objects.iter().map(|[key, value]| {
        let key = key.ok_or_else(|| WireError::missing_parameter("Tag"))?.to_owned();
        Ok((key, value.map(str::to_owned)))
    });
    let tags = tags.collect::<Result<Vec<_>, WireError>>()?;
    let token = |text| {
        KeyId::parse(text)
            .ok_or_else(|| WireError::invalid_parameter("NextToken", "it must be one that this server returned"))
    };
    let after = arguments.given("NextToken").map(token).transpose()?;
    let page = exchange.perform(ListTagResources { keys: resources(exchange)?, tags, after }).await?;
    let resource = |tagged| {
        let (key, Tag { key: tag_key, value: tag_value }): &(KeyId, Tag) = tagged;
        Resource { resource_id: key.to_string(), resource_type: "key", tag_key, tag_value }
    };
    exchange.reply(&Content {
        next_token: page.next.map(|key| key.to_string()),
        tag_resources: Resources { tag_resource: page.tags.iter().map(resource).collect() },
    })
}

/// The key that TagResource and UntagResource are about; secrets and certificates are not held here.
fn only_key(exchange: &Exchange<'_>) -> Result<KeyId, WireError> {
    exchange.arguments.refuse(&["SecretName", "CertificateId"])?;
    exchange.arguments.key_id("KeyId")
}

/// The keys that `ResourceType` and `ResourceId.N` name.
fn resources(exchange: &Exchange<'_>) -> Result<Vec<KeyId>, WireError> {
    let arguments = &exchange.arguments;
    match arguments.required_text("ResourceType")? {
        "key" => {}
        "secret" => return Err(unsupported("Resources of type secret are not supported by this server.")),
        _ => return Err(WireError::invalid_parameter("ResourceType", "it must be key or secret")),
    }
    let ids = arguments.params.list("ResourceId", MAX_RESOURCES)?;
    ids.iter().map(|id| arguments.resource_key_id(id)).collect()
}
