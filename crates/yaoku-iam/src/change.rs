//! How identities change: decided on what is in memory, committed if the store still has it so, and in force before the
//! answer.

use std::sync::Arc;

use yaoku_crypto::{Random, Secret};
use yaoku_seal::{Changes, Outcome, RecordName, Revision};

use crate::access_key::AccessKeyRecord;
use crate::certificate::{BoundCertificate, CertificateRecord};
use crate::directory::Directory;
use crate::login::{row_of_access_key, row_of_certificate};
use crate::record::{
    GroupRecord, PolicyRecord, RoleRecord, Stored, UserRecord, access_key_last_used, access_key_name,
    certificate_last_used, certificate_name, group_name, head_name, policy_name, role_name, token_last_used,
    token_name, user_name,
};
use crate::resource::Allowed;
use crate::tenant::Tenant;
use crate::token::TokenRecord;
use crate::{AccessKeyId, AccountId, Error, GroupId, Iam, Name, PublicKeyHash, RoleId, Timestamp, TokenId, UserId};

/// How often a change is tried against those of other processes.
const ATTEMPTS: usize = 32;
/// The head of an account says nothing but that it was written; a first byte for what may come.
const HEAD_CONTENT: &[u8] = &[1];

/// What a change writes.
pub(crate) struct Draft<'a> {
    account: AccountId,
    /// The moment of the change.
    pub(crate) now: Timestamp,
    /// Whether what is over by that moment can be forgotten.
    pub(crate) is_steady: bool,
    pub(crate) random: &'a dyn Random,
    puts: Vec<(RecordName, Secret)>,
    deletes: Vec<RecordName>,
}

impl<'a> Draft<'a> {
    pub(crate) const fn new(account: AccountId, (now, is_steady): (Timestamp, bool), random: &'a dyn Random) -> Self {
        Self { account, now, is_steady, random, puts: Vec::new(), deletes: Vec::new() }
    }

    /// What commits it, if the account's identities are still those at that head.
    pub(crate) fn into_changes(mut self, head: Option<Revision>) -> Changes {
        let name = head_name(self.account);
        self.puts.push((name.clone(), Secret::new(HEAD_CONTENT.to_vec())));
        Changes { expected: vec![(name, head)], puts: self.puts, deletes: self.deletes }
    }

    const fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }

    pub(crate) fn put_user(&mut self, id: UserId, record: &UserRecord) -> Result<(), Error> {
        self.put(user_name(self.account, id), record)
    }

    pub(crate) fn delete_user(&mut self, id: UserId) {
        self.deletes.push(user_name(self.account, id));
    }

    pub(crate) fn put_group(&mut self, id: GroupId, record: &GroupRecord) -> Result<(), Error> {
        self.put(group_name(self.account, id), record)
    }

    pub(crate) fn delete_group(&mut self, id: GroupId) {
        self.deletes.push(group_name(self.account, id));
    }

    pub(crate) fn put_role(&mut self, id: RoleId, record: &RoleRecord) -> Result<(), Error> {
        self.put(role_name(self.account, id), record)
    }

    pub(crate) fn delete_role(&mut self, id: RoleId) {
        self.deletes.push(role_name(self.account, id));
    }

    pub(crate) fn put_policy(&mut self, name: &Name, record: &PolicyRecord) -> Result<(), Error> {
        self.put(policy_name(self.account, name), record)
    }

    pub(crate) fn delete_policy(&mut self, name: &Name) {
        self.deletes.push(policy_name(self.account, name));
    }

    pub(crate) fn put_access_key(&mut self, id: &AccessKeyId, record: &AccessKeyRecord) -> Result<(), Error> {
        self.puts.push((access_key_name(id), record.encode()?));
        Ok(())
    }

    pub(crate) fn delete_access_key(&mut self, id: &AccessKeyId) {
        self.deletes.extend([access_key_name(id), access_key_last_used(id), row_of_access_key(id)]);
    }

    pub(crate) fn put_token(&mut self, id: &TokenId, record: &TokenRecord) -> Result<(), Error> {
        self.put(token_name(id), record)
    }

    pub(crate) fn delete_token(&mut self, id: &TokenId) {
        self.deletes.extend([token_name(id), token_last_used(id)]);
    }

    pub(crate) fn put_certificate(
        &mut self,
        public_key: PublicKeyHash,
        record: &CertificateRecord,
    ) -> Result<(), Error> {
        self.put(certificate_name(self.account, public_key), record)
    }

    pub(crate) fn delete_certificate(&mut self, bound: &BoundCertificate) {
        let name = certificate_name(self.account, bound.public_key);
        self.deletes.extend([name, certificate_last_used(&bound.id), row_of_certificate(&bound.id)]);
    }

    fn put(&mut self, name: RecordName, record: &impl Stored) -> Result<(), Error> {
        self.puts.push((name, record.encode()?));
        Ok(())
    }
}

impl Iam {
    /// Decides on a change of an account's identities and makes it, again and again until no other comes between. Whether the
    /// caller may is asked anew each time: it may have waited for changes that took that from it.
    pub(crate) async fn change<T>(
        &self,
        allowed: &Allowed<'_>,
        decide: impl Fn(&Directory, &mut Draft<'_>) -> Result<T, Error> + Send + Sync,
    ) -> Result<T, Error> {
        let tenant: &Arc<Tenant> = allowed;
        let _one = tenant.changing.enter(allowed.call.standing(allowed.revokes())).await;
        let head_name = head_name(tenant.id);
        for _ in 0..ATTEMPTS {
            allowed.call.rest_on_authority();
            allowed.still(self)?;
            let (decided, draft, head) = {
                let directory = tenant.directory.read();
                let mut draft = Draft::new(tenant.id, self.moment(), self.vault.random());
                (decide(&directory, &mut draft), draft, directory.head)
            };
            let decided = match decided {
                Ok(decided) if !draft.is_empty() => decided,
                nothing_to_commit => {
                    // No commit will tell whether another process has changed what this was decided on.
                    match self.catch_up_with_head(&head_name, head).await? {
                        true => continue,
                        false => return nothing_to_commit,
                    }
                }
            };
            let mut changes = draft.into_changes(head);
            allowed.call.underpin(&mut changes)?;
            match self.vault.commit(changes).await? {
                Outcome::Committed(revision) => {
                    allowed.call.committed();
                    self.follower.in_force(revision).await?;
                    return Ok(decided);
                }
                Outcome::Conflict { .. } => {
                    // Another process changed something, or the caller's AccessKey or account was; it is on its way here.
                    self.catch_up(&allowed.call).await?;
                    self.catch_up_with_head(&head_name, head).await?;
                }
            }
        }
        Err(Error::Contended)
    }

    /// Waits until the last change of an account's identities is in force here, if another process made it; whether it did.
    async fn catch_up_with_head(&self, name: &RecordName, known: Option<Revision>) -> Result<bool, Error> {
        let stored = self.vault.get(name).await?.map(|head| head.revision);
        match stored.filter(|stored| Some(*stored) != known) {
            Some(stored) => self.follower.in_force(stored).await.map(|()| true).map_err(Into::into),
            None => Ok(false),
        }
    }
}
