//! Versions of keys, and when new ones are made.

use yaoku_iam::{Call, Operation, OperationSpec};

use super::{Listing, Page};
use crate::admission::proceed;
use crate::change::{ATTEMPTS, Changed, contended, key_update};
use crate::keyring::Key;
use crate::kms::versions;
use crate::material::{self, Made};
use crate::record::{KeyRecord, version_name};
use crate::resource::{KEY, SERVICE, key_states};
use crate::spec::Primitive;
use crate::{Error, Field, KeyId, KeyRef, KeySpec, KeyVersion, KeyVersionId, Kms, Origin, RotationInterval, Timestamp};

/// Makes a new version of a key, which becomes its primary one: rotation on demand.
pub struct CreateKeyVersion {
    /// The key.
    pub key: KeyRef,
}

impl Operation for CreateKeyVersion {
    type Domain = Kms;
    type Output = KeyVersion;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CreateKeyVersion", &[KEY], key_states::USE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<KeyVersion, Error> {
        let id = kms.admit(call, &Self::SPEC, &self.key).await?.id;
        // Made once, after the first look: that of RSA takes its time.
        let mut material = None;
        for _ in 0..ATTEMPTS {
            let _one = match &material {
                Some(_) => Some(kms.changing.enter(id, call.standing(Self::SPEC.revokes)).await),
                None => None,
            };
            let key = kms.admit_change(call, &Self::SPEC, id).await?;
            if key.record.origin == Origin::External {
                return Err(Error::Origin(key.record.origin));
            }
            let (limit, interval) = match key.record.spec.primitive() {
                Primitive::Aead(_) => (kms.config.quotas.key_versions, kms.config.key_version_interval),
                Primitive::KeyPair(_) => (kms.config.quotas.key_pair_versions, kms.config.key_pair_version_interval),
                // A MAC does not say which version made it.
                Primitive::Mac(_) => return Err(Error::Unsuitable("MAC keys have only one version")),
            };
            if key.record.versions >= limit {
                return Err(Error::LimitExceeded(format!("the key has reached its limit of {limit} versions")));
            }
            let now = kms.clock.now();
            if interval > 0 && now < key.record.last_version.plus_seconds(interval) {
                let days = interval.div_ceil(86_400);
                return Err(Error::LimitExceeded(format!("a key can have a new version at most every {days} days")));
            }
            proceed(call)?;
            let made = match &material {
                Some(made) => made,
                None => {
                    material = Some(material::generate(kms, call, key.account, key.id, &key.record).await?);
                    continue;
                }
            };
            if let Some(version) = rotate_to(kms, call, key, now, made).await? {
                return Ok(version);
            }
        }
        Err(contended())
    }
}

/// Gives a key a new version of fresh random material, its primary one if it has such; none if another change of the key
/// came first.
pub(crate) async fn rotate(kms: &Kms, call: &Call<'_>, key: Key, now: Timestamp) -> Result<Option<KeyVersion>, Error> {
    let made = material::generate(kms, call, key.account, key.id, &key.record).await?;
    rotate_to(kms, call, key, now, &made).await
}

async fn rotate_to(
    kms: &Kms,
    call: &Call<'_>,
    mut key: Key,
    now: Timestamp,
    made: &Made,
) -> Result<Option<KeyVersion>, Error> {
    let id = KeyVersionId::generate(kms.vault.random())?;
    key.record.primary = key.record.spec.has_primary().then_some(id);
    key.record.versions = key.record.versions.saturating_add(1);
    // Younger than all that there are, whatever the clock says: versions are counted by age.
    let created = now.max(Timestamp(key.record.last_version.0.saturating_add(1)));
    key.record.last_version = created;
    key.record.last_rotation = created;
    let mut changes = key_update(&key)?;
    made.enter(&mut changes, version_name(key.account, key.id, id), created);
    Ok(kms.commit(call, changes).await?.then_some(KeyVersion { key: key.id, id, created }))
}

/// Tells when a version was made.
pub struct DescribeKeyVersion {
    /// The key.
    pub key: KeyRef,
    /// Its version.
    pub version: KeyVersionId,
}

impl Operation for DescribeKeyVersion {
    type Domain = Kms;
    type Output = KeyVersion;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "DescribeKeyVersion", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<KeyVersion, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key).await?;
        let version = kms.version(&key, self.version).await?;
        proceed(call)?;
        Ok(KeyVersion { key: key.id, id: self.version, created: version.created })
    }
}

/// Lists a key's versions, oldest first.
pub struct ListKeyVersions {
    /// The key.
    pub key: KeyRef,
    /// Which page.
    pub page: Page,
}

impl Operation for ListKeyVersions {
    type Domain = Kms;
    type Output = Listing<KeyVersion>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListKeyVersions", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Listing<KeyVersion>, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key).await?;
        proceed(call)?;
        let all = versions(&kms.vault, &key).await?;
        let total = all.len() as u64;
        let skip = usize::try_from(self.page.skip()).unwrap_or(usize::MAX);
        let page = all.into_iter().skip(skip).take(self.page.size as usize);
        let items = page.map(|(id, created)| KeyVersion { key: key.id, id, created }).collect();
        Ok(Listing { items, total })
    }
}

/// # Errors
/// For keys that do not rotate by themselves.
pub(crate) fn check_rotation(spec: KeySpec, origin: Origin) -> Result<(), Error> {
    if origin == Origin::External {
        return Err(Error::Origin(origin));
    }
    match spec.primitive() {
        Primitive::Aead(_) => Ok(()),
        Primitive::KeyPair(_) | Primitive::Mac(_) => {
            Err(Error::invalid(Field::AutomaticRotation, "only symmetric keys support automatic rotation"))
        }
    }
}

/// Sets the period after which a key rotates by itself; none ends automatic rotation.
pub struct UpdateRotationPolicy {
    /// The key.
    pub key: KeyId,
    /// The period.
    pub interval: Option<RotationInterval>,
}

impl Operation for UpdateRotationPolicy {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "UpdateRotationPolicy", &[KEY], key_states::USE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let change = |record: &mut KeyRecord, _| {
            check_rotation(record.spec, record.origin)?;
            let changed = if record.rotation == self.interval { Changed::Nothing } else { Changed::Something };
            record.rotation = self.interval;
            Ok(changed)
        };
        kms.change_key(call, &Self::SPEC, self.key, change).await
    }
}
