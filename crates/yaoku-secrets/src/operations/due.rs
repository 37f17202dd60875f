//! What is done to secrets because it is due. The service itself asks for it, and needs no permission; nobody else can.

use yaoku_iam::{Call, Credential, Denial, Operation, OperationSpec, USER, Which};
use yaoku_kms::OnBehalf;

use crate::held::HeldSecret;
use crate::record::Due;
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::{Error, SecretId, Secrets, VersionAbout, VersionId};

const fn spec(name: &'static str) -> OperationSpec {
    OperationSpec::write(SERVICE, name, &[], secret_states::ANY)
}

/// Deletes a secret whose time is over.
pub struct DeleteDueSecret(pub SecretId);

impl Operation for DeleteDueSecret {
    type Domain = Secrets;
    type Output = Option<()>;
    const SPEC: OperationSpec = spec("DeleteDueSecret").recorded_as("DeleteSecret");

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        let Some(held) = secrets.take_up(call, self.0, Due::Deletion).await? else { return Ok(None) };
        Ok(secrets.delete(call, &held).await?.then_some(()))
    }
}

/// Rotates a secret, as its owner wanted it to be done at intervals.
pub struct RotateDueSecret(pub SecretId);

impl Operation for RotateDueSecret {
    type Domain = Secrets;
    type Output = Option<VersionAbout>;
    const SPEC: OperationSpec = spec("RotateDueSecret").recorded_as("RotateSecret");

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        let Some(held) = secrets.take_up(call, self.0, Due::Rotation).await? else { return Ok(None) };
        let user = secrets.user_of(&held)?;
        call.touch(USER, Which::Name(user.as_str().into()));
        // One that nobody gives by accident to a version of its own, and so finds it there.
        let drawn = SecretId::generate(secrets.vault.random())?.to_string();
        let version = VersionId::parse(&drawn).ok_or(Error::Record("a version"))?;
        secrets.rotate(call, held, version, OnBehalf::Service).await
    }
}

impl Secrets {
    /// A secret as the store has it, if that is still due to it.
    async fn take_up(&self, call: &Call<'_>, id: SecretId, due: Due) -> Result<Option<HeldSecret>, Error> {
        if !matches!(call.credential, Credential::Service) {
            let why = format!("{:?} is not the service itself", call.principal);
            return Err(Error::Denied(Denial { why: why.into(), may_know: true }));
        }
        call.rest_on_authority();
        let Some(known) = self.catalogue.read().of_id(id).cloned() else { return Ok(None) };
        let held = match self.stored(known.account, &known.name).await {
            Err(Error::SecretNotFound) => return Ok(None),
            other => other?,
        };
        let now = self.clock.now();
        let is_due = held.record.due().is_some_and(|(at, what)| what == due && at <= now);
        if held.record.id != id || !is_due {
            return Ok(None);
        }
        call.touch(SECRET, Which::Name(held.name.as_str().into()));
        Ok(Some(held))
    }
}
