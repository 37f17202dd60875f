//! Whether a call may do what it asks: which disk it means, whether its caller has the permission, and whether the disk's state admits
//! it. What was granted is noted in the call, so that it can be decided again.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use yaoku_iam::{
    AccountId, Call, Decision, Denial, Domain, Grant, Named, OperationSpec, Permission, Question, Resource, StateRule,
    Tagged, Target, Which,
};

use crate::held::HeldDisk;
use crate::id::DiskId;
use crate::resource::{DISK, SERVICE, USED_KEY, check_state};
use crate::{DiskName, Disks, Error, Thumbprint};

impl Disks {
    /// Finds a disk of the caller's account, and checks that the caller may do `spec` on it in its state.
    pub(crate) fn admit(&self, call: &Call<'_>, spec: &OperationSpec, name: &DiskName) -> Result<Arc<HeldDisk>, Error> {
        let Some(disk) = self.held(call.principal.account(), name) else {
            // Who may not do it is not told that it is not there.
            self.ask(call, spec.permission(), StateRule::ANY, Asked { name: Some(name.as_str()), of: None })?;
            return Err(Error::DiskNotFound);
        };
        call.touch(DISK, Which::Name(name.as_str().into()));
        self.allow(call, spec, &disk)?;
        Ok(disk)
    }

    /// Checks that the caller may do `spec` on all disks of its account.
    pub(crate) fn allow_all(&self, call: &Call<'_>, spec: &OperationSpec) -> Result<(), Error> {
        self.ask(call, spec.permission(), StateRule::ANY, Asked { name: None, of: None })
    }

    /// Checks that the caller may do `spec` on a disk, and that the disk's state admits it.
    pub(crate) fn allow(&self, call: &Call<'_>, spec: &OperationSpec, disk: &HeldDisk) -> Result<(), Error> {
        let asked = Asked { name: Some(disk.name.as_str()), of: Some(disk) };
        self.ask(call, spec.permission(), spec.states, asked)?;
        check_state(spec.states, disk.record.enabled)
    }

    fn ask(
        &self,
        call: &Call<'_>,
        permission: Permission,
        states: StateRule,
        Asked { name, of }: Asked<'_>,
    ) -> Result<(), Error> {
        let account = call.principal.account();
        let shown = name.as_ref().map(|name| name as &(dyn Display + Sync));
        let resource = Resource {
            service: SERVICE,
            // As of all that only yaoku has: "acs:yaoku:*:…" and "acs:yaoku::…" both match it.
            region: "",
            account,
            owner: None,
            name: &Target { kind: DISK, name: shown },
            tags: of.map(|disk| disk as &dyn Tagged),
            policy: None,
        };
        let question = Question { permission, resource: &resource, environment: call.environment };
        match self.iam.authorise(call.principal, &question) {
            Decision::Allowed => {
                let name = match (of, name) {
                    (Some(disk), _) => disk.record.id.into(),
                    (None, Some(name)) => Which::Name(name.into()),
                    (None, None) => Which::All,
                };
                call.granted(grant(permission, states, Named { kind: DISK, name }, account));
                Ok(())
            }
            Decision::Denied(denial) => Err(Error::Denied(denial)),
        }
    }

    /// Checks that whoever calls in the name of a disk comes from where it may be unlocked, and that its state admits `spec`.
    pub(crate) fn admit_itself(&self, call: &Call<'_>, spec: &OperationSpec) -> Result<Arc<HeldDisk>, Error> {
        let Some(id) = call.principal.key().disk() else {
            let why = format!("{:?} is no disk", call.principal);
            return Err(Error::Denied(Denial { why: why.into(), may_know: true }));
        };
        let disk = self.catalogue.read().of_id(DiskId::from_bytes(id)).cloned().ok_or(Error::DiskNotFound)?;
        call.touch(DISK, Which::Name(disk.name.as_str().into()));
        check_place(&disk, call.environment.source)?;
        check_state(spec.states, disk.record.enabled)?;
        Ok(disk)
    }

    /// Notes that a key of a disk is used, so that what comes of it is released only if it still may be.
    pub(crate) fn uses(&self, call: &Call<'_>, spec: &OperationSpec, disk: &HeldDisk, key: Thumbprint) {
        let name = Which::Name(key.to_string().into());
        call.granted(grant(spec.permission(), spec.states, Named { kind: USED_KEY, name }, disk.account));
    }

    /// Decides again whether what came of a key may be released.
    async fn decide_on_used(&self, call: &Call<'_>, states: StateRule, key: &str) -> Result<(), Error> {
        let disk = call.principal.key().disk().map(DiskId::from_bytes);
        let disk = disk.and_then(|id| self.catalogue.read().of_id(id).cloned()).ok_or(Error::DiskNotFound)?;
        check_place(&disk, call.environment.source)?;
        check_state(states, disk.record.enabled)?;
        let is_it = |held: Thumbprint| Some(held) == Thumbprint::read(key);
        if !disk.exchange.iter().any(|held| is_it(held.thumbprint)) {
            return Err(Error::KeyNotFound);
        }
        // The disk needs no permission on it. Its state counts all the same.
        Ok(self.kms.check_usable(disk.account, disk.record.key).await?)
    }
}

fn check_place(disk: &HeldDisk, source: IpAddr) -> Result<(), Error> {
    if disk.networks.admit(source) { Ok(()) } else { Err(Error::Elsewhere) }
}

const fn grant(permission: Permission, states: StateRule, on: Named, account: AccountId) -> Grant {
    Grant { permission, states, on, account, owner: None, external_id: None, encryption_context: None }
}

/// What a permission is asked on.
struct Asked<'a> {
    /// Without one, on all disks.
    name: Option<&'a str>,
    of: Option<&'a HeldDisk>,
}

impl Domain for Disks {
    type Error = Error;

    async fn decide_again(&self, call: &Call<'_>) -> Result<(), Error> {
        self.iam.still_proven(call).map_err(Error::Denied)?;
        for grant in call.trace.grants() {
            let Grant { permission, states, .. } = grant;
            match &grant.on.name {
                Which::Name(key) if grant.on.kind == USED_KEY => self.decide_on_used(call, states, key).await?,
                Which::Id(id) if grant.on.kind == DISK => {
                    let disk = self.catalogue.read().of_id(DiskId::from_bytes(*id)).cloned();
                    let disk = disk.ok_or(Error::DiskNotFound)?;
                    self.ask(call, permission, states, Asked { name: Some(disk.name.as_str()), of: Some(&disk) })?;
                    check_state(states, disk.record.enabled)?;
                }
                Which::Name(name) if grant.on.kind == DISK => {
                    self.ask(call, permission, states, Asked { name: Some(name), of: None })?;
                }
                Which::All if grant.on.kind == DISK => {
                    self.ask(call, permission, states, Asked { name: None, of: None })?;
                }
                Which::All | Which::Id(_) | Which::Name(_) => self.kms.decide_on(call, grant).await?,
            }
        }
        Ok(())
    }
}
