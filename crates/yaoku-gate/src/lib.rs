//! The one way in, for every protocol: the life of a call.
//!
//! A protocol says what arrived ([`Gate::arrive`]), and takes the call through its states, each of which is a type that only the
//! one before it gives: [`Arrived`] → [`Admitted`] (its record can be written) → [`Authenticated`] (a proven caller) →
//! [`Released`] (performed, recorded, and allowed still). Only what is [`Released`] can be answered. What a call was refused for
//! before it was authenticated is released as well, within the bounds of unauthenticated calls.
//!
//! A protocol tells what only it knows by [`Telling`] (names and parameters that may be shown) and [`Spelling`] (how an outcome
//! is called). Nothing here knows the words of one.

mod audit_log;
mod control_socket;
mod due;
mod gate;
mod intent;
mod life;
mod limiter;
mod maintenance;
mod metrics;
mod record;
mod request_id;
mod shown_contexts;
pub mod time;

pub use audit_log::{AuditLog, EventPage, LookupError, LookupEvents};
pub use control_socket::{CONTROL_SOCKET, OPERATOR_PROGRAM};
pub use due::DueWork;
pub use gate::{Failure, Gate, GateConfig, Serves};
pub use life::{
    Admitted, Arrival, Arrived, Authenticated, Performing, Refusal, Released, Spelling, Telling, ToldAction,
};
pub use limiter::DEFAULT_LIMIT;
pub use maintenance::{Entry, Maintenance};
pub use metrics::{Counted, CountedProtocol, Metrics};
pub use record::{cut, user_agent};
pub use request_id::RequestId;
