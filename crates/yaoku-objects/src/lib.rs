//! Managed objects: keys, certificates and other secrets that are made to be fetched, as KMIP has them.
//!
//! Each has a record, which is in memory, and a value, which is not: a row of its own, sealed under the CMK that the account has chosen for
//! its managed objects. Until it has chosen one, none are made. Disabling that CMK makes all of them unfetchable at once. What an object's
//! attributes mean beyond its state and its names is a protocol's matter: they are kept as it gave them.
//!
//! Every operation is one type in a family module under [`operations`]; [`operations::REGISTRY`] lists them all.

mod admission;
mod catalogue;
mod change;
mod error;
mod held;
mod id;
mod mirror;
mod objects;
pub mod operations;
mod record;
mod resource;
mod sealing;
mod state;

pub use error::Error;
pub use held::{Editable, ObjectAbout};
pub use id::{ObjectId, ObjectName};
pub use objects::{Objects, ObjectsConfig};
pub use record::{Attributes, ObjectKind};
pub use resource::{OBJECT, object_states};
pub use state::ObjectState;
