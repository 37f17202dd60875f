//! Tags: what an item is (KMIP 1.4, section 9.1.3.1; KMIP 2.1, section 11.57).

use std::fmt;

/// A tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u32);

impl Tag {
    /// The tag of that number, whether the specification has it or not.
    pub const fn new(number: u32) -> Option<Self> {
        match number {
            STANDARD_FIRST..=STANDARD_LAST | EXTENSION_FIRST..=EXTENSION_LAST => Some(Self(number)),
            _ => None,
        }
    }

    /// Its number, of three bytes.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// What the specification calls it; none of what it does not have.
    pub fn name(self) -> Option<&'static str> {
        let at = NAMES.binary_search_by_key(&self.0, |(number, _)| *number).ok()?;
        NAMES.get(at).map(|(_, name)| *name)
    }

    /// The tag that the specification calls so.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(number, _)| Self(*number))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:06X}", self.0),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

const STANDARD_FIRST: u32 = 0x42_0000;
const STANDARD_LAST: u32 = 0x42_ffff;
const EXTENSION_FIRST: u32 = 0x54_0000;
const EXTENSION_LAST: u32 = 0x54_ffff;

/// Declares the tags of the specification, in the order of their numbers.
macro_rules! tags {
    ($($name:ident = $number:literal, $words:literal;)*) => {
        #[allow(missing_docs, reason = "they are named in the table of names")]
        impl Tag {
            $(pub const $name: Self = Self($number);)*
        }

        const NAMES: &[(u32, &str)] = &[$(($number, $words),)*];
    };
}

tags! {
    ACTIVATION_DATE = 0x42_0001, "Activation Date";
    APPLICATION_DATA = 0x42_0002, "Application Data";
    APPLICATION_NAMESPACE = 0x42_0003, "Application Namespace";
    APPLICATION_SPECIFIC_INFORMATION = 0x42_0004, "Application Specific Information";
    ARCHIVE_DATE = 0x42_0005, "Archive Date";
    ASYNCHRONOUS_CORRELATION_VALUE = 0x42_0006, "Asynchronous Correlation Value";
    ASYNCHRONOUS_INDICATOR = 0x42_0007, "Asynchronous Indicator";
    ATTRIBUTE = 0x42_0008, "Attribute";
    ATTRIBUTE_INDEX = 0x42_0009, "Attribute Index";
    ATTRIBUTE_NAME = 0x42_000a, "Attribute Name";
    ATTRIBUTE_VALUE = 0x42_000b, "Attribute Value";
    AUTHENTICATION = 0x42_000c, "Authentication";
    BATCH_COUNT = 0x42_000d, "Batch Count";
    BATCH_ERROR_CONTINUATION_OPTION = 0x42_000e, "Batch Error Continuation Option";
    BATCH_ITEM = 0x42_000f, "Batch Item";
    BATCH_ORDER_OPTION = 0x42_0010, "Batch Order Option";
    BLOCK_CIPHER_MODE = 0x42_0011, "Block Cipher Mode";
    CANCELLATION_RESULT = 0x42_0012, "Cancellation Result";
    CERTIFICATE = 0x42_0013, "Certificate";
    CERTIFICATE_IDENTIFIER = 0x42_0014, "Certificate Identifier";
    CERTIFICATE_ISSUER = 0x42_0015, "Certificate Issuer";
    CERTIFICATE_ISSUER_ALTERNATIVE_NAME = 0x42_0016, "Certificate Issuer Alternative Name";
    CERTIFICATE_ISSUER_DISTINGUISHED_NAME = 0x42_0017, "Certificate Issuer Distinguished Name";
    CERTIFICATE_REQUEST = 0x42_0018, "Certificate Request";
    CERTIFICATE_REQUEST_TYPE = 0x42_0019, "Certificate Request Type";
    CERTIFICATE_SUBJECT = 0x42_001a, "Certificate Subject";
    CERTIFICATE_SUBJECT_ALTERNATIVE_NAME = 0x42_001b, "Certificate Subject Alternative Name";
    CERTIFICATE_SUBJECT_DISTINGUISHED_NAME = 0x42_001c, "Certificate Subject Distinguished Name";
    CERTIFICATE_TYPE = 0x42_001d, "Certificate Type";
    CERTIFICATE_VALUE = 0x42_001e, "Certificate Value";
    COMMON_TEMPLATE_ATTRIBUTE = 0x42_001f, "Common Template Attribute";
    COMPROMISE_DATE = 0x42_0020, "Compromise Date";
    COMPROMISE_OCCURRENCE_DATE = 0x42_0021, "Compromise Occurrence Date";
    CONTACT_INFORMATION = 0x42_0022, "Contact Information";
    CREDENTIAL = 0x42_0023, "Credential";
    CREDENTIAL_TYPE = 0x42_0024, "Credential Type";
    CREDENTIAL_VALUE = 0x42_0025, "Credential Value";
    CRITICALITY_INDICATOR = 0x42_0026, "Criticality Indicator";
    CRT_COEFFICIENT = 0x42_0027, "CRT Coefficient";
    CRYPTOGRAPHIC_ALGORITHM = 0x42_0028, "Cryptographic Algorithm";
    CRYPTOGRAPHIC_DOMAIN_PARAMETERS = 0x42_0029, "Cryptographic Domain Parameters";
    CRYPTOGRAPHIC_LENGTH = 0x42_002a, "Cryptographic Length";
    CRYPTOGRAPHIC_PARAMETERS = 0x42_002b, "Cryptographic Parameters";
    CRYPTOGRAPHIC_USAGE_MASK = 0x42_002c, "Cryptographic Usage Mask";
    CUSTOM_ATTRIBUTE = 0x42_002d, "Custom Attribute";
    D = 0x42_002e, "D";
    DEACTIVATION_DATE = 0x42_002f, "Deactivation Date";
    DERIVATION_DATA = 0x42_0030, "Derivation Data";
    DERIVATION_METHOD = 0x42_0031, "Derivation Method";
    DERIVATION_PARAMETERS = 0x42_0032, "Derivation Parameters";
    DESTROY_DATE = 0x42_0033, "Destroy Date";
    DIGEST = 0x42_0034, "Digest";
    DIGEST_VALUE = 0x42_0035, "Digest Value";
    ENCRYPTION_KEY_INFORMATION = 0x42_0036, "Encryption Key Information";
    G = 0x42_0037, "G";
    HASHING_ALGORITHM = 0x42_0038, "Hashing Algorithm";
    INITIAL_DATE = 0x42_0039, "Initial Date";
    INITIALIZATION_VECTOR = 0x42_003a, "Initialization Vector";
    ISSUER = 0x42_003b, "Issuer";
    ITERATION_COUNT = 0x42_003c, "Iteration Count";
    IV_COUNTER_NONCE = 0x42_003d, "IV/Counter/Nonce";
    J = 0x42_003e, "J";
    KEY = 0x42_003f, "Key";
    KEY_BLOCK = 0x42_0040, "Key Block";
    KEY_COMPRESSION_TYPE = 0x42_0041, "Key Compression Type";
    KEY_FORMAT_TYPE = 0x42_0042, "Key Format Type";
    KEY_MATERIAL = 0x42_0043, "Key Material";
    KEY_PART_IDENTIFIER = 0x42_0044, "Key Part Identifier";
    KEY_VALUE = 0x42_0045, "Key Value";
    KEY_WRAPPING_DATA = 0x42_0046, "Key Wrapping Data";
    KEY_WRAPPING_SPECIFICATION = 0x42_0047, "Key Wrapping Specification";
    LAST_CHANGE_DATE = 0x42_0048, "Last Change Date";
    LEASE_TIME = 0x42_0049, "Lease Time";
    LINK = 0x42_004a, "Link";
    LINK_TYPE = 0x42_004b, "Link Type";
    LINKED_OBJECT_IDENTIFIER = 0x42_004c, "Linked Object Identifier";
    MAC_SIGNATURE = 0x42_004d, "MAC/Signature";
    MAC_SIGNATURE_KEY_INFORMATION = 0x42_004e, "MAC/Signature Key Information";
    MAXIMUM_ITEMS = 0x42_004f, "Maximum Items";
    MAXIMUM_RESPONSE_SIZE = 0x42_0050, "Maximum Response Size";
    MESSAGE_EXTENSION = 0x42_0051, "Message Extension";
    MODULUS = 0x42_0052, "Modulus";
    NAME = 0x42_0053, "Name";
    NAME_TYPE = 0x42_0054, "Name Type";
    NAME_VALUE = 0x42_0055, "Name Value";
    OBJECT_GROUP = 0x42_0056, "Object Group";
    OBJECT_TYPE = 0x42_0057, "Object Type";
    OFFSET = 0x42_0058, "Offset";
    OPAQUE_DATA_TYPE = 0x42_0059, "Opaque Data Type";
    OPAQUE_DATA_VALUE = 0x42_005a, "Opaque Data Value";
    OPAQUE_OBJECT = 0x42_005b, "Opaque Object";
    OPERATION = 0x42_005c, "Operation";
    OPERATION_POLICY_NAME = 0x42_005d, "Operation Policy Name";
    P = 0x42_005e, "P";
    PADDING_METHOD = 0x42_005f, "Padding Method";
    PRIME_EXPONENT_P = 0x42_0060, "Prime Exponent P";
    PRIME_EXPONENT_Q = 0x42_0061, "Prime Exponent Q";
    PRIME_FIELD_SIZE = 0x42_0062, "Prime Field Size";
    PRIVATE_EXPONENT = 0x42_0063, "Private Exponent";
    PRIVATE_KEY = 0x42_0064, "Private Key";
    PRIVATE_KEY_TEMPLATE_ATTRIBUTE = 0x42_0065, "Private Key Template Attribute";
    PRIVATE_KEY_UNIQUE_IDENTIFIER = 0x42_0066, "Private Key Unique Identifier";
    PROCESS_START_DATE = 0x42_0067, "Process Start Date";
    PROTECT_STOP_DATE = 0x42_0068, "Protect Stop Date";
    PROTOCOL_VERSION = 0x42_0069, "Protocol Version";
    PROTOCOL_VERSION_MAJOR = 0x42_006a, "Protocol Version Major";
    PROTOCOL_VERSION_MINOR = 0x42_006b, "Protocol Version Minor";
    PUBLIC_EXPONENT = 0x42_006c, "Public Exponent";
    PUBLIC_KEY = 0x42_006d, "Public Key";
    PUBLIC_KEY_TEMPLATE_ATTRIBUTE = 0x42_006e, "Public Key Template Attribute";
    PUBLIC_KEY_UNIQUE_IDENTIFIER = 0x42_006f, "Public Key Unique Identifier";
    PUT_FUNCTION = 0x42_0070, "Put Function";
    Q = 0x42_0071, "Q";
    Q_STRING = 0x42_0072, "Q String";
    QLENGTH = 0x42_0073, "Qlength";
    QUERY_FUNCTION = 0x42_0074, "Query Function";
    RECOMMENDED_CURVE = 0x42_0075, "Recommended Curve";
    REPLACED_UNIQUE_IDENTIFIER = 0x42_0076, "Replaced Unique Identifier";
    REQUEST_HEADER = 0x42_0077, "Request Header";
    REQUEST_MESSAGE = 0x42_0078, "Request Message";
    REQUEST_PAYLOAD = 0x42_0079, "Request Payload";
    RESPONSE_HEADER = 0x42_007a, "Response Header";
    RESPONSE_MESSAGE = 0x42_007b, "Response Message";
    RESPONSE_PAYLOAD = 0x42_007c, "Response Payload";
    RESULT_MESSAGE = 0x42_007d, "Result Message";
    RESULT_REASON = 0x42_007e, "Result Reason";
    RESULT_STATUS = 0x42_007f, "Result Status";
    REVOCATION_MESSAGE = 0x42_0080, "Revocation Message";
    REVOCATION_REASON = 0x42_0081, "Revocation Reason";
    REVOCATION_REASON_CODE = 0x42_0082, "Revocation Reason Code";
    KEY_ROLE_TYPE = 0x42_0083, "Key Role Type";
    SALT = 0x42_0084, "Salt";
    SECRET_DATA = 0x42_0085, "Secret Data";
    SECRET_DATA_TYPE = 0x42_0086, "Secret Data Type";
    SERIAL_NUMBER = 0x42_0087, "Serial Number";
    SERVER_INFORMATION = 0x42_0088, "Server Information";
    SPLIT_KEY = 0x42_0089, "Split Key";
    SPLIT_KEY_METHOD = 0x42_008a, "Split Key Method";
    SPLIT_KEY_PARTS = 0x42_008b, "Split Key Parts";
    SPLIT_KEY_THRESHOLD = 0x42_008c, "Split Key Threshold";
    STATE = 0x42_008d, "State";
    STORAGE_STATUS_MASK = 0x42_008e, "Storage Status Mask";
    SYMMETRIC_KEY = 0x42_008f, "Symmetric Key";
    TEMPLATE = 0x42_0090, "Template";
    TEMPLATE_ATTRIBUTE = 0x42_0091, "Template Attribute";
    TIME_STAMP = 0x42_0092, "Time Stamp";
    UNIQUE_BATCH_ITEM_ID = 0x42_0093, "Unique Batch Item ID";
    UNIQUE_IDENTIFIER = 0x42_0094, "Unique Identifier";
    USAGE_LIMITS = 0x42_0095, "Usage Limits";
    USAGE_LIMITS_COUNT = 0x42_0096, "Usage Limits Count";
    USAGE_LIMITS_TOTAL = 0x42_0097, "Usage Limits Total";
    USAGE_LIMITS_UNIT = 0x42_0098, "Usage Limits Unit";
    USERNAME = 0x42_0099, "Username";
    VALIDITY_DATE = 0x42_009a, "Validity Date";
    VALIDITY_INDICATOR = 0x42_009b, "Validity Indicator";
    VENDOR_EXTENSION = 0x42_009c, "Vendor Extension";
    VENDOR_IDENTIFICATION = 0x42_009d, "Vendor Identification";
    WRAPPING_METHOD = 0x42_009e, "Wrapping Method";
    X = 0x42_009f, "X";
    Y = 0x42_00a0, "Y";
    PASSWORD = 0x42_00a1, "Password";
    DEVICE_IDENTIFIER = 0x42_00a2, "Device Identifier";
    ENCODING_OPTION = 0x42_00a3, "Encoding Option";
    EXTENSION_INFORMATION = 0x42_00a4, "Extension Information";
    EXTENSION_NAME = 0x42_00a5, "Extension Name";
    EXTENSION_TAG = 0x42_00a6, "Extension Tag";
    EXTENSION_TYPE = 0x42_00a7, "Extension Type";
    FRESH = 0x42_00a8, "Fresh";
    MACHINE_IDENTIFIER = 0x42_00a9, "Machine Identifier";
    MEDIA_IDENTIFIER = 0x42_00aa, "Media Identifier";
    NETWORK_IDENTIFIER = 0x42_00ab, "Network Identifier";
    OBJECT_GROUP_MEMBER = 0x42_00ac, "Object Group Member";
    CERTIFICATE_LENGTH = 0x42_00ad, "Certificate Length";
    DIGITAL_SIGNATURE_ALGORITHM = 0x42_00ae, "Digital Signature Algorithm";
    CERTIFICATE_SERIAL_NUMBER = 0x42_00af, "Certificate Serial Number";
    DEVICE_SERIAL_NUMBER = 0x42_00b0, "Device Serial Number";
    ISSUER_ALTERNATIVE_NAME = 0x42_00b1, "Issuer Alternative Name";
    ISSUER_DISTINGUISHED_NAME = 0x42_00b2, "Issuer Distinguished Name";
    SUBJECT_ALTERNATIVE_NAME = 0x42_00b3, "Subject Alternative Name";
    SUBJECT_DISTINGUISHED_NAME = 0x42_00b4, "Subject Distinguished Name";
    X509_CERTIFICATE_IDENTIFIER = 0x42_00b5, "X.509 Certificate Identifier";
    X509_CERTIFICATE_ISSUER = 0x42_00b6, "X.509 Certificate Issuer";
    X509_CERTIFICATE_SUBJECT = 0x42_00b7, "X.509 Certificate Subject";
    KEY_VALUE_LOCATION = 0x42_00b8, "Key Value Location";
    KEY_VALUE_LOCATION_VALUE = 0x42_00b9, "Key Value Location Value";
    KEY_VALUE_LOCATION_TYPE = 0x42_00ba, "Key Value Location Type";
    KEY_VALUE_PRESENT = 0x42_00bb, "Key Value Present";
    ORIGINAL_CREATION_DATE = 0x42_00bc, "Original Creation Date";
    PGP_KEY = 0x42_00bd, "PGP Key";
    PGP_KEY_VERSION = 0x42_00be, "PGP Key Version";
    ALTERNATIVE_NAME = 0x42_00bf, "Alternative Name";
    ALTERNATIVE_NAME_VALUE = 0x42_00c0, "Alternative Name Value";
    ALTERNATIVE_NAME_TYPE = 0x42_00c1, "Alternative Name Type";
    DATA = 0x42_00c2, "Data";
    SIGNATURE_DATA = 0x42_00c3, "Signature Data";
    DATA_LENGTH = 0x42_00c4, "Data Length";
    RANDOM_IV = 0x42_00c5, "Random IV";
    MAC_DATA = 0x42_00c6, "MAC Data";
    ATTESTATION_TYPE = 0x42_00c7, "Attestation Type";
    NONCE = 0x42_00c8, "Nonce";
    NONCE_ID = 0x42_00c9, "Nonce ID";
    NONCE_VALUE = 0x42_00ca, "Nonce Value";
    ATTESTATION_MEASUREMENT = 0x42_00cb, "Attestation Measurement";
    ATTESTATION_ASSERTION = 0x42_00cc, "Attestation Assertion";
    IV_LENGTH = 0x42_00cd, "IV Length";
    TAG_LENGTH = 0x42_00ce, "Tag Length";
    FIXED_FIELD_LENGTH = 0x42_00cf, "Fixed Field Length";
    COUNTER_LENGTH = 0x42_00d0, "Counter Length";
    INITIAL_COUNTER_VALUE = 0x42_00d1, "Initial Counter Value";
    INVOCATION_FIELD_LENGTH = 0x42_00d2, "Invocation Field Length";
    ATTESTATION_CAPABLE_INDICATOR = 0x42_00d3, "Attestation Capable Indicator";
    OFFSET_ITEMS = 0x42_00d4, "Offset Items";
    LOCATED_ITEMS = 0x42_00d5, "Located Items";
    CORRELATION_VALUE = 0x42_00d6, "Correlation Value";
    INIT_INDICATOR = 0x42_00d7, "Init Indicator";
    FINAL_INDICATOR = 0x42_00d8, "Final Indicator";
    RNG_PARAMETERS = 0x42_00d9, "RNG Parameters";
    RNG_ALGORITHM = 0x42_00da, "RNG Algorithm";
    DRBG_ALGORITHM = 0x42_00db, "DRBG Algorithm";
    FIPS_186_VARIATION = 0x42_00dc, "FIPS 186 Variation";
    PREDICTION_RESISTANCE = 0x42_00dd, "Prediction Resistance";
    RANDOM_NUMBER_GENERATOR = 0x42_00de, "Random Number Generator";
    VALIDATION_INFORMATION = 0x42_00df, "Validation Information";
    VALIDATION_AUTHORITY_TYPE = 0x42_00e0, "Validation Authority Type";
    VALIDATION_AUTHORITY_COUNTRY = 0x42_00e1, "Validation Authority Country";
    VALIDATION_AUTHORITY_URI = 0x42_00e2, "Validation Authority URI";
    VALIDATION_VERSION_MAJOR = 0x42_00e3, "Validation Version Major";
    VALIDATION_VERSION_MINOR = 0x42_00e4, "Validation Version Minor";
    VALIDATION_TYPE = 0x42_00e5, "Validation Type";
    VALIDATION_LEVEL = 0x42_00e6, "Validation Level";
    VALIDATION_CERTIFICATE_IDENTIFIER = 0x42_00e7, "Validation Certificate Identifier";
    VALIDATION_CERTIFICATE_URI = 0x42_00e8, "Validation Certificate URI";
    VALIDATION_VENDOR_URI = 0x42_00e9, "Validation Vendor URI";
    VALIDATION_PROFILE = 0x42_00ea, "Validation Profile";
    PROFILE_INFORMATION = 0x42_00eb, "Profile Information";
    PROFILE_NAME = 0x42_00ec, "Profile Name";
    SERVER_URI = 0x42_00ed, "Server URI";
    SERVER_PORT = 0x42_00ee, "Server Port";
    STREAMING_CAPABILITY = 0x42_00ef, "Streaming Capability";
    ASYNCHRONOUS_CAPABILITY = 0x42_00f0, "Asynchronous Capability";
    ATTESTATION_CAPABILITY = 0x42_00f1, "Attestation Capability";
    UNWRAP_MODE = 0x42_00f2, "Unwrap Mode";
    DESTROY_ACTION = 0x42_00f3, "Destroy Action";
    SHREDDING_ALGORITHM = 0x42_00f4, "Shredding Algorithm";
    RNG_MODE = 0x42_00f5, "RNG Mode";
    CLIENT_REGISTRATION_METHOD = 0x42_00f6, "Client Registration Method";
    CAPABILITY_INFORMATION = 0x42_00f7, "Capability Information";
    KEY_WRAP_TYPE = 0x42_00f8, "Key Wrap Type";
    BATCH_UNDO_CAPABILITY = 0x42_00f9, "Batch Undo Capability";
    BATCH_CONTINUE_CAPABILITY = 0x42_00fa, "Batch Continue Capability";
    PKCS_12_FRIENDLY_NAME = 0x42_00fb, "PKCS#12 Friendly Name";
    DESCRIPTION = 0x42_00fc, "Description";
    COMMENT = 0x42_00fd, "Comment";
    AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA = 0x42_00fe, "Authenticated Encryption Additional Data";
    AUTHENTICATED_ENCRYPTION_TAG = 0x42_00ff, "Authenticated Encryption Tag";
    SALT_LENGTH = 0x42_0100, "Salt Length";
    MASK_GENERATOR = 0x42_0101, "Mask Generator";
    MASK_GENERATOR_HASHING_ALGORITHM = 0x42_0102, "Mask Generator Hashing Algorithm";
    P_SOURCE = 0x42_0103, "P Source";
    TRAILER_FIELD = 0x42_0104, "Trailer Field";
    CLIENT_CORRELATION_VALUE = 0x42_0105, "Client Correlation Value";
    SERVER_CORRELATION_VALUE = 0x42_0106, "Server Correlation Value";
    DIGESTED_DATA = 0x42_0107, "Digested Data";
    CERTIFICATE_SUBJECT_CN = 0x42_0108, "Certificate Subject CN";
    CERTIFICATE_SUBJECT_O = 0x42_0109, "Certificate Subject O";
    CERTIFICATE_SUBJECT_OU = 0x42_010a, "Certificate Subject OU";
    CERTIFICATE_SUBJECT_EMAIL = 0x42_010b, "Certificate Subject Email";
    CERTIFICATE_SUBJECT_C = 0x42_010c, "Certificate Subject C";
    CERTIFICATE_SUBJECT_ST = 0x42_010d, "Certificate Subject ST";
    CERTIFICATE_SUBJECT_L = 0x42_010e, "Certificate Subject L";
    CERTIFICATE_SUBJECT_UID = 0x42_010f, "Certificate Subject UID";
    CERTIFICATE_SUBJECT_SERIAL_NUMBER = 0x42_0110, "Certificate Subject Serial Number";
    CERTIFICATE_SUBJECT_TITLE = 0x42_0111, "Certificate Subject Title";
    CERTIFICATE_SUBJECT_DC = 0x42_0112, "Certificate Subject DC";
    CERTIFICATE_SUBJECT_DN_QUALIFIER = 0x42_0113, "Certificate Subject DN Qualifier";
    CERTIFICATE_ISSUER_CN = 0x42_0114, "Certificate Issuer CN";
    CERTIFICATE_ISSUER_O = 0x42_0115, "Certificate Issuer O";
    CERTIFICATE_ISSUER_OU = 0x42_0116, "Certificate Issuer OU";
    CERTIFICATE_ISSUER_EMAIL = 0x42_0117, "Certificate Issuer Email";
    CERTIFICATE_ISSUER_C = 0x42_0118, "Certificate Issuer C";
    CERTIFICATE_ISSUER_ST = 0x42_0119, "Certificate Issuer ST";
    CERTIFICATE_ISSUER_L = 0x42_011a, "Certificate Issuer L";
    CERTIFICATE_ISSUER_UID = 0x42_011b, "Certificate Issuer UID";
    CERTIFICATE_ISSUER_SERIAL_NUMBER = 0x42_011c, "Certificate Issuer Serial Number";
    CERTIFICATE_ISSUER_TITLE = 0x42_011d, "Certificate Issuer Title";
    CERTIFICATE_ISSUER_DC = 0x42_011e, "Certificate Issuer DC";
    CERTIFICATE_ISSUER_DN_QUALIFIER = 0x42_011f, "Certificate Issuer DN Qualifier";
    SENSITIVE = 0x42_0120, "Sensitive";
    ALWAYS_SENSITIVE = 0x42_0121, "Always Sensitive";
    EXTRACTABLE = 0x42_0122, "Extractable";
    NEVER_EXTRACTABLE = 0x42_0123, "Never Extractable";
    REPLACE_EXISTING = 0x42_0124, "Replace Existing";
    ATTRIBUTES = 0x42_0125, "Attributes";
    COMMON_ATTRIBUTES = 0x42_0126, "Common Attributes";
    PRIVATE_KEY_ATTRIBUTES = 0x42_0127, "Private Key Attributes";
    PUBLIC_KEY_ATTRIBUTES = 0x42_0128, "Public Key Attributes";
    EXTENSION_ENUMERATION = 0x42_0129, "Extension Enumeration";
    EXTENSION_ATTRIBUTE = 0x42_012a, "Extension Attribute";
    EXTENSION_PARENT_STRUCTURE_TAG = 0x42_012b, "Extension Parent Structure Tag";
    EXTENSION_DESCRIPTION = 0x42_012c, "Extension Description";
    SERVER_NAME = 0x42_012d, "Server Name";
    SERVER_SERIAL_NUMBER = 0x42_012e, "Server Serial Number";
    SERVER_VERSION = 0x42_012f, "Server Version";
    SERVER_LOAD = 0x42_0130, "Server Load";
    PRODUCT_NAME = 0x42_0131, "Product Name";
    BUILD_LEVEL = 0x42_0132, "Build Level";
    BUILD_DATE = 0x42_0133, "Build Date";
    CLUSTER_INFO = 0x42_0134, "Cluster Info";
    ALTERNATE_FAILOVER_ENDPOINTS = 0x42_0135, "Alternate Failover Endpoints";
    SHORT_UNIQUE_IDENTIFIER = 0x42_0136, "Short Unique Identifier";
    TAG = 0x42_0138, "Tag";
    CERTIFICATE_REQUEST_UNIQUE_IDENTIFIER = 0x42_0139, "Certificate Request Unique Identifier";
    NIST_KEY_TYPE = 0x42_013a, "NIST Key Type";
    ATTRIBUTE_REFERENCE = 0x42_013b, "Attribute Reference";
    CURRENT_ATTRIBUTE = 0x42_013c, "Current Attribute";
    NEW_ATTRIBUTE = 0x42_013d, "New Attribute";
    CERTIFICATE_REQUEST_VALUE = 0x42_0140, "Certificate Request Value";
    LOG_MESSAGE = 0x42_0141, "Log Message";
    PROFILE_VERSION = 0x42_0142, "Profile Version";
    PROFILE_VERSION_MAJOR = 0x42_0143, "Profile Version Major";
    PROFILE_VERSION_MINOR = 0x42_0144, "Profile Version Minor";
    PROTECTION_LEVEL = 0x42_0145, "Protection Level";
    PROTECTION_PERIOD = 0x42_0146, "Protection Period";
    QUANTUM_SAFE = 0x42_0147, "Quantum Safe";
    QUANTUM_SAFE_CAPABILITY = 0x42_0148, "Quantum Safe Capability";
    TICKET = 0x42_0149, "Ticket";
    TICKET_TYPE = 0x42_014a, "Ticket Type";
    TICKET_VALUE = 0x42_014b, "Ticket Value";
    REQUEST_COUNT = 0x42_014c, "Request Count";
    RIGHTS = 0x42_014d, "Rights";
    OBJECTS = 0x42_014e, "Objects";
    OPERATIONS = 0x42_014f, "Operations";
    RIGHT = 0x42_0150, "Right";
    ENDPOINT_ROLE = 0x42_0151, "Endpoint Role";
    DEFAULTS_INFORMATION = 0x42_0152, "Defaults Information";
    OBJECT_DEFAULTS = 0x42_0153, "Object Defaults";
    EPHEMERAL = 0x42_0154, "Ephemeral";
    SERVER_HASHED_PASSWORD = 0x42_0155, "Server Hashed Password";
    ONE_TIME_PASSWORD = 0x42_0156, "One Time Password";
    HASHED_PASSWORD = 0x42_0157, "Hashed Password";
    ADJUSTMENT_TYPE = 0x42_0158, "Adjustment Type";
    PKCS11_INTERFACE = 0x42_0159, "PKCS11 Interface";
    PKCS11_FUNCTION = 0x42_015a, "PKCS11 Function";
    PKCS11_INPUT_PARAMETERS = 0x42_015b, "PKCS11 Input Parameters";
    PKCS11_OUTPUT_PARAMETERS = 0x42_015c, "PKCS11 Output Parameters";
    PKCS11_RETURN_CODE = 0x42_015d, "PKCS11 Return Code";
    PROTECTION_STORAGE_MASK = 0x42_015e, "Protection Storage Mask";
    PROTECTION_STORAGE_MASKS = 0x42_015f, "Protection Storage Masks";
    INTEROP_FUNCTION = 0x42_0160, "Interop Function";
    INTEROP_IDENTIFIER = 0x42_0161, "Interop Identifier";
    ADJUSTMENT_VALUE = 0x42_0162, "Adjustment Value";
    COMMON_PROTECTION_STORAGE_MASKS = 0x42_0163, "Common Protection Storage Masks";
    PRIVATE_PROTECTION_STORAGE_MASKS = 0x42_0164, "Private Protection Storage Masks";
    PUBLIC_PROTECTION_STORAGE_MASKS = 0x42_0165, "Public Protection Storage Masks";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_a_number_and_a_name_of_their_own() {
        assert!(NAMES.is_sorted_by(|(one, _), (next, _)| one < next), "by number, so that names are found");
        let names: std::collections::BTreeSet<_> = NAMES.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), NAMES.len());
        assert!(NAMES.iter().all(|(number, _)| (STANDARD_FIRST..=STANDARD_LAST).contains(number)));
        assert_eq!(Tag::named("Batch Count"), Some(Tag::BATCH_COUNT));
        assert_eq!(Tag::new(0x42_fff0).map(|tag| tag.to_string()).as_deref(), Some("42FFF0"));
    }
}
