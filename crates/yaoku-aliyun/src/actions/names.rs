//! The protocol's names of values.

/// A name of the protocol for a value of the domain.
pub(super) trait Named: Copy + PartialEq + Sized + 'static {
    /// Every value with its name.
    const NAMES: &'static [(Self, &'static str)];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(value, _)| *value == self).map_or("", |(_, name)| name)
    }

    /// Names are case-sensitive.
    fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
    }
}
