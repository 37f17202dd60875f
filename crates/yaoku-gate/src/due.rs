//! Performs what is due, as the service itself, with a record like any other call's.

use std::borrow::Cow;

use yaoku_iam::{AccountId, Named, Operation, Which};
use yaoku_kms::{Error, KEY, KeyId, Kms, Performer};

use crate::control_socket::HERE;
use crate::record::Deed;
use crate::{Arrival, Gate, Refusal, RequestId, Spelling, Telling, ToldAction};

/// What is due to keys, performed through the gate.
pub struct DueWork<'g>(pub &'g Gate);

/// What is told of it.
struct Told<'a> {
    deed: Deed<'a>,
}

/// What went wrong with it, for its record.
struct Spelled(Error);

impl Spelling for Spelled {
    fn of(refusal: Refusal) -> Self {
        Self(Error::Unavailable(format!("what falls due can't be recorded at present, and waits: {refusal:?}").into()))
    }

    fn code(&self) -> (&'static str, usize) {
        ("InternalFailure", 0)
    }

    fn message(&self) -> &str {
        "It could not be done, and is tried again."
    }

    fn is_ours(&self) -> bool {
        true
    }
}

impl Telling for Told<'_> {
    fn service(&self) -> &str {
        self.deed.service
    }

    fn api_version(&self) -> &str {
        ""
    }

    fn name(&self) -> &str {
        self.deed.name
    }

    fn action(&self) -> Option<ToldAction> {
        self.deed.action()
    }

    fn claimed_access_key(&self) -> &str {
        ""
    }

    fn parameters(&self, _: &mut dyn FnMut(&str, &str)) {}

    fn resources(&self, touched: &[Named]) -> Vec<(&'static str, Cow<'_, str>)> {
        let keys = touched.iter().filter(|named| named.kind == KEY);
        let id = |named: &Named| match named.name {
            Which::Id(id) => Some(KeyId::from_bytes(id)),
            Which::All | Which::Name(_) => None,
        };
        keys.filter_map(id).map(|id| ("ACS::KMS::Key", Cow::Owned(id.to_string()))).collect()
    }

    fn elements(&self) -> Option<serde_json::Value> {
        None
    }
}

impl Performer for DueWork<'_> {
    async fn perform<T: Send, O: Operation<Domain = Kms, Output = Option<T>> + 'static>(
        &self,
        account: AccountId,
        operation: O,
    ) -> Result<Option<T>, Error> {
        let gate = self.0;
        let caller = gate.iam.service(account).map_err(|error| Error::Internal(error.into()))?;
        let (service, name, access) = ("Kms", O::SPEC.event(), O::SPEC.access);
        let told = Told { deed: Deed { service, name, access, resources: Vec::new(), elements: None } };
        let arrived = gate.arrive(Arrival {
            protocol: "service",
            request_id: RequestId::random(),
            peer: None,
            source: HERE,
            secure_transport: true,
            host: "",
            user_agent: None,
            abandoned: None,
        });
        let refused = |refusal| Spelled::of(refusal).0;
        let admitted = arrived.admit_to_revoke(true).map_err(|refusal| refused(refusal.1))?;
        let call = admitted.authenticated(caller).map_err(|refusal| refused(refusal.1))?;
        let environment = call.environment();
        let done = call.perform(&told, &environment).perform(operation, false).await;
        match done {
            // Nothing was done, and there is nothing to tell.
            Ok(None) => Ok(None),
            // Another attempt will show whether it was done: until then its intent stands for it.
            Err(error) => Err(error),
            Ok(done) => {
                let spell = |failure| match failure {
                    crate::Failure::Keys(error) => Spelled(error),
                    crate::Failure::Identities(_) | crate::Failure::AuditLog(_) => Spelled::of(Refusal::Internal),
                };
                call.finish(&told, Ok(done), spell).await.open().map_err(|Spelled(error)| error)
            }
        }
    }
}
