//! Every operation of the domain: one type each, in the module of its family.

pub mod chosen_key;
pub mod lifecycle;
pub mod objects;

use yaoku_iam::Operation;
use yaoku_iam::OperationSpec;

/// What is known of every operation that there is.
pub const REGISTRY: &[OperationSpec] = &[
    chosen_key::SetObjectKey::SPEC,
    chosen_key::GetObjectKey::SPEC,
    objects::CreateManagedObject::SPEC,
    objects::CreateManagedKeyPair::SPEC,
    objects::GetManagedObject::SPEC,
    objects::DescribeManagedObject::SPEC,
    objects::ListManagedObjects::SPEC,
    objects::UpdateManagedObject::SPEC,
    lifecycle::ActivateManagedObject::SPEC,
    lifecycle::RevokeManagedObject::SPEC,
    lifecycle::DestroyManagedObject::SPEC,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_each_operation_asks_for_something() {
        let names: BTreeSet<_> = REGISTRY.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), REGISTRY.len());
        assert!(REGISTRY.iter().all(|spec| !spec.resources.is_empty()));
    }
}
