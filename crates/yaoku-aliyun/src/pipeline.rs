//! The way of a request: what it says, who signed it, and its action; through the gate, forward only.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use yaoku_gate::{
    Arrival, Arrived, Authenticated, CountedProtocol, Failure, Gate, Refusal as GateRefusal, Released, Spelling, cut,
    user_agent,
};
use yaoku_http::{Handler, Incoming, Refusal, Refused, catch_panic};
use yaoku_iam::{Caller, NotAuthenticated, SessionError};

use crate::actions::{self, Api, Arguments, Exchange, Reply};
use crate::told::Told;
use crate::wire::nonce::NonceTable;
use crate::wire::{Authentication, Code, Format, Params, REQUEST_ID, Received, RequestId, WireError};
use crate::wire::{clock_window, credentials, params, refusal, request_id_header, response};

/// The protocol's name in metrics and the log.
pub const PROTOCOL: &str = "aliyun";

/// What the protocol needs to know beside the gate.
pub struct ServiceConfig {
    /// Nonces remembered at the most; see [`NonceTable`].
    pub nonce_capacity: usize,
    /// Hosts beside the one that a request names: a signature over one of these counts as well.
    pub accepted_hosts: Vec<String>,
}

/// Answers requests of the protocol, and operators' probes.
pub struct Service {
    pub(crate) gate: Arc<Gate>,
    accepted_hosts: Vec<String>,
    nonces: NonceTable,
}

/// How the protocol's calls are counted.
pub fn counted() -> CountedProtocol {
    let actions = actions::named().map(|(service, action)| (service, action.name)).collect();
    CountedProtocol { name: PROTOCOL, actions, codes: Code::ALL.iter().map(|code| code.as_str()).collect() }
}

impl Spelling for WireError {
    fn of(refusal: GateRefusal) -> Self {
        match refusal {
            GateRefusal::TooManyUnauthenticated { held: None } => Self::too_many_unauthenticated(),
            GateRefusal::TooManyUnauthenticated { held: Some(held) } => Self::too_many_unauthenticated_and(held),
            GateRefusal::TooManyAtOnce => Self::too_many_at_once(),
            GateRefusal::Full => Self::unavailable(),
            GateRefusal::Unrecordable => Self::unrecordable(),
            GateRefusal::UnrecordedChange => Self::unrecorded_change(),
            GateRefusal::Internal => Self::internal(),
        }
    }

    fn code(&self) -> (&'static str, usize) {
        // The codes are numbered as Code::ALL lists them.
        (self.code.as_str(), self.code as usize)
    }

    fn message(&self) -> &str {
        &self.message
    }

    fn is_ours(&self) -> bool {
        self.http_status() >= 500
    }
}

impl Service {
    /// A service over a gate.
    pub fn new(gate: Arc<Gate>, config: ServiceConfig) -> Self {
        // Requests captured before this process began are not remembered: TLS is what keeps them from being captured.
        let nonces = NonceTable::new(config.nonce_capacity, 0);
        Self { gate, accepted_hosts: config.accepted_hosts, nonces }
    }

    /// Answers a request of the protocol.
    async fn answer(&self, request: &Incoming) -> Response<Full<Bytes>> {
        let Incoming { parts, .. } = request;
        let (request_id, host) = (RequestId::random(), host(parts));
        let arrived = self.gate.arrive(Arrival {
            protocol: PROTOCOL,
            request_id,
            peer: Some(request.peer),
            source: request.peer.ip(),
            secure_transport: request.tls,
            host,
            user_agent: agent(parts),
            abandoned: Some(&request.abandoned),
        });
        let form = params::form(&parts.headers, &request.body);
        let params = form.and_then(|form| Params::parse(parts.uri.query().unwrap_or_default().as_bytes(), form));
        let read = params.as_ref().map(|params| (params, claim(request, params)));
        let mut told = match &read {
            // Of two that a request may name, those that its signature is made over.
            Ok((params, Ok(claim))) => {
                Told::new(claim.action, claim.access_key_id, Api::of_version(claim.version), Some(params))
            }
            _ => told(parts, params.as_ref().ok()),
        };
        let usual = told.api.map_or(Format::Json, |api| api.format);
        let format = match &params {
            Ok(params) => Format::requested(params, &parts.headers, usual),
            Err(_) => Ok(Format::accepted(&parts.headers, usual)),
        };
        let released = match (&read, &format) {
            (Ok((params, claim)), Ok(format)) => self.run(arrived, params, claim, *format, request_id, &mut told).await,
            (Err(error), _) => refused(arrived.refuse(&told, WireError::clone(error)).await),
            (_, Err(error)) => refused(arrived.refuse(&told, error.clone()).await),
        };
        let format = format.unwrap_or_else(|_| Format::accepted(&parts.headers, usual));
        respond(released, format, request_id, host)
    }

    /// Takes a request that could be parsed to its result.
    async fn run<'a>(
        &self,
        arrived: Box<Arrived<'a>>,
        params: &'a Params<'a>,
        claim: &Result<Authentication<'a>, WireError>,
        format: Format,
        request_id: RequestId,
        told: &mut Told<'a>,
    ) -> Released<Result<Reply, WireError>> {
        let claim = match claim {
            Ok(claim) => claim,
            Err(error) => return refused(arrived.refuse(told, error.clone()).await),
        };
        let (is_recorded, revokes) = (!told.is_unrecorded(), told.asks_to_revoke());
        let admitted = match if revokes { arrived.admit_to_revoke(is_recorded) } else { arrived.admit(is_recorded) } {
            Ok(admitted) => admitted,
            Err((arrived, refusal)) => {
                return refused(arrived.refuse(told, WireError::of(refusal)).await);
            }
        };
        let call = match self.authenticate(claim).await {
            Ok(caller) => admitted.authenticated(caller),
            Err(error) => return refused(admitted.refuse(told, error, false).await),
        };
        let call = match call {
            Ok(call) => call,
            Err(over_bound) => {
                // That is not counted against its address, nor is the reason hidden.
                let (admitted, refusal) = *over_bound;
                return refused(admitted.refuse_authenticated(told, WireError::of(refusal)).await);
            }
        };
        let Some(api) = told.api else {
            return call.finish(told, Err(WireError::invalid_version()), |_| WireError::internal()).await;
        };
        perform(&self.gate, call, api, claim.action, params, format, request_id, told).await
    }

    /// Proves who sent a request, and that it is not sent again.
    async fn authenticate(&self, claim: &Authentication<'_>) -> Result<Caller, WireError> {
        let now = self.gate.clock().now();
        clock_window::check(claim.timestamp, i64::try_from(now.seconds()).unwrap_or(i64::MAX))?;
        let access_key = match claim.security_token {
            None => self.gate.access_key(claim.access_key_id).ok_or_else(WireError::access_key_not_found)?,
            Some(token) => self.gate.session(claim.access_key_id, token).await.map_err(token_refused)?,
        };
        let proven = access_key.prove(|secret| claim.verify_for(secret, &self.accepted_hosts));
        let caller = proven.map_err(|why| match why {
            NotAuthenticated::Signature => claim.mismatch(),
            NotAuthenticated::Inactive => WireError::access_key_disabled(),
        })?;
        // Only now: unauthenticated callers must not fill the table.
        self.nonces.accept(claim)?;
        caller.used(now);
        Ok(caller)
    }

    async fn ready(&self) -> Response<Full<Bytes>> {
        match self.gate.ready().await {
            Ok(()) => plain(StatusCode::OK, "ready\n".into()),
            Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        }
    }

    fn scrape(&self) -> Response<Full<Bytes>> {
        let now = i64::try_from(self.gate.clock().now().seconds()).unwrap_or(i64::MAX);
        let reach = now.saturating_sub(self.nonces.highest_floor()).clamp(0, clock_window::TOLERANCE);
        let text = self.gate.scrape(actions::state_name, reach.unsigned_abs());
        reply(StatusCode::OK, yaoku_gate::Metrics::CONTENT_TYPE, text.into())
    }
}

/// Does what a caller who is known asks for.
#[expect(clippy::too_many_arguments, reason = "all that is known of a call")]
pub(crate) async fn perform(
    gate: &Gate,
    call: Box<Authenticated<'_>>,
    api: &'static Api,
    action: &str,
    params: &Params<'_>,
    format: Format,
    request_id: RequestId,
    told: &mut Told<'_>,
) -> Released<Result<Reply, WireError>> {
    let spell_unknown = |_: Failure| WireError::internal();
    let Some(action) = api.action(action) else {
        let error = match api.unsupported.contains(&action) {
            true => {
                let message = format!("The action {action} is not supported by this server.");
                WireError::new(Code::UnsupportedOperation, message)
            }
            false => WireError::action_not_found(),
        };
        return call.finish(told, Err(error), spell_unknown).await;
    };
    told.action = Some(action);
    let told = &*told;
    let arguments = Arguments::new(params, gate.region(), call.caller().principal().account());
    let environment = call.environment();
    let result = {
        let performing = call.perform(told, &environment);
        let exchange = Exchange {
            performing: &performing,
            arguments: &arguments,
            format,
            request_id,
            elements: &told.elements,
            dry_run: false,
            api,
            action,
        };
        // What a change has done until it panics is recorded as well.
        catch_panic(pin!(exchange.run())).await.unwrap_or_else(|| Err(WireError::internal()))
    };
    call.finish(told, result, |failure| actions::spell(api, failure, request_id, &arguments)).await
}

impl Handler for Service {
    async fn call(&self, request: &Incoming) -> Response<Full<Bytes>> {
        let path = request.parts.uri.path();
        let is_page = PAGES.contains(&path);
        let response = match &request.parts.method {
            &Method::OPTIONS => return methods(StatusCode::NO_CONTENT, is_page),
            &Method::GET | &Method::HEAD if is_page => match path {
                "/healthz" => plain(StatusCode::OK, "alive\n".into()),
                "/readyz" => self.ready().await,
                _ => self.scrape(),
            },
            _ if is_page => return methods(StatusCode::METHOD_NOT_ALLOWED, is_page),
            _ => self.answer(request).await,
        };
        if request.parts.method == Method::HEAD { without_body(response) } else { response }
    }

    async fn refuse(&self, request: Refused<'_>) -> Response<Full<Bytes>> {
        let Refused { parts, peer, source, refusal } = request;
        let (request_id, mut error) = (RequestId::random(), refusal::error(refusal));
        if let Some(others) = self.gate.line(source) {
            let others = (others > 0).then_some(others);
            tracing::info!(%request_id, %peer, reason = refusal.reason(), others, "request refused");
        }
        // Nobody is there any more, or the call was recorded as far as it came.
        if !matches!(refusal, Refusal::BrokenOff | Refusal::Panicked) {
            let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes(), &[]).ok();
            let arrived = self.gate.arrive(unread(request_id, source, parts));
            error = arrived.refuse_unread(&told(parts, params.as_ref()), error).await.open();
        }
        error_response(Format::accepted(&parts.headers, Format::Json), &error, request_id, host(parts))
    }
}

/// Pages for operators and their programs. They are no calls, and leave no record.
const PAGES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Which methods there are (RFC 9110, 10.2.1), on a page or on the protocol's path.
fn methods(status: StatusCode, is_page: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    let allowed = if is_page { "GET, HEAD, OPTIONS" } else { "GET, POST, OPTIONS" };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The same answer as HEAD has it (RFC 9110, 9.3.2): how long the content would be, and no content.
fn without_body(response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Full::default())
}

/// What is known of a request that did not arrive whole.
fn unread(request_id: RequestId, source: IpAddr, parts: &Parts) -> Arrival<'_> {
    Arrival {
        protocol: PROTOCOL,
        request_id,
        peer: None,
        source,
        secure_transport: false,
        host: host(parts),
        user_agent: agent(parts),
        abandoned: None,
    }
}

/// Who a request says that it is from, and the signature by which that is to be proven.
fn claim<'a>(request: &'a Incoming, params: &'a Params<'a>) -> Result<Authentication<'a>, WireError> {
    let Incoming { parts, body, .. } = request;
    if parts.method != Method::GET && parts.method != Method::POST {
        return Err(WireError::unsupported_method());
    }
    credentials::authentication(&Received {
        method: &parts.method,
        path: parts.uri.path(),
        authority: parts.uri.authority().map(|authority| authority.as_str()),
        headers: &parts.headers,
        params,
        body,
    })
}

/// Headers by which a request says what it asks for.
const ACTION: HeaderName = HeaderName::from_static("x-acs-action");
const VERSION: HeaderName = HeaderName::from_static("x-acs-version");

/// What a request says of itself before anything is understood or proven.
fn told<'a>(parts: &'a Parts, params: Option<&'a Params<'a>>) -> Told<'a> {
    let param = |name| params.and_then(|params| params.get(name));
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let asked = header(ACTION).or_else(|| param("Action")).unwrap_or_default();
    let api = header(VERSION).or_else(|| param("Version")).and_then(Api::of_version);
    Told::new(asked, param("AccessKeyId").unwrap_or_default(), api, params)
}

/// A refusal, as what a request came to.
fn refused(released: Released<WireError>) -> Released<Result<Reply, WireError>> {
    released.map(Err)
}

/// The wire error of a security token that proves nothing.
fn token_refused(error: SessionError) -> WireError {
    let (code, message) = match error {
        SessionError::Malformed => {
            (Code::InvalidSecurityTokenMalformed, "The specified SecurityToken was not issued by this server.")
        }
        SessionError::OtherAccessKey => (
            Code::InvalidSecurityTokenMismatchWithAccessKey,
            "The specified SecurityToken does not belong to this AccessKey.",
        ),
        SessionError::Expired => {
            (Code::InvalidSecurityTokenExpired, "The specified SecurityToken has expired; assume the role again.")
        }
        SessionError::Unavailable => return WireError::unavailable(),
    };
    WireError::new(code, message)
}

/// Bytes that the name of a host can have (RFC 1035, 2.3.4), and a port.
const MAX_HOST: usize = 255 + ":65535".len();

/// The host that the request names, as errors repeat it.
fn host(parts: &Parts) -> &str {
    let header = parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    cut(header.or(authority).unwrap_or_default(), MAX_HOST)
}

/// The program that sent a request, as it calls itself.
fn agent(parts: &Parts) -> Option<&str> {
    parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(user_agent)
}

/// The answer to what the gate has released, which nothing else can be answered with.
fn respond(
    released: Released<Result<Reply, WireError>>,
    format: Format,
    request_id: RequestId,
    host: &str,
) -> Response<Full<Bytes>> {
    match released.open() {
        Ok(content) => {
            // It may hold a plaintext: it is wiped when the last byte was sent.
            let mut response = reply(StatusCode::OK, format.content_type(), Bytes::from_owner(content));
            response.headers_mut().insert(REQUEST_ID, request_id_header(request_id));
            response
        }
        Err(error) => error_response(format, &error, request_id, host),
    }
}

/// An error in the protocol's shape.
fn error_response(format: Format, error: &WireError, request_id: RequestId, host: &str) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Bytes::from(response::error(format, error, request_id, host));
    let mut response = reply(status, format.content_type(), body);
    response.headers_mut().insert(REQUEST_ID, request_id_header(request_id));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", text.into())
}

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
