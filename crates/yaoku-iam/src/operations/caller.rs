//! Who the caller is.

use crate::{Access, AccountId, Call, Error, Iam, Operation, OperationSpec, Principal};

/// Tells callers who they are. Needs no permission.
pub struct GetCallerIdentity;

/// Who a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The account.
    pub account: AccountId,
    /// The name by which policies know the caller.
    pub arn: String,
    /// What kind of identity it is.
    pub kind: IdentityKind,
    /// Id of the principal: of the root, its account's.
    pub principal_id: String,
    /// Id of the user; of the root, its account's.
    pub user_id: Option<String>,
}

/// A kind of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// The root of an account.
    Account,
}

impl Operation for GetCallerIdentity {
    type Output = CallerIdentity;
    const SPEC: OperationSpec = OperationSpec { name: "GetCallerIdentity", access: Access::Read };

    async fn perform(self, _: &Iam, call: &Call<'_>) -> Result<CallerIdentity, Error> {
        let Principal::Root { account } = call.principal;
        Ok(CallerIdentity {
            account: *account,
            arn: format!("acs:ram::{account}:root"),
            kind: IdentityKind::Account,
            principal_id: account.to_string(),
            user_id: Some(account.to_string()),
        })
    }
}
