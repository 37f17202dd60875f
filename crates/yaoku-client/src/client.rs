//! Calls: connections, time, and further attempts.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::answer::refusal;
use crate::signature::{FORM, Signed, form, sign};
use crate::{AccessKey, Answer, Endpoint, Error, Trust};

/// An action of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// The API's version, which tells it apart.
    pub version: &'static str,
    /// The action's name.
    pub name: &'static str,
    /// Whether it may be done twice where the first answer was lost.
    pub repeatable: bool,
}

/// A server, and who calls it. Share one: it keeps connections.
pub struct Client {
    endpoint: Endpoint,
    access_key: AccessKey,
    timeout: Duration,
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Bytes of an answer.
const MAX_ANSWER: usize = 4 << 20;
/// How long connections without requests are kept, and how many.
const IDLE: Duration = Duration::from_secs(90);
const IDLE_CONNECTIONS: usize = 8;
/// Before each further attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];

impl Client {
    /// A client; it connects when it is first used. Each call ends within `timeout`.
    ///
    /// # Errors
    /// When there are no certificates to trust.
    pub fn new(endpoint: Endpoint, access_key: AccessKey, trust: &Trust, timeout: Duration) -> Result<Self, Error> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        // Over HTTP no certificate matters, and the system need not have any.
        let is_plain = endpoint.uri().scheme_str() == Some("http");
        let config = if is_plain { no_trust()? } else { trust.config()? };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { endpoint, access_key, timeout, http })
    }

    /// Calls an action. Attempts that failed on the way are repeated within the time if the server can know nothing of them, or if the
    /// action is repeatable.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn call(&self, action: &Action, params: &[(&str, &str)]) -> Result<Answer, Error> {
        let body = Bytes::from_owner(form(params));
        let deadline = Instant::now() + self.timeout;
        // A connection that is dead without having said so must leave time for another.
        let each = if action.repeatable { self.timeout / 2 } else { self.timeout };
        let mut pauses = PAUSES.into_iter();
        loop {
            let attempt = timeout(each, self.attempt(action, body.clone()));
            let error = match timeout_at(deadline, attempt).await {
                Ok(Ok(Ok(answer))) => return Ok(answer),
                Ok(Ok(Err(error))) => error,
                Ok(Err(_)) | Err(_) => Error::TimedOut(self.timeout),
            };
            let again = error.may_pass() && (action.repeatable || error.was_not_sent());
            match pauses.next() {
                Some(pause) if again && Instant::now() + pause < deadline => sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    async fn attempt(&self, action: &Action, body: Bytes) -> Result<Answer, Error> {
        let Signed { date, nonce, content_hash, authorization } =
            sign(&self.access_key, self.endpoint.host(), action, &body)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.uri())
            .header(header::HOST, self.endpoint.host())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, FORM)
            .header("x-acs-action", action.name)
            .header("x-acs-version", action.version)
            .header("x-acs-date", date)
            .header("x-acs-signature-nonce", nonce)
            .header("x-acs-content-sha256", content_hash)
            .header(header::AUTHORIZATION, authorization)
            .body(Full::new(body));
        let request = request.map_err(|error| Error::Request(error.to_string()))?;
        let response = self.http.request(request).await.map_err(|error| failure(&error))?;
        let status = response.status();
        let body = read(Limited::new(response.into_body(), MAX_ANSWER)).await?;
        if status == StatusCode::OK { Ok(Answer(body)) } else { Err(refusal(status.as_u16(), &body)) }
    }
}

/// A configuration that trusts nobody.
fn no_trust() -> Result<rustls::ClientConfig, Error> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Error::Request(error.to_string()))?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// Reads a body whole. It may hold a plaintext, so what it grew out of is wiped.
async fn read<B>(mut body: B) -> Result<Zeroizing<Vec<u8>>, Error>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut whole = Zeroizing::new(Vec::with_capacity(4096));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Lost(error.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        if whole.capacity() - whole.len() < data.len() {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * (whole.len() + data.len())));
            larger.extend_from_slice(&whole);
            whole = larger;
        }
        whole.extend_from_slice(data);
    }
    Ok(whole)
}

/// What a failure on the way means. The first cause is the one that helps.
fn failure(error: &legacy::Error) -> Error {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        why = cause.to_string();
        source = cause.source();
    }
    if error.is_connect() { Error::Unreachable(why) } else { Error::Lost(why) }
}
