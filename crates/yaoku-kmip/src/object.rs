//! Managed objects as messages carry them (KMIP 1.4, sections 2.1 and 2.2): keys in key blocks, certificates, secrets, opaque bytes.
//!
//! A value is kept as the bytes of its format. Of the formats that spell a key's numbers out, only that of symmetric keys is understood,
//! and kept as raw bytes.

use yaoku_crypto::Secret;
use yaoku_objects::{ObjectAbout, ObjectKind};

use crate::attribute::{AttributeName, AttributeValue};
use crate::enumerations::{CryptographicAlgorithm, KeyFormatType, ObjectType};
use crate::failure::{Code, Failure};
use crate::ttlv::{Fields, Item, Tag, Value, Writer};

/// X.509, of the types of certificates.
const X509: u32 = 1;

/// What a client registers.
pub(crate) struct Registered {
    pub(crate) value: Secret,
    /// What the object says of itself.
    pub(crate) facts: Vec<(Tag, AttributeValue)>,
}

/// What an object of a kind stands in.
const fn tag(kind: ObjectKind) -> Tag {
    match kind {
        ObjectKind::Certificate => Tag::CERTIFICATE,
        ObjectKind::SymmetricKey => Tag::SYMMETRIC_KEY,
        ObjectKind::PublicKey => Tag::PUBLIC_KEY,
        ObjectKind::PrivateKey => Tag::PRIVATE_KEY,
        ObjectKind::SecretData => Tag::SECRET_DATA,
        ObjectKind::OpaqueData => Tag::OPAQUE_OBJECT,
    }
}

impl Registered {
    /// Reads the object of a kind from a payload.
    pub(crate) fn read(payload: &Fields<'_, '_>, kind: ObjectKind) -> Result<Self, Failure> {
        let fields = Fields::of(payload.required(tag(kind))?)?;
        let enumeration =
            |tag| Ok::<_, Failure>((tag, AttributeValue::Enumeration(fields.required(tag)?.enumeration()?)));
        let bytes = |tag| Ok::<_, Failure>(Secret::new(fields.required(tag)?.bytes()?.to_vec()));
        let registered = match kind {
            ObjectKind::Certificate => {
                let of = enumeration(Tag::CERTIFICATE_TYPE)?;
                if of.1 != AttributeValue::Enumeration(X509) {
                    return Err(Failure::unsupported("certificates must be X.509"));
                }
                Self { value: bytes(Tag::CERTIFICATE_VALUE)?, facts: vec![of] }
            }
            ObjectKind::OpaqueData => {
                Self { facts: vec![enumeration(Tag::OPAQUE_DATA_TYPE)?], value: bytes(Tag::OPAQUE_DATA_VALUE)? }
            }
            ObjectKind::SecretData => {
                let of = enumeration(Tag::SECRET_DATA_TYPE)?;
                let mut registered = Self::read_block(fields.required(Tag::KEY_BLOCK)?, kind)?;
                registered.facts.push(of);
                registered
            }
            ObjectKind::SymmetricKey | ObjectKind::PublicKey | ObjectKind::PrivateKey => {
                Self::read_block(fields.required(Tag::KEY_BLOCK)?, kind)?
            }
        };
        fields.end()?;
        Ok(registered)
    }

    fn read_block(block: &Item<'_>, kind: ObjectKind) -> Result<Self, Failure> {
        let fields = Fields::of(block)?;
        let format = fields.required(Tag::KEY_FORMAT_TYPE)?.enumeration()?;
        let format = KeyFormatType::of(format).filter(|format| goes_with(*format, kind)).ok_or_else(bad_format)?;
        if fields.optional(Tag::KEY_COMPRESSION_TYPE).is_some() {
            return Err(Failure::new(
                Code::CompressionNotSupported,
                "compressed keys are not supported by this server",
            ));
        }
        if fields.optional(Tag::KEY_WRAPPING_DATA).is_some() {
            return Err(Failure::unsupported("wrapped keys are not supported by this server: give the key as it is"));
        }
        let algorithm = fields.optional(Tag::CRYPTOGRAPHIC_ALGORITHM).map(Item::enumeration).transpose()?;
        let length = fields.optional(Tag::CRYPTOGRAPHIC_LENGTH).map(Item::integer).transpose()?;
        let value = Fields::of(fields.required(Tag::KEY_VALUE)?)?;
        fields.end()?;
        let material = value.required(Tag::KEY_MATERIAL)?;
        value.end()?;
        let (bytes, format) = match (&material.value, format) {
            (Value::Structure(_), KeyFormatType::TransparentSymmetricKey) => {
                let inside = Fields::of(material)?;
                let key = inside.required(Tag::KEY)?.bytes()?;
                inside.end()?;
                (key, KeyFormatType::Raw)
            }
            (Value::Bytes(_), KeyFormatType::TransparentSymmetricKey) => return Err(bad_format()),
            (_, format) => (material.bytes()?, format),
        };
        let value = Secret::new(bytes.to_vec());
        let mut facts = vec![(Tag::KEY_FORMAT_TYPE, AttributeValue::Enumeration(format.number()))];
        facts.extend(algorithm.map(|number| (Tag::CRYPTOGRAPHIC_ALGORITHM, AttributeValue::Enumeration(number))));
        facts.extend(length.map(|bits| (Tag::CRYPTOGRAPHIC_LENGTH, AttributeValue::Integer(bits))));
        Ok(Self { value, facts })
    }
}

/// Whether keys of a kind come in a format.
const fn goes_with(format: KeyFormatType, kind: ObjectKind) -> bool {
    use KeyFormatType::{EcPrivateKey, Opaque, Pkcs1, Pkcs8, Raw, TransparentSymmetricKey, X509};
    match kind {
        ObjectKind::SymmetricKey => matches!(format, Raw | Opaque | TransparentSymmetricKey),
        ObjectKind::SecretData => matches!(format, Raw | Opaque),
        ObjectKind::PublicKey => matches!(format, Raw | Opaque | Pkcs1 | X509),
        ObjectKind::PrivateKey => matches!(format, Raw | Opaque | Pkcs1 | Pkcs8 | EcPrivateKey),
        ObjectKind::Certificate | ObjectKind::OpaqueData => false,
    }
}

fn bad_format() -> Failure {
    Failure::new(Code::FormatNotSupported, "the Key Format Type is not supported for this object by this server")
}

/// Makes sure that a symmetric key has as many bits as it says; how many that are, where it does not.
pub(crate) fn check_length(algorithm: Option<u32>, bits: Option<i32>, bytes: usize) -> Result<i32, Failure> {
    let too_long = || Failure::invalid("the key is too long");
    let own = i32::try_from(bytes.checked_mul(8).ok_or_else(too_long)?).map_err(|_| too_long())?;
    let is_triple_des = algorithm.and_then(CryptographicAlgorithm::of) == Some(CryptographicAlgorithm::TripleDes);
    // Of each byte of a DES key, one bit is parity, which some count.
    match bits {
        None => Ok(own),
        Some(bits) if bits == own || (is_triple_des && bits / 7 * 8 == own) => Ok(bits),
        Some(_) => Err(Failure::invalid("the Cryptographic Length is not that of the key")),
    }
}

/// The value of an attribute that is a number.
fn number(object: &ObjectAbout, tag: Tag) -> Option<AttributeValue> {
    let name = AttributeName::Known(tag);
    let stored = name.stored();
    let (_, value) = object.attributes.iter().find(|(kept, _)| *kept == stored)?;
    AttributeValue::of_stored(&name, value)
}

/// The number of an attribute that an object has.
pub(crate) fn enumeration(object: &ObjectAbout, tag: Tag) -> Option<u32> {
    match number(object, tag)? {
        AttributeValue::Enumeration(number) => Some(number),
        _ => None,
    }
}

/// The number of an attribute that an object has.
pub(crate) fn integer(object: &ObjectAbout, tag: Tag) -> Option<i32> {
    match number(object, tag)? {
        AttributeValue::Integer(number) => Some(number),
        _ => None,
    }
}

/// Writes an object, in the format that is asked for.
pub(crate) fn write(
    writer: &mut Writer,
    object: &ObjectAbout,
    value: &Secret,
    asked: Option<u32>,
) -> Result<(), Failure> {
    let stored = enumeration(object, Tag::KEY_FORMAT_TYPE);
    let format = match (asked, stored) {
        (None, Some(stored)) => Some(stored),
        (Some(asked), Some(stored)) if asked == stored => Some(stored),
        (Some(asked), Some(stored))
            if asked == KeyFormatType::TransparentSymmetricKey.number()
                && stored == KeyFormatType::Raw.number()
                && object.kind == ObjectKind::SymmetricKey =>
        {
            Some(asked)
        }
        (None, None) => None,
        (Some(_), _) => return Err(bad_format()),
    };
    let block = |writer: &mut Writer| {
        writer.structure(Tag::KEY_BLOCK, |block| {
            let format = format.unwrap_or(KeyFormatType::Opaque.number());
            block.enumeration(Tag::KEY_FORMAT_TYPE, format);
            block.structure(Tag::KEY_VALUE, |inside| match format == KeyFormatType::TransparentSymmetricKey.number() {
                true => inside.structure(Tag::KEY_MATERIAL, |material| material.bytes(Tag::KEY, value.expose())),
                false => inside.bytes(Tag::KEY_MATERIAL, value.expose()),
            });
            if let Some(algorithm) = enumeration(object, Tag::CRYPTOGRAPHIC_ALGORITHM) {
                block.enumeration(Tag::CRYPTOGRAPHIC_ALGORITHM, algorithm);
            }
            if let Some(bits) = integer(object, Tag::CRYPTOGRAPHIC_LENGTH) {
                block.integer(Tag::CRYPTOGRAPHIC_LENGTH, bits);
            }
        });
    };
    writer.structure(tag(object.kind), |inside| match object.kind {
        ObjectKind::Certificate => {
            inside.enumeration(Tag::CERTIFICATE_TYPE, X509);
            inside.bytes(Tag::CERTIFICATE_VALUE, value.expose());
        }
        ObjectKind::OpaqueData => {
            inside.enumeration(Tag::OPAQUE_DATA_TYPE, enumeration(object, Tag::OPAQUE_DATA_TYPE).unwrap_or_default());
            inside.bytes(Tag::OPAQUE_DATA_VALUE, value.expose());
        }
        ObjectKind::SecretData => {
            inside.enumeration(Tag::SECRET_DATA_TYPE, enumeration(object, Tag::SECRET_DATA_TYPE).unwrap_or_default());
            block(inside);
        }
        ObjectKind::SymmetricKey | ObjectKind::PublicKey | ObjectKind::PrivateKey => block(inside),
    });
    Ok(())
}

/// The kind of object of a number in a message.
pub(crate) fn kind(number: u32) -> Result<ObjectKind, Failure> {
    let kind = ObjectType::of(number).and_then(ObjectType::kind);
    kind.ok_or_else(|| Failure::unsupported("this server has no objects of this Object Type"))
}
