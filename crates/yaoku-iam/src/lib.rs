//! Who is calling yaoku, and what they may do.
//!
//! An installation holds accounts, isolated from each other; an account owns keys, users, groups, roles and policies.
//! Every request is made by a [`Principal`], proven with an [`AccessKey`] whose secret only [`Iam`] reads.
//! [`Iam::authorise`] is the one place where a permission is decided; [`policy`] reads and decides policy documents.
//!
//! What is done to identities is one type each in a family module under [`operations`]. A change is decided on what is in
//! memory of the account, committed if the store still has it so, and in force before its operation answers: whoever was
//! proven before sees it too.

mod access_key;
mod account;
mod authority;
mod bounds;
mod call;
mod caller;
mod certificate;
mod change;
mod clock;
mod directory;
mod disk;
mod epoch;
mod error;
mod hypothesis;
mod id;
mod lanes;
mod login;
mod operation;
pub mod operations;
mod performer;
pub mod policy;
mod principal;
mod question;
pub mod quota;
mod record;
mod replacement;
mod resource;
mod session;
mod tag;
mod tenant;
mod text;
mod token;
mod turns;
mod usage;

pub use access_key::{AccessKey, AccessKeyId, NewAccessKey};
pub use account::AccountId;
pub use authority::{Bootstrap, Iam, Opened, installation};
pub use bounds::{CallsUnderWay, TooMany, UnderWay};
pub use call::{Call, Failed, Grant, Intent, Named, NotCommitted, Trace, Which};
pub use caller::{Caller, Credential, NotAuthenticated, OperatingSystemUser};
pub use certificate::{CertificateAbout, CertificateId, GivenCertificate, PublicKeyHash};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use disk::DiskIdentity;
pub use epoch::Epoch;
pub use error::{Conflict, Entity, Error, Field, Login};
pub use hypothesis::Hypothesis;
pub use id::{GroupId, Name, RoleId, UserId};
pub use lanes::{Lanes, LanesOf, OneAtATime, OneOf, Standing};
pub use login::{BearerError, LOGIN, LONGEST_LOGIN};
pub use operation::{Access, Answer, Domain, ErrorOf, Operation, OperationSpec, ResourceKind, StateRule, Target};
pub use performer::{NotPerformed, Performer};
pub use principal::{Described, Permission, Principal, PrincipalKey, PrincipalKind};
pub use question::{Decision, Denial, Environment, Question, Resource, Tagged};
pub use record::PolicyName;
pub use replacement::{KnownAccessKeys, NotKnown};
pub use resource::{CERTIFICATE, GROUP, POLICY, ROLE, TOKEN, USER};
pub use session::{SessionError, fuzzing};
pub use tag::{Tags, TooManyTags};
pub use token::{BoundNetworks, NewToken, TokenAbout, TokenId};
#[cfg(any(test, feature = "testing"))]
pub use turns::HeldTurns;
pub use turns::{NotDone, Reserved, Turns, WaitingBounds, Workers};
