//! What the holder of a token does with it: logs in to get one, looks at it, renews it, gives it up. None of these needs a
//! permission: the token itself is what lets them.

use yaoku_crypto::Secret;
use yaoku_seal::{Changes, Outcome};

use crate::caller::Bearer;
use crate::login::LOGIN;
use crate::principal::Described;
use crate::record::{token_last_used, token_name};
use crate::resource::YAOKU;
use crate::{
    BearerError, Call, Caller, Credential, Denial, Error, Field, Iam, Operation, OperationSpec, StateRule, Timestamp,
    TokenId,
};

/// How often a change is tried against those of other processes.
const ATTEMPTS: usize = 32;

/// Gives the token of a login to a caller who was proven by an AccessKey or a certificate.
pub struct BeginLogin {
    /// Who calls.
    pub caller: Caller,
}

/// A login that began.
pub struct BegunLogin {
    /// Its token, in ASCII.
    pub token: Secret,
    /// What is known of it.
    pub about: BearerAbout,
    /// Seconds that it lasts from its beginning.
    pub granted: u64,
}

/// A login that was renewed.
pub struct RenewedLogin {
    /// What is known of its token.
    pub about: BearerAbout,
    /// Seconds that it lasts from the renewal.
    pub granted: u64,
}

/// Which token is meant: the one that the call was made with, or one that the caller holds as well.
pub type WhichToken = Option<Secret>;

/// Tells what is known of a token.
pub struct DescribeBearer {
    /// Which.
    pub token: WhichToken,
}

/// Adds to the time of a login.
pub struct RenewBearer {
    /// Which.
    pub token: WhichToken,
    /// By how many seconds from now; at most an hour, which it is unless it is said.
    pub seconds: Option<u64>,
}

/// Ends a token for good.
pub struct RevokeBearer {
    /// Which.
    pub token: WhichToken,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BearerAbout {
    /// A name of it that may be shown.
    pub name: String,
    /// What it came from.
    pub origin: BearerOrigin,
    /// Whom it proves.
    pub who: Described,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// Whether it can be renewed beyond that.
    pub renewable: bool,
    /// The present moment, by the clock that these times are of.
    pub now: Timestamp,
}

/// What a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerOrigin {
    /// An administrator made it.
    Made,
    /// A login with an AccessKey.
    AccessKey,
    /// A login with a certificate.
    Certificate,
}

impl BearerAbout {
    fn of(caller: &Caller, now: Timestamp) -> Result<Self, Error> {
        let (bearer, login) = (caller.bearer().ok_or(not_a_token())?, &caller.principal().login);
        let who = caller.principal().describe();
        Ok(match (bearer, login) {
            (Bearer::Token(token), _) => Self {
                name: token.id.to_string(),
                origin: BearerOrigin::Made,
                who,
                created: token.created,
                expires: token.expires,
                renewable: false,
                now,
            },
            (Bearer::AccessKey(_) | Bearer::Certificate(_), Some(login)) => Self {
                name: login.name(),
                origin: match bearer {
                    Bearer::Certificate(_) => BearerOrigin::Certificate,
                    Bearer::AccessKey(_) | Bearer::Token(_) => BearerOrigin::AccessKey,
                },
                who,
                created: login.began(),
                expires: Some(login.expires()),
                renewable: login.expires() < login.latest(),
                now,
            },
            (Bearer::AccessKey(_) | Bearer::Certificate(_), None) => return Err(not_a_token()),
        })
    }
}

const fn not_a_token() -> Error {
    Error::Invalid { field: Field::Token, why: "the call was not made with a token" }
}

/// The caller that a token proves, if that is the same principal as the one who calls.
async fn holder(iam: &Iam, call: &Call<'_>, token: &Secret) -> Result<Caller, Error> {
    let denied = || Error::Denied(Denial { why: "the token is not the caller's".into(), may_know: false });
    let text = std::str::from_utf8(token.expose()).map_err(|_| denied())?;
    let held = iam.bearer(text, None).await.map_err(|error| match error {
        BearerError::NotAuthenticated => denied(),
        BearerError::Unavailable => Error::Contended,
    })?;
    if held.principal().key() == call.principal.key() { Ok(held) } else { Err(denied()) }
}

const fn spec(name: &'static str) -> OperationSpec {
    OperationSpec::write(YAOKU, name, &[], StateRule::ANY)
}

impl Operation for BeginLogin {
    type Domain = Iam;
    type Output = BegunLogin;
    const SPEC: OperationSpec = spec("Login");

    async fn perform(self, iam: &Iam, _: &Call<'_>) -> Result<BegunLogin, Error> {
        let bearer = self.caller.bearer().ok_or(not_a_token())?;
        let (token, caller) = iam.begin_login(bearer).await?;
        Ok(BegunLogin { token, about: BearerAbout::of(&caller, iam.clock.now())?, granted: LOGIN })
    }
}

impl Operation for DescribeBearer {
    type Domain = Iam;
    type Output = BearerAbout;
    const SPEC: OperationSpec = OperationSpec::read(YAOKU, "LookupToken", &[], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<BearerAbout, Error> {
        let caller = caller(iam, call, self.token).await?;
        BearerAbout::of(&caller, iam.clock.now())
    }
}

impl Operation for RenewBearer {
    type Domain = Iam;
    type Output = RenewedLogin;
    const SPEC: OperationSpec = spec("RenewToken");

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<RenewedLogin, Error> {
        let caller = caller(iam, call, self.token).await?;
        let why = "only tokens of logins can be renewed";
        let login = caller.principal().login.clone().ok_or(Error::Invalid { field: Field::Token, why })?;
        let granted = iam.renew_login(call, &login, self.seconds.unwrap_or(LOGIN)).await?;
        Ok(RenewedLogin { about: BearerAbout::of(&caller, iam.clock.now())?, granted })
    }
}

impl Operation for RevokeBearer {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = spec("RevokeOwnToken").revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let caller = caller(iam, call, self.token).await?;
        match (&caller.principal().login, caller.bearer()) {
            (Some(login), _) => iam.revoke_login(call, login).await,
            (None, Some(Bearer::Token(token))) => revoke(iam, call, &token.id).await,
            (None, _) => Err(not_a_token()),
        }
    }
}

async fn caller(iam: &Iam, call: &Call<'_>, token: WhichToken) -> Result<Caller, Error> {
    match token {
        Some(token) => holder(iam, call, &token).await,
        None => iam.holder_of(call).ok_or(not_a_token()),
    }
}

/// Takes a token out of the store for its holder.
async fn revoke(iam: &Iam, call: &Call<'_>, id: &TokenId) -> Result<(), Error> {
    let name = token_name(id);
    for _ in 0..ATTEMPTS {
        call.rest_on_authority();
        iam.still_proven(call).map_err(Error::Denied)?;
        let Some(stored) = iam.vault.get(&name).await? else { return Ok(()) };
        let deletes = vec![name.clone(), token_last_used(id)];
        let mut changes = Changes { expected: vec![(name.clone(), Some(stored.revision))], puts: Vec::new(), deletes };
        call.underpin(&mut changes)?;
        match iam.vault.commit(changes).await? {
            Outcome::Committed(revision) => {
                call.committed();
                iam.follower.in_force(revision).await?;
                return Ok(());
            }
            Outcome::Conflict { .. } => iam.catch_up(call).await?,
        }
    }
    Err(Error::Contended)
}

impl Iam {
    /// Whoever made a call with a token, as they would be proven by it.
    fn holder_of(&self, call: &Call<'_>) -> Option<Caller> {
        let held = self.held();
        let bearer = match call.credential {
            Credential::Token(id) => Bearer::Token(held.tokens.get(id)?.clone()),
            Credential::AccessKey(id) => {
                drop(held);
                Bearer::AccessKey(self.access_key(id)?)
            }
            Credential::Certificate(id) => {
                let tenant = &call.principal.tenant;
                let directory = tenant.directory.read();
                Bearer::Certificate(directory.certificates.get(id)?.clone())
            }
            Credential::Operator(_) | Credential::DiskUrl | Credential::Service => return None,
        };
        match &call.principal.login {
            Some(login) => Some(Caller::logged_in(bearer, login.clone())),
            None => Caller::of_bearer(bearer),
        }
    }
}
