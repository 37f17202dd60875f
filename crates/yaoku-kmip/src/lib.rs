//! The Key Management Interoperability Protocol (OASIS KMIP, versions 1.0 to 1.4, 2.0 and 2.1), in front of yaoku's gate.
//!
//! [`ttlv`] is the encoding of its messages, and [`message`] what they consist of; [`profile`] says which version has what, and
//! [`enumerations`] what numbers mean. [`auth`] proves who calls. [`service`] takes each operation of a message through the gate on its own, and
//! answers them together; [`operations`] has them by families, [`attribute`] how objects are described, and [`object`] how the values of managed objects are carried. What a call is refused for is spelled in [`failure`].

mod attribute;
mod auth;
mod enumerations;
mod failure;
mod message;
mod object;
mod operations;
mod profile;
mod service;
mod told;
pub mod ttlv;

pub use service::{Service, counted};

/// What untrusted bytes reach first, for fuzzing.
pub mod fuzzing {
    pub use crate::message::fuzz as request;
    pub use crate::ttlv::fuzz as ttlv;
}
