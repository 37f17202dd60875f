//! Who is calling yaoku, and what they may do.
//!
//! An installation holds accounts, wholly apart from each other; an account owns keys, users, groups, roles and policies.
//! Every request is made by a [`Principal`], proven with an [`AccessKey`] whose secret only [`Iam`] reads.
//! [`Iam::authorise`] is the one place where a permission is decided; [`policy`] reads and decides policy documents.
//!
//! What is done to identities is one type each in a family module under [`operations`]. A change is decided on what is in
//! memory of the account, committed if the store still has it so, and in force before its operation answers: whoever was
//! proven before sees it too.

mod access_key;
mod account;
mod accounts;
mod authority;
mod change;
mod clock;
mod directory;
mod error;
mod explain;
mod id;
mod operation;
pub mod operations;
pub mod policy;
mod principal;
mod question;
pub mod quota;
mod record;
mod session;
mod tag;
mod tenant;
mod text;
mod usage;

pub use access_key::{AccessKey, AccessKeyId, NewAccessKey};
pub use account::AccountId;
pub use accounts::AccountAbout;
pub use authority::{Bootstrap, Iam, Opened, installation};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::{Conflict, Entity, Error, Field, Login};
pub use explain::Hypothesis;
pub use id::{GroupId, Name, RoleId, UserId};
pub use operation::{Access, Call, Operation, OperationSpec, Scope};
pub use principal::{Described, Permission, Principal, PrincipalKind, ResourceKind};
pub use question::{Decision, Denial, Environment, Question, Resource, Tagged};
pub use record::PolicyName;
pub use session::{SessionError, fuzzing};
pub use tag::{Tags, TooManyTags};
