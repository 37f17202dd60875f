//! What there is in which version of the protocol: one table of operations, and one of attributes.

use std::fmt;

use yaoku_iam::Access;

use crate::ttlv::Tag;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) i32, pub(crate) i32);

impl Version {
    pub(crate) const V1_0: Self = Self(1, 0);
    pub(crate) const V1_1: Self = Self(1, 1);
    pub(crate) const V1_2: Self = Self(1, 2);
    pub(crate) const V1_3: Self = Self(1, 3);
    pub(crate) const V1_4: Self = Self(1, 4);
    pub(crate) const V2_0: Self = Self(2, 0);
    pub(crate) const V2_1: Self = Self(2, 1);

    /// Those that are spoken here, the newest first.
    pub(crate) const ALL: [Self; 7] =
        [Self::V2_1, Self::V2_0, Self::V1_4, Self::V1_3, Self::V1_2, Self::V1_1, Self::V1_0];

    /// Whether attributes are items of their own tag rather than pairs of name and value.
    pub(crate) fn has_attributes_by_tag(self) -> bool {
        self >= Self::V2_0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Declares [`Act`]: each operation that this server does, with its number, the version that brought it, and whether it changes
/// anything.
macro_rules! acts {
    ($($variant:ident = $number:literal, $since:ident, $access:ident;)*) => {
        /// An operation of the protocol that this server does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Act {
            $($variant,)*
        }

        impl Act {
            /// Every one, in the order in which they are counted.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its number in messages.
            pub(crate) const fn number(self) -> u32 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// Its name, as records and metrics have it.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }

            /// The version that brought it.
            pub(crate) const fn since(self) -> Version {
                match self {
                    $(Self::$variant => Version::$since,)*
                }
            }

            /// Whether it changes anything.
            pub(crate) const fn access(self) -> Access {
                match self {
                    $(Self::$variant => Access::$access,)*
                }
            }
        }
    };
}

acts! {
    Create = 0x01, V1_0, Write;
    CreateKeyPair = 0x02, V1_0, Write;
    Register = 0x03, V1_0, Write;
    ReKey = 0x04, V1_0, Write;
    Locate = 0x08, V1_0, Read;
    Check = 0x09, V1_0, Read;
    Get = 0x0a, V1_0, Read;
    GetAttributes = 0x0b, V1_0, Read;
    GetAttributeList = 0x0c, V1_0, Read;
    AddAttribute = 0x0d, V1_0, Write;
    ModifyAttribute = 0x0e, V1_0, Write;
    DeleteAttribute = 0x0f, V1_0, Write;
    Activate = 0x12, V1_0, Write;
    Revoke = 0x13, V1_0, Write;
    Destroy = 0x14, V1_0, Write;
    Query = 0x18, V1_0, Read;
    DiscoverVersions = 0x1e, V1_1, Read;
    Encrypt = 0x1f, V1_2, Read;
    Decrypt = 0x20, V1_2, Read;
    Sign = 0x21, V1_2, Read;
    SignatureVerify = 0x22, V1_2, Read;
    Mac = 0x23, V1_2, Read;
    MacVerify = 0x24, V1_2, Read;
    RngRetrieve = 0x25, V1_2, Read;
    SetAttribute = 0x31, V2_0, Write;
}

impl Act {
    /// Whether it takes something away, so that there is room for it whatever else is under way.
    pub(crate) const fn revokes(self) -> bool {
        matches!(self, Self::Revoke | Self::Destroy)
    }

    /// The operation of that number, if there is one in that version.
    pub(crate) fn of(number: u32, version: Version) -> Option<Self> {
        Self::ALL.iter().copied().find(|act| act.number() == number && act.since() <= version)
    }
}

/// What the specification calls an operation that this server does not do.
pub(crate) fn other_operation(number: u32) -> Option<&'static str> {
    OTHER_OPERATIONS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

const OTHER_OPERATIONS: &[(u32, &str)] = &[
    (0x05, "DeriveKey"),
    (0x06, "Certify"),
    (0x07, "ReCertify"),
    (0x10, "ObtainLease"),
    (0x11, "GetUsageAllocation"),
    (0x15, "Archive"),
    (0x16, "Recover"),
    (0x17, "Validate"),
    (0x19, "Cancel"),
    (0x1a, "Poll"),
    (0x1b, "Notify"),
    (0x1c, "Put"),
    (0x1d, "ReKeyKeyPair"),
    (0x26, "RngSeed"),
    (0x27, "Hash"),
    (0x28, "CreateSplitKey"),
    (0x29, "JoinSplitKey"),
    (0x2a, "Import"),
    (0x2b, "Export"),
    (0x2c, "Log"),
    (0x2d, "Login"),
    (0x2e, "Logout"),
    (0x2f, "DelegatedLogin"),
    (0x30, "AdjustAttribute"),
    (0x32, "SetEndpointRole"),
    (0x33, "PKCS11"),
    (0x34, "Interop"),
    (0x35, "ReProvision"),
];

/// Who says what an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// This server.
    Server,
    /// The client, when the object is made.
    Creator,
    /// The client, at any time.
    Client,
}

/// An attribute that this server knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) tag: Tag,
    /// The version that brought it.
    pub(crate) since: Version,
    /// Whether an object can have several.
    pub(crate) is_multiple: bool,
    pub(crate) by: By,
}

/// The attribute of that tag.
pub(crate) fn known(tag: Tag) -> Option<&'static Known> {
    ATTRIBUTES.iter().find(|known| known.tag == tag)
}

macro_rules! attributes {
    ($($tag:ident $since:ident $many:ident $by:ident;)*) => {
        /// The attributes that this server knows, in the order of their names.
        pub(crate) const ATTRIBUTES: &[Known] = &[
            $(Known { tag: Tag::$tag, since: Version::$since, is_multiple: $many, by: By::$by },)*
        ];
    };
}

const ONE: bool = false;
const MANY: bool = true;

attributes! {
    ACTIVATION_DATE V1_0 ONE Client;
    ALTERNATIVE_NAME V1_2 MANY Client;
    ALWAYS_SENSITIVE V1_4 ONE Server;
    APPLICATION_SPECIFIC_INFORMATION V1_0 MANY Client;
    CERTIFICATE_LENGTH V1_1 ONE Server;
    CERTIFICATE_TYPE V1_0 ONE Server;
    COMMENT V1_4 ONE Client;
    COMPROMISE_DATE V1_0 ONE Server;
    COMPROMISE_OCCURRENCE_DATE V1_0 ONE Server;
    CONTACT_INFORMATION V1_0 ONE Client;
    CRYPTOGRAPHIC_ALGORITHM V1_0 ONE Creator;
    CRYPTOGRAPHIC_DOMAIN_PARAMETERS V1_0 ONE Creator;
    CRYPTOGRAPHIC_LENGTH V1_0 ONE Creator;
    CRYPTOGRAPHIC_PARAMETERS V1_0 MANY Client;
    CRYPTOGRAPHIC_USAGE_MASK V1_0 ONE Creator;
    DEACTIVATION_DATE V1_0 ONE Client;
    DESCRIPTION V1_4 ONE Client;
    DESTROY_DATE V1_0 ONE Server;
    DIGEST V1_0 ONE Server;
    EXTRACTABLE V1_4 ONE Creator;
    INITIAL_DATE V1_0 ONE Server;
    KEY_FORMAT_TYPE V2_0 ONE Server;
    LAST_CHANGE_DATE V1_0 ONE Server;
    LINK V1_0 MANY Client;
    NAME V1_0 MANY Client;
    NEVER_EXTRACTABLE V1_4 ONE Server;
    OBJECT_GROUP V1_0 MANY Client;
    OBJECT_TYPE V1_0 ONE Server;
    ORIGINAL_CREATION_DATE V1_2 ONE Creator;
    PKCS_12_FRIENDLY_NAME V1_4 ONE Client;
    PROCESS_START_DATE V1_0 ONE Client;
    PROTECT_STOP_DATE V1_0 ONE Client;
    REVOCATION_REASON V1_0 ONE Server;
    SENSITIVE V1_4 ONE Creator;
    STATE V1_0 ONE Server;
    UNIQUE_IDENTIFIER V1_0 ONE Server;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_number_is_one_operation() {
        let mut numbers = BTreeSet::new();
        let done = Act::ALL.iter().map(|act| act.number());
        assert!(done.chain(OTHER_OPERATIONS.iter().map(|(number, _)| *number)).all(|number| numbers.insert(number)));
        assert_eq!(numbers.len(), 0x35, "all of the specification's are named");
        assert_eq!(Act::of(0x1f, Version::V1_1), None, "Encrypt came with 1.2");
        assert_eq!(Act::of(0x1f, Version::V1_2), Some(Act::Encrypt));
        let names: Vec<_> = ATTRIBUTES.iter().map(|known| known.tag.name()).collect();
        assert!(names.iter().all(Option::is_some) && names.is_sorted(), "{names:?}");
    }
}
