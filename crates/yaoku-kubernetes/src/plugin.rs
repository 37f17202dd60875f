//! What Status, Encrypt and Decrypt mean.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tonic::{Code, Status};
use yaoku_client::Error;

use crate::answer::{Decrypted, Described, Encrypted, Id, Unintelligible};
use crate::key_service::{DECRYPT, DESCRIBE_KEY, ENCRYPT, KeyService};
use crate::request::{Ciphertext, ClusterName, MAX_KEY_ID, Plaintext, Refused};
use crate::{DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusResponse};

/// What a plugin is set up with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The key: its id, its alias (`alias/…`) or its ARN.
    pub key: String,
    /// Which cluster's data is encrypted.
    pub cluster: ClusterName,
    /// How long a request may wait for its turn.
    pub patience: Duration,
}

/// The plugin, for any number of requests at once.
pub struct Plugin<S> {
    service: S,
    settings: Settings,
    turns: Semaphore,
    /// Keys whose ARNs are known, the latest last. An alias may come to name another key, whose predecessor's ciphertexts remain.
    described: Mutex<Vec<Described>>,
    health: AtomicU8,
}

/// Requests that are with the key service at once.
const AT_ONCE: usize = 16;
/// Keys whose ARNs are kept.
const KNOWN_KEYS: usize = 16;
/// What is encrypted and decrypted to know that both are possible: 32 bytes, in base64.
const PROBE: &str = "eWFva3Uga3ViZXJuZXRlcyBwbHVnaW4gcHJvYmUgICA=";

const UNKNOWN: u8 = 0;
const WELL: u8 = 1;
const ILL: u8 = 2;

impl<S: KeyService> Plugin<S> {
    /// A plugin that calls that key service.
    pub fn new(service: S, settings: Settings) -> Self {
        let (turns, described) = (Semaphore::new(AT_ONCE), Mutex::new(Vec::new()));
        Self { service, settings, turns, described, health: AtomicU8::new(UNKNOWN) }
    }

    /// The key version in use. Encrypts and decrypts to find out: a key that can't be used must be an error of gRPC, for that
    /// alone stops the API server from writing with keys that it has in memory.
    ///
    /// # Errors
    /// When the key can't be used at present.
    pub async fn status(&self) -> Result<StatusResponse, Status> {
        let probed = self.probe().await;
        self.note(probed.as_ref().err());
        let key_id = probed?;
        Ok(StatusResponse { version: "v2".into(), healthz: "ok".into(), key_id })
    }

    async fn probe(&self) -> Result<String, Status> {
        let _turn = self.turn().await?;
        let encrypted = self.encrypted(PROBE).await?;
        let key_id = self.key_id(&encrypted.key, &encrypted.version).await?;
        let decrypted = self.decrypted(&base64(&encrypted.ciphertext)).await?;
        if base64(&decrypted.plaintext).as_str() != PROBE {
            return Err(Status::internal("the key service did not decrypt what it had encrypted"));
        }
        Ok(key_id)
    }

    /// Encrypts with the key's primary version.
    ///
    /// # Errors
    /// When the request is not one of the API server, or the key can't be used.
    pub async fn encrypt(&self, request: EncryptRequest) -> Result<EncryptResponse, Status> {
        let plaintext = Plaintext::read(request)?;
        let _turn = self.turn().await?;
        let encrypted = self.encrypted(&plaintext.0).await?;
        let key_id = self.key_id(&encrypted.key, &encrypted.version).await?;
        let annotations = self.settings.cluster.annotations();
        Ok(EncryptResponse { ciphertext: encrypted.ciphertext, key_id, annotations })
    }

    /// Decrypts what Encrypt gave, with all that it gave.
    ///
    /// # Errors
    /// When anything of it was changed, or the key can't be used.
    pub async fn decrypt(&self, request: DecryptRequest) -> Result<DecryptResponse, Status> {
        let Ciphertext { blob, key_id } = Ciphertext::read(request, &self.settings.cluster)?;
        let _turn = self.turn().await?;
        let mut decrypted = self.decrypted(&blob).await?;
        // The ciphertext says which key version it is of. The key id beside it in etcd must say the same.
        if self.key_id(&decrypted.key, &decrypted.version).await? != key_id {
            return Err(Status::invalid_argument(
                "the key id is not that of the key version which the ciphertext names",
            ));
        }
        Ok(DecryptResponse { plaintext: std::mem::take(&mut *decrypted.plaintext) })
    }

    async fn encrypted(&self, plaintext: &str) -> Result<Encrypted, Status> {
        let context = self.settings.cluster.context();
        let params = [("KeyId", &*self.settings.key), ("Plaintext", plaintext), ("EncryptionContext", &context)];
        let answer = self.service.call(&ENCRYPT, &params).await.map_err(refused)?;
        Ok(Encrypted::read(answer.bytes())?)
    }

    async fn decrypted(&self, blob: &str) -> Result<Decrypted, Status> {
        let context = self.settings.cluster.context();
        let params = [("CiphertextBlob", blob), ("EncryptionContext", &*context)];
        let answer = self.service.call(&DECRYPT, &params).await.map_err(refused)?;
        Ok(Decrypted::read(answer.bytes())?)
    }

    /// Names a key version: the key's ARN, and the version behind it.
    async fn key_id(&self, key: &Id, version: &Id) -> Result<String, Status> {
        let named = |arn: &str| {
            let key_id = format!("{arn}/{}", version.as_str());
            if key_id.len() <= MAX_KEY_ID { Ok(key_id) } else { Err(Status::internal("the key's ARN is too long")) }
        };
        let known = self.described.lock().iter().find(|known| known.key == *key).map(|known| named(&known.arn));
        if let Some(known) = known {
            return known;
        }
        let answer = self.service.call(&DESCRIBE_KEY, &[("KeyId", key.as_str())]).await.map_err(refused)?;
        let described = Described::read(answer.bytes())?;
        if described.key != *key {
            return Err(Unintelligible("DescribeKey").into());
        }
        let key_id = named(&described.arn);
        let mut known = self.described.lock();
        if known.len() == KNOWN_KEYS {
            known.remove(0);
        }
        known.push(described);
        key_id
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Status> {
        match timeout(self.settings.patience, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Status::resource_exhausted("too many requests at once")),
        }
    }

    /// Logs a change of health, once.
    fn note(&self, error: Option<&Status>) {
        let now = if error.is_some() { ILL } else { WELL };
        let before = self.health.swap(now, Ordering::Relaxed);
        match error {
            Some(error) if before != ILL => tracing::warn!(why = error.message(), "the key can't be used"),
            None if before != WELL => tracing::info!("the key can be used"),
            _ => {}
        }
    }
}

fn base64(bytes: &[u8]) -> zeroize::Zeroizing<String> {
    use base64::Engine;
    zeroize::Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// An error of the key service, in the words of gRPC.
fn refused(error: Error) -> Status {
    let code = match &error {
        Error::Refused { status, code, .. } => match &**code {
            "Forbidden.KeyNotFound" | "Forbidden.AliasNotFound" | "Forbidden.KeyVersionNotFound" => Code::NotFound,
            "SignatureDoesNotMatch" | "InvalidAccessKeyId.NotFound" | "Forbidden.AccessKey" => Code::Unauthenticated,
            "InvalidParameter" => Code::InvalidArgument,
            code if code.starts_with("Rejected.Throttling") || code.starts_with("Throttling") => {
                Code::ResourceExhausted
            }
            code if code.starts_with("Rejected.") || code.starts_with("Unsupported") => Code::FailedPrecondition,
            code if code.starts_with("Forbidden.") => Code::PermissionDenied,
            _ if *status == 503 => Code::Unavailable,
            _ => Code::Unknown,
        },
        Error::TimedOut(_) => Code::DeadlineExceeded,
        Error::Unreachable(_) | Error::Lost(_) => Code::Unavailable,
        Error::Unintelligible { .. } => Code::Internal,
        Error::Endpoint(_)
        | Error::AccessKey(_)
        | Error::Certificates { .. }
        | Error::NoCertificates
        | Error::Request(_) => Code::Internal,
    };
    Status::new(code, error.to_string())
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        Self::invalid_argument(refused.to_string())
    }
}

impl From<Unintelligible> for Status {
    fn from(error: Unintelligible) -> Self {
        Self::internal(error.to_string())
    }
}
