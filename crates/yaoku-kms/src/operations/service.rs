//! The service as such: where it is, and whether an account may use it.

use yaoku_iam::ResourceKind::Service;

use crate::target::Target;
use crate::{Access, Call, Error, Kms, Operation, OperationSpec, StateRule};

const fn spec(name: &'static str, resources: &'static [yaoku_iam::ResourceKind]) -> OperationSpec {
    OperationSpec { name, permissions: &[], resources, states: StateRule::ANY, access: Access::Read }
}

/// Tells where the service is; anyone may know. Where that is, is the protocol's to say.
pub struct DescribeRegions;

impl Operation for DescribeRegions {
    type Output = ();
    const SPEC: OperationSpec = spec("DescribeRegions", &[]);

    async fn perform(self, _: &Kms, call: &Call<'_>) -> Result<(), Error> {
        call.proceed()
    }
}

/// Tells whether the account may use the service: an account that can ask, may.
pub struct DescribeAccountStatus;

impl Operation for DescribeAccountStatus {
    type Output = ();
    const SPEC: OperationSpec = spec("DescribeAccountKmsStatus", &[Service]);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        kms.allow(call, &Self::SPEC, Target::Service)?;
        call.proceed()
    }
}

/// Opens the service to the account; it is open to every account from the start, so this always fails.
pub struct OpenService;

impl Operation for OpenService {
    type Output = std::convert::Infallible;
    const SPEC: OperationSpec = spec("OpenKmsService", &[Service]);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        kms.allow(call, &Self::SPEC, Target::Service)?;
        Err(Error::AlreadyOpen)
    }
}
