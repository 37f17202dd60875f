//! The Vault HTTP API, in front of yaoku's gate: what storage products and databases speak to a key manager.
//!
//! [`router`] tells from method and path what is asked for, [`body`] reads the JSON that comes with it, [`values`] what
//! stands in it in several forms, [`auth`] proves who asks;
//! [`transit`] maps keys and ciphertexts onto customer master keys, [`key_value`] secrets onto those of `yaoku-secrets`, and [`sys`] answers what clients probe,
//! [`capabilities`] what their tokens are good for. [`service`] takes a call
//! through all of it, and through `yaoku-gate`. What a call is refused for is spelled in [`failure`].

mod auth;
mod body;
mod capabilities;
mod failure;
mod key_value;
mod reply;
mod router;
mod service;
mod sys;
mod told;
mod transit;
mod values;

pub use service::{Service, counted};

/// What untrusted bytes reach first, for fuzzing.
pub mod fuzzing {
    pub use crate::capabilities::fuzz as capabilities_body;
    pub use crate::key_value::fuzz as key_value_body;
    pub use crate::router::fuzz as route;
    pub use crate::transit::fuzz as transit_body;
}
