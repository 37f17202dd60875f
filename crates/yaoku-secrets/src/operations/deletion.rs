//! Deleting secrets, and saving them from it.

use yaoku_iam::{Call, Operation, OperationSpec, Timestamp};
use yaoku_kms::proceed;
use yaoku_seal::Changes;

use crate::change::{ATTEMPTS, Changed};
use crate::held::HeldSecret;
use crate::record::{SecretRecord, secret_name, value_name};
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::{Error, Field, SecretName, Secrets};

/// When a secret is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once, for good.
    Now,
    /// After so many days, 7 to 30, during which it can be saved.
    AfterDays(u32),
}

/// Deletes a secret with all its values, at once or after a while.
pub struct DeleteSecret {
    /// The secret.
    pub name: SecretName,
    /// When.
    pub when: When,
}

impl Operation for DeleteSecret {
    type Domain = Secrets;
    type Output = Timestamp;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "DeleteSecret", &[SECRET], secret_states::ANY).revoking();

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Timestamp, Error> {
        let secret = self.name.into();
        let days = match self.when {
            When::Now => {
                let id = secrets.admit(call, &Self::SPEC, &secret)?.record.id;
                let _one = secrets.changing.enter(id, call.standing(Self::SPEC.revokes)).await;
                for _ in 0..ATTEMPTS {
                    let held = secrets.admit_change(call, &Self::SPEC, &secret).await?;
                    proceed(call)?;
                    if secrets.delete(call, &held).await? {
                        return Ok(secrets.clock.now());
                    }
                }
                return Err(Error::contended());
            }
            When::AfterDays(days) if (7..=30).contains(&days) => days,
            When::AfterDays(_) => {
                secrets.admit(call, &Self::SPEC, &secret)?;
                return Err(Error::invalid(Field::RecoveryWindow, "it must be 7 to 30 days"));
            }
        };
        let change = |record: &mut SecretRecord, now: Timestamp| {
            if record.deletion.is_some() {
                return Err(Error::InDeleteWindow);
            }
            let planned = now.plus_seconds(u64::from(days) * 86_400);
            record.deletion = Some(planned);
            Ok((Changed::Something, planned))
        };
        secrets.change(call, &Self::SPEC, &secret, change).await
    }
}

impl Secrets {
    /// Deletes a secret as it was read; false if it was changed meanwhile. The store's files are rewritten without it some time after.
    pub(super) async fn delete(&self, call: &Call<'_>, secret: &HeldSecret) -> Result<bool, Error> {
        let name = secret_name(secret.account, &secret.name);
        let values = secret.record.versions.iter();
        let values = values.map(|version| value_name(secret.account, secret.record.id, version.number));
        let changes = Changes {
            expected: vec![(name.clone(), Some(secret.revision))],
            puts: vec![self.kms.scrub_mark()?],
            deletes: values.chain([name]).collect(),
        };
        self.commit(call, changes).await
    }
}

/// Saves a secret from deletion; one that is not to be deleted stays as it is.
pub struct RestoreSecret {
    /// The secret.
    pub name: SecretName,
}

impl Operation for RestoreSecret {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "RestoreSecret", &[SECRET], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        let change = |record: &mut SecretRecord, now: Timestamp| match record.deletion {
            None => Ok((Changed::Nothing, ())),
            Some(due) if due <= now => Err(Error::SecretNotFound),
            Some(_) => {
                record.deletion = None;
                Ok((Changed::Something, ()))
            }
        };
        secrets.change(call, &Self::SPEC, &self.name.clone().into(), change).await
    }
}
