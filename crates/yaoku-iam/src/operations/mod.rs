//! Every operation on identities: one type each, in the module of its family.

pub mod access_keys;
pub mod accounts;
pub mod attachments;
pub mod bearers;
pub mod caller;
pub mod certificates;
pub mod groups;
mod listing;
pub mod logins;
pub mod members;
pub mod policies;
pub mod roles;
pub mod sessions;
pub mod tags;
pub mod tokens;
pub mod users;
pub mod versions;

pub use listing::{Part, Place, Slice};

use crate::{Error, Field, Operation, OperationSpec};

/// What is known of every operation that there is.
pub const REGISTRY: &[OperationSpec] = &[
    users::CreateUser::SPEC,
    users::GetUser::SPEC,
    users::UpdateUser::SPEC,
    users::ListUsers::SPEC,
    users::DeleteUser::SPEC,
    logins::GetLoginProfile::SPEC,
    logins::DeleteLoginProfile::SPEC,
    logins::GetUserMfaInfo::SPEC,
    logins::UnbindMfaDevice::SPEC,
    access_keys::CreateAccessKey::SPEC,
    access_keys::ListAccessKeys::SPEC,
    access_keys::UpdateAccessKey::SPEC,
    access_keys::DeleteAccessKey::SPEC,
    access_keys::GetAccessKeyLastUsed::SPEC,
    groups::CreateGroup::SPEC,
    groups::GetGroup::SPEC,
    groups::UpdateGroup::SPEC,
    groups::ListGroups::SPEC,
    groups::DeleteGroup::SPEC,
    members::AddUserToGroup::SPEC,
    members::RemoveUserFromGroup::SPEC,
    members::ListGroupsForUser::SPEC,
    members::ListUsersForGroup::SPEC,
    policies::CreatePolicy::SPEC,
    policies::GetPolicy::SPEC,
    policies::ListPolicies::SPEC,
    policies::UpdatePolicyDescription::SPEC,
    policies::DeletePolicy::SPEC,
    versions::CreatePolicyVersion::SPEC,
    versions::GetPolicyVersion::SPEC,
    versions::ListPolicyVersions::SPEC,
    versions::SetDefaultPolicyVersion::SPEC,
    versions::DeletePolicyVersion::SPEC,
    attachments::AttachPolicy::<attachments::ToUser>::SPEC,
    attachments::AttachPolicy::<attachments::ToGroup>::SPEC,
    attachments::AttachPolicy::<attachments::ToRole>::SPEC,
    attachments::DetachPolicy::<attachments::ToUser>::SPEC,
    attachments::DetachPolicy::<attachments::ToGroup>::SPEC,
    attachments::DetachPolicy::<attachments::ToRole>::SPEC,
    attachments::ListPoliciesFor::<attachments::ToUser>::SPEC,
    attachments::ListPoliciesFor::<attachments::ToGroup>::SPEC,
    attachments::ListPoliciesFor::<attachments::ToRole>::SPEC,
    attachments::ListEntitiesForPolicy::SPEC,
    roles::CreateRole::SPEC,
    roles::GetRole::SPEC,
    roles::UpdateRole::SPEC,
    roles::ListRoles::SPEC,
    roles::DeleteRole::SPEC,
    tags::TagResources::SPEC,
    tags::UntagResources::SPEC,
    tags::ListTagResources::SPEC,
    tokens::CreateToken::SPEC,
    tokens::ListTokens::SPEC,
    tokens::RevokeToken::SPEC,
    certificates::BindCertificate::SPEC,
    certificates::ListCertificates::SPEC,
    certificates::UnbindCertificate::SPEC,
    sessions::AssumeRole::SPEC,
    caller::GetCallerIdentity::SPEC,
    accounts::CreateAccount::SPEC,
    accounts::ListAccounts::SPEC,
    accounts::EnableAccount::SPEC,
    accounts::DisableAccount::SPEC,
];

/// What is known of the operations of whoever holds a token. The cloud's own protocol has no such tokens, and none of these.
pub const OF_TOKENS: &[OperationSpec] = &[
    bearers::BeginLogin::SPEC,
    bearers::DescribeBearer::SPEC,
    bearers::RenewBearer::SPEC,
    bearers::RevokeBearer::SPEC,
];

/// A text of at most `most` characters.
pub(crate) fn bounded(field: Field, text: &str, most: usize) -> Result<(), Error> {
    if text.chars().count() > most { Err(Error::NameLength(field)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_all_but_those_of_operators_and_one_more_ask_for_something() {
        let names: BTreeSet<_> = REGISTRY.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), REGISTRY.len());
        let open: Vec<_> = REGISTRY.iter().filter(|spec| spec.resources.is_empty()).map(|spec| spec.name).collect();
        assert_eq!(open, ["GetCallerIdentity", "CreateAccount", "ListAccounts", "EnableAccount", "DisableAccount"]);
    }
}
