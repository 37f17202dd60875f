//! Every operation of the domain: one type each, in the module of its family.

pub mod disks;
pub mod exchange;
pub mod keys;

use yaoku_iam::{Operation, OperationSpec};

/// What is known of every operation that there is.
pub const REGISTRY: &[OperationSpec] = &[
    disks::CreateDisk::SPEC,
    disks::GetDisk::SPEC,
    disks::ListDisks::SPEC,
    disks::UpdateDisk::SPEC,
    disks::DisableDisk::SPEC,
    disks::EnableDisk::SPEC,
    disks::DeleteDisk::SPEC,
    keys::RotateDisk::SPEC,
    keys::WithdrawDiskKeys::SPEC,
    exchange::AdvertiseDisk::SPEC,
    exchange::UnlockDisk::SPEC,
];

/// Operations that need no permission, and why.
pub const OPEN: &[(&str, &str)] = &[
    (exchange::AdvertiseDisk::SPEC.name, "the disk itself does it: that it is bound is its permission"),
    (exchange::UnlockDisk::SPEC.name, "the disk itself does it: that it is bound is its permission"),
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
