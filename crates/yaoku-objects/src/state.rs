//! Where an object stands in its life (KMIP 1.4, section 3.22; NIST SP 800-57 part 1, section 7).

use serde::{Deserialize, Serialize};
use yaoku_iam::Timestamp;

use crate::Error;

/// Where an object stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ObjectState {
    /// Made, and not yet to be used.
    PreActive,
    /// In use.
    Active,
    /// Used no more to protect anything.
    Deactivated,
    /// Somebody else may know it.
    Compromised,
    /// Its value is gone.
    Destroyed,
    /// Its value is gone, and somebody else may know it.
    DestroyedCompromised,
}

impl ObjectState {
    /// Every state that there is, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::PreActive,
        Self::Active,
        Self::Deactivated,
        Self::Compromised,
        Self::Destroyed,
        Self::DestroyedCompromised,
    ];

    /// Whether the value is gone.
    pub const fn is_destroyed(self) -> bool {
        matches!(self, Self::Destroyed | Self::DestroyedCompromised)
    }
}

/// What moved an object from state to state, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    /// From when on it is Active; may be ahead.
    pub(crate) activation: Option<Timestamp>,
    /// From when on it is Deactivated; may be ahead.
    pub(crate) deactivation: Option<Timestamp>,
    pub(crate) compromise: Option<Timestamp>,
    pub(crate) destruction: Option<Timestamp>,
}

impl Life {
    /// The state at a moment.
    pub(crate) fn state_at(&self, now: Timestamp) -> ObjectState {
        let has_come = |time: Option<Timestamp>| time.is_some_and(|time| time <= now);
        match (self.destruction.is_some(), self.compromise.is_some()) {
            (true, true) => ObjectState::DestroyedCompromised,
            (true, false) => ObjectState::Destroyed,
            (false, true) => ObjectState::Compromised,
            (false, false) if has_come(self.deactivation) => ObjectState::Deactivated,
            (false, false) if has_come(self.activation) => ObjectState::Active,
            (false, false) => ObjectState::PreActive,
        }
    }

    /// Begins its use.
    pub(crate) fn activate(&mut self, now: Timestamp) -> Result<(), Error> {
        match self.state_at(now) {
            ObjectState::PreActive => {
                self.activation = Some(now);
                Ok(())
            }
            state => Err(Error::State(state)),
        }
    }

    /// Sets when its use begins and ends: neither once that has come.
    pub(crate) fn reschedule(
        &mut self,
        now: Timestamp,
        activation: Option<Timestamp>,
        deactivation: Option<Timestamp>,
    ) -> Result<(), Error> {
        let state = self.state_at(now);
        if activation != self.activation && state != ObjectState::PreActive {
            return Err(Error::State(state));
        }
        if deactivation != self.deactivation && !matches!(state, ObjectState::PreActive | ObjectState::Active) {
            return Err(Error::State(state));
        }
        (self.activation, self.deactivation) = (activation, deactivation);
        self.check_order()
    }

    /// Makes sure that its use does not end before it begins.
    pub(crate) fn check_order(&self) -> Result<(), Error> {
        match (self.activation, self.deactivation) {
            (Some(activation), Some(deactivation)) if deactivation < activation => {
                Err(Error::Invalid("an object can't be deactivated before it is activated".into()))
            }
            _ => Ok(()),
        }
    }

    /// Ends its use; with a compromise, from any state.
    pub(crate) fn revoke(&mut self, now: Timestamp, is_compromised: bool) -> Result<(), Error> {
        match (self.state_at(now), is_compromised) {
            (ObjectState::DestroyedCompromised | ObjectState::Compromised, true) => {
                Err(Error::State(self.state_at(now)))
            }
            (_, true) => {
                self.compromise = Some(now);
                Ok(())
            }
            (ObjectState::Active, false) => {
                self.deactivation = Some(now);
                Ok(())
            }
            (state, false) => Err(Error::State(state)),
        }
    }

    /// Takes its value away: not while it is in use.
    pub(crate) fn destroy(&mut self, now: Timestamp) -> Result<(), Error> {
        match self.state_at(now) {
            ObjectState::PreActive | ObjectState::Deactivated | ObjectState::Compromised => {
                self.destruction = Some(now);
                Ok(())
            }
            state => Err(Error::State(state)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The transitions that the specification draws: from, by, to.
    const DRAWN: &[(ObjectState, &str, ObjectState)] = &[
        (ObjectState::PreActive, "activate", ObjectState::Active),
        (ObjectState::PreActive, "destroy", ObjectState::Destroyed),
        (ObjectState::PreActive, "compromise", ObjectState::Compromised),
        (ObjectState::Active, "deactivate", ObjectState::Deactivated),
        (ObjectState::Active, "compromise", ObjectState::Compromised),
        (ObjectState::Deactivated, "compromise", ObjectState::Compromised),
        (ObjectState::Deactivated, "destroy", ObjectState::Destroyed),
        (ObjectState::Compromised, "destroy", ObjectState::DestroyedCompromised),
        (ObjectState::Destroyed, "compromise", ObjectState::DestroyedCompromised),
    ];

    proptest! {
        #[test]
        fn objects_move_as_the_specification_draws_it(deeds in prop::collection::vec(0usize..4, 0..8)) {
            let mut life = Life::default();
            for (at, deed) in (1..).zip(deeds) {
                let now = Timestamp(at);
                let before = life.state_at(now);
                let (name, done) = match deed {
                    0 => ("activate", life.activate(now)),
                    1 => ("deactivate", life.revoke(now, false)),
                    2 => ("compromise", life.revoke(now, true)),
                    _ => ("destroy", life.destroy(now)),
                };
                let drawn = DRAWN.iter().find(|(from, by, _)| (*from, *by) == (before, name));
                prop_assert_eq!(done.is_ok(), drawn.is_some(), "{:?} {}", before, name);
                let after = life.state_at(now);
                prop_assert_eq!(after, drawn.map_or(before, |(_, _, to)| *to));
            }
        }
    }

    #[test]
    fn times_are_set_until_they_have_come() {
        let (now, ahead) = (Timestamp(10), Some(Timestamp(20)));
        let mut life = Life::default();
        assert!(life.reschedule(now, ahead, Some(Timestamp(19))).is_err(), "in their order");
        let mut life = Life::default();
        assert!(life.reschedule(now, Some(now), ahead).is_ok());
        assert_eq!(life.state_at(now), ObjectState::Active);
        assert!(life.reschedule(now, ahead, ahead).is_err(), "it is active");
        assert!(life.reschedule(now, Some(now), Some(now)).is_ok());
        assert_eq!(life.state_at(now), ObjectState::Deactivated);
        assert!(life.reschedule(now, Some(now), ahead).is_err(), "it is deactivated");
    }

    #[test]
    fn dates_ahead_move_it_when_they_come() {
        let life = Life { activation: Some(Timestamp(10)), deactivation: Some(Timestamp(20)), ..Life::default() };
        let states = [9, 10, 19, 20].map(|at| life.state_at(Timestamp(at)));
        use ObjectState::{Active, Deactivated, PreActive};
        assert_eq!(states, [PreActive, Active, Active, Deactivated]);
    }
}
