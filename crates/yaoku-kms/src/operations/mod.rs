//! Every operation of the domain: one type each, in the module of its family.

pub mod aliases;
pub mod asymmetric;
pub mod crypto;
pub mod data_keys;
pub mod due;
pub mod import;
pub mod keys;
pub mod mac;
pub mod numbered;
pub mod policies;
pub mod rights;
pub mod service;
pub mod tags;
pub mod versions;

use yaoku_iam::{Operation, OperationSpec};

/// Where a listing begins and how much of it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Counted from 1.
    pub number: u32,
    /// Items a page, at least 1.
    pub size: u32,
}

impl Page {
    /// Items before the page.
    pub const fn skip(self) -> u64 {
        (self.number as u64 - 1) * self.size as u64
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
}

/// What is known of every operation that there is.
pub const REGISTRY: &[OperationSpec] = &[
    keys::CreateKey::SPEC,
    keys::DescribeKey::SPEC,
    keys::ListKeys::SPEC,
    keys::EnableKey::SPEC,
    keys::DisableKey::SPEC,
    keys::ScheduleKeyDeletion::SPEC,
    keys::CancelKeyDeletion::SPEC,
    keys::SetDeletionProtection::SPEC,
    keys::UpdateKeyDescription::SPEC,
    versions::CreateKeyVersion::SPEC,
    versions::DescribeKeyVersion::SPEC,
    versions::ListKeyVersions::SPEC,
    versions::UpdateRotationPolicy::SPEC,
    crypto::Encrypt::SPEC,
    crypto::Decrypt::SPEC,
    crypto::ReEncrypt::SPEC,
    asymmetric::AsymmetricSign::SPEC,
    asymmetric::AsymmetricVerify::SPEC,
    asymmetric::AsymmetricEncrypt::SPEC,
    asymmetric::AsymmetricDecrypt::SPEC,
    asymmetric::GetPublicKey::SPEC,
    mac::GenerateMac::SPEC,
    mac::VerifyMac::SPEC,
    import::GetParametersForImport::SPEC,
    import::ImportKeyMaterial::SPEC,
    import::DeleteKeyMaterial::SPEC,
    data_keys::GenerateDataKey::SPEC,
    data_keys::GenerateDataKeyWithoutPlaintext::SPEC,
    data_keys::ExportDataKey::SPEC,
    data_keys::GenerateAndExportDataKey::SPEC,
    aliases::CreateAlias::SPEC,
    aliases::UpdateAlias::SPEC,
    aliases::DeleteAlias::SPEC,
    aliases::ListAliases::SPEC,
    aliases::ListAliasesByKeyId::SPEC,
    tags::TagResource::SPEC,
    tags::UntagResource::SPEC,
    tags::ListResourceTags::SPEC,
    tags::TagResources::SPEC,
    tags::UntagResources::SPEC,
    tags::ListTagResources::SPEC,
    policies::SetKeyPolicy::SPEC,
    policies::GetKeyPolicy::SPEC,
    service::DescribeRegions::SPEC,
    service::DescribeAccountStatus::SPEC,
    service::OpenService::SPEC,
    due::RotateKey::SPEC,
    due::ExpireKeyMaterial::SPEC,
    due::DeleteKey::SPEC,
];

/// Operations that whoever has an AccessKey may do without a permission, and why.
pub const OPEN: &[(&str, &str)] = &[
    (service::DescribeRegions::SPEC.name, "it tells nothing of any account; clients ask it to find the service"),
    (due::RotateKey::SPEC.name, BY_ITSELF),
    (due::ExpireKeyMaterial::SPEC.name, BY_ITSELF),
    (due::DeleteKey::SPEC.name, BY_ITSELF),
];

const BY_ITSELF: &str = "the service alone does it, when it is due";

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
