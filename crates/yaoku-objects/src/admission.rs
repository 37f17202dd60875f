//! Whether a call may do what it asks: which object it means, whether its caller has the permission, and whether the object's state
//! admits it. What was granted is noted in the call, so that it can be decided again.

use std::fmt::Display;
use std::sync::Arc;

use yaoku_iam::{
    AccountId, Call, Decision, Domain, Grant, Named, OperationSpec, Permission, Question, Resource, StateRule, Target,
    Which,
};

use crate::held::HeldObject;
use crate::resource::{FETCHED, OBJECT, SERVICE, check_state, object_states};
use crate::{Error, ObjectId, Objects};

impl Objects {
    /// Finds an object of the caller's account, and checks that the caller may do `spec` on it in its state.
    pub(crate) fn admit(&self, call: &Call<'_>, spec: &OperationSpec, id: ObjectId) -> Result<Arc<HeldObject>, Error> {
        let account = call.principal.account();
        call.touch(OBJECT, id.into());
        // Whether it is there is told to whoever may know.
        self.allow(call, spec.permission(), spec.states, Which::Id(*id.as_bytes()))?;
        let held = self.held(account, id).ok_or(Error::ObjectNotFound)?;
        check_state(spec.states, held.record.life.state_at(self.clock.now()))?;
        Ok(held)
    }

    /// Checks that the caller may do `spec` on all objects of its account.
    pub(crate) fn allow_all(&self, call: &Call<'_>, spec: &OperationSpec) -> Result<(), Error> {
        self.allow(call, spec.permission(), StateRule::ANY, Which::All)
    }

    fn allow(&self, call: &Call<'_>, permission: Permission, states: StateRule, which: Which) -> Result<(), Error> {
        let account = call.principal.account();
        let id = match &which {
            Which::Id(bytes) => Some(ObjectId::from_bytes(*bytes)),
            Which::All | Which::Name(_) => None,
        };
        let shown = id.as_ref().map(|id| id as &(dyn Display + Sync));
        let resource = Resource {
            service: SERVICE,
            region: &self.config.region,
            account,
            owner: None,
            name: &Target { kind: OBJECT, name: shown },
            tags: None,
            policy: None,
        };
        let question = Question { permission, resource: &resource, environment: call.environment };
        match self.iam.authorise(call.principal, &question) {
            Decision::Allowed => {
                let on = Named { kind: OBJECT, name: which };
                let (owner, external_id, encryption_context) = (None, None, None);
                call.granted(Grant { permission, states, on, account, owner, external_id, encryption_context });
                Ok(())
            }
            Decision::Denied(denial) if denial.may_know => Err(Error::Denied(denial)),
            Decision::Denied(denial) => Err(Error::Hidden(denial)),
        }
    }

    /// Notes that the value of an object was opened, so that it is released only if it still may be.
    pub(crate) fn fetched(&self, call: &Call<'_>, permission: Permission, object: &HeldObject) {
        call.granted(Grant {
            permission,
            states: object_states::KEPT,
            on: Named { kind: FETCHED, name: object.id.into() },
            account: object.account,
            owner: None,
            external_id: None,
            encryption_context: None,
        });
    }

    /// Decides again whether the value of an object may be released.
    async fn decide_on_fetched(&self, account: AccountId, id: ObjectId) -> Result<(), Error> {
        let held = self.held(account, id).ok_or(Error::ObjectNotFound)?;
        check_state(object_states::KEPT, held.record.life.state_at(self.clock.now()))?;
        // Nobody needs a permission on the CMK. Its state counts all the same.
        Ok(self.kms.check_usable(account, held.record.key).await?)
    }
}

impl Domain for Objects {
    type Error = Error;

    async fn decide_again(&self, call: &Call<'_>) -> Result<(), Error> {
        self.iam.still_proven(call).map_err(Error::Denied)?;
        for grant in call.trace.grants() {
            let Grant { permission, states, account, .. } = grant;
            match &grant.on.name {
                Which::Id(id) if grant.on.kind == FETCHED => {
                    self.decide_on_fetched(account, ObjectId::from_bytes(*id)).await?;
                }
                name if grant.on.kind == OBJECT => self.allow(call, permission, states, name.clone())?,
                _ => self.kms.decide_on(call, grant).await?,
            }
        }
        Ok(())
    }
}
