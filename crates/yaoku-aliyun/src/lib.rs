//! The Alibaba Cloud KMS RPC protocol (`Version=2016-01-20`) over HTTP, in front of yaoku's gate.
//!
//! `yaoku-http` serves connections, [`wire`] knows the protocol's forms, [`actions`] maps each action to a domain
//! operation, and [`pipeline`] takes a request through all of it, and through `yaoku-gate`.

pub mod actions;
mod control_socket;
pub mod pipeline;
mod told;
pub mod wire;

pub use control_socket::{AdminApi, counted_operators, operate};
pub use pipeline::{Service, ServiceConfig, counted};
