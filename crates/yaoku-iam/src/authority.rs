//! The authority: it knows every AccessKey, and decides.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use yaoku_crypto::Secret;
use yaoku_seal::{Changes, Domain, Kind, Outcome, RecordName, Vault};

use crate::{AccessKey, AccessKeyId, AccountId, Decision, Error, NewAccessKey, Principal, Question};

/// The account of an installation, in the system's domain.
const ACCOUNT: Kind = Kind(8);
/// An AccessKey, in the system's domain since the account is known only after it was found.
const ACCESS_KEY: Kind = Kind(9);
/// How often a commit is tried against others that write the same records.
const ATTEMPTS: usize = 8;
/// Records read at a time.
const PAGE: usize = 1000;

/// What an operator fixes before the first start.
#[derive(Default)]
pub struct Bootstrap {
    /// The account's id; drawn when absent.
    pub account: Option<AccountId>,
    /// The root AccessKey; drawn when absent. Given later, it is added beside those that exist.
    pub root: Option<NewAccessKey>,
}

/// The result of opening: the authority, and what the operator must be told once.
pub struct Opened {
    /// The authority.
    pub iam: Iam,
    /// The account of this installation.
    pub account: AccountId,
    /// Whether the account was made just now.
    pub first_start: bool,
    /// The root AccessKey that was drawn just now; its secret can't be read again.
    pub drawn: Option<NewAccessKey>,
}

/// Knows who holds which AccessKey, and decides what a principal may do.
pub struct Iam {
    access_keys: RwLock<HashMap<Box<str>, Arc<AccessKey>>>,
}

impl Iam {
    /// Reads the identities of an installation, and makes account and root AccessKey at its first start.
    ///
    /// # Errors
    /// When the vault can't be read or written, and when `bootstrap` names another account than the installation's.
    pub async fn open(vault: &Vault, mut bootstrap: Bootstrap) -> Result<Opened, Error> {
        let (account, first_start) = settle_account(vault, bootstrap.account).await?;
        vault.create_domain(account.domain()).await?;
        let mut access_keys = load_access_keys(vault).await?;
        let mut drawn = None;
        let chosen = bootstrap.root.take();
        if let Some(new) = chosen {
            let key = store_access_key(vault, account, new).await?;
            access_keys.insert(key.id.as_str().into(), Arc::new(key));
        } else if access_keys.is_empty() {
            let new = NewAccessKey::generate(vault.random())?;
            let shown = NewAccessKey { id: new.id.clone(), secret: new.secret.duplicate() };
            let key = store_access_key(vault, account, new).await?;
            access_keys.insert(key.id.as_str().into(), Arc::new(key));
            drawn = Some(shown);
        }
        let iam = Self { access_keys: RwLock::new(access_keys) };
        Ok(Opened { iam, account, first_start, drawn })
    }

    /// The AccessKey of that id, active or not.
    pub fn access_key(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.access_keys.read().get(id).cloned()
    }

    /// Decides whether `principal` may do what is asked.
    pub fn authorise(&self, principal: &Principal, question: &Question<'_>) -> Decision {
        match principal {
            // What is asked most often here, before a text is made.
            Principal::Root { account } if *account == question.resource.account => Decision::Allowed,
            Principal::Root { .. } => principal.stand(|standing| question.answer(standing)),
        }
    }
}

/// Finds the installation's account, or makes it. Several nodes may start at once: one of them wins.
async fn settle_account(vault: &Vault, configured: Option<AccountId>) -> Result<(AccountId, bool), Error> {
    let name = system_record(ACCOUNT, b"root");
    for _ in 0..ATTEMPTS {
        if let Some(record) = vault.get(&name).await? {
            let text = std::str::from_utf8(record.bytes.expose()).map_err(|_| Error::Record("the account"))?;
            let stored = AccountId::parse(text)?;
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

async fn load_access_keys(vault: &Vault) -> Result<HashMap<Box<str>, Arc<AccessKey>>, Error> {
    let view = vault.view().await?;
    let mut keys = HashMap::new();
    let mut after = None;
    loop {
        let page = view.scan(ACCESS_KEY, Some(Domain::SYSTEM), None, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(keys) };
        after = Some(last.clone());
        for (name, record) in page {
            let id = std::str::from_utf8(&name.id).map_err(|_| Error::AccessKeyId)?;
            let key = AccessKey::decode(AccessKeyId::parse(id)?, &record.bytes)?;
            keys.insert(id.into(), Arc::new(key));
        }
    }
}

async fn store_access_key(vault: &Vault, account: AccountId, new: NewAccessKey) -> Result<AccessKey, Error> {
    let key = AccessKey { id: new.id, secret: new.secret, principal: Principal::Root { account }, active: true };
    let name = system_record(ACCESS_KEY, key.id.as_str().as_bytes());
    let unchanged = match vault.get(&name).await? {
        Some(record) => AccessKey::decode(key.id.clone(), &record.bytes)?.secret.ct_eq(key.secret.expose()),
        None => false,
    };
    if !unchanged {
        let changes = Changes { expected: Vec::new(), puts: vec![(name, key.encode()?)], deletes: Vec::new() };
        vault.commit(changes).await?;
    }
    Ok(key)
}

fn system_record(kind: Kind, id: &[u8]) -> RecordName {
    RecordName { kind, domain: Domain::SYSTEM, id: id.to_vec(), version: Vec::new() }
}
