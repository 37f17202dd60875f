//! Who the caller is.

use crate::principal::Described;
use crate::{Access, Call, Error, Iam, Operation, OperationSpec};

/// Tells callers who they are. Needs no permission.
pub struct GetCallerIdentity;

impl Operation for GetCallerIdentity {
    type Output = Described;
    const SPEC: OperationSpec =
        OperationSpec { name: "GetCallerIdentity", access: Access::Read, service: "sts", on: &[] };

    async fn perform(self, _: &Iam, call: &Call<'_>) -> Result<Described, Error> {
        Ok(call.principal.describe())
    }
}
