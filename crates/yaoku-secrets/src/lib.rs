//! Secrets: named, versioned values, sealed under customer master keys.
//!
//! A secret has versions, each with a value that is sealed under the secret's CMK, and stages: labels that stand on one version each,
//! of which [`Stage::CURRENT`] says which value counts. Nothing of a value is kept in memory; what is kept of a secret is its record
//! without values.
//!
//! A secret can hold AccessKeys of a RAM user, which then get a successor when the secret rotates: see [`operations::rotation`].
//!
//! Every operation is one type in a family module under [`operations`]; [`operations::REGISTRY`] lists them all. A protocol builds such
//! a value, calls [`yaoku_iam::Operation::perform`], and maps result or [`Error`] onto its own words.

mod admission;
mod catalogue;
mod change;
mod error;
mod held;
mod id;
mod mirror;
pub mod operations;
mod ram_credentials;
mod record;
mod resource;
mod scheduler;
mod sealing;
mod secrets;
mod stages;
mod supposed_call;
mod value;

pub use catalogue::{SecretFilter, SecretFilters};
pub use error::{Error, Field};
pub use held::{SecretAbout, VersionAbout};
pub use id::{SecretId, SecretName, SecretRef, Stage, VersionId};
pub use ram_credentials::{MAX_ACCESS_KEYS, NewRamCredentials, RamCredentialsAbout, RotationInterval};
pub use record::SecretKind;
pub use resource::{SECRET, secret_states};
pub use secrets::{Secrets, SecretsConfig};
pub use value::{MAX_VALUE, Value, ValueKind};
