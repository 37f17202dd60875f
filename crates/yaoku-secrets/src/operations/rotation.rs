//! Rotating secrets that hold AccessKeys of a RAM user, when somebody asks for it, and at intervals.

use yaoku_iam::{Call, Name, Operation, OperationSpec, USER};
use yaoku_kms::{OnBehalf, proceed};

use crate::change::{ATTEMPTS, Changed, update};
use crate::held::HeldSecret;
use crate::ram_credentials::{self, RamCredentials, RotationInterval};
use crate::record::{SecretRecord, VersionEntry, value_name};
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::sealing::Place;
use crate::{Error, SecretName, Secrets, VersionAbout, VersionId};

/// What a secret can't do whose user is gone.
const NO_USER: Error = Error::Unsuitable("its RAM user does not exist any more");

/// Gives the user of a secret a new AccessKey, which becomes the current version. The AccessKey of the version that was the previous
/// one until then is deleted.
///
/// The caller needs to be allowed to make and delete AccessKeys of the user: the permission to rotate a secret does not replace that.
/// A secret can be rotated so 50 times an hour.
pub struct RotateSecret {
    /// The secret.
    pub name: SecretName,
    /// The id of the new version. Where there is one of that id, nothing is done.
    pub version: VersionId,
}

impl Operation for RotateSecret {
    type Domain = Secrets;
    type Output = (HeldName, VersionId);
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "RotateSecret", &[SECRET, USER], secret_states::USE).revoking();

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        let reference = self.name.clone().into();
        let first = secrets.admit(call, &Self::SPEC, &reference)?;
        first.record.ram_credentials()?;
        let _one = secrets.changing.enter(first.record.id, call.standing(Self::SPEC.revokes)).await;
        if call.is_abandoned() {
            return Err(Error::Abandoned);
        }
        let done = |held: &HeldSecret| HeldName { account: held.account, name: held.name.clone() };
        for _ in 0..ATTEMPTS {
            let mut held = secrets.admit_change(call, &Self::SPEC, &reference).await?;
            secrets.allow_replacement(call, &held)?;
            let made = done(&held);
            if held.record.version(&self.version).is_some() {
                proceed(call)?;
                // What somebody else rotated must be in force before it is said to be there.
                return secrets.in_force(held.revision).await.map(|()| (made, self.version));
            }
            held.record.count_rotation(secrets.clock.now())?;
            proceed(call)?;
            if let Some(version) = secrets.rotate(call, held, self.version.clone(), OnBehalf::Caller).await? {
                return Ok((made, version.id));
            }
        }
        Err(Error::contended())
    }
}

/// Which secret it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldName {
    /// Whose it is.
    pub account: yaoku_iam::AccountId,
    /// Its name.
    pub name: SecretName,
}

/// Lets a secret rotate by itself, at that interval, or not any more.
///
/// Whoever lets it rotate needs what rotating needs, the use of the secret's CMK included: the service, which does it later, asks nobody.
pub struct UpdateSecretRotationPolicy {
    /// The secret.
    pub name: SecretName,
    /// How often; none for never.
    pub rotation: Option<RotationInterval>,
}

impl Operation for UpdateSecretRotationPolicy {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "UpdateSecretRotationPolicy", &[SECRET, USER], secret_states::USE);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        let reference = self.name.clone().into();
        let Some(rotation) = self.rotation else {
            let change = |record: &mut SecretRecord, _| {
                let before = record.ram_credentials_mut()?.rotation.take();
                Ok((if before.is_some() { Changed::Something } else { Changed::Nothing }, ()))
            };
            return secrets.change(call, &Self::SPEC, &reference, change).await;
        };
        let first = secrets.admit(call, &Self::SPEC, &reference)?;
        first.record.ram_credentials()?;
        let _one = secrets.changing.enter(first.record.id, call.standing(Self::SPEC.revokes)).await;
        if call.is_abandoned() {
            return Err(Error::Abandoned);
        }
        for _ in 0..ATTEMPTS {
            let mut held = secrets.admit_change(call, &Self::SPEC, &reference).await?;
            secrets.allow_replacement(call, &held)?;
            let sealing = secrets.admit_key(call, &held.name, held.record.key, held.record.is_service_key).await?;
            held.record.ram_credentials_mut()?.rotation = Some(rotation);
            held.record.updated = secrets.clock.now();
            proceed(call)?;
            let mut changes = update(&held)?;
            changes.expected.push(sealing.unchanged());
            if secrets.commit(call, changes).await? {
                return Ok(());
            }
        }
        Err(Error::contended())
    }
}

impl Secrets {
    /// Checks that the caller may replace AccessKeys of a secret's user.
    fn allow_replacement(&self, call: &Call<'_>, held: &HeldSecret) -> Result<(), Error> {
        Ok(self.iam.allow_replacement(call, &self.user_of(held)?)?)
    }

    /// The user whose AccessKeys a secret holds, as it is called now.
    pub(super) fn user_of(&self, held: &HeldSecret) -> Result<Name, Error> {
        self.iam.user_name(held.account, held.record.ram_credentials()?.user).ok_or(NO_USER)
    }

    /// Gives the user of a secret a new AccessKey and the secret a new version with it, and deletes the AccessKeys that are past: all of
    /// it in one commit, so that no AccessKey is lost and none is left behind, whenever the process ends. None if something was changed
    /// meanwhile.
    pub(super) async fn rotate(
        &self,
        call: &Call<'_>,
        mut held: HeldSecret,
        id: VersionId,
        on_behalf: OnBehalf,
    ) -> Result<Option<VersionAbout>, Error> {
        let account = held.account;
        let is_service_key = held.record.is_service_key || on_behalf == OnBehalf::Service;
        let sealing = self.admit_key(call, &held.name, held.record.key, is_service_key).await?;
        let (number, now) = (held.record.last + 1, self.clock.now());
        // Sealed before its turn: a CMK in an HSM takes its time, and others who change identities would wait for it.
        let key = self.iam.draw_access_key()?;
        let value = ram_credentials::value(&key.id, &key.secret)?;
        let sealed = self.seal(call, &sealing, Place::of(&held, number), &value.bytes).await?;
        let _one = self.iam.enter_identities(call, account).await?;
        let (kind, stages) = (crate::ValueKind::Text, Vec::new());
        let version = VersionEntry { number, id, created: now, kind, stages, deleted: None, destroyed: false };
        let gone = held.record.add_version(version, None)?;
        let credentials: &mut RamCredentials = held.record.ram_credentials_mut()?;
        let mut retired = std::mem::take(&mut credentials.others);
        retired.extend(gone.iter().filter_map(|number| credentials.keys.remove(number)));
        let of_user = self.iam.replace_access_keys(account, credentials.user, &key, &retired)?;
        credentials.keys.insert(number, key.id);
        credentials.last_rotation = Some(now);
        held.record.updated = now;
        let value = |number| value_name(account, held.record.id, number);
        let mut changes = update(&held)?;
        changes.expected.push(sealing.unchanged());
        changes.puts.push((value(number), yaoku_crypto::Secret::new(sealed)));
        changes.deletes.extend(gone.into_iter().map(value));
        changes.expected.extend(of_user.expected);
        changes.puts.extend(of_user.puts);
        changes.deletes.extend(of_user.deletes);
        match self.commit_at(call, changes).await? {
            Some(revision) => self.iam.in_force(revision).await?,
            None => return self.iam.catch_up_with_identities(account).await.map(|()| None).map_err(Error::from),
        }
        Ok(held.record.numbered(number).map(Into::into))
    }
}
