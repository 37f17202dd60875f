//! AttachPolicyToUser, DetachPolicyFromUser, ListPoliciesForUser, and the same of groups and roles; ListEntitiesForPolicy.

use serde::Serialize;
use yaoku_iam::operations::attachments::{
    AttachPolicy, AttachedPolicy, DetachPolicy, GroupOf, ListEntitiesForPolicy, ListPoliciesFor, RoleOf, ToGroup,
    ToRole, ToUser, UserOf,
};
use yaoku_iam::operations::policies::PolicyType;
use yaoku_iam::{Field, Name, PolicyName};

use super::arguments::time;
use super::groups::OneGroup;
use super::policies::OnePolicy;
use super::roles::OneRole;
use super::users::OneUser;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::names::Named;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("AttachPolicyToUser", AttachPolicy<ToUser>, attach_to_user(PolicyAndUser)),
    action!("AttachPolicyToGroup", AttachPolicy<ToGroup>, attach_to_group(PolicyAndGroup)),
    action!("AttachPolicyToRole", AttachPolicy<ToRole>, attach_to_role(PolicyAndRole)),
    action!("DetachPolicyFromUser", DetachPolicy<ToUser>, detach_from_user(PolicyAndUser)),
    action!("DetachPolicyFromGroup", DetachPolicy<ToGroup>, detach_from_group(PolicyAndGroup)),
    action!("DetachPolicyFromRole", DetachPolicy<ToRole>, detach_from_role(PolicyAndRole)),
    action!("ListPoliciesForUser", ListPoliciesFor<ToUser>, list_for_user(OneUser)),
    action!("ListPoliciesForGroup", ListPoliciesFor<ToGroup>, list_for_group(OneGroup)),
    action!("ListPoliciesForRole", ListPoliciesFor<ToRole>, list_for_role(OneRole)),
    action!("ListEntitiesForPolicy", ListEntitiesForPolicy, entities(OnePolicy)),
];

// There are no resource groups here.

parameters! {
    struct PolicyAndUser {
        _ = "ResourceGroupId" optional shown => refused;
        user: Name = "UserName" required shown => name_of(Field::UserName);
        kind: PolicyType = "PolicyType" required shown => policy_type;
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
    }
}

parameters! {
    struct PolicyAndGroup {
        _ = "ResourceGroupId" optional shown => refused;
        group: Name = "GroupName" required shown => name_of(Field::GroupName);
        kind: PolicyType = "PolicyType" required shown => policy_type;
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
    }
}

parameters! {
    struct PolicyAndRole {
        _ = "ResourceGroupId" optional shown => refused;
        role: Name = "RoleName" required shown => name_of(Field::RoleName);
        kind: PolicyType = "PolicyType" required shown => policy_type;
        name: Name = "PolicyName" required shown => name_of(Field::PolicyName);
    }
}

async fn attach_to_user(exchange: &Exchange<'_>, given: PolicyAndUser) -> Result<Reply, WireError> {
    let policy = PolicyName::new(given.kind, given.name);
    exchange.perform(AttachPolicy::<ToUser>::new(given.user, policy)).await?;
    exchange.done()
}

async fn detach_from_user(exchange: &Exchange<'_>, given: PolicyAndUser) -> Result<Reply, WireError> {
    let policy = PolicyName::new(given.kind, given.name);
    exchange.perform(DetachPolicy::<ToUser>::new(given.user, policy)).await?;
    exchange.done()
}

async fn attach_to_group(exchange: &Exchange<'_>, given: PolicyAndGroup) -> Result<Reply, WireError> {
    let policy = PolicyName::new(given.kind, given.name);
    exchange.perform(AttachPolicy::<ToGroup>::new(given.group, policy)).await?;
    exchange.done()
}

async fn detach_from_group(exchange: &Exchange<'_>, given: PolicyAndGroup) -> Result<Reply, WireError> {
    let policy = PolicyName::new(given.kind, given.name);
    exchange.perform(DetachPolicy::<ToGroup>::new(given.group, policy)).await?;
    exchange.done()
}

async fn attach_to_role(exchange: &Exchange<'_>, given: PolicyAndRole) -> Result<Reply, WireError> {
    let policy = PolicyName::new(given.kind, given.name);
    exchange.perform(AttachPolicy::<ToRole>::new(given.role, policy)).await?;
    exchange.done()
}

async fn detach_from_role(exchange: &Exchange<'_>, given: PolicyAndRole) -> Result<Reply, WireError> {
    let policy = PolicyName::new(given.kind, given.name);
    exchange.perform(DetachPolicy::<ToRole>::new(given.role, policy)).await?;
    exchange.done()
}

async fn list_for_user(exchange: &Exchange<'_>, given: OneUser) -> Result<Reply, WireError> {
    reply(exchange, exchange.perform(ListPoliciesFor::<ToUser>::new(given.user)).await?)
}

async fn list_for_group(exchange: &Exchange<'_>, given: OneGroup) -> Result<Reply, WireError> {
    reply(exchange, exchange.perform(ListPoliciesFor::<ToGroup>::new(given.group)).await?)
}

async fn list_for_role(exchange: &Exchange<'_>, given: OneRole) -> Result<Reply, WireError> {
    reply(exchange, exchange.perform(ListPoliciesFor::<ToRole>::new(given.role)).await?)
}

fn reply(exchange: &Exchange<'_>, attached: Vec<AttachedPolicy>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        policies: Policies,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Policies {
        policy: Vec<Policy>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Policy {
        policy_name: String,
        policy_type: &'static str,
        description: String,
        default_version: String,
        attach_date: String,
    }
    let policy = |AttachedPolicy { about, since }| Policy {
        policy_name: about.name.name().to_string(),
        policy_type: about.name.kind().name(),
        description: about.description,
        default_version: about.default_version.to_string(),
        attach_date: time(Some(since)),
    };
    exchange.reply(&Content { policies: Policies { policy: attached.into_iter().map(policy).collect() } })
}

async fn entities(exchange: &Exchange<'_>, given: OnePolicy) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        users: Users,
        groups: Groups,
        roles: Roles,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Users {
        user: Vec<User>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct User {
        user_id: String,
        user_name: String,
        display_name: String,
        attach_date: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Groups {
        group: Vec<Group>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Group {
        group_name: String,
        comments: String,
        attach_date: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Roles {
        role: Vec<Role>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Role {
        role_id: String,
        role_name: String,
        arn: String,
        description: String,
        attach_date: String,
    }
    let policy = PolicyName::new(given.kind, given.name);
    let found = exchange.perform(ListEntitiesForPolicy { policy }).await?;
    let user = |UserOf { id, name, display_name, since }| User {
        user_id: id.to_string(),
        user_name: name.to_string(),
        display_name,
        attach_date: time(Some(since)),
    };
    let group = |GroupOf { name, comments, since }| Group {
        group_name: name.to_string(),
        comments,
        attach_date: time(Some(since)),
    };
    let role = |RoleOf { id, name, description, since }| Role {
        role_id: id.to_string(),
        arn: format!("acs:ram::{}:role/{name}", exchange.arguments.account),
        role_name: name.to_string(),
        description,
        attach_date: time(Some(since)),
    };
    exchange.reply(&Content {
        users: Users { user: found.users.into_iter().map(user).collect() },
        groups: Groups { group: found.groups.into_iter().map(group).collect() },
        roles: Roles { role: found.roles.into_iter().map(role).collect() },
    })
}
