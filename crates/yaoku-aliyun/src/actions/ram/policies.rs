//! CreatePolicy, UpdatePolicyDescription, GetPolicy, ListPolicies, DeletePolicy.

use serde::Serialize;
use yaoku_iam::Field;
use yaoku_iam::operations::policies::{
    CreatePolicy, DeletePolicy, GetPolicy, ListPolicies, PolicyAbout, UpdatePolicyDescription,
};

use super::arguments::time;
use super::tags::TagsReply;
use super::versions::Version;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::actions::names::Named;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!(
        "CreatePolicy",
        CreatePolicy,
        create,
        [required("PolicyName"), required("PolicyDocument"), optional("Description"), optional("Tag")]
    ),
    action!(
        "UpdatePolicyDescription",
        UpdatePolicyDescription,
        describe,
        [required("PolicyName"), optional("NewDescription")]
    ),
    action!("GetPolicy", GetPolicy, get, [required("PolicyName"), required("PolicyType")]),
    action!(
        "ListPolicies",
        ListPolicies,
        list,
        [optional("PolicyType"), optional("Marker"), optional("MaxItems"), optional("Tag")]
    ),
    action!("DeletePolicy", DeletePolicy, delete, [required("PolicyName"), optional("CascadingDelete")]),
];

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

async fn create(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let policy = CreatePolicy {
        name: arguments.name(Field::PolicyName)?,
        description: arguments.owned("Description"),
        document: arguments.required_text("PolicyDocument")?.to_owned(),
        tags: arguments.identity_tags()?,
    };
    let policy = PolicyReply::new(exchange.manage(policy).await?);
    exchange.reply(&Content { policy: PolicyReply { attachment_count: None, update_date: None, ..policy } })
}

async fn describe(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let (name, description) = (arguments.name(Field::PolicyName)?, arguments.owned("NewDescription"));
    let policy = PolicyReply::new(exchange.manage(UpdatePolicyDescription { name, description }).await?);
    exchange.reply(&Content { policy: PolicyReply { attachment_count: None, ..policy } })
}

async fn get(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        policy: PolicyReply,
        default_policy_version: Version,
    }
    let (about, version) = exchange.manage(GetPolicy { name: exchange.arguments.policy()? }).await?;
    exchange.reply(&Content { policy: PolicyReply::new(about), default_policy_version: Version::new(version) })
}

async fn list(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
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
    let arguments = &exchange.arguments;
    let (only, slice) = (arguments.policy_type()?, arguments.slice(Field::PolicyName)?);
    let part = exchange.manage(ListPolicies { only, filters: arguments.tag_filters()?, slice }).await?;
    let policy =
        |about: PolicyAbout| PolicyReply { tags: Some(TagsReply::new(&about.tags)), ..PolicyReply::new(about) };
    exchange.reply(&Content {
        policies: Policies { policy: part.items.into_iter().map(policy).collect() },
        is_truncated: part.next.is_some(),
        marker: part.next.map(|name| name.to_string()),
    })
}

async fn delete(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let arguments = &exchange.arguments;
    let with_versions = arguments.boolean("CascadingDelete")?.unwrap_or(false);
    exchange.manage(DeletePolicy { name: arguments.name(Field::PolicyName)?, with_versions }).await?;
    exchange.done()
}
