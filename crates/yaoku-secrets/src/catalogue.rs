//! What is held in memory of all secrets: their records, without values.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use yaoku_iam::{AccountId, Timestamp, UserId};
use yaoku_kms::KeyId;

use crate::held::HeldSecret;
use crate::{SecretId, SecretKind, SecretName};

/// A condition of a listing: met by secrets that meet any one of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFilter {
    /// By what the name begins with.
    Name(Vec<String>),
    /// By what the description begins with.
    Description(Vec<String>),
    /// By kind.
    Kind(Vec<SecretKind>),
    /// By a tag whose key and value are both among these; none means any.
    Tag {
        /// Tag keys.
        keys: Option<Vec<String>>,
        /// Tag values.
        values: Option<Vec<String>>,
    },
    /// Met by no secret: what was asked for does not exist here.
    Nothing,
}

/// Conditions of a listing; all must be met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretFilters(pub Vec<SecretFilter>);

impl SecretFilters {
    pub(crate) fn admit(&self, secret: &HeldSecret) -> bool {
        self.0.iter().all(|filter| filter.admits(secret))
    }
}

impl SecretFilter {
    fn admits(&self, secret: &HeldSecret) -> bool {
        let begins = |text: &str, beginnings: &[String]| beginnings.iter().any(|begin| text.starts_with(&**begin));
        match self {
            Self::Name(names) => begins(secret.name.as_str(), names),
            Self::Description(descriptions) => begins(&secret.record.description, descriptions),
            Self::Kind(kinds) => kinds.contains(&secret.record.kind()),
            Self::Tag { keys, values } => {
                let among = |wanted: &Option<Vec<String>>, text: &str| {
                    wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|wanted| wanted == text))
                };
                secret.record.tags.iter().any(|(key, value)| among(keys, key) && among(values, value))
            }
            Self::Nothing => false,
        }
    }
}

/// All accounts' secrets.
#[derive(Default)]
pub struct Catalogue {
    accounts: HashMap<AccountId, BTreeMap<SecretName, Arc<HeldSecret>>>,
    by_id: HashMap<SecretId, Arc<HeldSecret>>,
    /// Secrets that the scheduler must look at, soonest first.
    due: BTreeSet<(Timestamp, SecretId)>,
    /// When it looks at them, by the secret.
    due_of: HashMap<SecretId, Timestamp>,
    /// Secrets by the CMK that their values are encrypted under.
    by_key: HashMap<KeyId, BTreeSet<SecretName>>,
    /// Bytes of policies and custom metadata.
    texts: HashMap<AccountId, u64>,
}

impl Catalogue {
    /// How many secrets are encrypted under a CMK, those included that can still be restored.
    pub(crate) fn under(&self, key: KeyId) -> usize {
        self.by_key.get(&key).map_or(0, BTreeSet::len)
    }

    pub(crate) fn secret(&self, account: AccountId, name: &SecretName) -> Option<&Arc<HeldSecret>> {
        self.accounts.get(&account)?.get(name)
    }

    pub(crate) fn of_id(&self, id: SecretId) -> Option<&Arc<HeldSecret>> {
        self.by_id.get(&id)
    }

    pub(crate) fn count(&self, account: AccountId) -> u64 {
        self.accounts.get(&account).map_or(0, |secrets| secrets.len() as u64)
    }

    /// Bytes of the policies and custom metadata of an account's secrets.
    pub(crate) fn texts(&self, account: AccountId) -> u64 {
        self.texts.get(&account).copied().unwrap_or_default()
    }

    /// Secrets of an account in order of their names, behind `after`.
    pub(crate) fn after<'c>(
        &'c self,
        account: AccountId,
        after: Option<&SecretName>,
    ) -> impl Iterator<Item = &'c Arc<HeldSecret>> + use<'c> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let secrets = self.accounts.get(&account).into_iter();
        secrets.flat_map(move |secrets| secrets.range((from.clone(), Bound::Unbounded)).map(|(_, secret)| secret))
    }

    /// Enters a secret, or what has changed of it; what was there before.
    pub(crate) fn put(&mut self, secret: HeldSecret) -> Option<Arc<HeldSecret>> {
        let secret = Arc::new(secret);
        let before = self.accounts.entry(secret.account).or_default().insert(secret.name.clone(), secret.clone());
        if let Some(before) = &before {
            self.forget(before);
        }
        if let Some((due, _)) = secret.record.due() {
            self.set_due(secret.record.id, Some(due));
        }
        self.by_key.entry(secret.record.key).or_default().insert(secret.name.clone());
        *self.texts.entry(secret.account).or_default() += secret.record.texts();
        self.by_id.insert(secret.record.id, secret);
        before
    }

    pub(crate) fn remove(&mut self, account: AccountId, name: &SecretName) {
        let Some(secrets) = self.accounts.get_mut(&account) else { return };
        if let Some(secret) = secrets.remove(name) {
            self.forget(&secret);
        }
    }

    fn forget(&mut self, secret: &HeldSecret) {
        self.by_id.remove(&secret.record.id);
        self.set_due(secret.record.id, None);
        if let Some(texts) = self.texts.get_mut(&secret.account) {
            *texts = texts.saturating_sub(secret.record.texts());
        }
        if let Some(under) = self.by_key.get_mut(&secret.record.key) {
            under.remove(&secret.name);
            if under.is_empty() {
                self.by_key.remove(&secret.record.key);
            }
        }
    }

    /// Lets the scheduler look at a secret later, unless the secret is changed before.
    pub(crate) fn postpone(&mut self, secret: SecretId, until: Timestamp) {
        if self.due_of.contains_key(&secret) {
            self.set_due(secret, Some(until));
        }
    }

    fn set_due(&mut self, secret: SecretId, due: Option<Timestamp>) {
        let before = match due {
            Some(due) => self.due_of.insert(secret, due),
            None => self.due_of.remove(&secret),
        };
        if let Some(before) = before {
            self.due.remove(&(before, secret));
        }
        self.due.extend(due.map(|due| (due, secret)));
    }

    /// Whether another secret of an account holds AccessKeys of that user.
    pub(crate) fn holds_access_keys_of(&self, account: AccountId, user: UserId) -> bool {
        let secrets = self.accounts.get(&account).into_iter().flat_map(BTreeMap::values);
        let mut of_users = secrets.filter_map(|secret| secret.record.ram_credentials().ok());
        of_users.any(|credentials| credentials.user == user)
    }

    /// The soonest moment at which the scheduler has something to do.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// At most `limit` secrets that are due at `now`, longest due first.
    pub(crate) fn due(&self, now: Timestamp, limit: usize) -> Vec<Arc<HeldSecret>> {
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        due.take(limit).filter_map(|(_, id)| self.by_id.get(id).cloned()).collect()
    }
}
