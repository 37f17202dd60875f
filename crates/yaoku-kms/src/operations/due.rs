//! What is done to keys because it is due: rotation, the end of imported material, and deletion. The service itself asks for it,
//! and needs no permission; nobody else can.

use yaoku_iam::{AccountId, Call, Credential, Denial, Operation, OperationSpec};
use yaoku_seal::Changes;

use super::import::take_away;
use super::versions::rotate;
use crate::keyring::Key;
use crate::kms::versions;
use crate::record::{alias_name, key_name, version_name};
use crate::resource::{KEY, SERVICE, key_states};
use crate::scheduler::Due;
use crate::{Error, KeyId, KeyVersion, Kms, ProtectionLevel};

const fn spec(name: &'static str) -> OperationSpec {
    OperationSpec::write(SERVICE, name, &[], key_states::ANY)
}

/// A key that something is due to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueKey {
    /// Whose it is.
    pub account: AccountId,
    /// Which.
    pub key: KeyId,
}

impl DueKey {
    /// The key as the store has it, if that is still due.
    async fn take_up(self, kms: &Kms, call: &Call<'_>, due: Due) -> Result<Option<Key>, Error> {
        if !matches!(call.credential, Credential::Service) {
            let why = format!("{:?} is not the service itself", call.principal);
            return Err(Error::Denied(Denial { why: why.into(), may_know: true }));
        }
        call.rest_on_authority();
        let key = match kms.stored_key(self.account, self.key).await {
            Err(Error::KeyNotFound) => return Ok(None),
            other => other?,
        };
        call.touch(KEY, key.id.into());
        Ok(Some(key).filter(|key| Due::of(&key.record, kms.clock.now()) == Some(due)))
    }
}

/// Gives a key a new version, as its owner wanted it to be done at intervals.
pub struct RotateKey(pub DueKey);

impl Operation for RotateKey {
    type Domain = Kms;
    type Output = Option<KeyVersion>;
    const SPEC: OperationSpec = spec("RotateKey");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        let Some(key) = self.0.take_up(kms, call, Due::Rotation).await? else { return Ok(None) };
        rotate(kms, call, key, kms.clock.now()).await
    }
}

/// Takes imported material away whose time is over.
pub struct ExpireKeyMaterial(pub DueKey);

impl Operation for ExpireKeyMaterial {
    type Domain = Kms;
    type Output = Option<()>;
    const SPEC: OperationSpec = spec("ExpireKeyMaterial").recorded_as("DeleteKeyMaterial");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        let Some(key) = self.0.take_up(kms, call, Due::MaterialExpiry).await? else { return Ok(None) };
        Ok(take_away(kms, call, key).await?.then_some(()))
    }
}

/// Deletes a key with its versions and aliases, and marks the store for scrubbing.
pub struct DeleteKey(pub DueKey);

impl Operation for DeleteKey {
    type Domain = Kms;
    type Output = Option<()>;
    const SPEC: OperationSpec = spec("DeleteKey");

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        let Some(key) = self.0.take_up(kms, call, Due::Deletion).await? else { return Ok(None) };
        Ok(delete(kms, call, key).await?.then_some(()))
    }
}

/// False if the key was changed meanwhile.
async fn delete(kms: &Kms, call: &Call<'_>, key: Key) -> Result<bool, Error> {
    let name = key_name(key.account, key.id);
    let unchanged = (name.clone(), Some(key.revision));
    if key.record.protection == ProtectionLevel::Hsm
        && !kms.mark_all_for_destruction(call, &key, unchanged.clone()).await?
    {
        return Ok(false);
    }
    let versions = versions(&kms.vault, &key).await?;
    let mut rows: Vec<_> =
        versions.iter().map(|(version, _)| (version_name(key.account, key.id, *version), None)).collect();
    kms.read_catalogue(key.account, |catalogue| {
        for alias in catalogue.aliases_of(key.id, 0, usize::MAX).items {
            let revision = catalogue.alias(&alias).map(|(_, revision)| revision);
            rows.push((alias_name(key.account, &alias), revision));
        }
    });
    // A key with more of them than a commit takes loses the first beforehand; it is past saving by now.
    let last = loop {
        // Each may be expected and deleted.
        let rest = rows.split_off(rows.len().min(kms.rows_a_commit() / 2));
        let mut changes = Changes { expected: vec![unchanged.clone()], ..Changes::default() };
        for (name, revision) in rows {
            changes.expected.extend(revision.map(|revision| (name.clone(), Some(revision))));
            changes.deletes.push(name);
        }
        if rest.is_empty() {
            break changes;
        }
        if !kms.commit(call, changes).await? {
            return Ok(false);
        }
        rows = rest;
    };
    let mut changes = last;
    changes.puts.push(kms.scrub_mark()?);
    changes.deletes.push(name);
    kms.commit(call, changes).await
}
