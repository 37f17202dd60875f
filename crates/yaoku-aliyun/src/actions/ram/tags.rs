//! TagResources, UntagResources, ListTagResources: tags of roles and policies; and tags as other actions take and show them.

use serde::Serialize;
use yaoku_iam::operations::tags::{ListTagResources, TagOf, TagPlace, TagResources, Taggable, UntagResources};
use yaoku_iam::{Field, Name, Tags};

use super::{Action, Exchange, Reply, action, optional, required};
use crate::actions::names::Named;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("TagResources", TagResources, tag, [required("ResourceType"), required("ResourceNames"), required("Tag")]),
    action!(
        "UntagResources",
        UntagResources,
        untag,
        [required("ResourceType"), required("ResourceNames"), optional("TagKeys"), optional("All")]
    ),
    action!(
        "ListTagResources",
        ListTagResources,
        list,
        [
            required("ResourceType"),
            optional("ResourceNames"),
            optional("Tag"),
            optional("NextToken"),
            optional("PageSize"),
        ]
    ),
];

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

async fn tag(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let (kind, names) = resources(exchange)?;
    let tags = arguments.identity_tags()?;
    if tags.is_empty() {
        return Err(WireError::missing_parameter("Tag"));
    }
    exchange.manage(TagResources { kind, names, tags }).await?;
    exchange.done()
}

async fn untag(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let (kind, names) = resources(exchange)?;
    let keys = arguments.texts("TagKeys", Tags::MAX)?;
    let keys = match (keys.is_empty(), arguments.boolean("All")?.unwrap_or(false)) {
        (true, true) => None,
        (true, false) => return Err(WireError::missing_parameter("TagKeys")),
        (false, _) => Some(keys),
    };
    exchange.manage(UntagResources { kind, names, keys }).await?;
    exchange.done()
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
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
    let arguments = &exchange.arguments;
    let (kind, names) = resources(exchange)?;
    let most = arguments.integer("PageSize")?.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&most) {
        return Err(WireError::invalid_parameter("PageSize", format!("it must be 1 to {MAX_PAGE}")));
    }
    let after = arguments.given("NextToken").map(|token| place(kind, token)).transpose()?;
    let filters = arguments.tag_filters()?;
    let part = exchange.manage(ListTagResources { kind, names, filters, after, most: most as usize }).await?;
    let resource = |TagOf { place: TagPlace { name, key }, value }| Resource {
        resource_name: name.to_string(),
        resource_type: kind.name(),
        tag_key: key,
        tag_value: value,
    };
    exchange.reply(&Content {
        next_token: part.next.map(|TagPlace { name, key }| format!("{name}:{key}")),
        tag_resources: part.tags.into_iter().map(resource).collect(),
    })
}

/// The place that a token stands for: a name, which has no colon in it, and a key.
fn place(kind: Taggable, token: &str) -> Result<TagPlace, WireError> {
    let parts = token.split_once(':').and_then(|(name, key)| Some((Name::parse(field(kind), name).ok()?, key)));
    let (name, key) =
        parts.ok_or_else(|| WireError::invalid_parameter("NextToken", "it must be one that this server returned"))?;
    Ok(TagPlace { name, key: key.to_owned() })
}

/// `ResourceType` and `ResourceNames`.
fn resources(exchange: &Exchange<'_>) -> Result<(Taggable, Vec<Name>), WireError> {
    let arguments = &exchange.arguments;
    let kind = arguments.required_name("ResourceType")?;
    let names = arguments.texts("ResourceNames", yaoku_iam::operations::tags::MAX_RESOURCES)?;
    let why = "it must be a JSON array of resource names";
    let name =
        |text: &String| Name::parse(field(kind), text).map_err(|_| WireError::invalid_parameter("ResourceNames", why));
    Ok((kind, names.iter().map(name).collect::<Result<_, _>>()?))
}

const fn field(kind: Taggable) -> Field {
    match kind {
        Taggable::Role => Field::RoleName,
        Taggable::Policy => Field::PolicyName,
    }
}
