//! What permissions on identities are asked on, and whether a caller has them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::operations::sessions::AssumeRole;
use crate::operations::tags;
use crate::record::PolicyName;
use crate::tenant::Tenant;
use crate::{
    AccountId, Call, Decision, Denial, Domain, Error, Grant, Iam, Name, Named, Operation, OperationSpec, Permission,
    Question, Resource, ResourceKind, StateRule, Tagged, Tags, Which,
};

/// A user.
pub const USER: &ResourceKind = &ResourceKind { name: "user", prefix: "user/", all: "user/*" };
/// A group of users.
pub const GROUP: &ResourceKind = &ResourceKind { name: "group", prefix: "group/", all: "group/*" };
/// A role.
pub const ROLE: &ResourceKind = &ResourceKind { name: "role", prefix: "role/", all: "role/*" };
/// A policy.
pub const POLICY: &ResourceKind = &ResourceKind { name: "policy", prefix: "policy/", all: "policy/*" };
/// The tokens of a user, by the user's name.
pub const TOKEN: &ResourceKind = &ResourceKind { name: "token", prefix: "token/", all: "token/*" };
/// The certificates bound to a user, by the user's name.
pub const CERTIFICATE: &ResourceKind =
    &ResourceKind { name: "certificate", prefix: "certificate/", all: "certificate/*" };

/// The service that a kind of resource belongs to, as ARNs and actions name it.
fn service(kind: &ResourceKind) -> &'static str {
    if [TOKEN, CERTIFICATE].contains(&kind) { YAOKU } else { "ram" }
}

/// The service of what only yaoku has.
pub(crate) const YAOKU: &str = "yaoku";

/// An identity that a permission is asked on.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    kind: &'static ResourceKind,
    /// Without one, all of its kind.
    name: Option<&'a str>,
    /// As [`Resource::owner`].
    owner: Option<&'static str>,
}

impl<'a> Target<'a> {
    /// One of the account's own.
    pub(crate) fn own(kind: &'static ResourceKind, name: &'a Name) -> Self {
        Self { kind, name: Some(name.as_str()), owner: None }
    }

    /// All of a kind.
    pub(crate) const fn all(kind: &'static ResourceKind) -> Self {
        Self { kind, name: None, owner: None }
    }

    /// A policy: `acs:ram:*:system:policy/<name>`, where every account has it.
    pub(crate) fn policy(policy: &'a PolicyName) -> Self {
        match policy {
            PolicyName::System(name) => Self { owner: Some("system"), ..Self::own(POLICY, name) },
            PolicyName::Custom(name) => Self::own(POLICY, name),
        }
    }

    /// One that may get a new name. Policies name identities: who may give one a name may give it what policies give to that name.
    pub(crate) fn renamed(kind: &'static ResourceKind, name: &'a Name, new: Option<&'a Name>) -> Vec<Self> {
        std::iter::once(name).chain(new).map(|name| Self::own(kind, name)).collect()
    }

    pub(crate) fn of(grant: &'a Grant) -> Self {
        let name = match &grant.on.name {
            Which::Name(name) => Some(&**name),
            Which::All | Which::Id(_) => None,
        };
        Self { kind: grant.on.kind, name, owner: grant.owner }
    }

    fn named(self) -> Named {
        let name = self.name.map_or(Which::All, |name| Which::Name(name.into()));
        Named { kind: self.kind, name }
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_ref().map(|name| name as &(dyn fmt::Display + Sync));
        crate::Target { kind: self.kind, name }.fmt(f)
    }
}

/// What a caller may do in its own account, at the moment at which it was asked.
pub(crate) struct Allowed<'a> {
    tenant: Arc<Tenant>,
    pub(crate) call: Call<'a>,
    spec: OperationSpec,
    targets: Vec<Target<'a>>,
}

impl Deref for Allowed<'_> {
    type Target = Arc<Tenant>;

    fn deref(&self) -> &Arc<Tenant> {
        &self.tenant
    }
}

impl Allowed<'_> {
    /// Whether it takes something away.
    pub(crate) const fn revokes(&self) -> bool {
        self.spec.revokes
    }

    /// Asks once more, after what may have taken its time: what was taken from the caller meanwhile counts.
    pub(crate) fn still(&self, iam: &Iam) -> Result<(), Error> {
        iam.ask(&self.call, self.spec.permission(), &self.targets)
    }
}

impl Iam {
    /// Checks that the caller may do `spec` on each of `targets` in its own account.
    pub(crate) fn allow<'a>(
        &self,
        call: &Call<'a>,
        spec: &OperationSpec,
        targets: &[Target<'a>],
    ) -> Result<Allowed<'a>, Error> {
        debug_assert!(
            targets.iter().all(|target| spec.resources.contains(&target.kind)) && !targets.is_empty(),
            "{}",
            spec.name
        );
        self.ask(call, spec.permission(), targets)?;
        let account = call.principal.account();
        let tenant = self.tenant(account).ok_or(Error::NoAccount(account))?;
        Ok(Allowed { tenant, call: *call, spec: *spec, targets: targets.to_vec() })
    }

    pub(crate) fn ask(&self, call: &Call<'_>, permission: Permission, targets: &[Target<'_>]) -> Result<(), Error> {
        let account = call.principal.account();
        for target in targets {
            let owner = target.owner;
            let tags = self.tags_of(account, target);
            let tags = tags.as_ref().map(|tags| tags as &dyn Tagged);
            // Not "*" as the region: policies are written with "acs:ram:*:…" and with "acs:ram::…", and both match this.
            let service = service(target.kind);
            let resource = Resource { service, region: "", account, owner, name: target, tags, policy: None };
            let question = Question { permission, resource: &resource, environment: call.environment };
            if let Decision::Denied(denial) = self.authorise(call.principal, &question) {
                return Err(Error::Denied(denial));
            }
            let (on, states) = (target.named(), StateRule::ANY);
            call.granted(Grant { permission, states, on, account, owner, external_id: None, encryption_context: None });
        }
        Ok(())
    }

    /// The tags of an account's own identity, which conditions of policies ask about.
    fn tags_of(&self, account: AccountId, target: &Target<'_>) -> Option<Tags> {
        let Target { kind, name: Some(name), owner: None } = *target else { return None };
        let name = Name::from_stored(name);
        tags::held(&self.tenant(account)?.directory.read(), kind, &name)
    }
}

impl Domain for Iam {
    type Error = Error;

    async fn decide_again(&self, call: &Call<'_>) -> Result<(), Error> {
        self.still_proven(call).map_err(Error::Denied)?;
        for grant in call.trace.grants() {
            match grant.permission == AssumeRole::SPEC.permission() {
                true => AssumeRole::decide_again(self, call, &grant)?,
                false => self.ask(call, grant.permission, &[Target::of(&grant)])?,
            }
        }
        Ok(())
    }
}

impl Iam {
    /// Whether what proved the caller of `call` still does: what needs no permission at all needs this.
    ///
    /// # Errors
    /// Why not.
    pub fn still_proven(&self, call: &Call<'_>) -> Result<(), Denial> {
        match call.principal.is_live() {
            true => Ok(()),
            false => Err(Denial { why: ended(call.principal).into(), may_know: true }),
        }
    }
}

/// Why a principal may do nothing any more.
pub(crate) fn ended(principal: &crate::Principal) -> String {
    format!(
        "{}: its credential or account was disabled or revoked meanwhile, or itself deleted",
        principal.describe().arn
    )
}
