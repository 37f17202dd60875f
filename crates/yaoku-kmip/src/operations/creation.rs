//! Making managed objects.

use yaoku_crypto::asymmetric::KeyAlgorithm;
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_kms::Timestamp;
use yaoku_objects::operations::objects::{
    CreateManagedKeyPair, CreateManagedObject, DescribeManagedObject, NewHalf, NewObject,
};
use yaoku_objects::{Attributes, ObjectAbout, ObjectKind, ObjectName};

use super::plain;
use crate::attribute::{AttributeName, AttributeValue, Given, read_template};
use crate::enumerations::{CryptographicAlgorithm, KeyFormatType, ObjectType, RecommendedCurve};
use crate::failure::{Code, Failure};
use crate::object::{self, Registered, check_length};
use crate::profile::By;
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag, Value, decode};

const TEMPLATE: (Tag, Tag) = (Tag::TEMPLATE_ATTRIBUTE, Tag::ATTRIBUTES);
const COMMON: (Tag, Tag) = (Tag::COMMON_TEMPLATE_ATTRIBUTE, Tag::COMMON_ATTRIBUTES);
const PRIVATE: (Tag, Tag) = (Tag::PRIVATE_KEY_TEMPLATE_ATTRIBUTE, Tag::PRIVATE_KEY_ATTRIBUTES);
const PUBLIC: (Tag, Tag) = (Tag::PUBLIC_KEY_TEMPLATE_ATTRIBUTE, Tag::PUBLIC_KEY_ATTRIBUTES);

/// What a client says of an object to be made.
#[derive(Default)]
struct Described {
    names: Vec<ObjectName>,
    /// Those that are kept as they are.
    kept: Vec<(AttributeName, AttributeValue)>,
    activation: Option<Timestamp>,
    deactivation: Option<Timestamp>,
}

/// A time in seconds since 1970.
pub(super) fn timestamp(value: &AttributeValue) -> Result<Timestamp, Failure> {
    let AttributeValue::DateTime(seconds) = value else { return Err(Failure::invalid("this is no date")) };
    let seconds = u64::try_from(*seconds).ok().and_then(|seconds| seconds.checked_mul(1000));
    seconds.map(Timestamp).ok_or_else(|| Failure::invalid("a date lies before 1970 or too far ahead"))
}

/// A name that an object may have.
pub(super) fn name(value: &AttributeValue) -> Result<ObjectName, Failure> {
    let AttributeValue::Name(name) = value else { return Err(Failure::invalid("this is no Name")) };
    let fits = || format!("a Name has 1 to {} bytes and no control characters", ObjectName::MAX);
    ObjectName::parse(name).ok_or_else(|| Failure::invalid(fits()))
}

impl Described {
    fn read(given: Vec<Given>) -> Result<Self, Failure> {
        let mut described = Self::default();
        for Given { name, index, value } in given {
            let place = described.count(&name);
            if index.is_some_and(|index| usize::try_from(index) != Ok(place)) {
                return Err(Failure::invalid("the instances of an attribute are numbered from 0, in their order"));
            }
            if place > 0 && !name.is_multiple() {
                return Err(Failure::invalid(format!("there can be only one {name}")));
            }
            described.add(name, value)?;
        }
        Ok(described)
    }

    fn count(&self, name: &AttributeName) -> usize {
        match name {
            AttributeName::Known(Tag::NAME) => self.names.len(),
            AttributeName::Known(Tag::ACTIVATION_DATE) => usize::from(self.activation.is_some()),
            AttributeName::Known(Tag::DEACTIVATION_DATE) => usize::from(self.deactivation.is_some()),
            name => self.kept.iter().filter(|(kept, _)| kept == name).count(),
        }
    }

    fn add(&mut self, name: AttributeName, value: AttributeValue) -> Result<(), Failure> {
        match &name {
            AttributeName::Custom { .. } => self.kept.push((name, value)),
            AttributeName::Known(tag) => match *tag {
                Tag::NAME => self.names.push(self::name(&value)?),
                Tag::ACTIVATION_DATE => self.activation = Some(timestamp(&value)?),
                Tag::DEACTIVATION_DATE => self.deactivation = Some(timestamp(&value)?),
                Tag::SENSITIVE | Tag::EXTRACTABLE => {
                    if value != AttributeValue::Boolean(*tag == Tag::EXTRACTABLE) {
                        return Err(Failure::unsupported(
                            "managed objects are made to be fetched: Extractable is true, and Sensitive is false; use a customer master key where a key must not leave",
                        ));
                    }
                }
                tag => match name.known() {
                    Some(known) if known.by != By::Server => self.kept.push((name, value)),
                    Some(_) => {
                        return Err(Failure::new(Code::ReadOnlyAttribute, format!("the {tag} is set by this server")));
                    }
                    None => {
                        return Err(Failure::unsupported(format!(
                            "the attribute {tag} is not supported by this server"
                        )));
                    }
                },
            },
        }
        Ok(())
    }

    fn value(&self, tag: Tag) -> Option<&AttributeValue> {
        self.kept.iter().find(|(name, _)| *name == AttributeName::Known(tag)).map(|(_, value)| value)
    }

    fn enumeration(&self, tag: Tag) -> Option<u32> {
        match self.value(tag)? {
            AttributeValue::Enumeration(number) => Some(*number),
            _ => None,
        }
    }

    fn integer(&self, tag: Tag) -> Option<i32> {
        match self.value(tag)? {
            AttributeValue::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Makes sure that something is said, or says it.
    fn agree(&mut self, tag: Tag, value: AttributeValue) -> Result<(), Failure> {
        match self.value(tag) {
            Some(given) if *given != value => {
                Err(Failure::invalid(format!("the {tag} of the key and that of the attributes differ")))
            }
            Some(_) => Ok(()),
            None => {
                self.kept.push((tag.into(), value));
                Ok(())
            }
        }
    }

    fn need(&self, tag: Tag) -> Result<(), Failure> {
        match self.value(tag) {
            Some(_) => Ok(()),
            None => Err(Failure::new(Code::MissingData, format!("the attribute {tag} is missing"))),
        }
    }

    /// Notes that the object was made here, and when.
    fn made_here(&mut self, exchange: &Exchange<'_>) -> Result<(), Failure> {
        if self.value(Tag::ORIGINAL_CREATION_DATE).is_some() {
            let why = "the Original Creation Date of an object that is made here is set by this server";
            return Err(Failure::new(Code::ReadOnlyAttribute, why));
        }
        let now = i64::try_from(exchange.now.seconds()).unwrap_or(i64::MAX);
        self.kept.push((Tag::ORIGINAL_CREATION_DATE.into(), AttributeValue::DateTime(now)));
        Ok(())
    }

    fn attributes(&self) -> Attributes {
        self.kept.iter().map(|(name, value)| (name.stored(), value.stored())).collect()
    }

    fn object(self, kind: ObjectKind, value: Secret) -> NewObject {
        let attributes = self.attributes();
        let Self { names, activation, deactivation, .. } = self;
        NewObject { kind, value, names, attributes, activation, deactivation }
    }

    fn half(self) -> NewHalf {
        let attributes = self.attributes();
        let Self { names, activation, deactivation, .. } = self;
        NewHalf { names, attributes, activation, deactivation }
    }
}

/// Draws a symmetric key.
fn draw(algorithm: u32, bits: i32) -> Result<Secret, Failure> {
    use CryptographicAlgorithm as Algorithm;
    let unfit = || Failure::invalid("there are no keys of this Cryptographic Algorithm and Length");
    let known = Algorithm::of(algorithm).ok_or_else(unfit)?;
    let fits = match known {
        Algorithm::Aes => matches!(bits, 128 | 192 | 256),
        Algorithm::TripleDes => matches!(bits, 112 | 128 | 168 | 192),
        Algorithm::Sm4 => bits == 128,
        Algorithm::Chacha20 | Algorithm::Chacha20Poly1305 => bits == 256,
        Algorithm::HmacSha1
        | Algorithm::HmacSha224
        | Algorithm::HmacSha256
        | Algorithm::HmacSha384
        | Algorithm::HmacSha512 => bits % 8 == 0 && (112..=4096).contains(&bits),
        _ => false,
    };
    if !fits {
        return Err(unfit());
    }
    let bytes = match (known, bits) {
        (Algorithm::TripleDes, 112) => 16,
        (Algorithm::TripleDes, 168) => 24,
        (_, bits) => usize::try_from(bits / 8).map_err(|_| unfit())?,
    };
    let drawn = Secret::random(bytes, &SystemRandom).map_err(|_| Failure::unavailable())?;
    if known == Algorithm::TripleDes {
        // The lowest bit of each byte makes its parity odd (FIPS 46-3).
        let odd = |byte: &u8| (byte & 0xfe) | (1 ^ u8::from((byte & 0xfe).count_ones() % 2 == 1));
        return Ok(Secret::new(drawn.expose().iter().map(odd).collect()));
    }
    Ok(drawn)
}

/// The answer that an object was made.
fn made(object: &ObjectAbout, has_type: bool) -> Reply {
    let id = object.id.to_string();
    let reply = plain(|written| {
        if has_type {
            written.enumeration(Tag::OBJECT_TYPE, ObjectType::of_kind(object.kind).number());
        }
        written.text(Tag::UNIQUE_IDENTIFIER, &id);
    });
    Reply { placeholder: Some(id), ..reply }
}

pub(super) async fn create(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let kind = object::kind(payload.required(Tag::OBJECT_TYPE)?.enumeration()?)?;
    let mut described = Described::read(read_template(payload, exchange.version, TEMPLATE)?)?;
    payload.end()?;
    if kind != ObjectKind::SymmetricKey {
        return Err(Failure::invalid("Create makes symmetric keys; use CreateKeyPair or Register for others"));
    }
    described.need(Tag::CRYPTOGRAPHIC_USAGE_MASK)?;
    let missing = |tag| Failure::new(Code::MissingData, format!("the attribute {tag} is missing"));
    let algorithm = described.enumeration(Tag::CRYPTOGRAPHIC_ALGORITHM);
    let algorithm = algorithm.ok_or_else(|| missing(Tag::CRYPTOGRAPHIC_ALGORITHM))?;
    let bits = described.integer(Tag::CRYPTOGRAPHIC_LENGTH);
    let bits = bits.ok_or_else(|| missing(Tag::CRYPTOGRAPHIC_LENGTH))?;
    let value = draw(algorithm, bits)?;
    described.made_here(exchange)?;
    described.agree(Tag::KEY_FORMAT_TYPE, AttributeValue::Enumeration(KeyFormatType::Raw.number()))?;
    let operation = CreateManagedObject { object: described.object(kind, value), replaces: None };
    Ok(made(&exchange.perform(operation).await?, true))
}

pub(super) async fn register(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let kind = object::kind(payload.required(Tag::OBJECT_TYPE)?.enumeration()?)?;
    let mut described = Described::read(read_template(payload, exchange.version, TEMPLATE)?)?;
    let Registered { value, facts } = Registered::read(payload, kind)?;
    payload.end()?;
    for (tag, fact) in facts {
        described.agree(tag, fact)?;
    }
    match kind {
        ObjectKind::SymmetricKey => {
            described.need(Tag::CRYPTOGRAPHIC_ALGORITHM)?;
            let algorithm = described.enumeration(Tag::CRYPTOGRAPHIC_ALGORITHM);
            let bits = check_length(algorithm, described.integer(Tag::CRYPTOGRAPHIC_LENGTH), value.len())?;
            described.agree(Tag::CRYPTOGRAPHIC_LENGTH, AttributeValue::Integer(bits))?;
        }
        ObjectKind::PublicKey | ObjectKind::PrivateKey => {
            described.need(Tag::CRYPTOGRAPHIC_ALGORITHM)?;
            described.need(Tag::CRYPTOGRAPHIC_LENGTH)?;
        }
        ObjectKind::Certificate | ObjectKind::SecretData | ObjectKind::OpaqueData => {}
    }
    let operation = CreateManagedObject { object: described.object(kind, value), replaces: None };
    Ok(made(&exchange.perform(operation).await?, false))
}

/// The kind of key pairs that attributes ask for.
fn pair(described: &Described) -> Result<(KeyAlgorithm, u32, i32), Failure> {
    use CryptographicAlgorithm as Algorithm;
    let number = described.enumeration(Tag::CRYPTOGRAPHIC_ALGORITHM).ok_or_else(|| {
        Failure::new(Code::MissingData, format!("the attribute {} is missing", Tag::CRYPTOGRAPHIC_ALGORITHM))
    })?;
    let bits = described.integer(Tag::CRYPTOGRAPHIC_LENGTH);
    let curve = described.value(Tag::CRYPTOGRAPHIC_DOMAIN_PARAMETERS).map(curve).transpose()?.flatten();
    let unfit = || {
        Failure::unsupported(
            "key pairs of this server are RSA of 2048, 3072 or 4096 bits, or EC, ECDSA or ECDH on P-256 or secp256k1",
        )
    };
    let (algorithm, bits) = match (Algorithm::of(number), bits, curve) {
        (Some(Algorithm::Rsa), Some(2048), None) => (KeyAlgorithm::Rsa2048, 2048),
        (Some(Algorithm::Rsa), Some(3072), None) => (KeyAlgorithm::Rsa3072, 3072),
        (Some(Algorithm::Rsa), Some(4096), None) => (KeyAlgorithm::Rsa4096, 4096),
        (Some(Algorithm::Ec | Algorithm::Ecdsa | Algorithm::Ecdh), None | Some(256), curve) => match curve {
            None | Some(RecommendedCurve::P256) => (KeyAlgorithm::EcP256, 256),
            Some(RecommendedCurve::Secp256K1) => (KeyAlgorithm::EcP256K, 256),
        },
        _ => return Err(unfit()),
    };
    Ok((algorithm, number, bits))
}

/// The curve that domain parameters name.
fn curve(value: &AttributeValue) -> Result<Option<RecommendedCurve>, Failure> {
    let stored = value.stored();
    let item = decode(&stored)?;
    let fields = Fields::of(&item)?;
    let number = fields.optional(Tag::RECOMMENDED_CURVE).map(Item::enumeration).transpose()?;
    fields.optional(Tag::QLENGTH).map(Item::integer).transpose()?;
    fields.end()?;
    let unknown = || Failure::unsupported("the Recommended Curve is not supported by this server");
    number.map(|number| RecommendedCurve::of(number).ok_or_else(unknown)).transpose()
}

pub(super) async fn create_key_pair(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let read = |tags| read_template(payload, exchange.version, tags);
    let (common, private, public) = (read(COMMON)?, read(PRIVATE)?, read(PUBLIC)?);
    payload.end()?;
    if common.iter().any(|given| given.name == AttributeName::Known(Tag::NAME)) {
        return Err(Failure::invalid("a Name is one object's: give the halves of a key pair names of their own"));
    }
    // What is said of one half counts before what is said of both.
    let joined = |own: Vec<Given>| {
        let is_own = |given: &&Given| own.iter().any(|other| other.name == given.name);
        let common: Vec<_> = common.iter().filter(|given| !is_own(given)).cloned().collect();
        Described::read([common, own].concat())
    };
    let (mut private, mut public) = (joined(private)?, joined(public)?);
    let of = pair(&private)?;
    if pair(&public)? != of {
        return Err(Failure::invalid("the halves of a key pair are of one Cryptographic Algorithm and Length"));
    }
    let (algorithm, number, bits) = of;
    let formats = match algorithm {
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => [KeyFormatType::Pkcs1; 2],
        _ => [KeyFormatType::Pkcs8, KeyFormatType::X509],
    };
    for (half, format) in [&mut private, &mut public].into_iter().zip(formats) {
        half.need(Tag::CRYPTOGRAPHIC_USAGE_MASK)?;
        half.made_here(exchange)?;
        half.agree(Tag::CRYPTOGRAPHIC_ALGORITHM, AttributeValue::Enumeration(number))?;
        half.agree(Tag::CRYPTOGRAPHIC_LENGTH, AttributeValue::Integer(bits))?;
        half.agree(Tag::KEY_FORMAT_TYPE, AttributeValue::Enumeration(format.number()))?;
    }
    let operation = CreateManagedKeyPair { algorithm, private: private.half(), public: public.half() };
    let [private, public] = exchange.perform(operation).await?;
    let reply = plain(|written| {
        written.text(Tag::PRIVATE_KEY_UNIQUE_IDENTIFIER, &private.id.to_string());
        written.text(Tag::PUBLIC_KEY_UNIQUE_IDENTIFIER, &public.id.to_string());
    });
    Ok(Reply { placeholder: Some(private.id.to_string()), ..reply })
}

/// Attributes of a key that the one that replaces it does not have.
const NOT_OF_THE_NEXT: [Tag; 4] =
    [Tag::ORIGINAL_CREATION_DATE, Tag::REVOCATION_REASON, Tag::COMPROMISE_OCCURRENCE_DATE, Tag::LINK];

/// Makes a symmetric key that replaces another, and has its names and attributes from then on.
pub(super) async fn rekey(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let why = "a customer master key is not replaced by KMIP: use CreateKeyVersion of the KMS API";
    let id = exchange.object(payload, (Code::IllegalOperation, why)).await?;
    let offset = match payload.optional(Tag::OFFSET).map(|item| &item.value) {
        None => None,
        Some(Value::Interval(seconds)) => Some(u64::from(*seconds)),
        Some(_) => return Err(Failure::invalid("the Offset is no interval")),
    };
    let given = Described::read(read_template(payload, exchange.version, TEMPLATE)?)?;
    payload.end()?;
    let old = exchange.perform(DescribeManagedObject { id }).await?;
    if old.kind != ObjectKind::SymmetricKey {
        return Err(Failure::new(Code::IllegalOperation, "ReKey replaces symmetric keys"));
    }
    for tag in [Tag::CRYPTOGRAPHIC_ALGORITHM, Tag::CRYPTOGRAPHIC_LENGTH, Tag::KEY_FORMAT_TYPE] {
        if given.value(tag).is_some() {
            return Err(Failure::new(
                Code::ReadOnlyAttribute,
                format!("the {tag} is that of the key that is replaced"),
            ));
        }
    }
    let algorithm = object::enumeration(&old, Tag::CRYPTOGRAPHIC_ALGORITHM);
    let bits = object::integer(&old, Tag::CRYPTOGRAPHIC_LENGTH);
    let unknown = || Failure::new(Code::IllegalOperation, "nothing is known of how this key is made");
    let value = draw(algorithm.ok_or_else(unknown)?, bits.ok_or_else(unknown)?)?;
    let mut next = inherited(&old, given, offset, exchange)?;
    next.made_here(exchange)?;
    let operation = CreateManagedObject { object: next.object(ObjectKind::SymmetricKey, value), replaces: Some(id) };
    let made = exchange.perform(operation).await?;
    let id = made.id.to_string();
    let reply = plain(|written| written.text(Tag::UNIQUE_IDENTIFIER, &id));
    Ok(Reply { placeholder: Some(id), ..reply })
}

/// What a key has of the one that it replaces (KMIP 1.4, section 4.4).
fn inherited(
    old: &ObjectAbout,
    given: Described,
    offset: Option<u64>,
    exchange: &Exchange<'_>,
) -> Result<Described, Failure> {
    let skipped: Vec<_> = NOT_OF_THE_NEXT.map(|tag| AttributeName::Known(tag).stored()).into();
    let mut next = Described { names: given.names, ..Described::default() };
    for (stored, value) in old.attributes.iter().filter(|(stored, _)| !skipped.contains(stored)) {
        let name = AttributeName::of_stored(stored).ok_or_else(Failure::internal)?;
        if !given.kept.iter().any(|(new, _)| *new == name) {
            let value = AttributeValue::of_stored(&name, value).ok_or_else(Failure::internal)?;
            next.kept.push((name, value));
        }
    }
    next.kept.extend(given.kept);
    let begins = match offset {
        Some(seconds) => Some(exchange.now.plus_seconds(seconds)),
        None => given.activation.or(old.activation),
    };
    // As long after the beginning as with the key that is replaced.
    let moved = |ends: Timestamp| match (old.activation, begins) {
        (Some(began), Some(begins)) => Timestamp(begins.0.saturating_add(ends.0.saturating_sub(began.0))),
        _ => ends,
    };
    next.activation = begins;
    next.deactivation = given.deactivation.or_else(|| old.deactivation.map(moved));
    Ok(next)
}
