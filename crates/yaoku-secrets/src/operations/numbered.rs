//! Secrets whose versions are told by number: marking versions as deleted, destroying them, and how versions are kept.
//!
//! They ask for the permissions of the operations that do the like to a whole secret, under whose names they stand in the registry.

use std::collections::BTreeMap;

use yaoku_iam::{Call, Operation, OperationSpec, Timestamp};
use yaoku_kms::proceed;

use super::deletion::{DeleteSecret, RestoreSecret};
use super::secrets::{DescribeSecret, UpdateSecret};
use crate::change::{ATTEMPTS, Changed, update};
use crate::record::{SecretRecord, VersionEntry, value_name};
use crate::resource::secret_states;
use crate::stages::VERSIONS;
use crate::{Error, Field, SecretAbout, SecretRef, Secrets, Stage, VersionAbout};

/// The most entries of custom metadata.
pub const MAX_METADATA: usize = 64;
/// The most bytes of a name in custom metadata.
const MAX_METADATA_NAME: usize = 128;
/// The most bytes of a value in custom metadata.
const MAX_METADATA_VALUE: usize = 512;
/// The most bytes of all names and values in custom metadata: the record of every secret is in memory.
const MAX_METADATA_BYTES: usize = 4096;
/// The longest time after which versions can be said to be deleted: a hundred years, in seconds.
const MAX_DELETE_AFTER: u64 = 100 * 366 * 86_400;

/// Tells how a secret and all its versions stand.
pub struct DescribeVersions {
    /// The secret.
    pub secret: SecretRef,
}

/// A secret with its versions.
pub struct DescribedVersions {
    /// The secret.
    pub secret: SecretAbout,
    /// Oldest first.
    pub versions: Vec<VersionAbout>,
    /// How they are kept.
    pub keeping: Keeping,
}

/// How versions of a secret are kept. What is none stays as it is where it is a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keeping {
    /// How many are kept, at most 10; 0 for 10.
    pub max_versions: Option<u32>,
    /// Whether a new version must name the current one.
    pub expects_current: Option<bool>,
    /// Seconds after which a new version is deleted; 0 for never.
    pub delete_after: Option<u64>,
    /// A few words of the owner's.
    pub custom_metadata: Option<BTreeMap<String, String>>,
}

impl Operation for DescribeVersions {
    type Domain = Secrets;
    type Output = DescribedVersions;
    const SPEC: OperationSpec = DescribeSecret::SPEC;

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<DescribedVersions, Error> {
        let secret = secrets.admit(call, &Self::SPEC, &self.secret)?;
        proceed(call)?;
        let record = &secret.record;
        let keeping = Keeping {
            max_versions: Some(record.max_versions.unwrap_or(0)),
            expects_current: Some(record.expects_last),
            delete_after: Some(record.delete_versions_after.unwrap_or(0)),
            custom_metadata: Some(record.custom_metadata.clone()),
        };
        let versions = record.versions.iter().map(VersionAbout::from).collect();
        Ok(DescribedVersions { secret: secret.about(&secrets.iam), versions, keeping })
    }
}

/// Changes how versions of a secret are kept. Versions beyond a smaller number go with the next that is put.
pub struct KeepVersions {
    /// The secret, of the caller's account.
    pub secret: SecretRef,
    /// How.
    pub keeping: Keeping,
}

impl Operation for KeepVersions {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = UpdateSecret::SPEC;

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        self.keeping.check()?;
        let change = |record: &mut SecretRecord, _| {
            record.check_generic()?;
            let Keeping { max_versions, expects_current, delete_after, custom_metadata } = &self.keeping;
            if let Some(most) = max_versions {
                record.max_versions = (*most > 0).then_some(*most);
            }
            if let Some(seconds) = delete_after {
                record.delete_versions_after = (*seconds > 0).then_some(*seconds);
            }
            record.expects_last = expects_current.unwrap_or(record.expects_last);
            if let Some(metadata) = custom_metadata {
                record.custom_metadata.clone_from(metadata);
            }
            Ok((Changed::Something, ()))
        };
        secrets.change(call, &Self::SPEC, &self.secret, change).await
    }
}

impl Keeping {
    fn check(&self) -> Result<(), Error> {
        if self.max_versions.is_some_and(|most| most as usize > VERSIONS) {
            return Err(Error::invalid(Field::MaxVersions, format!("a secret keeps at most {VERSIONS} versions")));
        }
        if self.delete_after.is_some_and(|seconds| seconds > MAX_DELETE_AFTER) {
            return Err(Error::invalid(Field::DeleteAfter, "it must be at most a hundred years"));
        }
        let Some(metadata) = &self.custom_metadata else { return Ok(()) };
        let fits = |(name, value): (&String, &String)| {
            (1..=MAX_METADATA_NAME).contains(&name.len()) && value.len() <= MAX_METADATA_VALUE
        };
        let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        match metadata.len() <= MAX_METADATA && metadata.iter().all(fits) && bytes <= MAX_METADATA_BYTES {
            true => Ok(()),
            false => Err(Error::invalid(
                Field::CustomMetadata,
                format!(
                    "it can have at most {MAX_METADATA} entries, with names of 1 to {MAX_METADATA_NAME} bytes and values of at most \
                     {MAX_METADATA_VALUE}, and {MAX_METADATA_BYTES} bytes in all"
                ),
            )),
        }
    }
}

/// Marks versions as deleted: their values can't be read until they are restored.
pub struct DeleteVersions {
    /// The secret, of the caller's account.
    pub secret: SecretRef,
    /// Numbers of versions; the current one where there are none. What the secret lacks is passed over.
    pub numbers: Vec<u64>,
}

impl Operation for DeleteVersions {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = DeleteSecret::SPEC.in_states(secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        let change = |record: &mut SecretRecord, now: Timestamp| {
            record.check_generic()?;
            let current = record.staged(Stage::CURRENT).map(|version| version.number);
            let is_meant = |number: u64| match self.numbers.is_empty() {
                true => current == Some(number),
                false => self.numbers.contains(&number),
            };
            Ok((mark(record, is_meant, |version| version.check_readable(now).is_ok(), Some(now)), ()))
        };
        secrets.change(call, &Self::SPEC, &self.secret, change).await
    }
}

/// Makes deleted versions readable again, unless they were destroyed.
pub struct RestoreVersions {
    /// The secret, of the caller's account.
    pub secret: SecretRef,
    /// Numbers of versions. What the secret lacks is passed over.
    pub numbers: Vec<u64>,
}

impl Operation for RestoreVersions {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = RestoreSecret::SPEC.in_states(secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        let change = |record: &mut SecretRecord, _| {
            record.check_generic()?;
            let is_meant = |number| self.numbers.contains(&number);
            Ok((mark(record, is_meant, |version| version.deleted.is_some() && !version.destroyed, None), ()))
        };
        secrets.change(call, &Self::SPEC, &self.secret, change).await
    }
}

/// Says of each version that is meant, and not so already, from when on it is deleted.
fn mark(
    record: &mut SecretRecord,
    is_meant: impl Fn(u64) -> bool,
    can_be: impl Fn(&VersionEntry) -> bool,
    deleted: Option<Timestamp>,
) -> Changed {
    let mut changed = Changed::Nothing;
    for version in &mut record.versions {
        if is_meant(version.number) && can_be(version) {
            version.deleted = deleted;
            changed = Changed::Something;
        }
    }
    changed
}

/// Destroys the values of versions, for good. The versions themselves stay listed.
pub struct DestroyVersions {
    /// The secret, of the caller's account.
    pub secret: SecretRef,
    /// Numbers of versions. What the secret lacks is passed over.
    pub numbers: Vec<u64>,
}

impl Operation for DestroyVersions {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = DeleteSecret::SPEC.in_states(secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        let id = secrets.admit(call, &Self::SPEC, &self.secret)?.record.id;
        let _one = secrets.changing.enter(id, call.standing(Self::SPEC.revokes)).await;
        for _ in 0..ATTEMPTS {
            let mut held = secrets.admit_change(call, &Self::SPEC, &self.secret).await?;
            held.record.check_generic()?;
            let (mut gone, now) = (Vec::new(), secrets.clock.now());
            for version in &mut held.record.versions {
                if self.numbers.contains(&version.number) && !version.destroyed {
                    version.destroyed = true;
                    gone.push(value_name(held.account, held.record.id, version.number));
                }
            }
            proceed(call)?;
            if gone.is_empty() {
                return secrets.in_force(held.revision).await;
            }
            held.record.updated = now;
            let mut changes = update(&held)?;
            changes.deletes.extend(gone);
            // The store's files are rewritten without the values some time after.
            changes.puts.push(secrets.kms.scrub_mark()?);
            if secrets.commit(call, changes).await? {
                return Ok(());
            }
        }
        Err(Error::contended())
    }
}
