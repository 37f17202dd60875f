//! Whether a call may do what it asks: which secret it means, whether its caller has the permission, and whether the secret's state
//! admits it. What was granted is noted in the call, so that it can be decided again.

use std::fmt::Display;
use std::sync::Arc;

use yaoku_iam::{
    Access, AccountId, Call, Decision, Domain, Grant, Named, OperationSpec, Permission, Question, Resource, StateRule,
    Tagged, Target, USER, Which,
};

use crate::held::HeldSecret;
use crate::record::VersionEntry;
use crate::resource::{OPENED, SECRET, SERVICE, check_state, secret_states};
use crate::{Error, SecretId, SecretName, SecretRef, Secrets};

impl Secrets {
    /// Finds the secret that `reference` names, and checks that the caller may do `spec` on it in its state.
    pub(crate) fn admit(
        &self,
        call: &Call<'_>,
        spec: &OperationSpec,
        reference: &SecretRef,
    ) -> Result<Arc<HeldSecret>, Error> {
        let own = call.principal.account();
        let account = reference.account.unwrap_or(own);
        if account != own && spec.access == Access::Write {
            // Others may be let in to use a secret, but only its own account manages it.
            return Err(Error::SecretNotFound);
        }
        let Some(secret) = self.held(account, &reference.name) else {
            // Who may not do it is not told that it is not there.
            self.allow_named(call, spec.permission(), account, &reference.name)?;
            return Err(Error::SecretNotFound);
        };
        if account == own {
            call.touch(SECRET, Which::Name(secret.name.as_str().into()));
        }
        self.allow(call, spec.permission(), spec.states, &secret)?;
        if account != own {
            // Not before: whoever is not let in must not find in its own records that the secret is there.
            call.touch(SECRET, Which::Name(secret.name.as_str().into()));
        }
        check_state(spec.states, secret.is_pending_deletion())?;
        Ok(secret)
    }

    /// Checks that the caller may do `spec` on all secrets of its account.
    pub(crate) fn allow_all(&self, call: &Call<'_>, spec: &OperationSpec) -> Result<(), Error> {
        let asked = Asked { account: call.principal.account(), name: None, of: None };
        self.ask(call, spec.permission(), StateRule::ANY, asked)
    }

    /// Checks that the caller may do `spec` on each secret of its account, of which some may be denied to it.
    pub(crate) fn allow_each(&self, call: &Call<'_>, spec: &OperationSpec) -> Result<(), Error> {
        let asked = Asked { account: call.principal.account(), name: Some("*"), of: None };
        self.ask(call, spec.permission(), StateRule::ANY, asked)
    }

    /// Checks that the caller would have a permission on a secret of that name.
    pub(crate) fn allow_named(
        &self,
        call: &Call<'_>,
        permission: Permission,
        account: AccountId,
        name: &SecretName,
    ) -> Result<(), Error> {
        self.ask(call, permission, StateRule::ANY, Asked { account, name: Some(name.as_str()), of: None })
    }

    /// Checks that the caller has a permission on a secret.
    pub(crate) fn allow(
        &self,
        call: &Call<'_>,
        permission: Permission,
        states: StateRule,
        secret: &HeldSecret,
    ) -> Result<(), Error> {
        let asked = Asked { account: secret.account, name: Some(secret.name.as_str()), of: Some(secret) };
        self.ask(call, permission, states, asked)
    }

    fn ask(
        &self,
        call: &Call<'_>,
        permission: Permission,
        states: StateRule,
        Asked { account, name, of }: Asked<'_>,
    ) -> Result<(), Error> {
        let shown = name.as_ref().map(|name| name as &(dyn Display + Sync));
        let resource = Resource {
            service: SERVICE,
            region: &self.config.region,
            account,
            owner: None,
            name: &Target { kind: SECRET, name: shown },
            tags: of.map(|secret| secret as &dyn Tagged),
            policy: of.and_then(|secret| secret.policy.as_ref()),
        };
        let question = Question { permission, resource: &resource, environment: call.environment };
        match self.iam.authorise(call.principal, &question) {
            Decision::Allowed => {
                if account != call.principal.account() {
                    call.let_in_by(account);
                }
                let name = match (of, name) {
                    (Some(secret), _) => secret.record.id.into(),
                    (None, Some(name)) => Which::Name(name.into()),
                    (None, None) => Which::All,
                };
                let on = Named { kind: SECRET, name };
                let (owner, external_id, encryption_context) = (None, None, None);
                call.granted(Grant { permission, states, on, account, owner, external_id, encryption_context });
                Ok(())
            }
            Decision::Denied(denial) if denial.may_know => Err(Error::Denied(denial)),
            Decision::Denied(denial) => Err(Error::Hidden(denial)),
        }
    }

    /// Notes that the value of a version was opened, so that it is released only if it still may be.
    pub(crate) fn opened(&self, call: &Call<'_>, permission: Permission, secret: &HeldSecret, version: &VersionEntry) {
        let on = Named { kind: OPENED, name: Which::Name(format!("{} {}", secret.record.id, version.number).into()) };
        call.granted(Grant {
            permission,
            states: secret_states::USE,
            on,
            account: secret.account,
            owner: None,
            external_id: None,
            encryption_context: None,
        });
    }

    /// Decides again whether the value of a version may be released.
    async fn decide_on_opened(&self, account: AccountId, name: &str) -> Result<(), Error> {
        let (id, number) = name.split_once(' ').ok_or(Error::SecretNotFound)?;
        let held = {
            let catalogue = self.catalogue.read();
            let is_it = |secret: &&Arc<HeldSecret>| secret.account == account;
            SecretId::parse(id).and_then(|id| catalogue.of_id(id).filter(is_it).cloned())
        };
        let held = held.ok_or(Error::SecretNotFound)?;
        let version = number.parse().ok().and_then(|number| held.record.numbered(number));
        version.ok_or(Error::VersionNotFound)?.check_readable(self.clock.now())?;
        if held.record.is_service_key {
            // Nobody needs a permission on it. Its state counts all the same.
            self.kms.check_usable(account, held.record.key).await?;
        }
        Ok(())
    }
}

/// What a permission is asked on.
struct Asked<'a> {
    account: AccountId,
    /// Without one, on all secrets.
    name: Option<&'a str>,
    of: Option<&'a HeldSecret>,
}

impl Domain for Secrets {
    type Error = Error;

    async fn decide_again(&self, call: &Call<'_>) -> Result<(), Error> {
        self.iam.still_proven(call).map_err(Error::Denied)?;
        for grant in call.trace.grants() {
            let Grant { permission, states, account, .. } = grant;
            match &grant.on.name {
                Which::Name(name) if grant.on.kind == OPENED => self.decide_on_opened(account, name).await?,
                Which::Id(id) if grant.on.kind == SECRET => {
                    let held = self.catalogue.read().of_id(SecretId::from_bytes(*id)).cloned();
                    let held = held.ok_or(Error::SecretNotFound)?;
                    self.allow(call, permission, states, &held)?;
                    check_state(states, held.is_pending_deletion())?;
                }
                Which::Name(name) if grant.on.kind == SECRET => {
                    self.ask(call, permission, states, Asked { account, name: Some(name), of: None })?;
                }
                Which::All if grant.on.kind == SECRET => {
                    self.ask(call, permission, states, Asked { account, name: None, of: None })?;
                }
                _ if grant.on.kind == USER => self.iam.decide_on(call, &grant)?,
                Which::All | Which::Id(_) | Which::Name(_) => self.kms.decide_on(call, grant).await?,
            }
        }
        Ok(())
    }
}

/// What the domain of keys is told of a denial.
pub(crate) fn of_denial(error: Error) -> yaoku_kms::Error {
    match error {
        Error::Denied(denial) | Error::Hidden(denial) => yaoku_kms::Error::Denied(denial),
        Error::Keys(error) => error,
        other => yaoku_kms::Error::Internal(Box::new(other)),
    }
}
