//! The way of a call: which disk its path names, and what is asked of it; through the gate, forward only.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use yaoku_crypto::exchange::Point;
use yaoku_disks::NotProven;
use yaoku_disks::operations::exchange::{AdvertiseDisk, UnlockDisk};
use yaoku_gate::{
    Arrival, Arrived, CountedProtocol, Gate, Performing, Released, RequestId, Serves, Spelling, user_agent,
};
use yaoku_http::{Handler, Incoming, Refusal, Refused, catch_panic};
use yaoku_iam::Operation;

use crate::failure::{Code, Failure};
use crate::route::Route;
use crate::told::{ACTIONS, SERVICE, Told};
use crate::{Advertisement, read_point, write_point};

/// The protocol's name in metrics and the log.
const PROTOCOL: &str = "tang";
/// The media type of a key.
const JWK: &str = "application/jwk+json";

/// How the protocol's calls are counted.
pub fn counted() -> CountedProtocol {
    let actions = ACTIONS.iter().map(|spec| (SERVICE, spec.name)).collect();
    CountedProtocol { name: PROTOCOL, actions, codes: Code::ALL.iter().map(|code| code.as_str()).collect() }
}

/// Answers requests of the protocol.
pub struct Service {
    gate: Arc<Gate>,
}

/// What is answered to a call that was performed.
struct Reply {
    content_type: &'static str,
    content: Vec<u8>,
}

impl Service {
    /// A service over a gate.
    pub const fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    async fn answer(&self, request: &Incoming) -> Response<Full<Bytes>> {
        let parts = &request.parts;
        let route = Route::read(parts.method.as_str(), parts.uri.path());
        let request_id = RequestId::random();
        let source = request.peer.ip();
        let arrival = arrival(request_id, parts, Some(request.peer), source, request.tls, Some(&request.abandoned));
        let arrived = self.gate.arrive(arrival);
        match self.run(arrived, request, route, request_id).await.open() {
            Ok(Reply { content_type, content }) => {
                let mut response = Response::new(Full::new(content.into()));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
            Err(failure) => failed(&failure, route),
        }
    }

    /// Takes a request to its result.
    async fn run(
        &self,
        arrived: Box<Arrived<'_>>,
        request: &Incoming,
        route: Route,
        request_id: RequestId,
    ) -> Released<Result<Reply, Failure>> {
        let mut told = Told { route, disk: None };
        let admitted = match arrived.admit(true) {
            Ok(admitted) => admitted,
            Err((arrived, refusal)) => {
                return arrived.refuse(&told, Failure::of(refusal)).await.map(Err);
            }
        };
        let proven = match route {
            Route::Advertise(disk, _) | Route::Recover(disk, _) => {
                self.gate.disk(&disk, request.peer.ip()).map_err(|why| match why {
                    NotProven::UnknownUrl => Failure::not_found(),
                    NotProven::Elsewhere(disk) => {
                        told.disk = Some(disk);
                        Failure::elsewhere()
                    }
                })
            }
            Route::OtherMethod(_) => Err(Failure::method()),
            Route::Unknown => Err(Failure::not_found()),
        };
        // Guesses, and URLs that are known elsewhere, count against their address.
        let caller = match proven {
            Ok(caller) => caller,
            Err(failure) => return admitted.refuse(&told, failure, false).await.map(Err),
        };
        let call = match admitted.authenticated(caller) {
            Ok(call) => call,
            Err(over_bound) => {
                // That is not counted against its address.
                let (admitted, refusal) = *over_bound;
                return admitted.refuse_authenticated(&told, Failure::of(refusal)).await.map(Err);
            }
        };
        let environment = call.environment();
        let result = {
            let performing = call.perform(&told, &environment);
            let perform = perform(&performing, route, &request.body, request_id);
            catch_panic(pin!(perform)).await.unwrap_or_else(|| Err(Failure::internal()))
        };
        call.finish(&told, result, |failure| Failure::of_operation(failure, request_id)).await
    }
}

async fn perform(
    performing: &Performing<'_>,
    route: Route,
    body: &[u8],
    request_id: RequestId,
) -> Result<Reply, Failure> {
    match route {
        Route::Advertise(_, named) => {
            let done = operate(performing, AdvertiseDisk { named, compose }, request_id).await?;
            let advertisement = Advertisement::new(&done.signing, [&done.exchange]);
            let content = advertisement.signed(&done.signature);
            Ok(Reply { content_type: Advertisement::CONTENT_TYPE, content })
        }
        Route::Recover(_, key) => {
            let unlock = UnlockDisk { key, point: read_point(body)? };
            let product = operate(performing, unlock, request_id).await?;
            Ok(Reply { content_type: JWK, content: write_point(&product) })
        }
        // No disk is named by these.
        Route::OtherMethod(_) | Route::Unknown => Err(Failure::internal()),
    }
}

/// Does an operation of any domain.
async fn operate<O: Operation>(
    performing: &Performing<'_>,
    operation: O,
    request_id: RequestId,
) -> Result<O::Output, Failure>
where
    Gate: Serves<O::Domain>,
{
    let result = performing.perform(operation, false).await;
    result.map_err(|error| Failure::of_operation(<Gate as Serves<O::Domain>>::failure(error), request_id))
}

/// What is signed of an advertisement.
fn compose(signing: &Point, exchange: &Point) -> Vec<u8> {
    Advertisement::new(signing, [exchange]).signing_input().to_vec()
}

fn arrival<'a>(
    request_id: RequestId,
    parts: &'a Parts,
    peer: Option<SocketAddr>,
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

/// The answer of a call that failed, in plain text.
fn failed(failure: &Failure, route: Route) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(format!("{}\n", failure.message).into()));
    *response.status_mut() = failure.code.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Route::OtherMethod(allowed) = route {
        headers.insert(ALLOW, HeaderValue::from_static(allowed));
    }
    if matches!(failure.code, Code::Unavailable | Code::Throttling) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

impl Handler for Service {
    async fn call(&self, request: &Incoming) -> Response<Full<Bytes>> {
        if request.parts.method == Method::OPTIONS {
            // It asks nothing of any disk, and leaves no record.
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, OPTIONS"));
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
        let route = Route::read(parts.method.as_str(), parts.uri.path());
        if let Some(others) = self.gate.line(source) {
            let others = (others > 0).then_some(others);
            tracing::info!(%request_id, %peer, reason = refusal.reason(), others, "request refused");
        }
        // Nobody is there any more, or the call was recorded as far as it came.
        if !matches!(refusal, Refusal::BrokenOff | Refusal::Panicked) {
            let arrived = self.gate.arrive(arrival(request_id, parts, None, source, false, None));
            failure = arrived.refuse_unread(&Told { route, disk: None }, failure).await.open();
        }
        failed(&failure, route)
    }
}
