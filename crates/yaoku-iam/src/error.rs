//! The one error type of this crate.

use crate::policy::PolicyError;
use crate::{AccountId, Denial};

/// What can go wrong in identity and access.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing identities failed.
    #[error(transparent)]
    Vault(#[from] yaoku_seal::Error),
    /// An identity record can't be read by this version.
    #[error("the record of {0} can't be read by this version of yaoku")]
    Record(&'static str),
    /// What an identity needs is not in the store. To go on without it could allow what it denied.
    #[error(
        "{what} is missing from the store, but {of} needs it: its record was removed from outside; restore the store from a backup"
    )]
    Missing {
        /// What.
        what: String,
        /// Who needs it.
        of: String,
    },
    /// Not 16 decimal digits.
    #[error("{0:?} is not an account ID; it must have 16 decimal digits")]
    AccountId(String),
    /// Not 1 to 128 characters of letters, digits, `.`, `-` and `_`.
    #[error("an AccessKey ID consists of 1 to 128 letters, digits, dots, hyphens and underscores")]
    AccessKeyId,
    /// A root AccessKey secret that is too short to be one.
    #[error("the AccessKey Secret of the root must consist of 16 to 256 printable ASCII characters")]
    AccessKeySecret,
    /// The configured account is not the one that this installation was made with.
    #[error(
        "this data directory belongs to account {stored}, not to {configured}: correct --account-id, or use another --data-dir"
    )]
    OtherAccount {
        /// Account found in the store.
        stored: AccountId,
        /// Account asked for.
        configured: AccountId,
    },
    /// The caller may not do this.
    #[error("the caller has no permission for this operation")]
    Denied(Denial),
    /// A name is too short or too long.
    #[error("{0:?} is too short or too long")]
    NameLength(Field),
    /// A name has characters that such names don't have.
    #[error("{0:?} contains characters that are not allowed")]
    NameChars(Field),
    /// An argument is outside what the operation takes.
    #[error("{field:?}: {why}")]
    Invalid {
        /// Which argument.
        field: Field,
        /// A clause on what it should be.
        why: &'static str,
    },
    /// A document is no policy.
    #[error("{field:?}: {problem}")]
    Document {
        /// Which argument.
        field: Field,
        /// What is wrong with it.
        problem: PolicyError,
    },
    /// There is no such thing in the caller's account.
    #[error("{0:?} does not exist")]
    NotFound(Entity),
    /// The user has no means of logging into a console, as nobody has here.
    #[error("the user has no {0:?}")]
    NoLogin(Login),
    /// There is one of that name already.
    #[error("{0:?} already exists")]
    Exists(Entity),
    /// It can't be deleted while it has, or is attached to, something.
    #[error("it can't be deleted because of {0:?}")]
    InUse(Conflict),
    /// A quota is used up.
    #[error("at most {most} {what:?} are allowed")]
    LimitExceeded {
        /// Of what.
        what: Entity,
        /// How many there can be.
        most: usize,
    },
    /// A role or a policy would have more tags than it can.
    #[error("a role or a policy can have at most {most} tags")]
    TooManyTags {
        /// How many it can have.
        most: usize,
    },
    /// The root of an account can't do this.
    #[error("{0}")]
    NotForRoot(&'static str),
    /// No such account in this installation.
    #[error("the account {0} does not exist")]
    NoAccount(AccountId),
    /// There is an account of that id already.
    #[error("the account {0} already exists")]
    AccountExists(AccountId),
    /// What an account is called is no single line of 1 to 64 characters.
    #[error("the label of an account is one line of 1 to 64 characters")]
    AccountLabel,
    /// There are as many accounts as there can be.
    #[error("there can be at most {most} accounts")]
    TooManyAccounts {
        /// How many there can be.
        most: usize,
    },
    /// The change is stored, but did not come into force in time.
    #[error(transparent)]
    NotInForce(#[from] yaoku_seal::NotInForce),
    /// The change does not rest on a decision, or can't be recorded, or comes when the server is about to end.
    #[error(transparent)]
    NotCommitted(#[from] crate::NotCommitted),
    /// Somebody else wrote the same identity at the same moment, several times over.
    #[error("another process is changing the identities; try again")]
    Contended,
}

impl Error {
    /// Whether trying again may help.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NotInForce(_)
                | Self::NotCommitted(crate::NotCommitted::Stopping)
                | Self::Contended
                | Self::Vault(yaoku_seal::Error::Store(_))
        )
    }
}

/// The argument that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the parameter of that name")]
pub enum Field {
    UserName,
    NewUserName,
    DisplayName,
    NewDisplayName,
    Comments,
    NewComments,
    Email,
    NewEmail,
    MobilePhone,
    NewMobilePhone,
    GroupName,
    NewGroupName,
    RoleName,
    Description,
    NewDescription,
    PolicyName,
    PolicyDocument,
    AssumeRolePolicyDocument,
    NewAssumeRolePolicyDocument,
    MaxSessionDuration,
    NewMaxSessionDuration,
    VersionId,
    RoleArn,
    RoleSessionName,
    DurationSeconds,
    Policy,
    ExternalId,
    Tag,
    TagKeys,
    ResourceNames,
    Token,
    TokenId,
    TtlSeconds,
    BoundCidrs,
    Certificate,
    CertificateId,
    Proof,
    Marker,
    NextToken,
}

/// Something of an account that is there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
    /// A policy.
    Policy,
    /// A version of a policy.
    PolicyVersion,
    /// An AccessKey of a user.
    AccessKey,
    /// A token of a user.
    Token,
    /// A certificate bound to a user.
    Certificate,
    /// A login that is renewed.
    Login,
    /// A user's being in a group.
    Membership,
    /// A policy's being attached to a user.
    UserPolicy,
    /// A policy's being attached to a group.
    GroupPolicy,
    /// A policy's being attached to a role.
    RolePolicy,
}

/// A means of logging into a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Login {
    /// A password, with what is asked of it.
    Password,
    /// A second factor.
    MfaDevice,
}

/// Why something can't be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// The user is in a group.
    UserGroup,
    /// The user has an AccessKey.
    UserAccessKey,
    /// The user has a policy attached.
    UserPolicy,
    /// The group has a user.
    GroupUser,
    /// The group has a policy attached.
    GroupPolicy,
    /// The role has a policy attached.
    RolePolicy,
    /// The policy is attached to a user.
    PolicyUser,
    /// The policy is attached to a group.
    PolicyGroup,
    /// The policy is attached to a role.
    PolicyRole,
    /// The policy has versions beside the default one.
    PolicyVersion,
    /// The version is the default one.
    DefaultVersion,
}
