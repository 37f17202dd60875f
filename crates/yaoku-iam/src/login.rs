//! Login tokens: what a protocol gives to whoever proved themselves with an AccessKey or a certificate, so that they need not at
//! each call.
//!
//! A login token holds all that is known of it, sealed under the system's key: the server keeps no list of those that are alive, so
//! logins cost neither rows nor memory. At each use the credential that it came from is looked up, so a login ends with it. What
//! can't be in the token, since the token stays the same text, is one row for each credential: to when its logins were renewed,
//! which were revoked, and before which moment all of them ended. That row is bounded, and a call rests on it as on the
//! credential's own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use yaoku_crypto::Secret;
use yaoku_crypto::mac::{Hash, ct_eq, hash};
use yaoku_seal::{Changes, Domain, Outcome, RecordName, Revision};

use crate::caller::Bearer;
use crate::record::{LOGINS, Stored, system};
use crate::{AccountId, Call, Caller, Denial, Error, Field, Iam, Timestamp, token};

/// What every login token begins with.
const PREFIX: &str = "ykl.";
/// What they are sealed as.
const LABEL: &[u8] = b"login token v1";
/// Characters of a login token: more than any has.
const MAX_LOGIN_TOKEN: usize = 1024;
/// Seconds that a login lasts, and that one renewal adds at the most.
pub const LOGIN: u64 = 3600;
/// Seconds that a login lasts with all its renewals.
pub const LONGEST_LOGIN: u64 = 24 * 3600;
/// Logins of one credential that are remembered as renewed or revoked.
const REMEMBERED: usize = 1024;
/// How often a change is tried against those of other processes.
const ATTEMPTS: usize = 32;

/// Why a token proves nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// It is none, or not one any more, or may not be used from there. Never says which.
    #[error("the token proves nobody")]
    NotAuthenticated,
    /// The server can't open it at present.
    #[error("the token can't be read, because the store is unavailable")]
    Unavailable,
}

/// Names a login among those of its credential.
type LoginId = [u8; 16];

/// What a login token holds.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    of: Of,
    /// The AccessKey's id, or the binding's of the certificate.
    credential: &'a str,
    account: &'a str,
    /// What tells the credential from another of the same name.
    mark: [u8; 32],
    id: LoginId,
    began: Timestamp,
    expires: Timestamp,
}

/// What a login came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Of {
    AccessKey,
    Certificate,
}

/// A login, as calls with its token rest on it.
pub(crate) struct Login {
    id: LoginId,
    began: Timestamp,
    expires: Timestamp,
    row: RecordName,
    logins: Arc<Logins>,
}

/// What is remembered of the logins of one credential.
#[derive(Default)]
pub(crate) struct Logins(RwLock<(LoginsRecord, Option<Revision>)>);

/// The same as the store has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginsRecord {
    /// Every login that began at this moment or before it has ended.
    ended_before: Timestamp,
    /// When those end that were renewed.
    renewed: BTreeMap<LoginId, Timestamp>,
    /// Those that were revoked, until they would have ended by themselves.
    revoked: BTreeMap<LoginId, Timestamp>,
}

impl Stored for LoginsRecord {
    const WHAT: &'static str = "the logins of a credential";
}

impl LoginsRecord {
    fn has_ended(&self, id: LoginId, began: Timestamp) -> bool {
        began <= self.ended_before || self.revoked.contains_key(&id)
    }

    /// Forgets what makes no difference any more by `now`: where that is wrong, logins end that should not. A clock that is ahead for a while must not bring a revoked login back: all that
    /// began before one that is forgotten have ended with it.
    fn prune(&mut self, now: Timestamp) {
        self.renewed.retain(|_, end| *end > now);
        let forgotten = self.revoked.values().filter(|end| **end <= now).max().copied();
        if let Some(Timestamp(end)) = forgotten {
            self.ended_before = self.ended_before.max(Timestamp(end.saturating_sub(LONGEST_LOGIN * 1000)));
            self.revoked.retain(|_, end| *end > now);
        }
    }

    fn is_full(&self) -> bool {
        self.renewed.len() + self.revoked.len() >= REMEMBERED
    }

    fn renew(&mut self, login: &Login, to: Timestamp) -> Result<(), Error> {
        if self.has_ended(login.id, login.began) {
            return Err(ended());
        }
        if self.is_full() && !self.renewed.contains_key(&login.id) {
            return Err(Error::LimitExceeded { what: crate::Entity::Login, most: REMEMBERED });
        }
        self.renewed.insert(login.id, to);
        Ok(())
    }

    /// Where no more can be remembered, all logins of the credential end: a revocation is never refused, and never forgotten.
    fn revoke(&mut self, login: &Login, now: Timestamp) {
        self.renewed.remove(&login.id);
        if self.has_ended(login.id, login.began) {
            return;
        }
        // Whether the clock is right or not: the alternative ends more.
        if self.is_full() {
            self.prune(now);
        }
        if self.is_full() {
            *self = Self { ended_before: now.max(login.began), ..Self::default() };
        } else {
            self.revoked.insert(login.id, login.began.plus_seconds(LONGEST_LOGIN));
        }
    }
}

impl Logins {
    pub(crate) fn put(&self, record: LoginsRecord, revision: Revision) {
        *self.0.write() = (record, Some(revision));
    }

    /// The row is no more; what it said is kept, since its credential is no more either.
    pub(crate) fn remove(&self) {
        self.0.write().1 = None;
    }
}

impl Login {
    /// Whether it was revoked.
    pub(crate) fn has_ended(&self) -> bool {
        self.logins.0.read().0.has_ended(self.id, self.began)
    }

    /// When it ends unless it is renewed.
    pub(crate) fn expires(&self) -> Timestamp {
        self.logins.0.read().0.renewed.get(&self.id).copied().unwrap_or(self.expires)
    }

    /// When it ends at the latest.
    pub(crate) const fn latest(&self) -> Timestamp {
        self.began.plus_seconds(LONGEST_LOGIN)
    }

    pub(crate) const fn began(&self) -> Timestamp {
        self.began
    }

    /// A name of it that may be shown.
    pub(crate) fn name(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The row that says whether it was revoked, as it is known.
    pub(crate) fn authority(&self) -> (RecordName, Option<Revision>) {
        (self.row.clone(), self.logins.0.read().1)
    }
}

fn ended() -> Error {
    Error::Denied(Denial { why: "the login has ended".into(), may_know: true })
}

impl Of {
    /// The name of the row that remembers the logins of a credential.
    fn row(self, credential: &str) -> RecordName {
        let kind = match self {
            Self::AccessKey => "a",
            Self::Certificate => "c",
        };
        system(LOGINS, format!("{kind}:{credential}").as_bytes())
    }
}

/// The row of an AccessKey's logins.
pub(crate) fn row_of_access_key(id: &crate::AccessKeyId) -> RecordName {
    Of::AccessKey.row(id.as_str())
}

/// The row of a certificate's logins.
pub(crate) fn row_of_certificate(id: &crate::CertificateId) -> RecordName {
    Of::Certificate.row(id.as_str())
}

/// What a login token names as its credential; none of what logins can't come from.
fn origin(bearer: &Bearer) -> Option<(Of, &str, [u8; 32])> {
    let mut mark = [0; 32];
    match bearer {
        Bearer::AccessKey(key) => {
            // That of a session holds a role, which ends sooner than its logins would.
            key.owner()?;
            // Also its birth: an operator can make one of the same id and secret again, and what is remembered of the logins of the
            // former went with it.
            let created = key.created.map_or(0, |created| created.0).to_be_bytes();
            mark.copy_from_slice(key.secret.hmac(Hash::Sha256, b"", &[LABEL, &created].concat()).as_bytes());
            Some((Of::AccessKey, key.id.as_str(), mark))
        }
        Bearer::Certificate(bound) => {
            mark.copy_from_slice(hash(Hash::Sha256, &bound.public_key.to_bytes()).as_bytes());
            Some((Of::Certificate, bound.id.as_str(), mark))
        }
        Bearer::Token(_) => None,
    }
}

impl Iam {
    /// Begins a login of a proven caller: its token, and the caller that the token proves.
    pub(crate) async fn begin_login(&self, bearer: &Bearer) -> Result<(Secret, Caller), Error> {
        let why = "logins come from AccessKeys of users and roots, and from certificates";
        let (of, credential, mark) = origin(bearer).ok_or(Error::Invalid { field: Field::Token, why })?;
        let mut id = [0; 16];
        self.vault.random().fill(&mut id).map_err(yaoku_seal::Error::from)?;
        let began = self.clock.now();
        let expires = began.plus_seconds(LOGIN);
        let account = bearer.principal().account();
        let content = Content { of, credential, account: account.as_str(), mark, id, began, expires };
        let mut bytes = vec![0; 512];
        let used = postcard::to_slice(&content, &mut bytes).map_err(|_| Error::Record("a login"))?.len();
        bytes.truncate(used);
        let sealed = self.vault.seal_token(Domain::SYSTEM, LABEL, &Secret::new(bytes)).await?;
        let mut token = String::with_capacity(MAX_LOGIN_TOKEN);
        token.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(sealed, &mut token);
        let login = self.login(of, credential, id, began, expires);
        Ok((Secret::new(token.into_bytes()), Caller::logged_in(bearer.clone(), login)))
    }

    fn login(&self, of: Of, credential: &str, id: LoginId, began: Timestamp, expires: Timestamp) -> Arc<Login> {
        let row = of.row(credential);
        let logins = self.logins(&row);
        Arc::new(Login { id, began, expires, row, logins })
    }

    /// Whoever a token proves, made by an administrator or by a login. Without a source, where it comes from is not looked at.
    ///
    /// # Errors
    /// [`BearerError`].
    pub async fn bearer(&self, text: &str, source: Option<IpAddr>) -> Result<Caller, BearerError> {
        if let Some((id, secret)) = token::parts(text) {
            let token = self.held().tokens.get(id).cloned().ok_or(BearerError::NotAuthenticated)?;
            let admitted = source.is_none_or(|source| token.networks.admit(source));
            if !token.has_secret(secret) || !admitted || !token.is_valid_at(self.clock.now()) {
                return Err(BearerError::NotAuthenticated);
            }
            return Caller::of_bearer(Bearer::Token(token)).ok_or(BearerError::NotAuthenticated);
        }
        let sealed = text.strip_prefix(PREFIX).filter(|text| text.len() <= MAX_LOGIN_TOKEN);
        let sealed = sealed.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(BearerError::NotAuthenticated)?;
        let opened = self.vault.open_token(Domain::SYSTEM, LABEL, &sealed).await;
        let bytes = opened.map_err(|_| BearerError::Unavailable)?.ok_or(BearerError::NotAuthenticated)?;
        let content: Content<'_> = read(bytes.expose()).ok_or(BearerError::NotAuthenticated)?;
        let Content { of, credential, account, mark, id, began, expires } = content;
        let bearer = match of {
            Of::AccessKey => self.access_key(credential).map(Bearer::AccessKey),
            Of::Certificate => AccountId::parse(account).ok().and_then(|account| {
                let id = crate::CertificateId::parse(credential).ok()?;
                let tenant = self.tenant(account)?;
                let bound = tenant.directory.read().certificates.get(&id).cloned();
                bound.map(Bearer::Certificate)
            }),
        };
        let bearer = bearer.ok_or(BearerError::NotAuthenticated)?;
        let is_same = origin(&bearer).is_some_and(|(_, _, now)| ct_eq(&now, &mark));
        if !is_same || bearer.principal().account().as_str() != account {
            return Err(BearerError::NotAuthenticated);
        }
        let login = self.login(of, credential, id, began, expires);
        if self.clock.now() >= login.expires() {
            return Err(BearerError::NotAuthenticated);
        }
        let caller = Caller::logged_in(bearer, login);
        if caller.principal().is_live() { Ok(caller) } else { Err(BearerError::NotAuthenticated) }
    }

    /// Adds to the time of a login; how many seconds from then on that gave it.
    pub(crate) async fn renew_login(&self, call: &Call<'_>, login: &Login, seconds: u64) -> Result<u64, Error> {
        self.change_logins(call, login, |record, now| {
            let to = now.plus_seconds(seconds.clamp(1, LOGIN)).min(login.latest());
            record.renew(login, to).map(|()| to.seconds_since(now))
        })
        .await
    }

    /// Ends a login.
    pub(crate) async fn revoke_login(&self, call: &Call<'_>, login: &Login) -> Result<(), Error> {
        self.change_logins(call, login, |record, now| {
            record.revoke(login, now);
            Ok(())
        })
        .await
    }

    async fn change_logins<T>(
        &self,
        call: &Call<'_>,
        login: &Login,
        change: impl Fn(&mut LoginsRecord, Timestamp) -> Result<T, Error> + Send + Sync,
    ) -> Result<T, Error> {
        for _ in 0..ATTEMPTS {
            call.rest_on_authority();
            self.still_proven(call).map_err(Error::Denied)?;
            let stored = self.vault.get(&login.row).await?;
            let (mut record, revision) = match &stored {
                Some(stored) => (LoginsRecord::decode(&stored.bytes)?, Some(stored.revision)),
                None => (LoginsRecord::default(), None),
            };
            let (now, is_steady) = self.moment();
            if is_steady {
                record.prune(now);
            }
            let changed = change(&mut record, now)?;
            let puts = vec![(login.row.clone(), record.encode()?)];
            let mut changes = Changes { expected: vec![(login.row.clone(), revision)], puts, deletes: Vec::new() };
            call.underpin(&mut changes)?;
            match self.vault.commit(changes).await? {
                Outcome::Committed(revision) => {
                    call.committed();
                    self.follower.in_force(revision).await?;
                    return Ok(changed);
                }
                Outcome::Conflict { .. } => self.catch_up(call).await?,
            }
        }
        Err(Error::Contended)
    }
}

fn read(bytes: &[u8]) -> Option<Content<'_>> {
    postcard::from_bytes(bytes).ok()
}

/// Reads bytes as the content of a login token, for fuzzing.
pub(crate) fn read_any(bytes: &[u8]) {
    let _ = read(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(id: u64, began: u64) -> Login {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&id.to_be_bytes());
        let began = Timestamp(began);
        Login {
            id: name,
            began,
            expires: began.plus_seconds(LOGIN),
            row: Of::AccessKey.row("k"),
            logins: Arc::default(),
        }
    }

    #[test]
    fn revocations_are_never_refused_or_forgotten() {
        let mut record = LoginsRecord::default();
        let now = Timestamp(1_000_000);
        let all: Vec<_> = (0..REMEMBERED as u64 + 10).map(|id| login(id, 1000 + id)).collect();
        for login in &all {
            record.revoke(login, now);
            assert!(record.renewed.len() + record.revoked.len() <= REMEMBERED);
        }
        assert!(all.iter().all(|login| record.has_ended(login.id, login.began)));
        let later = login(9, now.0 + 1);
        assert!(!record.has_ended(later.id, later.began));
        assert!(record.encode().unwrap().len() < 64 << 10);
    }

    #[test]
    fn what_was_revoked_is_not_renewed_and_is_forgotten_when_it_is_over() {
        let mut record = LoginsRecord::default();
        let (one, now) = (login(1, 1000), Timestamp(2000));
        record.renew(&one, Timestamp(9000)).unwrap();
        assert_eq!(record.renewed.get(&one.id), Some(&Timestamp(9000)));
        record.revoke(&one, now);
        assert!(record.renew(&one, Timestamp(9000)).is_err());
        record.prune(one.latest());
        assert_eq!(record, LoginsRecord { ended_before: one.began, ..LoginsRecord::default() });
        assert!(record.has_ended(one.id, one.began), "whatever the clock says afterwards");
    }

    #[test]
    fn renewals_are_bounded_and_those_that_are_known_go_on() {
        let mut record = LoginsRecord::default();
        for id in 0..REMEMBERED as u64 {
            record.renew(&login(id, 1000), Timestamp(9000)).unwrap();
        }
        record.prune(Timestamp(2000));
        assert!(record.renew(&login(u64::MAX, 1000), Timestamp(9000)).is_err());
        record.renew(&login(0, 1000), Timestamp(9001)).unwrap();
        record.prune(Timestamp(9500));
        record.renew(&login(u64::MAX, 1000), Timestamp(9900)).unwrap();
    }
}
