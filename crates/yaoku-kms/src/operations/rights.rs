//! What a caller may do, told without doing it: for protocols whose clients ask before they try.
//!
//! Policies decide, as for the operations themselves; states of keys don't count. What was found to be allowed is noted in the call like
//! any other grant, so that an answer is withheld if that was taken away meanwhile.

use yaoku_iam::{Call, Environment, Operation, OperationSpec, ResourceKind, StateRule};

use crate::resource::{ALIAS, SERVICE};
use crate::{AliasName, EncryptionContext, Error, KeyId, KeyRef, KeySpec, KeyUsage, Kms};

/// Operations that stand behind one thing that a protocol does.
pub type Operations = &'static [&'static OperationSpec];

/// Tells whether the caller has every permission that some operations need. Needs none itself: callers may know what they may do.
pub struct CheckRights(pub Rights);

/// Operations, and on what.
pub enum Rights {
    /// On one key: the operations that keys of its spec and usage take. Where there is none, nothing can be done.
    OnKey(KeyRef, fn(KeySpec, KeyUsage) -> Operations),
    /// On an alias, whether there is one of that name or not.
    OnAlias(AliasName, Operations),
    /// On all of a kind in the caller's account.
    OnAll(&'static ResourceKind, Operations),
}

impl Operation for CheckRights {
    type Domain = Kms;
    type Output = bool;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "CheckRights", &[], StateRule::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<bool, Error> {
        match self.0 {
            Rights::OnKey(reference, needed) => {
                let Some(key) = kms.key_of(call, &reference).await? else { return Ok(false) };
                let operations = needed(key.record.spec, key.record.usage);
                let mut permissions = operations.iter().flat_map(|spec| spec.needed());
                let granted = permissions.try_for_each(|one| kms.allow_key(call, one, StateRule::ANY, &key));
                Ok(!operations.is_empty() && is_granted(granted)?)
            }
            Rights::OnAlias(alias, operations) => {
                is_granted(operations.iter().try_for_each(|spec| kms.allow_named(call, spec, ALIAS, alias.as_str())))
            }
            Rights::OnAll(kind, operations) => {
                is_granted(operations.iter().try_for_each(|spec| kms.allow_all(call, spec, kind)))
            }
        }
    }
}

impl Kms {
    /// Whether the caller has the permissions of an operation on a key of its own account, for what is bound to an encryption context.
    ///
    /// # Errors
    /// When that can't be decided at present.
    pub async fn has_rights(
        &self,
        call: &Call<'_>,
        key: KeyId,
        operation: &OperationSpec,
        context: &EncryptionContext,
    ) -> Result<bool, Error> {
        let Some(key) = self.key_of(call, &key.into()).await? else { return Ok(false) };
        let environment = Environment { encryption_context: Some(context.entries()), ..*call.environment };
        let call = &Call { environment: &environment, ..*call };
        is_granted(operation.needed().try_for_each(|one| self.allow_key(call, one, StateRule::ANY, &key)))
    }
}

fn is_granted(asked: Result<(), Error>) -> Result<bool, Error> {
    match asked {
        Ok(()) => Ok(true),
        Err(Error::Denied(_) | Error::Hidden { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
