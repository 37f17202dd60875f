//! What an operator does by the command line: the actions of RAM as the root of an account, and those on accounts.
//!
//! The way is that of a request, from where it is known who calls: the caller is whoever may open the server's control socket. Records
//! name the account's root, without an AccessKey, and the control socket as the source.

use std::net::{IpAddr, Ipv4Addr};

use http::header::{HOST, USER_AGENT};
use yaoku_iam::{AccountId, Environment};
use zeroize::Zeroizing;

use crate::actions::{Api, accounts, ram};
use crate::audit::Caller;
use crate::pipeline::{Called, Service};
use crate::wire::params::Params;
use crate::wire::wiping_buffer::WipingBuffer;
use crate::wire::{Format, RequestId, WireError, percent};

/// A group of actions that an operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Office {
    /// On the identities of an account.
    Ram,
    /// On accounts.
    Accounts,
}

impl Office {
    const fn api(self) -> &'static Api {
        match self {
            Self::Ram => &ram::API,
            Self::Accounts => &accounts::API,
        }
    }
}

pub(crate) const SOCKET: &str = "control-socket";
pub(crate) const PROGRAM: &str = concat!("yaoku/", env!("CARGO_PKG_VERSION"));
pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Service {
    /// Does an action as the root of an account, and gives the answer in JSON, which may hold a secret. The caller sees to it
    /// that only operators come here.
    ///
    /// # Errors
    /// Those of the action; the message is for people.
    pub async fn operate(
        &self,
        office: Office,
        account: AccountId,
        action: &str,
        params: &[(String, String)],
    ) -> Result<Zeroizing<Vec<u8>>, WireError> {
        let api = office.api();
        let mut form = WipingBuffer::with_capacity(256);
        for (at, (name, value)) in params.iter().enumerate() {
            form.push(if at == 0 { b"" } else { b"&" });
            percent::encode(name.as_bytes(), &mut form);
            form.push(b"=");
            percent::encode(value.as_bytes(), &mut form);
        }
        let params = Params::parse(&[], form.as_slice())?;
        let request_id = RequestId::random();
        let request = http::Request::post("/").header(HOST, SOCKET).header(USER_AGENT, PROGRAM).body(());
        let (parts, ()) = request.map_err(|_| WireError::internal())?.into_parts();
        let root = self.iam.operator(account).map_err(|error| WireError::invalid_parameter("account", error))?;
        let mut called = Called::by_operator(api, action, Caller::Operator(root));
        if let Some(trail) = &self.trail {
            called.permit = Some(trail.admit().map_err(|_| WireError::unrecordable())?);
        }
        let environment =
            Environment { time: self.clock.now().0, source: HERE, secure_transport: true, user_agent: Some(PROGRAM) };
        let done = self.act(api, action, &params, &environment, Format::Json, request_id, &mut called).await;
        let result = self.recorded(&parts, HERE, Some(&params), request_id, &mut called, done).await;
        let code = result.as_ref().map_or_else(|error| error.code.as_str(), |_| "ok");
        tracing::info!(%request_id, %account, action, code, "operator's command");
        result
    }
}
