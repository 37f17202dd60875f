//! What the store holds of identities, and how it is laid out.
//!
//! A record is a layout number and a postcard body. A newer layout gets a new number; every older one stays readable. Users,
//! groups, roles and policies are sealed under the key of their account; accounts and AccessKeys under the system's, since
//! the account is known only after the AccessKey was found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use yaoku_crypto::Secret;
use yaoku_seal::{Domain, Kind, RecordName};

use crate::{AccessKeyId, AccountId, Error, GroupId, Name, RoleId, Timestamp, UserId};

/// An account, in the system's domain: under the id `root` that of the installation, by its digits alone; under its own
/// digits each, with what is known of it.
pub(crate) const ACCOUNT: Kind = Kind(8);
/// An AccessKey.
pub(crate) const ACCESS_KEY: Kind = Kind(9);
/// One an account: every change of its identities expects it as it was and writes it anew, so that what one change was
/// decided on can't be changed by another meanwhile.
pub(crate) const HEAD: Kind = Kind(10);
/// A user.
pub(crate) const USER: Kind = Kind(11);
/// A group of users.
pub(crate) const GROUP: Kind = Kind(12);
/// A role.
pub(crate) const ROLE: Kind = Kind(13);
/// A policy of an account's own.
pub(crate) const POLICY: Kind = Kind(14);
/// When an AccessKey was last used.
pub(crate) const LAST_USED: Kind = Kind(15);

/// Id of the record that names the installation's account.
pub(crate) const INSTALLATION: &[u8] = b"root";
const LAYOUT: u8 = 1;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    /// What operators call it.
    pub(crate) label: String,
    pub(crate) created: Timestamp,
    pub(crate) enabled: bool,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) name: Name,
    pub(crate) display_name: String,
    pub(crate) comments: String,
    pub(crate) email: String,
    pub(crate) mobile_phone: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// The groups that it is in, with when it joined.
    pub(crate) groups: BTreeMap<GroupId, Timestamp>,
    pub(crate) policies: Attachments,
}

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub(crate) name: Name,
    pub(crate) comments: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) policies: Attachments,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleRecord {
    pub(crate) name: Name,
    pub(crate) description: String,
    /// Who may assume it: a policy document.
    pub(crate) trust: String,
    /// The longest session, in seconds.
    pub(crate) max_session: u32,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) policies: Attachments,
}

/// A policy of an account's own; its name is the record's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub(crate) description: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// The version that counts.
    pub(crate) default: u32,
    /// Number of the newest version that there ever was.
    pub(crate) newest: u32,
    pub(crate) versions: BTreeMap<u32, PolicyVersionRecord>,
}

/// One version of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyVersionRecord {
    pub(crate) created: Timestamp,
    pub(crate) document: String,
}

/// Policies that are attached to an identity, with when that was.
pub(crate) type Attachments = BTreeMap<PolicyName, Timestamp>;

/// Names a policy among all that an account can attach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyName {
    /// One of those that every account has.
    System(Name),
    /// One of the account's own.
    Custom(Name),
}

impl PolicyName {
    /// The name without its kind.
    pub fn name(&self) -> &Name {
        match self {
            Self::System(name) | Self::Custom(name) => name,
        }
    }
}

/// Reads and writes a record.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// Such as "a user".
    const WHAT: &'static str;

    fn encode(&self) -> Result<Secret, Error> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(postcard::to_allocvec(self).map_err(|_| Error::Record(Self::WHAT))?);
        Ok(Secret::new(bytes))
    }

    fn decode(bytes: &Secret) -> Result<Self, Error> {
        match bytes.expose().split_first() {
            Some((&LAYOUT, body)) => postcard::from_bytes(body).map_err(|_| Error::Record(Self::WHAT)),
            _ => Err(Error::Record(Self::WHAT)),
        }
    }
}

impl Stored for AccountRecord {
    const WHAT: &'static str = "an account";
}
impl Stored for UserRecord {
    const WHAT: &'static str = "a user";
}
impl Stored for GroupRecord {
    const WHAT: &'static str = "a group";
}
impl Stored for RoleRecord {
    const WHAT: &'static str = "a role";
}
impl Stored for PolicyRecord {
    const WHAT: &'static str = "a policy";
}
impl Stored for Timestamp {
    const WHAT: &'static str = "a time";
}

pub(crate) fn system(kind: Kind, id: &[u8]) -> RecordName {
    RecordName { kind, domain: Domain::SYSTEM, id: id.to_vec(), version: Vec::new() }
}

fn of_account(kind: Kind, account: AccountId, id: &[u8]) -> RecordName {
    RecordName { kind, domain: account.domain(), id: id.to_vec(), version: Vec::new() }
}

pub(crate) fn head_name(account: AccountId) -> RecordName {
    of_account(HEAD, account, &[])
}

pub(crate) fn account_name(account: AccountId) -> RecordName {
    system(ACCOUNT, account.as_str().as_bytes())
}

pub(crate) fn access_key_name(id: &AccessKeyId) -> RecordName {
    system(ACCESS_KEY, id.as_str().as_bytes())
}

pub(crate) fn user_name(account: AccountId, id: UserId) -> RecordName {
    of_account(USER, account, &id.to_bytes())
}

pub(crate) fn group_name(account: AccountId, id: GroupId) -> RecordName {
    of_account(GROUP, account, &id.to_bytes())
}

pub(crate) fn role_name(account: AccountId, id: RoleId) -> RecordName {
    of_account(ROLE, account, &id.to_bytes())
}

pub(crate) fn policy_name(account: AccountId, name: &Name) -> RecordName {
    of_account(POLICY, account, name.as_str().as_bytes())
}
