//! What a caller may do with secrets, told without doing it: see [`yaoku_kms::operations::rights`].

use yaoku_iam::{Call, Operation, OperationSpec, StateRule};
use yaoku_kms::operations::rights::Operations;

use crate::resource::SERVICE;
use crate::{Error, SecretName, Secrets, sealing};

/// Tells whether the caller has every permission that some operations need. Needs none itself: callers may know what they may do.
pub struct CheckSecretRights {
    /// The secret, whether there is one of that name or not; none for all secrets of the caller's account.
    pub secret: Option<SecretName>,
    /// What is to be done.
    pub operations: Operations,
    /// What is to be done with the CMK of the secret, unless that is the service's own.
    pub with_key: Option<&'static OperationSpec>,
}

impl Operation for CheckSecretRights {
    type Domain = Secrets;
    type Output = bool;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "CheckSecretRights", &[], StateRule::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<bool, Error> {
        let Self { secret, operations, with_key } = self;
        let Some(name) = secret else {
            return is_granted(operations.iter().try_for_each(|spec| secrets.allow_all(call, spec)));
        };
        let account = call.principal.account();
        let held = secrets.held(account, &name);
        let mut permissions = operations.iter().flat_map(|spec| spec.needed());
        let granted = permissions.try_for_each(|one| match &held {
            Some(held) => secrets.allow(call, one, StateRule::ANY, held),
            None => secrets.allow_named(call, one, account, &name),
        });
        if !is_granted(granted)? {
            return Ok(false);
        }
        match (held, with_key) {
            (Some(held), Some(operation)) if !held.record.is_service_key => {
                let context = sealing::context(&name)?;
                Ok(secrets.kms.has_rights(call, held.record.key, operation, &context).await?)
            }
            _ => Ok(true),
        }
    }
}

fn is_granted(asked: Result<(), Error>) -> Result<bool, Error> {
    match asked {
        Ok(()) => Ok(true),
        Err(Error::Denied(_) | Error::Hidden(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
