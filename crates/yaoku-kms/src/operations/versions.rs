//! Versions of keys, and when new ones are made.

use yaoku_iam::ResourceKind::Key as KeyResource;

use super::{Listing, Page};
use crate::keyring::Key;
use crate::kms::{ATTEMPTS, Changed, contended, key_update, versions};
use crate::material::{self, Made};
use crate::record::{KeyRecord, version_name};
use crate::spec::Primitive;
use crate::{
    Access, Call, Error, Field, KeyId, KeyRef, KeySpec, KeyVersion, KeyVersionId, Kms, Operation, OperationSpec,
    Origin, RotationInterval, StateRule, Timestamp,
};

const fn spec(name: &'static str, states: StateRule, access: Access) -> OperationSpec {
    OperationSpec { name, permissions: &[], resources: &[KeyResource], states, access }
}

/// Makes a new version of a key, which becomes its primary one: rotation on demand.
pub struct CreateKeyVersion {
    /// The key.
    pub key: KeyRef,
}

impl Operation for CreateKeyVersion {
    type Output = KeyVersion;
    const SPEC: OperationSpec = spec("CreateKeyVersion", StateRule::USE, Access::Write);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<KeyVersion, Error> {
        let id = kms.admit(call, &Self::SPEC, &self.key).await?.id;
        // Made once, after the first look: that of RSA takes its time.
        let mut material = None;
        for _ in 0..ATTEMPTS {
            let key = kms.stored_key(call.principal.account(), id).await?;
            Self::SPEC.states.check(key.record.state_at(kms.clock.now()))?;
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
            call.proceed()?;
            let made = match &material {
                Some(made) => made,
                None => {
                    material = Some(material::generate(kms, key.account, key.id, &key.record).await?);
                    // It may have waited for its turn: what was taken from the caller meanwhile counts.
                    kms.admit(call, &Self::SPEC, &self.key).await?;
                    continue;
                }
            };
            if let Some(version) = rotate_to(kms, key, now, made).await? {
                return Ok(version);
            }
        }
        Err(contended())
    }
}

/// Gives a key a new version of fresh random material, its primary one if it has such; none if another change of the key
/// came first.
pub(crate) async fn rotate(kms: &Kms, key: Key, now: Timestamp) -> Result<Option<KeyVersion>, Error> {
    let made = material::generate(kms, key.account, key.id, &key.record).await?;
    rotate_to(kms, key, now, &made).await
}

async fn rotate_to(kms: &Kms, mut key: Key, now: Timestamp, made: &Made) -> Result<Option<KeyVersion>, Error> {
    let id = KeyVersionId::generate(kms.vault.random())?;
    key.record.primary = key.record.spec.has_primary().then_some(id);
    key.record.versions = key.record.versions.saturating_add(1);
    key.record.last_version = now;
    key.record.last_rotation = now;
    let mut changes = key_update(&key)?;
    made.enter(&mut changes, version_name(key.account, key.id, id), now);
    Ok(kms.commit(changes).await?.then_some(KeyVersion { key: key.id, id, created: now }))
}

/// Tells when a version was made.
pub struct DescribeKeyVersion {
    /// The key.
    pub key: KeyRef,
    /// Its version.
    pub version: KeyVersionId,
}

impl Operation for DescribeKeyVersion {
    type Output = KeyVersion;
    const SPEC: OperationSpec = spec("DescribeKeyVersion", StateRule::ANY, Access::Read);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<KeyVersion, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key).await?;
        let version = kms.version(&key, self.version).await?;
        call.proceed()?;
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
    type Output = Listing<KeyVersion>;
    const SPEC: OperationSpec = spec("ListKeyVersions", StateRule::ANY, Access::Read);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Listing<KeyVersion>, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key).await?;
        call.proceed()?;
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
    type Output = ();
    const SPEC: OperationSpec = spec("UpdateRotationPolicy", StateRule::USE, Access::Write);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let change = |record: &mut KeyRecord, _| {
            check_rotation(record.spec, record.origin)?;
            let changed = if record.rotation == self.interval { Changed::Nothing } else { Changed::Something };
            record.rotation = self.interval;
            Ok(changed)
        };
        kms.change_key(call, &Self::SPEC, &self.key.into(), change).await
    }
}
