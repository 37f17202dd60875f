//! How much of everything an account may have: what bounds the memory that identities take.

/// Users.
pub const USERS: usize = 10_000;
/// Groups.
pub const GROUPS: usize = 1_000;
/// Roles.
pub const ROLES: usize = 10_000;
/// Policies of the account's own.
pub const POLICIES: usize = 1_500;
/// Versions of one policy that are kept.
pub const POLICY_VERSIONS: usize = 5;
/// Policies attached to one user, group or role: each decision asks all of them.
pub const ATTACHMENTS: usize = 30;
/// Groups that one user is in.
pub const GROUPS_OF_USER: usize = 50;
/// AccessKeys of one user, and of the root.
pub const ACCESS_KEYS: usize = 5;
/// Accounts of an installation.
pub const ACCOUNTS: usize = 10_000;
/// Tokens of one user.
pub const TOKENS: usize = 100;
/// Public keys of certificates bound to one user.
pub const CERTIFICATES: usize = 20;
