//! TagResources, UntagResources, ListTagResources: tags of roles and policies; and tags as other actions take and show them.

use serde::Serialize;
use yaoku_iam::operations::tags::{
    ListTagResources, MAX_RESOURCES, Tag, TagFilter, TagOf, TagResources, Taggable, UntagResources,
};
use yaoku_iam::{Field, Name, Tags};

use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::place_text;
use crate::actions::names::Named;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("TagResources", TagResources, tag(TagParameters)),
    action!("UntagResources", UntagResources, untag(UntagParameters)),
    action!("ListTagResources", ListTagResources, list(ListParameters)),
];

parameters! {
    struct TagParameters {
        kind: Taggable = "ResourceType" required shown => named;
        names: Vec<String> = "ResourceNames" required shown => texts(MAX_RESOURCES);
        tags: Vec<Tag> = "Tag" required shown => identity_tags;
    }
}

parameters! {
    struct UntagParameters {
        kind: Taggable = "ResourceType" required shown => named;
        names: Vec<String> = "ResourceNames" required shown => texts(MAX_RESOURCES);
        keys: Vec<String> = "TagKeys" default(Vec::new()) shown => texts(Tags::MAX);
        all: bool = "All" default(false) shown => boolean;
    }
}

parameters! {
    struct ListParameters {
        kind: Taggable = "ResourceType" required shown => named;
        names: Vec<String> = "ResourceNames" default(Vec::new()) shown => texts(MAX_RESOURCES);
        most: u32 = "PageSize" default(MAX_PAGE) shown => up_to(MAX_PAGE);
        after: Option<Vec<u8>> = "NextToken" optional shown => place;
        filters: Vec<TagFilter> = "Tag" default(Vec::new()) shown => identity_tag_filters;
    }
}

/// The most tags on a page, and how many there are unless it is said.
const MAX_PAGE: u32 = 100;

impl Named for Taggable {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::Role, "role"), (Self::Policy, "policy")];
}

/// The tags of one resource in a listing.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagsReply {
    tag: Vec<TagReply>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagReply {
    tag_key: String,
    tag_value: String,
}

impl TagsReply {
    pub(super) fn new(tags: &Tags) -> Self {
        let tag = |(key, value): (&str, &str)| TagReply { tag_key: key.to_owned(), tag_value: value.to_owned() };
        Self { tag: tags.iter().map(tag).collect() }
    }
}

async fn tag(exchange: &Exchange<'_>, given: TagParameters) -> Result<Reply, WireError> {
    let TagParameters { kind, names, tags } = given;
    let names = resources(kind, &names)?;
    if tags.is_empty() {
        return Err(WireError::missing_parameter("Tag"));
    }
    exchange.perform(TagResources { kind, names, tags }).await?;
    exchange.done()
}

async fn untag(exchange: &Exchange<'_>, given: UntagParameters) -> Result<Reply, WireError> {
    let UntagParameters { kind, names, keys, all } = given;
    let names = resources(kind, &names)?;
    let keys = match (keys.is_empty(), all) {
        (true, true) => None,
        (true, false) => return Err(WireError::missing_parameter("TagKeys")),
        (false, _) => Some(keys),
    };
    exchange.perform(UntagResources { kind, names, keys }).await?;
    exchange.done()
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
        tag_resources: Vec<Resource>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Resource {
        resource_name: String,
        resource_type: &'static str,
        tag_key: String,
        tag_value: String,
    }
    let ListParameters { kind, names, most, after, filters } = given;
    let names = resources(kind, &names)?;
    let part = exchange.perform(ListTagResources { kind, names, filters, after, most: most as usize }).await?;
    let resource = |TagOf { name, key, value }| Resource {
        resource_name: name.to_string(),
        resource_type: kind.name(),
        tag_key: key,
        tag_value: value,
    };
    exchange.reply(&Content {
        next_token: part.next.as_deref().map(place_text),
        tag_resources: part.items.into_iter().map(resource).collect(),
    })
}

/// The names in `ResourceNames`, of what kind of thing they are.
fn resources(kind: Taggable, names: &[String]) -> Result<Vec<Name>, WireError> {
    let why = "it must be a JSON array of names of such resources";
    let name =
        |text: &String| Name::parse(field(kind), text).map_err(|_| WireError::invalid_parameter("ResourceNames", why));
    names.iter().map(name).collect()
}

const fn field(kind: Taggable) -> Field {
    match kind {
        Taggable::Role => Field::RoleName,
        Taggable::Policy => Field::PolicyName,
    }
}
