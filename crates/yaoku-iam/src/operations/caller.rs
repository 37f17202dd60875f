//! Who the caller is.

use crate::principal::Described;
use crate::{Call, Error, Iam, Operation, OperationSpec, StateRule};

/// Tells callers who they are. Needs no permission.
pub struct GetCallerIdentity;

impl Operation for GetCallerIdentity {
    type Domain = Iam;
    type Output = Described;
    const SPEC: OperationSpec = OperationSpec::read("sts", "GetCallerIdentity", &[], StateRule::ANY);

    async fn perform(self, _: &Iam, call: &Call<'_>) -> Result<Described, Error> {
        Ok(call.principal.describe())
    }
}
