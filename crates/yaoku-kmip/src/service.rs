//! The way of a message: what it asks for, who calls, and its operations; each through the gate, forward only.

use std::pin::pin;
use std::sync::Arc;

use yaoku_gate::{
    Arrival, CallLog, CountedProtocol, Gate, Performing, Recorded, Released, RequestId, Serves, Spelling,
};
use yaoku_http::{IncomingMessage, MessageHandler, RefusedMessage, catch_panic};
use yaoku_iam::{Caller, ErrorOf, Operation, Timestamp};
use zeroize::Zeroizing;

use crate::auth::prove;
use crate::failure::{Code, Failure};
use crate::message::{BatchItem, Outcome, Request, respond};
use crate::operations;
use crate::profile::{Act, Version};
use crate::told::{SERVICE, Told};
use crate::ttlv::{HEADER_BYTES, Item, Writer, body_length, decode};

/// The protocol's name in metrics and the log.
const PROTOCOL: &str = "kmip";

/// How the protocol's calls are counted.
pub fn counted() -> CountedProtocol {
    let actions = Act::ALL.iter().map(|act| (SERVICE, act.name())).collect();
    CountedProtocol { name: PROTOCOL, actions, codes: Code::ALL.iter().map(|code| code.as_str()).collect() }
}

/// Answers messages of the protocol.
pub struct Service {
    gate: Arc<Gate>,
}

/// An operation whose caller is proven, on its way.
pub(crate) struct Exchange<'a> {
    performing: &'a Performing<'a>,
    pub(crate) version: Version,
    pub(crate) payload: &'a Item<'a>,
    /// Where it is logged why something failed.
    pub(crate) log: CallLog,
    /// When it arrived.
    pub(crate) now: Timestamp,
    /// The object that an operation before this one in the batch gave.
    pub(crate) placeholder: Option<String>,
}

impl Exchange<'_> {
    /// Does an operation of any domain.
    pub(crate) async fn perform<O: Operation>(&self, operation: O) -> Result<O::Output, Failure>
    where
        Gate: Serves<O::Domain>,
    {
        self.try_perform(operation).await.map_err(|error| self.failed::<O>(error))
    }

    /// The failure that an operation's error is.
    pub(crate) fn failed<O: Operation>(&self, error: ErrorOf<O>) -> Failure
    where
        Gate: Serves<O::Domain>,
    {
        Failure::of_operation(<Gate as Serves<O::Domain>>::failure(error), &self.log)
    }

    /// As [`Self::perform`], for whoever must tell errors apart.
    pub(crate) async fn try_perform<O: Operation>(&self, operation: O) -> Result<O::Output, ErrorOf<O>>
    where
        Gate: Serves<O::Domain>,
    {
        self.performing.perform(operation, false).await
    }
}

/// What an operation gives.
pub(crate) struct Reply {
    /// What the payload of the response holds.
    pub(crate) payload: Writer,
    /// The object that the rest of the batch may leave unnamed.
    pub(crate) placeholder: Option<String>,
}

/// Why an item was not begun.
struct NotBegun {
    failure: Failure,
    /// Whether nobody was proven, so that nothing else of the message can be done either.
    ends_batch: bool,
}

type Done<'g> = Recorded<'g, Reply, Failure>;

impl Service {
    /// A service over a gate.
    pub const fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    async fn answer(&self, message: &IncomingMessage) -> Zeroizing<Vec<u8>> {
        let decoded = decode(&message.bytes);
        let request = match &decoded {
            Ok(item) => Request::read(item),
            Err(error) => Err((Version::V1_0, (*error).into())),
        };
        match request {
            Ok(request) => self.run(message, &request).await,
            Err((version, failure)) => {
                let told = Told::new(version, None, None, None);
                let arrived = self.gate.arrive(arrival(RequestId::random(), message));
                let failure = arrived.refuse(&told, failure).await.open();
                self.respond(version, None, None, &[Outcome { operation: None, id: None, result: Err(failure) }])
            }
        }
    }

    /// Does what a message asks for.
    async fn run(&self, message: &IncomingMessage, request: &Request<'_, '_>) -> Zeroizing<Vec<u8>> {
        let Request { version, most, credential, correlation, goes_on, ref batch } = *request;
        let claimed = credential.map(|credential| credential.username);
        let told: Vec<_> =
            batch.iter().map(|item| Told::new(version, Some(item.operation), claimed, item.object())).collect();
        let log = CallLog::new(RequestId::random());
        // What was done is released together at the end; what was not begun has its failure already.
        let (mut done, mut not_begun) = (Vec::new(), Vec::new());
        let mut placeholder = None;
        for (at, (item, told)) in batch.iter().zip(&told).enumerate() {
            match self.item(message, request, item, told, &log, placeholder.clone()).await {
                Ok((recorded, object)) => {
                    let failed = recorded.has_failed();
                    placeholder = object.filter(|_| !failed).or(placeholder);
                    done.push((at, recorded.of_message(at)));
                    if failed && !goes_on {
                        break;
                    }
                }
                Err(NotBegun { failure, ends_batch }) => {
                    not_begun.push((at, failure));
                    if ends_batch || !goes_on {
                        break;
                    }
                }
            }
        }
        let (places, done): (Vec<usize>, Vec<Done<'_>>) = done.into_iter().unzip();
        let told = places.iter().filter_map(|at| told.get(*at));
        let spell = |failure| Failure::of_operation(failure, &log);
        let released = Recorded::release_all(done.into_iter().zip(told).collect(), spell).await;
        let results = released.into_iter().map(|result| result.open().map(|reply| reply.payload));
        let failed = not_begun.into_iter().map(|(at, failure)| (at, Err(failure)));
        let mut results: Vec<_> = places.into_iter().zip(results).chain(failed).collect();
        results.sort_by_key(|(at, _)| *at);
        let outcomes = results.into_iter().filter_map(|(at, result)| {
            let item = batch.get(at)?;
            Some(Outcome { operation: Some(item.operation), id: item.id, result })
        });
        self.respond(version, correlation, most, &outcomes.collect::<Vec<_>>())
    }

    /// Takes one item to what came of it, recorded, and the object that it gave for the rest of the batch.
    async fn item<'g>(
        &'g self,
        message: &'g IncomingMessage,
        request: &Request<'_, '_>,
        item: &BatchItem<'_, '_>,
        told: &Told<'_>,
        log: &CallLog,
        placeholder: Option<String>,
    ) -> Result<(Done<'g>, Option<String>), NotBegun> {
        let request_id = RequestId::random();
        let arrived = self.gate.arrive(arrival(request_id, message));
        let revokes = told.act.is_some_and(Act::revokes);
        let admitted = if revokes { arrived.admit_to_revoke(true) } else { arrived.admit(true) };
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err((arrived, refusal)) => {
                let refused = arrived.refuse(told, Failure::of(refusal)).await;
                return Err(not_begun(refused, false));
            }
        };
        let caller = match self.caller(message, request) {
            Ok(caller) => caller,
            Err(failure) => return Err(not_begun(admitted.refuse(told, failure, false).await, true)),
        };
        caller.used(self.gate.clock().now());
        let call = match admitted.authenticated(caller) {
            Ok(call) => call,
            Err(over_bound) => {
                let (admitted, refusal) = *over_bound;
                return Err(not_begun(admitted.refuse_authenticated(told, Failure::of(refusal)).await, false));
            }
        };
        let environment = call.environment();
        let result = match (told.act, item.is_extended) {
            (None, _) => Err(Failure::new(
                Code::OperationNotSupported,
                format!("{} is not supported by this server in version {}", told.name, request.version),
            )),
            (Some(_), true) => Err(Failure::unsupported(
                "the message extension is critical, or the object ephemeral, and this server does not know that",
            )),
            (Some(act), false) => {
                let performing = call.perform(told, &environment);
                let (version, payload) = (request.version, item.payload);
                let (log, now) = (log.of_part(request_id), self.gate.clock().now());
                let exchange = Exchange { performing: &performing, version, payload, log, now, placeholder };
                // What a change has done until it panics is recorded as well.
                let run = catch_panic(pin!(operations::run(&exchange, act))).await;
                run.unwrap_or_else(|| Err(Failure::internal()))
            }
        };
        let object = result.as_ref().ok().and_then(|reply| reply.placeholder.clone());
        Ok((call.record(told, result).await, object))
    }

    fn caller(&self, message: &IncomingMessage, request: &Request<'_, '_>) -> Result<Caller, Failure> {
        prove(&self.gate, message.client_certificate.as_ref(), request.credential)
    }

    /// A response, unless it is longer than the client accepts.
    fn respond(
        &self,
        version: Version,
        correlation: Option<&str>,
        most: Option<usize>,
        outcomes: &[Outcome<'_>],
    ) -> Zeroizing<Vec<u8>> {
        let now = i64::try_from(self.gate.clock().now().seconds()).unwrap_or(i64::MAX);
        let response = respond(version, now, correlation, outcomes);
        match most {
            Some(most) if response.len() > most => {
                let why = "the response is longer than the Maximum Response Size; what was asked for has been done";
                let result = Err(Failure::new(Code::ResponseTooLarge, why));
                let (operation, id) = match outcomes {
                    [one] => (one.operation, one.id),
                    _ => (None, None),
                };
                respond(version, now, correlation, &[Outcome { operation, id, result }])
            }
            _ => response,
        }
    }
}

fn not_begun(refused: Released<Failure>, ends_batch: bool) -> NotBegun {
    NotBegun { failure: refused.open(), ends_batch }
}

fn arrival(request_id: RequestId, message: &IncomingMessage) -> Arrival<'_> {
    Arrival {
        protocol: PROTOCOL,
        request_id,
        peer: Some(message.peer),
        source: message.peer.ip().to_canonical(),
        secure_transport: message.tls,
        host: "",
        user_agent: None,
        abandoned: Some(&message.abandoned),
    }
}

impl MessageHandler for Service {
    const HEADER: usize = HEADER_BYTES;

    fn follow(&self, header: &[u8]) -> Option<usize> {
        // Whether that is too much is the server's to say, which bounds all messages.
        body_length(header.first_chunk()?, usize::MAX).ok()
    }

    async fn call(&self, message: &IncomingMessage) -> Zeroizing<Vec<u8>> {
        self.answer(message).await
    }

    async fn refuse(&self, message: RefusedMessage) -> Zeroizing<Vec<u8>> {
        let RefusedMessage { peer, refusal } = message;
        let (request_id, failure) = (RequestId::random(), Failure::unread(refusal));
        let told = Told::new(Version::V1_0, None, None, None);
        let arrival = Arrival {
            protocol: PROTOCOL,
            request_id,
            peer: Some(peer),
            source: peer.ip().to_canonical(),
            secure_transport: true,
            host: "",
            user_agent: None,
            abandoned: None,
        };
        let failure = self.gate.arrive(arrival).refuse_unread(&told, failure).await.open();
        self.respond(Version::V1_0, None, None, &[Outcome { operation: None, id: None, result: Err(failure) }])
    }
}
