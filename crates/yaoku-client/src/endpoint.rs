//! Where the server is.

use std::net::IpAddr;

use http::Uri;

use crate::Error;

/// The address of a server: `https://host:port`, or `http://` of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
    host: String,
}

impl Endpoint {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is no such address, or plaintexts would leave the machine in the clear.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Endpoint(format!("{text:?} is not the address of a server: {why}"));
        let uri: Uri = text.parse().map_err(|_| wrong("use the form https://host:port"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("use the form https://host:port"));
        };
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") || authority.as_str().contains('@') {
            return Err(wrong("nothing may stand before the host or after the port"));
        }
        match scheme {
            "https" => {}
            "http" if is_this_machine(authority.host()) => {}
            "http" => return Err(wrong("http is possible on this machine only (127.0.0.1); use https")),
            _ => return Err(wrong("use https")),
        }
        let default = if scheme == "https" { 443 } else { 80 };
        let host = match authority.port_u16() {
            Some(port) if port != default => format!("{}:{port}", authority.host()),
            _ => authority.host().to_owned(),
        };
        Ok(Self { uri, host })
    }

    /// What requests are sent to.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The `host` header, which is signed.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused() {
        for (text, host) in [
            ("https://kms.example", "kms.example"),
            ("https://kms.example:443/", "kms.example"),
            ("https://kms.example:7788", "kms.example:7788"),
            ("http://127.0.0.1:7788", "127.0.0.1:7788"),
            ("http://[::1]:80", "[::1]"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().host(), host);
        }
        for text in [
            "",
            "kms.example",
            "kms.example:7788",
            "http://kms.example",
            "http://localhost:1",
            "http://10.0.0.1:7788",
            "ftp://127.0.0.1",
            "https://a@kms.example",
            "https://kms.example/path",
            "https://kms.example/?query",
            "https://",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
