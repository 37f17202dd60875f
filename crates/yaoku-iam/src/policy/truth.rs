//! What is known of whether a statement speaks of a request: yes, no, or that it can't be told.

/// Whether something is so. The order is that of Kleene's logic: "and" is the least of its parts, "or" the greatest.
///
/// What can't be told never counts in the caller's favour: a statement that may speak of a request denies it if it denies, and
/// does not allow it if it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    /// It is not.
    No,
    /// It may be, or not.
    Unknown,
    /// It is.
    Yes,
}

impl Truth {
    /// The opposite; of what can't be told, that can't be told either.
    pub(super) const fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }

    /// The opposite, if there is a negation.
    pub(super) const fn not_if(self, negated: bool) -> Self {
        if negated { self.not() } else { self }
    }
}

impl From<bool> for Truth {
    fn from(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}
