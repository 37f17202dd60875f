//! Which version a stage stands on: the rules by which versions come and go and stages move.
//!
//! A stage stands on exactly one version. [`Stage::CURRENT`] and [`Stage::PREVIOUS`] move and never vanish; wherever the first leaves a
//! version for another, that one gets the second, unless the caller says where that is to stand.

use std::collections::BTreeSet;

use crate::record::{SecretRecord, VersionEntry};
use crate::{Error, Field, Stage, VersionId};

/// The most stages that a secret can have.
pub(crate) const MAX_STAGES: usize = 8;
/// Versions that are kept of a secret, unless it says otherwise.
pub(crate) const VERSIONS: usize = 10;

impl SecretRecord {
    /// Adds a version with `stages`, or else as the current one. Gives the numbers of those that are not kept any more.
    pub(crate) fn add_version(&mut self, version: VersionEntry, stages: Option<&[Stage]>) -> Result<Vec<u64>, Error> {
        let (number, current) = (version.number, [Stage::current()]);
        let stages: BTreeSet<&Stage> = stages.unwrap_or(&current).iter().collect();
        self.last = number;
        self.versions.push(version);
        let previous_is_named = stages.iter().any(|stage| stage.as_str() == Stage::PREVIOUS);
        for stage in stages {
            self.put_stage(stage, number, previous_is_named);
        }
        self.check_stages()?;
        Ok(self.prune(number))
    }

    /// Moves a stage to a version, or takes a custom one away. False if it stood so already.
    pub(crate) fn move_stage(
        &mut self,
        stage: &Stage,
        to: Option<&VersionId>,
        from: Option<&VersionId>,
    ) -> Result<bool, Error> {
        if let Some(from) = from {
            let from = self.version(from).ok_or(Error::VersionNotFound)?;
            if !from.stages.contains(stage) {
                return Err(Error::invalid(Field::RemoveFrom, "the stage does not stand on this version"));
            }
        }
        let Some(to) = to else {
            if stage.is_own() {
                let why = format!("{} moves to another version and is never removed", stage.as_str());
                return Err(Error::invalid(Field::MoveTo, why));
            }
            if from.is_none() {
                return Err(Error::invalid(Field::MoveTo, "it or the version to remove the stage from must be given"));
            }
            self.lift(stage.as_str());
            return Ok(true);
        };
        let to = self.version(to).ok_or(Error::VersionNotFound)?;
        if to.destroyed {
            return Err(Error::VersionNotFound);
        }
        let number = to.number;
        if to.stages.contains(stage) {
            return Ok(false);
        }
        self.put_stage(stage, number, false);
        self.check_stages()?;
        Ok(true)
    }

    fn put_stage(&mut self, stage: &Stage, number: u64, previous_is_named: bool) {
        let left = self.lift(stage.as_str()).filter(|left| *left != number);
        self.label(stage.clone(), number);
        if stage.as_str() == Stage::CURRENT
            && !previous_is_named
            && let Some(left) = left
        {
            self.lift(Stage::PREVIOUS);
            self.label(Stage::previous(), left);
        }
    }

    /// Takes a stage from where it stands; the number of that version.
    fn lift(&mut self, stage: &str) -> Option<u64> {
        let version =
            self.versions.iter_mut().find(|version| version.stages.iter().any(|held| held.as_str() == stage))?;
        version.stages.retain(|held| held.as_str() != stage);
        Some(version.number)
    }

    fn label(&mut self, stage: Stage, number: u64) {
        if let Some(version) = self.versions.iter_mut().find(|version| version.number == number) {
            version.stages.push(stage);
            version.stages.sort_unstable();
        }
    }

    fn check_stages(&self) -> Result<(), Error> {
        let count: usize = self.versions.iter().map(|version| version.stages.len()).sum();
        if count > MAX_STAGES {
            return Err(Error::LimitExceeded(format!("a secret can have at most {MAX_STAGES} stages")));
        }
        Ok(())
    }

    /// Takes away the oldest versions beyond those that are kept: of those without a stage, and of the rest only where nothing else is
    /// left. The current one and the youngest stay.
    fn prune(&mut self, youngest: u64) -> Vec<u64> {
        let most = self.max_versions.map_or(VERSIONS, |most| most.max(1) as usize);
        let mut gone = Vec::new();
        while self.versions.len() > most {
            let may_go = |version: &&VersionEntry| {
                version.number != youngest && version.stages.iter().all(|stage| stage.as_str() != Stage::CURRENT)
            };
            let oldest =
                self.versions.iter().filter(may_go).min_by_key(|version| (!version.stages.is_empty(), version.number));
            let Some(number) = oldest.map(|version| version.number) else { break };
            self.versions.retain(|version| version.number != number);
            gone.push(number);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use yaoku_iam::{Tags, Timestamp};
    use yaoku_kms::KeyId;

    use super::*;
    use crate::record::Purpose;
    use crate::{SecretId, ValueKind};

    fn secret(max_versions: Option<u32>) -> SecretRecord {
        SecretRecord {
            id: SecretId::from_bytes([0; 16]),
            purpose: Purpose::Generic,
            description: String::new(),
            created: Timestamp(0),
            updated: Timestamp(0),
            key: KeyId::from_bytes([0; 16]),
            is_service_key: false,
            deletion: None,
            tags: Tags::default(),
            versions: Vec::new(),
            last: 0,
            max_versions,
            expects_last: false,
            delete_versions_after: None,
            custom_metadata: BTreeMap::new(),
            policy: None,
            rotations: Vec::new(),
        }
    }

    fn version(number: u64) -> VersionEntry {
        VersionEntry {
            number,
            id: id(number),
            created: Timestamp(number),
            kind: ValueKind::Text,
            stages: Vec::new(),
            deleted: None,
            destroyed: false,
        }
    }

    fn id(number: u64) -> VersionId {
        VersionId::of_number(number)
    }

    fn stage(text: &str) -> Stage {
        Stage::parse(text).unwrap()
    }

    fn put(secret: &mut SecretRecord, stages: Option<&[&str]>) -> Result<Vec<u64>, Error> {
        let stages: Option<Vec<_>> = stages.map(|stages| stages.iter().map(|text| stage(text)).collect());
        secret.add_version(version(secret.last + 1), stages.as_deref())
    }

    /// Each version with its stages: `1:ACSPrevious 2:ACSCurrent`.
    fn shown(secret: &SecretRecord) -> String {
        let stages = |version: &VersionEntry| {
            let stages: Vec<_> = version.stages.iter().map(Stage::as_str).collect();
            format!("{}:{}", version.number, stages.join(","))
        };
        secret.versions.iter().map(stages).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_new_version_is_the_current_one_unless_it_gets_other_stages() {
        let mut secret = secret(None);
        put(&mut secret, None).unwrap();
        assert_eq!(shown(&secret), "1:ACSCurrent");
        put(&mut secret, None).unwrap();
        assert_eq!(shown(&secret), "1:ACSPrevious 2:ACSCurrent");
        put(&mut secret, None).unwrap();
        assert_eq!(shown(&secret), "1: 2:ACSPrevious 3:ACSCurrent");
        put(&mut secret, Some(&["blue"])).unwrap();
        assert_eq!(shown(&secret), "1: 2:ACSPrevious 3:ACSCurrent 4:blue");
        put(&mut secret, Some(&["ACSCurrent", "blue", "blue"])).unwrap();
        assert_eq!(shown(&secret), "1: 2: 3:ACSPrevious 4: 5:ACSCurrent,blue");
        put(&mut secret, Some(&["ACSCurrent", "ACSPrevious"])).unwrap();
        assert_eq!(shown(&secret), "1: 2: 3: 4: 5:blue 6:ACSCurrent,ACSPrevious");
    }

    #[test]
    fn stages_move_as_they_are_told() {
        let mut secret = secret(None);
        (0..3).for_each(|_| drop(put(&mut secret, None).unwrap()));
        // Back to an older version: what counted until then is the previous one.
        assert!(secret.move_stage(&stage("ACSCurrent"), Some(&id(1)), None).unwrap());
        assert_eq!(shown(&secret), "1:ACSCurrent 2: 3:ACSPrevious");
        assert!(secret.move_stage(&stage("ACSCurrent"), Some(&id(3)), Some(&id(1))).unwrap());
        assert_eq!(shown(&secret), "1:ACSPrevious 2: 3:ACSCurrent");
        assert!(secret.move_stage(&stage("blue"), Some(&id(2)), None).unwrap());
        assert!(!secret.move_stage(&stage("blue"), Some(&id(2)), None).unwrap(), "it stands there");
        assert!(secret.move_stage(&stage("blue"), Some(&id(3)), None).unwrap());
        assert_eq!(shown(&secret), "1:ACSPrevious 2: 3:ACSCurrent,blue");
        assert!(secret.move_stage(&stage("blue"), None, Some(&id(3))).unwrap());
        assert_eq!(shown(&secret), "1:ACSPrevious 2: 3:ACSCurrent");
        let invalid = |result: Result<bool, Error>, of: Field| {
            assert!(matches!(result, Err(Error::Invalid { field, .. }) if field == of), "{result:?}");
        };
        invalid(secret.move_stage(&stage("ACSCurrent"), None, Some(&id(3))), Field::MoveTo);
        invalid(secret.move_stage(&stage("ACSPrevious"), None, Some(&id(1))), Field::MoveTo);
        invalid(secret.move_stage(&stage("blue"), None, None), Field::MoveTo);
        invalid(secret.move_stage(&stage("ACSCurrent"), Some(&id(2)), Some(&id(1))), Field::RemoveFrom);
        for (to, from) in [(Some(9), None), (None, Some(9))] {
            let moved = secret.move_stage(&stage("blue"), to.map(id).as_ref(), from.map(id).as_ref());
            assert!(matches!(moved, Err(Error::VersionNotFound)));
        }
        assert_eq!(shown(&secret), "1:ACSPrevious 2: 3:ACSCurrent");
    }

    #[test]
    fn beyond_ten_the_oldest_version_without_a_stage_goes() {
        let mut secret = secret(None);
        put(&mut secret, None).unwrap();
        secret.move_stage(&stage("keep"), Some(&id(1)), None).unwrap();
        for _ in 1..10 {
            assert!(put(&mut secret, None).unwrap().is_empty());
        }
        assert_eq!(put(&mut secret, None).unwrap(), [2]);
        assert_eq!(put(&mut secret, Some(&["pending"])).unwrap(), [3]);
        assert_eq!(secret.versions.first().map(|version| version.number), Some(1));
    }

    #[test]
    fn a_secret_can_keep_fewer_versions() {
        let mut secret = secret(Some(1));
        put(&mut secret, None).unwrap();
        assert_eq!(put(&mut secret, None).unwrap(), [1]);
        assert_eq!(shown(&secret), "2:ACSCurrent");
    }

    #[test]
    fn there_are_at_most_eight_stages() {
        let mut secret = secret(None);
        put(&mut secret, Some(&["ACSCurrent", "a", "b", "c", "d", "e", "f"])).unwrap();
        put(&mut secret, None).unwrap();
        assert_eq!(secret.versions.iter().map(|version| version.stages.len()).sum::<usize>(), 8);
        assert!(matches!(put(&mut secret.clone(), Some(&["g"])), Err(Error::LimitExceeded(_))));
        assert!(matches!(secret.move_stage(&stage("g"), Some(&id(1)), None), Err(Error::LimitExceeded(_))));
    }

    proptest! {
        #[test]
        fn a_stage_stands_on_one_version_and_there_is_always_a_current_one(
            steps in prop::collection::vec((0..4u8, 0..6usize, 1..14u64), 0..40),
        ) {
            let stages = ["ACSCurrent", "ACSPrevious", "a", "b", "c", "d"];
            let mut secret = secret(None);
            put(&mut secret, None).unwrap();
            for (step, which, number) in steps {
                let before = secret.clone();
                let failed = match step {
                    0 => put(&mut secret, None).is_err(),
                    1 => put(&mut secret, Some(&[stages[which]])).is_err(),
                    2 => secret.move_stage(&stage(stages[which]), Some(&id(number)), None).is_err(),
                    _ => secret.move_stage(&stage(stages[which]), None, Some(&id(number))).is_err(),
                };
                if failed {
                    // What fails is not committed.
                    secret = before;
                }
                let all: Vec<_> = secret.versions.iter().flat_map(|version| &version.stages).collect();
                prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
                prop_assert!(all.len() <= MAX_STAGES && secret.versions.len() <= VERSIONS);
                prop_assert!(secret.staged(Stage::CURRENT).is_some());
                prop_assert!(secret.versions.is_sorted_by_key(|version| version.number));
            }
        }
    }
}
