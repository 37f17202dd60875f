//! The `yaoku` program: command line, configuration, wiring, signals, and the control socket.
//!
//! [`cli`] reads the command line, [`config`] makes settings of it, [`serve`] puts the crates together and serves; it can
//! be used from a test as well. [`control`] is how `yaoku backup`, `yaoku seal rotate`, `yaoku account` and `yaoku ram`
//! reach a running server, and [`restore`] puts a backup in the place of a store.

pub mod accept;
mod account;
mod audit;
pub mod cli;
pub mod config;
pub mod control;
mod datadir;
mod disk;
mod error;
mod greeting;
mod hsm;
mod image_file;
mod kmip;
mod kubernetes;
mod listener;
mod logging;
pub mod maintenance;
mod ram;
mod recorded;
pub mod restore;
pub mod serve;
mod server_command;
mod signals;
mod store;

pub use error::Error;
