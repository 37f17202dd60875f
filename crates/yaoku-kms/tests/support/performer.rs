//! Performs what is due without leaving a record of it.

use std::sync::Arc;

use yaoku_iam::{AccountId, Domain, Environment, Iam, Operation};
use yaoku_kms::{Call, Error, Kms, Performer, Trace};

use super::HERE;

pub(crate) struct Unrecorded {
    pub(crate) kms: Arc<Kms>,
    pub(crate) iam: Arc<Iam>,
}

impl Performer<Kms> for Unrecorded {
    async fn perform<T: Send, O: Operation<Domain = Kms, Output = Option<T>> + 'static>(
        &self,
        account: AccountId,
        operation: O,
    ) -> Result<Option<T>, Error> {
        let environment: Environment<'_> = HERE;
        let (service, trace) = (self.iam.service(account).unwrap(), Trace::default());
        let call = Call::of(service.principal(), &environment, &trace);
        let done = operation.perform(&self.kms, &call).await?;
        self.kms.decide_again(&call).await.map(|()| done)
    }
}
