//! What is done to secrets because it is due. The service itself asks for it, and needs no permission; nobody else can.

use yaoku_iam::{Call, Credential, Denial, Operation, OperationSpec, Which};

use crate::resource::{SECRET, SERVICE, secret_states};
use crate::{Error, SecretId, Secrets};

/// Deletes a secret whose time is over.
pub struct DeleteDueSecret(pub SecretId);

impl Operation for DeleteDueSecret {
    type Domain = Secrets;
    type Output = Option<()>;
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "DeleteDueSecret", &[], secret_states::ANY).recorded_as("DeleteSecret");

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<Self::Output, Error> {
        if !matches!(call.credential, Credential::Service) {
            let why = format!("{:?} is not the service itself", call.principal);
            return Err(Error::Denied(Denial { why: why.into(), may_know: true }));
        }
        call.rest_on_authority();
        let Some(known) = secrets.catalogue.read().of_id(self.0).cloned() else { return Ok(None) };
        let held = match secrets.stored(known.account, &known.name).await {
            Err(Error::SecretNotFound) => return Ok(None),
            other => other?,
        };
        if held.record.id != self.0 || held.record.deletion.is_none_or(|due| due > secrets.clock.now()) {
            return Ok(None);
        }
        call.touch(SECRET, Which::Name(held.name.as_str().into()));
        Ok(secrets.delete(call, &held).await?.then_some(()))
    }
}
