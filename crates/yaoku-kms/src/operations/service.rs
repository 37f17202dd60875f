//! The service as such: where it is, and whether an account may use it.

use yaoku_iam::{Call, Operation, OperationSpec, ResourceKind};

use crate::admission::proceed;
use crate::resource::{SERVICE, SERVICE_USE, key_states};
use crate::{Error, Kms};

const fn spec(name: &'static str, resources: &'static [&'static ResourceKind]) -> OperationSpec {
    OperationSpec::read(SERVICE, name, resources, key_states::ANY)
}

/// Tells where the service is; anyone may know. Where that is, is the protocol's to say.
pub struct DescribeRegions;

impl Operation for DescribeRegions {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = spec("DescribeRegions", &[]);

    async fn perform(self, _: &Kms, call: &Call<'_>) -> Result<(), Error> {
        proceed(call)
    }
}

/// Tells whether the account may use the service: an account that can ask, may.
pub struct DescribeAccountStatus;

impl Operation for DescribeAccountStatus {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = spec("DescribeAccountKmsStatus", &[SERVICE_USE]);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        kms.allow_all(call, &Self::SPEC, SERVICE_USE)?;
        proceed(call)
    }
}

/// Opens the service to the account; it is open to every account from the start, so this always fails.
pub struct OpenService;

impl Operation for OpenService {
    type Domain = Kms;
    type Output = std::convert::Infallible;
    const SPEC: OperationSpec = spec("OpenKmsService", &[SERVICE_USE]);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        kms.allow_all(call, &Self::SPEC, SERVICE_USE)?;
        Err(Error::AlreadyOpen)
    }
}
