//! The Alibaba Cloud KMS RPC protocol (`Version=2016-01-20`) over HTTP, in front of yaoku's domain.
//!
//! `yaoku-http` serves connections, [`wire`] knows the protocol's forms, [`actions`] maps each action to a domain
//! operation, and [`pipeline`] takes a request through all of it.

pub mod actions;
mod audit;
pub mod due;
pub mod metrics;
mod operator;
pub mod pipeline;
pub mod strangers;
mod upkeep;
pub mod wire;

pub use operator::Office;
pub use pipeline::{Service, ServiceConfig};
pub use upkeep::{Entry, Upkeep};
