//! AttachPolicyToUser, DetachPolicyFromUser, ListPoliciesForUser, and the same of groups and roles; ListEntitiesForPolicy.

use serde::Serialize;
use yaoku_iam::operations::attachments::{
    AttachPolicy, AttachedPolicy, DetachPolicy, GroupOf, ListEntitiesForPolicy, ListPoliciesFor, RoleOf, ToGroup,
    ToRole, ToUser, UserOf,
};
use yaoku_iam::{Field, Name, PolicyName};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, optional, required};
use crate::actions::Param;
use crate::actions::names::Named;
use crate::wire::WireError;

const NAME: Param = required("PolicyName");
const TYPE: Param = required("PolicyType");
const GROUP: Param = optional("ResourceGroupId");

pub(super) const ACTIONS: &[Action] = &[
    action!("AttachPolicyToUser", AttachPolicy<ToUser>, attach_to_user, [NAME, TYPE, GROUP, required("UserName")]),
    action!("AttachPolicyToGroup", AttachPolicy<ToGroup>, attach_to_group, [NAME, TYPE, GROUP, required("GroupName")]),
    action!("AttachPolicyToRole", AttachPolicy<ToRole>, attach_to_role, [NAME, TYPE, GROUP, required("RoleName")]),
    action!("DetachPolicyFromUser", DetachPolicy<ToUser>, detach_from_user, [NAME, TYPE, GROUP, required("UserName")]),
    action!(
        "DetachPolicyFromGroup",
        DetachPolicy<ToGroup>,
        detach_from_group,
        [NAME, TYPE, GROUP, required("GroupName")]
    ),
    action!("DetachPolicyFromRole", DetachPolicy<ToRole>, detach_from_role, [NAME, TYPE, GROUP, required("RoleName")]),
    action!("ListPoliciesForUser", ListPoliciesFor<ToUser>, list_for_user, [required("UserName")]),
    action!("ListPoliciesForGroup", ListPoliciesFor<ToGroup>, list_for_group, [required("GroupName")]),
    action!("ListPoliciesForRole", ListPoliciesFor<ToRole>, list_for_role, [required("RoleName")]),
    action!("ListEntitiesForPolicy", ListEntitiesForPolicy, entities, [NAME, TYPE]),
];

/// Whom a request is about, and which policy; there are no resource groups here.
fn asked(exchange: &Exchange<'_>, field: Field) -> Result<(Name, PolicyName), WireError> {
    exchange.arguments.refuse(&["ResourceGroupId"])?;
    Ok((exchange.arguments.name(field)?, exchange.arguments.policy()?))
}

async fn attach_to_user(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (to, policy) = asked(exchange, Field::UserName)?;
    exchange.manage(AttachPolicy::<ToUser>::new(to, policy)).await?;
    exchange.done()
}

async fn attach_to_group(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (to, policy) = asked(exchange, Field::GroupName)?;
    exchange.manage(AttachPolicy::<ToGroup>::new(to, policy)).await?;
    exchange.done()
}

async fn attach_to_role(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (to, policy) = asked(exchange, Field::RoleName)?;
    exchange.manage(AttachPolicy::<ToRole>::new(to, policy)).await?;
    exchange.done()
}

async fn detach_from_user(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (from, policy) = asked(exchange, Field::UserName)?;
    exchange.manage(DetachPolicy::<ToUser>::new(from, policy)).await?;
    exchange.done()
}

async fn detach_from_group(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (from, policy) = asked(exchange, Field::GroupName)?;
    exchange.manage(DetachPolicy::<ToGroup>::new(from, policy)).await?;
    exchange.done()
}

async fn detach_from_role(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let (from, policy) = asked(exchange, Field::RoleName)?;
    exchange.manage(DetachPolicy::<ToRole>::new(from, policy)).await?;
    exchange.done()
}

async fn list_for_user(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let to = exchange.arguments.name(Field::UserName)?;
    reply(exchange, exchange.manage(ListPoliciesFor::<ToUser>::new(to)).await?)
}

async fn list_for_group(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let to = exchange.arguments.name(Field::GroupName)?;
    reply(exchange, exchange.manage(ListPoliciesFor::<ToGroup>::new(to)).await?)
}

async fn list_for_role(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let to = exchange.arguments.name(Field::RoleName)?;
    reply(exchange, exchange.manage(ListPoliciesFor::<ToRole>::new(to)).await?)
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

async fn entities(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
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
    let arguments = &exchange.arguments;
    let found = exchange.manage(ListEntitiesForPolicy { policy: arguments.policy()? }).await?;
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
        arn: format!("acs:ram::{}:role/{name}", arguments.account),
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
