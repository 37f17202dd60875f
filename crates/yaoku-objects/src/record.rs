//! What the store holds of managed objects, and how it is laid out.
//!
//! A record is a layout number and a postcard body. A newer layout gets a new number; every older one stays readable.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;
use yaoku_iam::{AccountId, Timestamp};
use yaoku_kms::KeyId;
use yaoku_seal::{Kind, RecordName};

use crate::state::Life;
use crate::{Error, ObjectId, ObjectName};

/// An object without its value.
pub(crate) const OBJECT: Kind = Kind(72);
/// Its value, sealed under the CMK that its record names.
pub(crate) const VALUE: Kind = Kind(73);
/// A name, and the object that has it.
pub(crate) const NAME: Kind = Kind(74);
/// The CMK that an account has chosen for its managed objects.
pub(crate) const CHOSEN_KEY: Kind = Kind(75);

const LAYOUT: u8 = 1;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectKind {
    /// An X.509 certificate.
    Certificate,
    /// A key of a symmetric algorithm, or of message authentication codes.
    SymmetricKey,
    /// The public half of a key pair.
    PublicKey,
    /// The private half of a key pair.
    PrivateKey,
    /// A password, or something like it.
    SecretData,
    /// Bytes of which nothing is known.
    OpaqueData,
}

/// What a protocol keeps of an object: names of its own with values as it encodes them, in its order.
pub type Attributes = Vec<(String, Vec<u8>)>;

/// An object as the store holds it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    pub(crate) kind: ObjectKind,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    /// The CMK that the value is sealed under.
    pub(crate) key: KeyId,
    pub(crate) life: Life,
    pub(crate) names: Vec<ObjectName>,
    pub(crate) attributes: Attributes,
    /// SHA-256 of the value, which tells whether two are the same.
    pub(crate) digest: [u8; 32],
    /// Bytes of the value.
    pub(crate) length: u64,
    /// The object that this one replaces, and the one that replaces this one.
    pub(crate) replaces: Option<ObjectId>,
    pub(crate) replaced_by: Option<ObjectId>,
    /// The other half of its key pair, if they were made together.
    pub(crate) other_half: Option<ObjectId>,
}

impl ObjectRecord {
    /// Bytes of its attributes, with their names.
    pub(crate) fn attribute_bytes(&self) -> u64 {
        self.attributes.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }
}

/// What another row holds: the object of a name, or the CMK of an account.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pointer<T>(pub(crate) T);

pub(crate) fn encode(record: &impl Serialize) -> Result<Secret, Error> {
    let mut bytes = vec![LAYOUT];
    bytes.extend(postcard::to_allocvec(record).map_err(|error| Error::Internal(error.into()))?);
    Ok(Secret::new(bytes))
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &Secret) -> Result<T, Error> {
    match bytes.expose().split_first() {
        Some((&LAYOUT, body)) => postcard::from_bytes(body).map_err(|_| Error::Record("a managed object")),
        _ => Err(Error::Record("a managed object")),
    }
}

pub(crate) fn object_name(account: AccountId, id: ObjectId) -> RecordName {
    RecordName { kind: OBJECT, domain: account.domain(), id: id.as_bytes().to_vec(), version: Vec::new() }
}

pub(crate) fn value_name(account: AccountId, id: ObjectId) -> RecordName {
    RecordName { kind: VALUE, ..object_name(account, id) }
}

pub(crate) fn name_name(account: AccountId, name: &ObjectName) -> RecordName {
    RecordName { kind: NAME, domain: account.domain(), id: name.as_str().as_bytes().to_vec(), version: Vec::new() }
}

pub(crate) fn chosen_key_name(account: AccountId) -> RecordName {
    RecordName { kind: CHOSEN_KEY, domain: account.domain(), id: Vec::new(), version: Vec::new() }
}

/// The account of a row.
pub(crate) fn account_of(name: &RecordName) -> Result<AccountId, Error> {
    AccountId::of_domain(name.domain).ok_or(Error::Record("a managed object"))
}

/// Account and id of the object that a record is of.
pub(crate) fn named(name: &RecordName) -> Result<(AccountId, ObjectId), Error> {
    let id = name.id.as_slice().try_into().map_err(|_| Error::Record("a managed object"))?;
    Ok((account_of(name)?, ObjectId::from_bytes(id)))
}
