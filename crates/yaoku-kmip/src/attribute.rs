//! Attributes of objects (KMIP 1.4, section 3): pairs of name and value in version 1, items of their own tag in version 2.

use std::fmt;

use yaoku_kms::{KeyMetadata, KeySpec, KeyState, KeyUsage};
use yaoku_objects::{ObjectAbout, ObjectId, ObjectKind};

use crate::enumerations::{CryptographicAlgorithm, HashingAlgorithm, LinkType, ObjectType, State, usage};
use crate::failure::Failure;
use crate::profile::{ATTRIBUTES, Known, Version, known};
use crate::ttlv::{Fields, Item, Tag, Writer, decode};

/// How a name is meant: as it is.
const UNINTERPRETED: u32 = 1;

/// What an attribute is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttributeName {
    /// One of the specification's.
    Known(Tag),
    /// One that a client made up.
    Custom { vendor: String, name: String },
}

impl AttributeName {
    /// As version 1 names it; none where this has no such name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name.split_once('-') {
            // The vendors of version 2 that stand for the client and the server.
            Some((vendor @ ("x" | "y"), rest)) if !rest.is_empty() => {
                Some(Self::Custom { vendor: vendor.to_owned(), name: rest.to_owned() })
            }
            _ => Tag::named(name).map(Self::Known),
        }
    }

    /// Its name in version 1; none for those of other vendors than the client.
    fn text(&self) -> Option<String> {
        match self {
            Self::Known(tag) => tag.name().map(str::to_owned),
            Self::Custom { vendor, name } if matches!(vendor.as_str(), "x" | "y") => Some(format!("{vendor}-{name}")),
            Self::Custom { .. } => None,
        }
    }

    /// What the domain keeps it under.
    pub(crate) fn stored(&self) -> String {
        match self {
            Self::Known(tag) => tag.name().unwrap_or_default().to_owned(),
            Self::Custom { vendor, name } => format!("{vendor}\0{name}"),
        }
    }

    /// What the domain keeps something under, as an attribute.
    pub(crate) fn of_stored(stored: &str) -> Option<Self> {
        match stored.split_once('\0') {
            Some((vendor, name)) => Some(Self::Custom { vendor: vendor.to_owned(), name: name.to_owned() }),
            None => Tag::named(stored).map(Self::Known),
        }
    }

    /// What is known of it.
    pub(crate) fn known(&self) -> Option<&'static Known> {
        match self {
            Self::Known(tag) => known(*tag),
            Self::Custom { .. } => None,
        }
    }

    /// Whether an object can have several.
    pub(crate) fn is_multiple(&self) -> bool {
        self.known().is_none_or(|known| known.is_multiple)
    }

    fn is_in(&self, version: Version) -> bool {
        match self {
            Self::Known(tag) => known(*tag).is_some_and(|known| known.since <= version),
            Self::Custom { .. } => version.has_attributes_by_tag() || self.text().is_some(),
        }
    }
}

impl From<Tag> for AttributeName {
    fn from(tag: Tag) -> Self {
        Self::Known(tag)
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(tag) => tag.fmt(f),
            Self::Custom { .. } => f.write_str("attribute of the client's own"),
        }
    }
}

/// One attribute of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: AttributeName,
    /// Counted from 0, among those of the same name.
    pub(crate) index: i32,
    pub(crate) value: AttributeValue,
}

/// An attribute that a request gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) name: AttributeName,
    pub(crate) index: Option<i32>,
    pub(crate) value: AttributeValue,
}

/// What it holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum AttributeValue {
    Integer(i32),
    Enumeration(u32),
    Boolean(bool),
    Text(String),
    DateTime(i64),
    Name(String),
    /// What this server keeps without understanding it: an item, as the encoding has it.
    Encoded(Vec<u8>),
}

impl fmt::Debug for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute's value")
    }
}

impl AttributeValue {
    pub(crate) fn write(&self, writer: &mut Writer, tag: Tag) {
        match self {
            Self::Integer(value) => writer.integer(tag, *value),
            Self::Enumeration(value) => writer.enumeration(tag, *value),
            Self::Boolean(value) => writer.boolean(tag, *value),
            Self::Text(value) => writer.text(tag, value),
            Self::DateTime(value) => writer.date_time(tag, *value),
            Self::Name(value) => writer.structure(tag, |name| {
                name.text(Tag::NAME_VALUE, value);
                name.enumeration(Tag::NAME_TYPE, UNINTERPRETED);
            }),
            Self::Encoded(item) => writer.encoded(tag, item),
        }
    }

    /// An attribute of several fields.
    pub(crate) fn structure(write: impl FnOnce(&mut Writer)) -> Self {
        let mut writer = Writer::new();
        writer.structure(Tag::ATTRIBUTE_VALUE, write);
        Self::Encoded(writer.finish().to_vec())
    }

    /// What the domain keeps.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer, Tag::ATTRIBUTE_VALUE);
        writer.finish().to_vec()
    }

    /// What the domain keeps, as a value.
    pub(crate) fn of_stored(name: &AttributeName, stored: &[u8]) -> Option<Self> {
        Self::read(name, &decode(stored).ok()?).ok()
    }

    pub(crate) fn read(name: &AttributeName, item: &Item<'_>) -> Result<Self, Failure> {
        let encoded = || {
            let mut writer = Writer::new();
            writer.item(&Item { tag: Tag::ATTRIBUTE_VALUE, value: item.value.clone() });
            Self::Encoded(writer.finish().to_vec())
        };
        let AttributeName::Known(tag) = name else { return Ok(encoded()) };
        let structure = |fields: &[Tag]| {
            let inside = Fields::of(item)?;
            fields.iter().try_for_each(|tag| inside.required(*tag).map(drop))?;
            inside.end()?;
            Ok::<_, Failure>(encoded())
        };
        Ok(match *tag {
            Tag::CRYPTOGRAPHIC_LENGTH | Tag::CRYPTOGRAPHIC_USAGE_MASK | Tag::CERTIFICATE_LENGTH => {
                Self::Integer(item.integer()?)
            }
            Tag::CRYPTOGRAPHIC_ALGORITHM
            | Tag::OBJECT_TYPE
            | Tag::STATE
            | Tag::CERTIFICATE_TYPE
            | Tag::KEY_FORMAT_TYPE
            | Tag::OPAQUE_DATA_TYPE
            | Tag::SECRET_DATA_TYPE => Self::Enumeration(item.enumeration()?),
            Tag::UNIQUE_IDENTIFIER
            | Tag::OBJECT_GROUP
            | Tag::CONTACT_INFORMATION
            | Tag::DESCRIPTION
            | Tag::COMMENT
            | Tag::PKCS_12_FRIENDLY_NAME => Self::Text(item.text()?.to_owned()),
            Tag::ACTIVATION_DATE
            | Tag::COMPROMISE_DATE
            | Tag::COMPROMISE_OCCURRENCE_DATE
            | Tag::DEACTIVATION_DATE
            | Tag::DESTROY_DATE
            | Tag::INITIAL_DATE
            | Tag::LAST_CHANGE_DATE
            | Tag::ORIGINAL_CREATION_DATE
            | Tag::PROCESS_START_DATE
            | Tag::PROTECT_STOP_DATE => Self::DateTime(item.date_time()?),
            Tag::SENSITIVE | Tag::ALWAYS_SENSITIVE | Tag::EXTRACTABLE | Tag::NEVER_EXTRACTABLE => {
                Self::Boolean(item.boolean()?)
            }
            Tag::NAME => {
                let name = Fields::of(item)?;
                let value = name.required(Tag::NAME_VALUE)?.text()?.to_owned();
                name.required(Tag::NAME_TYPE)?.enumeration()?;
                name.end()?;
                Self::Name(value)
            }
            Tag::ALTERNATIVE_NAME => structure(&[Tag::ALTERNATIVE_NAME_VALUE, Tag::ALTERNATIVE_NAME_TYPE])?,
            Tag::APPLICATION_SPECIFIC_INFORMATION => structure(&[Tag::APPLICATION_NAMESPACE, Tag::APPLICATION_DATA])?,
            Tag::LINK => structure(&[Tag::LINK_TYPE, Tag::LINKED_OBJECT_IDENTIFIER])?,
            Tag::CRYPTOGRAPHIC_PARAMETERS
            | Tag::CRYPTOGRAPHIC_DOMAIN_PARAMETERS
            | Tag::DIGEST
            | Tag::REVOCATION_REASON => {
                Fields::of(item)?;
                encoded()
            }
            other => return Err(not_supported(other)),
        })
    }
}

fn not_supported(name: impl fmt::Display) -> Failure {
    Failure::unsupported(format!("the attribute {name} is not supported by this server"))
}

impl Attribute {
    pub(crate) fn new(name: impl Into<AttributeName>, index: i32, value: AttributeValue) -> Self {
        Self { name: name.into(), index, value }
    }

    /// Writes it as a version has it.
    pub(crate) fn write(&self, writer: &mut Writer, version: Version) {
        match (&self.name, version.has_attributes_by_tag()) {
            (AttributeName::Known(tag), true) => self.value.write(writer, *tag),
            (AttributeName::Custom { vendor, name }, true) => writer.structure(Tag::ATTRIBUTE, |attribute| {
                attribute.text(Tag::VENDOR_IDENTIFICATION, vendor);
                attribute.text(Tag::ATTRIBUTE_NAME, name);
                self.value.write(attribute, Tag::ATTRIBUTE_VALUE);
            }),
            (name, false) => writer.structure(Tag::ATTRIBUTE, |attribute| {
                attribute.text(Tag::ATTRIBUTE_NAME, &name.text().unwrap_or_default());
                if self.index > 0 {
                    attribute.integer(Tag::ATTRIBUTE_INDEX, self.index);
                }
                self.value.write(attribute, Tag::ATTRIBUTE_VALUE);
            }),
        }
    }
}

/// Writes attributes where a response has them.
pub(crate) fn write_all<'a>(writer: &mut Writer, version: Version, attributes: impl Iterator<Item = &'a Attribute>) {
    match version.has_attributes_by_tag() {
        true => writer.structure(Tag::ATTRIBUTES, |inside| {
            attributes.for_each(|attribute| attribute.write(inside, version));
        }),
        false => attributes.for_each(|attribute| attribute.write(writer, version)),
    }
}

/// Writes which attributes there are.
pub(crate) fn write_name(writer: &mut Writer, version: Version, name: &AttributeName) {
    match (name, version.has_attributes_by_tag()) {
        (AttributeName::Known(tag), true) => writer.enumeration(Tag::ATTRIBUTE_REFERENCE, tag.number()),
        (AttributeName::Custom { vendor, name }, true) => writer.structure(Tag::ATTRIBUTE_REFERENCE, |reference| {
            reference.text(Tag::VENDOR_IDENTIFICATION, vendor);
            reference.text(Tag::ATTRIBUTE_NAME, name);
        }),
        (name, false) => writer.text(Tag::ATTRIBUTE_NAME, &name.text().unwrap_or_default()),
    }
}

/// Reads the attributes that a request has in its payload.
pub(crate) fn read_all(payload: &Fields<'_, '_>, version: Version) -> Result<Vec<Given>, Failure> {
    match version.has_attributes_by_tag() {
        true => match payload.optional(Tag::ATTRIBUTES) {
            Some(attributes) => read_tagged(attributes),
            None => Ok(Vec::new()),
        },
        false => payload.all(Tag::ATTRIBUTE).into_iter().map(read_pair).collect(),
    }
}

/// Reads the attributes of an object to be made: in version 1 those of a template of that tag, in version 2 those of a structure.
pub(crate) fn read_template(
    payload: &Fields<'_, '_>,
    version: Version,
    (template, attributes): (Tag, Tag),
) -> Result<Vec<Given>, Failure> {
    let tag = if version.has_attributes_by_tag() { attributes } else { template };
    let Some(item) = payload.optional(tag) else { return Ok(Vec::new()) };
    if version.has_attributes_by_tag() {
        return read_tagged(item);
    }
    let fields = Fields::of(item)?;
    if !fields.all(Tag::NAME).is_empty() {
        return Err(Failure::unsupported("there are no templates: give the attributes themselves"));
    }
    let all = fields.all(Tag::ATTRIBUTE).into_iter().map(read_pair).collect();
    fields.end()?;
    all
}

/// Reads one attribute as version 1 has it.
pub(crate) fn read_pair(item: &Item<'_>) -> Result<Given, Failure> {
    let fields = Fields::of(item)?;
    let name = fields.required(Tag::ATTRIBUTE_NAME)?.text()?;
    let index = fields.optional(Tag::ATTRIBUTE_INDEX).map(Item::integer).transpose()?;
    let value = fields.required(Tag::ATTRIBUTE_VALUE)?;
    fields.end()?;
    let unknown = || Failure::unsupported("an attribute is not supported by this server");
    let name = AttributeName::parse(name).ok_or_else(unknown)?;
    let value = AttributeValue::read(&name, value)?;
    Ok(Given { name, index, value })
}

/// Reads attributes as version 2 has them.
pub(crate) fn read_tagged(attributes: &Item<'_>) -> Result<Vec<Given>, Failure> {
    let read = |item: &Item<'_>| {
        let (name, value) = match item.tag {
            Tag::ATTRIBUTE => {
                let fields = Fields::of(item)?;
                let vendor = fields.required(Tag::VENDOR_IDENTIFICATION)?.text()?.to_owned();
                let name = fields.required(Tag::ATTRIBUTE_NAME)?.text()?.to_owned();
                let value = fields.required(Tag::ATTRIBUTE_VALUE)?;
                fields.end()?;
                (custom(vendor, name)?, value)
            }
            tag => (AttributeName::Known(tag), item),
        };
        let value = AttributeValue::read(&name, value)?;
        Ok(Given { name, index: None, value })
    };
    Fields::of(attributes)?.rest().into_iter().map(read).collect()
}

fn custom(vendor: String, name: String) -> Result<AttributeName, Failure> {
    match name.is_empty() || [&vendor, &name].into_iter().any(|text| text.contains('\0')) {
        true => Err(Failure::invalid("this is no name of an attribute")),
        false => Ok(AttributeName::Custom { vendor, name }),
    }
}

/// Reads which attributes a request asks for; none for all. Those that this server has no name for are none of any object.
pub(crate) fn read_names(payload: &Fields<'_, '_>, version: Version) -> Result<Vec<Option<AttributeName>>, Failure> {
    match version.has_attributes_by_tag() {
        true => payload.all(Tag::ATTRIBUTE_REFERENCE).into_iter().map(read_reference).collect(),
        false => {
            payload.all(Tag::ATTRIBUTE_NAME).into_iter().map(|item| Ok(AttributeName::parse(item.text()?))).collect()
        }
    }
}

/// Reads how version 2 names an attribute.
pub(crate) fn read_reference(item: &Item<'_>) -> Result<Option<AttributeName>, Failure> {
    match Fields::of(item) {
        Ok(fields) => {
            let vendor = fields.required(Tag::VENDOR_IDENTIFICATION)?.text()?.to_owned();
            let name = fields.required(Tag::ATTRIBUTE_NAME)?.text()?.to_owned();
            fields.end()?;
            custom(vendor, name).map(Some)
        }
        Err(_) => Ok(Tag::new(item.enumeration()?).map(AttributeName::Known)),
    }
}

/// Those of attributes that a version has, in its order.
fn in_order(all: impl Iterator<Item = Attribute>, version: Version) -> Vec<Attribute> {
    let mut all: Vec<_> = all.filter(|attribute| attribute.name.is_in(version)).collect();
    let place = |name: &AttributeName| match name {
        AttributeName::Known(tag) => ATTRIBUTES.iter().position(|known| known.tag == *tag),
        AttributeName::Custom { .. } => None,
    };
    // Those of the client's own come last, in the order in which they were added.
    all.sort_by_key(|attribute| place(&attribute.name).unwrap_or(usize::MAX));
    all
}

/// Numbers attributes among those of the same name.
fn numbered(all: impl Iterator<Item = (AttributeName, AttributeValue)>) -> Vec<Attribute> {
    let mut numbered: Vec<Attribute> = Vec::new();
    for (name, value) in all {
        let index = numbered.iter().filter(|before| before.name == name).count();
        numbered.push(Attribute::new(name, i32::try_from(index).unwrap_or(i32::MAX), value));
    }
    numbered
}

fn seconds(time: yaoku_kms::Timestamp) -> i64 {
    i64::try_from(time.seconds()).unwrap_or(i64::MAX)
}

/// The attributes of a managed object, those that a version has.
pub(crate) fn of_object(object: &ObjectAbout, version: Version) -> Vec<Attribute> {
    let date = |time: Option<yaoku_kms::Timestamp>| time.map(|time| AttributeValue::DateTime(seconds(time)));
    let kept = kept(object);
    let find = |tag: Tag| kept.iter().find(|(name, _)| *name == AttributeName::Known(tag)).map(|(_, value)| value);
    // A digest of a password would let anybody who sees it try passwords.
    let digest = (!matches!(object.kind, ObjectKind::SecretData | ObjectKind::OpaqueData)).then(|| {
        AttributeValue::structure(|digest| {
            digest.enumeration(Tag::HASHING_ALGORITHM, HashingAlgorithm::Sha256.number());
            digest.bytes(Tag::DIGEST_VALUE, &object.digest);
            if let Some(AttributeValue::Enumeration(format)) = find(Tag::KEY_FORMAT_TYPE)
                && version >= Version::V1_1
            {
                digest.enumeration(Tag::KEY_FORMAT_TYPE, *format);
            }
        })
    });
    let length = i32::try_from(object.length).ok().filter(|_| object.kind == ObjectKind::Certificate);
    let single = [
        (Tag::ACTIVATION_DATE, date(object.activation)),
        (Tag::ALWAYS_SENSITIVE, Some(AttributeValue::Boolean(false))),
        (Tag::CERTIFICATE_LENGTH, length.map(AttributeValue::Integer)),
        (Tag::COMPROMISE_DATE, date(object.compromise)),
        (Tag::DEACTIVATION_DATE, date(object.deactivation)),
        (Tag::DESTROY_DATE, date(object.destruction)),
        (Tag::DIGEST, digest),
        (Tag::EXTRACTABLE, Some(AttributeValue::Boolean(true))),
        (Tag::INITIAL_DATE, date(Some(object.created))),
        (Tag::LAST_CHANGE_DATE, date(Some(object.changed))),
        (Tag::NEVER_EXTRACTABLE, Some(AttributeValue::Boolean(false))),
        (Tag::OBJECT_TYPE, Some(AttributeValue::Enumeration(ObjectType::of_kind(object.kind).number()))),
        (Tag::SENSITIVE, Some(AttributeValue::Boolean(false))),
        (Tag::STATE, Some(AttributeValue::Enumeration(State::of_object(object.state).number()))),
        (Tag::UNIQUE_IDENTIFIER, Some(AttributeValue::Text(object.id.to_string()))),
    ];
    let single = single.into_iter().filter_map(|(tag, value)| Some((AttributeName::Known(tag), value?)));
    let names = object.names.iter().map(|name| (Tag::NAME.into(), AttributeValue::Name(name.as_str().to_owned())));
    let half = if object.kind == ObjectKind::PrivateKey { LinkType::PublicKey } else { LinkType::PrivateKey };
    let links =
        [(half, object.other_half), (LinkType::Replaced, object.replaces), (LinkType::Replacement, object.replaced_by)];
    let link = |(kind, other): (LinkType, Option<ObjectId>)| Some((Tag::LINK.into(), self::link(kind, other?)));
    let links = links.into_iter().filter_map(link);
    let kept = kept.iter().cloned();
    // Links that the client made come first, so that their numbers stay.
    in_order(numbered(single.chain(names).chain(kept).chain(links)).into_iter(), version)
}

fn link(kind: LinkType, other: ObjectId) -> AttributeValue {
    AttributeValue::structure(|link| {
        link.enumeration(Tag::LINK_TYPE, kind.number());
        link.text(Tag::LINKED_OBJECT_IDENTIFIER, &other.to_string());
    })
}

/// The attributes that the domain keeps of an object.
fn kept(object: &ObjectAbout) -> Vec<(AttributeName, AttributeValue)> {
    let read = |(name, value): &(String, Vec<u8>)| {
        let name = AttributeName::of_stored(name)?;
        let value = AttributeValue::of_stored(&name, value)?;
        Some((name, value))
    };
    object.attributes.iter().filter_map(read).collect()
}

/// The attributes of a CMK and the names that its aliases are, those that a version has.
pub(crate) fn of_key(key: &KeyMetadata, names: &[String], version: Version) -> Vec<Attribute> {
    let About { object, algorithm, length } = About::of(key.spec);
    let single = [
        (Tag::ACTIVATION_DATE, key.primary.is_some().then(|| AttributeValue::DateTime(seconds(key.created)))),
        (Tag::CRYPTOGRAPHIC_ALGORITHM, algorithm.map(|algorithm| AttributeValue::Enumeration(algorithm.number()))),
        (Tag::CRYPTOGRAPHIC_LENGTH, length.map(AttributeValue::Integer)),
        (Tag::CRYPTOGRAPHIC_USAGE_MASK, Some(AttributeValue::Integer(mask(key.usage)))),
        (Tag::EXTRACTABLE, Some(AttributeValue::Boolean(false))),
        (Tag::INITIAL_DATE, Some(AttributeValue::DateTime(seconds(key.created)))),
        (Tag::NEVER_EXTRACTABLE, Some(AttributeValue::Boolean(key.origin == yaoku_kms::Origin::Generated))),
        (Tag::OBJECT_TYPE, Some(AttributeValue::Enumeration(object.number()))),
        (Tag::SENSITIVE, Some(AttributeValue::Boolean(true))),
        (Tag::ALWAYS_SENSITIVE, Some(AttributeValue::Boolean(key.origin == yaoku_kms::Origin::Generated))),
        (Tag::STATE, Some(AttributeValue::Enumeration(state(key.state).number()))),
        (Tag::UNIQUE_IDENTIFIER, Some(AttributeValue::Text(key.id.to_string()))),
    ];
    let single = single.into_iter().filter_map(|(tag, value)| Some((AttributeName::Known(tag), value?)));
    let names = names.iter().map(|name| (Tag::NAME.into(), AttributeValue::Name(name.clone())));
    in_order(numbered(single.chain(names)).into_iter(), version)
}

/// What a key spec is called.
pub(crate) struct About {
    pub(crate) object: ObjectType,
    /// None where the specification has no name for it.
    pub(crate) algorithm: Option<CryptographicAlgorithm>,
    /// Bits.
    pub(crate) length: Option<i32>,
}

impl About {
    pub(crate) const fn of(spec: KeySpec) -> Self {
        use CryptographicAlgorithm as Algorithm;
        use ObjectType::{PrivateKey, SymmetricKey};
        let (object, algorithm, length) = match spec {
            KeySpec::Aes256 => (SymmetricKey, Some(Algorithm::Aes), Some(256)),
            KeySpec::Aes192 => (SymmetricKey, Some(Algorithm::Aes), Some(192)),
            KeySpec::Aes128 => (SymmetricKey, Some(Algorithm::Aes), Some(128)),
            KeySpec::Sm4 => (SymmetricKey, Some(Algorithm::Sm4), Some(128)),
            KeySpec::Rsa2048 => (PrivateKey, Some(Algorithm::Rsa), Some(2048)),
            KeySpec::Rsa3072 => (PrivateKey, Some(Algorithm::Rsa), Some(3072)),
            KeySpec::Rsa4096 => (PrivateKey, Some(Algorithm::Rsa), Some(4096)),
            KeySpec::EcP256 | KeySpec::EcP256K => (PrivateKey, Some(Algorithm::Ecdsa), Some(256)),
            KeySpec::EcSm2 => (PrivateKey, Some(Algorithm::Sm2), Some(256)),
            KeySpec::HmacSha224 => (SymmetricKey, Some(Algorithm::HmacSha224), Some(224)),
            KeySpec::HmacSha256 => (SymmetricKey, Some(Algorithm::HmacSha256), Some(256)),
            KeySpec::HmacSha384 => (SymmetricKey, Some(Algorithm::HmacSha384), Some(384)),
            KeySpec::HmacSha512 => (SymmetricKey, Some(Algorithm::HmacSha512), Some(512)),
            KeySpec::HmacSm3 => (SymmetricKey, None, Some(256)),
            KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => (PrivateKey, None, None),
        };
        Self { object, algorithm, length }
    }
}

/// What a CMK may be used for.
pub(crate) const fn mask(of: KeyUsage) -> i32 {
    match of {
        KeyUsage::EncryptDecrypt => usage::ENCRYPT | usage::DECRYPT,
        KeyUsage::SignVerify => usage::SIGN | usage::VERIFY,
        KeyUsage::GenerateVerifyMac => usage::MAC_GENERATE | usage::MAC_VERIFY,
    }
}

/// Where a CMK stands, in the specification's words. A CMK that is disabled can be enabled again, for which they have no state.
pub(crate) const fn state(of: KeyState) -> State {
    match of {
        KeyState::Enabled => State::Active,
        KeyState::Disabled | KeyState::PendingDeletion => State::Deactivated,
        KeyState::PendingImport => State::PreActive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::decode;

    #[test]
    fn attributes_are_read_as_they_were_written_in_either_form() {
        let parameters = AttributeValue::structure(|inside| inside.enumeration(Tag::BLOCK_CIPHER_MODE, 1));
        let custom = |vendor: &str| AttributeName::Custom { vendor: vendor.into(), name: "rack".into() };
        let mut own = Writer::new();
        own.integer(Tag::ATTRIBUTE_VALUE, 7);
        let own = AttributeValue::Encoded(own.finish().to_vec());
        let attributes = [
            Attribute::new(Tag::NAME, 1, AttributeValue::Name("bucket".into())),
            Attribute::new(Tag::STATE, 0, AttributeValue::Enumeration(2)),
            Attribute::new(Tag::CRYPTOGRAPHIC_LENGTH, 0, AttributeValue::Integer(256)),
            Attribute::new(Tag::CRYPTOGRAPHIC_PARAMETERS, 0, parameters),
            Attribute::new(custom("x"), 0, own),
        ];
        for version in [Version::V1_0, Version::V2_0] {
            let mut writer = Writer::new();
            writer.structure(Tag::REQUEST_PAYLOAD, |payload| write_all(payload, version, attributes.iter()));
            let bytes = writer.finish();
            let item = decode(&bytes).unwrap_or_else(|error| panic!("{error}"));
            let payload = Fields::of(&item).unwrap_or_else(|error| panic!("{error}"));
            let read = read_all(&payload, version).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(payload.end(), Ok(()));
            assert_eq!(read.len(), attributes.len());
            for (read, written) in read.iter().zip(&attributes) {
                assert!(read.name == written.name && read.value == written.value, "{version} {}", written.name);
                // So does the domain.
                let name = AttributeName::of_stored(&written.name.stored());
                assert_eq!(name.as_ref(), Some(&written.name));
                let kept = AttributeValue::of_stored(&written.name, &written.value.stored());
                assert!(kept.as_ref() == Some(&written.value), "{}", written.name);
            }
        }
        assert!(!custom("another vendor").is_in(Version::V1_4) && custom("another vendor").is_in(Version::V2_0));
    }
}
