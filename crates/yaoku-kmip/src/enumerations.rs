//! The enumerations of the specification that this server has words for, one table each (KMIP 1.4, section 9.1.3.2).

use yaoku_objects::{ObjectKind, ObjectState};

/// Declares an enumeration: what it is, and its values with their numbers and names.
macro_rules! enumeration {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are the specification's")]
        pub(crate) enum $name {
            $($variant = $number,)*
        }

        #[allow(dead_code, reason = "not every enumeration is read and written")]
        impl $name {
            /// The value of that number; none if this server does not know it.
            pub(crate) const fn of(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its number.
            pub(crate) const fn number(self) -> u32 {
                self as u32
            }
        }
    };
}

enumeration! {
    /// What came of a batch item.
    ResultStatus {
        Success = 0,
        OperationFailed = 1,
    }
}

enumeration! {
    /// What an object is.
    ObjectType {
        Certificate = 1,
        SymmetricKey = 2,
        PublicKey = 3,
        PrivateKey = 4,
        SplitKey = 5,
        Template = 6,
        SecretData = 7,
        OpaqueObject = 8,
    }
}

enumeration! {
    /// Where an object stands in its life.
    State {
        PreActive = 1,
        Active = 2,
        Deactivated = 3,
        Compromised = 4,
        Destroyed = 5,
        DestroyedCompromised = 6,
    }
}

impl ObjectType {
    /// Those that there are here.
    pub(crate) const HERE: [Self; 6] = [
        Self::Certificate,
        Self::SymmetricKey,
        Self::PublicKey,
        Self::PrivateKey,
        Self::SecretData,
        Self::OpaqueObject,
    ];

    /// What the specification calls a kind of managed objects.
    pub(crate) const fn of_kind(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::Certificate => Self::Certificate,
            ObjectKind::SymmetricKey => Self::SymmetricKey,
            ObjectKind::PublicKey => Self::PublicKey,
            ObjectKind::PrivateKey => Self::PrivateKey,
            ObjectKind::SecretData => Self::SecretData,
            ObjectKind::OpaqueData => Self::OpaqueObject,
        }
    }

    /// The kind of managed objects that it is; none of those that there are none of here.
    pub(crate) const fn kind(self) -> Option<ObjectKind> {
        match self {
            Self::Certificate => Some(ObjectKind::Certificate),
            Self::SymmetricKey => Some(ObjectKind::SymmetricKey),
            Self::PublicKey => Some(ObjectKind::PublicKey),
            Self::PrivateKey => Some(ObjectKind::PrivateKey),
            Self::SecretData => Some(ObjectKind::SecretData),
            Self::OpaqueObject => Some(ObjectKind::OpaqueData),
            Self::SplitKey | Self::Template => None,
        }
    }
}

impl State {
    /// What the specification calls the state of a managed object.
    pub(crate) const fn of_object(state: ObjectState) -> Self {
        match state {
            ObjectState::PreActive => Self::PreActive,
            ObjectState::Active => Self::Active,
            ObjectState::Deactivated => Self::Deactivated,
            ObjectState::Compromised => Self::Compromised,
            ObjectState::Destroyed => Self::Destroyed,
            ObjectState::DestroyedCompromised => Self::DestroyedCompromised,
        }
    }

    /// The state of managed objects that it is.
    pub(crate) const fn state(self) -> ObjectState {
        match self {
            Self::PreActive => ObjectState::PreActive,
            Self::Active => ObjectState::Active,
            Self::Deactivated => ObjectState::Deactivated,
            Self::Compromised => ObjectState::Compromised,
            Self::Destroyed => ObjectState::Destroyed,
            Self::DestroyedCompromised => ObjectState::DestroyedCompromised,
        }
    }
}

enumeration! {
    /// How a key's material is laid out.
    KeyFormatType {
        Raw = 1,
        Opaque = 2,
        Pkcs1 = 3,
        Pkcs8 = 4,
        X509 = 5,
        EcPrivateKey = 6,
        TransparentSymmetricKey = 7,
    }
}

enumeration! {
    /// Curves.
    RecommendedCurve {
        P256 = 7,
        Secp256K1 = 0x19,
    }
}

enumeration! {
    /// What another object is to one.
    LinkType {
        PublicKey = 0x102,
        PrivateKey = 0x103,
        Replacement = 0x106,
        Replaced = 0x107,
    }
}

enumeration! {
    /// Why an object is revoked.
    RevocationReasonCode {
        Unspecified = 1,
        KeyCompromise = 2,
        CaCompromise = 3,
        AffiliationChanged = 4,
        Superseded = 5,
        CessationOfOperation = 6,
        PrivilegeWithdrawn = 7,
    }
}

enumeration! {
    /// What a key is for.
    CryptographicAlgorithm {
        Des = 0x01,
        TripleDes = 0x02,
        Aes = 0x03,
        Rsa = 0x04,
        Dsa = 0x05,
        Ecdsa = 0x06,
        HmacSha1 = 0x07,
        HmacSha224 = 0x08,
        HmacSha256 = 0x09,
        HmacSha384 = 0x0a,
        HmacSha512 = 0x0b,
        HmacMd5 = 0x0c,
        Dh = 0x0d,
        Ecdh = 0x0e,
        Ec = 0x1a,
        Chacha20 = 0x1c,
        Chacha20Poly1305 = 0x1e,
        Sm2 = 0x2b,
        Sm4 = 0x2d,
    }
}

enumeration! {
    /// Hashes.
    HashingAlgorithm {
        Md5 = 3,
        Sha1 = 4,
        Sha224 = 5,
        Sha256 = 6,
        Sha384 = 7,
        Sha512 = 8,
    }
}

enumeration! {
    /// How a block cipher is used.
    BlockCipherMode {
        Cbc = 0x01,
        Ecb = 0x02,
        Ctr = 0x06,
        Gcm = 0x09,
    }
}

enumeration! {
    /// How a message is filled up.
    PaddingMethod {
        None = 1,
        Oaep = 2,
        Pkcs5 = 3,
        Pkcs1V15 = 8,
        Pss = 10,
    }
}

enumeration! {
    /// Signature algorithms.
    DigitalSignatureAlgorithm {
        Sha256WithRsaEncryption = 5,
        RsassaPss = 8,
        EcdsaWithSha256 = 14,
    }
}

enumeration! {
    /// Whether a signature or a code is one.
    ValidityIndicator {
        Valid = 1,
        Invalid = 2,
    }
}

enumeration! {
    /// What proves a caller.
    CredentialType {
        UsernameAndPassword = 1,
    }
}

enumeration! {
    /// What becomes of the rest of a batch when an item fails.
    BatchErrorContinuation {
        Continue = 1,
        Stop = 2,
        Undo = 3,
    }
}

enumeration! {
    /// What a client wants to know of the server.
    QueryFunction {
        Operations = 1,
        Objects = 2,
        ServerInformation = 3,
        ApplicationNamespaces = 4,
        ExtensionList = 5,
        ExtensionMap = 6,
        AttestationTypes = 7,
        Rngs = 8,
        Validations = 9,
        Profiles = 10,
        Capabilities = 11,
        ClientRegistrationMethods = 12,
        DefaultsInformation = 13,
        StorageProtectionMasks = 14,
    }
}

/// What a key may be used for, bit by bit.
pub(crate) mod usage {
    pub(crate) const SIGN: i32 = 0x01;
    pub(crate) const VERIFY: i32 = 0x02;
    pub(crate) const ENCRYPT: i32 = 0x04;
    pub(crate) const DECRYPT: i32 = 0x08;
    pub(crate) const MAC_GENERATE: i32 = 0x80;
    pub(crate) const MAC_VERIFY: i32 = 0x100;
}
