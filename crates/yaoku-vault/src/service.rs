//! The way of a call: what its path asks for, who calls, and the operation; through the gate, forward only.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use yaoku_gate::{
    Admitted, Arrival, Arrived, CallLog, Charged, CountedProtocol, Gate, Performing, Released, RequestId, Serves,
    Spelling, user_agent,
};
use yaoku_http::{Handler, Incoming, Refusal, Refused, catch_panic};
use yaoku_iam::{AccountId, BearerError, Caller, Operation};

use crate::failure::{Code, Failure};
use crate::reply::{Reply, failed, json, response};
use crate::router::{Act, Decoded, Route, route};
use crate::told::{Notes, SERVICE, Told};
use crate::{auth, body, capabilities, key_value, sys, transit};

/// The protocol's name in metrics and the log.
const PROTOCOL: &str = "vault";

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const WRAP: HeaderName = HeaderName::from_static("x-vault-wrap-ttl");

/// How the protocol's calls are counted.
pub fn counted() -> CountedProtocol {
    let actions = Act::ALL.iter().map(|act| (SERVICE, act.name())).collect();
    CountedProtocol { name: PROTOCOL, actions, codes: Code::ALL.iter().map(|code| code.as_str()).collect() }
}

/// Answers requests of the protocol.
pub struct Service {
    gate: Arc<Gate>,
}

/// A call whose caller is proven, on its way through an operation.
pub(crate) struct Exchange<'a> {
    performing: &'a Performing<'a>,
    request: &'a Incoming,
    pub(crate) route: &'a Route<'a>,
    pub(crate) request_id: RequestId,
    log: CallLog,
    notes: &'a Notes,
    /// The token that it came with; none of logins.
    pub(crate) token: Option<&'a str>,
}

impl Exchange<'_> {
    /// Who calls.
    pub(crate) fn caller(&self) -> &Caller {
        self.performing.caller()
    }

    /// The body, as what the operation takes.
    pub(crate) fn body<'b, T: Deserialize<'b>>(&'b self) -> Result<T, Failure> {
        body::read(&self.request.parts.headers, &self.request.body)
    }

    /// What the query says of a name.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.request.parts.uri.query()?.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find_map(|(given, value)| (given == name).then_some(value))
    }

    /// Does an operation of any domain.
    pub(crate) async fn perform<O: Operation>(&self, operation: O) -> Result<O::Output, Failure>
    where
        Gate: Serves<O::Domain>,
    {
        let result = self.performing.perform(operation, false).await;
        result.map_err(|error| Failure::of_operation(<Gate as Serves<O::Domain>>::failure(error), &self.log))
    }

    /// Counts a call of many items as several under way.
    pub(crate) fn charge(&self, items: usize) -> Result<Charged, Failure> {
        self.performing.charge(items).map_err(Spelling::of)
    }

    /// Begins an item of a call of many, counted from 1.
    pub(crate) fn begin_item(&self, number: usize) {
        self.performing.begin_item(number);
    }

    /// Has the call's record show something that its body or query asks for, and that is no secret.
    pub(crate) fn show(&self, name: &'static str, value: impl Display) {
        self.notes.shown.lock().push((name, value.to_string()));
    }

    /// As [`Self::show`], of what came of it.
    pub(crate) fn tell(&self, name: &'static str, value: impl Into<serde_json::Value>) {
        self.notes.elements.lock().insert(name.to_owned(), value.into());
    }

    /// Notes that an item of the call failed while the others go on.
    pub(crate) fn item_failed(&self, failure: &Failure, name: &str) {
        self.performing.part_failed(failure.code.as_str(), name);
    }

    pub(crate) fn data<D: serde::Serialize>(&self, data: &D) -> Result<Reply, Failure> {
        Reply::data(self.request_id, data)
    }

    async fn run(&self) -> Result<Reply, Failure> {
        match self.route.act {
            Act::AppRoleLogin | Act::CertificateLogin => auth::login(self).await,
            Act::LookupSelf | Act::Lookup => auth::lookup(self).await,
            Act::RenewSelf | Act::Renew => auth::renew(self).await,
            Act::RevokeSelf | Act::Revoke => auth::revoke(self).await,
            Act::Mounts | Act::Mount | Act::Tune | Act::UiMounts | Act::UiMount => sys::mounts(self).await,
            Act::CapabilitiesSelf | Act::Capabilities => capabilities::tell(self).await,
            // They are answered before anybody is asked who they are.
            Act::Health | Act::SealStatus | Act::Leader | Act::Init => Err(Failure::internal()),
            Act::CreateKey
            | Act::ReadKey
            | Act::ListKeys
            | Act::DeleteKey
            | Act::RotateKey
            | Act::ConfigureKey
            | Act::Encrypt
            | Act::Decrypt
            | Act::Rewrap
            | Act::DataKeyPlaintext
            | Act::DataKeyWrapped
            | Act::Sign
            | Act::Verify
            | Act::Hmac
            | Act::Hash
            | Act::Random => transit::run(self).await,
            Act::ReadSecret
            | Act::WriteSecret
            | Act::DeleteCurrent
            | Act::DeleteVersions
            | Act::UndeleteVersions
            | Act::DestroyVersions
            | Act::ReadMetadata
            | Act::ListSecrets
            | Act::WriteMetadata
            | Act::DeleteSecret
            | Act::ReadConfig => key_value::run(self).await,
        }
    }
}

impl Service {
    /// A service over a gate.
    pub const fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    async fn answer(&self, request: &Incoming) -> Response<Full<Bytes>> {
        let parts = &request.parts;
        let path = Decoded::new(parts.uri.path());
        let found = route(&parts.method, &path, parts.uri.query());
        if let Ok(Route { act, .. }) = &found
            && act.is_probe()
        {
            return self.probe(*act).await;
        }
        let request_id = RequestId::random();
        let arrived = self.gate.arrive(arrival(
            request_id,
            parts,
            Some(request.peer),
            request.peer.ip(),
            request.tls,
            Some(&request.abandoned),
        ));
        let mut told = Told {
            path: parts.uri.path(),
            route: found.as_ref().ok(),
            claimed: Cow::Borrowed(""),
            notes: Notes::default(),
        };
        match self.run(arrived, request, &found, request_id, &mut told).await.open() {
            Ok(reply) => reply.response(),
            Err(failure) => {
                let mut response = failed(&failure);
                if failure.code == Code::UnsupportedMethod {
                    response.headers_mut().insert(ALLOW, allowed(&path));
                }
                response
            }
        }
    }

    /// Takes a request to its result.
    async fn run<'a>(
        &self,
        arrived: Box<Arrived<'a>>,
        request: &'a Incoming,
        found: &'a Result<Route<'a>, Failure>,
        request_id: RequestId,
        told: &mut Told<'a>,
    ) -> Released<Result<Reply, Failure>> {
        let parts = &request.parts;
        let revokes = found.as_ref().is_ok_and(|route| route.act.revokes());
        let admitted = if revokes { arrived.admit_to_revoke(true) } else { arrived.admit(true) };
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err((arrived, refusal)) => {
                return arrived.refuse(told, Spelling::of(refusal)).await.map(Err);
            }
        };
        let is_login = found.as_ref().is_ok_and(|route| route.act.is_login());
        let token = token(parts).filter(|_| !is_login);
        let proven = match (found, token) {
            (Ok(route), None) if is_login => self.log_in(request, route, told).await,
            // Who has no token is told that of what there is, and that there is nothing of what there isn't.
            (Err(failure), None) => Err(failure.clone()),
            (Ok(_), None) => Err(Failure::new(Code::InvalidToken, "missing client token")),
            (_, Some(token)) => {
                told.claimed = Cow::Owned(claimed(token));
                self.gate.bearer(token, request.peer.ip()).await.map_err(|error| match error {
                    BearerError::NotAuthenticated => Failure::token(),
                    BearerError::Unavailable => Failure::unavailable(),
                })
            }
        };
        let caller = match proven.and_then(|caller| in_namespace(parts, caller)) {
            Ok(caller) => caller,
            Err(failure) => return refuse(admitted, told, failure).await,
        };
        caller.used(self.gate.clock().now());
        let call = match admitted.authenticated(caller) {
            Ok(call) => call,
            Err(over_bound) => {
                // That is not counted against its address, nor is the reason hidden.
                let (admitted, refusal) = *over_bound;
                let failure: Failure = Spelling::of(refusal);
                return admitted.refuse_authenticated(told, failure).await.map(Err);
            }
        };
        let told = &*told;
        let spell = |failure| Failure::of_operation(failure, &CallLog::new(request_id));
        let route = match found {
            Ok(route) => route,
            Err(failure) => return call.finish(told, Err(failure.clone()), spell).await,
        };
        if wraps(parts) {
            let failure = Failure::unsupported("response wrapping (X-Vault-Wrap-TTL) is not supported by this server");
            return call.finish(told, Err(failure), spell).await;
        }
        let environment = call.environment();
        let result = {
            let performing = call.perform(told, &environment);
            let exchange = Exchange {
                performing: &performing,
                request,
                route,
                request_id,
                log: CallLog::new(request_id),
                notes: &told.notes,
                token,
            };
            // What a change has done until it panics is recorded as well.
            catch_panic(pin!(exchange.run())).await.unwrap_or_else(|| Err(Failure::internal()))
        };
        call.finish(told, result, spell).await
    }

    /// Proves who logs in.
    async fn log_in<'a>(
        &self,
        request: &'a Incoming,
        route: &Route<'_>,
        told: &mut Told<'a>,
    ) -> Result<Caller, Failure> {
        match route.act {
            Act::AppRoleLogin => {
                let login: auth::AppRole = body::read(&request.parts.headers, &request.body)?;
                told.claimed = Cow::Owned(login.role_id.clone());
                auth::app_role(&self.gate, &login)
            }
            _ => auth::certificate(&self.gate, request.client_certificate.as_ref(), namespace(&request.parts)?),
        }
    }

    /// What is answered to whoever asks, without a record.
    async fn probe(&self, act: Act) -> Response<Full<Bytes>> {
        let ready = self.gate.ready().await;
        let now = self.gate.clock().now().seconds();
        let status = match (act, ready) {
            (Act::Health, Err(_)) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        response(status, Bytes::from_owner(json(&sys::probe(act, now)).unwrap_or_default()))
    }
}

/// Refuses a call whose caller was not proven.
async fn refuse(admitted: Admitted<'_>, told: &Told<'_>, failure: Failure) -> Released<Result<Reply, Failure>> {
    admitted.refuse(told, failure, false).await.map(Err)
}

/// The methods that a path has (RFC 9110, 10.2.1).
fn allowed(path: &Decoded<'_>) -> HeaderValue {
    let list = Method::from_bytes(b"LIST").ok();
    let asked =
        [Some(Method::GET), Some(Method::HEAD), list, Some(Method::POST), Some(Method::PUT), Some(Method::DELETE)];
    let has = |method: &Method| match route(method, path, None) {
        Ok(_) => true,
        Err(failure) => failure.code == Code::UnsupportedOperation,
    };
    let methods = asked.into_iter().flatten().filter(has).chain([Method::OPTIONS]);
    let methods: Vec<_> = methods.map(|method| method.to_string()).collect();
    HeaderValue::try_from(methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

/// Whether a request asks for its answer to be wrapped.
fn wraps(parts: &Parts) -> bool {
    let is_time = |value: &HeaderValue| !matches!(value.as_bytes(), b"" | b"0" | b"0s");
    parts.headers.get_all(WRAP).iter().any(is_time)
}

/// What a header says, if it says one thing: Ceph's object store sends its token twice.
fn only<'a>(parts: &'a Parts, name: &HeaderName) -> Option<Option<&'a HeaderValue>> {
    let mut all = parts.headers.get_all(name).iter();
    let first = all.next()?;
    Some(all.all(|other| other == first).then_some(first))
}

/// The token that a request came with; of several that differ, none is one.
fn token(parts: &Parts) -> Option<&str> {
    let text =
        |name: &HeaderName| only(parts, name).map(|value| value.and_then(|value| value.to_str().ok()).unwrap_or("?"));
    let bearer = || text(&AUTHORIZATION)?.strip_prefix("Bearer ").map(str::trim);
    let is_one = |token: &&str| !token.is_empty();
    text(&TOKEN).filter(is_one).or_else(bearer).filter(is_one)
}

/// What a record may say of a token that proves nobody: the part of it that is no secret.
fn claimed(token: &str) -> String {
    let id = token.strip_prefix("ykt.").and_then(|rest| rest.split_once('.')).map_or("", |(id, _)| id);
    yaoku_gate::repeatable(id)
}

/// The account that a request names; none if it names none.
///
/// # Errors
/// When it names something else.
fn namespace(parts: &Parts) -> Result<Option<AccountId>, Failure> {
    let Some(given) = only(parts, &NAMESPACE) else { return Ok(None) };
    let given = given.ok_or_else(Failure::denied)?;
    let text = given.to_str().unwrap_or("?").trim_matches('/');
    if text.is_empty() || text == "root" {
        return Ok(None);
    }
    AccountId::parse(text).map(Some).map_err(|_| Failure::denied())
}

/// A caller, if they are of the account that the request names.
fn in_namespace(parts: &Parts, caller: Caller) -> Result<Caller, Failure> {
    match namespace(parts)? {
        Some(account) if account != caller.principal().account() => Err(Failure::denied()),
        _ => Ok(caller),
    }
}

fn arrival<'a>(
    request_id: RequestId,
    parts: &'a Parts,
    peer: Option<std::net::SocketAddr>,
    source: IpAddr,
    secure_transport: bool,
    abandoned: Option<&'a Arc<AtomicBool>>,
) -> Arrival<'a> {
    let header = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let host = header(&HOST).or(authority).unwrap_or_default();
    let user_agent = header(&USER_AGENT).map(user_agent);
    Arrival { protocol: PROTOCOL, request_id, peer, source, secure_transport, host, user_agent, abandoned }
}

impl Handler for Service {
    async fn call(&self, request: &Incoming) -> Response<Full<Bytes>> {
        if request.parts.method == Method::OPTIONS {
            // It asks nothing of anybody, and leaves no record.
            let mut response = response(StatusCode::NO_CONTENT, Bytes::new());
            response.headers_mut().insert(ALLOW, allowed(&Decoded::new(request.parts.uri.path())));
            return response;
        }
        let mut response = self.answer(request).await;
        if request.parts.method == Method::HEAD {
            *response.body_mut() = Full::default();
        }
        response
    }

    async fn refuse(&self, request: Refused<'_>) -> Response<Full<Bytes>> {
        let Refused { parts, peer, source, refusal } = request;
        let (request_id, mut failure) = (RequestId::random(), Failure::unread(refusal));
        if let Some(others) = self.gate.line(source) {
            let others = (others > 0).then_some(others);
            tracing::info!(%request_id, %peer, reason = refusal.reason(), others, "request refused");
        }
        // Nobody is there any more, or the call was recorded as far as it came.
        if !matches!(refusal, Refusal::BrokenOff | Refusal::Panicked) {
            let path = Decoded::new(parts.uri.path());
            let found = route(&parts.method, &path, parts.uri.query());
            let told = Told {
                path: parts.uri.path(),
                route: found.as_ref().ok(),
                claimed: Cow::Borrowed(""),
                notes: Notes::default(),
            };
            let arrived = self.gate.arrive(arrival(request_id, parts, None, source, false, None));
            failure = arrived.refuse_unread(&told, failure).await.open();
        }
        failed(&failure)
    }
}
