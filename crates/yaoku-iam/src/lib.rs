//! Who is calling yaoku, and what they may do.
//!
//! An installation holds accounts; an account owns keys. Every request is made by a [`Principal`], proven with an
//! [`AccessKey`] whose secret only [`Iam`] reads. [`Iam::authorise`] is the one place where a permission is decided.
//!
//! This version knows one kind of principal, the root of an account, which may do everything with what its own account
//! owns, and with what others own as far as its policy lets it. [`policy`] reads and decides policy documents.

mod access_key;
mod account;
mod authority;
mod clock;
mod error;
mod explain;
mod operation;
pub mod operations;
pub mod policy;
mod principal;
mod question;
mod text;

pub use access_key::{AccessKey, AccessKeyId, NewAccessKey};
pub use account::AccountId;
pub use authority::{Bootstrap, Iam, Opened};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::Error;
pub use explain::Hypothesis;
pub use operation::{Access, Call, Operation, OperationSpec};
pub use principal::{Permission, Principal, ResourceKind};
pub use question::{Decision, Denial, Environment, Question, Resource, Tagged};
