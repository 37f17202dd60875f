//! Accounts of an installation: made, listed, disabled and enabled by its operator. No API of the cloud does this, and no
//! principal may: whoever can is whoever runs yaoku.

use yaoku_seal::{Changes, Outcome};

use crate::access_key::{AccessKeyRecord, Owner};
use crate::principal::{Identity, Principal};
use crate::record::{AccountRecord, Stored, access_key_name, account_name};
use crate::{AccountId, Error, Iam, NewAccessKey, Timestamp, quota};

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

impl Iam {
    /// All accounts, in the order of their ids.
    pub fn accounts(&self) -> Vec<AccountAbout> {
        let about = |tenant: &std::sync::Arc<crate::tenant::Tenant>| {
            let AccountRecord { label, created, enabled } = tenant.directory.read().about.clone()?;
            Some(AccountAbout { id: tenant.id, label, created, enabled })
        };
        self.tenants().iter().filter_map(about).collect()
    }

    /// Makes an account of that id, or of one that is drawn, and an AccessKey of its root, whose secret can't be read again.
    ///
    /// # Errors
    /// [`Error::AccountExists`], [`Error::TooManyAccounts`], [`Error::AccountLabel`], and when the store can't be written.
    pub async fn create_account(
        &self,
        id: Option<AccountId>,
        label: &str,
    ) -> Result<(AccountAbout, NewAccessKey), Error> {
        if !(1..=64).contains(&label.chars().count()) || label.chars().any(char::is_control) {
            return Err(Error::AccountLabel);
        }
        if self.accounts().len() >= quota::ACCOUNTS {
            return Err(Error::TooManyAccounts { most: quota::ACCOUNTS });
        }
        let random = self.vault.random();
        let id = id.map_or_else(|| AccountId::generate(random), Ok).map_err(yaoku_seal::Error::from)?;
        let (key, created) = (NewAccessKey::generate(random)?, self.clock.now());
        let record = AccountRecord { label: label.to_owned(), created, enabled: true };
        let (owner, secret) = (Owner::Root, key.secret.duplicate());
        let root = AccessKeyRecord { account: id, owner, secret, active: true, created: Some(created) };
        self.vault.create_domain(id.domain()).await?;
        let changes = Changes {
            expected: vec![(account_name(id), None), (access_key_name(&key.id), None)],
            puts: vec![(account_name(id), record.encode()?), (access_key_name(&key.id), root.encode()?)],
            deletes: Vec::new(),
        };
        match self.vault.commit(changes).await? {
            Outcome::Committed(revision) => self.follower.in_force(revision).await?,
            Outcome::Conflict { .. } => return Err(Error::AccountExists(id)),
        }
        Ok((AccountAbout { id, label: record.label, created, enabled: true }, key))
    }

    /// Disables or enables an account. When a disabling has been answered, no principal of the account may do anything any more,
    /// and nobody else anything with what it owns; what it owns stays, and what is due on its keys happens.
    ///
    /// # Errors
    /// [`Error::NoAccount`], and when the store can't be written.
    pub async fn enable_account(&self, id: AccountId, enabled: bool) -> Result<AccountAbout, Error> {
        let name = account_name(id);
        for _ in 0..ATTEMPTS {
            let stored = self.vault.get(&name).await?.ok_or(Error::NoAccount(id))?;
            let record = AccountRecord { enabled, ..AccountRecord::decode(&stored.bytes)? };
            let changes = Changes {
                expected: vec![(name.clone(), Some(stored.revision))],
                puts: vec![(name.clone(), record.encode()?)],
                deletes: Vec::new(),
            };
            if let Outcome::Committed(revision) = self.vault.commit(changes).await? {
                self.follower.in_force(revision).await?;
                let AccountRecord { label, created, enabled } = record;
                return Ok(AccountAbout { id, label, created, enabled });
            }
        }
        Err(Error::Contended)
    }

    /// The root of an account, as whom its operator acts, who needs no AccessKey for that.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub fn operator(&self, id: AccountId) -> Result<Principal, Error> {
        let tenant = self.tenant(id).ok_or(Error::NoAccount(id))?;
        Ok(Principal { tenant, status: Default::default(), identity: Identity::Root })
    }
}
