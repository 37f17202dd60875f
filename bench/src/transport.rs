//! Connections, in the clear or over TLS, and the certificate that the measured servers have.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Error;

/// A connection to a server.
pub(crate) type Connection = Box<dyn Stream>;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How a server is reached.
#[derive(Clone)]
pub(crate) enum Transport {
    Plain,
    Tls(TlsConnector),
}

impl Transport {
    pub(crate) async fn connect(&self, address: &str) -> Result<Connection, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(match self {
            Self::Plain => Box::new(stream),
            Self::Tls(connector) => Box::new(connector.connect(ServerName::try_from("localhost")?, stream).await?),
        })
    }
}

/// A certificate of this run's own, in files.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn make(directory: &Path) -> Result<Self, Error> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        Ok(Self { certificate, key, der: made.cert.der().clone() })
    }

    /// Trusts this certificate alone.
    pub(crate) fn transport(&self) -> Result<Transport, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Transport::Tls(TlsConnector::from(Arc::new(config))))
    }
}
