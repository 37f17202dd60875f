//! The states of a call, in their order. They are boxed: moved by value from future to future, they would be copied a dozen times a call.

use std::fmt::Display;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use parking_lot::Mutex;
use smallvec::SmallVec;
use yaoku_audit::{Permit, Purpose, Trail};
use yaoku_crypto::Secret;
use yaoku_iam::{Call, Caller, Domain, Environment, Intent, NotCommitted, Operation, TooMany, Trace};
use yaoku_seal::RecordName;

use crate::gate::{Failure, Gate, Serves};
use crate::limiter::Treatment;
use crate::metrics::Counted;
use crate::protocol::{Refusal, Spelling, Telling};
use crate::{RequestId, intent, record};

/// A call that has arrived.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// The protocol, as metrics and the log name it.
    pub protocol: &'static str,
    /// Names the call in its answer, in the log and in records.
    pub request_id: RequestId,
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// Where it comes from.
    pub source: IpAddr,
    /// Whether it came over TLS.
    pub secure_transport: bool,
    /// The host that it names.
    pub host: &'a str,
    /// The program that sent it, as it calls itself, cut to what records show.
    pub user_agent: Option<&'a str>,
    /// Set when nobody waits for the answer any more.
    pub abandoned: Option<&'a Arc<AtomicBool>>,
}

/// A call of which nothing is known but where it comes from.
#[must_use]
pub struct Arrived<'g> {
    gate: &'g Gate,
    arrival: Arrival<'g>,
    began: Instant,
    /// The epoch before anything was decided.
    epoch: u64,
}

/// A call whose record can be written.
#[must_use]
pub struct Admitted<'g> {
    arrived: Box<Arrived<'g>>,
    permit: Option<Permit>,
    /// Whether it is to take something away.
    revokes: bool,
}

/// A call of a proven caller.
#[must_use]
pub struct Authenticated<'g> {
    arrived: Box<Arrived<'g>>,
    permit: Option<Permit>,
    caller: Caller,
    trace: Trace,
    again: Mutex<SmallVec<[Again; 2]>>,
    under_way: Option<yaoku_iam::UnderWay>,
}

/// What came of a call, which may be answered now.
#[must_use]
pub struct Released<T>(T);

impl<T> Released<T> {
    /// What may be answered.
    pub fn open(self) -> T {
        self.0
    }

    /// The same, in another shape.
    pub fn map<U>(self, shape: impl FnOnce(T) -> U) -> Released<U> {
        Released(shape(self.0))
    }
}

/// Decides again on what was granted to a call in one domain.
type Again = for<'c> fn(&'c Gate, &'c Call<'c>) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'c>>;

impl Gate {
    /// Takes in a call.
    pub fn arrive<'g>(&'g self, arrival: Arrival<'g>) -> Box<Arrived<'g>> {
        Box::new(Arrived { gate: self, arrival, began: Instant::now(), epoch: self.iam.epoch().now() })
    }

    /// Whether there is a line in the log for something unauthenticated from there, and how many others before it had none.
    pub fn line(&self, source: IpAddr) -> Option<u64> {
        self.lines.line(source, self.clock.now().0)
    }
}

impl<'g> Arrived<'g> {
    /// Asks for the right to leave a record, before anything is done. Without one, nothing is done.
    ///
    /// # Errors
    /// [`Refusal::Unrecordable`], with the call to be refused for it.
    pub fn admit(self: Box<Self>, is_recorded: bool) -> Result<Admitted<'g>, (Box<Self>, Refusal)> {
        self.admit_for(is_recorded, false)
    }

    /// As [`Self::admit`], of a call that says it is to take something away (see [`yaoku_iam::OperationSpec::revokes`]), or of an
    /// operator's: there is room for it whatever else is under way.
    ///
    /// # Errors
    /// [`Refusal::Unrecordable`], with the call to be refused for it.
    pub fn admit_to_revoke(self: Box<Self>, is_recorded: bool) -> Result<Admitted<'g>, (Box<Self>, Refusal)> {
        self.admit_for(is_recorded, true)
    }

    fn admit_for(self: Box<Self>, is_recorded: bool, revokes: bool) -> Result<Admitted<'g>, (Box<Self>, Refusal)> {
        let purpose = if revokes { Purpose::Revocation } else { Purpose::Call };
        let permit = match &self.gate.trail {
            Some(trail) if is_recorded => match trail.admit_for(purpose) {
                Ok(permit) => Some(permit),
                Err(_) => return Err((self, Refusal::Unrecordable)),
            },
            _ => None,
        };
        Ok(Admitted { arrived: self, permit, revokes })
    }

    /// Refuses a call that was not authenticated; what it may be answered, which may be another error.
    pub async fn refuse<E: Spelling>(self: Box<Self>, told: &dyn Telling, error: E) -> Released<E> {
        let admitted = Admitted { arrived: self, permit: None, revokes: false };
        admitted.refuse(told, error, false).await
    }

    /// As [`Self::refuse`], of a request that did not arrive whole, whosever fault that is.
    pub async fn refuse_unread<E: Spelling>(self: Box<Self>, told: &dyn Telling, error: E) -> Released<E> {
        let admitted = Admitted { arrived: self, permit: None, revokes: false };
        Released(admitted.recorded_refusal(told, error, true).await)
    }

    fn record(&self, told: &dyn Telling, known: Known<'_>) -> Result<Vec<u8>, ()> {
        let Arrival { request_id, host, user_agent, source, .. } = self.arrival;
        let user_agent = user_agent.unwrap_or_default();
        let nowhere = "";
        let source: &dyn Display = match known.caller.map(Caller::credential) {
            Some(yaoku_iam::Credential::Service) => &nowhere,
            _ => &source,
        };
        let record = record::record(&record::Call {
            event_id: known.event_id,
            request_id,
            event_type: known.event_type(),
            millis: self.gate.clock.now().0,
            host,
            source,
            user_agent,
            region: &self.gate.region,
            told,
            caller: known.caller,
            trace: known.trace,
            shown_contexts: self.gate.shown_contexts.as_ref(),
            error: known.error,
            ended: known.ended,
        });
        record.map_err(|error| tracing::error!(%request_id, %error, "a record can't be written as JSON"))
    }

    /// Counts and logs what came of the call.
    fn end<E: Spelling>(&self, told: &dyn Telling, caller: Option<&Caller>, error: Option<&E>) {
        let Arrival { protocol, request_id, peer, source, .. } = self.arrival;
        let took = self.began.elapsed();
        let code = error.map(E::code);
        let action = told.action();
        let counted = Counted { action: action.and_then(|action| action.counted), code: code.map(|(_, at)| at) };
        self.gate.metrics.call(protocol, counted, took);
        let Some(others) = (if caller.is_some() { Some(0) } else { self.gate.line(source) }) else { return };
        let name = if action.is_some() { told.name() } else { "-" };
        let access_key = caller.map_or("-", Caller::access_key_id);
        let code = code.map_or("ok", |(code, _)| code);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let (others, service) = ((others > 0).then_some(others), told.service());
        let peer = peer.map(tracing::field::display);
        tracing::info!(%request_id, peer, protocol, service, access_key, action = name, code, micros, others, "request");
    }
}

/// What a record is to say beside what the protocol tells.
struct Known<'a> {
    event_id: RequestId,
    caller: Option<&'a Caller>,
    trace: &'a Trace,
    error: Option<(&'a str, &'a str)>,
    ended: bool,
}

impl Known<'_> {
    fn event_type(&self) -> &'static str {
        match self.caller.map(Caller::credential) {
            Some(yaoku_iam::Credential::Service) => "AliyunServiceEvent",
            _ => "ApiCall",
        }
    }
}

impl<'g> Admitted<'g> {
    /// Goes on with a caller who was proven.
    ///
    /// # Errors
    /// [`Refusal::TooManyAtOnce`] or [`Refusal::Full`], with the call to be refused for it.
    pub fn authenticated(self, caller: Caller) -> Result<Box<Authenticated<'g>>, Box<(Self, Refusal)>> {
        let under_way = match self.arrived.gate.under_way.enter(&caller, self.revokes) {
            Ok(under_way) => under_way,
            Err(too_many) => return Err(Box::new((self, too_many.into()))),
        };
        let Self { arrived, permit, .. } = self;
        let (trace, again) = (Trace::default(), Mutex::default());
        Ok(Box::new(Authenticated { arrived, permit, caller, trace, again, under_way: Some(under_way) }))
    }

    /// Refuses a call that was not authenticated; what it may be answered, which may be another error.
    pub async fn refuse<E: Spelling>(self, told: &dyn Telling, error: E, is_unread: bool) -> Released<E> {
        let gate = self.arrived.gate;
        let (arrival, began, epoch) = (self.arrived.arrival, self.arrived.began, self.arrived.epoch);
        let error = self.recorded_refusal(told, error, is_unread).await;
        Arrived { gate, arrival, began, epoch }.end(told, None, Some(&error));
        Released(error)
    }

    /// Refuses a call whose caller was proven: that counts against no address.
    pub async fn refuse_authenticated<E: Spelling>(self, told: &dyn Telling, error: E) -> Released<E> {
        let is_recorded = self.permit.is_some();
        let (arrived, permit) = self.give_room_back();
        let known = Known {
            event_id: arrived.arrival.request_id,
            caller: None,
            trace: &Trace::default(),
            error: Some((error.code().0, error.message())),
            ended: true,
        };
        let error = match (permit, arrived.record(told, known)) {
            (Some(permit), Ok(record)) => match permit.record(record).await {
                Ok(()) => error,
                Err(_) => E::of(Refusal::Unrecordable),
            },
            (Some(_), Err(())) => E::of(Refusal::Internal),
            (None, _) if is_recorded => E::of(Refusal::Unrecordable),
            (None, _) => error,
        };
        arrived.end(told, None, Some(&error));
        Released(error)
    }

    /// What is refused takes no more of the log's room than refusals may, so that they can't keep calls out.
    fn give_room_back(self) -> (Box<Arrived<'g>>, Option<Permit>) {
        let Self { arrived, permit, .. } = self;
        let permit = permit.and_then(|permit| {
            drop(permit);
            arrived.gate.trail.as_deref().and_then(room_for_refusal)
        });
        (arrived, permit)
    }

    async fn recorded_refusal<E: Spelling>(self, told: &dyn Telling, error: E, is_unread: bool) -> E {
        let Self { arrived, permit, .. } = self;
        drop(permit);
        let gate = arrived.gate;
        let (mut error, mut recorded_as) = (error, None);
        // What fails on this side before anything could be proven is not the caller's; that a request does not arrive is.
        if is_unread || !error.is_ours() {
            match gate.limiter.called(arrived.arrival.source, gate.clock.now().0) {
                Treatment::Answered => {}
                Treatment::RecordedForOthers { held } => {
                    gate.metrics.held();
                    error = E::of(Refusal::TooManyUnauthenticated { held: None });
                    recorded_as = Some(E::of(Refusal::TooManyUnauthenticated { held: Some(held) }));
                }
                Treatment::Held => {
                    gate.metrics.held();
                    return E::of(Refusal::TooManyUnauthenticated { held: None });
                }
            }
        }
        let Some(trail) = &gate.trail else { return error };
        // It did nothing, and may be refused for this now.
        let Some(permit) = room_for_refusal(trail) else { return E::of(Refusal::Unrecordable) };
        let shown = recorded_as.as_ref().unwrap_or(&error);
        let known = Known {
            event_id: arrived.arrival.request_id,
            caller: None,
            trace: &Trace::default(),
            error: Some((shown.code().0, shown.message())),
            ended: true,
        };
        match arrived.record(told, known) {
            Err(()) => E::of(Refusal::Internal),
            Ok(record) => match permit.record(record).await {
                Ok(()) => error,
                Err(_) => E::of(Refusal::Unrecordable),
            },
        }
    }
}

fn room_for_refusal(trail: &Trail) -> Option<Permit> {
    trail.admit_for(Purpose::Refusal).ok()
}

/// Items of one call that count as a further call under way.
const ITEMS_A_CALL: usize = 16;

/// The calls that a call of many items counts as, beside itself.
#[must_use]
pub struct Charged(#[expect(dead_code, reason = "held, and counted down when dropped")] Vec<yaoku_iam::UnderWay>);

impl From<TooMany> for Refusal {
    fn from(too_many: TooMany) -> Self {
        match too_many {
            TooMany::OfCaller => Self::TooManyAtOnce,
            TooMany::InAll => Self::Full,
        }
    }
}

/// A call whose operation is performed.
pub struct Performing<'p> {
    authenticated: &'p Authenticated<'p>,
    announced: Announced<'p>,
    environment: &'p Environment<'p>,
    dry_run: bool,
}

impl Performing<'_> {
    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.authenticated.caller
    }

    /// The circumstances of the call.
    pub const fn environment(&self) -> &Environment<'_> {
        self.environment
    }

    /// Counts a call of many items as several calls, for as long as the answer lives: nobody gets more done at once by putting
    /// more into each call.
    ///
    /// # Errors
    /// [`Refusal::TooManyAtOnce`] or [`Refusal::Full`].
    pub fn charge(&self, items: usize) -> Result<Charged, Refusal> {
        let more = items.saturating_sub(1) / ITEMS_A_CALL;
        let Authenticated { arrived, caller, .. } = self.authenticated;
        let all: Result<_, _> = (0..more).map(|_| arrived.gate.under_way.enter(caller, false)).collect();
        Ok(Charged(all?))
    }

    /// Begins an item of a call of several, counted from 1: its record tells by the number what the item named.
    pub fn begin_item(&self, number: usize) {
        self.authenticated.trace.begin_item(number);
    }

    /// Notes in the call's record that a part of it failed, with a code and as the caller named it, while the call goes on.
    pub fn part_failed(&self, code: &'static str, name: &str) {
        self.authenticated.trace.part_failed(code, name);
    }

    /// Performs an operation of a domain. Only the gate finishes what comes of it.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn perform<O: Operation>(&self, operation: O, dry_run: bool) -> Result<O::Output, yaoku_iam::ErrorOf<O>>
    where
        Gate: Serves<O::Domain>,
    {
        let again: Again = decide_again::<O::Domain>;
        let authenticated = self.authenticated;
        {
            let mut all = authenticated.again.lock();
            if !all.iter().any(|known| std::ptr::fn_addr_eq(*known, again)) {
                all.push(again);
            }
        }
        let intent: Option<&dyn Intent> = match authenticated.permit {
            Some(_) => Some(&self.announced),
            None => None,
        };
        let dry_run = dry_run || self.dry_run;
        let call = Call { intent, dry_run, ..authenticated.call(self.environment) };
        operation.perform(<Gate as Serves<O::Domain>>::domain(authenticated.arrived.gate), &call).await
    }
}

fn decide_again<'c, D: Domain>(
    gate: &'c Gate,
    call: &'c Call<'c>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'c>>
where
    Gate: Serves<D>,
{
    let domain: &D = gate.domain();
    Box::pin(async move { domain.decide_again(call).await.map_err(<Gate as Serves<D>>::failure) })
}

/// Announces the record of a call within its commits.
struct Announced<'p> {
    authenticated: &'p Authenticated<'p>,
    told: &'p dyn Telling,
}

impl Intent for Announced<'_> {
    fn row(&self, trace: &Trace) -> Result<(RecordName, Secret), NotCommitted> {
        let Authenticated { arrived, caller, .. } = self.authenticated;
        let trail = arrived.gate.trail.as_ref().ok_or(NotCommitted::NotRecorded)?;
        // Once the log closes, nothing is committed.
        if trail.is_closing() {
            return Err(NotCommitted::Stopping);
        }
        let id = arrived.arrival.request_id;
        let known = Known { event_id: id, caller: Some(caller), trace, error: None, ended: false };
        let record = arrived.record(self.told, known).map_err(|()| NotCommitted::NotRecorded)?;
        Ok((intent::name(id), intent::content(trail.head().size, &record)))
    }
}

impl<'g> Authenticated<'g> {
    /// Who calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The circumstances of the call, as policies see them.
    pub fn environment(&self) -> Environment<'g> {
        let Arrival { source, secure_transport, user_agent, .. } = self.arrived.arrival;
        Environment {
            time: self.arrived.gate.clock.now().0,
            source,
            secure_transport,
            user_agent,
            encryption_context: None,
        }
    }

    /// Begins to perform.
    pub fn perform<'p>(&'p self, told: &'p dyn Telling, environment: &'p Environment<'p>) -> Performing<'p> {
        let announced = Announced { authenticated: self, told };
        Performing { authenticated: self, announced, environment, dry_run: false }
    }

    fn call<'c>(&'c self, environment: &'c Environment<'c>) -> Call<'c> {
        Call {
            principal: self.caller.principal(),
            credential: self.caller.credential(),
            environment,
            dry_run: false,
            trace: &self.trace,
            intent: None,
            abandoned: self.arrived.arrival.abandoned,
        }
    }

    /// Records what came of the call and, if something was forbidden since it arrived, decides on it again before it is released.
    /// A change was decided on when it was committed, and its answer is not withheld.
    pub async fn finish<T, E: Spelling>(
        self: Box<Self>,
        told: &dyn Telling,
        result: Result<T, E>,
        spell: impl Fn(Failure) -> E,
    ) -> Released<Result<T, E>> {
        let mut recorded = self.record(told, result).await;
        recorded.decide_again(told, &spell).await;
        recorded.release(told)
    }

    /// Records what came of the call, as the first half of [`Self::finish`]: for calls that are answered together, by
    /// [`Recorded::release_all`].
    pub async fn record<T, E: Spelling>(
        mut self: Box<Self>,
        told: &dyn Telling,
        result: Result<T, E>,
    ) -> Recorded<'g, T, E> {
        let permit = self.permit.take();
        let must_record = permit.is_some();
        let result = self.recorded(told, permit, result).await;
        Recorded { call: self, must_record, result }
    }

    async fn recorded<T, E: Spelling>(
        &self,
        told: &dyn Telling,
        permit: Option<Permit>,
        result: Result<T, E>,
    ) -> Result<T, E> {
        let Some(permit) = permit else { return result };
        let id = self.arrived.arrival.request_id;
        let error = result.as_ref().err().map(|error| (error.code().0, error.message()));
        let known = Known { event_id: id, caller: Some(&self.caller), trace: &self.trace, error, ended: true };
        let Ok(record) = self.arrived.record(told, known) else { return Err(E::of(Refusal::Internal)) };
        match permit.record(record).await {
            Ok(()) => {
                if self.trace.has_committed() {
                    self.arrived.gate.intents.is_recorded(id);
                }
                result
            }
            Err(_) => Err(E::of(match self.trace.has_committed() && result.is_ok() {
                true => Refusal::UnrecordedChange,
                false => Refusal::Unrecordable,
            })),
        }
    }

    /// The second record, of a call whose result is withheld.
    async fn recorded_again<E: Spelling>(
        &self,
        told: &dyn Telling,
        must_record: bool,
        refused: &E,
    ) -> Result<(), Refusal> {
        let Some(trail) = self.arrived.gate.trail.as_ref().filter(|_| must_record) else { return Ok(()) };
        let permit = trail.admit().map_err(|_| Refusal::Unrecordable)?;
        let error = Some((refused.code().0, refused.message()));
        let (caller, trace) = (Some(&self.caller), &self.trace);
        let known = Known { event_id: RequestId::random(), caller, trace, error, ended: true };
        let record = self.arrived.record(told, known).map_err(|()| Refusal::Internal)?;
        permit.record(record).await.map_err(|_| Refusal::Unrecordable)
    }

    /// One comparison while nothing changed. Otherwise the caller, its permissions and the states of what it used are decided
    /// on again, until nothing changes meanwhile.
    async fn check_exit(&mut self) -> Result<(), Failure> {
        let gate = self.arrived.gate;
        loop {
            let now = gate.iam.epoch().now();
            if now == self.arrived.epoch {
                return Ok(());
            }
            let environment = self.environment();
            let call = self.call(&environment);
            let all = self.again.lock().clone();
            for again in all {
                again(gate, &call).await?;
            }
            self.arrived.epoch = now;
        }
    }
}

/// A call that is recorded, and whose result is not yet released.
#[must_use]
pub struct Recorded<'g, T, E> {
    call: Box<Authenticated<'g>>,
    must_record: bool,
    result: Result<T, E>,
}

impl<T, E: Spelling> Recorded<'_, T, E> {
    /// Releases what is answered together: each is decided on again until nothing that can forbid something changed while that was done
    /// for all. So none of the answers is older than another call that forbade it.
    pub async fn release_all<D: Telling>(
        mut calls: Vec<(Self, &D)>,
        spell: impl Fn(Failure) -> E,
    ) -> Vec<Released<Result<T, E>>> {
        loop {
            for (call, told) in &mut calls {
                call.decide_again(*told, &spell).await;
            }
            if calls.iter().all(|(call, _)| call.is_current()) {
                return calls.into_iter().map(|(call, told)| call.release(told)).collect();
            }
        }
    }

    /// The same, of the item at that place of a message whose items are done one after another: of so many items, one keeps its place among
    /// the calls under way until all are released.
    pub fn of_message(mut self, at: usize) -> Self {
        if !at.is_multiple_of(ITEMS_A_CALL) {
            self.call.under_way = None;
        }
        self
    }

    /// Whether the call failed, as far as is known before it is released.
    pub const fn has_failed(&self) -> bool {
        self.result.is_err()
    }

    /// Whether nothing that can forbid something changed since this was decided on.
    fn is_current(&self) -> bool {
        let Self { call, result, .. } = self;
        result.is_err() || call.trace.has_committed() || call.arrived.epoch == call.arrived.gate.iam.epoch().now()
    }

    async fn decide_again(&mut self, told: &dyn Telling, spell: &impl Fn(Failure) -> E) {
        let Self { call, must_record, result } = self;
        if result.is_ok()
            && !call.trace.has_committed()
            && let Err(failure) = call.check_exit().await
        {
            // The result is dropped here, which wipes what is secret in it.
            let refused = spell(failure);
            *result = match call.recorded_again(told, *must_record, &refused).await {
                Ok(()) => Err(refused),
                Err(refusal) => Err(E::of(refusal)),
            };
        }
    }

    fn release(self, told: &dyn Telling) -> Released<Result<T, E>> {
        let Self { call, result, .. } = self;
        call.arrived.end(told, Some(&call.caller), result.as_ref().err());
        Released(result)
    }
}
