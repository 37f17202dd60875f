//! The domain of yaoku: customer master keys, their versions, aliases and tags, their rotation and deletion, and the
//! cryptographic operations that use them.
//!
//! Nothing here knows HTTP or the words of a wire protocol. Every operation is one type in a family module under
//! [`operations`]; [`operations::REGISTRY`] lists them all with the permission, resources and key states of each.
//! A protocol builds such a value, calls [`yaoku_iam::Operation::perform`], and maps result or [`Error`] onto its own words.

mod admission;
pub mod blob;
mod catalogue;
mod catalogue_image;
mod change;
mod context;
mod envelope;
mod error;
mod hsm;
mod id;
mod keyring;
mod kms;
mod material;
mod mirror;
pub mod operations;
mod record;
mod resource;
mod rotation;
mod scans;
mod scheduler;
mod spec;
mod supposed_call;
mod tag;
mod workers;

pub use admission::proceed;
pub use catalogue::{KeyFilter, KeyFilters};
pub use catalogue_image::DrawnImage;
pub use context::EncryptionContext;
pub use envelope::{OnBehalf, SealingKey};
pub use error::{Error, Field};
pub use id::{AliasName, KeyId, KeyRef, KeyVersionId};
pub use kms::{Dependents, Kms, KmsConfig, Quotas};
pub use record::{KeyMetadata, KeyVersion};
pub use resource::{ALIAS, KEY, SERVICE_USE, key_states};
pub use rotation::{RotationInterval, RotationStatus};
pub use scans::{Scan, Scans};
pub use scheduler::every_tick;
pub use spec::{KeySpec, KeyState, KeyUsage, Origin, Primitive, ProtectionLevel};
pub use supposed_call::{Supposed, SupposedResource};
pub use tag::{Tag, check_key};
pub use yaoku_iam::{Access, Answer, Call, Operation, OperationSpec, Performer, StateRule, Tags, Trace};
pub use yaoku_iam::{Clock, ManualClock, SystemClock, Timestamp};
