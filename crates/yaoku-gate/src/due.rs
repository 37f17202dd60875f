//! Performs what is due, as the service itself, with a record like any other call's.

use std::borrow::Cow;

use yaoku_iam::{AccountId, Domain, Named, NotPerformed, Operation, Performer, USER, Which};
use yaoku_kms::{KEY, KeyId};
use yaoku_secrets::SECRET;

use crate::control_socket::HERE;
use crate::record::Deed;
use crate::{Arrival, Failure, Gate, Refusal, RequestId, Serves, Spelling, Telling, ToldAction};

/// What is due in any domain, performed through the gate.
pub struct DueWork<'g>(pub &'g Gate);

/// What is told of it.
struct Told<'a> {
    deed: Deed<'a>,
}

/// What went wrong with it, for its record.
struct Spelled(NotPerformed);

impl Spelling for Spelled {
    fn of(refusal: Refusal) -> Self {
        Self(NotPerformed(format!("it can't be recorded: {refusal:?}")))
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
        let resource = |named: &Named| match &named.name {
            Which::Id(id) if named.kind == KEY => Some(("ACS::KMS::Key", KeyId::from_bytes(*id).to_string())),
            Which::Name(name) if named.kind == SECRET => Some(("ACS::KMS::Secret", name.to_string())),
            Which::Name(name) if named.kind == USER => Some(("ACS::RAM::User", name.to_string())),
            Which::Id(_) | Which::Name(_) | Which::All => None,
        };
        touched.iter().filter_map(resource).map(|(kind, name)| (kind, Cow::Owned(name))).collect()
    }

    fn elements(&self) -> Option<serde_json::Value> {
        None
    }
}

impl<D: Domain<Error: From<NotPerformed>>> Performer<D> for DueWork<'_>
where
    Gate: Serves<D>,
{
    async fn perform<T: Send, O: Operation<Domain = D, Output = Option<T>> + 'static>(
        &self,
        account: AccountId,
        operation: O,
    ) -> Result<Option<T>, D::Error> {
        let gate = self.0;
        let caller = gate.iam.service(account).map_err(|error| NotPerformed(error.to_string()))?;
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
                let spell = |failure: Failure| Spelled(NotPerformed(failure.to_string()));
                call.finish(&told, Ok(done), spell).await.open().map_err(|Spelled(error)| error.into())
            }
        }
    }
}
