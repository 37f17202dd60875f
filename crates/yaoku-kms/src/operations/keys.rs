//! Making, finding, switching, protecting and deleting keys.

use std::mem;

use parking_lot::Mutex;
use yaoku_iam::quota::Reservation;
use yaoku_iam::{AccountId, Call, Operation, OperationSpec, Tags};
use yaoku_seal::Changes;

use super::aliases::{CreateAlias, reserve_new_alias};
use super::policies::KeyPolicy;
use super::versions::check_rotation;
use super::{Listing, Page};
use crate::admission::proceed;
use crate::change::{ATTEMPTS, Changed, contended};
use crate::material;
use crate::record::{AliasRecord, KeyRecord, alias_name, key_name, version_name};
use crate::resource::{ALIAS, KEY, SERVICE, key_states};
use crate::{
    AliasName, Error, Field, KeyFilters, KeyId, KeyMetadata, KeyRef, KeySpec, KeyState, KeyUsage, KeyVersionId, Kms,
    Origin, ProtectionLevel, RotationInterval, Tag,
};

/// The most characters that a description can have.
pub const MAX_DESCRIPTION: usize = 8192;

/// Makes a key; unless its origin is external, with a first version.
pub struct CreateKey {
    /// Algorithm and size.
    pub spec: KeySpec,
    /// What it is for; the spec's own usage by default.
    pub usage: Option<KeyUsage>,
    /// Where its material comes from.
    pub origin: Origin,
    /// Where its material is held.
    pub protection: ProtectionLevel,
    /// At most [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// Period of automatic rotation.
    pub rotation: Option<RotationInterval>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Its policy; none for the default.
    pub policy: Option<KeyPolicy>,
}

impl Operation for CreateKey {
    type Domain = Kms;
    type Output = KeyMetadata;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CreateKey", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<KeyMetadata, Error> {
        self.create(kms, call, None, || kms.allow_all(call, &Self::SPEC, KEY)).await
    }
}

/// Makes a key that has a name and is protected from deletion from the beginning: both with it, or nothing.
pub struct CreateNamedKey {
    /// The key.
    pub key: CreateKey,
    /// Its alias.
    pub alias: AliasName,
    /// Why it may not be deleted.
    pub protection: String,
}

impl Operation for CreateNamedKey {
    type Domain = Kms;
    type Output = KeyMetadata;
    const SPEC: OperationSpec = CreateKey::SPEC;

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<KeyMetadata, Error> {
        check_description(&self.protection)?;
        let allow = || {
            kms.allow_all(call, &Self::SPEC, KEY)?;
            kms.allow_named(call, &CreateAlias::SPEC, ALIAS, self.alias.as_str())
        };
        let named = Named { alias: &self.alias, protection: Some(&self.protection) };
        self.key.create(kms, call, Some(named), allow).await
    }
}

/// What a key has from the beginning beside itself.
struct Named<'a> {
    alias: &'a AliasName,
    /// Why it may not be deleted, if it may not.
    protection: Option<&'a String>,
}

impl Kms {
    /// The CMK of the caller's account that the service itself uses for some purpose, by the alias that it has. Made where there is none
    /// yet, on the ground of what `allow` decides on the caller.
    ///
    /// # Errors
    /// Those of `allow`, and of [`CreateKey`].
    pub async fn service_key(
        &self,
        call: &Call<'_>,
        alias: &AliasName,
        description: &str,
        allow: impl Fn() -> Result<(), Error> + Send + Sync,
    ) -> Result<KeyId, Error> {
        let account = call.principal.account();
        for _ in 0..ATTEMPTS {
            if let Some((id, _)) = self.alias(account, alias) {
                return Ok(id);
            }
            let create = CreateKey {
                spec: KeySpec::Aes256,
                usage: None,
                origin: Origin::Generated,
                protection: ProtectionLevel::Software,
                description: description.to_owned(),
                rotation: None,
                tags: Vec::new(),
                policy: None,
            };
            match create.create(self, call, Some(Named { alias, protection: None }), &allow).await {
                Ok(made) => return Ok(made.id),
                // Another call has made it.
                Err(Error::AliasExists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(contended())
    }
}

impl CreateKey {
    /// Makes the key; with an alias, if it is given one.
    async fn create(
        self,
        kms: &Kms,
        call: &Call<'_>,
        named: Option<Named<'_>>,
        allow: impl Fn() -> Result<(), Error> + Send + Sync,
    ) -> Result<KeyMetadata, Error> {
        allow()?;
        check_description(&self.description)?;
        let usage = self.usage.unwrap_or(self.spec.default_usage());
        if !self.spec.allows(usage) {
            return Err(Error::invalid(Field::KeyUsage, "keys of this spec do not support this usage"));
        }
        if self.rotation.is_some() {
            check_rotation(self.spec, self.origin)?;
        }
        if self.protection == ProtectionLevel::Hsm {
            kms.check_hsm(call, self.spec, usage, self.origin).await?;
        }
        let mut tags = Tags::default();
        tags.put(self.tags.iter().map(Tag::parts))?;
        let account = call.principal.account();
        drop(kms.reserve_key(account)?);
        proceed(call)?;
        let (id, now) = (KeyId::generate(kms.vault.random())?, kms.clock.now());
        if let Some(policy) = &self.policy {
            policy.check_attached(kms, account, id)?;
        }
        let mut record = KeyRecord {
            spec: self.spec,
            usage,
            origin: self.origin,
            protection: self.protection,
            state: KeyState::PendingImport,
            created: now,
            description: self.description,
            primary: None,
            versions: 0,
            last_version: now,
            last_rotation: now,
            rotation: self.rotation,
            deletion: None,
            protected: named.as_ref().and_then(|named| named.protection.cloned()),
            tags,
            imported: None,
            policy: self.policy.map(Into::into),
        };
        let name = key_name(account, id);
        let mut first = None;
        if self.origin == Origin::Generated {
            let version = KeyVersionId::generate(kms.vault.random())?;
            first = Some((version, material::generate(kms, call, account, id, &record).await?));
            record.state = KeyState::Enabled;
            record.primary = self.spec.has_primary().then_some(version);
            record.versions = 1;
        }
        call.touch(KEY, id.into());
        for _ in 0..ATTEMPTS {
            // It may have waited for its turn: what was taken from the caller meanwhile counts.
            call.rest_on_authority();
            allow()?;
            let _reserved = kms.reserve_key(account)?;
            let expected = vec![(name.clone(), None)];
            let mut changes = Changes { expected, puts: vec![(name.clone(), record.encode()?)], ..Changes::default() };
            if let Some((version, made)) = &first {
                made.enter(&mut changes, version_name(account, id, *version), now);
            }
            let mut alias_reserved = None;
            if let Some(Named { alias, .. }) = named {
                alias_reserved = Some(reserve_new_alias(kms, account, alias)?);
                let name = alias_name(account, alias);
                changes.expected.push((name.clone(), None));
                changes.puts.push((name, AliasRecord { key: id }.encode()?));
            }
            if kms.commit(call, changes).await? {
                return Ok(record.metadata(id, account, now));
            }
            drop(alias_reserved);
        }
        Err(contended())
    }
}

impl Kms {
    /// Makes sure that an account can have a further key, for as long as what is returned is held.
    fn reserve_key(&self, account: AccountId) -> Result<Reservation<'_, AccountId>, Error> {
        let limit = self.config.quotas.keys;
        let there = || self.read_catalogue(account, |catalogue| catalogue.key_count());
        let reserved = self.keys_under_way.reserve(account, 1, limit, there);
        reserved.ok_or_else(|| Error::LimitExceeded(format!("the account has reached its limit of {limit} keys")))
    }
}

/// Tells what a key is and how it stands.
pub struct DescribeKey {
    /// The key.
    pub key: KeyRef,
}

impl Operation for DescribeKey {
    type Domain = Kms;
    type Output = KeyMetadata;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "DescribeKey", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<KeyMetadata, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key).await?;
        proceed(call)?;
        Ok(key.record.metadata(key.id, key.account, kms.clock.now()))
    }
}

/// Lists keys in order of creation.
pub struct ListKeys {
    /// Conditions.
    pub filters: KeyFilters,
    /// Which page.
    pub page: Page,
}

impl Operation for ListKeys {
    type Domain = Kms;
    type Output = Listing<KeyId>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListKeys", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Listing<KeyId>, Error> {
        kms.allow_all(call, &Self::SPEC, KEY)?;
        proceed(call)?;
        let _scan = match self.filters.0.is_empty() {
            true => None,
            false => Some(kms.scans.enter(call).await?),
        };
        let cut = kms.read_catalogue(call.principal.account(), |catalogue| {
            catalogue.keys(&self.filters, self.page.skip(), self.page.size as usize)
        });
        Ok(Listing { items: cut.items, total: cut.total })
    }
}

/// Switches a key on.
pub struct EnableKey {
    /// The key.
    pub key: KeyId,
}

impl Operation for EnableKey {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "EnableKey", &[KEY], key_states::SWITCH);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        switch(kms, call, &Self::SPEC, self.key, KeyState::Enabled).await
    }
}

/// Switches a key off: nothing uses it until it is enabled again.
pub struct DisableKey {
    /// The key.
    pub key: KeyId,
}

impl Operation for DisableKey {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "DisableKey", &[KEY], key_states::SWITCH).revoking();

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        switch(kms, call, &Self::SPEC, self.key, KeyState::Disabled).await
    }
}

async fn switch(kms: &Kms, call: &Call<'_>, spec: &OperationSpec, key: KeyId, to: KeyState) -> Result<(), Error> {
    let change = |record: &mut KeyRecord, _| {
        let changed = if record.state == to { Changed::Nothing } else { Changed::Something };
        record.state = to;
        Ok(changed)
    };
    kms.change_key(call, spec, key, change).await
}

/// Sets the time at which a key is deleted for good, with all its versions and aliases.
pub struct ScheduleKeyDeletion {
    /// The key.
    pub key: KeyId,
    /// Days from now: 7 to 366.
    pub pending_days: u32,
}

impl ScheduleKeyDeletion {
    /// What takes it back.
    const UNDO: OperationSpec = OperationSpec::write(SERVICE, "ScheduleKeyDeletion", &[KEY], key_states::SAVE);
}

impl Operation for ScheduleKeyDeletion {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "ScheduleKeyDeletion", &[KEY], key_states::STAY).revoking();

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        if !(7..=366).contains(&self.pending_days) {
            return Err(Error::invalid(Field::PendingWindow, "it must be 7 to 366 days"));
        }
        let account = call.principal.account();
        let before = Mutex::new(KeyState::Enabled);
        let change = |record: &mut KeyRecord, now: crate::Timestamp| {
            if record.protected.is_some() {
                return Err(Error::StateChange("deletion protection is on; turn it off first"));
            }
            kms.check_unused(account, self.key)?;
            *before.lock() = mem::replace(&mut record.state, KeyState::PendingDeletion);
            record.deletion = Some(now.plus_seconds(u64::from(self.pending_days) * 86_400));
            Ok(Changed::Something)
        };
        kms.change_key(call, &Self::SPEC, self.key, change).await?;
        // What was encrypted under the key between the check and the commit is known by now, and from the commit on nothing is.
        let scheduled = kms.stored_key(account, self.key).await?;
        let unused = kms.check_unused_by(scheduled.revision, account, self.key).await;
        if matches!(unused, Err(Error::InUse(_))) {
            let undo = |record: &mut KeyRecord, _| {
                record.state = *before.lock();
                record.deletion = None;
                Ok(Changed::Something)
            };
            kms.change_key(call, &Self::UNDO, self.key, undo).await?;
        }
        unused
    }
}

/// Saves a key from deletion: it is Enabled again, or PendingImport if it has no material.
pub struct CancelKeyDeletion {
    /// The key.
    pub key: KeyId,
}

impl Operation for CancelKeyDeletion {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CancelKeyDeletion", &[KEY], key_states::SAVE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let change = |record: &mut KeyRecord, now: crate::Timestamp| {
            if record.deletion.is_some_and(|due| due <= now) {
                return Err(Error::KeyNotFound);
            }
            record.state = if record.has_material() { KeyState::Enabled } else { KeyState::PendingImport };
            record.deletion = None;
            Ok(Changed::Something)
        };
        kms.change_key(call, &Self::SPEC, self.key, change).await
    }
}

/// Keeps a key from being deleted, or no longer.
pub struct SetDeletionProtection {
    /// The key.
    pub key: KeyId,
    /// The owner's words on why it may not be deleted; none lifts the protection.
    pub protection: Option<String>,
}

impl Operation for SetDeletionProtection {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "SetDeletionProtection", &[KEY], key_states::DESCRIBE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        if let Some(description) = &self.protection {
            check_description(description)?;
        }
        let change = |record: &mut KeyRecord, _| {
            record.protected.clone_from(&self.protection);
            Ok(Changed::Something)
        };
        kms.change_key(call, &Self::SPEC, self.key, change).await
    }
}

/// Replaces a key's description.
pub struct UpdateKeyDescription {
    /// The key.
    pub key: KeyId,
    /// At most [`MAX_DESCRIPTION`] characters.
    pub description: String,
}

impl Operation for UpdateKeyDescription {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "UpdateKeyDescription", &[KEY], key_states::DESCRIBE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        check_description(&self.description)?;
        let change = |record: &mut KeyRecord, _| {
            record.description.clone_from(&self.description);
            Ok(Changed::Something)
        };
        kms.change_key(call, &Self::SPEC, self.key, change).await
    }
}

fn check_description(description: &str) -> Result<(), Error> {
    if description.chars().nth(MAX_DESCRIPTION).is_some() {
        return Err(Error::invalid(Field::Description, format!("it can have at most {MAX_DESCRIPTION} characters")));
    }
    Ok(())
}
