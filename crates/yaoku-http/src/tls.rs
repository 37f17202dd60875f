//! The server's end of TLS 1.2 and 1.3, by rustls over aws-lc-rs; what it reads from files can be replaced while serving.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// Why certificate and key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{path}: {error}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file has no such thing in it.
    #[error("{path} does not contain a {what} in PEM format: {error}", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
        /// Why.
        error: PemError,
    },
    /// The two do not go together, or the key's algorithm is not supported.
    #[error("{certificate} and {key} can't be used together: {error}", certificate = certificate.display(), key = key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// A certificate can't be that of an issuer of clients' certificates.
    #[error("{path} can't be used to verify client certificates: {reason}", path = path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Certificate and key of a server, and who may issue its clients' certificates; read from their files again on demand.
pub struct TlsReloader {
    files: Files,
    current: ArcSwap<Current>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    /// What is spoken over TLS, as clients may ask for it (RFC 7301).
    protocols: &'static [&'static [u8]],
}

/// What is spoken where nothing else is.
const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What the files held when they were last read.
struct Current {
    config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl TlsReloader {
    /// Reads a certificate, followed by those of its issuers up to but not including the root, and its private key
    /// (PKCS #8, PKCS #1 or SEC 1), both in PEM form (RFC 7468).
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        Self::of(Files { certificate: certificate.into(), key: key.into(), client_ca: None, protocols: HTTP })
    }

    /// Asks clients for a certificate as well, which need not have one. What they show must be issued by one of the
    /// certificates in a file in PEM form, directly or by certificates that they show too; otherwise the handshake fails.
    ///
    /// Sessions are then not resumed: each handshake verifies the certificate.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn with_client_ca(self, path: impl Into<PathBuf>) -> Result<Self, TlsError> {
        Self::of(Files { client_ca: Some(path.into()), ..self.files })
    }

    /// Agrees on no protocol with clients: what is spoken over TLS is not HTTP.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn without_http(self) -> Result<Self, TlsError> {
        Self::of(Files { protocols: &[], ..self.files })
    }

    fn of(files: Files) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(load(&files)?);
        Ok(Self { files, current })
    }

    /// Reads the files again. Connections made from now on use what they hold, and client certificates on those that
    /// are open are verified anew before their next request. If the files can't be used, what was read last stays in use.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(load(&self.files)?));
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load().config.clone())
    }
}

/// The certificate of a client that proved in its TLS handshake that it has the private key, issued by one of those that the
/// listener [trusts](TlsReloader::with_client_ca). Only a handshake makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate(Arc<Certificate>);

#[derive(PartialEq, Eq)]
struct Certificate {
    der: CertificateDer<'static>,
    public_key: Box<[u8]>,
}

impl ClientCertificate {
    /// The certificate (X.509, DER).
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Its `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7; DER): algorithm and key. A renewed certificate for the same key has
    /// the same.
    pub fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("bytes", &self.0.der.len()).finish_non_exhaustive()
    }
}

/// The certificate that a client showed on a connection.
pub(crate) struct Shown {
    certificate: ClientCertificate,
    intermediates: Vec<CertificateDer<'static>>,
    tls: Arc<TlsReloader>,
    verified: Mutex<Verified>,
}

/// By what a certificate was verified last, when, and with what result.
struct Verified {
    by: Arc<Current>,
    at: Instant,
    good: bool,
}

/// How long a certificate on an open connection counts as verified: it may expire meanwhile.
const VERIFIED_FOR: Duration = Duration::from_secs(60);

impl Shown {
    /// What the client showed in the handshake that has just succeeded.
    pub(crate) fn in_handshake(tls: &Arc<TlsReloader>, connection: &ServerConnection) -> Option<Self> {
        let by = tls.current.load_full();
        by.clients.as_ref()?;
        let (der, intermediates) = connection.peer_certificates()?.split_first()?;
        let public_key = ParsedCertificate::try_from(der).ok()?.subject_public_key_info().as_ref().into();
        let certificate = ClientCertificate(Arc::new(Certificate { der: der.clone().into_owned(), public_key }));
        let intermediates = intermediates.iter().map(|der| der.clone().into_owned()).collect();
        // The files may have been read again during the handshake: not what verified it there counts, but what is in use.
        let good = verify(&by, &certificate, &intermediates);
        let verified = Mutex::new(Verified { by, at: Instant::now(), good });
        Some(Self { certificate, intermediates, tls: tls.clone(), verified })
    }

    /// The certificate, unless it has expired or its issuer is trusted no more.
    pub(crate) fn certificate(&self) -> Option<ClientCertificate> {
        let current = self.tls.current.load();
        let mut verified = self.verified.lock();
        if !Arc::ptr_eq(&verified.by, &current) || verified.at.elapsed() >= VERIFIED_FOR {
            let good = verify(&current, &self.certificate, &self.intermediates);
            *verified = Verified { by: current.clone(), at: Instant::now(), good };
        }
        verified.good.then(|| self.certificate.clone())
    }
}

fn verify(by: &Current, certificate: &ClientCertificate, intermediates: &Vec<CertificateDer<'static>>) -> bool {
    let verified = |by: &Arc<dyn ClientCertVerifier>| {
        by.verify_client_cert(&certificate.0.der, intermediates, UnixTime::now()).is_ok()
    };
    by.clients.as_ref().is_some_and(verified)
}

fn load(files: &Files) -> Result<Current, TlsError> {
    let Files { certificate, key, client_ca, protocols } = files;
    let chain = certificates(certificate, "certificate")?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| pem(key, "private key", error))?;
    let unusable = |error| TlsError::Unusable { certificate: certificate.clone(), key: key.clone(), error };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13, &TLS12]);
    let config = config.map_err(unusable)?;
    let clients = client_ca.as_deref().map(issuers).transpose()?.map(|(path, roots)| {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        verifier.allow_unauthenticated().build().map_err(|error| client_ca_error(path, error.to_string()))
    });
    let clients = clients.transpose()?;
    let config = match &clients {
        Some(verifier) => config.with_client_cert_verifier(verifier.clone()),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_single_cert(chain, private).map_err(unusable)?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    if clients.is_some() {
        // A resumed session would bring its certificate along without verifying it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Current { config: Arc::new(config), clients })
}

/// The certificates in a file that issue those of clients.
fn issuers(path: &Path) -> Result<(&Path, RootCertStore), TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, "certificate")? {
        roots.add(certificate).map_err(|error| client_ca_error(path, error.to_string()))?;
    }
    Ok((path, roots))
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>();
    let all = all.and_then(|all| if all.is_empty() { Err(PemError::NoItemsFound) } else { Ok(all) });
    all.map_err(|error| pem(path, what, error))
}

fn pem(path: &Path, what: &'static str, error: PemError) -> TlsError {
    TlsError::Pem { path: path.to_owned(), what, error }
}

fn client_ca_error(path: &Path, reason: String) -> TlsError {
    TlsError::ClientCa { path: path.to_owned(), reason }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let bytes = std::fs::read(path).map_err(|error| TlsError::Read { path: path.to_owned(), error })?;
    Ok(Zeroizing::new(bytes))
}
