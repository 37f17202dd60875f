//! Who calls: logins, and what a token's holder does with it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use yaoku_crypto::Secret;
use yaoku_gate::Gate;
use yaoku_gate::time::format_time;
use yaoku_http::ClientCertificate;
use yaoku_iam::operations::bearers::{
    BearerAbout, BearerOrigin, BeginLogin, DescribeBearer, RenewBearer, RevokeBearer,
};
use yaoku_iam::{AccountId, Caller};

use crate::body::SecretText;
use crate::failure::{Code, Failure};
use crate::reply::Reply;
use crate::router::Act;
use crate::service::Exchange;
use crate::values::Duration;

/// An AccessKey, as AppRole has it.
#[derive(Deserialize)]
pub(crate) struct AppRole {
    /// Its ID.
    #[serde(default)]
    pub(crate) role_id: String,
    /// Its secret.
    secret_id: Option<SecretText>,
}

/// Proves the holder of an AccessKey by its secret. What was wrong is not said.
pub(crate) fn app_role(gate: &Gate, login: &AppRole) -> Result<Caller, Failure> {
    let refused = || Failure::new(Code::InvalidLogin, "invalid role or secret ID");
    let secret = login.secret_id.as_ref().ok_or_else(refused)?;
    let access_key = gate.access_key(&login.role_id).ok_or_else(refused)?;
    access_key.prove_by_secret(secret.expose().as_bytes()).map_err(|_| refused())
}

/// Proves the holder of the certificate that the connection was made with, in the account that is named, if one is.
pub(crate) fn certificate(
    gate: &Gate,
    certificate: Option<&ClientCertificate>,
    account: Option<AccountId>,
) -> Result<Caller, Failure> {
    let why = "invalid certificate or no client certificate supplied";
    let refused = || Failure::new(Code::InvalidLogin, why);
    let certificate = certificate.ok_or_else(refused)?;
    gate.certificate_holder(certificate.public_key(), account).map_err(|_| refused())
}

/// What a login or a renewal gives.
#[derive(Serialize)]
struct Auth<'a> {
    client_token: &'a str,
    accessor: &'a str,
    policies: [&'static str; 1],
    token_policies: [&'static str; 1],
    metadata: Value,
    lease_duration: u64,
    renewable: bool,
    entity_id: &'a str,
    token_type: &'static str,
    orphan: bool,
    mfa_requirement: Option<()>,
    num_uses: u64,
}

/// What stands for what policies the API would name: RAM policies decide here.
const POLICIES: [&str; 1] = ["default"];

impl<'a> Auth<'a> {
    fn new(token: &'a str, about: &'a BearerAbout, granted: u64) -> Self {
        Self {
            client_token: token,
            accessor: &about.name,
            policies: POLICIES,
            token_policies: POLICIES,
            metadata: json!({"account": about.who.account.as_str(), "arn": about.who.arn}),
            lease_duration: granted,
            renewable: about.renewable,
            entity_id: &about.who.id,
            token_type: "service",
            orphan: true,
            mfa_requirement: None,
            num_uses: 0,
        }
    }
}

pub(crate) async fn login(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let begun = exchange.perform(BeginLogin { caller: exchange.caller().clone() }).await?;
    let token = std::str::from_utf8(begun.token.expose()).map_err(|_| Failure::internal())?;
    Reply::auth(exchange.request_id, &Auth::new(token, &begun.about, begun.granted))
}

#[derive(Deserialize)]
struct Which {
    token: Option<SecretText>,
    increment: Option<Duration>,
}

impl Exchange<'_> {
    /// The token in the body, where the path is not about the caller's own.
    fn which(&self, given: Option<SecretText>) -> Result<Option<Secret>, Failure> {
        match self.route.act {
            Act::Lookup | Act::Renew | Act::Revoke => {
                let token = given.ok_or_else(|| Failure::invalid("missing token"))?;
                Ok(Some(Secret::new(token.expose().as_bytes().to_vec())))
            }
            _ => Ok(None),
        }
    }
}

pub(crate) async fn lookup(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    #[derive(Serialize)]
    struct Data<'a> {
        id: &'a str,
        accessor: &'a str,
        creation_time: u64,
        creation_ttl: u64,
        display_name: String,
        entity_id: &'a str,
        expire_time: Option<String>,
        explicit_max_ttl: u64,
        issue_time: String,
        meta: Value,
        num_uses: u64,
        orphan: bool,
        path: &'static str,
        policies: [&'static str; 1],
        renewable: bool,
        ttl: u64,
        r#type: &'static str,
    }
    let Which { token, .. } = exchange.body()?;
    let which = exchange.which(token)?;
    let shown = which.as_ref().map(Secret::duplicate);
    let about = exchange.perform(DescribeBearer { token: which }).await?;
    let shown = shown.as_ref().and_then(|token| std::str::from_utf8(token.expose()).ok()).or(exchange.token);
    let path = match about.origin {
        BearerOrigin::Made => "auth/token/create",
        BearerOrigin::AccessKey => "auth/approle/login",
        BearerOrigin::Certificate => "auth/cert/login",
    };
    exchange.data(&Data {
        id: shown.unwrap_or_default(),
        accessor: &about.name,
        creation_time: about.created.seconds(),
        creation_ttl: about.expires.map_or(0, |end| end.seconds().saturating_sub(about.created.seconds())),
        display_name: about.who.name.clone(),
        entity_id: &about.who.id,
        expire_time: about.expires.map(|end| format_time(end.0)),
        explicit_max_ttl: 0,
        issue_time: format_time(about.created.0),
        meta: json!({"account": about.who.account.as_str(), "arn": about.who.arn}),
        num_uses: 0,
        orphan: true,
        path,
        policies: POLICIES,
        renewable: about.renewable,
        // 0 for a token that does not end, as the API has it.
        ttl: about.expires.map_or(0, |end| end.seconds_since(about.now)),
        r#type: "service",
    })
}

pub(crate) async fn renew(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let Which { token, increment } = exchange.body()?;
    let which = exchange.which(token)?;
    let shown = which.as_ref().map(Secret::duplicate);
    let seconds = increment.map(|Duration(seconds)| seconds).filter(|seconds| *seconds > 0);
    let renewed = exchange.perform(RenewBearer { token: which, seconds }).await?;
    let shown = shown.as_ref().and_then(|token| std::str::from_utf8(token.expose()).ok()).or(exchange.token);
    Reply::auth(exchange.request_id, &Auth::new(shown.unwrap_or_default(), &renewed.about, renewed.granted))
}

pub(crate) async fn revoke(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let Which { token, .. } = exchange.body()?;
    exchange.perform(RevokeBearer { token: exchange.which(token)? }).await?;
    Ok(Reply::done())
}
