//! What all calls go through, and what they work on.

use std::sync::Arc;

use yaoku_audit::Trail;
use yaoku_disks::{DiskUrl, Disks, NotProven};
use yaoku_iam::{
    AccountId, BearerError, Caller, CallsUnderWay, Domain, Error as IamError, Iam, NotAuthenticated,
    OperatingSystemUser, SessionError,
};
use yaoku_kms::{Clock, Kms};
use yaoku_objects::Objects;
use yaoku_seal::Vault;
use yaoku_secrets::Secrets;

use crate::audit_log::{AuditLog, LookupError};
use crate::intent::Intents;
use crate::limiter::UnauthenticatedLimiter;
use crate::metrics::Metrics;
use crate::shown_contexts::ShownContexts;

/// How calls are taken in.
pub struct GateConfig {
    /// The region that records and ARNs name.
    pub region: String,
    /// Unauthenticated calls a minute of one address.
    pub unauthenticated_per_minute: u32,
}

/// What calls work on, beside the audit log.
pub struct Domains {
    /// Identities.
    pub iam: Arc<Iam>,
    /// Keys.
    pub kms: Arc<Kms>,
    /// Secrets.
    pub secrets: Arc<Secrets>,
    /// Disks.
    pub disks: Arc<Disks>,
    /// Managed objects.
    pub objects: Arc<Objects>,
}

/// The one way in, for every protocol.
pub struct Gate {
    pub(crate) kms: Arc<Kms>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) disks: Arc<Disks>,
    pub(crate) objects: Arc<Objects>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) audit_log: AuditLog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) region: String,
    pub(crate) limiter: UnauthenticatedLimiter,
    /// Of log lines, where nobody was authenticated.
    pub(crate) lines: UnauthenticatedLimiter,
    pub(crate) metrics: Arc<Metrics>,
    /// None where the operator switched it off.
    pub(crate) trail: Option<Arc<Trail>>,
    pub(crate) intents: Intents,
    pub(crate) under_way: CallsUnderWay,
    /// None where encryption contexts are not shown.
    pub(crate) shown_contexts: Option<ShownContexts>,
    vault: Arc<Vault>,
}

/// Calls under way at once, unless another number is chosen.
const CALLS_AT_ONCE: usize = 3072;

impl Gate {
    /// A gate to the domains. Whatever an earlier process committed and did not record is recorded first.
    ///
    /// # Errors
    /// When intents can't be read, or their records not be written.
    pub async fn open(
        vault: Arc<Vault>,
        domains: Domains,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        trail: Option<Arc<Trail>>,
        config: GateConfig,
    ) -> Result<Self, yaoku_seal::Error> {
        let GateConfig { region, unauthenticated_per_minute } = config;
        let Domains { iam, kms, secrets, disks, objects } = domains;
        let intents = Intents::open(vault.clone(), trail.as_deref()).await?;
        let [limiter, lines] = [(); 2].map(|()| UnauthenticatedLimiter::new(unauthenticated_per_minute));
        let audit_log = AuditLog::new(iam.clone(), trail.clone(), vault.clone());
        let (under_way, shown_contexts) = (CallsUnderWay::new(CALLS_AT_ONCE), None);
        Ok(Self {
            kms,
            secrets,
            disks,
            objects,
            iam,
            audit_log,
            clock,
            region,
            limiter,
            lines,
            metrics,
            trail,
            intents,
            under_way,
            shown_contexts,
            vault,
        })
    }

    /// The same gate with that many calls under way at once, of which an account may have two thirds and a principal one third.
    #[must_use]
    pub fn with_calls_at_once(self, calls: usize) -> Self {
        Self { under_way: CallsUnderWay::new(calls), ..self }
    }

    /// The same gate, whose records show encryption contexts: of these names the values, of others a keyed hash.
    ///
    /// # Errors
    /// When the key of the hashes can't be read or made.
    pub async fn showing_encryption_contexts(self, names: Vec<String>) -> Result<Self, yaoku_seal::Error> {
        let shown = ShownContexts::open(&self.vault, names).await?;
        Ok(Self { shown_contexts: Some(shown), ..self })
    }

    /// Lets no search of the audit log begin any more: the server is about to end.
    pub fn close_searches(&self) {
        self.audit_log.close();
    }

    /// The clock that calls go by.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The region of ARNs.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The AccessKey of that id, active or not; it proves nothing yet.
    pub fn access_key(&self, id: &str) -> Option<Arc<yaoku_iam::AccessKey>> {
        self.iam.access_key(id)
    }

    /// The AccessKey of the session that a token is of; it proves nothing yet.
    ///
    /// # Errors
    /// When the token proves nothing with that AccessKey.
    pub async fn session(&self, access_key_id: &str, token: &str) -> Result<Arc<yaoku_iam::AccessKey>, SessionError> {
        self.iam.session(access_key_id, token).await
    }

    /// Whoever a token proves, that was made by an administrator or by a login, where it comes from there.
    ///
    /// # Errors
    /// When nobody is authenticated by it.
    pub async fn bearer(&self, token: &str, source: std::net::IpAddr) -> Result<Caller, BearerError> {
        self.iam.bearer(token, Some(source)).await
    }

    /// Whoever holds a client certificate, by its public key (SubjectPublicKeyInfo in DER); the caller has seen chain and private key
    /// verified.
    ///
    /// # Errors
    /// When its public key is bound to nobody, or in several accounts and none is named.
    pub fn certificate_holder(
        &self,
        public_key: &[u8],
        account: Option<AccountId>,
    ) -> Result<Caller, NotAuthenticated> {
        self.iam.certificate_holder(public_key, account)
    }

    /// Whoever knows the URL of a disk and comes from there, in the disk's name.
    ///
    /// # Errors
    /// When nobody is authenticated by that.
    pub fn disk(&self, url: &DiskUrl, source: std::net::IpAddr) -> Result<Caller, NotProven> {
        self.disks.caller(url, source)
    }

    /// Whether the public key of a client certificate is bound to anybody of an account.
    pub fn is_certificate_bound(&self, public_key: &[u8], account: AccountId) -> bool {
        self.iam.is_certificate_bound(public_key, account)
    }

    /// The operator, as the root of an account.
    ///
    /// # Errors
    /// [`IamError::NoAccount`].
    pub fn operator(&self, account: AccountId, user: OperatingSystemUser) -> Result<Caller, IamError> {
        self.iam.operator(account, user)
    }

    /// Whether calls can be carried out at present.
    ///
    /// # Errors
    /// A sentence on why not.
    pub async fn ready(&self) -> Result<(), &'static str> {
        if self.trail.as_ref().is_some_and(|trail| !trail.is_open()) {
            return Err("the audit log can't be written, so calls are refused; the log says why");
        }
        if !self.iam.is_current() {
            return Err("changes of identities are not being followed at present");
        }
        let log = |error: yaoku_kms::Error| tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
        self.kms.health().await.map_err(log).map_err(|()| "changes can't be stored at present; the log says why")?;
        if !self.secrets.is_current() {
            return Err("changes of secrets are not being followed at present");
        }
        if !self.disks.is_current() {
            return Err("changes of disks are not being followed at present");
        }
        if !self.objects.is_current() {
            return Err("changes of managed objects are not being followed at present");
        }
        let hsm = "the HSM can't be used at present, so keys in it answer errors; the log says why";
        self.kms.hsm_health().await.map_err(log).map_err(|()| hsm)
    }

    /// All metrics, in the OpenMetrics text format, with the seconds that clients' clocks may be behind, as a protocol has it.
    pub fn scrape(&self, state_name: fn(yaoku_kms::KeyState) -> &'static str, nonce_reach: u64) -> String {
        for (state, count) in self.kms.count_by_state() {
            self.metrics.keys(state_name(state), count);
        }
        self.metrics.scheduler_lag(self.kms.scheduler_lag().max(self.secrets.scheduler_lag()));
        self.metrics.nonces(nonce_reach);
        if let Some(trail) = &self.trail {
            self.metrics.audit(trail.head().size, trail.failure().is_some());
        }
        self.metrics.render()
    }

    /// Takes the intents out of the store whose records are written.
    ///
    /// # Errors
    /// When the store can't be written.
    pub async fn settle_intents(&self) -> Result<(), yaoku_seal::Error> {
        self.intents.settle().await
    }
}

/// A domain that operations are performed on.
pub trait Serves<D: Domain> {
    /// The domain.
    fn domain(&self) -> &D;
    /// Its error, as one of any domain.
    fn failure(error: D::Error) -> Failure;
}

/// What went wrong with an operation of any domain.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// On keys.
    #[error(transparent)]
    Keys(yaoku_kms::Error),
    /// On secrets.
    #[error(transparent)]
    Secrets(yaoku_secrets::Error),
    /// On disks.
    #[error(transparent)]
    Disks(yaoku_disks::Error),
    /// On managed objects.
    #[error(transparent)]
    Objects(yaoku_objects::Error),
    /// On identities.
    #[error(transparent)]
    Identities(IamError),
    /// In the audit log.
    #[error(transparent)]
    AuditLog(LookupError),
}

impl Serves<Kms> for Gate {
    fn domain(&self) -> &Kms {
        &self.kms
    }

    fn failure(error: yaoku_kms::Error) -> Failure {
        Failure::Keys(error)
    }
}

impl Serves<Secrets> for Gate {
    fn domain(&self) -> &Secrets {
        &self.secrets
    }

    fn failure(error: yaoku_secrets::Error) -> Failure {
        Failure::Secrets(error)
    }
}

impl Serves<Disks> for Gate {
    fn domain(&self) -> &Disks {
        &self.disks
    }

    fn failure(error: yaoku_disks::Error) -> Failure {
        Failure::Disks(error)
    }
}

impl Serves<Objects> for Gate {
    fn domain(&self) -> &Objects {
        &self.objects
    }

    fn failure(error: yaoku_objects::Error) -> Failure {
        Failure::Objects(error)
    }
}

impl Serves<Iam> for Gate {
    fn domain(&self) -> &Iam {
        &self.iam
    }

    fn failure(error: IamError) -> Failure {
        Failure::Identities(error)
    }
}

impl Serves<AuditLog> for Gate {
    fn domain(&self) -> &AuditLog {
        &self.audit_log
    }

    fn failure(error: LookupError) -> Failure {
        Failure::AuditLog(error)
    }
}
