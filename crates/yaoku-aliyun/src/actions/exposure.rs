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
    "AccountId",
    "Algorithm",
    "AliasName",
    "All",
    "AllowConsoleLogin",
    "AssumeRolePolicyDocument",
    "CascadingDelete",
    "CertificateId",
    "Comments",
    "DKMSInstanceId",
    "DeletionProtectionDescription",
    "Description",
    "DestinationKeyId",
    "Direction",
    "DisplayName",
    "DryRun",
    "DurationSeconds",
    "EnableAutomaticRotation",
    "EnableDeletionProtection",
    "EndTime",
    "Filters",
    "GroupName",
    "KeyId",
    "KeyMaterialExpireUnix",
    "KeySpec",
    "KeyStorageMechanism",
    "KeyUsage",
    "KeyVersionId",
    "KmsInstanceId",
    "Label",
    "LookupAttribute",
    "Marker",
    "MaxItems",
    "MaxResults",
    "MaxSessionDuration",
    "NewAllowConsoleLogin",
    "NewAssumeRolePolicyDocument",
    "NewComments",
    "NewDescription",
    "NewDisplayName",
    "NewGroupName",
    "NewMaxSessionDuration",
    "NewUserName",
    "NextToken",
    "NumberOfBytes",
    "Origin",
    "PageNumber",
    "PageSize",
    "PendingWindowInDays",
    "Policy",
    "PolicyDocument",
    "PolicyName",
    "PolicyType",
    "ProtectedResourceArn",
    "ProtectionLevel",
    "RegionId",
    "ResourceGroupId",
    "ResourceId",
    "ResourceNames",
    "ResourceType",
    "RoleArn",
    "RoleName",
    "RoleSessionName",
    "RotateStrategy",
    "RotationInterval",
    "SecretName",
    "SetAsDefault",
    "SourceEncryptionAlgorithm",
    "SourceIdentity",
    "SourceKeyId",
    "SourceKeyVersionId",
    "StartTime",
    "Status",
    "Tag",
    "TagKey",
    "TagKeys",
    "Tags",
    "UserAccessKeyId",
    "UserName",
    "VersionId",
    "WrappingAlgorithm",
    "WrappingKeySpec",
];

/// Addresses and numbers are people's, and nobody's business. An encryption context may name what its plaintext is about, and is nowhere else in the clear either.
const HIDDEN: &[&str] = &[
    "CiphertextBlob",
    "DestinationEncryptionContext",
    "Digest",
    "Email",
    "EncryptedKeyMaterial",
    "EncryptionContext",
    "ExternalId",
    "ImportToken",
    "Mac",
    "Message",
    "MobilePhone",
    "NewEmail",
    "NewMobilePhone",
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
