//! What the store holds of identities, and how it is laid out.
//!
//! A record is a layout number and a postcard body. A newer layout gets a new number; every older one stays readable. Users,
//! groups, roles and policies are sealed under the key of their account; accounts and AccessKeys under the system's, since
//! the account is known only after the AccessKey was found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use yaoku_crypto::Secret;
use yaoku_seal::{Domain, Kind, RecordName};

use crate::{
    AccessKeyId, AccountId, CertificateId, Error, GroupId, Name, PublicKeyHash, RoleId, Tags, Timestamp, TokenId,
    UserId,
};

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
/// When a credential was last used: under the id of an AccessKey, or `t:` and that of a token, or `c:` and that of a certificate's binding.
pub(crate) const LAST_USED: Kind = Kind(15);
/// A token of a user. The range of this crate goes on from 56.
pub(crate) const TOKEN: Kind = Kind(56);
/// A public key that a user's certificates have.
pub(crate) const CERTIFICATE: Kind = Kind(57);
/// What is remembered of the logins of one credential.
pub(crate) const LOGINS: Kind = Kind(58);

/// Id of the record that names the installation's account.
pub(crate) const INSTALLATION: &[u8] = b"root";

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
    /// Not in layout 1.
    pub(crate) tags: Tags,
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
    /// Not in layout 1.
    pub(crate) tags: Tags,
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
    /// The layout that is written.
    const LAYOUT: u8 = 1;
    /// What layout 1 ends before, if another is written: the fields that came later, as postcard writes those of a record
    /// that has nothing in them.
    const SINCE_LAYOUT_1: &'static [u8] = &[];

    fn encode(&self) -> Result<Secret, Error> {
        let mut bytes = vec![Self::LAYOUT];
        bytes.extend(postcard::to_allocvec(self).map_err(|_| Error::Record(Self::WHAT))?);
        Ok(Secret::new(bytes))
    }

    fn decode(bytes: &Secret) -> Result<Self, Error> {
        let read = match bytes.expose().split_first() {
            Some((&layout, body)) if layout == Self::LAYOUT => postcard::from_bytes(body),
            Some((1, body)) => postcard::from_bytes(&[body, Self::SINCE_LAYOUT_1].concat()),
            _ => return Err(Error::Record(Self::WHAT)),
        };
        read.map_err(|_| Error::Record(Self::WHAT))
    }
}

/// A map without entries: their number.
const NO_TAGS: &[u8] = &[0];

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
    const LAYOUT: u8 = 2;
    const SINCE_LAYOUT_1: &'static [u8] = NO_TAGS;
}
impl Stored for PolicyRecord {
    const WHAT: &'static str = "a policy";
    const LAYOUT: u8 = 2;
    const SINCE_LAYOUT_1: &'static [u8] = NO_TAGS;
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

pub(crate) fn token_name(id: &TokenId) -> RecordName {
    system(TOKEN, id.as_str().as_bytes())
}

pub(crate) fn certificate_name(account: AccountId, public_key: PublicKeyHash) -> RecordName {
    of_account(CERTIFICATE, account, &public_key.to_bytes())
}

/// When an AccessKey was last used.
pub(crate) fn access_key_last_used(id: &AccessKeyId) -> RecordName {
    system(LAST_USED, id.as_str().as_bytes())
}

/// When a token was last used.
pub(crate) fn token_last_used(id: &TokenId) -> RecordName {
    system(LAST_USED, format!("t:{id}").as_bytes())
}

/// When a certificate was last used.
pub(crate) fn certificate_last_used(id: &CertificateId) -> RecordName {
    system(LAST_USED, format!("c:{id}").as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> RoleRecord {
        RoleRecord {
            name: Name::from_stored("keeper"),
            description: "d".into(),
            trust: "{}".into(),
            max_session: 3600,
            created: Timestamp(1),
            updated: Timestamp(2),
            policies: BTreeMap::from([(PolicyName::System(Name::from_stored("p")), Timestamp(3))]),
            tags: Tags::default(),
        }
    }

    fn policy() -> PolicyRecord {
        let version = PolicyVersionRecord { created: Timestamp(1), document: "{}".into() };
        PolicyRecord {
            description: "d".into(),
            created: Timestamp(1),
            updated: Timestamp(2),
            default: 1,
            newest: 1,
            versions: BTreeMap::from([(1, version)]),
            tags: Tags::default(),
        }
    }

    /// Bytes that layout 1 had of [`role`].
    const ROLE_1: &[u8] = b"\x01\x06keeper\x01d\x02{}\x90\x1c\x01\x02\x01\x00\x01p\x03";
    /// Bytes that layout 1 had of [`policy`].
    const POLICY_1: &[u8] = b"\x01\x01d\x01\x02\x01\x01\x01\x01\x01\x02{}";

    #[test]
    fn roles_and_policies_of_layout_1_have_no_tags() {
        assert_eq!(RoleRecord::decode(&Secret::new(ROLE_1.to_vec())).unwrap(), role());
        assert_eq!(PolicyRecord::decode(&Secret::new(POLICY_1.to_vec())).unwrap(), policy());
    }

    #[test]
    fn a_record_gives_back_what_it_was_made_of() {
        let (mut role, mut policy) = (role(), policy());
        role.tags.put([("team", "shop")]).unwrap();
        policy.tags.put([("team", "shop"), ("empty", "")]).unwrap();
        assert_eq!(RoleRecord::decode(&role.encode().unwrap()).unwrap(), role);
        assert_eq!(PolicyRecord::decode(&policy.encode().unwrap()).unwrap(), policy);
    }

    #[test]
    fn damaged_and_newer_records_are_refused() {
        for bytes in [&[][..], &[1], &[2], &[3, 0], &[0], &ROLE_1[..ROLE_1.len() - 1]] {
            assert!(RoleRecord::decode(&Secret::new(bytes.to_vec())).is_err(), "{bytes:?}");
        }
        // Tags of layout 2 that are not there, and layout 2 of what has no other than 1.
        let without = [&[2], &ROLE_1[1..]].concat();
        assert!(RoleRecord::decode(&Secret::new(without)).is_err());
        assert!(GroupRecord::decode(&Secret::new(vec![2, 1, b'g', 0, 1, 1, 0])).is_err());
        assert!(GroupRecord::decode(&Secret::new(vec![1, 1, b'g', 0, 1, 1, 0])).is_ok());
    }
}
