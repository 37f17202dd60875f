//! Whether a call may do what it asks: which key it means, whether its caller has the permission, and whether the key's state
//! admits it. What was granted is noted in the call, so that it can be decided again.

use std::fmt::Display;
use std::sync::Arc;

use yaoku_iam::{
    Access, AccountId, Call, Decision, Domain, Environment, Grant, Named, OperationSpec, Permission, Question,
    Resource, ResourceKind, StateRule, Tagged, Target, Which,
};

use crate::keyring::Key;
use crate::resource::{ALIAS, KEY, SERVICE, SERVICE_USE, check_state};
use crate::{AliasName, EncryptionContext, Error, KeyId, KeyRef, Kms};

/// Stands in every operation between its last check and its effect.
///
/// # Errors
/// [`Error::DryRun`] where the effect is not wanted.
pub const fn proceed(call: &Call<'_>) -> Result<(), Error> {
    if call.is_wanted() { Ok(()) } else { Err(Error::DryRun) }
}

impl Kms {
    /// Finds the key that `reference` names, and checks that the caller may do `spec` on it in its state.
    pub(crate) async fn admit(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        reference: &KeyRef,
    ) -> Result<Arc<Key>, Error> {
        self.admit_as(call, spec, spec.permission(), reference).await
    }

    /// As [`Self::admit`], for an operation whose permission is not its name.
    pub(crate) async fn admit_as(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        permission: Permission,
        reference: &KeyRef,
    ) -> Result<Arc<Key>, Error> {
        let own = call.principal.account();
        let (account, id) = self.find(own, reference)?;
        if account != own && spec.access == Access::Write {
            // The policy of a key may let others use it, but only its own account manages it.
            return Err(Error::KeyNotFound);
        }
        let key = self.key(account, id).await?;
        if account == own {
            call.touch(KEY, id.into());
        }
        self.allow_key(call, permission, spec.states, &key)?;
        if account != own {
            // Not before: whoever is not let in must not find in its own records that the key is there.
            call.touch(KEY, id.into());
        }
        check_state(spec.states, key.record.state_at(self.clock.now()))?;
        Ok(key)
    }

    /// As [`Self::admit_as`], for what is bound to an encryption context, which conditions of policies can ask about.
    pub(crate) async fn admit_bound(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        permission: Permission,
        reference: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<Arc<Key>, Error> {
        let entries = context.entries();
        if entries.is_empty() {
            return self.admit_as(call, spec, permission, reference).await;
        }
        call.bound_to(entries);
        let environment = Environment { encryption_context: Some(entries), ..*call.environment };
        let call = Call { environment: &environment, ..*call };
        self.admit_as(&call, spec, permission, reference).await
    }

    /// Checks that the caller may do `spec` on all of a kind in its own account.
    pub(crate) fn allow_all(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        kind: &'static ResourceKind,
    ) -> Result<(), Error> {
        self.ask(call, spec.permission(), Asked { kind, name: Which::All, of: None })
    }

    /// Checks that the caller may do `spec` on one of its own account that is known by its name, such as an alias; `*` stands for each
    /// of a kind.
    pub(crate) fn allow_named(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        kind: &'static ResourceKind,
        name: &str,
    ) -> Result<(), Error> {
        self.ask(call, spec.permission(), Asked { kind, name: Which::Name(name.into()), of: None })
    }

    /// Checks that the caller has a permission on a key.
    pub(crate) fn allow_key(
        &self,
        call: &Call<'_>,
        permission: Permission,
        states: StateRule,
        key: &Key,
    ) -> Result<(), Error> {
        self.ask(call, permission, Asked { kind: KEY, name: key.id.into(), of: Some((key, states)) })
    }

    fn ask(&self, call: &Call<'_>, permission: Permission, asked: Asked<'_>) -> Result<(), Error> {
        let Asked { kind, name, of } = asked;
        let account = of.map_or(call.principal.account(), |(key, _)| key.account);
        let id;
        let shown: Option<&(dyn Display + Sync)> = match &name {
            Which::All => None,
            Which::Id(bytes) => {
                id = KeyId::from_bytes(*bytes);
                Some(&id)
            }
            Which::Name(name) => Some(name),
        };
        let target = Target { kind, name: shown };
        let resource = Resource {
            service: SERVICE,
            region: &self.config.region,
            account,
            owner: None,
            name: &target,
            tags: of.map(|(key, _)| key as &dyn Tagged),
            policy: of.and_then(|(key, _)| key.policy.as_ref()),
        };
        let question = Question { permission, resource: &resource, environment: call.environment };
        match self.iam.authorise(call.principal, &question) {
            Decision::Allowed => {
                if account != call.principal.account() {
                    call.let_in_by(account);
                }
                let states = of.map_or(StateRule::ANY, |(_, states)| states);
                let on = Named { kind, name };
                let encryption_context = call.environment.encryption_context.cloned();
                let (owner, external_id) = (None, None);
                call.granted(Grant { permission, states, on, account, owner, external_id, encryption_context });
                Ok(())
            }
            Decision::Denied(denial) if denial.may_know => Err(Error::Denied(denial)),
            Decision::Denied(denial) => Err(Error::Hidden { denial, as_if: Box::new(Error::KeyNotFound) }),
        }
    }

    /// Whose key a caller of the account means, and which.
    fn find(&self, own: AccountId, reference: &KeyRef) -> Result<(AccountId, KeyId), Error> {
        Ok(match reference {
            KeyRef::Id(id) => (own, *id),
            KeyRef::Alias(name) => (own, self.alias(own, name).ok_or(Error::AliasNotFound)?.0),
            KeyRef::OfAccount(account, id) => (*account, *id),
            KeyRef::OfAnyAccount(id) => (self.owner(own, *id).ok_or(Error::KeyNotFound)?, *id),
        })
    }

    /// The key that a caller means, if it is there. Nothing was decided on the caller: what of the key may be told is for others to say.
    pub(crate) async fn key_of(&self, call: &Call<'_>, reference: &KeyRef) -> Result<Option<Arc<Key>>, Error> {
        let found = match self.find(call.principal.account(), reference) {
            Ok((account, id)) => self.key(account, id).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(key) => Ok(Some(key)),
            Err(Error::KeyNotFound | Error::AliasNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The account that owns a key: the caller's own before any other.
    fn owner(&self, own: AccountId, id: KeyId) -> Option<AccountId> {
        let warm = self.keyring.key(id).map(|key| key.account);
        warm.or_else(|| self.state.read().catalogue.owner(own, id))
    }

    /// The key and the commit of an alias.
    pub(crate) fn alias(&self, account: AccountId, name: &AliasName) -> Option<(KeyId, yaoku_seal::Revision)> {
        self.state.read().catalogue.account(account)?.alias(name)
    }
}

/// What a permission is asked on.
struct Asked<'a> {
    kind: &'static ResourceKind,
    name: Which,
    /// The key, and the states that it may be in, if it is one.
    of: Option<(&'a Key, StateRule)>,
}

impl Domain for Kms {
    type Error = Error;

    async fn decide_again(&self, call: &Call<'_>) -> Result<(), Error> {
        self.iam.still_proven(call).map_err(Error::Denied)?;
        for grant in call.trace.grants() {
            self.decide_on(call, grant).await?;
        }
        Ok(())
    }
}

impl Kms {
    /// Decides again on something of this domain that was granted to a call; what is of others is theirs to decide on.
    ///
    /// # Errors
    /// As the operation itself would fail.
    pub async fn decide_on(&self, call: &Call<'_>, grant: Grant) -> Result<(), Error> {
        let Grant { permission, states, on, account, encryption_context, .. } = grant;
        if ![KEY, ALIAS, SERVICE_USE].contains(&on.kind) {
            return Ok(());
        }
        let encryption_context = encryption_context.as_ref();
        let environment = Environment { encryption_context, ..*call.environment };
        let call = &Call { environment: &environment, ..*call };
        match on.name {
            Which::Id(id) => {
                let key = self.key(account, KeyId::from_bytes(id)).await?;
                self.allow_key(call, permission, states, &key)?;
                check_state(states, key.record.state_at(self.clock.now()))
            }
            name => self.ask(call, permission, Asked { kind: on.kind, name, of: None }),
        }
    }

    /// Checks that the caller may do `spec`, which is about nothing but the service.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub fn allow_service_use(&self, call: &Call<'_>, spec: &OperationSpec) -> Result<(), Error> {
        self.allow_all(call, spec, SERVICE_USE)
    }
}
