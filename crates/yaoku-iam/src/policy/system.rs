//! Policies that every account has, by the names that Alibaba Cloud gives them.

use std::sync::{Arc, LazyLock};

use super::{Policy, PolicyKind};

/// A policy that every account has and nobody can change.
pub struct SystemPolicy {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Its document.
    pub document: &'static str,
    /// The document, read.
    pub policy: Arc<Policy>,
}

static ALL: LazyLock<Box<[SystemPolicy]>> = LazyLock::new(|| {
    let read = |&(name, description, document): &(_, _, &'static str)| {
        // A test reads each of them, so that none is left out here.
        let policy = Policy::parse_stored(document, PolicyKind::Identity).ok()?;
        Some(SystemPolicy { name, description, document, policy: Arc::new(policy) })
    };
    DOCUMENTS.iter().filter_map(read).collect()
});

impl SystemPolicy {
    /// All, by name.
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The one of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|policy| policy.name == name)
    }
}

/// Name, description and document, by name.
const DOCUMENTS: &[(&str, &str, &str)] = &[
    ("AdministratorAccess", "Full access to the account", include_str!("system/AdministratorAccess.json")),
    (
        "AliyunActionTrailFullAccess",
        "Full access to the audit trail",
        include_str!("system/AliyunActionTrailFullAccess.json"),
    ),
    (
        "AliyunActionTrailReadOnlyAccess",
        "Read access to the audit trail",
        include_str!("system/AliyunActionTrailReadOnlyAccess.json"),
    ),
    ("AliyunKMSCryptoAdminAccess", "Managing and using keys", include_str!("system/AliyunKMSCryptoAdminAccess.json")),
    ("AliyunKMSCryptoUserAccess", "Using keys", include_str!("system/AliyunKMSCryptoUserAccess.json")),
    (
        "AliyunKMSFullAccess",
        "Full access to the key management service",
        include_str!("system/AliyunKMSFullAccess.json"),
    ),
    (
        "AliyunKMSReadOnlyAccess",
        "Read access to the key management service",
        include_str!("system/AliyunKMSReadOnlyAccess.json"),
    ),
    (
        "AliyunKMSSecretAdminAccess",
        "Managing and using secrets",
        include_str!("system/AliyunKMSSecretAdminAccess.json"),
    ),
    ("AliyunKMSSecretUserAccess", "Using secrets", include_str!("system/AliyunKMSSecretUserAccess.json")),
    (
        "AliyunRAMFullAccess",
        "Full access to users, groups, roles and policies",
        include_str!("system/AliyunRAMFullAccess.json"),
    ),
    (
        "AliyunRAMReadOnlyAccess",
        "Read access to users, groups, roles and policies",
        include_str!("system/AliyunRAMReadOnlyAccess.json"),
    ),
    ("AliyunSTSAssumeRoleAccess", "Assuming roles", include_str!("system/AliyunSTSAssumeRoleAccess.json")),
    ("ReadOnlyAccess", "Read access to everything in the account", include_str!("system/ReadOnlyAccess.json")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_policies_in_the_order_of_their_names() {
        for (name, _, document) in DOCUMENTS {
            assert!(Policy::parse(document, PolicyKind::Identity).is_ok(), "{name}");
        }
        assert_eq!(SystemPolicy::all().len(), DOCUMENTS.len());
        assert!(SystemPolicy::all().is_sorted_by_key(|policy| policy.name));
    }
}
