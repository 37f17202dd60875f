//! What an operator does by the command line: the actions of RAM as the root of an account, and those on accounts.
//!
//! The control socket is a protocol of its own before the gate: its caller is a user of the operating system. From there on it
//! reaches the same actions, with the same parameters and the same records.

use std::net::{IpAddr, Ipv4Addr};

use yaoku_gate::{Arrival, CONTROL_SOCKET, CountedProtocol, Gate, OPERATOR_PROGRAM, Spelling};
use yaoku_iam::{AccountId, OperatingSystemUser};
use zeroize::Zeroizing;

use crate::actions::{Api, accounts, credentials, ram};
use crate::pipeline::perform;
use crate::told::Told;
use crate::wire::params::Params;
use crate::wire::{Code, Format, RequestId, WireError};

/// The protocol's name in metrics and the log.
const PROTOCOL: &str = "control";

/// A group of actions that an operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminApi {
    /// On the identities of an account.
    Ram,
    /// On accounts.
    Accounts,
    /// On tokens and certificates of an account's users.
    Credentials,
}

impl AdminApi {
    const fn api(self) -> &'static Api {
        match self {
            Self::Ram => &ram::API,
            Self::Accounts => &accounts::API,
            Self::Credentials => &credentials::API,
        }
    }
}

/// How operators' calls are counted.
pub fn counted_operators() -> CountedProtocol {
    CountedProtocol { name: PROTOCOL, actions: Vec::new(), codes: Code::ALL.iter().map(|code| code.as_str()).collect() }
}

/// Does an action as the root of an account, for a user of the operating system who may operate the server; the answer in JSON,
/// which may hold a secret. The caller sees to it that only operators come here.
///
/// # Errors
/// Those of the action; the message is for people.
pub async fn operate(
    gate: &Gate,
    admin: AdminApi,
    account: AccountId,
    user: OperatingSystemUser,
    action: &str,
    params: &[(String, String)],
) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let api = admin.api();
    let params = Params::of_pairs(params)?;
    let request_id = RequestId::random();
    let root = gate.operator(account, user).map_err(|error| WireError::invalid_parameter("account", error))?;
    let arrived = gate.arrive(Arrival {
        protocol: PROTOCOL,
        request_id,
        peer: None,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure_transport: true,
        host: CONTROL_SOCKET,
        user_agent: Some(OPERATOR_PROGRAM),
        abandoned: None,
    });
    let mut told = Told::new(action, "", Some(api), Some(&params));
    let admitted = arrived.admit_to_revoke(true).map_err(|refusal| WireError::of(refusal.1))?;
    let call = admitted.authenticated(root).map_err(|refusal| WireError::of(refusal.1))?;
    perform(gate, call, api, action, &params, Format::Json, request_id, &mut told).await.open()
}
