//! The authority: it knows every account and AccessKey, and decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use yaoku_crypto::Secret;
use yaoku_seal::{
    Changes, Follower, Kind, Mirror, Outcome, RecordName, Revision, Steadiness, Vault, VaultChange, View, read_each,
};

use crate::access_key::{AccessKeyRecord, Owner, Status};
use crate::certificate::{BoundCertificate, CertificateRecord};
use crate::login::{Logins, LoginsRecord};
use crate::principal::Identity;
use crate::quota::Reservations;
use crate::record::{
    ACCESS_KEY, ACCOUNT, AccountRecord, CERTIFICATE, GROUP, HEAD, INSTALLATION, LAST_USED, LOGINS, POLICY, ROLE,
    Stored, TOKEN, USER, access_key_last_used, access_key_name, account_name, certificate_last_used, system,
    token_last_used,
};
use crate::resource::ended;
use crate::tenant::Tenant;
use crate::token::{Token, TokenRecord};
use crate::{
    AccessKey, AccessKeyId, AccountId, Call, Clock, Decision, Denial, Epoch, Error, NewAccessKey, Principal,
    PublicKeyHash, Question, Timestamp, TokenId, UserId,
};

/// How often a commit is tried against others that write the same records.
const ATTEMPTS: usize = 8;

/// What an operator fixes before the start.
pub struct Bootstrap {
    /// The account's id; drawn when absent.
    pub account: Option<AccountId>,
    /// The root AccessKey; drawn when absent. Given later, it is added beside those that exist.
    pub root: Option<NewAccessKey>,
    /// For how long the clock must have been steady before what is over by it is forgotten: tokens, and logins that were renewed.
    pub deletion_patience: Duration,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { account: None, root: None, deletion_patience: Duration::from_secs(3600) }
    }
}

/// The result of opening: the authority, and what the operator must be told once.
pub struct Opened {
    /// The authority.
    pub iam: Arc<Iam>,
    /// The account of this installation.
    pub account: AccountId,
    /// Whether the account was made just now.
    pub first_start: bool,
    /// The root AccessKey that was drawn just now; its secret can't be read again.
    pub drawn: Option<NewAccessKey>,
}

/// Knows who holds which AccessKey, and decides what a principal may do.
pub struct Iam {
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) follower: Follower,
    held: RwLock<Held>,
    epoch: Epoch,
    steadiness: Steadiness,
    pub(crate) accounts_under_way: Reservations<()>,
    /// Last uses as they were last written.
    pub(crate) written_uses: Mutex<HashMap<RecordName, Timestamp>>,
}

/// What is in memory of the store's identities.
#[derive(Default)]
pub struct Held {
    tenants: BTreeMap<AccountId, Arc<Tenant>>,
    access_keys: HashMap<Box<str>, Arc<AccessKey>>,
    pub(crate) tokens: HashMap<Box<str>, Arc<Token>>,
    /// Accounts that have bound a public key.
    pub(crate) certificates: HashMap<PublicKeyHash, BTreeMap<AccountId, Arc<BoundCertificate>>>,
    /// Of each credential whose logins something is remembered of, or that one is used of.
    logins: HashMap<RecordName, Arc<Logins>>,
}

impl Iam {
    /// Reads the identities of an installation, makes account and root AccessKey at its first start, and follows what
    /// changes. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the vault can't be read or written, and when `bootstrap` names another account than the installation's.
    pub async fn open(vault: Arc<Vault>, clock: Arc<dyn Clock>, mut bootstrap: Bootstrap) -> Result<Opened, Error> {
        let (account, first_start) = settle_account(&vault, bootstrap.account).await?;
        vault.create_domain(account.domain()).await?;
        keep_account(&vault, account, clock.now()).await?;
        let mut drawn = None;
        let (root, known) = match bootstrap.root.take() {
            Some(chosen) => (Some(chosen), true),
            None => (None, any_access_key(&vault).await?),
        };
        if let Some(new) = root {
            store_access_key(&vault, account, new, clock.now()).await?;
        } else if !known {
            let new = NewAccessKey::generate(vault.random())?;
            drawn = Some(NewAccessKey { id: new.id.clone(), secret: new.secret.duplicate() });
            store_access_key(&vault, account, new, clock.now()).await?;
        }
        let (held, revision) = Self::read(&vault).await?;
        held.tenants.values().try_for_each(|tenant| tenant.directory.read().check())?;
        let steadiness = Steadiness::new(bootstrap.deletion_patience);
        steadiness.look(Instant::now(), clock.now().0);
        let iam = Arc::new(Self {
            vault: vault.clone(),
            clock,
            steadiness,
            accounts_under_way: Reservations::default(),
            follower: Follower::new(revision),
            held: RwLock::new(held),
            epoch: Epoch::default(),
            written_uses: Mutex::default(),
        });
        Follower::start(&iam, vault);
        Ok(Opened { iam, account, first_start, drawn })
    }

    /// The AccessKey of that id, active or not.
    pub fn access_key(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.held.read().access_keys.get(id).cloned()
    }

    /// Decides whether `principal` may do what is asked.
    pub fn authorise(&self, principal: &Principal, question: &Question<'_>) -> Decision {
        let own = principal.account() == question.resource.account;
        if !principal.is_live() {
            let why = ended(principal);
            return Decision::Denied(Denial { why: why.into(), may_know: own });
        }
        if own && principal.is_root() {
            // What is asked most often, before a text is made.
            return Decision::Allowed;
        }
        if !own && self.tenant(question.resource.account).is_some_and(|owner| !owner.is_enabled()) {
            let why = format!("the account {} was disabled", question.resource.account);
            return Decision::Denied(Denial { why: why.into(), may_know: false });
        }
        principal.as_policy_subject(|subject| question.answer(subject))
    }

    /// Decides whether a principal's own policies let it assume a role, whosever that is; whether the role trusts it is
    /// another question.
    pub(crate) fn may_assume(&self, principal: &Principal, question: &Question<'_>) -> Decision {
        match principal.is_live() {
            true => principal.as_policy_subject(|subject| question.answer_of_own(subject)),
            false => self.authorise(principal, question),
        }
    }

    /// The present moment, and whether the clock has been steady for so long that what is over by it can be forgotten.
    pub(crate) fn moment(&self) -> (Timestamp, bool) {
        let now = self.clock.now();
        (now, self.steadiness.look(Instant::now(), now.0))
    }

    /// Counts changes that can forbid something, of identities and of whatever else policies speak of.
    pub const fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Waits until what the store has of the rows that the decision on a call rested on is in force here: where another change
    /// came first, it may have been one of these.
    ///
    /// # Errors
    /// When the store can't be read, or is not followed.
    pub async fn catch_up(&self, call: &Call<'_>) -> Result<(), Error> {
        for (name, known) in call.authority() {
            if let Some(stored) = self.vault.get(&name).await?
                && Some(stored.revision) != known
            {
                self.follower.in_force(stored.revision).await?;
            }
        }
        Ok(())
    }

    /// Whether changes of identities come into force here.
    pub fn is_followed(&self) -> bool {
        self.follower.is_alive()
    }

    /// Whether what is known here is up to date.
    pub fn is_current(&self) -> bool {
        self.follower.is_current()
    }

    pub(crate) fn tenant(&self, account: AccountId) -> Option<Arc<Tenant>> {
        self.held.read().tenants.get(&account).cloned()
    }

    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.held.read().tenants.values().cloned().collect()
    }

    /// What is in memory. Must not be held for longer than a look-up.
    pub(crate) fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read()
    }

    /// What is remembered of the logins of a credential, by the name of the row.
    pub(crate) fn logins(&self, row: &RecordName) -> Arc<Logins> {
        if let Some(logins) = self.held.read().logins.get(row) {
            return logins.clone();
        }
        self.held.write().logins.entry(row.clone()).or_default().clone()
    }

    /// Every credential that was used, by the name of the row that says so, with when that was last.
    pub(crate) fn last_uses(&self) -> Vec<(RecordName, Timestamp)> {
        let held = self.held.read();
        let keys = held.access_keys.values().map(|key| (access_key_last_used(&key.id), &key.principal));
        let tokens = held.tokens.values().map(|token| (token_last_used(&token.id), &token.principal));
        let certificates = held.certificates.values().flat_map(BTreeMap::values);
        let certificates = certificates.map(|bound| (certificate_last_used(&bound.id), &bound.principal));
        let all = keys.chain(tokens).chain(certificates);
        all.filter_map(|(row, principal)| Some((row, principal.status.last_used()?))).collect()
    }
}

impl Mirror for Iam {
    type State = Held;
    type Error = Error;

    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn concerns(kind: Kind) -> bool {
        can_forbid(kind) || kind == LAST_USED
    }

    async fn read(vault: &Vault) -> Result<(Held, Revision), Error> {
        let view = vault.view().await?;
        let mut held = Held::default();
        // Each kind after those that it builds on.
        let kinds = [ACCOUNT, HEAD, POLICY, GROUP, USER, ROLE, ACCESS_KEY, TOKEN, CERTIFICATE, LOGINS, LAST_USED];
        for kind in kinds {
            for (name, bytes, revision) in records(&view, kind).await? {
                held.apply(revision, vec![(name, bytes)], Vec::new())?;
            }
        }
        Ok((held, view.revision()))
    }

    fn replace(&self, state: Held) {
        let before = std::mem::replace(&mut *self.held.write(), state);
        // Whoever still holds something of before must not go on with it: they come again, and find what is now.
        let keys = before.access_keys.values().map(|key| &key.principal);
        let tokens = before.tokens.values().map(|token| &token.principal);
        let certificates = before.certificates.values().flat_map(BTreeMap::values).map(|bound| &bound.principal);
        keys.chain(tokens).chain(certificates).for_each(|principal| principal.status.set_active(false));
        self.epoch.advance();
    }

    fn apply(&self, change: VaultChange) -> Result<(), Error> {
        // Also where it fails half-way: the whole is then read again.
        let forbids = change.puts.iter().any(|(name, _)| can_forbid(name.kind))
            || change.deletes.iter().any(|name| can_forbid(name.kind));
        let applied = self.held.write().apply(change.revision, change.puts, change.deletes);
        if forbids {
            self.epoch.advance();
        }
        applied
    }
}

/// Whether a change of a record of that kind can take something from somebody.
fn can_forbid(kind: Kind) -> bool {
    matches!(kind, ACCOUNT | ACCESS_KEY | HEAD | USER | GROUP | ROLE | POLICY | TOKEN | CERTIFICATE | LOGINS)
}

async fn records(view: &View, kind: Kind) -> Result<Vec<(RecordName, Secret, Revision)>, Error> {
    let read = |name: &RecordName, record: &yaoku_seal::Record| {
        Ok::<_, Error>((name.clone(), record.bytes.duplicate(), record.revision))
    };
    let mut all = Vec::new();
    read_each(view, kind, read, |one| all.push(one)).await?;
    Ok(all)
}

/// Puts and deletes of the records of one account.
type OfAccount = (Vec<(RecordName, Secret)>, Vec<RecordName>);

impl Held {
    fn apply(
        &mut self,
        revision: Revision,
        puts: Vec<(RecordName, Secret)>,
        deletes: Vec<RecordName>,
    ) -> Result<(), Error> {
        let mut by_account: BTreeMap<AccountId, OfAccount> = BTreeMap::new();
        let (mut of_system, mut certificates) = (Vec::new(), Vec::new());
        for (name, bytes) in puts {
            match AccountId::of_domain(name.domain) {
                Some(account) if name.kind == CERTIFICATE => certificates.push((account, name, bytes)),
                Some(account) => by_account.entry(account).or_default().0.push((name, bytes)),
                None if name.kind == ACCOUNT => self.put_account(&name, &bytes, revision)?,
                None => of_system.push((name, bytes)),
            }
        }
        for name in deletes {
            match (AccountId::of_domain(name.domain), name.kind) {
                (Some(account), CERTIFICATE) => self.remove_certificate(account, &name),
                (Some(account), _) => by_account.entry(account).or_default().1.push(name),
                (None, ACCESS_KEY) => self.remove_access_key(&name),
                (None, TOKEN) => self.remove_token(&name),
                (None, LOGINS) => {
                    if let Some(logins) = self.logins.remove(&name) {
                        logins.remove();
                    }
                }
                (None, _) => {}
            }
        }
        for (account, (puts, deletes)) in by_account {
            self.tenant(account).directory.write().apply(revision, &puts, &deletes)?;
        }
        for (account, name, bytes) in certificates {
            self.put_certificate(account, &name, &bytes, revision)?;
        }
        for (name, bytes) in of_system {
            match name.kind {
                ACCESS_KEY => self.put_access_key(&name, &bytes, revision)?,
                TOKEN => self.put_token(&name, &bytes, revision)?,
                LOGINS => {
                    let record = LoginsRecord::decode(&bytes)?;
                    self.logins.entry(name).or_default().put(record, revision);
                }
                LAST_USED => {
                    let used = Timestamp::decode(&bytes)?;
                    if let Some(principal) = text_id(&name).ok().and_then(|id| self.used(id)) {
                        principal.status.used(used);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn tenant(&mut self, account: AccountId) -> Arc<Tenant> {
        self.tenants.entry(account).or_insert_with(|| Arc::new(Tenant::new(account))).clone()
    }

    fn put_account(&mut self, name: &RecordName, bytes: &Secret, revision: Revision) -> Result<(), Error> {
        if name.id == INSTALLATION {
            return Ok(());
        }
        let tenant = self.tenant(AccountId::parse(text_id(name)?)?);
        let record = AccountRecord::decode(bytes)?;
        tenant.set_enabled(record.enabled);
        tenant.set_revision(revision);
        tenant.directory.write().about = Some(record);
        Ok(())
    }

    fn put_access_key(&mut self, name: &RecordName, bytes: &Secret, revision: Revision) -> Result<(), Error> {
        let id = AccessKeyId::parse(text_id(name)?)?;
        let AccessKeyRecord { account, owner, secret, active, created } = AccessKeyRecord::decode(bytes)?;
        if let Some(held) = self.access_keys.get(id.as_str()) {
            if held.principal.account() == account
                && held.owner() == Some(owner)
                && held.secret.secret().ct_eq(secret.expose())
            {
                held.principal.status.set_active(active);
                held.principal.status.set_revision(revision);
                return Ok(());
            }
            self.remove_access_key(name);
        }
        let tenant = self.tenant(account);
        let identity = match owner {
            Owner::Root => Identity::Root,
            Owner::User(user) => {
                let subject = tenant.directory.read().user_subject(user);
                Identity::User { id: user, subject: subject.ok_or(Error::Record("an AccessKey's user"))? }
            }
        };
        let status = Arc::new(Status::of(access_key_name(&id), revision));
        status.set_active(active);
        let principal = Principal { tenant: tenant.clone(), status, identity, login: None };
        let key = Arc::new(AccessKey { id: id.clone(), secret: secret.into(), principal, created });
        tenant.directory.write().access_keys.insert(id.clone(), key.clone());
        self.access_keys.insert(id.as_str().into(), key);
        Ok(())
    }

    fn remove_access_key(&mut self, name: &RecordName) {
        if let Some(key) = text_id(name).ok().and_then(|id| self.access_keys.remove(id)) {
            key.principal.status.set_active(false);
            key.principal.tenant.directory.write().access_keys.remove(&key.id);
        }
    }

    /// Whom a credential is of that was used, by the id under which that is written.
    fn used(&self, id: &str) -> Option<&Principal> {
        match id.split_once(':') {
            None => self.access_keys.get(id).map(|key| &key.principal),
            Some(("t", id)) => self.tokens.get(id).map(|token| &token.principal),
            Some(("c", id)) => {
                let mut bound = self.certificates.values().flat_map(BTreeMap::values);
                bound.find(|bound| bound.id.as_str() == id).map(|bound| &bound.principal)
            }
            Some(_) => None,
        }
    }

    /// A user of an account, as a credential with that row proves it.
    fn user(
        &mut self,
        account: AccountId,
        user: UserId,
        row: &RecordName,
        revision: Revision,
    ) -> Result<Principal, Error> {
        let tenant = self.tenant(account);
        let subject = tenant.directory.read().user_subject(user).ok_or(Error::Record("a credential's user"))?;
        let status = Arc::new(Status::of(row.clone(), revision));
        Ok(Principal { tenant, status, identity: Identity::User { id: user, subject }, login: None })
    }

    fn put_token(&mut self, name: &RecordName, bytes: &Secret, revision: Revision) -> Result<(), Error> {
        let id = TokenId::parse(text_id(name)?)?;
        let record = TokenRecord::decode(bytes)?;
        let account = AccountId::parse(&record.account)?;
        if let Some(held) = self.tokens.get(id.as_str()) {
            if held.principal.account() == account && held.is_of(&record) {
                held.principal.status.set_revision(revision);
                return Ok(());
            }
            self.remove_token(name);
        }
        let principal = self.user(account, record.user, name, revision)?;
        let token = Arc::new(Token::new(id.clone(), principal, &record)?);
        token.principal.tenant.directory.write().tokens.insert(id.clone(), token.clone());
        self.tokens.insert(id.as_str().into(), token);
        Ok(())
    }

    fn remove_token(&mut self, name: &RecordName) {
        if let Some(token) = text_id(name).ok().and_then(|id| self.tokens.remove(id)) {
            token.principal.status.set_active(false);
            token.principal.tenant.directory.write().tokens.remove(&token.id);
        }
    }

    fn put_certificate(
        &mut self,
        account: AccountId,
        name: &RecordName,
        bytes: &Secret,
        revision: Revision,
    ) -> Result<(), Error> {
        let public_key = PublicKeyHash::from_bytes(&name.id).ok_or(Error::Record("a certificate's binding"))?;
        let CertificateRecord { id, user, created } = CertificateRecord::decode(bytes)?;
        if let Some(held) = self.certificates.get(&public_key).and_then(|bound| bound.get(&account)) {
            if (&held.id, held.user, held.created) == (&id, user, created) {
                held.principal.status.set_revision(revision);
                return Ok(());
            }
            self.remove_certificate(account, name);
        }
        let principal = self.user(account, user, name, revision)?;
        let bound = Arc::new(BoundCertificate { id: id.clone(), public_key, principal, user, created });
        bound.principal.tenant.directory.write().certificates.insert(id, bound.clone());
        self.certificates.entry(public_key).or_default().insert(account, bound);
        Ok(())
    }

    fn remove_certificate(&mut self, account: AccountId, name: &RecordName) {
        let Some(public_key) = PublicKeyHash::from_bytes(&name.id) else { return };
        let Some(accounts) = self.certificates.get_mut(&public_key) else { return };
        if let Some(bound) = accounts.remove(&account) {
            bound.principal.status.set_active(false);
            bound.principal.tenant.directory.write().certificates.remove(&bound.id);
        }
        if accounts.is_empty() {
            self.certificates.remove(&public_key);
        }
    }
}

fn text_id(name: &RecordName) -> Result<&str, Error> {
    std::str::from_utf8(&name.id).map_err(|_| Error::AccessKeyId)
}

/// The account of the installation; none before its first start.
///
/// # Errors
/// When the store can't be read.
pub async fn installation(vault: &Vault) -> Result<Option<AccountId>, Error> {
    let Some(record) = vault.get(&system(ACCOUNT, INSTALLATION)).await? else { return Ok(None) };
    let text = std::str::from_utf8(record.bytes.expose()).map_err(|_| Error::Record("the account"))?;
    Ok(Some(AccountId::parse(text)?))
}

/// Finds the installation's account, or makes it. Several nodes may start at once: one of them wins.
async fn settle_account(vault: &Vault, configured: Option<AccountId>) -> Result<(AccountId, bool), Error> {
    let name = system(ACCOUNT, INSTALLATION);
    for _ in 0..ATTEMPTS {
        if let Some(stored) = installation(vault).await? {
            return match configured {
                Some(configured) if configured != stored => Err(Error::OtherAccount { stored, configured }),
                _ => Ok((stored, false)),
            };
        }
        let account = match configured {
            Some(account) => account,
            None => AccountId::generate(vault.random()).map_err(yaoku_seal::Error::from)?,
        };
        let changes = Changes {
            expected: vec![(name.clone(), None)],
            puts: vec![(name.clone(), Secret::new(account.as_str().as_bytes().to_vec()))],
            deletes: Vec::new(),
        };
        if let Outcome::Committed(_) = vault.commit(changes).await? {
            return Ok((account, true));
        }
    }
    Err(Error::Contended)
}

/// Sees to it that the installation's account has a record as others have: earlier versions knew no others.
async fn keep_account(vault: &Vault, account: AccountId, now: Timestamp) -> Result<(), Error> {
    let name = account_name(account);
    if vault.get(&name).await?.is_none() {
        let record = AccountRecord { label: "first".into(), created: now, enabled: true };
        let changes =
            Changes { expected: vec![(name.clone(), None)], puts: vec![(name, record.encode()?)], deletes: Vec::new() };
        // Whoever was faster wrote the same.
        vault.commit(changes).await?;
    }
    Ok(())
}

async fn any_access_key(vault: &Vault) -> Result<bool, Error> {
    Ok(!vault.view().await?.scan(ACCESS_KEY, None, None, None, 1).await?.is_empty())
}

async fn store_access_key(vault: &Vault, account: AccountId, new: NewAccessKey, now: Timestamp) -> Result<(), Error> {
    let name = access_key_name(&new.id);
    if let Some(record) = vault.get(&name).await?
        && AccessKeyRecord::decode(&record.bytes)?.secret.ct_eq(new.secret.expose())
    {
        return Ok(());
    }
    let owner = Owner::Root;
    let record = AccessKeyRecord { account, owner, secret: new.secret, active: true, created: Some(now) };
    let changes = Changes { expected: Vec::new(), puts: vec![(name, record.encode()?)], deletes: Vec::new() };
    vault.commit(changes).await?;
    Ok(())
}
