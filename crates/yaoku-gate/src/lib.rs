//! The one way in, for every protocol: the life of a call.
//!
//! A protocol says what arrived ([`Gate::arrive`]), and takes the call through its states, each of which is a type that only the
//! one before it gives: [`Arrived`] → [`Admitted`] (its record can be written) → [`Authenticated`] (a proven caller) →
//! [`Released`] (performed, recorded, and allowed still). Only what is [`Released`] can be answered. What a call was refused for
//! before it was authenticated is released as well, within the bounds of unauthenticated calls.
//!
//! A protocol tells what only it knows by [`Telling`] (names and parameters that may be shown) and [`Spelling`] (how an outcome
//! is called). Nothing here knows the words of one.
//!
//! # A step can't be left out
//!
//! This is the whole way:
//!
//! ```
//! use yaoku_gate::{Arrival, Failure, Gate, Refusal, Released, Serves, Spelling, Telling};
//! use yaoku_iam::{Caller, ErrorOf, Operation};
//!
//! async fn serve<O: Operation, E: Spelling>(
//!     gate: &Gate, arrival: Arrival<'_>, told: &dyn Telling, caller: Caller, operation: O, domain: fn(ErrorOf<O>) -> E, spell: fn(Failure) -> E,
//! ) -> Released<Result<O::Output, E>>
//! where
//!     Gate: Serves<O::Domain>,
//! {
//!     let admitted = match gate.arrive(arrival).admit(true) {
//!         Ok(admitted) => admitted,
//!         Err(refused) => return refused.0.refuse(told, E::of(refused.1)).await.map(Err),
//!     };
//!     let authenticated = match admitted.authenticated(caller) {
//!         Ok(authenticated) => authenticated,
//!         Err(refused) => return refused.0.refuse_authenticated(told, E::of(refused.1)).await.map(Err),
//!     };
//!     let environment = authenticated.environment();
//!     let result = authenticated.perform(told, &environment).perform(operation, false).await;
//!     authenticated.finish(told, result.map_err(domain), spell).await
//! }
//! ```
//!
//! What leaves a step out does not compile. An operation can't be performed before the call is admitted:
//!
//! ```compile_fail,E0599
//! # use yaoku_gate::{Arrival, Gate};
//! # use yaoku_iam::Caller;
//! fn serve<'g>(gate: &'g Gate, arrival: Arrival<'g>, caller: Caller) {
//!     let _ = gate.arrive(arrival).authenticated(caller);
//! }
//! ```
//!
//! nor before its caller is proven:
//!
//! ```compile_fail,E0599
//! # use yaoku_gate::{Admitted, Telling};
//! # use yaoku_iam::Environment;
//! fn serve<'g>(admitted: Admitted<'g>, told: &dyn Telling, environment: &Environment<'_>) {
//!     let _ = admitted.perform(told, environment);
//! }
//! ```
//!
//! A protocol can't make a caller of its own:
//!
//! ```compile_fail,E0423
//! # use yaoku_iam::{Caller, Principal};
//! fn caller(principal: Principal) -> Caller {
//!     Caller(principal)
//! }
//! ```
//!
//! A result that was not recorded and checked at the exit can't be answered:
//!
//! ```compile_fail,E0423
//! # use yaoku_gate::Released;
//! fn answer<T>(result: T) -> Released<T> {
//!     Released(result)
//! }
//! ```
//!
//! Nothing can be performed once the call is finished:
//!
//! ```compile_fail,E0505
//! # use yaoku_gate::{Authenticated, Failure, Spelling, Telling};
//! async fn serve<E: Spelling>(authenticated: Box<Authenticated<'_>>, told: &dyn Telling, spell: fn(Failure) -> E) {
//!     let environment = authenticated.environment();
//!     let performing = authenticated.perform(told, &environment);
//!     let _ = authenticated.finish(told, Ok::<(), E>(()), spell).await;
//!     let _ = performing.caller();
//! }
//! ```

mod audit_log;
pub mod base64;
mod call_log;
mod control_socket;
mod due;
mod gate;
mod intent;
mod life;
mod limiter;
mod maintenance;
mod metrics;
mod protocol;
mod record;
mod request_id;
mod shown_contexts;
pub mod time;

pub use audit_log::{AuditLog, EventPage, LookupError, LookupEvents};
pub use call_log::CallLog;
pub use control_socket::{CONTROL_SOCKET, OPERATOR_PROGRAM};
pub use due::DueWork;
pub use gate::{Domains, Failure, Gate, GateConfig, Serves};
pub use life::{Admitted, Arrival, Arrived, Authenticated, Charged, Performing, Recorded, Released};
pub use limiter::DEFAULT_LIMIT;
pub use maintenance::{Entry, Maintenance};
pub use metrics::{Counted, CountedProtocol, Metrics};
pub use protocol::{Refusal, Spelling, Telling, ToldAction};
pub use record::{cut, repeatable, user_agent};
pub use request_id::RequestId;
pub use shown_contexts::check_shown_contexts;
