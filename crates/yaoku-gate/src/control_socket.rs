//! What records say of commands that an operator gives on the machine itself.

use std::net::{IpAddr, Ipv4Addr};

/// The host of what comes by the control socket.
pub const CONTROL_SOCKET: &str = "control-socket";
/// The program that operators use.
pub const OPERATOR_PROGRAM: &str = concat!("yaoku/", env!("CARGO_PKG_VERSION"));
/// Where they are.
pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
