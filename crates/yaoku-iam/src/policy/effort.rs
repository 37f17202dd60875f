//! How much one decision may take: policies and what they are compared with are written by callers, who share the processor with others.

use std::cell::Cell;

/// Characters that one decision compares at the most. Policies that are not written to take long need a few hundred.
const MOST: u32 = 1 << 16;
/// Characters of plain text that are compared for one.
const PLAIN: usize = 16;

/// What a decision may still compare. Once it is spent nothing matches, and nothing is allowed.
pub struct Effort(Cell<u32>);

impl Default for Effort {
    fn default() -> Self {
        Self(Cell::new(MOST))
    }
}

impl Effort {
    /// Takes a comparison of so many characters with wildcards; false where that is more than is left.
    #[inline]
    pub(super) fn take(&self, characters: usize) -> bool {
        let left = u32::try_from(characters).ok().and_then(|characters| self.0.get().checked_sub(characters));
        self.0.set(left.unwrap_or_default());
        left.is_some_and(|left| left > 0)
    }

    /// As [`Self::take`], of plain text, many bytes of which are compared at a time.
    #[inline]
    pub(super) fn take_plain(&self, bytes: usize) -> bool {
        self.take(bytes / PLAIN + 1)
    }

    /// Whether nothing is left: what was decided since does not count.
    pub(super) const fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
