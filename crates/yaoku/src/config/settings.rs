//! What the options mean, checked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use yaoku_crypto::Secret;
use yaoku_crypto::pkcs11::Token;
use yaoku_disks::DisksConfig;
use yaoku_http::{Limits, Proxies};
use yaoku_iam::{AccountId, Bootstrap, NewAccessKey};
use yaoku_kms::{KmsConfig, Quotas};
use yaoku_objects::ObjectsConfig;
use yaoku_secrets::SecretsConfig;

use super::secrets::{self, PASSPHRASE_VARIABLE, ROOT_SECRET_VARIABLE};
use super::{AuditSync, HsmSettings, LogFormat, LogLevel, Options, proxies};
use crate::Error;
use crate::audit::{Witness, WitnessPlace};
use crate::store::StoreAddress;

/// How a server is set up.
pub struct Settings {
    /// Where everything is kept.
    pub store: StoreSettings,
    /// The socket of the API, and of the operators' pages.
    pub listen: ListenerSettings,
    /// The socket of the Vault API, if it is served.
    pub vault: Option<ListenerSettings>,
    /// The socket on which disks are served, if they are.
    pub tang: Option<ListenerSettings>,
    /// The socket of KMIP, if it is served; always with TLS.
    pub kmip: Option<ListenerSettings>,
    /// Region in ARNs.
    pub region: String,
    /// Account and root AccessKey, as far as they are chosen.
    pub bootstrap: Bootstrap,
    /// Bounds of connections and requests.
    pub limits: Limits,
    /// The proxies in front.
    pub proxies: Proxies,
    /// Hosts that clients may have signed beside the one that they are seen to ask for.
    pub accepted_hosts: Vec<String>,
    /// Nonces remembered.
    pub nonce_capacity: usize,
    /// Calls a minute of one address that may prove nobody.
    pub unauthenticated_per_minute: u32,
    /// The domain.
    pub kms: KmsConfig,
    /// The domain of secrets.
    pub secrets: SecretsConfig,
    /// The domain of disks.
    pub disks: DisksConfig,
    /// The domain of managed objects.
    pub objects: ObjectsConfig,
    /// The audit log; none where it is switched off.
    pub audit: Option<yaoku_audit::Options>,
    /// Names in encryption contexts whose values records show; none where contexts are not shown.
    pub audit_context: Option<Vec<String>>,
    /// What keeps the log's newest checkpoint elsewhere.
    pub witness: Option<Witness>,
    /// How much is logged.
    pub log: LogLevel,
    /// In what form.
    pub log_format: LogFormat,
}

/// A socket to serve on. Listeners that are given no TLS identity of their own share the general one.
pub struct ListenerSettings {
    /// The option that names the address, without its dashes.
    pub option: &'static str,
    /// Address and port, or host name and port.
    pub address: String,
    /// What it shows to clients; without it, it serves plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Whether plain HTTP may leave the machine.
    pub allow_plain_http: bool,
}

/// Files for TLS, in PEM form. All of them are read again on SIGHUP.
#[derive(Clone)]
pub struct TlsSettings {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates that issue those of clients. With them, a client is asked for a certificate, which it need not have; what it
    /// shows is verified, and reaches the listener's handler as [`yaoku_http::ClientCertificate`].
    pub client_ca: Option<PathBuf>,
}

/// Where everything is kept, and what protects it.
pub struct StoreSettings {
    /// The store.
    pub address: StoreAddress,
    /// The data directory.
    pub data_dir: PathBuf,
    /// What protects the root key.
    pub seal: SealSettings,
    /// The HSM, if there is one.
    pub hsm: Option<HsmSettings>,
    /// The socket of a running server.
    pub control_socket: PathBuf,
}

/// What protects the root key.
pub enum SealSettings {
    /// A file that holds it.
    File(PathBuf),
    /// A file that holds it sealed under a passphrase; if there is no passphrase here, the terminal is asked.
    Passphrase(PathBuf, Option<Secret>),
    /// A file that holds it sealed under a key in the HSM.
    Hsm(PathBuf),
}

impl Settings {
    /// Checks options, and reads the secrets that they need.
    ///
    /// # Errors
    /// A sentence on what can't be used and what to do.
    pub fn of(options: &Options, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let store = StoreSettings::of(options, environment)?;
        let tls = match (options.tls_cert.clone(), options.tls_key.clone()) {
            (Some(certificate), Some(key)) => Some(TlsSettings { certificate, key, client_ca: None }),
            (None, None) => None,
            (Some(_), None) => return Err(refusal("--tls-cert needs its private key: set --tls-key too")),
            (None, Some(_)) => return Err(refusal("--tls-key needs its certificate: set --tls-cert too")),
        };
        let allow_plain_http = options.allow_plain_http.unwrap_or(false);
        let others = OtherListener { tls: tls.as_ref(), client_ca: options.client_ca.as_ref(), allow_plain_http };
        let (certificate, key) = (options.vault_tls_cert.clone(), options.vault_tls_key.clone());
        let vault = others.settings("vault", "vault-listen", options.vault_listen.as_ref(), certificate, key)?;
        let (certificate, key) = (options.kmip_tls_cert.clone(), options.kmip_tls_key.clone());
        let kmip = others.settings("kmip", "kmip-listen", options.kmip_listen.as_ref(), certificate, key)?;
        if kmip.as_ref().is_some_and(|kmip| kmip.tls.is_none()) {
            return Err(refusal(
                "KMIP is served over TLS only: set --kmip-tls-cert and --kmip-tls-key, or --tls-cert and --tls-key",
            ));
        }
        let takes_certificates =
            |listener: &Option<ListenerSettings>| listener.as_ref().is_some_and(|of| of.tls.is_some());
        if options.client_ca.is_some() && !takes_certificates(&vault) && !takes_certificates(&kmip) {
            return Err(refusal(
                "--client-ca is for a listener with TLS that takes certificates: set --vault-listen or --kmip-listen and its TLS",
            ));
        }
        let tang = tang(options)?;
        let region = region(options.region.as_deref().unwrap_or("cn-hangzhou"))?;
        Ok(Self {
            store,
            listen: ListenerSettings {
                option: "listen",
                address: options.listen.clone().unwrap_or_else(|| "127.0.0.1:7788".into()),
                tls,
                allow_plain_http,
            },
            vault,
            tang,
            kmip,
            bootstrap: bootstrap(options, environment)?,
            limits: limits(options)?,
            proxies: proxies::proxies(options)?,
            accepted_hosts: proxies::accepted_hosts(options)?,
            nonce_capacity: count(
                "nonce-capacity",
                options.nonce_capacity,
                yaoku_aliyun::wire::nonce::DEFAULT_CAPACITY,
                1..=1 << 30,
            )?,
            unauthenticated_per_minute: match options.unauthenticated_per_minute.unwrap_or(yaoku_gate::DEFAULT_LIMIT) {
                limit @ 1..=60_000 => limit,
                _ => return Err(beyond("unauthenticated-per-minute", &(1..=60_000))),
            },
            kms: kms(options, region.clone())?,
            secrets: secrets(options, region.clone()),
            disks: disks(options),
            objects: objects(options, region.clone()),
            region,
            audit: audit(options)?,
            audit_context: audit_context(options)?,
            witness: witness(options)?,
            log: options.log.unwrap_or_default(),
            log_format: options.log_format.unwrap_or_default(),
        })
    }
}

impl StoreSettings {
    /// Checks those of the options that say where the store is.
    ///
    /// # Errors
    /// A sentence on what can't be used and what to do.
    pub fn of(options: &Options, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let address = StoreAddress::parse(options.store.as_deref())?;
        let data_dir = options.data_dir.clone().unwrap_or_else(|| "yaoku-data".into());
        if data_dir.as_os_str().is_empty() {
            return Err(refusal("--data-dir is empty; specify a directory"));
        }
        let seal = seal(options, &data_dir, environment)?;
        let hsm = HsmSettings::of(options, environment)?;
        let control_socket = options.control_socket.clone().unwrap_or_else(|| data_dir.join("control.sock"));
        Ok(Self { address, data_dir, seal, hsm, control_socket })
    }
}

impl SealSettings {
    /// The seal. `begin` says that one may be begun here, with a passphrase that is chosen now.
    ///
    /// # Errors
    /// When it needs a passphrase, and nobody can be asked; when it needs an HSM, and there is none.
    pub fn open(self, begin: bool, token: Option<Arc<Token>>) -> Result<Box<dyn yaoku_seal::seal::Seal>, Error> {
        match self {
            Self::Hsm(path) => {
                let token = token.ok_or_else(|| refusal("--seal pkcs11 needs an HSM: set --pkcs11-module"))?;
                Ok(Box::new(yaoku_seal::TokenSeal { path, token }))
            }
            Self::File(path) => Ok(Box::new(yaoku_seal::seal::FileSeal { path })),
            Self::Passphrase(path, passphrase) => {
                let passphrase = match passphrase {
                    Some(passphrase) => passphrase,
                    None if begin && !path.exists() => new_passphrase()?,
                    None => secrets::ask("Passphrase of the seal: ")?,
                };
                Ok(Box::new(yaoku_seal::seal::PassphraseSeal {
                    path,
                    passphrase,
                    cost: yaoku_crypto::passphrase::Cost::DEFAULT,
                }))
            }
        }
    }
}

/// The names in encryption contexts whose values records show.
fn audit_context(options: &Options) -> Result<Option<Vec<String>>, Error> {
    let names = options.audit_context.clone();
    let checked = names.as_deref().map_or(Ok(()), yaoku_gate::check_shown_contexts);
    checked.map(|()| names).map_err(|why| refusal(format!("--audit-context: {why}")))
}

/// The listener of the Tang protocol. It has TLS only where it is given an identity of its own: its clients are initial RAM disks, which
/// trust no issuer unless they are told to, and nothing that the protocol exchanges needs to be hidden.
fn tang(options: &Options) -> Result<Option<ListenerSettings>, Error> {
    let tls = own_tls("tang", options.tang_tls_cert.clone(), options.tang_tls_key.clone())?;
    match &options.tang_listen {
        Some(address) => {
            Ok(Some(ListenerSettings { option: "tang-listen", address: address.clone(), tls, allow_plain_http: true }))
        }
        None if tls.is_some() => Err(refusal("--tang-tls-cert and --tang-tls-key are for --tang-listen: set that too")),
        None => Ok(None),
    }
}

/// The TLS identity that a listener has of its own.
fn own_tls(listener: &str, certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsSettings>, Error> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsSettings { certificate, key, client_ca: None })),
        (None, None) => Ok(None),
        (certificate, _) => {
            let (given, lacking) = if certificate.is_some() { ("cert", "key") } else { ("key", "cert") };
            Err(refusal(format!("--{listener}-tls-{given} needs its other half: set --{listener}-tls-{lacking} too")))
        }
    }
}

/// What listeners beside that of the API may share.
struct OtherListener<'a> {
    tls: Option<&'a TlsSettings>,
    client_ca: Option<&'a PathBuf>,
    allow_plain_http: bool,
}

impl OtherListener<'_> {
    /// A listener, if it has an address: with a TLS identity of its own, or the general one.
    fn settings(
        &self,
        name: &str,
        option: &'static str,
        address: Option<&String>,
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Option<ListenerSettings>, Error> {
        if address.is_none() && (certificate.is_some() || key.is_some()) {
            return Err(refusal(format!("--{name}-tls-cert and --{name}-tls-key are for --{option}: set that too")));
        }
        let tls = own_tls(name, certificate, key)?.or_else(|| self.tls.cloned());
        let tls = tls.map(|tls| TlsSettings { client_ca: self.client_ca.cloned(), ..tls });
        let allow_plain_http = self.allow_plain_http;
        Ok(address.map(|address| ListenerSettings { option, address: address.clone(), tls, allow_plain_http }))
    }
}

/// A passphrase that will be needed again is typed twice.
fn new_passphrase() -> Result<Secret, Error> {
    let first = secrets::ask("Choose a passphrase for the seal: ")?;
    let second = secrets::ask("Repeat the passphrase: ")?;
    if first.ct_eq(second.expose()) { Ok(first) } else { Err(refusal("the two passphrases differ; try again")) }
}

fn seal(
    options: &Options,
    data_dir: &Path,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<SealSettings, Error> {
    let chosen = options.seal.as_deref().unwrap_or("file:");
    if chosen == "passphrase" {
        let passphrase = secrets::given(options.seal_passphrase_file.as_deref(), PASSPHRASE_VARIABLE, environment)?;
        return Ok(SealSettings::Passphrase(data_dir.join("root.key.sealed"), passphrase));
    }
    if options.seal_passphrase_file.is_some() {
        return Err(refusal("--seal-passphrase-file requires --seal passphrase; set both or neither"));
    }
    match chosen.split_once(':').unwrap_or((chosen, "")) {
        ("file", "") => Ok(SealSettings::File(data_dir.join("root.key"))),
        ("file", path) => Ok(SealSettings::File(path.into())),
        ("pkcs11", "") if options.pkcs11_module.is_none() => {
            Err(refusal("--seal pkcs11 needs an HSM: set --pkcs11-module"))
        }
        ("pkcs11", "") => Ok(SealSettings::Hsm(data_dir.join("root.key.hsm"))),
        _ => Err(refusal(format!("--seal {chosen}: unknown seal; use file:PATH, passphrase or pkcs11"))),
    }
}

fn bootstrap(options: &Options, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Bootstrap, Error> {
    let account = options.account_id.as_deref().map(AccountId::parse).transpose()?;
    let secret = secrets::given(options.root_access_key_secret_file.as_deref(), ROOT_SECRET_VARIABLE, environment)?;
    let root = match (&options.root_access_key_id, secret) {
        (Some(id), Some(secret)) => Some(NewAccessKey::chosen(id, secret)?),
        (None, None) => None,
        (Some(_), None) => {
            return Err(refusal(format!(
                "--root-access-key-id needs its AccessKey Secret: set {ROOT_SECRET_VARIABLE}, or name a file with --root-access-key-secret-file"
            )));
        }
        (None, Some(_)) => {
            return Err(refusal(
                "the AccessKey Secret of the root is set, but not its AccessKey ID: set --root-access-key-id too",
            ));
        }
    };
    let deletion_patience = options.deletion_patience.map(Duration::from_secs);
    let default = Bootstrap::default().deletion_patience;
    Ok(Bootstrap { account, root, deletion_patience: deletion_patience.unwrap_or(default) })
}

/// The region stands in ARNs, between colons.
fn region(text: &str) -> Result<String, Error> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match fits {
        true => Ok(text.to_owned()),
        false => Err(refusal(format!(
            "--region {text:?}: a region name consists of 1 to 64 lower-case letters, digits and hyphens"
        ))),
    }
}

/// Bytes of a segment of the audit log.
pub(crate) const SEGMENT: u64 = 64 << 20;

fn audit(options: &Options) -> Result<Option<yaoku_audit::Options>, Error> {
    let within = |name, given: Option<u64>, range: std::ops::RangeInclusive<u64>| match given {
        Some(given) if !range.contains(&given) => Err(beyond(name, &range)),
        given => Ok(given),
    };
    let mib = within("audit-retain-mib", options.audit_retain_mib, 128..=1 << 40)?;
    let days = within("audit-retain-days", options.audit_retain_days, 1..=36_500)?;
    let chosen = yaoku_audit::Options {
        sync: match options.audit_sync.unwrap_or_default() {
            AuditSync::Durable => yaoku_audit::Sync::Durable,
            AuditSync::Batched => yaoku_audit::Sync::Batched,
        },
        segment_bytes: SEGMENT,
        retained_bytes: mib.map(|mib| mib << 20),
        retained_age: days.map(|days| yaoku_audit::RetainedAge {
            most: Duration::from_secs(days * 86_400),
            patience: Duration::from_secs(
                options.deletion_patience.unwrap_or_else(|| KmsConfig::default().deletion_patience),
            ),
        }),
    };
    Ok(options.audit.unwrap_or(true).then_some(chosen))
}

fn witness(options: &Options) -> Result<Option<Witness>, Error> {
    let Some(place) = &options.witness else {
        return match options.witness_interval {
            Some(_) => Err(refusal("--witness-interval needs --witness; set both or neither")),
            None => Ok(None),
        };
    };
    if options.audit == Some(false) {
        return Err(refusal("--witness keeps checkpoints of the audit log, which is off: omit --audit=false"));
    }
    let place = WitnessPlace::parse(place)
        .ok_or_else(|| refusal(format!("--witness {place}: use file:PATH, exec:COMMAND or https:URL")))?;
    let interval = seconds("witness-interval", options.witness_interval, Duration::from_secs(10))?;
    Ok(Some(Witness { place, interval }))
}

fn limits(options: &Options) -> Result<Limits, Error> {
    let default = Limits::default();
    let header_timeout = seconds("header-timeout", options.header_timeout, default.header_timeout)?;
    let body_bytes = count("max-body-bytes", options.max_body_bytes, default.body_bytes, 1024..=64 << 20)?;
    Ok(Limits {
        connections: count("max-connections", options.max_connections, default.connections, 1..=1_000_000)?,
        handshake_timeout: header_timeout,
        header_timeout,
        body_timeout: seconds("body-timeout", options.body_timeout, default.body_timeout)?,
        idle_timeout: seconds("idle-timeout", options.idle_timeout, default.idle_timeout)?,
        drain_timeout: seconds("drain-timeout", options.drain_timeout, default.drain_timeout)?,
        body_bytes,
        all_requests_bytes: default.all_requests_bytes.max(body_bytes * 4),
        ..default
    })
}

fn kms(options: &Options, region: String) -> Result<KmsConfig, Error> {
    const DAY: u64 = 86_400;
    let default = KmsConfig::default();
    let days = |name, given: Option<u64>, default: u64| match given.unwrap_or(default / DAY) {
        days @ 0..=36_500 => Ok(days * DAY),
        _ => Err(beyond(name, &(0..=36_500))),
    };
    Ok(KmsConfig {
        region,
        quotas: Quotas {
            keys: options.max_keys.unwrap_or(default.quotas.keys),
            aliases: options.max_aliases.unwrap_or(default.quotas.aliases),
            key_versions: options.max_key_versions.unwrap_or(default.quotas.key_versions),
            key_pair_versions: options.max_key_pair_versions.unwrap_or(default.quotas.key_pair_versions),
        },
        cached_keys: count("cached-keys", options.cached_keys, default.cached_keys, 1..=100_000_000)?,
        key_version_interval: days("key-version-interval", options.key_version_interval, default.key_version_interval)?,
        key_pair_version_interval: days(
            "key-pair-version-interval",
            options.key_pair_version_interval,
            default.key_pair_version_interval,
        )?,
        scrub_delay: options.scrub_delay.unwrap_or(default.scrub_delay),
        deletion_patience: options.deletion_patience.unwrap_or(default.deletion_patience),
    })
}

fn secrets(options: &Options, region: String) -> SecretsConfig {
    let default = SecretsConfig::default();
    SecretsConfig {
        region,
        max_secrets: options.max_secrets.unwrap_or(default.max_secrets),
        deletion_patience: options.deletion_patience.unwrap_or(default.deletion_patience),
        ..default
    }
}

fn disks(options: &Options) -> DisksConfig {
    DisksConfig { max_disks: options.max_disks.unwrap_or(DisksConfig::default().max_disks) }
}

fn objects(options: &Options, region: String) -> ObjectsConfig {
    let default = ObjectsConfig::default();
    let max_objects = options.max_managed_objects.unwrap_or(default.max_objects);
    ObjectsConfig { region, max_objects, ..default }
}

fn seconds(name: &str, given: Option<u64>, default: Duration) -> Result<Duration, Error> {
    let range = 1..=86_400;
    let given = given.unwrap_or(default.as_secs());
    if range.contains(&given) { Ok(Duration::from_secs(given)) } else { Err(beyond(name, &range)) }
}

fn count(name: &str, given: Option<u64>, default: usize, range: std::ops::RangeInclusive<u64>) -> Result<usize, Error> {
    let Some(given) = given else { return Ok(default) };
    match usize::try_from(given) {
        Ok(count) if range.contains(&given) => Ok(count),
        _ => Err(beyond(name, &range)),
    }
}

fn beyond(name: &str, range: &std::ops::RangeInclusive<u64>) -> Error {
    refusal(format!("--{name} must be from {} to {}", range.start(), range.end()))
}

pub(super) fn refusal(sentence: impl Into<String>) -> Error {
    Error::Options(sentence.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut Options), variables: &[(&str, &str)]) -> Result<Settings, String> {
        let mut options = Options::default();
        change(&mut options);
        let environment =
            |name: &str| variables.iter().find(|(held, _)| *held == name).map(|(_, value)| OsString::from(value));
        Settings::of(&options, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_given_gives_the_documented_defaults() {
        let settings = settings(|_| {}, &[]).unwrap();
        assert_eq!((&*settings.listen.address, &*settings.region), ("127.0.0.1:7788", "cn-hangzhou"));
        assert_eq!(settings.store.data_dir, Path::new("yaoku-data"));
        assert_eq!(settings.store.control_socket, Path::new("yaoku-data/control.sock"));
        assert!(matches!(&settings.store.seal, SealSettings::File(path) if path == Path::new("yaoku-data/root.key")));
        assert!(settings.bootstrap.account.is_none() && settings.bootstrap.root.is_none());
        assert!(settings.listen.tls.is_none() && !settings.listen.allow_plain_http);
        assert_eq!((settings.kms.key_version_interval, settings.nonce_capacity), (0, 4_194_304));
    }

    #[test]
    fn disks_are_served_in_the_clear_unless_they_have_tls_of_their_own() {
        let tang = |own: bool| {
            let change = |o: &mut Options| {
                (o.tls_cert, o.tls_key, o.tang_listen) = (Some("c".into()), Some("k".into()), Some("[::]:80".into()));
                if own {
                    (o.tang_tls_cert, o.tang_tls_key) = (Some("t".into()), Some("u".into()));
                }
            };
            settings(change, &[]).unwrap().tang.unwrap()
        };
        assert!(tang(false).tls.is_none() && tang(false).allow_plain_http);
        assert_eq!(tang(true).tls.unwrap().certificate, Path::new("t"));
    }

    #[test]
    fn a_root_credential_has_two_halves() {
        let id = |options: &mut Options| options.root_access_key_id = Some("root".into());
        let secret = [("YAOKU_ROOT_ACCESS_KEY_SECRET", "0123456789abcdef")];
        assert!(settings(id, &secret).unwrap().bootstrap.root.is_some());
        assert!(settings(id, &[]).err().unwrap().contains("YAOKU_ROOT_ACCESS_KEY_SECRET"));
        assert!(settings(|_| {}, &secret).err().unwrap().contains("--root-access-key-id"));
    }

    #[test]
    fn what_this_version_does_not_have_is_said() {
        let refused = |change: fn(&mut Options)| settings(change, &[]).err().unwrap();
        assert!(refused(|o| o.store = Some("etcd://h:2379".into())).contains("does not support etcd"));
        assert!(refused(|o| o.seal = Some("pkcs11".into())).contains("--pkcs11-module"));
        assert!(refused(|o| o.seal = Some("pkcs11:slot".into())).contains("unknown seal"));
        assert!(refused(|o| o.pkcs11_token = Some("t".into())).contains("--pkcs11-module"));
        assert!(refused(|o| o.seal = Some("paper".into())).contains("unknown seal"));
        assert!(settings(|o| o.store = Some("embedded".into()), &[]).is_ok());
    }

    #[test]
    fn what_can_not_be_used_is_refused_by_name() {
        let refused = |change: fn(&mut Options)| settings(change, &[]).err().unwrap();
        assert!(refused(|o| o.region = Some("cn:x".into())).contains("--region"));
        assert!(refused(|o| o.account_id = Some("12".into())).contains("16 decimal digits"));
        assert!(refused(|o| o.tls_cert = Some("c".into())).contains("--tls-key"));
        assert!(refused(|o| o.tls_key = Some("k".into())).contains("--tls-cert"));
        assert!(refused(|o| o.kmip_listen = Some("127.0.0.1:0".into())).contains("over TLS only"));
        assert!(refused(|o| o.kmip_tls_cert = Some("c".into())).contains("--kmip-listen"));
        assert!(refused(|o| o.max_connections = Some(0)).contains("--max-connections must be from 1"));
        assert!(
            refused(|o| o.unauthenticated_per_minute = Some(0)).contains("--unauthenticated-per-minute must be from 1")
        );
        assert!(refused(|o| o.body_timeout = Some(0)).contains("--body-timeout"));
        assert!(refused(|o| o.key_version_interval = Some(u64::MAX)).contains("--key-version-interval"));
        assert!(refused(|o| o.data_dir = Some("".into())).contains("--data-dir"));
        assert!(refused(|o| o.seal_passphrase_file = Some("p".into())).contains("--seal passphrase"));
        assert!(refused(|o| o.tang_tls_cert = Some("c".into())).contains("--tang-tls-key"));
        let without = |o: &mut Options| (o.tang_tls_cert, o.tang_tls_key) = (Some("c".into()), Some("k".into()));
        assert!(refused(without).contains("--tang-listen"));
        assert!(refused(|o| o.witness = Some("paper".into())).contains("file:PATH"));
        assert!(refused(|o| o.witness_interval = Some(5)).contains("--witness;"));
        let without_log = |o: &mut Options| (o.witness, o.audit) = (Some("file:w".into()), Some(false));
        assert!(refused(without_log).contains("--audit=false"));
    }

    #[test]
    fn the_passphrase_comes_from_the_environment() {
        let variables = [("YAOKU_SEAL_PASSPHRASE", "correct horse")];
        let settings = settings(|o| o.seal = Some("passphrase".into()), &variables).unwrap();
        let SealSettings::Passphrase(path, Some(passphrase)) = settings.store.seal else { panic!("another seal") };
        assert_eq!(path, Path::new("yaoku-data/root.key.sealed"));
        assert!(passphrase.ct_eq(b"correct horse"));
    }
}
