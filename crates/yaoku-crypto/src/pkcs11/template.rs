//! The attributes that templates of objects have in common.

use cryptoki::object::Attribute;

use super::ObjectId;

/// How long an object stays.
pub(super) enum Lifetime<'a> {
    /// With the session that made it.
    Session,
    /// Until it is destroyed.
    Token {
        object: ObjectId,
        /// For those who look into the token.
        label: &'a str,
    },
}

impl Lifetime<'_> {
    /// What every object has of it, private ones and public ones.
    pub(super) fn attributes(&self) -> Vec<Attribute> {
        match self {
            Self::Session => vec![Attribute::Token(false)],
            Self::Token { object, label } => vec![
                Attribute::Token(true),
                Attribute::Id(object.as_bytes().to_vec()),
                Attribute::Label(label.as_bytes().to_vec()),
            ],
        }
    }
}

/// What keeps a key inside the token.
pub(super) const LOCKED_IN: [Attribute; 3] =
    [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false)];

/// The length of a secret key in bytes.
pub(super) fn value_len(bytes: usize) -> Attribute {
    // Key lengths are far below what a Ulong holds.
    Attribute::ValueLen((bytes as u64).into())
}
