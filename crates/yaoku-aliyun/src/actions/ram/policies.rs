//! CreatePolicy, UpdatePolicyDescription, GetPolicy, ListPolicies, DeletePolicy.

use serde::Serialize;
use yaoku_iam::operations::policies::{
    CreatePolicy, DeletePolicy, GetPolicy, ListPolicies, PolicyAbout, PolicyType, UpdatePolicyDescription,
};
use yaoku_iam::operations::tags::{Tag, TagFilter};
use yaoku_iam::{Field, Name, PolicyName};

use super::arguments::{MAX_ITEMS, ORDINARY_ITEMS, slice, time};
use super::tags::TagsReply;
use super::versions::Version;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::arguments::place_text;
use crate::actions::names::Named;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("CreatePolicy", CreatePolicy, create(CreateParameters)),
    action!("UpdatePolicyDescription", UpdatePolicyDescription, describe(DescriptionParameters)),
    action!("GetPolicy", GetPolicy, get(OnePolicy)),
    action!("ListPolicies", ListPolicies, list(ListParameters)),
    action!("DeletePolicy", DeletePolicy, delete(DeleteParameters)),
];

parameters! {
    /// Of actions that need to know no more.
    pub(super) struct OnePolicy {
        kind: PolicyType = "PolicyType" required shown => policy_type;
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
    }
}

parameters! {
    struct CreateParameters {
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
        description: String = "Description" default(String::new()) shown => string;
        document: String = "PolicyDocument" required shown => string;
        tags: Vec<Tag> = "Tag" default(Vec::new()) shown => identity_tags;
    }
}

parameters! {
    struct DescriptionParameters {
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
        description: String = "NewDescription" default(String::new()) shown => string;
    }
}

parameters! {
    struct ListParameters {
        only: Option<PolicyType> = "PolicyType" optional shown => policy_type;
        after: Option<Vec<u8>> = "Marker" optional shown => place;
        most: u32 = "MaxItems" default(ORDINARY_ITEMS) shown => up_to(MAX_ITEMS);
        filters: Vec<TagFilter> = "Tag" default(Vec::new()) shown => identity_tag_filters;
    }
}

parameters! {
    struct DeleteParameters {
        with_versions: bool = "CascadingDelete" default(false) shown => boolean;
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyReply {
    policy_name: String,
    policy_type: &'static str,
    description: String,
    default_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment_count: Option<usize>,
    create_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_date: Option<String>,
    /// Only listings show them.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<TagsReply>,
}

impl PolicyReply {
    fn new(about: PolicyAbout) -> Self {
        Self {
            policy_name: about.name.name().to_string(),
            policy_type: about.name.kind().name(),
            description: about.description,
            default_version: about.default_version.to_string(),
            attachment_count: Some(about.attachments),
            create_date: time(about.created),
            update_date: Some(time(about.updated)),
            tags: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    policy: PolicyReply,
}

async fn create(exchange: &Exchange<'_>, given: CreateParameters) -> Result<Reply, WireError> {
    let CreateParameters { name, description, document, tags } = given;
    let policy = PolicyReply::new(exchange.perform(CreatePolicy { name, description, document, tags }).await?);
    exchange.reply(&Content { policy: PolicyReply { attachment_count: None, update_date: None, ..policy } })
}

async fn describe(exchange: &Exchange<'_>, given: DescriptionParameters) -> Result<Reply, WireError> {
    let DescriptionParameters { name, description } = given;
    let policy = PolicyReply::new(exchange.perform(UpdatePolicyDescription { name, description }).await?);
    exchange.reply(&Content { policy: PolicyReply { attachment_count: None, ..policy } })
}

async fn get(exchange: &Exchange<'_>, given: OnePolicy) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        policy: PolicyReply,
        default_policy_version: Version,
    }
    let name = PolicyName::new(given.kind, given.name);
    let (about, version) = exchange.perform(GetPolicy { name }).await?;
    exchange.reply(&Content { policy: PolicyReply::new(about), default_policy_version: Version::new(version) })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        policies: Policies,
        is_truncated: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Policies {
        policy: Vec<PolicyReply>,
    }
    let ListParameters { only, after, most, filters } = given;
    let part = exchange.perform(ListPolicies { only, filters, slice: slice(after, most) }).await?;
    let policy =
        |about: PolicyAbout| PolicyReply { tags: Some(TagsReply::new(&about.tags)), ..PolicyReply::new(about) };
    exchange.reply(&Content {
        policies: Policies { policy: part.items.into_iter().map(policy).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.as_deref().map(place_text),
    })
}

async fn delete(exchange: &Exchange<'_>, given: DeleteParameters) -> Result<Reply, WireError> {
    exchange.perform(DeletePolicy { name: given.name, with_versions: given.with_versions }).await?;
    exchange.done()
}
