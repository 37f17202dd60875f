//! Accounts of an installation: made, listed, disabled and enabled by its operator. No API of the cloud does this, and no
//! principal may: whoever can is whoever runs yaoku.

use yaoku_seal::{Changes, Outcome};

use crate::access_key::{AccessKeyRecord, Owner};
use crate::record::{AccountRecord, Stored, access_key_name, account_name};
use crate::{
    AccountId, Call, Credential, Denial, Error, Iam, NewAccessKey, Operation, OperationSpec, StateRule, Timestamp,
    quota,
};

/// How often a change is tried against others of the same account.
const ATTEMPTS: usize = 8;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountAbout {
    /// Its id.
    pub id: AccountId,
    /// What its operator calls it.
    pub label: String,
    /// When it was made, or first known of.
    pub created: Timestamp,
    /// Whether its principals may call.
    pub enabled: bool,
}

/// Makes an account, and an AccessKey of its root, whose secret can't be read again.
pub struct CreateAccount {
    /// Its id; drawn when absent.
    pub id: Option<AccountId>,
    /// What its operator calls it: one line of 1 to 64 characters.
    pub label: String,
}

/// Lists all accounts, in the order of their ids.
pub struct ListAccounts;

/// Disables or enables an account. When a disabling has been answered, no principal of the account may do anything any more,
/// and nobody else anything with what it owns; what it owns stays, and what is due on its keys happens.
pub struct SwitchAccount<const ENABLED: bool> {
    /// Which.
    pub id: AccountId,
}

/// [`SwitchAccount`] on.
pub type EnableAccount = SwitchAccount<true>;
/// [`SwitchAccount`] off.
pub type DisableAccount = SwitchAccount<false>;

/// An account that was made.
pub struct CreatedAccount {
    /// What is known of it.
    pub account: AccountAbout,
    /// Its root's AccessKey.
    pub key: NewAccessKey,
}

/// The service of these operations. No policy can be about them.
const SERVICE: &str = "yaoku";

/// Operators alone do this.
fn check_operator(call: &Call<'_>) -> Result<(), Error> {
    match call.credential {
        Credential::Operator(_) => Ok(()),
        Credential::AccessKey(_)
        | Credential::Token(_)
        | Credential::Certificate(_)
        | Credential::DiskUrl
        | Credential::Service => {
            let why = format!("{:?} is no operator of the installation", call.principal);
            Err(Error::Denied(Denial { why: why.into(), may_know: true }))
        }
    }
}

impl Operation for CreateAccount {
    type Domain = Iam;
    type Output = CreatedAccount;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CreateAccount", &[], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<CreatedAccount, Error> {
        check_operator(call)?;
        if !(1..=64).contains(&self.label.chars().count()) || self.label.chars().any(char::is_control) {
            return Err(Error::AccountLabel);
        }
        let there = || iam.tenants().len() as u64;
        let reserved = iam.accounts_under_way.reserve((), 1, quota::ACCOUNTS as u64, there);
        let _reserved = reserved.ok_or(Error::TooManyAccounts { most: quota::ACCOUNTS })?;
        let random = iam.vault.random();
        let id = self.id.map_or_else(|| AccountId::generate(random), Ok).map_err(yaoku_seal::Error::from)?;
        let (key, created) = (NewAccessKey::generate(random)?, iam.clock.now());
        let record = AccountRecord { label: self.label, created, enabled: true };
        let (owner, secret) = (Owner::Root, key.secret.duplicate());
        let root = AccessKeyRecord { account: id, owner, secret, active: true, created: Some(created) };
        iam.vault.create_domain(id.domain()).await?;
        for _ in 0..ATTEMPTS {
            call.rest_on_authority();
            if iam.vault.get(&account_name(id)).await?.is_some() {
                return Err(Error::AccountExists(id));
            }
            let mut changes = Changes {
                expected: vec![(account_name(id), None), (access_key_name(&key.id), None)],
                puts: vec![(account_name(id), record.encode()?), (access_key_name(&key.id), root.encode()?)],
                deletes: Vec::new(),
            };
            if iam.commit(call, &mut changes).await? {
                let account = AccountAbout { id, label: record.label, created, enabled: true };
                return Ok(CreatedAccount { account, key });
            }
        }
        Err(Error::Contended)
    }
}

impl Operation for ListAccounts {
    type Domain = Iam;
    type Output = Vec<AccountAbout>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListAccounts", &[], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Vec<AccountAbout>, Error> {
        check_operator(call)?;
        let tenants = iam.tenants();
        let about = tenants.iter().filter_map(|tenant| {
            let AccountRecord { label, created, enabled } = tenant.directory.read().about.clone()?;
            Some(AccountAbout { id: tenant.id, label, created, enabled })
        });
        Ok(about.collect())
    }
}

impl<const ENABLED: bool> Operation for SwitchAccount<ENABLED> {
    type Domain = Iam;
    type Output = AccountAbout;
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, if ENABLED { "EnableAccount" } else { "DisableAccount" }, &[], StateRule::ANY)
            .revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<AccountAbout, Error> {
        check_operator(call)?;
        let (id, name) = (self.id, account_name(self.id));
        // Changes of identities in the operator's account would only get in its way.
        let _one = call.principal.tenant.changing.enter(call.standing(Self::SPEC.revokes)).await;
        for _ in 0..ATTEMPTS {
            call.rest_on_authority();
            let stored = iam.vault.get(&name).await?.ok_or(Error::NoAccount(id))?;
            let record = AccountRecord { enabled: ENABLED, ..AccountRecord::decode(&stored.bytes)? };
            let mut changes = Changes {
                expected: vec![(name.clone(), Some(stored.revision))],
                puts: vec![(name.clone(), record.encode()?)],
                deletes: Vec::new(),
            };
            if iam.commit(call, &mut changes).await? {
                let AccountRecord { label, created, enabled } = record;
                return Ok(AccountAbout { id, label, created, enabled });
            }
        }
        Err(Error::Contended)
    }
}

impl Iam {
    /// Commits what rests on the caller's authority, and waits until it is in force here; false if another change came first.
    async fn commit(&self, call: &Call<'_>, changes: &mut Changes) -> Result<bool, Error> {
        call.underpin(changes)?;
        match self.vault.commit(std::mem::take(changes)).await? {
            Outcome::Committed(revision) => {
                call.committed();
                self.follower.in_force(revision).await?;
                Ok(true)
            }
            Outcome::Conflict { .. } => {
                self.catch_up(call).await?;
                Ok(false)
            }
        }
    }
}
