//! A proxy of our own between a client and whatever it calls, which changes heads of requests on their way.

use std::io::{Read, Write, copy};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::{Client, Server};

/// Passes each request on as a function leaves its head, and the answer back.
pub struct Relay {
    pub address: String,
    listener: TcpListener,
}

impl Relay {
    pub fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { address: listener.local_addr().unwrap().to_string(), listener }
    }

    /// A client of the relay, whose requests come to the server as `change` says.
    pub fn before(self, server: &Server, change: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Client {
        self.before_address(&server.address, change)
    }

    /// As [`Self::before`], of whatever serves at an address.
    pub fn before_address(self, to: &str, change: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Client {
        let to = to.to_owned();
        self.pass_on(move || TcpStream::connect(&to).unwrap(), change)
    }

    /// A client whose requests come to an address over TLS, where that certificate for `localhost` is shown.
    pub fn before_tls(self, to: &str, certificate: rustls::pki_types::CertificateDer<'static>) -> Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth());
        let to = to.to_owned();
        let connect = move || {
            let session = rustls::ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
            rustls::StreamOwned::new(session, TcpStream::connect(&to).unwrap())
        };
        self.pass_on(connect, |head| head.as_bytes().to_vec())
    }

    fn pass_on<S: Read + Write>(
        self,
        connect: impl Fn() -> S + Send + 'static,
        change: impl Fn(&str) -> Vec<u8> + Send + 'static,
    ) -> Client {
        std::thread::spawn(move || {
            for stream in self.listener.incoming() {
                let mut client = stream.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if client.read(&mut byte).unwrap_or(0) == 0 {
                        break;
                    }
                    head.push(byte[0]);
                }
                let mut server = connect();
                let head = String::from_utf8(head).unwrap().replacen("\r\n", "\r\nconnection: close\r\n", 1);
                let _ = server.write_all(&change(&head));
                let _ = copy(&mut server, &mut client);
            }
        });
        Client::new(&self.address)
    }
}

/// A head with more header lines.
pub fn with(head: &str, lines: &str) -> Vec<u8> {
    head.replacen("\r\n", &format!("\r\n{lines}"), 1).into_bytes()
}
