//! Attributes of objects (KMIP 1.4, section 3): pairs of name and value in version 1, items of their own tag in version 2.

use yaoku_kms::{KeyMetadata, KeySpec, KeyState, KeyUsage};

use crate::enumerations::{CryptographicAlgorithm, ObjectType, State, usage};
use crate::failure::Failure;
use crate::profile::{ATTRIBUTES, Version};
use crate::ttlv::{Fields, Item, Tag, Writer};

/// How a name is meant: as it is.
const UNINTERPRETED: u32 = 1;

/// One attribute of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) tag: Tag,
    /// Counted from 0, among those of the same tag.
    pub(crate) index: i32,
    pub(crate) value: AttributeValue,
}

/// What it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttributeValue {
    Integer(i32),
    Enumeration(u32),
    Boolean(bool),
    Text(String),
    DateTime(i64),
    Name(String),
}

impl AttributeValue {
    fn write(&self, writer: &mut Writer, tag: Tag) {
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
        }
    }

    fn read(tag: Tag, item: &Item<'_>) -> Result<Self, Failure> {
        Ok(match tag {
            Tag::CRYPTOGRAPHIC_LENGTH | Tag::CRYPTOGRAPHIC_USAGE_MASK => Self::Integer(item.integer()?),
            Tag::CRYPTOGRAPHIC_ALGORITHM | Tag::OBJECT_TYPE | Tag::STATE => Self::Enumeration(item.enumeration()?),
            Tag::UNIQUE_IDENTIFIER => Self::Text(item.text()?.to_owned()),
            Tag::ACTIVATION_DATE | Tag::INITIAL_DATE | Tag::LAST_CHANGE_DATE => Self::DateTime(item.date_time()?),
            Tag::FRESH | Tag::SENSITIVE | Tag::ALWAYS_SENSITIVE | Tag::EXTRACTABLE | Tag::NEVER_EXTRACTABLE => {
                Self::Boolean(item.boolean()?)
            }
            Tag::NAME => {
                let name = Fields::of(item)?;
                let value = name.required(Tag::NAME_VALUE)?.text()?.to_owned();
                name.required(Tag::NAME_TYPE)?.enumeration()?;
                name.end()?;
                Self::Name(value)
            }
            other => {
                return Err(Failure::unsupported(format!("the attribute {other} is not supported by this server")));
            }
        })
    }
}

impl Attribute {
    /// Writes it as a version has it.
    pub(crate) fn write(&self, writer: &mut Writer, version: Version) {
        match version.has_attributes_by_tag() {
            true => self.value.write(writer, self.tag),
            false => writer.structure(Tag::ATTRIBUTE, |attribute| {
                attribute.text(Tag::ATTRIBUTE_NAME, self.tag.name().unwrap_or_default());
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

/// Reads the attributes that a request has in its payload.
pub(crate) fn read_all(payload: &Fields<'_, '_>, version: Version) -> Result<Vec<(Tag, AttributeValue)>, Failure> {
    if version.has_attributes_by_tag() {
        let Some(attributes) = payload.optional(Tag::ATTRIBUTES) else { return Ok(Vec::new()) };
        let all = Fields::of(attributes)?.rest();
        return all.into_iter().map(|item| Ok((item.tag, AttributeValue::read(item.tag, item)?))).collect();
    }
    let read = |item| {
        let fields = Fields::of(item)?;
        let name = fields.required(Tag::ATTRIBUTE_NAME)?.text()?;
        fields.optional(Tag::ATTRIBUTE_INDEX).map(Item::integer).transpose()?;
        let value = fields.required(Tag::ATTRIBUTE_VALUE)?;
        fields.end()?;
        let unknown = || Failure::unsupported("an attribute is not supported by this server");
        let tag = Tag::named(name).ok_or_else(unknown)?;
        Ok((tag, AttributeValue::read(tag, value)?))
    };
    payload.all(Tag::ATTRIBUTE).into_iter().map(read).collect()
}

/// Reads which attributes a request asks for; none for all.
pub(crate) fn read_names(payload: &Fields<'_, '_>, version: Version) -> Result<Vec<Option<Tag>>, Failure> {
    if version.has_attributes_by_tag() {
        let named = |item: &Item<'_>| match Fields::of(item) {
            // One of a vendor's, of which there are none.
            Ok(_) => Ok(None),
            Err(_) => Ok(Tag::new(item.enumeration()?)),
        };
        return payload.all(Tag::ATTRIBUTE_REFERENCE).into_iter().map(named).collect();
    }
    payload.all(Tag::ATTRIBUTE_NAME).into_iter().map(|item| Ok(Tag::named(item.text()?))).collect()
}

/// The attributes of a CMK and the names that its aliases are, those that a version has.
pub(crate) fn of_key(key: &KeyMetadata, names: &[String], version: Version) -> Vec<Attribute> {
    let seconds = |time: yaoku_kms::Timestamp| i64::try_from(time.seconds()).unwrap_or(i64::MAX);
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
    let single = single.into_iter().filter_map(|(tag, value)| Some(Attribute { tag, index: 0, value: value? }));
    let names = (0..).zip(names).map(|(index, name)| Attribute {
        tag: Tag::NAME,
        index,
        value: AttributeValue::Name(name.clone()),
    });
    let mut all: Vec<_> = single.chain(names).filter(|attribute| is_in(attribute.tag, version)).collect();
    all.sort_by_key(|attribute| (ATTRIBUTES.iter().position(|(tag, _)| *tag == attribute.tag), attribute.index));
    all
}

fn is_in(tag: Tag, version: Version) -> bool {
    ATTRIBUTES.iter().any(|(known, since)| *known == tag && *since <= version)
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
        let attributes = [
            Attribute { tag: Tag::NAME, index: 1, value: AttributeValue::Name("bucket".into()) },
            Attribute { tag: Tag::STATE, index: 0, value: AttributeValue::Enumeration(2) },
            Attribute { tag: Tag::CRYPTOGRAPHIC_LENGTH, index: 0, value: AttributeValue::Integer(256) },
        ];
        for version in [Version::V1_0, Version::V2_0] {
            let mut writer = Writer::new();
            writer.structure(Tag::REQUEST_PAYLOAD, |payload| write_all(payload, version, attributes.iter()));
            let bytes = writer.finish();
            let item = decode(&bytes).unwrap_or_else(|error| panic!("{error}"));
            let payload = Fields::of(&item).unwrap_or_else(|error| panic!("{error}"));
            let read = read_all(&payload, version).unwrap_or_else(|failure| panic!("{failure}"));
            let expected: Vec<_> = attributes.iter().map(|of| (of.tag, of.value.clone())).collect();
            assert_eq!(read, expected, "{version}");
            assert_eq!(payload.end(), Ok(()));
        }
    }
}
