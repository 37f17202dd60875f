//! Configuration: flags, then `YAOKU_*` environment variables, then a TOML file.
//!
//! [`Options`] is what can be said, each option once for all three forms; [`Settings`] is what it means, checked.
//! Secrets are never options: they come from files or the environment, and are [`yaoku_crypto::Secret`] at once.

mod hsm;
mod options;
mod proxies;
mod secrets;
mod settings;

pub use hsm::HsmSettings;
pub use options::{AuditSync, HsmOptions, LogFormat, LogLevel, Options, ProxyHeaders, StoreOptions};
pub(crate) use secrets::{SECRET_VARIABLES, access_key_secret};
pub(crate) use settings::SEGMENT;
pub use settings::{ListenerSettings, SealSettings, Settings, StoreSettings, TlsSettings};

pub use crate::audit::{Witness, WitnessPlace};
pub use crate::store::StoreAddress;
