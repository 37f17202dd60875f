//! An object as it is held in memory, and what its owner may know of it.

use yaoku_iam::{AccountId, Timestamp};
use yaoku_kms::KeyId;
use yaoku_seal::Revision;

use crate::record::{Attributes, ObjectRecord};
use crate::{ObjectId, ObjectKind, ObjectName, ObjectState};

/// An object as the last applied commit left it.
#[derive(Clone)]
pub(crate) struct HeldObject {
    pub(crate) account: AccountId,
    pub(crate) id: ObjectId,
    pub(crate) record: ObjectRecord,
    pub(crate) revision: Revision,
}

/// What the owner of an object may change of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Editable {
    /// Its names.
    pub names: Vec<ObjectName>,
    /// What the protocol keeps of it.
    pub attributes: Attributes,
    /// From when on it is Active; may be ahead.
    pub activation: Option<Timestamp>,
    /// From when on it is Deactivated; may be ahead.
    pub deactivation: Option<Timestamp>,
}

impl ObjectRecord {
    pub(crate) fn editable(&self) -> Editable {
        Editable {
            names: self.names.clone(),
            attributes: self.attributes.clone(),
            activation: self.life.activation,
            deactivation: self.life.deactivation,
        }
    }
}

impl HeldObject {
    /// Whether no other object may have its names. They stay known of one whose value is gone, and are free.
    pub(crate) const fn holds_names(&self) -> bool {
        self.record.life.destruction.is_none()
    }

    pub(crate) fn about(&self, now: Timestamp) -> ObjectAbout {
        let record = &self.record;
        ObjectAbout {
            account: self.account,
            id: self.id,
            kind: record.kind,
            state: record.life.state_at(now),
            key: record.key,
            created: record.created,
            changed: record.changed,
            activation: record.life.activation,
            deactivation: record.life.deactivation,
            compromise: record.life.compromise,
            destruction: record.life.destruction,
            names: record.names.clone(),
            attributes: record.attributes.clone(),
            digest: record.digest,
            length: record.length,
            replaces: record.replaces,
            replaced_by: record.replaced_by,
            other_half: record.other_half,
        }
    }
}

/// What is known of an object without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAbout {
    /// Whose it is.
    pub account: AccountId,
    /// Its id.
    pub id: ObjectId,
    /// What it is.
    pub kind: ObjectKind,
    /// Where it stands in its life.
    pub state: ObjectState,
    /// The CMK that its value is sealed under.
    pub key: KeyId,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
    /// From when on it is Active; may be ahead.
    pub activation: Option<Timestamp>,
    /// From when on it is Deactivated; may be ahead.
    pub deactivation: Option<Timestamp>,
    /// When it was said to be compromised.
    pub compromise: Option<Timestamp>,
    /// When its value was taken away.
    pub destruction: Option<Timestamp>,
    /// Its names.
    pub names: Vec<ObjectName>,
    /// What the protocol keeps of it.
    pub attributes: Attributes,
    /// SHA-256 of its value.
    pub digest: [u8; 32],
    /// Bytes of its value.
    pub length: u64,
    /// The object that it replaces.
    pub replaces: Option<ObjectId>,
    /// The object that replaces it.
    pub replaced_by: Option<ObjectId>,
    /// The other half of its key pair, if they were made together.
    pub other_half: Option<ObjectId>,
}

impl ObjectAbout {
    /// What its owner may change of it.
    pub fn editable(&self) -> Editable {
        Editable {
            names: self.names.clone(),
            attributes: self.attributes.clone(),
            activation: self.activation,
            deactivation: self.deactivation,
        }
    }
}
