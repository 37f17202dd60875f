//! Every option, once: as a flag, an environment variable, and a key of the TOML file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Options of `yaoku server`. Those that are not given have no value here; [`super::Settings`] knows the defaults.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// TOML file with any of the options below, named without the leading dashes: `data-dir = "/var/lib/yaoku"`
    #[arg(long, env = "YAOKU_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Address and port to listen on [default: 127.0.0.1:7788]
    #[arg(long, env = "YAOKU_LISTEN", value_name = "ADDRESS:PORT", help_heading = "Service")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,

    /// Region in ARNs and in DescribeRegions [default: cn-hangzhou]
    #[arg(long, env = "YAOKU_REGION", help_heading = "Service")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,

    /// ID of the first account, 16 digits; fixed at the first start [default: random]
    #[arg(long, env = "YAOKU_ACCOUNT_ID", value_name = "DIGITS", help_heading = "Service")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,

    /// AccessKey ID of the account's root [default: generated at the first start and shown once]
    ///
    /// The AccessKey Secret is read from YAOKU_ROOT_ACCESS_KEY_SECRET or --root-access-key-secret-file.
    #[arg(long, env = "YAOKU_ROOT_ACCESS_KEY_ID", value_name = "ID", help_heading = "Service")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_access_key_id: Option<String>,

    /// File with the AccessKey Secret of the root
    #[arg(long, env = "YAOKU_ROOT_ACCESS_KEY_SECRET_FILE", value_name = "FILE", help_heading = "Service")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_access_key_secret_file: Option<PathBuf>,

    /// Data directory, which holds everything that yaoku stores [default: ./yaoku-data]
    #[arg(long, env = "YAOKU_DATA_DIR", value_name = "DIR", help_heading = "Storage")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,

    /// Where keys are stored; this version supports `embedded` only, in the data directory [default: embedded]
    #[arg(long, env = "YAOKU_STORE", help_heading = "Storage")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,

    /// What protects the root key: `file:PATH` (a file that you must keep safe), `passphrase`, or `pkcs11` (the
    /// HSM) [default:
    /// file:DIR/root.key]
    #[arg(long, env = "YAOKU_SEAL", help_heading = "Storage")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,

    /// File with the passphrase of `--seal passphrase` [default: YAOKU_SEAL_PASSPHRASE, or a prompt on the terminal]
    #[arg(long, env = "YAOKU_SEAL_PASSPHRASE_FILE", value_name = "FILE", help_heading = "Storage")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal_passphrase_file: Option<PathBuf>,

    /// Unix socket through which other yaoku commands reach this server [default: DIR/control.sock]
    #[arg(long, env = "YAOKU_CONTROL_SOCKET", value_name = "PATH", help_heading = "Storage")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_socket: Option<PathBuf>,

    /// Seconds from the deletion of a key or secret until its material is removed from the store's file [default: 600]
    #[arg(long, env = "YAOKU_SCRUB_DELAY", value_name = "SECONDS", help_heading = "Storage")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrub_delay: Option<u64>,

    /// Seconds for which the system's clock must have been steady, since the start or since it was changed, before anything is
    /// deleted because its time has come: keys, imported key material, secrets, AccessKeys of secrets that rotate, expired tokens,
    /// old audit records [default: 3600]
    #[arg(long, env = "YAOKU_DELETION_PATIENCE", value_name = "SECONDS", help_heading = "Storage")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_patience: Option<u64>,

    /// PKCS#11 library of a hardware security module (HSM), for keys of ProtectionLevel HSM [default: none]
    #[arg(long, env = "YAOKU_PKCS11_MODULE", value_name = "FILE", help_heading = "HSM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11_module: Option<PathBuf>,

    /// Label of the token [default: the only token]
    #[arg(long, env = "YAOKU_PKCS11_TOKEN", value_name = "LABEL", help_heading = "HSM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11_token: Option<String>,

    /// File with the token's user PIN [default: YAOKU_PKCS11_PIN]
    #[arg(long, env = "YAOKU_PKCS11_PIN_FILE", value_name = "FILE", help_heading = "HSM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11_pin_file: Option<PathBuf>,

    /// Maximum number of concurrent sessions with the token [default: 16]
    #[arg(long, env = "YAOKU_PKCS11_SESSIONS", value_name = "COUNT", help_heading = "HSM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11_sessions: Option<u64>,

    /// Record each call in the audit log [default: true]
    #[arg(long, env = "YAOKU_AUDIT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", help_heading = "Audit")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<bool>,

    /// When a call is answered: `durable`, once its record is on disk; `batched`, up to 200 ms earlier, so that a crash
    /// can lose records of answered calls [default: durable]
    #[arg(long, env = "YAOKU_AUDIT_SYNC", value_name = "WHEN", help_heading = "Audit")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_sync: Option<AuditSync>,

    /// Maximum size of the audit log in MiB; beyond it, the oldest 64 MiB are dropped [default: unlimited]
    #[arg(long, env = "YAOKU_AUDIT_RETAIN_MIB", value_name = "MIB", help_heading = "Audit")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_retain_mib: Option<u64>,

    /// Days to keep the audit log, in segments of at most 64 MiB and one day; older ones are dropped once the clock has been
    /// steady for --deletion-patience [default: unlimited]
    #[arg(long, env = "YAOKU_AUDIT_RETAIN_DAYS", value_name = "DAYS", help_heading = "Audit")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_retain_days: Option<u64>,

    /// Names in the encryption context whose values records show; of other names they then show a keyed hash. Up to four, separated
    /// by commas or repeated
    /// [default: records show nothing of encryption contexts]
    #[arg(long, env = "YAOKU_AUDIT_CONTEXT", value_name = "NAME", value_delimiter = ',', help_heading = "Audit")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_context: Option<Vec<String>>,

    /// Where to keep the newest checkpoint of the audit log outside the data directory, so that a rollback of the whole directory is
    /// detected: `file:PATH`, `exec:COMMAND` (run with `get` or `put`) or `https:URL` [default: none]
    #[arg(long, env = "YAOKU_WITNESS", value_name = "WHERE", help_heading = "Audit")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,

    /// Seconds between checkpoints sent to the witness [default: 10]
    #[arg(long, env = "YAOKU_WITNESS_INTERVAL", value_name = "SECONDS", help_heading = "Audit")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness_interval: Option<u64>,

    /// Certificate chain for TLS, in PEM format; reloaded on SIGHUP
    #[arg(long, env = "YAOKU_TLS_CERT", value_name = "FILE", help_heading = "TLS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM format; reloaded on SIGHUP
    #[arg(long, env = "YAOKU_TLS_KEY", value_name = "FILE", help_heading = "TLS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,

    /// Serve plain HTTP on addresses that other machines can reach; anyone on the network path can then read
    /// plaintexts and data keys
    #[arg(long, env = "YAOKU_ALLOW_PLAIN_HTTP", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", help_heading = "TLS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_plain_http: Option<bool>,

    /// Certificates, in PEM format, that issue those of clients, for listeners where certificates prove users; reloaded on SIGHUP
    ///
    /// Bind a user's certificate with `yaoku ram certificate bind`.
    #[arg(long, env = "YAOKU_CLIENT_CA", value_name = "FILE", help_heading = "TLS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,

    /// Address and port on which to serve the Vault API: logins, tokens, transit and key-value secrets [default: none]
    #[arg(long, env = "YAOKU_VAULT_LISTEN", value_name = "ADDRESS:PORT", help_heading = "Vault API")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault_listen: Option<String>,

    /// Certificate chain of the Vault API's listener, in PEM format; reloaded on SIGHUP [default: that of --tls-cert]
    #[arg(long, env = "YAOKU_VAULT_TLS_CERT", value_name = "FILE", help_heading = "Vault API")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault_tls_cert: Option<PathBuf>,

    /// Private key of that certificate, in PEM format; reloaded on SIGHUP
    #[arg(long, env = "YAOKU_VAULT_TLS_KEY", value_name = "FILE", help_heading = "Vault API")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault_tls_key: Option<PathBuf>,

    /// Address and port on which disks are served by the Tang protocol [default: not served]
    ///
    /// Plain HTTP needs no permission here: Tang is made for it.
    #[arg(long, env = "YAOKU_TANG_LISTEN", value_name = "ADDRESS:PORT", help_heading = "Tang")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tang_listen: Option<String>,

    /// Certificate chain of the Tang listener, in PEM format; reloaded on SIGHUP [default: plain HTTP]
    #[arg(long, env = "YAOKU_TANG_TLS_CERT", value_name = "FILE", help_heading = "Tang")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tang_tls_cert: Option<PathBuf>,

    /// Private key of that certificate, in PEM format; reloaded on SIGHUP
    #[arg(long, env = "YAOKU_TANG_TLS_KEY", value_name = "FILE", help_heading = "Tang")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tang_tls_key: Option<PathBuf>,

    /// Address and port on which to serve KMIP, over TLS, by custom port 5696 [default: none]
    #[arg(long, env = "YAOKU_KMIP_LISTEN", value_name = "ADDRESS:PORT", help_heading = "KMIP")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kmip_listen: Option<String>,

    /// Certificate chain of the KMIP listener, in PEM format; reloaded on SIGHUP [default: that of --tls-cert]
    #[arg(long, env = "YAOKU_KMIP_TLS_CERT", value_name = "FILE", help_heading = "KMIP")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kmip_tls_cert: Option<PathBuf>,

    /// Private key of that certificate, in PEM format; reloaded on SIGHUP
    #[arg(long, env = "YAOKU_KMIP_TLS_KEY", value_name = "FILE", help_heading = "KMIP")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kmip_tls_key: Option<PathBuf>,

    /// Addresses of proxies that are trusted to report the client's address, TLS and host, such as 10.0.0.0/8; repeatable
    #[arg(long, env = "YAOKU_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',', help_heading = "Proxies")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_proxy: Option<Vec<String>>,

    /// Headers that the proxies set; the others are ignored [default: x-forwarded]
    #[arg(long, env = "YAOKU_PROXY_HEADERS", value_name = "HEADERS", help_heading = "Proxies")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_headers: Option<ProxyHeaders>,

    /// Require each connection to begin with a PROXY protocol header, version 1 or 2, from a trusted proxy
    #[arg(long, env = "YAOKU_PROXY_PROTOCOL", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", help_heading = "Proxies")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<bool>,

    /// Host name that clients may have signed although a gateway requests another; repeatable
    #[arg(long, env = "YAOKU_ACCEPT_HOST", value_name = "NAME", value_delimiter = ',', help_heading = "Proxies")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_host: Option<Vec<String>>,

    /// Maximum number of open connections; beyond it, the connection that has been idle longest is closed [default: 4096]
    #[arg(long, env = "YAOKU_MAX_CONNECTIONS", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u64>,

    /// Maximum size of a request body in bytes [default: 1048576]
    #[arg(long, env = "YAOKU_MAX_BODY_BYTES", value_name = "BYTES", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u64>,

    /// Time limit in seconds for receiving request headers, and for the TLS handshake [default: 10]
    #[arg(long, env = "YAOKU_HEADER_TIMEOUT", value_name = "SECONDS", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_timeout: Option<u64>,

    /// Time limit in seconds for receiving a request body [default: 30]
    #[arg(long, env = "YAOKU_BODY_TIMEOUT", value_name = "SECONDS", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout: Option<u64>,

    /// Seconds that an idle connection stays open [default: 75]
    #[arg(long, env = "YAOKU_IDLE_TIMEOUT", value_name = "SECONDS", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u64>,

    /// Seconds that requests in progress have to finish when the server stops [default: 30]
    #[arg(long, env = "YAOKU_DRAIN_TIMEOUT", value_name = "SECONDS", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_timeout: Option<u64>,

    /// Maximum number of request nonces remembered to prevent replay, 12 bytes each [default: 4194304]
    #[arg(long, env = "YAOKU_NONCE_CAPACITY", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce_capacity: Option<u64>,

    /// Maximum number of unauthenticated calls per minute from one address; further ones are answered
    /// Throttling and recorded
    /// once a minute. Authenticated calls are not affected [default: 60]
    #[arg(long, env = "YAOKU_UNAUTHENTICATED_PER_MINUTE", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unauthenticated_per_minute: Option<u32>,

    /// Maximum number of keys, and of prepared ciphers, kept in memory [default: 16384]
    #[arg(long, env = "YAOKU_CACHED_KEYS", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_keys: Option<u64>,

    /// Maximum number of keys in an account [default: 10000000]
    #[arg(long, env = "YAOKU_MAX_KEYS", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<u64>,

    /// Maximum number of aliases in an account [default: 10000000]
    #[arg(long, env = "YAOKU_MAX_ALIASES", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_aliases: Option<u64>,

    /// Maximum number of secrets in an account [default: 100000]
    #[arg(long, env = "YAOKU_MAX_SECRETS", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_secrets: Option<u64>,

    /// Maximum number of disks in an account [default: 100000]
    #[arg(long, env = "YAOKU_MAX_DISKS", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_disks: Option<u64>,

    /// Maximum number of managed objects (KMIP) in an account, destroyed ones included [default: 100000]
    #[arg(long, env = "YAOKU_MAX_MANAGED_OBJECTS", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_managed_objects: Option<u64>,

    /// Maximum number of versions of a symmetric key created by CreateKeyVersion [default: 10000]
    #[arg(long, env = "YAOKU_MAX_KEY_VERSIONS", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_key_versions: Option<u32>,

    /// Minimum number of days between two versions of a key pair [default: 7]
    #[arg(long, env = "YAOKU_KEY_PAIR_VERSION_INTERVAL", value_name = "DAYS", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_pair_version_interval: Option<u64>,

    /// Maximum number of versions of a key pair [default: 50]
    #[arg(long, env = "YAOKU_MAX_KEY_PAIR_VERSIONS", value_name = "COUNT", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_key_pair_versions: Option<u32>,

    /// Minimum number of days between two versions of a symmetric key created by CreateKeyVersion [default: 0]
    #[arg(long, env = "YAOKU_KEY_VERSION_INTERVAL", value_name = "DAYS", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_version_interval: Option<u64>,

    /// Log level; the log goes to standard error [default: info]
    #[arg(long, env = "YAOKU_LOG", value_name = "LEVEL", help_heading = "Log")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogLevel>,

    /// Log format [default: text]
    #[arg(long, env = "YAOKU_LOG_FORMAT", value_name = "FORMAT", help_heading = "Log")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
}

/// Those of the options that name a hardware security module, for `yaoku hsm`.
#[derive(Debug, Clone, Default, Args)]
pub struct HsmOptions {
    /// TOML file with the server's options
    #[arg(long, env = "YAOKU_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// PKCS#11 library of the HSM
    #[arg(long, env = "YAOKU_PKCS11_MODULE", value_name = "FILE")]
    pub pkcs11_module: Option<PathBuf>,

    /// Label of the token [default: the only token]
    #[arg(long, env = "YAOKU_PKCS11_TOKEN", value_name = "LABEL")]
    pub pkcs11_token: Option<String>,

    /// File with the token's user PIN [default: YAOKU_PKCS11_PIN]
    #[arg(long, env = "YAOKU_PKCS11_PIN_FILE", value_name = "FILE")]
    pub pkcs11_pin_file: Option<PathBuf>,
}

/// Those of the options that say where the store is, for commands that do not serve.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreOptions {
    /// TOML file with the server's options
    #[arg(long, env = "YAOKU_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Data directory, which holds everything that yaoku stores [default: ./yaoku-data]
    #[arg(long, env = "YAOKU_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Where keys are stored [default: embedded]
    #[arg(long, env = "YAOKU_STORE")]
    pub store: Option<String>,

    /// What protects the root key: `file:PATH`, `passphrase` or `pkcs11` [default: file:DIR/root.key]
    #[arg(long, env = "YAOKU_SEAL")]
    pub seal: Option<String>,

    /// File with the passphrase [default: YAOKU_SEAL_PASSPHRASE, or a prompt on the terminal]
    #[arg(long, env = "YAOKU_SEAL_PASSPHRASE_FILE", value_name = "FILE")]
    pub seal_passphrase_file: Option<PathBuf>,

    /// PKCS#11 library of the HSM, for `--seal pkcs11`
    #[arg(long, env = "YAOKU_PKCS11_MODULE", value_name = "FILE")]
    pub pkcs11_module: Option<PathBuf>,

    /// Label of the token [default: the only token]
    #[arg(long, env = "YAOKU_PKCS11_TOKEN", value_name = "LABEL")]
    pub pkcs11_token: Option<String>,

    /// File with the token's user PIN [default: YAOKU_PKCS11_PIN]
    #[arg(long, env = "YAOKU_PKCS11_PIN_FILE", value_name = "FILE")]
    pub pkcs11_pin_file: Option<PathBuf>,

    /// Unix socket of a running server [default: DIR/control.sock]
    #[arg(long, env = "YAOKU_CONTROL_SOCKET", value_name = "PATH")]
    pub control_socket: Option<PathBuf>,
}

/// When a call's audit record counts as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditSync {
    /// Once it is on disk.
    #[default]
    Durable,
    /// Once it is queued to be written.
    Batched,
}

/// How proxies report their clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeaders {
    /// X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host.
    #[default]
    XForwarded,
    /// Forwarded (RFC 7239).
    Forwarded,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only errors that need an operator.
    Error,
    /// Also warnings.
    Warn,
    /// Also one line per request.
    #[default]
    Info,
    /// Also why connections end.
    Debug,
    /// Everything.
    Trace,
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human-readable text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl From<HsmOptions> for Options {
    fn from(options: HsmOptions) -> Self {
        let HsmOptions { config, pkcs11_module, pkcs11_token, pkcs11_pin_file } = options;
        Self { config, pkcs11_module, pkcs11_token, pkcs11_pin_file, ..Self::default() }
    }
}

impl From<StoreOptions> for Options {
    fn from(options: StoreOptions) -> Self {
        Self {
            config: options.config,
            data_dir: options.data_dir,
            store: options.store,
            seal: options.seal,
            seal_passphrase_file: options.seal_passphrase_file,
            pkcs11_module: options.pkcs11_module,
            pkcs11_token: options.pkcs11_token,
            pkcs11_pin_file: options.pkcs11_pin_file,
            control_socket: options.control_socket,
            ..Self::default()
        }
    }
}

impl Options {
    /// These options, and where they have none, those of the file that they name.
    ///
    /// # Errors
    /// When the file can't be read, or says something that is not understood.
    pub fn with_file(self) -> Result<Self, Error> {
        let Some(path) = &self.config else { return Ok(self) };
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        let file = Figment::from(Toml::string(&text));
        file.extract::<Self>().map_err(|error| in_file(path, error))?;
        let config = self.config.clone();
        let merged = file.merge(Serialized::defaults(&self)).extract::<Self>();
        let merged = merged.map_err(|error| Error::Options(error.to_string()))?;
        Ok(Self { config, ..merged })
    }
}

/// A sentence on the first mistake in a file.
fn in_file(path: &Path, error: figment::Error) -> Error {
    let path = path.display();
    let key = error.path.join(".");
    let why = match error.kind {
        Kind::UnknownField(name, known) => {
            format!("{name:?} is not an option; the options are {}", known.join(", "))
        }
        Kind::UnknownVariant(found, known) => format!("{key} is {found:?}, but must be one of {}", known.join(", ")),
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) if !key.is_empty() => {
            format!("{key} is {found}, but must be {wanted}")
        }
        kind => kind.to_string(),
    };
    Error::Options(format!("{path}: {why}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Command, CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Server {
        #[command(flatten)]
        options: Options,
    }

    fn command() -> Command {
        // The environment of whoever runs the tests is none of theirs.
        Server::command().mut_args(|arg| arg.env(None::<&str>))
    }

    fn options(args: &[&str]) -> Options {
        let matches = command().try_get_matches_from([&["yaoku"], args].concat()).unwrap();
        Server::from_arg_matches(&matches).unwrap().options
    }

    fn in_file(text: &str, args: &[&str]) -> Result<Options, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("yaoku.toml");
        std::fs::write(&path, text).unwrap();
        let options = Options { config: Some(path), ..options(args) };
        options.with_file().map_err(|error| error.to_string())
    }

    /// Every key that the file may have, from the sentence on one that it may not.
    fn keys() -> BTreeSet<String> {
        let told = in_file("nonsense = 1", &[]).unwrap_err();
        told.split(" options are ").nth(1).unwrap().split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn every_option_has_all_three_forms() {
        let keys = keys();
        let mut flags = BTreeSet::new();
        for arg in Server::command().get_arguments() {
            let flag = arg.get_long().unwrap();
            let variable = format!("YAOKU_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().and_then(|name| name.to_str()), Some(&*variable));
            flags.insert(flag.to_owned());
        }
        flags.remove("config");
        assert_eq!(flags, keys);
    }

    #[test]
    fn options_for_maintenance_are_a_part_of_the_servers() {
        #[derive(Parser)]
        struct Maintenance {
            #[command(flatten)]
            options: StoreOptions,
        }
        let (part, whole) = (Maintenance::command(), Server::command());
        for arg in part.get_arguments() {
            let same = whole.get_arguments().find(|other| other.get_long() == arg.get_long());
            assert_eq!(same.unwrap().get_env(), arg.get_env());
        }
    }

    #[test]
    fn flags_come_before_the_file() {
        let text = "listen = \"127.0.0.1:1\"\nregion = \"cn-beijing\"\nmax-keys = 5\nallow-plain-http = true\nlog-format = \"json\"";
        let merged =
            in_file(text, &["--listen", "127.0.0.1:2", "--data-dir", "/d", "--allow-plain-http=false"]).unwrap();
        assert_eq!(merged.listen.as_deref(), Some("127.0.0.1:2"));
        assert_eq!(merged.region.as_deref(), Some("cn-beijing"));
        assert_eq!(merged.data_dir.as_deref(), Some(Path::new("/d")));
        assert_eq!((merged.max_keys, merged.allow_plain_http), (Some(5), Some(false)));
        assert_eq!((merged.log_format, merged.log), (Some(LogFormat::Json), None));
        assert_eq!(options(&["--allow-plain-http"]).allow_plain_http, Some(true));
    }

    #[test]
    fn mistakes_in_the_file_are_told_by_name() {
        for (text, told) in [
            ("lissten = \"a\"", "\"lissten\" is not an option; the options are listen, region"),
            ("max-keys = \"many\"", "max-keys is string \"many\", but must be"),
            ("account-id = 1234567890123456", "account-id is signed int `1234567890123456`, but must be a string"),
            ("max-keys = -1", "max-keys"),
            ("log = \"loud\"", "log is \"loud\", but must be one of error, warn"),
            ("listen = ", "TOML"),
            ("root-access-key-secret = \"s\"", "is not an option"),
        ] {
            let error = in_file(text, &[]).unwrap_err();
            assert!(error.contains(told) && error.contains("yaoku.toml"), "{text}: {error}");
        }
        let missing = Options { config: Some("/nonexistent/yaoku.toml".into()), ..Options::default() };
        assert!(missing.with_file().unwrap_err().to_string().contains("/nonexistent/yaoku.toml"));
    }
}
