//! What the audit trail may show of parameters. A parameter that stands in neither list does not compile.

/// Whether the audit trail may show a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// It may.
    Shown,
    /// It is a secret, or stands for one, or tells of one.
    Hidden,
}

const SHOWN: &[&str] = &[
    "Algorithm",
    "AliasName",
    "All",
    "CertificateId",
    "DKMSInstanceId",
    "DeletionProtectionDescription",
    "Description",
    "DestinationKeyId",
    "Direction",
    "DryRun",
    "EnableAutomaticRotation",
    "EnableDeletionProtection",
    "EndTime",
    "Filters",
    "KeyId",
    "KeyMaterialExpireUnix",
    "KeySpec",
    "KeyStorageMechanism",
    "KeyUsage",
    "KeyVersionId",
    "KmsInstanceId",
    "LookupAttribute",
    "MaxResults",
    "NextToken",
    "NumberOfBytes",
    "Origin",
    "PageNumber",
    "PageSize",
    "PendingWindowInDays",
    "Policy",
    "PolicyName",
    "ProtectedResourceArn",
    "ProtectionLevel",
    "RegionId",
    "ResourceId",
    "ResourceType",
    "RotationInterval",
    "SecretName",
    "SourceEncryptionAlgorithm",
    "SourceKeyId",
    "SourceKeyVersionId",
    "StartTime",
    "Tag",
    "TagKey",
    "TagKeys",
    "Tags",
    "WrappingAlgorithm",
    "WrappingKeySpec",
];

/// An encryption context may name what its plaintext is about, and is nowhere else in the clear either.
const HIDDEN: &[&str] = &[
    "CiphertextBlob",
    "DestinationEncryptionContext",
    "Digest",
    "EncryptedKeyMaterial",
    "EncryptionContext",
    "ImportToken",
    "Mac",
    "Message",
    "Plaintext",
    "PublicKeyBlob",
    "Recipient",
    "SourceEncryptionContext",
    "Value",
];

/// What the trail may show of the parameter of that name.
pub(super) const fn of(name: &str) -> Exposure {
    match (listed(SHOWN, name), listed(HIDDEN, name)) {
        (true, false) => Exposure::Shown,
        (false, true) => Exposure::Hidden,
        _ => panic!("a parameter must stand in one of the two lists of exposure.rs"),
    }
}

const fn listed(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if same(names[at].as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

/// `==`, which constants can't use yet.
const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
