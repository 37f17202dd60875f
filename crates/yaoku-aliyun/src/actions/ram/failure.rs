//! Errors of identities in the words of RAM: the one place where one becomes the other.

use std::error::Error as _;

use yaoku_iam::{Conflict, Entity, Error, Field, Login};

use crate::wire::{Code, RequestId, WireError};

/// The wire error of a domain error. The inside of an internal failure goes to the log, under the request id.
pub(in crate::actions) fn of(error: Error, request_id: RequestId) -> WireError {
    match &error {
        Error::Denied(denial) => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission");
            WireError::new(Code::NoPermission, "You are not authorized to do this action; ask for the permission.")
        }
        _ if error.may_pass() => {
            tracing::warn!(%request_id, error = &error as &dyn std::error::Error, "not available");
            WireError::unavailable()
        }
        Error::NotFound(entity) => {
            WireError::new(not_found(*entity), format!("The {} does not exist.", words(*entity)))
        }
        Error::NoLogin(Login::Password) => {
            WireError::new(Code::EntityNotExistUserLoginProfile, "The user has no login profile.")
        }
        Error::NoLogin(Login::MfaDevice) => {
            WireError::new(Code::EntityNotExistUserMfaDevice, "The user has no MFA device.")
        }
        Error::Exists(entity) => WireError::new(exists(*entity), format!("The {} already exists.", words(*entity))),
        Error::InUse(conflict) => {
            let (code, why) = in_use(*conflict);
            WireError::new(code, why)
        }
        Error::LimitExceeded { what, most } => {
            let message = format!("The request is rejected: there can be at most {most} of: {}.", words(*what));
            WireError::new(exceeded(*what), message)
        }
        Error::TooManyTags { most } => {
            let message = format!("The request is rejected: a role or a policy can have at most {most} tags.");
            WireError::new(Code::LimitExceededTag, message)
        }
        Error::NotForRoot(why) => WireError::new(Code::NoPermission, format!("{why}.")),
        Error::NameLength(_)
        | Error::NameChars(_)
        | Error::Invalid { .. }
        | Error::Document { .. }
        | Error::AccessKeyId
        | Error::AccountId(_) => of_argument(&error),
        Error::NotInForce(_)
        | Error::NotCommitted(_)
        | Error::Contended
        | Error::Vault(_)
        | Error::Record(_)
        | Error::Missing { .. }
        | Error::AccessKeySecret
        | Error::OtherAccount { .. }
        | Error::NoAccount(_)
        | Error::AccountExists(_)
        | Error::AccountLabel
        | Error::TooManyAccounts { .. } => {
            tracing::error!(%request_id, %error, source = error.source(), "internal failure");
            WireError::internal()
        }
    }
}

/// The wire error of an argument that is not of its form.
pub(super) fn of_argument(error: &Error) -> WireError {
    let invalid = |field: Field, why: &dyn std::fmt::Display| {
        let name = parameter(field);
        format!("The specified parameter \"{name}\" is not valid: {why}.")
    };
    match error {
        Error::NameLength(field) => {
            WireError::new(length(*field), invalid(*field, &"its length is outside the permitted range"))
        }
        Error::NameChars(field) => {
            WireError::new(chars(*field), invalid(*field, &"it contains characters that are not allowed"))
        }
        Error::Invalid { field, why } => WireError::new(form(*field), invalid(*field, why)),
        Error::Document { field, problem } => {
            let code = match field {
                Field::Policy => Code::InvalidParameterPolicyGrammar,
                _ => Code::MalformedPolicyDocument,
            };
            WireError::new(code, invalid(*field, problem))
        }
        _ => WireError::new(Code::InvalidParameter, "A parameter is not valid."),
    }
}

/// The parameter that the domain's word for an argument stands for.
pub(super) const fn parameter(field: Field) -> &'static str {
    match field {
        Field::UserName => "UserName",
        Field::NewUserName => "NewUserName",
        Field::DisplayName => "DisplayName",
        Field::NewDisplayName => "NewDisplayName",
        Field::Comments => "Comments",
        Field::NewComments => "NewComments",
        Field::Email => "Email",
        Field::NewEmail => "NewEmail",
        Field::MobilePhone => "MobilePhone",
        Field::NewMobilePhone => "NewMobilePhone",
        Field::GroupName => "GroupName",
        Field::NewGroupName => "NewGroupName",
        Field::RoleName => "RoleName",
        Field::Description => "Description",
        Field::NewDescription => "NewDescription",
        Field::PolicyName => "PolicyName",
        Field::PolicyDocument => "PolicyDocument",
        Field::AssumeRolePolicyDocument => "AssumeRolePolicyDocument",
        Field::NewAssumeRolePolicyDocument => "NewAssumeRolePolicyDocument",
        Field::MaxSessionDuration => "MaxSessionDuration",
        Field::NewMaxSessionDuration => "NewMaxSessionDuration",
        Field::VersionId => "VersionId",
        Field::RoleArn => "RoleArn",
        Field::RoleSessionName => "RoleSessionName",
        Field::DurationSeconds => "DurationSeconds",
        Field::Policy => "Policy",
        Field::ExternalId => "ExternalId",
        Field::Tag => "Tag",
        Field::TagKeys => "TagKeys",
        Field::ResourceNames => "ResourceNames",
        Field::Token => "Token",
        Field::TokenId => "TokenId",
        Field::TtlSeconds => "TtlSeconds",
        Field::BoundCidrs => "BoundCidrs",
        Field::Certificate => "Certificate",
        Field::CertificateId => "CertificateId",
        Field::Proof => "Proof",
        Field::Marker => "Marker",
        Field::NextToken => "NextToken",
    }
}

const fn length(field: Field) -> Code {
    match field {
        Field::UserName => Code::InvalidParameterUserNameLength,
        Field::NewUserName => Code::InvalidParameterNewUserNameLength,
        Field::GroupName => Code::InvalidParameterGroupNameLength,
        Field::NewGroupName => Code::InvalidParameterNewGroupNameLength,
        Field::RoleName => Code::InvalidParameterRoleNameLength,
        Field::PolicyName => Code::InvalidParameterPolicyNameLength,
        Field::DisplayName => Code::InvalidParameterDisplayNameLength,
        Field::NewDisplayName => Code::InvalidParameterNewDisplayNameLength,
        Field::Comments => Code::InvalidParameterCommentsLength,
        Field::NewComments => Code::InvalidParameterNewCommentsLength,
        Field::Description => Code::InvalidParameterDescriptionLength,
        Field::NewDescription => Code::InvalidParameterNewDescriptionLength,
        Field::Policy => Code::InvalidParameterPolicySize,
        _ => Code::InvalidParameter,
    }
}

const fn chars(field: Field) -> Code {
    match field {
        Field::UserName => Code::InvalidParameterUserNameInvalidChars,
        Field::NewUserName => Code::InvalidParameterNewUserNameInvalidChars,
        Field::GroupName => Code::InvalidParameterGroupNameInvalidChars,
        Field::NewGroupName => Code::InvalidParameterNewGroupNameInvalidChars,
        Field::RoleName => Code::InvalidParameterRoleNameInvalidChars,
        Field::PolicyName => Code::InvalidParameterPolicyNameInvalidChars,
        _ => Code::InvalidParameter,
    }
}

const fn form(field: Field) -> Code {
    match field {
        Field::Email => Code::InvalidParameterEmailFormat,
        Field::NewEmail => Code::InvalidParameterNewEmailFormat,
        Field::MobilePhone => Code::InvalidParameterMobilePhoneFormat,
        Field::NewMobilePhone => Code::InvalidParameterNewMobilePhoneFormat,
        Field::RoleArn => Code::InvalidParameterRoleArn,
        Field::RoleSessionName => Code::InvalidParameterRoleSessionName,
        Field::DurationSeconds => Code::InvalidParameterDurationSeconds,
        Field::ExternalId => Code::InvalidParameterExternalId,
        _ => Code::InvalidParameter,
    }
}

const fn words(entity: Entity) -> &'static str {
    match entity {
        Entity::User => "user",
        Entity::Group => "group",
        Entity::Role => "role",
        Entity::Policy => "policy",
        Entity::PolicyVersion => "version of the policy",
        Entity::AccessKey => "AccessKey of the user",
        Entity::Token => "token of the user",
        Entity::Certificate => "binding of the certificate's public key",
        Entity::Login => "renewed logins of the credential",
        Entity::Membership => "membership of the user in the group",
        Entity::UserPolicy => "attachment of the policy to the user",
        Entity::GroupPolicy => "attachment of the policy to the group",
        Entity::RolePolicy => "attachment of the policy to the role",
    }
}

const fn not_found(entity: Entity) -> Code {
    match entity {
        Entity::User => Code::EntityNotExistUser,
        Entity::Group => Code::EntityNotExistGroup,
        Entity::Role => Code::EntityNotExistRole,
        Entity::Policy => Code::EntityNotExistPolicy,
        Entity::PolicyVersion => Code::EntityNotExistPolicyVersion,
        Entity::AccessKey => Code::EntityNotExistUserAccessKey,
        Entity::Token | Entity::Login => Code::EntityNotExistUserToken,
        Entity::Certificate => Code::EntityNotExistUserCertificate,
        Entity::Membership => Code::EntityNotExistUserGroup,
        Entity::UserPolicy => Code::EntityNotExistUserPolicy,
        Entity::GroupPolicy => Code::EntityNotExistGroupPolicy,
        Entity::RolePolicy => Code::EntityNotExistRolePolicy,
    }
}

/// AccessKeys and versions get names that are not taken.
const fn exists(entity: Entity) -> Code {
    match entity {
        Entity::User | Entity::AccessKey | Entity::Token | Entity::Login => Code::EntityAlreadyExistsUser,
        Entity::Certificate => Code::EntityAlreadyExistsUserCertificate,
        Entity::Group => Code::EntityAlreadyExistsGroup,
        Entity::Role => Code::EntityAlreadyExistsRole,
        Entity::Policy | Entity::PolicyVersion => Code::EntityAlreadyExistsPolicy,
        Entity::Membership => Code::EntityAlreadyExistsUserGroup,
        Entity::UserPolicy => Code::EntityAlreadyExistsUserPolicy,
        Entity::GroupPolicy => Code::EntityAlreadyExistsGroupPolicy,
        Entity::RolePolicy => Code::EntityAlreadyExistsRolePolicy,
    }
}

const fn exceeded(entity: Entity) -> Code {
    match entity {
        Entity::User => Code::LimitExceededUser,
        Entity::Token | Entity::Login => Code::LimitExceededUserToken,
        Entity::Certificate => Code::LimitExceededUserCertificate,
        Entity::Group => Code::LimitExceededGroup,
        Entity::Role => Code::LimitExceededRole,
        Entity::Policy => Code::LimitExceededPolicy,
        Entity::PolicyVersion => Code::LimitExceededPolicyVersion,
        Entity::AccessKey => Code::LimitExceededUserAccessKey,
        Entity::Membership => Code::LimitExceededUserGroup,
        Entity::UserPolicy => Code::LimitExceededUserPolicy,
        Entity::GroupPolicy => Code::LimitExceededGroupPolicy,
        Entity::RolePolicy => Code::LimitExceededRolePolicy,
    }
}

const fn in_use(conflict: Conflict) -> (Code, &'static str) {
    match conflict {
        Conflict::UserGroup => {
            (Code::DeleteConflictUserGroup, "The user is in a group; remove it from its groups first.")
        }
        Conflict::UserAccessKey => {
            (Code::DeleteConflictUserAccessKey, "The user has an AccessKey; delete its AccessKeys first.")
        }
        Conflict::UserPolicy => {
            (Code::DeleteConflictUserPolicy, "The user has a policy attached; detach its policies first.")
        }
        Conflict::GroupUser => (Code::DeleteConflictGroupUser, "The group has a user; remove its users first."),
        Conflict::GroupPolicy => {
            (Code::DeleteConflictGroupPolicy, "The group has a policy attached; detach its policies first.")
        }
        Conflict::RolePolicy => {
            (Code::DeleteConflictRolePolicy, "The role has a policy attached; detach its policies first.")
        }
        Conflict::PolicyUser => (Code::DeleteConflictPolicyUser, "The policy is attached to a user; detach it first."),
        Conflict::PolicyGroup => {
            (Code::DeleteConflictPolicyGroup, "The policy is attached to a group; detach it first.")
        }
        Conflict::PolicyRole => (Code::DeleteConflictPolicyRole, "The policy is attached to a role; detach it first."),
        Conflict::PolicyVersion => (
            Code::DeleteConflictPolicyVersion,
            "The policy has versions other than the default one; delete them first, or set CascadingDelete.",
        ),
        Conflict::DefaultVersion => (
            Code::DeleteConflictPolicyVersionDefault,
            "The version is the default version; set another default version first.",
        ),
    }
}
