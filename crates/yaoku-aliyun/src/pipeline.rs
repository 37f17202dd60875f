//! The way of a request: parse, authenticate, find the action, run it, reply. Forward only; nothing is looked up twice.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderName, Method, Response, StatusCode};
use http_body_util::Full;
use yaoku_audit::{Permit, Trail};
use yaoku_http::{Handler, Incoming, Refusal, Refused, catch_panic};
use yaoku_iam::{AccessKey, Environment, Iam, SessionError};
use yaoku_kms::{Access, Clock, Kms, Timestamp};

use crate::actions::{self, Action, Api, Arguments, Exchange, Notes, Reply};
use crate::audit::{self, Caller};
use crate::metrics::Metrics;
use crate::strangers::{Strangers, Treatment};
use crate::wire::nonce::NonceTable;
use crate::wire::{Authentication, Code, Format, Params, REQUEST_ID, Received, RequestId, WireError};
use crate::wire::{clock_window, credentials, params, refusal, response};

/// What the protocol needs to know beside the domain.
pub struct ServiceConfig {
    /// The region of ARNs and of DescribeRegions.
    pub region: String,
    /// Nonces remembered at the most; see [`NonceTable`].
    pub nonce_capacity: usize,
    /// Calls a minute of one address that may prove nobody; see [`crate::strangers`].
    pub unproven_per_minute: u32,
    /// Hosts beside the one that a request names: a signature over one of these counts as well.
    pub accepted_hosts: Vec<String>,
}

/// Answers requests of the protocol, and operators' probes.
pub struct Service {
    kms: Arc<Kms>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) region: String,
    accepted_hosts: Vec<String>,
    nonces: NonceTable,
    strangers: Strangers,
    /// Of log lines, where nobody was proven.
    lines: Strangers,
    metrics: Arc<Metrics>,
    /// None where the operator switched it off.
    pub(crate) trail: Option<Arc<Trail>>,
}

impl Service {
    /// A service over a domain.
    pub fn new(
        kms: Arc<Kms>,
        iam: Arc<Iam>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        trail: Option<Arc<Trail>>,
        config: ServiceConfig,
    ) -> Self {
        // Requests captured before this process began are not remembered: TLS is what keeps them from being captured.
        let nonces = NonceTable::new(config.nonce_capacity, 0);
        let [strangers, lines] = [(); 2].map(|()| Strangers::new(config.unproven_per_minute));
        let ServiceConfig { region, accepted_hosts, .. } = config;
        Self { kms, iam, clock, region, accepted_hosts, nonces, strangers, lines, metrics, trail }
    }

    /// Answers a request of the protocol.
    async fn answer(&self, request: &Incoming) -> Response<Full<Bytes>> {
        let started = Instant::now();
        let Incoming { parts, peer, .. } = request;
        let request_id = RequestId::random();
        let form = if params::body_is_form(&parts.headers) { &request.body[..] } else { &[] };
        let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes(), form);
        let format = match &params {
            Ok(params) => Format::requested(params, &parts.headers),
            Err(_) => Ok(Format::accepted(&parts.headers)),
        };
        let mut called = Called::said(parts, params.as_ref().ok());
        let result = match (&params, &format) {
            (Err(error), _) | (_, Err(error)) => Err(error.clone()),
            (Ok(params), Ok(format)) => self.run(request, params, *format, request_id, &mut called).await,
        };
        let format = format.unwrap_or_else(|_| Format::accepted(&parts.headers));
        let result = self.recorded(parts, peer.ip(), params.as_ref().ok(), request_id, &mut called, result).await;
        let response = match &result {
            Ok(_) => StatusCode::OK,
            Err(error) => StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let outcome = result.as_ref().map(|_| ()).map_err(|error| error.code);
        let took = started.elapsed();
        self.metrics.request(called.action.and_then(actions::index), outcome, took);
        let others = match called.caller {
            Some(_) => Some(0),
            None => self.line(peer.ip()),
        };
        if let Some(others) = others {
            log(request_id, *peer, &called, &result, took, others);
        }
        let body = match result {
            // The reply may hold a plaintext: it is wiped when the last byte was sent.
            Ok(reply) => Bytes::from_owner(reply),
            Err(error) => Bytes::from(response::error(format, &error, request_id, host(parts))),
        };
        let mut response = reply(response, format.content_type(), body);
        response.headers_mut().insert(REQUEST_ID, request_id.header());
        response
    }

    /// Lets a result go once its record is written.
    pub(crate) async fn recorded<'a>(
        &self,
        parts: &Parts,
        source: IpAddr,
        params: Option<&Params<'_>>,
        request_id: RequestId,
        called: &mut Called<'a>,
        result: Result<Reply, WireError>,
    ) -> Result<Reply, WireError> {
        let (result, recorded_as) = match (&called.caller, &result) {
            // What fails on this side before anything could be proven is not the caller's; that a request does not arrive is.
            (None, Err(error)) if called.never_arrived || error.http_status() < 500 => {
                match self.strangers.called(source, self.clock.now().0) {
                    Treatment::Answered => (result, None),
                    Treatment::RecordedForOthers { held } => {
                        self.metrics.held();
                        (Err(WireError::too_many_unproven()), Some(WireError::too_many_unproven_and(held)))
                    }
                    Treatment::Held => {
                        self.metrics.held();
                        return Err(WireError::too_many_unproven());
                    }
                }
            }
            _ => (result, None),
        };
        let Some(trail) = &self.trail else { return result };
        // Whoever guesses at secrets must not choose the one action by which guesses go unrecorded.
        if called.leaves_no_record() && called.caller.is_some() {
            return result;
        }
        // A call that was refused before it was asked what it is did nothing, and may be refused for this now.
        let permit = match called.permit.take() {
            Some(permit) => permit,
            None => trail.admit().map_err(|_| WireError::unrecordable())?,
        };
        let record = audit::record(&audit::Call {
            request_id,
            millis: self.clock.now().0,
            parts,
            host: host(parts),
            source,
            region: &self.region,
            api: called.api,
            params,
            asked: called.asked,
            action: called.action,
            caller: called.caller.as_ref(),
            claimed: called.claimed,
            notes: &called.notes,
            error: recorded_as.as_ref().or(result.as_ref().err()),
        });
        let record = record.map_err(|error| {
            tracing::error!(%request_id, %error, "internal failure");
            WireError::internal()
        })?;
        match permit.record(record).await {
            Ok(()) => result,
            Err(_) => Err(match called.action {
                Some(action) if action.spec.access() == Access::Write && result.is_ok() => {
                    WireError::unrecorded_change()
                }
                _ => WireError::unrecordable(),
            }),
        }
    }

    /// Takes a request that could be parsed to its result.
    async fn run<'a>(
        &self,
        request: &'a Incoming,
        params: &'a Params<'_>,
        format: Format,
        request_id: RequestId,
        called: &mut Called<'a>,
    ) -> Result<Reply, WireError> {
        let Incoming { parts, body, peer, tls } = request;
        if parts.method != Method::GET && parts.method != Method::POST {
            return Err(WireError::unsupported_method());
        }
        let received = Received {
            method: &parts.method,
            path: parts.uri.path(),
            authority: parts.uri.authority().map(|authority| authority.as_str()),
            headers: &parts.headers,
            params,
            body,
        };
        let claim = credentials::authentication(&received)?;
        // Of two that a request may name, those that its signature is made over.
        called.asked = claim.action;
        called.claimed = claim.access_key_id;
        called.api = Api::of_version(claim.version);
        if let Some(trail) = &self.trail
            && !called.leaves_no_record()
        {
            // Nothing is done whose record could not be written.
            called.permit = Some(trail.admit().map_err(|_| WireError::unrecordable())?);
        }
        let now = self.clock.now();
        called.caller = Some(Caller::Signed(self.authenticate(&claim, now).await?));
        let api = called.api.ok_or_else(WireError::invalid_version)?;
        let environment = Environment {
            time: now.0,
            source: peer.ip(),
            secure_transport: *tls,
            user_agent: audit::user_agent(&parts.headers),
        };
        self.act(api, claim.action, params, &environment, format, request_id, called).await
    }

    /// Does what a caller who is known asks for.
    #[expect(clippy::too_many_arguments, reason = "all that is known of a call")]
    pub(crate) async fn act(
        &self,
        api: &'static Api,
        action: &str,
        params: &Params<'_>,
        environment: &Environment<'_>,
        format: Format,
        request_id: RequestId,
        called: &mut Called<'_>,
    ) -> Result<Reply, WireError> {
        let Some(caller) = &called.caller else { return Err(WireError::internal()) };
        let Some(action) = api.action(action) else {
            return Err(match api.unsupported.contains(&action) {
                true => {
                    let message = format!("The action {action} is not supported by this server.");
                    WireError::new(Code::UnsupportedOperation, message)
                }
                false => WireError::action_not_found(),
            });
        };
        called.action = Some(action);
        let principal = caller.principal();
        let arguments = Arguments { params, region: &self.region, account: principal.account() };
        let exchange = Exchange {
            kms: &self.kms,
            iam: &self.iam,
            trail: self.trail.as_deref(),
            principal,
            environment,
            arguments,
            format,
            request_id,
            notes: &called.notes,
            dry_run: false,
            api,
            action,
        };
        // What a change has done until it panics is recorded as well.
        catch_panic(pin!(exchange.run())).await.unwrap_or_else(|| Err(WireError::internal()))
    }

    /// Proves who sent a request, and that it is not sent again.
    async fn authenticate(&self, claim: &Authentication<'_>, now: Timestamp) -> Result<Arc<AccessKey>, WireError> {
        clock_window::check(claim.timestamp, i64::try_from(now.seconds()).unwrap_or(i64::MAX))?;
        let access_key = match claim.security_token {
            None => self.iam.access_key(claim.access_key_id).ok_or_else(WireError::access_key_not_found)?,
            Some(token) => self.iam.session(claim.access_key_id, token).await.map_err(token_refused)?,
        };
        if !claim.verify_for(&access_key.secret, &self.accepted_hosts) {
            return Err(claim.mismatch());
        }
        if !access_key.is_active() {
            return Err(WireError::access_key_disabled());
        }
        // Only now: a stranger must not fill the table.
        self.nonces.accept(claim)?;
        access_key.used(now);
        Ok(access_key)
    }

    fn line(&self, source: IpAddr) -> Option<u64> {
        self.lines.line(source, self.clock.now().0)
    }

    async fn ready(&self) -> Response<Full<Bytes>> {
        if let Some(trail) = &self.trail
            && !trail.is_open()
        {
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: the audit log can't be written, so calls are refused; see the server log for the cause\n",
            );
        }
        if !self.iam.is_current() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "not ready: changes of identities are not being applied\n");
        }
        match self.kms.health().await {
            Ok(()) => match self.kms.hsm_health().await {
                Ok(()) => plain(StatusCode::OK, "ready\n"),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
                    plain(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "not ready: the HSM is unavailable, so calls that use keys in it fail; see the server log for the cause\n",
                    )
                }
            },
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
                plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "not ready: the store can't be written; see the server log for the cause\n",
                )
            }
        }
    }

    fn scrape(&self) -> Response<Full<Bytes>> {
        for (state, count) in self.kms.count_by_state() {
            self.metrics.keys(actions::state_name(state), count);
        }
        self.metrics.scheduler_lag(self.kms.scheduler_lag());
        let now = i64::try_from(self.clock.now().seconds()).unwrap_or(i64::MAX);
        let reach = now.saturating_sub(self.nonces.highest_floor()).clamp(0, clock_window::TOLERANCE);
        self.metrics.nonces(reach.unsigned_abs());
        if let Some(trail) = &self.trail {
            self.metrics.audit(trail.head().size, trail.failure().is_some());
        }
        reply(StatusCode::OK, Metrics::CONTENT_TYPE, Bytes::from(self.metrics.render()))
    }
}

impl Handler for Service {
    async fn call(&self, request: &Incoming) -> Response<Full<Bytes>> {
        match (&request.parts.method, request.parts.uri.path()) {
            (&Method::GET, "/healthz") => plain(StatusCode::OK, "alive\n"),
            (&Method::GET, "/readyz") => self.ready().await,
            (&Method::GET, "/metrics") => self.scrape(),
            _ => self.answer(request).await,
        }
    }

    async fn refuse(&self, request: Refused<'_>) -> Response<Full<Bytes>> {
        let Refused { parts, peer, source, refusal } = request;
        let (request_id, mut error) = (RequestId::random(), refusal::error(refusal));
        if let Some(others) = self.line(source) {
            let others = (others > 0).then_some(others);
            tracing::info!(%request_id, %peer, reason = refusal.reason(), others, "request refused");
        }
        // Nobody is there any more, or the call was recorded as far as it came.
        if !matches!(refusal, Refusal::BrokenOff | Refusal::Panicked) {
            let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes(), &[]).ok();
            let mut called = Called { never_arrived: true, ..Called::said(parts, params.as_ref()) };
            let refused = Err(error.clone());
            let recorded = self.recorded(parts, source, params.as_ref(), request_id, &mut called, refused).await;
            error = recorded.err().unwrap_or(error);
        }
        respond_with_error(Format::accepted(&parts.headers), &error, request_id, host(parts))
    }
}

/// Headers by which a request says what it asks for.
const ACTION: HeaderName = HeaderName::from_static("x-acs-action");
const VERSION: HeaderName = HeaderName::from_static("x-acs-version");

/// What is known of a call for its log line.
pub(crate) struct Called<'a> {
    /// The action as it was asked for, known or not.
    asked: &'a str,
    /// The AccessKey that was claimed, proven or not.
    claimed: &'a str,
    api: Option<&'static Api>,
    action: Option<&'static Action>,
    caller: Option<Caller>,
    /// The right to leave a record.
    pub(crate) permit: Option<Permit>,
    notes: Notes,
    /// Whether it was refused before it was read whole.
    never_arrived: bool,
}

impl<'a> Called<'a> {
    /// What a request says of itself before anything is understood or proven.
    fn said(parts: &'a Parts, params: Option<&'a Params<'_>>) -> Self {
        let param = |name| params.and_then(|params| params.get(name));
        let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let asked = header(ACTION).or_else(|| param("Action")).unwrap_or_default();
        let api = header(VERSION).or_else(|| param("Version")).and_then(Api::of_version);
        let claimed = param("AccessKeyId").unwrap_or_default();
        let (notes, never_arrived) = (Notes::default(), false);
        Self { asked, claimed, api, action: None, caller: None, permit: None, notes, never_arrived }
    }

    /// What the operator asks for.
    pub(crate) fn by_operator(api: &'static Api, action: &'a str, caller: Caller) -> Self {
        let (api, caller) = (Some(api), Some(caller));
        let (notes, never_arrived) = (Notes::default(), false);
        Self { asked: action, claimed: "", api, action: None, caller, permit: None, notes, never_arrived }
    }

    /// Whether what was asked for is of those actions that leave no audit record once their caller is proven.
    fn leaves_no_record(&self) -> bool {
        self.api.and_then(|api| api.unrecorded).is_some_and(|action| action == self.asked)
    }
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

/// One line a call: nothing of its parameters, which may be secret. With how many others that have none.
fn log(
    request_id: RequestId,
    peer: SocketAddr,
    called: &Called<'_>,
    result: &Result<Reply, WireError>,
    took: Duration,
    others: u64,
) {
    let action = called.action.map_or("-", |action| action.name);
    let access_key = called.caller.as_ref().map_or("-", Caller::access_key_id);
    let code = result.as_ref().map_or_else(|error| error.code.as_str(), |_| "ok");
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let others = (others > 0).then_some(others);
    tracing::info!(%request_id, %peer, access_key, action, code, micros, others, "request");
}

/// The host that the request names, as errors repeat it.
fn host(parts: &Parts) -> &str {
    let header = parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    header.or(authority).unwrap_or_default()
}

/// An error in the protocol's shape.
fn respond_with_error(format: Format, error: &WireError, request_id: RequestId, host: &str) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Bytes::from(response::error(format, error, request_id, host));
    let mut response = reply(status, format.content_type(), body);
    response.headers_mut().insert(REQUEST_ID, request_id.header());
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
