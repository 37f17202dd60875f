//! When a key gets its next primary version.

use serde::{Deserialize, Serialize};

use crate::{Error, Field, KeyState, Timestamp};

const DAY: u64 = 86_400;

/// Period of automatic rotation: 7 to 730 days, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RotationInterval(u64);

impl RotationInterval {
    /// A period of `seconds`.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside 7 to 730 days.
    pub fn from_seconds(seconds: u64) -> Result<Self, Error> {
        if (7 * DAY..=730 * DAY).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(Error::invalid(Field::RotationInterval, "it must be 7 to 730 days"))
        }
    }

    /// The period in seconds.
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

/// What a key's owner is told of its automatic rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStatus {
    /// The key does not rotate by itself.
    Disabled,
    /// The key rotates when its period is over.
    Enabled,
    /// The key has a period, but is not Enabled: it rotates again when it is.
    Suspended,
}

impl RotationStatus {
    pub(crate) const fn of(interval: Option<RotationInterval>, state: KeyState) -> Self {
        match (interval, state) {
            (None, _) => Self::Disabled,
            (Some(_), KeyState::Enabled) => Self::Enabled,
            (Some(_), KeyState::Disabled | KeyState::PendingDeletion | KeyState::PendingImport) => Self::Suspended,
        }
    }
}

/// The moment of the next rotation.
pub(crate) const fn next(last: Timestamp, interval: RotationInterval) -> Timestamp {
    last.plus_seconds(interval.seconds())
}
