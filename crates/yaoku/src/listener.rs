//! Binds the sockets that are served.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use yaoku_http::{Listener, TlsReloader};

use crate::Error;
use crate::config::{ListenerSettings, TlsSettings};

/// A socket that is bound.
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    pub(crate) listener: Listener,
}

/// Binds the first address that a name stands for; in the clear only if none of them leaves the machine.
pub(crate) async fn bind(settings: &ListenerSettings) -> Result<Bound, Error> {
    let tls = settings.tls.as_ref().map(identity).transpose()?;
    bind_with(settings, tls).await
}

/// As [`bind`], for a protocol that is not HTTP.
pub(crate) async fn bind_without_http(settings: &ListenerSettings) -> Result<Bound, Error> {
    let tls = settings.tls.as_ref().map(identity).transpose()?.map(TlsReloader::without_http).transpose()?;
    bind_with(settings, tls).await
}

async fn bind_with(settings: &ListenerSettings, tls: Option<TlsReloader>) -> Result<Bound, Error> {
    let ListenerSettings { option, address: name, allow_plain_http, .. } = settings;
    let tls = tls.map(Arc::new);
    let form = |why: String| {
        Error::Options(format!("--{option} {name}: {why}; specify an address and a port, such as 127.0.0.1:7788"))
    };
    let found: Vec<SocketAddr> =
        tokio::net::lookup_host(name).await.map_err(|error| form(error.to_string()))?.collect();
    let anywhere = tls.is_some() || *allow_plain_http;
    if let Some(open) = found.iter().find(|address| !address.ip().is_loopback() && !anywhere) {
        return Err(Error::Options(format!(
            "plain HTTP on {open} would expose plaintexts and data keys to other machines: set --tls-cert and --tls-key, \
             listen on 127.0.0.1, or set --allow-plain-http"
        )));
    }
    let address = *found.first().ok_or_else(|| form("the name has no address".into()))?;
    let socket = TcpListener::bind(address).await.map_err(|error| Error::Listen { address, error })?;
    let address = socket.local_addr().map_err(|error| Error::Listen { address, error })?;
    Ok(Bound { address, listener: Listener { socket, tls } })
}

fn identity(settings: &TlsSettings) -> Result<TlsReloader, Error> {
    let TlsSettings { certificate, key, client_ca } = settings;
    let identity = TlsReloader::open(certificate, key)?;
    match client_ca {
        Some(path) => Ok(identity.with_client_ca(path)?),
        None => Ok(identity),
    }
}
