//! Every operation of the domain: one type each, in the module of its family.

pub mod deletion;
pub mod due;
pub mod numbered;
pub mod passwords;
pub mod policies;
pub mod rights;
pub mod rotation;
pub mod secrets;
pub mod tags;
pub mod values;
pub mod versions;

use yaoku_iam::{Operation, OperationSpec};

/// What is known of every operation that there is.
pub const REGISTRY: &[OperationSpec] = &[
    secrets::CreateSecret::SPEC,
    secrets::DescribeSecret::SPEC,
    secrets::ListSecrets::SPEC,
    secrets::UpdateSecret::SPEC,
    values::GetSecretValue::SPEC,
    values::BatchGetSecretValue::SPEC,
    values::PutSecretValue::SPEC,
    versions::ListSecretVersionIds::SPEC,
    versions::UpdateSecretVersionStage::SPEC,
    deletion::DeleteSecret::SPEC,
    deletion::RestoreSecret::SPEC,
    passwords::GetRandomPassword::SPEC,
    policies::SetSecretPolicy::SPEC,
    policies::GetSecretPolicy::SPEC,
    tags::TagSecret::SPEC,
    tags::UntagSecret::SPEC,
    tags::TagSecrets::SPEC,
    tags::UntagSecrets::SPEC,
    tags::ListTagsOfSecrets::SPEC,
    rotation::RotateSecret::SPEC,
    rotation::UpdateSecretRotationPolicy::SPEC,
    due::DeleteDueSecret::SPEC,
    due::RotateDueSecret::SPEC,
];

/// Operations that need no permission, and why.
pub const OPEN: &[(&str, &str)] = &[
    (due::DeleteDueSecret::SPEC.name, "the service alone does it, when it is due"),
    (due::RotateDueSecret::SPEC.name, "the service alone does it, when it is due"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_each_operation_asks_for_something_or_says_why_not() {
        let names: BTreeSet<_> = REGISTRY.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), REGISTRY.len());
        let open: BTreeSet<_> = OPEN.iter().filter(|(_, why)| !why.is_empty()).map(|(name, _)| *name).collect();
        let asks_nothing = REGISTRY.iter().filter(|spec| spec.resources.is_empty()).map(|spec| spec.name).collect();
        assert_eq!(open, asks_nothing, "left: needs no permission and says why; right: asks for none");
    }
}
